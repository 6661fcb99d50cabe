#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int fail(const char *what) {
    printf("error %s %s\n", what, strerror(errno));
    return 0;
}

int main(int argc, char **argv) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
    int code = getaddrinfo(argv[1], argv[2], &hints, &found);
    if (code) { printf("error getaddrinfo %s\n", gai_strerror(code)); return 0; }
    int fd = -1;
    for (struct addrinfo *each = found; each; each = each->ai_next) {
        fd = socket(each->ai_family, each->ai_socktype, 0);
        if (fd >= 0 && connect(fd, each->ai_addr, each->ai_addrlen) == 0) break;
        if (!each->ai_next) return fail("connect");
        close(fd);
    }
    char buffer[100] = {0};
    if (send(fd, "hello", 5, 0) != 5) return fail("send");
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    if (poll(&wait, 1, 10000) != 1) return fail("poll");
    long got = recv(fd, buffer, sizeof buffer, 0);
    if (got < 0) return fail("recv");
    shutdown(fd, SHUT_WR);
    long end = recv(fd, buffer + 50, 10, 0);
    printf("ok %.*s %ld\n", (int)got, buffer, end);
    close(fd);
    return 0;
}

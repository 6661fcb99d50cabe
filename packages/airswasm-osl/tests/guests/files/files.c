/* Files by the C library, unmodified: what it can do is what the grants allow. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int is_done(const char *what, int is_right) {
    if (is_right)
        return 1;
    printf("%s: %s\n", what, strerror(errno));
    exit(1);
}

static void told(const char *what, int is_right) {
    printf("%s: %s\n", what, is_right ? "done" : strerror(errno));
}

static int by_name(const void *one, const void *other) {
    return strcmp(*(char *const *)one, *(char *const *)other);
}

int main(void) {
    char text[100] = "", *names[10];
    int count = 0;
    struct stat status;
    is_done("mkdir", mkdir("/data/a", 0700) == 0);
    FILE *file = fopen("/data/a/f", "w");
    is_done("fopen", file != NULL);
    is_done("fputs", fputs("0123456789", file) >= 0 && fclose(file) == 0);
    file = fopen("/data/a/f", "r+");
    is_done("fseek", file && fseek(file, 4, SEEK_SET) == 0 && fputs("XY", file) >= 0);
    is_done("ftruncate", fflush(file) == 0 && ftruncate(fileno(file), 8) == 0);
    is_done("fsync", fsync(fileno(file)) == 0 && fclose(file) == 0);
    file = fopen("/data/a/f", "a");
    is_done("append", file && fputs("end", file) >= 0 && fclose(file) == 0);
    file = fopen("/data/a/f", "r");
    is_done("fgets", file && fgets(text, sizeof text, file) != NULL && fclose(file) == 0);
    printf("content: %s\n", text);
    is_done("rename", rename("/data/a/f", "/data/h") == 0);
    DIR *folder = opendir("/data");
    is_done("opendir", folder != NULL);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
        if (entry->d_name[0] != '.' && count < 10)
            names[count++] = strdup(entry->d_name);
    closedir(folder);
    qsort(names, count, sizeof *names, by_name);
    printf("names:");
    for (int at = 0; at < count; at++)
        printf(" %s", names[at]);
    is_done("stat", stat("/data/h", &status) == 0);
    printf("\nsize: %lld %s\n", (long long)status.st_size, S_ISREG(status.st_mode) ? "true" : "false");
    is_done("rmdir", rmdir("/data/a") == 0);
    told("files", 1);
    told("other", fopen("/other/f", "r") != NULL);
    told("write", fopen("/read-only/f", "w") != NULL);
    told("missing", fopen("/data/none", "r") != NULL);
    told("slash", fopen("/data/h/", "r") != NULL);
    told("new", open("/data/h", O_WRONLY | O_CREAT | O_EXCL, 0600) >= 0);
    return 0;
}

/* Opens files, programs, connections and sockets, and calls each of their functions once. */
#include "telling.h"

static void say_flag(bool failed) { say(failed ? AIRSWASM_TEXT("?") : AIRSWASM_TEXT("ok")); }

static void files(void) {
    airswasm_text file = AIRSWASM_TEXT("f");
    LINE("rename"); say_done(airswasm_rename_file(file, AIRSWASM_TEXT("g")));
    LINE("page"); say(airswasm_list_page(AIRSWASM_TEXT("d"), AIRSWASM_TEXT("a"), 5).entries[0].name);
    airswasm_count (*openers[])(airswasm_text) = {
        airswasm_open_to_read, airswasm_open_to_write, airswasm_open_to_update,
        airswasm_open_to_create, airswasm_open_to_replace,
    };
    for (uint32_t i = 0; i < 5; i++) {
        airswasm_count opened = openers[i](file);
        LINE("open"); say_flag(opened.failed);
        if (i < 4) airswasm_file_close(opened.value);
        else {
            LINE("read"); say_content(airswasm_file_read(opened.value, UINT64_MAX, 7));
            LINE("write"); say_done(airswasm_file_write(opened.value, 2, AIRSWASM_BYTES("w")));
            LINE("append"); say_number(airswasm_file_append(opened.value, AIRSWASM_BYTES("a")).value);
            LINE("size"); say_done(airswasm_file_set_size(opened.value, UINT64_MAX));
            LINE("sync"); say_done(airswasm_file_sync(opened.value));
            LINE("info"); say_number(airswasm_file_stat(opened.value).size_bytes);
            LINE("commit"); say_done(airswasm_file_commit(opened.value));
            airswasm_file_close(opened.value);
        }
    }
}

static void programs(void) {
    airswasm_text arguments[] = {AIRSWASM_TEXT("a"), AIRSWASM_TEXT("b")};
    airswasm_variable variable = {AIRSWASM_TEXT("K"), AIRSWASM_TEXT("v")};
    airswasm_count child = airswasm_spawn_program(
        AIRSWASM_TEXT("/bin/x"), arguments, 2, AIRSWASM_TEXT("/"), &variable, 1, 9);
    LINE("spawn"); say_flag(child.failed);
    LINE("out"); say_content(airswasm_child_read_stdout(child.value, 3));
    LINE("err"); say_content(airswasm_child_read_stderr(child.value, 4));
    LINE("in"); say_done(airswasm_child_write_stdin(child.value, AIRSWASM_BYTES("i")));
    airswasm_child_close_stdin(child.value);
    LINE("signal"); say_done(airswasm_child_signal(child.value, AIRSWASM_SIGNAL_CONTINUE));
    LINE("wait"); say_number((uint64_t)-airswasm_child_wait(child.value).code);
    airswasm_child_kill(child.value);
    airswasm_child_close(child.value);
}

static void sockets(void) {
    airswasm_count connection = airswasm_tcp_connect(AIRSWASM_TEXT("h:1"), 8);
    LINE("finish"); say_done(airswasm_tcp_finish(connection.value));
    LINE("peer"); say(airswasm_tcp_peer(connection.value));
    airswasm_tcp_close(connection.value);
    airswasm_count listener = airswasm_tcp_listen(AIRSWASM_TEXT("127.0.0.1:0"));
    LINE("listen"); say(airswasm_tcp_listener_address(listener.value));
    airswasm_count accepted = airswasm_tcp_accept(listener.value, 5);
    LINE("accept"); say_flag(accepted.failed);
    airswasm_tcp_close(accepted.value);
    airswasm_tcp_stop_listening(listener.value);
    airswasm_count socket = airswasm_udp_bind(AIRSWASM_TEXT("127.0.0.1:0"));
    LINE("bind"); say(airswasm_udp_address(socket.value));
    LINE("to"); say_done(airswasm_udp_send(socket.value, AIRSWASM_TEXT("h:2"), AIRSWASM_BYTES("u")));
    airswasm_datagram datagram = airswasm_udp_receive(socket.value, 6);
    LINE("from"); say(datagram.sender); say_bytes(datagram.data);
    datagram = airswasm_udp_receive(socket.value, 7);
    LINE("late"); say_bool(datagram.failed && datagram.error.code == AIRSWASM_OS_TIMED_OUT);
    airswasm_udp_close(socket.value);
}

static void requests(void) {
    airswasm_header header = {AIRSWASM_TEXT("a"), AIRSWASM_TEXT("b")};
    airswasm_timeouts timeouts = {1, 2, 3, 4};
    airswasm_count request = airswasm_http_open(AIRSWASM_TEXT("PUT"), AIRSWASM_TEXT("http://h/"),
                                                &header, 1, timeouts);
    LINE("open"); say_flag(request.failed);
    LINE("body"); say_done(airswasm_http_write(request.value, AIRSWASM_BYTES("b")));
    airswasm_count response = airswasm_http_finish(request.value, &header, 1);
    LINE("answer"); say_number(airswasm_http_status(response.value));
    airswasm_headers headers = airswasm_http_headers(response.value);
    say_pair(headers.headers[0].name, headers.headers[0].value);
    say_content(airswasm_http_read(response.value, 9));
    headers = airswasm_http_trailers(response.value);
    say_pair(headers.headers[0].name, headers.headers[0].value);
    airswasm_http_drop_request(request.value);
    airswasm_http_drop_response(response.value);
}

static airswasm_reply handle(airswasm_text sender, const airswasm_text *topic, airswasm_bytes payload) {
    (void)sender; (void)topic; (void)payload;
    files();
    programs();
    sockets();
    requests();
    return airswasm_answer(airswasm_as_bytes(told));
}

AIRSWASM_HANDLER(handle)

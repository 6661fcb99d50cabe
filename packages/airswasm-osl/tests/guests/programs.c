/* Starts a program, talks with it, and answers with what it said and how it ended. */
#include "airswasm.h"

static airswasm_reply talk(airswasm_text sender, const airswasm_text *topic, airswasm_bytes payload) {
    (void)sender, (void)topic;
    const airswasm_variable zone = {AIRSWASM_TEXT("TZ"), AIRSWASM_TEXT("X")};
    airswasm_count child = airswasm_spawn_program(
        AIRSWASM_TEXT("/bin/cat"), (const airswasm_text[]){AIRSWASM_TEXT("-u")}, 1,
        AIRSWASM_TEXT("/"), &zone, 1, 0);
    if (child.failed) return airswasm_answer(airswasm_as_bytes(child.error.text));
    airswasm_text told = AIRSWASM_TEXT("");
    for (int round = 0; round < 2; round++) {
        airswasm_child_write_stdin(child.value, payload);
        airswasm_content read = airswasm_child_read_stdout(child.value, 100);
        told = airswasm_join(told, airswasm_as_text(read.value));
    }
    airswasm_done signalled = airswasm_child_signal(child.value, AIRSWASM_SIGNAL_TERMINATE);
    if (signalled.failed) airswasm_child_close_stdin(child.value);
    airswasm_exit ended = airswasm_child_wait(child.value);
    airswasm_child_close(child.value);
    told = airswasm_join(told, AIRSWASM_TEXT(" "));
    if (ended.code < 0) told = airswasm_join(told, AIRSWASM_TEXT("signal "));
    return airswasm_answer(airswasm_as_bytes(airswasm_join(
        told, airswasm_decimal((uint64_t)(ended.code < 0 ? -ended.code : ended.code)))));
}
AIRSWASM_HANDLER(talk)

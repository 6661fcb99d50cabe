/* Puts the answer of a guest together: a line for each call, and words in it. */
#include "airswasm.h"

static airswasm_text told;

static inline void say(airswasm_text word) {
    if (told.length) told = airswasm_join(told, AIRSWASM_TEXT(" "));
    told = airswasm_join(told, word);
}
static inline void line(const char *name, uint32_t length) {
    if (told.length) told = airswasm_join(told, AIRSWASM_TEXT(";"));
    told = airswasm_join(told, (airswasm_text){name, length});
}
#define LINE(name) line(name, sizeof(name) - 1)

static inline void say_bytes(airswasm_bytes bytes) { say(airswasm_as_text(bytes)); }
static inline void say_number(uint64_t number) { say(airswasm_decimal(number)); }
static inline void say_bool(bool value) { say(value ? AIRSWASM_TEXT("true") : AIRSWASM_TEXT("false")); }
static inline void say_done(airswasm_done done) { say(done.failed ? AIRSWASM_TEXT("?") : AIRSWASM_TEXT("ok")); }
static inline void say_lookup(airswasm_lookup found) {
    if (found.failed) say(AIRSWASM_TEXT("?"));
    else if (found.found) say_bytes(found.value);
    else say(AIRSWASM_TEXT("none"));
}
static inline void say_content(airswasm_content content) {
    if (content.failed) say(AIRSWASM_TEXT("?"));
    else say_bytes(content.value);
}
static inline void say_pair(airswasm_text left, airswasm_text right) {
    say(airswasm_join(airswasm_join(left, AIRSWASM_TEXT("=")), right));
}


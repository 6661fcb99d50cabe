/* Keeps books: the first byte of a message says what to do. Defects are compiled in. */
#include "airswasm.h"

#ifdef DEFECT_ANSWER
#define STEP 2
#else
#define STEP 1
#endif

typedef struct {
    uint64_t seconds;
    uint32_t nanoseconds;
} moment;

__attribute__((import_module("wasi:clocks/wall-clock@0.2.12"), import_name("now"))) void
wall_clock_now(moment *now);
__attribute__((import_module("wasi:clocks/monotonic-clock@0.2.12"), import_name("now"))) uint64_t
monotonic_now(void);
__attribute__((import_module("wasi:random/random@0.2.12"), import_name("get-random-u64"))) uint64_t
random_u64(void);

static const airswasm_text other = {"local/other", 11};
static uint64_t handled;

static airswasm_bytes digits(uint64_t number) { return airswasm_as_bytes(airswasm_decimal(number)); }

static uint64_t stored(airswasm_text key) {
    airswasm_lookup found = airswasm_get(key);
    return !found.failed && found.found ? airswasm_number(found.value) : 0;
}

static airswasm_reply kept(airswasm_text key, airswasm_bytes value) {
    airswasm_written done = airswasm_set(key, value);
    return done.failed ? airswasm_refuse(airswasm_write_reason(&done.error)) : airswasm_answer(value);
}

static airswasm_reply text(const char *said, uint32_t length) {
    return airswasm_answer((airswasm_bytes){(const uint8_t *)said, length});
}

static airswasm_reply pair(void) {
    airswasm_bytes one = AIRSWASM_BYTES("1"), two = AIRSWASM_BYTES("2");
#ifdef OTHER_ORDER
    airswasm_set(AIRSWASM_TEXT("two"), two);
    airswasm_set(AIRSWASM_TEXT("one"), one);
#else
    airswasm_set(AIRSWASM_TEXT("one"), one);
    airswasm_set(AIRSWASM_TEXT("two"), two);
#endif
    return airswasm_acknowledge();
}

static airswasm_reply handle(airswasm_text sender, const airswasm_text *topic, airswasm_bytes payload) {
    (void)sender, (void)topic;
    handled++;
#ifdef DEFECT_CRASH
    if (handled == 3) __builtin_trap();
#endif
#ifdef DEFECT_SEND
    airswasm_send(AIRSWASM_TEXT("local/spy"), payload);
#endif
#ifdef DEFECT_WRITE
    airswasm_set(AIRSWASM_TEXT("stray"), AIRSWASM_BYTES("!"));
#endif
#ifdef DEFECT_FUEL
    for (volatile uint32_t i = 0; i < 200000; i++) {
    }
#endif
#ifdef DEFECT_HANG
    for (volatile uint32_t i = 0;; i++) {
    }
#endif
#ifdef ASKS_MORE
    (void)random_u64();
#endif
    airswasm_bytes rest = {payload.data + 1, payload.length ? payload.length - 1 : 0};
    switch (payload.length ? payload.data[0] : 0) {
    case 'a': /* add to the total */
        return kept(AIRSWASM_TEXT("total"), digits(stored(AIRSWASM_TEXT("total")) + STEP));
    case 'p': /* two writes */
        return pair();
    case 'd': /* delete */
        airswasm_delete(AIRSWASM_TEXT("total"));
        return airswasm_acknowledge();
    case 't': { /* the time */
        moment now;
        wall_clock_now(&now);
        return kept(AIRSWASM_TEXT("seen"), digits(now.seconds * 1000000000 + now.nanoseconds));
    }
    case 'm': /* the other time */
        return airswasm_answer(digits(monotonic_now()));
    case 'r': /* a random number */
        return kept(AIRSWASM_TEXT("drawn"), digits(random_u64()));
    case 's': { /* tell the other */
        airswasm_done sent = airswasm_send(other, rest);
        return sent.failed ? airswasm_refuse(sent.error.text) : text("sent", 4);
    }
    case 'c': { /* ask the other */
        airswasm_lookup answer = airswasm_call(other, rest, 0);
        if (answer.failed) return airswasm_refuse(answer.error.text);
        return answer.found ? airswasm_answer(answer.value) : airswasm_acknowledge();
    }
    case 'q': { /* ask the other, and keep the answer as it comes */
        airswasm_id asked = airswasm_request(other, rest, 0);
        return asked.failed ? airswasm_refuse(asked.error.text) : airswasm_answer(digits(asked.value));
    }
    case 'n': /* what is only in memory */
        return airswasm_answer(digits(handled));
    case 'l': /* say something */
        airswasm_log(AIRSWASM_INFO, AIRSWASM_TEXT("said"));
        return airswasm_acknowledge();
    case 'e': /* echo */
        return airswasm_answer(rest);
    case 'x':
        __builtin_trap();
    default:
        return airswasm_refuse(AIRSWASM_TEXT("what?"));
    }
}
AIRSWASM_HANDLER(handle)

static void answered(uint64_t request_id, const airswasm_outcome *outcome) {
    (void)request_id;
    airswasm_set(AIRSWASM_TEXT("answered"),
                 outcome->failed ? AIRSWASM_BYTES("failed") : outcome->value);
}
AIRSWASM_CALLBACKS(answered)

static airswasm_verdict begin(airswasm_text config) {
    (void)config;
    moment now;
    wall_clock_now(&now);
    airswasm_set(AIRSWASM_TEXT("begun"), digits(now.seconds));
    airswasm_subscribe(AIRSWASM_TEXT("news.*"));
    return airswasm_ok();
}
static void end(void) {}
AIRSWASM_LIFECYCLE(begin, end)

#ifdef MIGRATES
static airswasm_verdict migrate(airswasm_text from) {
    airswasm_set(AIRSWASM_TEXT("migrated"), airswasm_as_bytes(from));
#ifdef DEFECT_MIGRATE
    return airswasm_fail(AIRSWASM_TEXT("cannot"));
#else
    return airswasm_ok();
#endif
}
AIRSWASM_MIGRATION(migrate)
#endif

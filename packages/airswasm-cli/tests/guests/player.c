/* Does what it is told: `log:TEXT`, `warn:TEXT`, `refuse:TEXT`, `trap` or `to:NAME`. */
#include "airswasm.h"

static int begins(airswasm_bytes payload, const char *word, size_t length) {
    return payload.length >= length && __builtin_memcmp(payload.data, word, length) == 0;
}

static airswasm_text rest(airswasm_bytes payload, size_t from) {
    airswasm_text text = {(const char *)payload.data + from, payload.length - from};
    return text;
}

static airswasm_reply handle(airswasm_text sender, const airswasm_text *topic,
                             airswasm_bytes payload) {
    (void)sender;
    (void)topic;
    if (begins(payload, "log:", 4)) {
        airswasm_log(AIRSWASM_INFO, rest(payload, 4));
    } else if (begins(payload, "warn:", 5)) {
        airswasm_log(AIRSWASM_WARN, rest(payload, 5));
    } else if (begins(payload, "refuse:", 7)) {
        return airswasm_refuse(rest(payload, 7));
    } else if (begins(payload, "trap", 4)) {
        __builtin_trap();
    } else if (begins(payload, "to:", 3)) {
        airswasm_bytes hello = airswasm_as_bytes(AIRSWASM_TEXT("hello"));
        airswasm_done sent = airswasm_send(rest(payload, 3), hello);
        if (sent.failed) {
            return airswasm_refuse(sent.error.text);
        }
    }
    return airswasm_acknowledge();
}

AIRSWASM_HANDLER(handle)

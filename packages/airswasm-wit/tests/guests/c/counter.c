/* Counts its messages in storage and publishes the count: the example of the guide. */
#include "airswasm.h"

static airswasm_reply count(airswasm_text sender, const airswasm_text *topic, airswasm_bytes payload) {
    (void)topic, (void)payload;
    airswasm_lookup seen = airswasm_get(AIRSWASM_TEXT("count"));
    if (seen.failed) return airswasm_refuse(seen.error.text);
    uint64_t number = (seen.found ? airswasm_number(seen.value) : 0) + 1;
    airswasm_bytes digits = airswasm_as_bytes(airswasm_decimal(number));
    airswasm_written stored = airswasm_set(AIRSWASM_TEXT("count"), digits);
    if (stored.failed) return airswasm_refuse(airswasm_write_reason(&stored.error));
    airswasm_publish(AIRSWASM_TEXT("counts"), digits);
    airswasm_log(AIRSWASM_INFO, airswasm_join(AIRSWASM_TEXT("counted one from "), sender));
    return airswasm_answer(digits);
}
AIRSWASM_HANDLER(count)

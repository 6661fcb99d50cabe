/* Answers with the payload. */
#include "airswasm.h"

static airswasm_reply echo(airswasm_text sender, const airswasm_text *topic, airswasm_bytes payload) {
    (void)sender, (void)topic;
    return airswasm_answer(payload);
}
AIRSWASM_HANDLER(echo)

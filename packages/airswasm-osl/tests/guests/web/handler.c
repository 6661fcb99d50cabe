/* A web service by messages: the bytes of a reply without a codec are the body. */
#include "airswasm.h"

static airswasm_reply serve(airswasm_text sender, const airswasm_text *topic, airswasm_bytes payload) {
    (void)sender, (void)topic;
    airswasm_text text = airswasm_as_text(payload);
    return airswasm_answer(airswasm_as_bytes(airswasm_join(AIRSWASM_TEXT("asked: "), text)));
}
AIRSWASM_HANDLER(serve)

/* A web service by wasi:http, without bindings: echoes the body of a request, or greets. */
#include <stdint.h>

#define IMPORT(interface, name) \
    __attribute__((import_module("wasi:" interface "@0.2.12"), import_name(name)))
#define HTTP "http/types"
#define STREAMS "io/streams"

IMPORT(HTTP, "[constructor]fields") int32_t new_fields(void);
IMPORT(HTTP, "[constructor]outgoing-response") int32_t new_response(int32_t fields);
IMPORT(HTTP, "[method]outgoing-response.body") void response_body(int32_t response, int32_t *to);
IMPORT(HTTP, "[method]outgoing-body.write") void body_stream(int32_t body, int32_t *to);
IMPORT(HTTP, "[static]outgoing-body.finish")
void finish_body(int32_t body, int32_t has_trailers, int32_t trailers, int64_t *to);
IMPORT(HTTP, "[static]response-outparam.set")
void set_response(int32_t out, int32_t is_error, int32_t response, int32_t, int64_t, const void *,
                  const void *, uint32_t, int32_t);
IMPORT(HTTP, "[method]incoming-request.consume") void consume(int32_t request, int32_t *to);
IMPORT(HTTP, "[method]incoming-body.stream") void incoming_stream(int32_t body, int32_t *to);
IMPORT(HTTP, "[resource-drop]incoming-request") void drop_request(int32_t request);
IMPORT(HTTP, "[resource-drop]incoming-body") void drop_incoming(int32_t body);
IMPORT(STREAMS, "[method]input-stream.blocking-read")
void blocking_read(int32_t stream, int64_t most, uint32_t *to);
IMPORT(STREAMS, "[method]output-stream.blocking-write-and-flush")
void blocking_write(int32_t stream, const void *data, uint32_t size, uint32_t *to);
IMPORT(STREAMS, "[resource-drop]input-stream") void drop_input(int32_t stream);
IMPORT(STREAMS, "[resource-drop]output-stream") void drop_output(int32_t stream);

enum { PART = 4096 };
static _Alignas(16) uint8_t heap[4 * PART];
static uint32_t used;

__attribute__((export_name("cabi_realloc"))) void *cabi_realloc(void *old, uint32_t old_size,
                                                                 uint32_t align, uint32_t size) {
    (void)old, (void)old_size;
    used = (used + align - 1) & ~(align - 1);
    if (used + size > sizeof heap) __builtin_trap();
    used += size;
    return heap + used - size;
}

__attribute__((export_name("wasi:http/incoming-handler@0.2.12#handle"))) void handle(
    int32_t request, int32_t out) {
    int32_t got[2], asked[2], body[2], sink[2];
    uint32_t read[3], wrote[3];
    int64_t finished[5];
    int is_empty = 1;
    consume(request, got);
    incoming_stream(got[1], asked);
    int32_t response = new_response(new_fields());
    response_body(response, body);
    set_response(out, 0, response, 0, 0, 0, 0, 0, 0);
    body_stream(body[1], sink);
    for (;;) {
        used = 0;
        blocking_read(asked[1], PART, read);
        if ((uint8_t)read[0]) break;
        is_empty = 0;
        blocking_write(sink[1], (const void *)(uintptr_t)read[1], read[2], wrote);
        if ((uint8_t)wrote[0]) break;
    }
    if (is_empty) blocking_write(sink[1], "hello, world\n", 13, wrote);
    drop_input(asked[1]);
    drop_incoming(got[1]);
    drop_request(request);
    drop_output(sink[1]);
    finish_body(body[1], 0, 0, finished);
}

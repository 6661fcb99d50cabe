/* airswasm.c: the host's functions, memory, and the few functions of libc that compilers call.
 * Compile it together with the component; see airswasm.h. */
#include "airswasm.h"

/* The types of all host interfaces. What is not called is not imported. */
AIRSWASM_TYPE_HOST_

#define IMPORT(module, name) __attribute__((import_module(module), import_name(name)))
#define MESSAGING "airswasm:component/messaging@0.1.0"
#define TIMERS "airswasm:component/timers@0.1.0"
#define STORAGE "airswasm:component/storage@0.1.0"
#define LOGGING "airswasm:component/logging@0.1.0"
#define CAPABILITIES "airswasm:component/capabilities@0.1.0"
#define TRACING "airswasm:component/tracing@0.1.0"
#define FILESYSTEM "airswasm:component/filesystem@0.1.0"
#define PROCESS "airswasm:component/process@0.1.0"
#define TCP "airswasm:component/tcp@0.1.0"
#define UDP "airswasm:component/udp@0.1.0"
#define DNS "airswasm:component/dns@0.1.0"
#define HTTP "airswasm:component/http@0.1.0"

/* The host writes results where the canonical ABI says; these hold that the structs agree. */
#define SIZE(type, bytes) _Static_assert(sizeof(type) == (bytes), "layout of " #type)
#define AT(type, member, bytes) _Static_assert(offsetof(type, member) == (bytes), "layout of " #type)
SIZE(airswasm_text, 8);
SIZE(airswasm_headers, 8);
SIZE(airswasm_error, 12);
AT(airswasm_error, text, 4);
SIZE(airswasm_done, 16);
AT(airswasm_done, error, 4);
SIZE(airswasm_flag, 16);
AT(airswasm_flag, value, 4);
SIZE(airswasm_count, 16);
AT(airswasm_count, value, 4);
SIZE(airswasm_id, 24);
AT(airswasm_id, value, 8);
AT(airswasm_id, error, 8);
SIZE(airswasm_lookup, 16);
AT(airswasm_lookup, found, 4);
AT(airswasm_lookup, value, 8);
SIZE(airswasm_content, 16);
AT(airswasm_content, value, 4);
SIZE(airswasm_reply, 16);
AT(airswasm_reply, has_value, 4);
AT(airswasm_reply, value, 8);
AT(airswasm_reply, reason, 4);
SIZE(airswasm_verdict, 12);
AT(airswasm_verdict, reason, 4);
SIZE(airswasm_envelope, 96);
AT(airswasm_envelope, id, 8);
AT(airswasm_envelope, hops, 24);
AT(airswasm_envelope, has_deadline, 32);
AT(airswasm_envelope, remaining_ms, 40);
AT(airswasm_envelope, has_traceparent, 48);
AT(airswasm_envelope, codec, 64);
AT(airswasm_envelope, attempt, 72);
AT(airswasm_envelope, replay_of, 80);
AT(airswasm_envelope, retained, 88);
SIZE(airswasm_outcomes, 16);
AT(airswasm_outcomes, outcomes, 4);
AT(airswasm_outcomes, error, 4);
SIZE(airswasm_entry, 16);
SIZE(airswasm_page, 24);
AT(airswasm_page, entries, 4);
AT(airswasm_page, has_next, 12);
AT(airswasm_page, next, 16);
SIZE(airswasm_usage, 48);
AT(airswasm_usage, used_bytes, 8);
AT(airswasm_usage, has_quota_keys, 32);
AT(airswasm_usage, quota_keys, 40);
AT(airswasm_usage, error, 8);
SIZE(airswasm_quota, 56);
AT(airswasm_quota, has_quota_keys, 40);
AT(airswasm_quota, quota_keys, 48);
SIZE(airswasm_write_error, 64);
AT(airswasm_write_error, quota, 8);
AT(airswasm_write_error, conflict.value, 12);
SIZE(airswasm_written, 72);
AT(airswasm_written, error, 8);
SIZE(airswasm_removed, 72);
AT(airswasm_removed, found, 8);
AT(airswasm_removed, error, 8);
SIZE(airswasm_batched, 72);
AT(airswasm_batched, deleted, 8);
SIZE(airswasm_deleted, 72);
AT(airswasm_deleted, keys, 8);
AT(airswasm_deleted, more, 12);
SIZE(airswasm_ttl, 24);
AT(airswasm_ttl, expires, 8);
AT(airswasm_ttl, ms, 16);
AT(airswasm_ttl, error, 8);
SIZE(airswasm_grant, 16);
SIZE(airswasm_directory_entry, 12);
SIZE(airswasm_directory, 16);
AT(airswasm_directory, entries, 4);
SIZE(airswasm_file_info, 32);
AT(airswasm_file_info, kind, 8);
AT(airswasm_file_info, size_bytes, 16);
SIZE(airswasm_completed, 24);
AT(airswasm_completed, out, 8);
SIZE(airswasm_exit, 16);
AT(airswasm_exit, code, 4);
SIZE(airswasm_header, 16);
SIZE(airswasm_response, 24);
AT(airswasm_response, status, 4);
AT(airswasm_response, headers, 8);
SIZE(airswasm_attribute, 16);
SIZE(airswasm_trace, 12);
AT(airswasm_trace, traceparent, 4);
AT(airswasm_response, body, 16);

/* ---- logging ----------------------------------------------------------------------------- */

IMPORT(LOGGING, "log") extern void import_log(uint32_t, const char *, uint32_t);

void airswasm_log(uint32_t level, airswasm_text message) {
    import_log(level, message.data, message.length);
}

/* ---- messaging --------------------------------------------------------------------------- */

IMPORT(MESSAGING, "envelope") extern void import_envelope(airswasm_envelope *);
IMPORT(MESSAGING, "broadcast")
extern void import_broadcast(const airswasm_text *, uint32_t, const uint8_t *, uint32_t,
                             airswasm_outcomes *);
IMPORT(MESSAGING, "send")
extern void import_send(const char *, uint32_t, const uint8_t *, uint32_t, airswasm_done *);
IMPORT(MESSAGING, "request")
extern void import_request(const char *, uint32_t, const uint8_t *, uint32_t, uint32_t,
                           airswasm_id *);
IMPORT(MESSAGING, "call")
extern void import_call(const char *, uint32_t, const uint8_t *, uint32_t, uint32_t,
                        airswasm_lookup *);
IMPORT(MESSAGING, "cancel") extern uint32_t import_cancel(uint64_t);
IMPORT(MESSAGING, "publish")
extern void import_publish(const char *, uint32_t, const uint8_t *, uint32_t, airswasm_count *);
IMPORT(MESSAGING, "publish-retained")
extern void import_publish_retained(const char *, uint32_t, const uint8_t *, uint32_t,
                                    airswasm_count *);
IMPORT(MESSAGING, "subscribe")
extern void import_subscribe(const char *, uint32_t, airswasm_done *);
IMPORT(MESSAGING, "unsubscribe")
extern void import_unsubscribe(const char *, uint32_t, airswasm_done *);

airswasm_envelope airswasm_message_envelope(void) {
    airswasm_envelope result;
    import_envelope(&result);
    return result;
}

airswasm_outcomes airswasm_broadcast(const airswasm_text *targets, uint32_t count,
                                     airswasm_bytes payload) {
    airswasm_outcomes result;
    import_broadcast(targets, count, payload.data, payload.length, &result);
    return result;
}

airswasm_done airswasm_send(airswasm_text target, airswasm_bytes payload) {
    airswasm_done result;
    import_send(target.data, target.length, payload.data, payload.length, &result);
    return result;
}

airswasm_id airswasm_request(airswasm_text target, airswasm_bytes payload, uint32_t timeout_ms) {
    airswasm_id result;
    import_request(target.data, target.length, payload.data, payload.length, timeout_ms, &result);
    return result;
}

airswasm_lookup airswasm_call(airswasm_text target, airswasm_bytes payload, uint32_t timeout_ms) {
    airswasm_lookup result;
    import_call(target.data, target.length, payload.data, payload.length, timeout_ms, &result);
    return result;
}

bool airswasm_cancel(uint64_t request_id) { return import_cancel(request_id) != 0; }

airswasm_count airswasm_publish(airswasm_text topic, airswasm_bytes payload) {
    airswasm_count result;
    import_publish(topic.data, topic.length, payload.data, payload.length, &result);
    return result;
}

airswasm_count airswasm_publish_retained(airswasm_text topic, airswasm_bytes payload) {
    airswasm_count result;
    import_publish_retained(topic.data, topic.length, payload.data, payload.length, &result);
    return result;
}

airswasm_done airswasm_subscribe(airswasm_text pattern) {
    airswasm_done result;
    import_subscribe(pattern.data, pattern.length, &result);
    return result;
}

airswasm_done airswasm_unsubscribe(airswasm_text pattern) {
    airswasm_done result;
    import_unsubscribe(pattern.data, pattern.length, &result);
    return result;
}

/* ---- timers ------------------------------------------------------------------------------ */

IMPORT(TIMERS, "send-later")
extern void import_send_later(const char *, uint32_t, const uint8_t *, uint32_t, uint64_t, uint32_t,
                              airswasm_id *);
IMPORT(TIMERS, "send-every")
extern void import_send_every(const char *, uint32_t, const uint8_t *, uint32_t, uint64_t, uint32_t,
                              airswasm_id *);
IMPORT(TIMERS, "cancel") extern uint32_t import_cancel_timer(uint64_t);

airswasm_id airswasm_send_later(airswasm_text target, airswasm_bytes payload, uint64_t delay_ms,
                                bool durable) {
    airswasm_id result;
    import_send_later(target.data, target.length, payload.data, payload.length, delay_ms, durable,
                      &result);
    return result;
}

airswasm_id airswasm_send_every(airswasm_text target, airswasm_bytes payload, uint64_t interval_ms,
                                bool durable) {
    airswasm_id result;
    import_send_every(target.data, target.length, payload.data, payload.length, interval_ms, durable,
                      &result);
    return result;
}

bool airswasm_cancel_timer(uint64_t timer_id) { return import_cancel_timer(timer_id) != 0; }

/* ---- storage ----------------------------------------------------------------------------- */

IMPORT(STORAGE, "get") extern void import_get(const char *, uint32_t, airswasm_lookup *);
IMPORT(STORAGE, "set")
extern void import_set(const char *, uint32_t, const uint8_t *, uint32_t, airswasm_written *);
IMPORT(STORAGE, "delete") extern void import_delete(const char *, uint32_t, airswasm_removed *);
IMPORT(STORAGE, "exists") extern void import_exists(const char *, uint32_t, airswasm_flag *);
IMPORT(STORAGE, "scan-prefix")
extern void import_scan_prefix(const char *, uint32_t, uint32_t, const char *, uint32_t, uint32_t,
                               airswasm_page *);
IMPORT(STORAGE, "scan")
extern void import_scan(const char *, uint32_t, uint32_t, const char *, uint32_t, uint32_t, uint32_t,
                        airswasm_page *);
IMPORT(STORAGE, "ttl") extern void import_ttl(const char *, uint32_t, airswasm_ttl *);
IMPORT(STORAGE, "set-with-ttl")
extern void import_set_with_ttl(const char *, uint32_t, const uint8_t *, uint32_t, uint64_t,
                                airswasm_written *);
IMPORT(STORAGE, "compare-and-set")
extern void import_compare_and_set(const char *, uint32_t, uint32_t, const uint8_t *, uint32_t,
                                   uint32_t, const uint8_t *, uint32_t, uint32_t, uint64_t,
                                   airswasm_written *);
IMPORT(STORAGE, "batch")
extern void import_batch(const char *, uint32_t, const airswasm_text *, uint32_t, const uint32_t *,
                         uint32_t, const uint8_t *, uint32_t, const airswasm_text *, uint32_t,
                         airswasm_batched *);
IMPORT(STORAGE, "delete-prefix")
extern void import_delete_prefix(const char *, uint32_t, airswasm_deleted *);
IMPORT(STORAGE, "usage") extern void import_usage(airswasm_usage *);

airswasm_lookup airswasm_get(airswasm_text key) {
    airswasm_lookup result;
    import_get(key.data, key.length, &result);
    return result;
}

airswasm_written airswasm_set(airswasm_text key, airswasm_bytes value) {
    airswasm_written result;
    import_set(key.data, key.length, value.data, value.length, &result);
    return result;
}

airswasm_removed airswasm_delete(airswasm_text key) {
    airswasm_removed result;
    import_delete(key.data, key.length, &result);
    return result;
}

airswasm_flag airswasm_exists(airswasm_text key) {
    airswasm_flag result;
    import_exists(key.data, key.length, &result);
    return result;
}

airswasm_page airswasm_scan_prefix(airswasm_text prefix, const airswasm_text *after, uint32_t limit) {
    airswasm_page result;
    airswasm_text start = after ? *after : (airswasm_text){0};
    import_scan_prefix(prefix.data, prefix.length, after != NULL, start.data, start.length, limit,
                       &result);
    return result;
}

airswasm_page airswasm_scan(airswasm_text prefix, const airswasm_text *after, uint32_t limit,
                            bool reverse) {
    airswasm_page result;
    airswasm_text start = after ? *after : (airswasm_text){0};
    import_scan(prefix.data, prefix.length, after != NULL, start.data, start.length, limit, reverse,
                &result);
    return result;
}

airswasm_ttl airswasm_storage_ttl(airswasm_text key) {
    airswasm_ttl result;
    import_ttl(key.data, key.length, &result);
    return result;
}

airswasm_written airswasm_set_with_ttl(airswasm_text key, airswasm_bytes value, uint64_t ttl_ms) {
    airswasm_written result;
    import_set_with_ttl(key.data, key.length, value.data, value.length, ttl_ms, &result);
    return result;
}

airswasm_written airswasm_compare_and_set(airswasm_text key, const airswasm_bytes *expected,
                                          const airswasm_bytes *value, const uint64_t *ttl_ms) {
    airswasm_written result;
    airswasm_bytes old = expected ? *expected : (airswasm_bytes){0};
    airswasm_bytes new = value ? *value : (airswasm_bytes){0};
    import_compare_and_set(key.data, key.length, expected != NULL, old.data, old.length,
                           value != NULL, new.data, new.length, ttl_ms != NULL,
                           ttl_ms ? *ttl_ms : 0, &result);
    return result;
}

airswasm_batched airswasm_batch(airswasm_text prefix, const airswasm_text *set, const uint32_t *sizes,
                                uint32_t set_count, airswasm_bytes values,
                                const airswasm_text *remove, uint32_t remove_count) {
    airswasm_batched result;
    import_batch(prefix.data, prefix.length, set, set_count, sizes, set_count, values.data,
                 values.length, remove, remove_count, &result);
    return result;
}

airswasm_deleted airswasm_delete_prefix(airswasm_text prefix) {
    airswasm_deleted result;
    import_delete_prefix(prefix.data, prefix.length, &result);
    return result;
}

airswasm_usage airswasm_storage_usage(void) {
    airswasm_usage result;
    import_usage(&result);
    return result;
}

airswasm_text airswasm_write_reason(const airswasm_write_error *error) {
    if (error->code == AIRSWASM_WRITE_CONFLICT) return AIRSWASM_TEXT("the key has another value");
    if (error->code != AIRSWASM_WRITE_QUOTA_EXCEEDED) return error->text;
    airswasm_quota quota = error->quota;
    airswasm_text reason = airswasm_join(
        AIRSWASM_TEXT("the quota is used up: "),
        airswasm_decimal(quota.has_quota_keys ? quota.used_keys : quota.used_bytes));
    reason = airswasm_join(reason, AIRSWASM_TEXT(" of "));
    reason = airswasm_join(
        reason, airswasm_decimal(quota.has_quota_keys ? quota.quota_keys : quota.quota_bytes));
    return airswasm_join(
        reason, quota.has_quota_keys ? AIRSWASM_TEXT(" keys") : AIRSWASM_TEXT(" bytes"));
}

/* ---- capabilities ------------------------------------------------------------------------ */

IMPORT(CAPABILITIES, "check")
extern uint32_t import_check(const char *, uint32_t, const char *, uint32_t);
IMPORT(CAPABILITIES, "list") extern void import_list(airswasm_grants *);

bool airswasm_may(airswasm_text capability, airswasm_text target) {
    return import_check(capability.data, capability.length, target.data, target.length) != 0;
}

airswasm_grants airswasm_list_grants(void) {
    airswasm_grants result;
    import_list(&result);
    return result;
}

/* ---- tracing ----------------------------------------------------------------------------- */

IMPORT(TRACING, "current") extern void import_current(airswasm_trace *);
IMPORT(TRACING, "set-attribute")
extern void import_set_attribute(const char *, uint32_t, const char *, uint32_t);
IMPORT(TRACING, "add-event")
extern void import_add_event(const char *, uint32_t, const airswasm_attribute *, uint32_t);

airswasm_trace airswasm_current_trace(void) {
    airswasm_trace result;
    import_current(&result);
    return result;
}

void airswasm_set_attribute(airswasm_text key, airswasm_text value) {
    import_set_attribute(key.data, key.length, value.data, value.length);
}

void airswasm_add_event(airswasm_text name, const airswasm_attribute *attributes, uint32_t count) {
    import_add_event(name.data, name.length, attributes, count);
}

/* ---- the operating system ---------------------------------------------------------------- */

IMPORT(FILESYSTEM, "read")
extern void import_read(const char *, uint32_t, uint64_t, uint32_t, airswasm_content *);
IMPORT(FILESYSTEM, "write")
extern void import_write(const char *, uint32_t, const uint8_t *, uint32_t, airswasm_done *);
IMPORT(FILESYSTEM, "append")
extern void import_append(const char *, uint32_t, const uint8_t *, uint32_t, airswasm_done *);
IMPORT(FILESYSTEM, "remove") extern void import_remove(const char *, uint32_t, airswasm_done *);
IMPORT(FILESYSTEM, "create-directory")
extern void import_create_directory(const char *, uint32_t, airswasm_done *);
IMPORT(FILESYSTEM, "list-directory")
extern void import_list_directory(const char *, uint32_t, airswasm_directory *);
IMPORT(FILESYSTEM, "stat") extern void import_stat(const char *, uint32_t, airswasm_file_info *);
IMPORT(FILESYSTEM, "rename")
extern void import_rename(const char *, uint32_t, const char *, uint32_t, airswasm_done *);
IMPORT(FILESYSTEM, "list-page")
extern void import_list_page(const char *, uint32_t, const char *, uint32_t, uint32_t,
                             airswasm_directory *);
IMPORT(FILESYSTEM, "open-to-read")
extern void import_open_to_read(const char *, uint32_t, airswasm_count *);
IMPORT(FILESYSTEM, "open-to-write")
extern void import_open_to_write(const char *, uint32_t, airswasm_count *);
IMPORT(FILESYSTEM, "open-to-update")
extern void import_open_to_update(const char *, uint32_t, airswasm_count *);
IMPORT(FILESYSTEM, "open-to-create")
extern void import_open_to_create(const char *, uint32_t, airswasm_count *);
IMPORT(FILESYSTEM, "open-to-replace")
extern void import_open_to_replace(const char *, uint32_t, airswasm_count *);
IMPORT(FILESYSTEM, "[method]open-file.read")
extern void import_file_read(uint32_t, uint64_t, uint32_t, airswasm_content *);
IMPORT(FILESYSTEM, "[method]open-file.write")
extern void import_file_write(uint32_t, uint64_t, const uint8_t *, uint32_t, airswasm_done *);
IMPORT(FILESYSTEM, "[method]open-file.append")
extern void import_file_append(uint32_t, const uint8_t *, uint32_t, airswasm_id *);
IMPORT(FILESYSTEM, "[method]open-file.set-size")
extern void import_file_set_size(uint32_t, uint64_t, airswasm_done *);
IMPORT(FILESYSTEM, "[method]open-file.sync") extern void import_file_sync(uint32_t, airswasm_done *);
IMPORT(FILESYSTEM, "[method]open-file.info")
extern void import_file_info(uint32_t, airswasm_file_info *);
IMPORT(FILESYSTEM, "[method]open-file.commit")
extern void import_file_commit(uint32_t, airswasm_done *);
IMPORT(FILESYSTEM, "[resource-drop]open-file") extern void import_file_drop(uint32_t);
IMPORT(PROCESS, "run")
extern void import_run(const char *, uint32_t, const airswasm_text *, uint32_t, const uint8_t *,
                       uint32_t, uint32_t, airswasm_completed *);
IMPORT(PROCESS, "spawn")
extern void import_spawn(const char *, uint32_t, const airswasm_text *, uint32_t, const char *,
                         uint32_t, const airswasm_variable *, uint32_t, uint32_t, airswasm_count *);
IMPORT(PROCESS, "[method]child.read-stdout")
extern void import_read_stdout(uint32_t, uint32_t, airswasm_content *);
IMPORT(PROCESS, "[method]child.read-stderr")
extern void import_read_stderr(uint32_t, uint32_t, airswasm_content *);
IMPORT(PROCESS, "[method]child.write-stdin")
extern void import_write_stdin(uint32_t, const uint8_t *, uint32_t, airswasm_done *);
IMPORT(PROCESS, "[method]child.close-stdin") extern void import_close_stdin(uint32_t);
IMPORT(PROCESS, "[method]child.wait") extern void import_wait(uint32_t, airswasm_exit *);
IMPORT(PROCESS, "[method]child.signal")
extern void import_signal(uint32_t, uint32_t, airswasm_done *);
IMPORT(PROCESS, "[method]child.kill") extern void import_kill(uint32_t);
IMPORT(PROCESS, "[resource-drop]child") extern void import_child_drop(uint32_t);
IMPORT(TCP, "connect")
extern void import_connect(const char *, uint32_t, uint32_t, airswasm_count *);
IMPORT(TCP, "[method]connection.receive")
extern void import_receive(uint32_t, uint32_t, airswasm_content *);
IMPORT(TCP, "[method]connection.send")
extern void import_connection_send(uint32_t, const uint8_t *, uint32_t, airswasm_done *);
IMPORT(TCP, "[resource-drop]connection") extern void import_connection_drop(uint32_t);
IMPORT(TCP, "[method]connection.finish") extern void import_finish(uint32_t, airswasm_done *);
IMPORT(TCP, "[method]connection.peer") extern void import_peer(uint32_t, airswasm_text *);
IMPORT(TCP, "listen") extern void import_listen(const char *, uint32_t, airswasm_count *);
IMPORT(TCP, "[method]listener.address")
extern void import_listener_address(uint32_t, airswasm_text *);
IMPORT(TCP, "[method]listener.accept")
extern void import_accept(uint32_t, uint32_t, airswasm_count *);
IMPORT(TCP, "[resource-drop]listener") extern void import_listener_drop(uint32_t);
IMPORT(UDP, "bind") extern void import_bind(const char *, uint32_t, airswasm_count *);
IMPORT(UDP, "[method]socket.address") extern void import_socket_address(uint32_t, airswasm_text *);
IMPORT(UDP, "[method]socket.send")
extern void import_socket_send(uint32_t, const char *, uint32_t, const uint8_t *, uint32_t,
                               airswasm_done *);
IMPORT(UDP, "[method]socket.receive")
extern void import_socket_receive(uint32_t, uint32_t, airswasm_datagram *);
IMPORT(UDP, "[resource-drop]socket") extern void import_socket_drop(uint32_t);
IMPORT(DNS, "resolve")
extern void import_resolve(const char *, uint32_t, uint32_t, airswasm_addresses *);
IMPORT(UDP, "exchange")
extern void import_exchange(const char *, uint32_t, const uint8_t *, uint32_t, uint32_t,
                            airswasm_content *);
IMPORT(HTTP, "request")
extern void import_http_request(const char *, uint32_t, const char *, uint32_t,
                                const airswasm_header *, uint32_t, const uint8_t *, uint32_t,
                                uint32_t, airswasm_response *);

IMPORT(HTTP, "open")
extern void import_http_open(const char *, uint32_t, const char *, uint32_t,
                             const airswasm_header *, uint32_t, uint32_t, uint32_t, uint32_t,
                             uint32_t, airswasm_count *);
IMPORT(HTTP, "[method]request-body.write")
extern void import_http_write(uint32_t, const uint8_t *, uint32_t, airswasm_done *);
IMPORT(HTTP, "[method]request-body.finish")
extern void import_http_finish(uint32_t, const airswasm_header *, uint32_t, airswasm_count *);
IMPORT(HTTP, "[resource-drop]request-body")
extern void import_request_body_drop(uint32_t);
IMPORT(HTTP, "[method]response-body.status") extern uint32_t import_http_status(uint32_t);
IMPORT(HTTP, "[method]response-body.headers")
extern void import_http_headers(uint32_t, airswasm_headers *);
IMPORT(HTTP, "[method]response-body.read")
extern void import_http_read(uint32_t, uint32_t, airswasm_content *);
IMPORT(HTTP, "[method]response-body.trailers")
extern void import_http_trailers(uint32_t, airswasm_headers *);
IMPORT(HTTP, "[resource-drop]response-body")
extern void import_response_body_drop(uint32_t);

airswasm_content airswasm_read_file(airswasm_text path, uint64_t offset, uint32_t max_bytes) {
    airswasm_content result;
    import_read(path.data, path.length, offset, max_bytes, &result);
    return result;
}

airswasm_done airswasm_write_file(airswasm_text path, airswasm_bytes content) {
    airswasm_done result;
    import_write(path.data, path.length, content.data, content.length, &result);
    return result;
}

airswasm_done airswasm_append_file(airswasm_text path, airswasm_bytes content) {
    airswasm_done result;
    import_append(path.data, path.length, content.data, content.length, &result);
    return result;
}

airswasm_done airswasm_remove_file(airswasm_text path) {
    airswasm_done result;
    import_remove(path.data, path.length, &result);
    return result;
}

airswasm_done airswasm_create_directory(airswasm_text path) {
    airswasm_done result;
    import_create_directory(path.data, path.length, &result);
    return result;
}

airswasm_directory airswasm_list_directory(airswasm_text path) {
    airswasm_directory result;
    import_list_directory(path.data, path.length, &result);
    return result;
}

airswasm_file_info airswasm_stat_file(airswasm_text path) {
    airswasm_file_info result;
    import_stat(path.data, path.length, &result);
    return result;
}

airswasm_done airswasm_rename_file(airswasm_text path, airswasm_text to) {
    airswasm_done result;
    import_rename(path.data, path.length, to.data, to.length, &result);
    return result;
}

airswasm_directory airswasm_list_page(airswasm_text path, airswasm_text after,
                                      uint32_t max_entries) {
    airswasm_directory result;
    import_list_page(path.data, path.length, after.data, after.length, max_entries, &result);
    return result;
}

airswasm_count airswasm_open_to_read(airswasm_text path) {
    airswasm_count result;
    import_open_to_read(path.data, path.length, &result);
    return result;
}

airswasm_count airswasm_open_to_write(airswasm_text path) {
    airswasm_count result;
    import_open_to_write(path.data, path.length, &result);
    return result;
}

airswasm_count airswasm_open_to_update(airswasm_text path) {
    airswasm_count result;
    import_open_to_update(path.data, path.length, &result);
    return result;
}

airswasm_count airswasm_open_to_create(airswasm_text path) {
    airswasm_count result;
    import_open_to_create(path.data, path.length, &result);
    return result;
}

airswasm_count airswasm_open_to_replace(airswasm_text path) {
    airswasm_count result;
    import_open_to_replace(path.data, path.length, &result);
    return result;
}

airswasm_content airswasm_file_read(uint32_t file, uint64_t offset, uint32_t max_bytes) {
    airswasm_content result;
    import_file_read(file, offset, max_bytes, &result);
    return result;
}

airswasm_done airswasm_file_write(uint32_t file, uint64_t offset, airswasm_bytes content) {
    airswasm_done result;
    import_file_write(file, offset, content.data, content.length, &result);
    return result;
}

airswasm_id airswasm_file_append(uint32_t file, airswasm_bytes content) {
    airswasm_id result;
    import_file_append(file, content.data, content.length, &result);
    return result;
}

airswasm_done airswasm_file_set_size(uint32_t file, uint64_t size_bytes) {
    airswasm_done result;
    import_file_set_size(file, size_bytes, &result);
    return result;
}

airswasm_done airswasm_file_sync(uint32_t file) {
    airswasm_done result;
    import_file_sync(file, &result);
    return result;
}

airswasm_file_info airswasm_file_stat(uint32_t file) {
    airswasm_file_info result;
    import_file_info(file, &result);
    return result;
}

airswasm_done airswasm_file_commit(uint32_t file) {
    airswasm_done result;
    import_file_commit(file, &result);
    return result;
}

void airswasm_file_close(uint32_t file) { import_file_drop(file); }

airswasm_completed airswasm_run_program(airswasm_text program, const airswasm_text *arguments,
                                        uint32_t argument_count, airswasm_bytes input,
                                        uint32_t timeout_ms) {
    airswasm_completed result;
    import_run(program.data, program.length, arguments, argument_count, input.data, input.length,
               timeout_ms, &result);
    return result;
}

airswasm_count airswasm_spawn_program(airswasm_text program, const airswasm_text *arguments,
                                      uint32_t argument_count, airswasm_text directory,
                                      const airswasm_variable *environment,
                                      uint32_t variable_count, uint32_t timeout_ms) {
    airswasm_count result;
    import_spawn(program.data, program.length, arguments, argument_count, directory.data,
                 directory.length, environment, variable_count, timeout_ms, &result);
    return result;
}

airswasm_content airswasm_child_read_stdout(uint32_t child, uint32_t max_bytes) {
    airswasm_content result;
    import_read_stdout(child, max_bytes, &result);
    return result;
}

airswasm_content airswasm_child_read_stderr(uint32_t child, uint32_t max_bytes) {
    airswasm_content result;
    import_read_stderr(child, max_bytes, &result);
    return result;
}

airswasm_done airswasm_child_write_stdin(uint32_t child, airswasm_bytes data) {
    airswasm_done result;
    import_write_stdin(child, data.data, data.length, &result);
    return result;
}

void airswasm_child_close_stdin(uint32_t child) { import_close_stdin(child); }

airswasm_exit airswasm_child_wait(uint32_t child) {
    airswasm_exit result;
    import_wait(child, &result);
    return result;
}

airswasm_done airswasm_child_signal(uint32_t child, uint32_t signal) {
    airswasm_done result;
    import_signal(child, signal, &result);
    return result;
}

void airswasm_child_kill(uint32_t child) { import_kill(child); }
void airswasm_child_close(uint32_t child) { import_child_drop(child); }

airswasm_count airswasm_tcp_connect(airswasm_text address, uint32_t timeout_ms) {
    airswasm_count result;
    import_connect(address.data, address.length, timeout_ms, &result);
    return result;
}

airswasm_content airswasm_tcp_receive(uint32_t connection, uint32_t max_bytes) {
    airswasm_content result;
    import_receive(connection, max_bytes, &result);
    return result;
}

airswasm_done airswasm_tcp_send(uint32_t connection, airswasm_bytes data) {
    airswasm_done result;
    import_connection_send(connection, data.data, data.length, &result);
    return result;
}

airswasm_done airswasm_tcp_finish(uint32_t connection) {
    airswasm_done result;
    import_finish(connection, &result);
    return result;
}

airswasm_text airswasm_tcp_peer(uint32_t connection) {
    airswasm_text result;
    import_peer(connection, &result);
    return result;
}

void airswasm_tcp_close(uint32_t connection) { import_connection_drop(connection); }

airswasm_count airswasm_tcp_listen(airswasm_text address) {
    airswasm_count result;
    import_listen(address.data, address.length, &result);
    return result;
}

airswasm_text airswasm_tcp_listener_address(uint32_t listener) {
    airswasm_text result;
    import_listener_address(listener, &result);
    return result;
}

airswasm_count airswasm_tcp_accept(uint32_t listener, uint32_t timeout_ms) {
    airswasm_count result;
    import_accept(listener, timeout_ms, &result);
    return result;
}

void airswasm_tcp_stop_listening(uint32_t listener) { import_listener_drop(listener); }

airswasm_count airswasm_udp_bind(airswasm_text address) {
    airswasm_count result;
    import_bind(address.data, address.length, &result);
    return result;
}

airswasm_text airswasm_udp_address(uint32_t socket) {
    airswasm_text result;
    import_socket_address(socket, &result);
    return result;
}

airswasm_done airswasm_udp_send(uint32_t socket, airswasm_text address, airswasm_bytes data) {
    airswasm_done result;
    import_socket_send(socket, address.data, address.length, data.data, data.length, &result);
    return result;
}

airswasm_datagram airswasm_udp_receive(uint32_t socket, uint32_t timeout_ms) {
    airswasm_datagram result;
    import_socket_receive(socket, timeout_ms, &result);
    return result;
}

void airswasm_udp_close(uint32_t socket) { import_socket_drop(socket); }

airswasm_addresses airswasm_resolve(airswasm_text name, uint32_t timeout_ms) {
    airswasm_addresses result;
    import_resolve(name.data, name.length, timeout_ms, &result);
    return result;
}

airswasm_content airswasm_udp_exchange(airswasm_text address, airswasm_bytes data,
                                       uint32_t timeout_ms) {
    airswasm_content result;
    import_exchange(address.data, address.length, data.data, data.length, timeout_ms, &result);
    return result;
}

airswasm_response airswasm_http_request(airswasm_text method, airswasm_text url,
                                        const airswasm_header *headers, uint32_t header_count,
                                        airswasm_bytes body, uint32_t timeout_ms) {
    airswasm_response result;
    import_http_request(method.data, method.length, url.data, url.length, headers, header_count,
                        body.data, body.length, timeout_ms, &result);
    return result;
}

airswasm_count airswasm_http_open(airswasm_text method, airswasm_text url,
                                  const airswasm_header *headers, uint32_t header_count,
                                  airswasm_timeouts timeouts) {
    airswasm_count result;
    import_http_open(method.data, method.length, url.data, url.length, headers, header_count,
                     timeouts.connect_ms, timeouts.first_byte_ms, timeouts.between_bytes_ms,
                     timeouts.total_ms, &result);
    return result;
}

airswasm_done airswasm_http_write(uint32_t request, airswasm_bytes data) {
    airswasm_done result;
    import_http_write(request, data.data, data.length, &result);
    return result;
}

airswasm_count airswasm_http_finish(uint32_t request, const airswasm_header *trailers,
                                    uint32_t trailer_count) {
    airswasm_count result;
    import_http_finish(request, trailers, trailer_count, &result);
    return result;
}

void airswasm_http_drop_request(uint32_t request) { import_request_body_drop(request); }

uint32_t airswasm_http_status(uint32_t response) { return import_http_status(response); }

airswasm_headers airswasm_http_headers(uint32_t response) {
    airswasm_headers result;
    import_http_headers(response, &result);
    return result;
}

airswasm_content airswasm_http_read(uint32_t response, uint32_t max_bytes) {
    airswasm_content result;
    import_http_read(response, max_bytes, &result);
    return result;
}

airswasm_headers airswasm_http_trailers(uint32_t response) {
    airswasm_headers result;
    import_http_trailers(response, &result);
    return result;
}

void airswasm_http_drop_response(uint32_t response) { import_response_body_drop(response); }

/* ---- memory: one arena, emptied after each call -------------------------------------------
 * A message is handled in one call and leaves nothing behind, so there is nothing to free one by
 * one, nothing to leak, and no fragmentation however many messages there are. */

extern unsigned char __heap_base;
static uintptr_t arena_top;

#define PAGE 65536u
#define ALIGNMENT 16u

static uintptr_t arena_start(void) {
    return ((uintptr_t)&__heap_base + ALIGNMENT - 1) & ~(uintptr_t)(ALIGNMENT - 1);
}

static uintptr_t top(void) { return arena_top ? arena_top : arena_start(); }

static void *take(uint32_t size, uint32_t alignment) {
    uint64_t start = ((uint64_t)top() + alignment - 1) & ~(uint64_t)(alignment - 1);
    uint64_t end = start + size;
    uint64_t have = (uint64_t)__builtin_wasm_memory_size(0) * PAGE;
    if (end > have) {
        uint64_t pages = (end - have + PAGE - 1) / PAGE;
        if (pages > PAGE || __builtin_wasm_memory_grow(0, (uintptr_t)pages) == (uintptr_t)-1)
            __builtin_trap();
    }
    arena_top = (uintptr_t)end;
    return (void *)(uintptr_t)start;
}

void *airswasm_allocate(uint32_t size) { return take(size, ALIGNMENT); }

airswasm_mark airswasm_take_mark(void) { return top(); }

void airswasm_release(airswasm_mark mark) {
    if (mark < arena_start() || mark > top()) __builtin_trap(); /* not a mark of this call */
    arena_top = mark;
}

void airswasm_free_all(void) { arena_top = 0; }

/* The host's way to place arguments and results. */
__attribute__((export_name("cabi_realloc"), used)) void *cabi_realloc(void *old, uint32_t old_size,
                                                                      uint32_t alignment,
                                                                      uint32_t size) {
    if (old && (uintptr_t)old + old_size == top() && size >= old_size) {
        take(size - old_size, 1);
        return old;
    }
    void *fresh = take(size, alignment ? alignment : 1);
    if (old) __builtin_memcpy(fresh, old, old_size < size ? old_size : size);
    return fresh;
}

/* ---- text -------------------------------------------------------------------------------- */

bool airswasm_equal(airswasm_text one, airswasm_text other) {
    if (one.length != other.length) return false;
    for (uint32_t i = 0; i < one.length; i++)
        if (one.data[i] != other.data[i]) return false;
    return true;
}

airswasm_text airswasm_join(airswasm_text first, airswasm_text second) {
    if (first.length > UINT32_MAX - second.length) __builtin_trap();
    char *joined = take(first.length + second.length, 1);
    __builtin_memcpy(joined, first.data, first.length);
    __builtin_memcpy(joined + first.length, second.data, second.length);
    return (airswasm_text){joined, first.length + second.length};
}

airswasm_text airswasm_decimal(uint64_t number) {
    char *digits = take(20, 1);
    uint32_t start = 20;
    do {
        digits[--start] = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    return (airswasm_text){digits + start, 20 - start};
}

uint64_t airswasm_number(airswasm_bytes digits) {
    uint64_t number = 0;
    for (uint32_t i = 0; i < digits.length; i++) {
        uint8_t digit = (uint8_t)(digits.data[i] - '0');
        if (digit > 9) break;
        if (number > (UINT64_MAX - digit) / 10) return UINT64_MAX;
        number = number * 10 + digit;
    }
    return number;
}

/* ---- codecs ------------------------------------------------------------------------------ */

enum { LONGEST_VARINT = 9 };

airswasm_bytes airswasm_wrap(uint64_t codec, airswasm_bytes content) {
    if (content.length > UINT32_MAX - LONGEST_VARINT - 1) __builtin_trap();
    uint8_t *payload = take(content.length + LONGEST_VARINT + 1, 1);
    uint32_t length = 0;
    for (; codec > 0x7f; codec >>= 7) payload[length++] = (uint8_t)(codec | 0x80);
    payload[length++] = (uint8_t)codec;
    __builtin_memcpy(payload + length, content.data, content.length);
    return (airswasm_bytes){payload, length + content.length};
}

airswasm_coded airswasm_split(airswasm_bytes payload) {
    uint64_t codec = 0;
    for (uint32_t i = 0; i < payload.length && i < LONGEST_VARINT; i++) {
        uint8_t byte = payload.data[i];
        codec |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte & 0x80) continue;
        if (byte == 0 && i > 0) break; /* not the shortest form */
        airswasm_bytes content = {payload.data + i + 1, payload.length - i - 1};
        return (airswasm_coded){true, codec, content};
    }
    return (airswasm_coded){false, 0, payload};
}

/* ---- what compilers call without being asked; a libc that is linked too takes precedence ---- */

#define PLAIN(name) __attribute__((weak, no_builtin(name)))

PLAIN("memcpy") void *memcpy(void *to, const void *from, size_t size) {
    for (size_t i = 0; i < size; i++) ((char *)to)[i] = ((const char *)from)[i];
    return to;
}

PLAIN("memmove") void *memmove(void *to, const void *from, size_t size) {
    if ((uintptr_t)to <= (uintptr_t)from) {
        for (size_t i = 0; i < size; i++) ((char *)to)[i] = ((const char *)from)[i];
    } else {
        for (size_t i = size; i > 0; i--) ((char *)to)[i - 1] = ((const char *)from)[i - 1];
    }
    return to;
}

PLAIN("memset") void *memset(void *to, int value, size_t size) {
    for (size_t i = 0; i < size; i++) ((char *)to)[i] = (char)value;
    return to;
}

PLAIN("memcmp") int memcmp(const void *one, const void *other, size_t size) {
    for (size_t i = 0; i < size; i++) {
        int difference = ((const unsigned char *)one)[i] - ((const unsigned char *)other)[i];
        if (difference) return difference;
    }
    return 0;
}

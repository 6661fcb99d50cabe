/* Calls every host function once and answers with what each gave; see guests.py. */
#include "airswasm.h"

static airswasm_text told;

static void say(airswasm_text word) {
    if (told.length) told = airswasm_join(told, AIRSWASM_TEXT(" "));
    told = airswasm_join(told, word);
}
static void line(const char *name, uint32_t length) {
    if (told.length) told = airswasm_join(told, AIRSWASM_TEXT(";"));
    told = airswasm_join(told, (airswasm_text){name, length});
}
#define LINE(name) line(name, sizeof(name) - 1)

static void say_bytes(airswasm_bytes bytes) { say(airswasm_as_text(bytes)); }
static void say_number(uint64_t number) { say(airswasm_decimal(number)); }
static void say_bool(bool value) { say(value ? AIRSWASM_TEXT("true") : AIRSWASM_TEXT("false")); }
static void say_done(airswasm_done done) { say(done.failed ? AIRSWASM_TEXT("?") : AIRSWASM_TEXT("ok")); }
static void say_lookup(airswasm_lookup found) {
    if (found.failed) say(AIRSWASM_TEXT("?"));
    else if (found.found) say_bytes(found.value);
    else say(AIRSWASM_TEXT("none"));
}
static void say_content(airswasm_content content) {
    if (content.failed) say(AIRSWASM_TEXT("?"));
    else say_bytes(content.value);
}
static void say_pair(airswasm_text left, airswasm_text right) {
    say(airswasm_join(airswasm_join(left, AIRSWASM_TEXT("=")), right));
}

static void messages(void) {
    airswasm_text other = AIRSWASM_TEXT("local/other");
    LINE("send"); say_done(airswasm_send(other, AIRSWASM_BYTES("s")));
    LINE("request"); say_number(airswasm_request(other, AIRSWASM_BYTES("r"), 5).value);
    LINE("call"); say_lookup(airswasm_call(other, AIRSWASM_BYTES("c"), 6));
    LINE("cancel"); say_bool(airswasm_cancel(UINT64_MAX));
    LINE("publish"); say_number(airswasm_publish(AIRSWASM_TEXT("a.b"), AIRSWASM_BYTES("p")).value);
    LINE("retain");
    say_number(airswasm_publish_retained(AIRSWASM_TEXT("a.b"), AIRSWASM_BYTES("p")).value);
    LINE("broadcast");
    airswasm_text targets[] = {AIRSWASM_TEXT("a/a"), AIRSWASM_TEXT("b/b")};
    airswasm_outcomes outcomes = airswasm_broadcast(targets, 2, AIRSWASM_BYTES("x"));
    for (uint32_t i = 0; !outcomes.failed && i < outcomes.count; i++) {
        const airswasm_done *outcome = &outcomes.outcomes[i];
        if (outcome->failed && outcome->error.code == AIRSWASM_MESSAGING_TOO_MANY_HOPS)
            say(outcome->error.text);
        else say_done(*outcome);
    }
    LINE("envelope");
    airswasm_envelope with = airswasm_message_envelope();
    if (with.found) {
        say(with.id); say(with.correlation); say_number(with.hops);
        if (with.has_deadline) say_number(with.remaining_ms);
        if (with.has_traceparent) say(with.traceparent);
        if (with.has_codec) say(with.codec);
        say_number(with.attempt);
        if (with.is_replay) say(with.replay_of);
        say_bool(with.retained);
    }
    LINE("subscribe"); say_done(airswasm_subscribe(AIRSWASM_TEXT("a.**")));
    LINE("unsubscribe");
    airswasm_done refused = airswasm_unsubscribe(AIRSWASM_TEXT("a.**"));
    if (refused.failed && refused.error.code == AIRSWASM_MESSAGING_INVALID) {
        say(AIRSWASM_TEXT("invalid"));
        say(refused.error.text);
    }
}

static void timing(void) {
    airswasm_text other = AIRSWASM_TEXT("local/other");
    LINE("later"); say_number(airswasm_send_later(other, AIRSWASM_BYTES("l"), UINT64_MAX, true).value);
    LINE("every");
    airswasm_id refused = airswasm_send_every(other, AIRSWASM_BYTES("e"), 11, false);
    if (refused.failed && refused.error.code == AIRSWASM_MESSAGING_INVALID) {
        say(AIRSWASM_TEXT("invalid"));
        say(refused.error.text);
    }
    LINE("end"); say_bool(airswasm_cancel_timer(UINT64_MAX));
}

static void store(void) {
    airswasm_text key = AIRSWASM_TEXT("k"), after = AIRSWASM_TEXT("a");
    LINE("get"); say_lookup(airswasm_get(key));
    LINE("set"); say(airswasm_set(key, AIRSWASM_BYTES("v")).failed ? AIRSWASM_TEXT("?") : AIRSWASM_TEXT("ok"));
    LINE("get"); say_lookup(airswasm_get(key));
    LINE("exists"); say_bool(airswasm_exists(key).value);
    LINE("delete"); say_bool(airswasm_delete(key).found);
    LINE("scan");
    airswasm_page page = airswasm_scan_prefix(AIRSWASM_TEXT(""), &after, 10);
    for (uint32_t i = 0; !page.failed && i < page.count; i++)
        say_pair(page.entries[i].key, airswasm_as_text(page.entries[i].value));
    if (page.has_next) { say(AIRSWASM_TEXT("next")); say(page.next); }
    LINE("back");
    page = airswasm_scan(AIRSWASM_TEXT("p"), NULL, 3, true);
    for (uint32_t i = 0; !page.failed && i < page.count; i++)
        say_pair(page.entries[i].key, airswasm_as_text(page.entries[i].value));
    LINE("ttl");
    airswasm_ttl left = airswasm_storage_ttl(key);
    if (left.expires) say_number(left.ms);
    LINE("expiring"); say(airswasm_set_with_ttl(key, AIRSWASM_BYTES("v"), 9).failed
                              ? AIRSWASM_TEXT("?") : AIRSWASM_TEXT("ok"));
    airswasm_bytes old = AIRSWASM_BYTES("o"), new = AIRSWASM_BYTES("n");
    LINE("swap");
    airswasm_written swapped = airswasm_compare_and_set(key, &old, &new, NULL);
    if (swapped.failed && swapped.error.code == AIRSWASM_WRITE_CONFLICT && swapped.error.conflict.found)
        say_bytes(swapped.error.conflict.value);
    LINE("batch");
    airswasm_text set[] = {AIRSWASM_TEXT("a"), AIRSWASM_TEXT("c")}, removed = AIRSWASM_TEXT("b");
    uint32_t sizes[] = {1, 2};
    say_number(airswasm_batch(AIRSWASM_TEXT("p/"), set, sizes, 2, AIRSWASM_BYTES("122"), &removed, 1).deleted);
    LINE("full");
    airswasm_batched full =
        airswasm_batch(AIRSWASM_TEXT(""), NULL, NULL, 0, AIRSWASM_BYTES(""), NULL, 0);
    if (full.failed && full.error.code == AIRSWASM_WRITE_QUOTA_EXCEEDED) {
        say_number(full.error.quota.used_bytes); say_number(full.error.quota.needed_bytes);
        say_number(full.error.quota.quota_bytes); say_number(full.error.quota.used_keys);
        say_number(full.error.quota.needed_keys); say_number(full.error.quota.quota_keys);
        if (!airswasm_equal(airswasm_write_reason(&full.error),
                            AIRSWASM_TEXT("the quota is used up: 4 of 6 keys"))) say(AIRSWASM_TEXT("?"));
    }
    LINE("prefix");
    airswasm_deleted deleted = airswasm_delete_prefix(AIRSWASM_TEXT("p/"));
    say_number(deleted.keys); say_bool(deleted.more);
    LINE("usage");
    airswasm_usage usage = airswasm_storage_usage();
    say_number(usage.used_bytes); say_number(usage.keys); say_number(usage.quota_bytes);
    LINE("check"); say_bool(airswasm_may(AIRSWASM_TEXT("storage:read"), key));
    LINE("list");
    airswasm_grants grants = airswasm_list_grants();
    for (uint32_t i = 0; i < grants.count; i++)
        say_pair(grants.grants[i].capability, grants.grants[i].pattern);
    LINE("current"); say(airswasm_current_trace().traceparent);
    airswasm_set_attribute(AIRSWASM_TEXT("shop.size"), AIRSWASM_TEXT("2"));
    airswasm_attribute attribute = {AIRSWASM_TEXT("a"), AIRSWASM_TEXT("b")};
    airswasm_add_event(AIRSWASM_TEXT("seen"), &attribute, 1);
}

static void files(void) {
    airswasm_text file = AIRSWASM_TEXT("f");
    airswasm_text kinds[] = {AIRSWASM_TEXT("file"), AIRSWASM_TEXT("directory"), AIRSWASM_TEXT("other")};
    LINE("read"); say_content(airswasm_read_file(file, 1, 9));
    LINE("write"); say_done(airswasm_write_file(file, AIRSWASM_BYTES("w")));
    LINE("append"); say_done(airswasm_append_file(file, AIRSWASM_BYTES("a")));
    LINE("remove");
    airswasm_done missing = airswasm_remove_file(file);
    if (missing.failed && missing.error.code == AIRSWASM_OS_NOT_FOUND) {
        say(AIRSWASM_TEXT("not-found"));
        say(missing.error.text);
    }
    LINE("mkdir"); say_done(airswasm_create_directory(AIRSWASM_TEXT("d")));
    LINE("ls");
    airswasm_directory directory = airswasm_list_directory(AIRSWASM_TEXT("d"));
    for (uint32_t i = 0; !directory.failed && i < directory.count; i++) {
        say(directory.entries[i].name);
        say(kinds[directory.entries[i].kind]);
    }
    LINE("stat");
    airswasm_file_info info = airswasm_stat_file(file);
    say(kinds[info.kind]); say_number(info.size_bytes); say_number(info.modified_ns);
}

static void network(void) {
    airswasm_text arguments[] = {AIRSWASM_TEXT("a"), AIRSWASM_TEXT("b")};
    LINE("run");
    airswasm_completed ended =
        airswasm_run_program(AIRSWASM_TEXT("echo"), arguments, 2, AIRSWASM_BYTES("in"), 7);
    say_number((uint64_t)ended.exit_code); say_bytes(ended.out); say_bytes(ended.err);
    LINE("connect");
    airswasm_count connection = airswasm_tcp_connect(AIRSWASM_TEXT("h:1"), 8);
    if (!connection.failed) {
        LINE("receive"); say_content(airswasm_tcp_receive(connection.value, 9));
        LINE("send"); say_done(airswasm_tcp_send(connection.value, AIRSWASM_BYTES("x")));
        airswasm_tcp_close(connection.value);
    }
    LINE("exchange");
    say_content(airswasm_udp_exchange(AIRSWASM_TEXT("h:2"), AIRSWASM_BYTES("u"), 9));
    LINE("http");
    airswasm_header header = {AIRSWASM_TEXT("a"), AIRSWASM_TEXT("b")};
    airswasm_response page = airswasm_http_request(AIRSWASM_TEXT("GET"), AIRSWASM_TEXT("http://h/"),
                                                   &header, 1, AIRSWASM_BYTES("body"), 10);
    say_number(page.status);
    for (uint32_t i = 0; !page.failed && i < page.header_count; i++)
        say_pair(page.headers[i].name, page.headers[i].value);
    say_bytes(page.body);
}

static airswasm_reply coded(airswasm_bytes payload) {
    airswasm_coded read = airswasm_split(payload);
    if (!read.found) return airswasm_answer(AIRSWASM_BYTES("none"));
    airswasm_log(AIRSWASM_INFO, airswasm_join(AIRSWASM_TEXT("codec "), airswasm_decimal(read.codec)));
    return airswasm_answer(airswasm_wrap(read.codec, read.content));
}

static airswasm_reply handle(airswasm_text sender, const airswasm_text *topic, airswasm_bytes payload) {
    airswasm_text command = airswasm_as_text(payload);
    airswasm_log(AIRSWASM_WARN, airswasm_join(AIRSWASM_TEXT("message from "), sender));
    if (topic && airswasm_equal(*topic, AIRSWASM_TEXT("codec"))) return coded(payload);
    if (topic) return airswasm_answer(airswasm_as_bytes(*topic));
    if (airswasm_equal(command, AIRSWASM_TEXT("quiet"))) return airswasm_acknowledge();
    if (!airswasm_equal(command, AIRSWASM_TEXT("tour")))
        return airswasm_refuse(airswasm_join(AIRSWASM_TEXT("unknown command "), command));
    told = (airswasm_text){0};
    messages();
    timing();
    store();
    files();
    network();
    return airswasm_answer(airswasm_as_bytes(told));
}

static airswasm_verdict init(airswasm_text config) {
    if (airswasm_equal(config, AIRSWASM_TEXT("{}"))) return airswasm_ok();
    return airswasm_fail(airswasm_join(AIRSWASM_TEXT("bad config "), config));
}

static void stop(void) { airswasm_log(AIRSWASM_INFO, AIRSWASM_TEXT("shutdown")); }

static void called_back(uint64_t request_id, const airswasm_outcome *outcome) {
    told = (airswasm_text){0};
    LINE("callback"); say_number(request_id);
    if (outcome->failed && outcome->error.code == AIRSWASM_MESSAGING_TIMED_OUT)
        say(AIRSWASM_TEXT("timed-out"));
    else if (outcome->failed) say(outcome->error.text);
    else say_lookup(*outcome);
    airswasm_log(AIRSWASM_INFO, told);
}

static airswasm_verdict check(void) { return airswasm_fail(AIRSWASM_TEXT("unwell")); }

static airswasm_verdict migrate(airswasm_text from_version) {
    airswasm_log(AIRSWASM_INFO, airswasm_join(AIRSWASM_TEXT("migrate "), from_version));
    return airswasm_ok();
}

AIRSWASM_HANDLER(handle)
AIRSWASM_LIFECYCLE(init, stop)
AIRSWASM_CALLBACKS(called_back)
AIRSWASM_HEALTH(check)
AIRSWASM_MIGRATION(migrate)

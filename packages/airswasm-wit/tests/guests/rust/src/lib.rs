//! Calls every host function once and answers with what each gave; see guests.py.
use airswasm_component::codec;
use airswasm_component::filesystem::FileKind;
use airswasm_component::{
    capabilities, dns, export, filesystem, http, info, messaging, process, storage, tcp, timers,
    tracing, udp, warn,
    Callbacks, Failure, Handler, Health, Lifecycle, Message, MessagingError, Migration, OsError,
    Reply, WriteError,
};

struct Tour;

fn text(bytes: Option<Vec<u8>>) -> String {
    bytes.map_or("none".into(), |bytes| {
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

fn kind(kind: FileKind) -> &'static str {
    match kind {
        FileKind::File => "file",
        FileKind::Directory => "directory",
        FileKind::Other => "other",
    }
}

fn messages(told: &mut Vec<String>) -> Result<(), Failure> {
    let other = "local/other";
    messaging::send(other, b"s")?;
    told.push("send ok".into());
    told.push(format!("request {}", messaging::request(other, b"r", 5)?));
    told.push(format!("call {}", text(messaging::call(other, b"c", 6)?)));
    told.push(format!("cancel {}", messaging::cancel(u64::MAX)));
    told.push(format!("publish {}", messaging::publish("a.b", b"p")?));
    told.push(format!("retain {}", messaging::publish_retained("a.b", b"p")?));
    let outcomes = messaging::broadcast(&["a/a".into(), "b/b".into()], b"x")?;
    let words = outcomes.into_iter().map(|outcome| match outcome {
        Err(MessagingError::TooManyHops(why)) => why,
        Err(_) => "?".into(),
        Ok(()) => "ok".into(),
    });
    told.push(format!("broadcast {}", words.collect::<Vec<_>>().join(" ")));
    if let Some(it) = messaging::envelope() {
        told.push(format!(
            "envelope {} {} {} {} {} {} {} {} {}",
            it.id,
            it.correlation,
            it.hops,
            it.remaining_ms.unwrap_or_default(),
            it.traceparent.unwrap_or_default(),
            it.codec.unwrap_or_default(),
            it.attempt,
            it.replay_of.unwrap_or_default(),
            it.retained
        ));
    }
    messaging::subscribe("a.**")?;
    told.push("subscribe ok".into());
    if let Err(MessagingError::Invalid(why)) = messaging::unsubscribe("a.**") {
        told.push(format!("unsubscribe invalid {why}"));
    }
    Ok(())
}

fn timing(told: &mut Vec<String>) -> Result<(), Failure> {
    let other = "local/other";
    let later = timers::send_later(other, b"l", u64::MAX, true)?;
    told.push(format!("later {later}"));
    if let Err(MessagingError::Invalid(why)) = timers::send_every(other, b"e", 11, false) {
        told.push(format!("every invalid {why}"));
    }
    told.push(format!("end {}", timers::cancel(u64::MAX)));
    Ok(())
}

fn store(told: &mut Vec<String>) -> Result<(), Failure> {
    told.push(format!("get {}", text(storage::get("k")?)));
    storage::set("k", b"v")?;
    told.push("set ok".into());
    told.push(format!("get {}", text(storage::get("k")?)));
    told.push(format!("exists {}", storage::exists("k")?));
    told.push(format!("delete {}", storage::delete("k")?));
    let page = storage::scan_prefix("", Some("a"), 10)?;
    let mut line = String::from("scan");
    for entry in page.entries {
        line += &format!(" {}={}", entry.key, text(Some(entry.value)));
    }
    if let Some(next) = page.next {
        line += &format!(" next {next}");
    }
    told.push(line);
    let mut line = String::from("back");
    for entry in storage::scan("p", None, 3, true)?.entries {
        line += &format!(" {}={}", entry.key, text(Some(entry.value)));
    }
    told.push(line);
    told.push(format!("ttl {}", storage::ttl("k")?.unwrap_or(0)));
    storage::set_with_ttl("k", b"v", 9)?;
    told.push("expiring ok".into());
    if let Err(WriteError::Conflict(found)) =
        storage::compare_and_set("k", Some(b"o"), Some(b"n"), None)
    {
        told.push(format!("swap {}", text(found)));
    }
    let set = ["a".to_string(), "c".to_string()];
    let deleted = storage::batch("p/", &set, &[1, 2], b"122", &["b".to_string()])?;
    told.push(format!("batch {deleted}"));
    if let Err(WriteError::QuotaExceeded(quota)) = storage::batch("", &[], &[], b"", &[]) {
        told.push(format!(
            "full {} {} {} {} {} {}",
            quota.used_bytes,
            quota.needed_bytes,
            quota.quota_bytes,
            quota.used_keys,
            quota.needed_keys,
            quota.quota_keys.unwrap_or(0)
        ));
    }
    let deleted = storage::delete_prefix("p/")?;
    told.push(format!("prefix {} {}", deleted.keys, deleted.more));
    let usage = storage::usage()?;
    told.push(format!(
        "usage {} {} {}",
        usage.used_bytes, usage.keys, usage.quota_bytes
    ));
    told.push(format!(
        "check {}",
        capabilities::check("storage:read", "k")
    ));
    for grant in capabilities::list() {
        told.push(format!("list {}={}", grant.capability, grant.pattern));
    }
    Ok(())
}

fn files(told: &mut Vec<String>) -> Result<(), Failure> {
    told.push(format!("read {}", text(Some(filesystem::read("f", 1, 9)?))));
    filesystem::write("f", b"w")?;
    told.push("write ok".into());
    filesystem::append("f", b"a")?;
    told.push("append ok".into());
    if let Err(OsError::NotFound(what)) = filesystem::remove("f") {
        told.push(format!("remove not-found {what}"));
    }
    filesystem::create_directory("d")?;
    told.push("mkdir ok".into());
    for entry in filesystem::list_directory("d")? {
        told.push(format!("ls {} {}", entry.name, kind(entry.kind)));
    }
    let found = filesystem::stat("f")?;
    told.push(format!(
        "stat {} {} {}",
        kind(found.kind),
        found.size_bytes,
        found.modified_ns
    ));
    Ok(())
}

fn network(told: &mut Vec<String>) -> Result<(), Failure> {
    let ended = process::run("echo", &["a".into(), "b".into()], b"in", 7)?;
    let (out, err) = (text(Some(ended.stdout)), text(Some(ended.stderr)));
    told.push(format!("run {} {out} {err}", ended.exit_code));
    let connection = tcp::connect("h:1", 8)?;
    told.push("connect".into());
    told.push(format!("receive {}", text(Some(connection.receive(9)?))));
    connection.send(b"x")?;
    told.push("send ok".into());
    drop(connection);
    told.push(format!(
        "exchange {}",
        text(Some(udp::exchange("h:2", b"u", 9)?))
    ));
    told.push(format!("resolve {}", dns::resolve("h", 9)?.join(" ")));
    let page = http::request("GET", "http://h/", &[("a".into(), "b".into())], b"body", 10)?;
    let (name, value) = &page.headers[0];
    told.push(format!(
        "http {} {name}={value} {}",
        page.status,
        text(Some(page.body))
    ));
    told.push(format!("trace {}", tracing::current().unwrap_or_default()));
    tracing::set_attribute("k", "v");
    let attribute = tracing::Attribute { key: "k".into(), value: "v".into() };
    tracing::add_event("e", &[attribute]);
    Ok(())
}

fn coded(payload: &[u8]) -> Vec<u8> {
    match codec::split(payload) {
        Some((number, content)) => {
            info!("codec {number}");
            codec::wrap(number, content)
        }
        None => b"none".to_vec(),
    }
}

impl Handler for Tour {
    fn handle(message: Message) -> Reply {
        warn!("message from {}", message.sender);
        if message.topic.as_deref() == Some("codec") {
            return Ok(Some(coded(&message.payload)));
        }
        if let Some(topic) = message.topic {
            return Ok(Some(topic.into_bytes()));
        }
        match message.text()? {
            "quiet" => Ok(None),
            "tour" => {
                let mut told = Vec::new();
                messages(&mut told)?;
                timing(&mut told)?;
                store(&mut told)?;
                files(&mut told)?;
                network(&mut told)?;
                Ok(Some(told.join(";").into_bytes()))
            }
            other => Err(Failure::new(format!("unknown command {other}"))),
        }
    }
}

impl Lifecycle for Tour {
    fn init(config: &str) -> Result<(), Failure> {
        if config == "{}" {
            return Ok(());
        }
        Err(Failure::new(format!("bad config {config}")))
    }
    fn shutdown() {
        info!("shutdown");
    }
}

impl Callbacks for Tour {
    fn handle_callback(request_id: u64, outcome: Result<Option<Vec<u8>>, MessagingError>) {
        match outcome {
            Ok(reply) => info!("callback {request_id} {}", text(reply)),
            Err(MessagingError::TimedOut) => info!("callback {request_id} timed-out"),
            Err(error) => info!("callback {request_id} {error}"),
        }
    }
}

impl Health for Tour {
    fn check() -> Result<(), Failure> {
        Err(Failure::new("unwell"))
    }
}

impl Migration for Tour {
    fn migrate(from_version: &str) -> Result<(), Failure> {
        info!("migrate {from_version}");
        Ok(())
    }
}

export!(Tour: handler, lifecycle, callbacks, health, migration);

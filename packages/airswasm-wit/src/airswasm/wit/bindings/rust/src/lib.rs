//! Write airswasm components in Rust.
//!
//! ```ignore
//! use airswasm_component::{component, info, storage, Component, Failure, Message, Reply};
//!
//! struct Counter {
//!     seen: u64,
//! }
//!
//! impl Component for Counter {
//!     fn init(_config: &str) -> Result<Self, Failure> {
//!         Ok(Counter { seen: 0 })
//!     }
//!
//!     fn handle(&mut self, message: Message) -> Reply {
//!         self.seen += 1;
//!         storage::set("last", message.sender.as_bytes())?;
//!         info!("message {} of this incarnation", self.seen);
//!         Ok(Some(message.payload))
//!     }
//! }
//!
//! component!(Counter);
//! ```
//!
//! [`component!`] exports the handler and the lifecycle, and what else is named after a colon:
//! `callbacks`, `health`, `migration`. Host functions are plain functions in the modules below;
//! what is not called is not imported, so that a component asks for no more than it uses. [`export!`]
//! is for components that keep no state, with one trait for each interface.
//!
//! The crate needs no other: its bindings were generated beforehand, and its macros are
//! `macro_rules`. So a project builds in seconds, without a network.
//!
//! Build with `airswasm build`, or `cargo build --release --target wasm32-wasip2` (`rustup target
//! add wasm32-wasip2`), with `crate-type = ["cdylib"]`.

#![allow(clippy::all)]

use std::fmt;

#[doc(hidden)]
#[path = "generated/host.rs"]
pub mod host;
mod reasons;
#[doc(hidden)]
pub mod runtime;
mod stateful;

pub use host::airswasm::component::{
    capabilities, dns, filesystem, http, messaging, os_errors, process, storage, tcp, timers, tracing,
    udp,
};
pub use messaging::MessagingError;
pub use os_errors::OsError;
pub use stateful::Component;
#[doc(hidden)]
pub use stateful::{log_panics, Slot};
pub use storage::{StorageError, WriteError};

pub mod codec {
    //! Payloads that say in which codec they are.
    //!
    //! A payload begins with the number of its codec in the public multicodec table, as an
    //! unsigned varint. [`wrap`] writes it and [`split`] reads it; what follows is the codec's own.

    pub const PROTOBUF: u64 = 0x50;
    pub const CBOR: u64 = 0x51;
    pub const RAW: u64 = 0x55;
    pub const DAG_CBOR: u64 = 0x71;
    pub const JSON: u64 = 0x0200;
    pub const MESSAGEPACK: u64 = 0x0201;
    /// Not in the table: a private number of airswasm.
    pub const BORSH: u64 = 0x300000;
    /// Not in the table: a private number of airswasm.
    pub const BINCODE: u64 = 0x300001;

    /// Content as a payload in a codec.
    pub fn wrap(mut codec: u64, content: &[u8]) -> Vec<u8> {
        let mut payload = Vec::with_capacity(content.len() + 10);
        while codec > 0x7f {
            payload.push(codec as u8 | 0x80);
            codec >>= 7;
        }
        payload.push(codec as u8);
        payload.extend_from_slice(content);
        payload
    }

    /// The codec and the content of a payload; None for bytes that begin with no number. Also a
    /// text begins with a number, its first letter: compare the codec with those that you read, or
    /// let `[codecs] accepts` do it.
    pub fn split(payload: &[u8]) -> Option<(u64, &[u8])> {
        let mut codec = 0;
        for (at, byte) in payload.iter().take(9).enumerate() {
            codec |= u64::from(byte & 0x7f) << (7 * at);
            if byte & 0x80 == 0 {
                let is_shortest = *byte != 0 || at == 0;
                return is_shortest.then(|| (codec, &payload[at + 1..]));
            }
        }
        None
    }
}

#[doc(hidden)]
#[path = "generated/handler.rs"]
pub mod guest_handler;
#[doc(hidden)]
#[path = "generated/lifecycle.rs"]
pub mod guest_lifecycle;
#[doc(hidden)]
#[path = "generated/callbacks.rs"]
pub mod guest_callbacks;
#[doc(hidden)]
#[path = "generated/health.rs"]
pub mod guest_health;
#[doc(hidden)]
#[path = "generated/migration.rs"]
pub mod guest_migration;

/// The answer to a message: bytes for the sender, nothing, or why it failed.
pub type Reply = Result<Option<Vec<u8>>, Failure>;

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The sender's name, `namespace/name`, or `host`.
    pub sender: String,
    /// The topic, when it was published rather than sent.
    pub topic: Option<String>,
    pub payload: Vec<u8>,
}

impl Message {
    /// The payload as text, when it is UTF-8.
    pub fn text(&self) -> Result<&str, Failure> {
        std::str::from_utf8(&self.payload).map_err(Failure::from)
    }
}

/// Why a call failed, as text for the caller. `?` makes one of any error.
///
/// It is no error itself, as in `anyhow`: that is what lets it be made from all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure(pub String);

impl Failure {
    /// A failure with this text.
    pub fn new(text: impl Into<String>) -> Self {
        Failure(text.into())
    }
}

impl<E: std::error::Error + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Failure(reasons::reason(&error))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Handles messages, one at a time. Required of every component: `export!(Type: handler)`.
pub trait Handler {
    /// Handles one message and returns the reply.
    fn handle(message: Message) -> Reply;
}

/// Start and stop: `export!(Type: handler, lifecycle)`.
pub trait Lifecycle {
    /// Called once, before the first message, with the `[config]` table as a JSON object.
    fn init(config: &str) -> Result<(), Failure>;
    /// Called once, after the last message; not after a crash.
    fn shutdown() {}
}

/// Answers to `messaging::request`: `export!(Type: handler, callbacks)`.
pub trait Callbacks {
    /// Delivers the outcome of the request with this id.
    fn handle_callback(request_id: u64, outcome: Result<Option<Vec<u8>>, MessagingError>);
}

/// The component's own view of whether it works: `export!(Type: handler, health)`.
pub trait Health {
    /// An error is reported as `unhealthy` with its text.
    fn check() -> Result<(), Failure>;
}

/// Taking over what an earlier version stored: `export!(Type: handler, migration)`.
pub trait Migration {
    /// Called before the first message of a new version; an error cancels the update.
    fn migrate(from_version: &str) -> Result<(), Failure>;
}

#[doc(hidden)]
pub struct Adapter<T>(std::marker::PhantomData<T>);

impl<T: Handler> guest_handler::exports::airswasm::component::handler::Guest for Adapter<T> {
    fn handle_message(
        sender: String,
        topic: Option<String>,
        payload: Vec<u8>,
    ) -> Result<Option<Vec<u8>>, String> {
        T::handle(Message {
            sender,
            topic,
            payload,
        })
        .map_err(|failure| failure.0)
    }
}

impl<T: Lifecycle> guest_lifecycle::exports::airswasm::component::lifecycle::Guest for Adapter<T> {
    fn init(config: String) -> Result<(), String> {
        T::init(&config).map_err(|failure| failure.0)
    }
    fn shutdown() {
        T::shutdown()
    }
}

impl<T: Callbacks> guest_callbacks::exports::airswasm::component::callbacks::Guest for Adapter<T> {
    fn handle_callback(request_id: u64, outcome: Result<Option<Vec<u8>>, MessagingError>) {
        T::handle_callback(request_id, outcome)
    }
}

impl<T: Health> guest_health::exports::airswasm::component::health::Guest for Adapter<T> {
    fn check() -> Result<(), String> {
        T::check().map_err(|failure| failure.0)
    }
}

impl<T: Migration> guest_migration::exports::airswasm::component::migration::Guest for Adapter<T> {
    fn migrate(from_version: String) -> Result<(), String> {
        T::migrate(&from_version).map_err(|failure| failure.0)
    }
}

/// Exports the guest interfaces that a type implements: `export!(Counter: handler, health);`
#[macro_export]
macro_rules! export {
    ($component:ty : $($interface:ident),+ $(,)?) => {
        $( $crate::__export_one!($interface, $component); )+
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __export_one {
    (handler, $component:ty) => {
        type __AirswasmHandler = $crate::Adapter<$component>;
        $crate::guest_handler::airswasm_export_handler!(
            __AirswasmHandler with_types_in $crate::guest_handler
        );
    };
    (lifecycle, $component:ty) => {
        type __AirswasmLifecycle = $crate::Adapter<$component>;
        $crate::guest_lifecycle::airswasm_export_lifecycle!(
            __AirswasmLifecycle with_types_in $crate::guest_lifecycle
        );
    };
    (callbacks, $component:ty) => {
        type __AirswasmCallbacks = $crate::Adapter<$component>;
        $crate::guest_callbacks::airswasm_export_callbacks!(
            __AirswasmCallbacks with_types_in $crate::guest_callbacks
        );
    };
    (health, $component:ty) => {
        type __AirswasmHealth = $crate::Adapter<$component>;
        $crate::guest_health::airswasm_export_health!(
            __AirswasmHealth with_types_in $crate::guest_health
        );
    };
    (migration, $component:ty) => {
        type __AirswasmMigration = $crate::Adapter<$component>;
        $crate::guest_migration::airswasm_export_migration!(
            __AirswasmMigration with_types_in $crate::guest_migration
        );
    };
    ($other:ident, $component:ty) => {
        compile_error!(concat!(
            "`",
            stringify!($other),
            "` is no guest interface: use handler, lifecycle, callbacks, health, migration"
        ));
    };
}

/// The component's log, below the macros `trace!` … `error!`.
pub mod logging {
    pub use crate::host::airswasm::component::logging::{log, Level};
}

/// Writes a line of level `trace`, formatted as `format!` does.
#[macro_export]
macro_rules! trace {
    ($($argument:tt)*) => {
        $crate::logging::log($crate::logging::Level::Trace, &format!($($argument)*))
    };
}

/// Writes a line of level `debug`, formatted as `format!` does.
#[macro_export]
macro_rules! debug {
    ($($argument:tt)*) => {
        $crate::logging::log($crate::logging::Level::Debug, &format!($($argument)*))
    };
}

/// Writes a line of level `info`, formatted as `format!` does.
#[macro_export]
macro_rules! info {
    ($($argument:tt)*) => {
        $crate::logging::log($crate::logging::Level::Info, &format!($($argument)*))
    };
}

/// Writes a line of level `warn`, formatted as `format!` does.
#[macro_export]
macro_rules! warn {
    ($($argument:tt)*) => {
        $crate::logging::log($crate::logging::Level::Warn, &format!($($argument)*))
    };
}

/// Writes a line of level `error`, formatted as `format!` does.
#[macro_export]
macro_rules! error {
    ($($argument:tt)*) => {
        $crate::logging::log($crate::logging::Level::Error, &format!($($argument)*))
    };
}

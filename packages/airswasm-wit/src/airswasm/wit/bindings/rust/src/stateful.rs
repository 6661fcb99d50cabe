//! Components as values: one trait, and the macro that exports it.

use std::cell::RefCell;

use crate::{Failure, Message, MessagingError, Reply};

/// A component with its state, which lasts as long as one incarnation.
///
/// The host calls one function at a time. What must outlive a crash or an update belongs into
/// [`storage`](crate::storage).
pub trait Component: Sized {
    /// Makes the component, before its first message. `config` is the `[config]` table of
    /// Component.toml as a JSON object; an error is a failed start.
    fn init(config: &str) -> Result<Self, Failure>;

    /// Handles one message and returns the reply.
    fn handle(&mut self, message: Message) -> Reply;

    /// Called once, after the last message; not after a crash.
    fn shutdown(&mut self) {}

    /// Delivers the outcome of a request: `component!(Type: callbacks)`.
    fn callback(&mut self, _request: u64, _outcome: Result<Option<Vec<u8>>, MessagingError>) {}

    /// The component's own view of whether it works: `component!(Type: health)`.
    fn check(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    /// Takes over what an earlier version stored: `component!(Type: migration)`.
    fn migrate(&mut self, _from_version: &str) -> Result<(), Failure> {
        Ok(())
    }
}

/// The place of the one component of a module.
#[doc(hidden)]
pub struct Slot<T>(RefCell<Option<T>>);

impl<T> Slot<T> {
    pub const fn new() -> Self {
        Slot(RefCell::new(None))
    }

    pub fn set(&self, component: T) {
        *self.0.borrow_mut() = Some(component);
    }

    pub fn with<R>(&self, call: impl FnOnce(&mut T) -> R) -> R {
        call(self.0.borrow_mut().as_mut().expect("init has run"))
    }
}

/// Has a panic written to the log, with its place in the source, before it ends the incarnation.
#[doc(hidden)]
pub fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        crate::logging::log(crate::logging::Level::Error, &panic.to_string());
    }));
}

/// Exports a type that is a [`Component`]: `component!(Counter);`, or with more interfaces,
/// `component!(Counter: callbacks, health, migration);`
#[macro_export]
macro_rules! component {
    ($component:ty $(: $($interface:ident),+ $(,)?)?) => {
        #[doc(hidden)]
        struct __Airswasm;

        ::std::thread_local! {
            static __AIRSWASM: $crate::Slot<$component> = const { $crate::Slot::new() };
        }

        impl $crate::Handler for __Airswasm {
            fn handle(message: $crate::Message) -> $crate::Reply {
                __AIRSWASM.with(|slot| {
                    slot.with(|it| <$component as $crate::Component>::handle(it, message))
                })
            }
        }

        impl $crate::Lifecycle for __Airswasm {
            fn init(config: &str) -> Result<(), $crate::Failure> {
                $crate::log_panics();
                let component = <$component as $crate::Component>::init(config)?;
                __AIRSWASM.with(|slot| slot.set(component));
                Ok(())
            }
            fn shutdown() {
                __AIRSWASM.with(|slot| slot.with(<$component as $crate::Component>::shutdown))
            }
        }

        impl $crate::Callbacks for __Airswasm {
            fn handle_callback(
                request_id: u64,
                outcome: Result<Option<Vec<u8>>, $crate::MessagingError>,
            ) {
                __AIRSWASM.with(|slot| {
                    slot.with(|it| {
                        <$component as $crate::Component>::callback(it, request_id, outcome)
                    })
                })
            }
        }

        impl $crate::Health for __Airswasm {
            fn check() -> Result<(), $crate::Failure> {
                __AIRSWASM.with(|slot| slot.with(<$component as $crate::Component>::check))
            }
        }

        impl $crate::Migration for __Airswasm {
            fn migrate(from_version: &str) -> Result<(), $crate::Failure> {
                __AIRSWASM.with(|slot| {
                    slot.with(|it| <$component as $crate::Component>::migrate(it, from_version))
                })
            }
        }

        $crate::export!(__Airswasm: handler, lifecycle $($(, $interface)+)?);
    };
}

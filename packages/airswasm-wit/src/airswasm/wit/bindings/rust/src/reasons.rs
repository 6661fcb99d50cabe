//! The errors of the host as texts for people, such as the line that grants a capability.

use std::error::Error;

use crate::{MessagingError, OsError, StorageError, WriteError};

/// Returns the text of an error of the host, or what another error says of itself.
pub fn reason(error: &(dyn Error + 'static)) -> String {
    let text = if let Some(error) = error.downcast_ref::<StorageError>() {
        storage(error)
    } else if let Some(error) = error.downcast_ref::<WriteError>() {
        return write(error);
    } else if let Some(error) = error.downcast_ref::<MessagingError>() {
        messaging(error)
    } else if let Some(error) = error.downcast_ref::<OsError>() {
        system(error)
    } else {
        return error.to_string();
    };
    text.to_owned()
}

fn storage(error: &StorageError) -> &str {
    match error {
        StorageError::Denied(text)
        | StorageError::InvalidKey(text)
        | StorageError::TooLarge(text)
        | StorageError::Unavailable(text) => text,
    }
}

fn write(error: &WriteError) -> String {
    match error {
        WriteError::Denied(text)
        | WriteError::InvalidKey(text)
        | WriteError::Invalid(text)
        | WriteError::TooLarge(text)
        | WriteError::Unavailable(text) => text.clone(),
        WriteError::QuotaExceeded(quota) => format!(
            "the quota is used up: {} of {} bytes, {} keys",
            quota.used_bytes, quota.quota_bytes, quota.used_keys
        ),
        WriteError::Conflict(_) => "the key does not have the expected value".to_owned(),
    }
}

fn messaging(error: &MessagingError) -> &str {
    match error {
        MessagingError::Denied(text)
        | MessagingError::UnknownTarget(text)
        | MessagingError::MailboxFull(text)
        | MessagingError::TooLarge(text)
        | MessagingError::RateLimited(text)
        | MessagingError::Invalid(text)
        | MessagingError::Cycle(text)
        | MessagingError::Failed(text)
        | MessagingError::TooManyHops(text) => text,
        MessagingError::TimedOut => "no answer came in time",
        MessagingError::Cancelled => "the request was cancelled",
    }
}

fn system(error: &OsError) -> &str {
    match error {
        OsError::Denied(text)
        | OsError::NotFound(text)
        | OsError::Exists(text)
        | OsError::Invalid(text)
        | OsError::LimitExceeded(text)
        | OsError::Disconnected(text)
        | OsError::Failed(text) => text,
        OsError::TimedOut => "it took too long",
    }
}

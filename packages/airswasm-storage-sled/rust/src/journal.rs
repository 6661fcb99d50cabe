//! Batches that sled may not have written yet, in files that the operating system has.
//!
//! sled keeps what it was given in buffers of its own process until it is flushed, so that a killed
//! process would lose batches that a store had acknowledged; and no batch can be applied while it
//! flushes. Each batch is therefore appended to a journal first, by one `write`. To wait for the
//! disk is to wait for the journal. sled is flushed when a journal is full, which is then
//! superfluous. Every batch has a number, which sled stores with it, so that a batch that sled has
//! is not replayed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

pub type Change = (Vec<u8>, Option<Vec<u8>>);

const PREFIX: &str = "journal-";
const HEAD_BYTES: usize = 8;
const DELETED: u32 = u32::MAX;

/// The journal that is being written.
pub struct Journal {
    folder: PathBuf,
    number: u64,
    file: File,
    size: u64,
}

impl Journal {
    /// Begin a journal after those that are there.
    pub fn begin(folder: &Path) -> io::Result<Self> {
        let number = numbers(folder)?.last().map_or(1, |last| last + 1);
        let file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .open(path_of(folder, number))?;
        Ok(Self { folder: folder.to_owned(), number, file, size: 0 })
    }

    pub fn size(&self) -> u64 {
        self.size
    }

    pub fn number(&self) -> u64 {
        self.number
    }

    /// Return the file, to wait for the disk beside writers.
    pub fn file(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// Append a batch; a failure leaves the journal as it was.
    pub fn append(&mut self, sequence: u64, changes: &[Change]) -> io::Result<()> {
        let record = encode(sequence, changes);
        if let Err(error) = self.file.write_all(&record) {
            self.file.set_len(self.size)?;
            return Err(error);
        }
        self.size += record.len() as u64;
        Ok(())
    }

    /// Take back the last record, which had this size before it.
    pub fn cut(&mut self, size: u64) -> io::Result<()> {
        self.file.set_len(size)?;
        self.size = size;
        Ok(())
    }

    /// Go on in another file, and keep this one until `remove_before`.
    pub fn rotate(&mut self) -> io::Result<()> {
        *self = Self::begin(&self.folder)?;
        Ok(())
    }
}

/// Remove the journals below a number.
pub fn remove_before(folder: &Path, number: u64) -> io::Result<()> {
    for each in numbers(folder)?.into_iter().filter(|each| *each < number) {
        fs::remove_file(path_of(folder, each))?;
    }
    Ok(())
}

/// Call `replay` with each whole batch, in order, up to the first that is not whole.
pub fn read_all<E: From<io::Error>>(
    folder: &Path,
    mut replay: impl FnMut(u64, Vec<Change>) -> Result<(), E>,
) -> Result<(), E> {
    for number in numbers(folder)? {
        let mut content = Vec::new();
        File::open(path_of(folder, number))?.read_to_end(&mut content)?;
        let mut rest = content.as_slice();
        while let Some((sequence, changes, after)) = decode(rest) {
            replay(sequence, changes)?;
            rest = after;
        }
    }
    Ok(())
}

fn numbers(folder: &Path) -> io::Result<Vec<u64>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
        found.extend(number.and_then(|number| number.parse::<u64>().ok()));
    }
    found.sort_unstable();
    Ok(found)
}

fn path_of(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{PREFIX}{number}"))
}

fn encode(sequence: u64, changes: &[Change]) -> Vec<u8> {
    let mut record = vec![0; HEAD_BYTES];
    record.extend(sequence.to_le_bytes());
    for (key, value) in changes {
        record.extend((key.len() as u32).to_le_bytes());
        let length = value.as_ref().map_or(DELETED, |value| value.len() as u32);
        record.extend(length.to_le_bytes());
        record.extend(key);
        record.extend(value.iter().flatten());
    }
    let body = &record[HEAD_BYTES..];
    let (length, sum) = (body.len() as u32, crc32fast::hash(body));
    record[..4].copy_from_slice(&length.to_le_bytes());
    record[4..HEAD_BYTES].copy_from_slice(&sum.to_le_bytes());
    record
}

fn decode(content: &[u8]) -> Option<(u64, Vec<Change>, &[u8])> {
    let (length, rest) = take_u32(content)?;
    let (sum, rest) = take_u32(rest)?;
    let (body, after) = rest.split_at_checked(length as usize)?;
    if crc32fast::hash(body) != sum {
        return None;
    }
    let (sequence, mut body) = body.split_first_chunk::<8>()?;
    let mut changes = Vec::new();
    while !body.is_empty() {
        let (key_length, rest) = take_u32(body)?;
        let (value_length, rest) = take_u32(rest)?;
        let (key, rest) = rest.split_at_checked(key_length as usize)?;
        if value_length == DELETED {
            changes.push((key.to_vec(), None));
            body = rest;
        } else {
            let (value, rest) = rest.split_at_checked(value_length as usize)?;
            changes.push((key.to_vec(), Some(value.to_vec())));
            body = rest;
        }
    }
    Some((u64::from_le_bytes(*sequence), changes, after))
}

fn take_u32(content: &[u8]) -> Option<(u32, &[u8])> {
    let (number, rest) = content.split_first_chunk::<4>()?;
    Some((u32::from_le_bytes(*number), rest))
}

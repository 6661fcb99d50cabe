//! One open folder: sled, its journal, and the snapshots that are open.
//!
//! sled has no snapshots. Here a snapshot is the content without what was changed since: each batch
//! first puts the old values of its keys into every open snapshot that does not have them yet. A
//! snapshot costs memory for what is written while it is open, and nothing for the rest.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::ops::Bound;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use fs2::FileExt;
use sled::IVec;

use crate::journal::{self, Change, Journal};

pub type Pair = (IVec, IVec);
type OldValues = Mutex<BTreeMap<Vec<u8>, Option<IVec>>>;

/// The key under which sled stores the number of the last batch. No key of a store is empty.
const SEQUENCE: &[u8] = b"";
const CACHE_BYTES: u64 = 128 * 1024 * 1024;
const JOURNAL_BYTES: u64 = 8 * 1024 * 1024;
const PART_BYTES: usize = 1024 * 1024;
const COPIED_ENTRIES: usize = 256;
const PATIENCE: Duration = Duration::from_secs(20);
static IS_STUCK: AtomicBool = AtomicBool::new(false);
/// Room that a write leaves on the disk, because sled does not survive a full one.
const RESERVED_BYTES: u64 = 16 * 1024 * 1024;
/// Written bytes after which the room is looked at again.
const LOOKED_BYTES: u64 = 256 * 1024;
/// sled's threads may hold its files for a moment after it was closed.
const CLOSING_TIME: Duration = Duration::from_secs(5);

/// Why an operation failed.
#[derive(Debug)]
pub enum Failure {
    Closed,
    Locked,
    Corrupted(String),
    Unavailable(String),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<sled::Error> for Failure {
    fn from(error: sled::Error) -> Self {
        match error {
            sled::Error::Io(error) => error.into(),
            sled::Error::Corruption { .. } => Self::Corrupted(error.to_string()),
            other => Self::Corrupted(other.to_string()),
        }
    }
}

/// The part of a scan that one call reads.
pub struct Range {
    pub start: Vec<u8>,
    pub end: Vec<u8>,
    pub is_reverse: bool,
    pub most: usize,
}

/// One open folder; every method may be called from any thread.
pub struct Engine {
    folder: PathBuf,
    opened: RwLock<Option<Opened>>,
    /// The last journal that is known to be in the folder on the disk.
    listed: AtomicU64,
}

struct Opened {
    db: sled::Db,
    files: Files,
    journal: Journal,
    /// Whether journals before this one have what sled may have in memory alone.
    has_old_journals: bool,
    /// Whether sled refused a write; it takes no other until it is opened again.
    has_failed: bool,
    /// How much of the journal was written when the room was looked at.
    looked_at: Option<(u64, u64)>,
    sequence: u64,
    snapshots: Vec<Weak<OldValues>>,
    _lock: File,
}

/// The content at one moment.
pub struct Snapshot {
    engine: Arc<Engine>,
    old: Arc<OldValues>,
}

impl Engine {
    /// Open a folder, and put into it what its journals have and sled has not.
    pub fn open(folder: &Path) -> Result<Self, Failure> {
        guarded(|| {
            fs::create_dir_all(folder)?;
            let lock = take_lock(folder)?;
            let db = open_sled(folder)?;
            let files = Files::open(folder)?;
            let mut sequence = stored_sequence(&db)?;
            journal::read_all(folder, |number, changes| {
                if number == sequence + 1 {
                    write(&db, number, changes)?;
                    sequence = number;
                }
                Ok::<(), Failure>(())
            })?;
            db.flush()?;
            files.sync()?;
            let journal = Journal::begin(folder)?;
            journal::remove_before(folder, journal.number())?;
            let opened = RwLock::new(Some(Opened {
                db,
                files,
                journal,
                has_old_journals: false,
                has_failed: false,
                looked_at: None,
                sequence,
                snapshots: Vec::new(),
                _lock: lock,
            }));
            Ok(Self { folder: folder.to_owned(), opened, listed: AtomicU64::new(0) })
        })
    }

    pub fn sequence(&self) -> Result<u64, Failure> {
        self.reading(|opened| Ok(opened.sequence))
    }

    pub fn get(&self, key: &[u8]) -> Result<Option<IVec>, Failure> {
        self.reading(|opened| opened.get(key))
    }

    pub fn get_many(&self, keys: &[Vec<u8>]) -> Result<Vec<Option<IVec>>, Failure> {
        self.reading(|opened| keys.iter().map(|key| opened.get(key)).collect())
    }

    pub fn part(&self, range: &Range) -> Result<Vec<Pair>, Failure> {
        self.reading(|opened| opened.part(range, &BTreeMap::new()))
    }

    /// Apply all changes or none; they outlive the process, and a flush makes them durable.
    pub fn apply(&self, changes: Vec<Change>) -> Result<(), Failure> {
        self.writing(|opened| {
            opened.check_room(&self.folder, &changes)?;
            let (number, before) = (opened.sequence + 1, opened.journal.size());
            opened.journal.append(number, &changes)?;
            let written = opened
                .keep_old_values(&changes)
                .and_then(|()| write(&opened.db, number, changes));
            match written {
                Ok(()) => opened.sequence = number,
                Err(_) => {
                    opened.has_failed = true;
                    opened.journal.cut(before)?;
                }
            }
            written
        })
    }

    /// Fail where the disk has no room, or where sled has to be opened again.
    pub fn check(&self) -> Result<(), Failure> {
        self.writing(|opened| {
            opened.looked_at = None;
            opened.check_room(&self.folder, &[])
        })
    }

    /// Whether sled refused a write, and takes no other until it is opened again.
    pub fn has_failed(&self) -> Result<bool, Failure> {
        self.reading(|opened| Ok(opened.has_failed))
    }

    /// Wait until all that was applied before is on the disk. Writers go on meanwhile.
    pub fn flush(&self) -> Result<(), Failure> {
        let (journal, current, full) = self.writing(|opened| {
            if opened.journal.size() > JOURNAL_BYTES {
                opened.journal.rotate()?;
                opened.has_old_journals = true;
            }
            let full = opened.has_old_journals.then(|| opened.sled());
            Ok((opened.journal.file()?, opened.journal.number(), full.transpose()?))
        })?;
        guarded(|| {
            journal.sync_data()?;
            if self.listed.fetch_max(current, Ordering::Relaxed) < current {
                File::open(&self.folder)?.sync_all()?;
            }
            Ok(())
        })?;
        match full {
            Some((db, files)) => {
                let folder = self.folder.clone();
                bounded(move || {
                    db.flush()?;
                    files.sync()?;
                    Ok(journal::remove_before(&folder, current)?)
                })?;
                self.writing(|opened| {
                    opened.has_old_journals = opened.journal.number() != current;
                    Ok(())
                })
            }
            None => Ok(()),
        }
    }

    pub fn snapshot(self: &Arc<Self>) -> Result<Snapshot, Failure> {
        let old = Arc::new(OldValues::default());
        self.writing(|opened| {
            opened.snapshots.retain(|each| each.strong_count() > 0);
            opened.snapshots.push(Arc::downgrade(&old));
            Ok(())
        })?;
        Ok(Snapshot { engine: Arc::clone(self), old })
    }

    /// Write the content of this moment to a new folder. Writers go on meanwhile.
    pub fn copy_to(self: &Arc<Self>, folder: &Path) -> Result<(), Failure> {
        fs::create_dir(folder)?;
        let copy = Self::open(folder)?;
        let snapshot = self.snapshot()?;
        let (start, end, most) = (vec![0], vec![0xff; 2_048], COPIED_ENTRIES);
        let mut range = Range { start, end, is_reverse: false, most };
        loop {
            let part = snapshot.part(&range)?;
            let Some((last, _)) = part.last() else { break };
            range.start = last.to_vec();
            range.start.push(0);
            copy.apply(part.iter().map(|(k, v)| (k.to_vec(), Some(v.to_vec()))).collect())?;
        }
        copy.flush()?;
        copy.close();
        Ok(())
    }

    /// Close; without effect when it is closed.
    pub fn close(&self) {
        let opened = self.opened.write().unwrap_or_else(PoisonError::into_inner).take();
        let _ = bounded(move || {
            if let Some(opened) = &opened {
                if !opened.has_failed {
                    opened.db.flush()?;
                }
            }
            drop(opened);
            Ok(())
        });
    }

    fn reading<T>(&self, read: impl FnOnce(&Opened) -> Result<T, Failure>) -> Result<T, Failure> {
        let opened = self.opened.read().unwrap_or_else(PoisonError::into_inner);
        let opened = opened.as_ref().ok_or(Failure::Closed)?;
        guarded(|| read(opened))
    }

    fn writing<T>(
        &self,
        change: impl FnOnce(&mut Opened) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let mut opened = self.opened.write().unwrap_or_else(PoisonError::into_inner);
        let opened = opened.as_mut().ok_or(Failure::Closed)?;
        guarded(|| change(opened))
    }
}

impl Opened {
    fn sled(&self) -> io::Result<(sled::Db, Files)> {
        Ok((self.db.clone(), self.files.try_clone()?))
    }

    fn get(&self, key: &[u8]) -> Result<Option<IVec>, Failure> {
        if key == SEQUENCE {
            return Ok(None);
        }
        Ok(self.db.get(key)?)
    }

    fn part(
        &self,
        range: &Range,
        old: &BTreeMap<Vec<u8>, Option<IVec>>,
    ) -> Result<Vec<Pair>, Failure> {
        let start = range.start.as_slice().max(&[0]);
        if start >= range.end.as_slice() {
            return Ok(Vec::new());
        }
        let bounds = (Bound::Included(start), Bound::Excluded(range.end.as_slice()));
        let live = self.db.range::<&[u8], _>(bounds);
        let old = old.range::<[u8], _>(bounds);
        if range.is_reverse {
            merge(live.rev(), old.rev(), range, |one, other| one > other)
        } else {
            merge(live, old, range, |one, other| one < other)
        }
    }

    fn check_room(&mut self, folder: &Path, changes: &[Change]) -> Result<(), Failure> {
        if IS_STUCK.load(Ordering::Relaxed) {
            return Err(stuck());
        }
        let values = changes.iter().filter_map(|(_, value)| value.as_ref());
        let size = values.map(|value| value.len() as u64).sum::<u64>();
        let now = (self.journal.number(), self.journal.size());
        let is_recent = self.looked_at.is_some_and(|(number, at)| {
            number == now.0 && now.1 + size < at + LOOKED_BYTES
        });
        if !is_recent {
            if fs2::available_space(folder)? < RESERVED_BYTES + 2 * size {
                return Err(Failure::Unavailable("No space left on device".into()));
            }
            self.looked_at = Some(now);
        }
        Ok(())
    }

    fn keep_old_values(&self, changes: &[Change]) -> Result<(), Failure> {
        for snapshot in self.snapshots.iter().filter_map(Weak::upgrade) {
            let mut old = locked(&snapshot);
            for (key, _) in changes {
                if !old.contains_key(key) {
                    old.insert(key.clone(), self.get(key)?);
                }
            }
        }
        Ok(())
    }
}

impl Snapshot {
    pub fn get(&self, key: &[u8]) -> Result<Option<IVec>, Failure> {
        self.engine.reading(|opened| match locked(&self.old).get(key) {
            Some(old) => Ok(old.clone()),
            None => opened.get(key),
        })
    }

    pub fn part(&self, range: &Range) -> Result<Vec<Pair>, Failure> {
        self.engine.reading(|opened| opened.part(range, &locked(&self.old)))
    }
}

/// The files of sled that a flush must reach. On Linux sled itself waits for the written pages
/// alone (`sync_file_range`), and not for what says where they are.
struct Files {
    data: File,
    blobs: File,
}

impl Files {
    fn open(folder: &Path) -> io::Result<Self> {
        let data = OpenOptions::new().read(true).write(true).open(folder.join("db"))?;
        Ok(Self { data, blobs: File::open(folder.join("blobs"))? })
    }

    fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { data: self.data.try_clone()?, blobs: self.blobs.try_clone()? })
    }

    fn sync(&self) -> io::Result<()> {
        self.data.sync_data()?;
        self.blobs.sync_all()
    }
}

/// Do what may never end, on a thread of its own, and give up after a while.
///
/// Where a write fails, sled does not wake those that wait for it, and they keep a lock of the
/// whole process, so that no other operation may be begun from then on.
fn bounded(work: impl FnOnce() -> Result<(), Failure> + Send + 'static) -> Result<(), Failure> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let _ = sender.send(guarded(work));
    });
    receiver.recv_timeout(PATIENCE).unwrap_or_else(|_| {
        IS_STUCK.store(true, Ordering::Relaxed);
        Err(stuck())
    })
}

fn stuck() -> Failure {
    Failure::Unavailable("sled does not come back from a failed write; restart the host".into())
}

fn open_sled(folder: &Path) -> Result<sled::Db, Failure> {
    let started = Instant::now();
    loop {
        let config = sled::Config::new()
            .path(folder)
            .cache_capacity(CACHE_BYTES)
            .flush_every_ms(None);
        match config.open() {
            Err(error) if is_locked(&error) => {
                if started.elapsed() > CLOSING_TIME {
                    return Err(Failure::Locked);
                }
                sleep(Duration::from_millis(5));
            }
            opened => return Ok(opened?),
        }
    }
}

fn is_locked(error: &sled::Error) -> bool {
    error.to_string().contains("could not acquire lock")
}

fn take_lock(folder: &Path) -> Result<File, Failure> {
    let path = folder.join("lock");
    let lock = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
    match lock.try_lock_exclusive() {
        Err(error) if error.kind() == fs2::lock_contended_error().kind() => Err(Failure::Locked),
        taken => Ok(taken.map(|()| lock)?),
    }
}

fn stored_sequence(db: &sled::Db) -> Result<u64, Failure> {
    let Some(stored) = db.get(SEQUENCE)? else { return Ok(0) };
    let number = stored.as_ref().try_into().map(u64::from_le_bytes);
    number.map_err(|_| Failure::Corrupted("the number of the last batch is malformed".into()))
}

fn write(db: &sled::Db, number: u64, changes: Vec<Change>) -> Result<(), Failure> {
    let mut batch = sled::Batch::default();
    for (key, value) in changes {
        match value {
            Some(value) => batch.insert(key, value),
            None => batch.remove(key),
        }
    }
    batch.insert(SEQUENCE, &number.to_le_bytes());
    Ok(db.apply_batch(batch)?)
}

/// Merge what is there with what was there before, which prevails, up to the size of a part.
fn merge<'a>(
    live: impl Iterator<Item = sled::Result<Pair>>,
    old: impl Iterator<Item = (&'a Vec<u8>, &'a Option<IVec>)>,
    range: &Range,
    comes_first: impl Fn(&[u8], &[u8]) -> bool,
) -> Result<Vec<Pair>, Failure> {
    let (mut live, mut old) = (live.peekable(), old.peekable());
    let (mut part, mut size) = (Vec::new(), 0);
    while part.len() < range.most && size < PART_BYTES {
        let now = match live.peek() {
            Some(Ok((key, _))) => Some(key.as_ref()),
            Some(Err(error)) => return Err(error.clone().into()),
            None => None,
        };
        let pair = match (now, old.peek()) {
            (None, None) => break,
            (Some(key), Some((before, _))) if comes_first(key, before) => live.next().transpose()?,
            (Some(_), None) => live.next().transpose()?,
            (now, Some((before, _))) => {
                if now == Some(before.as_slice()) {
                    live.next();
                }
                old.next().and_then(|(key, old)| Some((key.as_slice().into(), old.clone()?)))
            }
        };
        if let Some((key, value)) = pair {
            size += key.len() + value.len();
            part.push((key, value));
        }
    }
    Ok(part)
}

fn locked(old: &OldValues) -> MutexGuard<'_, BTreeMap<Vec<u8>, Option<IVec>>> {
    old.lock().unwrap_or_else(PoisonError::into_inner)
}

/// sled panics where it finds what it did not write.
fn guarded<T>(work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        Err(Failure::Corrupted(format!("sled gave up: {}", text.unwrap_or("without a reason"))))
    })
}

//! A disk in memory that forgets bytes that were not flushed, tears writes, fails, fills up, and reports flushes that
//! it has not done.

use std::collections::BTreeMap;
use std::io::{Error, ErrorKind, Result};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, Once};
use std::time::Duration;

use sqlite_vfs::{DatabaseHandle, LockKind, OpenAccess, OpenOptions, WalDisabled};

/// The name of the file layer at SQLite.
pub(super) const NAME: &str = "faulty";

/// How many bytes the disk writes as a whole.
const SECTOR: usize = 512;

/// The disks, by their numbers. SQLite knows one file layer, and the first part of a path is the number.
static DISKS: LazyLock<Mutex<BTreeMap<u64, Disk>>> = LazyLock::new(Mutex::default);

#[derive(Clone)]
pub(super) struct Disk(Arc<Mutex<State>>);

/// The faults from now on.
#[derive(Clone, Copy, Default)]
pub(super) struct Faults {
    /// How many of a thousand operations fail.
    pub(super) errors: u32,
    /// How many bytes all files together may have.
    pub(super) room: Option<usize>,
    /// Whether a flush does nothing, and reports success.
    pub(super) lies: bool,
}

struct State {
    rng: fastrand::Rng,
    files: BTreeMap<String, Data>,
    faults: Faults,
    /// The number of the process that is alive. Several processes use the disk one after the other.
    process: u64,
}

#[derive(Default)]
struct Data {
    /// The bytes that a process sees.
    now: Vec<u8>,
    /// The bytes that are surely on the disk.
    flushed: Vec<u8>,
    pending: Vec<Change>,
}

enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Length(usize),
}

impl Disk {
    pub(super) fn new(number: u64, seed: u64) -> Self {
        static REGISTERED: Once = Once::new();
        REGISTERED.call_once(|| sqlite_vfs::register(NAME, Layer, false).unwrap());
        let rng = fastrand::Rng::with_seed(seed);
        let state = State { rng, files: BTreeMap::new(), faults: Faults::default(), process: 0 };
        let disk = Self(Arc::new(Mutex::new(state)));
        DISKS.lock().unwrap().insert(number, disk.clone());
        disk
    }

    pub(super) fn set(&self, faults: Faults) {
        self.lock().faults = faults;
    }

    /// Does something while the disk has no faults.
    pub(super) fn without_faults<T>(&self, act: impl FnOnce() -> T) -> T {
        let faults = std::mem::take(&mut self.lock().faults);
        let done = act();
        self.set(faults);
        done
    }

    /// Loses power: each write that was not flushed is there, lost or torn. Open files do nothing any more.
    pub(super) fn lose_power(&self) {
        let mut state = self.lock();
        state.process += 1;
        let State { rng, files, .. } = &mut *state;
        for data in files.values_mut() {
            for change in std::mem::take(&mut data.pending) {
                change.apply_in_part(&mut data.flushed, rng);
            }
            data.now.clone_from(&data.flushed);
        }
    }

    /// Kills the process: everything that it has written is there, flushed or not.
    pub(super) fn kill(&self) {
        self.lock().process += 1;
    }

    /// Changes one bit of the flushed bytes.
    pub(super) fn flip(&self) {
        let mut state = self.lock();
        let State { rng, files, .. } = &mut *state;
        let files: Vec<_> = files.values_mut().filter(|data| !data.now.is_empty()).collect();
        let Some(data) = rng.choice(files) else { return };
        let (place, bit) = (rng.usize(..data.now.len()), 1 << rng.u8(..8));
        data.now[place] ^= bit;
        data.flushed.clone_from(&data.now);
        data.pending.clear();
    }

    pub(super) fn used(&self) -> usize {
        self.lock().used()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

impl State {
    fn used(&self) -> usize {
        self.files.values().map(|data| data.now.len()).sum()
    }

    fn fails(&mut self) -> Result<()> {
        let fails = self.rng.u32(..1000) < self.faults.errors;
        if fails { Err(Error::other("the disk fails")) } else { Ok(()) }
    }
}

impl Change {
    fn apply(&self, data: &mut Vec<u8>) {
        match self {
            Self::Write { offset, bytes } => {
                let end = offset + bytes.len();
                data.resize(data.len().max(end), 0);
                data[*offset..end].copy_from_slice(bytes);
            }
            Self::Length(length) => data.resize(*length, 0),
        }
    }

    fn apply_in_part(self, data: &mut Vec<u8>, rng: &mut fastrand::Rng) {
        match (rng.u8(..4), self) {
            (0, _) => {}
            // Some of its sectors, in any order.
            (1, Self::Write { offset, bytes }) => {
                for (number, sector) in bytes.chunks(SECTOR).enumerate() {
                    if rng.bool() {
                        Self::Write { offset: offset + number * SECTOR, bytes: sector.to_vec() }.apply(data);
                    }
                }
            }
            (_, change) => change.apply(data),
        }
    }
}

/// The file layer.
struct Layer;

/// An open file.
struct Open {
    disk: Disk,
    process: u64,
    path: String,
    lock: LockKind,
}

impl Layer {
    fn disk(path: &str) -> Result<Disk> {
        let number = path.split('/').find_map(|part| part.parse().ok());
        let disk = number.and_then(|number: u64| DISKS.lock().unwrap().get(&number).cloned());
        disk.ok_or(ErrorKind::NotFound.into())
    }
}

impl sqlite_vfs::Vfs for Layer {
    type Handle = Open;

    fn open(&self, path: &str, options: OpenOptions) -> Result<Open> {
        let disk = Self::disk(path)?;
        let mut state = disk.lock();
        let is_new = !state.files.contains_key(path);
        if is_new && !matches!(options.access, OpenAccess::Create | OpenAccess::CreateNew) {
            return Err(ErrorKind::NotFound.into());
        }
        state.files.entry(path.to_owned()).or_default();
        let process = state.process;
        drop(state);
        Ok(Open { disk, process, path: path.to_owned(), lock: LockKind::None })
    }

    fn delete(&self, path: &str) -> Result<()> {
        Self::disk(path)?.lock().files.remove(path);
        Ok(())
    }

    fn exists(&self, path: &str) -> Result<bool> {
        Ok(Self::disk(path)?.lock().files.contains_key(path))
    }

    fn temporary_name(&self) -> String {
        "/temporary".to_owned()
    }

    fn random(&self, buffer: &mut [i8]) {
        // SQLite asks once in a process: the run that opens the first file must not differ from the others.
        let mut rng = fastrand::Rng::with_seed(0);
        buffer.fill_with(|| rng.i8(..));
    }

    fn sleep(&self, duration: Duration) -> Duration {
        duration
    }
}

impl Open {
    /// Uses the file, as long as the process is alive.
    fn with<T>(&self, act: impl FnOnce(&mut State, &str) -> Result<T>) -> Result<T> {
        let mut state = self.disk.lock();
        if state.process != self.process {
            return Err(Error::other("the process is dead"));
        }
        act(&mut state, &self.path)
    }

    fn change(&self, change: Change) -> Result<()> {
        self.with(|state, path| {
            state.fails()?;
            let (used, room) = (state.used(), state.faults.room);
            let data = state.files.entry(path.to_owned()).or_default();
            let end = match &change {
                Change::Write { offset, bytes } => offset + bytes.len(),
                Change::Length(length) => *length,
            };
            if room.is_some_and(|room| used + end.saturating_sub(data.now.len()) > room.max(used)) {
                return Err(ErrorKind::WriteZero.into());
            }
            change.apply(&mut data.now);
            data.pending.push(change);
            Ok(())
        })
    }
}

impl DatabaseHandle for Open {
    type WalIndex = WalDisabled;

    fn size(&self) -> Result<u64> {
        self.with(|state, path| Ok(state.files.get(path).map_or(0, |data| data.now.len() as u64)))
    }

    fn read_exact_at(&mut self, buffer: &mut [u8], offset: u64) -> Result<()> {
        self.with(|state, path| {
            state.fails()?;
            let offset = usize::try_from(offset).unwrap();
            let data = state.files.get(path).ok_or(ErrorKind::NotFound)?;
            let available = data.now.get(offset..).unwrap_or_default();
            let length = available.len().min(buffer.len());
            buffer[..length].copy_from_slice(&available[..length]);
            if length < buffer.len() { Err(ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
        })
    }

    fn write_all_at(&mut self, buffer: &[u8], offset: u64) -> Result<()> {
        let offset = usize::try_from(offset).unwrap();
        self.change(Change::Write { offset, bytes: buffer.to_vec() })
    }

    fn sync(&mut self, _data_only: bool) -> Result<()> {
        self.with(|state, path| {
            state.fails()?;
            if !state.faults.lies
                && let Some(data) = state.files.get_mut(path)
            {
                for change in data.pending.drain(..) {
                    change.apply(&mut data.flushed);
                }
            }
            Ok(())
        })
    }

    fn set_len(&mut self, size: u64) -> Result<()> {
        self.change(Change::Length(usize::try_from(size).unwrap()))
    }

    fn lock(&mut self, lock: LockKind) -> Result<bool> {
        self.lock = lock;
        Ok(true)
    }

    fn reserved(&mut self) -> Result<bool> {
        Ok(false)
    }

    fn current_lock(&self) -> Result<LockKind> {
        Ok(self.lock)
    }

    fn wal_index(&self, _readonly: bool) -> Result<WalDisabled> {
        Ok(WalDisabled)
    }
}

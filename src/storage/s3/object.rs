//! An object whose announced ranges arrive ahead of their reader.
//!
//! ```text
//! prepared   its tail is queued: what a reader of parquet looks at first
//! announced  the ranges it needs are joined, cut into blocks and queued
//! served     the queue is worked off in order, a bounded number of bytes ahead
//! read       waits for its blocks; one that is still queued jumps the queue, and
//!            those behind it come along
//! released   a block goes when all that announced it are done with it
//! ```
//!
//! A reader never waits for room: what it needs at once is fetched at once. So
//! readers that hold room cannot starve one that has none. An object that holds
//! more than [`HOLD`] gives up what was used longest ago, and fetches it again if
//! it is asked for again: slower, never wrong.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::client::{Client, client};
use super::get::{self, Counter};
use super::{Uri, fault, ranges};
use crate::storage::object::{Object, ObjectVersion, Traffic, outside};
use crate::{Error, Result};

/// The shortest and the longest tail that is fetched before anything is known.
const TAIL: Range<u64> = 8 << 10..512 << 10;
/// Of an object of middling size: footers are smaller, and page indexes with them.
const TAIL_USUAL: u64 = 64 << 10;
/// Bytes that come along with a block that its reader waits for.
const ALONG: u64 = 64 << 20;
/// Bytes that one object holds at the most, and as much again for each core.
const HOLD: u64 = 64 << 20;
/// What a read that nobody announced fetches at the least.
const UNANNOUNCED: u64 = 1 << 20;

/// One version of an object.
pub struct S3Object {
    name: Arc<str>,
    stamp: ObjectVersion,
    source: Arc<Source>,
    /// By their first byte; apart from each other.
    blocks: Mutex<BTreeMap<u64, Arc<Block>>>,
    rounds: AtomicU64,
    clock: AtomicU64,
    hold: u64,
}

/// What a request needs to know.
pub struct Source {
    client: Arc<Client>,
    uri: Uri,
    etag: Option<String>,
    counter: Counter,
}

/// A block that waits to be fetched.
pub struct Fetch {
    source: Arc<Source>,
    block: Arc<Block>,
}

/// Bytes that one request brings.
struct Block {
    range: Range<u64>,
    /// Announced ranges that want some of it.
    uses: AtomicUsize,
    /// When it was last read, by the object's clock.
    read: AtomicU64,
    state: Mutex<State>,
    settled: Condvar,
}

enum State {
    Queued,
    Fetching,
    Here {
        bytes: Arc<Vec<u8>>,
        _room: Option<OwnedSemaphorePermit>,
    },
    Failed(Error),
    /// Nobody wants it any more.
    Gone,
}

/// Works off the queue for as long as there is a client.
pub async fn serve(client: Weak<Client>, mut queue: mpsc::UnboundedReceiver<Fetch>) {
    while let Some(Fetch { source, block }) = queue.recv().await {
        let Some(client) = client.upgrade() else { return };
        if !matches!(*lock(&block.state), State::Queued) {
            continue;
        }
        let permits = Client::permits(block.len());
        let Ok(room) = client.ahead.clone().acquire_many_owned(permits).await else { return };
        if block.claim() {
            client.start(fetch(source, block, Some(room)));
        }
    }
}

async fn fetch(source: Arc<Source>, block: Arc<Block>, room: Option<OwnedSemaphorePermit>) {
    let Source { client, uri, etag, counter } = &*source;
    let fetched = get::range(client, uri, etag.as_deref(), block.range.clone(), counter).await;
    let mut state = lock(&block.state);
    if matches!(*state, State::Fetching) {
        *state = match fetched {
            Ok(bytes) => State::Here { bytes: Arc::new(bytes), _room: room },
            Err(error) => State::Failed(error),
        };
    }
    drop(state);
    block.settled.notify_all();
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Block {
    fn new(range: Range<u64>) -> Arc<Self> {
        Arc::new(Block {
            range,
            uses: AtomicUsize::new(0),
            read: AtomicU64::new(0),
            state: Mutex::new(State::Queued),
            settled: Condvar::new(),
        })
    }

    fn len(&self) -> u64 {
        self.range.end - self.range.start
    }

    fn meets(&self, range: &Range<u64>) -> bool {
        range.start < self.range.end && self.range.start < range.end
    }

    /// Whether it was queued, and is now the caller's to fetch.
    fn claim(&self) -> bool {
        let mut state = lock(&self.state);
        let queued = matches!(*state, State::Queued);
        if queued {
            *state = State::Fetching;
        }
        queued
    }

    /// Lets go of its bytes; says how many there were.
    fn give_up(&self, state: State) -> u64 {
        let mut old = lock(&self.state);
        let held = if matches!(*old, State::Here { .. }) { self.len() } else { 0 };
        *old = state;
        held
    }

    /// Waits until the bytes are here; `None` where they have been given up again.
    fn wait(&self) -> Result<Option<Arc<Vec<u8>>>> {
        let mut state = lock(&self.state);
        loop {
            match &*state {
                State::Here { bytes, .. } => return Ok(Some(bytes.clone())),
                State::Failed(error) => return Err(fault::clone_error(error)),
                State::Queued | State::Gone => return Ok(None),
                State::Fetching => state = self.settled.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }
}

impl S3Object {
    /// The version of the object at `uri` that was listed with `stamp`.
    ///
    /// # Errors
    /// As of [`client`].
    pub fn new(uri: &Uri, stamp: ObjectVersion) -> Result<Self> {
        let cores = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
        Self::holding(uri, stamp, HOLD * (cores + 1))
    }

    /// The same, that holds `hold` bytes at the most, and what is being read.
    ///
    /// # Errors
    /// As of [`client`].
    pub fn holding(uri: &Uri, stamp: ObjectVersion, hold: u64) -> Result<Self> {
        let source = Source {
            client: client()?,
            uri: uri.clone(),
            etag: stamp.version.clone(),
            counter: Counter::default(),
        };
        Ok(S3Object {
            name: uri.to_string().into(),
            source: Arc::new(source),
            blocks: Mutex::default(),
            rounds: AtomicU64::new(0),
            clock: AtomicU64::new(0),
            hold,
            stamp,
        })
    }

    /// Adds blocks and, where they are `queued`, has them fetched in their turn.
    fn add(
        &self,
        blocks: &mut BTreeMap<u64, Arc<Block>>,
        ranges: impl IntoIterator<Item = Range<u64>>,
        queued: bool,
    ) {
        let mut added = false;
        for range in ranges {
            let block = Block::new(range);
            if queued {
                // The queue ends with the process.
                let fetch = Fetch { source: self.source.clone(), block: block.clone() };
                let _ = self.source.client.queue.send(fetch);
            }
            blocks.insert(block.range.start, block);
            added = true;
        }
        self.rounds.fetch_add(added.into(), Ordering::Relaxed);
    }

    /// The blocks that `range` needs, all of them on their way.
    fn cover(&self, range: &Range<u64>) -> Vec<Arc<Block>> {
        let mut blocks = lock(&self.blocks);
        let missing = ranges::uncovered(range, blocks.values().map(|b| b.range.clone()));
        for piece in missing {
            let next = blocks.range(piece.end..).next().map_or(self.stamp.bytes, |(start, _)| *start);
            let end = piece.end.max((piece.start + UNANNOUNCED).min(next));
            self.add(&mut blocks, ranges::requests(std::slice::from_ref(&(piece.start..end))), false);
        }
        let covering: Vec<Arc<Block>> = blocks.values().filter(|block| block.meets(range)).cloned().collect();
        let mut along = ALONG;
        let (mut held, mut waits) = (0, false);
        for block in blocks.values() {
            held += if matches!(*lock(&block.state), State::Here { .. }) { block.len() } else { 0 };
        }
        for block in blocks.values().filter(|block| block.range.end > range.start) {
            let needed = block.meets(range);
            if !needed && (!waits || block.len() > along) {
                break;
            }
            if block.claim() {
                waits = true;
                along = along.saturating_sub(block.len());
                held += block.len();
                self.source.client.start(fetch(self.source.clone(), block.clone(), None));
            }
        }
        if held > self.hold {
            self.forget(&blocks, held - self.hold, &covering);
        }
        covering
    }

    /// Gives up `excess` bytes of what was read longest ago.
    fn forget(&self, blocks: &BTreeMap<u64, Arc<Block>>, mut excess: u64, needed: &[Arc<Block>]) {
        let mut old: Vec<&Arc<Block>> = blocks.values().collect();
        old.sort_by_key(|block| block.read.load(Ordering::Relaxed));
        for block in old {
            // What was not read yet is about to be.
            let fresh = block.read.load(Ordering::Relaxed) == 0;
            if excess == 0 || fresh || needed.iter().any(|needed| Arc::ptr_eq(needed, block)) {
                continue;
            }
            if matches!(*lock(&block.state), State::Here { .. }) {
                excess = excess.saturating_sub(block.give_up(State::Queued));
            }
        }
    }

    /// The bytes of a block, fetched again if they were given up meanwhile.
    fn bytes_of(&self, block: &Arc<Block>) -> Result<Arc<Vec<u8>>> {
        let now = self.clock.fetch_add(1, Ordering::Relaxed) + 1;
        block.read.store(now, Ordering::Relaxed);
        loop {
            if let Some(bytes) = block.wait()? {
                return Ok(bytes);
            }
            let mut state = lock(&block.state);
            if matches!(*state, State::Queued | State::Gone) {
                *state = State::Fetching;
                self.source.client.start(fetch(self.source.clone(), block.clone(), None));
            }
        }
    }
}

/// Bytes of the tail that is fetched at once.
fn tail(len: u64) -> u64 {
    if len <= 2 * TAIL.start {
        return len;
    }
    (len / 8).clamp(TAIL.start, TAIL_USUAL).max((len / 512).min(TAIL.end))
}

impl Object for S3Object {
    fn name(&self) -> &Arc<str> {
        &self.name
    }

    fn len(&self) -> u64 {
        self.stamp.bytes
    }

    fn read(&self, range: Range<u64>) -> Result<Cow<'_, [u8]>> {
        if range.start > range.end || range.end > self.stamp.bytes {
            return Err(outside(&self.name, &range, self.stamp.bytes));
        }
        if range.is_empty() {
            return Ok(Cow::Borrowed(&[]));
        }
        let mut out = Vec::with_capacity(usize::try_from(range.end - range.start).unwrap_or_default());
        for block in self.cover(&range) {
            let bytes = self.bytes_of(&block)?;
            let at =
                |byte: u64| usize::try_from(byte.saturating_sub(block.range.start)).unwrap_or(usize::MAX);
            let end = at(range.end.min(block.range.end));
            out.extend_from_slice(bytes.get(at(range.start)..end).unwrap_or_default());
        }
        if out.len() as u64 != range.end - range.start {
            return Err(Error::internal("blocks do not cover a range").in_file(&self.name));
        }
        Ok(Cow::Owned(out))
    }

    fn stamp(&self) -> Option<ObjectVersion> {
        Some(self.stamp.clone())
    }

    fn is_remote(&self) -> bool {
        true
    }

    fn tail(&self) -> u64 {
        tail(self.stamp.bytes)
    }

    fn prefetch_footer(&self) {
        let len = self.stamp.bytes;
        let mut blocks = lock(&self.blocks);
        if len > 0 && blocks.is_empty() {
            self.add(&mut blocks, std::iter::once(len - tail(len)..len), true);
        }
    }

    fn prefetch(&self, wanted: &[Range<u64>]) {
        let wanted: Vec<&Range<u64>> = wanted.iter().filter(|r| r.end <= self.stamp.bytes).collect();
        let uses = |block: &Block| wanted.iter().filter(|range| block.meets(range)).count();
        let mut blocks = lock(&self.blocks);
        let have = |blocks: &BTreeMap<u64, Arc<Block>>| -> Vec<Range<u64>> {
            blocks.values().map(|b| b.range.clone()).collect()
        };
        // The tail has been looked at: of a large object it goes now. Where there is
        // no room left it is fetched again, rather than held until its turn comes.
        let full = self.source.client.ahead.available_permits() == 0;
        blocks.retain(|_, block| {
            let wanted = block.uses.fetch_add(uses(block), Ordering::Relaxed) + uses(block) > 0;
            if !wanted || full {
                block.give_up(if wanted { State::Queued } else { State::Gone });
            }
            wanted
        });
        let have = have(&blocks);
        let missing: Vec<Range<u64>> =
            wanted.iter().flat_map(|range| ranges::uncovered(range, have.iter().cloned())).collect();
        // What is joined may reach over a block that is there.
        let new: Vec<Range<u64>> = ranges::requests(&missing)
            .iter()
            .flat_map(|range| ranges::uncovered(range, have.iter().cloned()))
            .collect();
        self.add(&mut blocks, new.iter().cloned(), true);
        for block in new.iter().filter_map(|range| blocks.get(&range.start)) {
            block.uses.store(uses(block), Ordering::Relaxed);
        }
    }

    fn evict(&self, done: &[Range<u64>]) {
        lock(&self.blocks).retain(|_, block| {
            let met = done.iter().filter(|range| block.meets(range)).count();
            let before = block.uses.load(Ordering::Relaxed);
            let left = before.saturating_sub(met);
            block.uses.store(left, Ordering::Relaxed);
            if met > 0 && left == 0 {
                block.give_up(State::Gone);
            }
            met == 0 || left > 0
        });
    }

    fn traffic(&self) -> Option<Traffic> {
        let Counter { requests, bytes, retries } = &self.source.counter;
        Some(Traffic {
            requests: requests.load(Ordering::Relaxed),
            bytes: bytes.load(Ordering::Relaxed),
            retries: retries.load(Ordering::Relaxed),
            rounds: self.rounds.load(Ordering::Relaxed),
        })
    }
}

impl Drop for S3Object {
    fn drop(&mut self) {
        for block in lock(&self.blocks).values() {
            block.give_up(State::Gone);
        }
    }
}

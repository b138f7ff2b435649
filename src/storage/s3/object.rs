//! An S3 object whose prefetched ranges arrive before they are read.
//!
//! ```text
//! prefetch_footer   queues the tail, which a parquet reader reads first
//! prefetch          joins the needed ranges, cuts them into blocks and queues these
//! the queue         is processed in order, up to a bounded number of bytes ahead
//! read              waits for its blocks; a block that is still queued bypasses the queue, and the
//!                   queued blocks behind it are requested with it
//! evict             drops a block once every range that requested it has been read
//! ```
//!
//! A reader never waits for prefetch permits: it requests what it needs immediately. So readers that
//! hold permits cannot starve a reader that has none. An object that holds more than its capacity
//! evicts the least recently read blocks and fetches them again when they are read again: slower,
//! never wrong.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::task::AbortHandle;

use super::client::{Client, client};
use super::get::{self, Counter};
use super::waits::Action;
use super::{Uri, fault, list, ranges};
use crate::storage::cancel::{Cancel, POLL};
use crate::storage::object::{Object, ObjectVersion, Pinned, Traffic, out_of_range, read_all, read_head};
use crate::{Error, Result};

/// The smallest and the largest tail that is fetched before the footer is known.
const TAIL: Range<u64> = 8 << 10..512 << 10;
/// The largest tail of a medium-sized object: footers with page indexes are smaller.
const TAIL_MEDIUM: u64 = 64 << 10;
/// Bytes of queued blocks that are requested together with a block that a reader waits for.
const READ_AHEAD: u64 = 64 << 20;
/// The capacity of one object in bytes: this much, and as much again for each core.
const CAPACITY: u64 = 64 << 20;
/// The fewest bytes that a read without a prefetch requests.
const MIN_READ: u64 = 1 << 20;

/// One version of an object.
pub struct S3Object {
    name: Arc<str>,
    version: ObjectVersion,
    source: Arc<Source>,
    /// By their first byte; they do not overlap.
    blocks: Mutex<BTreeMap<u64, Arc<Block>>>,
    rounds: AtomicU64,
    clock: AtomicU64,
    capacity: u64,
    /// The flag of the call that opened it.
    cancel: Cancel,
}

/// What a request needs: client, address and version.
pub struct Source {
    client: Arc<Client>,
    uri: Uri,
    etag: Option<String>,
    /// Length of the object.
    len: u64,
    counter: Counter,
}

/// A queued block and its source.
pub struct Fetch {
    source: Arc<Source>,
    block: Arc<Block>,
}

/// The bytes of one request.
struct Block {
    range: Range<u64>,
    /// Prefetched ranges that overlap the block and are not evicted yet.
    uses: AtomicUsize,
    /// When it was last read, by the object's clock; 0 before the first read.
    read: AtomicU64,
    state: Mutex<State>,
    fetched_signal: Condvar,
}

enum State {
    Queued,
    /// The task that fetches it.
    Fetching(AbortHandle),
    Ready {
        bytes: Arc<Vec<u8>>,
        _permits: Option<OwnedSemaphorePermit>,
    },
    Failed(Error),
    /// No range needs it any more.
    Evicted,
}

/// Processes the prefetch queue in order until the client is dropped.
pub async fn run_prefetch_queue(client: Weak<Client>, mut queue: mpsc::UnboundedReceiver<Fetch>) {
    while let Some(Fetch { source, block }) = queue.recv().await {
        let Some(client) = client.upgrade() else { return };
        if !matches!(*lock(&block.state), State::Queued) {
            continue;
        }
        let permits = Client::permits(block.len());
        let Ok(permits) = client.prefetch_permits.clone().acquire_many_owned(permits).await else { return };
        block.start_fetching(&source, Some(permits));
    }
}

/// Fetches a block, which has the state [`State::Fetching`].
async fn fetch(source: Arc<Source>, block: Arc<Block>, permits: Option<OwnedSemaphorePermit>) {
    // If the request panics, readers must not wait for ever.
    let mut fetched = Fetched { block, task: tokio::task::id(), result: None };
    let Source { client, uri, etag, len, counter } = &*source;
    let range = fetched.block.range.clone();
    let action = if range.end == *len { Action::ReadFooter } else { Action::ReadColumns };
    let bytes = get::read_range(client, action, uri, etag.as_deref(), range, counter).await;
    fetched.result = Some(bytes.map(|bytes| (bytes, permits)));
}

/// Hands the result of a fetch to the readers of its block when it is dropped.
struct Fetched {
    block: Arc<Block>,
    task: tokio::task::Id,
    result: Option<Result<(Vec<u8>, Option<OwnedSemaphorePermit>)>>,
}

impl Drop for Fetched {
    fn drop(&mut self) {
        let mut state = lock(&self.block.state);
        if matches!(&*state, State::Fetching(task) if task.id() == self.task) {
            *state = match self.result.take() {
                Some(Ok((bytes, permits))) => State::Ready { bytes: Arc::new(bytes), _permits: permits },
                Some(Err(error)) => State::Failed(error),
                None => State::Failed(Error::internal("a request to S3 ended without a result")),
            };
        }
        drop(state);
        self.block.fetched_signal.notify_all();
    }
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
            fetched_signal: Condvar::new(),
        })
    }

    fn len(&self) -> u64 {
        self.range.end - self.range.start
    }

    fn overlaps(&self, range: &Range<u64>) -> bool {
        range.start < self.range.end && self.range.start < range.end
    }

    /// Fetches a block that is queued; returns whether it is.
    fn start_fetching(self: &Arc<Self>, source: &Arc<Source>, permits: Option<OwnedSemaphorePermit>) -> bool {
        let mut state = lock(&self.state);
        let starts = matches!(*state, State::Queued);
        if starts {
            // The task waits for the lock when it has the bytes.
            let task = source.client.spawn(fetch(source.clone(), self.clone(), permits));
            *state = State::Fetching(task);
        }
        starts
    }

    /// As [`Block::start_fetching`], also for a block that was evicted.
    fn fetch_again(self: &Arc<Self>, source: &Arc<Source>) {
        let mut state = lock(&self.state);
        if matches!(*state, State::Evicted) {
            *state = State::Queued;
        }
        drop(state);
        self.start_fetching(source, None);
    }

    /// Drops the bytes and sets the state; returns how many bytes were dropped.
    fn release(&self, state: State) -> u64 {
        let mut old = lock(&self.state);
        let ready = if matches!(*old, State::Ready { .. }) { self.len() } else { 0 };
        if let (State::Fetching(task), State::Evicted) = (&*old, &state) {
            task.abort();
        }
        *old = state;
        ready
    }

    /// Waits until the bytes are ready; returns `None` where they have been evicted.
    fn wait(&self, cancel: &Cancel) -> Result<Option<Arc<Vec<u8>>>> {
        let mut state = lock(&self.state);
        loop {
            match &*state {
                State::Ready { bytes, .. } => return Ok(Some(bytes.clone())),
                State::Failed(error) => return Err(fault::clone_error(error)),
                State::Queued | State::Evicted => return Ok(None),
                State::Fetching(_) => {
                    cancel.check()?;
                    let waited = self.fetched_signal.wait_timeout(state, POLL);
                    (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }
}

impl S3Object {
    /// The object at `uri` in the listed version.
    ///
    /// # Errors
    /// As of [`client`].
    pub fn new(uri: &Uri, version: ObjectVersion) -> Result<Self> {
        let cores = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
        Self::with_capacity(uri, version, CAPACITY * (cores + 1))
    }

    /// As [`S3Object::new`], with a capacity of `capacity` bytes besides the blocks being read.
    ///
    /// # Errors
    /// As of [`client`].
    pub fn with_capacity(uri: &Uri, version: ObjectVersion, capacity: u64) -> Result<Self> {
        let source = Source {
            client: client()?,
            uri: uri.clone(),
            etag: version.tag.as_ref().map(ToString::to_string),
            len: version.bytes,
            counter: Counter::default(),
        };
        Ok(S3Object {
            name: uri.to_string().into(),
            source: Arc::new(source),
            blocks: Mutex::default(),
            rounds: AtomicU64::new(0),
            clock: AtomicU64::new(0),
            capacity,
            cancel: Cancel::current(),
            version,
        })
    }

    /// Adds a block for each range; `queued` blocks are sent to the prefetch queue.
    fn add_blocks(
        &self,
        blocks: &mut BTreeMap<u64, Arc<Block>>,
        ranges: impl IntoIterator<Item = Range<u64>>,
        queued: bool,
    ) {
        let mut added = false;
        for range in ranges {
            let block = Block::new(range);
            if queued {
                // Sending fails only where the client is gone; a read then fetches the block itself.
                let fetch = Fetch { source: self.source.clone(), block: block.clone() };
                let _ = self.source.client.queue.send(fetch);
            }
            blocks.insert(block.range.start, block);
            added = true;
        }
        self.rounds.fetch_add(added.into(), Ordering::Relaxed);
    }

    /// Requests the blocks that `range` needs where that is not done yet; returns them.
    fn request_blocks(&self, range: &Range<u64>) -> Vec<Arc<Block>> {
        let mut blocks = lock(&self.blocks);
        let missing = ranges::uncovered(range, blocks.values().map(|b| b.range.clone()));
        for gap in missing {
            let next = blocks.range(gap.end..).next().map_or(self.version.bytes, |(start, _)| *start);
            let end = gap.end.max((gap.start + MIN_READ).min(next));
            self.add_blocks(&mut blocks, ranges::requests(std::slice::from_ref(&(gap.start..end))), false);
        }
        let covering: Vec<Arc<Block>> =
            blocks.values().filter(|block| block.overlaps(range)).cloned().collect();
        let mut budget = READ_AHEAD;
        let (mut ready, mut waits) = (0, false);
        for block in blocks.values() {
            ready += if matches!(*lock(&block.state), State::Ready { .. }) { block.len() } else { 0 };
        }
        for block in blocks.values().filter(|block| block.range.end > range.start) {
            let needed = block.overlaps(range);
            if !needed && (!waits || block.len() > budget) {
                break;
            }
            if block.start_fetching(&self.source, None) {
                waits = true;
                budget = budget.saturating_sub(block.len());
                ready += block.len();
            }
        }
        if ready > self.capacity {
            self.evict_oldest(&blocks, ready - self.capacity, &covering);
        }
        covering
    }

    fn uncovered_range(&self) -> Error {
        Error::internal("the blocks do not cover the range").in_file(&self.name)
    }

    /// Evicts the least recently read blocks until `excess` bytes are freed.
    fn evict_oldest(&self, blocks: &BTreeMap<u64, Arc<Block>>, mut excess: u64, needed: &[Arc<Block>]) {
        let mut old: Vec<&Arc<Block>> = blocks.values().collect();
        old.sort_by_key(|block| block.read.load(Ordering::Relaxed));
        for block in old {
            // Blocks that were never read are about to be.
            let unread = block.read.load(Ordering::Relaxed) == 0;
            if excess == 0 || unread || needed.iter().any(|needed| Arc::ptr_eq(needed, block)) {
                continue;
            }
            if matches!(*lock(&block.state), State::Ready { .. }) {
                excess = excess.saturating_sub(block.release(State::Queued));
            }
        }
    }

    /// Waits for the bytes of a block; fetches them again if they were evicted meanwhile.
    fn wait_for_block(&self, block: &Arc<Block>) -> Result<Arc<Vec<u8>>> {
        let now = self.clock.fetch_add(1, Ordering::Relaxed) + 1;
        block.read.store(now, Ordering::Relaxed);
        loop {
            if let Some(bytes) = block.wait(&self.cancel)? {
                return Ok(bytes);
            }
            block.fetch_again(&self.source);
        }
    }
}

/// Length of the tail that is fetched first.
fn tail(len: u64) -> u64 {
    if len <= 2 * TAIL.start {
        return len;
    }
    (len / 8).clamp(TAIL.start, TAIL_MEDIUM).max((len / 512).min(TAIL.end))
}

impl Object for S3Object {
    fn name(&self) -> &Arc<str> {
        &self.name
    }

    fn len(&self) -> u64 {
        self.version.bytes
    }

    fn stored_len(&self) -> u64 {
        self.version.bytes
    }

    fn head(&self, most: u64) -> Result<Vec<u8>> {
        read_head(self, most)
    }

    fn line(&self, _row: u64) -> Option<u64> {
        None
    }

    fn read(&self, range: Range<u64>) -> Result<Cow<'_, [u8]>> {
        if range.start > range.end || range.end > self.version.bytes {
            return Err(out_of_range(&self.name, &range, self.version.bytes));
        }
        if range.is_empty() {
            return Ok(Cow::Borrowed(&[]));
        }
        self.cancel.check()?;
        let mut out = Vec::with_capacity(usize::try_from(range.end - range.start).unwrap_or_default());
        for block in self.request_blocks(&range) {
            let bytes = self.wait_for_block(&block)?;
            let at =
                |byte: u64| usize::try_from(byte.saturating_sub(block.range.start)).unwrap_or(usize::MAX);
            let end = at(range.end.min(block.range.end));
            let needed = bytes.get(at(range.start)..end);
            out.extend_from_slice(needed.ok_or_else(|| self.uncovered_range())?);
        }
        if out.len() as u64 != range.end - range.start {
            return Err(self.uncovered_range());
        }
        Ok(Cow::Owned(out))
    }

    fn read_whole(&self, buffer: &mut Vec<u8>) -> Result<()> {
        read_all(self, buffer)
    }

    fn pin(&self) -> Result<Option<Arc<Pinned>>> {
        Ok(None)
    }

    /// Every request names the listed ETag: what was read is of that version.
    fn check_unchanged(&self) -> Result<()> {
        Ok(())
    }

    fn check_listed(&self) -> Result<()> {
        self.cancel.check()?;
        let Source { client, uri, .. } = &*self.source;
        let now = list::head(client, uri)?.ok_or_else(|| fault::object_replaced(uri))?;
        // A HEAD gives the time in seconds.
        let second = |version: &ObjectVersion| version.modified.map(|nanos| nanos.div_euclid(1_000_000_000));
        let is_same = now.bytes == self.version.bytes
            && match (&now.tag, &self.version.tag) {
                (Some(now), Some(listed)) => now == listed,
                _ => second(&now) == second(&self.version),
            };
        if is_same { Ok(()) } else { Err(fault::object_replaced(uri)) }
    }

    fn version(&self) -> Option<ObjectVersion> {
        Some(self.version.clone())
    }

    fn is_remote(&self) -> bool {
        true
    }

    fn tail(&self) -> u64 {
        tail(self.version.bytes)
    }

    fn prefetch_footer(&self) {
        let len = self.version.bytes;
        let mut blocks = lock(&self.blocks);
        if len > 0 && blocks.is_empty() {
            self.add_blocks(&mut blocks, std::iter::once(len - tail(len)..len), true);
        }
    }

    fn prefetch(&self, wanted: &[Range<u64>]) {
        let wanted: Vec<&Range<u64>> = wanted.iter().filter(|r| r.end <= self.version.bytes).collect();
        let uses = |block: &Block| wanted.iter().filter(|range| block.overlaps(range)).count();
        let mut blocks = lock(&self.blocks);
        let have = |blocks: &BTreeMap<u64, Arc<Block>>| -> Vec<Range<u64>> {
            blocks.values().map(|b| b.range.clone()).collect()
        };
        // The footer has been read: the tail of a large object is evicted now. Where no permits are
        // left, a needed tail is fetched again rather than held until it is read.
        let full = self.source.client.prefetch_permits.available_permits() == 0;
        blocks.retain(|_, block| {
            let wanted = block.uses.fetch_add(uses(block), Ordering::Relaxed) + uses(block) > 0;
            if !wanted || full {
                block.release(if wanted { State::Queued } else { State::Evicted });
            }
            wanted
        });
        let have = have(&blocks);
        let missing: Vec<Range<u64>> =
            wanted.iter().flat_map(|range| ranges::uncovered(range, have.iter().cloned())).collect();
        // A joined range may cover a block that exists already.
        let new: Vec<Range<u64>> = ranges::requests(&missing)
            .iter()
            .flat_map(|range| ranges::uncovered(range, have.iter().cloned()))
            .collect();
        self.add_blocks(&mut blocks, new.iter().cloned(), true);
        for block in new.iter().filter_map(|range| blocks.get(&range.start)) {
            block.uses.store(uses(block), Ordering::Relaxed);
        }
    }

    fn evict(&self, done: &[Range<u64>]) {
        lock(&self.blocks).retain(|_, block| {
            let overlapping = done.iter().filter(|range| block.overlaps(range)).count();
            let before = block.uses.load(Ordering::Relaxed);
            let left = before.saturating_sub(overlapping);
            block.uses.store(left, Ordering::Relaxed);
            if overlapping > 0 && left == 0 {
                block.release(State::Evicted);
            }
            overlapping == 0 || left > 0
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
            block.release(State::Evicted);
        }
    }
}

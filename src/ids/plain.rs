//! Value ids for strings in PLAIN encoding.
//!
//! ```text
//! while values are left:
//!     value id = the value id of the current value
//!     run = how often its bytes, length included, are repeated
//!     value ids += run times value id
//! ```
//!
//! 1. In some columns a value repeats over tens of rows: a run is found by comparing the
//!    page with itself, one value later, 32 bytes at a time.
//! 2. In others values do not repeat, but a list of them does, with a few left out.
//!    If the first values of a page show no runs, the bytes after a value are compared with the bytes after
//!    its previous occurrence, and value ids are copied as far as both are equal: 20 M rows take 1.3 M
//!    such steps, and the whole job on one core takes 297 ms instead of 362.

use std::ops::Range;

use super::entries::ChunkDictionary;
use crate::{Error, Result};

/// Runs after which it is decided whether a page has runs.
const PROBE: usize = 64;
/// With fewer values per run than this a page has no runs.
const RUN: usize = 2;
/// Values that are copied at once.
const BLOCK: usize = 16;

/// The values of a page so far, to find repeated sequences.
#[derive(Default)]
pub struct Sequences {
    /// The start of each value in the page.
    starts: Vec<u32>,
    /// By value id: the latest value that began a sequence with it. It may be left from an earlier page,
    /// so it is verified before use.
    latest: Vec<u32>,
}

/// Appends the value ids of the `count` values of `bytes`.
///
/// # Errors
/// `Format` when a value reaches past the end, `TooLarge` when there are too
/// many distinct values.
pub fn intern(
    entries: &mut ChunkDictionary,
    bytes: &[u8],
    count: u32,
    value_ids: &mut Vec<u32>,
    sequences: &mut Sequences,
) -> Result<()> {
    let (mut at, mut left, mut runs) = (0, count as usize, 0);
    while left > 0 {
        let size = size_at(bytes, at)?;
        let value_id = entries.intern_in(bytes, at + 4, size - 4)?;
        let run = if may_repeat(bytes, at, size) { 1 + repeats(bytes, at, size, left - 1) } else { 1 };
        if run == 1 {
            value_ids.push(value_id);
        } else {
            value_ids.resize(value_ids.len() + run, value_id);
        }
        at += size * run;
        left -= run;
        runs += 1;
        // Positions are kept in 32 bits; no page is longer.
        if runs == PROBE && count as usize - left < PROBE * RUN && u32::try_from(bytes.len()).is_ok() {
            return sequences.intern(entries, bytes, at, left, value_ids);
        }
    }
    Ok(())
}

impl Sequences {
    /// Appends the value ids of the `left` values of `bytes` from `at` on, by sequences.
    #[allow(clippy::indexing_slicing)] // the ids have just grown
    fn intern(
        &mut self,
        entries: &mut ChunkDictionary,
        bytes: &[u8],
        at: usize,
        left: usize,
        value_ids: &mut Vec<u32>,
    ) -> Result<()> {
        // Whole blocks are copied; the ids after the last value are removed again.
        let base = value_ids.len();
        value_ids.resize(base + left + BLOCK, 0);
        if self.starts.len() < left + BLOCK {
            self.starts.resize(left + BLOCK, 0);
        }
        let outcome = self.fill(entries, bytes, at, &mut value_ids[base..]);
        value_ids.truncate(base + left);
        outcome
    }

    /// Fills `value_ids`, except its last [`BLOCK`].
    #[allow(clippy::cast_possible_truncation)] // positions in the page fit 32 bits
    fn fill(
        &mut self,
        entries: &mut ChunkDictionary,
        bytes: &[u8],
        mut at: usize,
        value_ids: &mut [u32],
    ) -> Result<()> {
        let count = value_ids.len() - BLOCK;
        let mut here = 0;
        while here < count {
            let size = size_at(bytes, at)?;
            let value_id = entries.intern_in(bytes, at + 4, size - 4)?;
            let before = self.record_start(value_id, here).filter(|at| value_ids.get(*at) == Some(&value_id));
            if let (Some(to), Some(start)) = (value_ids.get_mut(here), self.starts.get_mut(here)) {
                (*to, *start) = (value_id, at as u32);
            }
            at += size;
            here += 1;
            // `first` is the value after the previous occurrence, `here` the value after this one.
            let Some(first) = before.map(|before| before + 1) else { continue };
            let from = self.start(first);
            // A single equal value of less than eight bytes may be missed here: it is interned as usual.
            if word(bytes, at).is_none() || word(bytes, from) != word(bytes, at) {
                continue;
            }
            let (period, distance) = (here - first, at - from);
            let equal = self.values_in(equal_bytes(bytes, from, at), first..here, from, distance);
            let equal = equal.min(count - here);
            // A sequence that is longer than the period repeats it.
            for done in (0..equal).step_by(period.min(BLOCK)) {
                copy_block(value_ids, first + done, here + done, 0);
                copy_block(&mut self.starts, first + done, here + done, distance as u32);
            }
            if equal > 0 {
                here += equal;
                let last = self.start(here - 1);
                at = last + size_at(bytes, last)?;
            }
        }
        Ok(())
    }

    fn start(&self, value: usize) -> usize {
        self.starts.get(value).map_or(0, |start| *start as usize)
    }

    /// Records `here` as the latest start for this value id, and returns the previous one.
    #[allow(clippy::cast_possible_truncation)] // values of a page
    fn record_start(&mut self, value_id: u32, here: usize) -> Option<usize> {
        let value_id = value_id as usize;
        if value_id >= self.latest.len() {
            self.latest.resize(value_id + 1, u32::MAX);
        }
        let latest = self.latest.get_mut(value_id)?;
        let before = std::mem::replace(latest, here as u32) as usize;
        (before < here).then_some(before)
    }

    /// The number of whole values within the first `len` bytes of `values`, which begin at `from`
    /// and repeat every `distance` bytes.
    #[allow(clippy::cast_possible_truncation)] // positions in the page fit 32 bits
    #[allow(clippy::indexing_slicing)] // `values` are values of the page so far
    fn values_in(&self, len: usize, values: Range<usize>, from: usize, distance: usize) -> usize {
        let period = values.len();
        let (times, rest) = if len < distance { (0, len) } else { (len / distance, len % distance) };
        // A value is whole where the next one begins within them.
        let (limit, mut left) = ((from + rest) as u32, period as u32 - 1);
        let mut whole = 0;
        for block in self.starts[values.start + 1..].as_chunks::<BLOCK>().0 {
            let within = block.iter().zip(0..).map(|(start, at)| u32::from(*start <= limit && at < left));
            let within: u32 = within.sum();
            whole += within as usize;
            left = left.saturating_sub(BLOCK as u32);
            if within < BLOCK as u32 {
                break;
            }
        }
        times * period + whole
    }
}

/// Copies [`BLOCK`] numbers and adds `add` to each.
#[inline]
fn copy_block(numbers: &mut [u32], from: usize, to: usize, add: u32) {
    let block = numbers.get(from..).and_then(|numbers| numbers.first_chunk::<BLOCK>()).copied();
    let to = numbers.get_mut(to..).and_then(|numbers| numbers.first_chunk_mut::<BLOCK>());
    if let (Some(block), Some(to)) = (block, to) {
        *to = block.map(|number| number.wrapping_add(add));
    }
}

/// The number of bytes of the value at `at`, its length included.
///
/// # Errors
/// `Format` if it reaches past the end.
#[inline]
fn size_at(bytes: &[u8], at: usize) -> Result<usize> {
    let head = bytes.get(at..).and_then(|b| b.first_chunk::<4>()).ok_or_else(ends_early)?;
    let size = (u32::from_le_bytes(*head) as usize).saturating_add(4);
    if bytes.len() - at < size {
        return Err(ends_early());
    }
    Ok(size)
}

#[cold]
fn ends_early() -> Error {
    Error::format("a byte array that reaches past the end of its page")
        .advice("The page is damaged; export the file again")
}

/// The eight bytes at `at`; `None` near the end.
#[inline]
fn word(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..).and_then(|b| b.first_chunk()).map(|b| u64::from_le_bytes(*b))
}

/// Whether the next value may equal the one at `at`, by its first bytes; false near the end.
#[inline]
fn may_repeat(bytes: &[u8], at: usize, size: usize) -> bool {
    let (Some(a), Some(b)) = (word(bytes, at), word(bytes, at + size)) else { return false };
    let unused = 64 - 8 * size.min(8);
    #[allow(clippy::cast_possible_truncation)] // below 64
    return (a ^ b).wrapping_shl(unused as u32) == 0;
}

/// How often the `size` bytes at `at` are repeated directly after them, at most `most` times.
#[allow(clippy::indexing_slicing)] // `end` is at most the length
fn repeats(bytes: &[u8], at: usize, size: usize, most: usize) -> usize {
    let end = (at + size).saturating_add(size.saturating_mul(most)).min(bytes.len());
    equal_bytes(&bytes[..end], at, at + size) / size
}

/// How many bytes from `a` on equal those from `b` on; `b` is after `a`.
#[inline]
#[allow(clippy::indexing_slicing)] // as many bytes of both were compared
fn equal_bytes(bytes: &[u8], a: usize, b: usize) -> usize {
    let (Some(a), Some(b)) = (bytes.get(a..), bytes.get(b..)) else { return 0 };
    let mut equal = 0;
    for (a, b) in a.as_chunks::<32>().0.iter().zip(b.as_chunks::<32>().0) {
        if a != b {
            // The word in which they differ is unpredictable: no branch on it.
            let [a, b] = [a, b].map(|bytes| bytes.as_chunks::<8>().0);
            let equal_bits = a.iter().zip(b).rev().fold(0, |later, (a, b)| {
                let differ = u64::from_le_bytes(*a) ^ u64::from_le_bytes(*b);
                differ.trailing_zeros() + if differ == 0 { later } else { 0 }
            });
            return equal + equal_bits as usize / 8;
        }
        equal += 32;
    }
    equal + a[equal..].iter().zip(&b[equal..]).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn page_of(values: &[&str]) -> Vec<u8> {
        let stored = |v: &&str| [&u32::try_from(v.len()).unwrap().to_le_bytes(), v.as_bytes()].concat();
        values.iter().flat_map(stored).collect()
    }

    /// The value ids of pages in order: by [`intern`], and interned one by one.
    fn both(pages: &[Vec<&str>]) -> [Vec<u32>; 2] {
        let (mut entries, mut one_by_one, mut value_ids) =
            (ChunkDictionary::new(), ChunkDictionary::new(), vec![]);
        entries.finish_dictionary().unwrap();
        one_by_one.finish_dictionary().unwrap();
        let mut sequences = Sequences::default();
        for page in pages {
            let count = u32::try_from(page.len()).unwrap();
            intern(&mut entries, &page_of(page), count, &mut value_ids, &mut sequences).unwrap();
        }
        let want = pages.iter().flatten().map(|v| one_by_one.intern(v.as_bytes()).unwrap()).collect();
        [value_ids, want]
    }

    const WORDS: [&str; 8] = [
        "all",
        "",
        "US",
        "2021_05",
        "a name of more than thirty-two bytes",
        "Organic Search",
        "Organic",
        "x",
    ];

    #[test]
    fn a_repeated_list_is_copied_and_nothing_after_it() {
        // Alternating values are a sequence that overlaps itself; a list with and without some.
        let alternating: Vec<&str> = ["US", "all"].into_iter().cycle().take(301).collect();
        let lists =
            (0..40).flat_map(|i| WORDS.into_iter().enumerate().filter(move |(w, _)| i * 7 % 11 != *w));
        let lists: Vec<&str> = lists.map(|(_, word)| word).collect();
        let [value_ids, want] = both(&[alternating, lists.clone(), lists[5..].to_vec()]);
        assert_eq!(value_ids, want);
        // A page that ends within a value of a repeated list.
        let page = page_of(&lists);
        let count = u32::try_from(lists.len()).unwrap();
        for cut in 1..20 {
            let short = &page[..page.len() - cut];
            let outcome =
                intern(&mut ChunkDictionary::new(), short, count, &mut vec![], &mut Sequences::default());
            assert!(outcome.is_err(), "{cut}");
        }
    }

    proptest! {
        #[test]
        fn sequences_equal_interning_one_by_one(
            pages in proptest::collection::vec(
                proptest::collection::vec((proptest::collection::vec(0usize..8, 1..12), 1usize..9), 0..20), 1..3,
            ),
        ) {
            let pages: Vec<Vec<&str>> = pages
                .iter()
                .map(|lists| {
                    // Enough values without runs for the page to be read by sequences.
                    let lists = lists.iter().flat_map(|(list, n)| std::iter::repeat_n(list, *n)).flatten();
                    WORDS.into_iter().cycle().take(PROBE).chain(lists.map(|w| WORDS[*w])).collect()
                })
                .collect();
            let [value_ids, want] = both(&pages);
            prop_assert_eq!(value_ids, want);
        }

        #[test]
        fn runs_equal_interning_one_by_one(
            runs in proptest::collection::vec((0usize..6, 1usize..60), 0..20), cut in 0usize..9,
        ) {
            let values: Vec<&str> = runs.iter().flat_map(|(w, n)| std::iter::repeat_n(WORDS[*w], *n)).collect();
            let count = u32::try_from(values.len()).unwrap();
            let page = page_of(&values);
            let [value_ids, want] = both(&[values]);
            prop_assert_eq!(value_ids, want);
            if cut > 0 && !page.is_empty() {
                let short = &page[..page.len().saturating_sub(cut)];
                let outcome =
                    intern(&mut ChunkDictionary::new(), short, count, &mut vec![], &mut Sequences::default());
                prop_assert!(outcome.is_err());
            }
        }
    }
}

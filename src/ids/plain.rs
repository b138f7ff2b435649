//! Strings in PLAIN encoding to slots.
//!
//! ```text
//! while values are left:
//!     slot = the slot of the value at hand
//!     run  = how often its bytes, length and all, come again
//!     slots += run times slot
//! ```
//!
//! Keys of an export repeat over tens of rows: a run is found by comparing the
//! page with itself, one value later, 32 bytes at a time.

use super::entries::Entries;
use crate::{Error, Result};

/// Appends the slots of the `count` values of `bytes`.
///
/// # Errors
/// `Format` when a value reaches past the end, `TooLarge` when there are too
/// many distinct values.
pub fn intern(entries: &mut Entries, bytes: &[u8], count: u32, slots: &mut Vec<u32>) -> Result<()> {
    let (mut at, mut left) = (0, count as usize);
    while left > 0 {
        let head = bytes.get(at..).and_then(|b| b.first_chunk::<4>()).ok_or_else(ends_early)?;
        let len = u32::from_le_bytes(*head) as usize;
        let size = len.saturating_add(4);
        if bytes.len() - at < size {
            return Err(ends_early());
        }
        let slot = entries.intern_in(bytes, at + 4, len)?;
        let run = if may_repeat(bytes, at, size) { 1 + repeats(bytes, at, size, left - 1) } else { 1 };
        if run == 1 {
            slots.push(slot);
        } else {
            slots.resize(slots.len() + run, slot);
        }
        at += size * run;
        left -= run;
    }
    Ok(())
}

#[cold]
fn ends_early() -> Error {
    Error::format("a byte array that reaches past the end of its page")
        .advice("The page is damaged; export the file again")
}

/// Whether the next value begins as the one at `at` does; false near the end.
#[inline]
fn may_repeat(bytes: &[u8], at: usize, size: usize) -> bool {
    let word = |at: usize| bytes.get(at..).and_then(|b| b.first_chunk::<8>()).map(|b| u64::from_le_bytes(*b));
    let (Some(a), Some(b)) = (word(at), word(at + size)) else { return false };
    let unused = 64 - 8 * size.min(8);
    #[allow(clippy::cast_possible_truncation)] // below 64
    return (a ^ b).wrapping_shl(unused as u32) == 0;
}

/// How often the `size` bytes at `at` come again right behind, at most `most` times.
fn repeats(bytes: &[u8], at: usize, size: usize, most: usize) -> usize {
    let (Some(here), Some(next)) = (bytes.get(at..), bytes.get(at + size..)) else { return 0 };
    let next = next.get(..size.saturating_mul(most)).unwrap_or(next);
    let whole = |(a, b): &(&[u8; 32], &[u8; 32])| a == b;
    let equal = here.as_chunks().0.iter().zip(next.as_chunks().0).take_while(whole).count() * 32;
    let rest = here.iter().skip(equal).zip(next.iter().skip(equal)).take_while(|(a, b)| a == b).count();
    (equal + rest) / size
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn runs_are_what_interning_one_by_one_gives(
            runs in proptest::collection::vec((0usize..6, 1usize..60), 0..20), cut in 0usize..9,
        ) {
            let words = ["all", "", "US", "2021_05", "a name of more than thirty-two bytes", "Organic Search"];
            let values: Vec<&str> = runs.iter().flat_map(|(w, n)| std::iter::repeat_n(words[*w], *n)).collect();
            let page: Vec<u8> = values
                .iter()
                .flat_map(|v| u32::try_from(v.len()).unwrap().to_le_bytes().into_iter().chain(v.bytes()))
                .collect();
            let count = u32::try_from(values.len()).unwrap();
            let (mut entries, mut one_by_one, mut slots) = (Entries::new(), Entries::new(), vec![]);
            entries.seal().unwrap();
            one_by_one.seal().unwrap();
            intern(&mut entries, &page, count, &mut slots).unwrap();
            let want: Vec<u32> = values.iter().map(|v| one_by_one.intern(v.as_bytes()).unwrap()).collect();
            prop_assert_eq!(slots, want);
            if cut > 0 && !page.is_empty() {
                let short = &page[..page.len().saturating_sub(cut)];
                prop_assert!(intern(&mut Entries::new(), short, count, &mut vec![]).is_err());
            }
        }
    }
}

//! Finds the delimiters and line ends of text without quotes, a word of 64 bytes at a time.
//!
//! ```text
//! for each word:  separators = (word == delimiter) | (word == line feed), below the first quote
//!                 append the position after each of them
//! ```
//!
//! 1. One pass finds both, and the quote that ends it. The positions of a word are written without a branch for each:
//!    AVX-512 compresses the numbers of the set bits to the front of a vector (`vpcompressb`), AVX2 and NEON write
//!    twelve positions whether or not there are as many. Fields of seven bytes, as exports have them, give nine in a word.
//! 2. A word is only begun if all of its positions have room, so no position is checked.
//! 3. The portable path is that of the `memchr` crate, which returns from its search at each hit: with short fields
//!    that costs more than the search.

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use super::cpu;

/// Bytes of a word, and the room that its positions need.
pub const WORD: usize = 64;

/// What was found in a text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Found {
    /// Delimiters and line ends, each with its position in the output.
    pub separators: usize,
    /// How many of them are line ends.
    pub line_ends: usize,
}

/// Writes the positions after the delimiters and line ends of `text`, in order, to the front of `next`. Ends before the
/// first quote, or where fewer than [`WORD`] places are left. The text is shorter than 4 GiB.
#[inline]
pub fn find(text: &[u8], delimiter: u8, next: &mut [u32]) -> Found {
    debug_assert!(u32::try_from(text.len()).is_ok());
    #[cfg(target_arch = "x86_64")]
    if cpu::avx512() {
        // SAFETY: the CPU has the instruction sets that the function names.
        #[allow(unsafe_code)]
        return unsafe { avx512::find(text, delimiter, next) };
    }
    #[cfg(target_arch = "x86_64")]
    if cpu::avx2() {
        // SAFETY: as above.
        #[allow(unsafe_code)]
        return unsafe { avx2::find(text, delimiter, next) };
    }
    #[cfg(target_arch = "aarch64")]
    if cpu::neon() {
        // SAFETY: every aarch64 CPU has NEON.
        #[allow(unsafe_code)]
        return unsafe { neon::find(text, delimiter, next) };
    }
    portable_find(text, delimiter, next)
}

/// [`find`] without vector instructions of our own.
pub fn portable_find(text: &[u8], delimiter: u8, next: &mut [u32]) -> Found {
    let mut found = Found::default();
    for at in memchr::memchr3_iter(delimiter, b'\n', b'"', text) {
        let byte = text.get(at).copied();
        let Some(to) = next.get_mut(found.separators).filter(|_| byte != Some(b'"')) else { break };
        *to = u32::try_from(at + 1).unwrap_or(u32::MAX);
        found.separators += 1;
        found.line_ends += usize::from(byte == Some(b'\n'));
    }
    found
}

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, clippy::cast_possible_wrap, clippy::cast_sign_loss, clippy::cast_possible_truncation)]
// bits stay bits
mod avx2;
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, clippy::cast_possible_wrap, clippy::cast_possible_truncation)] // bits stay bits
mod avx512;
#[cfg(target_arch = "aarch64")]
#[allow(unsafe_code, clippy::cast_possible_truncation)] // bits stay bits
mod neon;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Find = unsafe fn(&[u8], u8, &mut [u32]) -> Found;

    /// Every path that this machine has, by name.
    fn paths() -> Vec<(&'static str, Find)> {
        let mut paths: Vec<(_, Find)> = vec![("chosen", find), ("portable", portable_find)];
        #[cfg(target_arch = "x86_64")]
        paths.extend(cpu::paths::<Find>(avx2::find, avx512::find));
        #[cfg(target_arch = "aarch64")]
        paths.extend(cpu::paths::<Find>(neon::find));
        paths
    }

    /// Byte by byte.
    fn naive(text: &[u8], delimiter: u8) -> Vec<(u32, bool)> {
        let plain = text.iter().take_while(|byte| **byte != b'"');
        let found = (1u32..).zip(plain).filter(|(_, byte)| **byte == delimiter || **byte == b'\n');
        found.map(|(next, byte)| (next, *byte == b'\n')).collect()
    }

    proptest! {
        #[test]
        fn every_path_finds_the_same(
            parts in prop::collection::vec((0usize..90, prop::sample::select(b",,,,\n\n;\"\0\xff".to_vec())), 0..60),
            room in 0usize..300,
            delimiter in prop::sample::select(b",;".to_vec()),
        ) {
            let mut text = vec![];
            for (len, byte) in parts {
                text.resize(text.len() + len / 4, b'x');
                text.push(byte);
            }
            let want = naive(&text, delimiter);
            for (name, find) in paths() {
                let mut next = vec![0; room];
                // SAFETY: the paths are those that this machine has.
                #[allow(unsafe_code)]
                let found = unsafe { find(&text, delimiter, &mut next) };
                prop_assert!(found.separators <= want.len(), "{}", name);
                prop_assert!(found.separators == want.len() || found.separators + WORD > room, "{}", name);
                let want = &want[..found.separators];
                let positions: Vec<u32> = want.iter().map(|(next, _)| *next).collect();
                prop_assert_eq!(&next[..found.separators], &positions, "{}", name);
                let line_ends = want.iter().filter(|(_, is_end)| *is_end).count();
                prop_assert_eq!(found.line_ends, line_ends, "{}", name);
            }
        }
    }
}

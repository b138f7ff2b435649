//! Snappy blocks (format_description.txt of snappy), without a branch an element.
//!
//! ```text
//! while elements are left:
//!     literal:  copy the `len` bytes that follow
//!     copy:     copy `len` bytes from `offset` bytes back, again and again where they overlap
//! ```
//!
//! 1. An element of a page of counts makes some seven bytes, and no CPU foresees
//!    whether it is a literal or how long it is: a wrong guess costs more than the
//!    element. So both kinds take the same instructions: a source is chosen, one
//!    vector is moved, and the place moves on by the length. What the vector writes
//!    past the element is overwritten by the next one.
//! 2. Copies that overlap repeat the last `offset` bytes: one byte permutation of the
//!    vector, by a table over offsets. It is the identity for all other elements.
//!    Where a vector has 16 bytes, the rest of a long element is three more vectors: what
//!    repeats over `offset` bytes does so over a multiple of them, and of one that is a
//!    vector or more all bytes are there. (A byte at a time, the rest of such repeats was
//!    half of a job on strings and doubles without a dictionary.)
//! 3. What is left as a chain is the way from tag to tag: where the next one lies is
//!    computed for both kinds, and one is taken.
//! 4. Vectors read past literals: the last elements are done in a copy that has room
//!    behind them. Anything unusual (literals over 60 bytes, four-byte offsets, damage)
//!    is done with care.
//! 5. Two pages by turns in one loop: while one waits for its next tag, the other goes
//!    on. That takes 6.4 ms for the counts, 2.1 for the channels.
//! 6. Pages that do not compress are stored as one literal: its bytes are lent, not
//!    copied.
//!
//! For the counts of 20 M rows in export order, 2.9 M elements, one core: the crate
//! `snap` 14.4 ms, here 8.0 ms; for the channels, whose copies are longer, 5.7 and
//! 2.5 ms. Vectors of 16 bytes take 8.7 and 5.4 ms. That was an Intel core; on one of
//! Zen 4 the counts take 14.2 ms by `snap`, 9.2 by vectors of 64 bytes, 7.4 by those of 16
//! (and 11.3 by those of 32), the channels 5.6, 2.8 and 4.0: so what a page says of its
//! elements chooses.
//!
//! Tried and left out: reading both possible next tags before the choice (10.1 ms for
//! the counts; two loads cost more than the wait saves), the step from a table (8.8),
//! no branch on damage (10.8); copies of 64 bytes from one offset together, apart from the loop
//! (PLAIN strings of 20 M rows, the whole job: 260 ms became 284; three follow one another).

use std::ops::Range;

/// Bytes behind the output that are written to.
pub const SLACK: usize = 64;

/// Where in `src`, a whole block, its bytes stand as one literal.
pub fn as_single_literal(src: &[u8], len: usize) -> Option<Range<usize>> {
    let (says, start) = length(src)?;
    let (tag, body) = src.get(start..)?.split_first()?;
    if tag & 3 != 0 || says != len {
        return None;
    }
    let extra = usize::from(tag >> 2).saturating_sub(59);
    let stored = match extra {
        0 => usize::from(tag >> 2),
        _ => body.get(..extra)?.iter().rev().fold(0, |len, byte| len << 8 | usize::from(*byte)),
    };
    let range = start + 1 + extra..src.len();
    (stored.checked_add(1)? == len && range.len() == len).then_some(range)
}

/// Whether the elements of a block are long on average, for which vectors of 64 bytes are
/// faster; short ones are not worth them, since what they read lies in several stores that
/// have not reached the cache. An element takes some three bytes.
#[cfg(target_arch = "x86_64")]
fn is_long(stored: usize, len: usize) -> bool {
    len > stored.saturating_mul(4)
}

/// Decompresses `src`, a whole block, to `out[..len]`; `out` has [`SLACK`] more
/// bytes. `None` where there is no vector path, or the block is damaged.
pub fn decompress(src: &[u8], len: usize, out: &mut [u8]) -> Option<()> {
    #[cfg(target_arch = "x86_64")]
    {
        use super::cpu;
        if cpu::avx512() && is_long(src.len(), len) {
            // SAFETY: the CPU has the instruction sets that the function names.
            #[allow(unsafe_code)]
            return unsafe { x86::avx512(src, len, out) };
        }
        if cpu::avx2() {
            // SAFETY: as above.
            #[allow(unsafe_code)]
            return unsafe { x86::avx2(src, len, out) };
        }
    }
    let _ = (src, len, out);
    None
}

/// A block, and where its `len` bytes go; `out` has [`SLACK`] more.
pub struct Block<'s, 'o> {
    /// The whole block.
    pub src: &'s [u8],
    /// How long it is, decompressed.
    pub len: usize,
    /// Where that goes.
    pub out: &'o mut [u8],
}

/// [`decompress`] of two blocks by turns, in less time than one after the other.
pub fn decompress_two(one: Block<'_, '_>, other: Block<'_, '_>) -> Option<()> {
    #[cfg(target_arch = "x86_64")]
    {
        use super::cpu;
        if cpu::avx512() && is_long(one.src.len() + other.src.len(), one.len + other.len) {
            // SAFETY: the CPU has the instruction sets that the function names.
            #[allow(unsafe_code)]
            return unsafe { x86::two_avx512(one, other) };
        }
        if cpu::avx2() {
            // SAFETY: as above.
            #[allow(unsafe_code)]
            return unsafe { x86::two_avx2(one, other) };
        }
    }
    let _ = (one, other);
    None
}

/// The length that a block begins with, a varint of at most 32 bits, and the byte
/// after it.
fn length(src: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0u64;
    for (i, byte) in src.iter().take(5).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            return Some((usize::try_from(value).ok()?, i + 1));
        }
    }
    None
}

/// Does the element at `ip` with care; returns where the next one and its bytes go.
#[cold]
fn decode_element_checked(
    src: &[u8],
    ip: usize,
    out: &mut [u8],
    op: usize,
    len: usize,
) -> Option<(usize, usize)> {
    let tag = usize::from(*src.get(ip)?);
    let after = src.get(ip + 1..)?;
    let number = |bytes: usize| {
        let little = after.get(..bytes)?;
        Some(little.iter().rev().fold(0usize, |number, byte| number << 8 | usize::from(*byte)))
    };
    let (size, count, offset) = match tag & 3 {
        0 if tag >> 2 < 60 => (0, (tag >> 2) + 1, None),
        0 => ((tag >> 2) - 59, number((tag >> 2) - 59)?.checked_add(1)?, None),
        1 => (1, 4 + (tag >> 2 & 7), Some((tag >> 5) << 8 | number(1)?)),
        kind => {
            let size = if kind == 2 { 2 } else { 4 };
            (size, (tag >> 2) + 1, Some(number(size)?))
        }
    };
    let end = op.checked_add(count).filter(|end| *end <= len)?;
    let Some(offset) = offset else {
        let as_single_literal = after.get(size..size.checked_add(count)?)?;
        out.get_mut(op..end)?.copy_from_slice(as_single_literal);
        return Some((ip + 1 + size + count, end));
    };
    let from = op.checked_sub(offset).filter(|_| offset > 0)?;
    for at in 0..count {
        let byte = *out.get(from + at)?;
        *out.get_mut(op + at)? = byte;
    }
    Some((ip + 1 + size, end))
}

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, clippy::indexing_slicing, clippy::cast_possible_truncation)]
mod x86 {
    //! One loop, over vectors of 64 bytes (AVX-512 VBMI) or 16 (SSSE3).

    use std::arch::x86_64::*;
    use std::hint::select_unpredictable;

    use super::Block;

    /// Bytes of a tag's element, 0 for those that are done with care.
    const LEN: u32 = 0xff;
    /// The offset starts at this bit.
    const OFFSET: u32 = 8;
    /// A literal's offset: from here on no vector is permuted.
    const NO_OFFSET: usize = 64;

    /// By tag: the length, and the part of the offset that is in the tag.
    static TAGS: [u32; 256] = {
        let mut tags = [0; 256];
        let mut tag = 0;
        // A `for` loop is not allowed in a constant.
        while tag < 256 {
            let (len, offset) = match tag & 3 {
                0 if tag >> 2 < 60 => ((tag >> 2) + 1, NO_OFFSET),
                1 => (4 + (tag >> 2 & 7), (tag >> 5) << 8),
                2 => ((tag >> 2) + 1, 0),
                _ => (0, 0),
            };
            tags[tag] = (len | offset << OFFSET) as u32;
            tag += 1;
        }
        tags
    };

    /// By offset: where each byte of a vector comes from.
    const fn repeats<const N: usize>() -> [[u8; N]; NO_OFFSET + 1] {
        let mut table = [[0; N]; NO_OFFSET + 1];
        let mut at = N;
        while at < N * (NO_OFFSET + 1) {
            let (offset, byte) = (at / N, at % N);
            table[offset][byte] = (byte % offset) as u8;
            at += 1;
        }
        table
    }

    /// Some bytes that are moved at once.
    trait Vector {
        const WIDTH: usize;

        /// Moves `WIDTH` bytes, of which only the first `offset` count, and repeat.
        ///
        /// # Safety
        /// - The CPU has what the vector needs.
        /// - `WIDTH` bytes can be read and written; `offset` is at most [`NO_OFFSET`].
        unsafe fn repeat(from: *const u8, to: *mut u8, offset: usize);
    }

    struct Wide;
    struct Narrow;

    impl Vector for Wide {
        const WIDTH: usize = 64;

        #[inline(always)]
        unsafe fn repeat(from: *const u8, to: *mut u8, offset: usize) {
            static REPEATS: [[u8; 64]; NO_OFFSET + 1] = repeats();
            debug_assert!(offset < REPEATS.len());
            // SAFETY: by contract.
            unsafe {
                let index = _mm512_loadu_si512(REPEATS.as_ptr().add(offset).cast());
                let bytes = _mm512_permutexvar_epi8(index, _mm512_loadu_si512(from.cast()));
                _mm512_storeu_si512(to.cast(), bytes);
            }
        }
    }

    /// By offset: its smallest multiple that is [`Narrow`]'s width or more.
    static BACK: [u8; 16] = {
        let mut back = [0; 16];
        let mut offset = 1;
        while offset < 16 {
            back[offset] = (offset * 16usize.div_ceil(offset)) as u8;
            offset += 1;
        }
        back
    };

    impl Vector for Narrow {
        const WIDTH: usize = 16;

        #[inline(always)]
        unsafe fn repeat(from: *const u8, to: *mut u8, offset: usize) {
            static REPEATS: [[u8; 16]; NO_OFFSET + 1] = repeats();
            debug_assert!(offset < REPEATS.len());
            // SAFETY: by contract.
            unsafe {
                let index = _mm_loadu_si128(REPEATS.as_ptr().add(offset).cast());
                let bytes = _mm_shuffle_epi8(_mm_loadu_si128(from.cast()), index);
                _mm_storeu_si128(to.cast(), bytes);
            }
        }
    }

    /// See [`super::decompress`].
    ///
    /// # Safety
    /// - The CPU has AVX-512 F, BW, VBMI and BMI2.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,bmi2")]
    pub unsafe fn avx512(src: &[u8], len: usize, out: &mut [u8]) -> Option<()> {
        // SAFETY: the CPU has what `Wide` needs.
        unsafe { block::<Wide>(src, len, out) }
    }

    /// See [`super::decompress`].
    ///
    /// # Safety
    /// - The CPU has SSSE3, AVX2 and BMI2.
    #[target_feature(enable = "ssse3,avx2,bmi2")]
    pub unsafe fn avx2(src: &[u8], len: usize, out: &mut [u8]) -> Option<()> {
        // SAFETY: the CPU has what `Narrow` needs.
        unsafe { block::<Narrow>(src, len, out) }
    }

    /// See [`super::decompress_two`].
    ///
    /// # Safety
    /// - As of [`avx512`].
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,bmi2")]
    pub unsafe fn two_avx512(one: Block<'_, '_>, other: Block<'_, '_>) -> Option<()> {
        // SAFETY: the CPU has what `Wide` needs.
        unsafe { two::<Wide>(one, other) }
    }

    /// See [`super::decompress_two`].
    ///
    /// # Safety
    /// - As of [`avx2`].
    #[target_feature(enable = "ssse3,avx2,bmi2")]
    pub unsafe fn two_avx2(one: Block<'_, '_>, other: Block<'_, '_>) -> Option<()> {
        // SAFETY: the CPU has what `Narrow` needs.
        unsafe { two::<Narrow>(one, other) }
    }

    /// Input that the fast loop does not begin an element in: a tag, a literal of 60
    /// bytes, the next tag, and what a vector reads past a literal's end.
    const TAIL: usize = 1 + 60 + 1 + 64;

    /// # Safety
    /// - The CPU has what the vector needs.
    #[inline(always)]
    unsafe fn block<V: Vector>(src: &[u8], len: usize, out: &mut [u8]) -> Option<()> {
        let start = begin(src, len, out.len())?;
        // SAFETY: the CPU has what the vector needs; `out` has `SLACK` bytes behind `len`.
        unsafe { decode_tail::<V>(src, (start, 0), out, len) }
    }

    /// Where the first element is, if the block has the length that it should and there
    /// is `room` for it and [`super::SLACK`] more.
    fn begin(src: &[u8], len: usize, room: usize) -> Option<usize> {
        let (says, start) = super::length(src)?;
        (says == len && room >= len.checked_add(super::SLACK)?).then_some(start)
    }

    /// Does all elements from a place on.
    ///
    /// # Safety
    /// - The CPU has what the vector needs.
    /// - `at.1 <= len`, `len + SLACK <= out.len()`.
    #[inline(always)]
    unsafe fn decode_tail<V: Vector>(
        src: &[u8],
        at: (usize, usize),
        out: &mut [u8],
        len: usize,
    ) -> Option<()> {
        let fast = src.len().saturating_sub(TAIL);
        // SAFETY: `TAIL` bytes follow `fast`, and `out` has `SLACK` bytes behind `len`.
        let (ip, op) = unsafe { part::<V>(src, at.0, fast, out, at.1, len) }?;
        // The last elements where there is room to read behind them.
        let mut tail = [0; 2 * TAIL];
        let decode_tail = src.get(ip..)?;
        tail.get_mut(..decode_tail.len())?.copy_from_slice(decode_tail);
        // SAFETY: the rest is at most `TAIL` bytes, and so many follow it.
        let (ip, op) = unsafe { part::<V>(&tail, 0, decode_tail.len(), out, op, len) }?;
        (ip == decode_tail.len() && op == len).then_some(())
    }

    /// # Safety
    /// - The CPU has what the vector needs.
    #[inline(always)]
    unsafe fn two<V: Vector>(one: Block<'_, '_>, other: Block<'_, '_>) -> Option<()> {
        let begin = |block: &Block<'_, '_>| begin(block.src, block.len, block.out.len());
        let mut at = [(begin(&one)?, 0), (begin(&other)?, 0)];
        let ends = [&one, &other].map(|block| block.src.len().saturating_sub(TAIL));
        while at[0].0 < ends[0] && at[1].0 < ends[1] {
            // SAFETY: `TAIL` bytes follow both ends, and the outputs have `SLACK` bytes
            // behind what is theirs; no step leaves the place in it past that.
            at = unsafe {
                by_turns::<V>(
                    Stream::at(one.src, at[0].0, ends[0], one.out, at[0].1, one.len),
                    Stream::at(other.src, at[1].0, ends[1], other.out, at[1].1, other.len),
                )
            };
            // Whichever has stopped at something unusual.
            if at[0].0 < ends[0] {
                at[0] = super::decode_element_checked(one.src, at[0].0, one.out, at[0].1, one.len)?;
            }
            if at[1].0 < ends[1] {
                at[1] = super::decode_element_checked(other.src, at[1].0, other.out, at[1].1, other.len)?;
            }
        }
        // SAFETY: the CPU has what the vector needs; room was looked at.
        unsafe {
            decode_tail::<V>(one.src, at[0], one.out, one.len)?;
            decode_tail::<V>(other.src, at[1], other.out, other.len)
        }
    }

    /// Does the elements that begin before `end`, plain ones or not.
    ///
    /// # Safety
    /// - The CPU has what the vector needs.
    /// - `end + TAIL <= src.len()` unless `end` is 0, `len + SLACK <= out.len()`.
    #[inline(always)]
    unsafe fn part<V: Vector>(
        src: &[u8],
        mut ip: usize,
        end: usize,
        out: &mut [u8],
        mut op: usize,
        len: usize,
    ) -> Option<(usize, usize)> {
        while ip < end {
            // SAFETY: by contract; no step leaves `op` past `len`.
            (ip, op) = unsafe { elements::<V>(src, ip, end, out, op, len) };
            if ip < end {
                (ip, op) = super::decode_element_checked(src, ip, out, op, len)?;
            }
        }
        Some((ip, op))
    }

    /// Does plain elements from `ip` on that begin before `end`; returns where it has
    /// come.
    ///
    /// # Safety
    /// - The CPU has what the vector needs.
    /// - `ip < end`, `end + TAIL <= src.len()`, `op <= len`, `len + SLACK <= out.len()`.
    #[inline(always)]
    unsafe fn elements<V: Vector>(
        src: &[u8],
        ip: usize,
        end: usize,
        out: &mut [u8],
        op: usize,
        len: usize,
    ) -> (usize, usize) {
        // SAFETY: by contract.
        let mut stream = unsafe { Stream::at(src, ip, end, out, op, len) };
        // SAFETY: the stream stands before `end`.
        while unsafe { stream.step::<V>() } {}
        (stream.ip, stream.op)
    }

    /// The same for two blocks by turns: while one waits for its next tag, the other
    /// goes on. Ends with either of them.
    ///
    /// # Safety
    /// - As of [`elements`], for both.
    #[inline(always)]
    unsafe fn by_turns<V: Vector>(mut one: Stream<'_>, mut other: Stream<'_>) -> [(usize, usize); 2] {
        loop {
            // SAFETY: both stand before their ends.
            let go_on = unsafe { one.step::<V>() & other.step::<V>() };
            if !go_on {
                return [(one.ip, one.op), (other.ip, other.op)];
            }
        }
    }

    /// A place between two elements.
    struct Stream<'s> {
        from: *const u8,
        to: *mut u8,
        ip: usize,
        end: usize,
        op: usize,
        len: usize,
        tag: usize,
        bytes: std::marker::PhantomData<(&'s [u8], &'s mut [u8])>,
    }

    impl<'s> Stream<'s> {
        /// # Safety
        /// - `ip < end`, `end + TAIL <= src.len()`, `op <= len`, `len + SLACK <= out.len()`.
        #[inline(always)]
        unsafe fn at(src: &'s [u8], ip: usize, end: usize, out: &'s mut [u8], op: usize, len: usize) -> Self {
            debug_assert!(ip < end && end + TAIL <= src.len());
            debug_assert!(op <= len && len + super::SLACK <= out.len());
            let (from, to) = (src.as_ptr(), out.as_mut_ptr());
            // SAFETY: `ip` is before `end`.
            let tag = usize::from(unsafe { *from.add(ip) });
            Stream { from, to, ip, end, op, len, tag, bytes: std::marker::PhantomData }
        }

        /// Does the element at hand; false, and it may not be called again, where that
        /// is no plain one (nothing is done), or the next one begins at `end` or later.
        ///
        /// # Safety
        /// - The CPU has what the vector needs.
        /// - It has not returned false before.
        #[inline(always)]
        unsafe fn step<V: Vector>(&mut self) -> bool {
            let Stream { from, to, ip, end, op, len, tag, .. } = *self;
            let entry = TAGS[tag];
            let (count, kind) = ((entry & LEN) as usize, tag & 3);
            // SAFETY: the four bytes after the tag are there: `ip` is before `end`.
            let operand = unsafe { from.add(ip + 1).cast::<u32>().read_unaligned() };
            let low = operand & ((1u32 << (kind * 8)) - 1);
            let offset = (entry >> OFFSET) as usize + low as usize;
            let as_single_literal = kind == 0;
            // Literals too, whose offset is taken to be 64: the first few are done
            // with care.
            if count == 0 || offset > op || offset == 0 || op + count > len {
                return false;
            }
            // SAFETY: 64 bytes from a literal's start on are there; a copy begins in what is
            // there already, and 64 bytes from the element's place on are within the output.
            unsafe {
                let source =
                    if as_single_literal { from.add(ip + 1) } else { to.add(op - offset).cast_const() };
                V::repeat(source, to.add(op), offset.min(V::WIDTH));
                if V::WIDTH < 64 && count > V::WIDTH {
                    // What repeats over `offset` bytes does so over a multiple of them: of one
                    // that is a vector or more, all bytes have been written.
                    let back = if offset < V::WIDTH { usize::from(BACK[offset]) } else { offset };
                    let source = if as_single_literal {
                        source.add(V::WIDTH)
                    } else {
                        to.add(op + V::WIDTH - back).cast_const()
                    };
                    // As many as there may be: no branch on how many there are.
                    for more in (0..64 - V::WIDTH).step_by(V::WIDTH) {
                        V::repeat(source.add(more), to.add(op + V::WIDTH + more), V::WIDTH);
                    }
                }
            }
            self.op += count;
            // A branch here is what no CPU foresees.
            self.ip = select_unpredictable(as_single_literal, ip + 2 + (tag >> 2), ip + 1 + kind);
            // SAFETY: at most 65 bytes further, and `TAIL` bytes follow `end`.
            self.tag = usize::from(unsafe { *from.add(self.ip) });
            self.ip < end
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Decode = unsafe fn(&[u8], usize, &mut [u8]) -> Option<()>;

    /// All that this machine has, by name.
    fn paths() -> Vec<(&'static str, Decode)> {
        let mut paths: Vec<(&'static str, Decode)> = vec![("in use", decompress)];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("bmi2") {
                paths.push(("avx2", x86::avx2));
            }
            if is_x86_feature_detected!("avx512vbmi") && is_x86_feature_detected!("avx512bw") {
                paths.push(("avx512", x86::avx512));
            }
        }
        paths
    }

    fn all(decode: Decode, src: &[u8], len: usize) -> Option<Vec<u8>> {
        let mut out = vec![0xaa; len + SLACK];
        // SAFETY: the paths are those that this machine has.
        #[allow(unsafe_code)]
        unsafe { decode(src, len, &mut out) }?;
        out.truncate(len);
        Some(out)
    }

    type Two = unsafe fn(Block<'_, '_>, Block<'_, '_>) -> Option<()>;

    fn two_paths() -> Vec<(&'static str, Two)> {
        let mut paths: Vec<(&'static str, Two)> = vec![];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("bmi2") {
                paths.push(("avx2", x86::two_avx2));
            }
            if is_x86_feature_detected!("avx512vbmi") && is_x86_feature_detected!("avx512bw") {
                paths.push(("avx512", x86::two_avx512));
            }
        }
        paths
    }

    /// Both or nothing.
    fn check_two(a: (&[u8], usize), b: (&[u8], usize)) {
        let want = |(src, len): (&[u8], usize)| {
            snap::raw::Decoder::new().decompress_vec(src).ok().filter(|want| want.len() == len)
        };
        for (name, decode) in two_paths() {
            let (mut x, mut y) = (vec![0xaa; a.1 + SLACK], vec![0xaa; b.1 + SLACK]);
            let one = Block { src: a.0, len: a.1, out: &mut x };
            let other = Block { src: b.0, len: b.1, out: &mut y };
            // SAFETY: the paths are those that this machine has.
            #[allow(unsafe_code)]
            let done = unsafe { decode(one, other) };
            x.truncate(a.1);
            y.truncate(b.1);
            assert_eq!(done.map(|()| (x, y)), want(a).zip(want(b)), "{name}");
        }
    }

    fn check(src: &[u8], len: usize) {
        let want = snap::raw::Decoder::new().decompress_vec(src).ok().filter(|want| want.len() == len);
        for (name, decode) in paths() {
            if name == "in use" && super::super::cpu::level() == super::super::cpu::Level::Portable {
                continue;
            }
            assert!(all(decode, src, len) == want, "{name} of {len} bytes");
        }
        if let Some(range) = as_single_literal(src, len) {
            assert_eq!(Some(&src[range]), want.as_deref());
        }
    }

    /// A block of elements: literals and copies as they are asked for.
    fn block(elements: &[(bool, usize, usize)]) -> (Vec<u8>, usize) {
        let (mut body, mut len) = (vec![], 0);
        for (at, (is_literal, count, offset)) in elements.iter().enumerate() {
            if *is_literal || len == 0 {
                let count = (*count).max(1);
                match count - 1 {
                    short @ 0..60 => body.push((short << 2) as u8),
                    long => {
                        body.push(61 << 2);
                        body.extend(&long.to_le_bytes()[..2]);
                    }
                }
                body.extend((0..count).map(|i| (i * 31 + at * 7) as u8));
                len += count;
            } else {
                let (count, offset) = ((*count).clamp(1, 64), 1 + offset % len);
                if (4..12).contains(&count) && offset < 2048 {
                    body.push((1 | (count - 4) << 2 | (offset >> 8) << 5) as u8);
                    body.push(offset as u8);
                } else if offset < 1 << 16 {
                    body.push((2 | (count - 1) << 2) as u8);
                    body.extend(&offset.to_le_bytes()[..2]);
                } else {
                    body.push((3 | (count - 1) << 2) as u8);
                    body.extend(&offset.to_le_bytes()[..4]);
                }
                len += count;
            }
        }
        let mut src = vec![];
        let mut left = len;
        while left > 0x7f {
            src.push(left as u8 | 0x80);
            left >>= 7;
        }
        src.push(left as u8);
        src.extend(body);
        (src, len)
    }

    proptest! {
        #[test]
        fn every_path_does_every_element(
            elements in prop::collection::vec((prop::bool::weighted(0.3), 1usize..80, prop_oneof![0usize..20, 0usize..5000]), 1..300),
            damage in proptest::option::of((any::<prop::sample::Index>(), 1u8..)),
            cut in proptest::option::of(any::<prop::sample::Index>()),
        ) {
            let (mut src, len) = block(&elements);
            check(&src, len);
            check(&src, len + 1);
            if let Some((at, flip)) = damage {
                let at = at.index(src.len());
                src[at] ^= flip;
                check(&src, len);
            }
            if let Some(cut) = cut {
                src.truncate(cut.index(src.len()));
                check(&src, len);
            }
        }

        #[test]
        fn two_are_done_as_each_alone(
            a in prop::collection::vec((prop::bool::weighted(0.3), 1usize..80, 0usize..3000), 1..200),
            b in prop::collection::vec((prop::bool::weighted(0.6), 1usize..80, 0usize..30), 1..200),
            damage in proptest::option::of((any::<prop::sample::Index>(), 1u8.., any::<bool>())),
        ) {
            let ((mut a, a_len), (mut b, b_len)) = (block(&a), block(&b));
            check_two((&a, a_len), (&b, b_len));
            if let Some((at, flip, first)) = damage {
                let src = if first { &mut a } else { &mut b };
                let at = at.index(src.len());
                src[at] ^= flip;
                check_two((&a, a_len), (&b, b_len));
            }
        }

        #[test]
        fn what_the_encoder_writes_comes_back(bytes in prop::collection::vec(0u8..5, 0..5000)) {
            check(&snap::raw::Encoder::new().compress_vec(&bytes).unwrap(), bytes.len());
        }
    }

    #[test]
    fn long_offsets_and_literals() {
        let (src, len) =
            block(&[(true, 60_000, 0), (true, 60_000, 0), (false, 64, 90_000), (true, 61, 0), (false, 5, 3)]);
        check(&src, len);
    }

    #[test]
    fn one_literal_is_lent() {
        for len in [1usize, 59, 60, 61, 300, 60_000] {
            let (src, _) = block(&[(true, len, 0)]);
            let range = as_single_literal(&src, len);
            assert_eq!(range.clone().map(|range| range.len()), Some(len));
            check(&src, len);
            assert_eq!(as_single_literal(&src, len - 1), None);
            assert_eq!(as_single_literal(&src[..src.len() - 1], len), None);
        }
        assert_eq!(as_single_literal(&[], 0), None);
    }
}

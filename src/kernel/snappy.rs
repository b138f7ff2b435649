//! Snappy blocks (format_description.txt of snappy), without a branch per element.
//!
//! ```text
//! while elements are left:
//!     literal:  copy the `len` bytes that follow
//!     copy:     copy `len` bytes from `offset` bytes back; an overlapping copy repeats
//! ```
//!
//! 1. An element of a page of counts has some seven bytes. Its kind and length are
//!    unpredictable, and a mispredicted branch costs more than the
//!    element. So both kinds execute the same instructions: a source is selected, one
//!    vector is moved, and the output position advances by the length. Bytes that the vector writes
//!    past the element are overwritten by the next one.
//! 2. Overlapping copies repeat the last `offset` bytes: one byte permutation of the
//!    vector, from a table by offset. It is the identity for all other elements.
//!    With vectors of 16 bytes, a long element takes three more vectors: a pattern that
//!    repeats every `offset` bytes repeats every multiple of `offset` too, and all bytes of a
//!    multiple of at least a vector are already written. (Copied byte by byte, the rest of such
//!    elements was half of a job on strings and doubles without a dictionary.)
//! 3. The only dependency chain left is the step from tag to tag: the position of the next tag is
//!    computed for both kinds, and one is selected.
//! 4. Vectors read past literals, so the last elements are decoded from a copy with room
//!    after them. Unusual elements (literals over 60 bytes, four-byte offsets, damage)
//!    are decoded by a checked path.
//! 5. Two pages are interleaved in one loop: while one waits for its next tag, the other
//!    continues. That takes 6.4 ms for the counts, 2.1 for the channels.
//! 6. Pages that do not compress are stored as one literal: its bytes are borrowed, not
//!    copied.
//!
//! For the counts of 20 M rows in export order, 2.9 M elements, one core: the crate
//! `snap` 14.4 ms, this module 8.0 ms; for the channels, whose copies are longer, 5.7 and
//! 2.5 ms. Vectors of 16 bytes take 8.7 and 5.4 ms. These were measured on an Intel core; on
//! Zen 4 the counts take 14.2 ms with `snap`, 9.2 with vectors of 64 bytes, 7.4 with those of 16
//! (and 11.3 with those of 32), the channels 5.6, 2.8 and 4.0: so the mean length of a page's
//! elements decides which vectors are used.
//!
//! Tried and left out: reading both possible next tags before the selection (10.1 ms for
//! the counts; two loads cost more than the wait saves), the step from a table (8.8),
//! no branch on damage (10.8); joining copies of 64 bytes from one offset outside of the loop
//! (PLAIN strings of 20 M rows, the whole job: 260 ms became 284; three follow one another).

use std::ops::Range;

/// Bytes after the output that may be overwritten.
pub const SLACK: usize = 64;

/// The range of `src`, a whole block, that holds its `len` bytes as one literal; `None` for other
/// blocks.
pub fn as_single_literal(src: &[u8], len: usize) -> Option<Range<usize>> {
    let (stated, start) = length(src)?;
    let (tag, body) = src.get(start..)?.split_first()?;
    if tag & 3 != 0 || stated != len {
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

/// Whether the elements of a block are long on average: then vectors of 64 bytes are
/// faster. For short elements they are slower, since a load covers several stores that
/// have not reached the cache. A stored element has some three bytes.
#[cfg(target_arch = "x86_64")]
fn is_long(stored: usize, len: usize) -> bool {
    len > stored.saturating_mul(4)
}

/// Decompresses `src`, a whole block, to `out[..len]`; `out` has [`SLACK`] more
/// bytes. `None` if the CPU has no vector path, or the block is damaged.
pub fn decompress(src: &[u8], len: usize, out: &mut [u8]) -> Option<()> {
    #[cfg(target_arch = "x86_64")]
    {
        use super::cpu;
        if cpu::avx512() && is_long(src.len(), len) {
            // SAFETY: the CPU has the instruction sets that the function names.
            #[allow(unsafe_code)]
            return unsafe { vectors::avx512(src, len, out) };
        }
        if cpu::avx2() {
            // SAFETY: as above.
            #[allow(unsafe_code)]
            return unsafe { vectors::avx2(src, len, out) };
        }
    }
    #[cfg(target_arch = "aarch64")]
    if super::cpu::neon() {
        // SAFETY: every aarch64 CPU has NEON.
        #[allow(unsafe_code)]
        return unsafe { vectors::neon(src, len, out) };
    }
    let _ = (src, len, out);
    None
}

/// A block and its output of `len` bytes; `out` has [`SLACK`] more.
pub struct Block<'s, 'o> {
    /// The whole block.
    pub src: &'s [u8],
    /// Its decompressed length.
    pub len: usize,
    /// The output.
    pub out: &'o mut [u8],
}

/// [`decompress`] of two blocks, interleaved, which takes less time than one after the other.
pub fn decompress_two(one: Block<'_, '_>, other: Block<'_, '_>) -> Option<()> {
    #[cfg(target_arch = "x86_64")]
    {
        use super::cpu;
        if cpu::avx512() && is_long(one.src.len() + other.src.len(), one.len + other.len) {
            // SAFETY: the CPU has the instruction sets that the function names.
            #[allow(unsafe_code)]
            return unsafe { vectors::two_avx512(one, other) };
        }
        if cpu::avx2() {
            // SAFETY: as above.
            #[allow(unsafe_code)]
            return unsafe { vectors::two_avx2(one, other) };
        }
    }
    #[cfg(target_arch = "aarch64")]
    if super::cpu::neon() {
        // SAFETY: every aarch64 CPU has NEON.
        #[allow(unsafe_code)]
        return unsafe { vectors::two_neon(one, other) };
    }
    let _ = (one, other);
    None
}

/// The length at the start of a block, a varint of at most 32 bits, and the position after it.
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

/// Decodes the element at `ip` with all checks; returns the positions of the next one and of its
/// output. `None` if it is damaged.
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
        let literal = after.get(size..size.checked_add(count)?)?;
        out.get_mut(op..end)?.copy_from_slice(literal);
        return Some((ip + 1 + size + count, end));
    };
    let from = op.checked_sub(offset).filter(|_| offset > 0)?;
    for at in 0..count {
        let byte = *out.get(from + at)?;
        *out.get_mut(op + at)? = byte;
    }
    Some((ip + 1 + size, end))
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[allow(unsafe_code, clippy::indexing_slicing, clippy::cast_possible_truncation)]
mod vectors {
    //! One loop, over vectors of 64 bytes (AVX-512 VBMI) or 16 (SSSE3, NEON).

    #[cfg(target_arch = "aarch64")]
    use std::arch::aarch64::*;
    #[cfg(target_arch = "x86_64")]
    use std::arch::x86_64::*;
    use std::hint::select_unpredictable;

    use super::Block;

    /// Mask of the length of a tag's element; 0 for elements of the checked path.
    const LEN: u32 = 0xff;
    /// The first bit of the offset.
    const OFFSET: u32 = 8;
    /// The offset of a literal: from here on no vector is permuted.
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

    /// By offset: the source index of each byte of a vector.
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

    /// Bytes that are moved at once.
    trait Vector {
        const WIDTH: usize;

        /// Writes `WIDTH` bytes: the first `offset` ones of `from`, repeated.
        ///
        /// # Safety
        /// - The CPU has the instruction sets of the vector.
        /// - `WIDTH` bytes can be read and written; `offset` is at most [`NO_OFFSET`].
        unsafe fn repeat(from: *const u8, to: *mut u8, offset: usize);
    }

    #[cfg(target_arch = "x86_64")]
    struct Wide;
    struct Narrow;

    #[cfg(target_arch = "x86_64")]
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

    /// By offset: its smallest multiple that is at least the width of [`Narrow`].
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
            #[cfg(target_arch = "aarch64")]
            // SAFETY: by contract.
            unsafe {
                let index = vld1q_u8(REPEATS.as_ptr().add(offset).cast());
                vst1q_u8(to, vqtbl1q_u8(vld1q_u8(from), index));
            }
            #[cfg(target_arch = "x86_64")]
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
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,bmi2")]
    pub unsafe fn avx512(src: &[u8], len: usize, out: &mut [u8]) -> Option<()> {
        // SAFETY: the CPU has the instruction sets of `Wide`.
        unsafe { block::<Wide>(src, len, out) }
    }

    /// See [`super::decompress`].
    ///
    /// # Safety
    /// - The CPU has SSSE3, AVX2 and BMI2.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "ssse3,avx2,bmi2")]
    pub unsafe fn avx2(src: &[u8], len: usize, out: &mut [u8]) -> Option<()> {
        // SAFETY: the CPU has the instruction sets of `Narrow`.
        unsafe { block::<Narrow>(src, len, out) }
    }

    /// See [`super::decompress_two`].
    ///
    /// # Safety
    /// - As of [`avx512`].
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,bmi2")]
    pub unsafe fn two_avx512(one: Block<'_, '_>, other: Block<'_, '_>) -> Option<()> {
        // SAFETY: the CPU has the instruction sets of `Wide`.
        unsafe { two::<Wide>(one, other) }
    }

    /// See [`super::decompress_two`].
    ///
    /// # Safety
    /// - As of [`avx2`].
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "ssse3,avx2,bmi2")]
    pub unsafe fn two_avx2(one: Block<'_, '_>, other: Block<'_, '_>) -> Option<()> {
        // SAFETY: the CPU has the instruction sets of `Narrow`.
        unsafe { two::<Narrow>(one, other) }
    }

    /// See [`super::decompress`].
    ///
    /// # Safety
    /// - The CPU has NEON.
    #[cfg(target_arch = "aarch64")]
    #[target_feature(enable = "neon")]
    pub unsafe fn neon(src: &[u8], len: usize, out: &mut [u8]) -> Option<()> {
        // SAFETY: the CPU has the instruction set of `Narrow`.
        unsafe { block::<Narrow>(src, len, out) }
    }

    /// See [`super::decompress_two`].
    ///
    /// # Safety
    /// - As of [`neon`].
    #[cfg(target_arch = "aarch64")]
    #[target_feature(enable = "neon")]
    pub unsafe fn two_neon(one: Block<'_, '_>, other: Block<'_, '_>) -> Option<()> {
        // SAFETY: the CPU has the instruction set of `Narrow`.
        unsafe { two::<Narrow>(one, other) }
    }

    /// Bytes at the end of the input in which the fast loop begins no element: a tag, a literal of 60
    /// bytes, the next tag, and the bytes that a vector reads past the end of a literal.
    const TAIL: usize = 1 + 60 + 1 + 64;

    /// # Safety
    /// - The CPU has the instruction sets of the vector.
    #[inline(always)]
    unsafe fn block<V: Vector>(src: &[u8], len: usize, out: &mut [u8]) -> Option<()> {
        let start = begin(src, len, out.len())?;
        // SAFETY: the CPU has the instruction sets, by contract; `out` has `SLACK` bytes after `len`.
        unsafe { decode_tail::<V>(src, (start, 0), out, len) }
    }

    /// The position of the first element; `None` unless the block states the length `len` and there
    /// is `room` for that and [`super::SLACK`] more.
    fn begin(src: &[u8], len: usize, room: usize) -> Option<usize> {
        let (stated, start) = super::length(src)?;
        (stated == len && room >= len.checked_add(super::SLACK)?).then_some(start)
    }

    /// Decodes all elements from a position on; `None` if one is damaged.
    ///
    /// # Safety
    /// - The CPU has the instruction sets of the vector.
    /// - `at.1 <= len`, `len + SLACK <= out.len()`.
    #[inline(always)]
    unsafe fn decode_tail<V: Vector>(
        src: &[u8],
        at: (usize, usize),
        out: &mut [u8],
        len: usize,
    ) -> Option<()> {
        let fast = src.len().saturating_sub(TAIL);
        // SAFETY: `TAIL` bytes follow `fast`, and `out` has `SLACK` bytes after `len`.
        let (ip, op) = unsafe { decode_all::<V>(src, at.0, fast, out, at.1, len) }?;
        // The last elements are copied to where there is room to read past them.
        let mut tail = [0; 2 * TAIL];
        let rest = src.get(ip..)?;
        tail.get_mut(..rest.len())?.copy_from_slice(rest);
        // SAFETY: the rest is at most `TAIL` bytes, and as many follow it.
        let (ip, op) = unsafe { decode_all::<V>(&tail, 0, rest.len(), out, op, len) }?;
        (ip == rest.len() && op == len).then_some(())
    }

    /// # Safety
    /// - The CPU has the instruction sets of the vector.
    #[inline(always)]
    unsafe fn two<V: Vector>(one: Block<'_, '_>, other: Block<'_, '_>) -> Option<()> {
        let begin = |block: &Block<'_, '_>| begin(block.src, block.len, block.out.len());
        let mut at = [(begin(&one)?, 0), (begin(&other)?, 0)];
        let ends = [&one, &other].map(|block| block.src.len().saturating_sub(TAIL));
        while at[0].0 < ends[0] && at[1].0 < ends[1] {
            // SAFETY: `TAIL` bytes follow both ends, and the outputs have `SLACK` bytes
            // after their lengths; no step moves an output position past its length.
            at = unsafe {
                decode_interleaved::<V>(
                    Stream::at(one.src, at[0].0, ends[0], one.out, at[0].1, one.len),
                    Stream::at(other.src, at[1].0, ends[1], other.out, at[1].1, other.len),
                )
            };
            // A stream that has stopped before its end is at an unusual element.
            if at[0].0 < ends[0] {
                at[0] = super::decode_element_checked(one.src, at[0].0, one.out, at[0].1, one.len)?;
            }
            if at[1].0 < ends[1] {
                at[1] = super::decode_element_checked(other.src, at[1].0, other.out, at[1].1, other.len)?;
            }
        }
        // SAFETY: the CPU has the instruction sets, by contract; `begin` has checked the room.
        unsafe {
            decode_tail::<V>(one.src, at[0], one.out, one.len)?;
            decode_tail::<V>(other.src, at[1], other.out, other.len)
        }
    }

    /// Decodes the elements that begin before `end`, plain or unusual; returns the positions after
    /// them. `None` if one is damaged.
    ///
    /// # Safety
    /// - The CPU has the instruction sets of the vector.
    /// - `end + TAIL <= src.len()` unless `end` is 0, `len + SLACK <= out.len()`.
    #[inline(always)]
    unsafe fn decode_all<V: Vector>(
        src: &[u8],
        mut ip: usize,
        end: usize,
        out: &mut [u8],
        mut op: usize,
        len: usize,
    ) -> Option<(usize, usize)> {
        while ip < end {
            // SAFETY: by contract; no step moves `op` past `len`.
            (ip, op) = unsafe { decode_plain::<V>(src, ip, end, out, op, len) };
            if ip < end {
                (ip, op) = super::decode_element_checked(src, ip, out, op, len)?;
            }
        }
        Some((ip, op))
    }

    /// Decodes plain elements from `ip` on that begin before `end`; returns the positions after
    /// them.
    ///
    /// # Safety
    /// - The CPU has the instruction sets of the vector.
    /// - `ip < end`, `end + TAIL <= src.len()`, `op <= len`, `len + SLACK <= out.len()`.
    #[inline(always)]
    unsafe fn decode_plain<V: Vector>(
        src: &[u8],
        ip: usize,
        end: usize,
        out: &mut [u8],
        op: usize,
        len: usize,
    ) -> (usize, usize) {
        // SAFETY: by contract.
        let mut stream = unsafe { Stream::at(src, ip, end, out, op, len) };
        // SAFETY: the stream is before `end`.
        while unsafe { stream.step::<V>() } {}
        (stream.ip, stream.op)
    }

    /// [`decode_plain`] of two blocks, interleaved: while one waits for its next tag, the other
    /// continues. It stops when either of them does.
    ///
    /// # Safety
    /// - As of [`decode_plain`], for both.
    #[inline(always)]
    unsafe fn decode_interleaved<V: Vector>(
        mut one: Stream<'_>,
        mut other: Stream<'_>,
    ) -> [(usize, usize); 2] {
        loop {
            // SAFETY: both are before their ends.
            let both_continue = unsafe { one.step::<V>() & other.step::<V>() };
            if !both_continue {
                return [(one.ip, one.op), (other.ip, other.op)];
            }
        }
    }

    /// A position between two elements.
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

        /// Decodes the current element. Returns false, and must not be called again, if the element
        /// is unusual (then nothing is decoded), or the next one begins at `end` or later.
        ///
        /// # Safety
        /// - The CPU has the instruction sets of the vector.
        /// - It has not returned false before.
        #[inline(always)]
        unsafe fn step<V: Vector>(&mut self) -> bool {
            let Stream { from, to, ip, end, op, len, tag, .. } = *self;
            let entry = TAGS[tag];
            let (count, kind) = ((entry & LEN) as usize, tag & 3);
            // SAFETY: four bytes follow the tag: `ip` is before `end`.
            let operand = unsafe { from.add(ip + 1).cast::<u32>().read_unaligned() };
            let low = operand & ((1u32 << (kind * 8)) - 1);
            let offset = (entry >> OFFSET) as usize + low as usize;
            let is_literal = kind == 0;
            // A literal counts as offset 64, so the checked path decodes those in the first 64 bytes.
            if count == 0 || offset > op || offset == 0 || op + count > len {
                return false;
            }
            // SAFETY: 64 bytes from the start of a literal can be read; a copy begins in the bytes
            // already written, and 64 bytes from the output position on are within `out`.
            unsafe {
                let source = if is_literal { from.add(ip + 1) } else { to.add(op - offset).cast_const() };
                V::repeat(source, to.add(op), offset.min(V::WIDTH));
                if V::WIDTH < 64 && count > V::WIDTH {
                    // A pattern that repeats every `offset` bytes repeats every multiple of it: all
                    // bytes of a multiple of at least a vector are already written.
                    let back = if offset < V::WIDTH { usize::from(BACK[offset]) } else { offset };
                    let source = if is_literal {
                        source.add(V::WIDTH)
                    } else {
                        to.add(op + V::WIDTH - back).cast_const()
                    };
                    // As many vectors as the longest element has: no branch on the length.
                    for more in (0..64 - V::WIDTH).step_by(V::WIDTH) {
                        V::repeat(source.add(more), to.add(op + V::WIDTH + more), V::WIDTH);
                    }
                }
            }
            self.op += count;
            // A branch here would be unpredictable.
            self.ip = select_unpredictable(is_literal, ip + 2 + (tag >> 2), ip + 1 + kind);
            // SAFETY: the position advances by at most 65 bytes, and `TAIL` bytes follow `end`.
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

    /// All paths that this machine has, by name.
    fn paths() -> Vec<(&'static str, Decode)> {
        let mut paths: Vec<(&'static str, Decode)> = vec![("in use", decompress)];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("bmi2") {
                paths.push(("avx2", vectors::avx2));
            }
            if is_x86_feature_detected!("avx512vbmi") && is_x86_feature_detected!("avx512bw") {
                paths.push(("avx512", vectors::avx512));
            }
        }
        #[cfg(target_arch = "aarch64")]
        paths.extend(crate::kernel::cpu::paths::<Decode>(vectors::neon));
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
                paths.push(("avx2", vectors::two_avx2));
            }
            if is_x86_feature_detected!("avx512vbmi") && is_x86_feature_detected!("avx512bw") {
                paths.push(("avx512", vectors::two_avx512));
            }
        }
        #[cfg(target_arch = "aarch64")]
        paths.extend(crate::kernel::cpu::paths::<Two>(vectors::two_neon));
        paths
    }

    /// Both blocks are decompressed, or none is.
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

    /// A block of the given elements: literals and copies.
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
        fn every_path_decodes_every_element(
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
        fn two_blocks_give_what_each_gives_alone(
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
        fn the_encoders_blocks_decompress(bytes in prop::collection::vec(0u8..5, 0..5000)) {
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
    fn one_literal_is_borrowed() {
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

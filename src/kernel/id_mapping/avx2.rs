//! AVX2: 32 rows per step with the partners in four registers, or 8 with gathered partners.

use std::arch::x86_64::*;

use super::{FEW, NO_PARTNER};

/// No partner, as a byte; no row has it.
const NO_PARTNER_BYTE: u8 = u8::MAX;
/// Value ids on the right are clamped to this; partners are below it.
const LARGE: u8 = NO_PARTNER_BYTE - 1;

/// See [`super::IdMapping::matches`].
///
/// # Safety
/// - The CPU has AVX2.
#[target_feature(enable = "avx2")]
pub unsafe fn matches(table: &[u16], left: &[u16], right: &[u16]) -> bool {
    // SAFETY: the CPU has the instruction set, by contract.
    unsafe {
        match few_partners(table) {
            Some(partners) => matches_few(&partners, left, right),
            None => matches_many(table, left, right),
        }
    }
}

/// The partners of a table of [`FEW`] entries as bytes; declines (`None`) where there are more, or one
/// does not fit.
fn few_partners(table: &[u16]) -> Option<[u8; FEW]> {
    if table.len() != FEW + 1 {
        return None;
    }
    let mut bytes = [NO_PARTNER_BYTE; FEW];
    let mut fits = true;
    for (to, partner) in bytes.iter_mut().zip(table) {
        fits &= *partner == NO_PARTNER || *partner < u16::from(LARGE);
        // The lowest byte of [`NO_PARTNER`] is [`NO_PARTNER_BYTE`].
        [*to, _] = partner.to_le_bytes();
    }
    fits.then_some(bytes)
}

/// # Safety
/// - The CPU has AVX2.
#[target_feature(enable = "avx2")]
unsafe fn matches_few(partners: &[u8; FEW], left: &[u16], right: &[u16]) -> bool {
    let quarter = |at: usize| {
        // SAFETY: the 16 bytes of a quarter are within the 64.
        unsafe { _mm256_broadcastsi128_si256(_mm_loadu_si128(partners.as_ptr().add(at * 16).cast())) }
    };
    let tables = [quarter(0), quarter(1), quarter(2), quarter(3)];
    let large = _mm256_set1_epi16(i16::from(LARGE));
    let mut differ = _mm256_setzero_si256();
    let mut rows = left.chunks_exact(32).zip(right.chunks_exact(32));
    for (left, right) in &mut rows {
        // SAFETY: 32 rows each, two vectors.
        let [l0, l1, r0, r1] = unsafe {
            let (left, right) = (left.as_ptr().cast::<__m256i>(), right.as_ptr().cast::<__m256i>());
            [left, left.add(1), right, right.add(1)].map(|from| _mm256_loadu_si256(from))
        };
        // Value ids past the table have no partner.
        differ = _mm256_or_si256(differ, _mm256_srli_epi16::<6>(_mm256_or_si256(l0, l1)));
        // Packing reorders the rows of both sides in the same way.
        let value_ids = _mm256_packus_epi16(l0, l1);
        let right = _mm256_packus_epi16(_mm256_min_epu16(r0, large), _mm256_min_epu16(r1, large));
        // The bits of 16 and of 32, moved to where a blend reads them.
        let (sixteen, thirty_two) = (_mm256_slli_epi16::<3>(value_ids), _mm256_slli_epi16::<2>(value_ids));
        let [a, b, c, d] = tables.map(|table| _mm256_shuffle_epi8(table, value_ids));
        let low = _mm256_blendv_epi8(a, b, sixteen);
        let high = _mm256_blendv_epi8(c, d, sixteen);
        let partners = _mm256_blendv_epi8(low, high, thirty_two);
        differ = _mm256_or_si256(differ, _mm256_xor_si256(partners, right));
    }
    let whole = left.len().min(right.len()) / 32 * 32;
    let mut rest = left.iter().zip(right).skip(whole);
    _mm256_testz_si256(differ, differ) == 1
        && rest.all(|(left, right)| {
            partners.get(usize::from(*left)).is_some_and(|p| *p < LARGE && u16::from(*p) == *right)
        })
}

/// # Safety
/// - The CPU has AVX2.
#[target_feature(enable = "avx2")]
#[allow(clippy::indexing_slicing)] // `value_ids` is one less than the entries
unsafe fn matches_many(table: &[u16], left: &[u16], right: &[u16]) -> bool {
    // The last entry is for the second half of a gather.
    let Some(value_ids) = table.len().checked_sub(1).filter(|value_ids| *value_ids > 0) else {
        return left.is_empty() || right.is_empty();
    };
    let last = _mm256_set1_epi32(i32::try_from(value_ids - 1).unwrap_or(i32::MAX));
    let low = _mm256_set1_epi32(0xffff);
    let mut differ = _mm256_setzero_si256();
    let mut rows = left.chunks_exact(8).zip(right.chunks_exact(8));
    for (left, right) in &mut rows {
        // SAFETY: eight rows each; value ids are at most `last`, and an entry follows the last.
        unsafe {
            let left = _mm256_cvtepu16_epi32(_mm_loadu_si128(left.as_ptr().cast()));
            let right = _mm256_cvtepu16_epi32(_mm_loadu_si128(right.as_ptr().cast()));
            let clamped = _mm256_min_epi32(left, last);
            let raw = _mm256_i32gather_epi32::<2>(table.as_ptr().cast(), clamped);
            let partners = _mm256_and_si256(raw, low);
            // Value ids past the table have no partner.
            differ = _mm256_or_si256(differ, _mm256_xor_si256(left, clamped));
            differ = _mm256_or_si256(differ, _mm256_xor_si256(partners, right));
        }
    }
    let whole = left.len().min(right.len()) / 8 * 8;
    let rest = left.iter().zip(right).skip(whole);
    let table = &table[..value_ids];
    _mm256_testz_si256(differ, differ) == 1
        && rest.fold(true, |matches, (left, right)| matches & (table.get(usize::from(*left)) == Some(right)))
}

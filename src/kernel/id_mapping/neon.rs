//! NEON; 16 rows a step. One table look-up (`tbx`, `tbl`) finds 16 of up to 64 partners of one byte, four those of up
//! to 255 value ids.
//!
//! NEON has no gather: larger tables, and partners that do not fit a byte, take the portable loop. Columns are not
//! compared as they are stored ([`super::IdMapping::matches_packed`]).

use std::arch::aarch64::*;

use super::{FEW, NO_PARTNER, NO_PARTNER_BYTE};

/// Value ids on the right are clamped to this; partners are below it.
const LARGE: u8 = NO_PARTNER_BYTE - 1;
/// The entries of the larger table. All value ids from the last one on are narrowed to it: it has no partner.
const MANY: usize = 256;

/// See [`super::IdMapping::matches`].
///
/// # Safety
/// - The CPU has NEON.
#[target_feature(enable = "neon")]
pub unsafe fn matches(table: &[u16], left: &[u16], right: &[u16]) -> bool {
    // The last entry is that of no value id.
    let value_ids = table.len().saturating_sub(1);
    // A few rows do not pay for a table of bytes.
    if left.len() < 16 || value_ids >= MANY {
        return matches_any(table, left.iter().zip(right));
    }
    if value_ids <= FEW
        && let Some(partners) = byte_partners(table)
    {
        return matches_few(table, &partners, left, right);
    }
    if value_ids > FEW
        && let Some(partners) = byte_partners(table)
    {
        return matches_many(table, &partners, left, right);
    }
    matches_any(table, left.iter().zip(right))
}

/// The partners of a table as bytes; declines (`None`) where one does not fit.
fn byte_partners<const N: usize>(table: &[u16]) -> Option<[u8; N]> {
    let mut bytes = [NO_PARTNER_BYTE; N];
    let mut fits = true;
    for (to, partner) in bytes.iter_mut().zip(table) {
        fits &= *partner == NO_PARTNER || *partner < u16::from(LARGE);
        // The lowest byte of [`NO_PARTNER`] is [`NO_PARTNER_BYTE`].
        [*to, _] = partner.to_le_bytes();
    }
    fits.then_some(bytes)
}

/// Sixteen value ids as bytes; 255 for larger ones.
#[inline]
#[target_feature(enable = "neon")]
fn as_bytes(value_ids: &[u16; 16]) -> uint8x16_t {
    // SAFETY: 16 value ids, two vectors.
    let (low, high) = unsafe { (vld1q_u16(value_ids.as_ptr()), vld1q_u16(value_ids.as_ptr().add(8))) };
    vqmovn_high_u16(vqmovn_u16(low), high)
}

#[inline]
#[target_feature(enable = "neon")]
fn matches_few(table: &[u16], partners: &[u8; FEW], left: &[u16], right: &[u16]) -> bool {
    // SAFETY: 64 bytes.
    let partners = unsafe { vld1q_u8_x4(partners.as_ptr()) };
    // Value ids past the table have no partner.
    let none = vdupq_n_u8(NO_PARTNER_BYTE);
    by_sixteens(table, left, right, |value_ids| vqtbx4q_u8(none, partners, value_ids))
}

#[inline]
#[target_feature(enable = "neon")]
fn matches_many(table: &[u16], partners: &[u8; MANY], left: &[u16], right: &[u16]) -> bool {
    // SAFETY (all): 64 of 256 bytes.
    let quarter = |at: usize| unsafe { vld1q_u8_x4(partners.as_ptr().add(at * 64)) };
    let (a, b, c, d) = (quarter(0), quarter(1), quarter(2), quarter(3));
    by_sixteens(table, left, right, |value_ids| {
        // A look-up past a table gives 0, so that one of the four gives the partner.
        let less = |by: u8| vsubq_u8(value_ids, vdupq_n_u8(by));
        let low = vorrq_u8(vqtbl4q_u8(a, value_ids), vqtbl4q_u8(b, less(64)));
        vorrq_u8(low, vorrq_u8(vqtbl4q_u8(c, less(128)), vqtbl4q_u8(d, less(192))))
    })
}

/// Compares the partners of 16 rows, which `partners` finds, with the same rows of `right`; the last rows one by one.
#[inline]
#[target_feature(enable = "neon")]
fn by_sixteens(
    table: &[u16],
    left: &[u16],
    right: &[u16],
    partners: impl Fn(uint8x16_t) -> uint8x16_t,
) -> bool {
    let large = vdupq_n_u8(LARGE);
    let mut differ = vdupq_n_u8(0);
    for (left, right) in left.as_chunks().0.iter().zip(right.as_chunks().0) {
        let right = vminq_u8(as_bytes(right), large);
        differ = vorrq_u8(differ, veorq_u8(partners(as_bytes(left)), right));
    }
    let whole = left.len().min(right.len()) / 16 * 16;
    vmaxvq_u8(differ) == 0 && matches_any(table, left.iter().zip(right).skip(whole))
}

/// Row by row.
fn matches_any<'r>(table: &[u16], rows: impl Iterator<Item = (&'r u16, &'r u16)>) -> bool {
    rows.fold(true, |matches, (left, right)| matches & (table.get(usize::from(*left)) == Some(right)))
}

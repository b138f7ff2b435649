//! Two columns of slots side by side: does each slot of one go with one slot of
//! the other?
//!
//! ```text
//! for each row:   partner[left[row]] == right[row]
//! ```
//!
//! 1. What a slot should go with is known from the dictionaries (a date and its
//!    week), or learned from the first rows that have it (a name and its token).
//!    From then on a row is one look-up and one comparison.
//! 2. Up to 64 partners are held in one or two registers (`vpermw`,
//!    `vpermt2w`), 32 rows at a time; more are gathered, 16 at a time.
//! 3. Nobody asks which row it is that differs: the caller counts such a stretch
//!    again, the slow way.

/// No partner. No column has so many slots: it would not be read as 16 bits.
pub const UNKNOWN: u16 = u16::MAX;

/// Partners held in two registers.
const HELD: usize = 64;

/// What each slot of a column goes with.
#[derive(Debug, Clone)]
pub struct Partners {
    /// By slot; [`UNKNOWN`] from `slots` on, over at least [`HELD`] places and one more.
    table: Vec<u16>,
    slots: usize,
}

impl Default for Partners {
    fn default() -> Self {
        Partners { table: vec![UNKNOWN; HELD + 1], slots: 0 }
    }
}

impl Partners {
    /// Makes room for so many slots.
    pub fn grow(&mut self, slots: usize) {
        self.slots = self.slots.max(slots);
        // A gather reads four bytes: one place past the last.
        let places = (self.slots + 1).max(self.table.len());
        self.table.resize(places, UNKNOWN);
    }

    /// What `slot` goes with.
    #[inline]
    pub fn of(&self, slot: u16) -> u16 {
        self.table.get(usize::from(slot)).copied().unwrap_or(UNKNOWN)
    }

    /// Says what `slot` goes with; it has to have room.
    pub fn set(&mut self, slot: u16, partner: u16) {
        if let Some(place) = self.table.get_mut(usize::from(slot)) {
            *place = partner;
        }
    }

    /// Slots with their partners, as far as they are known.
    pub fn known(&self) -> impl Iterator<Item = (u16, u16)> {
        let places = self.table.iter().take(self.slots).enumerate();
        places
            .filter(|(_, partner)| **partner != UNKNOWN)
            .filter_map(|(slot, partner)| u16::try_from(slot).ok().map(|slot| (slot, *partner)))
    }

    /// Takes over the partners of slots that have none yet; false where a row
    /// says otherwise than the ones before it.
    pub fn learn(&mut self, left: &[u16], right: &[u16]) -> bool {
        for (left, right) in left.iter().zip(right) {
            let partner = self.of(*left);
            if partner == UNKNOWN {
                self.set(*left, *right);
            } else if partner != *right {
                return false;
            }
        }
        true
    }

    /// Whether each row of `right` is the partner of the same row of `left`.
    #[inline]
    pub fn hold(&self, left: &[u16], right: &[u16]) -> bool {
        #[cfg(target_arch = "x86_64")]
        if super::cpu::avx512() {
            // SAFETY: the instruction sets that the function names were found.
            #[allow(unsafe_code)]
            return unsafe { avx512::hold(&self.table, left, right) };
        }
        self.portable_hold(left, right)
    }

    /// The same without vectors.
    pub fn portable_hold(&self, left: &[u16], right: &[u16]) -> bool {
        left.iter().zip(right).fold(true, |hold, (left, right)| hold & (self.of(*left) == *right))
    }
}

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, clippy::cast_possible_wrap)]
mod avx512 {
    //! AVX-512 F, BW; 32 rows a vector.

    use std::arch::x86_64::*;

    use super::HELD;

    /// See [`super::Partners::hold`].
    ///
    /// # Safety
    /// - The CPU has AVX-512 F and BW.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    pub unsafe fn hold(table: &[u16], left: &[u16], right: &[u16]) -> bool {
        let rows = left.len().min(right.len());
        // The last place is there for the second half of a gather.
        let Some(slots) = table.len().checked_sub(1).filter(|slots| *slots >= HELD) else { return rows == 0 };
        // SAFETY: the table has at least `HELD` places.
        let held = unsafe {
            [_mm512_loadu_si512(table.as_ptr().cast()), _mm512_loadu_si512(table.as_ptr().add(32).cast())]
        };
        let in_registers = slots == HELD;
        let last = _mm512_set1_epi16(u16::try_from(slots - 1).unwrap_or(u16::MAX) as i16);
        let low = _mm512_set1_epi32(0xffff);
        let mut differ = 0u32;
        for at in (0..rows).step_by(32) {
            let there = if rows - at >= 32 { u32::MAX } else { (1 << (rows - at)) - 1 };
            debug_assert!(at + there.count_ones() as usize <= rows);
            // SAFETY: lanes past the last row are masked off and not touched.
            let (left, right) = unsafe {
                (
                    _mm512_maskz_loadu_epi16(there, left.as_ptr().add(at).cast()),
                    _mm512_maskz_loadu_epi16(there, right.as_ptr().add(at).cast()),
                )
            };
            // Slots that the table does not have go with nothing.
            differ |= _mm512_mask_cmpgt_epu16_mask(there, left, last);
            let partners = if in_registers {
                _mm512_permutex2var_epi16(held[0], left, held[1])
            } else {
                let left = _mm512_min_epu16(left, last);
                let half = |slots: __m256i| {
                    // SAFETY: slots are at most `last`, and a place follows the last.
                    let raw = unsafe {
                        _mm512_i32gather_epi32::<2>(_mm512_cvtepu16_epi32(slots), table.as_ptr().cast())
                    };
                    _mm512_cvtepi32_epi16(_mm512_and_si512(raw, low))
                };
                let halves = [_mm512_castsi512_si256(left), _mm512_extracti64x4_epi64::<1>(left)];
                _mm512_inserti64x4::<1>(_mm512_castsi256_si512(half(halves[0])), half(halves[1]))
            };
            differ |= _mm512_mask_cmpneq_epi16_mask(there, partners, right);
        }
        differ == 0
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::cast_possible_truncation)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_path_sees_what_differs(
            slots in prop_oneof![1u16..70, 1000u16..1500],
            rows in proptest::collection::vec(any::<u16>(), 0..200),
            damage in proptest::option::of((any::<prop::sample::Index>(), any::<u16>(), any::<bool>())),
        ) {
            let partner = |slot: u16| slot.wrapping_mul(7) % 300;
            let mut left: Vec<u16> = rows.iter().map(|r| r % slots).collect();
            let mut right: Vec<u16> = left.iter().map(|slot| partner(*slot)).collect();
            if let Some((at, to, which)) = damage && !left.is_empty() {
                let at = at.index(left.len());
                if which { left[at] = to } else { right[at] = to }
            }
            let mut known = Partners::default();
            known.grow(usize::from(slots));
            (0..slots).for_each(|slot| known.set(slot, partner(slot)));
            let want = left.iter().zip(&right).all(|(l, r)| *l < slots && partner(*l) == *r);
            prop_assert_eq!(known.portable_hold(&left, &right), want);
            prop_assert_eq!(known.hold(&left, &right), want);
            // What is learned from the rows holds for them.
            let mut learned = Partners::default();
            learned.grow(1 << 16);
            if learned.learn(&left, &right) && !right.contains(&UNKNOWN) {
                prop_assert!(learned.hold(&left, &right));
                for (slot, partner) in learned.known() {
                    prop_assert!(left.iter().zip(&right).any(|pair| pair == (&slot, &partner)));
                }
            }
        }
    }
}

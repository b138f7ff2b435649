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
//! 2. Up to 64 partners are held in registers, 32 rows at a time: one or two of words
//!    (`vpermw`, `vpermt2w`) or, with AVX2, four of bytes (`vpshufb`). More are
//!    gathered, 16 or 8 at a time.
//! 3. Nobody asks which row it is that differs: the caller counts such a stretch
//!    again, the slow way.
//!
//! Two columns of 26 slots held against each other, 20 M rows, one core (EPYC of Zen 3,
//! AVX2): gathered 10 ms, in registers 2.6.

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
        #[cfg(target_arch = "x86_64")]
        if super::cpu::avx2() {
            // SAFETY: as above.
            #[allow(unsafe_code)]
            return unsafe { avx2::hold(&self.table, left, right) };
        }
        self.portable_hold(left, right)
    }

    /// The same without vectors.
    pub fn portable_hold(&self, left: &[u16], right: &[u16]) -> bool {
        left.iter().zip(right).fold(true, |hold, (left, right)| hold & (self.of(*left) == *right))
    }
}

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod avx2;
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, clippy::cast_possible_wrap)]
mod avx512;

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::cast_possible_truncation)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Hold = unsafe fn(&[u16], &[u16], &[u16]) -> bool;

    fn paths() -> Vec<(&'static str, Hold)> {
        #[cfg(target_arch = "x86_64")]
        return crate::kernel::cpu::paths::<Hold>(avx2::hold, avx512::hold);
        #[cfg(not(target_arch = "x86_64"))]
        Vec::new()
    }

    proptest! {
        #[test]
        fn every_path_sees_what_differs(
            slots in prop_oneof![1u16..70, 1000u16..1500],
            modulus in prop_oneof![1u16..4, 250u16..260, 300u16..301],
            rows in proptest::collection::vec(any::<u16>(), 0..200),
            damage in proptest::option::of((any::<prop::sample::Index>(), any::<u16>(), any::<bool>())),
        ) {
            let partner = |slot: u16| slot.wrapping_mul(7) % modulus;
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
            for (name, hold) in paths() {
                // SAFETY: the paths are those that this machine has.
                #[allow(unsafe_code)]
                let got = unsafe { hold(&known.table, &left, &right) };
                prop_assert_eq!(got, want, "{}", name);
            }
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

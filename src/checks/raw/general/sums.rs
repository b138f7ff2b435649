//! Sums of users that do not depend on the order of their addends.
//!
//! Sums by key and day are many, so they are small: numbers of 128 bits in steps of 2^-60, to which each addend is
//! rounded. Whole numbers and fractions of 53 bits above 2^-7 are not rounded at all. Addends of 2^31 and more, which no
//! export of users has, go to a number that is wide enough for any sum of doubles. Both are rounded once, when the sum
//! is read.

use crate::grid::exact::Wide;

/// Steps of one.
const STEPS: f64 = (1u64 << STEP_BITS) as f64;
const STEP_BITS: u32 = 60;
/// From this magnitude on, addends are large: 2^36 smaller ones fit 128 bits.
const LARGE: f64 = (1u64 << 31) as f64;

/// `N` exact sums of users.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
#[serde(into = "Stored", try_from = "Stored")]
pub struct ExactSums<const N: usize> {
    steps: [i128; N],
    large: Option<Box<[Wide; N]>>,
}

/// The steps, and the sums of large addends; none where there are no large ones.
type Stored = (Vec<i128>, Vec<Wide>);

impl<const N: usize> Default for ExactSums<N> {
    fn default() -> Self {
        ExactSums { steps: [0; N], large: None }
    }
}

impl<const N: usize> From<ExactSums<N>> for Stored {
    fn from(sums: ExactSums<N>) -> Self {
        (sums.steps.to_vec(), sums.large.map(|large| large.to_vec()).unwrap_or_default())
    }
}

impl<const N: usize> TryFrom<Stored> for ExactSums<N> {
    type Error = &'static str;

    fn try_from((steps, large): Stored) -> Result<Self, Self::Error> {
        let steps = steps.try_into().map_err(|_| "another number of sums")?;
        let large = match large.is_empty() {
            true => None,
            false => Some(Box::new(large.try_into().map_err(|_| "another number of sums")?)),
        };
        Ok(ExactSums { steps, large })
    }
}

impl<const N: usize> ExactSums<N> {
    /// Adds users to a sum.
    #[inline]
    #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)] // below 2^31, and a fraction of 60 bits
    pub fn add(&mut self, at: usize, users: f64) {
        if users.abs() < LARGE {
            let whole = users as i64;
            let fraction = ((users - whole as f64) * STEPS) as i64;
            if let Some(steps) = self.steps.get_mut(at) {
                *steps = steps.wrapping_add((i128::from(whole) << STEP_BITS) + i128::from(fraction));
            }
        } else if users.is_finite() {
            let large = self.large.get_or_insert_with(|| Box::new(std::array::from_fn(|_| Wide::default())));
            if let Some(large) = large.get_mut(at) {
                large.add(users);
            }
        }
    }

    /// Sums of whole users.
    pub fn of_whole(users: [i64; N]) -> Self {
        ExactSums { steps: users.map(|users| i128::from(users) << STEP_BITS), large: None }
    }

    /// Adds a whole number of users, or of several rows, to a sum.
    pub fn add_whole(&mut self, at: usize, users: i64) {
        if let Some(steps) = self.steps.get_mut(at) {
            *steps = steps.wrapping_add(i128::from(users) << STEP_BITS);
        }
    }

    /// Adds other sums.
    pub fn merge(&mut self, other: &Self) {
        for (to, from) in self.steps.iter_mut().zip(other.steps) {
            *to = to.wrapping_add(from);
        }
        if let Some(from) = &other.large {
            match &mut self.large {
                Some(to) => to.iter_mut().zip(from.iter()).for_each(|(to, from)| to.merge(from)),
                None => self.large = Some(from.clone()),
            }
        }
    }

    /// The sum of all of them.
    pub fn total(&self) -> ExactSums<1> {
        let mut total = ExactSums::default();
        for steps in self.steps {
            total.merge(&ExactSums { steps: [steps], large: None });
        }
        for large in self.large.iter().flat_map(|large| large.iter()) {
            total.merge(&ExactSums { steps: [0], large: Some(Box::new([large.clone()])) });
        }
        total
    }

    /// The nearest doubles.
    #[allow(clippy::cast_precision_loss)] // rounded here
    pub fn read(&self) -> [f64; N] {
        let mut sums = self.steps.map(|steps| steps as f64 / STEPS);
        for (sum, large) in sums.iter_mut().zip(self.large.iter().flat_map(|large| large.iter())) {
            *sum += large.to_f64();
        }
        sums
    }
}

impl ExactSums<1> {
    /// The nearest double of the only sum.
    pub fn users(&self) -> f64 {
        let [users] = self.read();
        users
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sum(values: &[f64]) -> ExactSums<2> {
        let mut sums = ExactSums::default();
        values.iter().zip(0..).for_each(|(value, at)| sums.add(at % 2, *value));
        sums
    }

    #[test]
    fn whole_numbers_and_cents_are_exact() {
        assert_eq!(sum(&[1.0, -2.5, 4_000_000_000.0, 0.25]).read(), [4_000_000_001.0, -2.25]);
        assert_eq!(sum(&[12.34, 0.0]).read(), [12.34, 0.0]);
        assert_eq!(sum(&[1e300, 1.0, -1e300, 2.0]).read(), [0.0, 3.0]);
        assert_eq!(sum(&[1e300, 1.0]).total().users(), 1e300);
        assert_eq!(sum(&[0.1, 0.2]).total().users(), 0.1 + 0.2);
        assert_eq!(sum(&[f64::NAN, f64::INFINITY]).read(), [0.0, 0.0]);
    }

    proptest! {
        #[test]
        fn any_order_and_any_split_give_the_same_bits(
            values in proptest::collection::vec(prop_oneof![-1e3..1e3, -1e12..1e12, Just(0.1), Just(1e300)], 0..40),
            cut in 0usize..40,
        ) {
            let mut whole = ExactSums::<1>::default();
            values.iter().for_each(|value| whole.add(0, *value));
            let (left, right) = values.split_at(cut.min(values.len()));
            let mut parts = [ExactSums::<1>::default(), ExactSums::default()];
            left.iter().rev().for_each(|value| parts[1].add(0, *value));
            right.iter().rev().for_each(|value| parts[0].add(0, *value));
            let [mut merged, other] = parts;
            let bytes = postcard::to_allocvec(&other).unwrap();
            merged.merge(&postcard::from_bytes(&bytes).unwrap());
            prop_assert_eq!(merged.users().to_bits(), whole.users().to_bits());
        }
    }
}

//! Rolling windows by prefix sums.
//!
//! ```text
//! prefix[t] = cells[0] + .. + cells[t - 1]
//! window[t] = prefix[t + 1] - prefix[max(0, t + 1 - length)]
//! ```
//!
//! One pass of prefix sums serves any set of window lengths. Sums are exact
//! (see [`crate::grid::exact`]), so a difference of prefixes is the sum of the
//! window to the last bit.

use std::borrow::Borrow;

use crate::grid::exact::Wide;
use crate::{Error, Result};

/// An exact sum: an integer part and, where needed, a fixed-point part.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sum {
    /// Integer part.
    pub int: i128,
    /// Sum of the values that are not 128-bit integers.
    pub wide: Option<Box<Wide>>,
}

impl Sum {
    /// The double nearest to the sum.
    pub fn to_f64(&self) -> f64 {
        match &self.wide {
            // 64 bits convert in one instruction; the result is the same.
            None => i64::try_from(self.int).map_or_else(|_| self.int as f64, |int| int as f64),
            Some(wide) => {
                let mut sum = (**wide).clone();
                sum.add_int(self.int);
                sum.to_f64()
            }
        }
    }

    /// The sum of both; `TooLarge` where it does not fit 128 bits.
    pub fn plus(&self, other: &Sum) -> Result<Sum> {
        let wide = match (&self.wide, &other.wide) {
            (None, None) => None,
            (a, b) => {
                let mut sum = Box::<Wide>::default();
                a.iter().chain(b).for_each(|w| sum.merge(w));
                Some(sum)
            }
        };
        Ok(Sum { int: self.int.checked_add(other.int).ok_or_else(overflow)?, wide })
    }

    /// The sum without `other`; `TooLarge` where it does not fit 128 bits.
    pub fn minus(&self, other: &Sum) -> Result<Sum> {
        let wide = other.wide.as_ref().map(|other| {
            let mut rest = self.wide.clone().unwrap_or_default();
            rest.subtract(other);
            rest
        });
        let wide = wide.or_else(|| self.wide.clone());
        Ok(Sum { int: self.int.checked_sub(other.int).ok_or_else(overflow)?, wide })
    }
}

#[cold]
fn overflow() -> Error {
    Error::too_large("a window's sum that does not fit 128 bits")
        .expected("sums of at most 38 digits")
        .advice("Check the value column: its numbers are implausibly large")
}

/// Prefix sums of a series. The sum of any window is a difference of two.
pub struct Prefix {
    ints: Vec<i128>,
    /// As long as `ints` where any step has a fixed-point part; else empty.
    wides: Vec<Wide>,
}

impl Prefix {
    /// The prefix sums of `cells`, one a step of the axis; `TooLarge` where one does not fit 128 bits.
    pub fn new(cells: impl IntoIterator<Item: Borrow<Sum>>) -> Result<Self> {
        let cells = cells.into_iter();
        let mut prefix = Prefix { ints: Vec::with_capacity(cells.size_hint().0 + 1), wides: Vec::new() };
        let (mut int, mut wide) = (0i128, Wide::default());
        prefix.ints.push(0);
        for cell in cells {
            let cell = cell.borrow();
            int = int.checked_add(cell.int).ok_or_else(overflow)?;
            if let Some(cell) = &cell.wide {
                prefix.wides.resize(prefix.ints.len(), wide.clone());
                wide.merge(cell);
            }
            prefix.ints.push(int);
            if !prefix.wides.is_empty() {
                prefix.wides.push(wide.clone());
            }
        }
        Ok(prefix)
    }

    /// The prefix sums of the series without those of `part`, which has as many steps.
    ///
    /// # Errors
    /// `TooLarge` where one does not fit 128 bits.
    pub fn without(&self, part: &Prefix) -> Result<Prefix> {
        let rest =
            self.ints.iter().zip(&part.ints).map(|(all, part)| all.checked_sub(*part).ok_or_else(overflow));
        let ints = rest.collect::<Result<Vec<i128>>>()?;
        let none = Wide::default();
        let wides = (0..ints.len()).filter(|_| !self.wides.is_empty() || !part.wides.is_empty()).map(|at| {
            let mut rest = self.wides.get(at).cloned().unwrap_or_default();
            rest.subtract(part.wides.get(at).unwrap_or(&none));
            rest
        });
        let wides = wides.collect();
        Ok(Prefix { ints, wides })
    }

    /// The sum of the `length` steps that end with step `end`, or of all steps up to
    /// `end` where there are fewer.
    pub fn window(&self, end: usize, length: u32) -> Result<Sum> {
        let (to, from) = (end + 1, (end + 1).saturating_sub(length as usize));
        let (Some(last), Some(first)) = (self.ints.get(to), self.ints.get(from)) else {
            return Err(Error::internal("a window past the end of the axis"));
        };
        let wide = self.wides.get(to).zip(self.wides.get(from)).map(|(last, first)| {
            let mut sum = Box::new(last.clone());
            sum.subtract(first);
            sum
        });
        Ok(Sum { int: last.checked_sub(*first).ok_or_else(overflow)?, wide })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::cast_possible_truncation)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sum(value: f64) -> Sum {
        let mut wide = Wide::default();
        wide.add(value);
        Sum { int: 0, wide: Some(Box::new(wide)) }
    }

    proptest! {
        #[test]
        fn a_window_is_the_sum_of_its_steps(
            cells in proptest::collection::vec(-1000i128..1000, 1..60), length in 1u32..70,
        ) {
            let prefix = Prefix::new(cells.iter().map(|v| Sum { int: *v, wide: None })).unwrap();
            for end in 0..cells.len() {
                let start = (end + 1).saturating_sub(length as usize);
                let naive: i128 = cells[start..=end].iter().sum();
                prop_assert_eq!(prefix.window(end, length).unwrap().int, naive);
            }
        }
    }

    #[test]
    fn a_huge_value_has_no_effect_on_later_windows() {
        let prefix = Prefix::new([0.1, 1e300, 0.2, 0.3].map(sum)).unwrap();
        assert_eq!(prefix.window(3, 2).unwrap().to_f64(), 0.5);
        assert_eq!(prefix.window(2, 1).unwrap().to_f64(), 0.2);
        assert!(prefix.window(4, 1).is_err());
        let full = Prefix::new([i128::MAX, 1].map(|int| Sum { int, wide: None }));
        assert!(full.is_err());
    }
}

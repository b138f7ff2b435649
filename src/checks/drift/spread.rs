//! Robust spread.
//!
//! The median absolute deviation, times 1.4826, estimates the standard deviation
//! of normal data, and up to half of the points may be wrong: F. R. Hampel, "The
//! Influence Curve and its Role in Robust Estimation", JASA 69 (1974), 383-393;
//! B. Iglewicz and D. C. Hoaglin, "How to Detect and Handle Outliers" (1993).

/// 1 / (0.75 quantile of the standard normal distribution).
pub const MAD_TO_SIGMA: f64 = 1.482_602_218_505_602;

/// The median; `None` if there are no values.
pub fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    if values.len() % 2 == 1 {
        return Some(upper);
    }
    values.get(values.len() / 2 - 1).map(|lower| f64::midpoint(*lower, upper))
}

/// The median and the spread of values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// Their median.
    pub median: f64,
    /// 1.4826 x MAD, widened by 1 + 4 / n, because few points give an uncertain estimate.
    pub sigma: f64,
}

impl Spread {
    /// Median and spread of values; `None` if there are none. `floor` is the smallest sigma before widening.
    #[allow(clippy::cast_precision_loss)] // some dozens
    pub fn of(values: &[f64], floor: f64) -> Option<Spread> {
        let mut sorted = values.to_vec();
        let centre = median(&mut sorted)?;
        sorted.iter_mut().for_each(|value| *value = (*value - centre).abs());
        let mad = median(&mut sorted)?;
        let widened = 1.0 + 4.0 / values.len() as f64;
        Some(Spread { median: centre, sigma: (MAD_TO_SIGMA * mad).max(floor) * widened })
    }

    /// The signed distance of `value` from the range spanned by the median and `references`; 0 inside.
    pub fn away(&self, value: f64, references: &[Option<f64>]) -> f64 {
        let all = || references.iter().flatten().copied().chain([self.median]);
        let (low, high) = (all().fold(f64::INFINITY, f64::min), all().fold(f64::NEG_INFINITY, f64::max));
        if value > high {
            value - high
        } else if value < low {
            value - low
        } else {
            0.0
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_points_may_be_wrong() {
        assert_eq!(median(&mut []), None);
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&mut [4.0, 1.0, 2.0, 3.0]), Some(2.5));
        let spread = Spread::of(&[1.0, 2.0, 3.0, 4.0, 5.0, 1e9, 1e9], 0.0).unwrap();
        assert_eq!(spread.median, 4.0);
        assert!((spread.sigma - MAD_TO_SIGMA * 2.0 * (1.0 + 4.0 / 7.0)).abs() < 1e-12);
        assert_eq!(Spread::of(&[1.0; 8], 0.5).unwrap().sigma, 0.75);
    }

    #[test]
    fn a_published_level_is_no_deviation() {
        let spread = Spread { median: 10.0, sigma: 1.0 };
        assert_eq!(spread.away(14.0, &[None, None]), 4.0);
        assert_eq!(spread.away(14.0, &[Some(15.0), None]), 0.0);
        assert_eq!(spread.away(14.0, &[Some(13.0), Some(8.0)]), 1.0);
        assert_eq!(spread.away(6.0, &[Some(13.0), Some(8.0)]), -2.0);
    }
}

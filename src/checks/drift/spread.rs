//! Robust spread.
//!
//! Qn, the quartile of the distances of all pairs of points, estimates the standard
//! deviation of normal data, and up to half of the points may be wrong. It needs no
//! centre, and uses few points better than the median absolute deviation does:
//! P. J. Rousseeuw and C. Croux, "Alternatives to the Median Absolute Deviation",
//! JASA 88 (1993), 1273-1283; factors for few points from their "Time-Efficient
//! Algorithms for Two Highly Robust Estimators of Scale" (1992).

/// The median; `None` if there are no values.
pub fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    if values.len() % 2 == 1 {
        return Some(upper);
    }
    values.get(values.len() / 2 - 1).map(|lower| f64::midpoint(*lower, upper))
}

/// Qn of normal data, as a multiple of its standard deviation, is one by this.
const QN_TO_SIGMA: f64 = 2.2219;
/// What Qn of 2 to 9 points is multiplied by besides.
const FEW: [f64; 8] = [0.399, 0.994, 0.512, 0.844, 0.611, 0.857, 0.669, 0.872];

/// The standard deviation of values, estimated by Qn; 0 for fewer than two.
#[allow(clippy::cast_precision_loss)] // some dozens
pub fn deviation(values: &[f64]) -> f64 {
    let n = values.len();
    let mut distances: Vec<f64> = Vec::with_capacity(n * n / 2);
    for (at, value) in values.iter().enumerate() {
        distances.extend(values.iter().skip(at + 1).map(|other| (value - other).abs()));
    }
    let half = n / 2 + 1;
    let rank = half * (half - 1) / 2;
    if n < 2 || rank > distances.len() {
        return 0.0;
    }
    let (_, quartile, _) = distances.select_nth_unstable_by(rank - 1, f64::total_cmp);
    let few = FEW.get(n - 2).copied();
    let all = n as f64;
    *quartile * QN_TO_SIGMA * few.unwrap_or(if n % 2 == 1 { all / (all + 1.4) } else { all / (all + 3.8) })
}

/// The median and the spread of values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// Their median.
    pub median: f64,
    /// Their standard deviation by Qn, widened by 1 + 4 / n, because few points give an uncertain estimate.
    pub sigma: f64,
}

impl Spread {
    /// Median and spread of values; `None` if there are none. `floor` is the smallest sigma before widening.
    #[allow(clippy::cast_precision_loss)] // some dozens
    pub fn of(values: &[f64], floor: f64) -> Option<Spread> {
        let centre = median(&mut values.to_vec())?;
        let widened = 1.0 + 4.0 / values.len() as f64;
        Some(Spread { median: centre, sigma: deviation(values).max(floor) * widened })
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

/// The weight, in points, of the noise of similar series.
const SIMILAR_WEIGHT: f64 = 8.0;
/// A series is similar to one of at most four times its size.
const SIMILAR: f64 = 0.25;

/// The noise of a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Noise {
    /// The number of its points.
    pub n: usize,
    /// Its usual size, in users.
    pub size: f64,
    /// The variance of its points.
    pub variance: f64,
    /// The part of the variance that chance alone explains, as of any count.
    pub counting: f64,
}

impl Noise {
    /// The variance as estimated from the series and similar ones: few points that happen to lie close to one another
    /// do not make a series a quiet one.
    #[allow(clippy::cast_precision_loss)] // some dozens
    pub fn pooled(&self, all: &[Noise]) -> f64 {
        let similar = all.iter().filter(|other| other.size >= SIMILAR * self.size);
        let mut beyond: Vec<f64> = similar.map(|other| (other.variance - other.counting).max(0.0)).collect();
        let beyond = median(&mut beyond).unwrap_or_default();
        let n = self.n as f64;
        (n * self.variance + SIMILAR_WEIGHT * (beyond + self.counting)) / (n + SIMILAR_WEIGHT)
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
        // Of the 21 distances the sixth is 2: 1, 1, 1, 1 between neighbours, 0 between the last two.
        let spread = Spread::of(&[1.0, 2.0, 3.0, 4.0, 5.0, 1e9, 1e9], 0.0).unwrap();
        assert_eq!(spread.median, 4.0);
        assert!((spread.sigma - 2.0 * QN_TO_SIGMA * 0.857 * (1.0 + 4.0 / 7.0)).abs() < 1e-12);
        assert_eq!((deviation(&[]), deviation(&[1.0])), (0.0, 0.0));
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

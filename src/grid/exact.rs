//! Sums that are exact in any order.
//!
//! A sum is a 128-bit integer and, only where a value is fractional or huge,
//! a fixed-point number wide enough for every double ([`Wide`]). Additions are
//! exactly commutative and associative, so threads, row order and file splits
//! cannot change the result. Rounding happens once, when the sum is read.

/// A fixed-point number that holds any sum of doubles exactly.
///
/// Digit `i` counts units of 2^(32 i - 1074): 2^-1074 is the smallest subnormal
/// double. A double touches three neighbouring digits; the carry is left in
/// each digit's upper 31 bits for up to 2^30 additions, as in R. Neal, "Fast
/// exact summation using small and large superaccumulators" (arXiv:1505.05571).
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(into = "Vec<i64>", try_from = "Vec<i64>")]
pub struct Wide {
    digits: [i64; DIGITS],
    /// Additions since the digits were last carried.
    pending: u32,
}

/// 2^1024 / 2^-1074 is 2098 bits; 64 more bits for the count of addends.
const DIGITS: usize = 68;
/// 2^-1074 is the unit.
const UNIT_EXPONENT: i32 = 1074;
/// Each addition adds less than 2^32 to a digit: 2^30 of them stay below 2^63.
const MAX_PENDING: u32 = 1 << 30;

impl From<Wide> for Vec<i64> {
    fn from(mut wide: Wide) -> Self {
        wide.carry();
        wide.digits.to_vec()
    }
}

impl TryFrom<Vec<i64>> for Wide {
    type Error = &'static str;

    fn try_from(digits: Vec<i64>) -> Result<Self, Self::Error> {
        let digits: [i64; DIGITS] = digits.try_into().map_err(|_| "a sum of another width")?;
        let (top, rest) = digits.split_last().ok_or("a sum without digits")?;
        // The ranges that `carry` leaves; the top digit counts at most 2^64 addends.
        if rest.iter().any(|d| !(0..1 << 32).contains(d)) || top.unsigned_abs() >= 1 << 62 {
            return Err("a digit out of range");
        }
        Ok(Wide { digits, pending: 1 })
    }
}

impl Default for Wide {
    fn default() -> Self {
        Wide { digits: [0; DIGITS], pending: 0 }
    }
}

#[allow(clippy::indexing_slicing)] // digit numbers follow from the exponent's range
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_possible_wrap)]
impl Wide {
    /// Adds a finite double.
    pub fn add(&mut self, value: f64) {
        let (mantissa, shift) = parts(value);
        self.add_shifted(u128::from(mantissa), shift, value.is_sign_negative());
    }

    /// Adds an integer.
    pub fn add_int(&mut self, value: i128) {
        let magnitude = value.unsigned_abs();
        let negative = value < 0;
        // In halves, so that the shifted magnitude fits 128 bits.
        self.add_shifted(magnitude & u128::from(u64::MAX), UNIT_EXPONENT as u32, negative);
        self.add_shifted(magnitude >> 64, UNIT_EXPONENT as u32 + 64, negative);
    }

    /// Adds `value * 2^-bits`.
    pub fn add_fraction(&mut self, value: i128, bits: u32) {
        let magnitude = value.unsigned_abs();
        let shift = (UNIT_EXPONENT as u32).saturating_sub(bits);
        self.add_shifted(magnitude & u128::from(u64::MAX), shift, value < 0);
        self.add_shifted(magnitude >> 64, shift + 64, value < 0);
    }

    /// Adds a finite double `times` times.
    pub fn add_times(&mut self, value: f64, times: u64) {
        let (mantissa, shift) = parts(value);
        let product = u128::from(mantissa) * u128::from(times);
        self.add_shifted(product & u128::from(u64::MAX), shift, value < 0.0);
        self.add_shifted(product >> 64, shift + 64, value < 0.0);
    }

    /// Adds `magnitude * 2^(shift - 1074)`; `magnitude` has at most 64 bits.
    fn add_shifted(&mut self, magnitude: u128, shift: u32, negative: bool) {
        let first = (shift / 32) as usize;
        let mut rest = magnitude << (shift % 32);
        for digit in &mut self.digits[first..] {
            if rest == 0 {
                break;
            }
            let part = (rest & 0xffff_ffff) as i64;
            *digit += if negative { -part } else { part };
            rest >>= 32;
        }
        self.count(1);
    }

    /// Adds another sum.
    pub fn merge(&mut self, other: &Wide) {
        let mut other = other.clone();
        other.carry();
        for (a, b) in self.digits.iter_mut().zip(other.digits) {
            *a += b;
        }
        self.count(1);
    }

    /// Subtracts another sum.
    pub fn subtract(&mut self, other: &Wide) {
        let mut other = other.clone();
        other.carry();
        for (a, b) in self.digits.iter_mut().zip(other.digits) {
            *a -= b;
        }
        self.count(1);
    }

    fn count(&mut self, n: u32) {
        self.pending += n;
        if self.pending >= MAX_PENDING {
            self.carry();
        }
    }

    /// Brings all digits but the last into 0..2^32; the last takes the sign.
    fn carry(&mut self) {
        let mut carry = 0;
        for digit in &mut self.digits[..DIGITS - 1] {
            let sum = *digit + carry;
            *digit = sum & 0xffff_ffff;
            carry = sum >> 32;
        }
        self.digits[DIGITS - 1] += carry;
        self.pending = 1;
    }

    /// The nearest double, ties to even; beyond the largest, infinity.
    pub fn to_f64(&self) -> f64 {
        let mut sum = self.clone();
        sum.carry();
        let negative = sum.digits[DIGITS - 1] < 0;
        if negative {
            for digit in &mut sum.digits {
                *digit = -*digit;
            }
            sum.carry();
        }
        let Some(top) = sum.digits.iter().rposition(|d| *d != 0) else { return 0.0 };
        // The top three digits hold at least 65 significant bits; the digits
        // below only decide whether a tie is exact.
        let digit = |back: usize| top.checked_sub(back).map_or(0, |at| sum.digits[at] as u128);
        let mut window = digit(0) << 64 | digit(1) << 32 | digit(2);
        let sticky = top > 2 && sum.digits[..top - 2].iter().any(|d| *d != 0);
        // value = window * 2^(32 (top - 2) - 1074)
        let mut exponent = 32 * (top as i32 - 2) - UNIT_EXPONENT;
        let length = 128 - window.leading_zeros() as i32;
        // Keep 53 bits, fewer where that would pass the smallest subnormal.
        let drop = (length - 53).max(-UNIT_EXPONENT - exponent).max(0);
        let half = 1u128 << drop >> 1;
        let rest = window & ((1u128 << drop) - 1);
        window >>= drop;
        exponent += drop;
        if drop > 0 && (rest > half || rest == half && (sticky || window & 1 == 1)) {
            window += 1;
        }
        // Exact in two steps: 53 bits times powers of two, no second rounding,
        // because bits below the subnormal limit were dropped above.
        let magnitude = if exponent > 971 {
            f64::INFINITY
        } else {
            let half = exponent / 2;
            window as f64 * 2f64.powi(half) * 2f64.powi(exponent - half)
        };
        if negative { -magnitude } else { magnitude }
    }
}

/// Mantissa and shift of a finite double: `mantissa * 2^(shift - 1074)` is its magnitude.
#[allow(clippy::cast_possible_truncation)] // an exponent has 11 bits
fn parts(value: f64) -> (u64, u32) {
    debug_assert!(value.is_finite());
    let bits = value.to_bits();
    let exponent = ((bits >> 52) & 0x7ff) as u32;
    let fraction = bits & ((1 << 52) - 1);
    if exponent == 0 { (fraction, 0) } else { (fraction | 1 << 52, exponent - 1) }
}

#[cfg(test)]
#[allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap, clippy::cast_sign_loss)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn wide(values: &[f64]) -> Wide {
        let mut sum = Wide::default();
        for v in values {
            sum.add(*v);
        }
        sum
    }

    proptest! {
        #[test]
        fn one_double_comes_back(bits: u64) {
            let v = f64::from_bits(bits);
            prop_assume!(v.is_finite());
            prop_assert_eq!(wide(&[v]).to_f64(), v);
        }

        #[test]
        fn integers_round_as_the_hardware_does(v: i128) {
            let mut sum = Wide::default();
            sum.add_int(v);
            prop_assert_eq!(sum.to_f64(), v as f64);
        }

        #[test]
        fn two_doubles_round_as_the_hardware_does(a: u64, b: u64) {
            let (a, b) = (f64::from_bits(a), f64::from_bits(b));
            prop_assume!(a.is_finite() && b.is_finite());
            prop_assert_eq!(wide(&[a, b]).to_f64(), a + b);
        }

        #[test]
        fn near_doubles_round_as_the_hardware_does(a: u64, ulps in 0u64..1 << 54) {
            let (a, b) = (f64::from_bits(a), -f64::from_bits(a.wrapping_add(ulps)));
            prop_assume!(a.is_finite() && b.is_finite());
            prop_assert_eq!(wide(&[a, b]).to_f64(), a + b);
        }

        #[test]
        fn fractions_and_multiples_are_what_they_say(a: i64, times in 0u64..1 << 40, v in -1e9f64..1e9) {
            let mut sum = Wide::default();
            sum.add_fraction(a.into(), 62);
            prop_assert_eq!(sum.to_f64(), a as f64 / 2f64.powi(62));
            let (mut many, mut few) = (Wide::default(), wide(&[]));
            many.add_times(v, times % 50);
            (0..times % 50).for_each(|_| few.add(v));
            prop_assert_eq!(many.to_f64().to_bits(), few.to_f64().to_bits());
            let mut exact = Wide::default();
            exact.add_times(3.0, times);
            prop_assert_eq!(exact.to_f64(), (3 * times) as f64);
        }

        #[test]
        fn order_and_grouping_do_not_matter(mut v in proptest::collection::vec(-1e300f64..1e300, 0..40), at in 0usize..40) {
            let whole = wide(&v);
            let at = at.min(v.len());
            let mut parts = wide(&v[at..]);
            parts.merge(&wide(&v[..at]));
            v.reverse();
            prop_assert_eq!(whole.to_f64().to_bits(), parts.to_f64().to_bits());
            prop_assert_eq!(whole.to_f64().to_bits(), wide(&v).to_f64().to_bits());
            parts.subtract(&whole);
            prop_assert_eq!(parts.to_f64(), 0.0);
        }
    }

    #[test]
    fn cancellation_leaves_the_small_rest() {
        assert_eq!(wide(&[1e300, 0.1, -1e300]).to_f64(), 0.1);
        assert_eq!(wide(&[f64::MAX, f64::MAX]).to_f64(), f64::INFINITY);
        assert_eq!(wide(&[5e-324, 5e-324]).to_f64(), 1e-323);
        assert_eq!(wide(&[-0.0]).to_f64(), 0.0);
    }
}

//! Numbers: the type of a column, and each distinct value as an exact number.

use crate::kernel::runs::NARROW;
use crate::parquet::schema::{Leaf, Logical, Physical};
use crate::{Error, Result};

/// The number type of a column. Files of one job must agree on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum ValueType {
    /// Signed or unsigned integers of 8 to 64 bits.
    Int {
        /// Width.
        bits: u8,
        /// Whether negative numbers are possible.
        signed: bool,
    },
    /// IEEE 754 binary16.
    Float16,
    /// IEEE 754 binary32.
    Float32,
    /// IEEE 754 binary64.
    Float64,
    /// Integers times 10^-scale.
    Decimal {
        /// Decimal digits.
        precision: u8,
        /// Digits after the point.
        scale: i8,
    },
    /// A column without values.
    Null,
}

impl std::fmt::Display for ValueType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ValueType::Int { bits, signed } => write!(f, "{}int{bits}", if *signed { "" } else { "u" }),
            ValueType::Float16 => f.write_str("float16"),
            ValueType::Float32 => f.write_str("float"),
            ValueType::Float64 => f.write_str("double"),
            ValueType::Decimal { precision, scale } => write!(f, "decimal({precision}, {scale})"),
            ValueType::Null => f.write_str("null"),
        }
    }
}

impl ValueType {
    /// The number type of a parquet column.
    ///
    /// # Errors
    /// `Data` if the column has no numbers, `Format` for an invalid decimal.
    pub fn of(leaf: &Leaf) -> Result<Self> {
        let decimal = |precision: i32, scale: i32| match (u8::try_from(precision), i8::try_from(scale)) {
            (Ok(precision), Ok(scale)) if scale >= 0 => Ok(ValueType::Decimal { precision, scale }),
            _ => Err(Error::format(format!("decimal({precision}, {scale})"))
                .expected("a precision of 1 to 38 and a scale not below 0")),
        };
        match (leaf.physical, leaf.logical) {
            (_, Logical::Null) => Ok(ValueType::Null),
            (
                Physical::Int32 | Physical::Int64 | Physical::ByteArray | Physical::FixedLenByteArray,
                Logical::Decimal { precision, scale },
            ) => decimal(precision, scale),
            (Physical::Int32 | Physical::Int64, Logical::Integer { bits, signed }) => {
                Ok(ValueType::Int { bits, signed })
            }
            (Physical::Int32, Logical::None) => Ok(ValueType::Int { bits: 32, signed: true }),
            (Physical::Int64, Logical::None) => Ok(ValueType::Int { bits: 64, signed: true }),
            (Physical::Float, _) => Ok(ValueType::Float32),
            (Physical::Double, _) => Ok(ValueType::Float64),
            (Physical::FixedLenByteArray, Logical::Float16) if leaf.type_length == 2 => {
                Ok(ValueType::Float16)
            }
            (physical, logical) => Err(Error::data(format!("the values are {physical:?} ({logical:?})"))
                .expected("a number: integer, float, double or decimal")),
        }
    }

    /// A stored value as a number. `raw` is its PLAIN encoding.
    ///
    /// # Errors
    /// `Format` if `raw` is too short, `TooLarge` for a decimal of more than 128 bits.
    pub fn number(self, physical: Physical, raw: &[u8]) -> Result<Number> {
        let short = || Error::format(format!("a {self} of {} bytes", raw.len()));
        let bits32 = || raw.first_chunk().map(|b| u32::from_le_bytes(*b)).ok_or_else(short);
        let bits64 = || raw.first_chunk().map(|b| u64::from_le_bytes(*b)).ok_or_else(short);
        match (self, physical) {
            (ValueType::Null, _) => Ok(Number::Null),
            (ValueType::Float32, _) => Ok(Number::real(f64::from(f32::from_bits(bits32()?)))),
            (ValueType::Float64, _) => Ok(Number::real(f64::from_bits(bits64()?))),
            (ValueType::Float16, _) => {
                let half = raw.first_chunk().map(|b| u16::from_le_bytes(*b)).ok_or_else(short)?;
                Ok(Number::real(half::f16::from_bits(half).to_f64()))
            }
            (_, Physical::Int32 | Physical::Int64) => {
                let bits = if physical == Physical::Int32 { u64::from(bits32()?) } else { bits64()? };
                Ok(Number::int(self.integer(physical, bits)))
            }
            // Decimals as bytes: big-endian two's complement.
            _ => big_endian(raw).map(Number::int).ok_or_else(|| {
                Error::too_large(format!("a {self} of {} bytes", raw.len())).expected("at most 128 bits")
            }),
        }
    }

    /// Writes the numbers of `bits` to `out` as integers; returns false, with `out` undefined, if one is
    /// not [`Number::Small`].
    pub fn small_integers(self, physical: Physical, bits: &[u64], out: &mut [i64]) -> bool {
        // The sum of this and a double has the integer in its last bits, and the difference gives the
        // double back if it was an integer of up to 51 bits. Not every instruction set has a vector
        // conversion.
        const SHIFT: f64 = 1.5 * (1u64 << 52) as f64;
        fn reals(bits: &[u64], out: &mut [i64], real: impl Fn(u64) -> f64) -> bool {
            let mut small = true;
            for (out, bits) in out.iter_mut().zip(bits) {
                let value = real(*bits);
                let moved = value + SHIFT;
                *out = moved.to_bits().wrapping_sub(SHIFT.to_bits()).cast_signed();
                small &= (moved - SHIFT == value) & (value.abs() <= SMALL as f64);
            }
            small
        }
        match self {
            #[allow(clippy::cast_possible_truncation)] // the low half is the 32-bit pattern
            ValueType::Float32 => reals(bits, out, |bits| f64::from(f32::from_bits(bits as u32))),
            ValueType::Float64 => reals(bits, out, f64::from_bits),
            ValueType::Null | ValueType::Float16 => false,
            // By far the most common type: no 128-bit integers, and only comparisons that every vector
            // instruction set has.
            ValueType::Int { signed: true, .. } if physical == Physical::Int64 => {
                let mut high = 0;
                for (out, bits) in out.iter_mut().zip(bits) {
                    *out = bits.cast_signed();
                    high |= out.wrapping_add(SMALL).cast_unsigned() >> (SMALL.ilog2() + 1);
                }
                high == 0 || out.iter().all(|value| value.unsigned_abs() <= SMALL.unsigned_abs())
            }
            ValueType::Int { .. } | ValueType::Decimal { .. } => {
                bits.iter().zip(out).fold(true, |small, (bits, out)| {
                    let number = Number::int(self.integer(physical, *bits));
                    let Number::Small(value) = number else { return false };
                    *out = value;
                    small
                })
            }
        }
    }

    /// The integer that the bits of an INT32 or INT64 represent.
    #[inline]
    #[allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap)] // the bits are reinterpreted
    pub fn integer(self, physical: Physical, bits: u64) -> i128 {
        match (self, physical) {
            (ValueType::Int { signed: false, .. }, Physical::Int32) => i128::from(bits as u32),
            (ValueType::Int { signed: false, .. }, _) => i128::from(bits),
            (_, Physical::Int32) => i128::from(bits as u32 as i32),
            _ => i128::from(bits as i64),
        }
    }
}

fn big_endian(raw: &[u8]) -> Option<i128> {
    let negative = raw.first().is_some_and(|b| b & 0x80 != 0);
    let fill = if negative { 0xff } else { 0 };
    let extra = raw.len().saturating_sub(16);
    let (sign, body) = raw.split_at(extra);
    let fits = sign.iter().all(|b| *b == fill)
        && (sign.is_empty() || body.first().is_some_and(|b| (b & 0x80 != 0) == negative));
    fits.then(|| body.iter().fold(if negative { -1 } else { 0 }, |v, b| v << 8 | i128::from(*b)))
}

/// Integers of at most this magnitude take the fast path: the sum of 2^22 of them fits
/// 64 bits.
pub const SMALL: i64 = 1 << 40;

/// A value as an exact number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// At most [`SMALL`] in magnitude.
    Small(i64),
    /// Any other integer.
    Big(i128),
    /// A double that is not a 128-bit integer.
    Real(f64),
    /// Not a number.
    Nan,
    /// Infinite; true if negative.
    Infinite(bool),
    /// No value.
    Null,
}

impl Number {
    /// An integer.
    #[inline]
    #[allow(clippy::cast_possible_truncation)] // checked against SMALL
    pub fn int(value: i128) -> Self {
        if value.unsigned_abs() <= u128::from(SMALL.unsigned_abs()) {
            Number::Small(value as i64)
        } else {
            Number::Big(value)
        }
    }

    /// A double; an integer if it is one below 2^126 in magnitude.
    #[inline]
    #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)] // compared after the round trip
    pub fn real(value: f64) -> Self {
        let small = value as i64;
        if small as f64 == value && small.unsigned_abs() <= SMALL.unsigned_abs() {
            return Number::Small(small);
        }
        if value.is_nan() {
            Number::Nan
        } else if value.is_infinite() {
            Number::Infinite(value < 0.0)
        } else if value.abs() < 2f64.powi(126) && value.trunc() == value {
            Number::Big(value as i128)
        } else {
            Number::Real(value)
        }
    }
}

/// The numbers of a chunk's value ids, split for the hot loops: one dense table has the small
/// integers, and zero for every other number.
#[derive(Debug, Default)]
pub struct ValueTable {
    /// Small integers by value id.
    pub ints: Vec<i64>,
    /// All numbers by value id, small or not.
    pub numbers: Vec<Number>,
    /// Largest magnitude in `ints`.
    pub max: u64,
    /// Whether any value id but the null value id is not a small integer.
    pub special: bool,
    /// The first value id of zero.
    pub zero: Option<u16>,
    /// `ints` in 32 bits, as long as all of them are below
    /// [`crate::kernel::runs::NARROW`]; else empty.
    pub narrow: Vec<i32>,
}

impl ValueTable {
    /// Removes all value ids.
    pub fn clear(&mut self) {
        self.ints.clear();
        self.numbers.clear();
        self.max = 0;
        self.special = false;
        self.zero = None;
        self.narrow.clear();
    }

    /// Appends value ids with these raw bits, if all are small integers. Otherwise returns false and
    /// appends nothing.
    #[allow(clippy::indexing_slicing)] // the table has just grown
    pub fn push_small(&mut self, kind: ValueType, physical: Physical, bits: &[u64]) -> bool {
        let before = self.ints.len();
        self.ints.resize(before + bits.len(), 0);
        let ints = &mut self.ints[before..];
        if !kind.small_integers(physical, bits, ints) {
            self.ints.truncate(before);
            return false;
        }
        self.max = ints.iter().fold(self.max, |max, v| max.max(v.unsigned_abs()));
        if self.zero.is_none() {
            self.zero = ints.iter().position(|v| *v == 0).and_then(|at| u16::try_from(before + at).ok());
        }
        if self.max >= NARROW {
            self.narrow.clear();
        } else {
            #[allow(clippy::cast_possible_truncation)] // below NARROW
            self.narrow.extend(ints.iter().map(|v| *v as i32));
        }
        self.numbers.extend(ints.iter().map(|v| Number::Small(*v)));
        true
    }

    /// Appends a value id with this number.
    pub fn push(&mut self, number: Number) {
        let mut int = 0;
        if let Number::Small(v) = number {
            int = v;
            self.max = self.max.max(v.unsigned_abs());
            if v == 0 && self.zero.is_none() {
                self.zero = u16::try_from(self.ints.len()).ok();
            }
        } else {
            self.special |= number != Number::Null;
        }
        if self.max >= NARROW {
            self.narrow.clear();
        } else if let Ok(narrow) = i32::try_from(int) {
            self.narrow.push(narrow);
        }
        self.ints.push(int);
        self.numbers.push(number);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::cast_possible_truncation)]
mod tests {
    use super::*;

    #[test]
    fn doubles_become_integers_exactly_where_they_are() {
        assert_eq!(Number::real(3.0), Number::Small(3));
        assert_eq!(Number::real(-0.0), Number::Small(0));
        assert_eq!(Number::real(0.5), Number::Real(0.5));
        assert_eq!(Number::real(16_777_217e20), Number::Big(16_777_217e20 as i128));
        assert_eq!(Number::real(1e300), Number::Real(1e300));
        assert_eq!(Number::real(f64::NEG_INFINITY), Number::Infinite(true));
        assert_eq!(Number::real(f64::NAN), Number::Nan);
        assert_eq!(Number::int(1 << 40), Number::Small(1 << 40));
        assert_eq!(Number::int(-(1 << 40) - 1), Number::Big(-(1 << 40) - 1));
    }

    #[test]
    fn small_integers_are_found_or_declined() {
        let mut out = [0; 3];
        let bits = |values: [f32; 3]| values.map(|v| u64::from(v.to_bits()));
        assert!(ValueType::Float32.small_integers(Physical::Float, &bits([0.0, -3.0, 1e6]), &mut out));
        assert_eq!(out, [0, -3, 1_000_000]);
        for (value, is_small) in [
            (-0.0, true),
            (SMALL as f64, true),
            (-(SMALL as f64), true),
            (SMALL as f64 - 1.0, true),
            (SMALL as f64 + 1.0, false),
            (SMALL as f64 - 0.5, false),
            (0.5 - SMALL as f64, false),
            (1e-300, false),
            (3.5, false),
            (6_755_399_441_055_744.0, false),
            (-6_755_399_441_055_744.0, false),
            (9_007_199_254_740_993.0, false),
            (f64::MAX, false),
            (f64::INFINITY, false),
            (f64::NEG_INFINITY, false),
            (f64::NAN, false),
        ] {
            let bits = [2.0, value, -7.0].map(f64::to_bits);
            assert_eq!(
                ValueType::Float64.small_integers(Physical::Double, &bits, &mut out),
                is_small,
                "{value}"
            );
            assert!(!is_small || out == [2, value as i64, -7], "{value}");
        }
        for odd in [0.5, f32::NAN, f32::INFINITY, 1e30] {
            assert!(!ValueType::Float32.small_integers(Physical::Float, &bits([odd, 1.0, 1.0]), &mut out));
        }
        let int = ValueType::Int { bits: 32, signed: true };
        assert!(int.small_integers(Physical::Int32, &[0xffff_ffff, 1, 2], &mut out));
        assert_eq!(out, [-1, 1, 2]);
        let long = ValueType::Int { bits: 64, signed: true };
        assert!(!long.small_integers(Physical::Int64, &[1, 1 << 41, 2], &mut out));
        for (value, is_small) in [
            (SMALL - 1, true),
            (SMALL, true),
            (-SMALL, true),
            (SMALL + 1, false),
            (-SMALL - 1, false),
            (i64::MIN, false),
            (i64::MAX, false),
        ] {
            let bits = [1, value.cast_unsigned(), 3];
            assert_eq!(long.small_integers(Physical::Int64, &bits, &mut out), is_small, "{value}");
            assert!(!is_small || out == [1, value, 3]);
        }
    }

    #[test]
    fn numbers_pushed_together_equal_numbers_pushed_one_by_one() {
        let narrow = i64::try_from(NARROW).unwrap();
        let (double, long) = (ValueType::Float64, ValueType::Int { bits: 64, signed: true });
        for ints in [vec![], vec![3, 0, 5, 0], vec![-7], vec![1, narrow], vec![-narrow, 0], vec![SMALL, 1]] {
            for before in [vec![], vec![Number::Null], vec![Number::Small(0), Number::Small(narrow)]] {
                let mut one_by_one = ValueTable::default();
                let numbers = before.iter().copied().chain(ints.iter().map(|v| Number::Small(*v)));
                numbers.for_each(|number| one_by_one.push(number));
                for (kind, physical) in [(double, Physical::Double), (long, Physical::Int64)] {
                    let bits = |v: &i64| if kind == long { v.cast_unsigned() } else { (*v as f64).to_bits() };
                    let mut together = ValueTable::default();
                    before.iter().for_each(|number| together.push(*number));
                    assert!(together.push_small(kind, physical, &ints.iter().map(bits).collect::<Vec<_>>()));
                    assert_eq!(format!("{together:?}"), format!("{one_by_one:?}"));
                    // One of them is not a small integer: nothing is appended.
                    assert!(!together.push_small(kind, physical, &[1, 1 << 62 | 1]));
                    assert_eq!(format!("{together:?}"), format!("{one_by_one:?}"));
                }
            }
        }
    }

    #[test]
    fn stored_numbers() {
        let n = |t: ValueType, p, raw: &[u8]| t.number(p, raw).unwrap();
        let u32s = ValueType::Int { bits: 32, signed: false };
        assert_eq!(n(u32s, Physical::Int32, &[255; 4]), Number::Small(u32::MAX.into()));
        let i8s = ValueType::Int { bits: 8, signed: true };
        assert_eq!(n(i8s, Physical::Int32, &[255; 4]), Number::Small(-1));
        let decimal = ValueType::Decimal { precision: 38, scale: 2 };
        assert_eq!(n(decimal, Physical::FixedLenByteArray, &[0xff, 0xfe]), Number::Small(-2));
        assert_eq!(n(decimal, Physical::ByteArray, &[]), Number::Small(0));
        assert_eq!(
            n(decimal, Physical::ByteArray, &[[0xff; 16].as_slice(), &[0x80, 0]].concat()),
            Number::Small(-32768)
        );
        assert!(decimal.number(Physical::ByteArray, &[1; 17]).is_err());
        assert!(ValueType::Float64.number(Physical::Double, &[0; 7]).is_err());
        assert_eq!(n(ValueType::Float16, Physical::FixedLenByteArray, &[0, 0x3c]), Number::Small(1));
    }
}

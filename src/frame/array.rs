//! A column of a record batch: typed slices over the memory of the library that made it.

use std::sync::Arc;

use super::slice::{Plain, Slice, corrupt};
use super::text::Text;
use crate::ids::values::Number;
use crate::kernel::compare::{self, Lane};
use crate::{Error, Result};

/// A column of a batch.
#[derive(Clone)]
pub struct Array {
    /// Rows.
    pub len: usize,
    /// Which rows are null.
    pub nulls: Nulls,
    /// The values.
    pub data: Data,
}

/// Which rows of a column are null.
#[derive(Clone, Default)]
pub enum Nulls {
    /// No row is null.
    #[default]
    None,
    /// A row is null where its validity bit is not set.
    Unset(Bits),
    /// Nulls as pandas writes them: id -1 in a dictionary column, NaN in a float column.
    Within,
}

/// What a column is made of.
#[derive(Clone)]
pub enum Data {
    /// Every row is null.
    Null,
    /// A type that the job does not use.
    Unknown,
    /// Numbers, dates and times.
    Numbers(Numbers),
    /// Booleans.
    Bits(Bits),
    /// Strings.
    Text(Text),
    /// Ids into a dictionary.
    Coded(Codes, Arc<Array>),
}

/// Numbers of any width.
#[derive(Clone)]
#[allow(missing_docs)]
pub enum Numbers {
    I8(Slice<i8>),
    I16(Slice<i16>),
    I32(Slice<i32>),
    I64(Slice<i64>),
    /// Little-endian.
    I128(Slice<[u8; 16]>),
    /// Little-endian.
    I256(Slice<[u8; 32]>),
    U8(Slice<u8>),
    U16(Slice<u16>),
    U32(Slice<u32>),
    U64(Slice<u64>),
    /// Binary16, as bits.
    F16(Slice<u16>),
    F32(Slice<f32>),
    F64(Slice<f64>),
}

/// Ids of any width.
#[derive(Clone)]
#[allow(missing_docs)]
pub enum Codes {
    I8(Slice<i8>),
    I16(Slice<i16>),
    I32(Slice<i32>),
    I64(Slice<i64>),
    U8(Slice<u8>),
    U16(Slice<u16>),
    U32(Slice<u32>),
    U64(Slice<u64>),
}

/// Evaluates an expression over the slice in `codes`, for each id type.
macro_rules! with_codes {
    ($codes:expr, $slice:ident => $body:expr) => {
        match $codes {
            $crate::frame::array::Codes::I8($slice) => $body,
            $crate::frame::array::Codes::I16($slice) => $body,
            $crate::frame::array::Codes::I32($slice) => $body,
            $crate::frame::array::Codes::I64($slice) => $body,
            $crate::frame::array::Codes::U8($slice) => $body,
            $crate::frame::array::Codes::U16($slice) => $body,
            $crate::frame::array::Codes::U32($slice) => $body,
            $crate::frame::array::Codes::U64($slice) => $body,
        }
    };
}
/// Evaluates an expression over rows `$rows` of `numbers`, for each number type.
macro_rules! with_numbers {
    ($numbers:expr, $rows:expr, $values:ident => $body:expr) => {
        $crate::frame::array::with_numbers!(@ $numbers, $rows, $values => $body;
            I8 I16 I32 I64 I128 I256 U8 U16 U32 U64 F32 F64)
    };
    (@ $numbers:expr, $rows:expr, $values:ident => $body:expr; $($variant:ident)*) => {
        match $numbers {
            $($crate::frame::array::Numbers::$variant(slice) => {
                let $values = slice.rows($rows);
                $body
            })*
            $crate::frame::array::Numbers::F16(slice) => {
                let halves = slice.rows($rows).iter();
                let halves: Vec<_> = halves.map(|b| $crate::frame::array::Half(*b)).collect();
                let $values = halves.as_slice();
                $body
            }
        }
    };
}
/// Evaluates an expression over the slice in `$of`, for each of the variants.
macro_rules! with_slice {
    ($of:expr, $kind:ident, $slice:ident => $body:expr; $($variant:ident)*) => {
        match $of {
            $($kind::$variant($slice) => $body,)*
        }
    };
}
pub(super) use {with_codes, with_numbers};

/// An id that is an index into a dictionary.
pub trait Code: Plain + Lane {
    /// The id of null rows under [`Nulls::Within`].
    const NULL: Option<Self>;
    /// The index into the dictionary; a negative id gives an index past every dictionary.
    fn place(self) -> usize;
    /// The id of an index; `None` where the type cannot hold it.
    fn of(place: usize) -> Option<Self>;
}

/// A stored number.
pub trait Stored: Copy {
    /// Clears the bits of `mask` whose value is zero, of either sign.
    fn drop_zeros(values: &[Self], mask: &mut [u64]);
    /// The number; `None` where it does not fit 128 bits.
    fn number(self) -> Option<Number>;
}

macro_rules! integers {
    ($($type:ty: $null:expr;)*) => {$(
        impl Code for $type {
            const NULL: Option<Self> = $null;
            #[inline]
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // negative: past the end
            fn place(self) -> usize {
                self as usize
            }
            fn of(place: usize) -> Option<Self> {
                place.try_into().ok()
            }
        }
        impl Stored for $type {
            fn drop_zeros(values: &[Self], mask: &mut [u64]) {
                compare::narrow(values, Self::ZERO, false, mask);
            }
            #[inline]
            fn number(self) -> Option<Number> {
                Some(Number::int(self.into()))
            }
        }
    )*};
}
integers!(i8: Some(-1); i16: Some(-1); i32: Some(-1); i64: Some(-1); u8: None; u16: None; u32: None; u64: None;);

macro_rules! reals {
    ($($type:ty)*) => {$(
        impl Stored for $type {
            fn drop_zeros(values: &[Self], mask: &mut [u64]) {
                compare::narrow(values, Self::ZERO, false, mask);
            }
            #[inline]
            fn number(self) -> Option<Number> {
                Some(Number::real(self.into()))
            }
        }
    )*};
}
reals!(f32 f64);

/// Clears the bits of `mask` whose value passes `test`.
pub(super) fn drop_where<T: Copy>(values: &[T], mask: &mut [u64], test: impl Fn(T) -> bool) {
    for (word, values) in mask.iter_mut().zip(values.chunks(64)) {
        if *word != 0 {
            let hits = values.iter().enumerate().fold(0, |bits, (row, v)| bits | u64::from(test(*v)) << row);
            *word &= !hits;
        }
    }
}

/// A 16-bit IEEE 754 float.
#[derive(Clone, Copy)]
pub struct Half(pub u16);

impl Stored for Half {
    fn drop_zeros(values: &[Self], mask: &mut [u64]) {
        drop_where(values, mask, |half| half.0 & 0x7fff == 0);
    }
    fn number(self) -> Option<Number> {
        Some(Number::real(half::f16::from_bits(self.0).to_f64()))
    }
}

impl Stored for [u8; 16] {
    fn drop_zeros(values: &[Self], mask: &mut [u64]) {
        compare::narrow(values, Self::ZERO, false, mask);
    }
    #[inline]
    fn number(self) -> Option<Number> {
        Some(Number::int(i128::from_le_bytes(self)))
    }
}

impl Stored for [u8; 32] {
    fn drop_zeros(values: &[Self], mask: &mut [u64]) {
        drop_where(values, mask, |value| value == [0; 32]);
    }
    fn number(self) -> Option<Number> {
        let (low, high) = self.split_first_chunk::<16>()?;
        let low = i128::from_le_bytes(*low);
        let high = i128::from_le_bytes(*high.first_chunk()?);
        // The number fits 128 bits only where the upper half repeats the sign.
        (high == low >> 127).then(|| Number::int(low))
    }
}

/// One bit a row.
#[derive(Clone)]
pub struct Bits {
    bytes: Slice<u8>,
    offset: usize,
}

impl Bits {
    /// Bits that begin with bit `offset` (0 to 7) of the first byte.
    pub fn new(bytes: Slice<u8>, offset: usize) -> Self {
        Bits { bytes, offset }
    }

    /// The bits from `start` on.
    pub fn slice(&self, start: usize) -> Self {
        let at = self.offset + start;
        let bytes = self.bytes.slice(at / 8, self.bytes.len().saturating_sub(at / 8));
        Bits { bytes, offset: at % 8 }
    }

    /// The bit of `row`; false past the end.
    #[inline]
    pub fn get(&self, row: usize) -> bool {
        let at = self.offset + row;
        self.bytes.get(at / 8).is_some_and(|byte| byte >> (at % 8) & 1 == 1)
    }

    /// The bits of rows `row..row + 64`, zeros past the end.
    #[allow(clippy::indexing_slicing)] // `n` is at most 9 and at most the length of `bytes`
    pub fn word(&self, row: usize) -> u64 {
        let at = self.offset + row;
        // Past the end there are no bits: zeros are the documented answer.
        let bytes = self.bytes.get(at / 8..).unwrap_or_default();
        let mut word = [0; 16];
        let n = bytes.len().min(9);
        word[..n].copy_from_slice(&bytes[..n]);
        #[allow(clippy::cast_possible_truncation)] // the low 64 bits are the word
        let word = (u128::from_le_bytes(word) >> (at % 8)) as u64;
        word
    }
}

/// Elements `$start..$start + $len` of the slice in `$of`, in the same variant.
macro_rules! sliced {
    ($kind:ident, $of:expr, $start:expr, $len:expr; $($variant:ident)*) => {
        match $of {
            $($kind::$variant(slice) => $kind::$variant(slice.slice($start, $len)),)*
        }
    };
}

impl Array {
    /// Whether `row` is not null. In a dictionary column only the id is tested, not the entry. Floats that
    /// are null by their value (NaN) are recognised where they are added.
    #[inline]
    pub fn is_valid(&self, row: usize) -> bool {
        match (&self.nulls, &self.data) {
            (_, Data::Null) => false,
            (Nulls::Unset(bits), _) => bits.get(row),
            (Nulls::Within, Data::Coded(codes, _)) => {
                with_codes!(codes, c => c.get(row).is_some_and(|c| Some(*c) != Code::NULL))
            }
            _ => true,
        }
    }

    /// The index into the dictionary of `row`; `None` where the column has no dictionary.
    #[inline]
    pub fn place(&self, row: usize) -> Option<usize> {
        let Data::Coded(codes, _) = &self.data else { return None };
        with_codes!(codes, c => c.get(row).map(|c| c.place()))
    }

    /// Prefetches the memory of the marked rows; the first row of `mask` is `start`.
    pub fn prefetch(&self, start: usize, mask: &[u64]) {
        match &self.data {
            Data::Numbers(numbers) => with_slice!(numbers, Numbers, v =>
                compare::prefetch(v.rows_from(start), mask);
                I8 I16 I32 I64 I128 I256 U8 U16 U32 U64 F16 F32 F64),
            Data::Coded(codes, _) => {
                with_codes!(codes, c => compare::prefetch(c.rows_from(start), mask));
            }
            Data::Text(text) => text.prefetch(start, mask),
            Data::Null | Data::Unknown | Data::Bits(_) => {}
        }
    }

    /// Prefetches the memory of some rows, counted from `start`.
    pub fn prefetch_rows(&self, start: usize, rows: &[u16]) {
        match &self.data {
            Data::Coded(codes, _) => {
                with_codes!(codes, c => compare::prefetch_rows(c.rows_from(start), rows));
            }
            Data::Text(text) => text.prefetch_rows(start, rows),
            _ => {}
        }
    }

    /// Rows `start..start + len`, which must exist.
    pub fn slice(&self, start: usize, len: usize) -> Array {
        let data = match &self.data {
            Data::Null => Data::Null,
            Data::Unknown => Data::Unknown,
            Data::Bits(bits) => Data::Bits(bits.slice(start)),
            Data::Text(Text::Short(o, b)) => Data::Text(Text::Short(o.slice(start, len + 1), b.clone())),
            Data::Text(Text::Long(o, b)) => Data::Text(Text::Long(o.slice(start, len + 1), b.clone())),
            Data::Text(Text::Views(v, b)) => Data::Text(Text::Views(v.slice(start, len), b.clone())),
            Data::Coded(codes, dictionary) => Data::Coded(
                sliced!(Codes, codes, start, len; I8 I16 I32 I64 U8 U16 U32 U64),
                dictionary.clone(),
            ),
            Data::Numbers(numbers) => Data::Numbers(
                sliced!(Numbers, numbers, start, len; I8 I16 I32 I64 I128 I256 U8 U16 U32 U64 F16 F32 F64),
            ),
        };
        let nulls = match &self.nulls {
            Nulls::Unset(bits) => Nulls::Unset(bits.slice(start)),
            other => other.clone(),
        };
        Array { len, nulls, data }
    }

    /// Whether both arrays are the same memory.
    fn is_same(&self, other: &Array) -> bool {
        let at = |array: &Array| match &array.data {
            Data::Text(Text::Short(o, b)) => Some((o.address(), b.address())),
            Data::Text(Text::Long(o, b)) => Some((o.address(), b.address())),
            Data::Text(Text::Views(v, _)) => Some((v.address(), 0)),
            Data::Numbers(numbers) => match numbers {
                Numbers::I32(s) => Some((s.address(), 0)),
                Numbers::I64(s) => Some((s.address(), 0)),
                _ => None,
            },
            _ => None,
        };
        self.len == other.len && at(self).is_some() && at(self) == at(other)
    }

    /// Whether both dictionaries have the same values in the same order.
    pub fn has_same_values(&self, other: &Array) -> bool {
        if self.len != other.len {
            return false;
        }
        if self.is_same(other) {
            return true;
        }
        let value = |array: &Array, row: usize| -> Option<Option<Vec<u8>>> {
            if !array.is_valid(row) {
                return Some(None);
            }
            array.raw(row).ok().map(Some)
        };
        (0..self.len).all(|row| match (&self.data, &other.data) {
            (Data::Text(a), Data::Text(b)) if self.is_valid(row) && other.is_valid(row) => {
                a.get(row).is_ok_and(|a| b.get(row).is_ok_and(|b| a == b))
            }
            _ => value(self, row).is_some_and(|a| Some(a) == value(other, row)),
        })
    }

    /// The value in `row` in parquet's encoding: strings as bytes, 32 and 64-bit numbers little-endian.
    pub fn raw(&self, row: usize) -> Result<Vec<u8>> {
        match &self.data {
            Data::Text(text) => text.get(row).map(<[u8]>::to_vec),
            Data::Numbers(Numbers::I32(values)) => {
                values.get(row).map(|v| v.to_le_bytes().to_vec()).ok_or_else(corrupt)
            }
            Data::Numbers(Numbers::I64(values)) => {
                values.get(row).map(|v| v.to_le_bytes().to_vec()).ok_or_else(corrupt)
            }
            _ => Err(Error::internal("a value that is neither text nor a date")),
        }
    }

    /// Decodes a dictionary of numbers to plain numbers; returns any other column unchanged.
    pub fn flattened(self) -> Result<Array> {
        let Data::Coded(codes, dictionary) = &self.data else { return Ok(self) };
        if matches!(dictionary.data, Data::Null) {
            return Ok(Array { len: self.len, nulls: Nulls::None, data: Data::Null });
        }
        let Data::Numbers(numbers) = &dictionary.data else { return Ok(self) };
        let mut valid = vec![0u8; self.len.div_ceil(8)];
        let mut places = Vec::with_capacity(self.len);
        for row in 0..self.len {
            let place = with_codes!(codes, c => c.get(row).map(|c| c.place())).ok_or_else(corrupt)?;
            let is_valid = self.is_valid(row);
            if is_valid && place >= dictionary.len {
                return Err(corrupt());
            }
            places.push(if is_valid { place } else { 0 });
            if let Some(byte) = valid.get_mut(row / 8)
                && is_valid
                && dictionary.is_valid(place)
            {
                *byte |= 1 << (row % 8);
            }
        }
        fn pick<T: Plain>(values: &Slice<T>, places: &[usize], zero: T) -> Slice<T> {
            places.iter().map(|p| values.get(*p).copied().unwrap_or(zero)).collect::<Vec<_>>().into()
        }
        let numbers = match numbers {
            Numbers::I8(v) => Numbers::I8(pick(v, &places, 0)),
            Numbers::I16(v) => Numbers::I16(pick(v, &places, 0)),
            Numbers::I32(v) => Numbers::I32(pick(v, &places, 0)),
            Numbers::I64(v) => Numbers::I64(pick(v, &places, 0)),
            Numbers::I128(v) => Numbers::I128(pick(v, &places, [0; 16])),
            Numbers::I256(v) => Numbers::I256(pick(v, &places, [0; 32])),
            Numbers::U8(v) => Numbers::U8(pick(v, &places, 0)),
            Numbers::U16(v) => Numbers::U16(pick(v, &places, 0)),
            Numbers::U32(v) => Numbers::U32(pick(v, &places, 0)),
            Numbers::U64(v) => Numbers::U64(pick(v, &places, 0)),
            Numbers::F16(v) => Numbers::F16(pick(v, &places, 0)),
            Numbers::F32(v) => Numbers::F32(pick(v, &places, 0.0)),
            Numbers::F64(v) => Numbers::F64(pick(v, &places, 0.0)),
        };
        let nulls = Nulls::Unset(Bits::new(valid.into(), 0));
        Ok(Array { len: self.len, nulls, data: Data::Numbers(numbers) })
    }
}

//! Days of time stamps: of 64-bit ticks, and of text.
//!
//! ```text
//! ticks:  day[row] = floor((tick[row] + offset from UTC at tick[row]) / ticks per day)
//! text:   day[row] = the day that the first ten bytes yyyy-mm-dd write
//! ```
//!
//! 1. The offset of a time zone is constant over months, so the stamps of a block mostly lie in one
//!    interval of it. A block is filled one interval at a time: the rows of the interval get their
//!    days, the others are left alone, and the first of these decides the next interval. The interval
//!    of the previous block is tried first.
//! 2. A day of microseconds is `2^13 * 10,546,875`, of nanoseconds `2^16 * 1,318,359,375`. After a shift
//!    by the power of two, the distance `u` of a tick from the start of a day fits 51 bits, and
//!    `floor(u / m)` is `trunc((u + 0.5) * (1 / m))` in doubles, without a correction: `u + 0.5` is exact;
//!    the two roundings change the product by less than `2^-52 * u / m < 0.5 / m`; and `(u + 0.5) / m` is
//!    at least `0.5 / m` away from every integer.
//! 3. `u` becomes a double without a conversion (AVX2 has none): its bits are or-ed to those of `2^52`, and
//!    `2^52 - 0.5` is subtracted. NEON converts, and computes `u * (1 / m) + 0.5 * (1 / m)` with one rounding.
//! 4. All bytes of a text are checked at once: each is within the bounds of its position. Equal first
//!    ten bytes have equal days, so a date is only parsed where it differs from the previous one.
//!
//! Tried and left out, by times of one core of a shared EPYC (Zen 5):
//!
//! - Masked loads and stores of eight ticks with AVX-512: 1.2 ns a row. Sixteen without masks take 0.2,
//!   AVX2 0.3, portable code 1.1. Ticks in random order over two years of a zone with daylight saving
//!   take 1.4, 1.8 and 9.6.
//! - The length of a month by `match`: dates in random order 20 to 28 ns, by a table 7 to 11. Dates in
//!   runs take 1.7.
//!
//! A stamp that is not within the years 1 to 9999 gets [`NO_DAY`]. So does a text that needs the general
//! parser, [`crate::calendar::stamp::parse_stamp`]: one with an offset, without seconds, of any other
//! form, or wrong.

use super::cpu;
use super::strings::Offset;
use crate::calendar::intervals::{Interval, Intervals};
use crate::calendar::{DAY_SECONDS, Date, FIRST_DAY, LAST_DAY, existing_day};

/// Stands for no day.
pub const NO_DAY: i32 = i32::MIN;

/// Rows that are filled together. Ticks and days of a block fit the first-level cache.
const BLOCK: usize = 1_024;

/// Ticks with one offset from UTC, and how to divide them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Piece {
    /// The first tick.
    from: i64,
    /// The last tick.
    to: i64,
    /// The tick at which the day of `from` begins, modulo 2^64.
    base: i64,
    /// The day of `from`.
    first_day: i32,
    /// Ticks of a day.
    per_day: i64,
    /// The exponent of the power of two in `per_day`.
    shift: u32,
    /// The inverse of the rest of `per_day`.
    inverse: f64,
}

impl Piece {
    /// The ticks around `tick` that have its offset; `None` if its day is not within the years 1 to 9999, or
    /// `per_day` is not one that can be divided by.
    fn around(tick: i64, per_day: i64, zone: &Intervals) -> Option<Self> {
        if per_day <= 0 {
            return None;
        }
        let shift = per_day.trailing_zeros();
        let odd = per_day >> shift;
        if odd >= 1 << 49 {
            return None;
        }
        // Days have no time of the day, so no time zone either.
        let per_second = if per_day % DAY_SECONDS == 0 { per_day / DAY_SECONDS } else { 0 };
        let interval = if per_second == 0 {
            Interval { from: i64::MIN, to: i64::MAX, offset: 0 }
        } else {
            zone.at(tick.div_euclid(per_second))
        };
        let [per_day_wide, per_second] = [per_day, per_second].map(i128::from);
        let offset = i128::from(interval.offset) * per_second;
        // Ticks that are far apart are of different pieces, so that differences fit 64 bits, and 51 after
        // the shift.
        let reach = (1_i128 << 62).min(1 << (49 + shift));
        let start = i128::from(FIRST_DAY) * per_day_wide - offset;
        let end = (i128::from(LAST_DAY) + 1) * per_day_wide - offset;
        let mut from = start.max(i128::from(tick) - reach).max(i64::MIN.into());
        let mut to = (end - 1).min(i128::from(tick) + reach).min(i64::MAX.into());
        if interval.from != i64::MIN {
            from = from.max(i128::from(interval.from) * per_second);
        }
        if interval.to != i64::MAX {
            to = to.min(i128::from(interval.to) * per_second - 1);
        }
        if !(from..=to).contains(&i128::from(tick)) {
            return None;
        }
        let first_day = (from + offset).div_euclid(per_day_wide);
        #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)]
        // in range, or wraps as documented
        return Some(Piece {
            from: from as i64,
            to: to as i64,
            base: (first_day * per_day_wide - offset) as i64,
            first_day: first_day as i32,
            per_day,
            shift,
            inverse: 1.0 / odd as f64,
        });
    }
}

/// Fills the days of the rows of a piece, leaves those of others alone, and returns how many it filled. There
/// are as many days as ticks.
type Fill = unsafe fn(ticks: &[i64], piece: &Piece, days: &mut [i32]) -> usize;

/// Converts stamps to days, in days since 1970-01-01 on the calendar of a time zone; returns whether all
/// are days of the years 1 to 9999. The others get [`NO_DAY`].
///
/// A stamp counts ticks since 1970-01-01T00:00 UTC, `per_day` a day: 86,400 times a power of ten. Any
/// other number that is below 2^49 times a power of two is allowed; without whole seconds the zone does
/// not apply.
///
/// There are as many days as ticks.
pub fn days_of_ticks(ticks: &[i64], per_day: i64, zone: &Intervals, days: &mut [i32]) -> bool {
    #[cfg(target_arch = "x86_64")]
    if cpu::avx512() {
        return days_by(avx512::fill, ticks, per_day, zone, days);
    }
    #[cfg(target_arch = "x86_64")]
    if cpu::avx2() {
        return days_by(avx2::fill, ticks, per_day, zone, days);
    }
    #[cfg(target_arch = "aarch64")]
    if cpu::neon() {
        return days_by(neon::fill, ticks, per_day, zone, days);
    }
    days_by(portable_fill, ticks, per_day, zone, days)
}

/// [`days_of_ticks`] by one way to fill, which must be one that the CPU has.
fn days_by(fill: Fill, ticks: &[i64], per_day: i64, zone: &Intervals, days: &mut [i32]) -> bool {
    debug_assert_eq!(ticks.len(), days.len());
    let (mut latest, mut all) = (None, true);
    for (ticks, days) in ticks.chunks(BLOCK).zip(days.chunks_mut(BLOCK)) {
        days.fill(NO_DAY);
        let mut at = 0;
        if let Some(piece) = &latest {
            // SAFETY: `fill` was chosen after the instruction sets that it needs were found.
            #[allow(unsafe_code)]
            let filled = unsafe { fill(ticks, piece, days) };
            if filled == ticks.len() {
                continue;
            }
        }
        while let Some(next) = days.get(at..).and_then(|days| days.iter().position(|day| *day == NO_DAY)) {
            at += next;
            let (Some(ticks), Some(days)) = (ticks.get(at..), days.get_mut(at..)) else { break };
            let Some(tick) = ticks.first() else { break };
            if let Some(piece) = Piece::around(*tick, per_day, zone) {
                // SAFETY: as above.
                #[allow(unsafe_code)]
                let filled = unsafe { fill(ticks, &piece, days) };
                latest = Some(piece);
                if filled == ticks.len() {
                    break;
                }
            } else {
                all = false;
            }
            at += 1;
        }
    }
    all
}

/// [`Fill`] without vector instructions.
fn portable_fill(ticks: &[i64], piece: &Piece, days: &mut [i32]) -> usize {
    macro_rules! by {
        ($($per_day:literal)*) => {
            match piece.per_day {
                // A constant is divided by with a multiplication.
                $($per_day => divide(ticks, piece, $per_day, days),)*
                per_day => divide(ticks, piece, per_day.unsigned_abs(), days),
            }
        };
    }
    by!(86_400 86_400_000 86_400_000_000 86_400_000_000_000)
}

#[inline(always)]
fn divide(ticks: &[i64], piece: &Piece, per_day: u64, days: &mut [i32]) -> usize {
    let mut filled = 0;
    for (tick, day) in ticks.iter().zip(days) {
        let inside = piece.from <= *tick && *tick <= piece.to;
        let since = tick.wrapping_sub(piece.base).cast_unsigned() / per_day;
        // Within the piece the day fits; other rows keep theirs.
        #[allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap)]
        let found = piece.first_day.wrapping_add(since as i32);
        *day = std::hint::select_unpredictable(inside, found, *day);
        filled += usize::from(inside);
    }
    filled
}

/// The first ten bytes of the previous text, and their day.
#[derive(Debug, Clone, Copy)]
struct Latest {
    head: (u64, u16),
    day: i32,
}

impl Latest {
    /// No date: ten zero bytes are no digits, and never looked up.
    const NONE: Latest = Latest { head: (0, 0), day: NO_DAY };

    /// The day of a date that exists, else [`NO_DAY`].
    #[inline]
    fn parsed(&mut self, head: (u64, u16), year: i32, month: u8, day: u8) -> i32 {
        let day = existing_day(Date { year, month, day }).unwrap_or(NO_DAY);
        *self = Latest { head, day };
        day
    }
}

/// Whether a text of this length may be a date, or a date and a time with seconds.
#[inline]
fn is_usual_length(len: usize) -> bool {
    matches!(len, 10 | 19 | 21..=29)
}

/// The days of texts, one by one.
#[derive(Debug, Clone)]
pub struct Days(Latest);

impl Default for Days {
    fn default() -> Self {
        Days(Latest::NONE)
    }
}

impl Days {
    /// The day of a text `yyyy-mm-dd` or `yyyy-mm-dd hh:mm:ss[.f]`, of one to nine digits, with a space
    /// or T; else [`NO_DAY`]. Seconds are at most 59.
    #[inline]
    pub fn day(&mut self, text: &[u8]) -> i32 {
        portable_day(text, text.len(), &mut self.0)
    }
}

/// The day of the text in the first `len` bytes of `bytes`; see [`Days::day`].
#[inline]
fn portable_day(bytes: &[u8], len: usize, latest: &mut Latest) -> i32 {
    let Some(text) = bytes.get(..len).filter(|_| is_usual_length(len)) else { return NO_DAY };
    let Some((date, time)) = text.split_first_chunk::<10>() else { return NO_DAY };
    if !time.is_empty() && !is_time(time) {
        return NO_DAY;
    }
    let [a, b, c, d, e, f, g, h, i, j] = *date;
    let head = (u64::from_le_bytes([a, b, c, d, e, f, g, h]), u16::from_le_bytes([i, j]));
    if head == latest.head {
        return latest.day;
    }
    if [e, h] != *b"--" || ![a, b, c, d, f, g, i, j].iter().all(u8::is_ascii_digit) {
        return NO_DAY;
    }
    let two = |a: u8, b: u8| (a - b'0') * 10 + (b - b'0');
    latest.parsed(head, i32::from(two(a, b)) * 100 + i32::from(two(c, d)), two(f, g), two(i, j))
}

/// Whether these are a space or T, `hh:mm:ss` and a fraction, if any.
#[inline]
fn is_time(text: &[u8]) -> bool {
    let &[b' ' | b'T', h, i, b':', m, n, b':', s, t, ref fraction @ ..] = text else { return false };
    let below_60 = |a: u8, b: u8| (b'0'..=b'5').contains(&a) && b.is_ascii_digit();
    let hour = matches!((h, i), (b'0' | b'1', b'0'..=b'9') | (b'2', b'0'..=b'3'));
    let fraction = match fraction {
        [] => true,
        [b'.', digits @ ..] => (1..=9).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    hour && below_60(m, n) && below_60(s, t) && fraction
}

/// The days of the values of a PLAIN page, each with its length in four bytes before it, one for each of
/// `days`; see [`Days::day`]. Returns the bytes that the values take; `None` if one reaches past the end.
pub fn days_of_plain(bytes: &[u8], days: &mut [i32]) -> Option<usize> {
    #[cfg(target_arch = "x86_64")]
    if cpu::avx512() {
        // SAFETY: the CPU has the instruction sets that the function names.
        #[allow(unsafe_code)]
        return unsafe { avx512::days_of_plain(bytes, days) };
    }
    #[cfg(target_arch = "x86_64")]
    if cpu::avx2() {
        // SAFETY: as above.
        #[allow(unsafe_code)]
        return unsafe { avx2::days_of_plain(bytes, days) };
    }
    #[cfg(target_arch = "aarch64")]
    if cpu::neon() {
        // SAFETY: every aarch64 CPU has NEON.
        #[allow(unsafe_code)]
        return unsafe { neon::days_of_plain(bytes, days) };
    }
    portable::days_of_plain(bytes, days)
}

/// The days of the texts of `bytes` between `offsets`, one for each of `days`; see [`Days::day`]. A row
/// whose offsets are missing, negative, descend or point past the bytes gets [`NO_DAY`].
pub fn days_of_offsets<T: Offset>(offsets: &[T], bytes: &[u8], days: &mut [i32]) {
    #[cfg(target_arch = "x86_64")]
    if cpu::avx512() {
        // SAFETY: the CPU has the instruction sets that the function names.
        #[allow(unsafe_code)]
        return unsafe { avx512::days_of_offsets(offsets, bytes, days) };
    }
    #[cfg(target_arch = "x86_64")]
    if cpu::avx2() {
        // SAFETY: as above.
        #[allow(unsafe_code)]
        return unsafe { avx2::days_of_offsets(offsets, bytes, days) };
    }
    #[cfg(target_arch = "aarch64")]
    if cpu::neon() {
        // SAFETY: every aarch64 CPU has NEON.
        #[allow(unsafe_code)]
        return unsafe { neon::days_of_offsets(offsets, bytes, days) };
    }
    portable::days_of_offsets(offsets, bytes, days);
}

/// Defines [`days_of_plain`] and [`days_of_offsets`] by a function for one text, `day(bytes, len, latest)`,
/// where `bytes` has at least `len` bytes. The attributes come first.
macro_rules! by_text {
    ($(#[$attribute:meta])* $($unsafe:ident)?, $day:path) => {
        /// See [`super::days_of_plain`].
        $(#[$attribute])*
        pub $($unsafe)? fn days_of_plain(bytes: &[u8], days: &mut [i32]) -> Option<usize> {
            let (mut rest, mut latest) = (bytes, Latest::NONE);
            for to in days {
                let (len, values) = rest.split_first_chunk::<4>()?;
                let len = u32::from_le_bytes(*len) as usize;
                rest = values.get(len..)?;
                *to = $day(values, len, &mut latest);
            }
            Some(bytes.len() - rest.len())
        }

        /// See [`super::days_of_offsets`].
        $(#[$attribute])*
        pub $($unsafe)? fn days_of_offsets<T: Offset>(offsets: &[T], bytes: &[u8], days: &mut [i32]) {
            let mut latest = Latest::NONE;
            let ends = offsets.iter().skip(1).map(Some).chain(std::iter::repeat(None));
            for ((start, end), to) in offsets.iter().zip(ends).zip(days.iter_mut()) {
                let (start, end) = ((*start).try_into().ok(), end.and_then(|end| (*end).try_into().ok()));
                *to = match (start, end) {
                    (Some(start), Some(end)) if start <= end && end <= bytes.len() => {
                        $day(bytes.get(start..).unwrap_or_default(), end - start, &mut latest)
                    }
                    _ => NO_DAY,
                };
            }
            // Rows without any offset.
            days.iter_mut().skip(offsets.len()).for_each(|day| *day = NO_DAY);
        }
    };
}

/// Without vector instructions.
mod portable {
    use super::{Latest, NO_DAY, Offset, portable_day};

    by_text!(, portable_day);
}

/// By position in a text: the least byte, and how much more is allowed; any byte at the separator, which
/// is checked by itself, and after the fraction. The hours 24 to 29 are refused by themselves.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
static BOUNDS: ([u8; 32], [u8; 32]) = {
    let text = *b"0000-00-00\x0000:00:00.000000000\0\0\0";
    let most = *b"9999-19-39\xff29:59:59.999999999\xff\xff\xff";
    let (mut over, mut at) = ([0; 32], 0);
    #[allow(clippy::indexing_slicing)] // a constant
    while at < 32 {
        over[at] = most[at] - text[at];
        at += 1;
    }
    (text, over)
};

/// Whether the separator of a date and a time is one, and the hour is below 24, from the bytes 10 to 12
/// of a text that is within [`BOUNDS`].
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[inline(always)]
fn is_hour([separator, a, b]: [u8; 3]) -> bool {
    (separator == b' ' || separator == b'T') && (a < b'2' || b <= b'3')
}

/// The first bytes of a text, and a year's two halves, month and day as 16-bit numbers, to a day.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[inline(always)]
fn day_of_fields(head: (u64, u16), fields: u64, latest: &mut Latest) -> i32 {
    let [century, _, year, _, month, _, day, _] = fields.to_le_bytes();
    latest.parsed(head, i32::from(century) * 100 + i32::from(year), month, day)
}

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, clippy::cast_sign_loss, clippy::cast_possible_truncation)] // bits stay bits
mod avx2;
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, clippy::cast_sign_loss, clippy::cast_possible_truncation)]
mod avx512;
#[cfg(target_arch = "aarch64")]
#[allow(unsafe_code, clippy::cast_possible_truncation)] // bits stay bits
mod neon;

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests;

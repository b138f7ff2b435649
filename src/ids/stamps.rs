//! Value ids for times: one for each day instead of one for each time.
//!
//! Nearly every row of an export of events has its own time. What counts is the day, so the values of a page are
//! converted to days, many at once, and each day has the value id of the first time that was met on it.

use super::entries::ChunkDictionary;
use crate::Result;
use crate::calendar::intervals::Intervals;
use crate::kernel::stamps::{NO_DAY, days_of_plain, days_of_ticks};

/// Values that are converted together.
const BLOCK: usize = 4096;
/// Dictionaries of more entries are read as days too.
pub const LARGE: u32 = 1 << 13;

/// The day of a stored time.
pub trait DayOf: Sync {
    /// The day; `None` where it is no time.
    fn day(&self, raw: &[u8]) -> Option<i32>;

    /// Where times are 64-bit numbers: how many a day has, and the offsets from UTC that are added.
    fn ticks(&self) -> Option<(i64, &Intervals)>;
}

/// Appends the value ids of 64-bit times.
pub fn intern_ticks(
    entries: &mut ChunkDictionary,
    days_of: &dyn DayOf,
    (per_day, offsets): (i64, &Intervals),
    bits: &[u64],
    value_ids: &mut Vec<u32>,
) -> Result<()> {
    let (mut ticks, mut days) = ([0i64; BLOCK], [0i32; BLOCK]);
    for bits in bits.chunks(BLOCK) {
        #[allow(clippy::indexing_slicing)] // at most BLOCK
        let (ticks, days) = (&mut ticks[..bits.len()], &mut days[..bits.len()]);
        ticks.iter_mut().zip(bits).for_each(|(tick, bits)| *tick = bits.cast_signed());
        days_of_ticks(ticks, per_day, offsets, days);
        each_day(entries, days, value_ids, |entries, at| {
            let raw = bits.get(at).copied().unwrap_or_default().to_le_bytes();
            intern(entries, days_of, &raw)
        })?;
    }
    Ok(())
}

/// Appends the value ids of the texts of a PLAIN page. Returns false, and appends nothing, where the page ends early.
pub fn intern_texts(
    entries: &mut ChunkDictionary,
    days_of: &dyn DayOf,
    bytes: &[u8],
    count: u32,
    value_ids: &mut Vec<u32>,
) -> Result<bool> {
    let mut days = vec![0i32; count as usize];
    if days_of_plain(bytes, &mut days).is_none() {
        return Ok(false);
    }
    // Where the last text that was asked for begins.
    let (mut row, mut at) = (0, 0);
    each_day(entries, &days, value_ids, |entries, wanted| {
        let len = |at: usize| bytes.get(at..)?.first_chunk().map(|len| u32::from_le_bytes(*len) as usize);
        while row < wanted {
            at += 4 + len(at).unwrap_or_default();
            row += 1;
        }
        let text = len(at).and_then(|len| bytes.get(at + 4..at + 4 + len)).unwrap_or_default();
        intern(entries, days_of, text)
    })?;
    Ok(true)
}

/// Appends the value id of each day; `id` returns that of a row whose day is new, or not known.
fn each_day(
    entries: &mut ChunkDictionary,
    days: &[i32],
    value_ids: &mut Vec<u32>,
    mut id: impl FnMut(&mut ChunkDictionary, usize) -> Result<u32>,
) -> Result<()> {
    let mut last = (NO_DAY, 0);
    for (at, day) in days.iter().enumerate() {
        if *day == NO_DAY || *day != last.0 {
            let value_id = match entries.id_of_day(*day).filter(|_| *day != NO_DAY) {
                Some(value_id) => value_id,
                None => id(entries, at)?,
            };
            last = (*day, value_id);
        }
        value_ids.push(last.1);
    }
    Ok(())
}

/// The value id of a time: that of its day, or its own where it is no time.
pub fn intern(entries: &mut ChunkDictionary, days_of: &dyn DayOf, raw: &[u8]) -> Result<u32> {
    match days_of.day(raw) {
        Some(day) => entries.intern_day(day, raw),
        None => entries.intern(raw),
    }
}

/// Keeps one entry a day of a dictionary of many times; its ids are converted by [`ChunkDictionary::day_ids`].
pub fn shorten(entries: &mut ChunkDictionary, days_of: &dyn DayOf) -> Result<()> {
    if entries.dictionary_len() <= LARGE || entries.day_ids().is_some() {
        return Ok(());
    }
    let all = std::mem::take(entries);
    entries.take_origin(&all);
    let mut of_entry = Vec::with_capacity(all.dictionary_len() as usize);
    for id in 0..all.dictionary_len() {
        of_entry.push(intern(entries, days_of, all.get(id).unwrap_or_default())?);
    }
    entries.finish_days(of_entry)
}

//! One task: a range of rows of one row group, summed into a worker's grid.
//!
//! ```text
//! while rows are left:
//!     ask the pages at hand which path fits
//!     runs:   all three keys repeat -> sum the stretch, or pass over it
//!     bitmap: keys differ row by row -> filter to a bitmap, sum the survivors
//!     scalar: anything at all, one row at a time
//! ```
//!
//! The first two decline what they do not know (nulls in channel or value,
//! values that are no small integers, labels that are no weeks, slots past 16
//! bits); the third is always right.

use std::sync::Arc;

use super::Progress;
use super::plan::{Columns, FilePlan};
use super::tables::{BAD_TIME, Tables};
use crate::grid::Dense;
use crate::ids::column::{Column, Cost};
use crate::ids::cursor::{Cursor, Shape};
use crate::ids::entries::Entries;
use crate::ids::keys::{Channel, Country};
use crate::ids::values::{Number, SMALL};
use crate::kernel::{Path, bitmap, runs};
use crate::parquet::encoding::Segment;
use crate::{Error, Job, Result, Semantics};

/// Rows that a block takes at the most.
pub const BLOCK: usize = 2048;

/// Rows of a block by bitmap in the middle of runs.
const SHORT_BLOCK: u32 = 256;
/// Rows from which a run that is ruled out is passed over at once in all columns.
const LONG_RUN: u32 = 4096;

/// What a worker keeps from task to task.
#[derive(Default)]
pub struct Worker {
    /// The sums.
    pub dense: Dense,
    /// What its pages cost.
    pub cost: Cost,
    tables: Tables,
    buffers: Vec<Vec<u8>>,
    blocks: Box<Blocks>,
    /// The row group that the tables are for, and its columns' entries: the
    /// next range of the same row group needs not read its dictionaries again.
    known: Option<(u64, Vec<Entries>)>,
}

/// How many rows each path has taken, by [`Path`].
pub type Taken = [u64; 3];

/// Sums rows `rows` of a row group, which `id` tells from the others of the scan.
#[allow(clippy::too_many_arguments)]
pub fn run(
    job: &Job,
    plan: &FilePlan<'_>,
    columns: &Columns<'_>,
    id: u64,
    rows: std::ops::Range<u64>,
    path: Option<Path>,
    worker: &mut Worker,
    progress: &dyn Progress,
) -> Result<Taken> {
    let known = match worker.known.take() {
        Some((known, entries)) if known == id => entries,
        _ => {
            worker.tables.clear();
            Vec::new()
        }
    };
    let mut known = known.into_iter();
    let buffers = &mut worker.buffers;
    let mut open =
        |column, raw| Cursor::new(column, rows.start, raw, buffers.pop().unwrap_or_default(), known.next());
    let mut task = Task {
        job,
        plan,
        system: open(&columns.system, false)?,
        country: open(&columns.country, false)?,
        time: open(&columns.time, false)?,
        channel: open(&columns.channel, false)?,
        value: open(&columns.value, true)?,
        date: columns.date.as_ref().map(|column| open(column, false)).transpose()?,
        tables: std::mem::take(&mut worker.tables),
        dense: &mut worker.dense,
        at: rows.start,
        end: rows.end,
        taken: Taken::default(),
        prefer: path.unwrap_or_else(|| prefer(columns)),
        blocks: std::mem::take(&mut worker.blocks),
    };
    task.dense.account.rows += rows.end - rows.start;
    let outcome = task.run(path, progress);
    let Task { system, country, time, channel, value, date, tables, taken, blocks, .. } = task;
    worker.tables = tables;
    worker.blocks = blocks;
    let mut entries = Vec::with_capacity(6);
    for cursor in [system, country, time, channel, value].into_iter().chain(date) {
        worker.cost.merge(cursor.cost);
        let (buffer, met) = cursor.into_parts();
        worker.buffers.push(buffer);
        entries.push(met);
    }
    outcome?;
    worker.known = Some((id, entries));
    Ok(taken)
}

/// Long runs of countries pay for walking runs; without them, bitmaps win.
fn prefer(columns: &Columns<'_>) -> Path {
    let Column::Chunk(chunk) = &columns.country else { return Path::Runs };
    let (rows, bytes) = chunk.data().iter().fold((0u64, 0u64), |(rows, bytes), page| {
        (rows + u64::from(page.values), bytes + u64::from(page.uncompressed_len))
    });
    // A run takes about three bytes; below two bits a row runs span a dozen rows.
    if bytes * 8 <= rows * 2 { Path::Runs } else { Path::Bitmap }
}

struct Task<'t, 'a> {
    job: &'t Job,
    plan: &'t FilePlan<'t>,
    system: Cursor<'a>,
    country: Cursor<'a>,
    time: Cursor<'a>,
    channel: Cursor<'a>,
    value: Cursor<'a>,
    date: Option<Cursor<'a>>,
    tables: Tables,
    dense: &'t mut Dense,
    /// The next row.
    at: u64,
    end: u64,
    taken: Taken,
    prefer: Path,
    blocks: Box<Blocks>,
}

/// Scratch space for one block.
pub struct Blocks {
    narrow: [[u16; BLOCK]; 5],
    survivors: bitmap::Survivors<{ BLOCK + 31 }>,
    ints: [i64; BLOCK],
    wide: [[u32; BLOCK]; 5],
    bits: [Option<u64>; BLOCK],
}

impl Default for Blocks {
    fn default() -> Self {
        let column = [0; BLOCK + 31];
        Blocks {
            narrow: [[0; BLOCK]; 5],
            survivors: bitmap::Survivors {
                countries: column,
                times: column,
                channels: column,
                values: column,
            },
            ints: [0; BLOCK],
            wide: [[0; BLOCK]; 5],
            bits: [None; BLOCK],
        }
    }
}

/// The run of a key column at hand, in rows of the step.
#[derive(Clone, Copy, Default)]
struct KeyRun {
    /// Rows that the cursor has passed.
    passed: u32,
    /// The first row that the run does not cover.
    end: u32,
    slot: u32,
}

impl KeyRun {
    /// Brings the run to row `at`; false where rows differ one by one there.
    #[inline]
    fn reach(&mut self, cursor: &mut Cursor<'_>, at: u32) -> Result<bool> {
        if at < self.end {
            return Ok(true);
        }
        let segment = cursor.segment_after(at - self.passed)?;
        self.passed = at;
        match segment {
            Segment::Run { value, len } => {
                self.slot = value;
                self.end = at.saturating_add(len);
                Ok(true)
            }
            Segment::Packed { .. } => Ok(false),
        }
    }
}

impl Task<'_, '_> {
    fn run(&mut self, forced: Option<Path>, progress: &dyn Progress) -> Result<()> {
        self.sync()?;
        let mut steps = 0u32;
        while self.at < self.end {
            steps = steps.wrapping_add(1);
            if steps.is_multiple_of(256) && progress.interrupted() {
                return Err(Error::Interrupted);
            }
            let legacy = self.job.semantics == Semantics::Legacy;
            let path = if legacy || forced == Some(Path::Scalar) { Path::Scalar } else { self.prefer };
            let done = match path {
                Path::Runs => self.step_runs()?,
                #[allow(clippy::cast_possible_truncation)] // BLOCK is small
                Path::Bitmap => self.step_bitmap_of(BLOCK as u32)?,
                Path::Scalar => None,
            };
            let (path, rows) = match done {
                Some(done) => done,
                None => (Path::Scalar, self.step_scalar()?),
            };
            if let Some(taken) = self.taken.get_mut(path as usize) {
                *taken += u64::from(rows);
            }
            self.at += u64::from(rows);
        }
        Ok(())
    }

    /// Brings the tables up to the slots that the columns have.
    fn sync(&mut self) -> Result<()> {
        let Task { tables, dense, job, plan, .. } = self;
        tables.systems(&self.system, job);
        tables.countries(&self.country, job, dense)?;
        tables.times(&self.time, job, plan.time_coding, dense)?;
        tables.channels(&self.channel, job);
        tables
            .numbers(&self.value, plan.value_type, plan.value_physical)
            .map_err(|e| e.in_column(&job.columns.value))?;
        tables.derive(dense);
        Ok(())
    }

    /// Rows left, at most `most`.
    #[allow(clippy::cast_possible_truncation)] // at most `most`
    fn rows_left(&self, most: u32) -> u32 {
        (self.end - self.at).min(u64::from(most)) as u32
    }

    /// Whether the fast paths know what is at hand.
    fn is_plain(&mut self) -> Result<bool> {
        let narrow = self.system.shape()? == Shape::Narrow
            && self.country.shape()? == Shape::Narrow
            && self.time.shape()? == Shape::Narrow
            && self.channel.shape()? == Shape::Narrow
            && self.value.shape()? != Shape::Wide;
        self.sync()?;
        Ok(narrow
            && !self.tables.values.special
            && !self.tables.bad_time
            && !self.value.may_be_null()
            && !self.channel.may_be_null()
            && !self.time.may_be_null())
    }

    /// Rows that the pages of the columns with nulls have at hand: a block must
    /// not run into a page that was not looked at.
    fn page_rows(&mut self, most: u32) -> Result<u32> {
        let mut rows = self.rows_left(most);
        for cursor in
            [&mut self.system, &mut self.country, &mut self.time, &mut self.channel, &mut self.value]
        {
            rows = cursor.rows_at_hand(rows)?;
        }
        Ok(rows)
    }

    /// One step by runs: as many stretches over which all keys repeat as the
    /// pages at hand have. Where a key does not repeat, a short block by bitmap.
    fn step_runs(&mut self) -> Result<Option<(Path, u32)>> {
        // Runs that a key rules out cost nothing in the other columns: pages
        // that hold no other rows are never opened.
        let most = self.rows_left(u32::MAX);
        let Segment::Run { value: system, len } = self.system.segment()? else {
            return self.step_bitmap_of(SHORT_BLOCK);
        };
        let len = len.min(most);
        if self.tables.system.get(system as usize) == Some(&0) && len >= LONG_RUN {
            self.dense.account.other_system += u64::from(len);
            self.skip_all(len, [true; 5])?;
            return Ok(Some((Path::Runs, len)));
        }
        let Segment::Run { value: country, len: country_len } = self.country.segment()? else {
            return self.step_bitmap_of(SHORT_BLOCK);
        };
        let len = len.min(country_len);
        let class = self.tables.country.get(country as usize).copied();
        if self.tables.system.get(system as usize) == Some(&1)
            && class != Some(Country::Keep as u8)
            && len >= LONG_RUN
        {
            let account = &mut self.dense.account;
            let reason = if class == Some(Country::Null as u8) {
                &mut account.null_country
            } else {
                &mut account.country_total
            };
            *reason += u64::from(len);
            self.skip_all(len, [true; 5])?;
            return Ok(Some((Path::Runs, len)));
        }
        if !self.is_plain()? {
            return Ok(None);
        }
        let rows = self.page_rows(most)?;
        let done = self.stretches(rows)?;
        if done == 0 { self.step_bitmap_of(SHORT_BLOCK) } else { Ok(Some((Path::Runs, done))) }
    }

    /// Walks the runs of the three keys over at most `rows` rows; returns how
    /// many rows it has come before a key stopped repeating.
    fn stretches(&mut self, rows: u32) -> Result<u32> {
        let Task { system, country, time, channel, value, tables, dense, blocks, plan, .. } = self;
        let raw = value.shape()? == Shape::Bits;
        let kind = plan.value_type;
        let Blocks { narrow: [_, _, _, channels, values], ints, .. } = &mut **blocks;
        let meaning = tables.meaning();
        let (mut systems, mut countries, mut times) =
            (KeyRun::default(), KeyRun::default(), KeyRun::default());
        // Rows of channels and values that are decoded, `window.start..window.end`.
        let mut window = 0..0u32;
        let mut marks = (channel.mark(), value.mark());
        let mut account = crate::grid::Account::default();
        // Room for as many rows as the step could have.
        dense.reserve(u64::from(rows), if raw { SMALL.unsigned_abs() } else { tables.values.max });
        let mut at = 0;
        while at < rows {
            if !systems.reach(system, at)? {
                break;
            }
            let mut end = systems.end.min(rows);
            if tables.system.get(systems.slot as usize) != Some(&1) {
                account.other_system += u64::from(end - at);
                at = end;
                continue;
            }
            if !countries.reach(country, at)? {
                break;
            }
            end = end.min(countries.end);
            let class = tables.country.get(countries.slot as usize).copied().unwrap_or_default();
            if class != Country::Keep as u8 {
                let total = class == Country::Total as u8;
                let reason = if total { &mut account.country_total } else { &mut account.null_country };
                *reason += u64::from(end - at);
                at = end;
                continue;
            }
            if !times.reach(time, at)? {
                break;
            }
            end = end.min(times.end);
            if !window.contains(&at) {
                #[allow(clippy::cast_possible_truncation)] // BLOCK is small
                let ahead = (rows - at).min(BLOCK as u32);
                channel.skip(at - window.end)?;
                value.skip(at - window.end)?;
                marks = (channel.mark(), value.mark());
                window = at..at;
                let n = ahead as usize;
                if !raw {
                    value.read_narrow(values.get_mut(..n).unwrap_or_default())?;
                } else if !value.read_ints(kind, ints.get_mut(..n).unwrap_or_default())? {
                    // Not for this path: the step ends before these rows.
                    break;
                }
                window.end += ahead;
                channel.read_narrow(channels.get_mut(..n).unwrap_or_default())?;
            }
            end = end.min(window.end);
            let (Some(group), Some(point)) =
                (tables.group.get(countries.slot as usize), tables.time.get(times.slot as usize))
            else {
                return Err(Error::internal("a slot without a meaning"));
            };
            let stretch = (at - window.start) as usize..(end - window.start) as usize;
            let (Some(values), Some(ints), Some(channels)) =
                (values.get(stretch.clone()), ints.get(stretch.clone()), channels.get(stretch))
            else {
                return Err(Error::internal("a stretch past its window"));
            };
            let sums = if raw {
                runs::stretch_ints(ints, channels, meaning.classes)
            } else {
                runs::stretch(values, channels, meaning)
            };
            dense.add_stretch(*group, *point, sums);
            account.counted += u64::from(end - at);
            at = end;
        }
        dense.account.merge(&account);
        system.skip(at - systems.passed)?;
        country.skip(at - countries.passed)?;
        time.skip(at - times.passed)?;
        if at < window.end {
            // A key stopped repeating within the window: back to its start.
            channel.reset(marks.0);
            value.reset(marks.1);
            window.end = window.start;
        }
        channel.skip(at - window.end)?;
        value.skip(at - window.end)?;
        Ok(at)
    }

    /// Passes over rows of the columns that are marked.
    fn skip_all(&mut self, rows: u32, which: [bool; 5]) -> Result<()> {
        let cursors =
            [&mut self.system, &mut self.country, &mut self.time, &mut self.channel, &mut self.value];
        for (cursor, _) in cursors.into_iter().zip(which).filter(|(_, marked)| *marked) {
            cursor.skip(rows)?;
        }
        Ok(())
    }

    /// One block by bitmap, of at most `most` rows.
    fn step_bitmap_of(&mut self, most: u32) -> Result<Option<(Path, u32)>> {
        if !self.is_plain()? {
            return Ok(None);
        }
        let rows = self.page_rows(most)?;
        let n = rows as usize;
        let raw = self.value.shape()? == Shape::Bits;
        let kind = self.plan.value_type;
        let Blocks { narrow: [systems, countries, times, channels, values], survivors, ints, .. } =
            &mut *self.blocks;
        let ints = ints.get_mut(..n).unwrap_or_default();
        // Before any other column is read: all of them decline together.
        if raw && !self.value.read_ints(kind, ints)? {
            return Ok(None);
        }
        let systems = systems.get_mut(..n).unwrap_or_default();
        let countries = countries.get_mut(..n).unwrap_or_default();
        self.system.read_narrow(systems)?;
        self.country.read_narrow(countries)?;
        let tables = &mut self.tables;
        let mut keep = [0u64; BLOCK / 64];
        let kept = bitmap::select(&tables.predicate(), systems, countries, &mut keep);
        let account = &mut self.dense.account;
        account.other_system += u64::from(rows - kept.system);
        account.null_country += u64::from(kept.null_country);
        account.country_total += u64::from(kept.country_total);
        account.counted += u64::from(kept.rows);
        if kept.rows == 0 {
            self.skip_all(rows, [false, false, true, true, !raw])?;
            return Ok(Some((Path::Bitmap, rows)));
        }
        let times = times.get_mut(..n).unwrap_or_default();
        let channels = channels.get_mut(..n).unwrap_or_default();
        let values = values.get_mut(..n).unwrap_or_default();
        self.time.read_narrow(times)?;
        self.channel.read_narrow(channels)?;
        tables.see(&keep, countries, times, self.dense);
        if raw {
            let block = bitmap::Rows { countries, times, channels, values: &[] };
            self.dense.reserve(u64::from(kept.rows), SMALL.unsigned_abs());
            bitmap::add_ints(&keep, block, ints, tables.places(), &mut self.dense.cells);
            return Ok(Some((Path::Bitmap, rows)));
        }
        self.value.read_narrow(values)?;
        let block = bitmap::Rows { countries, times, channels, values };
        let live = bitmap::compress(&keep, block, tables.values.zero, survivors);
        self.dense.reserve(u64::from(kept.rows), tables.values.max);
        bitmap::add(survivors, live, tables.places(), &mut self.dense.cells);
        Ok(Some((Path::Bitmap, rows)))
    }

    /// One block row by row: everything that there can be.
    fn step_scalar(&mut self) -> Result<u32> {
        #[allow(clippy::cast_possible_truncation)] // BLOCK is small
        let rows = self.rows_left(BLOCK as u32);
        let rows = self.value.rows_at_hand(rows)?;
        let n = rows as usize;
        let Blocks { wide, bits, .. } = &mut *self.blocks;
        let [systems, countries, times, channels, values] = wide;
        let systems = systems.get_mut(..n).unwrap_or_default();
        let countries = countries.get_mut(..n).unwrap_or_default();
        let times = times.get_mut(..n).unwrap_or_default();
        let channels = channels.get_mut(..n).unwrap_or_default();
        let values = values.get_mut(..n).unwrap_or_default();
        let bits = bits.get_mut(..n).unwrap_or_default();
        self.system.read_wide(systems)?;
        self.country.read_wide(countries)?;
        self.time.read_wide(times)?;
        self.channel.read_wide(channels)?;
        let raw = self.value.shape()? == Shape::Bits;
        if raw {
            self.value.read_bits(bits)?;
        } else {
            self.value.read_wide(values)?;
        }
        self.see_dates(rows)?;
        self.sync()?;
        let (kind, physical) = (self.plan.value_type, self.plan.value_physical);
        let Blocks { wide: [systems, countries, times, channels, values], bits, .. } = &*self.blocks;
        let legacy = self.job.semantics == Semantics::Legacy;
        let (tables, dense) = (&self.tables, &mut *self.dense);
        let class = |table: &[u8], slot: u32| table.get(slot as usize).copied().unwrap_or_default();
        let keys = systems.iter().zip(countries).zip(times).zip(channels).zip(values).zip(bits);
        for (row, (((((system, country), time), channel), value), bits)) in keys.take(n).enumerate() {
            let country_class = class(&tables.country, *country);
            let group = tables.group.get(*country as usize).copied().unwrap_or_default();
            if legacy && country_class == Country::Keep as u8 {
                dense.see_raw(group);
            }
            if class(&tables.system, *system) == 0 {
                dense.account.other_system += 1;
                continue;
            }
            if country_class == Country::Null as u8 {
                dense.account.null_country += 1;
                continue;
            }
            if country_class == Country::Total as u8 {
                dense.account.country_total += 1;
                continue;
            }
            let point = tables.time.get(*time as usize).copied().unwrap_or(BAD_TIME);
            if point == BAD_TIME {
                return Err(self.bad_time(*time, row as u64));
            }
            if legacy {
                dense.see_point(group, point);
            } else {
                dense.see(group, point);
            }
            let channel = class(&tables.channel, *channel);
            if channel == Channel::Unknown as u8 {
                dense.account.null_name += 1;
                continue;
            }
            let number = if raw {
                bits.map_or(Number::Null, |bits| number_of(kind, physical, bits))
            } else {
                tables.values.numbers.get(*value as usize).copied().unwrap_or(Number::Null)
            };
            let cell = dense.base(group) + point as usize * 2 + usize::from(channel);
            match number {
                Number::Null => dense.account.null_value += 1,
                Number::Nan => dense.account.nan_value += 1,
                Number::Infinite(_) => dense.account.infinite_value += 1,
                _ => dense.account.counted += 1,
            }
            // Under iso semantics what is no number is missing, row by row.
            if legacy || !matches!(number, Number::Nan | Number::Infinite(_)) {
                dense.add(cell, number).map_err(|e| e.in_column(&self.job.columns.value))?;
            }
        }
        Ok(rows)
    }

    /// Takes in the dates of the block's rows, where anybody asks for them.
    fn see_dates(&mut self, rows: u32) -> Result<()> {
        let Some(date) = &mut self.date else { return Ok(()) };
        let mut left = rows as usize;
        let mut block = [0u32; 256];
        let mut last = None;
        while left > 0 {
            let out = block.get_mut(..left.min(256)).unwrap_or_default();
            date.read_wide(out)?;
            left -= out.len();
            for slot in out {
                if last == Some(*slot) {
                    continue;
                }
                last = Some(*slot);
                let moment = date.entries.get(*slot).and_then(|raw| self.plan.date_coding.micros(raw));
                if let Some(micros) = moment {
                    self.dense.see_date(micros);
                }
            }
        }
        Ok(())
    }

    #[cold]
    fn bad_time(&self, slot: u32, row: u64) -> Error {
        let coding = self.plan.time_coding;
        let column = match self.job.grain {
            crate::Grain::Week => &self.job.columns.year_week,
            crate::Grain::Day => &self.job.columns.start_date,
        };
        let expected = match self.job.grain {
            crate::Grain::Week if self.job.semantics == Semantics::Legacy => {
                "digits, with which the original job could count, such as 2021_05"
            }
            crate::Grain::Week => "yyyy_ww, an ISO week that exists, such as 2021_05",
            crate::Grain::Day => "a date of the years 1 to 9999",
        };
        Error::data(format!("{column} is {}", coding.show(self.time.entries.get(slot))))
            .expected(expected)
            .advice("Correct the export; rows with another system or the country total may hold anything")
            .in_column(column)
            .at_row(self.at + row)
    }
}

/// A raw number as an exact one.
#[inline]
fn number_of(kind: crate::ids::values::ValueType, physical: crate::parquet::Physical, bits: u64) -> Number {
    use crate::ids::values::ValueType;
    #[allow(clippy::cast_possible_truncation)] // the low half is the 32-bit pattern
    match kind {
        ValueType::Float32 => Number::real(f64::from(f32::from_bits(bits as u32))),
        ValueType::Float64 => Number::real(f64::from_bits(bits)),
        ValueType::Null => Number::Null,
        _ => Number::int(kind.integer(physical, bits)),
    }
}

/// A task's file, for errors and the profile.
pub fn name(plan: &FilePlan<'_>) -> Arc<str> {
    plan.input.object.name().clone()
}

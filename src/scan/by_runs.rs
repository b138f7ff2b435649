//! The path for long runs: intersects the runs of conditions, keys and time.

use std::ops::Range;

use super::lanes::{ConditionLane, KeyLane, LaneMark};
use super::task::{BLOCK, Blocks, Cursors, LONG_RUN, Task, dropped_by};
use crate::grid::Account;
use crate::ids::cursor::{BlockKind, Cursor};
use crate::ids::values::SMALL;
use crate::kernel::bitmap::KeyClass;
use crate::kernel::runs::{KeyRun, Meaning};
use crate::kernel::{ScanPath, runs};
use crate::parquet::encoding::{RunOrPacked, Span};
use crate::{Error, Result};

/// Rows of a block by bitmap between runs.
const SHORT_BLOCK: u32 = 256;

/// The current run of a key column, in rows of the step.
#[derive(Clone, Copy, Default)]
struct CurrentRun {
    /// Rows that the cursor has skipped.
    passed: u32,
    /// The end of the run.
    end: u32,
    value_id: u32,
}

impl CurrentRun {
    /// Advances to the run of row `at`. Returns false where the row is in a bit-packed run.
    #[inline]
    fn reach(&mut self, cursor: &mut Cursor<'_>, at: u32) -> Result<bool> {
        if at < self.end {
            return Ok(true);
        }
        let segment = cursor.segment_after(at - self.passed)?;
        Ok(self.take(segment, at))
    }

    /// As [`Self::reach`], in a lane of keys.
    #[inline]
    fn reach_key(&mut self, lane: &mut KeyLane<'_>, at: u32) -> Result<bool> {
        if at < self.end {
            return Ok(true);
        }
        let segment = lane.segment_after(at - self.passed)?;
        Ok(self.take(segment, at))
    }

    #[inline]
    fn take(&mut self, segment: RunOrPacked, at: u32) -> bool {
        self.passed = at;
        match segment {
            RunOrPacked::Rle { value, len } => {
                self.value_id = value;
                self.end = at.saturating_add(len);
                true
            }
            RunOrPacked::BitPacked { .. } => false,
        }
    }
}

/// Runs of conditions, and key runs, that are buffered.
const SPANS: usize = 64;

/// The rows that meet the conditions, a few runs ahead. All positions are in rows of the step.
struct SelectedRuns {
    spans: [Span; SPANS],
    /// The first pending span, and the end of the spans.
    at: usize,
    end: usize,
    /// The end of the rows that the spans describe.
    known: u32,
    /// Rows that the cursor has skipped.
    passed: u32,
    /// The state of the cursor where the spans begin, and its row.
    mark: (LaneMark, u32),
    /// The value id of the last run that was read alone and does not meet the condition.
    failed: u32,
}

impl SelectedRuns {
    fn at(lane: &ConditionLane<'_>) -> Self {
        let mark = (lane.mark(), 0);
        SelectedRuns { spans: [(0, 0); SPANS], at: 0, end: 0, known: 0, passed: 0, mark, failed: 0 }
    }

    /// The next rows that meet the conditions, from `at` on. An empty span says that none does before it. `None` where
    /// row `at` is in a bit-packed run.
    #[inline]
    fn next(
        &mut self,
        cursor: &mut ConditionLane<'_>,
        pass: &[u8],
        at: u32,
        rows: u32,
    ) -> Result<Option<Span>> {
        if at == self.known {
            cursor.skip(at - self.passed)?;
            self.mark = (cursor.mark(), at);
            let (end, passed) = cursor.spans(pass, rows - at, &mut self.spans);
            (self.at, self.end) = (0, end);
            (self.known, self.passed) = (at + passed, at + passed);
            if passed == 0 {
                let RunOrPacked::Rle { value, len } = cursor.segment()? else { return Ok(None) };
                let len = len.min(rows - at);
                self.known = at + len;
                self.end = usize::from(pass.get(value as usize) == Some(&1));
                self.failed = value;
                self.spans = [(0, len); SPANS];
            }
        }
        let from = self.mark.1;
        while let Some((start, end)) = self.spans.get(self.at..self.end).and_then(|spans| spans.first()) {
            if from + end > at {
                return Ok(Some((at.max(from + start), from + end)));
            }
            self.at += 1;
        }
        Ok(Some((self.known, self.known)))
    }

    /// Moves the cursor to row `at`, which may lie before its position.
    fn leave(self, cursor: &mut ConditionLane<'_>, at: u32) -> Result<()> {
        if at >= self.passed {
            return cursor.skip(at - self.passed);
        }
        let (mark, row) = self.mark;
        cursor.reset(mark);
        cursor.skip(at - row)
    }
}

/// Key runs of the current window that are not summed yet.
struct PendingRuns {
    key_runs: [KeyRun; SPANS],
    len: usize,
}

impl Default for PendingRuns {
    fn default() -> Self {
        PendingRuns { key_runs: [KeyRun::default(); SPANS], len: 0 }
    }
}

impl PendingRuns {
    fn is_full(&self) -> bool {
        self.len == SPANS
    }

    /// Adds a key run; there must be room.
    #[inline]
    fn push(&mut self, rows: Range<u32>, cell: usize) {
        if let Some(to) = self.key_runs.get_mut(self.len) {
            *to = KeyRun { start: rows.start, end: rows.end, cell };
            self.len += 1;
        }
    }

    /// Sums the runs, over values that are value ids or, if `raw`, integers.
    fn add(
        &mut self,
        raw: bool,
        meaning: Meaning<'_>,
        values: &[u16],
        ints: &[i64],
        channels: &[u16],
        cells: &mut [i64],
    ) {
        #[allow(clippy::indexing_slicing)] // at most SPANS
        let key_runs = &self.key_runs[..self.len];
        if raw {
            runs::add_ints(ints, channels, meaning.class_of, key_runs, cells);
        } else {
            runs::add(values, channels, meaning, key_runs, cells);
        }
        self.len = 0;
    }
}

impl Task<'_, '_> {
    /// Sums as many runs over which all keys repeat as the current pages have. Where a key does not repeat, sums a
    /// short block by bitmap. Returns the path and the rows summed; `None` where it declines.
    pub(super) fn step_runs(&mut self) -> Result<Option<(ScanPath, u32)>> {
        // Runs that a key rules out cost nothing in the other columns: pages without other rows are never opened.
        let most = self.rows_left(u32::MAX);
        let RunOrPacked::Rle { value: condition, len } = self.cursors.condition.segment()? else {
            return self.step_bitmap_of(SHORT_BLOCK);
        };
        let len = len.min(most);
        if self.tables.condition.get(condition as usize) == Some(&0) && len >= LONG_RUN {
            let number = self.cursors.condition.number_of(condition);
            *dropped_by(&mut self.dense.account, self.question, number) += u64::from(len);
            self.cursors.skip_all(len)?;
            return Ok(Some((ScanPath::Runs, len)));
        }
        let RunOrPacked::Rle { value: key, len: key_len } = self.cursors.key.segment()? else {
            return self.step_bitmap_of(SHORT_BLOCK);
        };
        self.sync_keys()?;
        let len = len.min(key_len);
        let class = self.tables.key.get(key as usize).copied();
        if self.tables.condition.get(condition as usize) == Some(&1)
            && class.is_some_and(|class| class != KeyClass::Keep as u8)
            && len >= LONG_RUN
        {
            let account = &mut self.dense.account;
            let reason = if class == Some(KeyClass::Null as u8) {
                &mut account.null_member
            } else {
                &mut account.total_row
            };
            *reason += u64::from(len);
            self.cursors.skip_all(len)?;
            return Ok(Some((ScanPath::Runs, len)));
        }
        if !self.prepare_fast_path()? {
            return Ok(None);
        }
        let Cursors { time, class, measure, .. } = &self.cursors;
        if time.may_be_null() || measure.may_be_null() || self.tables.has_excluded(class) {
            #[allow(clippy::cast_possible_truncation)] // BLOCK is small
            return self.step_bitmap_of(BLOCK as u32);
        }
        let rows = self.page_rows(most)?;
        let done = self.key_runs(rows)?;
        if done == 0 { self.step_bitmap_of(SHORT_BLOCK) } else { Ok(Some((ScanPath::Runs, done))) }
    }

    /// Intersects the runs of conditions, keys and time over at most `rows` rows. Returns the rows summed before one of
    /// them stops repeating.
    fn key_runs(&mut self, rows: u32) -> Result<u32> {
        let Task { cursors, tables, dense, blocks, file, question, .. } = self;
        let Cursors { condition, key, time, class, measure, .. } = cursors;
        let raw = measure.load_page()? == BlockKind::Numbers;
        let kind = file.value_type;
        let Blocks { narrow: [_, _, _, classes, measures], ints, .. } = &mut **blocks;
        let mut pending = PendingRuns::default();
        let mut selected = SelectedRuns::at(condition);
        let (mut keys, mut times) = (CurrentRun::default(), CurrentRun::default());
        // Rows of classes and measures that are decoded, `window.start..window.end`.
        let mut window = 0..0u32;
        let mut marks = (class.mark(), measure.mark());
        let mut account = Account::default();
        // Room for the largest possible number of rows.
        dense.reserve(u64::from(rows), if raw { SMALL.unsigned_abs() } else { tables.measures.max });
        let mut at = 0;
        while at < rows {
            let Some(span) = selected.next(condition, &tables.condition, at, rows)? else { break };
            *dropped_by(&mut account, question, condition.number_of(selected.failed)) +=
                u64::from(span.0 - at);
            at = span.0;
            if at == span.1 {
                continue;
            }
            if !keys.reach_key(key, at)? {
                break;
            }
            if keys.value_id as usize >= tables.key.len() {
                // A new group may move the cells.
                pending.add(raw, tables.meaning(), measures, ints, classes, &mut dense.cells);
                tables.keys(key, question, file, dense)?;
            }
            let mut end = span.1.min(keys.end);
            let key_class = tables.key.get(keys.value_id as usize).copied().unwrap_or_default();
            if key_class != KeyClass::Keep as u8 {
                let total = key_class == KeyClass::Total as u8;
                let reason = if total { &mut account.total_row } else { &mut account.null_member };
                *reason += u64::from(end - at);
                at = end;
                continue;
            }
            if !times.reach(time, at)? {
                break;
            }
            end = end.min(times.end);
            if !window.contains(&at) {
                pending.add(raw, tables.meaning(), measures, ints, classes, &mut dense.cells);
                #[allow(clippy::cast_possible_truncation)] // BLOCK is small
                let ahead = (rows - at).min(BLOCK as u32);
                class.skip(at - window.end)?;
                measure.skip(at - window.end)?;
                marks = (class.mark(), measure.mark());
                window = at..at;
                let n = ahead as usize;
                #[allow(clippy::indexing_slicing)] // at most BLOCK
                let (classes, measures, ints) = (&mut classes[..n], &mut measures[..n], &mut ints[..n]);
                if !raw {
                    measure.read_ids16(measures)?;
                } else if !measure.read_ints(kind, ints)? {
                    // This path cannot sum these rows: the step ends before them.
                    break;
                }
                window.end += ahead;
                class.read_ids16(classes)?;
            }
            end = end.min(window.end);
            let (Some(group), Some(point)) =
                (tables.group.get(keys.value_id as usize), tables.time.get(times.value_id as usize))
            else {
                return Err(Error::internal("a value id without a meaning"));
            };
            if pending.is_full() {
                pending.add(raw, tables.meaning(), measures, ints, classes, &mut dense.cells);
            }
            pending.push(at - window.start..end - window.start, dense.cell(*group, *point));
            account.counted += u64::from(end - at);
            at = end;
        }
        pending.add(raw, tables.meaning(), measures, ints, classes, &mut dense.cells);
        dense.account.merge(&account);
        selected.leave(condition, at)?;
        key.skip(at - keys.passed)?;
        time.skip(at - times.passed)?;
        if at < window.end {
            // A key stopped repeating within the window: return to its start.
            class.reset(marks.0);
            measure.reset(marks.1);
            window.end = window.start;
        }
        class.skip(at - window.end)?;
        measure.skip(at - window.end)?;
        Ok(at)
    }
}

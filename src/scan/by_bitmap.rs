//! The path for keys that differ row by row: filter a block to a selection bitmap, sum the selected rows.

use super::lanes::ConditionLane;
use super::task::{BLOCK, Blocks, Cursors, Task, dropped_by};
use crate::Result;
use crate::ids::cursor::BlockKind;
use crate::ids::values::SMALL;
use crate::kernel::{ScanPath, bitmap};

/// Up to this many excluded value ids are compared one by one.
const FEW: usize = 8;

impl Task<'_, '_> {
    /// Sums a block of at most `most` rows by bitmap. Returns the path and the rows summed; `None` where it declines.
    pub(super) fn step_bitmap_of(&mut self, most: u32) -> Result<Option<(ScanPath, u32)>> {
        if !self.prepare_fast_path()? {
            return Ok(None);
        }
        let rows = self.page_rows(most)?;
        let n = rows as usize;
        let raw = self.cursors.measure.load_page()? == BlockKind::Numbers;
        // A selected row without a time is an error, which the general path reports: it begins where this block does.
        let may_decline = self.cursors.time.may_be_null();
        let before = may_decline.then(|| self.cursors.marks());
        let kind = self.file.value_type;
        let Blocks { narrow: [conditions, keys, ..], ints, .. } = &mut *self.blocks;
        #[allow(clippy::indexing_slicing)] // at most BLOCK
        let ints = &mut ints[..n];
        // Before any other column is read, so that declining leaves all columns at the same row.
        if raw && !self.cursors.measure.read_ints(kind, ints)? {
            return Ok(None);
        }
        #[allow(clippy::indexing_slicing)] // at most BLOCK
        let (conditions, keys) = (&mut conditions[..n], &mut keys[..n]);
        self.cursors.condition.read_ids16(conditions)?;
        self.cursors.key.read_ids16(keys)?;
        self.sync_keys()?;
        let Cursors { condition, time, class, measure, .. } = &mut self.cursors;
        let tables = &mut self.tables;
        let Blocks { narrow: [conditions, keys, times, classes, measures], survivors, ints, .. } =
            &mut *self.blocks;
        #[allow(clippy::indexing_slicing)] // at most BLOCK
        let (conditions, keys, ints) = (&conditions[..n], &keys[..n], &ints[..n]);
        let mut keep = [0u64; BLOCK / 64];
        let kept = bitmap::select(&tables.predicate(), conditions, keys, &mut keep);
        #[allow(clippy::indexing_slicing)] // at most BLOCK
        let (times, classes, measures) = (&mut times[..n], &mut classes[..n], &mut measures[..n]);
        if kept.rows > 0 {
            time.read_ids16(times)?;
            if let Some(before) = before
                && u16::try_from(time.entries.null()).is_ok_and(|null| bitmap::contains(&keep, times, null))
            {
                self.cursors.reset(before);
                return Ok(None);
            }
        }
        let account = &mut self.dense.account;
        match condition {
            ConditionLane::One(_) => {
                *dropped_by(account, self.question, 0) += u64::from(rows - kept.condition)
            }
            ConditionLane::Many(_) if kept.condition < rows => {
                for number in conditions {
                    if usize::from(*number) < self.question.conditions.len() {
                        *dropped_by(account, self.question, usize::from(*number)) += 1;
                    }
                }
            }
            ConditionLane::Many(_) => {}
        }
        account.null_member += u64::from(kept.null_keys);
        account.total_row += u64::from(kept.total_keys);
        account.counted += u64::from(kept.rows);
        if kept.rows == 0 {
            self.cursors.skip_unselected(rows, !raw)?;
            return Ok(Some((ScanPath::Bitmap, rows)));
        }
        class.read_ids16(classes)?;
        tables.mark_present(&keep, keys, times, self.dense);
        if tables.has_excluded(class) {
            let null = class.entries.null();
            let mut remove = |removed: u64, is_null: bool| {
                let account = &mut self.dense.account;
                account.counted -= removed;
                *(if is_null { &mut account.null_channel } else { &mut account.excluded_channel }) += removed;
            };
            if tables.excluded.len() <= FEW {
                for id in &tables.excluded {
                    let Ok(narrow) = u16::try_from(*id) else { continue };
                    remove(bitmap::remove(&mut keep, classes, narrow).into(), *id == null);
                }
            } else {
                let is_excluded_id = |id: u32| tables.excluded.binary_search(&id).is_ok();
                if is_excluded_id(null)
                    && let Ok(null) = u16::try_from(null)
                {
                    remove(bitmap::remove(&mut keep, classes, null).into(), true);
                }
                remove(
                    bitmap::remove_where(&mut keep, classes, |id| is_excluded_id(id.into())).into(),
                    false,
                );
            }
        }
        if raw {
            let block = bitmap::Rows { keys, periods: times, classes, measures: &[] };
            self.dense.reserve(u64::from(kept.rows), SMALL.unsigned_abs());
            bitmap::add_ints(&keep, block, ints, tables.cell_offsets(), &mut self.dense.cells);
            return Ok(Some((ScanPath::Bitmap, rows)));
        }
        measure.read_ids16(measures)?;
        if measure.may_be_null()
            && let Ok(null) = u16::try_from(measure.entries.null())
        {
            let nulls = u64::from(bitmap::count(&keep, measures, null));
            self.dense.account.counted -= nulls;
            self.dense.account.null_value += nulls;
        }
        let block = bitmap::Rows { keys, periods: times, classes, measures };
        let live = bitmap::compress(&keep, block, tables.measures.zero, survivors);
        self.dense.reserve(u64::from(kept.rows), tables.measures.max);
        bitmap::add(survivors, live, tables.cell_offsets(), &mut self.dense.cells);
        Ok(Some((ScanPath::Bitmap, rows)))
    }
}

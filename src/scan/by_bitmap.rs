//! The path for keys that differ row by row: filter a block to a selection bitmap, sum the selected rows.

use super::task::{BLOCK, Blocks, Task};
use crate::Result;
use crate::ids::cursor::BlockKind;
use crate::ids::values::SMALL;
use crate::kernel::{ScanPath, bitmap};

impl Task<'_, '_> {
    /// Sums a block of at most `most` rows by bitmap. Returns the path and the rows summed; `None` where it declines.
    pub(super) fn step_bitmap_of(&mut self, most: u32) -> Result<Option<(ScanPath, u32)>> {
        if !self.prepare_fast_path()? {
            return Ok(None);
        }
        let rows = self.page_rows(most)?;
        let n = rows as usize;
        let raw = self.cursors.value.load_page()? == BlockKind::Numbers;
        let kind = self.file.value_type;
        let Blocks { narrow: [systems, countries, times, channels, values], survivors, ints, .. } =
            &mut *self.blocks;
        #[allow(clippy::indexing_slicing)] // at most BLOCK
        let ints = &mut ints[..n];
        // Before any other column is read, so that declining leaves all columns at the same row.
        if raw && !self.cursors.value.read_ints(kind, ints)? {
            return Ok(None);
        }
        #[allow(clippy::indexing_slicing)] // at most BLOCK
        let (systems, countries) = (&mut systems[..n], &mut countries[..n]);
        self.cursors.system.read_ids16(systems)?;
        self.cursors.country.read_ids16(countries)?;
        let tables = &mut self.tables;
        let mut keep = [0u64; BLOCK / 64];
        let kept = bitmap::select(&tables.predicate(), systems, countries, &mut keep);
        let account = &mut self.dense.account;
        account.other_system += u64::from(rows - kept.condition);
        account.null_country += u64::from(kept.null_keys);
        account.country_total += u64::from(kept.total_keys);
        account.counted += u64::from(kept.rows);
        if kept.rows == 0 {
            self.cursors.skip_unselected(rows, !raw)?;
            return Ok(Some((ScanPath::Bitmap, rows)));
        }
        #[allow(clippy::indexing_slicing)] // at most BLOCK
        let (times, channels, values) = (&mut times[..n], &mut channels[..n], &mut values[..n]);
        self.cursors.time.read_ids16(times)?;
        self.cursors.channel.read_ids16(channels)?;
        tables.mark_present(&keep, countries, times, self.dense);
        if raw {
            let block = bitmap::Rows { keys: countries, periods: times, classes: channels, measures: &[] };
            self.dense.reserve(u64::from(kept.rows), SMALL.unsigned_abs());
            bitmap::add_ints(&keep, block, ints, tables.cell_offsets(), &mut self.dense.cells);
            return Ok(Some((ScanPath::Bitmap, rows)));
        }
        self.cursors.value.read_ids16(values)?;
        let block = bitmap::Rows { keys: countries, periods: times, classes: channels, measures: values };
        let live = bitmap::compress(&keep, block, tables.values.zero, survivors);
        self.dense.reserve(u64::from(kept.rows), tables.values.max);
        bitmap::add(survivors, live, tables.cell_offsets(), &mut self.dense.cells);
        Ok(Some((ScanPath::Bitmap, rows)))
    }
}

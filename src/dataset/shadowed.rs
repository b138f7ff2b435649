//! Columns of a file that a hive partition of its path shadows.
//!
//! The scan takes the value of such a column from the path. The rows of the file have to agree with it: otherwise users
//! of one country, in the folder of another, would silently count for the wrong one.

use std::ops::Range;

use super::column::{ColumnLocation, is_alike};
use super::file::OpenFile;
use super::text::TextForm;
use crate::calendar::zone::Zone;
use crate::ids::column::{Column, Cost};
use crate::ids::cursor::Cursor;
use crate::parquet::encoding::RunOrPacked;
use crate::parquet::{FileMeta, Leaf};
use crate::scan::classes::TimeCoding;
use crate::{Error, Result};

/// Rows that one cursor compares: it keeps their distinct values.
const RANGE: u64 = 1 << 18;

/// How values of the file are compared with the text in the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As text.
    Text(TextForm),
    /// By their days.
    Day(TimeCoding),
}

/// A column of a file that a partition of its path shadows.
pub struct ShadowedColumn {
    /// Its leaf in the footer.
    pub leaf: usize,
    /// The column as the job names it.
    pub name: String,
    /// The value of the path.
    pub value: Option<String>,
    /// How the values are compared.
    pub form: Form,
}

impl ShadowedColumn {
    /// The columns of a file that the partition at `location` shadows: those called `column`, but for case.
    ///
    /// # Errors
    /// Those of `form`, for a type that cannot be compared with a path.
    pub fn of(
        meta: &FileMeta,
        location: &ColumnLocation,
        column: &str,
        form: impl Fn(&Leaf) -> Result<Form>,
    ) -> Result<Vec<Self>> {
        let ColumnLocation::Partition(value) = location else { return Ok(Vec::new()) };
        let is_shadowed = |leaf: &Leaf| {
            leaf.path.len() == 1 && leaf.path.first().is_some_and(|name| is_alike(name, column))
        };
        let shadowed = meta.leaves.iter().enumerate().filter(|(_, leaf)| is_shadowed(leaf));
        shadowed
            .map(|(at, leaf)| {
                let form = form(leaf).map_err(|e| e.in_column(&leaf.name()))?;
                Ok(ShadowedColumn { leaf: at, name: column.to_owned(), value: value.clone(), form })
            })
            .collect()
    }

    /// Whether a stored value means what the path says.
    fn agrees(&self, raw: Option<&[u8]>, zone: Option<&Zone>) -> bool {
        let (Some(raw), Some(value)) = (raw, self.value.as_deref()) else {
            return raw.is_none() && self.value.is_none();
        };
        match self.form {
            Form::Day(coding) => {
                let day = coding.day_in(raw, zone);
                day.is_some() && day == TimeCoding::Text.day_in(value.as_bytes(), zone)
            }
            Form::Text(form) => {
                let text = form.text(raw);
                match form {
                    TextForm::Text | TextForm::Date => *text == *value.as_bytes(),
                    TextForm::Boolean => text.eq_ignore_ascii_case(value.as_bytes()),
                    // `month=03`
                    TextForm::Integer | TextForm::Unsigned => std::str::from_utf8(&text)
                        .ok()
                        .and_then(|text| text.parse::<i128>().ok())
                        .is_some_and(|number| value.parse() == Ok(number)),
                }
            }
        }
    }

    /// A stored value for a message.
    fn show(&self, raw: Option<&[u8]>) -> String {
        match (self.form, raw) {
            (_, None) => "null".to_owned(),
            (Form::Day(coding), raw) => coding.show(raw),
            (Form::Text(form), Some(raw)) => {
                format!("'{}'", String::from_utf8_lossy(&form.text(raw)))
            }
        }
    }

    fn contradiction(&self, raw: Option<&[u8]>, leaf: &Leaf, row: u64) -> Error {
        let value = self.value.as_ref().map_or("null".to_owned(), |value| format!("'{value}'"));
        Error::data(format!("the value is {}, but the path says {} is {value}", self.show(raw), self.name))
            .expected("the value of the path in every row, or no such column in the file")
            .advice("Move the rows to the folder of their value, or rename the folder or the column")
            .in_column(&leaf.name())
            .at_row(row)
    }
}

impl OpenFile<'_> {
    /// Compares `rows` of a row group, in the columns that the path shadows, with the path.
    ///
    /// # Errors
    /// `Data` for the first row that differs.
    pub fn check_shadowed(
        &self,
        row_group: usize,
        rows: Range<u64>,
        zone: Option<&Zone>,
        cost: &mut Cost,
    ) -> Result<()> {
        let shadowed = self.scan.as_ref().map_or(&[][..], |scan| &scan.shadowed);
        let mut first: Option<(u64, Error)> = None;
        for column in shadowed {
            // The first row of all columns is reported.
            let end = first.as_ref().map_or(rows.end, |(row, _)| *row);
            if let Some(found) = self.find_contradiction(column, row_group, rows.start..end, zone, cost)? {
                first = Some(found);
            }
        }
        first.map_or(Ok(()), |(_, error)| Err(error))
    }

    #[allow(clippy::indexing_slicing)] // at most as many rows are read as the block has
    fn find_contradiction(
        &self,
        shadowed: &ShadowedColumn,
        row_group: usize,
        rows: Range<u64>,
        zone: Option<&Zone>,
        cost: &mut Cost,
    ) -> Result<Option<(u64, Error)>> {
        let (meta, leaf) = (self.footer.row_groups.get(row_group), self.footer.leaves.get(shadowed.leaf));
        let (Some(meta), Some(leaf)) = (meta, leaf) else {
            return Err(Error::internal("no such column chunk"));
        };
        let location = ColumnLocation::Leaf(shadowed.leaf);
        let columns = Column::open_all(self.object, &[location.source(&self.footer, &meta)?], meta.rows)?;
        let Some(column) = columns.first() else { return Ok(None) };
        let mut block = [0u32; 1024];
        let mut row = rows.start;
        while row < rows.end {
            let end = rows.end.min(row + RANGE);
            let mut cursor = Cursor::new(column, row, false, Vec::new(), None)?;
            let mut last_agreeing = None;
            while row < end {
                let left = u32::try_from(end - row).unwrap_or(u32::MAX);
                let (ids, read) = match cursor.segment()? {
                    RunOrPacked::Rle { value, len } => {
                        block[0] = value;
                        let read = len.min(left);
                        cursor.skip(read)?;
                        (&block[..1], read)
                    }
                    RunOrPacked::BitPacked { len } => {
                        let read = len.min(left).min(1024);
                        let ids = &mut block[..read as usize];
                        cursor.read_ids32(ids)?;
                        (&*ids, read)
                    }
                };
                for (id, at) in ids.iter().zip(row..) {
                    if last_agreeing == Some(*id) {
                        continue;
                    }
                    let raw = cursor.entries.get(*id);
                    if !shadowed.agrees(raw, zone) {
                        return Ok(Some((at, shadowed.contradiction(raw, leaf, at))));
                    }
                    last_agreeing = Some(*id);
                }
                row += u64::from(read);
            }
            cost.merge(cursor.cost);
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_compared_as_their_type_is_written() {
        let agrees = |form, value: Option<&str>, raw: Option<&[u8]>| {
            let value = value.map(str::to_owned);
            ShadowedColumn { leaf: 0, name: "x".into(), value, form }.agrees(raw, None)
        };
        let text = Form::Text(TextForm::Text);
        assert!(agrees(text, Some("FR"), Some(b"FR")) && agrees(text, None, None));
        assert!(!agrees(text, Some("FR"), Some(b"fr")) && !agrees(text, Some("FR"), None));
        assert!(!agrees(text, None, Some(b"FR")) && !agrees(text, None, Some(b"")));
        let three = Some(&3i32.to_le_bytes()[..]);
        assert!(agrees(Form::Text(TextForm::Integer), Some("03"), three));
        assert!(!agrees(Form::Text(TextForm::Integer), Some("3x"), three));
        assert!(agrees(Form::Text(TextForm::Boolean), Some("True"), Some(&[1])));
        let day = Some(&18_628i32.to_le_bytes()[..]);
        assert!(agrees(Form::Text(TextForm::Date), Some("2021-01-01"), day));
        assert!(agrees(Form::Day(TimeCoding::Day32), Some("20210101"), day));
        assert!(!agrees(Form::Day(TimeCoding::Day32), Some("2021-01-02"), day));
        assert!(!agrees(Form::Day(TimeCoding::Text), Some("none"), Some(b"none")));
    }
}

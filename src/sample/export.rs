//! The columns of an export: the rows of the cube.

use super::cube::{Cube, Row, SYSTEMS, mix};
use super::table::{Column, Field, Kind, Table, put_text};

/// The columns of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ExportColumn {
    Name,
    Value,
    StartDate,
    EndDate,
    YearWeek,
    HasSubtrackers,
    Token,
    InsertedAt,
    Country,
    OsName,
}

impl ExportColumn {
    /// In the order of the file.
    pub(super) const ALL: [ExportColumn; 10] = [
        ExportColumn::Name,
        ExportColumn::Value,
        ExportColumn::StartDate,
        ExportColumn::EndDate,
        ExportColumn::YearWeek,
        ExportColumn::HasSubtrackers,
        ExportColumn::Token,
        ExportColumn::InsertedAt,
        ExportColumn::Country,
        ExportColumn::OsName,
    ];
}

impl Table for Cube {
    type Row = Row;

    fn rows(&self) -> u64 {
        self.rows()
    }

    fn row(&self, index: u64) -> Row {
        self.row(index)
    }
}

impl Column for ExportColumn {
    type Table = Cube;

    fn field(self) -> Field {
        let (name, kind) = match self {
            ExportColumn::Name => ("name", Kind::Text),
            ExportColumn::Value => ("value", Kind::Float),
            ExportColumn::StartDate => ("start_date", Kind::Date),
            ExportColumn::EndDate => ("end_date", Kind::Date),
            ExportColumn::YearWeek => ("year_week", Kind::Text),
            ExportColumn::HasSubtrackers => return Field::plain("has_subtrackers", Kind::Boolean),
            ExportColumn::Token => ("token", Kind::Text),
            ExportColumn::InsertedAt => ("dataplatform_inserted_at", Kind::Int96),
            ExportColumn::Country => ("country", Kind::Text),
            ExportColumn::OsName => ("os_name", Kind::Text),
        };
        Field::dictionary(name, kind)
    }

    #[allow(clippy::indexing_slicing)] // rows come from the same cube
    fn code(self, cube: &Cube, row: &Row) -> Option<u64> {
        Some(match self {
            ExportColumn::Name | ExportColumn::Token => u64::from(row.channel),
            ExportColumn::Value => u64::from(row.value),
            ExportColumn::StartDate | ExportColumn::EndDate => u64::from(row.day),
            ExportColumn::YearWeek => u64::from(row.day) / 7,
            ExportColumn::HasSubtrackers => u64::from(cube.channels()[usize::from(row.channel)].subtrackers),
            ExportColumn::InsertedAt => u64::from(row.day) * 3 + u64::from(row.system),
            ExportColumn::Country => u64::from(row.country),
            ExportColumn::OsName => u64::from(row.system),
        })
    }

    #[allow(clippy::indexing_slicing)] // codes come from the same cube
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)] // counts stay below 2^24
    fn put(self, cube: &Cube, code: u64, out: &mut Vec<u8>) {
        let at = code as usize;
        match self {
            ExportColumn::Name => put_text(&cube.channels()[at].name, out),
            ExportColumn::Token => put_text(&cube.channels()[at].token, out),
            ExportColumn::Value => out.extend((code as f32).to_le_bytes()),
            ExportColumn::StartDate | ExportColumn::EndDate => {
                out.extend(cube.date(code as u16).to_le_bytes())
            }
            ExportColumn::YearWeek => put_text(&cube.week_label(code as u32), out),
            ExportColumn::HasSubtrackers => out.push(u8::from(code != 0)),
            ExportColumn::InsertedAt => put_inserted_at(cube, code, out),
            ExportColumn::Country => put_text(cube.countries()[at].code, out),
            ExportColumn::OsName => put_text(SYSTEMS[at], out),
        }
    }
}

/// INT96: nanoseconds of the day, then the Julian day. Exports run at three in the morning of the next
/// day and take a few seconds for each system.
#[allow(clippy::cast_possible_truncation)] // days are 16-bit numbers
fn put_inserted_at(cube: &Cube, code: u64, out: &mut Vec<u8>) {
    const JULIAN_DAY_OF_EPOCH: i32 = 2_440_588;
    let seconds = 3 * 3_600 + code % 3 * 17;
    let micros = mix(code) % 9_000_000;
    out.extend(((seconds * 1_000_000 + micros) * 1_000).to_le_bytes());
    let day = cube.date((code / 3) as u16) + 1 + JULIAN_DAY_OF_EPOCH;
    out.extend(day.to_le_bytes());
}

//! The table as text for a terminal: shares in percent; more rows than fit a screen
//! become one line a key with its trend. Names are cut and escaped: arranging a cell takes more than linear time.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use comfy_table::{
    Attribute, Cell as Field, CellAlignment, ContentArrangement, LineStyle, Table as Grid, TableStyle,
};

use super::cell::iso_date;
use super::{Cell, Column, ColumnData, Table};
use crate::escape;
use crate::report::words;

/// The most rows of a table that is shown in full, and the most keys of a summary.
const SCREENFUL: usize = 40;
/// The latest steps whose shares the summary shows.
const LATEST: usize = 4;
/// The most steps of a trend: a wider one is hard to read.
const TREND: usize = 64;
/// Shown instead of a null share.
const NONE: &str = "–";

/// A line below the header, and no other lines.
const STYLE: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

/// Options of [`render`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// Width of the terminal in characters.
    pub width: u16,
    /// Whether to use bold and dim text, which needs a terminal.
    pub colour: bool,
}

/// Renders `table`, with a line feed at the end.
pub fn render(table: &Table, look: Look) -> String {
    if table.rows() == 0 {
        return "No rows: no input row passed the filter.\n".to_owned();
    }
    if table.rows() <= SCREENFUL {
        return all_rows(table, look);
    }
    by_key(table, look).unwrap_or_else(|| all_rows(table, look))
}

fn grid(look: Look, header: Vec<String>, left: usize) -> Grid {
    let mut grid = Grid::new();
    grid.load_style(STYLE).set_content_arrangement(ContentArrangement::Dynamic).set_width(look.width);
    if look.colour {
        grid.enforce_styling();
    } else {
        grid.force_no_tty();
    }
    grid.set_header(header.into_iter().map(|name| Field::new(name).add_attribute(Attribute::Bold)));
    for column in grid.column_iter_mut().skip(left) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    grid
}

fn all_rows(table: &Table, look: Look) -> String {
    let texts = table.columns.iter().take_while(|c| !matches!(c.data, ColumnData::Float64(_))).count();
    let header = table.columns.iter().map(|c| escape::name(&c.name).into()).collect();
    let mut grid = grid(look, header, texts);
    for row in 0..table.rows() {
        grid.add_row(table.columns.iter().map(|column| field(column, row)));
    }
    format!("{}\n", grid.trim_fmt())
}

fn field(column: &Column, row: usize) -> Field {
    let text = match column.data.cell(row) {
        Cell::Null => return Field::new(NONE).add_attribute(Attribute::Dim),
        Cell::Int(value) => value.to_string(),
        Cell::Date(day) => iso_date(day),
        Cell::Text(value) => escape::name(value).into(),
        Cell::Float(value) if column.name.ends_with("_change") => format!("{:+.1} pp", value * 100.0),
        Cell::Float(value) if column.name.starts_with("share_") => percent(Some(value)),
        Cell::Float(value) if column.name.starts_with("organic_per_paid_") => format!("{value:.3}"),
        Cell::Float(value) => value.to_string(),
    };
    Field::new(text)
}

fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| NONE.to_owned(), |share| format!("{:.1} %", share * 100.0))
}

/// Whether a column is a share, and not a bound or a change of one: `share_organic_p4w`, `share_p4w`.
pub fn is_share(name: &str) -> bool {
    window_of(name).is_some_and(|window| !window.contains('_'))
}

/// The window of a share column, `p4w`, and what follows it.
fn window_of(name: &str) -> Option<&str> {
    let window = name.strip_prefix("share_organic_").or_else(|| name.strip_prefix("share_"))?;
    window
        .strip_prefix('p')
        .is_some_and(|length| length.starts_with(|c: char| c.is_ascii_digit()))
        .then_some(window)
}

/// The step of the time axis of `row`, as `2021-W05`, `2021-02-01` or `2021-02`.
pub fn step(table: &Table, row: usize) -> Option<String> {
    let cell = |name| table.column(name).map(|column| column.data.cell(row));
    match (cell("date"), cell("year"), cell("week"), cell("month")) {
        (Some(Cell::Date(day)), ..) => Some(iso_date(day)),
        (_, Some(Cell::Int(year)), Some(Cell::Int(week)), _) => Some(format!("{year}-W{week:02}")),
        (_, Some(Cell::Int(year)), _, Some(Cell::Int(month))) => Some(format!("{year}-{month:02}")),
        _ => None,
    }
}

/// The rows of each key, in the order of its members.
fn rows_by_key<'t>(table: &'t Table, keys: &[&'t Column]) -> BTreeMap<Vec<&'t str>, Vec<usize>> {
    // Members are compared once a key, not once a row.
    let mut of_indices: HashMap<Vec<u32>, Vec<usize>> = HashMap::new();
    for row in 0..table.rows() {
        let index = |column: &&Column| match &column.data {
            ColumnData::Utf8 { indices, .. } => indices.get(row).copied(),
            _ => None,
        };
        if let Some(indices) = keys.iter().map(index).collect::<Option<Vec<_>>>() {
            of_indices.entry(indices).or_default().push(row);
        }
    }
    let mut rows: BTreeMap<Vec<&str>, Vec<usize>> = BTreeMap::new();
    for of_key in of_indices.into_values() {
        let text = |column: &&'t Column, row: usize| match column.data.cell(row) {
            Cell::Text(member) => Some(member),
            _ => None,
        };
        let members = |row: usize| keys.iter().map(|column| text(column, row)).collect::<Option<Vec<_>>>();
        if let Some(members) = of_key.first().and_then(|row| members(*row)) {
            rows.entry(members).or_default().extend(of_key);
        }
    }
    rows.values_mut().for_each(|rows| rows.sort_unstable());
    rows
}

fn by_key(table: &Table, look: Look) -> Option<String> {
    let keys = table.key_columns();
    let dimensions: Vec<Cow<'_, str>> = keys.iter().map(|column| escape::name(&column.name)).collect();
    let shares: Vec<&Column> = table.columns.iter().filter(|c| is_share(&c.name)).collect();
    let first = shares.first()?;
    let rows = rows_by_key(table, &keys);
    let longest = rows.values().max_by_key(|rows| rows.len())?;
    let share = |column: &Column, row: usize| match column.data.cell(row) {
        Cell::Float(value) if value.is_finite() => Some(value),
        _ => None,
    };

    // Each field has a space on either side and one before the next field.
    let length = |name: &str| name.chars().count();
    let members = |at: usize| rows.keys().filter_map(move |members| members.get(at));
    let width_of = |(at, name): (usize, &Cow<'_, str>)| {
        members(at).map(|name| length(&escape::name(name))).max().unwrap_or_default().max(length(name)) + 3
    };
    let names: usize = dimensions.iter().enumerate().map(width_of).sum();
    // On a narrow terminal the older of the latest steps are left out, and the trend is kept.
    let fitting = (usize::from(look.width).saturating_sub(names.max(10) + 20) / 13).clamp(1, LATEST);
    let latest = longest.get(longest.len().saturating_sub(fitting)..)?;
    let others = shares.len() - 1;
    // A step has at most ten characters.
    let step_width = step(table, *latest.last()?).map_or(8, |step| step.len());
    let taken = names + 2 + (latest.len() + others) * (step_width + 3);
    let trend = usize::from(look.width).saturating_sub(taken).clamp(8, TREND);
    let mut header: Vec<String> = dimensions.iter().map(ToString::to_string).collect();
    header.push("trend".to_owned());
    header.extend(latest.iter().filter_map(|row| step(table, *row)));
    header.extend(shares.iter().skip(1).filter_map(|c| Some(window_of(&c.name)?.to_owned())));
    let mut grid = grid(look, header, keys.len() + 1);
    for (members, rows) in rows.iter().take(SCREENFUL) {
        let series: Vec<Option<f64>> = rows.iter().map(|row| share(first, *row)).collect();
        let mut fields: Vec<Field> = members.iter().map(|name| Field::new(escape::name(name))).collect();
        fields.push(Field::new(sparkline(&series, trend)));
        // A legacy table may lack the last weeks of a country: rows are found by step, not by position.
        for wanted in latest {
            let row = rows.iter().rev().find(|row| step(table, **row) == step(table, *wanted));
            fields.push(Field::new(percent(row.and_then(|row| share(first, *row)))));
        }
        for other in shares.iter().skip(1) {
            fields.push(Field::new(percent(rows.last().and_then(|row| share(other, *row)))));
        }
        grid.add_row(fields);
    }
    let mut drawn = format!("{}\n", grid.trim_fmt());
    let span = |row: Option<&usize>| row.and_then(|row| step(table, *row)).unwrap_or_default();
    let _ = writeln!(
        drawn,
        "{}, {} to {}; trend 0 to 100 %",
        first.name,
        span(longest.first()),
        span(longest.last())
    );
    if rows.len() > SCREENFUL {
        let more = (rows.len() - SCREENFUL) as u64;
        let names: Vec<&str> = dimensions.iter().map(AsRef::as_ref).collect();
        let _ = writeln!(drawn, "{} more {} not shown", words::number(more), words::key_noun(more, &names));
    }
    let _ = writeln!(drawn, "All {} rows: --target X.csv, X.parquet or -", table.rows());
    Some(drawn)
}

/// The last `width` values as blocks from 0 to 100 %; a dot for a null value.
fn sparkline(values: &[Option<f64>], width: usize) -> String {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let shown = values.iter().skip(values.len().saturating_sub(width));
    let block = |value: &Option<f64>| {
        value.map_or('·', |value| {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // clamped to 0..=7
            let level = (value * 8.0).floor().clamp(0.0, 7.0) as usize;
            BLOCKS.get(level).copied().unwrap_or('·')
        })
    };
    shown.map(block).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    #![allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap)]
    use super::*;

    fn table(countries: usize, weeks: usize) -> Table {
        let rows = countries * weeks;
        let column = |name: &str, data| Column { name: name.into(), data };
        let week = |row: usize| Some(1 + (row % weeks) as i32);
        let share = |row: usize| (!row.is_multiple_of(5)).then(|| (row % weeks) as f64 / weeks as f64);
        Table {
            columns: vec![
                column("year", ColumnData::Int32(vec![Some(2020); rows])),
                column("week", ColumnData::Int32((0..rows).map(week).collect())),
                column(
                    "country",
                    ColumnData::Utf8 {
                        indices: (0..rows).map(|row| (row / weeks) as u32).collect(),
                        dictionary: (0..countries).map(|c| format!("C{c:03}").into()).collect(),
                    },
                ),
                column("share_organic_p4w", ColumnData::Float64((0..rows).map(share).collect())),
                column("organic_p4w", ColumnData::Float64(vec![Some(7.0); rows])),
                column("share_organic_p4w_change", ColumnData::Float64(vec![Some(-0.012); rows])),
            ],
        }
    }

    const PLAIN: Look = Look { width: 80, colour: false };

    #[test]
    fn few_rows_are_all_shown() {
        let drawn = render(&table(2, 10), PLAIN);
        assert_eq!(drawn.lines().filter(|line| line.contains("C00")).count(), 20);
        assert!(drawn.contains("90.0 %") && drawn.contains(NONE) && drawn.contains("-1.2 pp"), "{drawn}");
        assert!(!drawn.contains('\u{1b}'));
        assert!(render(&table(2, 10), Look { colour: true, ..PLAIN }).contains('\u{1b}'));
    }

    #[test]
    fn many_rows_become_a_line_a_key() {
        let drawn = render(&table(50, 53), Look { width: 160, ..PLAIN });
        assert_eq!(drawn.lines().filter(|line| line.contains(" C0")).count(), SCREENFUL, "{drawn}");
        assert!(
            drawn.contains("2020-W53") && drawn.contains("10 more countries") && drawn.contains("--target")
        );
        assert!(drawn.contains('▁') && drawn.contains('█'));
    }

    /// A table of months by country and os, with shares of channels.
    fn of_keys(countries: usize, months: usize) -> Table {
        let mut table = table(countries, months);
        let rows = table.rows();
        table.columns[1].name = "month".into();
        let indices = (0..rows).map(|row| (row / months % 2) as u32).collect();
        let dictionary = vec!["android".into(), "ios".into()];
        table.columns.insert(3, Column { name: "os".into(), data: ColumnData::Utf8 { indices, dictionary } });
        table.columns[4].name = "share_p3m".into();
        table
    }

    #[test]
    fn keys_of_several_columns_have_a_line_each() {
        let drawn = render(&of_keys(45, 12), Look { width: 120, ..PLAIN });
        assert!(drawn.contains(" country   os        trend") && drawn.contains("2020-12"), "{drawn}");
        assert_eq!(drawn.lines().filter(|line| line.contains("android")).count(), SCREENFUL / 2);
        assert!(drawn.contains("share_p3m, 2020-01 to 2020-12"), "{drawn}");
        assert!(drawn.contains("5 more keys (country x os) not shown"), "{drawn}");
    }

    #[test]
    fn a_table_without_keys_is_one_line() {
        let mut world = table(1, 53);
        world.columns.remove(2);
        let drawn = render(&world, PLAIN);
        assert!(drawn.trim_start().starts_with("trend") && drawn.contains("2020-W53"), "{drawn}");
        assert_eq!(drawn.lines().count(), 5, "{drawn}");
        world.columns.iter_mut().for_each(|column| match &mut column.data {
            ColumnData::Int32(values) => values.truncate(9),
            ColumnData::Float64(values) => values.truncate(9),
            _ => {}
        });
        assert_eq!(render(&world, PLAIN).lines().count(), 11);
    }

    #[test]
    fn shares_are_known_by_name() {
        assert!(is_share("share_organic_p4w") && is_share("share_p13d"));
        assert!(!is_share("share_organic_p4w_low") && !is_share("share_price") && !is_share("users_p4w"));
    }

    #[test]
    fn lines_fit_the_terminal() {
        for width in [60, 80, 132, 200] {
            for rows in [table(3, 5), table(3, 64)] {
                let drawn = render(&rows, Look { width, colour: false });
                let longest = drawn.lines().map(|l| l.chars().count()).max();
                assert!(longest.unwrap() <= usize::from(width), "{width}\n{drawn}");
            }
        }
    }

    #[test]
    fn hostile_names_are_cut_and_escaped() {
        let hostile = "x\n\u{1b}[31m\u{9b}\u{202e}y";
        for (weeks, lines) in [(10, 12), (1_000, 5)] {
            let mut long = table(1, weeks);
            let names = vec![format!("{hostile}{}", "A".repeat(300_000)).into()];
            let data = ColumnData::Utf8 { indices: vec![0; weeks], dictionary: names };
            long.columns[2] = Column { name: hostile.into(), data };
            let drawn = render(&long, Look { width: 1_000, ..PLAIN });
            assert_eq!(drawn.lines().count(), lines, "{drawn}");
            assert!(
                drawn.contains("x\\n\\u{1b}[31m\\u{9b}\\u{202e}yAAA")
                    && drawn.contains("…[300,010 characters]…A")
            );
            assert!(!drawn.contains(['\u{1b}', '\u{9b}', '\u{202e}']), "{drawn}");
            // On a narrow terminal a name is wrapped, which is where lines were many.
            let narrow = render(&long, PLAIN);
            assert!(narrow.lines().count() < 1_000 && narrow.len() < 100_000, "{}", narrow.len());
        }
    }

    #[test]
    fn trends() {
        assert_eq!(sparkline(&[Some(0.0), None, Some(0.5), Some(1.0), Some(0.99)], 4), "·▅██");
    }

    #[test]
    fn a_table_without_rows() {
        assert!(render(&table(0, 1), PLAIN).contains("No rows"));
    }
}

//! Frames equal files: the same rows as a parquet file and as record batches of every layout.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap)]

use std::sync::Arc;

use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

use super::array::{Array, Bits, Codes, Data, Nulls, Numbers};
use super::field::Field;
use super::text::{Text, short_view};
use super::*;
use crate::Profile;
use crate::calendar::{Date, day_of};
use crate::scan::{NoProgress, Options, scan};
use crate::storage::discover;

/// A column of rows.
#[derive(Clone)]
enum Column {
    Text(Vec<Option<String>>),
    Int(Vec<Option<i64>>),
    /// Days.
    Date(Vec<Option<i64>>),
    /// Microseconds from midnight in UTC.
    Instant(Vec<Option<i64>>),
    Boolean(Vec<Option<i64>>),
}

/// Columns by name, all of the same length.
type Rows = Vec<(&'static str, Column)>;

/// How the columns of a frame are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Storage {
    Offsets,
    Views,
    Dictionary,
}

impl Column {
    fn rows(&self) -> usize {
        match self {
            Column::Text(values) => values.len(),
            Column::Int(values)
            | Column::Date(values)
            | Column::Instant(values)
            | Column::Boolean(values) => values.len(),
        }
    }

    fn declared(&self, name: &str) -> String {
        match self {
            Column::Text(_) => format!("optional binary {name} (STRING);"),
            Column::Int(_) => format!("optional int64 {name};"),
            Column::Date(_) => format!("optional int32 {name} (DATE);"),
            Column::Instant(_) => format!("optional int64 {name} (TIMESTAMP(MICROS,true));"),
            Column::Boolean(_) => format!("optional boolean {name};"),
        }
    }

    fn field(&self, name: &str, storage: Storage, zone: &str) -> Field {
        let format = match (self, storage) {
            (Column::Text(_), Storage::Views) => "vu".to_owned(),
            (Column::Text(_), _) => "u".into(),
            (Column::Int(_), _) => "l".into(),
            (Column::Date(_), _) => "tdD".into(),
            (Column::Instant(_), _) => format!("tsu:{zone}"),
            (Column::Boolean(_), _) => "b".into(),
        };
        match storage {
            Storage::Dictionary => Field::new(name, "I", Some(&format)),
            _ => Field::new(name, &format, None),
        }
    }

    /// Its values, each as text or as a number, and null as an empty text or 0.
    fn data(&self, storage: Storage) -> Data {
        match self {
            Column::Text(values) if storage == Storage::Views => {
                let views =
                    values.iter().map(|v| short_view(v.as_deref().unwrap_or_default().as_bytes()).unwrap());
                Data::Text(Text::Views(views.collect::<Vec<_>>().into(), Vec::new()))
            }
            Column::Text(values) => {
                let (mut offsets, mut bytes) = (vec![0i32], Vec::new());
                for value in values {
                    bytes.extend_from_slice(value.as_deref().unwrap_or_default().as_bytes());
                    offsets.push(bytes.len() as i32);
                }
                Data::Text(Text::Short(offsets.into(), bytes.into()))
            }
            Column::Int(values) | Column::Instant(values) => {
                let values: Vec<i64> = values.iter().map(|v| v.unwrap_or_default()).collect();
                Data::Numbers(Numbers::I64(values.into()))
            }
            Column::Date(values) => {
                let values: Vec<i32> = values.iter().map(|v| v.unwrap_or_default() as i32).collect();
                Data::Numbers(Numbers::I32(values.into()))
            }
            Column::Boolean(values) => Data::Bits(bits(values.iter().map(|v| *v == Some(1)))),
        }
    }

    fn is_valid(&self) -> Vec<bool> {
        match self {
            Column::Text(values) => values.iter().map(Option::is_some).collect(),
            Column::Int(values)
            | Column::Date(values)
            | Column::Instant(values)
            | Column::Boolean(values) => values.iter().map(Option::is_some).collect(),
        }
    }

    fn slice(&self, rows: Range<usize>) -> Column {
        match self {
            Column::Text(values) => Column::Text(values[rows].to_vec()),
            Column::Int(values) => Column::Int(values[rows].to_vec()),
            Column::Date(values) => Column::Date(values[rows].to_vec()),
            Column::Instant(values) => Column::Instant(values[rows].to_vec()),
            Column::Boolean(values) => Column::Boolean(values[rows].to_vec()),
        }
    }

    /// The rows of a column of a batch.
    fn array(&self, storage: Storage) -> Array {
        let len = self.rows();
        let nulls = Nulls::Unset(bits(self.is_valid().into_iter()));
        if storage != Storage::Dictionary {
            return Array { len, nulls, data: self.data(storage) };
        }
        // Every row has an entry, also null ones: an entry that is null is null.
        let dictionary = Array { len, nulls, data: self.data(Storage::Offsets) };
        let codes: Vec<u32> = (0..len as u32).collect();
        Array { len, nulls: Nulls::None, data: Data::Coded(Codes::U32(codes.into()), Arc::new(dictionary)) }
    }
}

fn bits(set: impl Iterator<Item = bool>) -> Bits {
    let set: Vec<bool> = set.collect();
    let byte =
        |bits: &[bool]| bits.iter().enumerate().fold(0u8, |byte, (at, bit)| byte | u8::from(*bit) << at);
    Bits::new(set.chunks(8).map(byte).collect::<Vec<_>>().into(), 0)
}

/// A frame in batches of `step` rows.
struct Batches {
    rows: Rows,
    at: usize,
    step: usize,
    storage: Storage,
}

impl Source for Batches {
    fn next(&mut self, plan: &Plan) -> Result<Option<Batch>> {
        let left = self.rows[0].1.rows() - self.at;
        let len = left.min(self.step);
        if len == 0 {
            return Ok(None);
        }
        let rows = self.at..self.at + len;
        self.at += len;
        plan.gather(len, &mut |column| Ok(self.rows[column].1.slice(rows.clone()).array(self.storage)))
            .map(Some)
    }

    fn drain_to_rows(&mut self) -> Result<bool> {
        Ok(true)
    }
}

fn sum_frame(
    rows: &Rows,
    job: &Job,
    storage: Storage,
    step: usize,
    threads: usize,
    zone: &str,
) -> Result<Partial> {
    let fields: Vec<Field> = rows.iter().map(|(name, column)| column.field(name, storage, zone)).collect();
    let plan = Plan::new(job, &fields)?;
    Sum::new(plan, Batches { rows: rows.clone(), at: 0, step, storage }).run(Some(threads), &NoProgress)
}

fn sum_file(rows: &Rows, job: &Job) -> Result<Partial> {
    let columns: String = rows.iter().map(|(name, column)| column.declared(name)).collect();
    let schema = Arc::new(parse_message_type(&format!("message m {{ {columns} }}")).unwrap());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.parquet");
    let file = std::fs::File::create(&path).unwrap();
    let properties = Arc::new(WriterProperties::builder().set_data_page_row_count_limit(700).build());
    let mut writer = SerializedFileWriter::new(file, schema, properties).unwrap();
    let mut group = writer.next_row_group().unwrap();
    for (_, column) in rows {
        let mut written = group.next_column().unwrap().unwrap();
        let levels: Vec<i16> = column.is_valid().into_iter().map(i16::from).collect();
        macro_rules! put {
            ($writer:expr, $values:expr, $convert:expr) => {
                $writer
                    .write_batch(
                        &$values.iter().flatten().map($convert).collect::<Vec<_>>(),
                        Some(&levels),
                        None,
                    )
                    .unwrap()
            };
        }
        match (written.untyped(), column) {
            (ColumnWriter::ByteArrayColumnWriter(w), Column::Text(values)) => {
                put!(w, values, |v| ByteArray::from(v.as_str()))
            }
            (ColumnWriter::Int64ColumnWriter(w), Column::Int(values) | Column::Instant(values)) => {
                put!(w, values, |v| *v)
            }
            (ColumnWriter::Int32ColumnWriter(w), Column::Date(values)) => put!(w, values, |v| *v as i32),
            (ColumnWriter::BoolColumnWriter(w), Column::Boolean(values)) => put!(w, values, |v| *v == 1),
            _ => panic!("a column of another type"),
        };
        written.close().unwrap();
    }
    group.close().unwrap();
    writer.close().unwrap();
    let inputs = discover(&[path.to_str().unwrap().to_owned()], job.semantics)?.inputs;
    scan(job, &inputs, &Options::default(), &NoProgress).map(|(partial, _)| partial)
}

fn job(toml: &str, by: &[&str]) -> Job {
    let profile = Profile::parse(toml, "test").unwrap();
    Job { profile, by: by.iter().map(|name| (*name).to_owned()).collect(), ..Job::default() }
}

/// Rows of an export of events, with members, totals and nulls in every column. `keep` drops rows by country and system.
fn events(n: u64, keep: impl Fn(Option<&str>, Option<&str>) -> bool) -> Rows {
    let mut state = 99u64;
    let mut pick = move |most: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % most
    };
    let start = i64::from(day_of(Date { year: 2024, month: 2, day: 20 })) * 86_400_000_000;
    let (mut text, mut ints) = (vec![Vec::new(); 4], vec![Vec::new(); 5]);
    for _ in 0..n {
        let country = [Some("DE"), Some("de"), Some("UK"), Some("ALL"), None][pick(5)];
        let system = [Some("ios"), Some("android"), Some("all"), None][pick(4)];
        let channel = [Some("Organic"), Some("a"), Some("channel nine"), Some("Untrusted"), None][pick(5)];
        let kind = [Some("install"), Some("install"), Some("update"), None][pick(4)];
        let micros = start + pick(60 * 86_400) as i64 * 1_000_000;
        let numbers = [
            [Some(1), Some(2), Some(30), None][pick(4)],
            [Some(0), Some(1), None][pick(3)],
            Some(micros),
            Some(micros.div_euclid(86_400_000_000)),
            [Some(0), Some(3), Some(-2), Some(1 << 40), None][pick(5)],
        ];
        if keep(country, system) {
            for (column, value) in text.iter_mut().zip([country, system, channel, kind]) {
                column.push(value.map(str::to_owned));
            }
            ints.iter_mut().zip(numbers).for_each(|(column, value)| column.push(value));
        }
    }
    let mut text = text.into_iter().map(Column::Text);
    let mut ints = ints.into_iter();
    let mut int = || ints.next().unwrap();
    vec![
        ("country", text.next().unwrap()),
        ("os", text.next().unwrap()),
        ("channel", text.next().unwrap()),
        ("kind", text.next().unwrap()),
        ("app", Column::Int(int())),
        ("deleted", Column::Boolean(int())),
        ("at", Column::Instant(int())),
        ("day", Column::Date(int())),
        ("users", Column::Int(int())),
    ]
}

fn assert_frames_equal_files(rows: &Rows, job: &Job, shown: &str) {
    let file = sum_file(rows, job).unwrap();
    for (storage, step, threads) in [
        (Storage::Offsets, usize::MAX, 1),
        (Storage::Views, 1000, 2),
        (Storage::Dictionary, 4097, 1),
        (Storage::Dictionary, 77, 2),
    ] {
        let frame = sum_frame(rows, job, storage, step, threads, "UTC").unwrap();
        assert_eq!(frame, file, "{shown}, {storage:?}, {step} rows a batch, {threads} threads");
    }
}

const EVENTS: &str = "users.column = 'users'\n[time]\ndate = 'at'\n[channel]\ncolumn = 'channel'\n";

#[test]
fn frames_equal_files_for_every_kind_of_profile() {
    let organic = format!("{EVENTS}organic = ['Organic']\nexcluded = ['Untrusted']\n");
    let members = "[dimensions.country]\ntotal = 'ALL'\nnull = 'unknown'\ncase = 'upper'\nrename = { UK = 'GB' }\n\
                   [dimensions.os]\ntotal = 'all'\n[dimensions.app]\n";
    let wheres = "[[where]]\ncolumn = 'kind'\nin = ['install']\n[[where]]\ncolumn = 'deleted'\nnot_in = ['true']\n\
                  [[where]]\ncolumn = 'day'\nnot_in = ['2024-03-01', '2024-03-31']\n";
    let zone = organic.replace("[time]", "[time]\nzone = 'Europe/Berlin'\nweek_start = 'sunday'");
    let nulls = EVENTS.to_owned() + "paid = ['A', 'channel nine']\nnull = 'organic'\nignore_case = true\n";
    let counted = organic.replace("users.column = 'users'", "users.rows = true");
    let jobs = [
        job(&format!("{organic}{members}"), &["country", "os", "app"]),
        job(&format!("{organic}{members}{wheres}"), &["country"]),
        job(&format!("{organic}{members}"), &[]),
        job(&format!("{zone}{members}"), &["os"]),
        Job { grain: Grain::Day, ..job(&format!("{zone}{members}"), &["app"]) },
        Job { grain: Grain::Month, ..job(&format!("{zone}{members}{wheres}"), &["app", "country"]) },
        job(&format!("{nulls}{members}"), &["country"]),
        job(&format!("{counted}{members}"), &["os", "country"]),
        Job { share_of_channel: true, ..job(&format!("{organic}{members}"), &["country"]) },
        Job { with_total: vec!["country".into()], ..job(&format!("{organic}{members}"), &["os", "country"]) },
        job(&format!("{organic}{}", members.replace("total = 'all'", "total_is_null = true")), &["country"]),
        job(&format!("{}{members}", organic.replace("'at'", "'day'")), &["country"]),
    ];
    let both = events(9000, |_, _| true);
    let no_system = events(9000, |_, system| system != Some("all"));
    let neither = events(9000, |country, system| system != Some("all") && country != Some("ALL"));
    let late = {
        // The only total rows of both dimensions come last.
        let last = events(300, |country, system| system == Some("all") && country == Some("ALL"));
        let zipped = no_system.iter().zip(&last);
        zipped.map(|((name, first), (_, last))| (*name, joined(first, last))).collect::<Rows>()
    };
    for (at, job) in jobs.iter().enumerate() {
        for (shown, rows) in
            [("both", &both), ("no system", &no_system), ("neither", &neither), ("late", &late)]
        {
            assert_frames_equal_files(rows, job, &format!("job {at}, {shown}"));
        }
    }
}

fn joined(first: &Column, last: &Column) -> Column {
    match (first, last) {
        (Column::Text(a), Column::Text(b)) => Column::Text([&a[..], b].concat()),
        (Column::Int(a), Column::Int(b)) => Column::Int([&a[..], b].concat()),
        (Column::Date(a), Column::Date(b)) => Column::Date([&a[..], b].concat()),
        (Column::Instant(a), Column::Instant(b)) => Column::Instant([&a[..], b].concat()),
        (Column::Boolean(a), Column::Boolean(b)) => Column::Boolean([&a[..], b].concat()),
        _ => panic!("columns of two types"),
    }
}

/// Rows of a cube with these systems.
fn cube(n: usize, systems: &[&str]) -> Rows {
    let text = |values: &dyn Fn(usize) -> Option<String>| Column::Text((0..n).map(values).collect());
    vec![
        ("country", text(&|row| [Some("DE"), Some("FR"), Some("ALL"), None][row / 3 % 4].map(str::to_owned))),
        ("os_name", text(&|row| Some(systems[row % systems.len()].to_owned()))),
        ("year_week", text(&|row| Some(format!("2021_{:02}", row % 50 + 1)))),
        ("name", text(&|row| [Some("Organic"), Some("a"), None][row % 3].map(str::to_owned))),
        ("value", Column::Int((0..n).map(|row| Some(row as i64 % 5).filter(|_| row % 17 > 0)).collect())),
    ]
}

#[test]
fn a_cube_without_total_rows_sums_the_others() {
    let job = Job::default();
    for systems in [&["ios", "android"][..], &["ios", "all"], &["all"]] {
        let rows = cube(3000, systems);
        assert_frames_equal_files(&rows, &job, &format!("{systems:?}"));
        let partial = sum_frame(&rows, &job, Storage::Offsets, 500, 1, "UTC").unwrap();
        assert_eq!(partial.others.is_empty(), systems.contains(&"all"));
        assert!(partial.chosen().account.counted > 0);
    }
    // A frame without systems has total rows alone; one without labels has weeks by date.
    let mut rows = cube(3000, &["all"]);
    let whole = sum_frame(&rows, &job, Storage::Offsets, 500, 1, "UTC").unwrap();
    rows.retain(|(name, _)| *name != "os_name");
    assert_eq!(sum_frame(&rows, &job, Storage::Offsets, 500, 1, "UTC").unwrap(), whole);
    rows.retain(|(name, _)| *name != "year_week");
    let monday = i64::from(day_of(Date { year: 2021, month: 1, day: 4 }));
    let days = Column::Date((0..3000).map(|row| Some(monday + row % 50 * 7 + row % 7)).collect());
    rows.push(("start_date", days));
    assert_eq!(sum_frame(&rows, &job, Storage::Offsets, 500, 1, "UTC").unwrap(), whole);
    // A partition without total rows does not change the others.
    let split = cube(2000, &["ios"]);
    let part = sum_frame(&split, &job, Storage::Offsets, 500, 1, "UTC").unwrap();
    let merged = whole.clone().merge(part).unwrap();
    assert!(merged.others.is_empty());
    assert_eq!((merged.cells, merged.account.counted), (whole.cells, whole.account.counted));
}

#[test]
fn the_date_of_a_row_tells_its_label() {
    let monday = i64::from(day_of(Date { year: 2024, month: 12, day: 30 }));
    let mut rows = cube(10, &["all"]);
    let labels = (0..10).map(|row| Some(if row == 4 { "2024_53" } else { "2025_01" }.to_owned()));
    rows.retain(|(name, _)| *name != "year_week");
    rows.push(("year_week", Column::Text(labels.collect())));
    rows.push(("start_date", Column::Date(vec![Some(monday); 10])));
    let by_system = Job { by: vec!["os_name".into()], ..Job::default() };
    let by_system = Job {
        profile: Profile::parse(
            "users.column = 'value'\ntime.label = 'year_week'\n\
        time.date = 'start_date'\nchannel = { column = 'name', organic = ['a'] }\ndimensions.os_name = {}",
            "x",
        )
        .unwrap(),
        ..by_system
    };
    for job in [Job::default(), by_system] {
        let file = sum_file(&rows, &job).unwrap_err().report().cloned();
        let frame = sum_frame(&rows, &job, Storage::Dictionary, 4, 1, "").unwrap_err().report().cloned();
        let (file, frame) = (file.unwrap(), frame.unwrap());
        assert_eq!(
            (&frame.found, &frame.expected, &frame.advice),
            (&file.found, &file.expected, &file.advice)
        );
        assert!(frame.advice.to_string().contains("week 2025_01"), "{}", frame.advice);
        assert_eq!((frame.location.row, file.location.row), (Some(4), Some(4)));
    }
}

#[test]
fn instants_are_put_on_the_calendar_of_the_zone_of_their_type() {
    let toml = format!("{EVENTS}organic = ['Organic']\n[dimensions.country]\n");
    let rows = events(3000, |_, _| true);
    let by_day = |toml: &str| Job { grain: Grain::Day, ..job(toml, &["country"]) };
    let with = |zone: &str| by_day(&toml.replace("[time]", &format!("[time]\nzone = '{zone}'")));
    let frame = |job: &Job, zone: &str| sum_frame(&rows, job, Storage::Offsets, 1000, 1, zone).unwrap();
    let file = |zone: &str| sum_file(&rows, &with(zone)).unwrap();
    assert_ne!(file("Europe/Berlin"), file("UTC"));
    assert_eq!(frame(&by_day(&toml), "Europe/Berlin"), file("Europe/Berlin"));
    assert_eq!(frame(&by_day(&toml), "+00:00"), file("UTC"));
    assert_eq!(frame(&by_day(&toml), "-08:00"), file("-08:00"));
    // The profile's zone comes first; times by the wall clock have none.
    assert_eq!(frame(&with("Asia/Tokyo"), "Europe/Berlin"), file("Asia/Tokyo"));
    assert_eq!(frame(&with("Asia/Tokyo"), ""), file("UTC"));
    let fields: Vec<Field> =
        rows.iter().map(|(name, c)| c.field(name, Storage::Offsets, "Nowhere")).collect();
    assert!(Plan::new(&by_day(&toml), &fields).unwrap_err().to_string().contains("Nowhere"));
}

#[test]
fn text_and_integers_are_times() {
    let toml = |more: &str| {
        format!(
            "users.rows = true\n[channel]\ncolumn = 'channel'\norganic = ['a']\n[time]\ndate = 'at'\n{more}"
        )
    };
    let channel = Column::Text(vec![Some("a".into()); 4]);
    let sums = |at: Column, more: &str, storage| {
        let rows: Rows = vec![("channel", channel.clone()), ("at", at)];
        let job = Job { grain: Grain::Day, ..job(&toml(more), &[]) };
        sum_frame(&rows, &job, storage, 3, 1, "").unwrap().times
    };
    let texts = ["2024-03-31", "2024-03-31T23:30:00Z", "20240401", "2024-04-01 00:30:00+02:00"];
    let texts = Column::Text(texts.iter().map(|t| Some((*t).to_owned())).collect());
    let day = day_of(Date { year: 2024, month: 3, day: 31 });
    let steps =
        |steps: &[i32]| steps.iter().map(|step| crate::grid::TimePoint::Step(*step)).collect::<Vec<_>>();
    for storage in [Storage::Offsets, Storage::Dictionary] {
        assert_eq!(sums(texts.clone(), "", storage), steps(&[day, day + 1]));
        let seconds = Column::Int((0..4).map(|n| Some(i64::from(day) * 86_400 + n * 43_200)).collect());
        assert_eq!(sums(seconds, "unit = 's'", storage), steps(&[day, day + 1]));
        let days = Column::Int((0..4).map(|n| Some(i64::from(day) + n / 2)).collect());
        assert_eq!(sums(days, "unit = 'day'", storage), steps(&[day, day + 1]));
    }
}

#[test]
fn one_absurd_date_is_an_error_and_not_a_long_table() {
    let toml = format!(
        "{}organic = ['Organic']\n[dimensions.country]\n[dimensions.os]\n",
        EVENTS.replace("'at'", "'text'")
    );
    for grain in [crate::Grain::Week, crate::Grain::Day, crate::Grain::Month] {
        for (absurd, year) in [("0001-01-10", "0001"), ("9999-12-20", "9999")] {
            let job = Job { grain, ..job(&toml, &["country"]) };
            let mut rows = events(5000, |_, _| true);
            let n = rows[0].1.rows();
            // Some of these rows count.
            let text = |row| Some(if row + 50 > n { absurd } else { "2024-03-01" }.to_owned());
            rows.push(("text", Column::Text((0..n).map(text).collect())));
            for sums in [sum_file(&rows, &job), sum_frame(&rows, &job, Storage::Offsets, 512, 2, "")] {
                let error = crate::table::finish(&job, &sums.unwrap()).unwrap_err();
                assert!(matches!(error, Error::Data(_)), "{error}");
                let error = error.to_string();
                assert!(error.contains("at most 100 years") && error.contains(year), "{grain:?}: {error}");
                assert!(error.contains("2024"), "{grain:?}: {error}");
            }
        }
    }
}

#[test]
fn a_bad_time_is_an_error_only_where_the_row_counts() {
    let toml = format!(
        "{}organic = ['Organic']\n[dimensions.country]\n[dimensions.os]\ntotal = 'all'\n[[where]]\ncolumn = 'kind'\nin = ['install']\n",
        EVENTS.replace("'at'", "'text'")
    );
    let job = job(&toml, &["country"]);
    let rows_of = |keep: fn(Option<&str>, Option<&str>) -> bool, bad: &dyn Fn(usize) -> bool| -> Rows {
        let mut rows = events(5000, keep);
        let n = rows[0].1.rows();
        let text = |row| Some(if bad(row) { "yesterday" } else { "2024-03-01" }.to_owned());
        rows.push(("text", Column::Text((0..n).map(text).collect())));
        rows
    };
    let both = |rows: &Rows| {
        // Whether an error counts is known once it is known which rows answer.
        let finished = |sums: Result<Partial>| {
            sums.and_then(|sums| crate::table::finish(&job, &sums).map(|_| sums)).map_err(|e| e.to_string())
        };
        let file = finished(sum_file(rows, &job));
        let frame = finished(sum_frame(rows, &job, Storage::Offsets, 512, 2, ""));
        (frame, file)
    };
    let value = |rows: &Rows, column: usize, row: usize| match &rows[column].1 {
        Column::Text(values) => values[row].clone(),
        _ => None,
    };
    // Rows of other systems, with bad times, do not count where there are totals.
    let clean = events(5000, |_, _| true);
    let other = |row: usize| value(&clean, 1, row).as_deref() != Some("all");
    let (frame, file) = both(&rows_of(|_, _| true, &other));
    assert_eq!(frame.unwrap(), file.unwrap());
    // Without totals they do, from the first row that meets the condition and has a country.
    let parts = events(5000, |_, system| system != Some("all"));
    let (frame, file) = both(&rows_of(|_, system| system != Some("all"), &|row| row > 1000));
    let (frame, file) = (frame.unwrap_err(), file.unwrap_err());
    let counts = |row: &usize| {
        value(&parts, 3, *row).as_deref() == Some("install") && value(&parts, 0, *row).is_some()
    };
    let first = (1001..).find(counts).unwrap();
    for text in ["text is 'yesterday'", "2021-02-03 04:05:06", &format!("row {first}")] {
        assert!(frame.contains(text) && file.contains(text), "{text}: {frame} / {file}");
    }
}

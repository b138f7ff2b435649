//! Random profiles with random rows, as a question to the oracle and as a job on files.
//!
//! The columns: `a` and `b` are text, `c` whole numbers, `kind` text and `flag` true or false for conditions, `name` the
//! channel, `time`, and `users`.

use std::collections::BTreeMap;

use jiff::civil::date;
use jiff::{Timestamp, ToSpan, ZonedDateTime, tz::TimeZone};
use parquet::basic::{LogicalType, TimeUnit};
use proptest::prelude::*;
use proptest::sample::{Index, select, subsequence};
use rollshare::internals::calendar::{label::LabelForm, period::Weekday};
use rollshare::internals::profile::{
    Case, Channel, Class, Condition, Dimension, Profile, Time, TimeUnit as Unit, TotalRows, Users,
};
use rollshare::{Grain, Job};

use super::super::oracle::{self, Ask, Record, Value, When};
use super::super::writer::{Shape, columns};
use columns::{Column, Data};

/// How times are stored.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Coding {
    Date,
    Timestamp(usize, bool),
    Int64(Unit),
    Int32(Unit),
    Int96,
    Text(usize),
    Label(LabelForm),
}

/// A job, and rows to ask it about.
#[derive(Debug, Clone)]
pub struct World {
    pub job: Job,
    pub ask: Ask,
    pub coding: Coding,
    pub rows: Vec<Record>,
    /// Whether rows that do not count have no time: null, or text that is none.
    pub bad: Option<bool>,
}

const A: [&str; 8] = ["us", "US", "gb", "UK", "ALL", "all", "日本", "a name of more than twelve bytes"];
const B: [&str; 4] = ["android", "ios", "all", "All"];
const C: [&str; 4] = ["-1", "7", "100", "3000000000"];
const KIND: [&str; 3] = ["First", "Again", ""];
const FLAG: [&str; 2] = ["true", "false"];
const CHANNELS: [&str; 16] = [
    "Organic",
    "organic",
    "Email",
    "Search",
    "Restricted",
    "",
    "Ads 1",
    "Ads 2",
    "Ads 3",
    "Ads 4",
    "Ads 5",
    "Ads 6",
    "Ads 7",
    "Ads 8",
    "Ads 9",
    "EMAIL",
];
const ZONES: [Option<&str>; 6] = [
    None,
    Some("Europe/Berlin"),
    Some("America/Los_Angeles"),
    Some("Asia/Kolkata"),
    Some("Australia/Lord_Howe"),
    Some("Pacific/Apia"),
];
const UNITS: [Unit; 4] = [Unit::Second, Unit::Millisecond, Unit::Microsecond, Unit::Nanosecond];

fn codings() -> impl Strategy<Value = Coding> {
    prop_oneof![
        2 => Just(Coding::Date),
        3 => (0usize..3, any::<bool>()).prop_map(|(unit, is_utc)| Coding::Timestamp(unit, is_utc)),
        1 => select(UNITS.to_vec()).prop_map(Coding::Int64),
        1 => select(vec![Unit::Second, Unit::Day]).prop_map(Coding::Int32),
        1 => Just(Coding::Int64(Unit::Day)),
        1 => Just(Coding::Int96),
        3 => (0usize..8).prop_map(Coding::Text),
        1 => select(LabelForm::ALL.to_vec()).prop_map(Coding::Label),
    ]
}

impl Coding {
    /// The time that is stored for a moment, in milliseconds.
    pub fn when(self, millis: i64) -> When {
        let micros = millis * 1_000;
        let day = micros.div_euclid(86_400_000_000) * 86_400_000_000;
        let second = micros.div_euclid(1_000_000) * 1_000_000;
        match self {
            Coding::Date | Coding::Int64(Unit::Day) | Coding::Int32(Unit::Day) => When::Wall(day),
            Coding::Timestamp(_, false) => When::Wall(micros),
            Coding::Timestamp(..) | Coding::Int96 => When::Instant(micros),
            Coding::Int64(Unit::Second) | Coding::Int32(_) => When::Instant(second),
            Coding::Int64(_) => When::Instant(micros),
            Coding::Text(form) => match form_of(form, millis) {
                0 | 1 => When::Wall(day),
                2 => When::Wall(second),
                3 => When::Wall(micros),
                _ => When::Instant(second),
            },
            Coding::Label(_) => {
                let on = (date(1970, 1, 1) + (day / 86_400_000_000).days()).iso_week_date();
                When::Week(on.year(), on.week())
            }
        }
    }
}

/// The last form mixes the others.
fn form_of(form: usize, millis: i64) -> usize {
    if form == 7 { millis.rem_euclid(7) as usize } else { form }
}

/// A time as text; which form tells how `when` was made.
fn text(form: usize, when: When) -> String {
    let shown = |micros: i64, pattern: &str| {
        let moment = ZonedDateTime::new(Timestamp::from_microsecond(micros).unwrap(), TimeZone::UTC);
        moment.strftime(pattern).to_string()
    };
    match (form, when) {
        (0, When::Wall(at)) => shown(at, "%Y-%m-%d"),
        (1, When::Wall(at)) => shown(at, "%Y%m%d"),
        (2, When::Wall(at)) => shown(at, "%Y-%m-%d %H:%M:%S"),
        (3, When::Wall(at)) => shown(at, "%Y-%m-%dT%H:%M:%S%.3f"),
        (4, When::Instant(at)) => shown(at, "%Y-%m-%d %H:%M:%SZ"),
        (5, When::Instant(at)) => shown(at + 19_800_000_000, "%Y-%m-%dT%H:%M:%S+05:30"),
        (6, When::Instant(at)) => shown(at - 28_800_000_000, "%Y-%m-%d %H:%M:%S -0800"),
        other => panic!("{other:?}"),
    }
}

/// A dimension in both forms. Kinds of totals: none, a member, null, a member that is not recognised.
fn dimensions(
    total: &'static str,
    rename: [(&'static str, &'static str); 2],
) -> impl Strategy<Value = (oracle::Dimension, Dimension)> {
    let flags = (0u8..4, any::<bool>(), select(vec![None, None, Some(true), Some(false)]), any::<bool>());
    flags.prop_map(move |(kind, null, upper, renamed)| {
        let text = |wanted: bool| wanted.then(|| total.to_owned());
        let null = (kind != 2 && null).then(|| "unknown".to_owned());
        let pairs = rename.map(|(from, to)| (from.to_owned(), to.to_owned()));
        let rename = if renamed { BTreeMap::from(pairs) } else { BTreeMap::new() };
        let asked = oracle::Dimension {
            total: text(kind == 1),
            total_is_null: kind == 2,
            null: null.clone(),
            upper,
            rename: rename.clone(),
        };
        let profile = Dimension {
            total: text(kind == 1 || kind == 3),
            total_is_null: kind == 2,
            total_rows: if kind == 3 { TotalRows::Off } else { TotalRows::Auto },
            null,
            case: upper.map(|upper| if upper { Case::Upper } else { Case::Lower }),
            rename,
            optional: total == "-1",
            ..Dimension::default()
        };
        (asked, profile)
    })
}

fn conditions() -> impl Strategy<Value = (&'static str, bool, Vec<String>)> {
    let of = |column: &'static str, pool: &[&'static str], least: usize| {
        let pool = pool.to_vec();
        let most = pool.len();
        (subsequence(pool, least..=most), any::<bool>()).prop_map(move |(list, is_in)| {
            // Lists of what is refused are short, those of what is allowed long.
            let list: Vec<String> = list.into_iter().map(str::to_owned).collect();
            (column, is_in || list.len() > most / 2 + 1, list)
        })
    };
    prop_oneof![of("kind", &KIND, 1), of("flag", &FLAG, 1), of("a", &A, 2), of("c", &C, 1)]
}

/// The classes of channels: which list, its names, the excluded ones, the class of null, whether case is ignored.
type Classes = (bool, Vec<String>, Vec<String>, Class, bool);

fn classes() -> impl Strategy<Value = Classes> {
    let classes = select(vec![Class::Paid, Class::Organic, Class::Excluded]);
    let lists = (subsequence(CHANNELS.to_vec(), 1..4), subsequence(CHANNELS.to_vec(), 0..14));
    (any::<bool>(), lists, classes, any::<bool>()).prop_map(
        |(organic, (listed, excluded), null, ignore_case)| {
            let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
            let excluded: Vec<&str> = excluded.into_iter().filter(|name| !listed.contains(name)).collect();
            (organic, owned(&listed), owned(&excluded), null, ignore_case)
        },
    )
}

fn jobs() -> impl Strategy<Value = (Job, Ask, Coding)> {
    let dimensions = (
        dimensions("ALL", [("UK", "GB"), ("us", "US")]),
        dimensions("all", [("ios", "android"), ("All", "all")]),
        dimensions("-1", [("7", "seven"), ("100", "-1")]),
    );
    let key = (subsequence(vec!["a", "b", "c"], 0..=3).prop_shuffle(), 0u8..8, 0u8..4);
    let time = (codings(), select(vec!['w', 'w', 'd', 'm']), 0usize..7, 0usize..ZONES.len());
    (dimensions, key, prop::collection::vec(conditions(), 0..3), classes(), time, 1usize..6, any::<bool>())
        .prop_map(
            |(
                (a, b, c),
                (by, with_total, share),
                conditions,
                classes,
                (coding, grain, start, zone),
                window,
                rows,
            )| {
                let (organic, listed, excluded, null, ignore_case) = classes;
                let is_label = matches!(coding, Coding::Label(_));
                let (grain, start) = if is_label { ('w', 0) } else { (grain, start) };
                let with_total = by.iter().enumerate().filter(|(at, _)| with_total >> at & 1 == 1);
                let with_total: Vec<&str> = with_total.map(|(_, name)| *name).collect();
                let ask = Ask {
                    dimensions: BTreeMap::from([("a", a.0), ("b", b.0), ("c", c.0)]),
                    by,
                    with_total,
                    conditions,
                    listed: if organic { "organic" } else { "paid" },
                    channels: listed.clone(),
                    excluded: excluded.clone(),
                    null: ["paid", "organic", "excluded"][null as usize],
                    ignore_case,
                    share_of_channel: share == 0,
                    grain,
                    week_start: start as i64,
                    zone: ZONES[zone],
                    window,
                };
                let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
                let condition = |(column, is_in, list): &(&str, bool, Vec<String>)| Condition {
                    column: (*column).to_owned(),
                    is_in: is_in.then(|| list.clone()),
                    not_in: (!is_in).then(|| list.clone()),
                };
                let unit = match coding {
                    Coding::Int64(unit) | Coding::Int32(unit) => Some(unit),
                    _ => None,
                };
                let profile = Profile {
                    time: Time {
                        date: (!is_label).then(|| "time".into()),
                        label: is_label.then(|| "time".into()),
                        label_form: if let Coding::Label(form) = coding {
                            form
                        } else {
                            LabelForm::default()
                        },
                        unit,
                        zone: ask.zone.map(str::to_owned),
                        week_start: Weekday::ALL[start],
                        settle_days: None,
                    },
                    users: Users { column: (!rows).then(|| "users".into()), rows, unique: false },
                    channel: Channel {
                        column: Some("name".into()),
                        organic: if organic { listed.clone() } else { vec![] },
                        paid: if organic { vec![] } else { listed },
                        excluded,
                        null,
                        ignore_case,
                    },
                    dimensions: [("a".into(), a.1), ("b".into(), b.1), ("c".into(), c.1)].into(),
                    conditions: ask.conditions.iter().map(condition).collect(),
                };
                let job = Job {
                    grain: match grain {
                        'd' => Grain::Day,
                        'm' => Grain::Month,
                        _ => Grain::Week,
                    },
                    windows: vec![window as u32],
                    by: owned(&ask.by),
                    with_total: owned(&ask.with_total),
                    share_of_channel: ask.share_of_channel,
                    profile,
                    ..Job::default()
                };
                (job, ask, coding)
            },
        )
}

/// One of the texts, or seldom null.
fn cell(texts: &'static [&'static str]) -> impl Strategy<Value = Option<&'static str>> {
    prop_oneof![8 => select(texts).prop_map(Some), 1 => Just(None)]
}

/// A channel, the minutes after the first time, and the users of a row.
type Cell = (Option<&'static str>, i64, Value);

/// Rows of one key, each of them several times.
#[derive(Debug, Clone)]
struct Part {
    cells: [(&'static str, Option<&'static str>); 5],
    day: i64,
    rows: Vec<Cell>,
}

fn parts() -> impl Strategy<Value = Part> {
    let users = prop_oneof![
        1 => Just(Value::Null),
        8 => (0i128..40).prop_map(Value::Units),
        1 => (-5i128..1 << 20).prop_map(Value::Units),
    ];
    let rows = prop::collection::vec((cell(&CHANNELS), 0i64..2_000, users), 1..8);
    // Around a new year and both changes of the clock in March.
    let days = prop_oneof![0i64..30, 75i64..95];
    (cell(&A), cell(&B), cell(&C), cell(&KIND), cell(&FLAG), days, rows).prop_map(
        |(a, b, c, kind, flag, day, rows)| Part {
            cells: [("a", a), ("b", b), ("c", c), ("kind", kind), ("flag", flag)],
            day,
            rows,
        },
    )
}

/// Jobs with rows. Rows that do not count may have a time that is null, or none.
pub fn worlds() -> impl Strategy<Value = World> {
    let stretch = prop_oneof![10 => Just(1usize), 2 => Just(40usize), 1 => Just(700usize)];
    let bad = select(vec![None, None, Some(true), Some(false)]);
    (jobs(), prop::collection::vec(parts(), 0..24), stretch, bad).prop_map(
        |((job, ask, coding), parts, stretch, bad)| {
            let mut rows = Vec::new();
            for part in &parts[..parts.len().min(if stretch > 100 { 10 } else { 24 })] {
                let cells =
                    part.cells.into_iter().filter_map(|(column, cell)| Some((column, cell?.to_owned())));
                let cells: BTreeMap<&str, String> = cells.collect();
                for (name, minutes, users) in &part.rows {
                    let mut cells = cells.clone();
                    cells.extend(name.map(|name| ("name", name.to_owned())));
                    // 2020-12-20T00:00Z and later, at odd milliseconds.
                    let millis =
                        1_608_422_400_000 + part.day * 86_400_000 + minutes * 60_000 + minutes * 37 % 60_000;
                    let users = if job.profile.users.rows { Value::Units(1) } else { *users };
                    let row = Record { cells, when: Some(coding.when(millis)), users };
                    rows.extend(std::iter::repeat_n(row, stretch));
                }
            }
            World { job, ask, coding, rows, bad }
        },
    )
}

impl World {
    /// Some of the rows as a file; without the column `c` if `lacks_c`.
    pub fn file(&self, range: std::ops::Range<usize>, shape: &Shape, lacks_c: bool) -> Vec<u8> {
        columns::write(&self.columns(range.clone(), lacks_c), range.len(), shape)
    }

    /// The columns of some of the rows; without `c` if `lacks_c`.
    pub fn columns(&self, range: std::ops::Range<usize>, lacks_c: bool) -> Vec<Column> {
        let rows = &self.rows[range.clone()];
        let text = |name: &'static str| Column {
            name,
            data: Data::Text(rows.iter().map(|row| row.cells.get(name).cloned()).collect()),
        };
        let integer = |row: &Record| row.cells.get("c").map(|cell| cell.parse::<i64>().unwrap());
        let flag = |row: &Record| row.cells.get("flag").map(|cell| cell == "true");
        let users = |row: &Record| match row.users {
            Value::Units(units) => Some(units as i64),
            _ => None,
        };
        let mut columns = vec![
            text("name"),
            Column { name: "users", data: Data::Int64(rows.iter().map(users).collect(), None) },
            Column { name: "time", data: self.times(range) },
            text("a"),
            Column { name: "flag", data: Data::Bool(rows.iter().map(flag).collect()) },
            text("b"),
            text("kind"),
        ];
        if !lacks_c {
            columns
                .insert(3, Column { name: "c", data: Data::Int64(rows.iter().map(integer).collect(), None) });
        }
        columns
    }

    /// The stored times of some rows.
    fn times(&self, range: std::ops::Range<usize>) -> Data {
        let rows = &self.rows[range];
        let micros = |row: &Record| match row.when? {
            When::Instant(at) | When::Wall(at) => Some(at),
            When::Week(..) => None,
        };
        let in_units =
            |day: i64| move |row: &Record| Some(i128::from(micros(row)?) * i128::from(day) / 86_400_000_000);
        let numbers =
            |day: i64| rows.iter().map(in_units(day)).map(|n| n.map(|n| n as i64)).collect::<Vec<_>>();
        let narrow = |day: i64| numbers(day).into_iter().map(|n| n.map(|n| n as i32)).collect::<Vec<_>>();
        match self.coding {
            Coding::Date => Data::Int32(narrow(1), Some(LogicalType::Date)),
            Coding::Timestamp(unit, is_utc) => {
                let units = [TimeUnit::MILLIS, TimeUnit::MICROS, TimeUnit::NANOS];
                let day = [86_400_000, 86_400_000_000, 86_400_000_000_000][unit];
                Data::Int64(numbers(day), Some(LogicalType::timestamp(is_utc, units[unit])))
            }
            Coding::Int64(unit) => Data::Int64(numbers(unit.per_day()), None),
            Coding::Int32(unit) => Data::Int32(narrow(unit.per_day()), None),
            Coding::Int96 => Data::Int96(numbers(86_400_000_000_000)),
            Coding::Text(form) => {
                let of = |row: &Record| {
                    let Some(when) = row.when else {
                        return (self.bad == Some(true)).then(|| "n/a".to_owned());
                    };
                    Some(text(self.form_of_row(form, when), when))
                };
                Data::Text(rows.iter().map(of).collect())
            }
            Coding::Label(form) => {
                let separator = match form {
                    LabelForm::YearUnderscoreWeek => "_",
                    LabelForm::Extended => "-W",
                    LabelForm::Basic => "W",
                    LabelForm::Digits => "",
                };
                let label = |row: &Record| match row.when? {
                    When::Week(year, week) => Some(format!("{year:04}{separator}{week:02}")),
                    _ => None,
                };
                Data::Text(rows.iter().map(label).collect())
            }
        }
    }

    /// The form of a text that says `when`: of a mixture, one that can say it.
    fn form_of_row(&self, form: usize, when: When) -> usize {
        let day = 86_400_000_000;
        match (form, when) {
            (7, When::Instant(at)) => 4 + (at / 1_000_000).rem_euclid(3) as usize,
            (7, When::Wall(at)) if at % day == 0 => (at / day).rem_euclid(2) as usize,
            (7, When::Wall(at)) if at % 1_000_000 == 0 => 2,
            (7, When::Wall(_)) => 3,
            _ => form,
        }
    }

    /// Files of consecutive rows; every second one lacks the column `c` where it may.
    pub fn files(&mut self, cuts: &[Index], shapes: &[Shape], may_lack_c: bool) -> Vec<Vec<u8>> {
        let may_lack_c = may_lack_c
            && !self.ask.by.contains(&"c")
            && self.ask.conditions.iter().all(|(column, ..)| *column != "c");
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(self.rows.len() + 1)).collect();
        at.extend([0, self.rows.len()]);
        at.sort_unstable();
        let ranges: Vec<std::ops::Range<usize>> = at.windows(2).map(|pair| pair[0]..pair[1]).collect();
        if may_lack_c {
            // Rows of a file without the column are total rows of the dimension.
            let total = self.ask.dimensions["c"].total.clone();
            for row in ranges.iter().skip(1).step_by(2).flat_map(Clone::clone) {
                let cells = &mut self.rows[row].cells;
                cells.remove("c");
                cells.extend(total.clone().map(|total| ("c", total)));
            }
        }
        if self.bad.is_some() {
            let dropped = ["not_total_row", "where_not_met", "null_member", "total_row"];
            let outcomes = self.ask.outcomes(&self.rows);
            let bad = self.rows.iter_mut().zip(outcomes).filter(|(_, outcome)| dropped.contains(outcome));
            bad.for_each(|(row, _)| row.when = None);
        }
        let file = |(number, range): (usize, &std::ops::Range<usize>)| {
            self.file(range.clone(), &shapes[number % shapes.len()], may_lack_c && number % 2 == 1)
        };
        ranges.iter().enumerate().map(file).collect()
    }
}

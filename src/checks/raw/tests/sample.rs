//! Clean cubes of any size, and rows as files of any layout. Tests of other stages damage them too.

use std::sync::Arc;

use parquet::data_type::{BoolType, ByteArray, ByteArrayType, FloatType, Int32Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

use crate::calendar;
use crate::checks::Config;
use crate::storage::{Input, MemoryObject};

#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub day: Option<i32>,
    pub week: Option<Arc<str>>,
    pub country: Option<&'static str>,
    pub system: Option<&'static str>,
    pub name: Option<&'static str>,
    pub token: Option<&'static str>,
    pub subtrackers: Option<bool>,
    pub value: Option<f32>,
}

/// 2020-12-28, a Monday; the week after it is the first of another year.
pub const FIRST: i32 = 18_624;
pub const CHANNELS: [(&str, &str); 6] = [
    ("Email", "tok1"),
    ("Organic", "tok2"),
    ("TV", "tok3"),
    ("Search", "tok4"),
    ("Social", "tok5"),
    ("Affiliates", "tok6"),
];
pub const COUNTRIES: [&str; 6] = ["FR", "GB", "DE", "US", "JP", "BR"];
pub const SYSTEMS: [&str; 2] = ["android", "ios"];

/// A small generator of random numbers (splitmix64): the same seed, the same faults.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((x ^ (x >> 31)) % n as u64) as usize
    }
}

pub fn week_of(day: i32) -> Arc<str> {
    let (year, week) = calendar::iso_of(calendar::week_of(day));
    format!("{year:04}_{week:02}").into()
}

/// `days` days in export order: every key occurs once, all totals are right.
pub fn cube(days: i32, countries: &[&'static str], channels: usize, random: &mut Random) -> Vec<Row> {
    let mut rows = Vec::new();
    for day in FIRST..FIRST + days {
        let week = week_of(day);
        // Users by country, system, channel; the totals are kept beside them.
        let users: Vec<[Vec<f32>; 2]> = (countries.iter())
            .map(|_| {
                // A day without organic or without paid users would be a fault.
                [2, 0].map(|busy| {
                    let least = |channel| usize::from(channel < busy);
                    (0..channels).map(|n| (least(n) + random.below(4) * random.below(30)) as f32).collect()
                })
            })
            .collect();
        let of = |country: Option<usize>, system: Option<usize>, channel: usize| -> f32 {
            let countries = users.iter().enumerate().filter(move |(at, _)| country.is_none_or(|c| c == *at));
            countries
                .flat_map(|(_, systems)| {
                    systems.iter().enumerate().filter(move |(at, _)| system.is_none_or(|s| s == *at))
                })
                .map(|(_, channels)| channels[channel])
                .sum()
        };
        for country in std::iter::once(None).chain((0..countries.len()).map(Some)) {
            for system in [None, Some(0), Some(1)] {
                for (channel, (name, token)) in CHANNELS.iter().take(channels).enumerate() {
                    rows.push(Row {
                        day: Some(day),
                        week: Some(week.clone()),
                        country: Some(country.map_or("ALL", |c| countries[c])),
                        system: Some(system.map_or("all", |s| SYSTEMS[s])),
                        name: Some(name),
                        token: Some(token),
                        subtrackers: Some(channel % 2 == 0),
                        value: Some(of(country, system, channel)),
                    });
                }
            }
        }
    }
    rows
}

/// A random clean sample of two to four weeks.
pub fn clean(random: &mut Random) -> Vec<Row> {
    let countries = 2 + random.below(3);
    let (days, channels) = (14 + random.below(14), 3 + random.below(3));
    cube(i32::try_from(days).unwrap(), &COUNTRIES[..countries], channels, random)
}

/// Checks that know the channels of clean rows, on the day after their last.
pub fn config(rows: &[Row]) -> Config {
    let channels: std::collections::BTreeSet<&str> = rows.iter().filter_map(|r| r.name).collect();
    let channels: Vec<&str> = channels.into_iter().collect();
    let last = rows.iter().filter_map(|r| r.day).max().unwrap();
    let today = crate::table::cell::iso_date(last + 1);
    Config::parse(
        &format!("as_of = '{today}'\n[allow]\nchannels = {channels:?}\nsystems = ['ios', 'android']"),
        "test",
    )
    .unwrap()
}

/// How rows are laid out in a file.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// Rows of a row group.
    pub group: usize,
    pub dictionary: bool,
    /// Rows of a page.
    pub page: usize,
}

/// As an export has it.
pub const EXPORT: Layout = Layout { group: 1 << 20, dictionary: true, page: 20_000 };
pub const LAYOUTS: [Layout; 4] = [
    EXPORT,
    Layout { group: 100, dictionary: true, page: 7 },
    Layout { group: 1 << 20, dictionary: false, page: 13 },
    Layout { group: 50, dictionary: false, page: 1_000 },
];

pub fn file(name: &str, rows: &[Row], layout: Layout) -> Input {
    let schema = "message m { optional int32 start_date (DATE); optional binary year_week (UTF8);
        optional binary country (UTF8); optional binary os_name (UTF8); optional binary name (UTF8);
        optional binary token (UTF8); optional boolean has_subtrackers; optional float value; }";
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let properties = WriterProperties::builder()
        .set_dictionary_enabled(layout.dictionary)
        .set_data_page_row_count_limit(layout.page)
        .set_write_batch_size(layout.page)
        .build();
    let mut bytes = Vec::new();
    let mut writer = SerializedFileWriter::new(&mut bytes, schema, Arc::new(properties)).unwrap();
    for rows in rows.chunks(layout.group) {
        let mut out = writer.next_row_group().unwrap();
        macro_rules! column {
            ($type:ty, $value:expr) => {{
                let values: Vec<_> = rows.iter().filter_map($value).collect();
                let levels: Vec<i16> = rows.iter().map(|row| i16::from($value(row).is_some())).collect();
                let mut column = out.next_column().unwrap().unwrap();
                column.typed::<$type>().write_batch(&values, Some(&levels), None).unwrap();
                column.close().unwrap();
            }};
        }
        column!(Int32Type, |r: &Row| r.day);
        column!(ByteArrayType, |r: &Row| r.week.as_deref().map(ByteArray::from));
        column!(ByteArrayType, |r: &Row| r.country.map(ByteArray::from));
        column!(ByteArrayType, |r: &Row| r.system.map(ByteArray::from));
        column!(ByteArrayType, |r: &Row| r.name.map(ByteArray::from));
        column!(ByteArrayType, |r: &Row| r.token.map(ByteArray::from));
        column!(BoolType, |r: &Row| r.subtrackers);
        column!(FloatType, |r: &Row| r.value);
        out.close().unwrap();
    }
    writer.close().unwrap();
    Input { object: Arc::new(MemoryObject::new(name, bytes)), partitions: vec![] }
}

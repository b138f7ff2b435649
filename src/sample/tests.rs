#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss
)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};

use super::cube::{ALL, Cube, Row};
use super::shuffle::Permutation;
use super::*;
use crate::calendar;
use crate::parquet::encode::hybrid_rle;
use crate::scan::NoProgress;

fn rows(cube: &Cube) -> Vec<Row> {
    (0..cube.rows()).map(|i| cube.row(i)).collect()
}

#[test]
fn rows_are_distinct_and_ordered_at_any_size() {
    for (count, seed) in [(1, 1), (2, 1), (3, 9), (50, 2), (9_330, 1), (60_001, 7)] {
        let rows = rows(&Cube::new(count, seed));
        let keys: BTreeSet<_> = rows.iter().map(|r| (r.day, r.country, r.system, r.channel)).collect();
        assert_eq!(keys.len() as u64, count);
        assert!(rows.is_sorted_by_key(|r| (r.day, r.country, r.system)));
    }
}

#[test]
fn totals_hold_on_every_key() {
    for (count, seed) in [(1, 1), (777, 3), (9_330, 1), (9_331, 1), (40_000, 5), (200_000, 8)] {
        let cube = Cube::new(count, seed);
        let total = cube.countries().iter().position(|c| c.code == "ALL").unwrap() as u16;
        let mut systems: BTreeMap<_, (Option<u32>, u32)> = BTreeMap::new();
        let mut countries: BTreeMap<_, (Option<u32>, u32)> = BTreeMap::new();
        for row in rows(&cube) {
            let by_system = systems.entry((row.day, row.country, row.channel)).or_default();
            let by_country = countries.entry((row.day, row.system, row.channel)).or_default();
            if row.system == ALL {
                by_system.0 = Some(row.value);
            } else {
                by_system.1 += row.value;
            }
            if row.country == total {
                by_country.0 = Some(row.value);
            } else {
                by_country.1 += row.value;
            }
        }
        for (key, (all, parts)) in &systems {
            assert!(all.unwrap_or(0) == *parts, "{count} {key:?}: {all:?} {parts}");
        }
        for (key, (all, parts)) in &countries {
            assert!(all.unwrap_or(0) == *parts, "{count} {key:?}: {all:?} {parts}");
        }
    }
}

#[test]
fn every_country_has_rows_on_every_day() {
    for (count, seed) in [(12, 1), (9_330, 1), (9_331, 2), (40_000, 5), (200_000, 8), (1_000_003, 1)] {
        let cube = Cube::new(count, seed);
        let mut countries: BTreeMap<u16, BTreeSet<u16>> = BTreeMap::new();
        for row in rows(&cube) {
            countries.entry(row.day).or_default().insert(row.country);
        }
        assert!(countries.values().all(|countries| countries.len() == cube.countries().len()), "{count}");
        let last = *countries.keys().last().unwrap();
        assert_eq!(countries.len(), usize::from(last) + 1, "{count} rows have a day without rows");
    }
}

#[test]
fn nine_thousand_rows_look_like_a_small_company() {
    let cube = Cube::new(9_330, 1);
    let rows = rows(&cube);
    let weeks: BTreeSet<u16> = rows.iter().map(|r| r.day / 7).collect();
    let span = *weeks.last().unwrap() as usize + 1;
    assert_eq!(cube.countries().len(), 4);
    assert_eq!(cube.channels().len(), 26);
    assert!((15..30).contains(&span), "{span} weeks");
    assert_eq!(weeks.len(), span);
    let zeros = rows.iter().filter(|r| r.value == 0).count();
    assert!((3_000..6_000).contains(&zeros), "{zeros} zeros");
    let channels: BTreeSet<u16> = rows.iter().map(|r| r.channel).collect();
    assert!(channels.len() > 20);
    let labels: BTreeSet<String> = weeks.iter().map(|w| cube.week_label(u32::from(*w))).collect();
    assert!(labels.contains("2020_53") && labels.contains("2021_01"));
    for row in &rows {
        let label = cube.week_label(u32::from(row.day) / 7);
        assert_eq!(calendar::parse_label(label.as_bytes()), Some(calendar::week_of(cube.date(row.day))));
    }
}

#[test]
fn dimensions_grow_with_rows() {
    let cube = Cube::new(20_000_000, 1);
    assert_eq!((cube.countries().len(), cube.channels().len()), (241, 26));
    let days = cube.days();
    assert!((1_200..1_600).contains(&days.len()), "{} days", days.len());
    assert_eq!(days.last().unwrap().1.end, 20_000_000);
    assert!(days.windows(2).all(|d| d[0].1.end == d[1].1.start && !d[0].1.is_empty()));
    let huge = Cube::new(1_000_000_000, 1);
    assert!((1_000..2_000).contains(&huge.days().len()), "{} days", huge.days().len());
    let (first, last) = (huge.row(0), huge.row(999_999_999));
    assert!(first < last);
}

#[test]
fn each_channel_has_a_token_of_its_own() {
    let cube = Cube::new(1_000_000_000, 1);
    let tokens: BTreeSet<&str> = cube.channels().iter().map(|channel| channel.token.as_str()).collect();
    assert_eq!(tokens.len(), cube.channels().len());
}

#[test]
fn a_permutation_hits_every_row_once() {
    for len in [0, 1, 2, 3, 17, 64, 1_000, 65_537] {
        let permutation = Permutation::new(len, 4);
        let hit: BTreeSet<u64> = (0..len).map(|i| permutation.at(i)).collect();
        assert_eq!(hit.len() as u64, len);
        assert!(hit.last().is_none_or(|last| *last < len));
    }
    let permutation = Permutation::new(1_000, 4);
    let stay = (0..1_000).filter(|i| permutation.at(*i) == *i).count();
    assert!(stay < 10, "{stay} of 1,000 rows stay where they are");
}

/// Decodes by the specification ("RLE / Bit-Packing Hybrid"), one value at a time.
fn decode(mut bytes: &[u8], width: usize, len: usize) -> (Vec<u32>, usize) {
    let (mut ids, mut runs) = (vec![], 0);
    while ids.len() < len {
        let (mut header, mut shift) = (0u64, 0);
        loop {
            let byte = bytes[0];
            bytes = &bytes[1..];
            header |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                break;
            }
        }
        if header & 1 == 0 {
            let size = width.div_ceil(8);
            let mut le = [0; 4];
            le[..size].copy_from_slice(&bytes[..size]);
            bytes = &bytes[size..];
            ids.extend(std::iter::repeat_n(u32::from_le_bytes(le), (header >> 1) as usize));
            runs += 1;
        } else {
            let count = (header >> 1) as usize * 8;
            for i in 0..count {
                let bit = |b: usize| u32::from(bytes[b / 8] >> (b % 8) & 1);
                ids.push((0..width).map(|b| bit(i * width + b) << b).sum());
            }
            bytes = &bytes[count * width / 8..];
        }
    }
    assert!(bytes.is_empty(), "{} bytes too many", bytes.len());
    assert!(ids.len() < len + 8);
    ids.truncate(len);
    (ids, runs)
}

#[test]
fn hybrid_rle_decodes_to_what_went_in() {
    for width in [1u8, 2, 5, 8, 11, 20] {
        for sticky in [1u64, 3, 12, 40] {
            for len in [1usize, 7, 8, 9, 503, 504, 505, 2_000] {
                let ids: Vec<u32> =
                    (0..len as u64).map(|i| (cube::mix(i / sticky) as u32) & ((1 << width) - 1)).collect();
                let mut bytes = vec![];
                hybrid_rle(&ids, width, &mut bytes);
                let (back, runs) = decode(&bytes, usize::from(width), len);
                assert_eq!(back, ids);
                assert!(sticky < 40 || len < 500 || runs > 3, "long repeats are runs");
            }
        }
    }
}

#[test]
fn same_options_same_bytes_and_nothing_left_behind() {
    let folder = tempfile::tempdir().unwrap();
    for (_, layout) in LAYOUTS {
        if layout == Layout::Daily {
            continue;
        }
        let options = Options { rows: 30_000, layout, seed: 3 };
        let [a, b] = ["a.parquet", "b.parquet"].map(|name| {
            let path = folder.path().join(name);
            let written = write(&options, &path, &NoProgress).unwrap();
            let bytes = std::fs::read(&path).unwrap();
            assert_eq!(written, Written { rows: 30_000, files: 1, bytes: bytes.len() as u64 });
            bytes
        });
        assert!(a == b, "{layout} differs from itself");
        let other = Options { seed: 4, ..options };
        write(&other, &folder.path().join("b.parquet"), &NoProgress).unwrap();
        assert!(a != std::fs::read(folder.path().join("b.parquet")).unwrap());
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[test]
fn daily_is_a_folder_a_day_and_refuses_to_mix() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("days");
    let options = Options { rows: 2_000, layout: Layout::Daily, seed: 1 };
    let written = write(&options, &out, &NoProgress).unwrap();
    let cube = Cube::new(2_000, 1);
    assert_eq!(written.files, cube.days().len());
    for (day, _) in cube.days() {
        assert!(out.join(format!("start_date={}/part-0.parquet", cube.date_label(day))).is_file());
    }
    assert!(matches!(write(&options, &out, &NoProgress), Err(Error::Argument(_))));
}

#[test]
fn an_interrupted_write_leaves_the_old_file() {
    struct Impatient(AtomicU64);
    impl Progress for Impatient {
        fn interrupted(&self) -> bool {
            self.0.fetch_add(1, Ordering::Relaxed) > 0
        }
    }
    let folder = tempfile::tempdir().unwrap();
    for layout in [Layout::Export, Layout::Daily] {
        let out = folder.path().join("out");
        if layout == Layout::Export {
            std::fs::write(&out, "old").unwrap();
        }
        let options = Options { rows: 1_500_000, layout, seed: 1 };
        let result = write(&options, &out, &Impatient(AtomicU64::new(0)));
        assert!(matches!(result, Err(Error::Interrupted)), "{layout}: {result:?}");
        if layout == Layout::Export {
            assert_eq!(std::fs::read(&out).unwrap(), b"old");
            std::fs::remove_file(&out).unwrap();
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

#[test]
fn layouts_have_names() {
    for (name, layout) in LAYOUTS {
        assert_eq!(layout.to_string(), name);
        assert_eq!(name.parse::<Layout>().unwrap(), layout);
    }
    assert!("sorted".parse::<Layout>().is_err());
}

#[test]
fn no_dictionary_has_an_entry_twice() {
    // Arrow keeps a repeated entry once without adapting the ids, which are then wrong.
    let cube = Cube::new(20_000, 1);
    assert_distinct_entries(&cube, &ExportColumn::ALL);
    assert_distinct_entries(&Facts::new(20_000, 1), &FactColumn::ALL);
    let events = Events::new(20_000, 1);
    for time in [EventColumn::InstallTime, EventColumn::InstallTimeText] {
        assert_distinct_entries(&events, &EventColumn::of_file(time));
    }
}

fn assert_distinct_entries<C: Column>(table: &C::Table, columns: &[C]) {
    for column in columns {
        let codes: BTreeSet<u64> =
            (0..table.rows()).filter_map(|i| column.code(table, &table.row(i))).collect();
        let entry = |code: &u64| {
            let mut bytes = vec![];
            column.put(table, *code, &mut bytes);
            bytes
        };
        let entries: BTreeSet<Vec<u8>> = codes.iter().map(entry).collect();
        assert_eq!(entries.len(), codes.len(), "{:?}", column.field());
    }
}

/// The text of every value of a file by column, or `None` for null, as the `parquet` crate reads it.
fn read_back(options: &Options) -> BTreeMap<String, Vec<Option<String>>> {
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::Field;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    write(options, &path, &NoProgress).unwrap();
    let reader = SerializedFileReader::new(std::fs::File::open(&path).unwrap()).unwrap();
    assert_eq!(reader.metadata().file_metadata().num_rows() as u64, options.rows);
    for chunk in reader.metadata().row_groups().iter().flat_map(|group| group.columns()) {
        assert_eq!(chunk.num_values() as u64, options.rows.min(EXPORT_GROUP), "{:?}", chunk.column_path());
    }
    let mut columns: BTreeMap<String, Vec<Option<String>>> = BTreeMap::new();
    for row in reader.get_row_iter(None).unwrap() {
        for (name, field) in row.unwrap().get_column_iter() {
            let value = match field {
                Field::Null => None,
                Field::Str(text) => Some(text.clone()),
                Field::TimestampMicros(micros) => Some(micros.to_string()),
                other => Some(other.to_string()),
            };
            columns.entry(name.clone()).or_default().push(value);
        }
    }
    assert!(columns.values().all(|values| values.len() as u64 == options.rows));
    columns
}

/// The share of rows with this value.
fn share(values: &[Option<String>], value: Option<&str>) -> f64 {
    let count = values.iter().filter(|v| v.as_deref() == value).count();
    count as f64 / values.len() as f64
}

#[test]
fn a_fact_table_has_unique_keys_and_no_totals() {
    for (count, seed) in [(1, 1), (2, 1), (9_331, 1), (60_001, 7)] {
        let facts = Facts::new(count, seed);
        let rows: Vec<_> = (0..count).map(|i| facts.row(i)).collect();
        let keys: BTreeSet<_> = rows.iter().map(|r| (r.day, r.country, r.system, r.network)).collect();
        assert_eq!(keys.len() as u64, count);
        assert!(rows.is_sorted_by_key(|r| (r.day, r.country, r.system)));
        assert!(rows.iter().all(|r| r.installs > 0));
    }
    let columns = read_back(&Options { rows: 30_000, layout: Layout::Facts, seed: 1 });
    assert_eq!(columns.keys().collect::<Vec<_>>(), ["country", "day", "installs", "network", "os"]);
    let members = |name: &str| columns[name].iter().cloned().map(Option::unwrap).collect::<BTreeSet<_>>();
    assert_eq!(members("os"), BTreeSet::from(["android".into(), "ios".into()]));
    assert!(members("network").contains("Organic"));
    assert!(members("country").len() == 7 && members("country").iter().all(|code| code.len() == 2));
    assert_eq!(columns["day"][0].as_deref(), Some("2020-10-26"));
}

#[test]
fn facts_grow_with_rows() {
    let last = |facts: &Facts| facts.row(facts.rows() - 1);
    let small = Facts::new(9_000, 1);
    assert!((60..150).contains(&last(&small).day), "{} days", last(&small).day);
    let large = Facts::new(20_000_000, 1);
    assert!((1_800..2_600).contains(&last(&large).day), "{} days", last(&large).day);
    let huge = Facts::new(1_000_000_000, 1);
    assert!((1_400..2_600).contains(&last(&huge).day), "{} days", last(&huge).day);
}

#[test]
fn events_have_nulls_and_instants() {
    let options = Options { rows: 40_000, layout: Layout::Events, seed: 1 };
    let columns = read_back(&options);
    let names = ["app_id", "country_code", "install_time", "media_source", "platform"];
    assert_eq!(columns.keys().collect::<Vec<_>>(), names);
    let within = |name: &str, value, range: std::ops::Range<f64>| {
        let share = share(&columns[name], value);
        assert!(range.contains(&share), "{name} {value:?}: {share}");
    };
    within("media_source", None, 0.30..0.37);
    within("media_source", Some("organic"), 0.02..0.05);
    within("media_source", Some("restricted"), 0.015..0.025);
    within("country_code", None, 0.003..0.007);
    within("country_code", Some("UK"), 0.005..0.03);
    within("country_code", Some("GB"), 0.05..0.3);
    within("platform", Some("ios"), 0.28..0.32);
    for name in ["platform", "app_id", "install_time"] {
        within(name, None, 0.0..f64::MIN_POSITIVE);
    }
    let countries: BTreeSet<_> = columns["country_code"].iter().flatten().collect();
    assert_eq!(countries.len(), 241);

    let micros: Vec<i64> = columns["install_time"].iter().flatten().map(|m| m.parse().unwrap()).collect();
    let distinct: BTreeSet<_> = micros.iter().collect();
    assert!(distinct.len() > micros.len() * 99 / 100);
    let two_days = 2 * 86_400_000_000;
    assert!(!micros.is_sorted() && micros.windows(2).all(|pair| (pair[1] - pair[0]).abs() <= two_days));

    let text = read_back(&Options { layout: Layout::EventsText, ..options });
    for name in names.into_iter().filter(|name| *name != "install_time") {
        assert_eq!(text[name], columns[name], "{name}");
    }
    for (text, micros) in text["install_time"].iter().flatten().zip(&micros) {
        let (date, time) = text.split_once(' ').unwrap();
        let part = |text: &str, at: usize| text.split(['-', ':']).nth(at).unwrap().parse::<i64>().unwrap();
        let day = calendar::day_of(calendar::Date {
            year: part(date, 0) as i32,
            month: part(date, 1) as u8,
            day: part(date, 2) as u8,
        });
        let seconds = i64::from(day) * 86_400 + part(time, 0) * 3_600 + part(time, 1) * 60 + part(time, 2);
        assert_eq!((text.len(), seconds), (19, micros / 1_000_000));
    }
}

#[test]
fn instants_are_adjusted_to_utc() {
    use parquet::basic::{LogicalType, Type};
    use parquet::file::reader::{FileReader, SerializedFileReader};
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    write(&Options { rows: 100, layout: Layout::Events, seed: 1 }, &path, &NoProgress).unwrap();
    let reader = SerializedFileReader::new(std::fs::File::open(&path).unwrap()).unwrap();
    let column = reader.metadata().file_metadata().schema_descr().column(0);
    assert_eq!((column.name(), column.physical_type()), ("install_time", Type::INT64));
    let Some(LogicalType::Timestamp(timestamp)) = column.logical_type_ref() else {
        panic!("{column:?} is no timestamp");
    };
    assert!(timestamp.is_adjusted_to_u_t_c);
}

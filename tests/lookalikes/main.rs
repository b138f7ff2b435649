//! Exports of other teams: `rollshare profile` finds a profile with which `rollshare run` gives the right table, and the
//! bundled profiles give it too.
//!
//! - [`truth`]: the users behind an export, and the table that they have.
//! - [`kinds`]: the look-alikes.
#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
#![allow(clippy::cast_possible_wrap)]

mod kinds;
#[allow(unused_imports)] // each test program uses its part
#[path = "../oracle/mod.rs"]
mod oracle;
mod truth;
#[path = "../writer/mod.rs"]
mod writer;

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use kinds::{Kind, all};
use rollshare::Profile;
use truth::{Line, table};
use writer::Shape;
use writer::columns::{Column, Data, write};

/// How a look-alike is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Parquet,
    /// Delimited text, for the kinds that come so.
    Text,
}

/// The formats that the program reads.
const FORMATS: [Format; 2] = [Format::Parquet, Format::Text];

fn rollshare(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rollshare"));
    command.args(arguments).env_remove("ROLLSHARE_THREADS").stdin(Stdio::null()).output().unwrap()
}

fn error_of(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn rows_of(column: &Column) -> usize {
    match &column.data {
        Data::Text(cells) => cells.len(),
        Data::Bool(cells) => cells.len(),
        Data::Double(cells) => cells.len(),
        Data::Int32(cells, _) => cells.len(),
        Data::Int64(cells, _) | Data::Int96(cells) => cells.len(),
    }
}

/// A cell as delimited text; an empty text is quoted, a null is not.
fn cell(column: &Column, row: usize) -> String {
    match &column.data {
        Data::Text(cells) => cells[row].as_ref().map_or(String::new(), |text| format!("\"{text}\"")),
        Data::Bool(cells) => cells[row].map_or(String::new(), |flag| flag.to_string()),
        Data::Double(cells) => cells[row].map_or(String::new(), |number| number.to_string()),
        Data::Int32(cells, Some(_)) => cells[row].map_or(String::new(), |day| {
            jiff::civil::date(1970, 1, 1).saturating_add(jiff::Span::new().days(day)).to_string()
        }),
        Data::Int32(cells, None) => cells[row].map_or(String::new(), |number| number.to_string()),
        Data::Int64(cells, Some(_)) => cells[row]
            .map_or(String::new(), |micros| jiff::Timestamp::from_microsecond(micros).unwrap().to_string()),
        Data::Int64(cells, None) | Data::Int96(cells) => {
            cells[row].map_or(String::new(), |number| number.to_string())
        }
    }
}

fn delimited(columns: &[Column], by: u8) -> Vec<u8> {
    let by = char::from(by).to_string();
    let mut lines =
        vec![columns.iter().map(|column| format!("\"{}\"", column.name)).collect::<Vec<_>>().join(&by)];
    for row in 0..rows_of(&columns[0]) {
        lines.push(columns.iter().map(|column| cell(column, row)).collect::<Vec<_>>().join(&by));
    }
    lines.join("\n").into_bytes()
}

/// Writes the files of a look-alike; returns the source, or `None` where the kind does not come in the format.
fn write_files(kind: &Kind, format: Format, folder: &Path) -> Option<String> {
    let source = folder.join("source");
    for (path, columns) in &kind.files {
        let bytes = match format {
            Format::Parquet => write(columns, rows_of(&columns[0]), &Shape::default()),
            Format::Text => delimited(columns, kind.delimiter?),
        };
        let ending = match (format, kind.delimiter) {
            (Format::Parquet, _) => "parquet",
            (Format::Text, Some(b'\t')) => "tsv",
            (Format::Text, _) => "csv",
        };
        let path = source.join(format!("{path}.{ending}"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    Some(source.to_str().unwrap().to_owned())
}

/// The rows of a table as CSV.
fn lines(text: &[u8]) -> Vec<Line> {
    let mut reader = csv::Reader::from_reader(text);
    assert_eq!(reader.headers().unwrap(), vec!["year", "week", "country", "share_organic_p4w"]);
    let line = |record: csv::StringRecord| {
        (record[0].parse().unwrap(), record[1].parse().unwrap(), record[2].to_owned(), record[3].parse().ok())
    };
    reader.records().map(|record| line(record.unwrap())).collect()
}

fn difference(got: &[Line], want: &[Line]) -> Option<String> {
    let is_same = |(a, b): &(&Line, &Line)| {
        let share = match (a.3, b.3) {
            (Some(a), Some(b)) => (a - b).abs() < 1e-12,
            (a, b) => a == b,
        };
        share && (a.0, a.1, &a.2) == (b.0, b.1, &b.2)
    };
    if let Some((got, want)) = got.iter().zip(want).find(|pair| !is_same(pair)) {
        return Some(format!("{got:?} instead of {want:?}"));
    }
    (got.len() != want.len()).then(|| format!("{} rows instead of {}", got.len(), want.len()))
}

/// The profile of a source, written to a file, and its text.
fn profile_of(source: &str, folder: &Path) -> Result<(String, String), String> {
    let output = rollshare(&["profile", "--source", source]);
    if !output.status.success() {
        return Err(format!("profile: {}", error_of(&output)));
    }
    let file = folder.join("p.toml");
    fs::write(&file, &output.stdout).unwrap();
    Ok((file.to_str().unwrap().to_owned(), String::from_utf8(output.stdout).unwrap()))
}

/// Runs a look-alike by a profile, with the checks.
fn run(kind: &Kind, source: &str, profile: &str) -> Result<(), String> {
    let output = rollshare(&["run", "--source", source, "--profile", profile, "--target", "-"]);
    if !output.status.success() {
        return Err(format!("{profile}: {} {}", output.status, error_of(&output)));
    }
    match difference(&lines(&output.stdout), &table(&kind.truth, kind.country)) {
        Some(difference) => Err(format!("{profile}: {difference}")),
        None => Ok(()),
    }
}

fn check(kind: &Kind, format: Format) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let Some(source) = write_files(kind, format, folder.path()) else { return Ok(()) };
    let (profile, text) = profile_of(&source, folder.path())?;
    let outcome = run(kind, &source, &profile);
    let with_text = |why: String| format!("{why}\n{text}");
    outcome.map_err(with_text)?;
    // What is printed is the value that is read, and a second look finds the same.
    Profile::parse(&text, "p").map_err(|e| with_text(e.to_string()))?;
    let (_, again) = profile_of(&source, folder.path())?;
    assert_eq!(text, again);
    let like = text.lines().nth(1).unwrap_or_default();
    match kind.like {
        Some(name) if !like.contains(&format!("\"{name}\"")) => {
            return Err(with_text(format!("not like {name}")));
        }
        None if like.contains("like the bundled") => return Err(with_text("like a bundled profile".into())),
        _ => {}
    }
    match kind.like.filter(|_| kind.is_bundled) {
        Some(name) => run(kind, &source, name),
        None => Ok(()),
    }
}

#[test]
fn every_look_alike_gives_its_table() {
    let kinds = all();
    assert_eq!(kinds.len(), 21);
    let mut failures = vec![];
    for kind in &kinds {
        for format in FORMATS {
            if let Err(why) = check(kind, format) {
                failures.push(format!("== {} as {format:?}: {why}", kind.name));
            }
        }
    }
    assert!(failures.is_empty(), "{} fail:\n{}", failures.len(), failures.join("\n"));
}

/// A file of these columns, two rows each.
fn small(columns: &[(&'static str, [&str; 2])]) -> Vec<u8> {
    let column = |(name, cells): &(&'static str, [&str; 2])| Column {
        name,
        data: Data::Text(cells.iter().map(|text| Some((*text).to_owned())).collect()),
    };
    write(&columns.iter().map(column).collect::<Vec<_>>(), 2, &Shape::default())
}

/// The error of `rollshare profile` on files, with exit code 3.
fn refused(files: &[Vec<u8>]) -> String {
    let folder = tempfile::tempdir().unwrap();
    for (at, bytes) in files.iter().enumerate() {
        fs::write(folder.path().join(format!("{at}.parquet")), bytes).unwrap();
    }
    let output = rollshare(&["profile", folder.path().to_str().unwrap()]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(3), 0), "{}", error_of(&output));
    error_of(&output)
}

/// Reports of app stores have channels or countries, and no profile makes a share by country of them.
#[test]
fn reports_without_channel_by_country_are_refused() {
    let days = ("date", ["2026-03-01", "2026-03-02"]);
    let (app, installs) = (("package_name", ["com.example"; 2]), ("note", ["a", "b"]));
    let by_country = small(&[days, app, ("country", ["US", "XK"]), installs]);
    let by_source = small(&[days, app, ("traffic_source", ["Google Play search", "Other"]), installs]);
    // 17 and 20: a table by country.
    let error = refused(std::slice::from_ref(&by_country));
    assert!(
        error.contains("no column of channels") && error.contains("package_name, country, note"),
        "{error}"
    );
    assert!(error.contains("No table here has channel by country"), "{error}");
    assert!(!error.contains("no column of countries"), "{error}");
    // The other table of 18.
    let error = refused(std::slice::from_ref(&by_source));
    assert!(error.contains("no column of countries") && error.contains("channel by country"), "{error}");
    // Both tables do not make one.
    let error = refused(&[by_country, by_source]);
    assert!(error.contains("no column of channels, no column of countries"), "{error}");
    assert!(error.contains("traffic_source (only in 1 of 2 files"), "{error}");
}

#[test]
fn what_is_missing_is_said() {
    let network = ("network", ["Organic", "Ads"]);
    // Only weeks from Sunday to Saturday, as Adjust's report has them.
    let weeks = ["2026-03-01 - 2026-03-07", "2026-03-08 - 2026-03-14"];
    let error = refused(&[small(&[("week", weeks), network, ("country_code", ["US", "DE"])])]);
    assert!(error.contains("no column of times") && error.contains("2026-03-01 - 2026-03-07"), "{error}");
    assert!(error.contains("by day") && error.contains("week_start"), "{error}");
    // airbyte#62044: the country is null in every row.
    let null = Column { name: "country_code", data: Data::Text(vec![None, None]) };
    let text = |name, cells: [&str; 2]| Column {
        name,
        data: Data::Text(cells.iter().map(|text| Some((*text).to_owned())).collect()),
    };
    let columns =
        [text("date", ["2026-03-01", "2026-03-02"]), null, text("media_source", ["Organic", "Ads"])];
    let error = refused(&[write(&columns, 2, &Shape::default())]);
    assert!(error.contains("country_code is null in every row"), "{error}");
}

#[test]
fn the_sample_is_like_the_cube_and_totals_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("export.parquet");
    let path = path.to_str().unwrap();
    assert!(rollshare(&["sample", "--rows", "12000", "--out", path, "--quiet"]).status.success());
    let (_, text) = profile_of(path, folder.path()).unwrap();
    assert_eq!(Profile::parse(&text, "p").unwrap(), Profile::cube(), "{text}");
    assert!(text.contains("the sum of the others in"), "{text}");
}

/// `GROUP BY CUBE` writes null for totals: sums tell them from rows without a member.
#[test]
fn null_totals_are_found_by_their_sums() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/field/cube_nulls");
    let scratch = tempfile::tempdir().unwrap();
    let source = folder.join("input.parquet").to_str().unwrap().to_owned();
    let (_, text) = profile_of(&source, scratch.path()).unwrap();
    let profile = Profile::parse(&text, "p").unwrap();
    assert!(profile.dimensions.values().all(|of| of.total_is_null), "{text}");
    // Rows without a member are no totals.
    let facts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/field/members_null_named/input.parquet");
    let (_, text) = profile_of(facts.to_str().unwrap(), scratch.path()).unwrap();
    let profile = Profile::parse(&text, "p").unwrap();
    assert!(profile.dimensions.values().all(|of| !of.has_total()), "{text}");
}

/// A case of tests/field.
#[derive(serde::Deserialize)]
struct Case {
    id: String,
    input: String,
    arguments: Vec<String>,
    #[serde(default)]
    expected: String,
}

/// What values do not show: a time zone, the first day of the week, a list of paid channels, the name of no country.
const UNDECIDED: [&str; 6] = [
    "paid_is_a_list",
    "members_null_named",
    "events_text_offsets",
    "events_zone_summer_time",
    "weeks_from_sunday",
    "csv_and_null",
];

/// The exports of tests/field give their tables by the profile that is found for them.
#[test]
fn exports_of_the_field_give_their_tables() {
    let field = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/field");
    let cases: Vec<Case> = serde_json::from_slice(&fs::read(field.join("manifest.json")).unwrap()).unwrap();
    let records = |text: &str| -> Vec<Vec<String>> {
        let reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
        reader.into_records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect()
    };
    let is_same = |a: &String, b: &String| {
        let number = |cell: &String| cell.parse::<f64>().ok();
        a == b || number(a).zip(number(b)).is_some_and(|(a, b)| (a - b).abs() < 1e-12)
    };
    let mut differ = vec![];
    let mut tables = 0;
    for case in cases.iter().filter(|case| !case.expected.is_empty()) {
        tables += 1;
        let scratch = tempfile::tempdir().unwrap();
        let source = field.join(&case.input).to_str().unwrap().to_owned();
        let (profile, text) = profile_of(&source, scratch.path()).unwrap();
        let mut arguments =
            vec!["run", "--source", &source, "--profile", &profile, "--target", "-", "--no-checks"];
        arguments.extend(case.arguments.iter().map(String::as_str));
        let output = rollshare(&arguments);
        let got = records(&String::from_utf8_lossy(&output.stdout));
        let want = records(&fs::read_to_string(field.join(&case.expected)).unwrap());
        let same_row = |(a, b): (&Vec<String>, &Vec<String>)| {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same(a, b))
        };
        if got.len() != want.len() || !got.iter().zip(&want).all(same_row) {
            differ.push(case.id.clone());
            assert!(UNDECIDED.contains(&&*case.id), "{}: {}\n{text}", case.id, error_of(&output));
        }
    }
    assert_eq!((tables, differ.len()), (40, UNDECIDED.len()), "{differ:?}");
}

#[test]
fn bundled_profiles_are_listed_and_shown() {
    let list = rollshare(&["profile", "--list"]);
    let list = String::from_utf8(list.stdout).unwrap();
    for line in list.lines() {
        let name = line.split(' ').next().unwrap();
        let shown = rollshare(&["profile", "--show", name]);
        let text = String::from_utf8(shown.stdout).unwrap();
        assert_eq!(Profile::parse(&text, name).unwrap(), Profile::load(name).unwrap());
    }
    assert!(list.lines().count() >= 12, "{list}");
    let unknown = rollshare(&["profile", "--show", "appsflyer-instals"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(error_of(&unknown).contains("Did you mean appsflyer-installs?"), "{}", error_of(&unknown));
    let help = String::from_utf8(rollshare(&["run", "--help"]).stdout).unwrap();
    assert!(help.contains("appsflyer-installs") && help.contains("warehouse"), "{help}");
}

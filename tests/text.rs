//! Text sources: CSV, TSV and other delimited text give what the same rows give as parquet, and errors name lines.
#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_possible_wrap)]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use proptest::prelude::*;
use proptest::sample::select;
use rollshare::internals::grid::Account;
use rollshare::internals::publish;
use rollshare::internals::scan::{self, NoProgress};
use rollshare::internals::storage::Input;
use rollshare::internals::text::column::Kind;
use rollshare::internals::text::header::Wanted;
use rollshare::internals::text::{Options, Texts};
use rollshare::{Job, Profile, finish};

mod draw;
#[allow(unused_imports)]
mod oracle;
mod writer;

use draw::{input, options};
use writer::Shape;
use writer::columns::{self, Column, Data};

const PROFILE: &str = r#"
[time]
date = "day"

[users]
column = "installs"
unique = true

[channel]
column = "network"
organic = ["Organic"]
null = "paid"

[dimensions.country]
null = "unknown"

[dimensions.os]
"#;

const NAMES: [&str; 6] = ["day", "country", "note", "os", "network", "installs"];

/// A row: its cells in the order of [`NAMES`].
type Row = [Option<String>; 6];

fn job() -> Job {
    let profile = Profile::parse(PROFILE, "p.toml").unwrap();
    let by = vec!["country".to_owned(), "os".to_owned()];
    Job { profile, by, details: true, ..Job::default() }.validated().unwrap()
}

fn rows(most: usize) -> impl Strategy<Value = Vec<Row>> {
    let text = |values: &[&'static str]| {
        let values: Vec<Option<String>> =
            values.iter().map(|v| Some((*v).to_owned()).filter(|v| !v.is_empty())).collect();
        select(values)
    };
    let day = (0u32..40).prop_map(|n| Some(format!("2024-0{}-{:02}", 1 + n / 28, 1 + n % 28)));
    let country =
        text(&["DE", "DE", "NA", "FR", "", "São \"Tomé\"", "a,b;c\td|e", "line\nbreak", "\r\n", "日本"]);
    let note = text(&["", "x", "\"", "5\" disc", "\n\n\n", "a long note that nobody reads, with a comma"]);
    let network = text(&["Organic", "Organic", "Search Ads", "", "a\"b", "Video, Ads"]);
    let installs = prop_oneof![
        6 => (0i64..100).prop_map(|n| Some(n.to_string())),
        1 => Just(None),
        1 => (-(1i64 << 40)..1 << 40).prop_map(|n| Some(n.to_string())),
    ];
    let row = (day, country, note, text(&["ios", "android"]), network, installs)
        .prop_map(|(day, country, note, os, network, installs)| [day, country, note, os, network, installs]);
    prop::collection::vec(row, 1..most)
}

/// How rows are written as text.
#[derive(Debug, Clone)]
struct Dialect {
    delimiter: u8,
    quote_all: bool,
    line_end: &'static str,
    last_line_end: bool,
    blank_every: usize,
    mark: bool,
    encoding: usize,
    codec: usize,
}

fn dialects() -> impl Strategy<Value = Dialect> {
    let lines = (select(vec!["\n", "\r\n"]), any::<bool>(), select(vec![usize::MAX, 3, 1]));
    let bytes = (any::<bool>(), 0usize..4, 0usize..4);
    (select(vec![b',', b'\t', b';', b'|']), any::<bool>(), lines, bytes).prop_map(
        |(delimiter, quote_all, (line_end, last_line_end, blank_every), (mark, encoding, codec))| Dialect {
            delimiter,
            quote_all,
            line_end,
            last_line_end,
            blank_every,
            mark,
            encoding,
            codec,
        },
    )
}

impl Dialect {
    /// The text, and the line on which each row begins.
    fn text(&self, rows: &[Row]) -> (String, Vec<u64>) {
        let cell = |cell: &str| {
            let needs = cell.starts_with('"') || cell.contains(['\n', '\r', char::from(self.delimiter)]);
            match self.quote_all || needs {
                true => format!("\"{}\"", cell.replace('"', "\"\"")),
                false => cell.to_owned(),
            }
        };
        let record = |cells: Vec<String>| cells.join(&char::from(self.delimiter).to_string());
        let mut text = record(NAMES.iter().map(|name| cell(name)).collect());
        let mut lines = vec![];
        for (at, row) in rows.iter().enumerate() {
            text += self.line_end;
            if at % self.blank_every == self.blank_every - 1 {
                text += self.line_end;
            }
            lines.push(1 + text.matches('\n').count() as u64);
            text += &record(row.iter().map(|value| cell(value.as_deref().unwrap_or_default())).collect());
        }
        if self.last_line_end {
            text += self.line_end;
        }
        (text, lines)
    }

    fn bytes(&self, text: &str) -> Vec<u8> {
        let marked = format!("\u{feff}{text}");
        let bytes: Vec<u8> = match self.encoding {
            0 => marked.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            1 => marked.encode_utf16().flat_map(u16::to_be_bytes).collect(),
            _ if self.mark => marked.into_bytes(),
            _ => text.as_bytes().to_vec(),
        };
        let gzip = |bytes: &[u8]| {
            let mut encoder = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        };
        match self.codec {
            0 => gzip(&bytes),
            1 => {
                let (first, second) = bytes.split_at(bytes.len() / 2);
                [gzip(first), gzip(second)].concat()
            }
            2 => zstd::encode_all(&*bytes, 1).unwrap(),
            _ => bytes,
        }
    }
}

fn parquet(rows: &[Row]) -> Vec<u8> {
    let text = |at: usize| Data::Text(rows.iter().map(|row| row[at].clone()).collect());
    let installs = rows.iter().map(|row| row[5].as_ref().map(|n| n.parse().unwrap()));
    let installs: Vec<Option<i64>> = installs.collect();
    let column = |(at, name): (usize, &'static str)| Column {
        name,
        data: if at == 5 { Data::Int64(installs.clone(), None) } else { text(at) },
    };
    let columns: Vec<Column> = NAMES.into_iter().enumerate().map(column).collect();
    columns::write(&columns, rows.len(), &Shape::default())
}

/// The table and the account.
fn answer(inputs: &[Input], threads: usize, path: usize) -> (String, Account) {
    let (partial, _) = scan::scan(&job(), inputs, &options(threads, path), &NoProgress).unwrap();
    let mut out = vec![];
    publish::csv::write(&finish(&job(), &partial).unwrap(), &mut out).unwrap();
    (String::from_utf8(out).unwrap(), partial.account)
}

fn wanted() -> Wanted {
    let text = |name: &str| (name.to_owned(), Kind::Text);
    let mut columns = vec![("installs".to_owned(), Kind::Number)];
    columns.extend(["day", "country", "os", "network"].map(text));
    Wanted::Named { columns, with_others: false }
}

fn text_input(bytes: Vec<u8>, piece: usize) -> (Vec<Input>, Texts) {
    let mut inputs = vec![input("x.csv", bytes)];
    let texts = Texts::open(wanted(), Options { piece, ..Options::default() }, &mut inputs).unwrap();
    (inputs, texts)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 2, ..ProptestConfig::default() })]

    #[test]
    fn text_in_any_dialect_gives_what_parquet_gives(
        rows in rows(120), dialect in dialects(), piece in select(vec![1usize, 30, 100, 1000, 1 << 20]),
        threads in 1usize..4, path in 0usize..4,
    ) {
        let (text, lines) = dialect.text(&rows);
        let (inputs, texts) = text_input(dialect.bytes(&text), piece);
        texts.convert(&NoProgress).unwrap();
        let want = answer(&[input("x.parquet", parquet(&rows))], 1, 0);
        prop_assert_eq!(answer(&inputs, threads, path), want);
        for (row, line) in lines.iter().enumerate() {
            prop_assert_eq!(inputs[0].object.line(row as u64), Some(*line), "row {} of {:?}", row, text);
        }
    }

    /// A row that is not as the header says is found on its line, however the text is cut.
    #[test]
    fn the_first_error_is_found_on_its_line(
        rows in rows(60), dialect in dialects(), piece in select(vec![1usize, 30, 100, 1 << 20]),
        bad in any::<prop::sample::Index>(), fault in 0usize..2,
    ) {
        // A quoted delimiter is part of its field.
        prop_assume!(fault == 0 || !dialect.quote_all);
        let mut rows = rows;
        let (bad, last) = (bad.index(rows.len()), rows.len() - 1);
        // A later error is not reported, nor are those of pieces that begin within a field.
        rows[last][5] = Some("many".to_owned());
        rows[bad][5] = Some("1 234".to_owned());
        let (mut text, lines) = dialect.text(&rows);
        let want = if fault == 0 {
            "'1 234' is no number"
        } else {
            text = text.replacen("1 234", &format!("1{}2", char::from(dialect.delimiter)), 1);
            "7 fields"
        };
        let (inputs, texts) = text_input(dialect.bytes(&text), piece);
        let error = texts.convert(&NoProgress).unwrap_err();
        let report = error.report().unwrap();
        prop_assert_eq!(report.location.line, Some(lines[bad]), "{}", error);
        prop_assert!(error.to_string().contains(want), "{}", error);
        prop_assert!(inputs[0].object.read(0..4).is_err());
    }
}

fn write(path: &Path, text: impl AsRef<[u8]>) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    write(&folder.join("p.toml"), PROFILE);
    let mut command = Command::new(env!("CARGO_BIN_EXE_rollshare"));
    command.current_dir(folder).args(arguments).args(["--profile", "p.toml"]);
    command.env_remove("ROLLSHARE_THREADS").stdin(Stdio::null()).output().unwrap()
}

fn error_of(text: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("x.csv"), text);
    let output = run(folder.path(), &["run", "--source", "x.csv", "--target", "-", "--no-checks"]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

const HEADER: &str = "day,country,os,network,installs\n";

#[test]
fn errors_name_line_column_and_value() {
    for (rows, words) in [
        (
            "2024-01-01,DE,ios,Organic,1\n2024-01-01,DE,ios,Organic\n",
            vec!["line 3", "4 fields", "expected 5"],
        ),
        (
            "2024-01-01,DE,ios,Organic,\"1,234\"\n",
            vec!["line 2", "'installs'", "'1,234' is no number", "separators"],
        ),
        ("2024-01-01,DE,ios,Organic,n/a\n", vec!["line 2", "'installs'", "'n/a' is no number"]),
        ("2024-01-01,DE,ios,\"Organic,1\n2024-01-02,DE,ios,x,1\n", vec!["line 2", "never closed"]),
        ("\n\n2024-01-01,DE,ios,\"Or\"ganic,1\n", vec!["line 4", "followed by 'g'", "doubled"]),
        (
            "2024-01-01,DE,ios,Organic,1\n\n2024-13-01,DE,ios,Organic,1\n",
            vec!["line 4", "'day'", "2024-13-01"],
        ),
        ("2024-01-01,D\0,ios,Organic,1\n", vec!["line 2", "'country'", "zero byte"]),
    ] {
        let error = error_of(&format!("{HEADER}{rows}"));
        for word in words {
            assert!(error.contains(word), "{word} is not in {error}");
        }
        assert!(!error.contains("row group"), "{error}");
    }
    let error = error_of("day,country,os,channel,installs\n2024-01-01,DE,ios,Organic,1\n");
    assert!(error.contains("'network'") && error.contains("channel"), "{error}");
    let error = error_of("day,country,os,network,installs,os\n2024-01-01,DE,ios,Organic,1,ios\n");
    assert!(error.contains("two columns are called 'os'"), "{error}");
}

#[test]
fn columns_that_are_not_read_may_hold_anything() {
    let folder = tempfile::tempdir().unwrap();
    let mut text = b"day,x,country,os,x,network,installs,\n2024-01-01,\xff,DE,ios,\0,Organic,3,\n".to_vec();
    text.extend_from_slice(b"2024-01-01,,DE,ios,,Paid,1,\n");
    write(&folder.path().join("x.csv"), text);
    let output = run(folder.path(), &["run", "--source", "x.csv", "--target", "-", "--no-checks"]);
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8(output.stdout).unwrap().contains("2024,1,DE,0.75"));
}

/// Days of two countries, for the checks.
fn days(range: std::ops::Range<u32>) -> String {
    let mut text = HEADER.to_owned();
    for day in range {
        for (country, organic) in [("DE", 30), ("FR", 20)] {
            for (network, users) in [("Organic", organic + day % 3), ("Search Ads", 60)] {
                text += &format!(
                    "2024-{:02}-{:02},{country},ios,{network},{users}\n",
                    1 + day / 28,
                    1 + day % 28
                );
            }
        }
    }
    text
}

#[test]
fn checks_serve_text_and_name_lines() {
    let folder = tempfile::tempdir().unwrap();
    let text = days(0..28);
    write(&folder.path().join("good.csv"), &text);
    let output = run(folder.path(), &["check", "--source", "good.csv"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    // A row that occurs twice.
    let first = text.lines().nth(1).unwrap();
    write(&folder.path().join("bad.csv"), format!("{text}\n{first}\n"));
    let output = run(folder.path(), &["check", "--source", "bad.csv"]);
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert_ne!(output.status.code(), Some(0), "{stdout}");
    assert!(stdout.contains(&format!("bad.csv line {}", text.lines().count() + 2)), "{stdout}");
    assert!(stdout.contains(&format!("(bad.csv, line {})", text.lines().count() + 2)), "{stdout}");
    // A finer export: its rows differ in a column that the job does not read, which need not be UTF-8.
    let finer: Vec<Vec<u8>> = text
        .lines()
        .zip(0u8..)
        .flat_map(|(line, at)| {
            let campaigns: [&[u8]; 2] = if at == 0 { [b"campaign"; 2] } else { [b"a", b"\xff"] };
            campaigns.map(|campaign| [line.as_bytes(), b",", campaign, b"\n"].concat())
        })
        .skip(1)
        .collect();
    write(&folder.path().join("finer.csv"), finer.concat());
    let output = run(folder.path(), &["check", "--source", "finer.csv"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let output = run(folder.path(), &["check", "--source", "bad.csv", "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let checks = json["checks"].as_array().unwrap();
    let lines = checks
        .iter()
        .flat_map(|c| c["offenders"].as_array().into_iter().flatten())
        .filter(|o| o["line"].is_u64());
    assert!(lines.count() > 0, "{json}");
}

#[test]
fn folders_partitions_and_mixtures() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    write(&at("whole/x.csv"), days(0..28));
    // The same rows by country, whose column is in the path, and in parts of several kinds.
    for country in ["DE", "FR"] {
        let mut parts = [String::new(), String::new()];
        for (n, line) in days(0..28).lines().enumerate() {
            let cells: Vec<&str> = line.split(',').collect();
            if n == 0 || cells[1] == country {
                let line = format!("{}\n", [cells[0], cells[2], cells[3], cells[4]].join("\t"));
                if n == 0 {
                    parts.iter_mut().for_each(|part| part.push_str(&line));
                } else {
                    parts[n % 2].push_str(&line);
                }
            }
        }
        write(&at(&format!("parts/country={country}/part-0")), &parts[0]);
        let packed = zstd::encode_all(parts[1].as_bytes(), 1).unwrap();
        write(&at(&format!("parts/country={country}/part-1.csv.zst")), packed);
        write(&at(&format!("parts/country={country}/_SUCCESS")), "");
        write(&at(&format!("parts/country={country}/.part-0.crc")), "crc");
    }
    let table = |source: &str| {
        let output = run(
            folder.path(),
            &["run", "--source", source, "--target", "-", "--no-checks", "--threads", "2"],
        );
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(table("parts"), table("whole"));
    write(&at("parts/x.parquet"), "PAR1");
    let output = run(folder.path(), &["run", "--source", "parts", "--target", "-", "--no-checks"]);
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(3) && error.contains("is text"), "{error}");
}

#[test]
fn a_state_reads_new_text_alone() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    write(&at("d/a.csv"), days(0..14));
    let arguments = ["run", "--source", "d", "--target", "out.csv", "--no-checks", "--state", "s", "--json"];
    assert!(run(folder.path(), &arguments).status.success());
    // The first file is as old as its version can tell, and is not read again: not even as text.
    std::thread::sleep(std::time::Duration::from_millis(100));
    assert!(run(folder.path(), &arguments).status.success());
    write(&at("d/b.csv"), days(14..28));
    let output = run(folder.path(), &arguments);
    assert!(output.status.success(), "{output:?}");
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["reuse"]["files"], 1, "{json}");
    let with_state = std::fs::read(at("out.csv")).unwrap();
    let without = run(folder.path(), &["run", "--source", "d", "--target", "-", "--no-checks"]);
    assert_eq!(with_state, without.stdout);
}

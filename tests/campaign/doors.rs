//! The readers that damaged inputs are given to, and what is a right answer of each.

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rollshare::internals::checks::settings::Keep;
use rollshare::internals::history::store;
use rollshare::internals::infer::infer;
use rollshare::internals::kernel::ScanPath;
use rollshare::internals::publish::csv;
use rollshare::internals::report;
use rollshare::internals::sample::Layout;
use rollshare::internals::scan::{self, NoProgress};
use rollshare::internals::state;
use rollshare::internals::storage::{Input, MemoryObject};
use rollshare::{CheckConfig, Error, Job, Profile, Result, RunOptions, RunReport, Semantics, Table};
use rollshare::{compare, discover, finish, promote, run};

use crate::mutate::{Random, damage};
use crate::world::{copy_folder, files, names, write_sample};

/// What became of a damaged input.
#[derive(Clone, Copy)]
pub enum Outcome {
    /// It was refused.
    Error,
    /// The damage did not matter: the answer is that of the good input.
    Right,
    /// Another answer, in which every row is accounted for: the damage made another valid input.
    Other,
}

/// Damages an input and has it read; `Err` says what is wrong with the reader.
type Attempt = Box<dyn Fn(&mut Random) -> std::result::Result<Outcome, String>>;

pub struct Door {
    pub name: &'static str,
    /// Of 1,000 inputs so many go through this door.
    pub weight: usize,
    /// The bytes that may be allocated at once; tests/damage bounds the scan alone more tightly.
    pub memory: usize,
    pub attempt: Attempt,
}

const FACTS: &str = r#"
dimensions = { country = {}, os = {} }

[time]
date = "day"

[users]
column = "installs"

[channel]
column = "network"
organic = ["Organic"]
"#;

const EVENTS: &str = r#"
[time]
date = "install_time"
zone = "Europe/Berlin"

[users]
rows = true

[channel]
column = "media_source"
organic = ["organic"]
null = "organic"

[dimensions.country]
column = "country_code"
null = "unknown"

[dimensions.os]
column = "platform"
"#;

const CHECKS: &str = r#"
as_of = "2024-06-01"

[checks]
duplicate_rows = { warn = { count = 0 }, block = { fraction = 0.01 } }
key_nulls = { severity = "warn" }
freshness = { block = { count = 4000 } }

[drift]
baseline_weeks = 13
min_users = 200.0

[keep]
runs = 3

[[incidents]]
first = "2021_10"
last = "2021_12"
countries = ["DE"]
note = "a test"
"#;

/// The files of tests/damage.
const SAMPLES: [&[u8]; 8] = [
    include_bytes!("../damage/snappy_crc.parquet"),
    include_bytes!("../damage/snappy.parquet"),
    include_bytes!("../damage/none.parquet"),
    include_bytes!("../damage/zstd_v2.parquet"),
    include_bytes!("../damage/zstd_v2_crc.parquet"),
    include_bytes!("../damage/delta.parquet"),
    include_bytes!("../damage/delta_crc.parquet"),
    include_bytes!("../damage/plain.parquet"),
];

const PATHS: [Option<ScanPath>; 4] =
    [None, Some(ScanPath::Runs), Some(ScanPath::Bitmap), Some(ScanPath::Scalar)];

const MIB: usize = 1 << 20;
/// A table is as long as the span of its dates: one damaged date makes it as long as is allowed, 2^24 points.
const TABLE: usize = 2_500 * MIB;

fn with_profile(profile: &str) -> Job {
    Job { profile: Profile::parse(profile, "p.toml").unwrap(), ..Job::default() }.validated().unwrap()
}

fn text(table: &Table) -> String {
    let mut out = Vec::new();
    csv::write(table, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn in_memory(name: &str, bytes: Vec<u8>) -> Vec<Input> {
    vec![Input { object: Arc::new(MemoryObject::new(name, bytes)), partitions: vec![] }]
}

fn judge<T: PartialEq>(result: Result<T>, right: &T) -> std::result::Result<Outcome, String> {
    match result {
        Err(error @ Error::Internal(_)) => Err(format!("an internal error: {error}")),
        Err(_) => Ok(Outcome::Error),
        Ok(answer) if answer == *right => Ok(Outcome::Right),
        Ok(_) => Ok(Outcome::Other),
    }
}

fn pick<'a, T>(of: &'a [T], random: &mut Random) -> &'a T {
    &of[random.below(of.len())]
}

/// All doors; they write into `folder`.
pub fn doors(folder: &Path) -> Vec<Door> {
    let iso = Job::default();
    let legacy = Job { semantics: Semantics::Legacy, ..Job::default() };
    let sample = |name: &str, rows, layout| {
        let path = folder.join(name);
        write_sample(&path, rows, layout, 1);
        fs::read(path).unwrap()
    };
    let export = sample("good.parquet", 900, Layout::Export);
    let facts = sample("facts.parquet", 600, Layout::Facts);
    let events = sample("events.parquet", 600, Layout::Events);
    let facts_csv = sample("facts.csv", 300, Layout::Facts);
    let events_csv = sample("events.csv", 300, Layout::Events);
    vec![
        scan("scan of parquet, the eight files of tests/damage", 520, &[iso, legacy], &SAMPLES),
        scan("scan of parquet, facts", 60, &[with_profile(FACTS)], &[&facts]),
        scan("scan of parquet, events", 20, &[with_profile(EVENTS)], &[&events]),
        runs("checked run, parquet cube", 80, Job::default(), folder, &[("cube.parquet", &export)]),
        runs("checked run, parquet facts", 40, with_profile(FACTS), folder, &[("f.parquet", &facts)]),
        runs("checked run, text facts", 130, with_profile(FACTS), folder, &texts(&facts_csv)),
        runs("checked run, text events", 40, with_profile(EVENTS), folder, &texts(&events_csv)),
        inference(30, &[("f.parquet", facts.clone()), ("f.csv", facts_csv.clone()), ("x.parquet", export)]),
        comparison(10, folder),
        history(20, folder),
        reports(15, folder),
        states(10, folder),
        profiles(10, facts),
        checks(5, folder),
        beside(10, folder),
    ]
}

fn scanned(job: &Job, inputs: &[Input], path: Option<ScanPath>) -> Result<String> {
    let options = scan::Options { threads: Some(1), path };
    let (partial, _) = scan::scan(job, inputs, &options, &NoProgress)?;
    partial.account.check()?;
    Ok(text(&finish(job, &partial)?))
}

fn scan(name: &'static str, weight: usize, jobs: &[Job], goods: &[&[u8]]) -> Door {
    let answer = |job: &Job, bytes: &[u8], path| scanned(job, &in_memory("damaged", bytes.to_vec()), path);
    let cases: Vec<(Job, Vec<u8>, String)> = jobs
        .iter()
        .flat_map(|job| goods.iter().map(move |good| (job, good)))
        .map(|(job, good)| (job.clone(), good.to_vec(), answer(job, good, None).expect(name)))
        .collect();
    let attempt = move |random: &mut Random| {
        let (job, good, right) = pick(&cases, random);
        let (bytes, _) = damage(good, random);
        judge(scanned(job, &in_memory("damaged", bytes), *pick(&PATHS, random)), right)
    };
    Door { name, weight, memory: TABLE, attempt: Box::new(attempt) }
}

/// A CSV file as it is, and in other encodings and codecs.
fn texts(good: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(good).unwrap();
    let utf16: Vec<u8> =
        String::from_utf8(good.to_vec()).unwrap().encode_utf16().flat_map(u16::to_le_bytes).collect();
    let semicolons = String::from_utf8(good.to_vec()).unwrap().replace(',', ";").into_bytes();
    vec![
        ("t.csv", good.to_vec()),
        ("t.csv", good.to_vec()),
        ("t.csv", good.to_vec()),
        ("t.txt", semicolons),
        ("t.csv.gz", gzip.finish().unwrap()),
        ("t.csv.zst", zstd::encode_all(good, 0).unwrap()),
        ("u.csv", [&[0xff, 0xfe][..], &utf16].concat()),
    ]
}

/// The table of a checked run, and whether it may be published.
fn checked(job: &Job, path: &Path, config: CheckConfig) -> Result<(String, bool)> {
    let sources = vec![path.to_string_lossy().into_owned()];
    let options = RunOptions { job: job.clone(), sources, threads: Some(1), config, ..RunOptions::default() };
    let ended = run(&options, &NoProgress)?;
    report::page(&ended.report)?;
    Ok((ended.table.as_ref().map(text).unwrap_or_default(), ended.report.exit_code() == 0))
}

fn runs(
    name: &'static str,
    weight: usize,
    job: Job,
    folder: &Path,
    goods: &[(&'static str, impl AsRef<[u8]>)],
) -> Door {
    let folder = folder.join(name);
    fs::create_dir(&folder).unwrap();
    let read = move |job: &Job, file: &str, bytes: &[u8]| {
        let path = folder.join(file);
        fs::write(&path, bytes).unwrap();
        checked(job, &path, CheckConfig::default())
    };
    let cases: Vec<_> = goods
        .iter()
        .map(|(file, good)| (*file, good.as_ref().to_vec(), read(&job, file, good.as_ref()).expect(name)))
        .collect();
    let attempt = move |random: &mut Random| {
        let (file, good, right) = pick(&cases, random);
        let bytes = match file.rsplit_once('.') {
            Some((_, "parquet")) => damage(good, random).0,
            Some((_, "gz" | "zst")) => crate::damage::bytes(good, random),
            _ => crate::damage::text(good, random),
        };
        // A table that may not be published is a refusal.
        match read(&job, file, &bytes) {
            Ok((_, false)) if right.1 => Ok(Outcome::Error),
            read => judge(read, right),
        }
    };
    Door { name, weight, memory: TABLE, attempt: Box::new(attempt) }
}

fn inference(weight: usize, goods: &[(&'static str, Vec<u8>)]) -> Door {
    let answer =
        |name: &str, bytes: &[u8]| infer(in_memory(name, bytes.to_vec()), name).map(|found| found.text);
    let cases: Vec<_> =
        goods.iter().map(|(name, good)| (*name, good.clone(), answer(name, good).unwrap())).collect();
    let attempt = move |random: &mut Random| {
        let (name, good, right) = pick(&cases, random);
        let is_text = name.ends_with("csv");
        let bytes = if is_text { crate::damage::text(good, random) } else { damage(good, random).0 };
        judge(answer(name, &bytes), right)
    };
    Door { name: "inference of a profile", weight, memory: 256 * MIB, attempt: Box::new(attempt) }
}

fn comparison(weight: usize, folder: &Path) -> Door {
    let folder = folder.join("compare");
    fs::create_dir(&folder).unwrap();
    let source = folder.join("source.parquet");
    write_sample(&source, 900, Layout::Export, 1);
    let sources = vec![source.to_string_lossy().into_owned()];
    let against = folder.join("old.parquet");
    let job = Job { semantics: Semantics::Legacy, ..Job::default() };
    let target = Some(against.to_string_lossy().into_owned());
    let options = RunOptions { job, sources: sources.clone(), target, ..RunOptions::default() };
    run(&options, &NoProgress).unwrap();
    let good = fs::read(&against).unwrap();
    let answer = move |bytes: &[u8]| {
        fs::write(&against, bytes).unwrap();
        let options = scan::Options { threads: Some(1), path: None };
        compare(&Job::default(), &sources, &against.to_string_lossy(), &options, &NoProgress)
            .map(|comparison| serde_json::to_string(&comparison).unwrap())
    };
    let right = answer(&good).unwrap();
    let attempt = move |random: &mut Random| judge(answer(&damage(&good, random).0), &right);
    Door { name: "old output of compare", weight, memory: 256 * MIB, attempt: Box::new(attempt) }
}

/// A target `t.csv` in a folder, published with another window, and a blocked run in its quarantine.
struct Kept {
    template: PathBuf,
    source: String,
    blocked: String,
    /// The target; the table of another run; the table in quarantine.
    tables: [Vec<u8>; 3],
}

impl Kept {
    fn new(folder: &Path, name: &str) -> Self {
        let template = folder.join(name);
        fs::create_dir(&template).unwrap();
        let source = folder.join(format!("{name}.parquet"));
        write_sample(&source, 9_000, Layout::Export, 1);
        let mut kept = Kept {
            template: template.clone(),
            source: source.to_string_lossy().into_owned(),
            blocked: String::new(),
            tables: [const { Vec::new() }; 3],
        };
        let target = template.join("t.csv");
        for (table, window) in [(1, 4), (0, 13)] {
            assert_eq!(run(&kept.options(&target, window), &NoProgress).unwrap().report.exit_code(), 0);
            kept.tables[table] = fs::read(&target).unwrap();
        }
        let mut options = kept.options(&target, 4);
        options.job.profile.channel.organic = vec!["No such channel".to_owned()];
        assert_eq!(run(&options, &NoProgress).unwrap().report.exit_code(), 4);
        let quarantine = template.join("_rollshare/t.csv/quarantine");
        kept.blocked = names(&quarantine).pop().unwrap();
        kept.tables[2] = fs::read(quarantine.join(&kept.blocked).join("table.csv")).unwrap();
        kept
    }

    fn options(&self, target: &Path, window: u32) -> RunOptions {
        RunOptions {
            job: Job { windows: vec![window], ..Job::default() },
            sources: vec![self.source.clone()],
            target: Some(target.to_string_lossy().into_owned()),
            threads: Some(1),
            ..RunOptions::default()
        }
    }

    fn file(&self, end: &str) -> Vec<u8> {
        let found = files(&self.template).into_iter().find(|file| file.to_string_lossy().ends_with(end));
        fs::read(found.unwrap()).unwrap()
    }
}

fn history(weight: usize, folder: &Path) -> Door {
    let good = Kept::new(folder, "history").file("published.parquet");
    let answer = |bytes: Vec<u8>| store::decode("history", bytes).and_then(|history| store::encode(&history));
    let right = answer(good.clone()).unwrap();
    let attempt = move |random: &mut Random| judge(answer(damage(&good, random).0), &right);
    Door { name: "history", weight, memory: 64 * MIB, attempt: Box::new(attempt) }
}

fn reports(weight: usize, folder: &Path) -> Door {
    let kept = Kept::new(folder, "reports");
    let good = kept.file(&format!("{}/report.json", kept.blocked));
    // What `rollshare report --html` does.
    let answer = |bytes: &[u8]| {
        let report: RunReport =
            serde_json::from_slice(bytes).map_err(|error| Error::format(error.to_string()))?;
        report::page(&report)
    };
    let right = answer(&good).unwrap();
    let attempt = move |random: &mut Random| judge(answer(&crate::damage::text(&good, random)), &right);
    Door { name: "report of a run, drawn as a page", weight, memory: 256 * MIB, attempt: Box::new(attempt) }
}

/// A state is a cache: no damage to it changes an answer.
fn states(weight: usize, folder: &Path) -> Door {
    let folder = folder.join("states");
    fs::create_dir(&folder).unwrap();
    for seed in 1..4 {
        write_sample(&folder.join(format!("{seed}.parquet")), 900, Layout::Export, seed);
    }
    // Files that were just written are read again.
    std::thread::sleep(Duration::from_millis(100));
    let sources = vec![folder.join("*.parquet").to_string_lossy().into_owned()];
    let inputs = discover(&sources, Semantics::Iso).unwrap().inputs;
    let (template, used) = (folder.join("template"), folder.join("used"));
    let answer = move |state: &Path| -> Result<(String, usize)> {
        let options = scan::Options { threads: Some(1), path: None };
        let state = rollshare::internals::storage::LocalFolder::new(state.to_owned());
        let (partial, _, stats) =
            state::scan(&Job::default(), &sources, &inputs, &options, &NoProgress, &state)?;
        partial.account.check()?;
        Ok((text(&finish(&Job::default(), &partial)?), stats.cached_files))
    };
    let right = answer(&template).unwrap().0;
    let again = answer(&template).unwrap();
    assert_eq!((&again.0, again.1), (&right, 3), "the state is not used");
    let attempt = move |random: &mut Random| {
        let _ = fs::remove_dir_all(&used);
        copy_folder(&template, &used);
        let found = files(&used);
        let file = pick(&found, random);
        let good = fs::read(file).unwrap();
        fs::write(file, crate::damage::bytes(&good, random)).unwrap();
        match judge(answer(&used).map(|answer| answer.0), &right)? {
            Outcome::Right => Ok(Outcome::Right),
            _ => Err("a damaged state changed the answer".to_owned()),
        }
    };
    Door { name: "state", weight, memory: 256 * MIB, attempt: Box::new(attempt) }
}

fn profiles(weight: usize, facts: Vec<u8>) -> Door {
    let answer = move |profile: &[u8]| {
        let profile = Profile::parse(&String::from_utf8_lossy(profile), "p.toml")?;
        scanned(&Job { profile, ..Job::default() }.validated()?, &in_memory("facts", facts.clone()), None)
    };
    let right = answer(FACTS.as_bytes()).unwrap();
    let attempt =
        move |random: &mut Random| judge(answer(&crate::damage::text(FACTS.as_bytes(), random)), &right);
    Door { name: "profile", weight, memory: TABLE, attempt: Box::new(attempt) }
}

fn checks(weight: usize, folder: &Path) -> Door {
    let source = folder.join("good.parquet");
    let answer = move |config: &[u8]| {
        let config = CheckConfig::parse(&String::from_utf8_lossy(config), "checks.toml")?;
        checked(&Job::default(), &source, config)
    };
    let right = answer(CHECKS.as_bytes()).unwrap();
    let attempt =
        move |random: &mut Random| judge(answer(&crate::damage::text(CHECKS.as_bytes(), random)), &right);
    Door { name: "settings of the checks", weight, memory: TABLE, attempt: Box::new(attempt) }
}

/// Files beside the target are damaged, removed or replaced by others; then a run or a promotion.
fn beside(weight: usize, folder: &Path) -> Door {
    let kept = Kept::new(folder, "beside");
    let (used, mine) = (folder.join("used"), folder.join("mine"));
    let attempt = move |random: &mut Random| {
        let _ = fs::remove_dir_all(&used);
        let _ = fs::remove_dir_all(&mine);
        copy_folder(&kept.template, &used);
        fs::create_dir(&mine).unwrap();
        fs::write(mine.join("thesis"), "mine").unwrap();
        let found = files(&used.join("_rollshare"));
        let file = pick(&found, random);
        let good = fs::read(file).unwrap();
        match random.below(8) {
            0 => fs::remove_file(file).unwrap(),
            1 => fs::write(file, "").unwrap(),
            2 => {
                fs::remove_file(file).unwrap();
                fs::create_dir(file).unwrap();
            }
            3 => {
                fs::remove_file(file).unwrap();
                symlink(mine.join("thesis"), file).unwrap();
            }
            _ if good.is_empty() => fs::write(file, "x").unwrap(),
            _ => fs::write(file, crate::damage::bytes(&good, random)).unwrap(),
        }
        let target = used.join("t.csv");
        let (result, new) = if random.below(2) == 0 {
            let ended = run(&kept.options(&target, 4), &NoProgress);
            (ended.map(|ended| ended.report.exit_code()), &kept.tables[1])
        } else {
            let ended = promote(&kept.blocked, &target.to_string_lossy(), Keep::default());
            (ended.map(|report| report.exit_code()), &kept.tables[2])
        };
        let is_published = match &result {
            Err(error @ Error::Internal(_)) => return Err(format!("an internal error: {error}")),
            Err(_) => false,
            Ok(code) => matches!(code, 0 | 7),
        };
        let now = fs::read(&target).unwrap();
        if now != *(if is_published { new } else { &kept.tables[0] }) {
            return Err(format!("{result:?}, but the target is not so ({})", file.display()));
        }
        if names(&mine) != ["thesis"] || fs::read(mine.join("thesis")).unwrap() != b"mine" {
            return Err(format!("a file of others was touched ({})", file.display()));
        }
        Ok(if is_published { Outcome::Right } else { Outcome::Error })
    };
    Door {
        name: "files beside the target, then run or promote",
        weight,
        memory: 256 * MIB,
        attempt: Box::new(attempt),
    }
}

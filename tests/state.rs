//! The state with profiles: what is cached for a file answers whatever the other files have.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_possible_wrap)]

use std::collections::BTreeMap;
use std::path::Path;

use rollshare::internals::profile::Profile;
use rollshare::internals::scan::{NoProgress, Options};
use rollshare::internals::state::{self, CacheStats};
use rollshare::internals::storage::{LocalFolder, discover};
use rollshare::{Job, Semantics};

mod answer;
mod expected;
mod oracle;
mod writer;

use oracle::{Ask, Dimension, Record, Value, When};
use writer::Shape;
use writer::columns::{self, Column, Data};

const DAY: i64 = 86_400_000_000;

/// A cube over `os` and `app`, by country.
fn question() -> (Job, Ask) {
    let profile = "time.date = 'day'\nusers.column = 'users'\n[channel]\ncolumn = 'name'\norganic = ['Organic']\n\
                   [dimensions.country]\n[dimensions.os]\ntotal = 'all'\n[dimensions.app]\ntotal_is_null = true\n";
    let dimension = |total: Option<&str>, total_is_null| Dimension {
        total: total.map(str::to_owned),
        total_is_null,
        ..Dimension::default()
    };
    let ask = Ask::organic_by_week(
        BTreeMap::from([
            ("app", dimension(None, true)),
            ("country", dimension(None, false)),
            ("os", dimension(Some("all"), false)),
        ]),
        vec!["country"],
    );
    (Job { profile: Profile::parse(profile, "profile").unwrap(), ..Job::default() }, ask)
}

/// Rows of a member of `os` and of `app`.
fn rows(os: &str, app: Option<&str>, users: i128) -> Vec<Record> {
    let row = |n: i64| {
        let mut cells = BTreeMap::from([
            ("country", ["FR", "GB"][n as usize % 2].to_owned()),
            ("name", ["Organic", "Email", "Search"][n as usize % 3].to_owned()),
            ("os", os.to_owned()),
        ]);
        cells.extend(app.map(|app| ("app", app.to_owned())));
        Record {
            cells,
            when: Some(When::Wall((18_687 + n * 3) * DAY)),
            users: Value::Units(users + i128::from(n)),
        }
    };
    (0..30).map(row).collect()
}

fn write(path: &Path, rows: &[Record]) {
    let text = |name: &'static str| Column {
        name,
        data: Data::Text(rows.iter().map(|row| row.cells.get(name).cloned()).collect()),
    };
    let users = |row: &Record| match row.users {
        Value::Units(units) => Some(units as i64),
        _ => None,
    };
    let day = |row: &Record| match row.when? {
        When::Wall(at) => Some((at / DAY) as i32),
        _ => None,
    };
    let columns = [
        text("app"),
        text("os"),
        text("country"),
        text("name"),
        Column { name: "users", data: Data::Int64(rows.iter().map(users).collect(), None) },
        Column {
            name: "day",
            data: Data::Int32(rows.iter().map(day).collect(), Some(parquet::basic::LogicalType::Date)),
        },
    ];
    std::fs::write(path, columns::write(&columns, rows.len(), &Shape::default())).unwrap();
}

/// Exports that come and go, and a state.
struct World {
    folder: tempfile::TempDir,
    files: BTreeMap<&'static str, Vec<Record>>,
}

impl World {
    fn new() -> Self {
        let world = World { folder: tempfile::tempdir().unwrap(), files: BTreeMap::new() };
        std::fs::create_dir(world.folder.path().join("exports")).unwrap();
        world
    }

    fn put(&mut self, name: &'static str, rows: Vec<Record>) {
        write(&self.folder.path().join("exports").join(name), &rows);
        self.files.insert(name, rows);
        // Every later change to the file is noticed.
        std::thread::sleep(std::time::Duration::from_millis(60));
    }

    fn remove(&mut self, name: &'static str) {
        std::fs::remove_file(self.folder.path().join("exports").join(name)).unwrap();
        self.files.remove(name);
    }

    /// Runs with the state, and compares the answer with the oracle's on all files. Returns the cached and the new files.
    fn run(&self, (job, ask): &(Job, Ask)) -> (usize, usize) {
        let sources = [self.folder.path().join("exports").to_string_lossy().into_owned()];
        let found = discover(&sources, Semantics::Iso).unwrap();
        let state = LocalFolder::new(self.folder.path().join("state"));
        let (partial, _, stats) =
            state::scan(job, &sources, &found.inputs, &Options::default(), &NoProgress, &state).unwrap();
        let all: Vec<Record> = self.files.values().flatten().cloned().collect();
        assert_eq!(answer::of_profile(job, ask, &partial, &all), None);
        let CacheStats { cached_files, new, notes, .. } = stats;
        assert_eq!(notes, Vec::<String>::new());
        (cached_files, new)
    }
}

/// Rows that are no total rows are summed as long as no file has total rows, and again when that file is gone.
#[test]
fn totals_in_one_file_and_parts_in_another() {
    let mut world = World::new();
    let question = question();
    world.put("a.parquet", rows("ios", Some("x"), 10));
    assert_eq!(world.run(&question), (0, 1));
    assert_eq!(world.run(&question), (1, 0));
    world.put("b.parquet", rows("android", Some("x"), 100));
    assert_eq!(world.run(&question), (1, 1));
    // Total over systems, not over apps.
    world.put("c.parquet", rows("all", Some("x"), 1_000));
    assert_eq!(world.run(&question), (2, 1));
    assert_eq!(world.run(&question), (3, 0));
    // Total over apps, not over systems: no row is total in both, so no row counts.
    world.put("d.parquet", rows("ios", None, 5_000));
    assert_eq!(world.run(&question), (3, 1));
    // Total over both.
    world.put("e.parquet", rows("all", None, 9_000));
    assert_eq!(world.run(&question), (4, 1));
    assert_eq!(world.run(&question), (5, 0));
    world.remove("e.parquet");
    assert_eq!(world.run(&question), (4, 0));
    world.remove("c.parquet");
    assert_eq!(world.run(&question), (3, 0));
    world.remove("d.parquet");
    assert_eq!(world.run(&question), (2, 0));
}

/// What is cached for one profile is no answer to another.
#[test]
fn each_profile_has_its_own_sums() {
    let mut world = World::new();
    world.put("a.parquet", [rows("ios", None, 10), rows("all", None, 50)].concat());
    assert_eq!(world.run(&question()), (0, 1));
    let (mut job, mut ask) = question();
    ask.conditions = vec![("name", false, vec!["Search".into()])];
    let condition = "[[where]]\ncolumn = 'name'\nnot_in = ['Search']\n";
    job.profile =
        Profile::parse(&format!("{}{condition}", job.profile.to_toml().unwrap()), "profile").unwrap();
    assert_eq!(world.run(&(job.clone(), ask.clone())), (0, 1));
    ask.dimensions.get_mut("os").unwrap().total = None;
    job.profile.dimensions.get_mut("os").unwrap().total = None;
    assert_eq!(world.run(&(job.clone(), ask.clone())), (0, 1));
    job.by = vec!["os".into()];
    ask.by = vec!["os"];
    assert_eq!(world.run(&(job.clone(), ask.clone())), (0, 1));
    // Windows are computed from the sums.
    (job.windows, ask.window) = (vec![2], 2);
    assert_eq!(world.run(&(job, ask)), (1, 0));
    assert_eq!(world.run(&question()), (1, 0));
}

//! Folders, samples and the program.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rollshare::internals::sample::{self, Layout};
use rollshare::internals::scan::NoProgress;

/// A temporary folder, in memory where there is such a file system: the campaigns write millions of files.
pub fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
}

/// Writes a sample; the ending of `path` decides between parquet and CSV.
pub fn write_sample(path: &Path, rows: u64, layout: Layout, seed: u64) {
    sample::write(&sample::Options { rows, layout, seed }, path, &NoProgress).unwrap();
}

pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rollshare"));
    command.env_remove("ROLLSHARE_THREADS").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// The names in a folder, sorted; none if there is no such folder.
pub fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// All regular files below a folder.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for name in names(folder) {
        let path = folder.join(name);
        match fs::symlink_metadata(&path) {
            Ok(kind) if kind.is_dir() => found.extend(files(&path)),
            Ok(kind) if kind.is_file() => found.push(path),
            _ => {}
        }
    }
    found
}

pub fn copy_folder(from: &Path, to: &Path) {
    for file in files(from) {
        let copy = to.join(file.strip_prefix(from).unwrap());
        fs::create_dir_all(copy.parent().unwrap()).unwrap();
        fs::copy(&file, copy).unwrap();
    }
}

/// An export, and a folder for the outputs of runs: two windows give two tables.
pub struct Outputs {
    pub dir: tempfile::TempDir,
}

impl Outputs {
    /// An export of this many rows, and an empty folder `out`.
    pub fn new(rows: u64) -> Self {
        let outputs = Outputs { dir: folder() };
        write_sample(&outputs.source(), rows, Layout::Export, 1);
        fs::create_dir(outputs.at("out")).unwrap();
        outputs
    }

    pub fn source(&self) -> PathBuf {
        self.dir.path().join("export.parquet")
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A run with a window, at a target in `out`.
    pub fn run(&self, window: &str, target: &str) -> Command {
        let mut command = program();
        command.args(["run", "--quiet", "--grain", "day", "--details", "--window", window, "--source"]);
        command.arg(self.source()).arg("--target").arg(format!("{}/{target}", self.at("out").display()));
        command
    }
}

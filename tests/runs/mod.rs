//! An export, a folder for targets, and runs of the program on them.
#![allow(dead_code)] // each test program uses its part

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use rollshare::internals::sample;
use rollshare::internals::scan::NoProgress;

pub struct World {
    dir: tempfile::TempDir,
}

impl World {
    pub fn new() -> Self {
        let world = World { dir: tempfile::tempdir().unwrap() };
        world.export(1);
        fs::create_dir(world.at("out")).unwrap();
        world
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Replaces the export; each seed gives the numbers of another company.
    pub fn export(&self, seed: u64) {
        let options = sample::Options { rows: 9_000, layout: sample::Layout::Export, seed };
        sample::write(&options, &self.at("export.parquet"), &NoProgress).unwrap();
    }

    /// Runs the export to a target below `out`.
    pub fn run(&self, target: &str, arguments: &[&str]) -> Output {
        let mut command = self.command("run", target);
        command.arg("--source").arg(self.at("export.parquet")).args(arguments).output().unwrap()
    }

    pub fn promote(&self, run: &str, target: &str) -> Output {
        self.command("promote", target).arg(run).output().unwrap()
    }

    pub fn command(&self, subcommand: &str, target: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rollshare"));
        command.env_remove("ROLLSHARE_THREADS").stdin(Stdio::null());
        command.args([subcommand, "--target"]).arg(self.at("out/").join(target));
        command
    }
}

/// The names in a folder, in order; none if there is no folder.
pub fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

//! `rollshare open`: opens the page of a run, or prints its path.

use std::fs;
use std::io::{self, IsTerminal};
use std::path::Path;
use std::process::{Command, Stdio};

use super::args::Open;
use super::lines::Lines;
use super::print;
use crate::pipeline::{RunStore, store};
use crate::publish::Target;
use crate::publish::target::KEPT;
use crate::{Error, Result};

/// Prints the path of the page of a run, and opens it where there is a display.
pub fn open(args: &Open) -> Result<()> {
    let target = match args.path.as_ref().or(args.target.as_ref()) {
        Some(target) => target.clone(),
        None => last_target(Path::new("."))?,
    };
    let page = page(&target, &args.run)?;
    print(&Lines::of(&page))?;
    if !args.print && io::stdout().is_terminal() && has_display() && !page.contains("://") {
        show(&page);
    }
    Ok(())
}

/// The path of the page of a run at a target.
fn page(target: &str, run: &str) -> Result<String> {
    let none = || {
        Error::argument(format!("no run of '{target}' has a page")).expected("a target of `rollshare run`")
    };
    let store = RunStore::beside(&Target::parse(target)?)?.ok_or_else(none)?;
    let (published, blocked) = (store.runs()?, store.quarantined()?);
    let mut runs = [published.as_slice(), &blocked].concat();
    runs.sort_unstable();
    let run = match run {
        "latest" => runs.last().cloned().ok_or_else(none)?,
        // An unknown run is an error that lists the runs.
        run => match store::complete_name(run, &runs)? {
            Some(run) => run,
            None => store.report(run)?.run,
        },
    };
    Ok(match published.contains(&run) {
        true => store.page_path(&run),
        false => format!("{}/report.html", store.quarantine_path(&run)),
    })
}

/// The target in a folder, or a folder in it, whose run is the last one.
fn last_target(folder: &Path) -> Result<String> {
    let names = |folder: &Path| -> Vec<String> {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let mut names: Vec<String> =
            entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort_unstable();
        names
    };
    let is_kept = |folder: &Path| folder.join("runs").is_dir() || folder.join("quarantine").is_dir();
    let files = names(&folder.join(KEPT)).into_iter().filter(|name| is_kept(&folder.join(KEPT).join(name)));
    let folders = names(folder).into_iter().filter(|name| is_kept(&folder.join(name).join(KEPT)));
    let here = is_kept(&folder.join(KEPT)).then(|| "./".to_owned());
    let targets = files.chain(folders.map(|name| format!("{name}/"))).chain(here);
    let mut last: Option<(String, String)> = None;
    for target in targets {
        let path = folder.join(&target).to_string_lossy().into_owned();
        let Some(store) = RunStore::beside(&Target::parse(&path)?)? else { continue };
        if let Some(run) = store.last_run()?
            && last.as_ref().is_none_or(|(of_last, _)| *of_last < run)
        {
            last = Some((run, path));
        }
    }
    last.map(|(_, target)| target).ok_or_else(|| {
        Error::argument("no run in this folder").expected("the target of a run: rollshare open share.parquet")
    })
}

/// Whether a page can be shown.
fn has_display() -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    cfg!(target_os = "macos") || is_set("DISPLAY") || is_set("WAYLAND_DISPLAY")
}

/// Hands a page to the program that shows pages. Its failure is no error: the path is printed.
fn show(page: &str) {
    let viewer = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let _ = Command::new(viewer)
        .arg(page)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
}

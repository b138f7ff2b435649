//! The rolling share of organic users per country and ISO week, straight from parquet exports.
//!
//! Marketing data teams receive, every day, how many new users each channel brought. The organic
//! share is the part of them that came without paid marketing, over a rolling window of weeks.
//! This crate reads such exports and computes the share, exactly and in one pass:
//!
//! 1. [`discover()`] lists files, folders, globs and S3 prefixes, with their hive partition values.
//! 2. [`scan()`] reads the footers, then only the pages of the needed columns, on all threads.
//! 3. Every distinct value of a column chunk gets a value id and is classified once; rows are ids
//!    and runs of ids.
//! 4. Users are summed exactly into dense cells of country, week and class: a [`Partial`]. Partial
//!    aggregates of any split of the rows merge to the same bytes.
//! 5. An [`Account`] holds every row as kept or as dropped for a named reason.
//! 6. [`finish`] fills gaps with zeros and takes rolling windows by prefix sums: a [`Table`].
//! 7. [`publish()`] replaces a parquet, CSV or JSON target atomically.
//! 8. [`run()`] does all of this with checks before and after, and a history beside the target.
//!
//! # Examples
//!
//! ```
//! use rollshare::{Job, NoProgress, ScanOptions, Semantics, discover, finish, scan};
//!
//! # fn main() -> rollshare::Result<()> {
//! # use rollshare::internals::sample;
//! # let folder = tempfile::tempdir().unwrap();
//! # let export = folder.path().join("export.parquet");
//! # let options = sample::Options { rows: 9_330, layout: sample::Layout::Export, seed: 1 };
//! # sample::write(&options, &export, &NoProgress)?;
//! # let export = export.to_string_lossy().into_owned();
//! let job = Job { windows: vec![4, 13], ..Job::default() }.validated()?;
//! let found = discover(&[export], Semantics::Iso)?;
//! let (partial, _) = scan(&job, &found.inputs, &ScanOptions::default(), &NoProgress)?;
//! assert_eq!(partial.account.rows, 9_330);
//! let table = finish(&job, &partial)?;
//! let names: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
//! assert_eq!(names, ["year", "week", "country", "share_organic_p4w", "share_organic_p13w"]);
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//!
//! - `cli` (default): the program `rollshare`.
//! - `s3` (default): sources, targets and folders in S3.
//! - `python`: the Python module; maturin builds it.
//!
//! Unsafe code is denied outside the vector kernels, the file map, and the foreign memory of the
//! Arrow C data interface and of Python; `DESIGN.md` lists the files.
#![deny(unsafe_code)]

pub(crate) mod calendar;
pub(crate) mod checks;
#[cfg(feature = "cli")]
pub(crate) mod cli;
pub(crate) mod compare;
pub(crate) mod dataset;
pub(crate) mod error;
pub(crate) mod escape;
pub(crate) mod frame;
pub(crate) mod grid;
pub(crate) mod history;
pub(crate) mod ids;
pub(crate) mod infer;
#[doc(hidden)]
pub mod internals;
pub(crate) mod job;
pub(crate) mod kernel;
pub(crate) mod nearest;
pub(crate) mod parquet;
pub(crate) mod phrase;
pub(crate) mod pipeline;
pub(crate) mod profile;
pub(crate) mod progress;
pub(crate) mod publish;
#[cfg(feature = "python")]
mod python;
pub(crate) mod report;
pub(crate) mod sample;
pub(crate) mod scan;
pub(crate) mod state;
pub(crate) mod storage;
pub(crate) mod table;
pub(crate) mod text;
pub(crate) mod why;
pub(crate) mod window;

pub use checks::Config as CheckConfig;
pub use compare::{Comparison, compare};
pub use error::{Error, Location, Result};
pub use grid::{Account, Partial};
pub use job::{Columns, Grain, Job, Semantics};
pub use pipeline::{Run, RunOptions, promote, run};
pub use profile::Profile;
pub use progress::{NoProgress, Progress};
pub use publish::{Format, Target, publish};
pub use report::RunReport;
pub use scan::{Options as ScanOptions, ScanStats, scan};
pub use storage::{Discovery, Input, discover};
pub use table::{Table, finish};
pub use text::Texts;

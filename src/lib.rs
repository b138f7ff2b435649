//! Rollshare: the rolling share of organic users per country and ISO week,
//! straight from parquet.
//!
//! The folders follow the way of the data:
//!
//! | module | what happens there |
//! |---|---|
//! | [`storage`] | where bytes come from: files, folders, globs, hive partitions, S3 |
//! | [`parquet`] | footer, page headers, codecs and encodings, all bounds-checked |
//! | [`ids`] | a column as dictionary ids and runs; what each dictionary entry means |
//! | [`kernel`] | the hot loops: unpacking, run intersection, bitmaps (the only unsafe code) |
//! | [`grid`] | exact sums per country and week, the account of rows, merging |
//! | [`frame`] | data frames in memory, straight into the grid |
//! | [`window`] | rolling windows by prefix sums |
//! | [`table`] | the share table and the statistics beside the share |
//! | [`checks`] | what rows and table have to be like before they are published |
//! | [`state`] | what unchanged files sum to, kept from run to run |
//! | [`history`] | what was published before, kept beside the target |
//! | [`pipeline`] | checked, computed, checked, published or not at all; the report of a run |
//! | [`report`] | what a run has found, as a page for people and JSON for machines |
//! | [`publish`] | the table as parquet, CSV, JSON; atomic replacement of the target |
//! | [`compare`] | what an old job published, explained row by row |
//! | [`cli`] | the program |
//!
//! [`Job`] says what is asked, [`scan`] turns sources into a [`grid::Partial`],
//! [`table::finish`] turns that into a [`table::Table`].
#![deny(unsafe_code)]

pub mod calendar;
pub mod checks;
#[cfg(feature = "cli")]
pub mod cli;
pub mod compare;
pub mod dataset;
pub mod error;
pub mod frame;
pub mod grid;
pub mod history;
pub mod ids;
pub mod job;
pub mod kernel;
pub mod parquet;
pub mod pipeline;
pub mod progress;
pub mod publish;
#[cfg(feature = "python")]
mod python;
pub mod report;
pub mod sample;
pub mod scan;
pub mod state;
pub mod storage;
pub mod table;
pub mod window;

pub use error::{Error, Location, Result};
pub use job::{Columns, Grain, Job, Semantics};

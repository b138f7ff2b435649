//! Files of real writers that do not follow the specification, or that are unusual. Each file is made by
//! hand, and its result is compared with the oracle.
//!
//! - [`statistics`]: no result depends on statistics. [`pages`]: encodings and page headers.
//! - [`types`]: annotations. [`empty`]: null types, files without rows.
//! - [`footer`]: offsets, lengths, counts and names.
//! - [`cases`]: writes a case in every layout and reads it on every path.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_possible_wrap)]

#[path = "../answer/mod.rs"]
mod answer;
mod cases;
mod empty;
#[path = "../expected/mod.rs"]
mod expected;
mod footer;
#[path = "../oracle/mod.rs"]
mod oracle;
mod pages;
mod statistics;
mod types;
#[path = "../writer/mod.rs"]
mod writer;

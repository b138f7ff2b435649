//! The whole pipeline, as `rollshare run` and Python call it.
//!
//! ```text
//! raw rows -> checks -> table (staging) -> checks -> against the history -> promote
//!                 \                    \                     \-> quarantine, exit 4 or 5
//! ```
//!
//! - [`options`]: what a run is asked for. [`report`]: what it has to tell, for
//!   machines and for the pages that people read. [`charts`]: the series in it.
//! - [`run`]: the steps in their order.

pub mod charts;
pub mod options;
pub mod report;
pub mod run;

pub use options::{Checks, RunOptions};
pub use report::{RunReport, State};
pub use run::{Run, run};

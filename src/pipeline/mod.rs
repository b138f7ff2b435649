//! The whole pipeline, as `rollshare run` and Python call it.
//!
//! ```text
//! raw rows -> checks -> table (staging) -> checks -> against the history -> promote
//!                 \                    \                     \-> quarantine, exit 4 or 5
//! ```
//!
//! - [`options`]: what a run is asked for. [`report`]: what it has to tell, for
//!   machines and for the pages that people read. [`charts`]: the series in it.
//! - [`mod@run`]: the steps in their order. [`mod@promote`]: a blocked run is published
//!   after a person has looked.
//! - [`kept`]: what is kept beside a target: history, reports, quarantine.

pub mod charts;
pub mod kept;
pub mod options;
pub mod promote;
pub mod report;
pub mod run;

pub use kept::RunStore;
pub use options::{Checks, RunOptions};
pub use promote::promote;
pub use report::{RunReport, State};
pub use run::{Run, run};

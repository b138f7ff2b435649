//! The pipeline: what `rollshare run` and the Python function `run` execute.
//!
//! ```text
//! raw rows -> checks -> table (staging) -> checks -> comparison with the history -> publish
//!                 \                    \                          \-> quarantine, exit 4 or 5
//! ```
//!
//! - [`options`]: the options of a run.
//! - [`cluster`]: who reads the rows where executors do. [`pieces`]: the rows of a data frame there.
//! - [`mod@run`]: the steps in their order. [`timer`]: how long each takes.
//! - [`keep`]: the files of a run beside its target, written after it was replaced or left as it was.
//! - [`mod@promote`]: publishes a blocked run after a person has approved it.
//! - [`store`]: the files beside a target: history, reports, quarantine.
//!
//! The result of a run is a [`RunReport`], see [`crate::report`].

pub mod cluster;
pub mod keep;
pub mod options;
pub mod pieces;
pub mod promote;
pub mod run;
pub mod store;
pub mod timer;

pub use options::RunOptions;
pub use promote::promote;
pub use run::{Run, run, run_on};
pub use store::RunStore;

pub use crate::checks::settings::Checks;
pub use crate::report::{RunReport, State};

//! The native module of the Python package, `rollshare._rollshare`: a thin layer.
//! The public interface is in `python/rollshare`.
//!
//! - [`job`], [`profile`], [`partial`], [`shares`]: the classes.
//! - [`splits`]: for Spark: splits of files, sums of groups. [`cluster`]: runs and checks on its executors.
//! - [`pipeline`]: runs and checks.
//! - [`compare`]: comparison with the output of an old job. [`why`]: changes of shares by channel.
//! - [`columns`]: frames of numpy arrays, category codes and objects.
//! - [`capsule`]: import and export of Arrow capsules.
//! - [`work`]: runs work without the GIL, on a number of threads, until Ctrl-C.
//! - [`errors`]: converts errors to exceptions.

mod capsule;
mod cluster;
mod columns;
mod compare;
mod errors;
mod job;
mod partial;
mod pipeline;
mod profile;
mod shares;
mod splits;
mod why;
mod work;

use pyo3::prelude::*;

/// The native module of `rollshare`; import that instead.
#[pymodule(gil_used = false)]
mod _rollshare {
    use super::*;

    #[pymodule_export]
    use super::cluster::{
        answer_passes, answer_split, gather_split, merge_gathered, reduce_range, run_cluster,
    };
    #[pymodule_export]
    use super::compare::compare;
    #[pymodule_export]
    use super::job::{PyJob, columns_read};
    #[pymodule_export]
    use super::partial::{
        PyPartial, check_frame, explain_columns, explain_files, explain_frame, explain_pieces, merge,
        partial_columns, partial_frame, read_parquet,
    };
    #[pymodule_export]
    use super::pipeline::{PyReport, declared_checks, run};
    #[pymodule_export]
    use super::profile::{PyProfile, infer_profile};
    #[pymodule_export]
    use super::shares::PyShares;
    #[pymodule_export]
    use super::splits::{partial_groups, plan_splits, scan_split};
    #[pymodule_export]
    use super::why::{contributions_schema, contributions_stream, explain_change, job_of_change};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        module.add("DEBUG", cfg!(debug_assertions))
    }

    /// A message of one line for people: control and bidirectional characters escaped, long names cut.
    #[pyfunction]
    fn escape_line(message: &str) -> String {
        crate::escape::line(message).into()
    }

    /// A name for people: escaped, at most 200 characters.
    #[pyfunction]
    fn escape_name(name: &str) -> String {
        crate::escape::name(name).into()
    }

    /// Write a deterministic sample export of exactly `rows` rows.
    #[pyfunction]
    #[pyo3(signature = (path, rows, layout = "export", seed = 1, threads = None))]
    fn sample(
        py: Python<'_>,
        path: std::path::PathBuf,
        rows: u64,
        layout: &str,
        seed: u64,
        threads: Option<usize>,
    ) -> PyResult<()> {
        let layout = layout.parse().map_err(|e| errors::raise(py, e))?;
        let options = crate::sample::Options { rows, layout, seed };
        work::large(py, threads, |threads, progress| {
            crate::scan::pool(threads.unwrap_or(0))?
                .install(|| crate::sample::write(&options, &path, progress))
                .map(drop)
        })
    }
}

//! The pipeline and its checks: `Report`, the result of `rollshare.run` and `rollshare.check`.

use std::path::PathBuf;
use std::sync::Arc;

use arrow2::array::{
    Array, BooleanArray, MutableListArray, MutableUtf8Array, PrimitiveArray, StructArray, TryExtend,
    Utf8Array,
};
use arrow2::datatypes::{DataType, Field};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyCapsule};

use super::errors::raise;
use super::job::PyJob;
use super::partial::PyPartial;
use super::shares::PyShares;
use super::{capsule, work};
use crate::calendar::label::LabelForm;
use crate::checks::model::Limit;
use crate::checks::{CheckId, CheckResult, Config, countries};
use crate::grid::Partial;
use crate::pipeline::{self, Checks, RunOptions, RunReport};
use crate::table::{self, Only, Table, View};
use crate::{Error, Result, report};

/// The report of a run, or of its checks alone.
#[pyclass(name = "Report", module = "rollshare._rollshare", frozen)]
pub struct PyReport {
    pub(super) report: RunReport,
    /// The sums of its table, and the table; `None` if the rows could not be summed, and of a check.
    pub(super) computed: Option<(Arc<Partial>, Table)>,
}

impl PyReport {
    /// The result of a run.
    pub(super) fn of(run: pipeline::Run) -> Self {
        let computed = run.sums.map(Arc::new).zip(run.table);
        PyReport { report: run.report, computed }
    }
}

fn config(path: Option<PathBuf>) -> Result<Config> {
    path.as_deref().map(Config::read).transpose().map(Option::unwrap_or_default)
}

fn week(label: &str) -> Result<i32> {
    LabelForm::parse_any(label).ok_or_else(|| {
        Error::argument(format!("week '{label}'")).expected("an ISO week such as 2021_05 or 2021-W05")
    })
}

/// Members by column, and a number of last periods.
pub(super) type PyView = (Vec<(String, Vec<String>)>, Option<usize>);

/// The part of the table that is written; as in the program, a member may be a list with commas.
pub(super) fn view(view: Option<PyView>) -> View {
    let (only, last) = view.unwrap_or_default();
    let only = only.into_iter().map(|(column, members)| Only { column, members, may_be_lists: true });
    View { only: only.collect(), last }
}

/// The options of a run.
#[allow(clippy::too_many_arguments)] // those of the Python function
pub(super) fn options(
    sources: Vec<String>,
    job: &PyJob,
    target: Option<String>,
    checks: &str,
    config_file: Option<PathBuf>,
    allow_restatement: Option<Vec<(String, String)>>,
    allow_empty: bool,
    csv_safe: bool,
) -> Result<RunOptions> {
    let allowed = allow_restatement.iter().flatten().map(|(first, last)| Ok((week(first)?, week(last)?)));
    Ok(RunOptions {
        job: job.0.clone(),
        target,
        checks: match checks {
            "warn_only" => Checks::WarnOnly,
            "off" => Checks::Off,
            _ => Checks::Block,
        },
        config: config(config_file)?,
        allow_restatement: allowed.collect::<Result<_>>()?,
        threads: None,
        state: None,
        sources,
        allow_empty,
        csv_safe,
        view: View::default(),
    })
}

/// Check, compute, check, publish.
#[pyfunction]
#[pyo3(signature = (sources, job, target = None, checks = "block", config_file = None,
                    allow_restatement = None, threads = None, called = None, allow_empty = false,
                    csv_safe = false, state = None, part = None))]
#[allow(clippy::too_many_arguments)]
pub fn run(
    py: Python<'_>,
    sources: Vec<String>,
    job: &PyJob,
    target: Option<String>,
    checks: &str,
    config_file: Option<PathBuf>,
    allow_restatement: Option<Vec<(String, String)>>,
    threads: Option<usize>,
    called: Option<&str>,
    allow_empty: bool,
    csv_safe: bool,
    state: Option<String>,
    part: Option<PyView>,
) -> PyResult<PyReport> {
    let options =
        options(sources, job, target, checks, config_file, allow_restatement, allow_empty, csv_safe)
            .map_err(|e| raise(py, e))?;
    let options = RunOptions { state, view: view(part), ..options };
    let mut result = work::large(py, threads, |threads, progress| {
        crate::scan::pool(threads.unwrap_or(0))?.install(|| {
            let ran = pipeline::run(&RunOptions { threads, ..options.clone() }, progress);
            // As in the report below.
            let ran = ran.map_err(|error| match called {
                Some(called) => error.with_file_called(called),
                None => error,
            });
            ran.map(PyReport::of)
        })
    })?;
    let report = &mut result.report;
    // The file is a temporary copy of a frame: the report shows the name of the frame.
    if let Some(called) = called {
        let files = std::mem::replace(&mut report.sources, vec![called.to_owned()]);
        let rename = |text: &mut String| {
            for file in &files {
                *text = text.replace(file, called);
            }
        };
        rename(&mut report.why);
        report.outcomes.iter_mut().for_each(|outcome| rename(&mut outcome.finding));
        for offender in report.outcomes.iter_mut().flat_map(|o| &mut o.offenders) {
            if offender.file.as_deref().is_some_and(|file| files.iter().any(|f| f == file)) {
                offender.file = Some(called.into());
            }
        }
    }
    Ok(result)
}

#[pymethods]
impl PyReport {
    /// Read a report that `json` wrote.
    #[staticmethod]
    #[pyo3(signature = (text, sums = None))]
    fn from_json(py: Python<'_>, text: &str, sums: Option<&[u8]>) -> PyResult<Self> {
        work::small(py, || {
            let report = serde_json::from_str(text)
                .map_err(|e| Error::format(format!("a report that cannot be read: {e}")))?;
            let computed = sums.map(|sums| {
                let sums = PyPartial::parse(sums)?;
                let table = table::finish(&sums.job, &sums.sums)?;
                Ok::<_, Error>((sums.sums, table))
            });
            Ok(PyReport { report, computed: computed.transpose()? })
        })
    }

    /// The sums of its table as bytes, for `from_json`; `None` if it has none.
    fn sums<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let Some((sums, _)) = &self.computed else { return Ok(None) };
        let bytes = work::small(py, || PyPartial::bytes(&self.report.job, sums, None))?;
        Ok(Some(PyBytes::new(py, &bytes)))
    }

    /// Its table, as a `rollshare.Shares`; `None` if the rows could not be summed.
    fn shares<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let Some((sums, table)) = &self.computed else { return Ok(None) };
        let job = self.report.job.clone();
        PyShares::new(job, sums.clone(), table.clone(), Arc::default()).into_public(py).map(Some)
    }

    /// The report as JSON, as the program keeps it.
    fn json(&self, py: Python<'_>) -> PyResult<String> {
        serde_json::to_string(&self.report).map_err(|e| raise(py, Error::internal(e.to_string())))
    }

    /// The report as one HTML page.
    fn html(&self, py: Python<'_>) -> PyResult<String> {
        work::small(py, || report::page(&self.report))
    }

    /// The verdict in one sentence.
    fn sentence(&self) -> String {
        report::sentence(&self.report)
    }

    /// What each check found, in one sentence each; of a check that passed, what it requires.
    fn sentences(&self) -> Vec<String> {
        self.report.outcomes.iter().map(report::why).collect()
    }

    /// 4 where a check that blocks has failed, 5 where one could not run, 7 where the history was not kept, else 0.
    fn run_exit_code(&self) -> u8 {
        self.report.exit_code()
    }

    /// 4 where a check that blocks has failed, 5 where one could not run, else 0.
    fn exit_code(&self) -> u8 {
        self.report.verdict.map_or(0, crate::checks::Verdict::exit_code)
    }

    /// The outcomes of the checks as an Arrow stream, a row a check.
    #[pyo3(signature = (requested_schema = None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        // The interface allows a producer to ignore a requested schema that it does not support.
        let _ = requested_schema;
        let batch = batch(&self.report.outcomes).map_err(|e| raise(py, e))?;
        let field = Field::new("", batch.data_type().clone(), false);
        capsule::export_stream(py, vec![batch], field)
    }
}

/// A serde name, such as `not_run`.
fn named<T: serde::Serialize>(value: T) -> Option<String> {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned))
}

/// Outcomes as columns; the order is that of `rollshare.CheckResults.columns`.
fn batch(outcomes: &[CheckResult]) -> Result<Box<dyn Array>> {
    let text = |of: &dyn Fn(&CheckResult) -> Option<String>| {
        Utf8Array::<i32>::from_iter(outcomes.iter().map(of)).boxed()
    };
    let float = |of: &dyn Fn(&CheckResult) -> Option<f64>| {
        PrimitiveArray::<f64>::from_iter(outcomes.iter().map(of)).boxed()
    };
    let limit = |of: fn(&CheckResult) -> Option<Limit>, part: fn(Limit) -> Option<f64>| {
        float(&|o| of(o).and_then(part))
    };
    let mut offenders = MutableListArray::<i32, MutableUtf8Array<i32>>::new();
    offenders
        .try_extend(
            outcomes.iter().map(|o| {
                Some(o.offenders.iter().map(|offender| Some(offender.to_string())).collect::<Vec<_>>())
            }),
        )
        .map_err(|e| Error::internal(e.to_string()))?;
    let offenders: arrow2::array::ListArray<i32> = offenders.into();
    let n = PrimitiveArray::<u64>::from_values(outcomes.iter().map(|o| o.n)).boxed();
    let could_not =
        BooleanArray::from_slice(outcomes.iter().map(|o| o.could_not_run).collect::<Vec<_>>()).boxed();
    let columns: Vec<(&str, Box<dyn Array>)> = vec![
        ("check", text(&|o| Some(o.check.name().into()))),
        ("stage", text(&|o| named(o.check.stage()))),
        ("status", text(&|o| named(o.status))),
        ("severity", text(&|o| named(o.severity))),
        ("observed", float(&|o| o.observed)),
        ("unit", text(&|o| Some(o.unit.clone()))),
        ("n", n),
        ("warn_count", limit(|o| o.bounds.warn, |l| l.count)),
        ("warn_fraction", limit(|o| o.bounds.warn, |l| l.fraction)),
        ("block_count", limit(|o| o.bounds.block, |l| l.count)),
        ("block_fraction", limit(|o| o.bounds.block, |l| l.fraction)),
        ("bounds_from", text(&|o| Some(o.bounds.origin.clone()))),
        ("title", text(&|o| Some(o.title.clone()))),
        ("finding", text(&|o| Some(o.finding.clone()))),
        ("note", text(&|o| Some(o.note_in_python.as_ref().unwrap_or(&o.note).clone()))),
        ("offenders", offenders.boxed()),
        ("could_not_run", could_not),
    ];
    let (fields, arrays): (Vec<Field>, Vec<Box<dyn Array>>) = columns
        .into_iter()
        .map(|(name, array)| (Field::new(name, array.data_type().clone(), true), array))
        .unzip();
    Ok(StructArray::new(DataType::Struct(fields), arrays, None).boxed())
}

/// The checks as JSON: severities, bounds and lists from a configuration file, or the defaults.
#[pyfunction]
#[pyo3(signature = (config_file = None))]
pub fn declared_checks(py: Python<'_>, config_file: Option<PathBuf>) -> PyResult<String> {
    let config = config(config_file).map_err(|e| raise(py, e))?;
    let checks: Vec<serde_json::Value> = CheckId::ALL
        .iter()
        .map(|id| {
            serde_json::json!({
                "check": id,
                "stage": id.stage(),
                "title": id.title(),
                "unit": id.unit(),
                "severity": config.severity(*id),
                "bounds": config.bounds(*id),
            })
        })
        .collect();
    Ok(serde_json::json!({
        "checks": checks,
        "channels": config.allow.channels,
        "countries": config.allow.countries,
        "systems": config.allow.systems,
        "today": crate::table::cell::iso_date(config.today()),
        "last_day": crate::table::cell::iso_date(config.last_day()),
        "iso_countries": countries::assigned().collect::<Vec<_>>(),
    })
    .to_string())
}

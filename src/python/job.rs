//! `Job`: the options that define the share table, as a value.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyInt, PyString, PyTuple};

use super::errors::raise;
use super::profile::{PyProfile, profile as profile_of, to_dict};
use crate::job::{Columns, Grain, Job, Semantics};
use crate::profile::entries::Entries;
use crate::profile::{Condition, Profile, Question};
use crate::{Error, Result};

/// The options that define the share table, as of `rollshare run`.
#[pyclass(name = "Job", module = "rollshare", frozen, eq, hash)]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PyJob(pub Job);

/// Extracts one value or an iterable of values; a string counts as one value.
fn several<'py, T: for<'a> FromPyObject<'a, 'py>>(what: &str, given: &Bound<'py, PyAny>) -> PyResult<Vec<T>>
where
    for<'a> <T as FromPyObject<'a, 'py>>::Error: Into<PyErr>,
{
    let bad = |e: PyErr| PyTypeError::new_err(format!("{what}: {e}"));
    if let Ok(one) = given.extract::<T>() {
        return Ok(vec![one]);
    }
    if given.is_instance_of::<PyString>() {
        return Err(PyTypeError::new_err(format!("{what}: a string was not expected")));
    }
    let mut all = Vec::new();
    for item in given.try_iter().map_err(bad)? {
        all.push(item?.extract::<T>().map_err(|e| bad(e.into()))?);
    }
    Ok(all)
}

fn choose<T: Copy>(option: &str, given: &str, choices: &[(&str, T)]) -> Result<T> {
    choices.iter().find(|(name, _)| *name == given).map(|(_, choice)| *choice).ok_or_else(|| {
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        Error::argument(format!("{option} '{given}'")).expected(format!("one of {}", names.join(", ")))
    })
}

/// The text with which conditions compare a value.
struct Compared(String);

impl<'py> FromPyObject<'_, 'py> for Compared {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let value = value.to_owned();
        if let Ok(text) = value.extract::<String>() {
            return Ok(Compared(text));
        }
        // In Python a bool is an integer.
        if value.is_instance_of::<PyBool>() {
            return Ok(Compared(value.extract::<bool>()?.to_string()));
        }
        let is_date = value.get_type().name()? == "date";
        if is_date || value.is_instance_of::<PyInt>() {
            return Ok(Compared(value.str()?.extract()?));
        }
        let kind = value.get_type();
        Err(PyTypeError::new_err(format!("a value of {kind}; expected a string, bool, whole number or date")))
    }
}

type Given<'g, 'py> = Option<&'g Bound<'py, PyAny>>;

/// As [`several`]; `None` where nothing is given.
fn texts(what: &str, given: Given<'_, '_>) -> PyResult<Option<Vec<String>>> {
    given.map(|given| several(what, given)).transpose()
}

/// The entries of a mapping.
fn pairs<T>(
    given: Option<&Bound<'_, PyDict>>,
    value: impl Fn(&Bound<'_, PyAny>) -> PyResult<T>,
) -> PyResult<Vec<(String, T)>> {
    given.into_iter().flatten().map(|(name, item)| Ok((name.extract()?, value(&item)?))).collect()
}

/// A value that is chosen by its name.
fn parsed<T: std::str::FromStr<Err = Error>>(py: Python<'_>, name: Option<&str>) -> PyResult<Option<T>> {
    name.map(|name| name.parse().map_err(|e| raise(py, e))).transpose()
}

const SEMANTICS: [(&str, Semantics); 2] = [("iso", Semantics::Iso), ("legacy", Semantics::Legacy)];
const GRAINS: [(&str, Grain); 3] = [("week", Grain::Week), ("day", Grain::Day), ("month", Grain::Month)];
const SHARES: [(&str, bool); 2] = [("organic", false), ("channel", true)];

fn name_of<T: PartialEq>(choice: &T, choices: &[(&'static str, T)]) -> &'static str {
    choices.iter().find(|(_, c)| c == choice).map_or("", |(name, _)| name)
}

const ROLES: [&str; 6] = ["name", "value", "year_week", "country", "os_name", "start_date"];

fn column<'c>(columns: &Columns<'c>, role: &str) -> &'c str {
    match role {
        "name" => columns.name,
        "value" => columns.value,
        "year_week" => columns.year_week,
        "country" => columns.country,
        "os_name" => columns.os_name,
        _ => columns.start_date,
    }
}

#[pymethods]
impl PyJob {
    #[new]
    #[pyo3(signature = (*, semantics = "iso", windows = None, details = false, dates = false, grain = "week", by = None,
                        with_total = None, share_of = "organic", profile = None, date = None, date_unit = None,
                        label = None, zone = None, week_start = None, settle_days = None, users = None,
                        count_rows = false, channel = None, organic = None, paid = None, exclude = None, null_channel = None,
                        ignore_case = None, dimensions = None, total = None, total_rows = None, r#where = None,
                        where_not = None, country_total = None, os_total = None, columns = None))]
    #[allow(clippy::too_many_arguments)]
    fn new(
        py: Python<'_>,
        semantics: &str,
        windows: Given<'_, '_>,
        details: bool,
        dates: bool,
        grain: &str,
        by: Given<'_, '_>,
        with_total: Given<'_, '_>,
        share_of: &str,
        profile: Given<'_, '_>,
        date: Option<String>,
        date_unit: Option<&str>,
        label: Option<String>,
        zone: Option<String>,
        week_start: Option<&str>,
        settle_days: Option<u32>,
        users: Option<String>,
        count_rows: bool,
        channel: Option<String>,
        organic: Given<'_, '_>,
        paid: Given<'_, '_>,
        exclude: Given<'_, '_>,
        null_channel: Option<&str>,
        ignore_case: Option<bool>,
        dimensions: Option<&Bound<'_, PyDict>>,
        total: Option<&Bound<'_, PyDict>>,
        total_rows: Option<&Bound<'_, PyDict>>,
        r#where: Option<&Bound<'_, PyDict>>,
        where_not: Option<&Bound<'_, PyDict>>,
        country_total: Option<String>,
        os_total: Option<String>,
        columns: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let text = |value: &Bound<'_, PyAny>| value.extract::<String>();
        let compared = |value: &Bound<'_, PyAny>| -> PyResult<Option<Vec<String>>> {
            let values = several::<Compared>("where", value)?;
            Ok(Some(values.into_iter().map(|Compared(text)| text).collect()))
        };
        let short = [("country", country_total), ("os_name", os_total)];
        let short = short.into_iter().filter_map(|(name, total)| Some((name.to_owned(), total?)));
        let is_in = pairs(r#where, compared)?.into_iter();
        let is_in = is_in.map(|(column, is_in)| Condition { column, is_in, not_in: None });
        let not_in = pairs(where_not, compared)?.into_iter();
        let not_in = not_in.map(|(column, not_in)| Condition { column, is_in: None, not_in });
        let entries = Entries {
            date,
            date_unit: parsed(py, date_unit)?,
            label,
            zone,
            week_start: parsed(py, week_start)?,
            settle_days,
            users,
            count_rows,
            channel,
            organic: texts("organic", organic)?,
            paid: texts("paid", paid)?,
            excluded: texts("exclude", exclude)?,
            null_channel: parsed(py, null_channel)?,
            ignore_case,
            dimensions: pairs(dimensions, text)?,
            totals: pairs(total, text)?.into_iter().chain(short).collect(),
            total_rows: pairs(total_rows, |mode| {
                mode.extract::<String>()?.parse().map_err(|e| raise(py, e))
            })?,
            conditions: is_in.chain(not_in).collect(),
        };
        let mut job = Job { details, dates, ..Job::default() };
        if let Some(windows) = windows {
            job.windows = several("windows", windows)?;
        }
        if let Some(by) = texts("by", by)? {
            job.by = if by == ["none"] { Vec::new() } else { by };
        }
        if let Some(given) = with_total {
            job.with_total = match given.extract::<bool>() {
                Ok(all) => {
                    if all {
                        job.by.clone()
                    } else {
                        Vec::new()
                    }
                }
                Err(_) => several("with_total", given)?,
            };
        }
        if let Some(given) = profile {
            job.profile = profile_of(given)?;
        }
        let renamed = pairs(columns, text)?;
        let finish = || -> Result<Job> {
            job.semantics = choose("semantics", semantics, &SEMANTICS)?;
            job.grain = choose("grain", grain, &GRAINS)?;
            job.share_of_channel = choose("share_of", share_of, &SHARES)?;
            entries.apply(&mut job.profile)?;
            for (role, name) in &renamed {
                job.set_column(role, name)?;
            }
            job.validated()
        };
        finish().map(PyJob).map_err(|e| raise(py, e))
    }

    /// Which table to compute: ``"iso"`` or ``"legacy"``.
    #[getter]
    fn semantics(&self) -> &'static str {
        name_of(&self.0.semantics, &SEMANTICS)
    }

    /// Window lengths, ascending.
    #[getter]
    fn windows<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, &self.0.windows)
    }

    /// Whether counts, bounds and change are added to each share.
    #[getter]
    fn details(&self) -> bool {
        self.0.details
    }

    /// Whether the first day of each week or month is added as a date.
    #[getter]
    fn dates(&self) -> bool {
        self.0.dates
    }

    /// Step of the time axis: ``"week"``, ``"day"`` or ``"month"``.
    #[getter]
    fn grain(&self) -> &'static str {
        name_of(&self.0.grain, &GRAINS)
    }

    /// Dimensions that the table is grouped by, in the order of its columns; none for the world.
    #[getter]
    fn by<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, &self.0.by)
    }

    /// Dimensions whose totals are added as rows.
    #[getter]
    fn with_total<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, &self.0.with_total)
    }

    /// Whose share the table has: ``"organic"`` users, or each ``"channel"``.
    #[getter]
    fn share_of(&self) -> &'static str {
        name_of(&self.0.share_of_channel, &SHARES)
    }

    /// What the columns mean.
    #[getter]
    fn profile(&self) -> PyProfile {
        self.0.profile.clone().into()
    }

    /// Channels that count as organic.
    #[getter]
    fn organic<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.0.organic())
    }

    /// The country that is the total over countries; empty where there is none.
    #[getter]
    fn country_total(&self) -> &str {
        self.0.country_total()
    }

    /// The system that is the total over systems; empty where there is none.
    #[getter]
    fn os_total(&self) -> &str {
        self.0.os_total()
    }

    /// The input column of each role of the default profile that this profile has.
    #[getter]
    fn columns<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let (columns, of_job) = (PyDict::new(py), self.0.columns());
        for role in ROLES {
            let name = column(&of_job, role);
            if !name.is_empty() {
                columns.set_item(role, name)?;
            }
        }
        Ok(columns)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let (_, given) = self.__getnewargs_ex__(py)?;
        let mut options = Vec::new();
        for (name, value) in given {
            options.push(format!("{name}={}", value.repr()?));
        }
        Ok(format!("Job({})", options.join(", ")))
    }

    /// `windows`, and the other options that differ from the defaults.
    fn __getnewargs_ex__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyTuple>, Bound<'py, PyDict>)> {
        let (job, default) = (&self.0, Job::default());
        let options = PyDict::new(py);
        if job.semantics != default.semantics {
            options.set_item("semantics", self.semantics())?;
        }
        options.set_item("windows", &job.windows)?;
        if job.details {
            options.set_item("details", true)?;
        }
        if job.dates {
            options.set_item("dates", true)?;
        }
        if job.grain != default.grain {
            options.set_item("grain", self.grain())?;
        }
        if job.by != default.by {
            options.set_item("by", &job.by)?;
        }
        if !job.with_total.is_empty() {
            options.set_item("with_total", &job.with_total)?;
        }
        if job.share_of_channel {
            options.set_item("share_of", self.share_of())?;
        }
        match short_forms(job) {
            Some(renamed) => {
                if job.organic() != default.organic() {
                    options.set_item("organic", job.organic())?;
                }
                if job.country_total() != default.country_total() {
                    options.set_item("country_total", job.country_total())?;
                }
                if job.os_total() != default.os_total() {
                    options.set_item("os_total", job.os_total())?;
                }
                if !renamed.is_empty() {
                    let columns = PyDict::new(py);
                    for (role, name) in renamed {
                        columns.set_item(role, name)?;
                    }
                    options.set_item("columns", columns)?;
                }
            }
            None => options.set_item("profile", to_dict(py, &job.profile)?)?,
        }
        Ok((PyTuple::empty(py), options))
    }
}

/// The renamed columns of a profile that differs from the default one only in what `organic`, `country_total`,
/// `os_total` and `columns` set; `None` where it differs in more.
fn short_forms(job: &Job) -> Option<Vec<(&'static str, &str)>> {
    let mut like = Job::default();
    let (usual, columns) = (Job::default(), job.columns());
    let role = |role: &&'static str| column(&columns, role) != column(&usual.columns(), role);
    let renamed: Vec<_> = ROLES.into_iter().filter(role).map(|role| (role, column(&columns, role))).collect();
    for (role, name) in &renamed {
        like.set_column(role, name).ok()?;
    }
    let Profile { channel, dimensions, .. } = &mut like.profile;
    channel.organic = job.organic().to_vec();
    for (name, total) in [("country", job.country_total()), ("os_name", job.os_total())] {
        dimensions.get_mut(name)?.total = Some(total.to_owned());
    }
    (like.profile == job.profile).then_some(renamed)
}

/// The columns of a frame that a job reads, of all of its `names`, and whether no column that it needs is missing.
#[pyfunction]
pub fn columns_read(py: Python<'_>, job: &PyJob, names: Vec<String>) -> PyResult<(Vec<String>, bool)> {
    let question = Question::new(&job.0).map_err(|e| raise(py, e))?;
    let profile = &job.0.profile;
    let found = |column: &str| {
        let exact = names.iter().find(|name| *name == column);
        exact.or_else(|| names.iter().find(|name| name.to_lowercase() == column.to_lowercase()))
    };
    let conditions = question.conditions.iter().map(|of| (&*of.column, of.optional));
    let keys = question.keys.iter().map(|of| (&*of.column, of.optional));
    let of_class = profile.channel.column.as_deref().filter(|_| question.class.is_some());
    let (label, date) = question.time_columns();
    let label = label.filter(|label| date.is_none() || found(label).is_some());
    let date = date.filter(|_| label.is_none() || question.needs_dates());
    let others = [of_class, profile.users.column.as_deref(), label, date];
    let others = others.into_iter().flatten().map(|column| (column, false));
    let (mut read, mut is_complete) = (Vec::new(), true);
    // A dimension that is neither a key nor has totals is needed too, unless it is optional.
    let dimensions = profile.dimensions.iter().map(|(name, of)| (of.column_of(name), of.optional));
    for (column, optional) in conditions.chain(keys).chain(others).chain(dimensions) {
        match found(column) {
            Some(name) if !read.contains(name) => read.push(name.clone()),
            Some(_) => {}
            None => is_complete &= optional,
        }
    }
    Ok((read, is_complete))
}

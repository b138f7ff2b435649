//! The error type. Its variants are distinguished by who can fix the cause.
//!
//! Every error has a [`Report`]: where it happened, what was found, what was
//! expected and what to do. The code that decodes a page knows only what it found;
//! each layer above adds its part of the location with [`Error::in_column`],
//! [`Error::in_row_group`], [`Error::in_file`]. The parts hold values as they are; the text of an error is escaped.

use std::fmt::{self, Write as _};
use std::sync::Arc;

use crate::escape;
use crate::phrase::{Phrase, Surface};

/// The result of the fallible functions of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A location in the input. Unknown parts are `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Location {
    /// File, as the user names it.
    pub file: Option<Arc<str>>,
    /// Name of the column in the file.
    pub column: Option<String>,
    /// Row group, from 0.
    pub row_group: Option<usize>,
    /// Data page within the column chunk, from 0.
    pub page: Option<usize>,
    /// Row within the file, from 0.
    pub row: Option<u64>,
    /// Line of a text file, from 1; the header is the first one.
    #[serde(default)]
    pub line: Option<u64>,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut sep = "";
        if let Some(file) = &self.file {
            write!(f, "{file}")?;
            sep = ", ";
        }
        if let Some(column) = &self.column {
            write!(f, "{sep}column '{column}'")?;
            sep = ", ";
        }
        if let Some(line) = self.line {
            return write!(f, "{sep}line {line}");
        }
        if let Some(row_group) = self.row_group {
            write!(f, "{sep}row group {row_group}")?;
            sep = ", ";
        }
        if let Some(page) = self.page {
            write!(f, "{sep}page {page}")?;
            sep = ", ";
        }
        if let Some(row) = self.row {
            write!(f, "{sep}row {row}")?;
        }
        Ok(())
    }
}

/// The body of an error.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Report {
    /// Where it was found.
    pub location: Location,
    /// What was found.
    pub found: String,
    /// What was expected instead; may be empty.
    pub expected: Phrase,
    /// What to do; may be empty.
    pub advice: Phrase,
}

impl Report {
    /// The report in one line, worded for a surface and escaped.
    pub fn show(&self, surface: Surface) -> String {
        escape::line(&self.unescaped(surface)).into()
    }

    fn unescaped(&self, surface: Surface) -> String {
        let mut text = String::new();
        if self.location != Location::default() {
            let _ = write!(text, "{}: ", self.location);
        }
        text.push_str(&self.found);
        if !self.expected.is_empty() {
            let _ = write!(text, "; expected {}", self.expected.show(surface));
        }
        if !self.advice.is_empty() {
            let _ = write!(text, ". {}", self.advice.show(surface));
        }
        text
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.show(Surface::Program))
    }
}

/// The error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file breaks the parquet format, or is not a parquet file.
    #[error("{0}")]
    Format(Box<Report>),
    /// The file is valid, but uses a feature that is not supported.
    #[error("{0}")]
    Unsupported(Box<Report>),
    /// An argument of the caller is invalid.
    #[error("{0}")]
    Argument(Box<Report>),
    /// A path that does not exist, or a folder without data.
    #[error("{0}")]
    NotFound(Box<Report>),
    /// The data breaks a rule of the job: a missing column, a wrong type, a
    /// label that is not an ISO week.
    #[error("{0}")]
    Data(Box<Report>),
    /// A sum, a table or a file exceeds the size that can be handled exactly.
    #[error("{0}")]
    TooLarge(Box<Report>),
    /// Reading or writing failed.
    #[error("{}", in_words(.report, .source, Surface::Program))]
    Io {
        /// The location and the failed operation.
        report: Box<Report>,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// The caller cancelled the work.
    #[error("interrupted")]
    Interrupted,
    /// A bug in this crate, detected at run time.
    #[error("{0}")]
    Internal(Box<Report>),
}

/// An error of the operating system in one line, escaped.
fn in_words(report: &Report, source: &std::io::Error, surface: Surface) -> String {
    escape::line(&format!("{}: {source}", report.unescaped(surface))).into()
}

macro_rules! constructors {
    ($($name:ident => $variant:ident, $doc:literal;)*) => {$(
        #[doc = $doc]
        pub fn $name(found: impl Into<String>) -> Self {
            Error::$variant(Box::new(Report { found: found.into(), ..Report::default() }))
        }
    )*};
}

impl Error {
    constructors! {
        format => Format, "The file breaks the parquet format.";
        unsupported => Unsupported, "The file is valid, but uses a feature that is not supported.";
        argument => Argument, "The caller's argument is invalid.";
        not_found => NotFound, "The path does not exist, or the folder has no data.";
        data => Data, "The data breaks a rule of the job.";
        too_large => TooLarge, "The size exceeds what can be handled exactly.";
        internal => Internal, "A bug in this crate.";
    }

    /// A failure of reading or writing: `NotFound` where the system reports that, else `Io`. `what` names the
    /// operation.
    pub fn io(what: impl Into<String>, source: std::io::Error) -> Self {
        let report = Report { found: what.into(), ..Report::default() };
        if source.kind() == std::io::ErrorKind::NotFound {
            return Error::NotFound(Box::new(Report {
                found: format!("{}: {source}", report.found),
                ..report
            }));
        }
        Error::Io { report: Box::new(report), source }
    }

    /// The body of the error; `None` for `Interrupted`.
    pub fn report(&self) -> Option<&Report> {
        match self {
            Error::Format(r)
            | Error::Unsupported(r)
            | Error::Argument(r)
            | Error::NotFound(r)
            | Error::Data(r)
            | Error::TooLarge(r)
            | Error::Internal(r) => Some(r),
            Error::Io { report, .. } => Some(report),
            Error::Interrupted => None,
        }
    }

    fn edit(mut self, edit: impl FnOnce(&mut Report)) -> Self {
        match &mut self {
            Error::Format(r)
            | Error::Unsupported(r)
            | Error::Argument(r)
            | Error::NotFound(r)
            | Error::Data(r)
            | Error::TooLarge(r)
            | Error::Internal(r) => edit(r),
            Error::Io { report, .. } => edit(report),
            Error::Interrupted => {}
        }
        self
    }

    /// Sets what was expected.
    pub fn expected(self, expected: impl Into<Phrase>) -> Self {
        self.edit(|r| r.expected = expected.into())
    }

    /// Sets what to do.
    pub fn advice(self, advice: impl Into<Phrase>) -> Self {
        self.edit(|r| r.advice = advice.into())
    }

    /// Sets what to do, unless a lower layer did.
    pub fn or_advice(self, advice: impl FnOnce() -> Phrase) -> Self {
        self.edit(|r| {
            if r.advice.is_empty() {
                r.advice = advice();
            }
        })
    }

    /// The error in one line, worded for a surface and escaped. `Display` gives the words of the program.
    pub fn show(&self, surface: Surface) -> String {
        match (self, self.report()) {
            (Error::Io { source, .. }, Some(report)) => in_words(report, source, surface),
            (_, Some(report)) => report.show(surface),
            (_, None) => self.to_string(),
        }
    }

    /// Gives the file another name: that of the frame of which it is a copy.
    pub fn with_file_called(self, name: &str) -> Self {
        self.edit(|r| {
            if let Some(file) = &mut r.location.file {
                *file = name.into();
            }
        })
    }

    /// Sets the file, unless a lower layer did.
    pub fn in_file(self, file: &Arc<str>) -> Self {
        self.edit(|r| {
            r.location.file.get_or_insert_with(|| file.clone());
        })
    }

    /// Sets the column, unless a lower layer did.
    pub fn in_column(self, column: &str) -> Self {
        self.edit(|r| {
            r.location.column.get_or_insert_with(|| column.to_owned());
        })
    }

    /// Sets the row group, unless a lower layer did.
    pub fn in_row_group(self, row_group: usize) -> Self {
        self.edit(|r| {
            r.location.row_group.get_or_insert(row_group);
        })
    }

    /// Sets the page, unless a lower layer did.
    pub fn in_page(self, page: usize) -> Self {
        self.edit(|r| {
            r.location.page.get_or_insert(page);
        })
    }

    /// Sets the row, unless a lower layer did.
    pub fn at_row(self, row: u64) -> Self {
        self.edit(|r| {
            r.location.row.get_or_insert(row);
        })
    }

    /// Sets the line of a text file, unless a lower layer did.
    pub fn at_line(self, line: u64) -> Self {
        self.edit(|r| {
            r.location.line.get_or_insert(line);
        })
    }

    /// Adds `before` to the row, if one is set.
    pub fn offset_row(self, before: u64) -> Self {
        self.edit(|r| {
            if let Some(row) = &mut r.location.row {
                *row += before;
            }
        })
    }

    /// The error once more, for another caller that met it.
    pub(crate) fn again(&self) -> Self {
        match self {
            Error::Format(r) => Error::Format(r.clone()),
            Error::Unsupported(r) => Error::Unsupported(r.clone()),
            Error::Argument(r) => Error::Argument(r.clone()),
            Error::NotFound(r) => Error::NotFound(r.clone()),
            Error::Data(r) => Error::Data(r.clone()),
            Error::TooLarge(r) => Error::TooLarge(r.clone()),
            Error::Internal(r) => Error::Internal(r.clone()),
            Error::Interrupted => Error::Interrupted,
            Error::Io { report, source } => Error::Io {
                report: report.clone(),
                source: std::io::Error::new(source.kind(), source.to_string()),
            },
        }
    }

    /// The exit code of the program for this error.
    ///
    /// 2 wrong usage, 3 bad input, 6 I/O, 70 internal, 130 interrupted.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Argument(_) => 2,
            Error::Format(_)
            | Error::Unsupported(_)
            | Error::NotFound(_)
            | Error::Data(_)
            | Error::TooLarge(_) => 3,
            Error::Io { .. } => 6,
            Error::Interrupted => 130,
            Error::Internal(_) => 70,
        }
    }
}

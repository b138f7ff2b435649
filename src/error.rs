//! What can go wrong, told apart by who can mend it.
//!
//! Every error carries a [`Report`]: where it happened, what was found, what
//! was expected and what to do. Code deep in a page knows only what it found;
//! each layer above adds what it knows with [`Error::in_column`],
//! [`Error::in_row_group`], [`Error::in_file`].

use std::fmt;
use std::sync::Arc;

/// The result of everything fallible here.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Where in the input something was found. Unknown parts are `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Location {
    /// File, as the user would name it.
    pub file: Option<Arc<str>>,
    /// Column, by its name in the file.
    pub column: Option<String>,
    /// Row group, from 0.
    pub row_group: Option<usize>,
    /// Data page within the column chunk, from 0.
    pub page: Option<usize>,
    /// Row within the file, from 0.
    pub row: Option<u64>,
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
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Report {
    /// Where.
    pub location: Location,
    /// What was found.
    pub found: String,
    /// What was expected instead; may be empty.
    pub expected: String,
    /// What to do about it; may be empty.
    pub advice: String,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.location != Location::default() {
            write!(f, "{}: ", self.location)?;
        }
        write!(f, "{}", self.found)?;
        if !self.expected.is_empty() {
            write!(f, "; expected {}", self.expected)?;
        }
        if !self.advice.is_empty() {
            write!(f, ". {}", self.advice)?;
        }
        Ok(())
    }
}

/// Everything that can go wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file breaks the parquet format, or is not parquet at all.
    #[error("{0}")]
    Format(Box<Report>),
    /// The file is valid, but uses something that is not supported.
    #[error("{0}")]
    Unsupported(Box<Report>),
    /// The caller asked for something that makes no sense.
    #[error("{0}")]
    Argument(Box<Report>),
    /// A path that does not exist, or a folder without data.
    #[error("{0}")]
    NotFound(Box<Report>),
    /// The data breaks a rule of the job: a missing column, a wrong type, a
    /// label that is no ISO week.
    #[error("{0}")]
    Data(Box<Report>),
    /// A sum, a table or a file is larger than what can be handled exactly.
    #[error("{0}")]
    TooLarge(Box<Report>),
    /// Reading or writing failed.
    #[error("{report}: {source}")]
    Io {
        /// Where and what.
        report: Box<Report>,
        /// What the system said.
        source: std::io::Error,
    },
    /// The caller asked for the work to stop.
    #[error("interrupted")]
    Interrupted,
    /// A bug of ours, caught at the boundary.
    #[error("{0}")]
    Internal(Box<Report>),
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
        unsupported => Unsupported, "Valid, but not supported.";
        argument => Argument, "The caller's argument is wrong.";
        not_found => NotFound, "Nothing there.";
        data => Data, "The data breaks a rule of the job.";
        too_large => TooLarge, "Larger than what can be handled exactly.";
        internal => Internal, "A bug of ours.";
    }

    /// Reading or writing `what` failed.
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

    /// The body, where there is one.
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

    /// Says what was expected.
    pub fn expected(self, expected: impl Into<String>) -> Self {
        self.edit(|r| r.expected = expected.into())
    }

    /// Says what to do.
    pub fn advice(self, advice: impl Into<String>) -> Self {
        self.edit(|r| r.advice = advice.into())
    }

    /// Names the file, unless a deeper layer did.
    pub fn in_file(self, file: &Arc<str>) -> Self {
        self.edit(|r| {
            r.location.file.get_or_insert_with(|| file.clone());
        })
    }

    /// Names the column, unless a deeper layer did.
    pub fn in_column(self, column: &str) -> Self {
        self.edit(|r| {
            r.location.column.get_or_insert_with(|| column.to_owned());
        })
    }

    /// Names the row group, unless a deeper layer did.
    pub fn in_row_group(self, row_group: usize) -> Self {
        self.edit(|r| {
            r.location.row_group.get_or_insert(row_group);
        })
    }

    /// Names the page, unless a deeper layer did.
    pub fn in_page(self, page: usize) -> Self {
        self.edit(|r| {
            r.location.page.get_or_insert(page);
        })
    }

    /// Names the row, unless a deeper layer did.
    pub fn at_row(self, row: u64) -> Self {
        self.edit(|r| {
            r.location.row.get_or_insert(row);
        })
    }

    /// Moves the row, if one is named, by the rows that come before.
    pub fn offset_row(self, before: u64) -> Self {
        self.edit(|r| {
            if let Some(row) = &mut r.location.row {
                *row += before;
            }
        })
    }

    /// The exit code that the program ends with.
    ///
    /// 2 wrong usage, 3 bad input, 5 a check could not run, 6 I/O.
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

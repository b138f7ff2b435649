//! Agreement of value types between files.

use std::sync::Arc;

use super::file::OpenFile;
use crate::ids::values::ValueType;
use crate::{Error, Result};

/// A file and the type of its values.
#[derive(Clone, Copy)]
pub struct TypedFile<'t> {
    /// The file's name.
    pub name: &'t Arc<str>,
    /// The type of its values; `None` where it is not known.
    pub value_type: Option<ValueType>,
    /// Its rows.
    pub rows: u64,
}

impl<'t> TypedFile<'t> {
    /// The value type of an opened file whose value column was located.
    pub fn of(file: &OpenFile<'t>) -> Self {
        let (name, value_type) = (file.input.object.name(), Some(file.value_type));
        TypedFile { name, value_type, rows: file.footer.rows }
    }
}

/// Two value types that differ.
pub struct Disagreement<'t> {
    /// The type of the first file that has rows.
    pub first_type: ValueType,
    /// That file's name.
    pub first_name: &'t Arc<str>,
    /// The type of the other file.
    pub value_type: ValueType,
}

/// Compares the value type of every file with that of the first file that has rows.
#[derive(Default)]
pub struct TypeAgreement<'t> {
    first: Option<TypedFile<'t>>,
}

impl<'t> TypeAgreement<'t> {
    /// Compares the next file; returns both types where they differ.
    pub fn compare(&mut self, file: TypedFile<'t>) -> Option<Disagreement<'t>> {
        // The types of a file without rows mean nothing: an empty pandas frame has DOUBLE for strings.
        if file.rows == 0 {
            return None;
        }
        let first = *self.first.get_or_insert(file);
        let (first_type, value_type) = first.value_type.zip(file.value_type)?;
        (first_type != value_type).then_some(Disagreement { first_type, first_name: first.name, value_type })
    }

    /// Fails unless all files that have rows have values of one type.
    ///
    /// # Errors
    /// `Data` for the first file whose type differs.
    pub fn check(files: impl IntoIterator<Item = TypedFile<'t>>) -> Result<()> {
        let mut agreement = TypeAgreement::default();
        files.into_iter().try_for_each(|file| agreement.check_next(file))
    }

    /// As [`Self::check`], for the next file.
    ///
    /// # Errors
    /// `Data` if its type differs.
    pub fn check_next(&mut self, file: TypedFile<'t>) -> Result<()> {
        match self.compare(file) {
            None => Ok(()),
            Some(Disagreement { first_type, first_name, value_type }) => {
                Err(Error::data(format!("values of type {value_type}"))
                    .expected(format!("{first_type}, as in {first_name}"))
                    .advice("Export all files with one type, or read them in separate runs")
                    .in_file(file.name))
            }
        }
    }
}

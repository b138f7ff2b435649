//! Missing columns, columns of a wrong type, and files that disagree about types.

use crate::checks::model::Violation;
use crate::dataset::types::Disagreement;
use crate::dataset::{OpenFile, Role, TypeAgreement, TypedFile};
use crate::{Error, Job, Result};

/// The reasons why the rows cannot be checked, in the order of the files.
pub fn problems(job: &Job, files: &[OpenFile<'_>]) -> Vec<Violation> {
    let mut problems = Vec::new();
    let mut agreement = TypeAgreement::default();
    for file in files {
        let mut add = |role: Role, text: &str| {
            problems.push(Violation {
                file: Some(file.input.object.name().clone()),
                row: None,
                value: format!("{}: {text}", role.column(job)),
            });
        };
        for (role, text) in &file.problems {
            add(*role, text);
        }
        // The types of a file with problems are not known.
        let typed = TypedFile::of(file);
        let value_type = typed.value_type.filter(|_| file.problems.is_empty());
        if let Some(Disagreement { first_type, value_type, .. }) =
            agreement.compare(TypedFile { value_type, ..typed })
        {
            add(Role::Value, &format!("{value_type}, but {first_type} in the first file"));
        }
    }
    problems
}

/// Fails with the first of the [`problems`].
///
/// # Errors
/// `Data` where there are problems.
pub fn check_columns(job: &Job, files: &[OpenFile<'_>]) -> Result<()> {
    problems(job, files).into_iter().next().map_or(Ok(()), |problem| Err(Error::data(problem.value)))
}

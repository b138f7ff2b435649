//! Columns that some files have and others lack, although they may.

use crate::checks::model::{Measurement, VIOLATIONS, Violation};
use crate::dataset::OpenFile;
use crate::dataset::column::is_missing;
use crate::{Grain, Job};

/// Counts the files that lack a column of the profile which other files have. What no file may lack is no finding: it
/// is an error of the run.
pub fn differing(job: &Job, files: &[OpenFile<'_>]) -> Measurement {
    let profile = &job.profile;
    let label = profile.time.label.as_deref().filter(|_| job.grain == Grain::Week);
    let optional = profile.dimensions.iter().filter(|(_, of)| of.optional);
    let columns: Vec<&str> = label.into_iter().chain(optional.map(|(name, of)| of.column_of(name))).collect();
    let with_rows: Vec<&OpenFile<'_>> = files.iter().filter(|file| file.footer.rows > 0).collect();
    let (mut count, mut offenders) = (0, Vec::new());
    for column in columns {
        let lacks = |file: &&&OpenFile<'_>| is_missing(&file.footer, file.input, column);
        let without: Vec<&&OpenFile<'_>> = with_rows.iter().filter(lacks).collect();
        if without.len() == with_rows.len() {
            continue;
        }
        count += without.len() as u64;
        let having = with_rows.len() - without.len();
        let show = |file: &&OpenFile<'_>| Violation {
            file: Some(file.input.object.name().clone()),
            row: None,
            line: None,
            value: format!("no column '{column}', which {having} of {} files have", with_rows.len()),
        };
        offenders.extend(without.into_iter().take(VIOLATIONS - offenders.len()).map(show));
    }
    let named = profile.named_columns().count();
    Measurement::count(count, (files.len() * named) as u64, offenders)
}

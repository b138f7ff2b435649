//! Which checks a run takes: those of a cube, or those of any export.

use crate::dataset::{Dataset, TypeAgreement, TypedFile};
use crate::profile::Question;
use crate::{Job, Result};

/// Which checks a run takes. It is decided once, from the job and the opened files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Shape {
    /// Those of a cube: the job is one, and all files have its columns.
    Cube,
    /// Those of any other job, and of files that lack columns which a cube may lack.
    #[default]
    General,
}

impl Shape {
    /// The shape of a job, as long as nothing is known of its files.
    pub fn of_job(job: &Job) -> Self {
        if job.is_cube() { Shape::Cube } else { Shape::General }
    }

    /// The shape of a job and its files.
    ///
    /// # Errors
    /// `Data` where columns are missing or of a wrong type, for the first file, and where files have numbers of users of
    /// different types. No check reports these.
    pub fn of(job: &Job, dataset: &Dataset<'_>) -> Result<Self> {
        let question = Question::new(job)?;
        let mut shape = Shape::of_job(job);
        for file in dataset.files() {
            file.check_question(&question)?;
            if shape == Shape::Cube && !file.has_roles(&question)? {
                shape = Shape::General;
            }
        }
        TypeAgreement::check(dataset.files().iter().map(TypedFile::of))?;
        Ok(shape)
    }

    /// Whether the checks are those of a cube.
    pub fn is_cube(self) -> bool {
        self == Shape::Cube
    }
}

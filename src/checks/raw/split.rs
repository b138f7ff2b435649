//! The checks on the rows of a split, on an executor of a cluster.

use super::RowRange;
use super::evidence::Evidence;
use super::exchange::{Answer, Request, SplitRows};
use crate::checks::{Config, Shape};
use crate::dataset::OpenFile;
use crate::profile::Question;
use crate::progress::Progress;
use crate::scan::split::{Opened, Split};
use crate::{Error, Result};

/// What an executor needs to know of the checks beside a split.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Checking {
    /// Which checks the run takes.
    pub shape: Shape,
    /// The name and the text of the configuration; `None` for the defaults.
    pub config: Option<(String, String)>,
}

impl Checking {
    /// As bytes, for another process of the same version.
    ///
    /// # Errors
    /// None in practice.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self).map_err(|e| Error::internal(format!("cannot serialise: {e}")))
    }

    /// Reads the bytes of [`Self::to_bytes`].
    ///
    /// # Errors
    /// `Format` where they are something else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        serde_json::from_slice(bytes)
            .map_err(|e| Error::format(format!("damaged bytes between processes: {e}")))
    }

    /// The evidence of the rows of a split, whose files are opened.
    ///
    /// # Errors
    /// As of [`Evidence::gather`].
    pub fn gather(&self, split: &Split, opened: &[Opened], progress: &dyn Progress) -> Result<Evidence> {
        self.with_rows(split, opened, progress, |rows| {
            let SplitRows { job, config, files, numbers, ranges, .. } = rows;
            let mut evidence = Evidence::gather(job, config, self.shape, files, ranges, progress)?;
            evidence.renumber(numbers);
            Ok(evidence)
        })
    }

    /// Answers a question for the rows of a split, whose files are opened, in one of [`Request::passes`].
    ///
    /// # Errors
    /// As of [`Request::answer`].
    pub fn answer(
        &self,
        split: &Split,
        opened: &[Opened],
        request: &Request,
        pass: u64,
        progress: &dyn Progress,
    ) -> Result<Answer> {
        self.with_rows(split, opened, progress, |rows| request.answer(rows, pass))
    }

    fn with_rows<T>(
        &self,
        split: &Split,
        opened: &[Opened],
        progress: &dyn Progress,
        work: impl FnOnce(&SplitRows<'_>) -> Result<T>,
    ) -> Result<T> {
        let job = split.job();
        let config = match &self.config {
            Some((name, text)) => Config::parse(text, name)?,
            None => Config::default(),
        };
        let config = config.for_profile(&job.profile);
        let question = Question::new(job)?;
        let files: Vec<OpenFile<'_>> = opened
            .iter()
            .map(|(input, footer)| {
                let mut file = OpenFile::with_footer(input, input.object.as_ref(), footer.clone());
                file.locate_all(&question);
                file
            })
            .collect();
        let mut ranges = Vec::new();
        for part in split.ranges() {
            let groups = files.get(part.file).map(|file| &file.footer.row_groups);
            let is_within = |rows: u64| part.from <= part.to && part.to <= rows;
            let Some(groups) =
                groups.filter(|groups| groups.rows().nth(part.row_group).is_some_and(is_within))
            else {
                return Err(Error::format("a split that does not fit its files"));
            };
            let before = groups.rows().take(part.row_group).sum();
            let rows = part.from..part.to;
            ranges.push(RowRange {
                file: part.file,
                row_group: part.row_group,
                rows,
                before,
                days: None,
                is_undated: true,
            });
        }
        let numbers = split.numbers();
        let (files, numbers, ranges) = (&files[..], &numbers[..], &ranges[..]);
        work(&SplitRows { job, config: &config, files, numbers, ranges, progress })
    }
}

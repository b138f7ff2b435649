//! The inputs of a run, opened: footers, the locations of columns, row ranges, prefetching.
//!
//! A run opens its inputs once. The checks and the scan share the opened files, so that every footer is read and
//! parsed once. A scan without checks opens each file itself and drops it as soon as it is summed.
//!
//! - [`role`]: what a column is to the job.
//! - [`column`]: the location of a column in a file: a leaf column or a hive partition.
//! - [`mod@file`]: a file's footer, the locations of its columns and their types.
//! - [`layouts`]: what files of the same columns share.
//! - [`located`], [`text`]: the columns of a question in a file, and their values as text.
//! - [`shadowed`]: columns of a file that a partition of its path shadows.
//! - [`types`]: agreement of value types between files.
//! - [`ranges`]: a row group, cut into ranges of rows.
//! - [`prefetch`]: prefetch hints, and what stays in memory between passes.

pub mod column;
pub mod file;
pub mod layouts;
pub mod located;
pub mod prefetch;
pub mod ranges;
pub mod role;
pub mod shadowed;
pub mod text;
pub mod types;

use rayon::prelude::*;

pub use column::ColumnLocation;
pub use file::OpenFile;
pub use ranges::row_ranges;
pub use role::Role;
pub use types::{TypeAgreement, TypedFile};

use self::layouts::Layouts;
use crate::profile::Question;
use crate::storage::{Input, unless_changed};
use crate::{Job, Result};

/// The inputs of a run, and their opened files where several passes read them.
pub struct Dataset<'a> {
    inputs: &'a [Input],
    files: Vec<OpenFile<'a>>,
}

impl<'a> Dataset<'a> {
    /// Inputs that their only reader opens.
    pub fn unopened(inputs: &'a [Input]) -> Self {
        Dataset { inputs, files: Vec::new() }
    }

    /// Opens all inputs and locates the columns of all roles, on the current thread pool.
    ///
    /// # Errors
    /// As of [`OpenFile::open_all`], for the first file that fails. A missing column is no error here.
    pub fn open(job: &Job, inputs: &'a [Input]) -> Result<Self> {
        let question = Question::new(job)?;
        prefetch::footers(inputs);
        let layouts = Layouts::default();
        let open = |input: &'a Input| OpenFile::open_all(&question, input, &layouts);
        let files: Vec<Result<OpenFile<'_>>> = inputs.par_iter().map(open).collect();
        let files = unless_changed(inputs, files.into_iter().collect::<Result<_>>())?;
        Ok(Dataset { inputs, files })
    }

    /// All inputs, in order.
    pub fn inputs(&self) -> &'a [Input] {
        self.inputs
    }

    /// The opened files, in the order of the inputs; empty where they are not opened.
    pub fn files(&self) -> &[OpenFile<'a>] {
        &self.files
    }

    /// Whether the files are opened.
    pub fn is_open(&self) -> bool {
        self.files.len() == self.inputs.len()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::borrow::Cow;
    use std::ops::Range;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::checks::results::check_dataset;
    use crate::checks::{Config, Shape};
    use crate::progress::NoProgress;
    use crate::sample::{self, Layout};
    use crate::scan::{self, scan_dataset};
    use crate::storage::{MemoryObject, Object};

    /// Counts the reads that reach the end of the file: those of the footer.
    struct CountingObject {
        object: MemoryObject,
        footer_reads: Arc<AtomicUsize>,
    }

    impl crate::storage::PlainObject for CountingObject {
        fn name(&self) -> &Arc<str> {
            Object::name(&self.object)
        }

        fn len(&self) -> u64 {
            Object::len(&self.object)
        }

        fn read(&self, range: Range<u64>) -> Result<Cow<'_, [u8]>> {
            if range.end == Object::len(self) {
                self.footer_reads.fetch_add(1, Ordering::Relaxed);
            }
            Object::read(&self.object, range)
        }
    }

    #[test]
    fn checks_and_scan_read_every_footer_once() {
        let folder = tempfile::tempdir().unwrap();
        // Files that the scan reads as a whole, and a larger one.
        for rows in [&[1_000, 2_000][..], &[500_000], &[1_000, 500_000]] {
            let footer_reads = Arc::new(AtomicUsize::new(0));
            let input = |(rows, seed): (&u64, u64)| {
                let path = folder.path().join("sample.parquet");
                let options = sample::Options { rows: *rows, layout: Layout::Export, seed };
                sample::write(&options, &path, &NoProgress).unwrap();
                let object = MemoryObject::new("sample.parquet", std::fs::read(&path).unwrap());
                let object = CountingObject { object, footer_reads: footer_reads.clone() };
                Input { object: Arc::new(object), partitions: vec![] }
            };
            let inputs: Vec<Input> = rows.iter().zip(1..).map(input).collect();
            let (job, options) = (Job::default(), scan::Options::default());
            let dataset = Dataset::open(&job, &inputs).unwrap();
            let shape = Shape::of(&job, &dataset).unwrap();
            let (_, raw) = check_dataset(&job, shape, &Config::default(), &dataset, &NoProgress).unwrap();
            assert!(raw.counts.is_some());
            let (sums, _) = scan_dataset(&job, &dataset, &options, &NoProgress).unwrap();
            assert_eq!(footer_reads.load(Ordering::Relaxed), rows.len());
            assert_eq!(sums, scan::scan(&job, &inputs, &options, &NoProgress).unwrap().0);
        }
    }
}

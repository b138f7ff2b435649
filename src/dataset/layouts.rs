//! What opened files of the same columns share.
//!
//! A run keeps the footers of all files that the checks read. Exports of many files have the same columns in all of
//! them: their leaves and the locations of the columns are kept once, and looked up once.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use super::column::ColumnLocation;
use super::file::OpenFile;
use super::located::LocatedColumns;
use super::role::Role;
use crate::ids::values::ValueType;
use crate::parquet::{Leaf, Physical};
use crate::profile::Question;
use crate::scan::classes::TimeCoding;

/// The most layouts that are kept. A further one takes the place of the oldest: the files of a partition follow one
/// another.
const LAYOUTS_MAX: usize = 32;

/// The layouts of the files that were opened last, the oldest first, for one question.
#[derive(Default)]
pub struct Layouts {
    known: Mutex<VecDeque<Layout>>,
}

/// The columns of some files with rows, and where they are.
struct Layout {
    leaves: Arc<[Leaf]>,
    created_by: Option<Arc<str>>,
    partitions: Vec<(String, Option<String>)>,
    columns: Arc<[Option<ColumnLocation>; Role::ALL.len()]>,
    value: (Physical, ValueType),
    date_coding: TimeCoding,
    scan: Option<Arc<LocatedColumns>>,
}

impl Layouts {
    /// Locates the columns of a file, as [`OpenFile::locate_all`] does.
    pub fn locate(&self, question: &Question, file: &mut OpenFile<'_>) {
        if file.footer.rows == 0 {
            return file.locate_all(question);
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(same) = known.iter().rev().find(|layout| layout.leaves == file.footer.leaves) {
            same.share_leaves(file);
        }
        // Paths differ more often than columns.
        let is_same =
            |of: &&Layout| of.partitions == file.input.partitions && of.leaves == file.footer.leaves;
        if let Some(same) = known.iter().rev().find(is_same) {
            file.columns = same.columns.clone();
            (file.value_physical, file.value_type) = same.value;
            file.date_coding = same.date_coding;
            file.scan = same.scan.clone();
            return;
        }
        file.locate_all(question);
        if known.len() >= LAYOUTS_MAX {
            known.pop_front();
        }
        known.push_back(Layout {
            leaves: file.footer.leaves.clone(),
            created_by: file.footer.created_by.clone(),
            partitions: file.input.partitions.clone(),
            columns: file.columns.clone(),
            value: (file.value_physical, file.value_type),
            date_coding: file.date_coding,
            scan: file.scan.clone(),
        });
    }
}

impl Layout {
    /// Gives a file with equal leaves these ones.
    fn share_leaves(&self, file: &mut OpenFile<'_>) {
        if let Some(footer) = Arc::get_mut(&mut file.footer) {
            footer.leaves = self.leaves.clone();
            if footer.created_by == self.created_by {
                footer.created_by = self.created_by.clone();
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::dataset::Dataset;
    use crate::parquet::RowGroupMeta;
    use crate::progress::NoProgress;
    use crate::sample::{self, Layout as Rows};
    use crate::storage::{Input, MemoryObject};
    use crate::{Job, storage};

    #[test]
    fn files_of_the_same_columns_share_what_is_known_of_them() {
        let folder = tempfile::tempdir().unwrap();
        let bytes = [1, 2, 3].map(|seed| {
            let path = folder.path().join("x.parquet");
            sample::write(&sample::Options { rows: 1_000, layout: Rows::Export, seed }, &path, &NoProgress)
                .unwrap();
            std::fs::read(path).unwrap()
        });
        let partitions = |country: &str| vec![("country".to_owned(), Some(country.to_owned()))];
        let input = |(bytes, partitions): (&Vec<u8>, Vec<_>)| Input {
            object: Arc::new(MemoryObject::new("x.parquet", bytes.clone())),
            partitions,
        };
        let [a, b, c] = &bytes;
        let inputs: Vec<storage::Input> =
            [(a, vec![]), (b, vec![]), (c, partitions("GB")), (a, partitions("FR"))].map(input).into();
        let dataset = Dataset::open(&Job::default(), &inputs).unwrap();
        let files = dataset.files();
        let question = Question::new(&Job::default()).unwrap();
        for file in files {
            let mut alone = OpenFile::read_footer(file.input, file.object).unwrap();
            alone.locate_all(&question);
            assert_eq!((alone.footer.rows, &alone.footer.leaves), (file.footer.rows, &file.footer.leaves));
            let bounds = |of: &OpenFile<'_>| -> Vec<Vec<bool>> {
                let of_group =
                    |group: RowGroupMeta| group.chunks.iter().map(|c| c.bounds.is_some()).collect();
                of.footer.row_groups.iter().map(of_group).collect()
            };
            // Of bounds, only those that order work are kept.
            assert!(
                bounds(file).iter().flatten().filter(|has| **has).count() <= file.footer.row_groups.len()
            );
            let mut less = alone.footer.row_groups.clone();
            less.keep_bounds_of(bounds(file).first().and_then(|chunks| chunks.iter().position(|has| *has)));
            assert_eq!(less, file.footer.row_groups);
            assert_eq!(alone.columns, file.columns);
            assert_eq!((alone.value_type, alone.date_coding), (file.value_type, file.date_coding));
        }
        let same = |a: usize, b: usize| {
            let (a, b) = (files.get(a).unwrap(), files.get(b).unwrap());
            let scans = a.scan.as_ref().zip(b.scan.as_ref()).unwrap();
            (Arc::ptr_eq(&a.footer.leaves, &b.footer.leaves), Arc::ptr_eq(scans.0, scans.1))
        };
        assert_eq!((same(0, 1), same(0, 2), same(2, 3)), ((true, true), (true, false), (true, false)));
    }

    #[test]
    fn files_of_a_partition_share_it_whatever_the_number_of_partitions() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.parquet");
        let options = sample::Options { rows: 100, layout: Rows::Export, seed: 1 };
        sample::write(&options, &path, &NoProgress).unwrap();
        let bytes = std::fs::read(path).unwrap();
        let question = Question::new(&Job::default()).unwrap();
        let inputs: Vec<Input> = (0..6 * LAYOUTS_MAX)
            .map(|at| Input {
                object: Arc::new(MemoryObject::new("x.parquet", bytes.clone())),
                partitions: vec![("country".to_owned(), Some((at / 3).to_string()))],
            })
            .collect();
        let layouts = Layouts::default();
        let open = |input| OpenFile::open_all(&question, input, &layouts).unwrap();
        let files: Vec<OpenFile<'_>> = inputs.iter().map(open).collect();
        for of_partition in files.chunks(3) {
            let [first, others @ ..] = of_partition else { panic!("three files a partition") };
            for other in others {
                assert!(Arc::ptr_eq(&first.columns, &other.columns));
                assert!(Arc::ptr_eq(first.scan.as_ref().unwrap(), other.scan.as_ref().unwrap()));
            }
        }
        assert!(layouts.known.lock().unwrap().len() <= LAYOUTS_MAX);
    }
}

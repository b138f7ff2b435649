//! Any split of the rows gives the outcomes of a run on one machine: evidence and answers through bytes, merged in any
//! tree.

use std::collections::BTreeMap;
use std::sync::Mutex;

use super::super::evidence::Evidence;
use super::super::exchange::{ClusterRows, Executors, Request, SplitRows};
use super::super::{RowRange, whole};
use super::faults::kinds;
use super::sample::{LAYOUTS, Layout, Random, clean, config, file};
use super::some_nulls;
use crate::checks::results::{check_dataset, check_files};
use crate::checks::{Config, Results, Shape};
use crate::dataset::Dataset;
use crate::scan::NoProgress;
use crate::storage::Input;
use crate::{Job, Result};

/// Splits of the rows of files: each has its files, with their numbers, and ranges of rows.
struct Split {
    numbers: Vec<usize>,
    ranges: Vec<RowRange>,
}

/// Cuts the rows of all row groups at random, and deals the ranges to splits.
fn split(files: &Dataset<'_>, random: &mut Random) -> Vec<Split> {
    let mut splits: Vec<Vec<RowRange>> = (0..1 + random.below(5)).map(|_| vec![]).collect();
    for range in whole(files.files()) {
        let mut start = range.rows.start;
        while start < range.rows.end {
            let left = (range.rows.end - start) as usize;
            let end =
                if random.below(3) == 0 { range.rows.end } else { start + 1 + random.below(left) as u64 };
            let to = random.below(splits.len());
            splits[to].push(RowRange { rows: start..end, ..range.clone() });
            start = end;
        }
    }
    let number = |ranges: Vec<RowRange>| {
        let mut numbers: Vec<usize> = ranges.iter().map(|range| range.file).collect();
        numbers.dedup();
        let at = |file: usize| numbers.iter().position(|number| *number == file).unwrap();
        let ranges = ranges.into_iter().map(|range| RowRange { file: at(range.file), ..range }).collect();
        Split { numbers, ranges }
    };
    splits.into_iter().filter(|ranges| !ranges.is_empty()).map(number).collect()
}

/// Executors in this process: every answer goes through bytes, and ranges get theirs in another order.
struct Here<'h> {
    job: &'h Job,
    config: &'h Config,
    inputs: &'h [Input],
    splits: &'h [Split],
    random: Mutex<Random>,
}

impl Here<'_> {
    /// Opens the files of a split, as another process does.
    fn with_split<T>(&self, split: &Split, work: impl FnOnce(&SplitRows<'_>) -> T) -> T {
        let of = |number: &usize| Input {
            object: self.inputs[*number].object.clone(),
            partitions: self.inputs[*number].partitions.clone(),
        };
        let inputs: Vec<Input> = split.numbers.iter().map(of).collect();
        let dataset = Dataset::open(self.job, &inputs).unwrap();
        work(&SplitRows {
            job: self.job,
            config: self.config,
            files: dataset.files(),
            numbers: &split.numbers,
            ranges: &split.ranges,
            progress: &NoProgress,
        })
    }

    fn shuffle<T>(&self, list: &mut [T]) {
        let mut random = self.random.lock().unwrap();
        for last in (1..list.len()).rev() {
            list.swap(last, random.below(last + 1));
        }
    }

    /// The evidence of all splits, merged in some tree.
    fn evidence(&self, shape: Shape) -> Result<Evidence> {
        let of = |split: &Split| {
            self.with_split(split, |rows| {
                let mut evidence =
                    Evidence::gather(rows.job, rows.config, shape, rows.files, rows.ranges, &NoProgress)?;
                evidence.renumber(rows.numbers);
                evidence.to_bytes()
            })
        };
        let mut parts: Vec<Vec<u8>> = self.splits.iter().map(of).collect::<Result<_>>()?;
        while parts.len() > 1 {
            self.shuffle(&mut parts);
            let (one, other) = (parts.pop().unwrap(), parts.pop().unwrap());
            let merged = Evidence::from_bytes(&one)?.merge(Evidence::from_bytes(&other)?)?;
            parts.push(merged.to_bytes()?);
        }
        Evidence::from_bytes(&parts[0])
    }
}

impl Executors for Here<'_> {
    fn ask(&self, request: &Request) -> Result<Vec<Vec<u8>>> {
        let bytes = request.to_bytes()?;
        let mut by_range: BTreeMap<u32, Vec<Vec<u8>>> = BTreeMap::new();
        for split in self.splits {
            let request = Request::from_bytes(&bytes)?;
            self.with_split(split, |rows| {
                for pass in 0..request.passes(rows.rows())? {
                    for (range, record) in request.answer(rows, pass)? {
                        by_range.entry(range).or_default().push(record);
                    }
                }
                Ok::<_, crate::Error>(())
            })?;
        }
        let mut reduced = Vec::new();
        for (range, mut records) in by_range {
            self.shuffle(&mut records);
            reduced.push(Request::from_bytes(&bytes)?.reduce(range, &records)?);
        }
        self.shuffle(&mut reduced);
        Ok(reduced)
    }
}

fn json(results: &Results) -> Vec<String> {
    results.outcomes.iter().map(|outcome| serde_json::to_string(outcome).unwrap()).collect()
}

/// The outcomes of one machine must be those of some splits of the rows.
pub(crate) fn assert_same(job: &Job, config: &Config, inputs: &[Input], random: &mut Random, what: &str) {
    let dataset = Dataset::open(job, inputs).unwrap();
    let shape = Shape::of(job, &dataset).unwrap();
    let (expected, raw) = check_dataset(job, shape, config, &dataset, &NoProgress).unwrap();
    let adapted = config.for_profile(&job.profile);
    let rows = dataset.files().iter().map(|file| file.footer.rows).sum();
    for round in 0..2 {
        let splits = split(&dataset, random);
        let random = Mutex::new(Random(random.below(1 << 30) as u64));
        let here = Here { job, config: &adapted, inputs, splits: &splits, random };
        let evidence = here.evidence(shape).unwrap();
        let cluster = ClusterRows::new(job, evidence, rows, &here).unwrap();
        let (results, of_splits) =
            check_files(job, shape, config, dataset.files(), Some(&cluster), &NoProgress).unwrap();
        assert_eq!(json(&results), json(&expected), "{what}, {} splits, {round}", splits.len());
        assert_eq!(raw.counts, of_splits.counts, "{what}");
        assert_eq!(format!("{:?}", raw.cube), format!("{:?}", of_splits.cube), "{what}");
    }
}

#[test]
fn any_split_of_a_cube_gives_the_outcomes_of_one_machine() {
    let kinds = kinds();
    for seed in 0..60u64 {
        let mut random = Random(seed + 1000);
        let mut rows = clean(&mut random);
        let config = config(&rows);
        let kind = &kinds[seed as usize % kinds.len()];
        (kind.plant)(&mut rows, &mut random);
        if seed % 5 == 4 {
            some_nulls(&mut rows, &mut random);
        }
        let layout = LAYOUTS[random.below(LAYOUTS.len())];
        let layout = if seed % 2 == 0 { Layout { group: 64, ..layout } } else { layout };
        let (one, other) = rows.split_at(random.below(rows.len()));
        let inputs = [file("x.parquet", one, layout), file("y.parquet", other, layout)];
        assert_same(&Job::default(), &config, &inputs, &mut random, kind.name);
    }
}

//! Partial aggregates: the sums of some rows, which can be merged.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::exact::Wide;
use super::{Account, CELLS_MAX, CHANNELS, overflow};
use crate::error::Report;
use crate::ids::values::ValueType;
use crate::kernel::large_pages;
use crate::{Error, Result};

/// A point of the time axis.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub enum TimePoint {
    /// A week or a day (see [`crate::calendar`]).
    Step(i32),
    /// A week label as text; legacy semantics do not merge labels of the same week.
    Label(Arc<str>),
}

/// The part of a sum that is not a 128-bit integer.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Extra {
    /// Sum of the finite values that are not 128-bit integers.
    pub wide: Option<Box<Wide>>,
    /// Whether a value is NaN.
    pub nan: bool,
    /// Whether a value is positive infinity.
    pub positive_infinity: bool,
    /// Whether a value is negative infinity.
    pub negative_infinity: bool,
}

impl Extra {
    fn merge(&mut self, other: &Extra) {
        if let Some(wide) = &other.wide {
            self.wide.get_or_insert_default().merge(wide);
        }
        self.nan |= other.nan;
        self.positive_infinity |= other.positive_infinity;
        self.negative_infinity |= other.negative_infinity;
    }
}

/// A partial aggregate: the sums of one scan. Merging is associative and
/// commutative; the bytes of the finished table do not depend on the order.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Partial {
    /// The rows by outcome.
    pub account: Account,
    /// The type of the values; `None` before a file is read.
    pub value_type: Option<ValueType>,
    /// Countries, in code point order.
    pub groups: Vec<Arc<str>>,
    /// Whether the country has a kept row (legacy semantics also list countries without one).
    pub kept: Vec<bool>,
    /// Points in time with a kept row, in order.
    pub times: Vec<TimePoint>,
    /// Integer sums, `(group * times.len() + time) * 2 + organic`.
    pub cells: Vec<i128>,
    /// The other parts of sums, by the index of their cell.
    pub extras: BTreeMap<usize, Extra>,
    /// Points with a kept row, `group * times.len() + time`; legacy semantics only.
    pub present: Vec<bool>,
    /// First and last moment of the dates of all rows, in microseconds since
    /// 1970-01-01T00:00; legacy semantics only.
    pub dates: Option<(i64, i64)>,
    /// The sums of other rows of the same input, by number: where no row was met that is a total row of all dimensions
    /// with totals outside the key, the rows that are total rows of some of them (the bits of the number) or of none.
    #[serde(default)] // never skipped: a state is not self-describing
    pub others: Vec<(u32, Partial)>,
    /// Among the other rows of an input: the first row that cannot be summed. It is an error only where they answer.
    #[serde(default)]
    pub failed: Option<Box<Report>>,
}

#[allow(clippy::indexing_slicing)] // indices follow from the lengths of groups and times
impl Partial {
    /// Adds the sums of other rows.
    ///
    /// # Errors
    /// `Data` when the value types differ; `TooLarge` when a sum does not fit 128
    /// bits or the grid has more than [`CELLS_MAX`] points.
    pub fn merge(self, other: Partial) -> Result<Partial> {
        Partial::merge_all(vec![self, other])
    }

    /// Whether a row counts that is a total row of all dimensions with totals outside the key.
    pub fn is_met(&self) -> bool {
        self.failed.is_some() || self.account.kept() + self.account.null_member + self.account.total_row > 0
    }

    /// Of the dimensions with totals outside the key, by number: which have total rows. `None` where all have, as far as
    /// is known.
    pub fn met_totals(&self) -> Option<u32> {
        if self.others.is_empty() || self.is_met() {
            return None;
        }
        let met = self.others.iter().filter(|(_, partial)| partial.is_met());
        Some(met.fold(0, |number, (totals, _)| number | totals))
    }

    /// What one user is in the sums: 1, or a power of ten for decimals.
    pub fn unit(&self) -> f64 {
        match self.value_type {
            Some(ValueType::Decimal { scale, .. }) => 10f64.powi(scale.into()),
            _ => 1.0,
        }
    }

    /// The sums that answer: of the dimensions with totals outside the key, those of total rows where there are any.
    pub fn chosen(&self) -> &Partial {
        let Some(number) = self.met_totals() else { return self };
        self.others.iter().find(|(totals, _)| *totals == number).map_or(self, |(_, partial)| partial)
    }

    /// As [`Self::chosen`], by value.
    pub fn into_chosen(mut self) -> Partial {
        let number = self.met_totals();
        match self.others.iter().position(|(totals, _)| Some(*totals) == number) {
            Some(at) => self.others.swap_remove(at).1,
            None => Partial { others: Vec::new(), ..self },
        }
    }

    /// Merges many parts in time proportional to the sum of their sizes.
    ///
    /// # Errors
    /// As [`Partial::merge`].
    pub fn merge_all(mut parts: Vec<Partial>) -> Result<Partial> {
        if parts.iter().all(|part| part.others.is_empty()) {
            return Self::merge_rows(parts);
        }
        let mut others: BTreeMap<u32, Vec<Partial>> = BTreeMap::new();
        for part in &mut parts {
            for (number, partial) in std::mem::take(&mut part.others) {
                others.entry(number).or_default().push(partial);
            }
        }
        let mut whole = Self::merge_rows(parts)?;
        // Once there are total rows, the others are not chosen any more.
        if !whole.is_met() {
            for (number, partials) in others {
                whole.others.push((number, Self::merge_rows(partials)?));
            }
        }
        Ok(whole)
    }

    /// As [`Self::merge_all`], for sums of rows of one kind.
    fn merge_rows(parts: Vec<Partial>) -> Result<Partial> {
        // Where a row failed, the sums of the others are of no use.
        if let Some(failed) = parts.iter().filter_map(|part| part.failed.clone()).min_by_key(place) {
            return Ok(Partial { failed: Some(failed), ..Partial::default() });
        }
        let mut whole = Partial::default();
        for part in &parts {
            whole.value_type = match (whole.value_type, part.value_type) {
                (Some(a), Some(b)) if a != b => {
                    return Err(Error::data(format!("values of type {b}"))
                        .expected(format!("{a}, as in the other part")));
                }
                (a, b) => a.or(b),
            };
            whole.account.merge(&part.account);
            whole.dates = match (whole.dates, part.dates) {
                (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
                (a, b) => a.or(b),
            };
        }
        let with_sums = |part: &Partial| !part.groups.is_empty() || !part.times.is_empty();
        let mut summed: Vec<Partial> = parts.into_iter().filter(with_sums).collect();
        if summed.len() < 2 {
            let Partial { value_type, account, dates, .. } = whole;
            return Ok(Partial { value_type, account, dates, ..summed.pop().unwrap_or_default() });
        }
        whole.groups = union(summed.iter().map(|part| part.groups.as_slice()));
        whole.times = union(summed.iter().map(|part| part.times.as_slice()));
        let points = whole.groups.len().saturating_mul(whole.times.len());
        if points > CELLS_MAX {
            return Err(Error::too_large(format!(
                "{} countries over {} points in time",
                whole.groups.len(),
                whole.times.len()
            ))
            .expected(format!("at most {CELLS_MAX} pairs of the two"))
            .advice("Check the country and week columns, or read fewer files at once"));
        }
        // One part nearly always has all groups and times, and often every part has.
        let complete = |part: &Partial| part.groups == whole.groups && part.times == whole.times;
        if let Some(at) = summed.iter().position(complete) {
            let first = summed.swap_remove(at);
            let Partial { kept, cells, present, extras, .. } = first;
            whole = Partial { kept, cells, present, extras, ..whole };
        } else {
            whole.kept = vec![false; whole.groups.len()];
            whole.cells = large_pages::prefer(vec![0; points * CHANNELS]);
            whole.present = vec![false; points];
        }
        for part in &summed {
            whole.fold(part)?;
        }
        Ok(whole)
    }

    /// Checks the lengths and orders that the methods here rely on, for a value that
    /// was deserialised.
    ///
    /// # Errors
    /// `Format` where they do not hold.
    pub fn check(&self) -> Result<()> {
        let points = self.groups.len().saturating_mul(self.times.len());
        let sound = points <= CELLS_MAX
            && self.groups.is_sorted_by(|a, b| a < b)
            && self.times.is_sorted_by(|a, b| a < b)
            && self.kept.len() == self.groups.len()
            && self.present.len() == points
            && self.cells.len() == points * CHANNELS
            && self.extras.keys().all(|at| *at < self.cells.len())
            && self.times.iter().all(|time| match time {
                // Ten thousand years and more either way, and no step can overflow.
                TimePoint::Step(step) => step.unsigned_abs() < 1 << 23,
                TimePoint::Label(_) => true,
            });
        if !sound {
            return Err(Error::format("a partial aggregate whose fields contradict one another"));
        }
        self.others.iter().try_for_each(|(_, partial)| partial.check())?;
        self.account.check()
    }

    /// Adds the cells of a part whose groups and times all exist here.
    fn fold(&mut self, part: &Partial) -> Result<()> {
        let group_to = positions(&part.groups, &self.groups);
        let time_to = positions(&part.times, &self.times);
        let add = |to: &mut i128, from: &i128| {
            *to = to.checked_add(*from)?;
            Some(())
        };
        for (group, to_group) in group_to.iter().enumerate() {
            self.kept[*to_group] |= part.kept[group];
            let from = group * time_to.len()..(group + 1) * time_to.len();
            let to = to_group * self.times.len()..(to_group + 1) * self.times.len();
            let present = &mut self.present[to.clone()];
            for (time, from) in time_to.iter().zip(&part.present[from.clone()]) {
                present[*time] |= from;
            }
            let (cells, _) = self.cells[to.start * CHANNELS..to.end * CHANNELS].as_chunks_mut::<CHANNELS>();
            let (own, _) = part.cells[from.start * CHANNELS..from.end * CHANNELS].as_chunks::<CHANNELS>();
            for (time, [paid, organic]) in time_to.iter().zip(own) {
                let [to_paid, to_organic] = &mut cells[*time];
                add(to_paid, paid).and_then(|()| add(to_organic, organic)).ok_or_else(overflow)?;
            }
        }
        let row = time_to.len() * CHANNELS;
        for (at, extra) in &part.extras {
            let to = (group_to[at / row] * self.times.len() + time_to[at % row / CHANNELS]) * CHANNELS
                + at % CHANNELS;
            self.extras.entry(to).or_default().merge(extra);
        }
        Ok(())
    }
}

/// Where a failure is, by file and row.
#[allow(clippy::borrowed_box)] // as they are kept
fn place(report: &Box<Report>) -> (Option<Arc<str>>, Option<u64>) {
    (report.location.file.clone(), report.location.row)
}

/// The sorted union of sorted lists.
fn union<'a, T: Ord + Clone + 'a>(lists: impl Iterator<Item = &'a [T]>) -> Vec<T> {
    let all: BTreeSet<&T> = lists.flatten().collect();
    all.into_iter().cloned().collect()
}

/// The index in `whole` of each item of `part`. Both are sorted, and `whole` has all items.
fn positions<T: Ord>(part: &[T], whole: &[T]) -> Vec<usize> {
    part.iter().map(|item| whole.partition_point(|other| other < item)).collect()
}

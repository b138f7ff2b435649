//! The keys of a table: which groups of a partial aggregate each of its series sums.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::column::{Column, ColumnData};
use super::share::cell;
use crate::grid::{CHANNELS, Partial};
use crate::kernel::large_pages;
use crate::phrase::{Phrase, Setting};
use crate::profile::question::{NULL, SEPARATOR, TOTAL};
use crate::window::Sum;
use crate::{Error, Job, Result};

/// A key of the table.
pub struct Key {
    /// Its members, and the channel in a table of shares of channels.
    pub members: Vec<Arc<str>>,
    /// The groups whose sum it is.
    pub groups: Vec<usize>,
    /// In a table of shares of channels, the groups of all channels; one list for all channels of a key.
    pub all: Arc<[usize]>,
}

/// The keys of a table, ordered by the code points of their members.
///
/// # Errors
/// `Data` where a member has the name of its dimension's total.
pub fn of(job: &Job, partial: &Partial) -> Result<Vec<Key>> {
    let kept = (0..partial.groups.len()).filter(|group| partial.kept.get(*group) == Some(&true));
    let named = kept.filter_map(|group| Some((group, partial.groups.get(group)?)));
    if job.by.len() == 1 && job.with_total.is_empty() && !job.share_of_channel {
        let key = |(group, name): (usize, &Arc<str>)| Key {
            members: vec![name.clone()],
            groups: vec![group],
            all: Arc::default(),
        };
        return Ok(named.map(key).collect());
    }
    let parts = |(group, name): (usize, &'_ Arc<str>)| -> (usize, Vec<Arc<str>>) {
        let columns = job.by.len() + usize::from(job.share_of_channel);
        let parts = if columns == 0 { Vec::new() } else { name.split(SEPARATOR).map(Arc::from).collect() };
        (group, parts)
    };
    let groups: Vec<(usize, Vec<Arc<str>>)> = named.map(parts).collect();
    // Where a dimension has total rows, they are its total, and the others are not summed.
    let has_total =
        |at: usize| groups.iter().any(|(_, parts)| parts.get(at).is_some_and(|part| **part == *TOTAL));
    let totals: Vec<(usize, bool)> = (job.by.iter().enumerate())
        .filter(|(_, name)| job.with_total.contains(name))
        .map(|(at, _)| (at, has_total(at)))
        .collect();
    for (at, _) in &totals {
        let total = total_name(job, *at);
        if groups.iter().any(|(_, parts)| parts.get(*at).is_some_and(|part| **part == *total)) {
            let name = job.by.get(*at).map_or("", String::as_str);
            return Err(Error::data(format!(
                "{name} has a member '{total}', which is the name of its total"
            ))
            .expected("a total with a name of its own")
            .advice(
                Phrase::from("Give the total another name: ")
                    .entry(Setting::Total(name.to_owned(), "NAME".into()))
                    .text(", or leave out ")
                    .option(Setting::WithTotal),
            ));
        }
    }
    let mut keys: BTreeMap<Vec<Arc<str>>, Vec<usize>> = BTreeMap::new();
    // Each choice of dimensions whose total is shown.
    for choice in 0..1u32 << totals.len() {
        let summed = |at: usize| {
            let number = totals.iter().position(|(total, _)| *total == at)?;
            (choice >> number & 1 == 1).then(|| totals.get(number).is_some_and(|(_, has_total)| *has_total))
        };
        for (group, parts) in &groups {
            let counts = parts.iter().enumerate().all(|(at, part)| match summed(at) {
                None => **part != *TOTAL && **part != *NULL,
                Some(has_total) => (**part == *TOTAL) == has_total,
            });
            if !counts {
                continue;
            }
            let member = |(at, part): (usize, &Arc<str>)| match summed(at) {
                Some(_) => total_name(job, at).into(),
                None => part.clone(),
            };
            keys.entry(parts.iter().enumerate().map(member).collect()).or_default().push(*group);
        }
    }
    if job.share_of_channel {
        return Ok(with_channels(keys));
    }
    Ok(keys.into_iter().map(|(members, groups)| Key { members, groups, all: Arc::default() }).collect())
}

/// Whether a member of a column of the key is the total that the job adds.
pub fn is_total(job: &Job, column: &str, member: &str) -> bool {
    let at = job.by.iter().position(|name| name == column);
    at.is_some_and(|at| job.with_total.iter().any(|name| name == column) && total_name(job, at) == member)
}

/// The member of a total of the dimension at `at` of the key.
fn total_name(job: &Job, at: usize) -> &str {
    let dimension = job.by.get(at).and_then(|name| job.profile.dimensions.get(name));
    dimension.map_or("total", |dimension| dimension.total_name())
}

/// The keys of a table with the users of all classes and periods.
///
/// # Errors
/// As of [`of`]; `TooLarge` for a sum that does not fit 128 bits.
pub fn users(job: &Job, partial: &Partial) -> Result<Vec<(Vec<String>, f64)>> {
    let partial = partial.chosen();
    let sum = |groups: &[usize]| {
        let mut sum = Sum::default();
        for group in groups {
            for time in 0..partial.times.len() {
                for class in 0..CHANNELS {
                    sum = sum.plus(&cell(partial, *group, time, class))?;
                }
            }
        }
        Ok(sum.to_f64())
    };
    let members = |key: &Key| key.members.iter().map(ToString::to_string).collect();
    of(job, partial)?.iter().map(|key| Ok((members(key), sum(&key.groups)?))).collect()
}

/// Every channel for every key.
fn with_channels(keys: BTreeMap<Vec<Arc<str>>, Vec<usize>>) -> Vec<Key> {
    /// The groups of each channel.
    type OfChannel = BTreeMap<Arc<str>, Vec<usize>>;
    let mut by_key: BTreeMap<Vec<Arc<str>>, OfChannel> = BTreeMap::new();
    let mut channels = BTreeSet::new();
    for (mut members, groups) in keys {
        let Some(channel) = members.pop() else { continue };
        channels.insert(channel.clone());
        by_key.entry(members).or_default().insert(channel, groups);
    }
    let mut all = Vec::with_capacity(by_key.len() * channels.len());
    for (members, of_channel) in &by_key {
        let groups_of_all: Arc<[usize]> = of_channel.values().flatten().copied().collect();
        for channel in &channels {
            let groups = of_channel.get(channel).cloned().unwrap_or_default();
            let members = members.iter().chain([channel]).cloned().collect();
            all.push(Key { members, groups, all: groups_of_all.clone() });
        }
    }
    all
}

/// The columns of the members, `steps` rows for each key.
pub fn columns(job: &Job, keys: &[Key], steps: usize) -> Vec<Column> {
    let names = job.by.iter().map(String::as_str).chain(job.share_of_channel.then_some("channel"));
    let column = |(at, name): (usize, &str)| {
        let mut dictionary: Vec<Arc<str>> = Vec::new();
        let mut ids: BTreeMap<Arc<str>, u32> = BTreeMap::new();
        let mut indices = large_pages::prefer(Vec::with_capacity(keys.len() * steps));
        for key in keys {
            let Some(member) = key.members.get(at) else { continue };
            #[allow(clippy::cast_possible_truncation)] // keys are bounded by CELLS_MAX
            let id = *ids.entry(member.clone()).or_insert_with(|| {
                dictionary.push(member.clone());
                dictionary.len() as u32 - 1
            });
            indices.extend(std::iter::repeat_n(id, steps));
        }
        Column { name: name.into(), data: ColumnData::Utf8 { indices, dictionary } }
    };
    names.enumerate().map(column).collect()
}

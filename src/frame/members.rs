//! The values of the columns of a frame, counted: for errors that list them.

use std::collections::BTreeMap;

use super::keys::bytes_of;
use super::{Plan, Source};
use crate::Result;
use crate::scan::members::Members;

/// The values of the columns of conditions, of the key and of channels, by the name of the column.
///
/// # Errors
/// Those of the source.
pub fn of_frame(plan: &Plan, source: &mut impl Source) -> Result<BTreeMap<String, Members>> {
    let question = &plan.question;
    let conditions =
        question.conditions.iter().map(|of| &*of.column).zip(plan.slots.conditions.iter().copied());
    let keys = question.keys.iter().map(|of| &*of.column).zip(plan.slots.keys.iter().copied().map(Some));
    let channel = question.job.profile.channel.column.as_deref().map(|name| (name, plan.slots.class));
    let columns: BTreeMap<&str, _> = conditions.chain(keys).chain(channel).collect();
    let mut members: BTreeMap<String, Members> = BTreeMap::new();
    while let Some(batch) = source.next(plan)? {
        for (name, slot) in &columns {
            let Some((slot, array)) = slot.and_then(|slot| Some((slot, batch.columns.get(slot.at)?))) else {
                continue;
            };
            let of_column = members.entry((*name).to_owned()).or_default();
            for row in 0..batch.rows {
                of_column.add(bytes_of(array, slot.form, row)?.as_deref(), 1);
            }
        }
    }
    Ok(members)
}

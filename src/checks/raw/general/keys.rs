//! The numbers of keys, as a thread knows them.

use std::collections::hash_map::Entry;

use super::counts::{Counts, NumberMap};
use crate::Result;

/// Numbers of keys that were met.
#[derive(Default)]
pub(super) struct Keys {
    /// Of keys of one member, by its number.
    of_one: Vec<Option<u32>>,
    /// Of keys of two members.
    of_two: NumberMap<u64, u32>,
    /// The members of the last key, and its number: in most files, rows of one follow one another.
    last: Option<(Box<[u32]>, u32)>,
}

impl Keys {
    /// The number of a key.
    ///
    /// # Errors
    /// `TooLarge` for too many keys.
    #[inline]
    pub(super) fn number(&mut self, members: &[u32], counts: &mut Counts) -> Result<u32> {
        if let [member] = members
            && let Some(Some(number)) = self.of_one.get(*member as usize)
        {
            return Ok(*number);
        }
        if let Some((last, number)) = &self.last
            && **last == *members
        {
            return Ok(*number);
        }
        self.other(members, counts)
    }

    fn other(&mut self, members: &[u32], counts: &mut Counts) -> Result<u32> {
        let number = match members {
            [one, other] => match self.of_two.entry(u64::from(*one) << 32 | u64::from(*other)) {
                Entry::Occupied(entry) => *entry.get(),
                Entry::Vacant(entry) => *entry.insert(counts.key(members)?),
            },
            _ => counts.key(members)?,
        };
        if let [member] = members {
            let at = *member as usize;
            self.of_one.resize(self.of_one.len().max(at + 1), None);
            self.of_one.iter_mut().skip(at).take(1).for_each(|of_one| *of_one = Some(number));
        }
        match &mut self.last {
            Some((last, of_last)) if last.len() == members.len() => {
                last.copy_from_slice(members);
                *of_last = number;
            }
            last => *last = Some((members.into(), number)),
        }
        Ok(number)
    }
}

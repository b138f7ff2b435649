//! Resolves the key columns of a block: which rows count, and their group, point in time and channel.
//!
//! - [`systems`], [`countries`], [`times`], [`channels`]: one column each.
//! - [`values`], [`points`]: any column, and any column of time, for jobs on other exports than a cube.
//! - [`cache`]: resolved strings and numbers of columns without a dictionary.
//! - [`mask`]: row masks.
//!
//! Ids of a dictionary are looked up in a table. An entry of the table is filled
//! when the first row that counts has it, because a dictionary may have many more
//! entries than the column uses. Plain strings of up to eight bytes, such as
//! labels and country codes, are compared as one 64-bit number in a small cache.

mod cache;
mod channels;
mod countries;
mod mask;
mod points;
mod systems;
mod times;
mod values;

use std::sync::Arc;

pub use channels::Channels;
pub use countries::Countries;
pub use mask::{BLOCK, Mask, all, and_valid, count, each_bit};
pub use points::Points;
pub use systems::Systems;
pub use times::Times;
pub use values::{BAD, ValueForm, Values, bytes_of};

use super::array::{Array, Code, Codes, Data, with_codes};
use super::slice::corrupt;
use crate::Result;
use crate::kernel::compare;

/// Not looked up yet.
const NOT_RESOLVED: u32 = u32::MAX;
/// The total over countries.
const TOTAL: u32 = u32::MAX - 1;
/// The country is null.
const NO_GROUP: u32 = u32::MAX - 2;

/// The dictionary that a look-up table was made for.
#[derive(Default)]
struct DictionaryMemo(Option<Arc<Array>>);

impl DictionaryMemo {
    /// Records `dictionary` as the current one; returns whether its values differ from those of the one before.
    fn record(&mut self, dictionary: &Arc<Array>) -> bool {
        if self.0.as_ref().is_some_and(|current| Arc::ptr_eq(current, dictionary)) {
            return false;
        }
        // The next call compares addresses: entries are compared once a batch.
        let before = self.0.replace(dictionary.clone());
        !before.is_some_and(|before| before.has_same_values(dictionary))
    }
}

/// The bytes of a dictionary's entries, `None` for null.
fn entries(dictionary: &Array) -> impl Iterator<Item = Option<&[u8]>> {
    (0..dictionary.len).map(|at| match &dictionary.data {
        Data::Text(text) if dictionary.is_valid(at) => text.get(at).ok(),
        _ => None,
    })
}

/// Keeps the rows of `mask` that have the id of dictionary index `place` if `equal`, else those that do not.
fn narrow(codes: &Codes, start: usize, place: usize, equal: bool, mask: &mut Mask) {
    with_codes!(codes, c => match Code::of(place) {
        Some(wanted) => compare::narrow(c.rows_from(start), wanted, equal, mask),
        // The id type cannot hold the index, so no row has it.
        None if equal => *mask = [0; BLOCK / 64],
        None => {}
    });
}

/// Stores the entries of `table` for the ids of the rows `live` in `out`.
///
/// # Errors
/// `Format` where an id lies outside of `table`.
#[allow(clippy::indexing_slicing)] // rows of a block are below BLOCK
fn fill(array: &Array, start: usize, live: &[u16], table: &[u32], out: &mut [u32; BLOCK]) -> Result<()> {
    let Data::Coded(codes, _) = &array.data else { return Ok(()) };
    let complete = with_codes!(codes, c => {
        let codes = c.rows_from(start);
        live.iter().fold(true, |complete, row| {
            let row = usize::from(*row);
            let entry = codes.get(row).and_then(|c| table.get(c.place()));
            if let Some(entry) = entry {
                out[row] = *entry;
            }
            complete & entry.is_some()
        })
    });
    if complete { Ok(()) } else { Err(corrupt()) }
}

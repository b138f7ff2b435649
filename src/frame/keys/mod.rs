//! What the rows of the key columns mean.
//!
//! - [`systems`], [`countries`], [`times`], [`channels`]: a column each.
//! - [`cache`]: what short strings mean, without a dictionary.
//! - [`mask`]: rows of a block as bits.
//!
//! Ids of a dictionary are looked up in a table that is filled when a row that
//! counts first meets an entry: a dictionary may hold far more than the column
//! does. Plain strings of up to eight bytes, which labels and country codes
//! are, are told apart as one 64-bit number in a small cache.

mod cache;
mod channels;
mod countries;
mod mask;
mod systems;
mod times;

use std::sync::Arc;

pub use channels::Channels;
pub use countries::Countries;
pub use mask::{BLOCK, Mask, and_valid, count, each_bit};
pub use systems::Systems;
pub use times::Times;

use super::array::{Array, Code, Codes, Data, corrupt, with_codes};
use crate::Result;
use crate::kernel::compare;

/// Not asked yet.
const NOT_RESOLVED: u32 = u32::MAX;
/// The total over countries.
const TOTAL: u32 = u32::MAX - 1;
/// No point in time, or no country.
const NO_GROUP: u32 = u32::MAX - 2;

/// The dictionary that a table was made for.
#[derive(Default)]
struct DictionaryMemo(Option<Arc<Array>>);

impl DictionaryMemo {
    /// Whether `dictionary` says something else than the one before.
    fn is_other(&mut self, dictionary: &Arc<Array>) -> bool {
        if self.0.as_ref().is_some_and(|known| Arc::ptr_eq(known, dictionary)) {
            return false;
        }
        // From now on it is known by its address: entries are compared once a batch.
        let before = self.0.replace(dictionary.clone());
        !before.is_some_and(|before| before.says_the_same(dictionary))
    }
}

/// Calls `each` with the bytes of a dictionary's entries, `None` for null.
fn entries(dictionary: &Array) -> impl Iterator<Item = Option<&[u8]>> {
    (0..dictionary.len).map(|at| match &dictionary.data {
        Data::Text(text) if dictionary.is_valid(at) => text.get(at).ok(),
        _ => None,
    })
}

/// Takes the rows of `mask` out that do not have the code of `place` (`equal`), or that do.
fn narrow(codes: &Codes, start: usize, place: usize, equal: bool, mask: &mut Mask) {
    with_codes!(codes, c => match Code::of(place) {
        Some(wanted) => compare::narrow(c.get(start..).unwrap_or_default(), wanted, equal, mask),
        // No code of this type reaches so far.
        None if equal => *mask = [0; BLOCK / 64],
        None => {}
    });
}

/// Fills in what `table` says of the ids of the rows given.
fn fill(array: &Array, start: usize, live: &[u16], table: &[u32], out: &mut [u32; BLOCK]) -> Result<()> {
    let Data::Coded(codes, _) = &array.data else { return Ok(()) };
    let known = with_codes!(codes, c => {
        let codes = c.get(start..).unwrap_or_default();
        live.iter().fold(true, |known, row| {
            let row = usize::from(*row);
            let meaning = codes.get(row).and_then(|c| table.get(c.place()));
            if let (Some(value_id), Some(meaning)) = (out.get_mut(row), meaning) {
                *value_id = *meaning;
            }
            known & meaning.is_some()
        })
    });
    if known { Ok(()) } else { Err(corrupt()) }
}

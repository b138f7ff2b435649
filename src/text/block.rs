//! Records without quotes that all have the fields of the header, many at once.
//!
//! ```text
//! bounds  0 | after field 0 | after field 1 | ... | after the last field = the next record | ...
//! field f of record r lies between bounds r x fields + f and the one before the separator of the next
//! ```
//!
//! The separators of a block are found by [`separators::find`]; what they are is not looked at one by one: as many line
//! ends as records, each after the last field of a record, leave delimiters for all others. A record that is not like
//! that (quotes, another number of fields, a blank line, the end of the text) ends the block, and is read by
//! [`super::records::Records::read`].

use crate::kernel::separators::{self, WORD};

/// Bounds of a block. With its text and ids it fits the first cache.
const BOUNDS: usize = 2048;
/// A text of fields this long gains nothing from blocks.
const TEXT_MAX: usize = 1 << 20;

/// Room for the bounds of a block, reused from block to block.
pub struct Room(Vec<u32>);

impl Default for Room {
    fn default() -> Self {
        // The first bound is 0; the last word needs room for all of its bytes.
        Room(vec![0; 1 + BOUNDS + WORD])
    }
}

/// Some records.
#[derive(Clone, Copy)]
pub struct Block<'b> {
    /// The text from the first of them on, and beyond the last.
    text: &'b [u8],
    /// See the module; none beyond the last record.
    bounds: &'b [u32],
    fields: usize,
}

impl<'b> Block<'b> {
    /// The records of `fields` fields at the start of `text`, as far as they are regular and end before `end`.
    pub fn find(text: &'b [u8], end: usize, delimiter: u8, fields: usize, room: &'b mut Room) -> Self {
        let searched = text.get(..end.min(TEXT_MAX)).unwrap_or(text);
        let mut records = 0;
        // A record of one field may be blank.
        if fields > 1
            && let Some(next) = room.0.get_mut(1..)
        {
            let found = separators::find(searched, delimiter, next);
            let next = next.get(..found.separators).unwrap_or_default();
            records = regular(text, next, found.line_ends, fields);
        }
        Block { text, bounds: room.0.get(..=records * fields).unwrap_or_default(), fields }
    }

    /// The number of records.
    pub fn records(&self) -> usize {
        self.bounds.len().saturating_sub(1) / self.fields.max(1)
    }

    /// Bytes of all records.
    pub fn size(&self) -> usize {
        self.bounds.last().map_or(0, |end| *end as usize)
    }

    /// The text from the first record on; it goes on after the last one.
    pub fn text(&self) -> &'b [u8] {
        self.text
    }

    /// Where a field of each record begins and ends in the text.
    pub fn column(&self, field: usize) -> impl Iterator<Item = (usize, usize)> + use<'b> {
        let (text, is_last) = (self.text, field + 1 == self.fields);
        let [starts, nexts] = [field, field + 1].map(|from| self.bounds.get(from..).unwrap_or_default());
        let pairs = starts.iter().step_by(self.fields.max(1)).zip(nexts.iter().step_by(self.fields.max(1)));
        pairs.map(move |(start, next)| {
            let (start, end) = (*start as usize, (*next as usize).saturating_sub(1));
            // Line ends may have two characters.
            let has_return = is_last && end > start && text.get(end - 1) == Some(&b'\r');
            (start, end - usize::from(has_return))
        })
    }
}

/// The number of records of `fields` fields at the start of a text; `next` are the positions after its separators, of
/// which `line_ends` are line ends.
fn regular(text: &[u8], next: &[u32], line_ends: usize, fields: usize) -> usize {
    let is_line_end = |next: &u32| text.get((*next as usize).wrapping_sub(1)) == Some(&b'\n');
    let records = next.chunks_exact(fields);
    let ends = |record: &&[u32]| record.last().is_some_and(is_line_end);
    if line_ends == records.len() && records.clone().all(|record| ends(&record)) {
        return line_ends;
    }
    records
        .take_while(|record| ends(record) && record.iter().filter(|next| is_line_end(next)).count() == 1)
        .count()
}

#[cfg(test)]
#[allow(clippy::indexing_slicing)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The fields of the records of a block.
    fn fields<'t>(block: &Block<'t>) -> Vec<Vec<&'t [u8]>> {
        let mut records = vec![vec![]; block.records()];
        for field in 0..block.fields {
            for (record, (start, end)) in records.iter_mut().zip(block.column(field)) {
                record.push(&block.text()[start..end]);
            }
        }
        records
    }

    #[test]
    fn a_block_ends_before_a_record_that_is_not_regular() {
        let mut room = Room::default();
        for (text, records) in [
            ("a,b\nc,d\n", 2),
            ("a,b\r\n,\r\n", 2),
            ("a,b\nc,d", 1),
            ("a,b\nc\nd,e\n", 1),
            ("a,b\n\nd,e\n", 1),
            ("a,b\nc,d,e\n", 1),
            ("a\nb,c,d\n", 0),
            ("a,b\nc,\"d\"\n", 1),
            ("a,b\nc,5\" disc\n", 1),
            ("", 0),
        ] {
            assert_eq!(
                Block::find(text.as_bytes(), text.len(), b',', 2, &mut room).records(),
                records,
                "{text:?}"
            );
        }
        assert_eq!(Block::find(b"a\n\nb\n", 5, b',', 1, &mut room).records(), 0);
        assert_eq!(Block::find(b"a,b\nc,d\n", 7, b',', 2, &mut room).records(), 1);
    }

    proptest! {
        #[test]
        fn the_csv_crate_reads_the_same(lines in prop::collection::vec("[a-c]{0,9}(,[a-c]{0,20}){2}\r?", 0..900)) {
            let text: String = lines.iter().flat_map(|line| [line, "\n"]).collect();
            let (mut room, mut at) = (Room::default(), 0);
            let mut got: Vec<Vec<Vec<u8>>> = vec![];
            loop {
                let rest = &text.as_bytes()[at..];
                let block = Block::find(rest, rest.len(), b',', 3, &mut room);
                if block.records() == 0 {
                    break;
                }
                got.extend(fields(&block).iter().map(|record| record.iter().map(|field| field.to_vec()).collect()));
                at += block.size();
            }
            let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
            let want: Vec<Vec<Vec<u8>>> = reader
                .byte_records()
                .map(|record| record.unwrap().iter().map(<[u8]>::to_vec).collect())
                .collect();
            prop_assert_eq!(at, text.len());
            prop_assert_eq!(got, want);
        }
    }
}

//! The row groups of a footer, packed: a run keeps the footers of all files that the checks read, and there may be many.
//!
//! ```text
//! chunk   flags | codec? | values? | start? | compressed length | lengths and bytes of both bounds?
//! ```
//!
//! Numbers are varints. What follows from the row group or from the chunk before it, as it nearly always does, is a bit
//! of the flags: the codec, one value a row, a start where the last chunk ends. So a chunk takes some three bytes,
//! where [`ChunkMeta`] takes 64.

use super::footer::{Bounds, ChunkMeta, RowGroupMeta};

const ENCRYPTED: u8 = 1;
const EXTERNAL: u8 = 1 << 1;
const HAS_BOUNDS: u8 = 1 << 2;
const OTHER_CODEC: u8 = 1 << 3;
const OTHER_VALUES: u8 = 1 << 4;
const OTHER_START: u8 = 1 << 5;

/// The row groups of a file, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RowGroups {
    groups: Box<[Packed]>,
    /// Where the data of the file ends.
    data_end: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Packed {
    rows: u64,
    chunks: Box<[u8]>,
}

impl RowGroups {
    /// Packs the row groups of a file whose data ends at `data_end`, which is that of their chunks.
    pub fn pack(groups: impl IntoIterator<Item = RowGroupMeta>, data_end: u64) -> Self {
        let pack = |group: RowGroupMeta| Packed { rows: group.rows, chunks: pack(&group) };
        RowGroups { groups: groups.into_iter().map(pack).collect(), data_end }
    }

    /// The number of row groups.
    pub fn len(&self) -> usize {
        self.groups.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// A row group.
    pub fn get(&self, at: usize) -> Option<RowGroupMeta> {
        self.groups.get(at).map(|group| self.unpack(group))
    }

    /// All row groups.
    pub fn iter(&self) -> impl Iterator<Item = RowGroupMeta> {
        self.groups.iter().map(|group| self.unpack(group))
    }

    /// The rows of each row group.
    pub fn rows(&self) -> impl Iterator<Item = u64> + Clone {
        self.groups.iter().map(|group| group.rows)
    }

    /// The rows of a row group; 0 where there is none.
    pub fn rows_of(&self, at: usize) -> u64 {
        self.groups.get(at).map_or(0, |group| group.rows)
    }

    /// Drops the bounds of all columns but one.
    pub fn keep_bounds_of(&mut self, column: Option<usize>) {
        let kept = |group: &Packed| {
            let mut meta = self.unpack(group);
            let others = meta.chunks.iter_mut().enumerate().filter(|(at, _)| Some(*at) != column);
            let dropped = others.filter_map(|(_, chunk)| chunk.bounds.take()).count();
            (dropped > 0).then(|| pack(&meta))
        };
        let kept: Vec<Option<Box<[u8]>>> = self.groups.iter().map(kept).collect();
        for (group, chunks) in self.groups.iter_mut().zip(kept) {
            group.chunks = chunks.unwrap_or_else(|| std::mem::take(&mut group.chunks));
        }
    }

    /// The row groups after one with `rows` rows, whose chunks are those of the first.
    #[must_use]
    pub fn after_rows(&self, rows: u64) -> Self {
        let first = self.groups.first().map(|first| Packed { rows, ..first.clone() });
        RowGroups { groups: first.into_iter().chain(self.groups.iter().cloned()).collect(), ..*self }
    }

    fn unpack(&self, group: &Packed) -> RowGroupMeta {
        let mut chunks = Vec::new();
        let (mut rest, mut before) = (&*group.chunks, ChunkMeta::default());
        while let Some(chunk) = unpack(&mut rest, &before, group.rows, self.data_end) {
            before = ChunkMeta { bounds: None, ..chunk };
            chunks.push(chunk);
        }
        RowGroupMeta { rows: group.rows, chunks }
    }
}

impl<'g> IntoIterator for &'g RowGroups {
    type Item = RowGroupMeta;
    type IntoIter = Box<dyn Iterator<Item = RowGroupMeta> + 'g>;

    fn into_iter(self) -> Self::IntoIter {
        Box::new(self.iter())
    }
}

fn pack(group: &RowGroupMeta) -> Box<[u8]> {
    let mut bytes = Vec::new();
    let first = ChunkMeta::default();
    let before = std::iter::once(&first).chain(&group.chunks);
    for (chunk, before) in group.chunks.iter().zip(before) {
        let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
        let flags = flag(chunk.encrypted, ENCRYPTED)
            | flag(chunk.external, EXTERNAL)
            | flag(chunk.bounds.is_some(), HAS_BOUNDS)
            | flag(chunk.codec != before.codec, OTHER_CODEC)
            | flag(chunk.values != group.rows, OTHER_VALUES)
            | flag(chunk.start != before.bytes().end, OTHER_START);
        bytes.push(flags);
        if flags & OTHER_CODEC > 0 {
            push(&mut bytes, u64::from(chunk.codec.cast_unsigned()));
        }
        if flags & OTHER_VALUES > 0 {
            push(&mut bytes, chunk.values);
        }
        if flags & OTHER_START > 0 {
            push(&mut bytes, chunk.start);
        }
        push(&mut bytes, chunk.compressed_len);
        for bound in chunk.bounds.iter().flat_map(|bounds| [bounds.min(), bounds.max()]) {
            push(&mut bytes, bound.len() as u64);
            bytes.extend(bound);
        }
    }
    bytes.into()
}

/// Takes a chunk from packed ones; `None` at their end.
fn unpack(bytes: &mut &[u8], before: &ChunkMeta, rows: u64, data_end: u64) -> Option<ChunkMeta> {
    let flags = bytes.split_off_first().copied()?;
    let mut number = |flag: u8, otherwise: u64| if flags & flag > 0 { take(bytes) } else { Some(otherwise) };
    let codec = number(OTHER_CODEC, u64::from(before.codec.cast_unsigned()))?;
    let values = number(OTHER_VALUES, rows)?;
    let start = number(OTHER_START, before.bytes().end)?;
    let compressed_len = take(bytes)?;
    let bounds = if flags & HAS_BOUNDS > 0 {
        let mut bound = || {
            let len = usize::try_from(take(bytes)?).ok()?;
            bytes.split_off(..len)
        };
        let (min, max) = (bound()?, bound()?);
        Some(Bounds::new(min, max))
    } else {
        None
    };
    Some(ChunkMeta {
        codec: u32::try_from(codec).ok()?.cast_signed(),
        values,
        start,
        compressed_len,
        data_end,
        bounds,
        encrypted: flags & ENCRYPTED > 0,
        external: flags & EXTERNAL > 0,
    })
}

/// Appends a number, seven bits a byte, the lowest first.
#[allow(clippy::cast_possible_truncation)] // seven bits
fn push(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn take(bytes: &mut &[u8]) -> Option<u64> {
    let (mut number, mut shift) = (0u64, 0u32);
    loop {
        let byte = bytes.split_off_first()?;
        number |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(number);
        }
        shift += 7;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number() -> impl Strategy<Value = u64> {
        prop_oneof![Just(0), Just(u64::MAX), 0..300u64, any::<u64>()]
    }

    fn bounds() -> impl Strategy<Value = Option<Bounds>> {
        let bytes = || prop::collection::vec(any::<u8>(), 0..200);
        prop::option::of((bytes(), bytes()).prop_map(|(min, max)| Bounds::new(&min, &max)))
    }

    fn chunk(data_end: u64) -> impl Strategy<Value = ChunkMeta> {
        let flags = (any::<bool>(), any::<bool>());
        (any::<i32>(), number(), number(), number(), bounds(), flags).prop_map(
            move |(codec, values, start, compressed_len, bounds, (encrypted, external))| ChunkMeta {
                codec: codec % 9,
                values,
                start,
                compressed_len,
                data_end,
                bounds,
                encrypted,
                external,
            },
        )
    }

    proptest! {
        #[test]
        fn what_was_packed_is_unpacked(
            groups in prop::collection::vec((number(), prop::collection::vec(chunk(77), 0..6)), 0..4),
        ) {
            let groups: Vec<RowGroupMeta> =
                groups.into_iter().map(|(rows, chunks)| RowGroupMeta { rows, chunks }).collect();
            let packed = RowGroups::pack(groups.clone(), 77);
            prop_assert_eq!(packed.iter().collect::<Vec<_>>(), groups.clone());
            prop_assert_eq!(packed.rows().collect::<Vec<_>>(), groups.iter().map(|g| g.rows).collect::<Vec<_>>());
            prop_assert_eq!(packed.len(), groups.len());
            prop_assert_eq!(packed.get(groups.len()), None);
            let mut less = packed.clone();
            less.keep_bounds_of(Some(1));
            for (mut before, less) in groups.into_iter().zip(less.iter()) {
                let others = before.chunks.iter_mut().enumerate().filter(|(at, _)| *at != 1);
                others.for_each(|(_, chunk)| chunk.bounds = None);
                prop_assert_eq!(before, less);
            }
        }
    }

    #[test]
    fn a_chunk_takes_few_bytes() {
        let chunk = |at: u64| ChunkMeta {
            codec: 1,
            values: 30,
            start: 4 + at * 200,
            compressed_len: 200,
            data_end: 9_999,
            ..ChunkMeta::default()
        };
        let group = RowGroupMeta { rows: 30, chunks: (0..10).map(chunk).collect() };
        // The first has a codec and a start.
        assert_eq!(pack(&group).len(), 10 * 3 + 2);
    }
}

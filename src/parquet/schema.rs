//! The leaf columns of a file: `parquet.thrift`, `SchemaElement`.
//!
//! Unknown types keep their ids: a column that is not read does not make the file unreadable.

use std::sync::Arc;

use super::thrift::{Fault, Read, Reader, kind};
use crate::{Error, Result};

/// How deeply columns may be nested.
const MAX_DEPTH: usize = 64;

/// Path elements that a schema of no depth may add up to; see [`leaves`].
const PATH_ALLOWANCE: usize = 1 << 16;

/// How values are stored: `parquet.thrift`, `Type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Physical {
    /// One bit.
    Boolean,
    /// 32 bits, little-endian.
    Int32,
    /// 64 bits, little-endian.
    Int64,
    /// 12 bytes: nanoseconds of the day, Julian day.
    Int96,
    /// IEEE 754, 32 bits.
    Float,
    /// IEEE 754, 64 bits.
    Double,
    /// Bytes with a length each.
    ByteArray,
    /// Bytes, the same number for every value.
    FixedLenByteArray,
    /// A type that this code does not know.
    Unknown(i32),
}

impl Physical {
    fn from_id(id: i32) -> Self {
        match id {
            0 => Physical::Boolean,
            1 => Physical::Int32,
            2 => Physical::Int64,
            3 => Physical::Int96,
            4 => Physical::Float,
            5 => Physical::Double,
            6 => Physical::ByteArray,
            7 => Physical::FixedLenByteArray,
            id => Physical::Unknown(id),
        }
    }
}

/// The unit of a time or timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unit {
    /// 10^-3 s.
    Millis,
    /// 10^-6 s.
    Micros,
    /// 10^-9 s.
    Nanos,
}

/// What values mean: `parquet.thrift`, `LogicalType`, or the `ConvertedType`
/// that says the same in older files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Logical {
    /// Nothing beyond the physical type.
    None,
    /// UTF-8.
    String,
    /// UTF-8, few different values.
    Enum,
    /// JSON text.
    Json,
    /// BSON.
    Bson,
    /// An integer times 10^-scale.
    Decimal {
        /// Digits in all.
        precision: i32,
        /// Digits after the point.
        scale: i32,
    },
    /// Days since 1970-01-01.
    Date,
    /// Since 1970-01-01.
    Timestamp {
        /// Its unit.
        unit: Unit,
        /// Whether it is an instant, or a local time.
        utc: bool,
    },
    /// Since midnight.
    Time {
        /// Its unit.
        unit: Unit,
        /// Whether it is in UTC, or local.
        utc: bool,
    },
    /// An integer of fewer bits or without a sign.
    Integer {
        /// 8, 16, 32 or 64.
        bits: u8,
        /// Whether there is a sign.
        signed: bool,
    },
    /// Always null (`UNKNOWN`).
    Null,
    /// IEEE 754, 16 bits, in two bytes.
    Float16,
    /// 16 bytes.
    Uuid,
}

impl Logical {
    /// Whether values stored as `physical`, of `type_length` bytes where the length is fixed, can
    /// mean this (LogicalTypes.md of parquet-format). A type that does not fit has to be ignored.
    fn fits(self, physical: Physical, type_length: i32) -> bool {
        use Physical::{ByteArray, FixedLenByteArray, Int32, Int64};
        match self {
            Logical::None | Logical::Null => true,
            Logical::String | Logical::Enum | Logical::Json | Logical::Bson => physical == ByteArray,
            Logical::Decimal { .. } => matches!(physical, Int32 | Int64 | ByteArray | FixedLenByteArray),
            Logical::Date | Logical::Time { unit: Unit::Millis, .. } => physical == Int32,
            Logical::Time { .. } | Logical::Timestamp { .. } | Logical::Integer { bits: 64, .. } => {
                physical == Int64
            }
            Logical::Integer { .. } => physical == Int32,
            Logical::Float16 => physical == FixedLenByteArray && type_length == 2,
            Logical::Uuid => physical == FixedLenByteArray && type_length == 16,
        }
    }
}

/// A leaf column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// The names of the groups around it, then its name.
    pub path: Vec<Arc<str>>,
    /// How values are stored.
    pub physical: Physical,
    /// Bytes a value, for `FixedLenByteArray`; else 0.
    pub type_length: i32,
    /// What values mean.
    pub logical: Logical,
    /// The definition level of a value that is not null.
    pub max_definition: u16,
    /// 0 unless the column lies in a list.
    pub max_repetition: u16,
}

impl Leaf {
    /// The path with dots.
    pub fn name(&self) -> String {
        self.path.join(".")
    }
}

/// One element of the flattened schema tree.
pub(super) struct Element {
    physical: Option<i32>,
    type_length: i32,
    repetition: i32,
    name: Arc<str>,
    children: i32,
    logical: Logical,
}

/// Reads one `SchemaElement`.
pub(super) fn element(r: &mut Reader) -> Read<Element> {
    let mut name = None;
    let mut element = Element {
        physical: None,
        type_length: 0,
        repetition: 0,
        name: "".into(),
        children: 0,
        logical: Logical::None,
    };
    let (mut converted, mut logical, mut scale, mut precision) = (None, None, 0, 0);
    let mut last = 0;
    while let Some(field) = r.field(&mut last)? {
        match (field.id, field.kind) {
            (1, kind::I32) => element.physical = Some(r.i32()?),
            (2, kind::I32) => element.type_length = r.i32()?,
            (3, kind::I32) => element.repetition = r.i32()?,
            (4, kind::BINARY) => name = Some(Arc::from(r.string()?)),
            (5, kind::I32) => element.children = r.i32()?,
            (6, kind::I32) => converted = Some(r.i32()?),
            (7, kind::I32) => scale = r.i32()?,
            (8, kind::I32) => precision = r.i32()?,
            (10, kind::STRUCT) => logical = logical_type(r)?,
            _ => r.skip(field.kind)?,
        }
    }
    element.name = name.ok_or(Fault::Bad("a schema element has no name"))?;
    // Where the logical type is empty (Parquet.Net), unknown, or does not fit, the converted type
    // is used; where that does not fit either, the physical type alone.
    let physical = element.physical.map(Physical::from_id);
    let fits = |logical: &Logical| physical.is_none_or(|p| logical.fits(p, element.type_length));
    element.logical = logical
        .filter(fits)
        .or_else(|| converted.and_then(|id| converted_type(id, scale, precision)).filter(fits))
        .unwrap_or(Logical::None);
    Ok(element)
}

/// The `LogicalType` union: the id of the field is the type; `None` if there is no field, or an
/// unknown one.
fn logical_type(r: &mut Reader) -> Read<Option<Logical>> {
    let mut logical = None;
    let mut last = 0;
    while let Some(field) = r.field(&mut last)? {
        logical = match (field.id, field.kind) {
            (5, kind::STRUCT) => Some(decimal(r)?),
            (7 | 8, kind::STRUCT) => time(r, field.id == 8)?,
            (10, kind::STRUCT) => integer(r)?,
            (id, kind) => {
                r.skip(kind)?;
                match id {
                    1 => Some(Logical::String),
                    4 => Some(Logical::Enum),
                    6 => Some(Logical::Date),
                    11 => Some(Logical::Null),
                    12 => Some(Logical::Json),
                    13 => Some(Logical::Bson),
                    14 => Some(Logical::Uuid),
                    15 => Some(Logical::Float16),
                    _ => None,
                }
            }
        };
    }
    Ok(logical)
}

fn decimal(r: &mut Reader) -> Read<Logical> {
    let (mut scale, mut precision, mut last) = (0, 0, 0);
    while let Some(field) = r.field(&mut last)? {
        match (field.id, field.kind) {
            (1, kind::I32) => scale = r.i32()?,
            (2, kind::I32) => precision = r.i32()?,
            _ => r.skip(field.kind)?,
        }
    }
    Ok(Logical::Decimal { precision, scale })
}

fn time(r: &mut Reader, stamp: bool) -> Read<Option<Logical>> {
    let (mut utc, mut unit, mut last) = (false, None, 0);
    while let Some(field) = r.field(&mut last)? {
        match (field.id, field.kind) {
            (1, kind::TRUE) => utc = true,
            (2, kind::STRUCT) => {
                let mut last = 0;
                while let Some(field) = r.field(&mut last)? {
                    r.skip(field.kind)?;
                    unit = match field.id {
                        1 => Some(Unit::Millis),
                        2 => Some(Unit::Micros),
                        3 => Some(Unit::Nanos),
                        _ => None,
                    };
                }
            }
            _ => r.skip(field.kind)?,
        }
    }
    Ok(unit.map(|unit| if stamp { Logical::Timestamp { unit, utc } } else { Logical::Time { unit, utc } }))
}

fn integer(r: &mut Reader) -> Read<Option<Logical>> {
    let (mut bits, mut signed, mut last) = (0, false, 0);
    while let Some(field) = r.field(&mut last)? {
        match (field.id, field.kind) {
            (1, kind::BYTE) => bits = r.byte()?,
            (2, kind::TRUE) => signed = true,
            _ => r.skip(field.kind)?,
        }
    }
    Ok(matches!(bits, 8 | 16 | 32 | 64).then_some(Logical::Integer { bits, signed }))
}

/// `ConvertedType`; `None` for those of groups, for INTERVAL, and for unknown ones.
fn converted_type(id: i32, scale: i32, precision: i32) -> Option<Logical> {
    Some(match id {
        0 => Logical::String,
        4 => Logical::Enum,
        5 => Logical::Decimal { precision, scale },
        6 => Logical::Date,
        7 => Logical::Time { unit: Unit::Millis, utc: true },
        8 => Logical::Time { unit: Unit::Micros, utc: true },
        9 => Logical::Timestamp { unit: Unit::Millis, utc: true },
        10 => Logical::Timestamp { unit: Unit::Micros, utc: true },
        11 => Logical::Integer { bits: 8, signed: false },
        12 => Logical::Integer { bits: 16, signed: false },
        13 => Logical::Integer { bits: 32, signed: false },
        14 => Logical::Integer { bits: 64, signed: false },
        15 => Logical::Integer { bits: 8, signed: true },
        16 => Logical::Integer { bits: 16, signed: true },
        17 => Logical::Integer { bits: 32, signed: true },
        18 => Logical::Integer { bits: 64, signed: true },
        19 => Logical::Json,
        20 => Logical::Bson,
        // NULL, in files that were written before LogicalType had UNKNOWN.
        24 => Logical::Null,
        _ => return None,
    })
}

/// A group whose children are being walked.
struct Group {
    children_left: i32,
    definition: u16,
    repetition: u16,
}

/// The leaves of the tree that `elements` are in depth-first order.
///
/// Every leaf holds the names above it, so a deep schema could take much memory for
/// few bytes; the number of names is limited in proportion to that of the elements.
pub(super) fn leaves(elements: &[Element]) -> Result<Vec<Leaf>> {
    let bad = |found: &str| Error::format(found).advice("The file is damaged; export it again");
    let mut elements_left = elements.iter();
    let root = elements_left.next().ok_or_else(|| bad("the schema is empty"))?;
    let mut groups = vec![Group { children_left: root.children, definition: 0, repetition: 0 }];
    let mut path: Vec<Arc<str>> = Vec::new();
    let mut leaves = Vec::new();
    let mut names_left = elements.len().saturating_mul(8).saturating_add(PATH_ALLOWANCE);
    while let Some(group) = groups.last_mut() {
        if group.children_left <= 0 {
            groups.pop();
            path.pop();
            continue;
        }
        group.children_left -= 1;
        let element = elements_left.next().ok_or_else(|| bad("the schema has fewer columns than it says"))?;
        let (optional, repeated) = match element.repetition {
            0 => (0, 0),
            1 => (1, 0),
            2 => (1, 1),
            id => return Err(bad(&format!("column '{}' has repetition type {id}", element.name))),
        };
        let (definition, repetition) = (group.definition + optional, group.repetition + repeated);
        path.push(element.name.clone());
        if let Some(physical) = element.physical {
            if element.children > 0 {
                return Err(bad(&format!("column '{}' is both a leaf and a group", element.name)));
            }
            names_left = names_left.checked_sub(path.len()).ok_or_else(nested)?;
            leaves.push(Leaf {
                path: path.clone(),
                physical: Physical::from_id(physical),
                type_length: element.type_length,
                logical: element.logical,
                max_definition: definition,
                max_repetition: repetition,
            });
            path.pop();
        } else {
            if path.len() > MAX_DEPTH {
                return Err(nested());
            }
            groups.push(Group { children_left: element.children, definition, repetition });
        }
    }
    match elements_left.len() {
        0 => Ok(leaves),
        left => Err(bad(&format!("the schema has {left} elements that belong to no group"))),
    }
}

fn nested() -> Error {
    Error::too_large("the schema is nested too deeply").expected(format!("at most {MAX_DEPTH} levels"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    fn group(name: &str, repetition: i32, children: i32) -> Element {
        Element {
            physical: None,
            type_length: 0,
            repetition,
            name: name.into(),
            children,
            logical: Logical::None,
        }
    }

    fn leaf(name: &str, repetition: i32) -> Element {
        Element { physical: Some(1), ..group(name, repetition, 0) }
    }

    #[test]
    fn levels_and_paths() {
        let tree = [
            group("root", 0, 3),
            leaf("a", 0),
            group("b", 1, 2),
            group("list", 2, 1),
            leaf("c", 1),
            leaf("d", 0),
            leaf("e", 1),
        ];
        let found: Vec<_> =
            leaves(&tree).unwrap().iter().map(|l| (l.name(), l.max_definition, l.max_repetition)).collect();
        let expected = [("a", 0, 0), ("b.list.c", 3, 1), ("b.d", 1, 0), ("e", 1, 0)];
        assert_eq!(found, expected.map(|(n, d, r)| (n.to_owned(), d, r)));
    }

    #[test]
    fn trees_that_do_not_add_up() {
        assert!(leaves(&[]).is_err());
        assert!(leaves(&[group("root", 0, 0)]).unwrap().is_empty());
        assert!(leaves(&[group("root", 0, 2), leaf("a", 0)]).is_err());
        assert!(leaves(&[group("root", 0, i32::MAX), leaf("a", 0)]).is_err());
        assert!(leaves(&[group("root", 0, 1), leaf("a", 0), leaf("b", 0)]).is_err());
        assert!(leaves(&[group("root", 0, -1), leaf("a", 0)]).is_err());
        assert!(leaves(&[group("root", 0, 1), leaf("a", 7)]).is_err());
        assert!(
            leaves(&[group("root", 0, 1), Element { children: 1, ..leaf("a", 0) }, leaf("b", 0)]).is_err()
        );
    }

    #[test]
    fn depth_is_limited() {
        let deep = |depth: usize| {
            let mut tree: Vec<_> = (0..depth).map(|_| group("g", 2, 1)).collect();
            tree.push(leaf("a", 0));
            leaves(&tree)
        };
        assert_eq!(deep(MAX_DEPTH).unwrap()[0].max_repetition, 63);
        assert!(matches!(deep(100_000), Err(Error::TooLarge(_))));
        // Sixty levels above each of many leaves.
        let mut tree: Vec<_> = (0..60).map(|_| group("g", 1, 1)).collect();
        tree[59].children = 100_000;
        tree.extend((0..100_000).map(|_| leaf("a", 0)));
        assert!(matches!(leaves(&tree), Err(Error::TooLarge(_))));
    }
}

//! The location of a column in a file.

use crate::ids::column::ColumnSource;
use crate::parquet::{FileMeta, Leaf, Logical, Physical, RowGroupMeta};
use crate::storage::Input;
use crate::{Error, Result};

/// The location of a column in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ColumnLocation {
    /// A leaf column, by its index in the schema.
    Leaf(usize),
    /// A hive partition of the file's path, with its value.
    Partition(Option<String>),
}

impl ColumnLocation {
    /// The source of the column's values in a row group of the file.
    ///
    /// # Errors
    /// `Internal` where the location is not from this footer.
    pub fn source<'p>(&'p self, meta: &'p FileMeta, row_group: &'p RowGroupMeta) -> Result<ColumnSource<'p>> {
        match self {
            ColumnLocation::Partition(value) => Ok(ColumnSource::Path(value.as_deref())),
            ColumnLocation::Leaf(at) => match (meta.leaves.get(*at), row_group.chunks.get(*at)) {
                // LogicalTypes.md, "UNKNOWN (always null)": no page of it needs to be read.
                (Some(Leaf { logical: Logical::Null, .. }), _) => Ok(ColumnSource::Path(None)),
                (Some(leaf), Some(chunk)) => Ok(ColumnSource::Chunk(leaf, chunk)),
                _ => Err(Error::internal("no such column chunk")),
            },
        }
    }
}

/// The leaf column at a location; `None` for a hive partition.
pub(crate) fn leaf_of<'m>(meta: &'m FileMeta, found: &ColumnLocation) -> Option<&'m Leaf> {
    match found {
        ColumnLocation::Leaf(at) => meta.leaves.get(*at),
        ColumnLocation::Partition(_) => None,
    }
}

/// Checks that a leaf column holds strings, or nulls only.
///
/// # Errors
/// `Data` for any other type.
pub(crate) fn check_string(leaf: &Leaf) -> Result<()> {
    let string = match leaf.logical {
        // Columns of nulls only have any physical type: pandas and pyarrow write INT32.
        Logical::Null => true,
        Logical::None | Logical::String | Logical::Enum | Logical::Json => {
            leaf.physical == Physical::ByteArray
        }
        _ => false,
    };
    if string {
        return Ok(());
    }
    Err(Error::data(format!("the values are {:?} ({:?})", leaf.physical, leaf.logical)).expected("strings"))
}

/// Finds a column by its name. An exact match comes before one that ignores case, as in Spark.
/// A hive partition in the path takes precedence over a column in the file, which has to agree with it
/// ([`super::shadowed`]).
///
/// # Errors
/// `Data` where no column or more than one has the name.
pub(crate) fn find(meta: &FileMeta, input: &Input, column: &str) -> Result<ColumnLocation> {
    let partition = input
        .partitions
        .iter()
        .find(|(key, _)| key == column)
        .or_else(|| input.partitions.iter().find(|(key, _)| is_alike(key, column)));
    if let Some((_, value)) = partition {
        return Ok(ColumnLocation::Partition(value.clone()));
    }
    fn top(leaf: &Leaf) -> &str {
        leaf.path.first().map_or("", |name| name)
    }
    let flat = meta.leaves.iter().enumerate().filter(|(_, leaf)| leaf.path.len() == 1);
    let names = flat.map(|(at, leaf)| (at, top(leaf)));
    find_name(names, meta.leaves.iter().map(top), column).map(ColumnLocation::Leaf)
}

/// The names of the columns of a file, and of the partitions of its path.
pub(crate) fn column_names<'m>(meta: &'m FileMeta, input: &'m Input) -> Vec<&'m str> {
    let columns = meta.leaves.iter().filter_map(|leaf| leaf.path.first().map(|name| &**name));
    let mut names: Vec<&str> = columns.collect();
    names.dedup();
    names.extend(input.partitions.iter().map(|(key, _)| key.as_str()));
    names
}

/// Whether no column has a name, not even one that differs by case: then [`find`] fails because it is missing, and not
/// because it is ambiguous.
pub(crate) fn is_missing(meta: &FileMeta, input: &Input, column: &str) -> bool {
    let flat = meta.leaves.iter().filter(|leaf| leaf.path.len() == 1);
    let names = flat.filter_map(|leaf| leaf.path.first().map(|name| &**name));
    let partitions = input.partitions.iter().map(|(key, _)| key.as_str());
    !names.chain(partitions).any(|name| is_alike(name, column))
}

/// The index of the only name among `names` that is `column`, or else of the only one that differs by case. `all` are
/// the names that an error lists.
///
/// # Errors
/// `Data` where no name or more than one fits.
pub(crate) fn find_name<'n>(
    names: impl Iterator<Item = (usize, &'n str)> + Clone,
    all: impl Iterator<Item = &'n str>,
    column: &str,
) -> Result<usize> {
    let mut exact = names.clone().filter(|(_, name)| *name == column);
    match (exact.next(), exact.next()) {
        (Some((at, _)), None) => return Ok(at),
        (Some(_), Some(_)) => {
            return Err(Error::data(format!("two columns are called '{column}'"))
                .expected("one")
                .advice("Give each column a name that no other has"));
        }
        (None, _) => {}
    }
    let mut alike = names.filter(|(_, name)| is_alike(name, column));
    match (alike.next(), alike.next()) {
        (Some((at, _)), None) => Ok(at),
        (Some((_, a)), Some((_, b))) => Err(Error::data(format!("columns '{a}' and '{b}'"))
            .expected(format!("one column that is called '{column}' but for case"))),
        (None, _) => {
            let mut listed: Vec<&str> = all.collect();
            listed.dedup();
            Err(Error::data(format!("no column '{column}'"))
                .expected(format!("it among {}", listed.join(", "))))
        }
    }
}

/// Whether two names are equal when case is ignored.
pub(crate) fn is_alike(a: &str, b: &str) -> bool {
    if a.is_ascii() && b.is_ascii() {
        a.eq_ignore_ascii_case(b)
    } else {
        a.to_lowercase() == b.to_lowercase()
    }
}

#[cfg(test)]
mod tests {
    use super::is_alike;

    #[test]
    fn names_are_compared_without_case_beyond_ascii_too() {
        assert!(is_alike("Os_Name", "oS_nAME") && is_alike("PAÍS", "país"));
        // The sign for kelvin is a capital k.
        assert!(is_alike("\u{212a}ey", "key") && is_alike("key", "\u{212a}EY"));
        assert!(!is_alike("key", "keys") && !is_alike("pais", "país"));
    }
}

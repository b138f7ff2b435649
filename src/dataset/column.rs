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
    pub fn source<'p, 'm>(
        &'p self,
        meta: &'p FileMeta,
        row_group: &'m RowGroupMeta,
    ) -> Result<ColumnSource<'p, 'm>> {
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

/// Finds a column by its name. An exact match comes before one that ignores case, as in Spark. The name of a field of a
/// struct is its path with dots.
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
    // A column of its own comes before a field of a struct.
    let fields = if column.contains('.') && flat(meta).all(|(_, name)| !is_alike(name, column)) {
        fields(meta).collect()
    } else {
        Vec::new()
    };
    let fields = fields.iter().map(|(at, path)| (*at, path.as_str()));
    let all = meta.leaves.iter().filter_map(|leaf| leaf.path.first().map(|name| &**name));
    find_name(flat(meta).chain(fields), all, column).map(ColumnLocation::Leaf)
}

/// The columns that lie in no group, by index and name.
fn flat(meta: &FileMeta) -> impl Iterator<Item = (usize, &str)> + Clone {
    let leaves = meta.leaves.iter().enumerate().filter(|(_, leaf)| leaf.path.len() == 1);
    leaves.map(|(at, leaf)| (at, leaf.path.first().map_or("", |name| name)))
}

/// The fields of structs and lists, by index and path with dots.
fn fields(meta: &FileMeta) -> impl Iterator<Item = (usize, String)> {
    let leaves = meta.leaves.iter().enumerate().filter(|(_, leaf)| leaf.path.len() > 1);
    leaves.map(|(at, leaf)| (at, leaf.name()))
}

/// The names of the columns of a file, and of the partitions of its path. A field of a struct has its path with dots; of
/// a list, which cannot be read, only the first name is given.
pub(crate) fn column_names(meta: &FileMeta, input: &Input) -> Vec<String> {
    let name = |leaf: &Leaf| match leaf.path.first() {
        Some(first) if leaf.max_repetition > 0 => first.to_string(),
        _ => leaf.name(),
    };
    let mut names: Vec<String> = meta.leaves.iter().map(name).collect();
    names.dedup();
    names.extend(input.partitions.iter().map(|(key, _)| key.clone()));
    names
}

/// Whether no column has a name, not even one that differs by case: then [`find`] fails because it is missing, and not
/// because it is ambiguous.
pub(crate) fn is_missing(meta: &FileMeta, input: &Input, column: &str) -> bool {
    let partitions = input.partitions.iter().map(|(key, _)| key.as_str());
    !flat(meta).map(|(_, name)| name).chain(partitions).any(|name| is_alike(name, column))
        && (!column.contains('.') || fields(meta).all(|(_, path)| !is_alike(&path, column)))
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
    use std::sync::Arc;

    use super::*;
    use crate::parquet::RowGroups;
    use crate::storage::MemoryObject;

    /// A file with columns at these paths; those that end in `[]` are lists.
    fn file(paths: &[&str]) -> FileMeta {
        let leaf = |path: &&str| Leaf {
            path: path.trim_end_matches("[]").split('/').map(Arc::from).collect(),
            physical: Physical::ByteArray,
            type_length: 0,
            logical: Logical::String,
            max_definition: 1,
            max_repetition: u16::from(path.ends_with("[]")),
        };
        FileMeta {
            rows: 1,
            created_by: None,
            leaves: paths.iter().map(leaf).collect(),
            row_groups: RowGroups::default(),
            footer_bytes: 0,
        }
    }

    #[test]
    fn a_field_of_a_struct_is_found_by_its_path() {
        let input = Input { object: Arc::new(MemoryObject::new("a.parquet", vec![])), partitions: vec![] };
        let meta = file(&["geo/country", "geo/city", "event_params/list/element/key[]", "day"]);
        let at = |meta: &FileMeta, name: &str| match find(meta, &input, name) {
            Ok(ColumnLocation::Leaf(at)) => Some(at),
            _ => None,
        };
        let missing = |name: &str| is_missing(&meta, &input, name);
        assert_eq!((at(&meta, "geo.city"), missing("geo.city")), (Some(1), false));
        assert_eq!((at(&meta, "GEO.Country"), missing("GEO.Country")), (Some(0), false));
        for name in ["geo", "country", "geo.town", "geo.country.code"] {
            assert_eq!((at(&meta, name), missing(name)), (None, true), "{name}");
        }
        // A list is found: the error when it is read says what it is.
        assert_eq!(at(&meta, "event_params.list.element.key"), Some(2));
        assert_eq!(column_names(&meta, &input), ["geo.country", "geo.city", "event_params", "day"]);
        // A column of its own comes first; of two paths that differ by case, the one that is exact.
        assert_eq!(at(&file(&["geo/country", "Geo.country"]), "geo.country"), Some(1));
        assert_eq!(at(&file(&["geo/Country", "geo/country"]), "geo.country"), Some(1));
        assert_eq!(at(&file(&["geo/Country", "Geo/country"]), "geo.country"), None);
    }

    #[test]
    fn names_are_compared_without_case_beyond_ascii_too() {
        assert!(is_alike("Os_Name", "oS_nAME") && is_alike("PAÍS", "país"));
        // The sign for kelvin is a capital k.
        assert!(is_alike("\u{212a}ey", "key") && is_alike("key", "\u{212a}EY"));
        assert!(!is_alike("key", "keys") && !is_alike("pais", "país"));
    }
}

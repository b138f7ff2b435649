//! The naming rules of hive data folders: path segments `key=value` are partitions, names that
//! begin with `_` or `.` are hidden.

use std::ffi::OsStr;
use std::path::{Component, Path};

use crate::{Error, Result};

/// Values of a partition that mean null. Hive and Spark write the first (for the empty string too), the others DuckDB,
/// Polars and scripts. `NA` is Namibia.
const NULLS: [&str; 4] = ["__HIVE_DEFAULT_PARTITION__", "NULL", "null", ""];

/// Key and value of a partition, outermost first in a list.
pub type Partition = (String, Option<String>);

/// The partitions in the folders of `relative`; the file name is ignored.
pub fn partitions(relative: &Path) -> Result<Vec<Partition>> {
    let mut found = Vec::new();
    for component in relative.parent().into_iter().flat_map(Path::components) {
        if let Component::Normal(segment) = component
            && let Some(partition) = partition(segment.as_encoded_bytes())
        {
            found.push(partition.map_err(|e| e.in_file(&relative.to_string_lossy().into()))?);
        }
    }
    Ok(found)
}

/// Whether a folder's name makes it a partition.
pub fn is_partition(name: &[u8]) -> bool {
    name.iter().position(|b| *b == b'=').is_some_and(|at| at > 0)
}

/// Whether readers of data folders skip this name: `_SUCCESS`, `.part.crc`.
pub fn is_hidden(name: &OsStr) -> bool {
    matches!(name.as_encoded_bytes().first(), Some(b'_' | b'.'))
}

fn partition(segment: &[u8]) -> Option<Result<Partition>> {
    let at = segment.iter().position(|b| *b == b'=').filter(|at| *at > 0)?;
    let (key, value) = (segment.get(..at)?, segment.get(at + 1..)?);
    Some(unescape(key).and_then(|key| {
        let value = unescape(value)?;
        Ok((key, (!NULLS.contains(&value.as_str())).then_some(value)))
    }))
}

/// Decodes Hive's escapes: `%` and two hexadecimal digits stand for a byte. Any other `%` stands for
/// itself, as in Hive and Spark.
fn unescape(escaped: &[u8]) -> Result<String> {
    let digit = |b: &u8| char::from(*b).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let mut bytes = Vec::with_capacity(escaped.len());
    let mut rest = escaped;
    while let Some((first, tail)) = rest.split_first() {
        let decoded = match (first, tail) {
            (b'%', [high, low, after @ ..]) => {
                digit(high).zip(digit(low)).map(|(high, low)| (high << 4 | low, after))
            }
            _ => None,
        };
        let (byte, after) = decoded.unwrap_or((*first, tail));
        bytes.push(byte);
        rest = after;
    }
    String::from_utf8(bytes).map_err(|_| {
        Error::data(format!("partition '{}'", String::from_utf8_lossy(escaped)))
            .expected("a name and a value in UTF-8, with special characters written as %XX")
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn of(path: &str) -> Vec<(String, Option<String>)> {
        partitions(Path::new(path)).unwrap()
    }

    #[test]
    fn folders_name_partitions_and_files_do_not() {
        assert_eq!(
            of("country=FR/plain/os_name=all/part=0.parquet"),
            [("country".into(), Some("FR".into())), ("os_name".into(), Some("all".into()))]
        );
        assert_eq!(of("a=b.parquet"), []);
        assert_eq!(of("=FR/x"), []);
        assert_eq!(of("k=a=b/x"), [("k".into(), Some("a=b".into()))]);
    }

    #[test]
    fn null_and_escapes() {
        for null in ["__HIVE_DEFAULT_PARTITION__", "NULL", "null", ""] {
            assert_eq!(of(&format!("country={null}/x")), [("country".into(), None)], "{null}");
        }
        assert_eq!(of("country=NA/x"), [("country".into(), Some("NA".into()))]);
        assert_eq!(of("country=Null/x"), [("country".into(), Some("Null".into()))]);
        assert_eq!(of("a%20b=1%2F2%3a/x"), [("a b".into(), Some("1/2:".into()))]);
        assert_eq!(of("c=%C3%89/x"), [("c".into(), Some("É".into()))]);
        assert_eq!(of("c=100%/x"), [("c".into(), Some("100%".into()))]);
        assert_eq!(of("c=%zz%4/x"), [("c".into(), Some("%zz%4".into()))]);
        assert!(partitions(Path::new("c=%FF/x")).is_err());
    }
}

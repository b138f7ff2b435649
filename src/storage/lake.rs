//! Tables of lake formats: Delta Lake, Apache Iceberg, Apache Hudi.
//!
//! The folder of such a table also holds files that are no part of the table any more: rows that were rewritten,
//! deleted or rolled back. Only the table's log says which files are current. So a folder or glob inside a table is an
//! error, which gives the lines that read the table. Files that are named one by one are accepted: libraries of these
//! formats return such lists.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::hive::{self, Partition};
use crate::{Error, Result};

/// The folder of Delta's log.
const DELTA_LOG: &str = "_delta_log";
/// The folder of Hudi's timeline.
const HUDI_TIMELINE: &str = ".hoodie";
/// The folder of Iceberg's metadata, and the end of the names of its files.
const ICEBERG_METADATA: (&str, &str) = ("metadata", ".metadata.json");

/// A lake format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Delta Lake.
    Delta,
    /// Apache Iceberg.
    Iceberg,
    /// Apache Hudi.
    Hudi,
}

impl Format {
    /// The format whose log is a folder of this name.
    pub fn of_log(name: &[u8]) -> Option<Self> {
        match name {
            name if name == DELTA_LOG.as_bytes() => Some(Format::Delta),
            name if name == HUDI_TIMELINE.as_bytes() => Some(Format::Hudi),
            _ => None,
        }
    }

    /// Whether a file is the metadata of an Iceberg table.
    pub fn is_iceberg_metadata(path: &Path) -> bool {
        let (folder, end) = ICEBERG_METADATA;
        // `v3.gz.metadata.json` and, of older writers, `v3.metadata.json.gz`.
        let is_named = path.file_name().and_then(|name| name.to_str()).is_some_and(|name| {
            name.strip_suffix(".gz").unwrap_or(name).ends_with(end) && !name.starts_with('.')
        });
        is_named && path.parent().and_then(Path::file_name).is_some_and(|name| name == folder)
    }

    /// The format of the table whose folder is `folder`; `None` where it is no table's.
    fn of_folder(folder: &Path) -> Option<Self> {
        for (log, format) in [(DELTA_LOG, Format::Delta), (HUDI_TIMELINE, Format::Hudi)] {
            if folder.join(log).is_dir() {
                return Some(format);
            }
        }
        let mut metadata = fs::read_dir(folder.join(ICEBERG_METADATA.0)).ok()?;
        let is_iceberg = metadata.any(|entry| entry.is_ok_and(|e| Format::is_iceberg_metadata(&e.path())));
        is_iceberg.then_some(Format::Iceberg)
    }
}

/// A table of a lake format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its format.
    pub format: Format,
    /// Its folder.
    pub folder: PathBuf,
}

impl Table {
    /// The table that a path below its folder reveals: `t/_delta_log/0.json` that of `t`.
    #[cfg(feature = "s3")]
    pub fn of_path(path: &Path) -> Option<Self> {
        let format_of =
            |part: &Path| part.file_name().and_then(|name| Format::of_log(name.as_encoded_bytes()));
        for part in path.ancestors().skip(1) {
            if let (Some(format), Some(folder)) = (format_of(part), part.parent()) {
                return Some(Table { format, folder: folder.into() });
            }
        }
        let folder = path.parent().and_then(Path::parent).filter(|_| Format::is_iceberg_metadata(path))?;
        Some(Table { format: Format::Iceberg, folder: folder.into() })
    }

    /// The error for a source that is, or is inside, the folder of the table, or that holds it.
    pub fn error(&self, source: &Path) -> Error {
        let folder = self.folder.display();
        let (name, python, spark) = match self.format {
            Format::Delta => (
                "a Delta Lake table",
                format!("rollshare.read_parquet(rollshare.delta_files(deltalake.DeltaTable(\"{folder}\")))"),
                format!("spark.read.format(\"delta\").load(\"{folder}\")"),
            ),
            Format::Iceberg => (
                "an Apache Iceberg table",
                "rollshare.read_parquet(rollshare.iceberg_files(table.scan()))  \
                 # table = pyiceberg.catalog.load_catalog(CATALOG).load_table(NAME)"
                    .to_owned(),
                "spark.table(NAME)".to_owned(),
            ),
            Format::Hudi => (
                "an Apache Hudi table",
                String::new(),
                format!("spark.read.format(\"hudi\").load(\"{folder}\")"),
            ),
        };
        let mut lines = String::new();
        if !python.is_empty() {
            lines = format!("\n  {python}");
        }
        Error::unsupported(format!(
            "{name}, {folder}: its folder also holds files that are no part of the table any more; the table's log \
             lists the current ones"
        ))
        .expected("the files of the table, named one by one, or a data frame")
        .advice(format!(
            "These lines read it in Python and Spark (docs/lakes.md):{lines}\n  \
             rollshare.spark.rolling_share({spark})"
        ))
        .in_file(&source.to_string_lossy().into())
    }
}

/// Finds the tables that paths lie in. Each folder is inspected once.
#[derive(Default)]
pub struct Tables {
    inspected: HashMap<PathBuf, Option<Format>>,
}

impl Tables {
    /// The innermost table whose folder is `folder` or one above it. `folder` is absolute.
    pub fn around(&mut self, folder: &Path) -> Option<Table> {
        // Above a bucket are its scheme, `s3:`, and the empty path.
        let folders =
            folder.ancestors().filter(|folder| folder.is_absolute() || folder.components().count() > 1);
        folders.into_iter().find_map(|folder| {
            let format = match self.inspected.get(folder) {
                Some(format) => *format,
                None => {
                    let format = Format::of_folder(folder);
                    self.inspected.insert(folder.to_owned(), format);
                    format
                }
            };
            format.map(|format| Table { format, folder: folder.to_owned() })
        })
    }

    /// Whether a folder was inspected.
    #[cfg(feature = "s3")]
    pub fn is_inspected(&self, folder: &Path) -> bool {
        self.inspected.contains_key(folder)
    }

    /// The table that a folder was recorded as.
    #[cfg(feature = "s3")]
    pub fn recorded(&self, folder: &Path) -> Option<Table> {
        let format = (*self.inspected.get(folder)?)?;
        Some(Table { format, folder: folder.to_owned() })
    }

    /// Records what a folder is.
    #[cfg(feature = "s3")]
    pub fn record(&mut self, folder: PathBuf, format: Option<Format>) {
        self.inspected.insert(folder, format);
    }

    /// Fails where a local path that a folder or glob names is a table's folder or inside one.
    ///
    /// # Errors
    /// As of [`Table::error`].
    pub fn check_outside(&mut self, path: &Path, canonical: &Path, is_folder: bool) -> Result<()> {
        // A link may lead into a table, or out of it.
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        for at in [&*absolute, canonical] {
            let folder = if is_folder { Some(at) } else { at.parent() };
            if let Some(table) = folder.and_then(|folder| self.around(folder)) {
                return Err(table.error(path));
            }
        }
        Ok(())
    }

    /// The partitions of a file that is named by itself, which is absolute: those below the folder of a Delta table,
    /// whose files lack the columns of its partitions. Other files have none.
    ///
    /// # Errors
    /// As of [`hive::partitions`].
    pub fn partitions(&mut self, file: &Path) -> Result<Vec<Partition>> {
        let folder = file.parent().filter(|_| has_partition(file));
        let Some(table) = folder.and_then(|folder| self.around(folder)) else { return Ok(Vec::new()) };
        match file.strip_prefix(&table.folder) {
            Ok(below) if table.format == Format::Delta => hive::partitions(below),
            _ => Ok(Vec::new()),
        }
    }
}

/// Whether a folder of the path is named as a partition.
pub fn has_partition(file: &Path) -> bool {
    let folders = file.parent().into_iter().flat_map(Path::components);
    folders.into_iter().any(|folder| hive::is_partition(folder.as_os_str().as_encoded_bytes()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn metadata_of_iceberg_is_told_from_other_files() {
        for name in [
            "t/metadata/v2.metadata.json",
            "metadata/00001-ab.gz.metadata.json",
            "metadata/v1.metadata.json.gz",
        ] {
            assert!(Format::is_iceberg_metadata(Path::new(name)), "{name}");
        }
        for name in
            ["t/v2.metadata.json", "t/metadata/x.json", "t/metadata/.v1.metadata.json", "metadata/x.parquet"]
        {
            assert!(!Format::is_iceberg_metadata(Path::new(name)), "{name}");
        }
    }

    #[cfg(feature = "s3")]
    #[test]
    fn a_key_reveals_its_table() {
        let table = |key: &str| Table::of_path(Path::new(key)).map(|table| (table.format, table.folder));
        assert_eq!(table("s3://b/t/_delta_log/0.json"), Some((Format::Delta, "s3://b/t".into())));
        assert_eq!(table("s3://b/_delta_log/_sidecars/0"), Some((Format::Delta, "s3://b".into())));
        assert_eq!(table("s3://b/t/.hoodie/x/0.commit"), Some((Format::Hudi, "s3://b/t".into())));
        assert_eq!(table("s3://b/t/metadata/v1.metadata.json"), Some((Format::Iceberg, "s3://b/t".into())));
        assert_eq!(table("s3://b/t/metadata/x.parquet"), None);
        assert_eq!(table("s3://b/t/_delta_log"), None, "an object");
    }
}

//! Targets: where the table is written.

use std::fmt;
use std::path::{Path, PathBuf};

use super::folder::Contents;
use crate::storage::SourcePaths;
use crate::storage::local::path::resolve;
#[cfg(feature = "s3")]
use crate::storage::s3::Uri;
use crate::storage::source::local_path;
use crate::{Error, Result};

/// The format of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Snappy parquet.
    Parquet,
    /// CSV with a header.
    Csv,
    /// JSON lines: one object a line.
    Json,
}

/// A target. Paths are absolute with symbolic links resolved; the path of an object is
/// `s3://bucket/key`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// CSV on stdout.
    Stdout,
    /// One file.
    File {
        /// As the user wrote it.
        text: String,
        /// Its path.
        path: PathBuf,
        /// The format of its extension.
        format: Format,
    },
    /// A folder with one parquet part and `_SUCCESS`.
    Folder {
        /// As the user wrote it.
        text: String,
        /// Its path.
        path: PathBuf,
    },
}

/// The folder beside a target for history, reports and quarantine.
pub const KEPT: &str = "_rollshare";
const POSSIBLE: &str = "X.parquet, X.csv, X.json, a folder with '/' at its end, or - for CSV on stdout";

impl Target {
    /// Parses a target: `-`, a folder (with a trailing `/`, or existing), or a file whose extension
    /// determines the format.
    pub fn parse(text: &str) -> Result<Self> {
        if text == "-" {
            return Ok(Target::Stdout);
        }
        if text.is_empty() {
            return Err(Error::argument("an empty target").expected(POSSIBLE));
        }
        #[cfg(feature = "s3")]
        if Uri::is_s3(text) {
            return Self::parse_s3(text);
        }
        let written = local_path(text)?;
        let path = resolve("target", &written)?;
        let text = text.to_owned();
        let slash = written.to_string_lossy().ends_with('/');
        let format = format_of(&path);
        if path.is_dir() && !slash && matches!(format, Some(Format::Csv | Format::Json)) {
            return Err(Error::argument(format!("target '{text}' is a folder")).expected(POSSIBLE));
        }
        if slash || path.is_dir() {
            if path.exists() && !path.is_dir() {
                return Err(Error::argument(format!("target '{text}' is a file"))
                    .expected("a folder, since its name ends in '/'"));
            }
            return Ok(Target::Folder { text, path });
        }
        if path.exists() && !path.is_file() {
            return Err(
                Error::argument(format!("target '{text}' is neither a file nor a folder")).expected(POSSIBLE)
            );
        }
        match format {
            Some(format) => Ok(Target::File { text, path, format }),
            None => {
                Err(Error::argument(format!("target '{text}': no format has this extension"))
                    .expected(POSSIBLE))
            }
        }
    }

    /// The folder for history, reports and quarantine of the target: its parent folder, and its name below that. It lies
    /// inside a target folder, under a name that Spark, Hive and Arrow skip; files in one folder have one each. `None`
    /// for stdout.
    pub fn kept(&self) -> Option<(String, String)> {
        let (parent, name) = match self {
            Target::Stdout => return None,
            Target::File { path, .. } => (path.parent()?, Path::new(KEPT).join(path.file_name()?)),
            Target::Folder { path, .. } => (path.as_path(), PathBuf::from(KEPT)),
        };
        Some((parent.to_str()?.to_owned(), name.to_str()?.to_owned()))
    }

    /// As [`Target::parse`], in S3: a key is a folder where it ends in '/' or objects lie below it.
    #[cfg(feature = "s3")]
    fn parse_s3(text: &str) -> Result<Self> {
        use crate::storage::s3::{client, list};
        let uri = Uri::parse(text)?;
        if uri.key.is_empty() {
            return Err(Error::argument(format!("target '{text}' is a whole bucket"))
                .expected("s3://BUCKET/X.parquet, .csv, .json, or s3://BUCKET/FOLDER/"));
        }
        let slash = uri.key.ends_with('/');
        let path = PathBuf::from(uri.to_string().trim_end_matches('/'));
        let format = format_of(&path);
        let text = text.to_owned();
        let is_dir = || Ok::<_, Error>(list::first_key(&*client::client()?, &uri.as_folder())?.is_some());
        match format {
            Some(format @ (Format::Csv | Format::Json)) if !slash => Ok(Target::File { text, path, format }),
            _ if slash || is_dir()? => Ok(Target::Folder { text, path }),
            Some(format) => Ok(Target::File { text, path, format }),
            None => {
                Err(Error::argument(format!("target '{text}': no format has this extension"))
                    .expected(POSSIBLE))
            }
        }
    }

    /// The URI of a target in S3; `None` for other targets.
    #[cfg(feature = "s3")]
    pub fn s3_uri(&self) -> Result<Option<Uri>> {
        match self {
            Target::File { path, .. } | Target::Folder { path, .. } => {
                path.to_str().filter(|path| Uri::is_s3(path)).map(Uri::parse).transpose()
            }
            Target::Stdout => Ok(None),
        }
    }

    /// The format of the output.
    pub fn format(&self) -> Format {
        match self {
            Target::Stdout => Format::Csv,
            Target::File { format, .. } => *format,
            Target::Folder { .. } => Format::Parquet,
        }
    }

    /// Rejects a target that would harm its sources or files of the user.
    ///
    /// # Errors
    /// `Argument` where the target is or lies in a source, contains a source, or is a folder with
    /// other files than an earlier output.
    pub fn check_disjoint(&self, sources: &SourcePaths) -> Result<()> {
        let (text, path) = match self {
            Target::Stdout => return Ok(()),
            Target::File { text, path, .. } | Target::Folder { text, path } => (text, path),
        };
        let clash = |how: &str, source: &Path| {
            Error::argument(format!("target '{text}' {how} the source '{}'", source.display()))
                .expected("a target outside of every source")
                .advice("The next run would read its own result, or the data would be overwritten")
        };
        if let Some(source) = sources.covering(path) {
            return Err(clash(if source == path { "is" } else { "lies in" }, source));
        }
        if let Target::Folder { path, .. } = self {
            if let Some(source) = sources.within(path) {
                return Err(clash("contains", source));
            }
            // A glob may match a folder that does not exist yet.
            if let Some(source) = sources.covering(&path.join(super::folder::PART)) {
                return Err(clash("would be read by a glob below", source));
            }
            #[cfg(feature = "s3")]
            if let Some(uri) = self.s3_uri()? {
                return super::bucket::Contents::read(&uri).map(drop);
            }
            Contents::read(path)?;
        }
        Ok(())
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Stdout => f.write_str("-"),
            Target::File { text, .. } | Target::Folder { text, .. } => f.write_str(text),
        }
    }
}

fn format_of(path: &Path) -> Option<Format> {
    let extension = path.extension()?.to_str()?.to_ascii_lowercase();
    match extension.as_str() {
        "parquet" => Some(Format::Parquet),
        "csv" => Some(Format::Csv),
        "json" => Some(Format::Json),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use std::fs;

    use super::*;
    use crate::Semantics;
    use crate::storage::discover;

    #[test]
    fn the_extension_says_the_format() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| format!("{}/{name}", dir.path().display());
        let format =
            |name: &str| Target::parse(&at(name)).map(|t| (t.format(), matches!(t, Target::Folder { .. })));
        assert_eq!(format("x.parquet").unwrap(), (Format::Parquet, false));
        assert_eq!(format("x.snappy.PARQUET").unwrap(), (Format::Parquet, false));
        assert_eq!(format("new/x.csv").unwrap(), (Format::Csv, false));
        assert_eq!(format("x.json").unwrap(), (Format::Json, false));
        assert_eq!(format("x/").unwrap(), (Format::Parquet, true));
        assert_eq!(Target::parse("-").unwrap(), Target::Stdout);
        fs::create_dir(at("x.parquet")).unwrap();
        fs::create_dir(at("x.csv")).unwrap();
        fs::write(at("file"), "").unwrap();
        assert_eq!(format("x.parquet").unwrap(), (Format::Parquet, true));
        for bad in ["x.txt", "x", "x.csv", "file/", "file/x.csv", "no/../x.csv"] {
            let error = format(bad).unwrap_err();
            assert!(matches!(error, Error::Argument(_)), "{bad}: {error}");
        }
        assert!(Target::parse("x.txt").unwrap_err().to_string().contains("X.parquet, X.csv, X.json"));
        assert!(matches!(Target::parse("gs://bucket/x.csv"), Err(Error::Unsupported(_))));
        assert!(matches!(Target::parse(""), Err(Error::Argument(_))));
        assert!(matches!(Target::parse("/"), Err(Error::Argument(_))));
    }

    #[cfg(unix)]
    #[test]
    fn sources_are_safe() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| format!("{}/{name}", dir.path().display());
        for folder in ["in", "single/deep", "g"] {
            fs::create_dir_all(at(folder)).unwrap();
        }
        for file in ["in/a.parquet", "single/deep/x.parquet", "g/1.parquet"] {
            fs::write(at(file), "data").unwrap();
        }
        std::os::unix::fs::symlink(at("in"), at("link")).unwrap();
        std::os::unix::fs::symlink(at("single/deep/x.parquet"), at("x.parquet")).unwrap();
        let sources = [at("in"), at("single/deep/x.parquet"), at("g/*.parquet")];
        let source_paths = discover(&sources, Semantics::Iso).unwrap().source_paths;
        let refused = |name: &str| match Target::parse(&at(name)).unwrap().check_disjoint(&source_paths) {
            Ok(()) => false,
            Err(Error::Argument(_)) => true,
            Err(other) => panic!("{other}"),
        };
        for bad in [
            "in/",
            "in/out/",
            "in/out.csv",
            "link/out.csv",
            "link/",
            "x.parquet",
            "single/deep/x.parquet",
            "single/deep/",
            "single/",
            "g/2.parquet",
            "g/1.parquet",
            "g/",
            "g/new.parquet/",
        ] {
            assert!(refused(bad), "{bad}");
        }
        for good in ["out/", "out.parquet", "single/deep/y.parquet", "single/deep/out/", "g/out.csv", "in2/"]
        {
            assert!(!refused(good), "{good}");
        }
    }
}

//! Parses sources: paths, globs and URIs.

use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// The schemes that this build supports.
const EXPECTED: &str = if cfg!(feature = "s3") {
    "a local path, a file:// or an s3:// URI"
} else {
    "a local path or a file:// URI"
};

/// Returns the local path of `source`, a path or a `file:` URI.
///
/// Python and browsers percent-encode URIs (`%20` for a space); Hadoop and Spark do not, although
/// names of partitions may contain `%2F`. So a URI is not decoded where its literal path exists or
/// has a wildcard.
///
/// # Errors
/// `Argument` for an empty source or a `file:` URI without an absolute path, `Unsupported` for a
/// scheme that this build does not support.
pub fn local_path(source: &str) -> Result<PathBuf> {
    if source.is_empty() {
        return Err(Error::argument("an empty path").expected("a file, a folder or a glob"));
    }
    if let Some(path) = source.strip_prefix("file:") {
        // file:/path as Hadoop writes it, file:///path and file://localhost/path.
        let path = match path.strip_prefix("//") {
            Some(rest) => rest.strip_prefix("localhost").unwrap_or(rest),
            None => path,
        };
        if !path.starts_with('/') {
            return Err(Error::argument(format!("'{source}'"))
                .expected("file:///PATH with an absolute path on this machine"));
        }
        let is_encoded = path.contains('%') && !path.contains(['*', '?', '[']) && !Path::new(path).exists();
        return Ok(if is_encoded { percent_decode(path) } else { path.into() });
    }
    if let Some((scheme, _)) = source.split_once("://")
        && !scheme.is_empty()
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
    {
        let error = Error::unsupported(format!("'{source}': {scheme}:// is not supported by this build"))
            .expected(EXPECTED);
        return Err(if cfg!(not(feature = "s3")) && matches!(scheme, "s3" | "s3a" | "s3n") {
            error.advice("This build has no S3: `make build` builds one that has, in target/release (feature s3, docs/s3.md)")
        } else {
            error
        });
    }
    Ok(source.into())
}

/// Decodes each `%XX` in `path`; any other `%` stands for itself.
fn percent_decode(path: &str) -> PathBuf {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = |at: usize| after.get(at).and_then(|digit| char::from(*digit).to_digit(16));
        let escaped = match (first, hex(0), hex(1)) {
            (b'%', Some(high), Some(low)) => u8::try_from(high * 16 + low).ok(),
            _ => None,
        };
        bytes.push(escaped.unwrap_or(*first));
        #[allow(clippy::indexing_slicing)] // an escape has two digits after the '%'
        let unread = if escaped.is_some() { &after[2..] } else { after };
        rest = unread;
    }
    // A result that is not UTF-8 was not percent-encoded.
    String::from_utf8(bytes).map_or_else(|_| path.into(), PathBuf::from)
}

/// A parsed glob.
pub struct Glob {
    /// The literal folder prefix; partitions are read from the path below it.
    pub root: PathBuf,
    pattern: String,
}

/// A compiled glob.
pub struct Matcher<'g> {
    glob: &'g Glob,
    pattern: glob::Pattern,
}

impl Matcher<'_> {
    /// Whether a run with the glob would read `path` if it existed.
    pub fn matches(&self, path: &Path) -> bool {
        self.glob.allows_hidden(path) && self.pattern.matches_path_with(path, OPTIONS)
    }
}

const OPTIONS: glob::MatchOptions = glob::MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: false,
};

impl Glob {
    /// Parses `path` as a glob; `None` without a wildcard.
    pub fn parse(path: &Path) -> Option<Self> {
        let pattern = path.to_str()?;
        let wildcard = pattern.find(['*', '?', '['])?;
        let root = pattern.get(..wildcard)?.rfind('/').and_then(|slash| pattern.get(..=slash)).unwrap_or("");
        Some(Glob { root: root.into(), pattern: pattern.to_owned() })
    }

    /// The existing paths that match, without hidden names that the pattern does not name.
    pub fn expand(&self) -> Result<Vec<PathBuf>> {
        let matched = glob::glob_with(&self.pattern, OPTIONS)
            .map_err(|e| Error::argument(format!("invalid glob '{}': {e}", self.pattern)))?;
        let mut paths = Vec::new();
        for path in matched {
            let path = path.map_err(|e| {
                let name = e.path().to_string_lossy().into();
                Error::io("cannot list", e.into()).in_file(&name)
            })?;
            if self.allows_hidden(&path) {
                paths.push(path);
            }
        }
        Ok(paths)
    }

    /// The root and the pattern below it, both absolute, for [`Glob::matches`].
    pub fn absolute(&self) -> Option<Self> {
        let below = self.pattern.get(self.root.as_os_str().len()..)?;
        let root = if self.root.as_os_str().is_empty() { Path::new(".") } else { &self.root };
        let root = root.canonicalize().ok()?;
        let pattern = format!("{}/{below}", glob::Pattern::escape(root.to_str()?));
        Some(Glob { root, pattern })
    }

    /// Whether a run with this glob would read `path` if it existed.
    pub fn matches(&self, path: &Path) -> bool {
        self.matcher().is_ok_and(|matcher| matcher.matches(path))
    }

    /// Compiles the glob, to match many paths.
    ///
    /// # Errors
    /// `Argument` for an invalid pattern.
    pub fn matcher(&self) -> Result<Matcher<'_>> {
        let pattern = glob::Pattern::new(&self.pattern)
            .map_err(|e| Error::argument(format!("invalid glob '{}': {e}", self.pattern)))?;
        Ok(Matcher { glob: self, pattern })
    }

    /// Whether the pattern names every hidden segment of `path`, by its first character.
    fn allows_hidden(&self, path: &Path) -> bool {
        let below = path.strip_prefix(&self.root).unwrap_or(path);
        below.components().all(|component| {
            let name = component.as_os_str();
            let first = name.to_string_lossy().chars().next();
            !super::hive::is_hidden(name)
                || self.pattern.split('/').any(|segment| segment.chars().next() == first)
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn uris() {
        for (uri, path) in [
            ("file:///a/b", "/a/b"),
            ("file:/a/b", "/a/b"),
            ("file://localhost/a/b", "/a/b"),
            ("file:///a%20b/%C3%A9%zz%2", "/a b/é%zz%2"),
            ("file:///a%20b/*.parquet", "/a%20b/*.parquet"),
            ("a/b", "a/b"),
            ("./s3:/x", "./s3:/x"),
        ] {
            assert_eq!(local_path(uri).unwrap(), Path::new(path), "{uri}");
        }
        assert!(matches!(local_path("gs://bucket/key"), Err(Error::Unsupported(_))));
        #[cfg(not(feature = "s3"))]
        for uri in ["s3://bucket/key", "s3a://bucket/key"] {
            let error = local_path(uri).unwrap_err();
            assert!(matches!(error, Error::Unsupported(_)), "{error}");
            assert!(error.to_string().contains("make build"), "{error}");
        }
        assert!(matches!(local_path("file://host/x"), Err(Error::Argument(_))));
        assert!(matches!(local_path(""), Err(Error::Argument(_))));
    }

    #[test]
    fn a_uri_of_what_exists_is_not_decoded() {
        let folder = tempfile::tempdir().unwrap();
        let written = folder.path().join("week=1%2F2");
        std::fs::create_dir(&written).unwrap();
        let uri = format!("file://{}", written.display());
        assert_eq!(local_path(&uri).unwrap(), written);
        std::fs::rename(&written, folder.path().join("week=1 2")).unwrap();
        let spaced = uri.replace("%2F", "%20");
        assert_eq!(local_path(&spaced).unwrap(), folder.path().join("week=1 2"));
    }

    #[test]
    fn the_root_is_the_literal_part() {
        let root = |path: &str| Glob::parse(Path::new(path)).unwrap().root;
        assert_eq!(root("data/country=F*/x"), Path::new("data/"));
        assert_eq!(root("*.parquet"), Path::new(""));
        assert_eq!(root("/a/b/**"), Path::new("/a/b/"));
        assert!(Glob::parse(Path::new("data/x.parquet")).is_none());
    }
}

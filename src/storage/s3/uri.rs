//! URIs of S3: `s3://bucket/key`.

use std::fmt;

use crate::{Error, Result};

/// The schemes of S3 in Hadoop and Spark.
const SCHEMES: [&str; 3] = ["s3://", "s3a://", "s3n://"];

/// The address of an object, or a key prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uri {
    /// Bucket.
    pub bucket: String,
    /// Key or prefix, without a leading slash; may be empty.
    pub key: String,
}

impl Uri {
    /// Whether `text` is a URI of S3.
    pub fn is_s3(text: &str) -> bool {
        SCHEMES.iter().any(|scheme| text.starts_with(scheme))
    }

    /// Parses `s3://bucket/key`; `s3a` and `s3n` mean the same.
    ///
    /// # Errors
    /// `Argument` where `text` is not such a URI, or its key cannot be written as a path.
    pub fn parse(text: &str) -> Result<Self> {
        let expected = "s3://BUCKET/KEY";
        let wrong = || Error::argument(format!("'{text}'")).expected(expected);
        let rest = SCHEMES.iter().find_map(|scheme| text.strip_prefix(scheme)).ok_or_else(wrong)?;
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        let is_valid = !bucket.is_empty()
            && bucket.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
        if !is_valid {
            return Err(Error::argument(format!("'{text}': '{bucket}' is not a bucket name"))
                .expected(format!("{expected}, with letters, digits, '.' and '-' in BUCKET")));
        }
        if let Some(segment) = odd_segment(key) {
            return Err(Error::argument(format!("'{text}': a segment '{segment}' in the key"))
                .expected("a key without empty segments, '.' and '..'"));
        }
        Ok(Uri { bucket: bucket.to_owned(), key: key.to_owned() })
    }

    /// The same bucket, another key.
    pub fn with_key(&self, key: impl Into<String>) -> Self {
        Uri { bucket: self.bucket.clone(), key: key.into() }
    }

    /// The key as a folder: empty, or with a trailing slash.
    pub fn as_folder(&self) -> Self {
        let slash = if self.key.is_empty() || self.key.ends_with('/') { "" } else { "/" };
        self.with_key(format!("{}{slash}", self.key))
    }

    /// A key below this folder.
    pub fn join(&self, name: &str) -> Self {
        self.with_key(format!("{}{name}", self.as_folder().key))
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.key)
    }
}

/// A segment that a path normalises away, if there is one: keys that differ only in it would be
/// confused.
pub fn odd_segment(key: &str) -> Option<&str> {
    if key.is_empty() {
        return None;
    }
    let key = key.strip_suffix('/').unwrap_or(key);
    key.split('/').find(|segment| matches!(*segment, "" | "." | ".."))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn uris() {
        let uri = Uri::parse("s3a://my-bucket/a/b.parquet").unwrap();
        assert_eq!((&*uri.bucket, &*uri.key), ("my-bucket", "a/b.parquet"));
        assert_eq!(uri.to_string(), "s3://my-bucket/a/b.parquet");
        assert_eq!(Uri::parse("s3://b").unwrap().as_folder().key, "");
        assert_eq!(Uri::parse("s3://b/x").unwrap().join("y").key, "x/y");
        assert_eq!(Uri::parse("s3://b/x/").unwrap().join("y").key, "x/y");
        for wrong in ["s3://", "s3:///x", "s3://a b/x", "s3://b/a//c", "s3://b/../c", "s3://b//", "/x"] {
            assert!(matches!(Uri::parse(wrong), Err(Error::Argument(_))), "{wrong}");
        }
        assert!(!Uri::is_s3("file:///s3://x"));
    }
}

//! A folder of small files in a bucket.

use std::time::{Duration, UNIX_EPOCH};

use super::client::client;
use super::put::{self, Outcome};
use super::{Uri, fault, list, uri};
use crate::storage::folder::{Entry, Folder, Precondition};
use crate::{Error, Result};

/// A folder of small files: the keys below a prefix.
pub struct S3Folder {
    root: Uri,
}

impl S3Folder {
    /// The folder at `uri`, with or without a trailing slash.
    pub fn new(uri: &Uri) -> Self {
        S3Folder { root: uri.as_folder() }
    }

    fn uri(&self, name: &str) -> Result<Uri> {
        if name.is_empty() || name.starts_with('/') || name.ends_with('/') || uri::odd_segment(name).is_some()
        {
            return Err(Error::internal(format!("'{name}' as a name below {}", self.root)));
        }
        Ok(self.root.join(name))
    }
}

impl Folder for S3Folder {
    fn display_path(&self, name: &str) -> String {
        self.root.join(name).to_string()
    }

    fn list(&self, prefix: &str) -> Result<Vec<Entry>> {
        let listed = list::list(&*client()?, &self.root.join(prefix))?;
        let entry = |listed: list::Listed| {
            let name = listed.key.strip_prefix(&self.root.key)?.to_owned();
            // Folder markers are not files; hidden files are not listed.
            if name.is_empty() || name.ends_with('/') || name.split('/').any(|s| s.starts_with('.')) {
                return None;
            }
            let modified = listed.version.modified.and_then(|nanos| u64::try_from(nanos).ok());
            Some(Entry {
                name,
                bytes: listed.version.bytes,
                modified: modified.map(|nanos| UNIX_EPOCH + Duration::from_nanos(nanos)),
            })
        };
        let mut entries: Vec<Entry> = listed.into_iter().filter_map(entry).collect();
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        put::read(&*client()?, &self.uri(name)?)
    }

    fn read_version(&self, name: &str) -> Result<(Option<Vec<u8>>, Precondition)> {
        Ok(match put::read_with_etag(&*client()?, &self.uri(name)?)? {
            Some((bytes, etag)) => (Some(bytes), etag.map_or(Precondition::None, Precondition::IfMatch)),
            None => (None, Precondition::IfAbsent),
        })
    }

    fn write_if(&self, name: &str, bytes: &[u8], precondition: &Precondition) -> Result<bool> {
        Ok(put::put(&*client()?, &self.uri(name)?, bytes, precondition)? == Outcome::Written)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        if self.write_if(name, bytes, &Precondition::None)? {
            return Ok(());
        }
        Err(fault::object_replaced(&self.uri(name)?))
    }

    fn remove(&self, name: &str) -> Result<()> {
        put::remove(&*client()?, &self.uri(name)?)
    }
}

//! One object with ranged reads.

use std::borrow::Cow;
use std::fs::File;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use crate::{Error, Result};

/// Something with a length whose bytes can be read by range, from any thread.
pub trait Object: Send + Sync {
    /// The name that errors use.
    fn name(&self) -> &Arc<str>;

    /// Length in bytes.
    fn len(&self) -> u64;

    /// Whether there is nothing in it.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes of `range`; borrowed where no copy is needed.
    ///
    /// # Errors
    /// `Format` when the range reaches past the end, `Io` when reading fails.
    fn read(&self, range: Range<u64>) -> Result<Cow<'_, [u8]>>;
}

/// A local file, mapped into memory.
pub struct LocalFile {
    name: Arc<str>,
    map: Option<memmap2::Mmap>,
}

impl LocalFile {
    /// Opens and maps `path`.
    #[allow(unsafe_code)]
    pub fn open(path: &Path) -> Result<Self> {
        let name: Arc<str> = path.to_string_lossy().into();
        let fail = |e| Error::io("cannot open", e).in_file(&name);
        let file = File::open(path).map_err(fail)?;
        let len = file.metadata().map_err(fail)?.len();
        // An empty file cannot be mapped.
        let map = if len == 0 {
            None
        } else {
            // SAFETY: the map is read-only and private to this value. The one
            // hazard that remains is another process truncating the file during
            // the run; exports are written once and replaced by rename, and
            // README.md says that they have to be.
            Some(unsafe { memmap2::Mmap::map(&file) }.map_err(fail)?)
        };
        Ok(LocalFile { name, map })
    }

    fn bytes(&self) -> &[u8] {
        self.map.as_deref().unwrap_or_default()
    }
}

impl Object for LocalFile {
    fn name(&self) -> &Arc<str> {
        &self.name
    }

    fn len(&self) -> u64 {
        self.bytes().len() as u64
    }

    fn read(&self, range: Range<u64>) -> Result<Cow<'_, [u8]>> {
        slice(&self.name, self.bytes(), range).map(Cow::Borrowed)
    }
}

/// Bytes that are in memory already.
pub struct MemoryObject {
    name: Arc<str>,
    bytes: Vec<u8>,
}

impl MemoryObject {
    /// An object called `name` with these bytes.
    pub fn new(name: &str, bytes: Vec<u8>) -> Self {
        MemoryObject { name: name.into(), bytes }
    }
}

impl Object for MemoryObject {
    fn name(&self) -> &Arc<str> {
        &self.name
    }

    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read(&self, range: Range<u64>) -> Result<Cow<'_, [u8]>> {
        slice(&self.name, &self.bytes, range).map(Cow::Borrowed)
    }
}

fn slice<'a>(name: &Arc<str>, bytes: &'a [u8], range: Range<u64>) -> Result<&'a [u8]> {
    let start = usize::try_from(range.start).ok();
    let end = usize::try_from(range.end).ok();
    start.zip(end).and_then(|(start, end)| bytes.get(start..end)).ok_or_else(|| {
        Error::format(format!("bytes {}..{} are wanted", range.start, range.end))
            .expected(format!("a range within the file's {} bytes", bytes.len()))
            .advice("The file is cut short or its footer is damaged; export it again")
            .in_file(name)
    })
}

//! A text file that reads as a parquet file.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use super::format::{self, Text};
use super::header::Wanted;
use super::image::Image;
use super::pieces::{Context, PIECE, convert_decoded, convert_stored};
use crate::progress::{NoProgress, Progress};
use crate::storage::Spool;
use crate::storage::object::{Object, ObjectVersion, Pinned, TAIL, Traffic, read_all, read_head};
use crate::{Error, Result};

/// A text file. It is converted when it is first read, once.
pub struct TextObject {
    stored: Arc<dyn Object>,
    wanted: Arc<Wanted>,
    spool: Arc<Spool>,
    options: Options,
    image: OnceLock<Result<Image>>,
}

/// How text is converted.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Bytes of a piece of text.
    pub piece: usize,
    /// Only the first rows of each file.
    pub rows: Option<u64>,
}

impl Default for Options {
    fn default() -> Self {
        Options { piece: PIECE, rows: None }
    }
}

impl TextObject {
    /// The text of `stored`.
    pub fn new(stored: Arc<dyn Object>, wanted: Arc<Wanted>, spool: Arc<Spool>, options: Options) -> Self {
        TextObject { stored, wanted, spool, options, image: OnceLock::new() }
    }

    /// Converts the text, unless it is converted already.
    ///
    /// # Errors
    /// `Format` for what is no text, `Data` for fields that are no numbers, both with their line.
    pub fn convert(&self, progress: &dyn Progress) -> Result<()> {
        self.converted(progress).map(|_| ())
    }

    fn converted(&self, progress: &dyn Progress) -> Result<&Image> {
        let converted = self.image.get_or_init(|| {
            let context = Context {
                wanted: &self.wanted,
                spool: &self.spool,
                piece: self.options.piece,
                rows: self.options.rows,
                progress,
            };
            let convert = || match format::open(self.stored.as_ref())? {
                Text::Stored(from) => convert_stored(&context, self.stored.as_ref(), from),
                Text::Decoded(text) => {
                    let converted = convert_decoded(&context, text)?;
                    progress.advance(self.stored.len());
                    Ok(converted)
                }
            };
            let converted = convert();
            // The text is not read again. Of a text that changed, an error in it means nothing.
            if !matches!(converted, Err(Error::Interrupted)) {
                self.stored.check_unchanged()?;
            }
            Ok(Image::new(converted?, self.spool.clone()))
        });
        converted.as_ref().map_err(|error| error.again().in_file(self.stored.name()))
    }
}

impl Object for TextObject {
    fn name(&self) -> &Arc<str> {
        self.stored.name()
    }

    fn len(&self) -> u64 {
        self.converted(&NoProgress).map_or(self.stored.len(), Image::size)
    }

    fn stored_len(&self) -> u64 {
        self.stored.len()
    }

    fn head(&self, most: u64) -> Result<Vec<u8>> {
        read_head(self, most)
    }

    fn read(&self, range: Range<u64>) -> Result<Cow<'_, [u8]>> {
        self.converted(&NoProgress)?.read(range)
    }

    fn read_whole(&self, buffer: &mut Vec<u8>) -> Result<()> {
        read_all(self, buffer)
    }

    fn pin(&self) -> Result<Option<Arc<Pinned>>> {
        Ok(None)
    }

    fn version(&self) -> Option<ObjectVersion> {
        self.stored.version()
    }

    fn check_unchanged(&self) -> Result<()> {
        self.stored.check_unchanged()
    }

    fn check_listed(&self) -> Result<()> {
        self.stored.check_listed()
    }

    fn line(&self, row: u64) -> Option<u64> {
        self.image.get()?.as_ref().ok()?.line(row)
    }

    // The converted bytes are here, wherever the text is.
    fn is_remote(&self) -> bool {
        false
    }

    fn tail(&self) -> u64 {
        TAIL
    }

    fn prefetch_footer(&self) {}

    fn prefetch(&self, _wanted: &[Range<u64>]) {}

    fn evict(&self, _done: &[Range<u64>]) {}

    fn traffic(&self) -> Option<Traffic> {
        self.stored.traffic()
    }
}

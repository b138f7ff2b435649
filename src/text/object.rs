//! A text file that reads as a parquet file.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use super::format::{self, Text};
use super::header::Wanted;
use super::image::Image;
use super::pieces::{Context, PIECE, convert_decoded, convert_stored};
use super::spool::Spool;
use crate::Result;
use crate::progress::{NoProgress, Progress};
use crate::storage::object::{Object, ObjectVersion, Traffic};

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
            let converted = match format::open(self.stored.as_ref())? {
                Text::Stored(from) => convert_stored(&context, self.stored.as_ref(), from)?,
                Text::Decoded(text) => {
                    let converted = convert_decoded(&context, text)?;
                    progress.advance(self.stored.len());
                    converted
                }
            };
            Ok(Image::new(converted, self.spool.clone()))
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

    fn read(&self, range: Range<u64>) -> Result<Cow<'_, [u8]>> {
        self.converted(&NoProgress)?.read(range)
    }

    fn version(&self) -> Option<ObjectVersion> {
        self.stored.version()
    }

    fn line(&self, row: u64) -> Option<u64> {
        self.image.get()?.as_ref().ok()?.line(row)
    }

    fn traffic(&self) -> Option<Traffic> {
        self.stored.traffic()
    }
}

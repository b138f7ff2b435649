//! The floor: the least work of any reader, which is to decompress every page of the
//! needed columns of a mapped file.
//!
//! Snappy pages are decompressed by the `snap` crate, others by `rollshare::internals::parquet::codec`.
//! Pages are distributed over the threads in small ranges.

use std::sync::Arc;

use rayon::prelude::*;
use rollshare::internals::parquet::{ChunkPages, Codec, FileMeta, PageKind, PageMeta, codec, footer};
use rollshare::internals::storage::{Input, Object, PinnedObject};
use rollshare::{Job, Result};

/// Pages that a thread takes at a time.
const PAGES: usize = 32;

/// One page of one file.
pub struct Page<'a> {
    object: Arc<PinnedObject<'a>>,
    codec: Codec,
    meta: PageMeta,
}

/// The columns of a cube that `job` needs.
pub fn columns(job: &Job) -> [&str; 5] {
    let c = job.columns();
    [c.name, c.value, c.year_week, c.country, c.os_name]
}

/// The numbers of the leaves of these columns.
fn leaves(columns: &[&str], meta: &FileMeta) -> Vec<usize> {
    let named = |leaf: &rollshare::internals::parquet::Leaf| columns.iter().any(|name| *name == leaf.name());
    meta.leaves.iter().enumerate().filter(|(_, leaf)| named(leaf)).map(|(at, _)| at).collect()
}

/// The pages of these columns; reads footers and page headers.
pub fn pages<'a>(columns: &[&str], inputs: &'a [Input]) -> Result<Vec<Page<'a>>> {
    let of_file = |input: &'a Input| -> Result<Vec<Page<'a>>> {
        let object = Arc::new(PinnedObject::new(input.object.as_ref())?);
        let meta = footer::read(&*object)?;
        let leaves = leaves(columns, &meta);
        let mut pages = vec![];
        for group in &meta.row_groups {
            for at in &leaves {
                let chunk = &group.chunks[*at];
                let walked = ChunkPages::walk(&*object, chunk, &meta.leaves[*at], group.rows)?;
                let codec = Codec::from_id(chunk.codec);
                let page = |meta| Page { object: object.clone(), codec, meta };
                pages.extend(walked.dictionary.into_iter().chain(walked.data).map(page));
            }
        }
        Ok(pages)
    };
    let files: Vec<Vec<Page<'a>>> = inputs.par_iter().map(of_file).collect::<Result<_>>()?;
    Ok(files.into_iter().flatten().collect())
}

/// Decompresses all pages on the current rayon pool; returns the bytes that came out.
pub fn decompress(pages: &[Page<'_>]) -> Result<u64> {
    let range = |(snappy, buffer): &mut (snap::raw::Decoder, Vec<u8>), pages: &[Page<'_>]| {
        let mut bytes = 0;
        for page in pages {
            bytes += one(page, snappy, buffer)?;
        }
        Ok(bytes)
    };
    let state = || (snap::raw::Decoder::new(), Vec::new());
    pages.par_chunks(PAGES).map_init(state, |state, pages| range(state, pages)).sum()
}

fn one(page: &Page<'_>, snappy: &mut snap::raw::Decoder, buffer: &mut Vec<u8>) -> Result<u64> {
    let body = page.object.read(page.meta.body.clone())?;
    let len = page.meta.uncompressed_len as usize;
    let (levels, codec) = match page.meta.kind {
        PageKind::V2 { definition_len, repetition_len, is_compressed, .. } => (
            (definition_len + repetition_len) as usize,
            if is_compressed { page.codec } else { Codec::Uncompressed },
        ),
        _ => (0, page.codec),
    };
    let (stored, len) = (&body[levels..], len - levels);
    if codec == Codec::Snappy {
        if buffer.len() < len {
            buffer.resize(len, 0);
        }
        let written = snappy.decompress(stored, buffer).expect("the page decompresses");
        assert_eq!(written, len);
    } else {
        codec::decompress(codec, stored, len, buffer)?;
    }
    Ok(page.meta.uncompressed_len.into())
}

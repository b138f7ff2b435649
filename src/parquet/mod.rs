//! Parquet, as far as a scan needs it: from bytes to pages, runs and values.
//!
//! - [`thrift`]: the compact protocol that all metadata is in.
//! - [`footer`]: what is in the file and where.
//! - [`schema`]: the leaf columns and their types.
//! - [`page`]: page headers, the walk over a chunk's pages, opening one page.
//! - [`codec`]: decompression of pages. [`head`]: what a page tells without it.
//! - [`encoding`]: from a page's bytes to runs and values.
//!
//! Whatever the bytes, nothing here panics, loops for ever or takes memory out
//! of proportion to them. What a file uses and this code does not know is
//! refused only when it is needed.

pub mod codec;
pub mod encoding;
pub mod footer;
pub mod head;
pub mod page;
pub mod schema;
pub mod thrift;

pub use codec::Codec;
#[cfg(test)]
mod tests;

pub use footer::{Bounds, ChunkMeta, FileMeta, RowGroupMeta};
pub use page::{ChunkPages, Encoding, OpenPage, PageKind, PageLayout, PageMeta, Span};
pub use schema::{Leaf, Logical, Physical, Unit};

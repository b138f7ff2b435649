//! The parts of parquet that a scan needs: from bytes to pages, runs and values.
//!
//! - [`thrift`]: the compact protocol of all metadata.
//! - [`footer`]: row groups, column chunks and where they are; [`row_groups`] packs them.
//! - [`schema`]: the leaf columns and their types.
//! - [`page`]: page headers, the walk over the pages of a chunk, opening a page.
//! - [`codec`]: decompression of pages. [`head`]: nulls from the first bytes of a page, without it.
//! - [`encoding`]: from the bytes of a page to runs and values.
//! - [`mod@encode`], [`mod@write`]: the other way round, for pages that the program writes itself.
//!
//! No bytes make this module panic, loop for ever or take memory out of proportion to their
//! number. A feature that is not supported is an error only when a column that uses it is read.

pub mod codec;
pub mod encode;
pub mod encoding;
pub mod footer;
pub mod head;
pub mod page;
pub mod row_groups;
pub mod schema;
pub mod thrift;
pub mod write;

pub use codec::Codec;
#[cfg(test)]
mod tests;

pub use footer::{Bounds, ChunkMeta, FileMeta, RowGroupMeta};
pub use page::{ChunkPages, Encoding, OpenPage, PageKind, PageLayout, PageMeta, Span};
pub use row_groups::RowGroups;
pub use schema::{Leaf, Logical, Physical, Unit};

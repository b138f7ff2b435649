//! Encodings (Encodings.md), all streaming: no decoder allocates by a count.
//!
//! - [`hybrid_rle`]: dictionary indices and definition levels, as runs.

pub mod hybrid_rle;

pub use hybrid_rle::{HybridRle, Run};

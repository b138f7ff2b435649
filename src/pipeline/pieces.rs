//! The rows of a data frame of a cluster, in pieces that its executors keep.
//!
//! A piece is a parquet file in the memory of a task. To the driver all pieces are one file without data pages: its footer
//! has the row groups of all of them. So a run of a frame is that of one file, as where a frame is checked in one process.

use std::sync::Arc;

use crate::scan::split::{Piece, Splits, plan_pieces};
use crate::storage::{Discovery, Input, MemoryObject, SourcePaths};
use crate::{Job, Result};

/// The name of a data frame in reports and errors.
pub const FRAME: &str = "frame";

/// The pieces of a data frame.
#[derive(Debug, Clone)]
pub struct Pieces {
    /// A parquet file without data pages, with the row groups of all pieces in their order.
    pub footer: Vec<u8>,
    /// The pieces in their order; at least one.
    pub pieces: Vec<Piece>,
}

impl Pieces {
    /// The frame as the only input.
    pub fn discovery(&self) -> Discovery {
        let object = Arc::new(MemoryObject::new(FRAME, self.footer.clone()));
        let inputs = vec![Input { object, partitions: Vec::new() }];
        Discovery { inputs, notes: Vec::new(), source_paths: SourcePaths::default() }
    }

    /// A split for each piece.
    ///
    /// # Errors
    /// `Argument` for a job that is not valid.
    pub fn splits(&self, job: &Job) -> Result<Splits> {
        plan_pieces(job, FRAME, &self.pieces)
    }
}

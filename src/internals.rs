//! What the program, tests, benchmarks and fuzz targets of this package need of its parts.
//!
//! No part of the public interface: anything here may change in any release.

pub mod calendar {
    //! See the module of this name.
    pub use crate::calendar::*;
}
pub mod checks {
    //! See the module of this name.
    pub use crate::checks::*;
}
pub mod compare {
    //! See the module of this name.
    pub use crate::compare::*;
}
pub mod dataset {
    //! See the module of this name.
    pub use crate::dataset::*;
}
pub mod frame {
    //! See the module of this name.
    pub use crate::frame::*;
}
pub mod grid {
    //! See the module of this name.
    pub use crate::grid::*;
}
pub mod history {
    //! See the module of this name.
    pub use crate::history::*;
}
pub mod ids {
    //! See the module of this name.
    pub use crate::ids::*;
}
pub mod infer {
    //! See the module of this name.
    pub use crate::infer::*;
}
pub mod kernel {
    //! See the module of this name.
    pub use crate::kernel::*;
}
pub mod parquet {
    //! See the module of this name.
    pub use crate::parquet::*;
}
pub mod pipeline {
    //! See the module of this name.
    pub use crate::pipeline::*;
}
pub mod profile {
    //! See the module of this name.
    pub use crate::profile::*;
}
pub mod publish {
    //! See the module of this name.
    pub use crate::publish::*;
}
pub mod report {
    //! See the module of this name.
    pub use crate::report::*;
}
pub mod sample {
    //! See the module of this name.
    pub use crate::sample::*;
}
pub mod scan {
    //! See the module of this name.
    pub use crate::scan::*;
}
pub mod state {
    //! See the module of this name.
    pub use crate::state::*;
}
pub mod storage {
    //! See the module of this name.
    pub use crate::storage::*;
}
pub mod table {
    //! See the module of this name.
    pub use crate::table::*;
}
pub mod text {
    //! See the module of this name.
    pub use crate::text::*;
}
pub mod why {
    //! See the module of this name.
    pub use crate::why::*;
}
pub mod window {
    //! See the module of this name.
    pub use crate::window::*;
}
#[cfg(feature = "cli")]
pub mod cli {
    //! See the module of this name.
    pub use crate::cli::*;
}

//! What a run has found, for people: its [`RunReport`](crate::pipeline::RunReport)
//! as a page. The report itself, as JSON, is for machines.
//!
//! - [`figures`]: what is drawn of it, bounded.
//! - [`chart`]: the drawings, as SVG.
//! - [`next`]: how to go on.
//! - [`mod@page`]: one HTML page that needs nothing else.
//! - [`words`]: numbers, dates and outcomes in words.
//!
//! The same report gives the same bytes.

pub mod chart;
pub mod figures;
pub mod next;
pub mod page;
pub mod words;

pub use page::{
    page,
    verdict::{sentence, why},
};

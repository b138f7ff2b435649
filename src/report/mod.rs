//! The report of a run: what it contains, and the page that shows it to people.
//!
//! - [`model`]: [`RunReport`], which is kept as JSON. [`series`]: the series in it.
//! - [`account`]: the account of the rows in the words of the profile.
//! - [`figures`]: the series that the page draws, bounded in length.
//! - [`headline`]: the answer: shares of the last complete period, and what moved. [`countries`]: names of countries.
//! - [`chart`]: the drawings, as SVG and PNG. [`brief`]: a short text.
//! - [`why`]: the changes that the page explains.
//! - [`next`]: what a person can do after a run.
//! - [`mod@page`]: the report as one self-contained HTML page.
//! - [`words`]: numbers, dates and results in words.
//!
//! The same report always gives the same bytes.

pub mod account;
pub mod brief;
pub mod chart;
pub mod countries;
pub mod figures;
pub mod headline;
pub mod model;
pub mod next;
pub mod page;
pub mod series;
pub mod why;
pub mod words;

pub use model::{RunReport, State};
pub use page::{
    page,
    verdict::{sentence, why},
};

//! A profile that is inferred from an export: from the names and types of its columns and a bounded sample of its rows.
//!
//! - [`mod@sample`]: reads the sample: for each column its distinct values, for each row their numbers.
//! - [`names`]: which role the name of a column suggests.
//! - [`values`]: what the values of a column are: times, countries, systems, organic names.
//! - [`bundled`]: which bundled profile fits the columns.
//! - [`roles`]: the column of each role, and the other candidates.
//! - [`totals`]: total rows, by name and by sums.
//! - [`decide`]: the entries of the profile; [`dimensions`]: those of dimensions.
//! - [`write`]: the profile as TOML, each entry with its evidence as a comment.
//!
//! The result depends on the files alone: which rows are sampled is fixed by the number of files and rows.

pub mod bundled;
pub mod decide;
pub mod dimensions;
pub mod names;
pub mod roles;
pub mod sample;
pub mod totals;
pub mod values;
pub mod write;

pub use bundled::best_bundled;

use crate::profile::Profile;
use crate::storage::Input;
use crate::text::header::Wanted;
use crate::text::{Options, Texts};
use crate::{Error, Result};

/// A profile, and what it was inferred from.
#[derive(Debug, Clone)]
pub struct Inferred {
    /// The profile.
    pub profile: Profile,
    /// The profile as TOML, each entry with its evidence as a comment.
    pub text: String,
    /// What a person should look at, one sentence each.
    pub notes: Vec<String>,
}

/// Infers the profile of an export that `shown` names.
///
/// # Errors
/// `Data` where there is no row, or no column of times, channels or countries; those of reading files.
pub fn infer(mut inputs: Vec<Input>, shown: &str) -> Result<Inferred> {
    let most = sample::MOST_ROWS / inputs.len().clamp(1, sample::MOST_FILES) as u64;
    let options = Options { rows: Some(most), ..Options::default() };
    let texts = Texts::open(Wanted::All, options, &mut inputs)?;
    let text_rows = (!texts.is_empty()).then_some(most);
    let sample = sample::read(&inputs, text_rows).map_err(|e| texts.locate(e))?;
    let findings = decide::decide(&sample)?;
    let text = write::write(&findings, &sample, shown);
    // A profile that cannot be used as it is printed is a bug.
    let profile = Profile::parse(&text, "the inferred profile")
        .map_err(|e| Error::internal(format!("the inferred profile cannot be read: {e}")))?;
    if profile != findings.profile {
        return Err(Error::internal("the inferred profile differs from its text"));
    }
    Ok(Inferred { profile, text, notes: findings.notes })
}

//! Organic channels that no row has: a misspelled name would make every share 0.

use super::members::Members;
use crate::grid::{CHANNELS, Partial};
use crate::nearest::nearest;
use crate::phrase::{Phrase, Setting};
use crate::profile::meaning::ClassRule;
use crate::profile::{Class, Profile};
use crate::{Error, Job, Result, Semantics};

/// Whether it has to be asked which channels there are: the caller has named organic channels, rows count, and none of
/// their users is organic. The name of the default profile is not the caller's.
pub fn is_in_doubt(job: &Job, partial: &Partial) -> bool {
    let channel = &job.profile.channel;
    let partial = partial.chosen();
    let organic = || partial.cells.iter().skip(1).step_by(CHANNELS);
    job.semantics == Semantics::Iso
        && !job.share_of_channel
        && !channel.organic.is_empty()
        && *channel != Profile::cube().channel
        && partial.account.kept() > 0
        && organic().all(|users| *users == 0)
        && partial.extras.keys().all(|cell| cell % CHANNELS == 0)
}

/// Fails unless one of the `channels` is organic. `None`: they are not known.
///
/// # Errors
/// `Data` that names the channels there are.
pub fn check(job: &Job, channels: Option<&Members>) -> Result<()> {
    let channel = &job.profile.channel;
    let rule = ClassRule::new(channel);
    if channels.is_some_and(|channels| channels.values().any(|name| rule.class(Some(name)) == Class::Organic))
    {
        return Ok(());
    }
    let wanted: Vec<String> = channel.organic.iter().map(|name| format!("'{name}'")).collect();
    let column = channel.column.as_deref().unwrap_or_default();
    let error = Error::data(format!("no row is organic: none has {column} {}", wanted.join(" or ")));
    let Some(channels) = channels else {
        return Err(error.expected("rows of an organic channel"));
    };
    let names: Vec<String> =
        channels.values().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let near = channel.organic.iter().find_map(|name| nearest(name, &names));
    let advice = match near {
        Some(near) => Phrase::from(format!("There is '{near}': ")).entry(Setting::Organic(near.into())),
        None => Phrase::from("Name those that are organic: ").entry(Setting::Organic("NAME".into())),
    };
    Err(error.expected(format!("one of the channels that there are: {}", channels.show())).advice(advice))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_channels_there_are_are_named() {
        let mut job = Job::default();
        job.profile.channel.organic = vec!["organic".into()];
        let mut channels = Members::default();
        channels.add(Some(b"Paid Search"), 3);
        channels.add(Some(b"Organic"), 2);
        let error = check(&job, Some(&channels)).unwrap_err().to_string();
        for words in [
            "none has name 'organic'",
            "'Paid Search' (3 rows), 'Organic' (2 rows)",
            "There is 'Organic': --organic Organic",
        ] {
            assert!(error.contains(words), "{error}");
        }
        job.profile.channel.ignore_case = true;
        assert!(check(&job, Some(&channels)).is_ok());
        assert!(check(&job, None).is_err());
    }
}

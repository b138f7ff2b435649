//! A report as a short text, for mails and chats.

use super::figures::{self, Key};
use super::headline::{Headline, Standing};
use super::words;
use super::{RunReport, sentence};
use crate::escape;
use crate::why::Explanation;

/// The shares and what moved, as lines of text, which are escaped; the first line is the state of the run.
pub fn text(report: &RunReport) -> String {
    let mut lines = vec![format!("{}.", sentence(report))];
    let shares = figures::shares(report).unwrap_or_default();
    if let Some(headline) = Headline::of(&shares) {
        lines.push(String::new());
        lines.extend(headline.sentences());
        lines.push(String::new());
        lines.extend(table(&headline));
        let reasons = report.charts.why.iter().filter_map(|why| reason(&headline, why));
        let reasons: Vec<String> = reasons.collect();
        if !reasons.is_empty() {
            lines.push(String::new());
            lines.extend(reasons);
        }
    } else {
        lines.push("There is no table: nothing was computed.".into());
    }
    let places = [("Page", &report.places.page), ("Target", &report.target)];
    let places = places.into_iter().filter_map(|(name, place)| Some(format!("{name}: {}", place.as_ref()?)));
    lines.push(String::new());
    lines.extend(places);
    lines.push(format!("Run: {}", report.run));
    lines.iter().map(|line| format!("{}\n", escape::line(line))).collect()
}

/// The keys with most users, aligned.
fn table(headline: &Headline<'_>) -> Vec<String> {
    let name = |key: &Key| words::shortened(&headline.name(&key.members, &key.name), 32);
    let rows: Vec<&Standing<'_>> = headline.world.iter().chain(&headline.largest).collect();
    let width = rows.iter().map(|row| name(row.key).chars().count()).max().unwrap_or_default();
    let since = |change: Option<f64>, at: Option<usize>| match (change, at) {
        (Some(change), Some(at)) => format!(", {} since {}", words::points(change), headline.period(at)),
        _ => String::new(),
    };
    let line = |row: &&Standing<'_>| {
        format!(
            "{:<width$}  {:>7} of {} users{}{}",
            name(row.key),
            words::percent(row.share),
            words::short(row.users),
            since(row.change, headline.before),
            since(row.change_of_year, headline.year),
        )
    };
    rows.iter().map(line).collect()
}

/// The main reason of a change, with the name of its key.
fn reason(headline: &Headline<'_>, why: &Explanation) -> Option<String> {
    let name = if why.members.is_empty() { headline.all() } else { why.name() };
    Some(format!("{name}: {}. {}.", why.sentence(), why.main_reason()?))
}

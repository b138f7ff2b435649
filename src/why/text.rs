//! An explanation as text, as CSV, and in one sentence.

use std::fmt::Write as _;

use super::{Contribution, Explanation, WORLD, class_name};
use crate::escape;
use crate::publish::csv;
use crate::report::words;

/// The most channels of a text; the others are summed.
const CHANNELS: usize = 20;
/// The length of the longest bar to either side, in characters.
const BAR: usize = 12;

impl Explanation {
    /// The key for people: `GB, ios`, or [`WORLD`].
    pub fn name(&self) -> String {
        if self.members.is_empty() { WORLD.to_owned() } else { escape::name(&self.members.join(", ")).into() }
    }

    /// The change in one sentence, without the key: `organic share 41.2 % in 2023-W41, -2.3 points since 2023-W40 (43.5 %)`.
    pub fn sentence(&self) -> String {
        format!(
            "organic share {} in {}, {} since {} ({})",
            words::percent(Some(self.share)),
            self.period,
            words::points(self.change),
            self.against,
            words::percent(Some(self.share_before)),
        )
    }

    /// What contributed most in the direction of the change, and against it if that is at least half as much, as a
    /// sentence; `None` if nothing did.
    pub fn main_reason(&self) -> Option<String> {
        let largest =
            |sign: f64| self.channels.iter().find(|channel| channel.contribution * self.change * sign > 0.0);
        let most = largest(1.0)?;
        let reason = |channel: &Contribution, most: &str| {
            let class = class_name(channel.organic);
            let class = if channel.channel.eq_ignore_ascii_case(class) {
                String::new()
            } else {
                format!(" ({class})")
            };
            format!(
                "{}{class} {} it{most} by {} ({} to {} users)",
                escape::name(&channel.channel),
                if channel.contribution < 0.0 { "lowered" } else { "raised" },
                words::points(channel.contribution.abs()).trim_start_matches('+'),
                words::amount(channel.users_before),
                words::amount(channel.users),
            )
        };
        let against = largest(-1.0).filter(|other| other.contribution.abs() * 2.0 >= most.contribution.abs());
        Some(match against {
            Some(other) => format!("{}; {}", reason(most, " most,"), reason(other, "")),
            None => reason(most, " most,"),
        })
    }

    /// As a text of lines, for a terminal. Names are escaped.
    pub fn text(&self) -> String {
        let mut text = format!("{}: {}.", self.name(), self.sentence());
        if let Some(reason) = self.main_reason() {
            let _ = write!(text, " {reason}.");
        }
        text.push_str("\n\n");
        let short = self.clone().shortened(CHANNELS);
        let most = short.channels.iter().map(|channel| channel.contribution.abs()).fold(0.0, f64::max);
        let row = |name: &str, class: &str, before: f64, now: f64, contribution: f64| {
            let number = |value: f64| words::amount(value);
            [
                name.to_owned(),
                class.to_owned(),
                number(before),
                number(now),
                format!("{:+.2}", contribution * 100.0),
            ]
        };
        let mut rows = vec![[
            "channel".to_owned(),
            "class".to_owned(),
            format!("users {}", self.against),
            format!("users {}", self.period),
            "points".to_owned(),
        ]];
        let mut bars = vec![String::new()];
        for channel in &short.channels {
            let name = escape::name(&channel.channel);
            rows.push(row(
                &name,
                class_name(channel.organic),
                channel.users_before,
                channel.users,
                channel.contribution,
            ));
            bars.push(bar(channel.contribution, most));
        }
        rows.push(row("all", "", self.users_before, self.users, self.change));
        bars.push(String::new());
        let widths: [usize; 5] = std::array::from_fn(|at| {
            rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count()).max().unwrap_or(0)
        });
        for (row, bar) in rows.iter().zip(&bars) {
            let mut line = String::new();
            for (at, (cell, width)) in row.iter().zip(widths).enumerate() {
                let _ =
                    if at < 2 { write!(line, "{cell:<width$}  ") } else { write!(line, "{cell:>width$}  ") };
            }
            line.push_str(bar);
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }

    /// As CSV: a header, and a line a channel.
    pub fn csv(&self) -> String {
        let mut text = "channel,organic,users_before,users,contribution\n".to_owned();
        for Contribution { channel, organic, users_before, users, contribution } in &self.channels {
            let name = csv::field(channel);
            let _ = writeln!(text, "{name},{organic},{users_before},{users},{contribution}");
        }
        text
    }
}

/// A bar to the left of the axis for a negative number, to the right for a positive one; `most` is as long as [`BAR`].
fn bar(value: f64, most: f64) -> String {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // from 0 to BAR
    let length = if most > 0.0 { (value.abs() / most * BAR as f64).round() as usize } else { 0 };
    let blocks = "█".repeat(length);
    if value < 0.0 { format!("{blocks:>BAR$}│") } else { format!("{:BAR$}│{blocks}", "") }
}

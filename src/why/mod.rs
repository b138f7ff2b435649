//! Why a share moved: its change from one period to another, split exactly into what each channel contributed.
//!
//! ```text
//! share = O / T                         organic users and all users of the window that ends with a period
//! s0 = O0 / T0, s1 = O1 / T1            before and now
//!
//! contribution of channel c = ((o1c - o0c) - s0 (t1c - t0c)) / T1
//! ```
//!
//! `t` are the users of a channel, and `o` those of them that are organic: all of an organic channel, none of a paid
//! one. Contributions add up to the change. The numerators add up to `(O1 - O0) - s0 (T1 - T0)`, which is
//! `O1 - s0 T1` because `O0 = s0 T0`; divided by `T1` that is `s1 - s0`.
//!
//! This is the first step of the linearisation of a ratio (W. G. Cochran, "Sampling Techniques", 3rd edition, Wiley
//! 1977, section 2.11), `s1 - s0 = (O1 - s0 T1) / T1`, with the sums of the right side written by channel. It needs no
//! approximation, no order of the channels and no residual. For the two classes it is
//!
//! ```text
//! organic channel    (1 - s0) (t1c - t0c) / T1     more users raise the share
//! paid channel            -s0 (t1c - t0c) / T1     more users lower it
//! ```
//!
//! which is how it is computed: the differences of users and `T0 - O0` are exact sums, so nothing cancels after the
//! first rounding. The users are those of rolling windows. Windows that overlap have some weeks in common, which do not
//! change; the difference of a channel is that of the weeks that entered and left.
//!
//! - [`period`]: which periods are compared. [`text`]: an explanation as text, CSV and in words.

pub mod period;
pub mod text;

use std::collections::BTreeMap;

pub use self::period::Against;
use crate::grid::{CHANNELS, Partial, TimePoint};
use crate::nearest::nearest;
use crate::phrase::{Phrase, Setting};
use crate::profile::Class;
use crate::profile::meaning::ClassRule;
use crate::report::words;
use crate::scan::{self, Options, Progress, nothing};
use crate::storage::discover;
use crate::table::{keys, share};
use crate::text::Texts;
use crate::window::Sum;
use crate::{Error, Job, Result, Semantics};

/// The name that stands for all keys together, unless a key has it.
pub const WORLD: &str = "world";

/// Which change is explained.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// The key: its members, separated by commas, or [`WORLD`].
    pub key: String,
    /// The period; `None` for the latest one that has rows.
    pub period: Option<String>,
    /// The period before.
    pub against: Against,
}

/// A change of a share, by channel.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Explanation {
    /// The members of the key, one per dimension; none for all keys together.
    pub members: Vec<String>,
    /// The length of the window in periods.
    pub window: u32,
    /// The period: `2021-W05`, `2021-02-01` or `2021-02`.
    pub period: String,
    /// The period before.
    pub against: String,
    /// The share of the window that ends with the period.
    pub share: f64,
    /// The share before.
    pub share_before: f64,
    /// `share - share_before`.
    pub change: f64,
    /// Users of the window.
    pub users: f64,
    /// Users before.
    pub users_before: f64,
    /// The channels with users now or before, the largest contribution first.
    pub channels: Vec<Contribution>,
}

/// What a channel contributed to a change.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Contribution {
    /// The channel.
    pub channel: String,
    /// Whether it is organic.
    pub organic: bool,
    /// Users before.
    pub users_before: f64,
    /// Users now.
    pub users: f64,
    /// Its part of the change of the share, of which 1 is 100 points.
    pub contribution: f64,
}

/// The job whose sums [`explain`] needs: that of the shares of each channel, with one window.
///
/// # Errors
/// `Argument` for several windows and for legacy semantics.
pub fn job_of(job: &Job) -> Result<Job> {
    if job.semantics == Semantics::Legacy {
        return Err(Error::argument("the change of a share with legacy semantics")
            .expected(Phrase::default().option(Setting::Semantics("iso".into()))));
    }
    if job.windows.len() != 1 {
        return Err(Error::argument(format!("{} windows", job.windows.len())).expected("one window"));
    }
    Job { share_of_channel: true, details: false, ..job.clone() }.validated()
}

/// Reads `sources` and explains a change. `job` is one of [`job_of`].
///
/// # Errors
/// Those of a scan and of [`explain`].
pub fn why(
    job: &Job,
    sources: &[String],
    change: &Change,
    options: &Options,
    progress: &dyn Progress,
) -> Result<Explanation> {
    let mut inputs = discover(sources, job.semantics)?.inputs;
    let texts = Texts::find(job, false, &mut inputs)?;
    let summed = scan::scan(job, &inputs, options, progress);
    let (partial, _) = summed.map_err(|error| texts.locate(error))?;
    if partial.chosen().account.kept() == 0 {
        return Err(nothing::error(job, partial.chosen(), &nothing::members_of_files(&inputs)));
    }
    explain(job, &partial, change)
}

/// Explains a change from the sums of a job of [`job_of`].
///
/// # Errors
/// `Argument` for a key or a period that the sums do not have, `Data` where the share is null in one of the periods
/// or no channel is organic, `TooLarge` where a sum does not fit 128 bits.
pub fn explain(job: &Job, partial: &Partial, change: &Change) -> Result<Explanation> {
    let sums = Sums::new(job, partial.chosen())?;
    let members = sums.members(&change.key)?;
    let now = match &change.period {
        Some(period) => sums.on_axis(period::parse(job.grain, period)?)?,
        None => sums.axis.1,
    };
    let before = sums.on_axis(change.against.step(job.grain, now)?)?;
    sums.explain(members.as_deref(), now, before)
}

/// The sums of a job of shares of channels, by key and channel.
pub struct Sums<'p> {
    job: &'p Job,
    partial: &'p Partial,
    /// The groups of each channel, by the members of the key. Without the totals that the job adds.
    keys: BTreeMap<Vec<String>, OfChannel>,
    /// The first and the last step with rows.
    axis: (i32, i32),
    class: ClassRule,
    /// What one user is in the sums.
    unit: f64,
}

/// The groups of each channel.
type OfChannel = BTreeMap<String, Vec<usize>>;

impl<'p> Sums<'p> {
    /// The sums by key and channel of a partial aggregate, in which total rows are chosen.
    ///
    /// # Errors
    /// `Data` where there are no rows, and as of [`keys::of`].
    pub fn new(job: &'p Job, partial: &'p Partial) -> Result<Self> {
        let mut keys: BTreeMap<Vec<String>, OfChannel> = BTreeMap::new();
        for mut key in keys::of(job, partial)? {
            let Some(channel) = key.members.pop() else { continue };
            let members: Vec<String> = key.members.iter().map(ToString::to_string).collect();
            keys.entry(members).or_default().insert(channel.to_string(), key.groups);
        }
        let step = |time: Option<&TimePoint>| match time {
            Some(TimePoint::Step(step)) => Some(*step),
            _ => None,
        };
        let axis = step(partial.times.first()).zip(step(partial.times.last()));
        let axis = axis.ok_or_else(|| Error::data("no row counts").expected("rows with users"))?;
        let class = ClassRule::new(&job.profile.channel);
        Ok(Sums { job, partial, keys, axis, class, unit: partial.unit() })
    }

    /// The members of a key by its name; `None` for all keys together.
    fn members(&self, name: &str) -> Result<Option<Vec<String>>> {
        let parts: Vec<&str> = name.split(',').map(str::trim).collect();
        let is_meant = |members: &&Vec<String>| {
            members.join(", ") == name || members.join(",") == name || **members == parts
        };
        if let Some(members) = self.keys.keys().find(is_meant) {
            return Ok(Some(members.clone()));
        }
        if name.eq_ignore_ascii_case(WORLD) {
            return Ok(None);
        }
        let names: Vec<String> = self.keys.keys().map(|members| members.join(",")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let by = if self.job.by.is_empty() { "none".to_owned() } else { self.job.by.join(",") };
        let shown = names.iter().take(8).copied().collect::<Vec<_>>().join("; ");
        let more = if names.len() > 8 { format!("; and {} more", names.len() - 8) } else { String::new() };
        let error = Error::argument(format!("no key '{name}' (by {by})"))
            .expected(format!("{WORLD} for all together, or one of {shown}{more}"));
        let same = names.iter().find(|other| other.eq_ignore_ascii_case(name));
        Err(match same.copied().or_else(|| nearest(name, &names)) {
            Some(near) => error.advice(format!("Did you mean {near}?")),
            None => error,
        })
    }

    /// A step that has rows before or on it, and is not after the last one.
    fn on_axis(&self, step: i32) -> Result<i32> {
        let (first, last) = self.axis;
        if (first..=last).contains(&step) {
            return Ok(step);
        }
        let show = |step| words::step(self.job.grain, step);
        Err(Error::argument(format!("no data of {}", show(step))).expected(format!(
            "a {} from {} to {}",
            words::step_noun(self.job.grain),
            show(first),
            show(last)
        )))
    }

    /// The users of each channel in the window that ends with a step, of a key or of all.
    fn window(&self, members: Option<&[String]>, end: i32) -> Result<BTreeMap<&str, Sum>> {
        let length = self.job.windows.first().copied().unwrap_or(1);
        let start = i64::from(end) - i64::from(length) + 1;
        let is_inside = |time: &TimePoint| matches!(time, TimePoint::Step(step) if *step <= end && i64::from(*step) >= start);
        let times: Vec<usize> =
            (0..).zip(&self.partial.times).filter(|(_, time)| is_inside(time)).map(|(at, _)| at).collect();
        let mut users: BTreeMap<&str, Sum> = BTreeMap::new();
        for (key, of_channel) in &self.keys {
            let is_summed = match members {
                Some(members) => key == members,
                None => !self.is_total(key),
            };
            for (channel, groups) in of_channel.iter().filter(|_| is_summed) {
                let sum = users.entry(channel).or_default();
                for (group, time) in
                    groups.iter().flat_map(|group| times.iter().map(move |time| (*group, *time)))
                {
                    for class in 0..CHANNELS {
                        *sum = sum.plus(&share::cell(self.partial, group, time, class))?;
                    }
                }
            }
        }
        Ok(users)
    }

    /// Whether a key is a total that the job adds.
    fn is_total(&self, members: &[String]) -> bool {
        self.job.by.iter().zip(members).any(|(name, member)| keys::is_total(self.job, name, member))
    }

    /// Explains the change of the share of a key, or of all keys, from a step to another.
    ///
    /// # Errors
    /// As of [`explain`].
    pub fn explain(&self, members: Option<&[String]>, now: i32, before: i32) -> Result<Explanation> {
        let (users, users_before) = (self.window(members, now)?, self.window(members, before)?);
        let is_organic = |channel: &str| self.class.class_of_member(channel) == Class::Organic;
        let (of_now, of_before) = (Window::of(&users, &is_organic)?, Window::of(&users_before, &is_organic)?);
        if !self.keys.values().flat_map(BTreeMap::keys).any(|channel| is_organic(channel)) {
            return Err(Error::data("no channel is organic")
                .expected("an organic channel")
                .advice(Phrase::from("Name it: ").entry(Setting::Organic("NAME".into()))));
        }
        let show = |step| words::step(self.job.grain, step);
        let null = |step| {
            let name = members.map_or(WORLD.to_owned(), |members| members.join(", "));
            Error::data(format!("{name} has no share in {}: its window has no users", show(step)))
                .expected("a period with users")
        };
        let share = of_now.share().ok_or_else(|| null(now))?;
        let share_before = of_before.share().ok_or_else(|| null(before))?;
        let none = Sum::default();
        let names = users.keys().chain(users_before.keys().filter(|name| !users.contains_key(*name)));
        let mut channels = Vec::new();
        for name in names {
            let (now, before) = (users.get(name).unwrap_or(&none), users_before.get(name).unwrap_or(&none));
            let (of_channel, of_channel_before) = (now.to_f64() / self.unit, before.to_f64() / self.unit);
            if of_channel == 0.0 && of_channel_before == 0.0 {
                continue;
            }
            let organic = is_organic(name);
            // (1 - s0) or -s0, without the cancellation of the former.
            let weight = if organic { of_before.paid.to_f64() } else { -of_before.organic.to_f64() }
                / of_before.all.to_f64();
            let difference = now.minus(before)?.to_f64();
            let contribution =
                if difference == 0.0 { 0.0 } else { difference / of_now.all.to_f64() * weight };
            channels.push(Contribution {
                channel: (*name).to_owned(),
                organic,
                users_before: of_channel_before,
                users: of_channel,
                contribution,
            });
        }
        channels.sort_by(|a, b| {
            let size = |of: &Contribution| of.contribution.abs();
            size(b).total_cmp(&size(a)).then_with(|| a.channel.cmp(&b.channel))
        });
        Ok(Explanation {
            members: members.unwrap_or_default().to_vec(),
            window: self.job.windows.first().copied().unwrap_or(1),
            period: show(now),
            against: show(before),
            share,
            share_before,
            change: share - share_before,
            users: of_now.all.to_f64() / self.unit,
            users_before: of_before.all.to_f64() / self.unit,
            channels,
        })
    }
}

/// The users of a window by class.
struct Window {
    organic: Sum,
    paid: Sum,
    all: Sum,
}

impl Window {
    fn of(users: &BTreeMap<&str, Sum>, is_organic: &dyn Fn(&str) -> bool) -> Result<Self> {
        let (mut organic, mut paid) = (Sum::default(), Sum::default());
        for (channel, users) in users {
            let sum = if is_organic(channel) { &mut organic } else { &mut paid };
            *sum = sum.plus(users)?;
        }
        Ok(Window { all: organic.plus(&paid)?, organic, paid })
    }

    /// As in the table.
    fn share(&self) -> Option<f64> {
        share::share(&self.organic, &self.paid).ok().flatten()
    }
}

impl Explanation {
    /// Sums the channels after the first `most` by class, so that the contributions still add up to the change.
    pub fn shortened(mut self, most: usize) -> Self {
        if self.channels.len() <= most + 1 {
            return self;
        }
        let rest = self.channels.split_off(most);
        for organic in [true, false] {
            let of_class: Vec<&Contribution> =
                rest.iter().filter(|channel| channel.organic == organic).collect();
            let sum = |of: fn(&Contribution) -> f64| of_class.iter().map(|channel| of(channel)).sum();
            self.channels.push(match of_class.as_slice() {
                [] => continue,
                [only] => (*only).clone(),
                several => Contribution {
                    channel: format!("{} other {} channels", several.len(), class_name(organic)),
                    organic,
                    users_before: sum(|channel| channel.users_before),
                    users: sum(|channel| channel.users),
                    contribution: sum(|channel| channel.contribution),
                },
            });
        }
        self
    }
}

/// The name of the class of a channel.
pub fn class_name(organic: bool) -> &'static str {
    if organic { "organic" } else { "paid" }
}

#[cfg(test)]
mod tests;

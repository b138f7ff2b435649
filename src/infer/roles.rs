//! The column of each role, by name, type and values; the other candidates, and why a likely one is none.

use super::names::{Hint, normalised, strength};
use super::sample::{Sample, SampleColumn, ratio};
use super::values::{
    Form, Said, Times, channel_says, is_country_code, is_no_country, is_system, is_total_name, label_form,
    range_start, shown, times,
};
use crate::calendar::label::LabelForm;
use crate::profile::Profile;

/// A preferred column, that of a bundled profile, comes before all others.
const PREFERRED: u32 = 1000;
/// Values that confirm a role outweigh its name.
const CONFIRMED: u32 = 200;
/// A column with more members is no dimension.
pub const MOST_MEMBERS: usize = 500;

/// The columns of the roles, the likeliest first.
#[derive(Default)]
pub struct Roles<'s> {
    /// Times.
    pub times: Vec<(&'s SampleColumn, Times)>,
    /// ISO week labels.
    pub labels: Vec<(&'s SampleColumn, LabelForm)>,
    /// Ranges of days that are whole weeks, and the number of their first day from Monday.
    pub ranges: Vec<(&'s SampleColumn, i32)>,
    /// Numbers of users.
    pub users: Vec<&'s SampleColumn>,
    /// Channels.
    pub channels: Vec<&'s SampleColumn>,
    /// Countries.
    pub countries: Vec<&'s SampleColumn>,
    /// Operating systems.
    pub systems: Vec<&'s SampleColumn>,
    /// Apps.
    pub apps: Vec<&'s SampleColumn>,
    /// Columns whose name suggests a role that their values do not have: the role, and a sentence.
    pub refused: Vec<(Hint, String)>,
}

/// Candidates of one role.
struct Scored<T>(Vec<(u32, usize, T)>);

impl<T> Scored<T> {
    fn add(&mut self, score: u32, at: usize, of: T) {
        self.0.push((score, at, of));
    }

    /// The likeliest first; of equal ones the first in the files.
    fn sorted(mut self) -> Vec<T> {
        self.0.sort_by(|(a, i, _), (b, j, _)| b.cmp(a).then(i.cmp(j)));
        self.0.into_iter().map(|(.., of)| of).collect()
    }
}

impl<'s> Roles<'s> {
    /// The columns of a sample; those of `preferred` come first.
    pub fn find(sample: &'s Sample, preferred: Option<&Profile>) -> Self {
        let mut roles = Roles::default();
        let mut all: [Scored<&SampleColumn>; 5] = std::array::from_fn(|_| Scored(Vec::new()));
        let [users, channels, countries, systems, apps] = &mut all;
        let mut moments = Scored(Vec::new());
        for (at, column) in sample.columns.iter().enumerate() {
            let name = normalised(&column.name);
            let (name, is_named) = (&*name, |column_name: Option<&String>| {
                column_name.is_some_and(|named| *named == column.name)
            });
            let bonus = |is_preferred: bool| if is_preferred { PREFERRED } else { 0 };
            let dimension = |names: &[&str]| {
                let of = |name: &&str| {
                    preferred
                        .and_then(|p| p.dimensions.get(*name))
                        .is_some_and(|of| of.column_of(name) == column.name)
                };
                bonus(names.iter().any(of))
            };
            if let Some(form) = label_form(column) {
                // `2021_05` is a label, 202105 may be any number.
                if form != LabelForm::Digits || name.contains("week") {
                    roles.labels.push((column, form));
                    continue;
                }
            }
            if let Some(start) = range_start(column) {
                roles.ranges.push((column, start));
                continue;
            }
            let everywhere = sample.is_everywhere(column);
            let preferred_time = bonus(is_named(preferred.and_then(|p| p.time.date.as_ref())));
            if let Some(score) = roles.time_score(column, name, preferred_time)
                && everywhere
                && let Some(times) = times(column)
            {
                moments.add(score, at, (column, times));
                continue;
            }
            if !everywhere {
                if let Some(score) = system_score(column, name) {
                    systems.add(score + dimension(&["os", "os_name"]), at, column);
                }
                continue;
            }
            let is_number = matches!(column.form, Some(Form::Integer | Form::Number));
            let hint = strength(Hint::Users, name)
                + bonus(is_named(preferred.and_then(|p| p.users.column.as_ref())));
            if hint > 0 && is_number && !column.is_partition {
                users.add(hint, at, column);
                continue;
            }
            if hint > 0 && column.form == Some(Form::Text) && column.part(|cell| cell.number.is_some()) >= 1.0
            {
                let why = format!("{} has numbers as text: write them as numbers", column.name);
                roles.refused.push((Hint::Users, why));
            }
            let preferred_channel = is_named(preferred.and_then(|p| p.channel.column.as_ref()));
            if let Some(score) = roles.channel_score(column, name, preferred_channel) {
                channels.add(score + bonus(preferred_channel), at, column);
            }
            if let Some(score) = roles.country_score(column, name) {
                countries.add(score + dimension(&["country"]), at, column);
            }
            if let Some(score) = system_score(column, name) {
                systems.add(score + dimension(&["os", "os_name"]), at, column);
            }
            let hint = strength(Hint::App, name);
            if hint > 0
                && matches!(column.form, Some(Form::Text | Form::Integer))
                && column.cells.len() <= MOST_MEMBERS
            {
                apps.add(hint + dimension(&["app"]), at, column);
            }
        }
        let [users, channels, countries, systems, apps] = all;
        roles.times = moments.sorted();
        roles.users = users.sorted();
        roles.channels = channels.sorted();
        roles.countries = countries.sorted();
        roles.systems = systems.sorted();
        roles.apps = apps.sorted();
        // One column has one role: a country comes before a channel.
        if let Some(country) = roles.countries.first().map(|column| &column.name) {
            roles.channels.retain(|column| column.name != *country);
        }
        let taken: Vec<&String> = roles
            .channels
            .first()
            .into_iter()
            .chain(roles.countries.first())
            .map(|column| &column.name)
            .collect();
        roles.systems.retain(|column| !taken.contains(&&column.name));
        roles.apps.retain(|column| !taken.contains(&&column.name));
        roles
    }

    /// How likely a column has the times; `None` where its name and form say that it has not.
    fn time_score(&mut self, column: &SampleColumn, name: &str, preferred: u32) -> Option<u32> {
        let hint = strength(Hint::Time, name) + preferred;
        let is_time = matches!(column.form, Some(Form::Date | Form::Time(_)));
        let is_excluded = hint == 0 && (name.starts_with('_') || !is_time);
        if is_excluded || column.valued() == 0 || ratio(column.nulls, column.nulls + column.valued()) > 0.5 {
            return None;
        }
        if hint > 0 && times(column).is_none() {
            let example = column.cells.first().map_or("null", |cell| &cell.text);
            let why = match column.form {
                Some(Form::Integer)
                    if column.part(|cell| cell.text.len() == 8 && cell.text.starts_with("20")) > 0.9 =>
                {
                    format!("{} has integers such as {example}: write days as text or as DATE", column.name)
                }
                Some(form) => format!("{} has {} such as '{}'", column.name, form.name(), shown(example)),
                None => format!("{} has no value", column.name),
            };
            self.refused.push((Hint::Time, why));
            return None;
        }
        // Times of arrival are where the path has them.
        let partition = if column.is_partition { 60 } else { 0 };
        let weak = u32::from(hint == 0);
        Some((hint.max(weak) + if is_time { 3 } else { 0 }).saturating_sub(partition).max(1))
    }

    fn channel_score(&mut self, column: &SampleColumn, name: &str, is_preferred: bool) -> Option<u32> {
        let hint = strength(Hint::Channel, name);
        if column.form == Some(Form::Flag) || column.form.is_some_and(|form| form != Form::Text) && hint > 0 {
            if hint > 0 && column.form != Some(Form::Text) {
                self.refused.push((Hint::Channel, format!("{} is no text", column.name)));
            }
            return None;
        }
        if column.form == Some(Form::Text) && column.cells.len() > MOST_MEMBERS.max(column.ids.len() / 4) {
            return None;
        }
        // Without any channel all users would be organic.
        if column.valued() == 0 {
            if hint > 0 {
                self.refused.push((Hint::Channel, format!("{} is null in every row", column.name)));
            }
            return None;
        }
        let has_organic =
            column.cells.iter().any(|cell| matches!(channel_says(&cell.text), Said::Organic | Said::Unpaid));
        match (hint, has_organic) {
            (0, false) => is_preferred.then_some(1),
            // A campaign may be called organic too.
            (0, true) => (!name.contains("campaign") && column.form == Some(Form::Text)).then_some(20),
            (hint, true) => Some(hint + CONFIRMED),
            (hint, false) => Some(hint),
        }
    }

    fn country_score(&mut self, column: &SampleColumn, name: &str) -> Option<u32> {
        let hint = strength(Hint::Country, name);
        if column.form.is_some_and(|form| form != Form::Text) {
            return None;
        }
        if column.valued() == 0 {
            if hint > 0 {
                self.refused.push((Hint::Country, format!("{} is null in every row", column.name)));
            }
            return None;
        }
        let is_special = |text: &str| is_no_country(text) || is_total_name(text);
        let is_code = |text: &str| is_country_code(text) || is_special(text);
        let codes = column.part(|cell| is_code(&cell.text));
        let real = column.cells.iter().filter(|cell| is_country_code(&cell.text)).count();
        let is_other_place =
            ["lang", "locale", "currency", "state", "region", "city"].iter().any(|p| name.contains(p));
        match hint {
            _ if column.cells.len() > MOST_MEMBERS => None,
            0 => (codes >= 0.98 && real >= 3 && !is_other_place).then_some(CONFIRMED / 2),
            hint if codes >= 0.8 && real > 0 => Some(hint + CONFIRMED),
            hint => Some(hint),
        }
    }
}

fn system_score(column: &SampleColumn, name: &str) -> Option<u32> {
    let hint = strength(Hint::System, name);
    let is_text = column.form == Some(Form::Text);
    let known = column.part(|cell| is_system(&cell.text) || is_total_name(&cell.text));
    let is_system = hint > 0 && is_text && column.cells.len() <= 50 && known >= 0.8 && column.valued() > 0;
    is_system.then_some(hint)
}

//! Single entries of a profile, as flags of the program and keywords of Python give them.

use super::{Class, Condition, Profile, TimeUnit, TotalRows, Users};
use crate::calendar::period::Weekday;
use crate::phrase::{Phrase, Setting};
use crate::{Error, Result};

/// Entries that replace those of a profile. What is `None` or empty stays as the profile has it.
#[derive(Debug, Clone, Default)]
pub struct Entries {
    /// The column of dates.
    pub date: Option<String>,
    /// The unit of integer dates.
    pub date_unit: Option<TimeUnit>,
    /// The column of week labels.
    pub label: Option<String>,
    /// The time zone of the calendar.
    pub zone: Option<String>,
    /// The first day of the week. Labels are ISO weeks: another day than Monday leaves out the profile's labels.
    pub week_start: Option<Weekday>,
    /// The days that an export takes to settle.
    pub settle_days: Option<u32>,
    /// The column of users.
    pub users: Option<String>,
    /// Whether each row is one user, instead of a column.
    pub count_rows: bool,
    /// The column of channels.
    pub channel: Option<String>,
    /// The channels that are organic; replaces both lists of the profile, as `paid` does.
    pub organic: Option<Vec<String>>,
    /// The channels that are paid.
    pub paid: Option<Vec<String>>,
    /// The channels that are excluded.
    pub excluded: Option<Vec<String>>,
    /// The class of rows without a channel.
    pub null_channel: Option<Class>,
    /// Whether the case of channels is ignored.
    pub ignore_case: Option<bool>,
    /// Dimensions and their columns.
    pub dimensions: Vec<(String, String)>,
    /// Dimensions and the members of their total rows.
    pub totals: Vec<(String, String)>,
    /// Dimensions, and whether their total rows are recognised.
    pub total_rows: Vec<(String, TotalRows)>,
    /// Conditions. The values of one column are joined to those that the profile lists for it.
    pub conditions: Vec<Condition>,
}

impl Entries {
    /// Puts the entries into a profile.
    ///
    /// # Errors
    /// `Argument` for both a column of users and one user a row. The profile is not checked: its job is.
    pub fn apply(self, profile: &mut Profile) -> Result<()> {
        let set = |to: &mut Option<String>, given: Option<String>| *to = given.or(to.take());
        if self.users.is_some() && self.count_rows {
            return Err(Error::argument("both a column of users and one user a row").expected(
                Phrase::default()
                    .option(Setting::Users("COLUMN".into()))
                    .text(" or ")
                    .option(Setting::CountRows),
            ));
        }
        let Profile { time, users, channel, dimensions, conditions } = profile;
        if self.week_start.is_some_and(|day| day != Weekday::default()) {
            time.label = None;
        }
        set(&mut time.date, self.date);
        set(&mut time.label, self.label);
        set(&mut time.zone, self.zone);
        time.unit = self.date_unit.or(time.unit);
        time.week_start = self.week_start.unwrap_or(time.week_start);
        time.settle_days = self.settle_days.or(time.settle_days);
        if self.users.is_some() || self.count_rows {
            let unique = users.unique && !self.count_rows;
            *users = Users { column: self.users, rows: self.count_rows, unique };
        }
        set(&mut channel.column, self.channel);
        if self.organic.is_some() || self.paid.is_some() {
            channel.organic = self.organic.unwrap_or_default();
            channel.paid = self.paid.unwrap_or_default();
        }
        channel.excluded = self.excluded.unwrap_or_else(|| std::mem::take(&mut channel.excluded));
        channel.null = self.null_channel.unwrap_or(channel.null);
        channel.ignore_case = self.ignore_case.unwrap_or(channel.ignore_case);
        for (name, column) in self.dimensions {
            dimensions.entry(name).or_default().column = Some(column);
        }
        for (name, total) in self.totals {
            let of = dimensions.entry(name).or_default();
            (of.total, of.total_is_null) = (Some(total), false);
        }
        for (name, total_rows) in self.total_rows {
            dimensions.entry(name).or_default().total_rows = total_rows;
        }
        for condition in self.conditions {
            join(conditions, condition);
        }
        Ok(())
    }
}

/// Adds a condition, or its values to one on the same column and of the same kind: any of them, none of them.
fn join(conditions: &mut Vec<Condition>, added: Condition) {
    let same = |c: &&mut Condition| c.column == added.column && c.is_in.is_some() == added.is_in.is_some();
    let Some(condition) = conditions.iter_mut().find(same) else {
        conditions.push(added);
        return;
    };
    let (list, values) = match added.is_in {
        Some(values) => (&mut condition.is_in, values),
        None => (&mut condition.not_in, added.not_in.unwrap_or_default()),
    };
    list.get_or_insert_default().extend(values);
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn no_entry_changes_nothing() {
        let mut profile = Profile::cube();
        Entries::default().apply(&mut profile).unwrap();
        assert_eq!(profile, Profile::cube());
    }

    #[test]
    fn entries_replace_those_of_the_profile() {
        let mut profile = Profile::cube();
        let is_in =
            |value: &str| Condition { column: "kind".into(), is_in: Some(vec![value.into()]), not_in: None };
        let entries = Entries {
            week_start: Some(Weekday::Sunday),
            count_rows: true,
            paid: Some(vec!["Ads".into()]),
            totals: vec![("os_name".into(), "any".into())],
            conditions: vec![is_in("a"), is_in("b")],
            ..Entries::default()
        };
        entries.apply(&mut profile).unwrap();
        assert_eq!((profile.time.label, profile.time.date.as_deref()), (None, Some("start_date")));
        assert_eq!(profile.users, Users { column: None, rows: true, unique: false });
        assert!(profile.channel.organic.is_empty() && profile.channel.paid == ["Ads"]);
        assert_eq!(profile.dimensions.get("os_name").unwrap().total.as_deref(), Some("any"));
        assert_eq!(profile.conditions.first().unwrap().is_in.as_deref().unwrap(), ["a", "b"]);
        assert_eq!(profile.conditions.len(), 1);
        let both = Entries { users: Some("n".into()), count_rows: true, ..Entries::default() };
        assert!(both.apply(&mut Profile::cube()).is_err());
    }
}

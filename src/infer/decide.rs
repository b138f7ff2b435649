//! The entries of the profile: those of the bundled profile that fits, if one does, changed by what the values show.

use std::collections::BTreeMap;

use super::bundled::{self, Fit};
use super::dimensions::{self, Part};
use super::names::{Hint, normalised};
use super::roles::Roles;
use super::sample::{Sample, SampleColumn, ratio};
use super::values::{Form, Said, Times, channel_says, is_first_download, is_install_event, show_day, shown};
use crate::profile::{Channel, Class, Condition, Profile, Time, Users};
use crate::{Error, Result};

/// Channels that are listed.
const LISTED: usize = 12;
/// The part of the rows without a value from which a note says what becomes of them.
pub const NOTED: f64 = 0.01;

/// The profile, and the evidence of its entries.
#[derive(Debug, Clone, Default)]
pub struct Findings {
    /// The profile.
    pub profile: Profile,
    /// Which bundled profile it is like, in words.
    pub like: Option<String>,
    /// By entry, such as `time.date` or `dimensions.os`: what the sample shows.
    pub evidence: BTreeMap<String, String>,
    /// By table, such as `channel`: further lines, without `#`.
    pub choices: BTreeMap<String, Vec<String>>,
    /// What a person should look at.
    pub notes: Vec<String>,
}

impl Findings {
    /// Adds what the sample shows for an entry.
    pub fn shows(&mut self, entry: &str, evidence: impl Into<String>) {
        self.evidence.insert(entry.to_owned(), evidence.into());
    }

    /// Adds a line to a table.
    pub fn choice(&mut self, table: &str, line: impl Into<String>) {
        self.choices.entry(table.to_owned()).or_default().push(line.into());
    }

    /// Adds a line to a table for a person to decide.
    pub fn undecided(&mut self, table: &str, line: impl Into<String>) {
        let line = line.into();
        self.notes.push(line.clone());
        self.choice(table, line);
    }
}

/// A part of a whole, in per cent.
pub fn percent(part: f64) -> String {
    // An empty sum of floats is -0.
    match part * 100.0 + 0.0 {
        small if small > 0.0 && small < 0.1 => "under 0.1 %".into(),
        part => format!("{part:.1} %"),
    }
}

/// The names of the columns after the first, as alternatives.
fn others<'s>(columns: impl Iterator<Item = &'s SampleColumn>) -> String {
    let names: Vec<&str> = columns.skip(1).take(4).map(|column| &*column.name).collect();
    if names.is_empty() { String::new() } else { format!("; or {}", names.join(", ")) }
}

/// Decides all entries.
///
/// # Errors
/// `Data` where there is no column of times, channels or countries.
pub fn decide(sample: &Sample) -> Result<Findings> {
    let fit = bundled::best(sample);
    let lead = fit.as_ref().map(|fit| &fit.profile);
    let roles = Roles::find(sample, lead);
    let (Some(channel), Some(country)) = (roles.channels.first(), roles.countries.first()) else {
        return Err(missing(sample, &roles));
    };
    if roles.times.is_empty() && roles.labels.is_empty() {
        return Err(missing(sample, &roles));
    }
    let mut findings = Findings { like: fit.as_ref().map(like), ..Findings::default() };
    let mut profile = Profile { time: time(&roles, lead, &mut findings), ..Profile::default() };
    let (users, measure) = users(sample, &roles, lead, &mut findings);
    profile.users = users;
    profile.channel = classes(sample, channel, measure, lead, &mut findings);
    findings.shows(
        "channel.column",
        format!("{} names{}", channel.cells.len(), others(roles.channels.iter().copied())),
    );
    let parts = [
        Some(Part { name: "country", column: country }),
        roles.systems.first().map(|column| Part { name: "os", column }),
        roles.apps.first().map(|column| Part { name: "app", column }),
    ];
    let taken = [
        Some(&channel.name),
        profile.time.date.as_ref(),
        profile.time.label.as_ref(),
        profile.users.column.as_ref(),
    ];
    let taken: Vec<&String> = taken.into_iter().flatten().collect();
    profile.dimensions = dimensions::dimensions(
        sample,
        parts.into_iter().flatten().collect(),
        &taken,
        measure,
        lead,
        &mut findings,
    );
    let or = others(roles.countries.iter().copied());
    if let Some(evidence) = findings.evidence.get_mut("dimensions.country") {
        evidence.push_str(&or);
    }
    profile.conditions = conditions(sample, &profile, lead, &mut findings);
    resyncs(sample, &mut findings);
    findings.profile = profile.validated()?;
    Ok(findings)
}

fn like(fit: &Fit) -> String {
    let mut text = format!("like the bundled profile \"{}\"", fit.name);
    if !fit.renamed.is_empty() {
        let pairs: Vec<String> =
            fit.renamed.iter().map(|(old, new)| format!("{} for {old}", shown(new))).collect();
        text.push_str(&format!(", with other names of columns: {}", pairs.join(", ")));
    }
    if !fit.missing.is_empty() {
        text.push_str(&format!(", but without {}", fit.missing.join(", ")));
    }
    text
}

/// The error for roles that no column has.
fn missing(sample: &Sample, roles: &Roles<'_>) -> Error {
    let (has_channel, has_country) = (!roles.channels.is_empty(), !roles.countries.is_empty());
    let has_time = !roles.times.is_empty() || !roles.labels.is_empty();
    let lacks = [
        (has_time, Hint::Time, "times", "day, date or install_time"),
        (has_channel, Hint::Channel, "channels", "network, media_source or channel"),
        (has_country, Hint::Country, "countries", "country or country_code"),
    ];
    let lacks: Vec<_> = lacks.into_iter().filter(|(has, ..)| !has).collect();
    let what: Vec<String> = lacks.iter().map(|(_, _, what, _)| format!("no column of {what}")).collect();
    let expected: Vec<&str> = lacks.iter().map(|(.., names)| *names).collect();
    let mut found = what.join(", ");
    for (hint, why) in &roles.refused {
        if lacks.iter().any(|(_, of, ..)| of == hint) {
            found.push_str(&format!("; {why}"));
        }
    }
    if !has_time {
        for (column, _) in &roles.ranges {
            let example = column.cells.first().map_or("", |cell| &cell.text);
            found.push_str(&format!("; {} has ranges of days such as '{example}'", column.name));
        }
    }
    let columns: Vec<String> = sample.columns.iter().map(|column| in_files(sample, column)).collect();
    let error = Error::data(found).expected(format!(
        "columns such as {}, among {}",
        expected.join("; "),
        columns.join(", ")
    ));
    let lists: Vec<&str> = sample.lists.iter().map(|name| &**name).take(6).collect();
    error.advice(if !lists.is_empty() {
        format!("Columns within lists are not read ({}): write them as columns of their own", lists.join(", "))
    } else if !has_time && !roles.ranges.is_empty() {
        "Export the table by day; with week_start = \"sunday\" in [time] weeks begin on Sunday".into()
    } else if has_channel != has_country || !has_channel {
        "No table here has channel by country, which a share needs: reports of app stores have either. If a column has \
         another name, docs/profiles.md says how to write the profile"
            .into()
    } else {
        "docs/profiles.md says how to write the profile".into()
    })
}

/// The name of a column; with its files where not all have it.
fn in_files(sample: &Sample, column: &SampleColumn) -> String {
    if sample.is_everywhere(column) {
        return column.name.clone();
    }
    let first = column.files.first().and_then(|at| sample.files.get(*at));
    format!(
        "{} (only in {} of {} files, such as {})",
        column.name,
        column.files.len(),
        sample.files.len(),
        first.map_or("", |file| file)
    )
}

fn time(roles: &Roles<'_>, lead: Option<&Profile>, findings: &mut Findings) -> Time {
    let mut time = Time::default();
    let lead_label = lead.and_then(|lead| lead.time.label.as_ref());
    let label =
        roles.labels.iter().find(|(column, _)| Some(&column.name) == lead_label).or(roles.labels.first());
    if let Some((column, times)) = roles.times.first() {
        time.date = Some(column.name.clone());
        time.unit = times.unit;
        let (first, last) = times.range;
        let or = others(roles.times.iter().map(|(column, _)| *column));
        findings.shows("time.date", format!("{}, {} to {}{or}", times.what, show_day(first), show_day(last)));
        if let Some(lead) = lead {
            time.zone.clone_from(&lead.time.zone);
            time.week_start = lead.time.week_start;
            time.settle_days = lead.time.settle_days;
        }
        zone(times, findings);
    }
    if let Some((column, form)) = label {
        let example = column.cells.first().map_or("", |cell| &cell.text);
        let shows = format!("ISO weeks {form} such as {}", shown(example));
        if time.date.is_none() || lead_label == Some(&column.name) {
            (time.label, time.label_form) = (Some(column.name.clone()), *form);
            findings.shows("time.label", shows);
        } else {
            findings.choice(
                "time",
                format!("{} has {shows}; weeks come from the date, which is as good", column.name),
            );
        }
    }
    if let Some((column, start)) = roles.ranges.first()
        && *start != 0
    {
        let day = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
        let day = usize::try_from(*start).ok().and_then(|at| day.get(at)).copied().unwrap_or("monday");
        findings.choice(
            "time",
            format!(
                "week_start = \"{day}\"  # weeks as in {}; without this line they begin on Monday",
                column.name
            ),
        );
    }
    time
}

fn zone(times: &Times, findings: &mut Findings) {
    if !times.is_instant {
        return;
    }
    let line = "zone = \"Europe/Berlin\"  # the calendar on which instants are put; without this line UTC";
    match times.one_hour {
        Some(hour) => {
            findings
                .undecided("time", format!("all instants are {hour}:00 UTC: midnights of another time zone"));
            findings.choice("time", line);
        }
        None => findings.choice("time", line),
    }
}

/// The entry, and the column that is summed.
fn users<'s>(
    sample: &'s Sample,
    roles: &Roles<'s>,
    lead: Option<&Profile>,
    findings: &mut Findings,
) -> (Users, Option<&'s SampleColumn>) {
    let rows = || Users { column: None, rows: true, unique: false };
    let id = |column: &&SampleColumn| {
        let name = normalised(&column.name);
        let is_id = ["id", "ids", "guid", "uuid", "adid", "idfa", "idfv", "gaid"].iter();
        is_id.clone().any(|end| name.rsplit('_').next() == Some(end))
            && !name.starts_with("_airbyte")
            && column.cells.len() == sample.rows
            && sample.rows > 1
    };
    let id = sample.columns.iter().find(id);
    let clock = roles.times.first().filter(|(_, times)| times.has_clock && times.distinct * 2 > sample.rows);
    if lead.is_some_and(|lead| lead.users.rows) {
        findings.shows("users.rows", "a row is a user");
        return (rows(), None);
    }
    if let Some(column) = roles.users.first() {
        let sum: f64 = column
            .cells
            .iter()
            .zip(&column.counts)
            .map(|(cell, n)| {
                #[allow(clippy::cast_precision_loss)] // shown without digits
                let n = *n as f64;
                cell.number.unwrap_or_default() * n
            })
            .sum();
        let form = column.form.map_or("", Form::name);
        let or = others(roles.users.iter().copied());
        findings.shows("users.column", format!("{form}, sum {sum:.0} in the sample{or}"));
        if column.cells.iter().any(|cell| cell.number.is_some_and(|n| n < 0.0)) {
            findings.undecided("users", format!("{} has numbers below 0", column.name));
        }
        let of_lead = lead.filter(|lead| lead.users.column.as_ref() == Some(&column.name));
        let unique = of_lead.is_some_and(|lead| lead.users.unique);
        let users = Users { column: Some(column.name.clone()), rows: false, unique };
        return (users, Some(column));
    }
    let numbers: Vec<&str> = sample
        .columns
        .iter()
        .filter(|column| matches!(column.form, Some(Form::Integer | Form::Number)) && !column.is_partition)
        .map(|column| &*column.name)
        .take(8)
        .collect();
    let evidence = match (id, clock) {
        (Some(column), _) => format!("{} differs in every row", column.name),
        (None, Some((column, times))) => {
            format!("{} different values of {} in {} rows", times.distinct, column.name, sample.rows)
        }
        (None, None) => "no column looks like a number of users".into(),
    };
    findings.shows("users.rows", evidence);
    if !numbers.is_empty() {
        let line = format!("or column = one of {}, if it is the number of new users", numbers.join(", "));
        match (id, clock) {
            (None, None) => findings.undecided("users", line),
            _ => findings.choice("users", line),
        }
    }
    (rows(), None)
}

/// Users of each channel of the sample, by number of the value; rows without a channel last.
#[allow(clippy::cast_precision_loss)] // shown with one digit
fn weights(sample: &Sample, channel: &SampleColumn, measure: Option<&SampleColumn>) -> Vec<f64> {
    let mut weights = vec![0.0; channel.cells.len() + 1];
    for (row, id) in channel.ids.iter().enumerate().take(sample.rows) {
        let users =
            measure.map_or(1.0, |users| users.cell(row).and_then(|cell| cell.number).unwrap_or_default());
        let at = (*id as usize).min(channel.cells.len());
        if let Some(weight) = weights.get_mut(at) {
            *weight += users;
        }
    }
    weights
}

fn classes(
    sample: &Sample,
    column: &SampleColumn,
    measure: Option<&SampleColumn>,
    lead: Option<&Profile>,
    findings: &mut Findings,
) -> Channel {
    let lead = lead.map(|lead| &lead.channel).filter(|lead| lead.column.as_ref() == Some(&column.name));
    let mut channel = lead.cloned().unwrap_or_default();
    channel.column = Some(column.name.clone());
    let by_paid = !channel.paid.is_empty();
    let weights = weights(sample, column, measure);
    let all: f64 = weights.iter().sum();
    let part = |at: usize| weights.get(at).map_or(0.0, |weight| if all > 0.0 { weight / all } else { 0.0 });
    let said = |want: Said| {
        let names = column.cells.iter().filter(move |cell| channel_says(&cell.text) == want);
        names.map(|cell| cell.text.clone()).collect::<Vec<String>>()
    };
    if !by_paid {
        channel.organic.extend(said(Said::Organic));
        // A bundled profile says which other names are organic.
        if lead.is_none() {
            channel.organic.extend(said(Said::Unpaid));
        }
    }
    channel.excluded.extend(said(Said::Excluded));
    let has_organic = !said(Said::Organic).is_empty() || !said(Said::Unpaid).is_empty();
    if lead.is_none() {
        let name = normalised(&column.name);
        let null_is_organic =
            column.nulls > 0 && (!has_organic || name.contains("media_source") || name.contains("partner"));
        channel.null = if null_is_organic { Class::Organic } else { Class::Excluded };
    }
    // An empty name is no name.
    let is_empty = |name: &String| name.is_empty();
    if column.cells.iter().any(|cell| cell.text.is_empty()) && !by_paid {
        match channel.null {
            Class::Organic => channel.organic.push(String::new()),
            Class::Excluded => channel.excluded.push(String::new()),
            Class::Paid => {}
        }
        findings.choice("channel", "channels that are the empty text count like rows without a channel");
    }
    for names in [&mut channel.organic, &mut channel.excluded] {
        names.sort_unstable();
        names.dedup();
    }
    let missing: Vec<&String> = channel
        .organic
        .iter()
        .filter(|name| !is_empty(name) && column.cells.iter().all(|cell| cell.text != **name))
        .collect();
    let class = crate::profile::meaning::ClassRule::new(&channel);
    let class_of = |name: Option<&str>| match class.class(name.map(str::as_bytes)) {
        Class::Paid => "paid",
        Class::Organic => "organic",
        Class::Excluded => "excluded",
    };
    let mut order: Vec<usize> = (0..column.cells.len()).collect();
    let text = |at: usize| column.cells.get(at).map_or("", |cell| &*cell.text);
    order.sort_by(|a, b| part(*b).total_cmp(&part(*a)).then_with(|| text(*a).cmp(text(*b))));
    let of = if measure.is_some() { "users" } else { "rows" };
    let line =
        |at: usize| format!("'{}' {} ({})", shown(text(at)), percent(part(at)), class_of(Some(text(at))));
    let mut lines: Vec<String> = order.iter().take(LISTED).map(|at| line(*at)).collect();
    if order.len() > LISTED {
        lines.push(format!("and {} others", order.len() - LISTED));
    }
    findings.choice("channel", format!("of the {of} of the sample: {}", lines.join(", ")));
    let sum = |class: &str| -> f64 {
        let named: f64 =
            order.iter().filter(|at| class_of(Some(text(**at))) == class).map(|at| part(*at)).sum();
        named
    };
    let none = part(column.cells.len());
    let not_seen = if missing.is_empty() {
        String::new()
    } else {
        let names: Vec<String> = missing.iter().map(|name| format!("'{}'", shown(name))).collect();
        format!("; not in the sample: {}", names.join(", "))
    };
    if by_paid {
        findings.shows(
            "channel.paid",
            format!("{} of the {of}; every other name is organic", percent(sum("paid"))),
        );
    } else {
        findings.shows(
            "channel.organic",
            format!("{} of the {of}; every other name is paid{not_seen}", percent(sum("organic"))),
        );
    }
    findings.shows("channel.excluded", format!("{} of the {of}, in neither sum", percent(sum("excluded"))));
    if column.nulls > 0 {
        let line = format!("{} of the {of} have no channel", percent(none));
        findings.shows("channel.null", line.clone());
        match channel.null {
            Class::Organic => {}
            _ => {
                let choice = format!("null = \"organic\"  # {line}; without this line they are excluded");
                findings.choice("channel", choice);
                if none >= NOTED {
                    findings
                        .notes
                        .push(format!("{line}: they are excluded, unless [channel] has null = \"organic\""));
                }
            }
        }
    }
    for cell in column
        .by_rows()
        .into_iter()
        .map(|(cell, _)| cell)
        .filter(|cell| matches!(channel_says(&cell.text), Said::Unclear | Said::Unpaid))
    {
        let lists = [&channel.organic, &channel.paid, &channel.excluded];
        let is_listed = lists.iter().any(|list| list.contains(&cell.text));
        if !is_listed && !cell.text.is_empty() {
            let class = class_of(Some(&cell.text));
            findings.undecided("channel", format!("'{}' counts as {class}: is it?", shown(&cell.text)));
        }
    }
    if channel.organic.is_empty() && channel.paid.is_empty() && channel.null != Class::Organic {
        channel.organic.push("Organic".into());
        findings.shows("channel.organic", "no channel of the sample looks organic: list those that are");
        findings.notes.push("no channel looks organic: list the organic ones in [channel]".into());
    }
    channel
}

/// Whether a column is a flag of rows that are no new users, by its name.
fn is_flag_of_others(name: &str) -> bool {
    ["deleted", "retargeting", "reengagement", "reattributed", "is_reinstall"]
        .iter()
        .any(|word| name == *word || name.ends_with(&format!("_{word}")) || name == format!("is_{word}"))
}

fn conditions(
    sample: &Sample,
    profile: &Profile,
    lead: Option<&Profile>,
    findings: &mut Findings,
) -> Vec<Condition> {
    let mut conditions: Vec<Condition> = Vec::new();
    let taken = |column: &SampleColumn| {
        let name = Some(&column.name);
        profile.channel.column.as_ref() == name
            || profile.dimensions.iter().any(|(key, of)| of.column_of(key) == column.name)
    };
    let mut add = |condition: Condition, evidence: String, findings: &mut Findings| {
        findings.shows(&format!("where.{}", conditions.len()), evidence);
        conditions.push(condition);
    };
    for condition in lead.map(|lead| lead.conditions.clone()).unwrap_or_default() {
        let Some(column) = sample.find(&condition.column) else { continue };
        let listed = condition.is_in.as_ref();
        let seen = |cell: &super::values::Cell| listed.is_none_or(|list| list.contains(&cell.text));
        let evidence = format!("{} of the rows; {}", percent(column.part(seen)), values_of(column));
        add(condition, evidence, findings);
    }
    for column in sample.columns.iter().filter(|column| sample.is_everywhere(column) && !taken(column)) {
        let name = normalised(&column.name);
        if lead.is_some_and(|lead| lead.conditions.iter().any(|condition| condition.column == column.name)) {
            continue;
        }
        let is_flag = column.form == Some(Form::Flag)
            || column.form == Some(Form::Text)
                && column.valued() > 0
                && column.part(|cell| matches!(&*cell.text.to_lowercase(), "true" | "false")) >= 1.0;
        if is_flag && is_flag_of_others(&name) {
            let mut values: Vec<String> = column
                .cells
                .iter()
                .map(|cell| cell.text.clone())
                .filter(|text| text.to_lowercase() == "true")
                .collect();
            if values.is_empty() {
                values.push("true".into());
            }
            let part = column.part(|cell| cell.text.to_lowercase() == "true");
            let evidence = format!("{} of the rows are marked", percent(part));
            add(
                Condition { column: column.name.clone(), not_in: Some(values), is_in: None },
                evidence,
                findings,
            );
            continue;
        }
        let keeps: Option<fn(&str) -> bool> = match &*name {
            "activity_kind" | "event_name" | "event_type" | "event" | "conversion_type" | "t" | "kind" => {
                Some(is_install_event)
            }
            "download_type" => Some(is_first_download),
            _ => None,
        };
        let Some(keeps) = keeps.filter(|_| column.form == Some(Form::Text)) else { continue };
        let kept: Vec<String> =
            column.cells.iter().map(|cell| cell.text.clone()).filter(|text| keeps(text)).collect();
        if kept.len() == column.cells.len() {
            continue;
        }
        let evidence = values_of(column);
        if kept.is_empty() {
            if column.cells.len() > 1 && name != "t" {
                findings
                    .undecided("users", format!("which rows are new users? {} has {evidence}", column.name));
            }
            continue;
        }
        add(Condition { column: column.name.clone(), is_in: Some(kept), not_in: None }, evidence, findings);
    }
    conditions
}

/// The most frequent values of a column, with their part of the rows.
pub fn values_of(column: &SampleColumn) -> String {
    let rows = column.valued() + column.nulls;
    let values = column.by_rows();
    let mut lines: Vec<String> = values
        .iter()
        .take(6)
        .map(|(cell, n)| format!("{} {}", shown(&cell.text), percent(ratio(*n, rows))))
        .collect();
    if column.nulls > 0 {
        lines.push(format!("null {}", percent(ratio(column.nulls, rows))));
    }
    match values.len().saturating_sub(6) {
        0 => lines.join(", "),
        more => format!("{} and {more} others", lines.join(", ")),
    }
}

/// Notes the columns of connectors that append: a day that was synced twice is there twice.
fn resyncs(sample: &Sample, findings: &mut Findings) {
    for name in ["_airbyte_generation_id", "_airbyte_extracted_at", "_airbyte_emitted_at", "_fivetran_synced"]
    {
        if let Some(column) = sample.find(name)
            && column.cells.len() > 1
        {
            let line = format!(
                "{name} has {} values: if a day was synced again, its rows are there twice; keep the latest of each",
                column.cells.len()
            );
            findings.undecided("users", line);
            return;
        }
    }
}

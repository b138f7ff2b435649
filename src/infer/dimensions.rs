//! The dimensions: countries, systems and apps, and any other column that has total rows.

use std::collections::BTreeMap;

use super::decide::{Findings, NOTED, percent, values_of};
use super::roles::MOST_MEMBERS;
use super::sample::{NULL, Sample, SampleColumn, ratio};
use super::totals::{self, Sums};
use super::values::{Form, is_country_code, is_no_country, is_total_name, shown};
use crate::checks::countries;
use crate::escape::literal;
use crate::profile::{Case, Dimension, MemberList, Members, Profile};

/// The member of rows without a country.
const UNKNOWN: &str = "unknown";

/// A column that is a dimension.
pub struct Part<'s> {
    /// The name of the dimension.
    pub name: &'static str,
    /// Its column.
    pub column: &'s SampleColumn,
}

/// The numbers of users, and the columns of the keys by which they are summed.
struct Measure<'s> {
    users: &'s SampleColumn,
    keys: Vec<&'s SampleColumn>,
}

impl Measure<'_> {
    fn compare(&self, sample: &Sample, column: &SampleColumn, total: u32) -> Sums {
        totals::compare(sample, column, total, self.users, &self.keys)
    }
}

/// The dimensions, by name.
pub fn dimensions(
    sample: &Sample,
    parts: Vec<Part<'_>>,
    taken: &[&String],
    users: Option<&SampleColumn>,
    lead: Option<&Profile>,
    findings: &mut Findings,
) -> BTreeMap<String, Dimension> {
    let keys = taken.iter().filter_map(|name| sample.find(name)).chain(parts.iter().map(|part| part.column));
    let measure = users.map(|users| Measure { users, keys: keys.collect() });
    let measure = measure.as_ref();
    let mut all: BTreeMap<String, Dimension> = BTreeMap::new();
    let mut columns: Vec<&String> = taken.to_vec();
    for part in &parts {
        columns.push(&part.column.name);
    }
    for part in parts {
        // A bundled profile may have another name for it.
        let of_lead = lead.and_then(|lead| {
            lead.dimensions.iter().find(|(name, of)| of.column_of(name) == part.column.name)
        });
        let (name, mut of) = match of_lead {
            Some((name, of)) => (name.clone(), of.clone()),
            None => (part.name.to_owned(), Dimension::default()),
        };
        of.column = Some(part.column.name.clone()).filter(|column| *column != name);
        of.optional = of.optional && of_lead.is_some() || !sample.is_everywhere(part.column);
        let table = format!("dimensions.{name}");
        Search { sample, column: part.column, measure, of: &mut of, table: &table, findings }
            .by_name_or_sums();
        match part.name {
            "country" => set_countries(part.column, &mut of, &table, findings),
            "os" => set_systems(part.column, &mut of, &table, findings),
            _ => {}
        }
        let totals = if of.has_total() { "" } else { "; no total rows" };
        findings.shows(&table, format!("{}{totals}", values_of(part.column)));
        if part.column.nulls > 0 && of.null.is_none() && !of.total_is_null {
            let part = ratio(part.column.nulls, part.column.nulls + part.column.valued());
            findings.choice(
                &table,
                format!(
                    "null = \"{UNKNOWN}\"  # {} of the rows have none; without this line they are dropped",
                    percent(part)
                ),
            );
            if part >= NOTED {
                findings.notes.push(format!(
                    "{} of the rows have no {name}: they are dropped by {name}",
                    percent(part)
                ));
            }
        }
        all.insert(name, of);
    }
    let mut rest: Vec<String> = Vec::new();
    for column in &sample.columns {
        let is_other = column.form == Some(Form::Text)
            && !columns.contains(&&column.name)
            && !column.name.starts_with('_');
        if !is_other || column.cells.len() > MOST_MEMBERS || column.valued() == 0 {
            continue;
        }
        let lead_dimension =
            lead.and_then(|lead| lead.dimensions.iter().find(|(name, of)| of.column_of(name) == column.name));
        if let Some((name, of)) = lead_dimension {
            findings.shows(&format!("dimensions.{name}"), values_of(column));
            all.insert(name.clone(), of.clone());
            continue;
        }
        // Rows that sum others would count everyone twice.
        let mut of = Dimension::default();
        let table = format!("dimensions.{}", column.name);
        let mut search = Search { sample, column, measure, of: &mut of, table: &table, findings };
        if search.by_sums() && !all.contains_key(&column.name) {
            findings.shows(&table, values_of(column));
            all.insert(column.name.clone(), of);
        } else if column.cells.len() > 1 {
            rest.push(column.name.clone());
        }
    }
    if !rest.is_empty() {
        rest.truncate(12);
        findings.choice("dimensions", format!("other columns that can be dimensions: {}", rest.join(", ")));
    }
    all
}

/// The value that may be the total of a column, by its name.
fn named_total(column: &SampleColumn) -> Option<(u32, &str)> {
    let named = column.by_rows().into_iter().map(|(cell, _)| &*cell.text).find(|text| is_total_name(text))?;
    let at = column.cells.iter().position(|cell| cell.text == named)?;
    Some((u32::try_from(at).ok()?, named))
}

/// A column whose total rows are looked for, and the dimension that it becomes.
struct Search<'i, 's> {
    sample: &'s Sample,
    column: &'s SampleColumn,
    /// `None` where each row is a user: there are no sums to compare.
    measure: Option<&'i Measure<'s>>,
    of: &'i mut Dimension,
    /// The entry of the dimension.
    table: &'i str,
    findings: &'i mut Findings,
}

impl Search<'_, '_> {
    /// Sets the total of a column of a role: a name is enough, nulls need sums.
    fn by_name_or_sums(&mut self) {
        if let Some((id, named)) = named_total(self.column) {
            let sums = self.set_named(id, named);
            if sums.compared() >= 3 && !sums.is_total() {
                let line = format!(
                    "'{}' is the sum of the others in only {} of {} keys: total_rows = \"off\" if it is a member",
                    shown(named),
                    sums.equal,
                    sums.compared()
                );
                self.findings.undecided(self.table, line);
            }
        } else if self.of.total.is_some() {
            self.shows("total", "not in the sample, which changes nothing".into());
        } else {
            self.null_by_sums();
        }
    }

    /// Sets the total of a column of no role, if sums say that it has one; returns whether they do.
    fn by_sums(&mut self) -> bool {
        if self.measure.is_none() {
            return false;
        }
        let Some((id, named)) = named_total(self.column) else { return self.null_by_sums() };
        if self.sums(id).is_total() {
            self.set_named(id, named);
            return true;
        }
        let line = format!("{} has '{}': is it the sum of the others?", self.column.name, shown(named));
        self.findings.undecided("dimensions", line);
        false
    }

    /// Sets null as the total, if sums say so; returns whether they do.
    fn null_by_sums(&mut self) -> bool {
        if self.column.nulls == 0 {
            return false;
        }
        let sums = self.sums(NULL);
        if sums.is_total() {
            (self.of.total_is_null, self.of.null) = (true, None);
            let (equal, compared) = (sums.equal, sums.compared());
            let shows =
                format!("rows without a member are the sum of the others in {equal} of {compared} keys");
            self.shows("total_is_null", shows);
        }
        sums.is_total()
    }

    /// Sets a member as the total; returns its sums.
    fn set_named(&mut self, id: u32, named: &str) -> Sums {
        let sums = self.sums(id);
        self.of.total = Some(named.to_owned());
        let shows = match self.measure {
            None => "by its name; each row is a user, so there are no sums to compare".into(),
            Some(_) if sums.compared() == 0 => {
                "by its name; no key of the sample has the total and the others".into()
            }
            Some(_) => format!("the sum of the others in {} of {} keys", sums.equal, sums.compared()),
        };
        self.shows("total", shows);
        sums
    }

    /// How a value compares with the sums of the others; nothing is compared without a measure.
    fn sums(&self, id: u32) -> Sums {
        self.measure.map(|measure| measure.compare(self.sample, self.column, id)).unwrap_or_default()
    }

    fn shows(&mut self, entry: &str, evidence: String) {
        self.findings.shows(&format!("{}.{entry}", self.table), evidence);
    }
}

/// Case, names and expected members of countries.
fn set_countries(column: &SampleColumn, of: &mut Dimension, table: &str, findings: &mut Findings) {
    let is_total = |text: &str| of.total.as_deref() == Some(text);
    let texts: Vec<&str> =
        column.cells.iter().map(|cell| &*cell.text).filter(|text| !is_total(text)).collect();
    let codes: Vec<&str> = texts.iter().copied().filter(|text| is_country_code(text)).collect();
    let are_codes = !codes.is_empty() && codes.len() * 5 >= texts.len() * 4;
    if !are_codes {
        if of.members.take().is_some() || !texts.is_empty() {
            findings.choice(table, "the members are no ISO codes, so that no check knows them");
        }
        return;
    }
    let small: Vec<&str> = codes.iter().copied().filter(|code| **code != code.to_ascii_uppercase()).collect();
    if let Some(example) = small.first() {
        of.case = Some(Case::Upper);
        findings.shows(&format!("{table}.case"), format!("codes such as {example}"));
    }
    if of.case == Some(Case::Lower) {
        of.case = None;
    }
    let written =
        |text: &str| if of.case == Some(Case::Upper) { text.to_uppercase() } else { text.to_owned() };
    let uk = texts.iter().find(|text| written(text) == "UK");
    if uk.is_some() {
        of.rename.insert("UK".into(), "GB".into());
    }
    let absent: Vec<String> = texts.iter().copied().filter(|text| is_no_country(text)).map(written).collect();
    for name in &absent {
        if !of.total_is_null && name != UNKNOWN {
            of.rename.insert(name.clone(), UNKNOWN.into());
        }
    }
    if !absent.is_empty() && !of.total_is_null {
        of.null = Some(UNKNOWN.into());
    }
    if !of.rename.is_empty() {
        let seen: Vec<String> = of
            .rename
            .keys()
            .map(|name| {
                let part = column.part(|cell| written(&cell.text) == *name);
                format!("{} {}", if name.is_empty() { "empty" } else { name }, percent(part))
            })
            .collect();
        findings.shows(&format!("{table}.rename"), seen.join(", "));
    }
    let renamed = |text: &str| of.rename.get(&written(text)).cloned().unwrap_or_else(|| written(text));
    let unknown: Vec<&str> = texts
        .iter()
        .copied()
        .filter(|text| {
            let member = renamed(text);
            !countries::is_assigned(member.as_bytes()) && of.null.as_ref() != Some(&member)
        })
        .collect();
    if unknown.is_empty() {
        of.members = Some(Members::Named(MemberList::Iso3166));
        findings.shows(&format!("{table}.members"), format!("all {} members are ISO codes", texts.len()));
    } else {
        of.members = None;
        let names: Vec<String> = unknown.iter().take(6).map(|text| format!("'{}'", shown(text))).collect();
        findings.choice(
            table,
            format!(
                "members = \"iso-3166-1\"  # the checks then report {}, unless allowed",
                names.join(", ")
            ),
        );
    }
}

/// Case of systems, and the members that the checks could expect.
fn set_systems(column: &SampleColumn, of: &mut Dimension, table: &str, findings: &mut Findings) {
    let is_total = |text: &str| of.total.as_deref() == Some(text);
    let texts: Vec<&str> =
        column.cells.iter().map(|cell| &*cell.text).filter(|text| !is_total(text)).collect();
    let large: Vec<&str> = texts.iter().copied().filter(|text| *text != text.to_lowercase()).collect();
    if let Some(example) = large.first() {
        of.case = Some(Case::Lower);
        findings.shows(&format!("{table}.case"), format!("members such as {}", shown(example)));
    }
    let written =
        |text: &str| if of.case == Some(Case::Lower) { text.to_lowercase() } else { text.to_owned() };
    let mut members: Vec<String> = texts.iter().copied().map(written).collect();
    members.sort_unstable();
    members.dedup();
    match &of.members {
        Some(Members::List(list)) => {
            let unknown: Vec<String> = members.into_iter().filter(|member| !list.contains(member)).collect();
            if !unknown.is_empty() {
                let line = format!("not in members: {}", unknown.join(", "));
                findings.undecided(table, line);
            }
        }
        _ => {
            let list: Vec<String> = members.iter().map(|member| literal(member)).collect();
            findings.choice(
                table,
                format!("members = [{}]  # the checks then report any other", list.join(", ")),
            );
        }
    }
}

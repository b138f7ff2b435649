//! What a distinct value of a column means. Each is asked once, not once a row.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::{Case, Channel, Class, Condition, Dimension};

/// What the values of a dimension mean.
#[derive(Debug, Clone)]
pub struct MemberRule {
    /// The member of total rows.
    total: Option<String>,
    total_is_null: bool,
    null: Option<String>,
    case: Option<Case>,
    rename: BTreeMap<String, String>,
}

/// What a value of a dimension means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Member<'v> {
    /// A member.
    Named(Cow<'v, str>),
    /// The row is a total row.
    Total,
    /// The row has no member.
    Null,
}

impl MemberRule {
    /// The rule of a dimension.
    pub fn new(dimension: &Dimension) -> Self {
        let total = dimension.total.clone().filter(|_| dimension.has_total());
        MemberRule {
            total,
            total_is_null: dimension.total_is_null && dimension.has_total(),
            null: dimension.null.clone(),
            case: dimension.case,
            rename: dimension.rename.clone(),
        }
    }

    /// Whether members stand in the table as in the files.
    pub fn is_plain(&self) -> bool {
        self.case.is_none() && self.rename.is_empty()
    }

    /// The only value of total rows, where there is one that is a value.
    pub fn only_total(&self) -> Option<&[u8]> {
        self.total.as_deref().filter(|_| self.is_plain() && !self.total_is_null).map(str::as_bytes)
    }

    /// Whether rows of this value are total rows.
    pub fn is_total(&self, value: Option<&[u8]>) -> bool {
        match (value, &self.total) {
            (None, _) => self.total_is_null,
            (Some(value), Some(total)) => {
                value == total.as_bytes()
                    || (self.case.is_some() || !self.rename.is_empty())
                        && std::str::from_utf8(value).is_ok_and(|value| self.written(value) == **total)
            }
            (Some(_), None) => false,
        }
    }

    /// The meaning of a value; `None` where it is not UTF-8.
    pub fn member<'v>(&'v self, value: Option<&'v [u8]>) -> Option<Member<'v>> {
        if self.is_total(value) {
            return Some(Member::Total);
        }
        Some(match (value, &self.null) {
            (None, None) => Member::Null,
            (None, Some(name)) => Member::Named(name.into()),
            (Some(value), _) => Member::Named(self.written(std::str::from_utf8(value).ok()?)),
        })
    }

    /// A member as the table has it.
    fn written<'v>(&'v self, value: &'v str) -> Cow<'v, str> {
        let value = match self.case {
            None => Cow::Borrowed(value),
            Some(Case::Upper) => Cow::Owned(value.to_uppercase()),
            Some(Case::Lower) => Cow::Owned(value.to_lowercase()),
        };
        self.rename.get(&*value).map_or(value, |name| name.into())
    }
}

/// What the values of the channel column mean.
#[derive(Debug, Clone)]
pub struct ClassRule {
    /// The names of `listed`.
    names: Vec<String>,
    /// The class of the names, and that of every other name.
    listed: Class,
    other: Class,
    excluded: Vec<String>,
    null: Class,
    ignore_case: bool,
}

/// The member of a key that stands for rows without a channel.
pub const NO_CHANNEL: &str = "(none)";

impl ClassRule {
    /// The rule of a profile's channels.
    pub fn new(channel: &Channel) -> Self {
        let (names, listed, other) = if channel.paid.is_empty() {
            (&channel.organic, Class::Organic, Class::Paid)
        } else {
            (&channel.paid, Class::Paid, Class::Organic)
        };
        let written = |names: &[String]| -> Vec<String> {
            names.iter().map(|n| if channel.ignore_case { n.to_lowercase() } else { n.clone() }).collect()
        };
        ClassRule {
            names: written(names),
            listed,
            other,
            excluded: written(&channel.excluded),
            null: channel.null,
            ignore_case: channel.ignore_case,
        }
    }

    /// The class of a channel that is a member of a key, where null is [`NO_CHANNEL`].
    pub fn class_of_member(&self, name: &str) -> Class {
        self.class((name != NO_CHANNEL).then_some(name.as_bytes()))
    }

    /// The class of a channel.
    pub fn class(&self, name: Option<&[u8]>) -> Class {
        let Some(name) = name else { return self.null };
        let lower = self.ignore_case.then(|| String::from_utf8_lossy(name).to_lowercase());
        let name = lower.as_deref().map_or(name, str::as_bytes);
        let is_in = |names: &[String]| names.iter().any(|n| n.as_bytes() == name);
        if is_in(&self.names) {
            self.listed
        } else if is_in(&self.excluded) {
            Class::Excluded
        } else {
            self.other
        }
    }
}

/// A condition on the values of a column.
#[derive(Debug, Clone)]
pub struct WhereRule {
    values: Vec<String>,
    is_in: bool,
    /// The condition as text.
    pub shown: String,
}

impl WhereRule {
    /// The rule of a condition.
    pub fn new(condition: &Condition) -> Self {
        let values = condition.is_in.as_ref().or(condition.not_in.as_ref()).cloned().unwrap_or_default();
        WhereRule { values, is_in: condition.is_in.is_some(), shown: condition.show() }
    }

    /// The only value for which it holds, where there is one.
    pub fn only_value(&self) -> Option<&[u8]> {
        match self.values.as_slice() {
            [only] if self.is_in => Some(only.as_bytes()),
            _ => None,
        }
    }

    /// Whether the condition holds for a value.
    pub fn holds(&self, value: Option<&[u8]>) -> bool {
        value.is_some_and(|value| self.values.iter().any(|v| v.as_bytes() == value)) == self.is_in
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn members_are_totals_or_null_or_named() {
        let dimension = Dimension {
            total: Some("ALL".into()),
            case: Some(Case::Upper),
            rename: [("UK".to_owned(), "GB".to_owned())].into(),
            ..Dimension::default()
        };
        let rule = MemberRule::new(&dimension);
        let named = |name: &'static str| Some(Member::Named(name.into()));
        assert_eq!(rule.member(Some(b"uk")), named("GB"));
        assert_eq!(rule.member(Some(b"na")), named("NA"));
        assert_eq!(rule.member(Some(b"all")), Some(Member::Total));
        assert_eq!(rule.member(None), Some(Member::Null));
        assert_eq!(rule.member(Some(b"\xff")), None);
        let off = Dimension { total_rows: super::super::TotalRows::Off, ..dimension.clone() };
        assert_eq!(MemberRule::new(&off).member(Some(b"ALL")), named("ALL"));
        let named_null = Dimension { null: Some("unknown".into()), ..dimension };
        assert_eq!(MemberRule::new(&named_null).member(None), named("unknown"));
    }

    #[test]
    fn classes_go_by_list_and_case() {
        let channel = Channel {
            paid: vec!["Google Ads".into()],
            excluded: vec!["Untrusted".into()],
            null: Class::Organic,
            ignore_case: true,
            ..Channel::default()
        };
        let rule = ClassRule::new(&channel);
        assert_eq!(rule.class(Some(b"google ads")), Class::Paid);
        assert_eq!(rule.class(Some(b"UNTRUSTED")), Class::Excluded);
        assert_eq!(rule.class(Some(b"")), Class::Organic);
        assert_eq!(rule.class(None), Class::Organic);
    }

    #[test]
    fn null_is_in_neither_list() {
        let values = Some(vec!["true".to_owned()]);
        let is_in = WhereRule::new(&Condition { is_in: values.clone(), ..Condition::default() });
        let not_in = WhereRule::new(&Condition { not_in: values, ..Condition::default() });
        assert!(!is_in.holds(None) && not_in.holds(None));
        assert!(is_in.holds(Some(b"true")) && !not_in.holds(Some(b"true")));
    }
}

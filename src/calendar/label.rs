//! Labels of ISO weeks, as exports write them.

use std::fmt;
use std::str::FromStr;

use super::{iso_of, week_from_iso};
use crate::{Error, Result};

/// How a label of an ISO week is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
pub enum LabelForm {
    /// `2021_05`.
    #[default]
    #[serde(rename = "yyyy_ww")]
    YearUnderscoreWeek,
    /// `2021-W05`, the extended format of ISO 8601; also `2021-w05`.
    #[serde(rename = "yyyy-Www")]
    Extended,
    /// `2021W05`, the basic format of ISO 8601; also `2021w05`.
    #[serde(rename = "yyyyWww")]
    Basic,
    /// `202105`.
    #[serde(rename = "yyyyww")]
    Digits,
}

impl LabelForm {
    /// All of them.
    pub const ALL: [LabelForm; 4] =
        [LabelForm::YearUnderscoreWeek, LabelForm::Extended, LabelForm::Basic, LabelForm::Digits];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            LabelForm::YearUnderscoreWeek => "yyyy_ww",
            LabelForm::Extended => "yyyy-Www",
            LabelForm::Basic => "yyyyWww",
            LabelForm::Digits => "yyyyww",
        }
    }

    /// What stands between the year and the week.
    fn separator(self) -> &'static str {
        match self {
            LabelForm::YearUnderscoreWeek => "_",
            LabelForm::Extended => "-W",
            LabelForm::Basic => "W",
            LabelForm::Digits => "",
        }
    }

    /// The week of a label: four ASCII digits of a year from 1 on, the separator in any case, two digits. `None`
    /// where it is not the label of an existing ISO week.
    pub fn parse(self, label: &[u8]) -> Option<i32> {
        let (year, number) = self.written(label)?;
        week_from_iso(year, number)
    }

    /// The year and the number that a label writes, whether or not that week exists; `None` where it is written in
    /// another form.
    pub fn written(self, label: &[u8]) -> Option<(i32, i32)> {
        let (year, rest) = label.split_first_chunk::<4>()?;
        let (separator, number) = rest.split_at_checked(self.separator().len())?;
        let number: &[u8; 2] = number.try_into().ok()?;
        let is_separator = separator.eq_ignore_ascii_case(self.separator().as_bytes());
        is_separator.then_some((digits(year)?, digits(number)?))
    }

    /// The label of a year and a number, whether or not that week exists.
    pub fn write(self, year: i32, number: i32) -> String {
        format!("{year:04}{}{number:02}", self.separator())
    }

    /// The week of a label in any of the forms, for what people type.
    pub fn parse_any(label: &str) -> Option<i32> {
        Self::ALL.into_iter().find_map(|form| form.parse(label.as_bytes()))
    }

    /// The label of a week.
    pub fn format(self, week: i32) -> String {
        let (year, number) = iso_of(week);
        self.write(year, number)
    }
}

/// The number that ASCII digits write, at most nine.
fn digits(text: &[u8]) -> Option<i32> {
    text.iter().try_fold(0, |n, b| b.is_ascii_digit().then(|| n * 10 + i32::from(b - b'0')))
}

impl fmt::Display for LabelForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for LabelForm {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|form| form.name() == name).ok_or_else(|| {
            Error::argument(format!("unknown form of week labels '{}'", name))
                .expected(format!("one of {}", Self::ALL.map(LabelForm::name).join(", ")))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::{first_week, week_of, weeks_in};
    use jiff::civil::ISOWeekDate;

    #[test]
    fn labels_of_every_week_round_trip() {
        for form in LabelForm::ALL {
            for week in
                (first_week(1)..first_week(10_000)).step_by(37).chain(first_week(2019)..first_week(2023))
            {
                assert_eq!(form.parse(form.format(week).as_bytes()), Some(week), "{form}");
            }
        }
        let week = week_of(18_660);
        for (form, label) in [(LabelForm::Extended, "2021-w05"), (LabelForm::Basic, "2021w05")] {
            assert_eq!((form.parse(label.as_bytes()), LabelForm::parse_any(label)), (Some(week), Some(week)));
        }
        assert_eq!(
            LabelForm::ALL.map(|form| form.format(week)),
            ["2021_05", "2021-W05", "2021W05", "202105"]
        );
    }

    #[test]
    fn only_weeks_that_exist() {
        for year in (1i16..=9999).step_by(7).chain(2015..2030) {
            for number in 0i8..=55 {
                let label = format!("{year:04}-W{number:02}");
                // The last days of 9999-W52 are not in the library's range; its Monday is.
                let exists = ISOWeekDate::new(year, number, jiff::civil::Weekday::Monday).is_ok();
                assert_eq!(LabelForm::Extended.parse(label.as_bytes()).is_some(), exists, "{label}");
            }
            assert_eq!(
                weeks_in(year.into()) == 53,
                LabelForm::Basic.parse(format!("{year:04}W53").as_bytes()).is_some()
            );
        }
        for form in LabelForm::ALL {
            for bad in [
                "",
                "2021",
                "2021_5",
                "2021-W5",
                "2021W5",
                "20215",
                "2021_005",
                "2021_05 ",
                " 2021_05",
                "+021_05",
                "2021-05",
                "2021 W05",
                "2021-v05",
                "2021_W05",
                "0000_10",
                "0000W10",
                "000010",
                "2021_53",
                "2021W53",
                "202153",
                "2021-W53",
                "2021_0x",
                "2021１05",
                "2021_٠٥",
            ] {
                assert_eq!(form.parse(bad.as_bytes()), None, "{form}: {bad}");
            }
            for other in LabelForm::ALL.into_iter().filter(|other| *other != form) {
                assert_eq!(form.parse(other.format(2_600).as_bytes()), None);
            }
        }
    }

    #[test]
    fn names_of_forms() {
        for form in LabelForm::ALL {
            assert_eq!(form.to_string().parse::<LabelForm>().unwrap(), form);
            let json = serde_json::to_string(&form).unwrap();
            assert_eq!(json, format!("\"{form}\""));
            assert_eq!(serde_json::from_str::<LabelForm>(&json).unwrap(), form);
        }
        assert_eq!(
            "yyyy-ww".parse::<LabelForm>().unwrap_err().to_string(),
            "unknown form of week labels 'yyyy-ww'; expected one of yyyy_ww, yyyy-Www, yyyyWww, yyyyww"
        );
    }
}

//! Which periods are compared.

use std::str::FromStr;

use crate::calendar::label::LabelForm;
use crate::calendar::period::month_of;
use crate::report::words;
use crate::scan::classes::TimeCoding;
use crate::{Error, Grain, Result};

/// The period with which another one is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Against {
    /// So many periods before.
    Before(u32),
    /// A year before: 52 weeks, 364 days, 12 months, as in the column `_year_ago` of the table.
    Year,
    /// A period by its name.
    Period(String),
}

impl Default for Against {
    fn default() -> Self {
        Against::Before(1)
    }
}

/// The most digits of a number of periods: `202141` is a week.
const DIGITS: usize = 4;

impl FromStr for Against {
    type Err = Error;

    /// Parses a number of periods, `year`, or the name of a period, which [`Against::step`] parses.
    fn from_str(text: &str) -> Result<Self> {
        if text == "year" {
            return Ok(Against::Year);
        }
        if text.len() > DIGITS || text.parse::<u32>().is_err() {
            return Ok(Against::Period(text.to_owned()));
        }
        match text.parse() {
            Ok(periods) if periods > 0 => Ok(Against::Before(periods)),
            _ => Err(Error::argument(format!("{text} periods before")).expected("1 or more")),
        }
    }
}

impl Against {
    /// The period, before the period `now`.
    ///
    /// # Errors
    /// `Argument` where it cannot be parsed, or is not before.
    pub fn step(&self, grain: Grain, now: i32) -> Result<i32> {
        let step = match self {
            Against::Before(periods) => now.saturating_sub_unsigned(*periods),
            Against::Year => now.saturating_sub_unsigned(grain.steps_of_year()),
            Against::Period(text) => parse(grain, text)?,
        };
        if step >= now {
            return Err(Error::argument(format!(
                "{} is not before {}",
                words::step(grain, step),
                words::step(grain, now)
            ))
            .expected("an earlier period"));
        }
        Ok(step)
    }
}

/// Parses a week `2021_05` or `2021-W05`, a day `2021-02-01`, or a month `2021-02`.
///
/// # Errors
/// `Argument` for anything else.
pub fn parse(grain: Grain, text: &str) -> Result<i32> {
    let day = |text: &str| TimeCoding::Text.day(text.as_bytes());
    let (step, example) = match grain {
        Grain::Week => (LabelForm::parse_any(text), "2021_05 or 2021-W05"),
        Grain::Day => (day(text), "2021-02-01"),
        Grain::Month => (day(&format!("{}-01", text.replace('_', "-"))).map(month_of), "2021-02"),
    };
    step.ok_or_else(|| {
        Error::argument(format!("'{text}' is no {}", words::step_noun(grain)))
            .expected(format!("a {} such as {example}", words::step_noun(grain)))
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn periods_have_the_names_of_the_table() {
        let week = parse(Grain::Week, "2021-W05").unwrap();
        for label in ["2021_05", "2021W05", "202105"] {
            assert_eq!(parse(Grain::Week, label).unwrap(), week);
        }
        assert_eq!(words::step(Grain::Day, parse(Grain::Day, "2021-02-28").unwrap()), "2021-02-28");
        assert_eq!(words::step(Grain::Month, parse(Grain::Month, "2021-02").unwrap()), "2021-02");
        for (grain, bad) in [(Grain::Week, "2021-54"), (Grain::Day, "2021-02-30"), (Grain::Month, "2021-13")]
        {
            assert_eq!(parse(grain, bad).unwrap_err().exit_code(), 2, "{bad}");
        }
    }

    #[test]
    fn the_period_before_is_a_number_or_a_name() {
        let step = |text: &str| {
            text.parse::<Against>()
                .and_then(|against| against.step(Grain::Week, 2_703))
                .map(|step| 2_703 - step)
        };
        assert_eq!((step("1").unwrap(), step("4").unwrap(), step("year").unwrap()), (1, 4, 52));
        let name = words::step(Grain::Week, 2_700);
        assert_eq!(step(&name).unwrap(), 3);
        assert_eq!(Against::default().step(Grain::Month, 24_000).unwrap(), 23_999);
        for bad in ["0", "last", &words::step(Grain::Week, 2_703), &words::step(Grain::Week, 2_704)] {
            assert_eq!(step(bad).unwrap_err().exit_code(), 2, "{bad}");
        }
    }
}

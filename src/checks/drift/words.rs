//! Numbers and weeks as sentences have them.

use crate::calendar::label::LabelForm;

/// A week as `2023-W41`.
pub fn week_name(week: i32) -> String {
    LabelForm::Extended.format(week)
}

/// A number of users or rows, with separators: `1,240`.
pub fn words(number: f64) -> String {
    let digits = format!("{:.0}", number.abs());
    let mut text = String::with_capacity(digits.len() + digits.len() / 3 + 1);
    if number <= -0.5 {
        text.push('-');
    }
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A share as `65.9 %`.
pub fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_separators() {
        let all = [0.0, 0.4, 999.6, 12_345.0, 1_234_567.0, -1000.0].map(words);
        assert_eq!(all, ["0", "0", "1,000", "12,345", "1,234,567", "-1,000"]);
        assert_eq!(
            (percent(0.6586), week_name(crate::calendar::week_from_iso(2023, 5).unwrap_or(0))),
            ("65.9 %".into(), "2023-W05".into())
        );
    }
}

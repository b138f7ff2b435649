//! The numbers that the original job makes of week labels: Python's `int` of the label without its
//! underscores.

/// The number of a label is out of the range of the job's column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutOfRange;

/// The number of a label: `int(label.replace('_', ''))`; `None` where Python raises.
pub fn period(label: &str) -> Option<std::result::Result<i64, OutOfRange>> {
    python_int(&label.replace('_', ""))
}

/// Python's `int(text)`; `None` where it raises.
fn python_int(text: &str) -> Option<std::result::Result<i64, OutOfRange>> {
    let text = text.trim();
    let (negative, digits) = match text.strip_prefix(['+', '-']) {
        Some(rest) => (text.starts_with('-'), rest),
        None => (false, text),
    };
    if digits.is_empty() {
        return None;
    }
    let mut value = Some(0i64);
    for c in digits.chars() {
        let digit = i64::from(decimal_digit(c)?);
        value = value.and_then(|v| v.checked_mul(10)?.checked_add(if negative { -digit } else { digit }));
    }
    Some(value.ok_or(OutOfRange))
}

/// The zeros of the decimal digits of Unicode 14 (category Nd, as in Python 3.11); nine digits follow
/// each.
const ZEROS: [u32; 66] = [
    0x30, 0x660, 0x6F0, 0x7C0, 0x966, 0x9E6, 0xA66, 0xAE6, 0xB66, 0xBE6, 0xC66, 0xCE6, 0xD66, 0xDE6, 0xE50,
    0xED0, 0xF20, 0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90, 0x1B50, 0x1BB0, 0x1C40,
    0x1C50, 0xA620, 0xA8D0, 0xA900, 0xA9D0, 0xA9F0, 0xAA50, 0xABF0, 0xFF10, 0x104A0, 0x10D30, 0x11066,
    0x110F0, 0x11136, 0x111D0, 0x112F0, 0x11450, 0x114D0, 0x11650, 0x116C0, 0x11730, 0x118E0, 0x11950,
    0x11C50, 0x11D50, 0x11DA0, 0x16A60, 0x16AC0, 0x16B50, 0x1D7CE, 0x1D7D8, 0x1D7E2, 0x1D7EC, 0x1D7F6,
    0x1E140, 0x1E2F0, 0x1E950, 0x1FBF0,
];

fn decimal_digit(c: char) -> Option<u32> {
    let code = u32::from(c);
    let before = ZEROS.partition_point(|zero| *zero <= code).checked_sub(1)?;
    ZEROS.get(before).map(|zero| code - zero).filter(|digit| *digit < 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_as_python_reads_them() {
        assert_eq!(python_int("202105"), Some(Ok(202_105)));
        assert_eq!(python_int(" +2021 "), Some(Ok(2021)));
        assert_eq!(python_int("-5"), Some(Ok(-5)));
        assert_eq!(python_int("\u{662}\u{660}"), Some(Ok(20)));
        assert_eq!(python_int("9999999999999999999999"), Some(Err(OutOfRange)));
        assert_eq!((python_int(""), python_int("2021-19"), python_int("1e1")), (None, None, None));
        assert_eq!(period("2021__1_9"), Some(Ok(202_119)));
    }
}

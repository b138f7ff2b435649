//! Arrow format strings of columns, and their layouts and types in the job.

use super::keys::ValueForm;
use crate::dataset::column::find_name;
use crate::ids::values::ValueType;
use crate::profile::TimeUnit;
use crate::scan::classes::{TimeCoding, unit_advice};
use crate::{Error, Result};

/// A column's name and type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    name: String,
    format: String,
    /// Format of the dictionary's values.
    values: Option<String>,
}

/// The memory layout of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// No buffers: every row is null.
    Null,
    /// Elements of `width` bytes.
    Numbers {
        /// Bytes.
        width: u8,
        /// Whether an integer is signed.
        signed: bool,
        /// IEEE 754.
        float: bool,
    },
    /// Offsets and bytes.
    Text {
        /// Offsets of 64 bits.
        wide: bool,
    },
    /// Views and buffers.
    Views,
    /// One bit a row: booleans.
    Bits,
    /// Any type that the job does not use.
    Unknown,
}

impl Field {
    /// A column of type `format`; `values` is the type of its dictionary's values, if it has one.
    pub fn new(name: &str, format: &str, values: Option<&str>) -> Self {
        Field { name: name.into(), format: format.into(), values: values.map(Into::into) }
    }

    /// The same column under another name.
    pub fn renamed(&self, name: &str) -> Self {
        Field { name: name.into(), ..self.clone() }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its type; for a dictionary column, that of the ids.
    pub fn format(&self) -> &str {
        &self.format
    }

    /// The type of its dictionary's values; `None` where it has no dictionary.
    pub fn values(&self) -> Option<&str> {
        self.values.as_deref()
    }

    /// The type of the decoded rows.
    fn decoded_format(&self) -> &str {
        self.values().unwrap_or(&self.format)
    }

    /// The layout of the column; for a dictionary column, of the ids.
    pub fn layout(&self) -> Layout {
        Self::layout_of(&self.format)
    }

    /// The layout of a type.
    pub fn layout_of(format: &str) -> Layout {
        let number = |width, signed, float| Layout::Numbers { width, signed, float };
        match format {
            "n" => Layout::Null,
            "b" => Layout::Bits,
            "c" => number(1, true, false),
            "C" => number(1, false, false),
            "s" => number(2, true, false),
            "S" => number(2, false, false),
            "i" | "tdD" => number(4, true, false),
            "I" => number(4, false, false),
            "l" | "tdm" => number(8, true, false),
            "L" => number(8, false, false),
            "e" => number(2, true, true),
            "f" => number(4, true, true),
            "g" => number(8, true, true),
            "u" | "z" => Layout::Text { wide: false },
            "U" | "Z" => Layout::Text { wide: true },
            "vu" | "vz" => Layout::Views,
            _ if ["tss:", "tsm:", "tsu:", "tsn:"].iter().any(|t| format.starts_with(t)) => {
                number(8, true, false)
            }
            _ => match decimal(format) {
                Some((_, _, width)) => number(width, true, false),
                None => Layout::Unknown,
            },
        }
    }

    /// Fails with `Data` unless the values are strings.
    pub fn check_string(&self) -> Result<()> {
        if matches!(
            Self::layout_of(self.decoded_format()),
            Layout::Text { .. } | Layout::Views | Layout::Null
        ) {
            return Ok(());
        }
        Err(Error::data(format!("the values are {}", self.show())).expected("strings").in_column(&self.name))
    }

    /// The number type of the column; `Data` where it is not a number.
    pub fn value_type(&self) -> Result<ValueType> {
        let int = |bits, signed| Ok(ValueType::Int { bits, signed });
        match self.decoded_format() {
            "n" => Ok(ValueType::Null),
            "c" => int(8, true),
            "C" => int(8, false),
            "s" => int(16, true),
            "S" => int(16, false),
            "i" => int(32, true),
            "I" => int(32, false),
            "l" => int(64, true),
            "L" => int(64, false),
            "e" => Ok(ValueType::Float16),
            "f" => Ok(ValueType::Float32),
            "g" => Ok(ValueType::Float64),
            other => match decimal(other) {
                Some((precision, scale, _)) if scale >= 0 => Ok(ValueType::Decimal { precision, scale }),
                _ => Err(Error::data(format!("the values are {}", self.show()))
                    .expected("a number: integer, float, double or decimal")
                    .in_column(&self.name)),
            },
        }
    }

    /// How the values become text, as conditions and members are compared; `Data` where they do not.
    pub fn value_form(&self) -> Result<ValueForm> {
        match self.decoded_format() {
            "n" | "b" | "u" | "U" | "vu" | "z" | "Z" | "vz" | "c" | "C" | "s" | "S" | "i" | "I" | "l"
            | "L" => Ok(ValueForm::Whole),
            "tdD" => Ok(ValueForm::Day),
            "tdm" => Ok(ValueForm::Millis),
            format if matches!(decimal(format), Some((_, 0, 4 | 8 | 16))) => Ok(ValueForm::Whole),
            _ => Err(Error::data(format!("the values are {}", self.show()))
                .expected("strings, whole numbers, dates, or true and false")
                .in_column(&self.name)),
        }
    }

    /// The time zone of timestamps that have one.
    pub fn zone(&self) -> Option<&str> {
        let format = self.decoded_format();
        let zone = ["tss:", "tsm:", "tsu:", "tsn:"].iter().find_map(|unit| format.strip_prefix(unit));
        zone.filter(|zone| !zone.is_empty())
    }

    /// How the column stores dates; `Data` where it does not. `unit` is that of integers.
    pub fn date_coding(&self, unit: Option<TimeUnit>) -> Result<TimeCoding> {
        let day = 86_400;
        let format = self.decoded_format();
        let is_instant = self.zone().is_some();
        let stamps = |per_day| TimeCoding::Ticks { per_day, is_instant };
        match (format, format.get(..4)) {
            ("tdD", _) => Ok(TimeCoding::Day32),
            ("tdm", _) => Ok(TimeCoding::Ticks { per_day: day * 1_000, is_instant: false }),
            (_, Some("tsm:")) => Ok(stamps(day * 1_000)),
            (_, Some("tss:")) => Ok(stamps(day)),
            (_, Some("tsu:")) => Ok(stamps(day * 1_000_000)),
            (_, Some("tsn:")) => Ok(stamps(day * 1_000_000_000)),
            ("u" | "U" | "vu" | "z" | "Z" | "vz" | "n", _) => Ok(TimeCoding::Text),
            ("c" | "C" | "s" | "S" | "i" | "I" | "l" | "L", _) => match unit {
                Some(unit) => {
                    Ok(TimeCoding::Ticks { per_day: unit.per_day(), is_instant: unit != TimeUnit::Day })
                }
                None => Err(Error::data("the dates are integers")
                    .expected("the unit that they count")
                    .advice(unit_advice())
                    .in_column(&self.name)),
            },
            _ => Err(Error::data(format!("the dates are {}", self.show()))
                .expected("dates, timestamps, integers, or strings such as 2021-02-03 or 2021-02-03 04:05:06")
                .in_column(&self.name)),
        }
    }

    /// The type in words, for error messages.
    fn show(&self) -> String {
        match self.decoded_format() {
            "b" => "booleans".into(),
            "u" | "U" | "vu" => "strings".into(),
            "z" | "Z" | "vz" => "bytes".into(),
            "tdD" | "tdm" => "dates".into(),
            other => format!("of Arrow type '{other}'"),
        }
    }
}

/// Precision, scale and width in bytes of `d:precision,scale[,bits]`.
fn decimal(format: &str) -> Option<(u8, i8, u8)> {
    let mut parts = format.strip_prefix("d:")?.split(',');
    let (precision, scale) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let width = match parts.next() {
        None | Some("128") => 16,
        Some("32") => 4,
        Some("64") => 8,
        Some("256") => 32,
        Some(_) => return None,
    };
    Some((precision, scale, width))
}

/// The index of the column called `column`: an exact match, or else the only match without regard to case.
pub fn find(fields: &[Field], column: &str) -> Result<usize> {
    let names = fields.iter().map(Field::name);
    find_name(names.clone().enumerate(), names, column)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn formats() {
        let width = |format: &str| match Field::layout_of(format) {
            Layout::Numbers { width, .. } => width,
            other => panic!("{format}: {other:?}"),
        };
        assert_eq!(["c", "S", "f", "tsn:UTC", "d:9,2,32", "d:38,2"].map(width), [1, 2, 4, 8, 4, 16]);
        assert_eq!(width("d:40,2,256"), 32);
        assert_eq!(Field::layout_of("+r"), Layout::Unknown);
        let decimal = Field::new("v", "d:10,-2", None).value_type();
        assert!(decimal.unwrap_err().to_string().contains("d:10,-2"));
        let coded = Field::new("c", "I", Some("vu"));
        assert!(coded.check_string().is_ok() && coded.value_type().is_err());
        let ticks = |is_instant| TimeCoding::Ticks { per_day: 86_400_000_000, is_instant };
        let wall = Field::new("d", "tsu:", None);
        assert_eq!((wall.date_coding(None).unwrap(), wall.zone()), (ticks(false), None));
        let instants = Field::new("d", "i", Some("tsu:Europe/Berlin"));
        assert_eq!(
            (instants.date_coding(None).unwrap(), instants.zone()),
            (ticks(true), Some("Europe/Berlin"))
        );
        let integers = Field::new("d", "l", None);
        assert!(integers.date_coding(None).is_err());
        assert_eq!(integers.date_coding(Some(TimeUnit::Microsecond)).unwrap(), ticks(true));
    }

    #[test]
    fn columns_are_found_as_in_files() {
        let fields = ["Value", "value", "Name"].map(|n| Field::new(n, "u", None));
        assert_eq!(find(&fields, "value").unwrap(), 1);
        assert_eq!(find(&fields, "name").unwrap(), 2);
        assert!(find(&fields, "VALUE").is_err());
        assert!(find(&fields, "country").unwrap_err().to_string().contains("Value, value, Name"));
    }
}

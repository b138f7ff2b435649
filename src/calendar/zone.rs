//! Time zones: which calendar day an instant falls on.
//!
//! The rules come from the IANA Time Zone Database that the crate `jiff` bundles. The database of the
//! operating system is not read, so that a result does not depend on the machine.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZoneDatabase;

use super::intervals::{Cursor, Intervals};
use crate::nearest::distance;
use crate::{Error, Result};

/// A time zone. Clones share the table of its offsets.
#[derive(Clone, serde::Serialize, serde::Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Zone(Arc<Inner>);

struct Inner {
    name: String,
    intervals: Intervals,
}

impl Zone {
    /// The zone of an IANA name in any case, such as `Europe/Berlin`, or of a fixed offset `+hh:mm` or
    /// `-hh:mm`, as Arrow types name one.
    ///
    /// # Errors
    /// `Argument` if the name is unknown; the error names the nearest known ones.
    pub fn named(name: &str) -> Result<Self> {
        if let Some(offset) = fixed_offset(name.as_bytes()) {
            return Ok(Self::new(name, Intervals::fixed(offset)));
        }
        let database = TimeZoneDatabase::bundled();
        let found = database.get(name).ok().filter(|zone| !zone.is_unknown());
        let Some(zone) = found else { return Err(unknown(name, &database)) };
        let transitions = zone.following(Timestamp::MIN);
        let transitions = transitions.map(|t| (t.timestamp().as_second(), t.offset().seconds()));
        let first = zone.to_offset(Timestamp::MIN).seconds();
        Ok(Self::new(zone.iana_name().unwrap_or(name), Intervals::from_transitions(first, transitions)))
    }

    /// UTC.
    pub fn utc() -> Self {
        Self::new("UTC", Intervals::fixed(0))
    }

    fn new(name: &str, intervals: Intervals) -> Self {
        Zone(Arc::new(Inner { name: name.to_owned(), intervals }))
    }

    /// Its name, as the database spells it.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The table of its offsets.
    pub fn intervals(&self) -> &Intervals {
        &self.0.intervals
    }

    /// The seconds to add to UTC at a second since 1970-01-01T00:00 UTC.
    pub fn offset_at(&self, second: i64) -> i32 {
        self.0.intervals.at(second).offset
    }

    /// The calendar day, in days since 1970-01-01, of an instant in microseconds since
    /// 1970-01-01T00:00 UTC.
    pub fn day_of(&self, micros: i64) -> i32 {
        self.cursor().day_of(micros)
    }

    /// A cursor, for many instants that are mostly close to each other.
    pub fn cursor(&self) -> Cursor<'_> {
        self.0.intervals.cursor()
    }
}

impl Default for Zone {
    fn default() -> Self {
        Self::utc()
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Zone({})", self.0.name)
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.name)
    }
}

impl PartialEq for Zone {
    fn eq(&self, other: &Self) -> bool {
        self.0.name == other.0.name
    }
}

impl Eq for Zone {}

impl Hash for Zone {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.name.hash(state);
    }
}

impl FromStr for Zone {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::named(name)
    }
}

impl From<Zone> for String {
    fn from(zone: Zone) -> Self {
        zone.0.name.clone()
    }
}

impl TryFrom<String> for Zone {
    type Error = Error;

    fn try_from(name: String) -> Result<Self> {
        Self::named(&name)
    }
}

/// The seconds of `+hh:mm` or `-hh:mm`.
fn fixed_offset(name: &[u8]) -> Option<i32> {
    match name {
        [b'+' | b'-', _, _, b':', _, _] => super::stamp::parse_offset(name),
        _ => None,
    }
}

/// Known names that an error offers at most.
const OFFERED: usize = 3;

#[cold]
fn unknown(name: &str, database: &TimeZoneDatabase) -> Error {
    let mut known: Vec<(usize, String)> = database
        .available()
        .map(|known| {
            // `Berlin` is as near to Europe/Berlin as that name itself.
            let whole = known.as_str();
            let city = whole.rsplit('/').next().unwrap_or_default();
            (distance(name, whole).min(distance(name, city)), whole.to_owned())
        })
        .collect();
    known.sort();
    let near = known.iter().map_while(|(distance, known)| (*distance <= name.len() / 3).then_some(known));
    let near: Vec<String> = near.take(OFFERED).map(|known| format!("'{known}'")).collect();
    let error = Error::argument(format!("unknown time zone '{}'", name))
        .expected("a name of the IANA Time Zone Database, such as 'Europe/Berlin' or 'UTC', or '+hh:mm'");
    if near.is_empty() { error } else { error.advice(format!("Similar names: {}", near.join(", "))) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::tz::TimeZone;
    use proptest::prelude::*;

    fn all() -> Vec<String> {
        TimeZoneDatabase::bundled().available().map(|name| name.as_str().to_owned()).collect()
    }

    fn library(zone: &TimeZone, second: i64) -> i32 {
        zone.to_offset(Timestamp::from_second(second).unwrap()).seconds()
    }

    #[test]
    fn every_zone_has_the_offsets_of_the_library() {
        let database = TimeZoneDatabase::bundled();
        let (mut zones, mut transitions) = (0, 0);
        let (epoch, end) = (Timestamp::UNIX_EPOCH, Timestamp::from_second(2_145_916_800).unwrap());
        for name in all() {
            let (zone, want) = (Zone::named(&name).unwrap(), database.get(&name).unwrap());
            assert_eq!(zone.name(), name);
            zones += 1;
            let mut cursor = zone.cursor();
            for transition in want.following(epoch).take_while(|t| t.timestamp() < end) {
                let second = transition.timestamp().as_second();
                for second in second - 1..=second + 1 {
                    let offset = library(&want, second);
                    assert_eq!(zone.offset_at(second), offset, "{name} at {second}");
                    assert_eq!(cursor.offset_at(second), offset, "{name} at {second}");
                    let instant = Timestamp::from_second(second).unwrap();
                    let date = want.to_datetime(instant).date();
                    let day = super::super::day_of(super::super::Date {
                        year: date.year().into(),
                        month: date.month().try_into().unwrap(),
                        day: date.day().try_into().unwrap(),
                    });
                    for micros in [0, 999_999] {
                        assert_eq!(zone.day_of(second * 1_000_000 + micros), day, "{name} at {second}");
                    }
                }
                transitions += 1;
            }
            // A step that is no multiple of a day, through all years. It does not rely on transitions.
            let (first, last) = (-62_135_596_800i64, Timestamp::MAX.as_second());
            for second in (first..=last).step_by(86_400 * 577 + 12_347) {
                assert_eq!(zone.offset_at(second), library(&want, second), "{name} at {second}");
                assert!(zone.intervals().at(second).contains(second));
            }
        }
        assert!(zones > 500 && transitions > 20_000, "{zones} zones, {transitions} transitions");
    }

    #[test]
    fn intervals_follow_one_another() {
        for name in ["UTC", "Europe/Berlin", "Africa/Casablanca", "Asia/Tehran", "Pacific/Apia"] {
            let zone = Zone::named(name).unwrap();
            let mut at = i64::MIN;
            for _ in 0..20_000 {
                let interval = zone.intervals().at(at);
                assert!(interval.from <= at && interval.contains(at));
                if interval.to == i64::MAX {
                    break;
                }
                assert!(at < interval.to && !interval.contains(interval.to));
                assert!(zone.intervals().at(interval.to - 1) == interval);
                at = interval.to;
            }
            assert!(zone.intervals().at(i64::MAX).contains(i64::MAX));
        }
    }

    proptest! {
        #[test]
        fn any_instant_of_any_zone(
            which in any::<proptest::sample::Index>(),
            seconds in proptest::collection::vec(-62_135_596_800i64..=253_402_207_200, 100),
        ) {
            let names = all();
            let name = which.get(&names);
            let (zone, want) =
                (Zone::named(name).unwrap(), TimeZoneDatabase::bundled().get(name).unwrap());
            let mut cursor = zone.cursor();
            for second in seconds {
                let offset = library(&want, second);
                prop_assert_eq!(zone.offset_at(second), offset);
                prop_assert_eq!(cursor.offset_at(second), offset);
            }
        }
    }

    #[test]
    fn names() {
        assert_eq!(Zone::named("europe/berlin").unwrap(), Zone::named("Europe/Berlin").unwrap());
        assert_ne!(Zone::named("Europe/Berlin").unwrap(), Zone::utc());
        assert_eq!(Zone::named("utc").unwrap(), Zone::utc());
        assert_eq!(Zone::named("+05:30").unwrap().offset_at(0), 19_800);
        assert_eq!(Zone::named("-03:00").unwrap().offset_at(i64::MAX), -10_800);
        let error = |name: &str| Zone::named(name).unwrap_err().to_string();
        assert_eq!(
            error("Berlin"),
            "unknown time zone 'Berlin'; expected a name of the IANA Time Zone Database, such as \
             'Europe/Berlin' or 'UTC', or '+hh:mm'. Similar names: 'Europe/Berlin'"
        );
        assert!(error("Europe/Berln").contains("names: 'Europe/Berlin'"));
        assert!(error("America/NewYork").contains("names: 'America/New_York'"));
        for name in ["", "nowhere at all", "+25:00", "+1:00", "Etc/Unknown", "/etc/localtime"] {
            assert!(matches!(Zone::named(name), Err(Error::Argument(_))), "{name}");
        }
    }

    #[test]
    fn a_zone_is_serialised_by_its_name() {
        let zone = Zone::named("America/New_York").unwrap();
        let json = serde_json::to_string(&zone).unwrap();
        assert_eq!(json, "\"America/New_York\"");
        assert_eq!(serde_json::from_str::<Zone>(&json).unwrap(), zone);
        assert!(serde_json::from_str::<Zone>("\"Mars\"").unwrap_err().to_string().contains("IANA"));
    }
}

//! Times of day: instants that are all midnight somewhere else fall on the day before in UTC.
//!
//! An export that turns local dates into instants has one or two times of day, a summer and a winter one, such as 22:00
//! and 23:00 UTC for Berlin. East of Greenwich local midnight is on the day before in UTC. West of it, the day is right.

use std::collections::BTreeSet;

use crate::calendar::DAY_SECONDS;
use crate::calendar::zone::Zone;
use crate::checks::model::{Measurement, NotRun, Violation};
use crate::phrase::{Phrase, Setting};
use crate::table::cell::iso_date;

/// Offsets of all zones are whole quarters of an hour.
const QUARTER: i64 = 900;
/// Local midnights of a zone have at most two times of day: one in winter, one in summer.
const TIMES_MAX: usize = 2;
/// From this time of day on, UTC, local midnight is on the day before: UTC+13 (Auckland in summer) to UTC+1. At 10:00
/// it is midnight of the same day in Honolulu.
const EASTERN: i64 = 11 * 3600;
/// Zones that are offered.
const OFFERED: usize = 3;

/// Zones to compare with, those with many users first: with summer time, and without.
const ZONES: [&str; 32] = [
    "Europe/Berlin",
    "Europe/London",
    "Europe/Paris",
    "Europe/Madrid",
    "Europe/Athens",
    "Europe/Helsinki",
    "Europe/Kyiv",
    "Asia/Jerusalem",
    "Africa/Cairo",
    "Australia/Sydney",
    "Pacific/Auckland",
    "Asia/Kolkata",
    "Asia/Shanghai",
    "Asia/Tokyo",
    "Asia/Jakarta",
    "Asia/Singapore",
    "Europe/Istanbul",
    "Europe/Moscow",
    "Asia/Dubai",
    "Africa/Lagos",
    "Africa/Johannesburg",
    "Asia/Riyadh",
    "Asia/Karachi",
    "Asia/Tashkent",
    "Asia/Kathmandu",
    "Asia/Dhaka",
    "Asia/Yangon",
    "Asia/Bangkok",
    "Asia/Seoul",
    "Australia/Adelaide",
    "Australia/Darwin",
    "Australia/Brisbane",
];

/// The times of day of some stamps. Few are kept: once they are various, none is.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Times {
    of_day: BTreeSet<i64>,
    /// Seconds since 1970-01-01T00:00.
    seconds: BTreeSet<i64>,
    are_various: bool,
    /// Whether any was written without a zone.
    has_wall_clock: bool,
}

impl Times {
    /// Adds a time, in microseconds since 1970-01-01T00:00, in UTC or by a wall clock.
    pub fn add(&mut self, micros: i64, is_instant: bool) {
        self.has_wall_clock |= !is_instant;
        if self.are_various {
            return;
        }
        let second = micros.div_euclid(1_000_000);
        if micros.rem_euclid(1_000_000 * QUARTER) != 0 {
            self.are_various = true;
        } else {
            self.of_day.insert(second.rem_euclid(DAY_SECONDS));
            self.seconds.insert(second);
        }
        self.limit();
    }

    /// Adds the times of another part.
    pub fn merge(&mut self, other: Times) {
        self.has_wall_clock |= other.has_wall_clock;
        self.are_various |= other.are_various;
        self.of_day.extend(other.of_day);
        self.seconds.extend(other.seconds);
        self.limit();
    }

    fn limit(&mut self) {
        self.are_various |= self.of_day.len() > TIMES_MAX;
        if self.are_various {
            self.of_day.clear();
            self.seconds.clear();
        }
    }

    /// Days whose time is a local midnight east of Greenwich; `zone` is that of the profile.
    pub fn measure(&self, zone: Option<&str>) -> Result<Measurement, NotRun> {
        // A zone does not move times by the wall clock.
        if let Some(zone) = zone.filter(|zone| !self.has_wall_clock || *zone == "UTC") {
            return Err(NotRun::NotApplicable(format!("the profile names the zone of the times, {zone}")));
        }
        let n = self.seconds.len() as u64;
        let pass = |note: &str| Ok(Measurement::count(0, n, vec![]).note(note));
        let shifted: BTreeSet<i64> = self.of_day.iter().copied().filter(|time| *time != 0).collect();
        if self.are_various {
            return pass("the times of day are various");
        }
        let (Some(latest), Some(first)) = (shifted.last(), self.seconds.first()) else {
            return pass("dates without a time of day, or midnights");
        };
        let zones: Vec<&str> =
            ZONES.into_iter().filter(|zone| self.are_midnights(zone)).take(OFFERED).collect();
        let Some(best) = zones.first().filter(|_| *latest >= EASTERN) else {
            return pass("no midnights of a zone east of Greenwich");
        };
        let days: BTreeSet<i64> = (self.seconds.iter())
            .filter(|second| second.rem_euclid(DAY_SECONDS) != 0)
            .map(|second| second.div_euclid(DAY_SECONDS))
            .collect();
        let clock = |time: &i64| format!("{:02}:{:02}", time / 3600, time % 3600 / 60);
        let times: Vec<String> = self.of_day.iter().map(clock).collect();
        let others = match &zones[..] {
            [_, others @ ..] if !others.is_empty() => format!(" (also of {})", others.join(" and ")),
            _ => String::new(),
        };
        let fix = if self.has_wall_clock {
            Phrase::from(format!(
                "they are written without a zone, so naming one does not move them: write instants, or dates of \
                 {best}; zone = \"UTC\" in [time] if they are no midnights"
            ))
        } else {
            Phrase::from("give the zone, ")
                .option(Setting::Zone(best.to_string()))
                .command(format!(" or zone = \"{best}\" in [time]"))
                .text("; zone = \"UTC\" if they are no midnights")
        };
        let note = Phrase::from(format!(
            "every time is {} UTC, midnight in {best}{others}: on the calendar of UTC it is the day before; ",
            times.join(" or "),
        ))
        .then(fix);
        let day =
            |second: i64| i32::try_from(second.div_euclid(DAY_SECONDS)).map(iso_date).unwrap_or_default();
        let shown = self.seconds.iter().find(|second| second.rem_euclid(DAY_SECONDS) != 0).unwrap_or(first);
        let offender = format!(
            "{} {} UTC is {} in {best}",
            day(*shown),
            clock(&shown.rem_euclid(DAY_SECONDS)),
            day(*shown + DAY_SECONDS)
        );
        Ok(Measurement::count(days.len() as u64, n, vec![Violation::key(offender)]).note(note))
    }

    /// Whether all times are midnight in a zone.
    fn are_midnights(&self, zone: &str) -> bool {
        Zone::named(zone).is_ok_and(|zone| {
            self.seconds
                .iter()
                .all(|second| (*second + i64::from(zone.offset_at(*second))).rem_euclid(DAY_SECONDS) == 0)
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const HOUR: i64 = 3600;
    /// 2022-01-01.
    const NEW_YEAR: i64 = 18_993 * DAY_SECONDS;

    fn measure(seconds: impl IntoIterator<Item = i64>) -> Measurement {
        let mut times = Times::default();
        seconds.into_iter().for_each(|second| times.add(second * 1_000_000, true));
        times.measure(None).unwrap()
    }

    /// The midnights of a zone on all days of 2022.
    fn midnights(zone: &str) -> Vec<i64> {
        let zone = Zone::named(zone).unwrap();
        let of_day = |day: i64| {
            let local = NEW_YEAR + day * DAY_SECONDS;
            (-56..=56)
                .map(|quarter| local + quarter * QUARTER)
                .find(|at| *at + i64::from(zone.offset_at(*at)) == local)
        };
        (0..365).map(|day| of_day(day).unwrap()).collect()
    }

    #[test]
    fn local_midnights_are_found_with_their_zone() {
        let rome = measure(midnights("Europe/Rome"));
        assert_eq!((rome.observed, rome.n), (365.0, 365));
        assert!(
            rome.note.starts_with("every time is 22:00 or 23:00 UTC, midnight in Europe/Berlin"),
            "{rome:?}"
        );
        assert!(rome.note.contains("--zone Europe/Berlin"), "{rome:?}");
        assert_eq!(
            rome.offenders.first().unwrap().value,
            "2021-12-31 23:00 UTC is 2022-01-01 in Europe/Berlin"
        );
        // In winter London is right, in summer it is not.
        let london = measure(midnights("Europe/London"));
        assert!(london.observed > 200.0 && london.note.contains("midnight in Europe/London"), "{london:?}");
        for (zone, named) in [
            ("Asia/Tokyo", "Asia/Tokyo"),
            ("Asia/Kolkata", "Asia/Kolkata"),
            ("Australia/Sydney", "Australia/Sydney"),
            ("Pacific/Auckland", "Pacific/Auckland"),
        ] {
            let found = measure(midnights(zone));
            assert!(found.observed == 365.0 && found.note.contains(named), "{zone}: {found:?}");
        }
    }

    #[test]
    fn days_that_are_right_pass() {
        for zone in ["UTC", "America/New_York", "America/Sao_Paulo", "Pacific/Honolulu"] {
            assert_eq!(measure(midnights(zone)).observed, 0.0, "{zone}");
        }
        // Times of events, and the time of a job that is no midnight anywhere.
        assert_eq!(measure((0..90).map(|at| NEW_YEAR + at * 12_347)).observed, 0.0);
        assert_eq!(measure((0..90).map(|at| NEW_YEAR + at * DAY_SECONDS + 23 * HOUR + 900)).observed, 0.0);
        assert_eq!(measure([]).observed, 0.0);
        let mut times = Times::default();
        times.add((NEW_YEAR - HOUR) * 1_000_000, true);
        assert!(times.measure(Some("UTC")).is_err());
        // The days of wall-clock times stay as they are, whatever zone is named.
        times.add((NEW_YEAR + 23 * HOUR) * 1_000_000, false);
        assert!(times.measure(Some("Europe/Berlin")).is_ok_and(|found| found.observed == 2.0));
        assert!(times.measure(Some("UTC")).is_err());
    }

    #[test]
    fn parts_in_any_order_give_the_same() {
        let parts = [vec![NEW_YEAR - HOUR], vec![NEW_YEAR + 5], vec![NEW_YEAR], vec![NEW_YEAR + HOUR]];
        let of = |order: &[usize]| {
            let mut all = Times::default();
            for part in order {
                let mut times = Times::default();
                parts[*part].iter().for_each(|second| times.add(second * 1_000_000, true));
                all.merge(times);
            }
            all
        };
        assert_eq!(of(&[0, 1, 2, 3]), of(&[3, 2, 1, 0]));
        assert_eq!(of(&[0, 2, 3]), of(&[3, 0, 2]));
    }
}

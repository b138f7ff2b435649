//! An export of events: a row for each install, roughly in order of time.
//!
//! The share of organic installs differs by country and week. An organic install has no media source;
//! some tools write `organic`. A source that a network withholds is `restricted`. One of ten British
//! installs says `UK`.

#![allow(clippy::indexing_slicing)] // all indices come from tables of the events, not from input

use super::cube::{START, mix, to_u16};
use super::names;
use super::table::{Column, Field, Kind, Table, put_text};
use crate::calendar;

const SECOND: u64 = 1_000_000;
const DAY: u64 = 86_400 * SECOND;
const COUNTRIES: u64 = 240;
/// Named channels; the first one is `Organic`, which is no media source.
const CHANNELS: u64 = 26;
const PLATFORMS: [&str; 2] = ["android", "ios"];
/// Two apps for each platform.
const APPS: [&str; 4] = ["com.example.shop", "com.example.games", "id1200000001", "id1200000002"];
/// Codes of media sources that are no network.
const ORGANIC: u16 = 0;
const RESTRICTED: u16 = 1;

/// One install.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Event {
    /// Microseconds since 1970-01-01 in UTC.
    pub(super) micros: u64,
    pub(super) source: Option<u16>,
    pub(super) country: Option<u16>,
    pub(super) platform: u8,
    pub(super) app: u8,
}

/// Seeded dimensions; the rows need no index.
pub(super) struct Events {
    seed: u64,
    rows: u64,
    start: u64,
    /// Microseconds from the first install to the last one.
    span: u64,
    sources: Vec<String>,
    countries: Vec<&'static str>,
    /// Index of GB and of UK.
    britain: [u16; 2],
}

impl Events {
    pub(super) fn new(rows: u64, seed: u64) -> Self {
        let days = (rows.isqrt() / 3).clamp(56, 1_461);
        let channels = names::channels(CHANNELS).into_iter().skip(1).map(|channel| channel.name);
        let mut countries: Vec<_> = names::codes().zip(0..COUNTRIES).map(|(code, _)| code).collect();
        let gb = countries.iter().position(|code| *code == "GB").unwrap_or(0);
        countries.push("UK");
        Events {
            seed: mix(seed ^ 0xe7e4),
            rows,
            start: u64::try_from(calendar::day_of(START)).unwrap_or(0) * DAY,
            span: days * DAY,
            sources: ["organic", "restricted"].map(str::to_owned).into_iter().chain(channels).collect(),
            britain: [to_u16(gb), to_u16(countries.len() - 1)],
            countries,
        }
    }

    fn hash(&self, what: u64, a: u64, b: u64) -> u64 {
        mix(self.seed ^ mix(what ^ (a << 8) ^ (b << 40)))
    }

    /// The time of a row. Events of half an hour are mixed, and one of fifty arrives up to two days late.
    #[allow(clippy::cast_possible_truncation)] // below the span, which fits
    fn micros(&self, index: u64) -> u64 {
        let h = self.hash(1, index, 0);
        let arrival = (u128::from(self.span) * u128::from(index) / u128::from(self.rows)) as u64;
        let delay = if h.is_multiple_of(50) { (h >> 8) % (2 * DAY) } else { (h >> 8) % (1_800 * SECOND) };
        self.start + arrival.saturating_sub(delay)
    }

    fn source(&self, h: u64, week: u64, country: u64) -> Option<u16> {
        // 22 to 45 of 100 have no source, in the mean a third.
        let none = 22 + self.hash(2, country, 0) % 14 + self.hash(3, week, country) % 11;
        let at = h % 100;
        if at < none {
            return None;
        }
        match at {
            97.. => Some(ORGANIC),
            95.. => Some(RESTRICTED),
            _ => {
                let networks = self.sources.len() as u64 - 2;
                Some(2 + skewed(h >> 16, networks))
            }
        }
    }

    fn country(&self, h: u64) -> Option<u16> {
        if h.is_multiple_of(200) {
            return None;
        }
        let country = skewed(h >> 16, COUNTRIES);
        let [gb, uk] = self.britain;
        Some(if country == gb && (h >> 8).is_multiple_of(10) { uk } else { country })
    }
}

/// A skewed draw below `n` from the low 32 bits of `h`: `n` times the third power of a uniform number.
fn skewed(h: u64, n: u64) -> u16 {
    let uniform = h & 0xffff_ffff;
    let square = (uniform * uniform) >> 32;
    let cube = (square * uniform) >> 32;
    u16::try_from((cube * n) >> 32).unwrap_or(u16::MAX)
}

impl Table for Events {
    type Row = Event;

    fn rows(&self) -> u64 {
        self.rows
    }

    fn row(&self, index: u64) -> Event {
        let micros = self.micros(index);
        let country = self.country(self.hash(4, index, 0));
        let week = (micros - self.start) / (7 * DAY);
        let h = self.hash(5, index, 0);
        let platform = u8::from(h % 10 < 3);
        Event {
            micros,
            source: self.source(self.hash(6, index, 0), week, country.map_or(COUNTRIES, u64::from)),
            country,
            platform,
            app: 2 * platform + u8::from((h >> 8).is_multiple_of(4)),
        }
    }
}

/// The columns of the export of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EventColumn {
    InstallTime,
    /// `InstallTime` as text.
    InstallTimeText,
    MediaSource,
    CountryCode,
    Platform,
    AppId,
}

impl EventColumn {
    /// The columns of a file; the time first.
    pub(super) fn of_file(time: EventColumn) -> [EventColumn; 5] {
        [time, EventColumn::MediaSource, EventColumn::CountryCode, EventColumn::Platform, EventColumn::AppId]
    }
}

impl Column for EventColumn {
    type Table = Events;

    fn field(self) -> Field {
        match self {
            EventColumn::InstallTime => Field::plain("install_time", Kind::Instant),
            EventColumn::InstallTimeText => Field::plain("install_time", Kind::Text),
            EventColumn::MediaSource => Field::dictionary("media_source", Kind::Text),
            EventColumn::CountryCode => Field::dictionary("country_code", Kind::Text),
            EventColumn::Platform => Field::dictionary("platform", Kind::Text),
            EventColumn::AppId => Field::dictionary("app_id", Kind::Text),
        }
    }

    fn code(self, _: &Events, event: &Event) -> Option<u64> {
        match self {
            EventColumn::InstallTime => Some(event.micros),
            EventColumn::InstallTimeText => Some(event.micros / SECOND),
            EventColumn::MediaSource => event.source.map(u64::from),
            EventColumn::CountryCode => event.country.map(u64::from),
            EventColumn::Platform => Some(event.platform.into()),
            EventColumn::AppId => Some(event.app.into()),
        }
    }

    #[allow(clippy::cast_possible_truncation)] // codes come from the same table
    fn put(self, events: &Events, code: u64, out: &mut Vec<u8>) {
        let at = code as usize;
        match self {
            EventColumn::InstallTime => out.extend(code.to_le_bytes()),
            EventColumn::InstallTimeText => put_text(&text_of(code), out),
            EventColumn::MediaSource => put_text(&events.sources[at], out),
            EventColumn::CountryCode => put_text(events.countries[at], out),
            EventColumn::Platform => put_text(PLATFORMS[at], out),
            EventColumn::AppId => put_text(APPS[at], out),
        }
    }
}

/// `yyyy-mm-dd hh:mm:ss` of the seconds since 1970-01-01.
fn text_of(seconds: u64) -> String {
    let date = calendar::date_of(i32::try_from(seconds / 86_400).unwrap_or(0));
    let of_day = seconds % 86_400;
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    format!("{:04}-{:02}-{:02} {hour:02}:{minute:02}:{second:02}", date.year, date.month, date.day)
}

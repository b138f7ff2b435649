//! Charts as SVG, drawn with `plotters`, and as an image.
//!
//! - [`lines`]: a share over time with its bounds and its users, or several shares.
//! - [`image`]: the charts of the largest keys as a PNG image.
//! - [`bars`]: users per period.
//! - [`days`]: the days on which each country has rows.
//! - [`stack`]: the fraction of each channel.
//!
//! Two properties of `plotters` are worked around. It positions on whole pixels, so charts are drawn
//! [`SCALE`] times as large and scaled down. Its colours are fixed, but a page may be light or dark: the
//! colours below are the light ones, and the style sheet of the page replaces each by its dark value.

pub mod bars;
pub mod days;
pub mod image;
pub mod lines;
pub mod stack;

use plotters::coord::Shift;
use plotters::coord::ranged1d::{AsRangedCoord, DefaultFormatting, KeyPointHint, Ranged};
use plotters::prelude::{
    DrawingArea, DrawingBackend, IntoDrawingArea, IntoFont, RGBColor, SVGBackend, TextStyle,
};

use super::words;
use crate::{Error, Result, calendar};

/// Pixels of a drawing per pixel of the page.
pub const SCALE: i32 = 4;

/// Text and axes.
pub const INK: RGBColor = RGBColor(0x4A, 0x50, 0x5C);
/// Lines of the grid.
pub const GRID: RGBColor = RGBColor(0xE3, 0xE6, 0xEB);
/// The page behind.
pub const PAPER: RGBColor = RGBColor(0xFE, 0xFE, 0xFE);
/// A share.
pub const LINE: RGBColor = RGBColor(0x0B, 0x62, 0x6E);
/// The bounds of a share.
pub const BOUNDS: RGBColor = RGBColor(0xB5, 0xDD, 0xE0);
/// The expected range of a share.
pub const EXPECTED: RGBColor = RGBColor(0x8A, 0x4B, 0x08);
/// Users, below a share.
pub const VOLUME: RGBColor = RGBColor(0xC5, 0xCB, 0xD5);
/// Days with rows.
pub const PRESENT: RGBColor = RGBColor(0x5B, 0x9A, 0xA4);
/// Days without.
pub const GAP: RGBColor = RGBColor(0xA3, 0x1D, 0x1D);
/// Layers of a stack, the organic one first.
pub const LAYERS: [RGBColor; 7] = [
    RGBColor(0x0B, 0x62, 0x6F),
    RGBColor(0x4C, 0x8F, 0xC4),
    RGBColor(0xC9, 0x8A, 0x2B),
    RGBColor(0x86, 0x6F, 0xB5),
    RGBColor(0xC4, 0x65, 0x6F),
    RGBColor(0x7C, 0xA3, 0x4B),
    RGBColor(0x9A, 0xA1, 0xAD),
];

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn<T = ()> = DrawnOn<SVGBackend<'static>, T>;
type DrawnOn<B, T = ()> =
    std::result::Result<T, plotters::drawing::DrawingAreaErrorKind<<B as DrawingBackend>::ErrorType>>;

/// An axis with marks at given values.
pub struct Axis {
    range: <std::ops::Range<f64> as AsRangedCoord>::CoordDescType,
    marks: Vec<f64>,
}

impl Axis {
    /// An axis from `range.start` to `range.end`, which may be the smaller value.
    pub fn new(range: std::ops::Range<f64>, marks: Vec<f64>) -> Self {
        Axis { range: range.into(), marks }
    }
}

impl Ranged for Axis {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        self.range.map(value, limit)
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        if hint.weight().allow_light_points() { Vec::new() } else { self.marks.clone() }
    }

    fn range(&self) -> std::ops::Range<f64> {
        self.range.range()
    }
}

/// The name under which [`use_font`] registers the font.
const FONT: &str = "sans-serif";

/// Makes the font known to `plotters`, which needs its widths for every drawing, and its outlines for images.
fn use_font() -> Result<()> {
    use std::sync::OnceLock;

    use plotters::style::{FontStyle, register_font};
    static REGISTERED: OnceLock<bool> = OnceLock::new();
    let bytes = include_bytes!("font/DejaVuSans-subset.ttf");
    if *REGISTERED.get_or_init(|| register_font(FONT, FontStyle::Normal, bytes).is_ok()) {
        return Ok(());
    }
    Err(Error::internal("the font of the charts cannot be read"))
}

/// Text of `size` points; a point is about four fifths of a pixel of the page.
fn text(size: i32) -> TextStyle<'static> {
    (FONT, size * SCALE).into_font().color(&INK)
}

/// The accessible name of a drawing, for screen readers.
pub struct Label<'a> {
    /// The id, unique on the page.
    pub id: &'a str,
    /// The title.
    pub title: &'a str,
    /// The description of the content.
    pub description: &'a str,
}

/// Draws a chart of `width` x `height` pixels of the page.
fn drawing(
    size: (u32, u32),
    label: &Label<'_>,
    draw: impl FnOnce(&Area<'_>) -> Drawn,
) -> Result<maud::Markup> {
    drawing_below(size, label, |area| draw(area).map(|()| maud::html! {}))
}

/// As [`drawing`], with elements on top of the chart that `draw` returns: they can have classes.
fn drawing_below(
    (width, height): (u32, u32),
    label: &Label<'_>,
    draw: impl FnOnce(&Area<'_>) -> Drawn<maud::Markup>,
) -> Result<maud::Markup> {
    use_font()?;
    let mut svg = String::new();
    let scale = SCALE.unsigned_abs();
    let above = {
        let area = SVGBackend::with_string(&mut svg, (width * scale, height * scale)).into_drawing_area();
        draw(&area)
            .and_then(|above| area.present().map(|()| above))
            .map_err(|e| Error::internal(format!("a chart cannot be drawn: {e}")))?
    };
    // Replaces the root element that `plotters` writes by one with an accessible name.
    let inside = svg.split_once('>').map_or("", |(_, rest)| rest);
    let inside = inside.rsplit_once("</svg>").map_or("", |(body, _)| body);
    let (title_id, description_id) = (format!("{}-t", label.id), format!("{}-d", label.id));
    Ok(maud::html! {
        svg viewBox=(format!("0 0 {} {}", width * scale, height * scale)) width=(width) height=(height)
            role="img" aria-labelledby=(title_id) aria-describedby=(description_id)
            xmlns="http://www.w3.org/2000/svg" {
            title id=(title_id) { (label.title) }
            desc id=(description_id) { (label.description) }
            // `plotters` has written this, and escapes all text.
            (maud::PreEscaped(inside.replace('\n', "")))
            (above)
        }
    })
}

/// The days at which a time axis has marks, at most `most`: first days of months, or Mondays if the axis
/// is shorter than a month.
fn ticks(first: i32, last: i32, most: usize) -> Vec<f64> {
    days_of_ticks(first, last, most).into_iter().map(f64::from).collect()
}

fn days_of_ticks(first: i32, last: i32, most: usize) -> Vec<i32> {
    let of_month = |month: i32| {
        let (year, month) = (month.div_euclid(12), month.rem_euclid(12) + 1);
        calendar::day_of(calendar::Date { year, month: u8::try_from(month).unwrap_or(1), day: 1 })
    };
    let month = |day: i32| {
        let date = calendar::date_of(day);
        date.year * 12 + i32::from(date.month) - 1
    };
    let months: Vec<(i32, i32)> = (month(first)..=month(last))
        .map(|month| (month, of_month(month)))
        .filter(|(_, day)| (first..=last).contains(day))
        .collect();
    if months.len() < 2 {
        let mondays: Vec<i32> = (first..=last).filter(|day| calendar::weekday(*day) == 0).collect();
        let apart = mondays.len().div_ceil(most.max(1)).max(1);
        return mondays.into_iter().step_by(apart).collect();
    }
    for apart in [1, 2, 3, 6, 12, 24, 60, 120, 600] {
        let marks: Vec<i32> =
            months.iter().filter(|(month, _)| month % apart == 0).map(|(_, day)| *day).collect();
        if marks.len() <= most {
            return marks;
        }
    }
    Vec::new()
}

/// The label of a mark of a time axis.
fn tick_label(day: f64) -> String {
    #[allow(clippy::cast_possible_truncation)] // a day
    let day = day.round() as i32;
    if calendar::date_of(day).day == 1 { words::month(day) } else { crate::table::cell::iso_date(day) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::{Date, day_of};

    #[test]
    fn marks_are_months_and_few() {
        let day = |year, month, day| day_of(Date { year, month, day });
        let marks = days_of_ticks(day(2020, 10, 5), day(2021, 12, 20), 5);
        assert_eq!(marks, [day(2021, 1, 1), day(2021, 4, 1), day(2021, 7, 1), day(2021, 10, 1)]);
        assert!(days_of_ticks(day(1990, 1, 1), day(2021, 12, 20), 5).len() <= 5);
        assert_eq!(days_of_ticks(day(2021, 2, 2), day(2021, 2, 20), 5).len(), 2);
        assert_eq!(tick_label(f64::from(day(2021, 4, 1))), "Apr 2021");
    }
}

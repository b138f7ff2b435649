//! The chart of country-days: a line per country, a bar on days with rows, an empty box on days without.

use plotters::prelude::{ChartBuilder, Color, LabelAreaPosition, Rectangle};

use super::{Axis, GAP, GRID, Label, PAPER, PRESENT, SCALE, drawing, text, tick_label, ticks};
use crate::Result;
use crate::report::figures::{CountryDays, Coverage};
use crate::report::words;

const WIDTH: u32 = 960;
const ROW: u32 = 20;
const AXIS: u32 = 24;
const NAMES: u32 = 64;

/// Draws the days of some countries.
///
/// # Errors
/// `Internal` if `plotters` fails.
pub fn draw(coverage: &Coverage, countries: &[CountryDays], id: &str) -> Result<maud::Markup> {
    let rows = u32::try_from(countries.len()).unwrap_or(u32::MAX).min(1_000);
    let (first, days) = (f64::from(coverage.first), f64::from(coverage.days.max(1)));
    let missing: u64 = countries.iter().flat_map(|c| &c.gaps).map(|gap| u64::from(gap.1)).sum();
    let nouns = if rows == 1 { "country" } else { "countries" };
    let description = format!(
        "{} {nouns}, {}; {} without a row.",
        words::number(rows.into()),
        words::count(coverage.days.into(), "day"),
        words::count(missing, "country-day"),
    );
    let label = Label { id, title: "Days with rows, by country", description: &description };
    #[allow(clippy::cast_possible_truncation)] // a day
    let last = (first + days) as i32 - 1;
    // A gap is at least two pixels wide, for any number of days.
    let least = 2.0 * days / f64::from(WIDTH - NAMES);

    drawing((WIDTH, rows * ROW + AXIS), &label, |area| {
        let centres = (0..rows).map(|row| f64::from(row) + 0.5).collect::<Vec<_>>();
        let mut chart = ChartBuilder::on(area)
            .margin_right(2 * SCALE)
            .set_label_area_size(LabelAreaPosition::Left, NAMES * SCALE.unsigned_abs())
            .set_label_area_size(LabelAreaPosition::Bottom, AXIS * SCALE.unsigned_abs())
            .build_cartesian_2d(
                Axis::new(first..first + days, ticks(coverage.first, last, 12)),
                Axis::new(f64::from(rows.max(1))..0.0, centres),
            )?;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // the index of a row
        let name =
            |at: &f64| countries.get(*at as usize).map(|c| words::shortened(&c.name, 8)).unwrap_or_default();
        chart
            .configure_mesh()
            .disable_mesh()
            .axis_style(PAPER.mix(0.0))
            .x_label_formatter(&|day| tick_label(*day))
            .y_label_formatter(&name)
            .label_style(text(13))
            .draw()?;
        for (row, country) in (0u32..).zip(countries) {
            let (top, bottom) = (f64::from(row) + 0.15, f64::from(row) + 0.85);
            chart.draw_series([Rectangle::new([(first, top), (first + days, bottom)], PRESENT.filled())])?;
            for (from, length) in &country.gaps {
                let start = first + f64::from(*from);
                let end = start + f64::from(*length).max(least);
                chart.draw_series([
                    Rectangle::new([(start, top), (end, bottom)], PAPER.filled()),
                    Rectangle::new([(start, top), (end, bottom)], GAP.stroke_width(SCALE.unsigned_abs())),
                ])?;
            }
        }
        for at in ticks(coverage.first, last, 12) {
            let line = [(at, 0.0), (at, f64::from(rows))];
            chart.draw_series([plotters::prelude::PathElement::new(
                line,
                GRID.stroke_width(SCALE.unsigned_abs()),
            )])?;
        }
        Ok(())
    })
}

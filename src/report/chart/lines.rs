//! The chart of an organic share over time: the line, its Wilson bounds, the range that drift expects.

use plotters::prelude::{ChartBuilder, Circle, Color, Cross, LineSeries, Polygon};

use super::{
    Axis, BOUNDS, EXPECTED, GAP, GRID, INK, LINE, Label, PAPER, SCALE, day_of, drawing, text, tick_label,
    ticks,
};
use crate::report::figures::{Country, Shares};
use crate::report::words;
use crate::{Grain, Result};

/// Width and height in pixels of the page.
const SIZE: (u32, u32) = (320, 180);
/// The smallest span of a scale, so that noise does not look like an event.
const SPAN: f64 = 0.1;

/// Draws the organic share of one country.
///
/// # Errors
/// `Internal` if `plotters` fails.
pub fn draw(shares: &Shares, country: &Country, id: &str) -> Result<maud::Markup> {
    let x = |step: i32| f64::from(day_of(shares.grain, step));
    let half = if shares.grain == Grain::Week { 3.5 } else { 0.5 };
    let (first, last) =
        (shares.steps.first().copied().unwrap_or(0), shares.steps.last().copied().unwrap_or(1));
    let (low, high) = scale(country);
    let title = format!("Organic share in {}", country.name);
    let label = Label { id, title: &title, description: &description(shares, country) };
    let days = (day_of(shares.grain, first), day_of(shares.grain, last));

    drawing(SIZE, &label, |area| {
        let mut chart = ChartBuilder::on(area)
            .margin_top(8 * SCALE)
            .margin_right(14 * SCALE)
            .set_label_area_size(plotters::prelude::LabelAreaPosition::Left, 44 * SCALE)
            .set_label_area_size(plotters::prelude::LabelAreaPosition::Bottom, 24 * SCALE)
            .build_cartesian_2d(
                Axis::new(x(first) - half..x(last) + half, ticks(days.0, days.1, 4)),
                Axis::new(low..high, levels(low, high)),
            )?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(PAPER.mix(0.0))
            .bold_line_style(GRID.stroke_width(SCALE.unsigned_abs()))
            .axis_style(GRID.stroke_width(SCALE.unsigned_abs()))
            .x_label_formatter(&|day| tick_label(*day))
            .y_label_formatter(&|share| format!("{:.0} %", share * 100.0))
            .label_style(text(13))
            .draw()?;

        // Consecutive points with bounds form one shape.
        let points = shares.steps.iter().zip(country.low.iter().zip(&country.high));
        let bounds: Vec<Option<(f64, f64, f64)>> = points
            .map(|(step, (low, high))| low.zip(*high).map(|(low, high)| (x(*step), low, high)))
            .collect();
        for run in bounds.split(Option::is_none) {
            let up = run.iter().flatten().map(|(x, _, high)| (*x, *high));
            let down = run.iter().flatten().rev().map(|(x, low, _)| (*x, *low));
            if run.len() > 1 {
                chart.draw_series([Polygon::new(up.chain(down).collect::<Vec<_>>(), BOUNDS.filled())])?;
            }
        }
        // The range that drift expects of single weeks, and these weeks.
        let thin = EXPECTED.stroke_width(SCALE.unsigned_abs());
        for run in country.weeks.split(|week| week.expected.is_none()) {
            for edge in [|(low, _): (f64, f64)| low, |(_, high): (f64, f64)| high] {
                let line = run.iter().filter_map(|w| w.expected.map(|e| (f64::from(w.monday), edge(e))));
                chart.draw_series(LineSeries::new(line, thin))?;
            }
        }
        for week in &country.weeks {
            let Some(share) = week.share else { continue };
            let at = (f64::from(week.monday), share);
            if week.is_outside() {
                chart.draw_series([Cross::new(at, 4 * SCALE, GAP.stroke_width(2 * SCALE.unsigned_abs()))])?;
            } else if week.expected.is_some() {
                chart.draw_series([Circle::new(at, SCALE * 3 / 2, INK.filled())])?;
            }
        }
        let points: Vec<Option<(f64, f64)>> = shares
            .steps
            .iter()
            .zip(&country.share)
            .map(|(step, share)| share.map(|s| (x(*step), s)))
            .collect();
        let pen = LINE.stroke_width(2 * SCALE.unsigned_abs());
        for run in points.split(Option::is_none) {
            match run {
                [] => {}
                [alone] => {
                    chart.draw_series(alone.iter().map(|at| Circle::new(*at, 2 * SCALE, LINE.filled())))?;
                }
                run => {
                    chart.draw_series(LineSeries::new(run.iter().flatten().copied(), pen))?;
                }
            }
        }
        // The latest point is a dot, or a ring if its week is incomplete.
        let latest = shares.steps.iter().zip(&points).rev().find_map(|(step, at)| at.map(|at| (*step, at)));
        if let Some((step, at)) = latest {
            let is_partial = shares.partial_from.is_some_and(|from| step >= from);
            let dot = Circle::new(at, 4 * SCALE, if is_partial { PAPER.filled() } else { LINE.filled() });
            chart.draw_series([dot, Circle::new(at, 4 * SCALE, pen)])?;
        }
        Ok(())
    })
}

/// The range of the scale.
fn scale(country: &Country) -> (f64, f64) {
    let bounds = country.low.iter().chain(&country.high).chain(&country.share).flatten().copied();
    let weeks =
        country.weeks.iter().filter_map(|w| w.expected.map(|(low, high)| [Some(low), Some(high), w.share]));
    let expected = weeks.flatten().flatten().map(|share| share.clamp(0.0, 1.0));
    let (mut low, mut high) = bounds
        .chain(expected)
        .filter(|v| v.is_finite())
        .fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(v), high.max(v)));
    if low > high {
        (low, high) = (0.0, 1.0);
    }
    let room = ((high - low) * 0.08).max((SPAN - (high - low)) / 2.0);
    // A share below 0 or above 1 extends the scale.
    let (low, high) = ((low - room).max(low.min(0.0)), (high + room).min(high.max(1.0)));
    (low, if high > low { high } else { low + SPAN })
}

/// Three to six round levels.
fn levels(low: f64, high: f64) -> Vec<f64> {
    for step in [0.02, 0.05, 0.1, 0.2, 0.25, 0.5] {
        if (high - low) / step <= 5.0 {
            let first = (low / step).ceil();
            return (0..6).map(|n| (first + f64::from(n)) * step).filter(|v| *v <= high).collect();
        }
    }
    vec![low, high]
}

fn description(shares: &Shares, country: &Country) -> String {
    let points =
        || shares.steps.iter().zip(&country.share).filter_map(|(step, share)| share.map(|s| (*step, s)));
    let by_share = |a: &(i32, f64), b: &(i32, f64)| a.1.total_cmp(&b.1);
    let point_text = |(step, share): (i32, f64)| {
        format!("{} in {}", words::percent(Some(share)), words::step(shares.grain, step))
    };
    match (points().next(), points().min_by(by_share), points().max_by(by_share), points().next_back()) {
        (Some(first), Some(lowest), Some(highest), Some(last)) => format!(
            "From {} to {}; lowest {}, highest {}.",
            point_text(first),
            point_text(last),
            point_text(lowest),
            point_text(highest)
        ),
        _ => "There were no users.".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_keep_small_changes_small() {
        let country = |values: &[f64]| Country {
            share: values.iter().copied().map(Some).collect(),
            ..Country::default()
        };
        let (low, high) = scale(&country(&[0.40, 0.41]));
        assert!(high - low >= SPAN - 1e-9 && low < 0.40 && high > 0.41);
        assert_eq!(scale(&country(&[])), (0.0, 1.0));
        assert_eq!(scale(&country(&[0.0, 1.0])), (0.0, 1.0));
        let (low, high) = scale(&country(&[-0.2, 1.3]));
        assert!(low <= -0.2 && high >= 1.3);
        for (low, high) in [(0.0, 1.0), (0.40, 0.5), (0.31, 0.66)] {
            let levels = levels(low, high);
            assert!((2..=6).contains(&levels.len()), "{low} {high} {levels:?}");
            assert!(levels.iter().all(|v| (low..=high).contains(v)));
        }
    }
}

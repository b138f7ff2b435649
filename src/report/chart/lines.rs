//! The charts of shares over time: one share with its Wilson bounds and the range that drift expects, or the shares
//! of several keys as lines of different colours.

use plotters::chart::ChartContext;
use plotters::prelude::{
    Cartesian2d, ChartBuilder, Circle, Color, Cross, LabelAreaPosition, LineSeries, Polygon, SVGBackend,
};

use super::{
    Area, Axis, BOUNDS, Drawn, EXPECTED, GAP, GRID, INK, LINE, Label, PAPER, SCALE, drawing, drawing_below,
    text, tick_label, ticks,
};
use crate::report::figures::{Key, Shares};
use crate::report::words;
use crate::{Grain, Result};

type Frame<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<Axis, Axis>>;

/// Width and height in pixels of the page.
const SIZE: (u32, u32) = (320, 180);
/// The smallest span of a scale, so that noise does not look like an event.
const SPAN: f64 = 0.1;

/// Draws the share of one key.
///
/// # Errors
/// `Internal` if `plotters` fails.
pub fn draw(shares: &Shares, key: &Key, id: &str) -> Result<maud::Markup> {
    let x = |step: i32| f64::from(shares.first_day(step));
    let (low, high) = scale(key);
    let title = shares.title(&key.name);
    let label = Label { id, title: &title, description: &description(shares, key) };

    drawing(SIZE, &label, |area| {
        let mut chart = frame(area, shares, low, high)?;

        // Consecutive points with bounds form one shape.
        let points = shares.steps.iter().zip(key.low.iter().zip(&key.high));
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
        for run in key.weeks.split(|week| week.expected.is_none()) {
            for edge in [|(low, _): (f64, f64)| low, |(_, high): (f64, f64)| high] {
                let line = run.iter().filter_map(|w| w.expected.map(|e| (f64::from(w.first_day), edge(e))));
                chart.draw_series(LineSeries::new(line, thin))?;
            }
        }
        for week in &key.weeks {
            let Some(share) = week.share else { continue };
            let at = (f64::from(week.first_day), share);
            if week.is_outside() {
                chart.draw_series([Cross::new(at, 4 * SCALE, GAP.stroke_width(2 * SCALE.unsigned_abs()))])?;
            } else if week.expected.is_some() {
                chart.draw_series([Circle::new(at, SCALE * 3 / 2, INK.filled())])?;
            }
        }
        let points: Vec<Option<(f64, f64)>> =
            shares.steps.iter().zip(&key.share).map(|(step, share)| share.map(|s| (x(*step), s))).collect();
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

/// A key that is drawn as one of several lines.
pub struct Line<'a> {
    /// The key.
    pub key: &'a Key,
    /// The number of its colour.
    pub colour: usize,
    /// The attributes by which the page filters it, in their order.
    pub filters: Vec<Option<usize>>,
}

/// Draws the shares of several keys. The lines are elements with classes, which a page can colour and hide.
///
/// # Errors
/// `Internal` if `plotters` fails.
pub fn draw_several(shares: &Shares, lines: &[Line<'_>], title: &str, id: &str) -> Result<maud::Markup> {
    let range = lines.iter().flat_map(|line| line.key.share.iter().flatten().copied());
    let (low, high) = with_room(range);
    let described: Vec<String> =
        lines.iter().map(|line| format!("{}: {}", line.key.name, description(shares, line.key))).collect();
    let label = Label { id, title, description: &described.join(" ") };
    drawing_below(SIZE, &label, |area| {
        let chart = frame(area, shares, low, high)?;
        let at = |step: i32, share: f64| chart.backend_coord(&(f64::from(shares.first_day(step)), share));
        let drawn = lines.iter().rev().map(|line| {
            let points: Vec<Option<(i32, i32)>> = (shares.steps.iter().zip(&line.key.share))
                .map(|(step, share)| share.map(|share| at(*step, share)))
                .collect();
            let path = |run: &[Option<(i32, i32)>]| {
                let points: Vec<String> = run.iter().flatten().map(|(x, y)| format!("{x},{y}")).collect();
                points.join(" ")
            };
            let attribute = |dimension: usize| line.filters.get(dimension).copied().flatten();
            maud::html! {
                g class=(format!("line c{}", line.colour)) data-d1=[attribute(1)] data-d2=[attribute(2)] data-d3=[attribute(3)] {
                    @for run in points.split(Option::is_none) {
                        @match run {
                            [] => {}
                            [Some((x, y))] => circle cx=(x) cy=(y) r=(2 * SCALE) {}
                            run => polyline points=(path(run)) {}
                        }
                    }
                    @if let Some((x, y)) = points.iter().rev().flatten().next() {
                        circle cx=(x) cy=(y) r=(3 * SCALE) {}
                    }
                }
            }
        });
        Ok(maud::html! { @for line in drawn { (line) } })
    })
}

/// The axes and the grid.
fn frame<'a, 'b>(area: &'a Area<'b>, shares: &Shares, low: f64, high: f64) -> Drawn<Frame<'a, 'b>> {
    let half = match shares.grain {
        Grain::Day => 0.5,
        Grain::Week => 3.5,
        Grain::Month => 15.0,
    };
    let day = |step: Option<&i32>, without| shares.first_day(step.copied().unwrap_or(without));
    let (first, last) = (day(shares.steps.first(), 0), day(shares.steps.last(), 1));
    let mut chart = ChartBuilder::on(area)
        .margin_top(8 * SCALE)
        .margin_right(14 * SCALE)
        .set_label_area_size(LabelAreaPosition::Left, 44 * SCALE)
        .set_label_area_size(LabelAreaPosition::Bottom, 24 * SCALE)
        .build_cartesian_2d(
            Axis::new(f64::from(first) - half..f64::from(last) + half, ticks(first, last, 4)),
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
    Ok(chart)
}

/// The range of the scale.
fn scale(key: &Key) -> (f64, f64) {
    let bounds = key.low.iter().chain(&key.high).chain(&key.share).flatten().copied();
    let weeks =
        key.weeks.iter().filter_map(|w| w.expected.map(|(low, high)| [Some(low), Some(high), w.share]));
    let expected = weeks.flatten().flatten().map(|share| share.clamp(0.0, 1.0));
    with_room(bounds.chain(expected))
}

/// The range of a scale for these shares, with room around them.
fn with_room(shares: impl Iterator<Item = f64>) -> (f64, f64) {
    let (mut low, mut high) = shares
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

fn description(shares: &Shares, key: &Key) -> String {
    let points = || shares.steps.iter().zip(&key.share).filter_map(|(step, share)| share.map(|s| (*step, s)));
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
        let key =
            |values: &[f64]| Key { share: values.iter().copied().map(Some).collect(), ..Key::default() };
        let (low, high) = scale(&key(&[0.40, 0.41]));
        assert!(high - low >= SPAN - 1e-9 && low < 0.40 && high > 0.41);
        assert_eq!(scale(&key(&[])), (0.0, 1.0));
        assert_eq!(scale(&key(&[0.0, 1.0])), (0.0, 1.0));
        let (low, high) = scale(&key(&[-0.2, 1.3]));
        assert!(low <= -0.2 && high >= 1.3);
        for (low, high) in [(0.0, 1.0), (0.40, 0.5), (0.31, 0.66)] {
            let levels = levels(low, high);
            assert!((2..=6).contains(&levels.len()), "{low} {high} {levels:?}");
            assert!(levels.iter().all(|v| (low..=high).contains(v)));
        }
    }
}

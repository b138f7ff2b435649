//! The charts of shares over time: one share with its Wilson bounds and the range that drift expects, or the shares
//! of several keys as lines of different colours.

use plotters::chart::ChartContext;
use plotters::coord::Shift;
use plotters::prelude::{
    Cartesian2d, ChartBuilder, Circle, Color, Cross, DrawingArea, DrawingBackend, LabelAreaPosition,
    PathElement, Polygon,
};

use super::{
    Axis, BOUNDS, DrawnOn, EXPECTED, GAP, GRID, INK, LINE, Label, PAPER, SCALE, VOLUME, drawing,
    drawing_below, text, tick_label, ticks,
};
use crate::report::figures::{Key, Shares};
use crate::report::words;
use crate::{Grain, Result};

type Frame<'a, B> = ChartContext<'a, B, Cartesian2d<Axis, Axis>>;
type Area<B> = DrawingArea<B, Shift>;

/// Width and height in pixels of the page.
pub const SIZE: (u32, u32) = (320, 214);
/// The height of the share; the users are below it.
const UPPER: i32 = 148;
/// The width of the labels of the levels.
const LEFT: i32 = 44;
/// The smallest span of a scale, so that noise does not look like an event.
const SPAN: f64 = 0.1;

/// Draws the share of one key, and its users below; on the scale `range`, or else on its own.
///
/// # Errors
/// `Internal` if `plotters` fails.
pub fn draw(shares: &Shares, key: &Key, range: Option<(f64, f64)>, id: &str) -> Result<maud::Markup> {
    let title = shares.title(&key.name);
    let label = Label { id, title: &title, description: &description(shares, key) };
    drawing(SIZE, &label, |area| paint(area, shares, key, range))
}

/// Paints the share of one key, and its users below, on a drawing area of any kind.
pub fn paint<B: DrawingBackend>(
    area: &Area<B>,
    shares: &Shares,
    key: &Key,
    range: Option<(f64, f64)>,
) -> DrawnOn<B> {
    let x = |step: i32| f64::from(shares.first_day(step));
    let (low, high) = range.unwrap_or_else(|| own_scale(key));
    let inside = |share: f64| share.clamp(low, high);
    let (upper, lower) = area.split_vertically(UPPER * SCALE);
    let mut chart = frame(&upper, shares, low, high)?;

    // Consecutive points with bounds form one shape.
    let points = shares.steps.iter().zip(key.low.iter().zip(&key.high));
    let bounds: Vec<Option<(f64, f64, f64)>> = points
        .map(|(step, (low, high))| low.zip(*high).map(|(low, high)| (x(*step), inside(low), inside(high))))
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
    for run in key.weeks.split(|week| week.narrow_range().is_none()) {
        for edge in [|(low, _): (f64, f64)| low, |(_, high): (f64, f64)| high] {
            let line =
                run.iter().filter_map(|w| Some((f64::from(w.first_day), inside(edge(w.narrow_range()?)))));
            let line: Vec<(f64, f64)> = line.collect();
            if line.len() > 1 {
                chart.draw_series([PathElement::new(line, thin)])?;
            }
        }
    }
    for week in &key.weeks {
        let Some(share) = week.share else { continue };
        let at = (f64::from(week.first_day), inside(share));
        if week.is_outside() {
            chart.draw_series([Cross::new(at, 4 * SCALE, GAP.stroke_width(2 * SCALE.unsigned_abs()))])?;
        } else if week.narrow_range().is_some() {
            chart.draw_series([Circle::new(at, SCALE * 3 / 2, INK.filled())])?;
        }
    }
    let points: Vec<Option<(f64, f64)>> = shares
        .steps
        .iter()
        .zip(&key.share)
        .map(|(step, share)| share.map(|s| (x(*step), inside(s))))
        .collect();
    let pen = LINE.stroke_width(2 * SCALE.unsigned_abs());
    for run in points.split(Option::is_none) {
        match run {
            [] => {}
            [alone] => {
                chart.draw_series(alone.iter().map(|at| Circle::new(*at, 2 * SCALE, LINE.filled())))?;
            }
            run => {
                let line: Vec<(f64, f64)> = run.iter().flatten().copied().collect();
                chart.draw_series([PathElement::new(line, pen)])?;
            }
        }
    }
    // The latest point is a dot, or a ring if its period is incomplete.
    let latest = points.iter().enumerate().rev().find_map(|(at, point)| point.map(|point| (at, point)));
    if let Some((at, point)) = latest {
        let dot = if shares.is_complete(at) { LINE.filled() } else { PAPER.filled() };
        chart.draw_series([Circle::new(point, 4 * SCALE, dot), Circle::new(point, 4 * SCALE, pen)])?;
    }
    volume(&lower, shares, &key.users)
}

/// Paints the users below a share.
fn volume<B: DrawingBackend>(area: &Area<B>, shares: &Shares, users: &[f64]) -> DrawnOn<B> {
    let most = users.iter().copied().filter(|users| users.is_finite()).fold(1.0, f64::max);
    let (first, last) = span(shares);
    let mut chart = ChartBuilder::on(area)
        .margin_top(4 * SCALE)
        .margin_right(14 * SCALE)
        .set_label_area_size(LabelAreaPosition::Left, LEFT * SCALE)
        .set_label_area_size(LabelAreaPosition::Bottom, 24 * SCALE)
        .build_cartesian_2d(
            Axis::new(first..last, marks(shares)),
            // Room for the label of the highest level.
            Axis::new(0.0..most * 1.1, vec![most]),
        )?;
    chart
        .configure_mesh()
        .disable_mesh()
        .axis_style(GRID.stroke_width(SCALE.unsigned_abs()))
        .x_label_formatter(&|day| tick_label(*day))
        .y_label_formatter(&|users| words::short(*users))
        .label_style(text(13))
        .draw()?;
    let day = |step: &i32| f64::from(shares.first_day(*step));
    let mut outline: Vec<(f64, f64)> =
        shares.steps.iter().map(day).zip(users.iter().map(|users| users.max(0.0))).collect();
    if let (Some((start, _)), Some((end, _))) = (outline.first().copied(), outline.last().copied()) {
        outline.extend([(end, 0.0), (start, 0.0)]);
        chart.draw_series([Polygon::new(outline, VOLUME.filled())])?;
    }
    Ok(())
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
pub fn draw_several(
    shares: &Shares,
    lines: &[Line<'_>],
    title: &str,
    range: Option<(f64, f64)>,
    id: &str,
) -> Result<maud::Markup> {
    let own = || with_room(lines.iter().flat_map(|line| line.key.share.iter().flatten().copied()));
    let (low, high) = range.unwrap_or_else(own);
    let mut users = vec![0.0; shares.steps.len()];
    for line in lines {
        users.iter_mut().zip(&line.key.users).for_each(|(sum, users)| *sum += users);
    }
    let described: Vec<String> =
        lines.iter().map(|line| format!("{}: {}", line.key.name, description(shares, line.key))).collect();
    let label = Label { id, title, description: &described.join(" ") };
    drawing_below(SIZE, &label, |area| {
        let (upper, lower) = area.split_vertically(UPPER * SCALE);
        volume(&lower, shares, &users)?;
        let chart = frame(&upper, shares, low, high)?;
        let at = |step: i32, share: f64| {
            chart.backend_coord(&(f64::from(shares.first_day(step)), share.clamp(low, high)))
        };
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

/// The axes and the grid. The axis of time is below the users.
fn frame<'a, B: DrawingBackend>(
    area: &'a Area<B>,
    shares: &Shares,
    low: f64,
    high: f64,
) -> DrawnOn<B, Frame<'a, B>> {
    let (first, last) = span(shares);
    let mut chart = ChartBuilder::on(area)
        .margin_top(8 * SCALE)
        .margin_right(14 * SCALE)
        .margin_bottom(10 * SCALE)
        .set_label_area_size(LabelAreaPosition::Left, LEFT * SCALE)
        .build_cartesian_2d(Axis::new(first..last, marks(shares)), Axis::new(low..high, levels(low, high)))?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .disable_x_axis()
        .light_line_style(PAPER.mix(0.0))
        .bold_line_style(GRID.stroke_width(SCALE.unsigned_abs()))
        .axis_style(GRID.stroke_width(SCALE.unsigned_abs()))
        .y_label_formatter(&|share| format!("{:.0} %", share * 100.0))
        .label_style(text(13))
        .draw()?;
    Ok(chart)
}

/// The first and the last day of the axis of time, with half a period of room.
fn span(shares: &Shares) -> (f64, f64) {
    let half = match shares.grain {
        Grain::Day => 0.5,
        Grain::Week => 3.5,
        Grain::Month => 15.0,
    };
    let (first, last) = days(shares);
    (f64::from(first) - half, f64::from(last) + half)
}

fn days(shares: &Shares) -> (i32, i32) {
    let day = |step: Option<&i32>, without| shares.first_day(step.copied().unwrap_or(without));
    (day(shares.steps.first(), 0), day(shares.steps.last(), 1))
}

fn marks(shares: &Shares) -> Vec<f64> {
    let (first, last) = days(shares);
    let mut marks = ticks(first, last, 4);
    // The label of a mark at the right edge would be cut.
    let right = f64::from(last) - f64::from(last - first) * 0.05;
    marks.retain(|mark| *mark <= right);
    marks
}

/// The scale of one key.
fn own_scale(key: &Key) -> (f64, f64) {
    let bounds = key.low.iter().chain(&key.high).flatten().copied();
    with_room(shares_of(key).chain(bounds))
}

/// One scale for several keys. Bounds that reach beyond it are cut: those of small keys are wide.
pub fn common_scale<'k>(keys: impl Iterator<Item = &'k Key>) -> (f64, f64) {
    with_room(keys.flat_map(shares_of))
}

/// The shares of a key, and the expected ranges that are drawn with the weeks that they are of.
fn shares_of(key: &Key) -> impl Iterator<Item = f64> {
    let ranges = key.weeks.iter().filter_map(|week| Some((week.narrow_range()?, week.share)));
    let weeks = ranges.flat_map(|((low, high), share)| [Some(low), Some(high), share]).flatten();
    key.share.iter().flatten().copied().chain(weeks.map(|share| share.clamp(0.0, 1.0)))
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
    fn a_common_scale_has_the_ranges_that_are_drawn() {
        use crate::report::figures::Week;
        let week = |low, high| Week { first_day: 0, share: Some(0.0), expected: Some((low, high)) };
        let key =
            |week| Key { share: vec![Some(0.0)], high: vec![Some(0.9)], weeks: vec![week], ..Key::default() };
        let high = |week| common_scale([key(week)].iter()).1;
        assert!((0.6..0.75).contains(&high(week(0.4, 0.6))), "a fall to 0 is below its range");
        assert!(high(week(0.1, 0.9)) < 0.2, "a wide range is not drawn");
    }

    #[test]
    fn scales_keep_small_changes_small() {
        let key =
            |values: &[f64]| Key { share: values.iter().copied().map(Some).collect(), ..Key::default() };
        let (low, high) = own_scale(&key(&[0.40, 0.41]));
        assert!(high - low >= SPAN - 1e-9 && low < 0.40 && high > 0.41);
        assert_eq!(own_scale(&key(&[])), (0.0, 1.0));
        assert_eq!(own_scale(&key(&[0.0, 1.0])), (0.0, 1.0));
        let (low, high) = own_scale(&key(&[-0.2, 1.3]));
        assert!(low <= -0.2 && high >= 1.3);
        for (low, high) in [(0.0, 1.0), (0.40, 0.5), (0.31, 0.66)] {
            let levels = levels(low, high);
            assert!((2..=6).contains(&levels.len()), "{low} {high} {levels:?}");
            assert!(levels.iter().all(|v| (low..=high).contains(v)));
        }
    }
}

//! The chart of the channel mix: the fraction of new users by channel and week.

use plotters::prelude::{
    ChartBuilder, Color, EmptyElement, LabelAreaPosition, PathElement, Polygon, Rectangle, Text,
};

use super::{Axis, GRID, LAYERS, Label, PAPER, SCALE, drawing, text, tick_label, ticks};
use crate::Result;
use crate::report::figures::Mix;
use crate::report::words;

const SIZE: (u32, u32) = (960, 308);
/// The width of the names at the right.
const NAMES: i32 = 260;
const LEFT: i32 = 46;
const BOTTOM: i32 = 32;
/// The length of the marks of the time axis: its first label stays below that of 0 %.
const MARK: i32 = 9;
const TOP: i32 = 8;
/// The smallest distance between names.
const LINE_HEIGHT: f64 = 18.0;

/// The names of the layers, top first, for narrow screens, on which those of the chart are out of sight.
#[allow(clippy::indexing_slicing)] // indices of `LAYERS` are taken modulo its length
pub fn names(mix: &Mix) -> maud::Markup {
    maud::html! {
        // The description of the chart has them.
        ul.names aria-hidden="true" {
            @for (at, channel) in mix.channels.iter().enumerate().rev() {
                li {
                    svg viewBox="0 0 1 1" { rect width="1" height="1" fill=(hex(LAYERS[at % LAYERS.len()])) {} }
                    (words::shortened(&channel.name, 40))
                }
            }
        }
    }
}

/// A colour as `plotters` writes it, for the dark values of the style sheet.
fn hex(colour: plotters::prelude::RGBColor) -> String {
    format!("#{:02X}{:02X}{:02X}", colour.0, colour.1, colour.2)
}

/// Draws the mix. The layers start at the bottom, in the order of the channels.
///
/// # Errors
/// `Internal` if `plotters` fails.
#[allow(clippy::indexing_slicing)] // indices of `LAYERS` are taken modulo its length
pub fn draw(mix: &Mix, id: &str) -> Result<maud::Markup> {
    let x = |week: i32| f64::from(mix.first_day(week));
    let (first, last) = (mix.weeks.first().copied().unwrap_or(0), mix.weeks.last().copied().unwrap_or(1));
    let totals: Vec<f64> = (0..mix.weeks.len())
        .map(|week| mix.channels.iter().filter_map(|c| c.users.get(week)).map(|users| users.max(0.0)).sum())
        .collect();
    let part = |channel: usize, week: usize| {
        let users =
            mix.channels.get(channel).and_then(|c| c.users.get(week)).copied().unwrap_or(0.0).max(0.0);
        let total = totals.get(week).copied().unwrap_or(0.0);
        if total > 0.0 { users / total } else { 0.0 }
    };
    // The lower edge of a layer, one value per week.
    let mut edge = vec![0.0; mix.weeks.len()];
    let mut layers = Vec::new();
    for channel in 0..mix.channels.len() {
        let upper: Vec<f64> = edge.iter().zip(0..).map(|(lower, week)| lower + part(channel, week)).collect();
        layers.push((edge, upper.clone()));
        edge = upper;
    }
    // The last week with users; the names are placed at its layers.
    let end = totals.iter().rposition(|total| *total > 0.0).unwrap_or_default();
    let described: Vec<String> = (0..mix.channels.len())
        .map(|c| {
            format!("{} {}", mix.channels.get(c).map_or("", |c| &c.name), words::percent(Some(part(c, end))))
        })
        .collect();
    let description = format!("In the latest week: {}.", described.join(", "));
    let label =
        Label { id, title: "New users by channel, in per cent of each week", description: &description };
    let height = f64::from(SIZE.1) - f64::from(TOP + BOTTOM);
    let marks = ticks(mix.first_day(first), mix.first_day(last), 8);

    drawing(SIZE, &label, |area| {
        let mut chart = ChartBuilder::on(area)
            .margin_top(TOP * SCALE)
            .margin_right(NAMES * SCALE)
            .set_label_area_size(LabelAreaPosition::Left, LEFT * SCALE)
            .set_label_area_size(LabelAreaPosition::Bottom, BOTTOM * SCALE)
            .build_cartesian_2d(
                Axis::new(x(first)..x(last).max(x(first) + 1.0), marks),
                Axis::new(0.0..1.0, vec![0.0, 0.25, 0.5, 0.75, 1.0]),
            )?;
        chart
            .configure_mesh()
            .disable_mesh()
            .axis_style(GRID.stroke_width(SCALE.unsigned_abs()))
            .set_tick_mark_size(LabelAreaPosition::Bottom, MARK * SCALE)
            .x_label_formatter(&|day| tick_label(*day))
            .y_label_formatter(&|share| format!("{:.0} %", share * 100.0))
            .label_style(text(13))
            .draw()?;
        let spots = spots(
            layers
                .iter()
                .map(|(lower, upper)| {
                    (lower.get(end).copied().unwrap_or(0.0) + upper.get(end).copied().unwrap_or(0.0)) / 2.0
                })
                .collect(),
            LINE_HEIGHT / height,
        );
        for (at, (lower, upper)) in layers.iter().enumerate() {
            let colour = LAYERS[at % LAYERS.len()];
            let along = |edge: &[f64]| -> Vec<(f64, f64)> {
                mix.weeks.iter().map(|w| x(*w)).zip(edge.iter().copied()).collect()
            };
            let mut outline = along(upper);
            let line = PathElement::new(outline.clone(), PAPER.stroke_width(SCALE.unsigned_abs()));
            outline.extend(along(lower).into_iter().rev());
            chart.draw_series([Polygon::new(outline, colour.filled())])?;
            chart.draw_series([line])?;
            let Some(channel) = mix.channels.get(at) else { continue };
            let name =
                format!("{} {}", words::shortened(&channel.name, 26), words::percent(Some(part(at, end))));
            let position = (x(last).max(x(first) + 1.0), spots.get(at).copied().unwrap_or_default());
            chart.plotting_area().draw(
                &(EmptyElement::at(position)
                    + Rectangle::new([(8 * SCALE, -5 * SCALE), (18 * SCALE, 5 * SCALE)], colour.filled())
                    + Text::new(name, (24 * SCALE, -7 * SCALE), text(15))),
            )?;
        }
        Ok(())
    })
}

/// Positions of names as close to `wanted` (ascending, 0 to 1) as the distance `apart` allows.
fn spots(wanted: Vec<f64>, apart: f64) -> Vec<f64> {
    let mut spots = wanted;
    let mut least = apart / 2.0;
    for spot in &mut spots {
        *spot = spot.max(least);
        least = *spot + apart;
    }
    let mut most = 1.0 - apart / 2.0;
    for spot in spots.iter_mut().rev() {
        *spot = spot.min(most);
        most = *spot - apart;
    }
    spots
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_their_distance_and_stay_inside() {
        let spots = spots(vec![0.3, 0.61, 0.97, 0.98, 0.99, 0.995, 1.0], 0.06);
        assert!(spots.is_sorted_by(|a, b| b - a > 0.0599), "{spots:?}");
        assert!(spots.iter().all(|s| (0.0..=1.0).contains(s)), "{spots:?}");
        assert!((spots[0] - 0.3).abs() < 1e-9);
    }
}

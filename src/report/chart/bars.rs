//! The chart of users per period: a bar of organic and paid users.

use plotters::prelude::{ChartBuilder, Color, LabelAreaPosition, Rectangle};

use super::{Axis, GRID, LAYERS, Label, PAPER, SCALE, drawing, text, tick_label, ticks};
use crate::report::figures::Users;
use crate::report::words;
use crate::{Grain, Result};

const SIZE: (u32, u32) = (960, 220);

/// Draws the users.
///
/// # Errors
/// `Internal` if `plotters` fails.
pub fn draw(users: &Users, id: &str) -> Result<maud::Markup> {
    let totals: Vec<f64> =
        users.organic.iter().zip(&users.paid).map(|(organic, paid)| organic + paid).collect();
    let most = totals.iter().copied().fold(1.0, f64::max);
    let end = totals.len().saturating_sub(1);
    let noun = words::step_noun(users.grain);
    let description = format!(
        "{}; in the latest {noun} {} users, at most {} in one {noun}.",
        words::count(users.steps.len() as u64, noun),
        words::amount(totals.get(end).copied().unwrap_or_default()),
        words::amount(most),
    );
    let label = Label { id, title: &format!("New users per {noun}"), description: &description };
    let start = |step: i32| f64::from(users.first_day(step));
    let (first, last) = (users.steps.first().copied().unwrap_or(0), users.steps.last().copied().unwrap_or(0));
    let days = (users.first_day(first), users.first_day(last + 1));
    let top = most * 1.05;

    drawing(SIZE, &label, |area| {
        let mut chart = ChartBuilder::on(area)
            .margin_top(8 * SCALE)
            .margin_right(14 * SCALE)
            .set_label_area_size(LabelAreaPosition::Left, 76 * SCALE)
            .set_label_area_size(LabelAreaPosition::Bottom, 24 * SCALE)
            .build_cartesian_2d(
                Axis::new(f64::from(days.0)..f64::from(days.1), ticks(days.0, days.1 - 1, 10)),
                Axis::new(0.0..top, levels(top)),
            )?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(PAPER.mix(0.0))
            .bold_line_style(GRID.stroke_width(SCALE.unsigned_abs()))
            .axis_style(GRID.stroke_width(SCALE.unsigned_abs()))
            .x_label_formatter(&|day| tick_label(*day))
            .y_label_formatter(&|users| words::amount(*users))
            .label_style(text(13))
            .draw()?;
        let [organic_colour, paid_colour, ..] = LAYERS;
        for (at, step) in users.steps.iter().enumerate() {
            let room = (start(step + 1) - start(*step)) * if users.grain == Grain::Day { 0.05 } else { 0.1 };
            let (left, right) = (start(*step) + room, start(step + 1) - room);
            let organic = users.organic.get(at).copied().unwrap_or_default().max(0.0);
            let paid = users.paid.get(at).copied().unwrap_or_default().max(0.0);
            chart.draw_series([
                Rectangle::new([(left, 0.0), (right, organic)], organic_colour.filled()),
                Rectangle::new([(left, organic), (right, organic + paid)], paid_colour.filled()),
            ])?;
        }
        Ok(())
    })
}

/// Two to five round levels.
fn levels(top: f64) -> Vec<f64> {
    let power = 10f64.powf(top.max(1.0).log10().floor());
    let apart = [0.2, 0.5, 1.0, 2.0].into_iter().map(|n| n * power).find(|apart| top / apart <= 5.0);
    let apart = apart.unwrap_or(top);
    (0..6).map(|n| f64::from(n) * apart).filter(|level| *level <= top).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_few_and_round() {
        for (top, expected) in [(1.05, 0.5), (105.0, 50.0), (4_000.0, 1_000.0), (9_900.0, 2_000.0)] {
            let levels = levels(top);
            assert!((2..=6).contains(&levels.len()), "{top} {levels:?}");
            assert!((levels[1] - expected).abs() < 1e-9, "{top} {levels:?}");
        }
    }
}

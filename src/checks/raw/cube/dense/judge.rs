//! From arrays to results, day by day.

use std::ops::Range;

use super::super::axes::Axes;
use super::super::{CellSum, TOLERANCE, Totals};
use super::cell::Cell;
use super::{Layout, Worker};

/// Adds up the arrays of all workers for some days, and compares totals with their parts.
#[allow(clippy::indexing_slicing)] // the arrays are laid out alike
pub(super) fn judge<C: Cell>(
    axes: &Axes,
    layout: Layout,
    workers: &[Worker<C>],
    days: Range<usize>,
) -> CellSum {
    let Layout { countries: c, systems: s, channels: n, words, .. } = layout;
    let mut part = CellSum::new(axes, days.len());
    let tolerance = if axes.rounded { TOLERANCE } else { 0 };
    let mut seen = vec![0u32; layout.seen()];
    let (mut by_system, mut by_country) = (vec![C::default(); c * n], vec![0i64; layout.by_country()]);
    let mut differences = vec![0i64; n];
    for (at, day) in days.enumerate() {
        seen.fill(0);
        by_system.fill(C::default());
        by_country.fill(0);
        for worker in workers {
            let Some(place) = worker.place(day).filter(|place| worker.touched[*place]) else { continue };
            let of = |len: usize| place * len..(place + 1) * len;
            let words = seen.iter_mut().zip(&worker.seen[of(layout.seen())]);
            words.for_each(|(to, from)| *to |= from);
            let cells = by_system.iter_mut().zip(&worker.by_system[of(c * n)]);
            cells.for_each(|(to, from)| to.add(*from));
            let sums = by_country.iter_mut().zip(&worker.by_country[of(layout.by_country())]);
            sums.for_each(|(to, from)| *to = to.wrapping_add(*from));
            let users = part.users[at * c..].iter_mut().flatten().zip(&worker.users[of(c * 2)]);
            users.for_each(|(to, from)| *to += i128::from(*from));
            for ((_, country), rows) in worker.others.range((place, 0)..(place + 1, 0)) {
                part.rows[at * c + country] += rows;
            }
        }
        let (countries, country_totals) = by_country.split_at(s * n);
        let answers = |system: usize| u32::try_from(system).is_ok_and(|system| axes.answers(system));
        for (_, users) in countries.chunks(n).enumerate().filter(|(system, _)| answers(*system)) {
            let to = part.channel_users[at * n..].iter_mut().zip(users);
            to.for_each(|(to, from)| *to += i128::from(*from));
        }
        // Channels of a country in any system, and of a system in any country.
        let (mut any_system, mut any_country) = (vec![0u32; words], vec![0u32; s * words]);
        for (country, seen) in seen.chunks(s * words).enumerate() {
            let rows: u64 = seen.iter().map(|word| u64::from(word.count_ones())).sum();
            part.rows[at * c + country] += rows;
            part.duplicates.n += rows;
            any_system.fill(0);
            for (word, bits) in seen.iter().enumerate() {
                any_system[word % words] |= bits;
                any_country[word] |= bits;
            }
            if axes.systems.has_parts() {
                let cells = &by_system[country * n..(country + 1) * n];
                differences.iter_mut().zip(cells).for_each(|(to, from)| *to = from.wide());
                part.systems.hold_all(&differences, &any_system, tolerance, axes, |channel| {
                    axes.key(day, Some(country), None, channel)
                });
            }
        }
        if axes.countries.has_parts() {
            for (system, there) in any_country.chunks(words).enumerate() {
                let of = |sums: &[i64]| sums[system * n..(system + 1) * n].to_vec();
                let (totals, parts) = (of(country_totals), of(countries));
                let pairs = totals.into_iter().zip(parts).map(|(total, parts)| total.wrapping_sub(parts));
                differences.iter_mut().zip(pairs).for_each(|(to, difference)| *to = difference);
                part.country_totals.hold_all(&differences, there, tolerance, axes, |channel| {
                    axes.key(day, None, Some(system), channel)
                });
            }
        }
    }
    part
}

impl Totals {
    /// Compares the totals of all channels that occur.
    fn hold_all(
        &mut self,
        differences: &[i64],
        there: &[u32],
        tolerance: u64,
        axes: &Axes,
        name: impl Fn(usize) -> String,
    ) {
        let bits =
            |channel: usize| there.get(channel / 32).is_some_and(|word| word >> (channel % 32) & 1 == 1);
        if differences.iter().all(|difference| *difference == 0) {
            self.tally.n += there.iter().map(|word| u64::from(word.count_ones())).sum::<u64>();
            return;
        }
        for (channel, difference) in differences.iter().enumerate().filter(|(channel, _)| bits(*channel)) {
            self.matches(*difference, tolerance, axes, || name(channel));
        }
    }
}

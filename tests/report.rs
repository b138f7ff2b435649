//! The page of a run: its content, escaping, and size.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use rollshare::internals::calendar;
use rollshare::internals::checks::model::{Bounds, Limit};
use rollshare::internals::checks::{CheckId, CheckResult, Measurement, NotRun, Severity, Verdict, Violation};
use rollshare::internals::grid::Account;
use rollshare::internals::pipeline::{RunReport, State};
use rollshare::internals::report::page;
use rollshare::internals::report::series::{CountryShares, CountryWeeks, Coverage, Mix, Shares, Weeks};

fn outcome(check: CheckId, severity: Severity, finding: Result<Measurement, NotRun>) -> CheckResult {
    let zero = Some(Limit::count(0.0));
    CheckResult::of(check, severity, Bounds { warn: zero, block: zero, origin: "default".into() }, finding)
}

fn label(week: i32) -> String {
    let (year, number) = calendar::iso_of(week);
    format!("{year:04}_{number:02}")
}

/// A report of `weeks` weeks of the given countries and channels, with computed numbers.
fn report(countries: &[&str], channels: &[&str], weeks: i32) -> RunReport {
    let first = calendar::week_from_iso(2020, 41).unwrap();
    let steps: Vec<String> = (first..first + weeks).map(label).collect();
    let mut complete = vec![true; steps.len()];
    *complete.last_mut().unwrap() = false;
    let series = |of: &dyn Fn(f64) -> f64| (0..weeks).map(|n| of(f64::from(n))).collect::<Vec<f64>>();
    let some = |of: &dyn Fn(f64) -> f64| series(of).into_iter().map(Some).collect::<Vec<_>>();
    let mut report = RunReport {
        format: 1,
        run: "20211220T060000.000Z-0badcafe".into(),
        version: "0.1.0".into(),
        started: "2021-12-20T06:00:00Z".into(),
        sources: vec!["exports/".into()],
        target: Some("share.parquet".into()),
        state: State::Published,
        verdict: Some(Verdict::Pass),
        account: Some(Account { rows: 9_000, counted: 3_000, not_total_row: 6_000, ..Account::default() }),
        ..RunReport::default()
    };
    for (at, country) in (0u32..).zip(countries) {
        let share = |n: f64| 0.35 + 0.08 * (n / 9.0 + f64::from(at)).sin();
        report.charts.shares.countries.push(CountryShares {
            country: (*country).into(),
            organic: series(&|n| 4_000.0 * share(n)),
            total: series(&|_| 4_000.0),
            share: some(&share),
            low: some(&|n| share(n) - 0.015),
            high: some(&|n| share(n) + 0.015),
        });
        report.charts.weeks.countries.push(CountryWeeks {
            country: (*country).into(),
            users: series(&|_| 1_000.0),
            organic: series(&|n| 1_000.0 * share(n + 1.0)),
            share_low: some(&|n| share(n) - 0.04),
            share_high: some(&|n| share(n) + 0.04),
            ..CountryWeeks::default()
        });
    }
    report.charts.shares = Shares {
        column: "share_organic_p4w".into(),
        steps: steps.clone(),
        complete: complete.clone(),
        ..report.charts.shares
    };
    report.charts.weeks = Weeks { steps: steps.clone(), complete, ..report.charts.weeks };
    let days = usize::try_from(weeks * 7 - 3).unwrap();
    report.charts.coverage = Coverage {
        first_day: "2020-10-05".into(),
        days,
        countries: countries.iter().map(ToString::to_string).collect(),
        rows: (0..days * countries.len()).map(|cell| if cell % 97 == 5 { 0 } else { 30 }).collect(),
    };
    report.charts.mix = Mix {
        users: channels
            .iter()
            .zip(1u32..)
            .flat_map(|(_, rank)| series(&|n| (900.0 + n) / f64::from(rank)))
            .collect(),
        channels: channels.iter().map(ToString::to_string).collect(),
        steps,
        ..Mix::default()
    };
    report.outcomes = vec![
        outcome(CheckId::LabelForm, Severity::Block, Ok(Measurement::count(0, 9_000, vec![]))),
        outcome(
            CheckId::ChannelNew,
            Severity::Warn,
            Err(NotRun::NotApplicable("no channels are listed".into())),
        ),
        outcome(CheckId::Reconciliation, Severity::Block, Ok(Measurement::count(0, 120, vec![]))),
    ];
    report
}

fn blocked() -> RunReport {
    let mut report = report(&["FR", "DE"], &["Organic", "Ads"], 20);
    report.state = State::Blocked;
    report.verdict = Some(Verdict::Fail);
    report.places.quarantined = Some("_rollshare/quarantine/RUN/table.parquet".into());
    report.target = Some("my share.parquet".into());
    let rows = (0..5).map(|row| Violation {
        file: Some("exports/2021-12-19.parquet".into()),
        row: Some(row * 1_000),
        value: "2021_54".into(),
    });
    report.outcomes.push(outcome(
        CheckId::LabelWeek,
        Severity::Block,
        Ok(Measurement::count(1_234, 9_000, rows.collect())),
    ));
    report.outcomes.push(outcome(
        CheckId::LastWeek,
        Severity::Block,
        Err(NotRun::Failed("the days are not known".into())),
    ));
    report
}

#[test]
fn the_verdict_has_a_sentence_a_reason_and_next_steps() {
    let text = page(&blocked()).unwrap();
    assert!(text.contains("<h1>Not published: 1 check failed</h1>"));
    assert!(text.contains("Expected: year_week is an ISO week that exists. Found: 1,234 rows of 9,000."));
    assert!(text.contains("exports/2021-12-19.parquet row 4,000"), "violations are collapsed, but present");
    assert!(text.contains("2 more"));
    assert!(text.contains("could not be checked: the days are not known"));
    assert!(
        text.contains("rollshare promote 20211220T060000.000Z-0badcafe --target &#39;my share.parquet&#39;")
            || text.contains("rollshare promote 20211220T060000.000Z-0badcafe --target 'my share.parquet'")
    );

    let mut fine = report(&["FR"], &["Organic"], 8);
    let text = page(&fine).unwrap();
    assert!(text.contains("<h1>Published: all applicable checks passed</h1>"));
    assert!(!text.contains("Next steps"));
    fine.outcomes.clear();
    let text = page(&fine).unwrap();
    assert!(text.contains("<h1>Published without checks</h1>") && text.contains("No check was run"));
}

#[test]
fn text_of_the_report_is_escaped() {
    let hostile = "<script>alert(1)</script>\"'&";
    let mut report = report(&[hostile, "FR"], &[hostile, "Organic"], 12);
    report.run = hostile.into();
    report.target = Some(hostile.into());
    report.sources = vec![hostile.into()];
    report.notes = vec![hostile.into()];
    report.state = State::Blocked;
    report.places.quarantined = Some(hostile.into());
    let offender = Violation { file: Some(hostile.into()), row: Some(3), value: hostile.into() };
    let finding = Measurement::count(1, 2, vec![offender]).note(hostile);
    report.outcomes.push(outcome(CheckId::CountryKnown, Severity::Block, Ok(finding)));
    report.charts.coverage.rows.fill(0);
    let text = page(&report).unwrap();
    assert!(!text.to_lowercase().contains("<script"));
    assert!(text.contains("&lt;script&gt;"));
    // A quote in the text does not end an attribute.
    assert!(!text.contains("</script>\"'"));
}

#[test]
fn the_same_report_gives_the_same_bytes() {
    let text = page(&blocked()).unwrap();
    let decoded: RunReport = serde_json::from_str(&serde_json::to_string(&blocked()).unwrap()).unwrap();
    assert!(decoded == blocked(), "JSON keeps every bit");
    assert_eq!(page(&decoded).unwrap(), text);
}

#[test]
fn charts_have_names_and_tables_of_their_numbers() {
    let text = page(&report(&["FR", "DE"], &["Organic", "Ads"], 60)).unwrap();
    assert!(text.contains("<title id=\"share-0-t\">Organic share in FR</title>"));
    assert!(text.contains("lowest") && text.contains("aria-describedby=\"share-0-d\""));
    assert!(text.contains("34 earlier ones left out"));
    for heading in [
        "Findings",
        "Organic share, rolling window of 4 weeks",
        "Days with data",
        "Channels",
        "Rows kept and dropped",
        "All checks",
    ] {
        assert!(text.contains(heading), "{heading}");
    }
    assert!(text.contains("<th scope=\"col\">Organic (organic)</th>"));
    assert_eq!(text.matches("<svg").count(), 4);
    assert_eq!(text.matches("role=\"img\"").count(), 4);
    assert!(
        !text.contains("http://")
            || text.matches("http://").count() == text.matches("http://www.w3.org/2000/svg").count()
    );
}

#[test]
fn the_size_of_a_page_is_bounded() {
    let names: Vec<String> = (0..250).map(|n| format!("C{n:03}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let channels: Vec<String> = (0..300).map(|n| format!("channel {n}")).collect();
    let channels: Vec<&str> = channels.iter().map(String::as_str).collect();
    let text = page(&report(&names, &channels, 520)).unwrap();
    assert!(text.len() < 3_000_000, "{} bytes", text.len());
    assert!(text.contains("36 more countries") && text.contains("Another 202 countries have no chart here"));
    assert!(text.contains("The charts show the latest 160 weeks; 360 earlier ones"));
    assert!(text.contains("294 others") && text.contains("All 250 countries"));
    assert_eq!(text.matches("<svg").count(), 50);
}

#[test]
fn an_empty_report_gives_a_page() {
    let text = page(&RunReport::default()).unwrap();
    assert!(text.contains("There is no table") && text.contains("No check was run"));
    let legacy = RunReport { charts: report(&["FR"], &[], 1).charts, ..RunReport::default() };
    assert!(page(&legacy).unwrap().contains("Organic share in FR"));
}

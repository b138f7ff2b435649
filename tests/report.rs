//! The page of a run: its content, escaping, and size.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use rollshare::internals::calendar;
use rollshare::internals::checks::model::{Bounds, Limit};
use rollshare::internals::checks::{CheckId, CheckResult, Measurement, NotRun, Severity, Verdict, Violation};
use rollshare::internals::grid::Account;
use rollshare::internals::pipeline::{RunReport, State};
use rollshare::internals::report::chart::image;
use rollshare::internals::report::series::{CountryWeeks, Coverage, KeyShares, Mix, Shares, Users, Weeks};
use rollshare::internals::report::{brief, figures, page};
use rollshare::internals::why::{Contribution, Explanation};
use rollshare::{Grain, Job};

fn outcome(check: CheckId, severity: Severity, finding: Result<Measurement, NotRun>) -> CheckResult {
    let zero = Some(Limit::count(0.0));
    CheckResult::of(
        check,
        severity,
        Bounds { warn: zero, block: zero, origin: "default".into(), ..Bounds::default() },
        finding,
    )
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
        format: 2,
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
        report.charts.shares.keys.push(KeyShares {
            name: (*country).into(),
            members: vec![(*country).into()],
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
        line: None,
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
    let sentence = "1,234 of 9,000 rows have a week label that is no ISO week, first 2021_54 (exports/2021-12-19.parquet, row 0).";
    assert_eq!(text.matches(sentence).count(), 2, "in the verdict and among the findings");
    assert!(text.contains("exports/2021-12-19.parquet row 4,000"), "violations are collapsed, but present");
    assert!(text.contains("2 more"));
    assert!(
        text.contains("could not be checked: the last week is complete")
            && text.contains("the days are not known")
    );
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
    let offender = Violation { file: Some(hostile.into()), row: Some(3), line: None, value: hostile.into() };
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
    // Two charts of shares, each on the common scale and on its own; days and channels.
    assert_eq!(text.matches("role=\"img\"").count(), 6);
    // The names of the two channels beside their colours are no charts.
    assert_eq!(text.matches("<svg").count(), 6 + 2);
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
    assert_eq!(text.matches("role=\"img\"").count(), 98);
}

#[test]
fn an_empty_report_gives_a_page() {
    let text = page(&RunReport::default()).unwrap();
    assert!(text.contains("There is no table") && text.contains("No check was run"));
    let legacy = RunReport { charts: report(&["FR"], &[], 1).charts, ..RunReport::default() };
    assert!(page(&legacy).unwrap().contains("Organic share in FR"));
}

/// A report of keys of several dimensions, whose rows were not checked.
fn report_of_keys(by: &[&str], members: &[&[&str]], grain: Grain) -> RunReport {
    let names: Vec<String> = members.iter().map(|members| members.join(", ")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut report = report(&names, &[], 12);
    report.job = Job { by: by.iter().map(ToString::to_string).collect(), grain, ..Job::default() };
    for (key, members) in report.charts.shares.keys.iter_mut().zip(members) {
        key.members = members.iter().map(ToString::to_string).collect();
    }
    (report.charts.weeks, report.charts.coverage) = (Weeks::default(), Coverage::default());
    let steps = match grain {
        Grain::Month => (1..=12).map(|month| format!("2021-{month:02}")).collect(),
        _ => report.charts.shares.steps.clone(),
    };
    report.charts.shares.steps.clone_from(&steps);
    report.charts.users = Users { steps, organic: vec![300.0; 12], paid: vec![700.0; 12] };
    let why = "the profile has no labels";
    report.outcomes = [CheckId::LabelForm, CheckId::LabelWeek, CheckId::Reconciliation]
        .map(|check| outcome(check, Severity::Block, Err(NotRun::NotApplicable(why.into()))))
        .into();
    report
}

#[test]
fn keys_of_several_dimensions_share_a_chart_and_have_filters() {
    let members: [&[&str]; 5] =
        [&["GB", "ios"], &["GB", "android"], &["FR", "android"], &["FR", "ios"], &["DE", "ios"]];
    let text = page(&report_of_keys(&["country", "os"], &members, Grain::Week)).unwrap();
    // A chart for each country on two scales, and one of the users.
    assert_eq!(text.matches("<svg").count(), 7);
    assert!(text.contains("<title id=\"share-0-t\">Organic share in GB by os</title>"));
    // A single key has the chart with its bounds.
    assert!(text.contains("<title id=\"share-2-t\">Organic share in DE, ios</title>"));
    assert_eq!(text.matches("<g class=\"line c0\"").count(), 4, "ios has one colour in all charts");
    assert!(text.contains("All 5 keys (country x os), latest share"));
    assert_eq!(text.matches("<select").count(), 2);
    assert!(
        text.contains("<option value=\"1\">FR</option>") && text.contains("<option value=\"1\">ios</option>")
    );
    assert!(text.contains("#filter-1 option[value=\"1\"]:checked) [data-d1]:not([data-d1=\"1\"])"));
    assert!(!text.contains("Country</th>") && text.contains("New users per week"));
}

#[test]
fn checks_that_did_not_run_are_explained_once() {
    let text = page(&report_of_keys(&["os"], &[&["ios"]], Grain::Week)).unwrap();
    assert!(text.contains("<h1>Published without checks</h1>"));
    assert!(text.contains("The checks did not run: the profile has no labels."));
    assert!(text.contains("2 checks did not run") && text.contains("<code>label_week</code>"));
    // At the top, for the two checks of a stage, and in the row of the only check of another stage.
    assert_eq!(text.matches("the profile has no labels").count(), 3);
}

#[test]
fn months_and_all_users_have_charts() {
    let months = page(&report_of_keys(&["app"], &[&["a"], &["b"]], Grain::Month)).unwrap();
    assert!(months.contains("rolling window of 4 months") && months.contains("2021-12"));
    assert!(months.contains("Organic share of a") && months.contains("All 2 keys (app)"));
    assert!(!months.contains("<select"));
    let mut world = report_of_keys(&[], &[&[]], Grain::Day);
    world.charts.shares.steps = (1..=12).map(|day| format!("2021-02-{day:02}")).collect();
    world.charts.users.steps.clone_from(&world.charts.shares.steps);
    let text = page(&world).unwrap();
    assert!(text.contains("Organic share of all users") && text.contains("New users per day"));
}

#[test]
fn members_are_escaped_in_filters_and_lines() {
    let hostile = "<script>\"'&";
    let text =
        page(&report_of_keys(&[hostile, "os"], &[&[hostile, hostile], &[hostile, "ios"]], Grain::Week))
            .unwrap();
    assert!(!text.contains("<script") && text.contains("&lt;script&gt;"));
}

#[test]
fn a_report_of_format_1_has_countries() {
    let mut old = serde_json::to_value(report(&["FR"], &["Organic"], 8)).unwrap();
    let shares = old["charts"]["shares"].as_object_mut().unwrap();
    let mut keys = shares.remove("keys").unwrap();
    let key = keys[0].as_object_mut().unwrap();
    key.remove("members");
    let name = key.remove("name").unwrap();
    key.insert("country".into(), name);
    shares.insert("countries".into(), keys);
    old["account"] = serde_json::json!({ "rows": 3, "other_system": 2, "counted": 1 });
    let old: RunReport = serde_json::from_value(old).unwrap();
    assert_eq!(old.account.unwrap().not_total_row, 2);
    assert!(page(&old).unwrap().contains("Organic share in FR"));
}

/// A report whose share fell in ES by 20 points within four weeks, by a paid channel.
fn report_of_a_fall() -> RunReport {
    let mut report = report(&["GB", "ES", "XK"], &["Organic", "Ads"], 60);
    let keys = &mut report.charts.shares.keys;
    for key in keys.iter_mut() {
        let level = if key.name == "ES" { 0.2 } else { 0.4 };
        for (at, users) in [(54, 0.4), (58, level)] {
            key.share[at] = Some(users);
            key.low[at] = Some(users - 0.01);
            key.high[at] = Some(users + 0.01);
        }
    }
    keys[0].total[58] = 90_000.0;
    let mut world = keys[0].clone();
    (world.name, world.members) = (String::new(), Vec::new());
    report.charts.shares.world = Some(world);
    report.charts.why = vec![Explanation {
        members: vec!["ES".into()],
        window: 4,
        period: "2021-W46".into(),
        against: "2021-W42".into(),
        share: 0.2,
        share_before: 0.4,
        change: -0.2,
        users: 8_000.0,
        users_before: 4_000.0,
        channels: vec![
            Contribution {
                channel: "<Ads>".into(),
                organic: false,
                users_before: 2_400.0,
                users: 6_400.0,
                contribution: -0.2,
            },
            Contribution {
                channel: "Organic".into(),
                organic: true,
                users_before: 1_600.0,
                users: 1_600.0,
                contribution: 0.0,
            },
        ],
    }];
    report
}

#[test]
fn the_answer_comes_first_then_why_then_charts_then_warnings() {
    let mut report = report_of_a_fall();
    report.outcomes.push(outcome(CheckId::TokenName, Severity::Warn, Ok(Measurement::count(3, 9, vec![]))));
    let text = page(&report).unwrap();
    let at = |words: &str| text.find(words).unwrap_or_else(|| panic!("{words} is missing"));
    let order = [
        at("<h1>Published, with 1 warning</h1>"),
        at("The organic share of all countries is 40.0 % in 2021-W46: "),
        at(
            "The organic share fell in 1 of 3 countries, in ES (Spain): -20.0 points since 2021-W42, to 20.0 %.",
        ),
        at("In the other 2 countries the change is within the 95 % intervals."),
        at("GB <span class=\"country\">United Kingdom</span>"),
        at("Why it moved</h2>"),
        at("ES (Spain): organic share 20.0 % in 2021-W46, -20.0 points since 2021-W42 (40.0 %)"),
        at("&lt;Ads&gt; (paid) lowered it most, by 20.0 points (2,400 to 6,400 users)."),
        at("rollshare why ES 2021-W46 --source exports/ --against 2021-W42"),
        at("id=\"own-scale\""),
        at("<svg"),
        at("<h2 id=\"findings\">"),
        at("<details class=\"warnings\">"),
        at("<h2 id=\"run\">"),
    ];
    assert!(order.is_sorted(), "{order:?}");
    // A fall of users in an incomplete week is no headline.
    assert!(!text.contains("share</span> in 2021-W47"));

    // What blocks comes before the shares, which are not published.
    let text = page(&blocked()).unwrap();
    let at = |words: &str| text.find(words).unwrap_or_else(|| panic!("{words} is missing"));
    assert!(at("<ul class=\"findings\">") < at("shares of the blocked table"));
    assert!(at("Next steps") < at("shares of the blocked table"));
}

#[test]
fn wide_ranges_are_not_drawn() {
    let lines = |low: f64| {
        let mut report = report(&["FR"], &["Organic"], 20);
        report.charts.weeks.countries[0].share_low = vec![Some(low); 20];
        report.charts.weeks.countries[0].share_high = vec![Some(0.6); 20];
        // The expected range and single weeks are drawn in these colours.
        let text = page(&report).unwrap();
        let body = text.split("</style>").nth(1).unwrap();
        (body.matches("stroke=\"#8A4B08\"").count(), body.matches("<circle").count())
    };
    let ((narrow, dots), (wide, fewer)) = (lines(0.2), lines(0.05));
    assert!(narrow >= 4 && wide == 0, "{narrow} {wide}");
    assert!(fewer < dots, "{fewer} {dots}");
}

#[test]
fn a_short_text_and_an_image_have_the_same_answer() {
    let mut report = report_of_a_fall();
    let text = brief::text(&report);
    assert!(text.starts_with("Published: all applicable checks passed.\n"), "{text}");
    for words in [
        "The organic share fell in 1 of 3 countries, in ES (Spain): -20.0 points",
        "all countries         40.0 % of 90.0k users, ",
        "ES: organic share 20.0 % in 2021-W46, -20.0 points since 2021-W42 (40.0 %). <Ads> (paid) lowered it most",
        "Target: share.parquet\nRun: 20211220T060000.000Z-0badcafe\n",
    ] {
        assert!(text.contains(words), "{words}\n{text}");
    }
    assert!(text.lines().count() < 20 && text.lines().all(|line| line.chars().count() < 200), "{text}");

    let shares = figures::shares(&report).unwrap();
    let image = image::png(&shares).unwrap().unwrap();
    let side = |at: usize| u32::from_be_bytes(image[at..at + 4].try_into().unwrap());
    assert!(
        (1_500..2_500).contains(&side(16)) && (800..1_600).contains(&side(20)),
        "{} x {}",
        side(16),
        side(20)
    );
    assert_eq!(image::png(&shares).unwrap().unwrap(), image, "the same report gives the same bytes");
    assert!(image.len() < 400_000, "{} bytes", image.len());
    report.charts.shares = Shares::default();
    assert!(figures::shares(&report).is_none() && brief::text(&report).contains("There is no table"));
    assert!(image::png(&figures::Shares::default()).unwrap().is_none());
}

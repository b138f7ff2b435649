//! Look-alikes of exports of other teams: columns and values as their documentation has them, users invented.

use parquet::basic::{LogicalType, TimeUnit};

use crate::truth::{COUNTRIES, Came, Truth, events, facts};
use crate::writer::columns::{Column, Data};

/// A look-alike.
pub struct Kind {
    /// The number of the kind in the survey of exports, and what it is.
    pub name: &'static str,
    /// Whether it comes as delimited text, and by what.
    pub delimiter: Option<u8>,
    /// The bundled profile that its profile is like.
    pub like: Option<&'static str>,
    /// Whether that profile reads it as it is.
    pub is_bundled: bool,
    /// The users in it.
    pub truth: Vec<Truth>,
    /// Names of countries in the table.
    pub country: fn(&str) -> String,
    /// Files: path, and columns of all rows in the file.
    pub files: Vec<(String, Vec<Column>)>,
}

impl Kind {
    fn new(name: &'static str, truth: Vec<Truth>, columns: impl Fn(&[Truth]) -> Vec<Column>) -> Self {
        Kind {
            name,
            delimiter: None,
            like: None,
            is_bundled: false,
            country: str::to_owned,
            files: vec![("export".into(), columns(&truth))],
            truth,
        }
    }

    fn like(mut self, profile: &'static str) -> Self {
        self.like = Some(profile);
        self
    }

    /// The bundled profile reads it too.
    fn bundled(mut self, profile: &'static str) -> Self {
        self.is_bundled = true;
        self.like(profile)
    }

    fn delimited(mut self, by: u8) -> Self {
        self.delimiter = Some(by);
        self
    }

    fn with_countries(mut self, name: fn(&str) -> String) -> Self {
        self.country = name;
        self
    }
}

fn text<S: Into<String>>(name: &'static str, rows: &[Truth], cell: impl Fn(&Truth) -> S) -> Column {
    Column { name, data: Data::Text(rows.iter().map(|row| Some(cell(row).into())).collect()) }
}

/// Text that may be null.
fn nullable(name: &'static str, rows: &[Truth], cell: impl Fn(&Truth) -> Option<&'static str>) -> Column {
    Column { name, data: Data::Text(rows.iter().map(|row| cell(row).map(str::to_owned)).collect()) }
}

fn integers(name: &'static str, rows: &[Truth], cell: impl Fn(&Truth) -> i64) -> Column {
    Column { name, data: Data::Int64(rows.iter().map(|row| Some(cell(row))).collect(), None) }
}

fn doubles(name: &'static str, rows: &[Truth], cell: impl Fn(&Truth) -> f64) -> Column {
    Column { name, data: Data::Double(rows.iter().map(|row| Some(cell(row))).collect()) }
}

fn flags(name: &'static str, rows: &[Truth], cell: impl Fn(&Truth) -> Option<bool>) -> Column {
    Column { name, data: Data::Bool(rows.iter().map(cell).collect()) }
}

fn dates(name: &'static str, rows: &[Truth]) -> Column {
    let days = rows.iter().map(|row| Some(i32::try_from(row.day).unwrap())).collect();
    Column { name, data: Data::Int32(days, Some(LogicalType::Date)) }
}

/// Microseconds, in UTC.
fn stamps(name: &'static str, rows: &[Truth], cell: impl Fn(&Truth) -> i64) -> Column {
    let utc = LogicalType::timestamp(true, TimeUnit::MICROS);
    Column { name, data: Data::Int64(rows.iter().map(|row| Some(cell(row))).collect(), Some(utc)) }
}

/// A value of each row of its own.
fn ids(name: &'static str, rows: &[Truth]) -> Column {
    Column { name, data: Data::Text((0..rows.len()).map(|at| Some(format!("id-{at:06x}"))).collect()) }
}

/// The name of a channel.
fn channel(
    came: Came,
    organic: &'static str,
    paid: [&'static str; 2],
    hidden: &'static str,
) -> Option<&'static str> {
    match came {
        Came::Organic => Some(organic),
        Came::Unnamed => None,
        Came::Paid(at) => Some(paid[at % 2]),
        Came::Hidden => Some(hidden),
    }
}

const ADJUST: [&str; 2] = ["Facebook Installs", "Google Ads ACI"];
const APPSFLYER: [&str; 2] = ["googleadwords_int", "Facebook Ads"];
const PAID: [Came; 2] = [Came::Paid(0), Came::Paid(1)];

fn adjust(row: &Truth) -> &'static str {
    channel(row.came, "Organic", ADJUST, "Untrusted Devices").unwrap()
}

fn ways(first: &[Came]) -> Vec<Came> {
    [first, &PAID].concat()
}

/// As AppsFlyer and Singular write countries.
fn uk(row: &Truth) -> &'static str {
    if row.country == "GB" { "UK" } else { row.country }
}

fn capital(row: &Truth) -> &'static str {
    if row.os == "ios" { "iOS" } else { "Android" }
}

/// A week from Sunday to Saturday.
fn sunday_week(row: &Truth) -> String {
    // 1970-01-04 was a Sunday.
    let sunday = (row.day - 3).div_euclid(7) * 7 + 3;
    let of = |day| Truth { day, ..row.clone() }.date();
    format!("{} - {}", of(sunday), of(sunday + 6))
}

fn country_name(code: &str) -> String {
    let names = [
        ("DE", "Germany"),
        ("FR", "France"),
        ("GB", "United Kingdom"),
        ("NA", "Namibia"),
        ("US", "United States"),
        ("TR", "Türkiye"),
    ];
    names.iter().find(|(known, _)| *known == code).unwrap().1.to_owned()
}

fn unknown(code: &str) -> String {
    if code.is_empty() { "unknown" } else { code }.to_owned()
}

/// All look-alikes.
pub fn all() -> Vec<Kind> {
    let both = ["android", "ios"];
    let named = ways(&[Came::Organic]);
    let adjust_ways = ways(&[Came::Organic, Came::Hidden]);
    let fact = |ways: &[Came]| facts(&COUNTRIES, &both, ways);
    let fact_of_one = |ways: &[Came]| facts(&COUNTRIES, &["android"], ways);
    vec![
        Kind::new("1 Adjust KPI service", fact_of_one(&named), |rows| {
            vec![
                text("tracker_token", rows, |row| format!("t{}", adjust(row).len())),
                text("tracker_name", rows, adjust),
                text("date", rows, Truth::date),
                text("country", rows, |row| row.country.to_lowercase()),
                integers("installs", rows, |row| row.users),
                integers("clicks", rows, |row| row.users * 20),
            ]
        })
        .delimited(b','),
        Kind::new("2 Adjust deliverables in a warehouse", fact(&named), |rows| {
            vec![
                dates("date", rows),
                text("app", rows, |_| "example"),
                text("network", rows, adjust),
                text("network_token", rows, |row| format!("t{}", adjust(row).len())),
                text("campaign", rows, |row| if row.came == Came::Organic { "" } else { "spring" }),
                text("country", rows, |row| row.country),
                text("os", rows, |row| row.os),
                text("device", rows, |_| "phone"),
                integers("installs", rows, |row| row.users),
            ]
        })
        .delimited(b','),
        Kind::new(
            "3 Adjust Report Service",
            facts(&COUNTRIES, &["android", "ios", "unknown"], &adjust_ways),
            |rows| {
                vec![
                    text("day", rows, Truth::date),
                    text("week", rows, sunday_week),
                    text("os_name", rows, |row| row.os),
                    text("network", rows, adjust),
                    text("partner_name", rows, adjust),
                    text("country", rows, |row| country_name(row.country)),
                    text("country_code", rows, |row| row.country.to_lowercase()),
                    integers("installs", rows, |row| row.users),
                    doubles("cost", rows, |row| row.users as f64 * 1.5),
                    integers(
                        "organic_installs",
                        rows,
                        |row| if row.came == Came::Organic { row.users } else { 0 },
                    ),
                    integers(
                        "paid_installs",
                        rows,
                        |row| if row.came == Came::Organic { 0 } else { row.users },
                    ),
                ]
            },
        )
        .bundled("adjust-report")
        .delimited(b','),
        Kind::new("4 Adjust raw uploads", events(&adjust_ways, false), |rows| {
            vec![
                text("network_name", rows, adjust),
                text("country", rows, |row| row.country.to_lowercase()),
                text("os_name", rows, |row| row.os),
                integers("installed_at", rows, |row| row.micros() / 1_000_000),
                text("activity_kind", rows, |row| if row.is_new { "install" } else { "session" }),
                text("is_organic", rows, |row| if row.came == Came::Organic { "1" } else { "0" }),
                ids("adid", rows),
            ]
        })
        .bundled("adjust-raw")
        .delimited(b','),
        {
            let mut kind = Kind::new("5 Airbyte source-adjust", fact(&named), |_| vec![]);
            let columns = |rows: &[Truth], synced: i64| {
                vec![
                    stamps("_airbyte_extracted_at", rows, move |_| synced),
                    ids("_airbyte_raw_id", rows),
                    text("day", rows, Truth::date),
                    text("os_name", rows, |row| row.os),
                    text("network", rows, adjust),
                    text("country", rows, |row| country_name(row.country)),
                    text("country_code", rows, |row| row.country),
                    integers("installs", rows, |row| row.users),
                    doubles("cost", rows, |row| row.users as f64),
                ]
            };
            let (first, second) = kind.truth.split_at(kind.truth.len() / 2);
            let day = 86_400_000_000;
            kind.files = vec![
                ("airbyte_adjust/2026_03_01".into(), columns(first, 20_513 * day)),
                ("airbyte_adjust/2026_03_03".into(), columns(second, 20_515 * day)),
            ];
            kind.bundled("airbyte-adjust")
        },
        Kind::new("6 Fivetran Adjust", events(&named, true), |rows| {
            vec![
                ids("_fivetran_id", rows),
                stamps("_fivetran_synced", rows, |row| row.micros() + 3_600_000_000),
                text("network_name", rows, adjust),
                text("tracker", rows, |row| format!("t{}", adjust(row).len())),
                text("country", rows, |row| row.country),
                text("os_name", rows, |row| row.os),
                integers("created_at", rows, |row| row.micros() / 1_000_000),
            ]
        }),
        appsflyer_locker("7 AppsFlyer Data Locker", &[Came::Organic, Came::Unnamed, Came::Hidden]),
        // No organic install has a name; some files have no channel at all.
        appsflyer_locker("7 AppsFlyer Data Locker, organic is null", &[Came::Unnamed]),
        Kind::new(
            "8 AppsFlyer geo_by_date_report",
            facts(&["", "FR", "GB", "US"], &["android"], &ways(&[Came::Organic, Came::Hidden])),
            |rows| {
                vec![
                    text("Date", rows, Truth::date),
                    text("Country", rows, |row| if row.country.is_empty() { "N/A" } else { uk(row) }),
                    text("Agency/PMD (af_prt)", rows, |_| "None"),
                    text("Media Source (pid)", rows, |row| {
                        channel(row.came, "Organic", APPSFLYER, "restricted").unwrap()
                    }),
                    text("Campaign (c)", rows, |_| "spring"),
                    integers("Installs", rows, |row| row.users),
                    doubles("Total Cost", rows, |row| row.users as f64),
                ]
            },
        )
        .with_countries(unknown)
        .bundled("appsflyer-geo")
        .delimited(b','),
        Kind::new("9 AppsFlyer geo_report by Airbyte", fact_of_one(&named), |rows| {
            vec![
                stamps("_airbyte_extracted_at", rows, |_| 1_772_000_000_000_000),
                ids("_airbyte_raw_id", rows),
                text("date", rows, Truth::date),
                text("country_code", rows, uk),
                text("media_source", rows, |row| channel(row.came, "Organic", APPSFLYER, "").unwrap()),
                text("campaign", rows, |_| "spring"),
                doubles("installs", rows, |row| row.users as f64),
                doubles("total_cost", rows, |row| row.users as f64 / 3.0),
            ]
        }),
        Kind::new("10 AppsFlyer raw data by a Singer tap", events(&ways(&[Came::Unnamed]), false), |rows| {
            vec![
                stamps("attributed_touch_time", rows, |row| row.micros() - 7_200_000_000),
                stamps("install_time", rows, Truth::micros),
                text("event_name", rows, |_| "install"),
                nullable("media_source", rows, |row| channel(row.came, "", APPSFLYER, "")),
                text("country_code", rows, uk),
                text("platform", rows, |row| row.os),
                flags("is_retargeting", rows, |row| Some(!row.is_new)),
                ids("appsflyer_id", rows),
                text("app_id", rows, |row| if row.os == "ios" { "id100" } else { "com.example" }),
            ]
        })
        .like("appsflyer-installs"),
        Kind::new("11 AppsFlyer Master API", fact_of_one(&named), |rows| {
            vec![
                text("app_id", rows, |_| "com.example"),
                text("pid", rows, |row| channel(row.came, "organic", APPSFLYER, "").unwrap()),
                text("geo", rows, uk),
                text("install_time", rows, Truth::date),
                integers("installs", rows, |row| row.users),
            ]
        })
        .delimited(b','),
        Kind::new(
            "12 AppsFlyer event by Fivetran",
            events(&ways(&[Came::Organic, Came::Unnamed]), false),
            |rows| {
                vec![
                    ids("_fivetran_id", rows),
                    stamps("_fivetran_synced", rows, |row| row.micros() + 86_400_000_000),
                    flags("_fivetran_deleted", rows, |row| (row.second % 3 == 0).then_some(false)),
                    text("event_name", rows, |row| if row.is_new { "install" } else { "af_purchase" }),
                    text("event_value", rows, |row| row.second.to_string()),
                    stamps("install_time", rows, Truth::micros),
                    stamps("event_time", rows, |row| row.micros() + 60_000_000),
                    nullable("media_source", rows, |row| channel(row.came, "organic", APPSFLYER, "")),
                    text("country_code", rows, uk),
                    text("platform", rows, |row| row.os),
                    text("app_id", rows, |row| if row.os == "ios" { "id100" } else { "com.example" }),
                ]
            },
        )
        .like("appsflyer-installs"),
        Kind::new("13 Singular aggregated", fact(&named), |rows| {
            vec![
                dates("date", rows),
                text("app", rows, |_| "Example"),
                text("source", rows, |row| {
                    channel(row.came, "Organic", ["Facebook", "AdWords"], "").unwrap()
                }),
                text("os", rows, capital),
                text("platform", rows, capital),
                text("country_field", rows, uk),
                doubles("adn_installs", rows, |row| row.users as f64),
                doubles("adn_cost", rows, |row| row.users as f64 * 0.7),
            ]
        })
        .bundled("singular"),
        Kind::new("14 Singular user level", events(&named, false), |rows| {
            vec![
                text("event_timestamp", rows, |row| row.time("%Y-%m-%d %H:%M:%S")),
                integers("event_timestamp_unix_utc", rows, |row| row.micros() / 1_000_000),
                text("etl_record_processing_hour_utc", rows, |row| row.time("%Y-%m-%d %H:00:00")),
                text("partner", rows, |row| {
                    channel(row.came, "Organic", ["Facebook", "AdWords"], "").unwrap()
                }),
                text("country", rows, uk),
                text("platform", rows, capital),
                flags("is_reengagement", rows, |row| Some(!row.is_new)),
                ids("device_id", rows),
            ]
        }),
        Kind::new("15 Branch eo_install", events(&ways(&[Came::Unnamed]), true), |rows| {
            vec![
                ids("id", rows),
                text("name", rows, |_| "INSTALL"),
                integers("timestamp", rows, |row| row.micros() / 1_000),
                text("timestamp_iso", rows, |row| row.time("%Y-%m-%dT%H:%M:%S.000Z")),
                nullable("last_attributed_touch_data_tilde_advertising_partner_name", rows, |row| {
                    channel(row.came, "", ["Facebook", "Google AdWords"], "")
                }),
                flags("attributed", rows, |row| Some(row.came != Came::Unnamed)),
                flags("first_event_for_user", rows, |_| Some(true)),
                text("user_data_os", rows, |row| row.os.to_uppercase()),
                text("user_data_geo_country_code", rows, |row| row.country),
                text("user_data_language", rows, |_| "en"),
            ]
        })
        .bundled("branch")
        .delimited(b','),
        Kind::new("16 Kochava", events(&ways(&[Came::Organic, Came::Unnamed, Came::Hidden]), true), |rows| {
            vec![
                integers("date_received", rows, |row| row.micros() / 1_000_000),
                nullable("network_name", rows, |row| {
                    channel(row.came, "Organic", ["Vungle", "Unity"], "Restricted")
                }),
                text("campaign_name", rows, |_| "spring"),
                text("country_code", rows, |row| row.country),
                ids("kochava_device_id", rows),
            ]
        })
        .bundled("kochava")
        .delimited(b','),
        apple(),
        Kind::new("21 GA4 events, flat", events(&ways(&[Came::Organic, Came::Hidden]), false), |rows| {
            ga4(rows, "geo_country", "traffic_source_medium")
        })
        .with_countries(country_name)
        .bundled("ga4"),
        Kind::new(
            "21 GA4 events of BigQuery",
            events(&ways(&[Came::Organic, Came::Hidden]), false),
            |rows| ga4(rows, "geo.country", "traffic_source.medium"),
        )
        .with_countries(country_name)
        .like("ga4"),
        Kind::new(
            "22 a warehouse table of new users",
            fact(&ways(&[Came::Organic, Came::Unnamed])),
            |rows| {
                vec![
                    dates("first_seen_date", rows),
                    text("app_name", rows, |_| "Example"),
                    text("country", rows, |row| row.country),
                    text("os", rows, capital),
                    nullable("adjust_network", rows, |row| {
                        channel(row.came, "Email", ["Google Ads ACI", "Apple Search Ads"], "")
                    }),
                    integers("new_profiles", rows, |row| row.users),
                ]
            },
        )
        .bundled("warehouse"),
    ]
}

/// The one export that is parquet at its source: folders by the day of arrival, which is not that of the install.
fn appsflyer_locker(name: &'static str, first: &[Came]) -> Kind {
    let mut truth = events(&ways(first), true);
    if !first.contains(&Came::Organic) {
        // The first day has no rows of a network.
        let day = truth[0].day;
        truth.iter_mut().filter(|row| row.day == day).for_each(|row| row.came = Came::Unnamed);
    }
    let columns = |rows: &[Truth]| {
        vec![
            nullable("attributed_touch_time", rows, |_| None),
            text("install_time", rows, |row| row.time("%Y-%m-%d %H:%M:%S")),
            text("event_time", rows, |row| row.time("%Y-%m-%d %H:%M:%S")),
            text("event_name", rows, |_| "install"),
            nullable("media_source", rows, |row| channel(row.came, "organic", APPSFLYER, "restricted")),
            nullable("campaign", rows, |row| matches!(row.came, Came::Paid(_)).then_some("spring")),
            text("country_code", rows, uk),
            text("platform", rows, |row| row.os),
            text("language", rows, |_| "English"),
            ids("appsflyer_id", rows),
        ]
    };
    let mut kind = Kind::new(name, truth, |_| vec![]);
    kind.files.clear();
    for day in kind.truth.chunk_by(|a, b| a.day == b.day) {
        let arrival = Truth { day: day[0].day + 1, ..day[0].clone() }.date();
        for (os, app) in [("android", "com.example"), ("ios", "id1000000001")] {
            let rows: Vec<Truth> = day.iter().filter(|row| row.os == os).cloned().collect();
            let folder = format!("t=installs/dt={arrival}/h=late/app_id={app}");
            kind.files.push((format!("{folder}/part-00000.gz"), columns(&rows)));
        }
    }
    kind.bundled("appsflyer-installs")
}

/// The columns of GA4 events; names with a dot are of structs.
fn ga4(rows: &[Truth], country: &'static str, medium: &'static str) -> Vec<Column> {
    let mut columns = vec![
        text("event_date", rows, |row| row.time("%Y%m%d")),
        text("event_name", rows, |row| match (row.is_new, row.os) {
            (true, "ios") => "first_open",
            (true, _) => "first_visit",
            _ => "page_view",
        }),
        integers("user_first_touch_timestamp", rows, Truth::micros),
        text("platform", rows, |row| if row.os == "ios" { "IOS" } else { "WEB" }),
        text(country, rows, |row| country_name(row.country)),
        nullable(medium, rows, |row| match row.came {
            // Direct visits have this medium.
            Came::Organic if row.second % 2 == 0 => Some("(none)"),
            Came::Hidden => None,
            came => channel(came, "organic", ["cpc", "display"], ""),
        }),
        ids("user_pseudo_id", rows),
    ];
    if medium.contains('.') {
        // The struct of the source has more fields, and rows without a struct.
        columns.push(nullable("traffic_source.source", rows, |row| match row.came {
            Came::Hidden => None,
            came => channel(came, "google", ["google", "partner"], ""),
        }));
        columns.push(text("geo.city", rows, |row| row.country.to_lowercase()));
    }
    columns
}

fn apple() -> Kind {
    let truth = facts(&COUNTRIES, &["ios"], &ways(&[Came::Organic, Came::Hidden]));
    // Downloads of all kinds: one row of new users, two of others.
    let kinds = ["First-time download", "Redownload", "Auto-update"];
    let rows: Vec<(Truth, usize)> = truth.iter().flat_map(|row| (0..3).map(|at| (row.clone(), at))).collect();
    let plain: Vec<Truth> = rows.iter().map(|(row, _)| row.clone()).collect();
    let types = rows.iter().map(|(_, at)| Some(kinds[*at].to_owned())).collect();
    let source = |row: &Truth| match row.came {
        Came::Organic if row.users % 2 == 0 => "App Store browse",
        came => channel(came, "App Store search", ["App referrer", "Web referrer"], "Unavailable").unwrap(),
    };
    let columns = vec![
        dates("date", &plain),
        integers("app_id", &plain, |_| 1_000_000_001),
        Column { name: "download_type", data: Data::Text(types) },
        text("device", &plain, |row| if row.country == "US" { "iPad" } else { "iPhone" }),
        text("platform_version", &plain, |_| "iOS 26.1"),
        text("source_type", &plain, source),
        text("territory", &plain, |row| row.country),
        integers("counts", &plain, |row| row.users),
    ];
    let mut kind = Kind::new("19 Apple downloads", truth, |_| vec![]);
    kind.files = vec![("export".into(), columns)];
    kind.bundled("apple-downloads").delimited(b'\t')
}

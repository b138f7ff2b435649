//! Which role the name of a column suggests.

/// A role of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hint {
    /// The time of a row.
    Time,
    /// The number of users.
    Users,
    /// The channel.
    Channel,
    /// The country.
    Country,
    /// The operating system.
    System,
    /// The app.
    App,
}

/// Names that say nothing at the end of a longer one: `app_name`, `event_value`.
const ALONE: [&str; 5] = ["name", "value", "count", "counts", "users"];
/// Names of each role, the likeliest first. A name that ends in one of them, after `_`, is a weaker hint.
const NAMES: [(Hint, &[&str]); 6] = [
    (
        Hint::Time,
        &[
            "install_time",
            "installed_at",
            "install_date",
            "first_seen_date",
            "first_open_date",
            "date_received",
            "start_date",
            "day",
            "date",
            "date_day",
            "event_date",
            "event_timestamp",
            "event_time",
            "timestamp",
            "timestamp_iso",
            "created_at",
            "datetime",
            "first_seen",
            "report_date",
            "submission_date",
            "ds",
            "time",
        ],
    ),
    (
        Hint::Users,
        &[
            "installs",
            "new_users",
            "new_profiles",
            "adn_installs",
            "first_time_downloads",
            "new_installs",
            "total_installs",
            "install_count",
            "registrations",
            "signups",
            "sign_ups",
            "downloads",
            "users",
            "counts",
            "count",
            "value",
        ],
    ),
    (
        Hint::Channel,
        &[
            "media_source",
            "media_source_pid",
            "network",
            "network_name",
            "adjust_network",
            "pid",
            "tracker_name",
            "advertising_partner_name",
            "partner",
            "partner_name",
            "channel",
            "channel_name",
            "acquisition_channel",
            "traffic_source_medium",
            "source_type",
            "traffic_source_type",
            "traffic_source",
            "utm_source",
            "medium",
            "utm_medium",
            "source",
            "channel_group",
            "channel_grouping",
            "ad_network",
            "install_source",
            "name",
        ],
    ),
    (
        Hint::Country,
        &[
            "country_code",
            "country_iso_code",
            "country_iso",
            "geo_country_code",
            "country",
            "country_short",
            "territory",
            "country_field",
            "geo_country",
            "geo",
            "market",
            "storefront",
            "country_name",
            "country_long",
        ],
    ),
    (
        Hint::System,
        &[
            "os_name",
            "os",
            "platform",
            "operating_system",
            "device_os",
            "os_type",
            "client_os",
            "app_platform",
            "device_platform",
            "system",
        ],
    ),
    (
        Hint::App,
        &[
            "app_id",
            "app",
            "app_name",
            "app_token",
            "package_name",
            "bundle_id",
            "application",
            "app_apple_identifier",
        ],
    ),
];

/// Parts of names of times at which something else happened than the arrival of a user.
const OTHER_TIMES: [&str; 13] = [
    "synced",
    "extracted",
    "loaded",
    "processing",
    "processed",
    "updated",
    "touch",
    "click",
    "impression",
    "ingest",
    "modified",
    "deleted",
    "expir",
];
/// Parts of names of columns whose values look like countries, but are something else.
const OTHER_PLACES: [&str; 8] =
    ["lang", "locale", "currency", "state", "region", "city", "carrier", "operator"];

/// A name in small letters, with `_` between its words: `countryCode` and `Country Code` are `country_code`.
pub fn normalised(name: &str) -> String {
    let (mut text, mut was_small) = (String::new(), false);
    for letter in name.chars() {
        if !letter.is_alphanumeric() {
            if !text.ends_with('_') {
                text.push('_');
            }
            was_small = false;
            continue;
        }
        if letter.is_uppercase() && was_small {
            text.push('_');
        }
        text.extend(letter.to_lowercase());
        was_small = letter.is_lowercase();
    }
    text.trim_end_matches('_').to_owned()
}

/// How strongly a normalised name suggests a role, from 1 to 100; 0 if it does not.
pub fn strength(hint: Hint, name: &str) -> u32 {
    let is_excluded = match hint {
        // Connectors put their own columns behind an underscore.
        Hint::Time => name.starts_with('_') || OTHER_TIMES.iter().any(|part| name.contains(part)),
        Hint::Country => OTHER_PLACES.iter().any(|part| name.contains(part)),
        Hint::Users => name.starts_with('_') || name.contains("organic") || name.contains("paid"),
        Hint::Channel => name.contains("campaign"),
        Hint::System | Hint::App => false,
    };
    if is_excluded {
        return 0;
    }
    let names = NAMES.iter().find(|(of, _)| *of == hint).map_or(&[][..], |(_, names)| names);
    let rank = |at: usize| u32::try_from(at).unwrap_or(40).min(40);
    if let Some(at) = names.iter().position(|known| *known == name) {
        // Events and apps have names too.
        return if name == "name" { 5 } else { 100 - rank(at) };
    }
    let ends = |known: &str| {
        known.len() > 3
            && !ALONE.contains(&known)
            && name.strip_suffix(known).is_some_and(|rest| rest.ends_with('_'))
    };
    let weak = names.iter().enumerate().filter(|(_, known)| ends(known)).map(|(at, _)| 50 - rank(at)).max();
    weak.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_word_by_word() {
        for (name, want) in [
            ("countryCode", "country_code"),
            ("Media Source (pid)", "media_source_pid"),
            ("OS_NAME", "os_name"),
            ("_airbyte_extracted_at", "_airbyte_extracted_at"),
            ("Date", "date"),
        ] {
            assert_eq!(normalised(name), want);
        }
    }

    #[test]
    fn names_suggest_roles() {
        assert!(strength(Hint::Time, "install_time") > strength(Hint::Time, "date"));
        assert!(strength(Hint::Country, "user_data_geo_country_code") > 0);
        assert!(strength(Hint::Channel, "last_attributed_touch_data_tilde_advertising_partner_name") > 0);
        for (hint, name) in [
            (Hint::Time, "_fivetran_synced"),
            (Hint::Time, "attributed_touch_time"),
            (Hint::Country, "language"),
            (Hint::Users, "organic_installs"),
            (Hint::Channel, "campaign_name"),
            (Hint::System, "cost"),
            (Hint::Channel, "app_name"),
            (Hint::Users, "event_value"),
        ] {
            assert_eq!(strength(hint, name), 0, "{name}");
        }
    }
}

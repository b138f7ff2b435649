//! Columns that say when and how a row was loaded, and columns of other measures.

/// Beginnings of columns that connectors add: Airbyte, Fivetran, Singer and Stitch, dlt, Hevo.
const PREFIXES: [&str; 6] = ["_airbyte_", "_ab_", "_fivetran_", "_sdc_", "_dlt_", "__hevo_"];

/// Words of what happens to a row on its way, and what may follow them in a name: `inserted_at`, `load_id`.
const LOADED: [&str; 8] =
    ["inserted", "ingested", "loaded", "extracted", "synced", "imported", "updated", "ingestion"];
const LOAD: [&str; 6] = ["load", "sync", "ingest", "batch", "ingestion", "extraction"];
const OF_LOAD: [&str; 7] = ["at", "time", "date", "ts", "timestamp", "id", "hour"];

/// Words of numbers that are measured, not keys.
const MEASURES: &[&str] = &[
    "count",
    "installs",
    "users",
    "clicks",
    "impressions",
    "sessions",
    "events",
    "cost",
    "spend",
    "revenue",
    "conversions",
    "opens",
    "reattributions",
    "reinstalls",
    "uninstalls",
    "downloads",
    "signups",
    "registrations",
    "purchases",
    "views",
    "amount",
];

/// Whether a connector writes a column, or it tells when a row was loaded: `_airbyte_extracted_at`, `_fivetran_synced`,
/// `dataplatform_inserted_at`, `etl_record_processing_hour_utc`. The payload `_airbyte_data` is none.
pub fn is_of_connector(name: &str) -> bool {
    let name = name.to_lowercase();
    if name == "_airbyte_data" {
        return false;
    }
    let words: Vec<&str> = name.split('_').filter(|word| !word.is_empty()).collect();
    let is_pair = |pair: &[&str]| match pair {
        [what, of] => (LOADED.contains(what) || LOAD.contains(what)) && OF_LOAD.contains(of),
        _ => false,
    };
    PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        || words.first() == Some(&"etl")
        || words.windows(2).any(is_pair)
}

/// Whether a column of integers is a measure by its name: `clicks`, `organic_installs`.
pub fn is_of_measure(name: &str) -> bool {
    name.to_lowercase().split('_').any(|word| MEASURES.contains(&word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_of_connectors_are_known_by_their_names() {
        for name in [
            "_airbyte_extracted_at",
            "_AIRBYTE_GENERATION_ID",
            "_airbyte_raw_id",
            "_fivetran_synced",
            "_sdc_batched_at",
            "dataplatform_inserted_at",
            "etl_record_processing_hour_utc",
            "load_date",
            "updated_at",
            "batch_id",
        ] {
            assert!(is_of_connector(name), "{name}");
        }
        for name in [
            "_airbyte_data",
            "date",
            "created_at",
            "install_time",
            "download_type",
            "download_date",
            "upload_date",
            "network",
            "campaign_id",
            "downloaded_at",
        ] {
            assert!(!is_of_connector(name), "{name}");
        }
        assert!(
            is_of_measure("Clicks") && is_of_measure("organic_installs") && !is_of_measure("campaign_id")
        );
    }
}

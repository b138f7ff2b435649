//! Parquet, as far as a scan needs it.

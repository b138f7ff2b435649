//! Columns as ids and runs.

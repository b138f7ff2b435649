//! The data that benchmarks run on: the generated sample, made once under `target/`.

use std::path::PathBuf;

use rollshare::internals::sample::{self, Layout, Options};
use rollshare::internals::scan::NoProgress;
use rollshare::internals::storage::{self, Input};

/// Rows of the sample; the seed is always 1.
pub fn rows() -> u64 {
    let given = std::env::var("ROLLSHARE_BENCH_ROWS").ok();
    given.map_or(2_000_000, |rows| rows.parse().expect("ROLLSHARE_BENCH_ROWS: a number of rows"))
}

/// The sample in this layout.
pub fn inputs(layout: Layout) -> Vec<Input> {
    let rows = rows();
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/bench-data");
    // Another version of the generator must not be measured on files of this one.
    let path = folder.join(format!("{layout}-{rows}-{}.parquet", env!("CARGO_PKG_VERSION")));
    if !path.exists() {
        std::fs::create_dir_all(&folder).expect("a folder for samples");
        sample::write(&Options { rows, layout, seed: 1 }, &path, &NoProgress).expect("the sample is written");
    }
    let source = path.to_string_lossy().into_owned();
    storage::discover(&[source], rollshare::Semantics::Iso).expect("the sample is there").inputs
}

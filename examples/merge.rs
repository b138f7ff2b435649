//! Sums two halves of the input files separately, as two workers would, and shows that the merged
//! partial aggregates give the table of a scan over all files.
//!
//! ```sh
//! cargo run --release --example merge -- exports/first.parquet exports/second.parquet
//! ```

use rollshare::{Job, NoProgress, Partial, Result, ScanOptions, Semantics, Table, discover, finish, scan};

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let sources: Vec<String> = std::env::args().skip(1).collect();
    let job = Job::default().validated()?;
    let inputs = discover(&sources, Semantics::Iso)?.inputs;
    if inputs.len() < 2 {
        return Err("usage: merge SOURCE..., with at least two files".into());
    }
    let sum = |inputs: &[_]| -> Result<Partial> {
        let (partial, _profile) = scan(&job, inputs, &ScanOptions::default(), &NoProgress)?;
        Ok(partial)
    };

    // A partial aggregate serialises with serde, so the halves may be summed by different processes.
    let (first, second) = inputs.split_at(inputs.len() / 2);
    let (first, second) = (sum(first)?, sum(second)?);

    // Sums are exact, so the order of merging does not matter.
    let merged: Table = finish(&job, &second.merge(first)?)?;
    let whole: Table = finish(&job, &sum(&inputs)?)?;
    if merged != whole {
        return Err("the merged table differs from the table of all files".into());
    }
    println!("{} rows: the merged halves and all files give the same table", merged.rows());
    Ok(())
}

//! Reads the files, folders or globs given as arguments and prints the share table as CSV.
//!
//! ```sh
//! cargo run --release --example shares -- exports/
//! ```

use std::error::Error;
use std::io::{self, Write};

use rollshare::{Format, Job, NoProgress, ScanOptions, Semantics, discover, finish, scan};

fn main() -> Result<(), Box<dyn Error>> {
    let sources: Vec<String> = std::env::args().skip(1).collect();
    if sources.is_empty() {
        return Err("usage: shares SOURCE...".into());
    }

    // Windows of 4 and 13 weeks, with counts, Wilson bounds and changes.
    let job = Job { windows: vec![4, 13], details: true, ..Job::default() }.validated()?;

    let found = discover(&sources, Semantics::Iso)?;
    let (partial, profile) = scan(&job, &found.inputs, &ScanOptions::default(), &NoProgress)?;
    let table = finish(&job, &partial)?;

    let mut out = io::BufWriter::new(io::stdout().lock());
    Format::Csv.write(&table, &mut out)?;
    out.flush()?;
    eprintln!("{} rows from {} files, {} bytes read", table.rows(), profile.files, profile.bytes_read);
    Ok(())
}

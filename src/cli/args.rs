//! The command line.

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::checks::Config;
use crate::job::{Columns, Grain, Job, Semantics};
use crate::pipeline::{Checks, RunOptions};
use crate::{Result, calendar, sample};

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default());

const EXAMPLES: &str = "\
Examples:
  rollshare run --source exports/                        the table on the terminal
  rollshare run --source exports/ --target share.parquet
  rollshare run --source 'exports/2021-*.parquet' --target share/ --window 4 --window 12
  rollshare run --source exports/ --target - --details | less
  rollshare run --source old.parquet --semantics legacy --target legacy.csv
  rollshare promote RUN --target share.parquet           a blocked run, after you have looked
  rollshare check --source exports/
  rollshare compare --source exports/ --against old_output/
  rollshare report --target share.parquet
  rollshare sample --rows 1000000 --out sample.parquet

Exit codes: 0 published, 2 wrong usage, 3 bad input, 4 a check that blocks failed,
5 a check could not run, 6 input or output failed.";

const RUN_EXAMPLES: &str = "\
Examples:
  rollshare run --source exports/
  rollshare run --source exports/ --target share.parquet --explain
  rollshare run --source exports/ --organic Organic --organic 'Google Organic Search'
  rollshare run --source exports/ --column value=installs --column country=market
  rollshare run --source exports/ --grain day --window 28 --target daily/
  rollshare run --source exports/ --target share/ --state state/    a day at a time
  rollshare run --source exports/ --target share.csv --json > summary.json
  rollshare run --source exports/ --target share/ --checks checks.toml
  rollshare run --source exports/ --target share/ --allow-restatement 2026_10..2026_12

Targets:
  X.parquet  snappy parquet      DIR/  folder with one part and _SUCCESS, as Spark leaves it
  X.csv      CSV                 -     CSV on stdout
  X.json     an object a line          (none) a readable table on the terminal

The rows are checked, then the table, then both against what was published before; what blocks
keeps the target as it is, and the table goes to _rollshare/quarantine/RUN/ beside it.
With --json one object goes to stdout (to stderr with --target -), for an error too.
Exit codes: 0 published, 2 wrong usage, 3 bad input, 4 a check that blocks failed,
5 a check could not run, 6 input or output failed.";

const CHECK_EXAMPLES: &str = "\
Examples:
  rollshare check --source exports/
  rollshare check --source exports/ --init > checks.toml
  rollshare check --source exports/ --checks checks.toml --json > results.json

Exit codes: 0 nothing blocks, 2 wrong usage, 3 bad input, 4 a blocking check failed,
5 a check could not run, 6 input or output failed.";

const COMPARE_EXAMPLES: &str = "\
Examples:
  rollshare compare --source exports/ --against old_output/
  rollshare compare --source exports/ --against old_output/ --json > differences.json

The old output has the columns year, week, country and share_organic_p4w (pN for a window of N weeks).
Exit codes: 0 compared, whatever differs, 2 wrong usage, 3 bad input, 6 input or output failed.";

/// The rolling share of organic users per country and ISO week, straight from parquet.
#[derive(Debug, Parser)]
#[command(name = "rollshare", version, styles = STYLES, after_help = EXAMPLES, max_term_width = 110)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Read parquet exports and publish the share table
    Run(Box<Run>),
    /// Publish the table of a run that was blocked, after you have looked at it
    Promote(Promote),
    /// Check exports and the table that they would give, and publish nothing
    Check(Box<Check>),
    /// Explain every row of an old job's output that differs from the right answer
    Compare(Compare),
    /// Show what a run has found, or list the runs of a target
    Report(Report),
    /// Write a deterministic sample export
    Sample(Sample),
    /// Print a completion script, e.g. `rollshare completions bash`
    Completions {
        /// Shell
        shell: clap_complete::Shell,
    },
}

/// What is asked of which files.
#[derive(Debug, Args)]
pub struct Question {
    /// File, folder (nested, hive-partitioned) or glob, or s3:// where built in; may be given several times
    #[arg(long, short, required = true, num_args = 1.., value_name = "PATH", value_hint = clap::ValueHint::AnyPath)]
    pub source: Vec<String>,
    /// Whose answer: the right one, or what the original PySpark job published
    #[arg(long, value_enum, default_value_t = SemanticsArg::Iso)]
    pub semantics: SemanticsArg,
    /// Length of a window in weeks (days with --grain day); may be given several times
    #[arg(long, short, value_name = "N", value_delimiter = ',', default_value = "4", value_parser = clap::value_parser!(u32).range(1..))]
    pub window: Vec<u32>,
    /// Add counts, Wilson 95 % bounds and change to each share
    #[arg(long)]
    pub details: bool,
    /// Step of the time axis
    #[arg(long, value_enum, default_value_t = GrainArg::Week)]
    pub grain: GrainArg,
    /// Channel that counts as organic; may be given several times
    #[arg(long, value_name = "NAME", default_value = "Organic")]
    pub organic: Vec<String>,
    /// Country that is the total over countries, and left out
    #[arg(long, value_name = "NAME", default_value = "ALL")]
    pub country_total: String,
    /// Operating system that is the total over systems, the only one counted
    #[arg(long, value_name = "NAME", default_value = "all")]
    pub os_total: String,
    /// Name of an input column, e.g. value=installs; roles: name, value, year_week, country, os_name, start_date
    #[arg(long, value_name = "ROLE=NAME", value_parser = role)]
    pub column: Vec<(String, String)>,
    /// Threads [default: one a core]
    #[arg(long, value_name = "N", env = "ROLLSHARE_THREADS", hide_env_values = true, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
}

/// `rollshare run`.
#[derive(Debug, Args)]
#[command(after_help = RUN_EXAMPLES)]
pub struct Run {
    /// Sources and meaning
    #[command(flatten)]
    pub question: Question,
    /// Where to publish, local or s3:// where built in; see Targets below
    #[arg(long, short, value_name = "PATH", allow_hyphen_values = true, value_hint = clap::ValueHint::AnyPath)]
    pub target: Option<String>,
    /// Bounds and severities of the checks [default: those of docs/quality.md]
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub checks: Option<std::path::PathBuf>,
    /// Publish without checking anything; the history stays as it is
    #[arg(long, conflicts_with_all = ["checks", "warn_only", "allow_restatement"])]
    pub no_checks: bool,
    /// Check, tell, and publish whatever the checks say
    #[arg(long)]
    pub warn_only: bool,
    /// Weeks that were published and may change, e.g. 2026_10..2026_12; may be given several times
    #[arg(long, value_name = "WEEK..WEEK", value_parser = weeks)]
    pub allow_restatement: Vec<(i32, i32)>,
    /// Folder that keeps what files sum to, so that unchanged ones are not summed again
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub state: Option<String>,
    /// Say what the scan read, skipped and chose
    #[arg(long)]
    pub explain: bool,
    /// The summary as one JSON object
    #[arg(long)]
    pub json: bool,
    /// No summary and no progress bar
    #[arg(long, short)]
    pub quiet: bool,
}

const REPORT_EXAMPLES: &str = "\
Examples:
  rollshare report --target share.parquet                          the runs
  rollshare report latest --target share.parquet
  rollshare report 20261125T06 --target share.parquet --html report.html
  rollshare report latest --target share.parquet --json > report.json

Exit codes: 0 shown, 2 no such run, 3 no report, 6 input or output failed.";

const PROMOTE_EXAMPLES: &str = "\
Examples:
  rollshare promote 20261125T134505.042Z-1a2b3c4d --target share.parquet

The run's name and where its table lies are in what the run said. The table is published as it
was computed then, and from then on it teaches the checks. Weeks that should not teach are named
as [[incidents]] in the file of checks.

Exit codes: 0 published, 2 wrong usage or no such run, 6 input or output failed.";

/// `rollshare promote`.
#[derive(Debug, Args)]
#[command(after_help = PROMOTE_EXAMPLES)]
pub struct Promote {
    /// The run, as it is called in its report and in quarantine
    #[arg(value_name = "RUN")]
    pub run: String,
    /// The target at which it was blocked
    #[arg(long, short, value_name = "PATH", value_hint = clap::ValueHint::AnyPath)]
    pub target: String,
    #[allow(rustdoc::broken_intra_doc_links)] // the help shows it as it is
    /// The file of checks, for what it says under [keep]
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub checks: Option<std::path::PathBuf>,
    /// The run's report as one JSON object
    #[arg(long)]
    pub json: bool,
    /// Say nothing
    #[arg(long, short)]
    pub quiet: bool,
}

/// `rollshare check`.
#[derive(Debug, Args)]
#[command(after_help = CHECK_EXAMPLES)]
pub struct Check {
    /// Sources and meaning
    #[command(flatten)]
    pub question: Question,
    /// Bounds and severities [default: those of docs/quality.md]
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub checks: Option<std::path::PathBuf>,
    /// Print a file of checks to start from, with the lists as they are in the data
    #[arg(long)]
    pub init: bool,
    /// The results as one JSON object
    #[arg(long, conflicts_with = "init")]
    pub json: bool,
    /// Only what does not pass, and no progress bar
    #[arg(long, short)]
    pub quiet: bool,
}

/// `rollshare compare`.
#[derive(Debug, Args)]
#[command(after_help = COMPARE_EXAMPLES)]
pub struct Compare {
    /// What the old job has read: file, folder or glob; may be given several times
    #[arg(long, short, required = true, num_args = 1.., value_name = "PATH", value_hint = clap::ValueHint::AnyPath)]
    pub source: Vec<String>,
    /// What it has published: a folder as Spark leaves it, or a parquet file
    #[arg(long, value_name = "PATH", value_hint = clap::ValueHint::AnyPath)]
    pub against: String,
    /// Length of its window in weeks
    #[arg(long, short, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..))]
    pub window: u32,
    /// Name of an input column, e.g. value=installs; roles: name, value, year_week, country, os_name, start_date
    #[arg(long, value_name = "ROLE=NAME", value_parser = role)]
    pub column: Vec<(String, String)>,
    /// The differences as one JSON object
    #[arg(long)]
    pub json: bool,
    /// No progress bar and no time
    #[arg(long, short)]
    pub quiet: bool,
}

impl Compare {
    /// The question that the old job answered.
    pub fn job(&self) -> Result<Job> {
        let mut job = Job { semantics: Semantics::Legacy, windows: vec![self.window], ..Job::default() };
        for (role, name) in &self.column {
            job.columns.set(role, name)?;
        }
        job.validated()
    }
}

/// `rollshare report`.
#[derive(Debug, Args)]
#[command(after_help = REPORT_EXAMPLES)]
pub struct Report {
    /// Name of the run, or its beginning; `latest`; or a report X.json [default: list the runs]
    #[arg(value_name = "RUN")]
    pub run: Option<String>,
    /// The target of the runs
    #[arg(long, short, value_name = "PATH", value_hint = clap::ValueHint::AnyPath)]
    pub target: Option<String>,
    /// Write one self-contained HTML page; - for stdout
    #[arg(long, value_name = "FILE", conflicts_with = "json", value_hint = clap::ValueHint::FilePath)]
    pub html: Option<std::path::PathBuf>,
    /// The report as one JSON object
    #[arg(long)]
    pub json: bool,
}

/// `rollshare sample`.
#[derive(Debug, Args)]
pub struct Sample {
    /// Rows, exactly
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub rows: u64,
    /// File to write; a folder with --layout daily
    #[arg(long, short, value_name = "PATH", value_hint = clap::ValueHint::AnyPath)]
    pub out: std::path::PathBuf,
    /// How the rows lie in files
    #[arg(long, value_enum, default_value_t = LayoutArg::Export)]
    pub layout: LayoutArg,
    /// The same seed gives the same bytes
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// No summary and no progress bar
    #[arg(long, short)]
    pub quiet: bool,
}

/// [`Semantics`] as an argument.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum SemanticsArg {
    /// Calendar weeks across years, every week of the axis for every country
    Iso,
    /// What the PySpark job published, for proving a migration
    Legacy,
}

/// [`Grain`] as an argument.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum GrainArg {
    /// ISO weeks
    Week,
    /// Days
    Day,
}

/// [`sample::Layout`] as an argument.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum LayoutArg {
    /// One file in the order of the real export
    Export,
    /// One file in random order
    Shuffled,
    /// A folder with a file a day
    Daily,
    /// One file with one row group, as Spark writes it
    Spark,
}

impl From<LayoutArg> for sample::Layout {
    fn from(layout: LayoutArg) -> Self {
        match layout {
            LayoutArg::Export => sample::Layout::Export,
            LayoutArg::Shuffled => sample::Layout::Shuffled,
            LayoutArg::Daily => sample::Layout::Daily,
            LayoutArg::Spark => sample::Layout::Spark,
        }
    }
}

impl Question {
    /// The question that the arguments ask.
    pub fn job(&self) -> Result<Job> {
        let mut columns = Columns::default();
        for (role, name) in &self.column {
            columns.set(role, name)?;
        }
        let job = Job {
            semantics: match self.semantics {
                SemanticsArg::Iso => Semantics::Iso,
                SemanticsArg::Legacy => Semantics::Legacy,
            },
            grain: match self.grain {
                GrainArg::Week => Grain::Week,
                GrainArg::Day => Grain::Day,
            },
            windows: self.window.clone(),
            details: self.details,
            organic: self.organic.clone(),
            country_total: self.country_total.clone(),
            os_total: self.os_total.clone(),
            columns,
        };
        job.validated()
    }
}

impl Run {
    /// What the pipeline is asked for.
    pub fn options(&self) -> Result<RunOptions> {
        let config = self.checks.as_deref().map(Config::read).transpose()?.unwrap_or_default();
        Ok(RunOptions {
            job: self.question.job()?,
            sources: self.question.source.clone(),
            target: self.target.clone(),
            state: self.state.clone(),
            threads: self.question.threads.map(Into::into),
            checks: match (self.no_checks, self.warn_only) {
                (true, _) => Checks::Off,
                (_, true) => Checks::WarnOnly,
                _ => Checks::Block,
            },
            config,
            allow_restatement: self.allow_restatement.clone(),
        })
    }
}

/// Weeks as `WEEK..WEEK` or `WEEK`, both ends included.
fn weeks(text: &str) -> std::result::Result<(i32, i32), String> {
    let (first, last) = text.split_once("..").unwrap_or((text, text));
    let week = |label: &str| {
        calendar::parse_label(label.as_bytes()).ok_or_else(|| format!("'{label}' is no ISO week yyyy_ww"))
    };
    let (first, last) = (week(first)?, week(last)?);
    if first > last {
        return Err("the first week comes after the last".into());
    }
    Ok((first, last))
}

fn role(text: &str) -> std::result::Result<(String, String), String> {
    let (role, name) = text.split_once('=').ok_or("expected ROLE=NAME, e.g. value=installs")?;
    Columns::default().set(role, name).map_err(|e| e.to_string())?;
    Ok((role.to_owned(), name.to_owned()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn job(arguments: &str) -> Job {
        let line = format!("rollshare run --source x {arguments}");
        let Command::Run(run) =
            Cli::try_parse_from(line.split(' ').filter(|a| !a.is_empty())).unwrap().command
        else {
            panic!("not run");
        };
        run.question.job().unwrap()
    }

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn no_arguments_ask_the_default_job() {
        assert_eq!(job(""), Job::default());
    }

    #[test]
    fn arguments_replace_defaults() {
        let asked =
            job("--organic A --organic B --window 12 --window 4 --grain day --column value=installs \
                         --country-total WORLD --os-total any --details");
        assert_eq!(asked.organic, ["A", "B"]);
        assert_eq!(asked.windows, [4, 12]);
        assert_eq!((asked.grain, asked.details), (Grain::Day, true));
        assert_eq!(asked.columns.value, "installs");
        assert_eq!((&*asked.country_total, &*asked.os_total), ("WORLD", "any"));
        assert_eq!(job("--semantics legacy --window 4,8").windows, [4, 8]);
    }

    #[test]
    fn nonsense_is_refused() {
        for bad in
            ["--window 0", "--window x", "--threads 0", "--column value", "--column nope=x", "--grain hour"]
        {
            let line = format!("rollshare run --source x {bad}");
            assert_eq!(Cli::try_parse_from(line.split(' ')).unwrap_err().exit_code(), 2, "{bad}");
        }
    }
}

//! The command line.

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::calendar::label::LabelForm;
use crate::calendar::period::Weekday;
use crate::checks::Config;
use crate::job::{Grain, Job, Semantics, WINDOW_MAX};
use crate::pipeline::{Checks, RunOptions};
use crate::profile::entries::Entries;
use crate::profile::read::BUNDLED;
use crate::profile::{Class, Condition, Profile, TimeUnit};
use crate::table::{Only, View};
use crate::{Error, Result, escape, sample};

/// The value of --with-total that stands for all dimensions of the key.
const ALL_DIMENSIONS: &str = "*";

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default());

const EXAMPLES: &str = "\
Examples:
  rollshare run exports/                                 print the table to the terminal
  rollshare run exports/ --target share.parquet
  rollshare run --source 'exports/2021-*.parquet' --target share/ --window 4 --window 12
  rollshare run --source exports/ --target - --details | less
  rollshare run --source facts.parquet --profile facts.toml --by country,os
  rollshare profile exports/ > p.toml                    infer the profile of another export
  rollshare run --source old.parquet --semantics legacy --target legacy.csv
  rollshare promote RUN --target share.parquet           publish a blocked run after a review
  rollshare check --source exports/
  rollshare compare --source exports/ --against old_output/
  rollshare report --target share.parquet
  rollshare why GB 2023_41 --source exports/
  rollshare sample --rows 1M --out sample.parquet
  rollshare open share.parquet                           the page of the last run

docs/profiles.md says how to describe an export by a profile.
Exit codes: 0 success, 2 wrong usage, 3 bad input or no row that counts, 4 a blocking check failed,
5 a blocking check could not run, 6 input or output failed, 7 published, but not added to the history,
130 or 143 ended by a signal.";

const RUN_EXAMPLES: &str = "\
Examples:
  rollshare run exports/
  rollshare run --source exports/ --target share.parquet --explain
  rollshare run --source exports/ --organic Organic --organic 'Google Organic Search'
  rollshare run --source exports/ --users installs --total country=World
  rollshare run --source exports/ --grain day --window 28 --target daily/
  rollshare run --source exports/ --target share/ --state state/    reuse the sums of unchanged files
  rollshare run --source exports/ --target share.csv --json > summary.json
  rollshare run --source exports/ --target share/ --checks checks.toml
  rollshare run --source exports/ --target share/ --allow-restatement 2026_10..2026_12
  rollshare run exports/ --only country=GB,FR --last 8              a part of the table
  rollshare run exports/ --target share.parquet --dates             with week_start, to join by date

Other exports than the default profile's:
  rollshare run --source facts/ --profile facts.toml --by country,os --target share.parquet
  rollshare run --source facts/ --profile facts.toml --by country,os --with-total=os
  rollshare run --source facts/ --profile facts.toml --by none --grain month --window 3
  rollshare run --source facts/ --profile facts.toml --share-of channel --target channels.csv
  rollshare run --source events/ --profile events.toml --zone Europe/Berlin --where type=install
  rollshare run --source facts/ --date day --users installs --channel network --dimension os=platform --by os

Targets:
  X.parquet  parquet, snappy      DIR/  folder with one part and _SUCCESS, as Spark writes it
  X.csv      CSV                  -     CSV on stdout; --csv-safe for spreadsheets
  X.json     one object per line  (none) a readable table on the terminal

Views:
  --only and --last choose rows of the finished table: every number is that of the whole table, and all
  rows are checked. A part of the table is an extract, not a publication: it is compared with no history
  and leaves no report, and a target that has a history is refused.

The run checks the rows, then the table, then compares the sums with those published before.
If a check blocks, the target is left as it is, and the table is written to
_rollshare/quarantine/RUN/ beside it.
--json prints one object to stdout (to stderr with --target -), also for an error.
Exit codes: 0 published, 2 wrong usage, 3 bad input or no row that counts, 4 a blocking check failed,
5 a blocking check could not run, 6 input or output failed, 7 published, but the history could not be
updated (the table is right; the next run is compared with older sums).";

const CHECK_EXAMPLES: &str = "\
Examples:
  rollshare check --source exports/
  rollshare check --source facts/ --profile facts.toml --by country,os
  rollshare check --source exports/ --init > checks.toml
  rollshare check --source exports/ --checks checks.toml --json > results.json

Exit codes: 0 no check blocks, 2 wrong usage, 3 bad input, 4 a blocking check failed,
5 a blocking check could not run, 6 input or output failed.";

const COMPARE_EXAMPLES: &str = "\
Examples:
  rollshare compare --source exports/ --against old_output/
  rollshare compare --source exports/ --against old_output/ --json > differences.json

The exports must have the default profile; --column gives other names of columns. The old output must have
the columns year, week, country and share_organic_p4w (pN for a window of N weeks).
Exit codes: 0 compared, also if rows differ, 2 wrong usage, 3 bad input, 6 input or output failed.";

const PROFILE_EXAMPLES: &str = "\
Examples:
  rollshare profile exports/ > p.toml && rollshare run --source exports/ --profile p.toml
  rollshare profile --source 's3://bucket/installs/*.parquet' > installs.toml
  rollshare profile --list                               the bundled profiles
  rollshare profile --show appsflyer-installs > p.toml

The profile is printed to stdout, with what was found as comments. What a person should look at
is also printed to stderr. It is inferred from at most 100,000 rows of at most 16 files.
Exit codes: 0 printed, 2 wrong usage, 3 bad input, or no column of times, channels or countries,
6 input or output failed.";

/// Computes the rolling share of organic users from parquet exports, per country and ISO week or any other key.
#[derive(Debug, Parser)]
#[command(name = "rollshare", version, styles = STYLES, after_help = EXAMPLES, max_term_width = 110)]
pub struct Cli {
    /// The subcommand.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Read parquet exports, check them, and publish the table of organic shares
    Run(Box<Run>),
    /// Publish the table of a blocked run after a review
    Promote(Promote),
    /// Check exports and the table computed from them without publishing
    Check(Box<Check>),
    /// Explain each row of an old job's output that differs from the calendar-correct table
    Compare(Compare),
    /// Show the report of a run, or list the runs of a target
    Report(Report),
    /// Open the page of the last run of a target, or print its path
    Open(Open),
    /// Explain the change of a share by what each channel contributed to it
    Why(Box<Why>),
    /// Infer the profile of an export from its columns and a sample of its rows, and print it as TOML
    Profile(Infer),
    /// Write a deterministic sample export
    Sample(Sample),
    /// Print a completion script, e.g. `rollshare completions bash`
    Completions {
        /// Shell
        shell: clap_complete::Shell,
    },
}

/// The sources, with or without `--source`.
#[derive(Debug, Args)]
pub struct Sources {
    /// Same as --source PATH
    #[arg(value_name = "PATH", value_hint = clap::ValueHint::AnyPath)]
    paths: Vec<String>,
    /// File, folder (nested or hive-partitioned), glob, or s3:// URI if built in; may be repeated. Parquet, or text
    /// with a header (CSV, TSV), plain, gzipped or zstd
    #[arg(long, short, required_unless_present = "paths", num_args = 1.., value_name = "PATH", value_hint = clap::ValueHint::AnyPath)]
    source: Vec<String>,
}

impl Sources {
    /// All sources.
    pub fn all(&self) -> Vec<String> {
        [self.source.as_slice(), &self.paths].concat()
    }
}

/// The sources and the job.
#[derive(Debug, Args)]
pub struct Question {
    /// Sources
    #[command(flatten)]
    pub sources: Sources,
    /// `iso`: calendar-correct (default); `legacy`: reproduces the original PySpark job
    #[arg(long, value_enum, default_value_t = SemanticsArg::Iso)]
    pub semantics: SemanticsArg,
    /// Length of the rolling window in steps of --grain; may be repeated
    #[arg(long, short, value_name = "N", value_delimiter = ',', default_value = "4", value_parser = window)]
    pub window: Vec<u32>,
    /// Add columns for each share: counts, Wilson 95 % bounds, change, organic per paid, the year before
    #[arg(long)]
    pub details: bool,
    /// Add the first day of each week or month as a date, week_start or month_start, to join or draw by
    #[arg(long)]
    pub dates: bool,
    /// Step of the time axis
    #[arg(long, value_enum, default_value_t = GrainArg::Week)]
    pub grain: GrainArg,
    /// Dimensions that the table is grouped by, in the order of its columns, e.g. country,os; `none` for the world
    #[arg(long, value_name = "DIMENSION", value_delimiter = ',', default_value = "country")]
    pub by: Vec<String>,
    /// Add the rows of the table without a dimension of --by; without a value, for all of them
    #[arg(long, value_name = "DIMENSION", value_delimiter = ',', num_args = 0..=1, require_equals = true, default_missing_value = ALL_DIMENSIONS)]
    pub with_total: Vec<String>,
    /// Which share: that of `organic` users, or that of each `channel`, a row each
    #[arg(long, value_enum, default_value_t = ShareArg::Organic)]
    pub share_of: ShareArg,
    /// Number of threads [default: one per core]
    #[arg(long, value_name = "N", env = "ROLLSHARE_THREADS", hide_env_values = true, value_parser = threads)]
    pub threads: Option<u16>,
    /// What the columns mean
    #[command(flatten)]
    pub export: Export,
}

/// What the columns of the export mean: a profile, and single entries of it.
#[derive(Debug, Args)]
#[command(next_help_heading = "Profile, and single entries of it")]
pub struct Export {
    /// What the columns of the export mean: a TOML file or the name of a bundled profile
    #[arg(long, help = profile_help(), value_name = "FILE|NAME", value_hint = clap::ValueHint::FilePath)]
    pub profile: Option<String>,
    /// Column of dates or times
    #[arg(long, value_name = "COLUMN")]
    pub date: Option<String>,
    /// Unit of integer dates: s, ms, us, ns or day
    #[arg(long, value_name = "UNIT")]
    pub date_unit: Option<TimeUnit>,
    /// Column of ISO week labels; used for weeks, in files that have it
    #[arg(long, value_name = "COLUMN")]
    pub label: Option<String>,
    /// Time zone on whose calendar instants are put, e.g. Europe/Berlin [default: UTC]
    #[arg(long, value_name = "ZONE")]
    pub zone: Option<String>,
    /// First day of the week; another day than monday drops the week labels of the profile
    #[arg(long, value_name = "DAY")]
    pub week_start: Option<Weekday>,
    /// Days that the export takes to settle, 3 unless set: published weeks that end later may change
    #[arg(long, value_name = "DAYS")]
    pub settle_days: Option<u32>,
    /// Column of the number of new users
    #[arg(long, value_name = "COLUMN", conflicts_with = "count_rows")]
    pub users: Option<String>,
    /// Each row is one new user
    #[arg(long)]
    pub count_rows: bool,
    /// Column of channels
    #[arg(long, value_name = "COLUMN")]
    pub channel: Option<String>,
    /// Channel that is organic, every other one is paid; may be repeated
    #[arg(long, value_name = "NAME", conflicts_with = "paid")]
    pub organic: Vec<String>,
    /// Channel that is paid, every other one is organic; may be repeated
    #[arg(long, value_name = "NAME")]
    pub paid: Vec<String>,
    /// Channel that is in neither sum; may be repeated
    #[arg(long, value_name = "NAME")]
    pub exclude: Vec<String>,
    /// Class of rows without a channel: organic, paid or excluded
    #[arg(long, value_name = "CLASS")]
    pub null_channel: Option<Class>,
    /// Compare channels without regard to case
    #[arg(long)]
    pub ignore_case: bool,
    /// Column of a dimension, e.g. os=platform; may be repeated
    #[arg(long, value_name = "NAME=COLUMN", value_parser = pair)]
    pub dimension: Vec<(String, String)>,
    /// Member of the total rows of a dimension, which sum all others, e.g. os=all; may be repeated
    #[arg(long, value_name = "NAME=MEMBER", value_parser = pair)]
    pub total: Vec<(String, String)>,
    /// Whether a dimension has total rows: auto (if there are any), off or required, e.g. os=off; may be repeated
    #[arg(long, value_name = "NAME=MODE", value_parser = pair)]
    pub total_rows: Vec<(String, String)>,
    /// Condition on the rows that count, e.g. type=install or 'deleted!=true'; may be repeated
    #[arg(long = "where", value_name = "COLUMN=VALUE")]
    pub conditions: Vec<String>,
    /// Column of a role of the default profile, e.g. value=installs; roles: name, value, year_week, start_date,
    /// country, os_name
    #[arg(long, value_name = "ROLE=NAME", value_parser = role)]
    pub column: Vec<(String, String)>,
    /// Same as --total country=NAME
    #[arg(long, value_name = "NAME")]
    pub country_total: Option<String>,
    /// Same as --total os_name=NAME
    #[arg(long, value_name = "NAME")]
    pub os_total: Option<String>,
}

/// `rollshare run`.
#[derive(Debug, Args)]
#[command(after_help = RUN_EXAMPLES)]
pub struct Run {
    /// Sources and job
    #[command(flatten)]
    pub question: Question,
    /// Where to publish: a local path, or an s3:// URI if built in; see Targets below
    #[arg(help_heading = "Target, checks and output", long, short, value_name = "PATH", allow_hyphen_values = true, value_hint = clap::ValueHint::AnyPath)]
    pub target: Option<String>,
    /// Configuration of the checks, a TOML file or its s3:// URI if built in [default: see docs/quality.md]
    #[arg(help_heading = "Target, checks and output", long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub checks: Option<std::path::PathBuf>,
    /// Skip all checks; the history is not updated
    #[arg(help_heading = "Target, checks and output", long, conflicts_with_all = ["checks", "warn_only", "allow_restatement"])]
    pub no_checks: bool,
    /// Run the checks and report their results, but publish in any case
    #[arg(help_heading = "Target, checks and output", long)]
    pub warn_only: bool,
    /// Publish an empty table if the source has no rows, instead of failing
    #[arg(help_heading = "Target, checks and output", long)]
    pub allow_empty: bool,
    /// In CSV, put an apostrophe before names that a spreadsheet would take for a formula: those that begin with =, +, -,
    /// @ or a control character
    #[arg(help_heading = "Target, checks and output", long)]
    pub csv_safe: bool,
    /// Show or write only rows of these members of a column of the key, e.g. country=GB,FR; may be repeated. All rows are
    /// computed and checked; see Views below
    #[arg(help_heading = "Target, checks and output", long, value_name = "COLUMN=MEMBER,...")]
    pub only: Vec<Only>,
    /// Show or write only the last N periods; see Views below
    #[arg(help_heading = "Target, checks and output", long, value_name = "N", value_parser = window)]
    pub last: Option<u32>,
    /// Published weeks that are allowed to change, e.g. 2026_10..2026_12; may be repeated
    #[arg(help_heading = "Target, checks and output", long, value_name = "WEEK..WEEK", value_parser = weeks)]
    pub allow_restatement: Vec<(i32, i32)>,
    /// Folder that caches the sums of files, so that unchanged files are not read again
    #[arg(help_heading = "Target, checks and output", long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub state: Option<String>,
    /// Also print bytes and pages read, scan paths and the time of each phase
    #[arg(help_heading = "Target, checks and output", long)]
    pub explain: bool,
    /// Print the summary as one JSON object
    #[arg(help_heading = "Target, checks and output", long)]
    pub json: bool,
    /// Print no summary and no progress bar
    #[arg(help_heading = "Target, checks and output", long, short)]
    pub quiet: bool,
}

const REPORT_EXAMPLES: &str = "\
Examples:
  rollshare report --target share.parquet                          list the runs
  rollshare report latest --target share.parquet
  rollshare report 20261125T06 --target share.parquet --html report.html
  rollshare report latest --target share.parquet --json > report.json
  rollshare report latest --target share.parquet --text | mail -s 'Organic share' team@example.org
  rollshare report latest --target share.parquet --png share.png
  rollshare report latest --target share.parquet --profile > profile.toml

Exit codes: 0 success, 2 no such run, 3 no report, 6 input or output failed.";

const PROMOTE_EXAMPLES: &str = "\
Examples:
  rollshare promote 20261125T134505.042Z-1a2b3c4d --target share.parquet
  rollshare promote latest --target share.parquet

The summary of the blocked run shows its name and the path of its table. The table is published as
it was computed, and its sums are added to the history. To exclude weeks from the baselines of later
checks, list them as [[incidents]] in the configuration of the checks.

Exit codes: 0 published, 2 wrong usage or no such run, 6 input or output failed.";

/// `rollshare promote`.
#[derive(Debug, Args)]
#[command(after_help = PROMOTE_EXAMPLES)]
pub struct Promote {
    /// Name of the run or a unique prefix of it, or `latest`
    #[arg(value_name = "RUN")]
    pub run: String,
    /// Target of the blocked run
    #[arg(long, short, value_name = "PATH", value_hint = clap::ValueHint::AnyPath)]
    pub target: String,
    #[allow(rustdoc::broken_intra_doc_links)] // the help text contains brackets
    /// Configuration of the checks; only its section [keep] is used
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub checks: Option<std::path::PathBuf>,
    /// Print the report of the run as one JSON object
    #[arg(long)]
    pub json: bool,
    /// Print nothing
    #[arg(long, short)]
    pub quiet: bool,
}

/// `rollshare check`.
#[derive(Debug, Args)]
#[command(after_help = CHECK_EXAMPLES)]
pub struct Check {
    /// Sources and job
    #[command(flatten)]
    pub question: Question,
    /// Configuration of the checks, a TOML file or its s3:// URI if built in [default: see docs/quality.md]
    #[arg(help_heading = "Checks and output", long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub checks: Option<std::path::PathBuf>,
    /// Print a configuration file with all defaults and the values found in the data
    #[arg(help_heading = "Checks and output", long)]
    pub init: bool,
    /// Print the results as one JSON object
    #[arg(help_heading = "Checks and output", long, conflicts_with = "init")]
    pub json: bool,
    /// Print only checks that do not pass, and no progress bar
    #[arg(help_heading = "Checks and output", long, short)]
    pub quiet: bool,
}

/// `rollshare compare`.
#[derive(Debug, Args)]
#[command(after_help = COMPARE_EXAMPLES)]
pub struct Compare {
    /// Input of the old job
    #[command(flatten)]
    pub sources: Sources,
    /// Output of the old job: a folder as Spark writes it, or a parquet file
    #[arg(long, value_name = "PATH", value_hint = clap::ValueHint::AnyPath)]
    pub against: String,
    /// Length of the rolling window of the old job in weeks
    #[arg(long, short, value_name = "N", default_value_t = 4, value_parser = window)]
    pub window: u32,
    /// Name of an input column, e.g. value=installs; roles: name, value, year_week, country, os_name, start_date
    #[arg(long, value_name = "ROLE=NAME", value_parser = role)]
    pub column: Vec<(String, String)>,
    /// Print the differences as one JSON object
    #[arg(long)]
    pub json: bool,
    /// Print no progress bar and no time
    #[arg(long, short)]
    pub quiet: bool,
}

impl Compare {
    /// The job whose output is compared.
    pub fn job(&self) -> Result<Job> {
        let mut job = Job { semantics: Semantics::Legacy, windows: vec![self.window], ..Job::default() };
        for (role, name) in &self.column {
            job.set_column(role, name)?;
        }
        job.validated()
    }
}

/// `rollshare report`.
#[derive(Debug, Args)]
#[command(after_help = REPORT_EXAMPLES)]
pub struct Report {
    /// Name of a run or a unique prefix of it, `latest`, or a report file X.json [default: list the runs]
    #[arg(value_name = "RUN")]
    pub run: Option<String>,
    /// Target of the runs
    #[arg(long, short, value_name = "PATH", value_hint = clap::ValueHint::AnyPath)]
    pub target: Option<String>,
    /// Write the report as one self-contained HTML page; - for stdout
    #[arg(long, value_name = "FILE", conflicts_with_all = ["json", "text", "profile"], value_hint = clap::ValueHint::FilePath)]
    pub html: Option<std::path::PathBuf>,
    /// Write the charts of the world and the largest keys as a PNG image; - for stdout
    #[arg(long, value_name = "FILE", conflicts_with_all = ["json", "text", "profile"], value_hint = clap::ValueHint::FilePath)]
    pub png: Option<std::path::PathBuf>,
    /// Print the shares and what moved as a short text, for mails and chats
    #[arg(long, conflicts_with_all = ["json", "profile"])]
    pub text: bool,
    /// Print the profile of the run as TOML
    #[arg(long, conflicts_with = "json")]
    pub profile: bool,
    /// Print the report as one JSON object
    #[arg(long)]
    pub json: bool,
    /// Do not say what was written
    #[arg(long, short)]
    pub quiet: bool,
}

const OPEN_EXAMPLES: &str = "\
Examples:
  rollshare open                                         the last run of any target in this folder
  rollshare open share.parquet
  rollshare open share.parquet --run 20261125T06         a run by name or a unique prefix
  rollshare open share.parquet --print | xargs cp -t mail/

The path is always printed. The page is opened where there is a display (xdg-open; open on macOS).
Exit codes: 0 success, 2 no such run, 6 input or output failed.";

/// `rollshare open`.
#[derive(Debug, Args)]
#[command(after_help = OPEN_EXAMPLES)]
pub struct Open {
    /// Target of the run [default: that of the last run in this folder]
    #[arg(value_name = "TARGET", value_hint = clap::ValueHint::AnyPath)]
    pub path: Option<String>,
    /// Same as TARGET
    #[arg(long, short, value_name = "PATH", conflicts_with = "path", value_hint = clap::ValueHint::AnyPath)]
    pub target: Option<String>,
    /// Name of a run or a unique prefix of it
    #[arg(long, value_name = "RUN", default_value = "latest")]
    pub run: String,
    /// Print the path, and open nothing
    #[arg(long)]
    pub print: bool,
}

const WHY_EXAMPLES: &str = "\
Examples:
  rollshare why GB 2023_41 --source exports/
  rollshare why GB 2023_41 --source exports/ --against 4          four weeks before
  rollshare why world --source exports/ --against year            all keys together, the latest week
  rollshare why GB,ios 2023-10 --source facts/ --profile facts.toml --by country,os --grain month
  rollshare why GB 2023_41 --source exports/ --format csv > why.csv

The contributions of the channels add up to the change of the share exactly (docs/report.md has the formula).
Exit codes: 0 success, 2 wrong usage, no such key or period, 3 bad input or no users, 6 input or output failed.";

/// `rollshare why`.
#[derive(Debug, Args)]
#[command(after_help = WHY_EXAMPLES)]
pub struct Why {
    /// Key: its members, separated by commas, e.g. GB or GB,ios; `world` for all keys together
    #[arg(value_name = "KEY")]
    pub key: String,
    /// Period: a week 2023_41, a day 2023-10-09 or a month 2023-10 [default: the latest one that has rows]
    #[arg(value_name = "PERIOD")]
    pub period: Option<String>,
    /// Sources and job
    #[command(flatten)]
    pub question: Question,
    /// Period to compare with: a number of periods before, `year`, or the name of a period
    #[arg(help_heading = "Comparison and output", long, value_name = "PERIOD", default_value = "1")]
    pub against: crate::why::Against,
    /// Form of the output
    #[arg(help_heading = "Comparison and output", long, value_enum, default_value_t = WhyFormat::Text)]
    pub format: WhyFormat,
    /// Print no progress bar
    #[arg(help_heading = "Comparison and output", long, short)]
    pub quiet: bool,
}

/// The form of the output of `rollshare why`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum WhyFormat {
    /// A sentence, and a table with bars
    Text,
    /// One JSON object
    Json,
    /// A header and a line per channel
    Csv,
}

/// `rollshare profile`.
#[derive(Debug, Args)]
#[command(after_help = PROFILE_EXAMPLES)]
#[command(group = clap::ArgGroup::new("what").args(["path", "source", "list", "show"]).required(true).multiple(true))]
pub struct Infer {
    /// File, folder, glob, or s3:// URI if built in
    #[arg(value_name = "SOURCE", value_hint = clap::ValueHint::AnyPath)]
    pub path: Vec<String>,
    /// Same as SOURCE; may be repeated
    #[arg(long, short, num_args = 1.., value_name = "PATH", value_hint = clap::ValueHint::AnyPath)]
    pub source: Vec<String>,
    /// List the bundled profiles
    #[arg(long, conflicts_with_all = ["path", "source", "show"])]
    pub list: bool,
    /// Print a bundled profile
    #[arg(long, value_name = "NAME", conflicts_with_all = ["path", "source"])]
    pub show: Option<String>,
    /// Print nothing to stderr
    #[arg(long, short)]
    pub quiet: bool,
}

/// The help of --profile, with the names of the bundled profiles.
fn profile_help() -> String {
    let names: Vec<&str> = BUNDLED.iter().map(|(name, _)| *name).collect();
    format!(
        "What the columns of the export mean: a TOML file (see docs/profiles.md and `rollshare profile`), or one of {} \
         [default: cube]",
        names.join(", ")
    )
}

/// `rollshare sample`.
#[derive(Debug, Args)]
pub struct Sample {
    /// Exact number of rows, e.g. 9000, 500k, 1M or 2G
    #[arg(long, value_name = "N", value_parser = rows)]
    pub rows: u64,
    /// Output file, as CSV if it ends in .csv; with --layout daily, output folder
    #[arg(long, short, value_name = "PATH", value_hint = clap::ValueHint::AnyPath)]
    pub out: std::path::PathBuf,
    /// Layout of the rows in files
    #[arg(long, value_enum, default_value_t = LayoutArg::Export)]
    pub layout: LayoutArg,
    /// Seed of the generator; the same seed gives the same bytes
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Print no summary and no progress bar
    #[arg(long, short)]
    pub quiet: bool,
}

/// [`Semantics`] as an argument.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum SemanticsArg {
    /// Calendar-correct: windows span new years, and every country has every week
    Iso,
    /// Reproduces the output of the original PySpark job, to verify a migration
    Legacy,
}

/// [`Grain`] as an argument.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum GrainArg {
    /// ISO weeks
    Week,
    /// Days
    Day,
    /// Months
    Month,
}

/// Whose share the table has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ShareArg {
    /// The share of organic users
    Organic,
    /// The share of each channel, a row each
    Channel,
}

/// [`sample::Layout`] as an argument.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum LayoutArg {
    /// One file in the order of the real export
    Export,
    /// One file in random order
    Shuffled,
    /// A folder with one file per day
    Daily,
    /// One file with one row group, as Spark writes it
    Spark,
    /// A fact table without totals: day, country, os, network, installs
    Facts,
    /// A row per install with a timestamp; installs without a media source are organic
    Events,
    /// As events, the timestamp as text
    EventsText,
}

impl From<LayoutArg> for sample::Layout {
    fn from(layout: LayoutArg) -> Self {
        match layout {
            LayoutArg::Export => sample::Layout::Export,
            LayoutArg::Shuffled => sample::Layout::Shuffled,
            LayoutArg::Daily => sample::Layout::Daily,
            LayoutArg::Spark => sample::Layout::Spark,
            LayoutArg::Facts => sample::Layout::Facts,
            LayoutArg::Events => sample::Layout::Events,
            LayoutArg::EventsText => sample::Layout::EventsText,
        }
    }
}

impl Question {
    /// The job that the arguments describe.
    pub fn job(&self) -> Result<Job> {
        let none = matches!(self.by.as_slice(), [only] if only == "none");
        let by = if none { Vec::new() } else { self.by.clone() };
        let all = self.with_total.iter().any(|name| name == ALL_DIMENSIONS);
        let mut job = Job {
            semantics: match self.semantics {
                SemanticsArg::Iso => Semantics::Iso,
                SemanticsArg::Legacy => Semantics::Legacy,
            },
            grain: match self.grain {
                GrainArg::Week => Grain::Week,
                GrainArg::Day => Grain::Day,
                GrainArg::Month => Grain::Month,
            },
            windows: self.window.clone(),
            details: self.details,
            dates: self.dates,
            with_total: if all { by.clone() } else { self.with_total.clone() },
            by,
            share_of_channel: self.share_of == ShareArg::Channel,
            profile: self.export.profile()?,
        };
        for (role, name) in &self.export.column {
            job.set_column(role, name)?;
        }
        job.validated()
    }
}

impl Export {
    /// The profile, with the single entries that are given.
    fn profile(&self) -> Result<Profile> {
        let mut profile = self.profile.as_deref().map_or_else(|| Ok(Profile::cube()), Profile::load)?;
        let list = |names: &Vec<String>| Some(names.clone()).filter(|names| !names.is_empty());
        let short = [("country", &self.country_total), ("os_name", &self.os_total)];
        let short = short.into_iter().filter_map(|(name, total)| Some((name.to_owned(), total.clone()?)));
        let total_rows = self.total_rows.iter().map(|(name, mode)| Ok((name.clone(), mode.parse()?)));
        let entries = Entries {
            date: self.date.clone(),
            date_unit: self.date_unit,
            label: self.label.clone(),
            zone: self.zone.clone(),
            week_start: self.week_start,
            settle_days: self.settle_days,
            users: self.users.clone(),
            count_rows: self.count_rows,
            channel: self.channel.clone(),
            organic: list(&self.organic),
            paid: list(&self.paid),
            excluded: list(&self.exclude),
            null_channel: self.null_channel,
            ignore_case: self.ignore_case.then_some(true),
            dimensions: self.dimension.clone(),
            totals: self.total.iter().cloned().chain(short).collect(),
            total_rows: total_rows.collect::<Result<_>>()?,
            conditions: self.conditions.iter().map(|text| condition(text)).collect::<Result<_>>()?,
        };
        entries.apply(&mut profile)?;
        Ok(profile)
    }
}

/// Parses `COLUMN=VALUE` or `COLUMN!=VALUE`.
fn condition(text: &str) -> Result<Condition> {
    let Some((column, value)) = text.split_once('=') else {
        return Err(Error::argument(format!("--where '{text}'")).expected("COLUMN=VALUE or COLUMN!=VALUE"));
    };
    let values = Some(vec![value.to_owned()]);
    let of = |column: &str| Condition { column: column.to_owned(), ..Condition::default() };
    Ok(match column.strip_suffix('!') {
        Some(column) => Condition { not_in: values, ..of(column) },
        None => Condition { is_in: values, ..of(column) },
    })
}

impl Run {
    /// The options of the pipeline.
    pub fn options(&self) -> Result<RunOptions> {
        let config = self.checks.as_deref().map(Config::read).transpose()?.unwrap_or_default();
        Ok(RunOptions {
            job: self.question.job()?,
            sources: self.question.sources.all(),
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
            allow_empty: self.allow_empty,
            csv_safe: self.csv_safe,
            view: View { only: self.only.clone(), last: self.last.map(|last| last as usize) },
        })
    }
}

/// Parses `WEEK..WEEK` or `WEEK` to the first and the last week, both included.
fn weeks(text: &str) -> std::result::Result<(i32, i32), String> {
    let (first, last) = text.split_once("..").unwrap_or((text, text));
    let week = |label: &str| {
        LabelForm::parse_any(label).ok_or_else(|| {
            format!("'{}' is not an ISO week such as 2026-W10 or 2026_10", escape::line(label))
        })
    };
    let (first, last) = (week(first)?, week(last)?);
    if first > last {
        return Err("the first week comes after the last".into());
    }
    Ok((first, last))
}

/// Parses a whole number from 1 to `most`.
fn whole(text: &str, most: u64) -> std::result::Result<u64, String> {
    let range = if most == u64::MAX { "from 1 on".to_owned() } else { format!("from 1 to {most}") };
    match text.parse() {
        Ok(number) if (1..=most).contains(&number) => Ok(number),
        _ => {
            let digits = text.trim_end_matches(|letter: char| !letter.is_ascii_digit());
            let thousands = match text.get(digits.len()..).map(str::to_ascii_lowercase).as_deref() {
                Some("k") => 1_000,
                Some("m") => 1_000_000,
                Some("g" | "b") => 1_000_000_000,
                _ => 0,
            };
            let written = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(thousands));
            Err(match written.filter(|number| (1..=most).contains(number)) {
                Some(number) => format!("expected a whole number {range}: write {number}"),
                None => format!("expected a whole number {range}"),
            })
        }
    }
}

/// Parses the length of a window, or a number of periods.
fn window(text: &str) -> std::result::Result<u32, String> {
    whole(text, WINDOW_MAX.into()).and_then(|number| u32::try_from(number).map_err(|e| e.to_string()))
}

/// Parses a number of threads.
fn threads(text: &str) -> std::result::Result<u16, String> {
    whole(text, 1024).and_then(|number| u16::try_from(number).map_err(|e| e.to_string()))
}

/// Parses a number of rows: `9000`, `500k`, `1.5M`, `2G`.
fn rows(text: &str) -> std::result::Result<u64, String> {
    let wrong = || "expected a whole number from 1 on, e.g. 9000, 500k, 1M or 2G".to_owned();
    let (digits, zeros) = match text.char_indices().next_back() {
        Some((at, 'k' | 'K')) => (text.get(..at).unwrap_or_default(), 3),
        Some((at, 'm' | 'M')) => (text.get(..at).unwrap_or_default(), 6),
        Some((at, 'g' | 'G')) => (text.get(..at).unwrap_or_default(), 9),
        _ => (text, 0),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_number = |digits: &str| digits.bytes().all(|digit| digit.is_ascii_digit());
    if whole.is_empty() || !is_number(whole) || !is_number(fraction) || fraction.len() > zeros {
        return Err(wrong());
    }
    let number = format!("{whole}{fraction:0<zeros$}").parse::<u64>().ok();
    number.filter(|number| *number > 0).ok_or_else(wrong)
}

/// Parses `ROLE=NAME`.
fn role(text: &str) -> std::result::Result<(String, String), String> {
    let (role, name) = pair(text)?;
    Job::default().set_column(&role, &name).map_err(|e| e.to_string())?;
    Ok((role, name))
}

/// Parses `NAME=VALUE`.
fn pair(text: &str) -> std::result::Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !value.is_empty() => {
            Ok((name.to_owned(), value.to_owned()))
        }
        _ => Err("expected NAME=VALUE, e.g. value=installs".into()),
    }
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

    /// The words of a line of shell, without its comment and what follows the command.
    fn words(line: &str) -> Vec<String> {
        let ends = ["   ", " | ", " > ", " && "].iter().filter_map(|end| line.find(end)).min();
        let (mut words, mut is_quoted) = (vec![String::new()], false);
        for letter in line.get(..ends.unwrap_or(line.len())).unwrap().chars() {
            match letter {
                '\'' => is_quoted = !is_quoted,
                ' ' if !is_quoted => words.push(String::new()),
                letter => words.last_mut().unwrap().push(letter),
            }
        }
        words
    }

    #[test]
    fn examples_are_commands() {
        let texts = [
            EXAMPLES,
            RUN_EXAMPLES,
            CHECK_EXAMPLES,
            COMPARE_EXAMPLES,
            REPORT_EXAMPLES,
            PROMOTE_EXAMPLES,
            PROFILE_EXAMPLES,
            OPEN_EXAMPLES,
            WHY_EXAMPLES,
        ];
        let lines = texts.iter().flat_map(|text| text.lines());
        let mut examples = 0;
        for line in lines.filter_map(|line| line.strip_prefix("  rollshare ")) {
            let line = format!("rollshare {line}");
            Cli::try_parse_from(words(&line)).unwrap_or_else(|error| panic!("{line}: {error}"));
            examples += 1;
        }
        assert!(examples > 25, "{examples}");
    }

    #[test]
    fn no_arguments_give_the_default_job() {
        assert_eq!(job(""), Job::default());
    }

    #[test]
    fn arguments_replace_defaults() {
        let parsed =
            job("--organic A --organic B --window 12 --window 4 --grain day --column value=installs \
                         --country-total WORLD --os-total any --details");
        assert_eq!(parsed.organic(), ["A", "B"]);
        assert_eq!(parsed.windows, [4, 12]);
        assert_eq!((parsed.grain, parsed.details), (Grain::Day, true));
        assert_eq!(parsed.columns().value, "installs");
        assert_eq!((parsed.country_total(), parsed.os_total()), ("WORLD", "any"));
        assert_eq!(job("--semantics legacy --window 4,8").windows, [4, 8]);
    }

    #[test]
    fn a_source_may_do_without_its_flag() {
        let sources = |line: &str| {
            let parsed = Cli::try_parse_from(words(line)).unwrap();
            match parsed.command {
                Command::Run(run) => run.question.sources.all(),
                Command::Check(check) => check.question.sources.all(),
                Command::Compare(compare) => compare.sources.all(),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(sources("rollshare run a/ b.parquet"), ["a/", "b.parquet"]);
        assert_eq!(sources("rollshare run --details a/ --by country b"), ["a/", "b"]);
        assert_eq!(sources("rollshare check a/ --source b c"), ["b", "c", "a/"]);
        assert_eq!(sources("rollshare compare a/ --against old/"), ["a/"]);
        let none = Cli::try_parse_from(["rollshare", "run"]).unwrap_err().to_string();
        assert!(none.contains("--source <PATH>"), "{none}");
    }

    #[test]
    fn a_wrong_number_is_told_what_is_expected() {
        for (line, words) in [
            ("rollshare sample --out x --rows many", "from 1 on, e.g. 9000, 500k, 1M or 2G"),
            ("rollshare sample --out x --rows 0", "from 1 on"),
            ("rollshare sample --out x --rows 1.5", "from 1 on"),
            ("rollshare sample --out x --rows 99999999999G", "from 1 on"),
            ("rollshare run x --last 0", "expected a whole number from 1 to 3652059"),
            ("rollshare run x --only GB", "expected COLUMN=MEMBER,..., e.g. country=GB,FR"),
            ("rollshare run x --window four", "expected a whole number from 1 to 3652059"),
            ("rollshare run x --window 0", "expected a whole number from 1 to 3652059"),
            ("rollshare run x --threads 2k", "expected a whole number from 1 to 1024"),
            ("rollshare run x --allow-restatement 2026-10", "not an ISO week such as 2026-W10 or 2026_10"),
        ] {
            let error = Cli::try_parse_from(line.split(' ')).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{line}");
            assert!(error.to_string().contains(words), "{error}");
        }
        assert_eq!(weeks("2026-W10..2026_11"), weeks("2026_10..202611"));
    }

    #[test]
    fn rows_may_have_a_suffix() {
        for (text, number) in [
            ("9000", 9_000),
            ("500k", 500_000),
            ("1M", 1_000_000),
            ("1.5m", 1_500_000),
            ("2G", 2_000_000_000),
        ] {
            assert_eq!(rows(text), Ok(number), "{text}");
        }
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

//! The command line. Doc comments are the help.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};

use crate::finding::Severity;
use crate::profile::scope::{Range, Scope, Who};

/// Explains a frozen node: what was wrong, how sure that is, and what to do.
///
/// Reads a bundle made by `collect`; needs no network, no cluster and no node.
#[derive(Debug, Parser)]
#[command(name = "analyze", version, max_term_width = 80)]
#[command(subcommand_required = true, arg_required_else_help = true)]
#[command(override_usage = "analyze [report] <BUNDLE>\n       analyze <VERB> ...")]
#[command(after_help = "\
Examples:
  analyze node.tar.zst                   write node.html, the report
  analyze findings node.tar.zst          what was wrong, for a terminal
  analyze findings node.tar.zst --format markdown   ... for a ticket
  analyze query node.tar.zst 'SELECT pid, comm, cpu_ratio FROM process
      ORDER BY cpu_ratio DESC LIMIT 10'
  analyze tables node.tar.zst            what there is to ask
  analyze flamegraph node.tar.zst        what every CPU was doing, as SVG
  analyze top kubelet.pprof              bare profiles open, too
  analyze verify node.tar.zst            is the file whole and unaltered?

Exit codes:
  0  done
  1  error
  2  wrong usage
  4  the bundle cannot be read, or is newer than this program
  11 12 13 14 15  with --fail-on: the worst finding was
                  info, low, medium, high, critical")]
pub struct Cli {
    /// What to do; a path alone means `report`.
    #[command(subcommand)]
    pub verb: Verb,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Write the report: one HTML file that needs nothing else (the default)
    Report(ReportArgs),
    /// Print what was found
    Findings(FindingsArgs),
    /// Answer one SELECT over the tables
    Query(QueryArgs),
    /// Draw a flamegraph: of the node, a pod, a process, a part of the window
    Flamegraph(FlamegraphArgs),
    /// List the functions of a profile, heaviest first
    Top(TopArgs),
    /// Write a profile, or all tables, in another program's format
    Export(ExportArgs),
    /// List the tables and their columns; with a bundle, also their rows
    Tables(TablesArgs),
    /// Compare every entry with its digest
    Verify(VerifyArgs),
    /// Tell everything about one finding
    Explain(ExplainArgs),
    /// Parse, plan and test finding files
    CheckFindings(CheckArgs),
}

/// Options of `report`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  analyze node.tar.zst                     write node.html
  analyze node.tar.zst -o report.json      the model instead of the page
  ssh node collect -o - | analyze report - -o node.html")]
pub struct ReportArgs {
    /// The bundle
    #[command(flatten)]
    pub input: BundleArgs,
    /// File to write, `-` for standard output; *.json gets the model
    ///
    /// By default the bundle's name with .html, in the current folder.
    #[arg(short, long, value_name = "PATH")]
    pub output: Option<PathBuf>,
    /// The page, or the model that it renders
    #[arg(long, value_enum)]
    pub format: Option<ReportFormat>,
    /// More findings
    #[command(flatten)]
    pub library: LibraryArgs,
}

/// Formats of `report`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// One HTML file
    Html,
    /// Everything that the page shows
    Json,
}

/// Options of `findings`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  analyze findings node.tar.zst
  analyze findings node.tar.zst --format markdown | xclip
  analyze findings node.tar.zst --fail-on high || echo 'do not reboot yet'
  analyze findings node.tar.zst --findings ./our-findings")]
pub struct FindingsArgs {
    /// The bundle
    #[command(flatten)]
    pub input: BundleArgs,
    /// For a terminal, for a ticket, or for programs
    #[arg(long, value_enum, default_value_t = FindingsFormat::Text)]
    pub format: FindingsFormat,
    /// Exit with 11 to 15 if a finding of this severity or worse fired
    #[arg(long, value_name = "SEVERITY", value_parser = severities())]
    pub fail_on: Option<Severity>,
    /// More findings
    #[command(flatten)]
    pub library: LibraryArgs,
}

/// Formats of `findings`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FindingsFormat {
    /// For a terminal
    Text,
    /// For a ticket
    Markdown,
    /// Everything, for programs
    Json,
    /// SARIF 2.1.0
    Sarif,
}

/// Options of `query`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  analyze query node.tar.zst 'SELECT path, throttled_ratio FROM cgroup
      WHERE throttled_ratio > 0.25 ORDER BY throttled_ratio DESC'
  analyze query node.tar.zst 'SELECT * FROM source_outcome' --format csv")]
pub struct QueryArgs {
    /// The bundle
    #[command(flatten)]
    pub input: BundleArgs,
    /// One SELECT (or WITH ... SELECT)
    pub sql: String,
    /// How to print the answer
    #[arg(long, value_enum, default_value_t = GridFormat::Table)]
    pub format: GridFormat,
}

/// Formats of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum GridFormat {
    /// Aligned columns
    Table,
    /// Comma-separated values (RFC 4180)
    Csv,
    /// A JSON array of objects
    Json,
}

/// Options of `flamegraph`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  analyze flamegraph node.tar.zst                    write node-cpu.svg
  analyze flamegraph node.tar.zst --pod shop/cart-0 --threads
  analyze flamegraph node.tar.zst --kernel --from 2 --until 3.5 -o burst.svg
  analyze flamegraph node.tar.zst --profile blocked

Open the SVG in a browser: click to zoom, search with Ctrl-F.")]
pub struct FlamegraphArgs {
    /// The bundle
    #[command(flatten)]
    pub input: BundleArgs,
    /// Which profile; a wrong name lists those that there are
    ///
    /// By default `cpu`, or the first one. The beginning of a name, such as `kubelet.heap`, stands
    /// for what is shown first of it.
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// File to write, `-` for standard output
    ///
    /// By default named after bundle, profile and scope, in the current folder.
    #[arg(short, long, value_name = "PATH")]
    pub output: Option<PathBuf>,
    /// Each thread apart; threads of a process are merged otherwise
    #[arg(long)]
    pub threads: bool,
    /// Callers above, called functions below
    #[arg(long)]
    pub icicle: bool,
    /// Which samples
    #[command(flatten)]
    pub scope: ScopeArgs,
}

/// Options of `top`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  analyze top node.tar.zst                       what the CPUs were doing
  analyze top node.tar.zst --profile kubelet.cpu --cum
  analyze top node.tar.zst --pod shop/cart-0
  analyze top kubelet.pprof                      any file of pprof

flat: in the function itself; cum: in it or in what it called.")]
pub struct TopArgs {
    /// The bundle
    #[command(flatten)]
    pub input: BundleArgs,
    /// Which profile; a wrong name lists those that there are
    ///
    /// By default `cpu`, or the first one. The beginning of a name, such as `kubelet.heap`, stands
    /// for what is shown first of it.
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// Heaviest with what they call first
    #[arg(long = "cum")]
    pub cumulative: bool,
    /// How many functions; 0 for all
    #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 30)]
    pub limit: usize,
    /// How to print the list; for programs without units
    #[arg(long, value_enum, default_value_t = GridFormat::Table)]
    pub format: GridFormat,
    /// Which samples
    #[command(flatten)]
    pub scope: ScopeArgs,
}

/// Options of `export`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  analyze export node.tar.zst --to pprof            write node-cpu.pb.gz
  analyze export node.tar.zst --to firefox --pod shop/cart-0
  analyze export node.tar.zst --to folded -o - | head
  analyze export node.tar.zst --to perf-data -o perf.data
  analyze export node.tar.zst --to csv -o tables    a file per table")]
pub struct ExportArgs {
    /// The bundle
    #[command(flatten)]
    pub input: BundleArgs,
    /// The format
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub to: ExportFormat,
    /// File to write, `-` for standard output; of csv a new folder
    ///
    /// By default named after bundle, profile and scope, in the current folder.
    #[arg(short, long, value_name = "PATH")]
    pub output: Option<PathBuf>,
    /// Which profile; a wrong name lists those that there are
    ///
    /// By default `cpu`, or the first one. The beginning of a name, such as `kubelet.heap`, stands
    /// for what is shown first of it.
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// Each thread apart; folded and speedscope merge those of a process otherwise
    #[arg(long)]
    pub threads: bool,
    /// Which samples
    #[command(flatten)]
    pub scope: ScopeArgs,
}

/// Formats of `export`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// A line per stack, as `flamegraph.pl` and `inferno` read it
    Folded,
    /// For `go tool pprof`, Pyroscope, Parca
    Pprof,
    /// For profiler.firefox.com
    Firefox,
    /// For speedscope.app
    Speedscope,
    /// The records of the kernel as they came, for `perf report -i`
    PerfData,
    /// All tables that have rows, a file each
    Csv,
}

/// Options of `tables`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  analyze tables                           every table and its columns
  analyze tables node.tar.zst              rows, and why a table has none
  analyze tables --format json | jq -r '.[].table.name'")]
pub struct TablesArgs {
    /// The bundle, or `-` for standard input; without one the schema alone
    pub bundle: Option<PathBuf>,
    /// File with age identities, for an encrypted bundle (repeatable)
    #[arg(long = "identity", value_name = "FILE")]
    pub identities: Vec<PathBuf>,
    /// Folder with debug files, for functions without a name (repeatable)
    #[arg(long = "debug-dir", value_name = "DIR")]
    pub debug_dirs: Vec<PathBuf>,
    /// How to print the list
    #[arg(long, value_enum, default_value_t = TablesFormat::Table)]
    pub format: TablesFormat,
}

/// Formats of `tables`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TablesFormat {
    /// For a terminal
    Table,
    /// For programs
    Json,
    /// For documents
    Markdown,
}

/// Options of `verify`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  analyze verify node.tar.zst
  analyze verify node.tar.zst.partial      what a killed capture left

Exits with 1 if something is missing, cut or altered, and names it.")]
pub struct VerifyArgs {
    /// The bundle
    #[command(flatten)]
    pub input: BundleArgs,
}

/// Options of `explain`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  analyze explain mem-oom-container
  analyze explain our-finding --findings ./our-findings")]
pub struct ExplainArgs {
    /// The finding's id
    pub finding: String,
    /// More findings
    #[command(flatten)]
    pub library: LibraryArgs,
}

/// Options of `check-findings`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  analyze check-findings                   those built in
  analyze check-findings ./our-findings    your own

Exits with 1 if a finding is wrong, and tells file and line.")]
pub struct CheckArgs {
    /// Folder with finding files; without one the built-in findings
    pub folder: Option<PathBuf>,
}

/// A bundle, and what it takes to read it.
#[derive(Args, Clone, Debug)]
pub struct BundleArgs {
    /// The bundle, or `-` for standard input
    ///
    /// A profile by itself will do: a perf.data, the text of `perf script`, a file of pprof.
    pub bundle: PathBuf,
    /// File with age identities, for an encrypted bundle (repeatable)
    #[arg(long = "identity", value_name = "FILE")]
    pub identities: Vec<PathBuf>,
    /// Folder with debug files, for functions without a name (repeatable)
    ///
    /// Files are known by their build id: .build-id/ab/cdef.debug as debug packages have it, or ELF
    /// files of any name.
    #[arg(long = "debug-dir", value_name = "DIR")]
    pub debug_dirs: Vec<PathBuf>,
}

/// Where findings come from besides the built-in ones.
#[derive(Args, Clone, Debug)]
pub struct LibraryArgs {
    /// Folder with finding files of your own (repeatable)
    #[arg(long = "findings", value_name = "DIR")]
    pub folders: Vec<PathBuf>,
}

/// Which samples of a profile.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Which samples")]
pub struct ScopeArgs {
    /// A pod's: NAMESPACE/NAME, or its UID
    #[arg(long, value_name = "NS/NAME", group = "who")]
    pub pod: Option<String>,
    /// A container's, by its id or the beginning of it
    #[arg(long, value_name = "ID", group = "who")]
    pub container: Option<String>,
    /// A process's, with all its threads
    #[arg(long, value_name = "PID", group = "who")]
    pub pid: Option<u32>,
    /// A thread's
    #[arg(long, value_name = "TID", group = "who")]
    pub tid: Option<u32>,
    /// Those of a control group and of all groups below
    #[arg(long, value_name = "PATH", group = "who")]
    pub cgroup: Option<String>,
    /// Those in the kernel only
    #[arg(long)]
    pub kernel: bool,
    /// Those on one CPU
    #[arg(long, value_name = "CPU")]
    pub cpu: Option<u32>,
    /// Those from this second of the window on
    #[arg(long, value_name = "SECONDS")]
    pub from: Option<f64>,
    /// Those before this second of the window
    #[arg(long, value_name = "SECONDS")]
    pub until: Option<f64>,
}

impl ScopeArgs {
    /// The scope that is asked for.
    pub fn scope(&self) -> anyhow::Result<Scope> {
        let id = |id: &Option<u32>| id.map(|id| id.to_string());
        let asked = [
            ("pod", self.pod.clone()),
            ("container", self.container.clone()),
            ("process", id(&self.pid)),
            ("thread", id(&self.tid)),
            ("cgroup", self.cgroup.clone()),
        ];
        let mut asked = asked.into_iter();
        let who = match asked.find_map(|(word, value)| Some((word, value?))) {
            Some((word, value)) => Who::parse(word, &value)?,
            None => Who::Node,
        };
        Ok(Scope {
            who,
            kernel_only: self.kernel,
            cpu: self.cpu,
            range: Range::from_seconds(self.from, self.until)?,
        })
    }
}

fn severities() -> impl TypedValueParser<Value = Severity> {
    let all = [
        Severity::Info,
        Severity::Low,
        Severity::Medium,
        Severity::High,
        Severity::Critical,
    ];
    PossibleValuesParser::new(all.map(Severity::name)).map(move |name| {
        let named = all.into_iter().find(|severity| severity.name() == name);
        // The parser has refused every other name.
        named.unwrap_or(Severity::Info)
    })
}

/// The arguments with `report` put in where a path stands alone: `analyze node.tar.zst`.
///
/// A plain word that names no file is left to the parser, which knows the verb that it resembles.
pub fn with_default_verb(arguments: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut arguments: Vec<_> = arguments.collect();
    let Some(first) = arguments.get(1) else {
        return arguments;
    };
    let is_path = first.to_str().is_none_or(|text| {
        let looks_like_one = text.contains(['/', '.']) || Path::new(text).exists();
        let is_global = matches!(text, "-h" | "--help" | "-V" | "--version");
        (looks_like_one && !is_verb(text)) || (text.starts_with('-') && !is_global)
    });
    if is_path {
        arguments.insert(1, "report".into());
    }
    arguments
}

fn is_verb(text: &str) -> bool {
    text == "help" || Cli::command().find_subcommand(text).is_some()
}

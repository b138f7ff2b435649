//! The command-line program; see [`rollshare::internals::cli`].
fn main() -> std::process::ExitCode {
    rollshare::internals::cli::main()
}

//! The command-line program; see [`rollshare::cli`].
fn main() -> std::process::ExitCode {
    rollshare::cli::main()
}

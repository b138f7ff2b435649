//! The program.

/// The program's entry.
pub fn main() -> std::process::ExitCode {
    todo!()
}

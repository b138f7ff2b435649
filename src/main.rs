//! The command-line program; see [`rollshare::internals::cli`].

/// Notes, before the runtime of Rust opens `/dev/null` in the place of a closed stdout, that it is closed. It makes one
/// system call and stores a flag: nothing else is safe to use before `main`.
#[cfg(target_os = "linux")]
extern "C" fn look_at_stdout() {
    if rustix::io::fcntl_getfd(rustix::stdio::stdout()).is_err() {
        rollshare::internals::cli::note_closed_stdout();
    }
}

// The loader calls the functions of this section before `main`, in glibc and musl.
#[cfg(target_os = "linux")]
#[allow(unsafe_code)] // the section holds pointers to functions, and this is one
#[used]
#[unsafe(link_section = ".init_array")]
static LOOK_AT_STDOUT: extern "C" fn() = look_at_stdout;

fn main() -> std::process::ExitCode {
    rollshare::internals::cli::main()
}

//! Stdout as a target.

use std::io::{self, ErrorKind, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use super::Writer;
use crate::storage::local::atomic::CountingWriter;
use crate::{Error, Result};

/// Whether the process was started without stdout.
static IS_CLOSED: AtomicBool = AtomicBool::new(false);

/// Notes that the process was started without stdout. The runtime of Rust opens `/dev/null` in its place before `main`,
/// where everything that is written is lost, and reports no error.
pub fn note_closed() {
    IS_CLOSED.store(true, Ordering::Relaxed);
}

/// Writes to stdout and returns the number of bytes.
///
/// A reader that closes the pipe, as `| head` does, has what it wanted: the rest is not written, and that is no error. A
/// reader that fails has an exit code of its own.
///
/// # Errors
/// `Io` where stdout cannot be written to, or was closed when the process was started (`>&-`).
pub fn write(write: Writer<'_>) -> Result<u64> {
    let fail = |e| Error::io("cannot write to stdout", e);
    if IS_CLOSED.load(Ordering::Relaxed) {
        return Err(fail(io::Error::other("it is closed")));
    }
    let mut out = CountingWriter { inner: io::BufWriter::new(io::stdout().lock()), bytes: 0 };
    match write(&mut out).and_then(|()| out.flush()) {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => Err(fail(e)),
        _ => Ok(out.bytes),
    }
}

//! Paths of files that may not exist yet.

use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use crate::{Error, Result};

/// Returns the absolute path of `path`, canonical as far as it exists: a symbolic link
/// means the file that it points to. `role` names the path in errors: `target`, `state`.
///
/// # Errors
/// `Argument` for a path that cannot be created or names no file, `Io` where the file system
/// fails.
pub(crate) fn resolve(role: &str, path: &Path) -> Result<PathBuf> {
    let fail = |e| {
        Error::io(format!("cannot read the metadata of the {role}"), e)
            .in_file(&path.to_string_lossy().into())
    };
    // Without a slash at the end, which would follow a link.
    let absolute: PathBuf = std::path::absolute(path).map_err(fail)?.components().collect();
    let mut missing = Vec::new();
    let mut existing = absolute.as_path();
    loop {
        match existing.symlink_metadata() {
            Ok(_) => break,
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
            Err(e) => return Err(fail(e)),
        }
        match (existing.components().next_back(), existing.parent()) {
            (Some(Component::Normal(name)), Some(parent)) => {
                missing.push(name);
                existing = parent;
            }
            _ => {
                return Err(Error::argument(format!("{role} '{}'", path.display()))
                    .expected("a path without '..' below folders that do not exist yet"));
            }
        }
    }
    let mut resolved = existing.canonicalize().map_err(|e| {
        let found = match (e.kind(), existing.read_link()) {
            (ErrorKind::NotFound, Ok(to)) => {
                format!(
                    "the link '{}' points to '{}', which does not exist",
                    existing.display(),
                    to.display()
                )
            }
            _ => e.to_string(),
        };
        Error::argument(format!("{role} '{}': {found}", path.display()))
            .expected("no dangling link on the way")
    })?;
    if !missing.is_empty() && resolved.is_file() {
        return Err(Error::argument(format!("{role} '{}'", path.display()))
            .expected(format!("a folder at '{}', not a file", resolved.display())));
    }
    resolved.extend(missing.into_iter().rev());
    if resolved.file_name().is_none() {
        return Err(Error::argument(format!("{role} '{}'", path.display()))
            .expected("a path with a file or folder name at its end"));
    }
    Ok(resolved)
}

//! The version of a file that was listed, packed: a run keeps that of every file.

use crate::storage::object::{ObjectVersion, Tag};

const SECOND: i64 = 1_000_000_000;

/// A version. That of a local file takes four numbers: its tag and its change time say the same.
#[derive(Debug)]
pub(super) enum ListedVersion {
    Inode { bytes: u64, modified: i64, inode: u64, changed: i64 },
    Other(Box<ObjectVersion>),
}

impl ListedVersion {
    /// Length of the file.
    pub(super) fn bytes(&self) -> u64 {
        match self {
            ListedVersion::Inode { bytes, .. } => *bytes,
            ListedVersion::Other(version) => version.bytes,
        }
    }

    /// The version.
    pub(super) fn get(&self) -> ObjectVersion {
        match self {
            ListedVersion::Inode { bytes, modified, inode, changed } => ObjectVersion {
                bytes: *bytes,
                modified: Some(*modified),
                tag: u32::try_from(changed.rem_euclid(SECOND)).ok().map(|nanos| Tag::Inode {
                    inode: *inode,
                    seconds: changed.div_euclid(SECOND),
                    nanos,
                }),
                changed: Some(*changed),
            },
            ListedVersion::Other(version) => (**version).clone(),
        }
    }
}

impl From<ObjectVersion> for ListedVersion {
    fn from(version: ObjectVersion) -> Self {
        if let ObjectVersion {
            bytes,
            modified: Some(modified),
            tag: Some(Tag::Inode { inode, .. }),
            changed: Some(changed),
        } = version
        {
            let packed = ListedVersion::Inode { bytes, modified, inode, changed };
            if packed.get() == version {
                return packed;
            }
        }
        ListedVersion::Other(Box::new(version))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_the_same_when_it_was_packed() {
        let tag = |seconds: i64, nanos: u32| Some(Tag::Inode { inode: 7, seconds, nanos });
        for (modified, tag, changed, is_packed) in [
            (Some(5), tag(1_764, 9), Some(1_764_000_000_009), true),
            (Some(-5), tag(-2, 999_999_999), Some(-1_000_000_001), true),
            (Some(5), tag(1_764, 9), Some(1_764_000_000_008), false),
            (Some(5), tag(1, 1_000_000_000), Some(2_000_000_000), false),
            (None, tag(1_764, 9), Some(1_764_000_000_009), false),
            (Some(5), tag(i64::MAX, 9), None, false),
            (Some(5), Some(Tag::Etag("x".into())), Some(3), false),
            (None, None, None, false),
        ] {
            let version = ObjectVersion { bytes: 12, modified, tag, changed };
            let listed = ListedVersion::from(version.clone());
            assert_eq!(listed.get(), version);
            assert_eq!((listed.bytes(), matches!(listed, ListedVersion::Inode { .. })), (12, is_packed));
        }
    }
}

//! Which instruction sets there are. Decided once; `ROLLSHARE_CPU=portable`
//! turns the vector paths off, so that both can be tested and timed on one
//! machine.

use std::sync::OnceLock;

/// The widest path that this machine takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// No vector path.
    Portable,
    /// AVX-512 F, BW, VL, VBMI, VBMI2.
    Avx512,
}

impl Level {
    /// Its name, for `--explain` and `--version`.
    pub fn name(self) -> &'static str {
        match self {
            Level::Portable => "portable",
            Level::Avx512 => "avx512",
        }
    }
}

/// The level in use.
#[inline]
pub fn level() -> Level {
    static LEVEL: OnceLock<Level> = OnceLock::new();
    *LEVEL.get_or_init(detect)
}

/// Whether the AVX-512 paths are in use.
#[inline]
pub fn avx512() -> bool {
    level() == Level::Avx512
}

fn detect() -> Level {
    if std::env::var_os("ROLLSHARE_CPU").is_some_and(|v| v == "portable") {
        return Level::Portable;
    }
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512vbmi")
        && is_x86_feature_detected!("avx512vbmi2")
    {
        return Level::Avx512;
    }
    Level::Portable
}

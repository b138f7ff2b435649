//! Which instruction sets there are. Decided once; `ROLLSHARE_CPU=portable`
//! turns the vector paths off and `ROLLSHARE_CPU=avx2` the widest ones, so that all
//! can be tested and timed on one machine.

use std::sync::OnceLock;

/// The widest path that this machine takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// No vector path.
    Portable,
    /// SSSE3, AVX2, BMI2.
    Avx2,
    /// AVX-512 F, BW, VL, VBMI, VBMI2.
    Avx512,
}

impl Level {
    /// Its name, for `--explain` and `--version`.
    pub fn name(self) -> &'static str {
        match self {
            Level::Portable => "portable",
            Level::Avx2 => "avx2",
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
    let most = std::env::var_os("ROLLSHARE_CPU");
    if most.as_ref().is_some_and(|v| v == "portable") {
        return Level::Portable;
    }
    #[cfg(target_arch = "x86_64")]
    if most.is_none_or(|v| v != "avx2")
        && is_x86_feature_detected!("bmi2")
        && is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512vbmi")
        && is_x86_feature_detected!("avx512vbmi2")
    {
        return Level::Avx512;
    }
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("bmi2") {
        return Level::Avx2;
    }
    Level::Portable
}

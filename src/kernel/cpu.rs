//! Which instruction sets are used. The choice is made once. `ROLLSHARE_CPU=portable`
//! disables the vector paths and `ROLLSHARE_CPU=avx2` the widest ones, so that all
//! can be tested and timed on one machine. NEON is part of every aarch64 CPU: it is not
//! detected.

use std::sync::OnceLock;

/// The widest vector path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// No vector path.
    Portable,
    /// NEON, which every aarch64 CPU has.
    Neon,
    /// SSSE3, AVX2, BMI1, BMI2, POPCNT.
    Avx2,
    /// AVX-512 F, BW, VL, VBMI, VBMI2.
    Avx512,
}

impl Level {
    /// Its name, for `--explain` and `--version`.
    pub fn name(self) -> &'static str {
        match self {
            Level::Portable => "portable",
            Level::Neon => "neon",
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

/// Whether the AVX2 paths are in use; true for [`Level::Avx512`] too.
#[inline]
pub fn avx2() -> bool {
    level() >= Level::Avx2
}

/// Whether the NEON paths are in use.
#[inline]
pub fn neon() -> bool {
    level() == Level::Neon
}

fn detect() -> Level {
    match std::env::var_os("ROLLSHARE_CPU") {
        Some(most) if most == "portable" => Level::Portable,
        Some(most) if most == "avx2" => best().min(Level::Avx2),
        _ => best(),
    }
}

/// The widest path that this machine has.
pub fn best() -> Level {
    #[cfg(target_arch = "x86_64")]
    {
        let avx2 = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("popcnt");
        let avx512 = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512vbmi")
            && is_x86_feature_detected!("avx512vbmi2");
        match (avx2, avx512) {
            (true, true) => return Level::Avx512,
            (true, false) => return Level::Avx2,
            (false, _) => {}
        }
    }
    if cfg!(target_arch = "aarch64") { Level::Neon } else { Level::Portable }
}

/// Those of a kernel's vector paths that this machine has, by name.
#[cfg(all(test, target_arch = "x86_64"))]
pub fn paths<F>(avx2: F, avx512: F) -> Vec<(&'static str, F)> {
    let all = [(Level::Avx2, avx2), (Level::Avx512, avx512)];
    all.into_iter().filter(|(level, _)| *level <= best()).map(|(level, path)| (level.name(), path)).collect()
}

/// A kernel's vector path, by name.
#[cfg(all(test, target_arch = "aarch64"))]
pub fn paths<F>(neon: F) -> Vec<(&'static str, F)> {
    vec![(Level::Neon.name(), neon)]
}

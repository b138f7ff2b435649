//! The facts of this build and this machine.

/// The CPU features that the kernels use.
pub fn cpu_features() -> Vec<&'static str> {
    #[allow(unused_mut)]
    let mut features = Vec::new();
    #[cfg(target_arch = "x86_64")]
    {
        macro_rules! detect {
            ($($feature:tt)*) => {
                $(if std::arch::is_x86_feature_detected!($feature) { features.push($feature); })*
            };
        }
        detect!("avx2" "bmi1" "bmi2" "avx512f" "avx512bw" "avx512vbmi" "avx512vbmi2");
    }
    // Every CPU of this architecture has it.
    #[cfg(target_arch = "aarch64")]
    features.push("neon");
    features
}

/// The text of `--version`.
pub fn long() -> String {
    let known = |fact: &'static str| if fact.is_empty() { "unknown" } else { fact };
    let features = cpu_features();
    format!(
        "{}\ncommit: {}\ntarget: {}\nprofile: {}\nrustc: {}\ncpu: {}",
        env!("CARGO_PKG_VERSION"),
        known(env!("ROLLSHARE_COMMIT")),
        known(env!("ROLLSHARE_TARGET")),
        known(env!("ROLLSHARE_PROFILE")),
        known(env!("ROLLSHARE_RUSTC")),
        if features.is_empty() { "baseline".to_owned() } else { features.join(" ") },
    )
}

//! Facts about the build for `rollshare --version`.

use std::path::Path;
use std::process::Command;

fn main() {
    let said = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned()).filter(|text| !text.is_empty())
    };
    let variable = |name| std::env::var(name).unwrap_or_default();
    let rustc = said(&variable("RUSTC"), &["--version"]);
    println!("cargo:rustc-env=ROLLSHARE_RUSTC={}", rustc.unwrap_or_default());
    println!("cargo:rustc-env=ROLLSHARE_TARGET={}", variable("TARGET"));
    // PROFILE is only `release` or `debug`; the folder has the profile's own name: target/light/build/rollshare-HASH/out.
    let out = variable("OUT_DIR");
    let profile = Path::new(&out).ancestors().nth(3).and_then(|folder| folder.file_name()?.to_str());
    println!("cargo:rustc-env=ROLLSHARE_PROFILE={}", profile.unwrap_or_default());
    println!("cargo:rerun-if-changed=build.rs");
    // Development builds do without the commit: a commit would compile them anew.
    let release = variable("PROFILE") == "release";
    let commit = said("git", &["rev-parse", "--short=12", "HEAD"]).filter(|_| release);
    println!("cargo:rustc-env=ROLLSHARE_COMMIT={}", commit.clone().unwrap_or_default());
    if let Some(log) = commit.and_then(|_| said("git", &["rev-parse", "--git-path", "logs/HEAD"])) {
        println!("cargo:rerun-if-changed={log}");
    }
}

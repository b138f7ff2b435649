//! Objects in a bucket give the same output as the same files in a folder on disk: the same bytes, or
//! the same error in the same words.

use std::path::Path;

use crate::world::{World, at, program, text};

#[derive(serde::Deserialize)]
struct Case {
    id: String,
    input: String,
}

#[test]
#[ignore = "needs moto, an S3 API server: make test-s3"]
fn every_case_is_answered_as_on_disk() {
    let world = World::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let cases: Vec<Case> =
        serde_json::from_slice(&std::fs::read(folder.join("manifest.json")).unwrap()).unwrap();
    assert_eq!(cases.len(), 127);
    let (mut differ, mut answered, mut skipped) = (Vec::new(), 0, Vec::new());
    for case in &cases {
        let source = folder.join(&case.input);
        // A bucket has no empty folders, and missing objects are reported in other words.
        if case.id == "dir_empty" || !source.exists() {
            skipped.push(&case.id);
            continue;
        }
        if source.is_dir() {
            world.upload(&source, &format!("cases/{}", case.input));
        } else {
            world.put(&format!("cases/{}", case.input), &std::fs::read(&source).unwrap());
        }
        for semantics in ["iso", "legacy"] {
            let run_with = |mut command: std::process::Command, source: String| {
                let options =
                    ["--quiet", "--no-checks", "--threads", "2", "--semantics", semantics, "--target", "-"];
                let out = command.arg("run").args(options).args(["--source", &source]).output().unwrap();
                (out.status.code(), text(&out.stdout), text(&out.stderr))
            };
            let local = run_with(program(), source.to_str().unwrap().to_owned());
            let mut stored = run_with(at(world.port), format!("s3://bucket/cases/{}", case.input));
            let root = folder.to_str().unwrap();
            stored.2 = stored.2.replace("s3://bucket/cases", root);
            answered += i32::from(stored.0 == Some(0));
            if local != stored {
                differ.push(format!("{} {semantics}:\n  {local:?}\n  {stored:?}", case.id));
            }
        }
    }
    assert!(differ.is_empty(), "{} differ:\n{}", differ.len(), differ.join("\n"));
    assert!(skipped.len() <= 2, "{skipped:?}");
    assert!(answered > 180, "{answered}");
}

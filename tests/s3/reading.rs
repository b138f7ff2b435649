//! Resolving sources in a bucket, and the requests that reading them needs.

use crate::proxy::{Fault, Rule};
use crate::world::{World, at, program, run, text};

/// The output for local files of the test folder.
fn local(world: &World, arguments: &[&str], names: &[&str]) -> Vec<u8> {
    let mut command = program();
    command.args(["run", "--quiet", "--no-checks", "--target", "-"]).args(arguments).arg("--source");
    for name in names {
        command.arg(world.dir.path().join(name));
    }
    let out = command.output().unwrap();
    assert!(out.status.success(), "{}", text(&out.stderr));
    out.stdout
}

#[test]
#[ignore = "needs moto, an S3 API server: make test-s3"]
fn objects_prefixes_globs_and_partitions_are_found_as_on_disk() {
    let world = World::new();
    let sample = world.sample(3000);
    for key in
        ["a/x.parquet", "a/deep/y.parquet", "a/_tmp/no.parquet", "a/.no.parquet", "b.parquet", "ab.parquet"]
    {
        let path = world.dir.path().join(key);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &sample).unwrap();
        world.put(key, &sample);
    }
    // Markers of empty folders are not data.
    for marker in ["a/", "a/deep/", "a/empty_$folder$", "marked", "marked/"] {
        world.put(marker, b"");
    }
    world.put("marked/x.parquet", &sample);
    let one = local(&world, &[], &["b.parquet"]);
    let two = local(&world, &[], &["a"]);
    for (source, expected) in [
        ("s3://bucket/b.parquet", &one),
        ("s3a://bucket/b.parquet", &one),
        ("s3://bucket/a", &two),
        ("s3://bucket/a/", &two),
        ("s3://bucket/a/*", &two),
        ("s3://bucket/a/*.parquet", &one),
        ("s3://bucket/a/deep", &one),
        ("s3://bucket/[b]?parquet", &one),
        ("s3://bucket/a/**/*.parquet", &two),
        ("s3://bucket/marked", &one),
    ] {
        let out = run(world.port, &["--quiet", "--target", "-", "--source", source]);
        assert!(out.status.success(), "{source}: {}", text(&out.stderr));
        assert_eq!(&out.stdout, expected, "{source}");
    }
    // An object beside a local file, and one that is matched twice.
    let path = world.dir.path().join("b.parquet");
    let sources = ["--source", "s3://bucket/a/x.parquet", "s3://bucket/a/x.parquet", path.to_str().unwrap()];
    let out = run(world.port, &[&["--quiet", "--target", "-"][..], &sources[..]].concat());
    assert_eq!(out.stdout, two, "{}", text(&out.stderr));

    for (source, names) in [
        ("s3://bucket/none.parquet", "s3://bucket/none.parquet"),
        ("s3://bucket/none*", "no data files match 's3://bucket/none*'"),
        ("s3://elsewhere/x", "elsewhere"),
        ("s3://bucket/a//x", "empty"),
    ] {
        let out = run(world.port, &["--source", source]);
        let stderr = text(&out.stderr);
        assert!(matches!(out.status.code(), Some(2 | 3)) && stderr.contains(names), "{source}: {stderr}");
    }
}

#[test]
#[ignore = "needs moto, an S3 API server: make test-s3"]
fn a_folder_with_characters_of_a_glob_is_read_as_it_is_written() {
    let world = World::new();
    let sample = world.sample(3000);
    let keys =
        ["star*/x", "star1/y", "br[0]/x", "br0/y", "amp&=?#/x", "amp&=1#/y", "in/area=a*[b]?/x", "in2/x"];
    for key in keys {
        let key = format!("{key}.parquet");
        let path = world.dir.path().join(&key);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &sample).unwrap();
        world.put(&key, &sample);
    }
    for (source, files) in [
        ("star*/", 1),
        ("star*", 1),
        ("star*/x.parquet", 1),
        ("star[*]/", 1),
        ("star?/", 2),
        ("star?", 2),
        ("br[0]/", 1),
        ("br[0]", 1),
        ("br[[]0]/", 1),
        ("amp&=?#/", 1),
        ("amp&=?#/x.parquet", 1),
        ("amp&=[?]#", 1),
        ("in/area=a*[b]?/", 1),
        ("in/", 1),
        // A folder that does not exist as it is written.
        ("in*/", 2),
    ] {
        let local = world.dir.path().join(source).display().to_string()
            + if source.ends_with('/') { "/" } else { "" };
        let [remote, local] = [format!("s3://bucket/{source}"), local].map(|source| {
            let out = run(world.port, &["--json", "--source", &source]);
            let json: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
            assert!(out.status.success(), "{source}: {json}");
            (json["stats"]["files"].clone(), json["account"].clone())
        });
        assert_eq!(remote, local, "{source}");
        assert_eq!(remote.0, files, "{source}");
    }
    for source in [format!("{}/none*/", world.dir.path().display()), "s3://bucket/none[1]/".to_owned()] {
        let out = run(world.port, &["--source", &source]);
        let stderr = text(&out.stderr);
        assert_eq!(out.status.code(), Some(3), "{stderr}");
        assert!(stderr.contains("no data files match") && stderr.contains("[*]"), "{stderr}");
    }
    // A target of such a name, and one inside a source of such a name.
    let target = "s3://bucket/out[1]*/share?.csv";
    let out = run(world.port, &["--quiet", "--target", target, "--source", "s3://bucket/star*/"]);
    assert!(out.status.success(), "{}", text(&out.stderr));
    assert!(world.get("out[1]*/share?.csv").is_some());
    let inside = "s3://bucket/star*/share.csv";
    let out = run(world.port, &["--target", inside, "--source", "s3://bucket/star*/"]);
    assert_eq!(out.status.code(), Some(2), "{}", text(&out.stderr));
}

#[test]
#[ignore = "needs moto, an S3 API server: make test-s3"]
fn text_and_profiles_are_read_from_a_bucket() {
    use std::io::Write;
    let world = World::new();
    let path = world.dir.path().join("x.csv");
    let made = program().args(["sample", "--quiet", "--rows", "3000", "--out"]).arg(&path).status();
    assert!(made.unwrap().success());
    let plain = std::fs::read(&path).unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&plain).unwrap();
    world.put("x.csv", &plain);
    world.put("x.csv.gz", &gzip.finish().unwrap());
    let expected = local(&world, &[], &["x.csv"]);
    let inferred = program().args(["profile", "--quiet"]).arg(&path).output().unwrap();
    assert!(inferred.status.success());
    // The first comment names the source.
    let entries = |toml: &[u8]| -> Vec<String> {
        text(toml).lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
    };
    for source in ["s3://bucket/x.csv", "s3://bucket/x.csv.gz"] {
        let out = run(world.port, &["--quiet", "--target", "-", "--source", source]);
        assert_eq!(text(&out.stdout), text(&expected), "{source}: {}", text(&out.stderr));
        let out = at(world.port).args(["profile", "--quiet", source]).output().unwrap();
        assert!(out.status.success(), "{source}: {}", text(&out.stderr));
        assert_eq!(entries(&out.stdout), entries(&inferred.stdout), "{source}");
    }
    world.put("p.toml", &inferred.stdout);
    let by_profile = |profile: &str| {
        let arguments =
            ["--quiet", "--target", "-", "--source", "s3://bucket/x.csv.gz", "--profile", profile];
        run(world.port, &arguments)
    };
    let path = world.dir.path().join("p.toml");
    std::fs::write(&path, &inferred.stdout).unwrap();
    let (remote, local) = (by_profile("s3://bucket/p.toml"), by_profile(path.to_str().unwrap()));
    assert!(remote.status.success() && !remote.stdout.is_empty(), "{}", text(&remote.stderr));
    assert_eq!(remote.stdout, local.stdout);
    let missing = by_profile("s3://bucket/q.toml");
    let stderr = text(&missing.stderr);
    assert_eq!(missing.status.code(), Some(3), "{stderr}");
    assert!(stderr.contains("cannot read the profile") && stderr.contains("s3://bucket/q.toml"), "{stderr}");
}

#[test]
#[ignore = "needs moto, an S3 API server: make test-s3"]
fn folders_of_lake_tables_are_refused_and_their_files_accepted() {
    let world = World::new();
    let sample = world.sample(3000);
    for key in
        ["lake/delta/os=a/x.parquet", "lake/hudi/x.parquet", "lake/iceberg/data/x.parquet", "plain/x.parquet"]
    {
        world.put(key, &sample);
    }
    for log in ["delta/_delta_log/0.json", "hudi/.hoodie/x.properties", "iceberg/metadata/v1.metadata.json"] {
        world.put(&format!("lake/{log}"), b"{}");
    }
    for (source, word) in [
        ("lake/delta", "a Delta Lake table, s3://bucket/lake/delta:"),
        ("lake/delta/os=a/", "a Delta Lake table, s3://bucket/lake/delta:"),
        ("lake/delta/os=a/*.parquet", "Delta Lake"),
        ("lake/delta/*/x.parquet", "Delta Lake"),
        ("lake/delt*/os=a/x.parquet", "Delta Lake"),
        ("lake/d*", "Delta Lake"),
        ("lake/hudi", "Apache Hudi"),
        ("lake/iceberg", "Apache Iceberg"),
        ("lake/iceberg/data", "Apache Iceberg"),
        ("lake", "Delta Lake"),
    ] {
        let out = run(world.port, &["--target", "-", "--source", &format!("s3://bucket/{source}")]);
        let stderr = text(&out.stderr);
        assert!(out.status.code() == Some(3) && stderr.contains(word), "{source}: {stderr}");
    }
    // A file of a Delta table that is named by itself has the partitions of its path.
    for (source, by) in
        [("lake/delta/os=a/x.parquet", "os"), ("plain/x.parquet", "os_name"), ("plain", "os_name")]
    {
        let source = format!("s3://bucket/{source}");
        let out =
            run(world.port, &["--target", "-", "--dimension", "os=os", "--by", by, "--source", &source]);
        let is_expected = out.status.success() == (by == "os");
        assert!(is_expected, "{source}: {}", text(&out.stderr));
    }
    for source in ["s3://bucket/plain", "s3://bucket/plain/*"] {
        let out = run(world.port, &["--target", "-", "--source", source]);
        assert!(out.status.success(), "{source}: {}", text(&out.stderr));
    }
}

#[test]
#[ignore = "needs moto, an S3 API server: make test-s3"]
fn legacy_semantics_hold_in_a_bucket() {
    let world = World::new();
    let sample = world.sample(3000);
    for key in ["x.parquet", "nested/y.parquet"] {
        world.put(&format!("in/{key}"), &sample);
    }
    world.put("in/zero.parquet", b"");
    let run_with = |semantics| {
        run(world.port, &["--semantics", semantics, "--target", "-", "--source", "s3://bucket/in"])
    };
    let legacy = run_with("legacy");
    let stderr = text(&legacy.stderr);
    assert!(legacy.status.success(), "{stderr}");
    assert!(stderr.contains("s3://bucket/in: 1 files in nested folders not read"), "{stderr}");
    assert!(stderr.contains("s3://bucket/in/zero.parquet: skipped, zero bytes"), "{stderr}");
    let iso = run_with("iso");
    assert_eq!(iso.status.code(), Some(3));
    let stderr = text(&iso.stderr);
    assert!(
        stderr.contains("s3://bucket/in/zero.parquet") && stderr.contains("a zero-byte file"),
        "{stderr}"
    );
}

#[test]
#[ignore = "needs moto, an S3 API server: make test-s3"]
fn only_needed_columns_are_read_in_two_rounds() {
    let world = World::new();
    let sample = world.sample(400_000);
    world.put("in/x.parquet", &sample);
    std::fs::write(world.dir.path().join("x.parquet"), &sample).unwrap();
    let proxy = world.proxy(vec![]);
    let out = run(proxy.port, &["--json", "--source", "s3://bucket/in/x.parquet"]);
    assert!(out.status.success(), "{}", text(&out.stdout));
    let summary: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    let traffic = &summary["stats"]["traffic"];
    let reads = proxy.reads();
    let bytes: usize = reads.iter().map(|seen| seen.bytes).sum();
    assert_eq!(traffic["requests"], reads.len(), "{traffic}");
    assert_eq!(traffic["bytes"], bytes, "{traffic}");
    assert_eq!(traffic["rounds"], 2, "{traffic}");
    // The channels and values alone are 60 % of the sample.
    assert!(bytes * 4 <= sample.len() * 3, "{bytes} of {}", sample.len());
    assert!(reads.len() <= 4, "{reads:?}");
    assert!(reads.iter().all(|seen| seen.if_match.is_some() && seen.status == 206), "{reads:?}");
    // One listing and no HEAD.
    assert_eq!(proxy.seen().len(), reads.len() + 1, "{:?}", proxy.seen());
}

#[test]
#[ignore = "needs moto, an S3 API server: make test-s3"]
fn many_files_come_in_any_number_of_threads() {
    let world = World::new();
    let folder = world.dir.path().join("daily");
    let made = program()
        .args(["sample", "--quiet", "--rows", "60000", "--layout", "daily", "--out"])
        .arg(&folder)
        .status();
    assert!(made.unwrap().success());
    // Three months: each file costs the server a few milliseconds.
    let mut names: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|e| e.unwrap().path()).collect();
    names.sort();
    for path in names.split_off(names.len().min(60)) {
        std::fs::remove_dir_all(path).unwrap();
    }
    world.upload(&folder, "daily");
    let expected = local(&world, &[], &["daily"]);
    for threads in ["1", "2", "7"] {
        let proxy = world.proxy(vec![]);
        let arguments = ["--quiet", "--threads", threads, "--target", "-", "--source", "s3://bucket/daily/"];
        let out = run(proxy.port, &arguments);
        assert_eq!(out.stdout, expected, "{}", text(&out.stderr));
        let reads = proxy.reads();
        assert!(reads.len() <= 2 * names.len(), "{} requests for {} files", reads.len(), names.len());
    }
}

#[test]
#[ignore = "needs moto, an S3 API server: make test-s3"]
fn an_object_that_is_replaced_meanwhile_is_an_error() {
    let world = World::new();
    let (old, new) = (world.sample(200_000), world.sample(200_001));
    for skip in [0, 1] {
        world.put("x.parquet", &old);
        let (port, body) = (world.port, new.clone());
        let replace = move || {
            let response = crate::http::call(port, "PUT", "/bucket/x.parquet", &body);
            assert_eq!(response.status(), 200);
        };
        let fault = Fault::Before(std::sync::Arc::new(replace));
        let rule = Rule { method: "GET", target: "/bucket/x.parquet", skip, times: 1, fault };
        let proxy = world.proxy(vec![rule]);
        let out = run(proxy.port, &["--target", "s3://bucket/out.csv", "--source", "s3://bucket/x.parquet"]);
        let stderr = text(&out.stderr);
        assert_eq!(out.status.code(), Some(3), "{stderr}");
        assert!(stderr.contains("s3://bucket/x.parquet"), "{stderr}");
        assert!(stderr.contains("the object was replaced while"), "{stderr}");
        assert_eq!(world.get("out.csv"), None);
    }
}

#[test]
#[ignore = "needs moto, an S3 API server: make test-s3"]
fn without_s3_there_is_no_client() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.parquet");
    let made = program().args(["sample", "--quiet", "--rows", "1000", "--out"]).arg(&path).status();
    assert!(made.unwrap().success());
    // An invalid timeout is an error when the client is created.
    let run_on = |source: &str| {
        let mut command = at(1);
        command.env("ROLLSHARE_S3_TIMEOUT", "soon").args(["run", "--source", source]).output().unwrap()
    };
    assert!(run_on(path.to_str().unwrap()).status.success());
    let out = run_on("s3://bucket/x.parquet");
    assert_eq!(out.status.code(), Some(2));
    assert!(text(&out.stderr).contains("ROLLSHARE_S3_TIMEOUT is 'soon'"), "{}", text(&out.stderr));
}

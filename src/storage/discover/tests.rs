#![allow(clippy::unwrap_used, clippy::indexing_slicing)]
use std::fs;

use tempfile::TempDir;

use super::*;

fn tree(files: &[&str]) -> TempDir {
    let dir = TempDir::new().unwrap();
    for file in files {
        let path = dir.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, if file.ends_with(".zero") { "" } else { "data" }).unwrap();
    }
    dir
}

fn found(dir: &TempDir, sources: &[&str], semantics: Semantics) -> Result<(Vec<String>, Vec<String>)> {
    let sources: Vec<String> =
        sources.iter().map(|s| dir.path().join(s).to_str().unwrap().to_owned()).collect();
    let discovery = discover(&sources, semantics)?;
    let names = discovery.inputs.iter().map(|input| {
        let name = Path::new(&**input.object.name()).strip_prefix(dir.path()).unwrap();
        let mut text = name.to_str().unwrap().to_owned();
        for (key, value) in &input.partitions {
            text += &format!(" {key}:{}", value.as_deref().unwrap_or("null"));
        }
        text
    });
    Ok((names.collect(), discovery.notes))
}

fn names(dir: &TempDir, sources: &[&str]) -> Vec<String> {
    found(dir, sources, Semantics::Iso).unwrap().0
}

#[test]
fn a_folder_is_read_in_depth_and_in_order() {
    let dir = tree(&[
        "d/b.parquet",
        "d/a/z/x",
        "d/a.parquet",
        "d/README.txt",
        "d/_SUCCESS",
        "d/.a.crc",
        "d/_tmp/y",
        "d/.hid/y",
    ]);
    let expected = ["d/README.txt", "d/a.parquet", "d/a/z/x", "d/b.parquet"];
    assert_eq!(names(&dir, &["d"]), expected);
    assert_eq!(names(&dir, &["d/"]), expected.map(str::to_owned));
}

#[test]
fn partitions_lie_below_the_source() {
    let dir = tree(&["d/country=FR/os_name=all/x", "d/country=__HIVE_DEFAULT_PARTITION__/y"]);
    assert_eq!(
        names(&dir, &["d"]),
        [
            "d/country=FR/os_name=all/x country:FR os_name:all",
            "d/country=__HIVE_DEFAULT_PARTITION__/y country:null"
        ]
    );
    assert_eq!(names(&dir, &["d/country=FR"]), ["d/country=FR/os_name=all/x os_name:all"]);
    assert_eq!(names(&dir, &["d/country=FR/os_name=all/x"]), ["d/country=FR/os_name=all/x"]);
    assert_eq!(names(&dir, &["d/country=F*"]), ["d/country=FR/os_name=all/x country:FR os_name:all"]);
    assert_eq!(names(&dir, &["d/**/x"]), ["d/country=FR/os_name=all/x country:FR os_name:all"]);
}

#[test]
fn globs() {
    let dir = tree(&["a-1.parquet", "a-2.parquet", "a-[3].parquet", "_a.parquet", "n/m/a.parquet"]);
    assert_eq!(names(&dir, &["a-?.parquet"]), ["a-1.parquet", "a-2.parquet"]);
    assert_eq!(names(&dir, &["a-[3].parquet"]), ["a-[3].parquet"], "what exists wins");
    assert_eq!(names(&dir, &["_a*"]), ["_a.parquet"], "asked for by name");
    assert_eq!(names(&dir, &["n*"]), ["n/m/a.parquet"]);
}

#[test]
fn a_glob_that_finds_nothing_fails_even_beside_one_that_does() {
    let dir = tree(&["a.parquet", "_a.parquet"]);
    assert!(matches!(found(&dir, &["a*", "b*"], Semantics::Iso), Err(Error::NotFound(_))));
    assert!(matches!(found(&dir, &["*_a.parquet"], Semantics::Iso), Err(Error::NotFound(_))));
    assert!(matches!(found(&dir, &["[x"], Semantics::Iso), Err(Error::Argument(_))));
}

#[test]
fn a_file_is_read_once() {
    let dir = tree(&["d/country=FR/x", "d/country=GB/y"]);
    let (names, notes) = found(&dir, &["d/country=FR", "d", "d/country=FR/x"], Semantics::Iso).unwrap();
    assert_eq!(names, ["d/country=FR/x country:FR", "d/country=GB/y country:GB"]);
    assert_eq!(notes, ["2 files are matched twice; each is read once"]);
    let (names, notes) = found(&dir, &["d/**"], Semantics::Iso).unwrap();
    assert_eq!(names, ["d/country=FR/x country:FR", "d/country=GB/y country:GB"]);
    assert_eq!(notes, [""; 0]);
}

#[test]
fn what_is_missing_is_named() {
    let dir = tree(&["d/_SUCCESS", "e/x"]);
    for (source, words) in [("nope.parquet", "nope.parquet"), ("d", "no data files in"), ("nope/", "nope")] {
        let error = found(&dir, &["e", source], Semantics::Iso).unwrap_err();
        assert!(matches!(error, Error::NotFound(_)), "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
    fs::create_dir(dir.path().join("empty")).unwrap();
    assert!(matches!(found(&dir, &["empty"], Semantics::Legacy), Err(Error::NotFound(_))));
}

#[test]
fn zero_bytes() {
    let dir = tree(&["d/a", "d/b.zero", "only/c.zero"]);
    let error = found(&dir, &["d"], Semantics::Iso).unwrap_err();
    assert!(matches!(error, Error::Data(_)) && error.to_string().contains("b.zero"), "{error}");
    let (names, notes) = found(&dir, &["d"], Semantics::Legacy).unwrap();
    assert_eq!(names, ["d/a"]);
    assert!(notes.len() == 1 && notes[0].contains("b.zero"), "{notes:?}");
    assert!(matches!(found(&dir, &["d/b.zero"], Semantics::Legacy), Err(Error::Data(_))));
    assert!(matches!(found(&dir, &["d", "d/b.zero"], Semantics::Legacy), Err(Error::Data(_))));
    assert!(matches!(found(&dir, &["only"], Semantics::Legacy), Err(Error::NotFound(_))));
}

#[test]
fn legacy_skips_nested_folders_beside_files() {
    let dir = tree(&["d/x", "d/a/b/y", "e/a/y", "p/x", "p/k=1/y"]);
    let (names, notes) = found(&dir, &["d"], Semantics::Legacy).unwrap();
    assert_eq!(names, ["d/x"]);
    assert!(notes.len() == 1 && notes[0].contains("1 files in nested folders not read"), "{notes:?}");
    assert_eq!(found(&dir, &["d"], Semantics::Iso).unwrap().0, ["d/a/b/y", "d/x"]);
    assert_eq!(found(&dir, &["e"], Semantics::Legacy).unwrap().0, ["e/a/y"]);
    assert_eq!(found(&dir, &["p"], Semantics::Legacy).unwrap().0, ["p/k=1/y k:1", "p/x"]);
    let both = found(&dir, &["d", "d/a"], Semantics::Legacy).unwrap();
    assert_eq!(both, (vec!["d/a/b/y".into(), "d/x".into()], vec![]));
}

#[cfg(unix)]
#[test]
fn links_are_followed_once_and_loops_end() {
    let dir = tree(&["d/a/x", "other/y"]);
    let link =
        |to: &str, at: &str| std::os::unix::fs::symlink(dir.path().join(to), dir.path().join(at)).unwrap();
    link("d", "d/a/loop");
    link("other", "d/out");
    link("d/a/x", "d/b");
    let (names, notes) = found(&dir, &["d"], Semantics::Iso).unwrap();
    assert_eq!(names, ["d/b", "d/out/y"]);
    assert!(notes.iter().any(|note| note.contains("loop")), "{notes:?}");
    assert!(notes.iter().any(|note| note.contains("1 files are matched twice")), "{notes:?}");
    link("gone", "d/dangling");
    assert!(matches!(found(&dir, &["d"], Semantics::Iso), Err(Error::NotFound(_))));
}

#[cfg(unix)]
#[test]
fn a_socket_is_no_data() {
    let dir = tree(&["d/x"]);
    let _socket = std::os::unix::net::UnixListener::bind(dir.path().join("d/s")).unwrap();
    assert!(matches!(found(&dir, &["d"], Semantics::Iso), Err(Error::Unsupported(_))));
    assert!(matches!(found(&dir, &["d/s"], Semantics::Iso), Err(Error::Unsupported(_))));
}

#[test]
fn source_paths() {
    let dir = tree(&["d/x", "f/x", "g/1.parquet"]);
    let at = |name: &str| dir.path().canonicalize().unwrap().join(name);
    let sources = ["d", "f/x", "g/*.parquet"].map(|s| dir.path().join(s).to_str().unwrap().to_owned());
    let source_paths = discover(&sources, Semantics::Iso).unwrap().source_paths;
    for inside in ["d", "d/x", "d/new/y", "f/x", "g/1.parquet", "g/2.parquet"] {
        assert!(source_paths.covering(&at(inside)).is_some(), "{inside}");
    }
    for outside in ["dd", "f/y", "f", "g/2.csv", "g", "g/n/2.parquet"] {
        assert_eq!(source_paths.covering(&at(outside)), None, "{outside}");
    }
    for around in ["", "d", "f", "g"] {
        assert!(source_paths.within(&at(around)).is_some(), "{around}");
    }
    assert_eq!(source_paths.within(&at("other")), None);
}

#[test]
fn folders_of_lake_tables_are_refused_and_their_files_accepted() {
    let dir = tree(&[
        "lake/delta/_delta_log/00000000000000000000.json",
        "lake/delta/country=FR/os_name=all/a",
        "lake/delta/country=__HIVE_DEFAULT_PARTITION__/b",
        "lake/hudi/.hoodie/hoodie.properties",
        "lake/hudi/country=FR/a",
        "lake/iceberg/metadata/v2.metadata.json",
        "lake/iceberg/data/country=FR/a",
        "plain/metadata/a",
        "plain/_delta_log",
        "plain/country=FR/b",
    ]);
    for (source, word) in [
        ("lake/delta", "Delta Lake"),
        ("lake/delta/country=FR", "Delta Lake"),
        ("lake/delta/country=FR/os_name=all", "Delta Lake"),
        ("lake/delta/_delta_log", "Delta Lake"),
        ("lake/delta/*", "Delta Lake"),
        ("lake/d*", "Delta Lake"),
        ("lake/delta/**/a", "Delta Lake"),
        ("lake/*/country=FR/os_name=all/a", "Delta Lake"),
        ("lake/hudi", "Apache Hudi"),
        ("lake/hudi/country=FR", "Apache Hudi"),
        ("lake/iceberg", "Apache Iceberg"),
        ("lake/iceberg/data", "Apache Iceberg"),
        ("lake/iceberg/data/country=FR/*", "Apache Iceberg"),
        ("lake", "Delta Lake"),
    ] {
        for semantics in [Semantics::Iso, Semantics::Legacy] {
            let error = found(&dir, &[source], semantics).unwrap_err();
            assert!(matches!(error, Error::Unsupported(_)), "{source}: {error}");
            let text = error.to_string();
            let words = [word, "no part of the table any more", "rolling_share(spark."];
            assert!(words.iter().all(|word| text.contains(word)), "{source}: {text}");
        }
    }
    assert_eq!(names(&dir, &["plain"]), ["plain/country=FR/b country:FR", "plain/metadata/a"]);
    // Delta's files lack the columns of partitions; those of the other formats have them.
    assert_eq!(
        names(
            &dir,
            &[
                "lake/delta/country=FR/os_name=all/a",
                "lake/delta/country=__HIVE_DEFAULT_PARTITION__/b",
                "lake/hudi/country=FR/a",
                "lake/iceberg/data/country=FR/a",
                "plain/country=FR/b",
            ]
        ),
        [
            "lake/delta/country=FR/os_name=all/a country:FR os_name:all",
            "lake/delta/country=__HIVE_DEFAULT_PARTITION__/b country:null",
            "lake/hudi/country=FR/a",
            "lake/iceberg/data/country=FR/a",
            "plain/country=FR/b",
        ]
    );
}

#[cfg(unix)]
#[test]
fn a_link_into_a_lake_table_is_no_way_round() {
    let dir = tree(&["delta/_delta_log/0.json", "delta/part/a", "files/b"]);
    let link =
        |to: &str, at: &str| std::os::unix::fs::symlink(dir.path().join(to), dir.path().join(at)).unwrap();
    link("delta/part", "link");
    link("files/b", "delta/part/b");
    for source in ["link", "link/*", "delta/part/b*"] {
        assert!(matches!(found(&dir, &[source], Semantics::Iso), Err(Error::Unsupported(_))), "{source}");
    }
}

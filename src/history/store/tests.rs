use super::*;

fn history(countries: usize, weeks: usize) -> History {
    let names = (0..countries).map(|c| format!("C{c:03}").into()).collect();
    let mut totals = Totals { weeks: Panel::new(2900, weeks, names), ..Totals::default() };
    totals.channels = Panel::new(2900, weeks, vec!["Organic".into(), "Ads, \"x\"".into()]);
    totals.days = Panel::new(20_000, weeks * 7, vec!["".into()]);
    for (panel, names) in [(&mut totals.weeks, countries), (&mut totals.channels, 2), (&mut totals.days, 1)] {
        for name in 0..names {
            for (at, step) in panel.steps().enumerate().filter(|(at, _)| at % 5 != 3) {
                let users = (at * 31 + name) as f64 + 0.5;
                panel.put(
                    name,
                    step,
                    Point { rows: 3.0, users, organic: 1.0, complete: at % 2 == 0, run: 0 },
                );
            }
        }
    }
    let mut history = History::default();
    history.record(&totals, "first", weeks);
    history
}

/// All points, independent of the order of the runs.
fn points(history: &History) -> Vec<(Arc<str>, i32, Point, String)> {
    let totals = &history.totals;
    let named = |(panel, (name, step, point)): (&Panel, (usize, i32, &Point))| {
        let run = history.run_of(point).to_owned();
        (panel.names()[name].clone(), step, Point { run: 0, ..*point }, run)
    };
    let panels = [&totals.weeks, &totals.channels, &totals.days];
    panels.into_iter().flat_map(|panel| panel.entries().map(move |entry| (panel, entry))).map(named).collect()
}

#[test]
fn what_was_written_is_read() {
    for (countries, weeks) in [(1, 1), (3, 40), (40, 160)] {
        let mut history = history(countries, weeks);
        let mut later = history.totals.clone();
        later.weeks = Panel::new(2900 + weeks as i32 - 1, 2, vec!["C000".into()]);
        later.weeks.put(0, 2900 + weeks as i32, Point { users: 7.0, complete: true, ..Point::default() });
        history.record(&later, "second", weeks + 1);
        let read = decode("x", encode(&history).unwrap()).unwrap();
        let mut runs = read.runs.clone();
        runs.sort();
        assert_eq!(runs, history.runs);
        assert_eq!(points(&read), points(&history));
    }
}

#[test]
fn a_channel_may_be_called_as_a_country() {
    let mut history = history(2, 3);
    let mut totals = history.totals.clone();
    totals.channels = Panel::new(2900, 3, vec!["C000".into(), "x\n".into()]);
    for (name, step) in [(0, 2900), (1, 2901), (0, 2902)] {
        totals.channels.put(name, step, Point { users: 7.0, ..Point::default() });
    }
    history.record(&totals, "second", 20);
    let read = decode("x", encode(&history).unwrap()).unwrap();
    assert_eq!(points(&read), points(&history));
}

#[test]
fn sums_of_another_question_begin_a_history() {
    let mut history = history(3, 20);
    assert_eq!(&*decode("x", encode(&history).unwrap()).unwrap().totals.question, "");
    let mut totals = Totals { weeks: Panel::new(2900, 2, vec!["GB, ios".into()]), ..Totals::default() };
    totals.question = "country, os".into();
    totals.weeks.put(0, 2901, Point { users: 7.0, complete: true, ..Point::default() });
    history.record(&totals, "second", 20);
    let read = decode("x", encode(&history).unwrap()).unwrap();
    assert_eq!(&*read.totals.question, "country, os");
    assert_eq!(points(&read), points(&history));
    assert_eq!(points(&read).len(), 1);
}

#[test]
fn damage_is_an_error_and_never_a_panic() {
    let good = encode(&history(3, 20)).unwrap();
    assert!(decode("x", vec![]).is_err() && decode("x", b"{}".to_vec()).is_err());
    assert!(decode("x", good[..good.len() / 2].to_vec()).is_err());
    let good_points = points(&decode("x", good.clone()).unwrap());
    let mut random = 1u64;
    for _ in 0..2000 {
        let mut bytes = good.clone();
        for _ in 0..3 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let at = (random >> 33) as usize % bytes.len();
            bytes[at] ^= (random >> 20) as u8 | 1;
        }
        // Undetected damage must not matter: a flag that is never read, a bit of padding.
        if let Ok(read) = decode("x", bytes) {
            assert_eq!(points(&read), good_points);
        }
    }
}

/// A file as earlier versions wrote it: without a checksum of its bytes.
fn without_crc(mut bytes: Vec<u8>) -> Vec<u8> {
    let place = find_crc(&bytes).unwrap();
    bytes[place.start - 3] = b'X';
    bytes
}

/// All damage of one place: each bit, each byte as 0 and 0xff, each end.
fn each_damage(good: &[u8], mut each: impl FnMut(&str, usize, Vec<u8>)) {
    for at in 0..good.len() {
        let mut replace = |what: &str, byte: u8| {
            if byte != good[at] {
                let mut bytes = good.to_vec();
                bytes[at] = byte;
                each(what, at, bytes);
            }
        };
        for bit in 0..8 {
            replace("a bit", good[at] ^ 1 << bit);
        }
        replace("zero", 0);
        replace("ones", 0xff);
        each("cut short", at, good[..at].to_vec());
    }
}

#[test]
fn any_single_damage_is_an_error_or_changes_nothing() {
    let good = encode(&history(1, 2)).unwrap();
    let good_points = points(&decode("x", good.clone()).unwrap());
    let key = find_crc(&good).unwrap().start - CRC_KEY.len() - 2..find_crc(&good).unwrap().start;
    let (mut all, mut read) = (0, 0);
    each_damage(&good, |what, at, bytes| {
        all += 1;
        if let Ok(history) = decode("x", bytes) {
            read += 1;
            assert_eq!(points(&history), good_points, "{what} at {at}");
            // The key of the checksum is damaged: the rows have one of their own.
            assert!(key.contains(&at), "{what} at {at}");
        }
    });
    assert!(all > 9 * good.len() && read > 0, "{all} {read}");

    let old = without_crc(good);
    let (mut all, mut read, mut emptied) = (0, 0, Vec::new());
    each_damage(&old, |what, at, bytes| {
        all += 1;
        match decode("x", bytes) {
            Ok(history) => {
                read += 1;
                assert_eq!(points(&history), good_points, "{what} at {at}, without a checksum of the file");
            }
            Err(error) if error.to_string().contains("no rows and no checksum") => {
                emptied.push((at, what.to_owned()))
            }
            Err(_) => {}
        }
    });
    // Statistics, names that are not read: much of a footer does not matter.
    assert!(read > all / 100 && read < all / 2, "{read} of {all}");
    // An earlier version read these as a history of nothing.
    assert!(!emptied.is_empty());
    println!("{} bytes, {all} damaged: {read} read, without rows {emptied:?}", old.len());
}

#[test]
fn a_history_whose_rows_are_gone_is_damage() {
    let good = encode(&history(3, 20)).unwrap();
    let none = encode(&History::default()).unwrap();
    assert_eq!(points(&decode("x", none.clone()).unwrap()), []);
    // Before there was a checksum of the file, 0 rows in the footer were an empty history.
    assert!(decode("x", without_crc(none)).is_err());
    // An earlier version has none, and is read.
    assert_eq!(points(&decode("x", without_crc(good.clone())).unwrap()), points(&decode("x", good).unwrap()));
}

#[test]
fn a_number_that_was_changed_is_damage() {
    let mut history = history(3, 20);
    let bytes = encode(&history).unwrap();
    let point = history.totals.weeks.points_mut().next().unwrap();
    point.users += 1.0;
    let other = encode(&history).unwrap();
    // The rows of one history with the digest of the other.
    let digest = |bytes: &[u8]| File::open("x", bytes.to_vec()).unwrap().read_ints("digest").unwrap()[0];
    let (from, to) = (digest(&bytes).to_le_bytes(), digest(&other).to_le_bytes());
    assert_ne!(from, to);
    let mut mixed = bytes.clone();
    for at in (0..bytes.len() - 3).filter(|at| bytes[*at..*at + 4] == from) {
        mixed[at..at + 4].copy_from_slice(&to);
    }
    store_crc(&mut mixed).unwrap();
    let error = decode("x", mixed).unwrap_err().to_string();
    assert!(error.contains("digest"), "{error}");
}

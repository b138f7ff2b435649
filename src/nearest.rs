//! Names that are near to a mistyped one, for the advice of errors.

/// The choice that is nearest to `word`, if one is near: at most half of its letters differ.
pub fn nearest<'c>(word: &str, choices: &[&'c str]) -> Option<&'c str> {
    let distances = choices.iter().map(|choice| (distance(word, choice), *choice));
    let (distance, choice) = distances.min_by_key(|(distance, _)| *distance)?;
    (distance * 2 <= word.chars().count().max(choice.chars().count())).then_some(choice)
}

/// The choice of which `word` is hardly another spelling: case aside, at most a quarter of its letters differ.
pub fn misspelled<'c>(word: &str, choices: &[&'c str]) -> Option<&'c str> {
    nearest(word, choices).filter(|choice| distance(word, choice) * 4 <= word.chars().count())
}

/// The columns among `choices` that may be meant by `word`, the likeliest first. `usual` are names that such a column
/// often has.
///
/// ```text
/// the same letters             CountryCode for country_code
/// hardly another spelling      instals for installs
/// a usual name                 installs for value
/// all parts of the word        country_code for country
/// all parts of a usual name    total_installs for value
/// the letters are contained    countrycode for country
/// another spelling             conutries for country
/// ```
pub fn related<'c>(word: &str, usual: &[&str], choices: &[&'c str]) -> Vec<&'c str> {
    let wanted = parts(word);
    let joined = wanted.concat();
    let usual: Vec<Vec<String>> = usual.iter().map(|name| parts(name)).collect();
    let rank = |choice: &str| {
        let found = parts(choice);
        let letters = found.concat();
        let all = |of: &[String]| !of.is_empty() && of.iter().all(|part| found.contains(part));
        let (apart, length) =
            (distance(&joined, &letters), joined.chars().count().max(letters.chars().count()));
        if letters == joined {
            return Some((0, 0));
        }
        if apart * 4 <= length {
            return Some((1, apart));
        }
        if let Some(at) = usual.iter().position(|name| name.concat() == letters) {
            return Some((2, at));
        }
        if all(&wanted) {
            return Some((3, found.len()));
        }
        if let Some(at) = usual.iter().position(|name| all(name)) {
            return Some((4, at));
        }
        if joined.len() > 2 && letters.len() > 2 && (letters.contains(&joined) || joined.contains(&letters)) {
            return Some((5, length));
        }
        (apart * 3 <= length).then_some((6, apart))
    };
    let mut ranked: Vec<_> = choices.iter().filter_map(|choice| Some((rank(choice)?, *choice))).collect();
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.into_iter().map(|(_, choice)| choice).collect()
}

/// The words of a name, in small letters: `install_time`, `installTime` and `Install Time` have the same.
fn parts(name: &str) -> Vec<String> {
    let mut parts: Vec<String> = vec![String::new()];
    let mut before = '_';
    for letter in name.chars() {
        let begins = letter.is_uppercase() && before.is_lowercase();
        if begins || !letter.is_alphanumeric() {
            parts.push(String::new());
        }
        if let (true, Some(part)) = (letter.is_alphanumeric(), parts.last_mut()) {
            part.extend(letter.to_lowercase());
        }
        before = letter;
    }
    parts.retain(|part| !part.is_empty());
    parts
}

/// The least number of letters to insert, delete, replace, or exchange with their neighbours, that turns `a` into `b`,
/// case ignored (the restricted distance of F. J. Damerau, 1964).
pub fn distance(a: &str, b: &str) -> usize {
    let letters = |text: &str| text.to_lowercase().chars().collect::<Vec<char>>();
    let (a, b) = (letters(a), letters(b));
    let (mut above, mut row): (Vec<usize>, Vec<usize>) = (Vec::new(), (0..=b.len()).collect());
    let at = |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX / 2);
    for (line, letter) in a.iter().enumerate() {
        let mut next = vec![line + 1];
        for (column, other) in b.iter().enumerate() {
            let left = at(&next, column);
            let mut best =
                (at(&row, column) + usize::from(letter != other)).min(at(&row, column + 1) + 1).min(left + 1);
            let before = line.checked_sub(1).zip(column.checked_sub(1));
            if let Some((line, column)) = before
                && (a.get(line), b.get(column)) == (Some(other), Some(letter))
            {
                best = best.min(at(&above, column) + 1);
            }
            next.push(best);
        }
        above = std::mem::replace(&mut row, next);
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_that_may_be_meant() {
        let of = |word: &str, usual: &[&str], choices: &[&'static str]| related(word, usual, choices);
        assert_eq!(of("country", &[], &["token", "region_country", "country_code"])[1..], ["country_code"]);
        assert_eq!(of("country", &[], &["CountryCode"]), ["CountryCode"]);
        assert_eq!(of("country_code", &[], &["countryCode", "country"])[0], "countryCode");
        assert_eq!(of("value", &["installs"], &["name", "total_installs", "Installs"])[0], "Installs");
        assert_eq!(of("instals", &["count"], &["count", "installs"]), ["installs", "count"]);
        assert_eq!(of("name", &["media_source"], &["date", "media_source"]), ["media_source"]);
        assert!(of("value", &["installs"], &["country", "os_name", "day"]).is_empty());
    }

    #[test]
    fn misspelled_names_differ_in_few_letters() {
        assert_eq!(misspelled("organic", &["Unity Ads", "Organic"]), Some("Organic"));
        assert_eq!(misspelled("organic", &["organik"]), Some("organik"));
        assert_eq!(misspelled("organic", &["Origin", "googleadwords_int"]), None);
        assert_eq!(misspelled("ig", &["ik"]), None);
    }

    #[test]
    fn distances_count_letters() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!((distance("", "ab"), distance("ab", ""), distance("tiem", "time")), (2, 2, 1));
    }
}

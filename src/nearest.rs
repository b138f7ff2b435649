//! Names that are near to a mistyped one, for the advice of errors.

/// The choice that is nearest to `word`, if one is near: at most half of its letters differ.
pub fn nearest<'c>(word: &str, choices: &[&'c str]) -> Option<&'c str> {
    let distances = choices.iter().map(|choice| (distance(word, choice), *choice));
    let (distance, choice) = distances.min_by_key(|(distance, _)| *distance)?;
    (distance * 2 <= word.chars().count().max(choice.chars().count())).then_some(choice)
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
    fn distances_count_letters() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!((distance("", "ab"), distance("ab", ""), distance("tiem", "time")), (2, 2, 1));
    }
}

//! Wraps lines at blanks.

use std::io::{self, IsTerminal};

/// The width of the labels in front of lines.
const LABEL: usize = 9;

/// The width at which lines for people are wrapped: that of the terminal on stderr, else that of `COLUMNS`; `None` if
/// neither is known, as in a log.
pub fn stderr_width() -> Option<usize> {
    width(io::stderr().is_terminal())
}

/// As [`stderr_width`], of stdout.
pub fn stdout_width() -> Option<usize> {
    width(io::stdout().is_terminal())
}

fn width(is_terminal: bool) -> Option<usize> {
    let terminal = is_terminal.then(terminal_size::terminal_size).flatten();
    let width = match terminal {
        Some((terminal_size::Width(width), _)) => Some(usize::from(width)),
        None => std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok()),
    };
    width.map(|width| width.max(40))
}

/// A line with a label, wrapped at blanks; later lines are indented by the width of the label. A word that is longer
/// than a line, such as a path, is not broken.
pub fn labelled(label: &str, words: &str, width: Option<usize>) -> String {
    let text = format!("{label:<width$}{words}", width = LABEL.max(label.chars().count() + 1));
    match width {
        Some(width) => wrapped(&text, LABEL, width),
        None => format!("{text}\n"),
    }
}

/// A line wrapped at blanks; later lines are indented.
pub fn wrapped(line: &str, indent: usize, width: usize) -> String {
    let (mut text, mut column) = (String::new(), 0);
    // Blanks that follow one another, as after a label, belong to the word before them.
    for word in line.split_inclusive(' ') {
        let length = word.trim_end().chars().count();
        if column + length > width && column > indent && length > 0 {
            text.truncate(text.trim_end().len());
            text.push('\n');
            text.extend(std::iter::repeat_n(' ', indent));
            column = indent;
        }
        text.push_str(word);
        column += word.chars().count();
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_wrapped_at_blanks() {
        let text =
            labelled("dropped", "9,000 rows: 3,000 not a total row of os_name; 12 with a null", Some(40));
        assert_eq!(text, "dropped  9,000 rows: 3,000 not a total\n         row of os_name; 12 with a null\n");
        assert_eq!(labelled("time", "1.5 ms", Some(40)), "time     1.5 ms\n");
        assert_eq!(labelled("time", "1.5 ms", None), "time     1.5 ms\n");
        let path = "/a/path/that/is/longer/than/a/line/of/forty/columns.parquet";
        assert_eq!(labelled("page", path, Some(40)), format!("page     {path}\n"));
        assert_eq!(labelled("a label that is long:", "x", None), "a label that is long: x\n");
    }
}

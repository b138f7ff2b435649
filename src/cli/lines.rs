//! Text for a terminal: the only type that the functions of this module's parent print.
//!
//! The words of a line are escaped when the line is added ([`crate::escape`]), so that nothing foreign reaches a terminal
//! as it is. Line feeds and colours are added here alone.

use super::wrap::{labelled, wrapped};
use crate::escape;

/// Lines for a terminal.
#[derive(Debug, Default)]
pub struct Lines(String);

impl Lines {
    /// The text of a writer that escapes foreign values itself: the table, TOML, JSON, the page, a script.
    pub fn written(text: String) -> Self {
        Lines(text)
    }

    /// One line.
    pub fn of(words: &str) -> Self {
        let mut lines = Lines::default();
        lines.add(words);
        lines
    }

    /// Adds a line.
    pub fn add(&mut self, words: &str) {
        self.0.push_str(&escape::line(words));
        self.0.push('\n');
    }

    /// Adds a line whose middle is coloured: `colour` is the code of an SGR sequence, or `None` for plain text.
    pub fn add_coloured(&mut self, start: &str, colour: Option<&str>, middle: &str, end: &str) {
        self.0.push_str(&escape::line(start));
        let middle = escape::line(middle);
        match colour {
            Some(code) => self.0.extend(["\x1b[", code, "m", &middle, "\x1b[0m"]),
            None => self.0.push_str(&middle),
        }
        self.add(end);
    }

    /// Adds a line that is wrapped at blanks where there is a width; later lines are indented.
    pub fn add_wrapped(&mut self, words: &str, indent: usize, width: Option<usize>) {
        match width {
            Some(width) => self.0.push_str(&wrapped(&escape::line(words), indent, width)),
            None => self.add(words),
        }
    }

    /// Adds a line that begins with a coloured word, wrapped at blanks where there is a width.
    pub fn add_status(
        &mut self,
        word: &str,
        colour: Option<&str>,
        words: &str,
        indent: usize,
        width: Option<usize>,
    ) {
        let start = self.0.len();
        self.add_wrapped(&format!("{word}{words}"), indent, width);
        let shown = escape::line(word);
        if let (Some(code), true) =
            (colour, self.0.get(start..).is_some_and(|line| line.starts_with(&*shown)))
        {
            self.0.replace_range(start..start + shown.len(), &format!("\x1b[{code}m{shown}\x1b[0m"));
        }
    }

    /// Adds a line with a label, wrapped at blanks where there is a width.
    pub fn add_labelled(&mut self, label: &str, words: &str, width: Option<usize>) {
        self.0.push_str(&labelled(label, &escape::line(words), width));
    }

    /// Adds a command with its purpose. A command is never broken, so that it can be copied.
    pub fn add_command(&mut self, label: &str, command: &str, purpose: &str, width: Option<usize>) {
        let line = labelled(label, &escape::line(&format!("{command}   # {purpose}")), None);
        if width.is_none_or(|width| line.trim_end().chars().count() <= width) {
            self.0.push_str(&line);
            return;
        }
        self.0.push_str(&labelled(label, &escape::line(command), None));
        self.0.push_str(&labelled("", &escape::line(&format!("# {purpose}")), width));
    }

    /// Adds an empty line.
    pub fn add_empty(&mut self) {
        self.0.push('\n');
    }

    /// Adds the lines of another text.
    pub fn append(&mut self, other: &Lines) {
        self.0.push_str(&other.0);
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_own_line_feeds_and_colours_remain() {
        let hostile = "x\nerror: forged\u{1b}[31m\u{9b}\u{202e}";
        let shown = "x\\nerror: forged\\u{1b}[31m\\u{9b}\\u{202e}";
        let mut lines = Lines::of(hostile);
        lines.add_coloured("", Some("32"), hostile, hostile);
        lines.add_coloured(hostile, None, " ", "end");
        lines.add_labelled("label", hostile, None);
        lines.add_empty();
        lines.append(&Lines::of("end"));
        let mut narrow = Lines::default();
        narrow.add_status("FAIL", Some("31"), " one two\nthree", 5, Some(10));
        narrow.add_wrapped("  one two three", 4, Some(10));
        narrow.add_command("next", "do it now", "why", Some(26));
        narrow.add_command("next", "do it now", "it is done", Some(20));
        assert_eq!(
            narrow.as_str(),
            "\x1b[31mFAIL\x1b[0m one\n     two\\nthree\n  one two\n    three\n\
             next     do it now   # why\n\
             next     do it now\n         # it is\n         done\n"
        );
        assert_eq!(
            lines.as_str(),
            format!("{shown}\n\x1b[32m{shown}\x1b[0m{shown}\n{shown} end\nlabel    {shown}\n\nend\n")
        );
    }
}

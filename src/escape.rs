//! Escapes foreign text for people: on terminals, in logs, pages and exceptions.
//!
//! Values of columns, names of columns, files and partitions, arguments, variables of the environment and stored
//! reports may hold any character. An escape sequence or a line feed among them can hide or forge lines of output, and a
//! name of 300,000 letters can fill it.
//!
//! Code that words a message formats values as they are. A message is one line, and it is escaped as a whole at the few
//! places where messages become text, so that no format string can forget a value:
//!
//! - errors: [`crate::Error::show`], which `Display` and Python's exceptions use;
//! - results of checks: [`crate::checks::CheckResult::of`];
//! - everything that the program prints: `cli::lines::Lines`, the only type that its output functions accept. The
//!   layout of several lines is made there, of lines that are escaped;
//! - the page: [`crate::report::page()`], as a whole;
//! - JSON for people: [`json`], which loses nothing.
//!
//! To escape twice changes nothing: escapes consist of harmless characters, and backslashes stay as they are.
//!
//! A name is known to be one only where it is formatted. Tables and series pass theirs to [`name`] or [`cut`];
//! [`line`] takes for names what has no blank, quote or slash in it. Time is linear in the length of the text.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::report::words::number;

/// The most characters of a name that are shown.
const NAME: Bounds = Bounds { all: 200, head: 100, tail: 60 };
/// The most characters of a line that are shown: many screens, and more than any sentence has.
const LINE: Bounds = Bounds { all: 10_000, head: 6_000, tail: 3_000 };

/// How many characters a text may have, and which of them are shown if it has more.
struct Bounds {
    all: usize,
    head: usize,
    tail: usize,
}

/// Whether a character can act on a terminal or change how its neighbours are read: controls (C0, DEL, C1), separators
/// of lines and paragraphs, marks, embeddings, overrides and isolates of bidirectional text, invisible characters. The
/// joiners U+200C and U+200D are not among them: Persian and emoji need them.
fn is_unsafe(letter: char) -> bool {
    letter.is_control()
        || matches!(letter,
            '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Whether nothing in a document is escaped. Most of it is printable ASCII, which is passed byte by byte.
fn is_safe(text: &str) -> bool {
    let mut rest = text;
    while let Some(at) = rest.bytes().position(|byte| !matches!(byte, b' '..=b'~' | b'\n')) {
        let mut letters = rest.get(at..).unwrap_or_default().chars();
        if letters.next().is_some_and(is_unsafe) {
            return false;
        }
        rest = letters.as_str();
    }
    true
}

/// The text with each character for which `is_escaped` holds as `write` writes it.
fn replaced(
    text: &str,
    is_escaped: impl Fn(char) -> bool,
    write: impl Fn(&mut String, char),
) -> Cow<'_, str> {
    let Some((before, rest)) = text.find(&is_escaped).and_then(|at| text.split_at_checked(at)) else {
        return Cow::Borrowed(text);
    };
    let mut out = String::with_capacity(text.len() + 16);
    out.push_str(before);
    for letter in rest.chars() {
        if is_escaped(letter) {
            write(&mut out, letter);
        } else {
            out.push(letter);
        }
    }
    Cow::Owned(out)
}

/// Appends `\n`, or `\u{1b}`.
fn write_plain(out: &mut String, letter: char) {
    match letter {
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        letter => out.extend(letter.escape_unicode()),
    }
}

/// The middle of a text that exceeds `bounds` replaced by its length: `AAA…[300,000 characters]…AAA`.
fn without_middle<'t>(text: &'t str, bounds: &Bounds) -> Cow<'t, str> {
    // A character has at least one byte.
    if text.len() <= bounds.all {
        return Cow::Borrowed(text);
    }
    let length = text.chars().count();
    if length <= bounds.all {
        return Cow::Borrowed(text);
    }
    let head = text.char_indices().nth(bounds.head).map_or(text.len(), |(at, _)| at);
    let tail = text.char_indices().rev().nth(bounds.tail.saturating_sub(1)).map_or(0, |(at, _)| at);
    let part = |part: Option<&'t str>| part.unwrap_or_default();
    Cow::Owned(format!(
        "{}…[{} characters]…{}",
        part(text.get(..head)),
        number(length as u64),
        part(text.get(tail..))
    ))
}

/// A name of at most 200 characters; the middle of a longer one is replaced by its length. Nothing is escaped.
pub fn cut(name: &str) -> Cow<'_, str> {
    without_middle(name, &NAME)
}

/// A name for people: at most 200 characters, escaped.
pub fn name(name: &str) -> Cow<'_, str> {
    match cut(name) {
        Cow::Borrowed(text) => replaced(text, is_unsafe, write_plain),
        Cow::Owned(text) => Cow::Owned(replaced(&text, is_unsafe, write_plain).into_owned()),
    }
}

/// A message of one line for people: escaped; long names in it, and a line that is too long as a whole, without their
/// middle.
pub fn line(message: &str) -> Cow<'_, str> {
    match without_long_names(message) {
        Cow::Borrowed(text) => replaced(text, is_unsafe, write_plain),
        Cow::Owned(text) => Cow::Owned(replaced(&text, is_unsafe, write_plain).into_owned()),
    }
}

fn without_long_names(message: &str) -> Cow<'_, str> {
    if message.len() <= NAME.all {
        return Cow::Borrowed(message);
    }
    let is_end = |letter: char| letter.is_whitespace() || matches!(letter, '\'' | '"' | '/');
    let is_long = |word: &str| word.len() > NAME.all && word.chars().count() > NAME.all;
    if !message.split(is_end).any(is_long) {
        return without_middle(message, &LINE);
    }
    let mut out = String::new();
    for word in message.split_inclusive(is_end) {
        // The name without the character that ends it.
        let end = word.char_indices().next_back().filter(|(_, letter)| is_end(*letter)).map(|(at, _)| at);
        let (name, end) = word.split_at_checked(end.unwrap_or(word.len())).unwrap_or((word, ""));
        out.push_str(&cut(name));
        out.push_str(end);
    }
    match without_middle(&out, &LINE) {
        Cow::Borrowed(_) => Cow::Owned(out),
        Cow::Owned(short) => Cow::Owned(short),
    }
}

/// A document whose line feeds are those of its writer; everything else is escaped as in a line.
pub fn document(text: &str) -> Cow<'_, str> {
    if is_safe(text) {
        return Cow::Borrowed(text);
    }
    replaced(text, |letter| letter != '\n' && is_unsafe(letter), write_plain)
}

/// A JSON document that is safe to print, with the same values: a JSON writer escapes C0 characters alone.
pub fn json(text: &str) -> Cow<'_, str> {
    if is_safe(text) {
        return Cow::Borrowed(text);
    }
    let is_escaped = |letter| letter != '\n' && is_unsafe(letter);
    replaced(text, is_escaped, |out, letter| {
        for unit in letter.encode_utf16(&mut [0; 2]) {
            let _ = write!(out, "\\u{unit:04x}");
        }
    })
}

/// A string of TOML or Python in double quotes, on one line.
pub fn literal(text: &str) -> String {
    let is_escaped = |letter| matches!(letter, '"' | '\\') || is_unsafe(letter);
    let inner = replaced(text, is_escaped, |out, letter| match letter {
        '"' | '\\' => out.extend(['\\', letter]),
        '\n' | '\r' | '\t' => write_plain(out, letter),
        '\u{10000}'.. => {
            let _ = write!(out, "\\U{:08X}", u32::from(letter));
        }
        letter => {
            let _ = write!(out, "\\u{:04X}", u32::from(letter));
        }
    });
    format!("\"{inner}\"")
}

/// A key of TOML: bare, or in double quotes.
pub fn key(name: &str) -> String {
    let is_bare = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if !name.is_empty() && name.bytes().all(is_bare) { name.to_owned() } else { literal(name) }
}

/// A word of a command line for a POSIX shell; one with control characters in dollar-single-quotes (POSIX.1-2024, 2.2.4).
pub fn shell(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:@%+=,".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        return word.to_owned();
    }
    if !word.contains(is_unsafe) {
        return format!("'{}'", word.replace('\'', "'\\''"));
    }
    let is_escaped = |letter| matches!(letter, '\'' | '\\') || is_unsafe(letter);
    let inner = replaced(word, is_escaped, |out, letter| match letter {
        '\'' | '\\' => out.extend(['\\', letter]),
        // Three octal digits a byte: hexadecimal digits would run into digits that follow.
        letter => {
            for byte in letter.encode_utf8(&mut [0; 4]).bytes() {
                let _ = write!(out, "\\{byte:03o}");
            }
        }
    });
    format!("$'{inner}'")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Every kind of character that is escaped.
    const HOSTILE: &str =
        "a\u{1b}[31m\n\r\t\0\u{7f}\u{9b}2J\u{85}\u{202e}\u{2066}\u{2069}\u{200f}\u{2028}\u{feff}\u{e0041}b";

    #[test]
    fn a_line_has_no_control_and_no_bidirectional_character() {
        let shown = line(HOSTILE);
        assert_eq!(
            shown,
            "a\\u{1b}[31m\\n\\r\\t\\u{0}\\u{7f}\\u{9b}2J\\u{85}\\u{202e}\\u{2066}\\u{2069}\\u{200f}\\u{2028}\\u{feff}\\u{e0041}b"
        );
        assert_eq!(line(&shown), shown, "escaped twice");
        assert_eq!(name(HOSTILE), shown);
        assert_eq!(document("a\n\u{1b}"), "a\n\\u{1b}");
        // What people write stays as it is.
        for text in ["Türkiye", "C:\\x", "it's \"x\"", "日本", "\u{200c}نمی‌خواهم", "👩‍👩‍👧", "–"]
        {
            assert!(matches!(line(text), Cow::Borrowed(same) if same == text), "{text}");
        }
    }

    #[test]
    fn long_names_lose_their_middle() {
        let long = "A".repeat(300_000);
        let short = format!("{}…[300,000 characters]…{}", "A".repeat(100), "A".repeat(60));
        assert_eq!(cut(&long), short);
        assert_eq!(cut(&short), short, "cut twice");
        assert_eq!(cut(&"é".repeat(200)), "é".repeat(200));
        assert!(cut(&"é".repeat(201)).contains("…[201 characters]…"));
        assert_eq!(
            line(&format!("no '{long}' in /a/{long}/b: \"{long}\"")),
            format!("no '{short}' in /a/{short}/b: \"{short}\"")
        );
        // A name of many words is cut with its line.
        let words = format!("no '{}'", "word ".repeat(60_000));
        let shown = line(&words);
        assert!(
            shown.chars().count() < 10_000 && shown.contains("…[300,005 characters]…"),
            "{}",
            shown.len()
        );
        assert!(shown.starts_with("no 'word ") && shown.ends_with("word '"));
        assert!(line(&"\u{1b}".repeat(300_000)).len() < 2_000);
        assert_eq!(line(&"no blank ".repeat(1_000)), "no blank ".repeat(1_000));
    }

    #[test]
    fn literals_and_json_have_the_same_value() {
        for text in [HOSTILE, "", "it's \"\\", "\u{7f}", "Türkiye", &"A".repeat(300)] {
            let toml: toml::Table = format!("{} = {}", key(text), literal(text)).parse().unwrap();
            assert_eq!(toml.get(text).and_then(toml::Value::as_str), Some(text));
            let raw = serde_json::to_string(text).unwrap();
            let escaped = json(&raw);
            assert_eq!(serde_json::from_str::<String>(&escaped).unwrap(), text);
            for written in [literal(text), escaped.into_owned()] {
                assert!(!written.contains(is_unsafe), "{written:?}");
            }
        }
        assert_eq!((key("os_name"), key("a b")), ("os_name".into(), "\"a b\"".into()));
    }

    #[test]
    fn words_are_quoted_for_a_shell() {
        assert_eq!(shell("s3://bucket/a_b.parquet"), "s3://bucket/a_b.parquet");
        assert_eq!(shell("it's; rm *"), "'it'\\''s; rm *'");
        assert_eq!(shell(""), "''");
        assert_eq!(shell("a\u{1b}[31m'\\\n\u{202e}1"), "$'a\\033[31m\\'\\\\\\012\\342\\200\\2561'");
    }
}

//! The charts of a report as one PNG image, for mails and chats: all keys together and the keys with most users.
//!
//! The charts are those of the page, drawn twice as large as the image and halved, which smooths text and lines.

use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use plotters::coord::Shift;
use plotters::prelude::{
    BitMapBackend, DrawingArea, DrawingBackend, IntoDrawingArea, IntoFont, RGBColor, TextStyle,
};

use super::{DrawnOn, FONT, INK, PAPER, SCALE, lines, use_font};
use crate::report::figures::{Key, Shares};
use crate::report::headline::Headline;
use crate::report::words;
use crate::{Error, Result};

/// Charts in a row.
const COLUMNS: usize = 3;
/// The room around the image, and between charts, in pixels of the page.
const MARGIN: i32 = 16;
/// The height of the title of a chart.
const CAPTION: i32 = 24;
/// The height of a line of text.
const LINE: i32 = 20;
/// The letters of a line of text.
const LETTERS: usize = 118;
/// Titles.
const BLACK: RGBColor = RGBColor(0x1B, 0x1F, 0x27);
/// Bytes of a pixel.
const RGB: usize = 3;

/// Draws the image; `None` if there are no shares.
///
/// # Errors
/// `Internal` if `plotters` fails.
pub fn png(shares: &Shares) -> Result<Option<Vec<u8>>> {
    let Some(headline) = Headline::of(shares) else { return Ok(None) };
    use_font()?;
    let keys: Vec<&Key> = (headline.world.iter().chain(&headline.largest))
        .map(|standing| standing.key)
        .take(2 * COLUMNS)
        .collect();
    let texts: Vec<String> =
        headline.sentences().iter().flat_map(|sentence| wrapped(sentence, LETTERS)).collect();
    let columns = i32::try_from(keys.len().clamp(1, COLUMNS)).unwrap_or(1);
    let rows = i32::try_from(keys.len().div_ceil(COLUMNS)).unwrap_or(1);
    let head = MARGIN + 30 + LINE * i32::try_from(texts.len()).unwrap_or(0) + MARGIN / 2;
    let (width, height) = (side(lines::SIZE.0), side(lines::SIZE.1));
    // Wide enough for the text.
    let size = (
        (COLUMNS_WIDTH).max(2 * MARGIN + columns * width) * SCALE,
        (head + rows * (height + CAPTION + MARGIN)) * SCALE,
    );
    let (wide, high) = (size.0.unsigned_abs(), size.1.unsigned_abs());
    let mut pixels = vec![0; wide as usize * high as usize * RGB];
    {
        let area = BitMapBackend::with_buffer(&mut pixels, (wide, high)).into_drawing_area();
        let painted = paint(&area, shares, &headline, &keys, &texts, head);
        painted
            .and_then(|()| area.present())
            .map_err(|e| Error::internal(format!("the image cannot be drawn: {e}")))?;
    }
    let (pixels, wide, high) = halved(&pixels, wide as usize, high as usize);
    Ok(Some(encoded(&pixels, wide, high)?))
}

/// The width of an image, also of one chart.
const COLUMNS_WIDTH: i32 = 3 * 320 + 2 * MARGIN;

fn side(length: u32) -> i32 {
    i32::try_from(length).unwrap_or(i32::MAX)
}

fn style(size: i32, colour: RGBColor) -> TextStyle<'static> {
    (FONT, size * SCALE).into_font().color(&colour)
}

fn paint<B: DrawingBackend>(
    area: &DrawingArea<B, Shift>,
    shares: &Shares,
    headline: &Headline<'_>,
    keys: &[&Key],
    texts: &[String],
    head: i32,
) -> DrawnOn<B> {
    area.fill(&PAPER)?;
    let unit = words::step_noun(shares.grain);
    let title = format!("{}, rolling window of {}", shares.what(), words::count(shares.window.into(), unit));
    area.draw_text(&title, &style(22, BLACK), (MARGIN * SCALE, MARGIN * SCALE))?;
    for (line, at) in texts.iter().zip(0..) {
        area.draw_text(line, &style(16, INK), (MARGIN * SCALE, (MARGIN + 30 + LINE * at) * SCALE))?;
    }
    let range = lines::common_scale(keys.iter().copied());
    for (at, key) in keys.iter().enumerate() {
        let (column, row) = (at % COLUMNS, at / COLUMNS);
        let place = |index: usize, length: i32| i32::try_from(index).unwrap_or(0) * length;
        let left = MARGIN + place(column, side(lines::SIZE.0));
        let top = head + place(row, side(lines::SIZE.1) + CAPTION + MARGIN);
        let name = words::shortened(&headline.name(&key.members, &key.name), 22);
        let share = words::percent(key.share_at(headline.at));
        let since = headline.before.and_then(|before| key.share_at(before)).zip(key.share_at(headline.at));
        let change = since.map(|(before, now)| words::points(now - before)).unwrap_or_default();
        area.draw_text(
            &format!("{name}  {share}  {change}"),
            &style(16, BLACK),
            ((left + 8) * SCALE, top * SCALE),
        )?;
        let across = left * SCALE..(left + side(lines::SIZE.0)) * SCALE;
        let down = (top + CAPTION) * SCALE..(top + CAPTION + side(lines::SIZE.1)) * SCALE;
        lines::paint(
            &area.clone().shrink(
                (across.start, down.start),
                ((across.end - across.start).unsigned_abs(), (down.end - down.start).unsigned_abs()),
            ),
            shares,
            key,
            Some(range),
        )?;
    }
    Ok(())
}

/// The words of a sentence in lines of at most `most` letters, if no word is longer.
fn wrapped(sentence: &str, most: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in sentence.split(' ') {
        let Some(line) = lines.last_mut() else { continue };
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= most {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

/// An image of half the width and height: each pixel is the mean of four.
fn halved(pixels: &[u8], width: usize, height: usize) -> (Vec<u8>, usize, usize) {
    let (wide, high) = (width / 2, height / 2);
    let mut half = Vec::with_capacity(wide * high * RGB);
    for y in 0..high {
        for x in 0..wide {
            for channel in 0..RGB {
                let at = |x: usize, y: usize| {
                    u32::from(pixels.get((y * width + x) * RGB + channel).copied().unwrap_or_default())
                };
                let (x, y) = (2 * x, 2 * y);
                let sum = at(x, y) + at(x + 1, y) + at(x, y + 1) + at(x + 1, y + 1);
                half.push(u8::try_from((sum + 2) / 4).unwrap_or(u8::MAX));
            }
        }
    }
    (half, wide, high)
}

/// An RGB image as PNG (ISO/IEC 15948): header, one chunk of data, end; no row is filtered.
fn encoded(pixels: &[u8], width: usize, height: usize) -> Result<Vec<u8>> {
    let failed = |e: std::io::Error| Error::io("cannot compress the image", e);
    let side = |length: usize| u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
    let mut data = ZlibEncoder::new(Vec::new(), Compression::new(6));
    for row in pixels.chunks(width * RGB) {
        data.write_all(&[0]).and_then(|()| data.write_all(row)).map_err(failed)?;
    }
    let data = data.finish().map_err(failed)?;
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    // 8 bits a channel, colour type 2: RGB.
    let header = [&side(width)[..], &side(height)[..], &[8, 2, 0, 0, 0]].concat();
    for (name, content) in [(b"IHDR", header.as_slice()), (b"IDAT", data.as_slice()), (b"IEND", &[])] {
        png.extend(side(content.len()));
        let from = png.len();
        png.extend(name);
        png.extend(content);
        let sum = crc32fast::hash(png.get(from..).unwrap_or_default());
        png.extend(sum.to_be_bytes());
    }
    Ok(png)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn an_image_has_its_pixels() {
        let pixels: Vec<u8> = (0..=251).collect();
        let png = encoded(&pixels, 12, 7).unwrap();
        assert_eq!(&png[..8], b"\x89PNG\r\n\x1a\n");
        assert_eq!(&png[12..24], b"IHDR\0\0\0\x0c\0\0\0\x07");
        let length = u32::from_be_bytes(png[33..37].try_into().unwrap()) as usize;
        assert_eq!(&png[37..41], b"IDAT");
        let mut rows = Vec::new();
        flate2::read::ZlibDecoder::new(&png[41..41 + length]).read_to_end(&mut rows).unwrap();
        let decoded: Vec<u8> = rows.chunks(37).flat_map(|row| row[1..].to_vec()).collect();
        assert_eq!(decoded, pixels);
        let sum = u32::from_be_bytes(png[41 + length..45 + length].try_into().unwrap());
        assert_eq!(sum, crc32fast::hash(&png[37..41 + length]));
        assert_eq!(&png[png.len() - 8..png.len() - 4], b"IEND");
    }

    #[test]
    fn pixels_are_halved_and_words_wrapped() {
        let (half, width, height) = halved(&[[10, 0, 4].repeat(2), [30, 0, 5].repeat(2)].concat(), 2, 2);
        assert_eq!((half.as_slice(), width, height), ([20, 0, 5].as_slice(), 1, 1));
        assert_eq!(wrapped("one two three", 8), ["one two", "three"]);
        assert_eq!(wrapped("", 8), [""]);
    }
}

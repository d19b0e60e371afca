//! A terminal's screen as a small SVG: the pictures of the documentation are what a test saw.

use std::fmt::Write as _;

/// Size of a cell, and of the letters in it.
const CELL: (usize, usize) = (8, 17);
const LETTERS: usize = 13;
/// Space around the screen.
const MARGIN: usize = 8;

/// How a stretch of cells looks.
#[derive(Clone, Default, PartialEq)]
struct Style {
    fore: Option<String>,
    back: Option<String>,
    bold: bool,
    italic: bool,
    underlined: bool,
    reversed: bool,
}

/// The screen that tmux wrote with its colours; `fore` and `back` are the terminal's own.
pub fn svg(screen: &str, fore: &str, back: &str, title: &str) -> String {
    let mut style = Style::default();
    let rows: Vec<Vec<(Style, String)>> = screen.lines().map(|line| runs(line, &mut style)).collect();
    let wide = |row: &Vec<(Style, String)>| row.iter().map(|(_, text)| cells(text)).sum::<usize>();
    let columns = rows.iter().map(wide).max().unwrap_or_default().max(80);
    let (width, height) = (columns * CELL.0 + 2 * MARGIN, rows.len() * CELL.1 + 2 * MARGIN);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"ui-monospace,'DejaVu Sans Mono',Menlo,Consolas,monospace\" font-size=\"{LETTERS}\">\n<title>{}</title>\n<rect width=\"{width}\" height=\"{height}\" rx=\"6\" fill=\"{back}\"/>\n",
        escaped(title)
    );
    for (row, runs) in rows.iter().enumerate() {
        let (mut column, top) = (0, MARGIN + row * CELL.1);
        let mut letters = String::new();
        for (style, text) in runs {
            let (x, count) = (MARGIN + column * CELL.0, cells(text));
            column += count;
            let (mut ink, mut paper) = (style.fore.clone().unwrap_or(fore.to_owned()), style.back.clone());
            if style.reversed {
                (ink, paper) = (paper.unwrap_or(back.to_owned()), Some(ink));
            }
            if let Some(paper) = paper.filter(|paper| paper != back) {
                let _ = writeln!(
                    out,
                    "<rect x=\"{x}\" y=\"{top}\" width=\"{}\" height=\"{}\" fill=\"{paper}\"/>",
                    count * CELL.0,
                    CELL.1
                );
            }
            if text.trim().is_empty() {
                continue;
            }
            let mut looks = String::new();
            for (is, attribute) in [
                (style.bold, " font-weight=\"bold\""),
                (style.italic, " font-style=\"italic\""),
                (style.underlined, " text-decoration=\"underline\""),
            ] {
                looks.push_str(if is { attribute } else { "" });
            }
            // Blanks at the ends need no letters, and some viewers drop them.
            let (body, before) = (text.trim(), cells(text) - cells(text.trim_start()));
            let _ = write!(
                letters,
                "<tspan x=\"{}\" textLength=\"{}\" fill=\"{ink}\"{looks}>{}</tspan>",
                x + before * CELL.0,
                cells(body) * CELL.0,
                // Viewers fold blanks.
                escaped(body).replace(' ', "\u{a0}")
            );
        }
        if !letters.is_empty() {
            let _ = writeln!(out, "<text y=\"{}\">{letters}</text>", top + LETTERS);
        }
    }
    out.push_str("</svg>\n");
    out
}

fn cells(text: &str) -> usize {
    text.chars().count()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// A line as stretches of one look; a look goes on into the next line.
fn runs(line: &str, style: &mut Style) -> Vec<(Style, String)> {
    let (mut all, mut text) = (Vec::new(), String::new());
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        if let Some((codes, behind)) = rest.strip_prefix("\u{1b}[").and_then(|rest| rest.split_once('m')) {
            if !text.is_empty() {
                all.push((style.clone(), std::mem::take(&mut text)));
            }
            change(style, codes);
            rest = behind;
        } else {
            text.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    if !text.is_empty() {
        all.push((style.clone(), text));
    }
    all
}

/// What one `ESC [ ... m` does.
fn change(style: &mut Style, codes: &str) {
    let numbers: Vec<u32> = codes.split([';', ':']).map(|code| code.parse().unwrap_or(0)).collect();
    let mut at = 0;
    while at < numbers.len() {
        let code = numbers[at];
        at += 1;
        match code {
            0 => *style = Style::default(),
            1 => style.bold = true,
            3 => style.italic = true,
            4 => style.underlined = true,
            7 => style.reversed = true,
            22 => style.bold = false,
            23 => style.italic = false,
            24 => style.underlined = false,
            27 => style.reversed = false,
            30..=37 => style.fore = Some(palette(code - 30)),
            39 => style.fore = None,
            40..=47 => style.back = Some(palette(code - 40)),
            49 => style.back = None,
            90..=97 => style.fore = Some(palette(code - 90 + 8)),
            100..=107 => style.back = Some(palette(code - 100 + 8)),
            38 | 48 => {
                let colour = match numbers.get(at..) {
                    Some([2, red, green, blue, ..]) => {
                        at += 4;
                        format!("#{red:02x}{green:02x}{blue:02x}")
                    }
                    Some([5, index, ..]) => {
                        at += 2;
                        palette(*index)
                    }
                    _ => return,
                };
                *(if code == 38 { &mut style.fore } else { &mut style.back }) = Some(colour);
            }
            _ => {}
        }
    }
}

/// A colour of xterm's 256.
fn palette(index: u32) -> String {
    const SIXTEEN: [&str; 16] = [
        "#000000", "#cd3131", "#0dbc79", "#e5e510", "#2472c8", "#bc3fbc", "#11a8cd", "#e5e5e5", "#666666", "#f14c4c", "#23d18b",
        "#f5f543", "#3b8eea", "#d670d6", "#29b8db", "#ffffff",
    ];
    match index {
        0..=15 => SIXTEEN[index as usize].to_owned(),
        16..=231 => {
            let level = |n: u32| if n == 0 { 0 } else { 55 + 40 * n };
            let index = index - 16;
            format!("#{:02x}{:02x}{:02x}", level(index / 36), level(index / 6 % 6), level(index % 6))
        }
        _ => {
            let grey = 8 + 10 * (index.min(255) - 232);
            format!("#{grey:02x}{grey:02x}{grey:02x}")
        }
    }
}

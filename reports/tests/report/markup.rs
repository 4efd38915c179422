//! A strict reader of the HTML that the templates write: every tag is closed in order, every attribute is quoted and on a short list. What a
//! browser would forgive, it refuses.

/// An element that was opened, with its attributes; or text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    Open { tag: String, attributes: Vec<(String, String)> },
    Close(String),
    Text(String),
}

const VOID: [&str; 2] = ["meta", "wbr"];

/// Reads a page into pieces. Panics where the markup is not what we write.
pub(crate) fn read(page: &str) -> Vec<Piece> {
    let mut rest = page.strip_prefix("<!doctype html>").expect("the page begins with its doctype");
    let mut pieces = Vec::new();
    let mut open: Vec<String> = Vec::new();
    while let Some(at) = rest.find('<') {
        text(&mut pieces, &rest[..at]);
        rest = &rest[at..];
        if let Some(closing) = rest.strip_prefix("</") {
            let (tag, after) = closing.split_once('>').expect("a closing tag ends");
            assert_eq!(open.pop().as_deref(), Some(tag), "</{tag}> closes another element; open: {open:?}");
            pieces.push(Piece::Close(tag.into()));
            rest = after;
            continue;
        }
        let (tag, attributes, alone, after) = opening(rest);
        rest = after;
        pieces.push(Piece::Open { tag: tag.clone(), attributes });
        if tag == "style" {
            let (css, after) = rest.split_once("</style>").expect("the style ends");
            assert!(!css.contains('<') && !css.contains("url(") && !css.contains("@import"), "the style stays to itself");
            pieces.push(Piece::Close(tag));
            rest = after;
        } else if alone || VOID.contains(&tag.as_str()) {
            pieces.push(Piece::Close(tag));
        } else {
            open.push(tag);
        }
    }
    text(&mut pieces, rest);
    assert!(open.is_empty(), "never closed: {open:?}");
    pieces
}

fn text(pieces: &mut Vec<Piece>, raw: &str) {
    let (mut out, mut rest) = (String::new(), raw);
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        let (entity, after) = rest[at + 1..].split_once(';').expect("an entity ends");
        out.push(match entity {
            "#60" | "lt" => '<',
            "#62" | "gt" => '>',
            "#38" | "amp" => '&',
            "#34" | "quot" => '"',
            "#39" | "apos" => '\'',
            other => panic!("unexpected entity {other}"),
        });
        rest = after;
    }
    out.push_str(rest);
    assert!(!out.contains('\u{0}') && !out.chars().any(|c| c.is_control() && c != '\n'), "a control character reached the page");
    if !out.trim().is_empty() {
        pieces.push(Piece::Text(out.split_whitespace().collect::<Vec<_>>().join(" ")));
    }
}

fn opening(markup: &str) -> (String, Vec<(String, String)>, bool, &str) {
    let mut rest = &markup[1..];
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).expect("a tag ends");
    let tag = rest[..end].to_owned();
    assert!(!tag.is_empty(), "a bare < in the text: {}", &markup[..markup.len().min(80)]);
    rest = &rest[end..];
    let mut attributes = Vec::new();
    loop {
        rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix("/>") {
            return (tag, attributes, true, after);
        }
        if let Some(after) = rest.strip_prefix('>') {
            return (tag, attributes, false, after);
        }
        let end = rest.find(['=', ' ', '>', '/']).expect("an attribute ends");
        let name = rest[..end].to_owned();
        rest = &rest[end..];
        let Some(after) = rest.strip_prefix("=\"") else {
            attributes.push((name, String::new()));
            continue;
        };
        let (value, after) = after.split_once('"').expect("a value ends");
        assert!(!value.contains(['<', '>']), "an unescaped sign in {name}={value}");
        attributes.push((name, value.to_owned()));
        rest = after;
    }
}

/// The words of a page without its style and drawings, one line per row or block: what a reader reads, for golden files.
pub(crate) fn words(page: &str) -> String {
    let mut lines: Vec<String> = vec![String::new()];
    let mut drawing = 0;
    let mut joined = false;
    for piece in read(page) {
        match piece {
            Piece::Open { tag, .. } if tag == "svg" => drawing += 1,
            Piece::Close(tag) if tag == "svg" => drawing -= 1,
            // A break opportunity is no space.
            Piece::Open { tag, .. } if tag == "wbr" => joined = true,
            Piece::Open { tag, .. } | Piece::Close(tag) => match tag.as_str() {
                "td" | "th" | "dd" if lines.last().is_some_and(|line| !line.is_empty() && !line.ends_with("| ")) => last(&mut lines).push_str(" | "),
                "tr" | "p" | "li" | "h1" | "h2" | "h3" | "summary" | "section" | "article" | "div" | "title" | "blockquote" | "figcaption"
                | "pre" | "header" => {
                    if tag == "h2" || tag == "h3" {
                        lines.push(String::new());
                    }
                    lines.push(String::new());
                }
                _ => {}
            },
            Piece::Text(text) if drawing == 0 => {
                let line = last(&mut lines);
                if !joined && !line.is_empty() && !line.ends_with(' ') {
                    line.push(' ');
                }
                joined = false;
                line.push_str(&text);
            }
            Piece::Text(_) => {}
        }
    }
    let mut out = String::new();
    for line in lines.iter().map(|line| line.trim().trim_end_matches('|').trim_end()).filter(|line| !line.is_empty()) {
        out.push_str(line);
        out.push('\n');
    }
    out
}

fn last(lines: &mut [String]) -> &mut String {
    lines.last_mut().expect("there is always a line")
}

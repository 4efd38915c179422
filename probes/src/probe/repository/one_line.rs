//! Files in one-line style: `deb [ options ] URI suite component ...`.

use super::{Suite, uri};

pub(super) fn parse(text: &str) -> Result<Vec<Suite>, String> {
    let mut found = Vec::new();
    for line in text.lines() {
        // A comment may follow.
        let line = line.split(" #").next().unwrap_or_default();
        let words = words(line);
        let mut words = words.iter().map(String::as_str);
        let Some(kind) = words.next() else { continue };
        match kind {
            "deb" => {}
            "deb-src" => continue,
            _ => return Err("a line begins with neither deb nor deb-src".into()),
        }
        let mut words = words.skip_while(|word| word.starts_with('['));
        let (Some(base), Some(suite)) = (words.next(), words.next()) else { return Err("a line lacks its URI or its suite".into()) };
        found.push(Suite { uri: uri(base), suite: suite.to_owned(), components: words.map(str::to_owned).collect(), is_enabled: true });
    }
    Ok(found)
}

/// Words between blanks; blanks within brackets belong to a word.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut depth = 0_usize;
    for character in line.chars() {
        match character {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if character.is_whitespace() && depth == 0 {
            words.push(String::new());
        } else if let Some(word) = words.last_mut() {
            word.push(character);
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

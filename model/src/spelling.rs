//! "Did you mean": the nearest known word to one that is not known. Used wherever a file names something by a word of its own or of the vocabulary.

/// ` Did you mean `x`?` when a known word is near enough to `word` to be meant, else nothing; ready to be appended to a message.
pub(crate) fn hint<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(word, known).map_or_else(String::new, |near| format!(" Did you mean `{near}`?"))
}

/// The words as `a`, `b` or `c`; `none` when there are none.
pub(crate) fn list<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = words.into_iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        None => "none".into(),
        Some((only, [])) => only.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
    }
}

fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // A third of the letters may be wrong: enough for `link_widht`, too few for a guess.
    let tolerated = word.chars().count().div_ceil(3);
    // Of two equally near words the one that only goes on is meant.
    let rank = |candidate: &'a str| (distance(word, candidate), !candidate.starts_with(word), candidate);
    known.into_iter().map(rank).filter(|(far, _, _)| *far <= tolerated).min().map(|(_, _, near)| near)
}

// Optimal string alignment: insertions, deletions, substitutions and swaps of neighbours count one each.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    for (j, cell) in rows[0].iter_mut().enumerate() {
        *cell = j;
    }
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let same = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (rows[i - 1][j] + 1).min(rows[i][j - 1] + 1).min(rows[i - 1][j - 1] + same);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_miss_is_recognised_and_a_far_one_is_not() {
        let known = ["link_width", "link_speed", "model"];
        assert_eq!(hint("link_widht", known), " Did you mean `link_width`?");
        assert_eq!(hint("serial_number", known), "");
        assert_eq!(hint("", known), "");
        assert_eq!(hint("cm7", ["cd8", "cm7-r"]), "");
        assert_eq!(hint("kioxia-cm7", ["kioxia-cd8", "kioxia-cm7-r"]), " Did you mean `kioxia-cm7-r`?");
    }

    #[test]
    fn words_are_listed_with_an_or() {
        assert_eq!(list(["a", "b", "c"]), "`a`, `b` or `c`");
        assert_eq!(list([]), "none");
    }
}

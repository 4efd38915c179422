//! The order of versions of Debian packages (Debian Policy 5.6.12, deb-version(7)) and, by the same rule, of kernel releases.

use std::cmp::Ordering;

/// Whether `a` is older than, the same as or newer than `b`. An epoch that is no number counts as 0: dpkg would refuse such a version.
pub(crate) fn compare(a: &str, b: &str) -> Ordering {
    let ((a_epoch, a_upstream, a_revision), (b_epoch, b_upstream, b_revision)) = (parts(a), parts(b));
    a_epoch.cmp(&b_epoch).then_with(|| part(a_upstream, b_upstream)).then_with(|| part(a_revision, b_revision))
}

/// The same for kernel releases, which have no epoch: `6.14.0-rc3` comes before `6.14.0-1`.
pub(crate) fn compare_releases(a: &str, b: &str) -> Ordering {
    part(&a.replace("-rc", "~rc"), &b.replace("-rc", "~rc"))
}

fn parts(version: &str) -> (u64, &str, &str) {
    let (epoch, rest) = version.split_once(':').unwrap_or(("0", version));
    let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
    (epoch.parse().unwrap_or(0), upstream, revision)
}

/// Runs of other characters and of digits in turn, as dpkg's `verrevcmp` does.
fn part(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    while !a.is_empty() || !b.is_empty() {
        let (a_word, a_rest) = split(a, |byte| !byte.is_ascii_digit());
        let (b_word, b_rest) = split(b, |byte| !byte.is_ascii_digit());
        let (a_number, a_rest) = split(a_rest, u8::is_ascii_digit);
        let (b_number, b_rest) = split(b_rest, u8::is_ascii_digit);
        let order = words(a_word, b_word).then_with(|| numbers(a_number, b_number));
        if order != Ordering::Equal {
            return order;
        }
        (a, b) = (a_rest, b_rest);
    }
    Ordering::Equal
}

fn split(bytes: &[u8], is_in: impl Fn(&u8) -> bool) -> (&[u8], &[u8]) {
    let length = bytes.iter().take_while(|byte| is_in(byte)).count();
    bytes.split_at_checked(length).unwrap_or((bytes, &[]))
}

/// A tilde comes before the end, the end before letters, letters before everything else.
fn words(a: &[u8], b: &[u8]) -> Ordering {
    let weight = |byte: Option<&u8>| match byte {
        Some(b'~') => -1,
        None => 0,
        Some(letter) if letter.is_ascii_alphabetic() => i32::from(*letter),
        Some(other) => i32::from(*other) + 256,
    };
    let longest = a.len().max(b.len());
    (0..longest).map(|at| weight(a.get(at)).cmp(&weight(b.get(at)))).find(|order| *order != Ordering::Equal).unwrap_or(Ordering::Equal)
}

/// Of any length: without leading zeros, the longer one is larger.
fn numbers(a: &[u8], b: &[u8]) -> Ordering {
    let (_, a) = split(a, |byte| *byte == b'0');
    let (_, b) = split(b, |byte| *byte == b'0');
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn versions_are_ordered_as_dpkg_orders_them() {
        // Each older than the next; dpkg --compare-versions agrees.
        for pair in
            ["1.0~rc1", "1.0", "1.0-1", "1.0-1+b1", "1.0-1.1", "1.0a", "1.0+dfsg", "1.0.1", "1.2", "1.10", "9.0.8", "9.0.10", "9.1.1", "1:0.1"]
                .windows(2)
        {
            let [older, newer] = pair else { unreachable!("windows of two") };
            assert_eq!(compare(older, newer), Ordering::Less, "{older} and {newer}");
            assert_eq!(compare(newer, older), Ordering::Greater, "{newer} and {older}");
        }
        assert_eq!(compare("0:9.0.8", "9.0.08"), Ordering::Equal);
        assert_eq!(compare("9.0.8~beta", "9.0.8"), Ordering::Less);
    }

    #[test]
    fn kernels_are_ordered_by_number_and_not_by_letter() {
        for pair in ["6.8.12-9-pve", "6.8.12-15-pve", "6.14.0-rc3-pve", "6.14.0-1-pve", "6.14.8-2-pve", "6.14.11-2-pve", "6.17.2-1-pve"].windows(2) {
            let [older, newer] = pair else { unreachable!("windows of two") };
            assert_eq!(compare_releases(older, newer), Ordering::Less, "{older} and {newer}");
        }
        assert_eq!(compare_releases("6.12.48+deb13-amd64", "6.12.48+deb13-amd64"), Ordering::Equal);
    }

    proptest! {
        #[test]
        fn any_two_texts_have_an_order_and_its_reverse(a in ".{0,24}", b in ".{0,24}") {
            prop_assert_eq!(compare(&a, &b), compare(&b, &a).reverse());
            prop_assert_eq!(compare_releases(&a, &b), compare_releases(&b, &a).reverse());
        }
    }
}

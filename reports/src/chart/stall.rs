//! A drill on a cluster, as lanes over time: the silences of each kind of operation, and below them what was so of the cluster. Names of daemons and states are written
//! above the lanes by the template, escaped.

use assay_model::stall::{Stall, Wait};

use super::Svg;
use super::outage::{LABELS, LEFT, RIGHT, Scale, THINNEST, axis, point_to, rect, signed, text_at, whole};

/// Thickness of a lane, and what is between one and the words of the next.
const LANE: f64 = 22.0;
const BETWEEN: f64 = 8.0;
/// States that are drawn; the table of a drill has them all.
const STATES: usize = 14;

/// The drawing, and what the template writes into it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Picture {
    /// What is drawn.
    pub(crate) svg: Svg,
    /// Its height; it is 1040 wide.
    pub(crate) height: u32,
    /// What each lane is called and where that is written: the base line.
    pub(crate) names: Vec<(u32, String)>,
    /// States that are not drawn because there were too many.
    pub(crate) left_out: usize,
    /// Whether each limit is drawn.
    pub(crate) drawn: Vec<bool>,
}

/// Draws a drill; `limits` are the longest waits that are allowed, nanoseconds, shortest first.
pub(crate) fn picture(stall: &Stall, limits: &[f64]) -> Picture {
    let end = stall.watched.to_ns;
    let scale = Scale::between(signed(stall.watched.from_ns).min(0.0), signed(end));
    let (mut body, mut texts, mut names) = (String::new(), String::new(), Vec::new());
    // Two rows on top: "injected" and "healed" never meet.
    let mut y = 2.0 * LABELS + 6.0;
    let mut lane = |body: &mut String, name: String, class: &str, waits: &[Wait], y: &mut f64| {
        names.push((whole(*y + 28.0), name));
        *y += 38.0;
        rect(body, "lanes", (LEFT, *y), (RIGHT - LEFT, LANE));
        for wait in waits {
            let (from, to) = (scale.place(signed(wait.from_ns)), scale.place(signed(wait.to_ns.unwrap_or(end))));
            let wide = (to - from).max(THINNEST);
            rect(body, class, (from, *y), (wide, LANE));
            if wait.to_ns.is_none() {
                // An end that was not seen is a point, and no edge.
                point_to(body, from + wide, from + wide + 9.0, (*y, LANE));
            }
        }
        *y += LANE + BETWEEN;
    };
    let top = y;
    for client in &stall.client {
        lane(&mut body, format!("{}s: none came back", client.kind), "gap", &client.gaps, &mut y);
    }
    let clients = y;
    let mut whats: Vec<&str> = Vec::new();
    for state in &stall.cluster {
        if !whats.contains(&state.what.as_str()) {
            whats.push(&state.what);
        }
    }
    for what in whats.iter().take(STATES) {
        let waits: Vec<Wait> = stall.cluster.iter().filter(|state| state.what == **what).map(|state| state.during).collect();
        lane(&mut body, (*what).to_owned(), "gap own", &waits, &mut y);
    }
    let bottom = y;
    let mut drawn = Vec::new();
    for limit in limits {
        // From the beginning of the longest wait on.
        let at = stall.longest().map(|(_, wait)| signed(wait.from_ns) + limit).filter(|at| scale.holds(*at));
        drawn.push(at.is_some());
        let Some(x) = at.map(|at| scale.place(at)) else { continue };
        for class in ["limit-bed", "limit"] {
            body.push_str(&format!("<line class=\"{class}\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{top:.1}\" y2=\"{clients:.1}\"/>"));
        }
    }
    for (act, word, base) in [(stall.injected, "injected", 28.0), (stall.healed, "healed", 28.0 + LABELS)] {
        let x = scale.place(signed(act.from_ns));
        let y1 = base - 20.0;
        body.push_str(&format!("<line class=\"act\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{y1:.1}\" y2=\"{bottom:.1}\"/>"));
        let (anchor, at) = if x > RIGHT - 150.0 { ("end", x - 8.0) } else { ("start", x + 8.0) };
        text_at(&mut texts, anchor, (at, base), word);
    }
    axis((&mut body, &mut texts), &scale, bottom);
    body.push_str(&texts);
    Picture { svg: Svg(body), height: whole(bottom + 50.0), names, left_out: whats.len().saturating_sub(STATES), drawn }
}

#[cfg(test)]
mod tests {
    use assay_model::outage::Span;
    use assay_model::stall::{Client, Data, State};

    use super::*;

    const S: i64 = 1_000_000_000;

    fn stall() -> Stall {
        let span = |from: i64, to: i64| Span { from_ns: from * S, to_ns: to * S };
        let client = |kind: &str, gaps: Vec<Wait>| Client {
            kind: kind.into(),
            acknowledged: 1,
            failed: 0,
            unanswered: 0,
            longest: gaps.first().copied(),
            gaps_seen: 1,
            gaps,
            threshold_ns: 1,
        };
        let state =
            |what: &str, from: i64, to: Option<i64>| State { what: what.into(), during: Wait { from_ns: from * S, to_ns: to.map(|to| to * S) } };
        Stall {
            family: "ceph.host_loss".into(),
            fault: "host-loss".into(),
            on: vec![],
            injected: span(0, 0),
            healed: span(20, 20),
            uncertainty_ns: 1,
            watched: span(-4, 30),
            asked_every_ns: 1,
            client: vec![client("read", vec![]), client("write", vec![Wait { from_ns: 0, to_ns: Some(6 * S) }])],
            cluster: vec![state("osd.1 down", 6, Some(21)), state("osd.1 down", 22, Some(23)), state("monitors silent", 28, None)],
            detected_ns: None,
            resumed_ns: None,
            clean_ns: None,
            recovered: None,
            data: Data::default(),
        }
    }

    #[test]
    fn every_kind_and_every_state_has_a_lane_and_limits_count_from_the_longest_wait() {
        let picture = picture(&stall(), &[5e9, 60e9]);
        let names: Vec<&str> = picture.names.iter().map(|(_, name)| name.as_str()).collect();
        assert_eq!(names, ["reads: none came back", "writes: none came back", "osd.1 down", "monitors silent"]);
        let svg = picture.svg.to_string();
        assert_eq!(
            (svg.matches("class=\"lanes\"").count(), svg.matches("class=\"gap\"").count(), svg.matches("class=\"gap own\"").count()),
            (4, 1, 3)
        );
        assert_eq!(svg.matches("<polygon").count(), 1, "the one without an end");
        assert_eq!(picture.drawn, [true, false]);
        assert!(!svg.contains("osd.1") && picture.left_out == 0, "names are written by the template");
    }
}

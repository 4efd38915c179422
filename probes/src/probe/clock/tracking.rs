//! `chronyc -c tracking` (chronyc(1)): what chronyd says of its reference, as one line of comma-separated values. Of a machine on which it does not run
//! nothing is known.

use assay_model::component::Reading;

use crate::host::{Host, HostError, unanswered, whole};

pub(super) const SOURCE: &str = "chronyc -c tracking";
/// chronyd's folder for its socket.
const RUNNING: &str = "/run/chrony";
const COMMAND: [&str; 3] = ["chronyc", "-c", "tracking"];
/// The id of the machine's own clock as a reference: `local` in chrony.conf(5).
const OWN_CLOCK: &str = "7F7F0101";

/// What is told of the reference.
#[derive(Debug, PartialEq)]
pub(super) struct Tracking {
    /// Its name or address; `local` when the clock follows itself.
    pub(super) reference: Reading,
    pub(super) stratum: Reading,
    /// Nanoseconds, magnitude.
    pub(super) offset: Reading,
    /// Seconds since the last measurement.
    pub(super) age: Reading,
    pub(super) leap: Reading,
}

impl Tracking {
    fn all(reading: &Reading) -> Self {
        let of = || reading.clone();
        Self { reference: of(), stratum: of(), offset: of(), age: of(), leap: of() }
    }
}

pub(super) fn tracking(host: &Host) -> Tracking {
    let asked = host.exists(RUNNING).and_then(|runs| if runs { host.command_stdout(&COMMAND).map(Some) } else { Ok(None) });
    match asked {
        Ok(Some(line)) => parse(&line, host.wall_clock()).unwrap_or_else(|why| Tracking::all(&Reading::Unreadable(why))),
        Ok(None) => Tracking::all(&Reading::Absent),
        Err(error) => Tracking::all(&unanswered(&error)),
    }
}

fn parse(text: &str, now: Result<i64, HostError>) -> Result<Tracking, String> {
    let fields: Vec<&str> = text.trim().split(',').collect();
    let [id, name, stratum, measured, system, _, _, _, _, _, _, _, _, leap] = fields[..] else {
        return Err(format!("{} values in place of 14", fields.len()));
    };
    let seconds = |text: &str| text.parse::<f64>().ok().filter(|seconds| seconds.is_finite()).ok_or_else(|| "a time that is no number".to_owned());
    let measured = seconds(measured)?;
    let age = match now {
        // Nothing was ever measured.
        _ if measured <= 0.0 => Reading::Absent,
        Err(error) => Reading::Unreadable(error.cause()),
        Ok(now) => since(measured, now),
    };
    Ok(Tracking {
        reference: match (id, name) {
            (OWN_CLOCK, _) => "local".into(),
            ("00000000", "") => Reading::Absent,
            (id, "") => id.into(),
            (_, name) => name.into(),
        },
        stratum: whole(stratum)?.into(),
        offset: (seconds(system)?.abs() * 1e9).round().into(),
        age,
        leap: if leap.trim().is_empty() { Reading::Absent } else { leap.trim().into() },
    })
}

/// Seconds between a time with a fraction and now, which has none.
fn since(measured: f64, now: i64) -> Reading {
    // Exact for every date before the year 285 million.
    #[allow(clippy::cast_precision_loss, reason = "documented above")]
    let age = now as f64 - measured;
    if age < -1.0 { Reading::Unreadable("the last measurement is in the future".into()) } else { age.max(0.0).floor().into() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LINE: &str = "A9FEA97B,169.254.169.123,3,1763900000.123456789,-0.000312345,0.000300000,0.000020000,-12.345,0.001,0.020,0.000400000,0.000200000,64.2,Normal";

    fn asked(snapshot: &str) -> Tracking {
        tracking(&Host::from_snapshot(&format!("syscall:clock_gettime: realtime 1763900100\n{snapshot}")).expect("a fixture"))
    }

    #[test]
    fn a_tracking_clock_tells_stratum_offset_and_age() {
        let found = asked(&format!("/run/chrony exists\ncommand:chronyc%20-c%20tracking:\n|exit 0\n|{LINE}"));
        assert_eq!(found.reference, "169.254.169.123".into());
        assert_eq!((found.stratum, found.offset, found.age), (3_u64.into(), 312_345.0.into(), 99.0.into()));
        assert_eq!(found.leap, "Normal".into());
    }

    #[test]
    fn a_clock_that_follows_itself_or_nothing_says_so() {
        let of = |line: &str| parse(line, Ok(1_763_900_100)).expect("a line");
        let own = of(&LINE.replace("A9FEA97B,169.254.169.123,3", "7F7F0101,,10"));
        assert_eq!((own.reference, own.stratum), ("local".into(), 10_u64.into()));
        let nothing =
            of("00000000,,0,0.000000000,0.000000000,0.000000000,0.000000000,0.000,0.000,0.000,1.000000000,1.000000000,0.0,Not synchronised");
        assert_eq!((nothing.reference, nothing.age, nothing.leap), (Reading::Absent, Reading::Absent, "Not synchronised".into()));
        assert_eq!(of(&LINE.replace("169.254.169.123", "")).reference, "A9FEA97B".into());
        assert!(matches!(of(&LINE.replace("1763900000", "1763999999")).age, Reading::Unreadable(_)));
    }

    #[test]
    fn no_daemon_a_daemon_that_does_not_answer_and_a_torn_line_are_told_apart() {
        assert_eq!(asked("/run/systemd exists"), Tracking::all(&Reading::Absent));
        for said in [": exit 1", " error: ETIMEDOUT", ":\n|exit 0\n|A9FEA97B,169.254.169.123,3", ":\n|exit 0", ":\n|killed"] {
            let found = asked(&format!("/run/chrony exists\ncommand:chronyc%20-c%20tracking{said}"));
            assert!(matches!(found.stratum, Reading::Unreadable(_)), "{said}");
        }
        for wrong in [LINE.replace(",3,", ",-3,"), LINE.replace("-0.000312345", "nan"), LINE.replace("1763900000.123456789", "x")] {
            assert!(parse(&wrong, Ok(1_763_900_100)).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn any_line_comes_back(line in ".{0,120}", cut in 0_usize..160) {
            let _ = parse(&line, Ok(0));
            let _ = parse(&LINE.chars().take(cut).collect::<String>(), Ok(i64::MAX));
        }
    }
}

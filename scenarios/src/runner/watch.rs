//! What is looked at once a second while a step works: temperatures and the run queue. A sensor that reached the limit that it has itself, and processors that
//! were waited for, make the step's figures doubtful; the temperatures are drawn.

use std::fs;
use std::path::{Path, PathBuf};

use assay_model::journal::Event;
use assay_model::run::{Condition, Series};
use assay_model::unit::Unit;

/// Points that are kept of each sensor at most; beyond them each is of twice the time.
const POINTS: usize = 1024;
/// More tasks than this for each processor wait for it: load tests themselves have about one.
const WAITING_PER_CPU: f64 = 2.0;
/// In this share of the looks.
const WAITING_SHARE: f64 = 0.1;

/// A temperature over time, in bounded room: each point is the highest of its time.
#[derive(Debug, Clone)]
struct Sensor {
    /// For people: `nvme nvme0 Composite`.
    name: String,
    input: PathBuf,
    // The limit that the sensor itself has, degrees Celsius.
    limit: Option<f64>,
    points: Vec<(f64, f64)>,
    // Looks that make one point, and those of the point that is being made.
    looks: u32,
    pending: Option<(u32, f64)>,
    highest: f64,
}

/// All of it, of one step.
#[derive(Debug)]
pub(super) struct Watch {
    sensors: Vec<Sensor>,
    loadavg: PathBuf,
    cpus: f64,
    looks: u32,
    waiting: u32,
    longest_queue: u32,
}

impl Watch {
    /// Finds the sensors of this machine.
    pub(super) fn new(cpus: u32) -> Self {
        Self::below(Path::new("/sys/class/hwmon"), Path::new("/proc/loadavg"), cpus)
    }

    fn below(hwmon: &Path, loadavg: &Path, cpus: u32) -> Self {
        let folders = fs::read_dir(hwmon).into_iter().flatten().flatten().map(|entry| entry.path());
        let mut sensors: Vec<Sensor> = folders.flat_map(|folder| sensors_of(&folder)).collect();
        sensors.sort_by(|one, other| one.name.cmp(&other.name));
        Self { sensors, loadavg: loadavg.to_owned(), cpus: f64::from(cpus.max(1)), looks: 0, waiting: 0, longest_queue: 0 }
    }

    /// One look, so many seconds after the step began.
    pub(super) fn look(&mut self, at: f64) {
        self.looks += 1;
        for sensor in &mut self.sensors {
            // A sensor that does not answer once has no point there.
            if let Some(celsius) = milli(&sensor.input) {
                sensor.add(at, celsius);
            }
        }
        // `0.20 0.18 0.12 1/80 11206`: tasks that run or wait for a processor.
        let text = fs::read_to_string(&self.loadavg).unwrap_or_default();
        let running: Option<u32> = text.split_ascii_whitespace().nth(3).and_then(|word| word.split('/').next()?.parse().ok());
        if let Some(running) = running {
            self.longest_queue = self.longest_queue.max(running);
            self.waiting += u32::from(f64::from(running) > self.cpus * WAITING_PER_CPU);
        }
    }

    /// What makes the step's figures doubtful. Whoever fills all processors on purpose waits for them.
    pub(super) fn conditions(&self, fills_cpus: bool) -> Vec<Condition> {
        let hot = |sensor: &&Sensor| sensor.limit.is_some_and(|limit| sensor.highest >= limit);
        let mut found: Vec<Condition> = self
            .sensors
            .iter()
            .filter(hot)
            .map(|sensor| {
                let limit = sensor.limit.unwrap_or(f64::NAN);
                Condition::Throttled(format!("{} reached {:.1} C, its own limit is {limit:.1} C", sensor.name, sensor.highest))
            })
            .collect();
        let share = f64::from(self.waiting) / f64::from(self.looks.max(1));
        if !fills_cpus && self.looks >= 3 && share > WAITING_SHARE {
            found.push(Condition::HostSaturated(format!(
                "in {:.0} % of {} looks more than {WAITING_PER_CPU} tasks for each processor wanted one, {} at most",
                share * 100.0,
                self.looks,
                self.longest_queue
            )));
        }
        found
    }

    /// The temperatures, for the report.
    pub(super) fn series(&self, step: &str) -> Vec<Event> {
        let drawn = self.sensors.iter().filter(|sensor| sensor.points.len() > 1);
        let of = |sensor: &Sensor| Series {
            name: format!("temperature of {}", sensor.name),
            unit: Unit::Celsius,
            over: Unit::Seconds,
            points: sensor.points.clone(),
        };
        drawn.map(|sensor| Event::Series { step: step.to_owned(), series: of(sensor) }).collect()
    }
}

impl Sensor {
    fn add(&mut self, at: f64, celsius: f64) {
        self.highest = self.highest.max(celsius);
        let (looks, highest) = self.pending.unwrap_or((0, f64::NEG_INFINITY));
        let (looks, highest) = (looks + 1, highest.max(celsius));
        if looks < self.looks {
            self.pending = Some((looks, highest));
            return;
        }
        self.pending = None;
        self.points.push((at, highest));
        if self.points.len() >= POINTS {
            let pairs = self.points.chunks(2).map(|pair| pair.iter().fold((0.0, f64::NEG_INFINITY), |(_, high), (at, value)| (*at, value.max(high))));
            self.points = pairs.collect();
            self.looks *= 2;
        }
    }
}

fn sensors_of(folder: &Path) -> Vec<Sensor> {
    let text = |name: &str| fs::read_to_string(folder.join(name)).ok().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    let chip = text("name").unwrap_or_else(|| "sensor".to_owned());
    // `device` of a drive's sensor is its controller: nvme0.
    let device = fs::canonicalize(folder.join("device")).ok().and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()));
    let inputs = fs::read_dir(folder).into_iter().flatten().flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let mut sensors = Vec::new();
    for input in inputs.filter(|name| name.starts_with("temp") && name.ends_with("_input")) {
        let number = input.trim_end_matches("_input");
        let label = text(&format!("{number}_label")).unwrap_or_else(|| number.to_owned());
        let limits = ["max", "crit"].iter().filter_map(|limit| milli(&folder.join(format!("{number}_{limit}"))));
        sensors.push(Sensor {
            name: [Some(chip.clone()), device.clone(), Some(label)].into_iter().flatten().collect::<Vec<_>>().join(" "),
            input: folder.join(&input),
            // Firmware says 0 or 65261 K where it has no limit.
            limit: limits.filter(|limit| (1.0..200.0).contains(limit)).reduce(f64::min),
            points: Vec::new(),
            looks: 1,
            pending: None,
            highest: f64::NEG_INFINITY,
        });
    }
    sensors
}

fn milli(path: &Path) -> Option<f64> {
    let thousandths: i32 = fs::read_to_string(path).ok()?.trim().parse().ok()?;
    Some(f64::from(thousandths) / 1000.0)
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn machine(drives: usize) -> TempDir {
        let folder = TempDir::new().expect("a folder");
        for drive in 0..drives {
            let hwmon = folder.path().join(format!("hwmon/hwmon{drive}"));
            fs::create_dir_all(hwmon.join("device")).expect("folders");
            for (file, text) in
                [("name", "nvme"), ("temp1_input", "45000"), ("temp1_max", "70000"), ("temp1_crit", "80000"), ("temp1_label", "Composite")]
            {
                fs::write(hwmon.join(file), format!("{text}\n")).expect("written");
            }
        }
        fs::write(folder.path().join("loadavg"), "0.20 0.18 0.12 1/80 11206\n").expect("written");
        folder
    }

    fn watch(folder: &TempDir, cpus: u32) -> Watch {
        Watch::below(&folder.path().join("hwmon"), &folder.path().join("loadavg"), cpus)
    }

    #[test]
    fn a_sensor_at_its_own_limit_is_told_and_a_cool_one_is_not() {
        let folder = machine(2);
        let mut watch = watch(&folder, 4);
        watch.look(1.0);
        assert!(watch.conditions(false).is_empty());
        fs::write(folder.path().join("hwmon/hwmon1/temp1_input"), "70000\n").expect("written");
        watch.look(2.0);
        fs::write(folder.path().join("hwmon/hwmon1/temp1_input"), "50000\n").expect("written");
        watch.look(3.0);
        let found = watch.conditions(false);
        assert!(matches!(&found[..], [Condition::Throttled(why)] if why.contains("70.0 C") && why.contains("Composite")), "{found:?}");
        assert_eq!(watch.series("s").len(), 2);
    }

    #[test]
    fn tasks_that_wait_for_processors_are_told() {
        let folder = machine(0);
        let queue = |running: &str| fs::write(folder.path().join("loadavg"), format!("9 9 9 {running}/80 1\n")).expect("written");
        let mut busy = watch(&folder, 2);
        for (at, running) in ["1", "4", "4", "5"].iter().enumerate() {
            queue(running);
            busy.look(f64::from(u32::try_from(at).expect("few")));
        }
        let found = busy.conditions(false);
        assert!(matches!(&found[..], [Condition::HostSaturated(why)] if why.contains("25 %") && why.contains("5 at most")), "{found:?}");
        assert!(busy.conditions(true).is_empty());
        queue("4");
        let mut calm = watch(&folder, 2);
        (0..10).for_each(|at| calm.look(f64::from(at)));
        assert!(calm.conditions(false).is_empty());
    }

    #[test]
    fn three_days_of_twelve_drives_take_the_room_of_minutes() {
        let folder = machine(12);
        let mut watch = watch(&folder, 2);
        let room = |watch: &Watch| watch.sensors.iter().map(|sensor| sensor.points.capacity()).sum::<usize>();
        let mut rooms = Vec::new();
        // The clock is simulated, and so are the looks: reading three days of files would take minutes.
        for second in 1..=3 * 86_400_u32 {
            for sensor in &mut watch.sensors {
                sensor.add(f64::from(second), if second == 100_000 { 69.0 } else { 45.0 + f64::from(second % 7) });
            }
            if second % 8640 == 0 {
                rooms.push(room(&watch));
            }
        }
        assert!(rooms.iter().all(|room| *room <= 12 * 2 * POINTS), "{rooms:?}");
        let events = watch.series("s");
        let Event::Series { series, .. } = &events[0] else { panic!("{events:?}") };
        assert!(series.points.len() <= POINTS && series.points.len() > POINTS / 4);
        assert!(series.points.iter().any(|(_, celsius)| (*celsius - 69.0).abs() < 1e-9), "the one hot second is still there");
    }
}

//! What is looked at once a second while a step works: temperatures and the run queue. A sensor that reached the limit that it has itself, and processors that
//! were waited for, make the step's figures doubtful; the temperatures are drawn. A thread of its own looks: the sensor of a dead drive answers after minutes,
//! and whoever waits for it hears no signal.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use assay_model::journal::Event;
use assay_model::run::{Condition, Series};
use assay_model::unit::Unit;

/// Points that are kept of each sensor at most; beyond them each is of twice the time.
const POINTS: usize = 1024;
/// More tasks than this for each processor wait for it: load tests themselves have about one.
const WAITING_PER_CPU: f64 = 2.0;
/// In this share of the looks.
const WAITING_SHARE: f64 = 0.1;
/// A look that lasts longer than this is one of which nothing is known.
const SILENT: Duration = Duration::from_secs(10);

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
#[derive(Debug, Clone)]
pub(super) struct Watch {
    sensors: Vec<Sensor>,
    loadavg: PathBuf,
    cpus: f64,
    looks: u32,
    waiting: u32,
    longest_queue: u32,
    // Since when nothing has answered, where that is long.
    silent: Option<Duration>,
}

/// Where is looked.
#[derive(Debug, Clone)]
struct Places {
    inputs: Vec<PathBuf>,
    loadavg: PathBuf,
}

/// What one look found: degrees of each sensor that answered, and tasks that run or wait.
#[derive(Debug)]
struct Look {
    celsius: Vec<Option<f64>>,
    running: Option<u32>,
}

/// A thread that looks once a second until this is dropped, or for ever where it hangs.
#[derive(Debug)]
pub(super) struct Watching {
    shared: Arc<Mutex<Shared>>,
    // Its end is the thread's.
    _end: Sender<()>,
}

#[derive(Debug)]
struct Shared {
    watch: Watch,
    // When the look began that goes on now.
    since: Option<Instant>,
}

impl Watching {
    /// Finds the sensors of this machine and looks at them from now on.
    pub(super) fn start(cpus: u32, every: Duration) -> Self {
        Self::below(Path::new("/sys/class/hwmon"), Path::new("/proc/loadavg"), cpus, every)
    }

    fn below(hwmon: &Path, loadavg: &Path, cpus: u32, every: Duration) -> Self {
        let began = Instant::now();
        let shared = Arc::new(Mutex::new(Shared { watch: Watch::without_sensors(loadavg, cpus), since: Some(began) }));
        let (end, ended) = channel();
        let (of_thread, hwmon, loadavg) = (Arc::clone(&shared), hwmon.to_owned(), loadavg.to_owned());
        let look = move || {
            let found = Watch::below(&hwmon, &loadavg, cpus);
            let places = found.places();
            set(&of_thread, None, |watch| *watch = found);
            while ended.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
                let now = Instant::now();
                set(&of_thread, Some(now), |_| {});
                // Nobody waits for the lock meanwhile.
                let seen = places.look();
                set(&of_thread, None, |watch| watch.take(now.duration_since(began).as_secs_f64(), &seen));
            }
        };
        // Without the thread nothing is looked at, and the open look says so.
        let _ = thread::Builder::new().name("watch".to_owned()).spawn(look);
        Self { shared, _end: end }
    }

    /// What has arrived by now; waits for nothing.
    pub(super) fn so_far(&self) -> Watch {
        let shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let silent = shared.since.map(|since| since.elapsed()).filter(|silent| *silent >= SILENT);
        Watch { silent, ..shared.watch.clone() }
    }
}

fn set(shared: &Mutex<Shared>, since: Option<Instant>, act: impl FnOnce(&mut Watch)) {
    let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
    act(&mut shared.watch);
    shared.since = since;
}

impl Places {
    fn look(&self) -> Look {
        // `0.20 0.18 0.12 1/80 11206`: tasks that run or wait for a processor.
        let text = fs::read_to_string(&self.loadavg).unwrap_or_default();
        let running = text.split_ascii_whitespace().nth(3).and_then(|word| word.split('/').next()?.parse().ok());
        Look { celsius: self.inputs.iter().map(|input| milli(input)).collect(), running }
    }
}

impl Watch {
    fn without_sensors(loadavg: &Path, cpus: u32) -> Self {
        let cpus = f64::from(cpus.max(1));
        Self { sensors: Vec::new(), loadavg: loadavg.to_owned(), cpus, looks: 0, waiting: 0, longest_queue: 0, silent: None }
    }

    fn places(&self) -> Places {
        Places { inputs: self.sensors.iter().map(|sensor| sensor.input.clone()).collect(), loadavg: self.loadavg.clone() }
    }

    fn below(hwmon: &Path, loadavg: &Path, cpus: u32) -> Self {
        let folders = fs::read_dir(hwmon).into_iter().flatten().flatten().map(|entry| entry.path());
        let mut sensors: Vec<Sensor> = folders.flat_map(|folder| sensors_of(&folder)).collect();
        sensors.sort_by(|one, other| one.name.cmp(&other.name));
        Self { sensors, ..Self::without_sensors(loadavg, cpus) }
    }

    /// One look, so many seconds after the step began.
    fn take(&mut self, at: f64, look: &Look) {
        self.looks += 1;
        for (sensor, celsius) in self.sensors.iter_mut().zip(&look.celsius) {
            // A sensor that does not answer once has no point there.
            if let Some(celsius) = celsius {
                sensor.add(at, *celsius);
            }
        }
        if let Some(running) = look.running {
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
        if let Some(silent) = self.silent {
            // Not knowing is not the same as cool.
            found.push(Condition::Throttled(format!(
                "whether a sensor reached its limit cannot be told: none has answered for {} s",
                silent.as_secs()
            )));
        }
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

    fn look(watch: &mut Watch, at: f64) {
        let seen = watch.places().look();
        watch.take(at, &seen);
    }

    #[test]
    fn a_sensor_that_never_answers_holds_nobody_up_and_is_told() {
        let folder = machine(1);
        let input = folder.path().join("hwmon/hwmon0/temp1_input");
        fs::remove_file(&input).expect("removed");
        // Whoever opens a pipe that nobody writes to waits, as for the sensor of a drive that is gone.
        assert!(std::process::Command::new("mkfifo").arg(&input).status().is_ok_and(|status| status.success()));
        let hwmon = folder.path().join("hwmon");
        let watching = Watching::below(&hwmon, &folder.path().join("loadavg"), 2, Duration::from_millis(1));
        let deadline = Instant::now() + Duration::from_secs(20);
        let hangs = || {
            let shared = watching.shared.lock().expect("not poisoned");
            shared.since.is_some() && !shared.watch.sensors.is_empty()
        };
        while !hangs() {
            assert!(Instant::now() < deadline, "nobody looks");
            thread::yield_now();
        }
        assert!(watching.so_far().conditions(false).is_empty(), "a moment is no silence");
        // What lasts SILENT is not waited for here: the look began longer ago.
        let long_ago = Instant::now().checked_sub(SILENT).expect("the machine runs for some time");
        watching.shared.lock().expect("not poisoned").since = Some(long_ago);
        let watch = watching.so_far();
        assert!(watch.looks == 0 && watch.sensors.len() == 1, "{watch:?}");
        let found = watch.conditions(false);
        assert!(matches!(&found[..], [Condition::Throttled(why)] if why.contains("none has answered")), "{found:?}");
        drop(watching);
        // Lets the thread go.
        drop(fs::OpenOptions::new().write(true).open(&input).expect("a reader waits"));
    }

    #[test]
    fn what_has_arrived_is_taken() {
        let folder = machine(2);
        let watching = Watching::below(&folder.path().join("hwmon"), &folder.path().join("loadavg"), 2, Duration::from_millis(1));
        let deadline = Instant::now() + Duration::from_secs(20);
        while watching.so_far().looks < 3 {
            assert!(Instant::now() < deadline, "no look arrives");
            thread::yield_now();
        }
        assert!(watching.so_far().conditions(false).is_empty());
    }

    fn watch(folder: &TempDir, cpus: u32) -> Watch {
        Watch::below(&folder.path().join("hwmon"), &folder.path().join("loadavg"), cpus)
    }

    #[test]
    fn a_sensor_at_its_own_limit_is_told_and_a_cool_one_is_not() {
        let folder = machine(2);
        let mut watch = watch(&folder, 4);
        look(&mut watch, 1.0);
        assert!(watch.conditions(false).is_empty());
        fs::write(folder.path().join("hwmon/hwmon1/temp1_input"), "70000\n").expect("written");
        look(&mut watch, 2.0);
        fs::write(folder.path().join("hwmon/hwmon1/temp1_input"), "50000\n").expect("written");
        look(&mut watch, 3.0);
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
            look(&mut busy, f64::from(u32::try_from(at).expect("few")));
        }
        let found = busy.conditions(false);
        assert!(matches!(&found[..], [Condition::HostSaturated(why)] if why.contains("25 %") && why.contains("5 at most")), "{found:?}");
        assert!(busy.conditions(true).is_empty());
        queue("4");
        let mut calm = watch(&folder, 2);
        (0..10).for_each(|at| look(&mut calm, f64::from(at)));
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

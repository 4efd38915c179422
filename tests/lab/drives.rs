//! Real NVMe controllers (QEMU's) as targets of their own: claimed by serial number, reached on every way that the kernel has, broken and pulled while they
//! work.

use serde_json::Value;

use crate::node::{ASSAY, Node, repository};

/// A drive that holds nothing, one with bad sectors, and one that is pulled while it is read.
const BLANK: u8 = 3;
const DYING: u8 = 7;

pub(crate) fn tested(node: &Node, labelled: u8, bad: u8) {
    for scenario in ["paths.toml", "long.toml", "read-back.toml", "purge.toml"] {
        std::fs::copy(repository("ci/lab").join(scenario), node.share(scenario)).expect("copied");
    }
    refused(node, labelled);
    every_way(node);
    beside_fio(node);
    purged(node);
    bad_sectors(node, bad);
    pulled(node);
}

fn serial(drive: u8) -> String {
    format!("DATA0001{drive:04}")
}

/// A run on a drive; its exit status and what it printed.
fn run(node: &Node, scenario: &str, drive: u8, more: &str) -> (i32, String) {
    node.request(&format!("{ASSAY} --runs /runs run /lab/{scenario} --target {} {more}", node.drive(drive)))
}

/// The newest run of a scenario.
fn stored(node: &Node, scenario: &str) -> Value {
    let text = node.sure(&format!("cat $(ls -d /runs/*-{scenario}-* | tail -n 1)/run.json"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn refused(node: &Node, labelled: u8) {
    let (status, said) = run(node, "paths.toml", BLANK, "");
    assert!(status == 2 && said.contains(&format!("--i-own-serial {}", serial(BLANK))), "{status}: {said}");
    let (status, said) = run(node, "paths.toml", BLANK, &format!("--i-own-serial {}", serial(BLANK + 1)));
    assert!(status == 2 && said.contains(&serial(BLANK)), "{status}: {said}");
    // Its own number, and a file system on it.
    let (status, said) = run(node, "paths.toml", labelled, &format!("--i-own-serial {}", serial(labelled)));
    assert!(status == 2 && said.contains("ext"), "{status}: {said}");
    node.sure(&format!("mkdir -p /held && mke2fs {0} 4194304 && mount -t ext4 {0} /held", node.drive(BLANK)));
    let (status, said) = run(node, "paths.toml", BLANK, &format!("--i-own-serial {}", serial(BLANK)));
    assert!(status == 2 && said.contains("mounted on /held"), "{status}: {said}");
    node.sure(&format!("umount /held && dd if=/dev/zero of={} bs=1M count=32 conv=fsync", node.drive(BLANK)));
}

fn every_way(node: &Node) {
    let (status, said) = run(node, "paths.toml", BLANK, &format!("--i-own-serial {}", serial(BLANK)));
    assert!([0, 3].contains(&status), "{status}: {said}");
    let run = stored(node, "paths");
    let paths = run["steps"].as_array().expect("steps").iter().find(|step| step["name"] == "paths").expect("the step").clone();
    let names: Vec<&str> = paths["metrics"].as_array().expect("metrics").iter().filter_map(|metric| metric["fact"]["name"].as_str()).collect();
    for way in ["randread_4k_qd4", "randread_4k_qd4_hipri", "randread_4k_qd4_cmd", "randread_4k_qd4_hipri_cmd", "randwrite_4k_qd4_fsync32_cmd"] {
        assert!(names.contains(&format!("storage.{way}.iops").as_str()), "no figure of {way}: {names:?} {}", paths["notes"]);
    }
    for step in run["steps"].as_array().expect("steps").iter().filter(|step| step["name"] != "harness_floor") {
        let proof = &step["verification"]["fact"];
        let count = |name: &str| proof[name].as_u64().expect("a count");
        let none = |name: &str| proof[name].as_object().is_some_and(serde_json::Map::is_empty);
        assert!(none("failed") && none("corrupt"), "{proof}");
        // What is only written is compared by the others.
        assert!(count("operations") > 0 && (count("verified") > 0 || step["name"] == "layout"), "{proof}");
    }
}

/// fio in the node, on the same drive: it takes the commands that were printed, and both are compared on every way to the drive.
fn beside_fio(node: &Node) {
    let drive = node.drive(BLANK);
    for step in stored(node, "paths")["steps"].as_array().expect("steps") {
        for (name, command) in step["notes"].as_object().expect("notes").iter().filter(|(name, _)| name.starts_with("fio ")) {
            let command = command.as_str().expect("a command").replacen("fio ", "/lab/tools/fio --output-format=terse ", 1);
            let (status, said) = node.request(&command);
            assert_eq!(status, 0, "{name}: {command}\n{said}");
        }
    }
    let calibrate = |more: &str| {
        let words = format!("calibrate --against fio --fio /lab/tools/fio --pairs 1 --seconds 1 --target {drive} {more}");
        node.request(&format!("{ASSAY} --runs /runs --format json {words} 2>/lab/calibrate.err; status=$?; cat /lab/calibrate.err >&2; exit $status"))
    };
    let (status, said) = calibrate("");
    assert!(status == 2 && said.contains(&serial(BLANK)), "{status}: {said}");
    let ways = ["randread-4k-qd1-drive", "randread-4k-qd1-hipri", "randread-4k-qd32-cmd"];
    let only: String = ways.iter().map(|name| format!(" --only {name}")).collect();
    let (status, said) = calibrate(&format!("--i-own-serial {}{only}", serial(BLANK)));
    assert_eq!(status, 0, "{said}");
    let run = stored(node, "calibrate");
    for way in ways {
        let step = run["steps"].as_array().expect("steps").iter().find(|step| step["name"] == way).expect("the step");
        let names: Vec<&str> = step["metrics"].as_array().expect("metrics").iter().filter_map(|metric| metric["fact"]["name"].as_str()).collect();
        for side in ["ours", "fio", "ratio"] {
            assert!(names.contains(&format!("calibrate.{}.{side}", way.replace('-', "_")).as_str()), "{way}: {names:?} {}", step["notes"]);
        }
    }
}

/// Format NVM of a drive that two keys were given for: what was written is gone, and what is written then is kept.
fn purged(node: &Node) {
    let one_key = format!("--i-own-serial {}", serial(BLANK));
    let (status, said) = run(node, "purge.toml", BLANK, &one_key);
    assert!(status == 2 && said.contains(&format!("--purge-serial {}", serial(BLANK))), "{status}: {said}");
    let (status, said) = run(node, "purge.toml", BLANK, &format!("{one_key} --purge-serial {}", serial(BLANK)));
    assert!([0, 3].contains(&status), "{status}: {said}");
    let purged = stored(node, "purge");
    let step = |name: &str| purged["steps"].as_array().expect("steps").iter().find(|step| step["name"] == name).expect("the step").clone();
    let proof = step("purge")["verification"]["fact"].clone();
    assert!(proof["verified"] == 192 && proof["corrupt"].as_object().is_some_and(serde_json::Map::is_empty), "{proof}");
    assert!(step("purge")["notes"].as_object().expect("notes").values().any(|note| note.to_string().contains("Format NVM")), "{}", step("purge"));
    assert_eq!(step("verify")["verification"]["fact"]["verified"], 128, "{}", step("verify"));
    // QEMU's controllers have no Sanitize: that is said, and nothing is called purged.
    let sanitize = std::fs::read_to_string(node.share("purge.toml")).expect("a scenario").replace("\"format\"", "\"sanitize\"");
    std::fs::write(
        node.share("sanitize.toml"),
        sanitize.replace("name = \"purge\"\ndescribe = \"Format", "name = \"sanitize\"\ndescribe = \"Format"),
    )
    .expect("written");
    let (status, said) = run(node, "sanitize.toml", BLANK, &format!("{one_key} --purge-serial {}", serial(BLANK)));
    assert!([3, 4].contains(&status) && said.contains("Sanitize") && said.contains("has no such command"), "{status}: {said}");
}

fn bad_sectors(node: &Node, bad: u8) {
    // It has had a file system; what is blank is asked for.
    node.sure(&format!("dd if=/dev/zero of={} bs=1M count=8 conv=fsync", node.drive(bad)));
    let (status, said) = run(node, "read-back.toml", bad, &format!("--i-own-serial {}", serial(bad)));
    assert!(status == 1, "{status}: {said}");
    let failed = &stored(node, "read-back")["steps"][1]["verification"]["fact"]["failed"];
    assert!(failed.as_object().is_some_and(|failed| !failed.is_empty()), "{failed}");
}

/// A drive that is gone in the middle of its reads: an end, a verdict and no hang.
fn pulled(node: &Node) {
    let drive = node.drive(DYING);
    node.sure(&format!(
        "({ASSAY} --runs /runs run /lab/long.toml --target {drive} --i-own-serial {} >/lab/long.out 2>&1; echo $? >/lab/long.rc) &",
        serial(DYING)
    ));
    node.until("grep -q 'step_started.*reads' /runs/*-long-*/journal.jsonl");
    node.qmp().pull_drive(DYING);
    node.until("[ -s /lab/long.rc ]");
    let status = std::fs::read_to_string(node.share("long.rc")).expect("a status");
    let said = std::fs::read_to_string(node.share("long.out")).expect("an output");
    assert_eq!(status.trim(), "1", "{said}");
    let run = stored(node, "long");
    let failed = &run["steps"].as_array().expect("steps").last().expect("a step")["verification"]["fact"]["failed"];
    assert!(failed.as_object().is_some_and(|failed| !failed.is_empty()), "{failed}: {said}");
}

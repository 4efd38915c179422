use super::*;
use crate::source::FileError;

/// The catalogue that ships.
pub(crate) fn shipped() -> Parts {
    parse(&shipped_files()).expect("the shipped catalogue parses")
}

/// Its files.
pub(crate) fn shipped_files() -> Vec<(String, String)> {
    [
        ("cpu.toml", include_str!("../../../sites/parts/cpu.toml")),
        ("gpu.toml", include_str!("../../../sites/parts/gpu.toml")),
        ("nic.toml", include_str!("../../../sites/parts/nic.toml")),
        ("nvme.toml", include_str!("../../../sites/parts/nvme.toml")),
    ]
    .map(|(name, text)| (name.to_owned(), text.to_owned()))
    .to_vec()
}

fn error(text: &str) -> FileError {
    parse(&[("parts.toml".into(), text.into())]).expect_err(text)
}

const NIC: &str = "source = \"x\"\nports = 2\nport_bits_per_s = 1\npcie_lanes = 16\npcie_gtps = 16.0\n";

#[test]
fn the_shipped_catalogue_has_the_parts_of_the_reference_cluster() {
    let parts = shipped();
    assert_eq!(parts.cpu["amd-epyc-9534"].memory_channels, 12);
    assert!(parts.gpu["nvidia-a16"].mig.is_empty());
    assert_eq!(parts.nic["mcx653106a-hdat"].ports, 2);
    assert!(parts.nvme.len() >= 6);
}

#[test]
fn a_part_with_mig_has_a_profile_for_the_whole_gpu() {
    for (key, part) in shipped().gpu {
        assert_eq!(part.whole().is_some(), !part.mig.is_empty(), "{key}");
    }
}

#[test]
fn the_same_part_in_two_files_is_refused() {
    let file = |name: &str| (name.to_owned(), format!("schema = 1\n[nic.a]\n{NIC}"));
    let error = parse(&[file("one.toml"), file("two.toml")]).expect_err("twice");
    assert_eq!((error.file.as_str(), error.line), ("two.toml", 2));
}

#[test]
fn figures_that_no_part_has_are_refused_with_their_line() {
    let cases = [
        (format!("schema = 2\n[nic.a]\n{NIC}"), 1, "schema = 1"),
        (format!("[nic.a]\n{NIC}"), 1, "schema"),
        (format!("schema = 1\n[nic.a]\n{}", NIC.replace("ports = 2", "ports = 0")), 4, "above 0"),
        (format!("schema = 1\n[nic.a]\n{}", NIC.replace("16.0", "nan")), 7, "above 0"),
        (format!("schema = 1\n[nic.a]\n{}", NIC.replace("\"x\"", "\" \"")), 3, "documents"),
        (format!("schema = 1\n[nic.a]\n{NIC}colour = 1\n"), 8, "colour"),
        ("schema = 1\n[nvme.a]\nsource = \"x\"\npcie_lanes = 4\npcie_gtps = 32.0\ndwpd = inf\n".into(), 6, "above 0"),
        ("schema = 1\n[gpu.a]\nsource = \"x\"\ngpus = 1\nmemory_bytes = 1\npcie_lanes = 8\n[gpu.a.mig]\nm = { starts = [], slices = 1, compute = 1 }\n".into(), 8, "nowhere"),
        ("schema = 1\n[gpu.a]\nsource = \"x\"\ngpus = 1\nmemory_bytes = 1\npcie_lanes = 8\n[gpu.a.mig]\nm = { starts = [0, 1], slices = 1, compute = 1 }\n".into(), 7, "whole GPU"),
        ("schema = 1\n[cpu.a]\nsource = \"x\"\nsockets_max = 2\nmemory_channels = 12\ndimms_per_channel_max = 2\nmemory_bytes_max = 1\nmemory_mtps = [4800]\npcie_lanes = [128, 160]\npcie_gtps = 32.0\n".into(), 8, "modules per channel"),
        ("schema = 1\n[cpu.a]\nsource = \"x\"\nsockets_max = 2\nmemory_channels = 12\ndimms_per_channel_max = 1\nmemory_bytes_max = 1\nmemory_mtps = [4800]\npcie_lanes = [128]\npcie_gtps = 32.0\n".into(), 9, "number of sockets"),
    ];
    for (text, line, part) in cases {
        let error = error(&text);
        assert_eq!(error.line, line, "{error}");
        assert!(error.message.contains(part), "{error}");
    }
}

#[test]
fn an_unknown_part_names_the_known_ones() {
    let why = shipped().knows(Kind::Gpu, "nvidia-a61").expect_err("a typo");
    assert!(why.contains("Did you mean `nvidia-a16`") && why.contains("nvidia-a30"), "{why}");
    assert!(shipped().knows(Kind::Dimm, "x").expect_err("no dimms").contains("no `part`"));
}

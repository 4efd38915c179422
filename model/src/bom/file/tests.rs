use super::*;
use crate::contradiction::tests::ordered;
use crate::parts::tests::shipped;

/// A small BOM with one word replaced; the word must be there.
fn edited(from: &str, to: &str) -> String {
    assert_eq!(SMALL.matches(from).count(), 1, "`{from}` once in the sample");
    SMALL.replace(from, to)
}

const SMALL: &str = r#"schema = 1
node_class = "small"
revision = "1"
[[line]]
name = "drives"
kind = "nvme"
quantity = 2
[line.select]
pci_id = "1344:51c3"
[line.expect]
link_width = 4
numa_node = { at_least = 0 }
[[line]]
name = "ports"
kind = "nic"
quantity = 2
part = "mcx653106a-hdat"
[line.expect]
mtu = 9000
[line.facts]
cards = 1
[cluster]
nodes = 3
corosync_links = ["net"]
[[cluster.bond]]
name = "bond0"
line = "ports"
ports = 2
mode = "802.3ad"
lacp_rate = "fast"
xmit_hash_policy = "layer3+4"
mtu = 9000
networks = ["net"]
[cluster.ceph]
line = "drives"
size = 3
min_size = 2
public_network = "net"
cluster_network = "net"
device_class = "nvme"
pools = { rbd = 0.5 }
"#;

#[test]
fn the_sample_is_read_as_written() {
    let bom = parse("bom.toml", SMALL).expect("sound");
    assert_eq!((bom.schema, bom.node_class.as_str(), bom.revision.as_str()), (1, "small", "1"));
    let drives = bom.line("drives").expect("the line");
    assert_eq!((drives.kind, drives.quantity, drives.part.as_deref()), (Kind::Nvme, 2, None));
    assert_eq!(drives.select[&Attr::PciId], Matcher::Equals("1344:51c3".into()));
    assert_eq!(drives.expect[&Attr::NumaNode], Matcher::AtLeast(0.0));
    assert_eq!(bom.line("ports").and_then(|ports| ports.fact("cards")), Some(1));
    assert_eq!(bom.cluster.expect("a cluster").bond[0].networks, ["net"]);
}

#[test]
fn the_reference_order_names_parts_that_the_catalogue_has() {
    let text = crate::contradiction::tests::BOM;
    parts_known(Document::new("bom.toml", text), &ordered(), &shipped()).expect("every part is known");
    let text = text.replace("part = \"nvidia-a16\"", "part = \"nvidia-a61\"");
    let bom = parse("bom.toml", &text).expect("the parser knows no parts");
    let error = parts_known(Document::new("bom.toml", &text), &bom, &shipped()).expect_err("a typo");
    assert!(error.to_string().contains("nvidia-a61") && error.message.contains("Did you mean `nvidia-a16`?"), "{error}");
}

#[test]
fn an_error_shows_file_line_caret_and_what_was_expected() {
    let error = parse("bom.toml", &edited("link_width = 4", "link_widht = 4")).expect_err("a typo");
    assert_eq!((error.file.as_str(), error.line), ("bom.toml", 11));
    let shown = error.to_string();
    for part in ["bom.toml:11:1", "link_widht = 4", "^^^^^^^^^^", "Did you mean `link_width`?"] {
        assert!(shown.contains(part), "{part}:\n{shown}");
    }
}

#[test]
fn what_is_vacuous_unmeetable_or_ambiguous_is_refused_where_it_stands() {
    let cases: &[(&str, &str, usize, &str)] = &[
        ("schema = 1", "schema = 2", 1, "expected `schema = 1`"),
        ("schema = 1", "schema = \"1\"", 1, "expected `schema = 1`"),
        ("schema = 1\n", "", 1, "schema"),
        ("node_class = \"small\"", "node_class = \" \"", 2, "node_class"),
        ("revision = \"1\"", "revision = \"1\"\nrevison = 2", 4, "unknown field"),
        ("name = \"drives\"", "name = \"\"", 5, "without a name"),
        ("name = \"drives\"", "name = \"ports\"", 14, "a second line `ports`"),
        ("kind = \"nvme\"", "kind = \"nvmee\"", 6, "Did you mean `nvme`?"),
        ("kind = \"nvme\"", "kind = \"disk\"", 6, "unknown component kind `disk`; expected `board`"),
        ("kind = \"nvme\"\nquantity = 2", "kind = \"nvme\"\nquantity = 0", 7, "at least 1"),
        ("kind = \"nvme\"\nquantity = 2", "kind = \"nvme\"\nquantity = -2", 7, "u32"),
        ("kind = \"nvme\"\nquantity = 2", "kind = \"nvme\"\nquantity = 10001", 7, "at most 10000"),
        ("kind = \"nvme\"\nquantity = 2", "kind = \"nvme\"\nquantity = 2.5", 7, "expected u32"),
        ("kind = \"nvme\"\nquantity = 2", "kind = \"nvme\"", 4, "quantity"),
        ("kind = \"nvme\"", "kind = \"nvme\"\ncolour = \"red\"", 7, "unknown field `colour`"),
        ("[line.expect]\nmtu = 9000\n", "[line.expect]\n", 18, "would always pass"),
        ("[line.expect]\nmtu = 9000\n", "", 13, "expect"),
        ("link_width = 4", "link_width = \"4\"", 11, "expected a whole number"),
        ("link_width = 4", "link_width = 4.5", 11, "expected a whole number"),
        ("link_width = 4", "model = 7450", 11, "expected text in quotes"),
        ("link_width = 4", "carrier = 1", 11, "expected true or false"),
        ("{ at_least = 0 }", "{ at_least = nan }", 12, "NaN"),
        ("{ at_least = 0 }", "{ within = [2, 1] }", 12, "lower bound first"),
        ("{ at_least = 0 }", "{ at_most = 0 }", 12, "Did you mean `at_least`?"),
        ("{ at_least = 0 }", "{}", 12, "exactly one key"),
        ("{ at_least = 0 }", "[]", 12, "empty list"),
        ("pci_id = \"1344:51c3\"", "pci_id = 1344", 9, "expected text in quotes"),
        ("pci_id = \"1344:51c3\"", "pciid = \"1344:51c3\"", 9, "Did you mean `pci_id`?"),
        ("cards = 1", "card = 1", 21, "Did you mean `cards`?"),
        ("cards = 1", "cards = 0", 21, "at least 1"),
        ("nodes = 3\n", "", 22, "`nodes`"),
        ("line = \"ports\"", "line = \"prots\"", 27, "Did you mean `ports`?"),
        ("mode = \"802.3ad\"", "mode = \"lacp\"", 29, "`802.3ad`"),
        ("lacp_rate = \"fast\"", "lacp_rate = \"fats\"", 30, "Did you mean `fast`?"),
        ("ports = 2", "ports = 0", 28, "at least 1"),
        ("line = \"drives\"", "line = \"disks\"", 35, "no line is called `disks`"),
        ("size = 3", "size = 0", 34, "at least 1"),
        ("rbd = 0.5", "rbd = nan", 41, "no target ratio"),
        ("rbd = 0.5 }", "rbd = 0.5 }\nquotas = { rdb = 1 }", 42, "Did you mean `rbd`?"),
        ("corosync_links = [\"net\"]", "corosync_links = [\"net\", \"net\"]", 24, "corosync has `net` twice"),
        ("[cluster.ceph]", "[cluster.networks]\nnet = \"ports\"\n[cluster.ceph]", 35, "runs on a bond already"),
        ("[cluster.ceph]", "[cluster.networks]\nother = \"port\"\n[cluster.ceph]", 35, "Did you mean `ports`?"),
        ("[cluster.ceph]", "[cluster.fencing]\nmethod = \"ipmi\"\ntimeout_s = 60\n[cluster.ceph]", 35, "`watchdog` or `redfish`"),
        ("[cluster.ceph]", "[cluster.gpu_partition]\nline = \"drives\"\nmethod = \"mig\"\nprofile = \"x\"\nshares = {}\n[cluster.ceph]", 38, "share"),
        (
            "[cluster.ceph]",
            "[cluster.gpu_partition]\nline = \"drives\"\nmethod = \"mgi\"\nprofile = \"x\"\nshares = { vm = 1 }\n[cluster.ceph]",
            36,
            "`mig`",
        ),
    ];
    for (from, to, line, part) in cases {
        let text = edited(from, to);
        let error = parse("bom.toml", &text).expect_err(to);
        assert!(error.message.contains(part), "{to}: {error}");
        assert_eq!(error.line, *line, "{to}: {error}");
    }
}

#[test]
fn two_lines_of_a_kind_need_selects_that_tell_them_apart() {
    let second = "[[line]]\nname = \"more\"\nkind = \"nic\"\nquantity = 1\n[line.expect]\nmtu = 9000\n";
    let with = |second: &str| edited("[cluster]\n", &format!("{second}[cluster]\n"));
    let error = parse("bom.toml", &with(second)).expect_err("two take the rest");
    assert!(error.message.contains("no other line selects"), "{error}");
    let selecting = second.replace("[line.expect]", "[line.select]\ncarrier = true\n[line.expect]");
    parse("bom.toml", &with(&selecting)).expect("one selects, the other takes the rest");
}

#[test]
fn an_order_of_nothing_is_refused() {
    let error = parse("bom.toml", "schema = 1\nnode_class = \"a\"\nrevision = \"b\"\n").expect_err("no line");
    assert!(error.message.contains("at least one `[[line]]`"), "{error}");
    assert!(parse("bom.toml", "").is_err());
    assert!(parse("bom.toml", "schema = 1\n[[line]\n").is_err());
}

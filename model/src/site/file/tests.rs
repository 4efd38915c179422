use super::*;
use crate::parts::tests::shipped_files;

const GATE: &str =
    "schema = 1\nphase = 1\ntitle = \"t\"\nmax_age_hours = 24\n[[check]]\nid = \"clock.synchronised\"\nseverity = \"gate\"\ntitle = \"t\"\n";

fn pve1() -> BTreeMap<String, String> {
    [
        (SITE, include_str!("../../../../sites/pve1/site.toml")),
        (BOM, include_str!("../../../../sites/pve1/bom.toml")),
        (CONTRADICTIONS, include_str!("../../../../sites/pve1/contradictions.toml")),
    ]
    .map(|(name, text)| (name.to_owned(), text.to_owned()))
    .into()
}

fn generic() -> BTreeMap<String, String> {
    [(SITE.to_owned(), include_str!("../../../../sites/generic/site.toml").to_owned())].into()
}

fn put(files: &mut BTreeMap<String, String>, name: &str, text: &str) {
    files.insert(name.to_owned(), text.to_owned());
}

fn assembled(files: BTreeMap<String, String>) -> Result<Site, FileError> {
    assemble(SiteFiles { origin: "sites/x".into(), files }, &[("phase-01.toml".into(), GATE.into())], &shipped_files())
}

#[test]
fn the_reference_site_comes_together() {
    let site = assembled(pve1()).expect("sound");
    assert_eq!((site.name.as_str(), site.absence), ("pve1", Absence::Inconclusive));
    let nodes: Vec<&str> = site.nodes.iter().map(|node| node.name.as_str()).collect();
    assert_eq!(nodes, ["pve1-node1", "pve1-node2", "pve1-node3"]);
    assert_eq!(site.contradictions.len(), 37);
    assert_eq!(site.bom.as_ref().and_then(|bom| bom.line("memory modules")).map(|line| line.quantity), Some(72));
    assert_eq!(site.gates.len(), 1);
    assert_eq!(site.digest.len(), 64);
}

#[test]
fn the_generic_site_orders_nothing_and_excuses_what_a_host_does_not_have() {
    let site = assembled(generic()).expect("sound");
    assert_eq!((site.name.as_str(), site.absence), ("generic", Absence::NotApplicable));
    assert!(site.bom.is_none() && site.contradictions.is_empty() && site.waivers.is_empty() && site.not_here.is_empty());
}

#[test]
fn a_resolution_changes_what_the_checks_compare_with() {
    let mut files = pve1();
    let text = files[CONTRADICTIONS].replacen("resolution = \"\"", "resolution = \"two-sockets\"", 1);
    put(&mut files, CONTRADICTIONS, &text);
    let site = assembled(files).expect("sound");
    assert_eq!(site.bom.as_ref().and_then(|bom| bom.line("memory modules")).map(|line| line.quantity), Some(24));
}

#[test]
fn a_gate_of_the_site_replaces_the_default_of_its_phase() {
    let mut files = generic();
    put(&mut files, "gates/phase-01.toml", &GATE.replace("\"t\"\nmax", "\"own\"\nmax"));
    let site = assembled(files.clone()).expect("sound");
    assert_eq!(site.gates.iter().map(|gate| gate.title.as_str()).collect::<Vec<_>>(), ["own"]);
    put(&mut files, "gates/again.toml", GATE);
    let error = assembled(files).expect_err("two gates of one phase");
    assert!(error.message.contains("a second gate of phase 1"), "{error}");
}

#[test]
fn a_file_that_nobody_reads_is_refused_by_name() {
    for (name, part) in [("waiver.toml", "Did you mean `waivers.toml`?"), ("gates/old/phase-01.toml", "gates/*.toml"), ("README.md", "site.toml")] {
        let mut files = generic();
        put(&mut files, name, "");
        let error = assembled(files).expect_err(name);
        assert!(error.file == format!("sites/x/{name}") && error.message.contains(part), "{error}");
    }
}

#[test]
fn what_a_site_says_must_lead_somewhere() {
    let waiver = |check: &str| {
        format!("schema = 1\n[[waiver]]\ncheck = \"{check}\"\nowner = \"ops\"\nreason = \"a reason that is long enough\"\nexpires = \"2027-01-01\"\n")
    };
    let head = |rest: &str| format!("schema = 1\nname = \"x\"\n{rest}");
    let cases = [
        (SITE, "schema = 2\nname = \"x\"\n".to_owned(), 1, "schema = 1"),
        (SITE, "schema = 1\nname = \"\"\n".to_owned(), 2, "without a name"),
        (SITE, head("absense = \"inconclusive\"\n"), 3, "absence"),
        (SITE, head("absence = \"pass\"\n"), 3, "not_applicable"),
        (SITE, head("[[node]]\nname = \"a\"\n[[node]]\nname = \"a\"\n"), 6, "a second node"),
        (SITE, head("[[node]]\nname = \"a\"\nserial = \"1\"\n[[node]]\nname = \"b\"\nserial = \"1\"\n"), 8, "same serial"),
        (SITE, head("[[node]]\nname = \"a\"\nserial = \"\"\n"), 5, "empty serial"),
        (SITE, head("[[node]]\nname = \"-oProxyCommand=reboot\"\n"), 4, "no host name"),
        (SITE, head("[[node]]\nname = \"a\"\nssh = \"-oProxyCommand=reboot\"\n"), 5, "nothing that ssh can be told"),
        (SITE, head("[[node]]\nname = \"a\"\nssh_options = [\"Port=1\", \"ProxyCommand=reboot\"]\n"), 5, "only these may be set"),
        (SITE, head("[[node]]\nname = \"a\"\nassay = \"assay; reboot\"\n"), 5, "no absolute path"),
        (SITE, head("[[node]]\nname = \"a\"\naddresses = { data = \"0.0.0.0\" }\n"), 5, "no address of one host"),
        (SITE, head("[[node]]\nname = \"a\"\naddresses = { data = \"10.0.0.256\" }\n"), 5, "IP address"),
        (SITE, head("[[node]]\nname = \"a\"\naddresses = { x = \"10.0.0.1\", y = \"10.0.0.1\" }\n"), 5, "in `x` too"),
        (SITE, head("[[node]]\nname = \"a\"\naddresses = { x = \"10.0.0.1\" }\n[[node]]\nname = \"b\"\naddresses = { x = \"10.0.0.1\" }\n"), 8, "node `a` has"),
        (SITE, head("[[not_here]]\ncheck = \"clock.synchronized\"\nwhy = \"w\"\n"), 4, "Did you mean `clock.synchronised`?"),
        (SITE, head("[[not_here]]\ncheck = \"clock.synchronised\"\nwhy = \"\"\n"), 5, "expected why"),
        (SITE, head("[[not_here]]\ncheck = \"clock.synchronised\"\nwhy = \"w\"\n[[not_here]]\ncheck = \"clock.synchronised\"\nwhy = \"w\"\n"), 7, "listed twice"),
        (WAIVERS, waiver("clock.synchronized"), 3, "Did you mean `clock.synchronised`?"),
        (CONTRADICTIONS, "schema = 1\n[[contradiction]]\nid = \"X\"\nderived_by = \"memory.modules_fit\"\n".to_owned(), 4, "the site has none"),
        (CONTRADICTIONS, "schema = 1\n[[contradiction]]\nid = \"X\"\nstatement = \"s\"\nkind = \"conflict\"\nwhy = \"w\"\nblocks = []\nchecks = [\"dimm.quantity\"]\n".to_owned(), 8, "no gate lists"),
    ];
    for (name, text, line, part) in cases {
        let mut files = generic();
        put(&mut files, name, &text);
        let error = assembled(files).expect_err(part);
        assert!(error.message.contains(part), "{error}");
        assert_eq!(error.line, line, "{error}");
    }
    let mut files = generic();
    put(&mut files, WAIVERS, &waiver("clock.synchronised"));
    assert_eq!(assembled(files).expect("a gate lists it").waivers.len(), 1);
}

#[test]
fn a_site_says_how_its_nodes_are_reached() {
    let mut files = generic();
    let text = "schema = 1\nname = \"x\"\n[[node]]\nname = \"a\"\n[[node]]\nname = \"b\"\nssh = \"root@10.0.0.2\"\nssh_options = [\"Port=2222\"]\n\
                assay = \"/opt/assay\"\naddresses = { storage = \"10.7.0.2\", corosync = \"fd00::2\" }\n";
    put(&mut files, SITE, text);
    let nodes = assembled(files).expect("sound").nodes;
    assert_eq!((nodes[0].ssh_host(), nodes[1].ssh_host()), ("a", "root@10.0.0.2"));
    assert_eq!((nodes[1].address("storage"), nodes[1].address("guests")), ("10.7.0.2".parse().ok(), None));
}

#[test]
fn pools_for_scratch_images_are_declared_or_there_are_none() {
    let pools = |declared: &str| {
        let mut files = generic();
        put(&mut files, DECLARED, declared);
        assembled(files).map(|site| site.declared.ceph.scratch_pools)
    };
    assert_eq!(pools("schema = 1\n").expect("sound"), [""; 0]);
    assert_eq!(pools("schema = 1\n[ceph]\nscratch_pools = [\"rbd-vms\", \"rbd-vms/tests\"]\n").expect("sound"), ["rbd-vms", "rbd-vms/tests"]);
    assert!(pools("schema = 1\n[ceph]\nscratch_pool = [\"rbd-vms\"]\n").is_err());
}

#[test]
fn pools_that_are_declared_are_those_that_are_ordered() {
    let declared = include_str!("../../../../sites/pve1/declared.toml");
    let with = |from: &str, to: &str| {
        let mut files = pve1();
        let text = declared.replacen(from, to, 1);
        assert_ne!(text, declared, "{from}");
        put(&mut files, DECLARED, &text);
        assembled(files).map(|site| site.name)
    };
    with("[ceph]\n", "[ceph]\nscratch_pools = [\"a-pool-for-tests\"]\n").expect("sound");
    for (from, to, part) in [
        ("applications = { rbd-vms", "applications = { rbd-vm", "no pool is called `rbd-vm`"),
        ("pool = \"cephfs-metadata\"", "pool = \"cephfs-meta\"", "no pool is called `cephfs-meta`"),
    ] {
        let error = with(from, to).expect_err(part);
        assert!(error.file == "sites/x/declared.toml" && error.message.contains(part), "{error}");
    }
}

#[test]
fn a_condition_of_what_is_declared_names_a_candidate_that_there_is() {
    let declared = include_str!("../../../../sites/pve1/declared.toml");
    let mark = "candidates = [\"";
    let marks: Vec<usize> = declared.match_indices(mark).map(|(at, _)| at + mark.len()).collect();
    assert!(marks.len() > 8, "{marks:?}");
    for at in marks {
        let mut files = pve1();
        let mut text = declared.to_owned();
        text.insert_str(at, "not-");
        put(&mut files, DECLARED, &text);
        let error = assembled(files).map(|site| site.name).expect_err("no candidate is called so");
        assert!(error.message.contains("`not-") && error.message.contains("is no candidate of C-"), "{error}");
    }
}

#[test]
fn a_folder_without_site_toml_is_no_site() {
    let error = assembled(BTreeMap::new()).expect_err("nothing");
    assert!(error.file == "sites/x/site.toml" && error.message.contains("schema"), "{error}");
}

#[test]
fn the_digest_depends_on_every_name_and_every_byte_and_on_nothing_else() {
    let of = |files: &[(&str, &'static str)]| digest(files.iter().map(|(name, text)| ((*name).to_owned(), *text)));
    let base = of(&[("a", "1"), ("b", "2")]);
    assert_eq!(base, of(&[("b", "2"), ("a", "1")]));
    for other in [of(&[("a", "1"), ("b", "3")]), of(&[("a", "1"), ("c", "2")]), of(&[("a", "1b2")]), of(&[("a", "12"), ("b", "")]), of(&[])] {
        assert_ne!(base, other);
    }
    // sha256("1:a1:1"), so that other tools can compute it.
    assert_eq!(of(&[("a", "1")]), "4e05abd6911b81cca42657fbc9599aa8c54ec2edbae550401d8479871cb5ca0f");
}

#[test]
fn the_digest_of_a_site_covers_the_parts_catalogue() {
    let with = |parts: &[(String, String)]| assemble(SiteFiles { origin: "x".into(), files: generic() }, &[], parts).expect("sound").digest;
    let mut other = shipped_files();
    other[0].1.push('\n');
    assert_ne!(with(&shipped_files()), with(&other));
}

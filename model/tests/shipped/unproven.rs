//! The gates that ship, judged without any evidence: nothing may be admitted, and every requirement has its line.

use std::collections::{BTreeMap, BTreeSet};

use assay_model::gate::{Decision, Judged, Severity};
use assay_model::judge::{Case, judge};
use assay_model::verdict::Rank;

use crate::{gate, site};

#[test]
fn a_node_of_which_nothing_is_known_enters_no_phase_of_any_site() {
    let (implemented, now) = (BTreeSet::new(), "2026-11-20T12:00:00Z".parse().expect("a time"));
    for name in ["generic", "pve1"] {
        let site = site(name);
        assert!(!site.gates.is_empty(), "{name}");
        for gate in &site.gates {
            let case = Case {
                site: &site,
                gate,
                runs: &[],
                inventory: None,
                inventory_checks: &[],
                run_checks: &BTreeMap::new(),
                implemented: &implemented,
                earlier: &[],
                now,
            };
            let judgement = judge(&case);
            assert!(matches!(judgement.decision, Decision::Hold { .. }), "{name}, {}", gate.phase);
            assert_eq!((judgement.verdict, judgement.exit_code()), (Rank::Inconclusive, 3), "{name}, {}", gate.phase);
            for requirement in &gate.requires {
                let rows: Vec<_> = judgement.judged.iter().filter(|row| row.check.id == requirement.id).collect();
                assert!(!rows.is_empty(), "{name}, {}: {} has no line", gate.phase, requirement.id);
                let open = |row: &&Judged| row.holds || row.excused_by.is_some();
                assert!(requirement.severity != Severity::Gate || rows.iter().all(open), "{name}, {}: {}", gate.phase, requirement.id);
            }
        }
    }
}

#[test]
fn the_order_of_the_reference_cluster_blocks_the_phases_that_it_leaves_open() {
    let site = site("pve1");
    let (implemented, now) = (BTreeSet::new(), "2026-11-20T12:00:00Z".parse().expect("a time"));
    for (phase, contradiction) in [(1, "contradiction.C-01"), (1, "contradiction.C-02"), (5, "contradiction.C-03"), (2, "contradiction.C-05")] {
        let gate = gate(&site, phase);
        let case = Case {
            site: &site,
            gate,
            runs: &[],
            inventory: None,
            inventory_checks: &[],
            run_checks: &BTreeMap::new(),
            implemented: &implemented,
            earlier: &[],
            now,
        };
        let judged = judge(&case).judged;
        assert!(judged.iter().any(|row| row.check.id.as_str() == contradiction && row.holds), "phase {phase}: {contradiction}");
    }
}

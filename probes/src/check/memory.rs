//! The node's memory as a whole: the kernel's total against the modules (SMBIOS type 17), and whether errors are corrected (types 16 and 17, EDAC).

use assay_model::attr::{Attr, Kind};
use assay_model::check::Check;
use assay_model::component::Component;
use assay_model::inventory::{Inventory, Observed};
use assay_model::site::Site;
use assay_model::verdict::{Reason, Verdict};

use super::dimm::Modules;
use super::question::{Question, absent};
use super::seen::{Seen, count, text};

pub(super) const TOTAL_PLAUSIBLE: Question =
    Question { id: "memory.total_plausible", expected: "the kernel manages at least 97 % of what the fitted modules have" };
pub(super) const ECC_ACTIVE: Question = Question { id: "memory.ecc_active", expected: "more total than data bits, or an array that corrects errors" };

/// What firmware, kernel, crash kernel and integrated graphics take does not shrink with the memory: on small nodes it is more than 3 %.
const FIXED_RESERVE_BYTES: u64 = 2 << 30;

pub(super) fn total_plausible(inventory: &Inventory, site: &Site) -> Vec<Check> {
    let question = &TOTAL_PLAUSIBLE;
    let modules = match Modules::fitted(question, inventory, site) {
        Ok(modules) => modules,
        Err(unasked) => return unasked,
    };
    let kernel = match question.subjects(inventory, site, Kind::Memory) {
        Ok(kernel) => kernel,
        Err(unasked) => return unasked,
    };
    if !modules.unclear.is_empty() {
        return modules.unclear(question);
    }
    let about = |memory: &&Component| total_of(site, &modules.fitted, memory);
    kernel.iter().map(about).collect()
}

fn total_of(site: &Site, modules: &[&Component], memory: &Component) -> Check {
    let seen = Seen::of(memory, &[Attr::Total]).and(Seen::across(modules, Attr::Capacity));
    let judged = |verdict, expected: Option<String>, observed: String| {
        let expected = expected.unwrap_or_else(|| TOTAL_PLAUSIBLE.expected.to_owned());
        Check::new(TOTAL_PLAUSIBLE.id, &memory.locator, verdict, expected, observed, seen.source())
    };
    let (total, capacities) = match (count(memory, Attr::Total), capacities(modules)) {
        (Ok(Some(total)), Ok(Some(capacities))) => (total, capacities),
        (Err(reason), _) | (_, Err(reason)) => return judged(Verdict::Inconclusive(reason), None, "nothing".into()),
        (Ok(None), _) => return judged(absent(site, "the kernel gives no total"), None, "nothing".into()),
        (_, Ok(None)) => return judged(absent(site, "a fitted module does not say its capacity"), None, "nothing".into()),
    };
    let fitted = capacities.iter().fold(0_u64, |sum, &bytes| sum.saturating_add(bytes));
    let least = fitted.saturating_sub(reserve(fitted, &capacities));
    let verdict = if total > fitted {
        Verdict::Inconclusive(Reason::Invalid(format!("the kernel manages {total} bytes, more than the {fitted} of all listed modules")))
    } else if total < least {
        Verdict::Fail(format!("{} bytes of the fitted modules are missing", fitted - total))
    } else {
        Verdict::pass_on(seen.evidence())
    };
    judged(verdict, Some(format!("from {least} to {fitted} bytes")), format!("{total} bytes of {fitted} in {} modules", modules.len()))
}

fn capacities(modules: &[&Component]) -> Result<Option<Vec<u64>>, Reason> {
    modules.iter().map(|module| count(module, Attr::Capacity).transpose()).try_fold(Some(Vec::new()), |sum, capacity| match (sum, capacity) {
        (Some(mut sum), Some(Ok(bytes))) => {
            sum.push(bytes);
            Ok(Some(sum))
        }
        (_, Some(Err(reason))) => Err(reason),
        (None, _) | (_, None) => Ok(None),
    })
}

// 3 %: the kernel's page descriptors take 1.6 %, its image, the firmware's tables and a crash kernel the rest. Of a small node more, but never as
// much as one of its modules: that one is missing must always be seen.
fn reserve(fitted: u64, capacities: &[u64]) -> u64 {
    let smallest = capacities.iter().copied().min().unwrap_or(0);
    let fixed = FIXED_RESERVE_BYTES.min(fitted / 3).min(smallest);
    (fitted / 100 * 3).max(fixed)
}

pub(super) fn ecc_active(inventory: &Inventory, site: &Site) -> Vec<Check> {
    let question = &ECC_ACTIVE;
    let modules = match Modules::fitted(question, inventory, site) {
        Ok(modules) => modules,
        Err(unasked) => return unasked,
    };
    let node = Correction::of(inventory);
    let judged = modules.fitted.iter().map(|module| {
        let seen = Seen::of(module, &[Attr::TotalWidth, Attr::DataWidth]).and(node.seen());
        question.answer(&module.locator, &seen, node.verdict(site, module, &seen))
    });
    judged.chain(modules.unclear(question)).collect()
}

/// What the node says about error correction beyond its modules.
struct Correction<'a> {
    /// Memory arrays that say which method they support.
    arrays: Vec<&'a Component>,
    /// Whether some array supports a method that corrects; `None` when none says.
    supported: Option<bool>,
    /// EDAC drivers bind only to controllers on which correction is switched on.
    controllers: usize,
}

impl<'a> Correction<'a> {
    fn of(inventory: &'a Inventory) -> Self {
        let stated: Vec<(&Component, bool)> = inventory.iter(Kind::MemoryArray).filter_map(|array| Some((array, corrects(array)?))).collect();
        let controllers = match inventory.of(Kind::Edac) {
            Observed::Components(found) => found.len(),
            Observed::SourceMissing(_) | Observed::Unknown(_) => 0,
        };
        let supported = if stated.is_empty() { None } else { Some(stated.iter().any(|(_, corrects)| *corrects)) };
        Self { arrays: stated.into_iter().map(|(array, _)| array).collect(), supported, controllers }
    }

    fn seen(&self) -> Seen<'a> {
        Seen::across(&self.arrays, Attr::ErrorCorrection)
    }

    // Type 16 says what the array supports, type 17 what the module carries. Each alone can be true of a node that corrects nothing.
    fn verdict(&self, site: &Site, module: &Component, seen: &Seen<'_>) -> Verdict {
        let (total, data) = match (count(module, Attr::TotalWidth), count(module, Attr::DataWidth)) {
            (Ok(total), Ok(data)) => (total, data),
            (Err(reason), _) | (_, Err(reason)) => return Verdict::Inconclusive(reason),
        };
        let carries = total.zip(data).map(|(total, data)| total > data);
        match (carries, self.supported) {
            (_, Some(false)) => Verdict::Fail("the memory array corrects no errors".into()),
            (Some(true), Some(true) | None) => Verdict::pass_on(seen.evidence()),
            (Some(false) | None, Some(true)) if self.controllers > 0 => Verdict::pass_on(seen.evidence()),
            (Some(false), Some(true) | None) => Verdict::Fail("the module carries no ECC bits".into()),
            (None, Some(true)) => Verdict::Inconclusive(Reason::Unreadable(
                "the array supports error correction, but neither the module's widths nor a memory controller known to EDAC says that it is active"
                    .into(),
            )),
            (None, None) => absent(site, "neither the modules nor the arrays say whether errors are corrected"),
        }
    }
}

// SMBIOS 3.7, 7.17.3: Other, Unknown, None, Parity, Single-bit ECC, Multi-bit ECC, CRC. Parity and CRC detect and do not correct.
fn corrects(array: &Component) -> Option<bool> {
    let method = text(array, Attr::ErrorCorrection).ok().flatten()?.to_ascii_lowercase();
    if method.contains("ecc") {
        return Some(true);
    }
    ["none", "parity", "crc"].iter().any(|word| method.contains(word)).then_some(false)
}

#[cfg(test)]
mod tests {
    use assay_model::component::Reading;
    use assay_model::verdict::Rank;

    use super::*;
    use crate::check::planted::{GIB, Node, component, module, unreadable};

    const MIB: u64 = 1 << 20;

    fn small(modules: &[u64], total: u64) -> Node {
        let node = Node::healthy().without(Kind::Dimm).plant(Kind::Memory, "node", Attr::Total, total);
        modules.iter().enumerate().fold(node, |node, (i, bytes)| node.with(module(&format!("DIMM_{i:02}"), *bytes)))
    }

    #[test]
    fn the_total_is_judged_just_inside_at_and_just_outside() {
        let fitted = 24 * 96 * GIB;
        let least = fitted - fitted / 100 * 3;
        for (total, expected) in [
            (least - 1, Rank::Fail),
            (least, Rank::Pass),
            (least + 1, Rank::Pass),
            (fitted, Rank::Pass),
            (fitted + 1, Rank::Inconclusive),
            (0, Rank::Fail),
        ] {
            let node = Node::healthy().plant(Kind::Memory, "node", Attr::Total, total);
            assert_eq!(node.strictly(total_plausible), expected, "{total} of {fitted}");
        }
    }

    #[test]
    fn a_module_that_the_kernel_does_not_use_is_found_on_small_nodes_too() {
        for (modules, missing) in
            [(vec![96 * GIB; 24], 96 * GIB), (vec![8 * GIB; 2], 8 * GIB), (vec![GIB; 8], GIB), (vec![GIB], GIB / 2), (vec![2 * GIB; 2], 2 * GIB)]
        {
            let fitted: u64 = modules.iter().sum();
            assert_eq!(small(&modules, fitted - missing - 50 * MIB).strictly(total_plausible), Rank::Fail, "{missing} of {fitted}");
        }
    }

    #[test]
    fn small_nodes_whose_firmware_and_kernel_take_more_than_3_percent_are_not_accused() {
        for (modules, total) in [
            (vec![8 * GIB; 2], 15_400 * MIB), // a laptop with integrated graphics
            (vec![16 * GIB; 2], 31_200 * MIB),
            (vec![4 * GIB], 3_600 * MIB),
            (vec![GIB], 800 * MIB),
        ] {
            assert_eq!(small(&modules, total).strictly(total_plausible), Rank::Pass, "{total} of {modules:?}");
        }
    }

    #[test]
    fn a_total_or_a_capacity_that_is_not_known_is_never_a_pass() {
        let no_total = |reading: Reading| Node::healthy().plant(Kind::Memory, "node", Attr::Total, reading);
        let no_capacity = |reading: Reading| Node::healthy().plant(Kind::Dimm, "DIMM_07", Attr::Capacity, reading);
        assert_eq!(no_total(unreadable()).generically(total_plausible), Rank::Inconclusive);
        assert_eq!(no_capacity(unreadable()).generically(total_plausible), Rank::Inconclusive);
        assert_eq!(no_total(Reading::Absent).strictly(total_plausible), Rank::Inconclusive);
        assert_eq!(no_capacity(Reading::Absent).strictly(total_plausible), Rank::Inconclusive);
        assert_eq!(no_capacity(Reading::Absent).generically(total_plausible), Rank::NotApplicable);
        assert_eq!(Node::healthy().plant(Kind::Dimm, "DIMM_24", Attr::Populated, unreadable()).generically(total_plausible), Rank::Inconclusive);
    }

    fn widths(node: Node, total: impl Into<Reading>, data: impl Into<Reading>) -> Node {
        node.plant(Kind::Dimm, "DIMM_07", Attr::TotalWidth, total).plant(Kind::Dimm, "DIMM_07", Attr::DataWidth, data)
    }

    fn method(node: Node, method: impl Into<Reading>) -> Node {
        node.plant(Kind::MemoryArray, "array 0", Attr::ErrorCorrection, method)
    }

    #[test]
    fn one_module_without_ecc_bits_is_found() {
        let node = method(widths(Node::healthy(), 64_u64, 64_u64), "None");
        assert_eq!(node.about("DIMM_07", ecc_active).verdict.rank(), Rank::Fail);
        let unstated = widths(Node::healthy().without(Kind::MemoryArray), 64_u64, 64_u64);
        assert_eq!(unstated.about("DIMM_07", ecc_active).verdict.rank(), Rank::Fail);
        assert_eq!(unstated.about("DIMM_08", ecc_active).verdict.rank(), Rank::Pass);
    }

    #[test]
    fn an_array_that_supports_ecc_does_not_excuse_a_module_without_it_while_no_controller_corrects() {
        let node = widths(Node::healthy().without(Kind::Edac), 64_u64, 64_u64);
        assert_eq!(node.generically(ecc_active), Rank::Fail);
        let unknown = widths(Node::healthy().without(Kind::Edac), Reading::Absent, Reading::Absent);
        assert_eq!(unknown.generically(ecc_active), Rank::Inconclusive);
    }

    #[test]
    fn ecc_modules_on_a_board_that_corrects_nothing_are_found() {
        for word in ["None", "Parity", "CRC"] {
            assert_eq!(method(Node::healthy(), word).strictly(ecc_active), Rank::Fail, "{word}");
        }
    }

    #[test]
    fn a_controller_that_corrects_in_band_needs_no_ecc_bits() {
        let in_band = widths(Node::healthy(), 64_u64, 64_u64);
        assert_eq!(in_band.strictly(ecc_active), Rank::Pass);
    }

    #[test]
    fn an_array_that_does_not_say_leaves_it_to_the_modules() {
        for word in ["Unknown", "Other"] {
            assert_eq!(method(Node::healthy(), word).strictly(ecc_active), Rank::Pass, "{word}");
            let neither = widths(method(Node::healthy(), word), Reading::Absent, Reading::Absent);
            assert_eq!((neither.strictly(ecc_active), neither.about("DIMM_07", ecc_active).verdict.rank()), (Rank::Inconclusive, Rank::Inconclusive));
        }
        assert_eq!(widths(Node::healthy(), unreadable(), 64_u64).generically(ecc_active), Rank::Inconclusive);
    }

    #[test]
    fn a_second_array_such_as_the_firmwares_flash_is_not_held_against_the_memory() {
        let node = Node::healthy().with(component(Kind::MemoryArray, "array 1", &[(Attr::ErrorCorrection, "None".into())]));
        assert_eq!(node.strictly(ecc_active), Rank::Pass);
    }
}

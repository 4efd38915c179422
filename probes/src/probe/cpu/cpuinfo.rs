//! `/proc/cpuinfo`: one block of `name : value` lines per online CPU. Its `cache size` is the L2 and its `cpu MHz` a momentary value: neither is used.

use std::collections::BTreeMap;

use assay_model::component::Reading;

use super::super::cpu_list::CpuList;

/// The fields of each CPU.
pub(super) struct CpuInfo {
    cpus: BTreeMap<u64, BTreeMap<String, String>>,
}

impl CpuInfo {
    pub(super) fn parse(text: &str) -> Self {
        let mut cpus = BTreeMap::new();
        for block in text.split("\n\n") {
            let fields = block.lines().filter_map(|line| line.split_once(':'));
            let fields: BTreeMap<String, String> = fields.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())).collect();
            if let Some(number) = fields.get("processor").and_then(|number| number.parse().ok()) {
                cpus.insert(number, fields);
            }
        }
        Self { cpus }
    }

    /// What all of these CPUs say in `field`.
    pub(super) fn common(&self, cpus: &CpuList, field: &str) -> Reading {
        let mut said: Vec<Option<&str>> = cpus.iter().map(|cpu| self.cpus.get(&cpu)?.get(field).map(String::as_str)).collect();
        said.sort_unstable();
        said.dedup();
        match said.as_slice() {
            [] | [None] | [Some("")] => Reading::Absent,
            [Some(value)] => (*value).into(),
            [_, _, ..] => {
                let said: Vec<&str> = said.iter().map(|value| value.unwrap_or("nothing")).collect();
                Reading::Unreadable(format!("its CPUs differ: {}", said.join(", ")))
            }
        }
    }
}

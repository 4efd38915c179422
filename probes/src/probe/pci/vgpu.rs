//! Virtual GPUs that a GPU can be divided into, as the vendor's manager on the host shows them: below the GPU or its virtual functions, as mediated devices
//! (`mdev_supported_types`, kernel's vfio-mediated-device documentation) or by the vendor's own files (`nvidia/creatable_vgpu_types`).

use std::collections::BTreeSet;

use assay_model::attr::Attr;
use assay_model::component::Reading;

use super::super::cpu_list::numbered;
use crate::described::{Described, total};
use crate::host::{Host, HostError, malformed, whole};

/// Names of the types, and how many virtual functions have become one.
pub(super) fn describe<'a>(host: &Host, described: Described<'a>, folder: &str) -> Described<'a> {
    let (types, in_use) = match found(host, folder) {
        Ok(Found { is_managed: false, .. }) => (Reading::Absent, Reading::Absent),
        Ok(Found { types, in_use, .. }) => {
            (if types.is_empty() { "none".into() } else { types.into_iter().collect::<Vec<_>>().join(", ").into() }, in_use.into())
        }
        Err(no) => (no.clone(), no),
    };
    described.put(Attr::VgpuTypes, folder, types).put(Attr::VgpusInUse, folder, in_use)
}

#[derive(Default)]
struct Found {
    is_managed: bool,
    types: BTreeSet<String>,
    in_use: u64,
}

fn found(host: &Host, folder: &str) -> Result<Found, Reading> {
    let names = host.list(folder).map_err(|error| unreadable(&error))?;
    let functions = names.iter().filter(|name| numbered(name, "virtfn").is_some()).map(|name| format!("{folder}/{name}"));
    let mut found = Found::default();
    for function in std::iter::once(folder.to_owned()).chain(functions) {
        mediated(host, &format!("{function}/mdev_supported_types"), &mut found)?;
        by_vendor(host, &format!("{function}/nvidia"), &mut found)?;
    }
    Ok(found)
}

fn mediated(host: &Host, folder: &str, found: &mut Found) -> Result<(), Reading> {
    let Some(types) = host.list_or_none(folder).map_err(|error| unreadable(&error))? else { return Ok(()) };
    found.is_managed = true;
    for kind in &types {
        // The file is optional: without it the folder's name is the type's.
        let name = host.read_or_none(&format!("{folder}/{kind}/name")).map_err(|error| unreadable(&error))?;
        let devices = host.list_or_none(&format!("{folder}/{kind}/devices")).map_err(|error| unreadable(&error))?;
        found.types.insert(name.unwrap_or_else(|| kind.clone()).trim().to_owned());
        found.in_use += devices.map_or(0, |devices| total(devices.len()));
    }
    Ok(())
}

fn by_vendor(host: &Host, folder: &str, found: &mut Found) -> Result<(), Reading> {
    let Some(types) = host.read_or_none(&format!("{folder}/creatable_vgpu_types")).map_err(|error| unreadable(&error))? else { return Ok(()) };
    found.is_managed = true;
    // `1428 : NVIDIA H200X-141C`, perhaps below a line of headings.
    for line in types.lines() {
        if let Some((id, name)) = line.split_once(':')
            && whole(id.trim()).is_ok()
        {
            found.types.insert(name.trim().to_owned());
        }
    }
    let current = host.read(&format!("{folder}/current_vgpu_type")).map_err(|error| unreadable(&error))?;
    found.in_use += u64::from(whole(current.trim()).map_err(|why| malformed(&current, &why))? != 0);
    Ok(())
}

// What is listed must say what it is.
fn unreadable(error: &HostError) -> Reading {
    Reading::Unreadable(error.chain())
}

#[cfg(test)]
mod tests {
    use assay_model::attr::Kind;

    use super::*;

    const GPU: &str = "/sys/bus/pci/devices/0000:83:00.0";

    fn of(text: &str) -> (Reading, Reading) {
        let host = Host::from_snapshot(&format!("{GPU}/class: 0x030200\n{text}")).expect("a fixture");
        let gpu = describe(&host, Described::new(&host, Kind::Gpu, "0000:83:00.0", GPU), GPU).done();
        (gpu.reading(Attr::VgpuTypes).clone(), gpu.reading(Attr::VgpusInUse).clone())
    }

    #[test]
    fn types_are_found_below_the_gpu_or_its_virtual_functions() {
        let mediated =
            format!("{GPU}/mdev_supported_types/nvidia-710/name: NVIDIA A16-4Q\n{GPU}/mdev_supported_types/nvidia-710/devices/6e1c exists");
        assert_eq!(of(&mediated), ("NVIDIA A16-4Q".into(), 1_u64.into()));
        let own = format!(
            "{GPU}/virtfn0/nvidia/creatable_vgpu_types:\n|ID    : vGPU Name\n|710   : NVIDIA A16-4Q\n|711   : NVIDIA A16-8Q\n{GPU}/virtfn0/nvidia/current_vgpu_type: 0
             {GPU}/virtfn1/nvidia/creatable_vgpu_types:\n{GPU}/virtfn1/nvidia/current_vgpu_type: 710"
        );
        assert_eq!(of(&own), ("NVIDIA A16-4Q, NVIDIA A16-8Q".into(), 1_u64.into()));
    }

    #[test]
    fn a_gpu_without_a_manager_has_none_and_files_that_cannot_be_read_are_no_absence() {
        assert_eq!(of(""), (Reading::Absent, Reading::Absent));
        assert_eq!(of(&format!("{GPU}/mdev_supported_types list:")).0, "none".into());
        for text in [
            format!("{GPU}/mdev_supported_types error: EIO"),
            format!("{GPU}/virtfn0/nvidia/creatable_vgpu_types error: EIO"),
            format!("{GPU}/virtfn0/nvidia/creatable_vgpu_types: 710 : A"),
            format!("{GPU}/virtfn0/nvidia/creatable_vgpu_types: 710 : A\n{GPU}/virtfn0/nvidia/current_vgpu_type: x"),
        ] {
            assert!(matches!(of(&text).0, Reading::Unreadable(_)), "{text}");
        }
    }
}

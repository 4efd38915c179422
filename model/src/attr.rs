//! What a component can be (`Kind`) and what can be known of it (`Attr`): the closed vocabulary that probes fill, BOM lines expect and reports print.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::unit::Unit;

/// Whether two readings of the same healthy node may differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Volatility {
    /// Differs only when the node was changed.
    Stable,
    /// Changes by itself: a temperature, a counter, free memory.
    Volatile,
}

/// A name that is not in the vocabulary.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown {vocabulary} `{name}`; expected one of: {expected}")]
pub struct UnknownName {
    /// `attribute` or `component kind`.
    pub vocabulary: &'static str,
    /// The word that was given.
    pub name: String,
    /// All known words, comma separated.
    pub expected: String,
}

// One row per word keeps name, unit, volatility and meaning in one place; an enum plus four matches would be four places to forget.
macro_rules! vocabulary {
    ($(#[$meta:meta])* $what:literal $enum:ident { $($variant:ident $name:literal $unit:ident $volatility:ident $doc:literal;)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        pub enum $enum { $(#[doc = $doc] #[serde(rename = $name)] $variant,)* }

        impl $enum {
            /// Every word of the vocabulary, in declaration order.
            pub const ALL: &'static [$enum] = &[$($enum::$variant,)*];
            /// The word used in files and reports.
            pub fn name(self) -> &'static str { match self { $($enum::$variant => $name,)* } }
            /// One sentence that says what it is.
            pub fn describe(self) -> &'static str { match self { $($enum::$variant => $doc,)* } }
            /// The base unit of its values.
            pub fn unit(self) -> Unit { match self { $($enum::$variant => Unit::$unit,)* } }
            /// Whether it changes by itself.
            pub fn volatility(self) -> Volatility { match self { $($enum::$variant => Volatility::$volatility,)* } }
        }

        impl fmt::Display for $enum {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(self.name()) }
        }

        impl FromStr for $enum {
            type Err = UnknownName;
            fn from_str(name: &str) -> Result<Self, UnknownName> {
                $enum::ALL.iter().copied().find(|word| word.name() == name).ok_or_else(|| UnknownName {
                    vocabulary: $what,
                    name: name.to_owned(),
                    expected: $enum::ALL.iter().map(|word| word.name()).collect::<Vec<_>>().join(", "),
                })
            }
        }
    };
}

vocabulary! {
    /// What a component is.
    "component kind" Kind {
        Board "board" None Stable "Mainboard and system firmware of the node.";
        Cpu "cpu" None Stable "One processor package (socket).";
        NumaNode "numa_node" None Stable "One NUMA node.";
        MemoryArray "memory_array" None Stable "One physical memory array (SMBIOS type 16).";
        Dimm "dimm" None Stable "One memory slot, fitted or not (SMBIOS type 17).";
        Memory "memory" None Stable "The node's memory as the kernel sees it.";
        Edac "edac" None Stable "One EDAC memory controller.";
        Pci "pci" None Stable "One PCI function.";
        Nvme "nvme" None Stable "One NVMe controller.";
        Block "block" None Stable "One whole block device.";
        Nic "nic" None Stable "One network interface with a device behind it.";
        Gpu "gpu" None Stable "One GPU.";
        Os "os" None Stable "Kernel and distribution.";
        Clock "clock" None Stable "The system clock and its discipline.";
        Thermal "thermal" None Stable "One temperature sensor.";
        Throttle "throttle" None Stable "Thermal throttle counters of one processor package.";
        MachineCheck "machine_check" None Stable "Machine check events of the node.";
        EdacDimm "edac_dimm" None Stable "One memory module, or one rank of it, as EDAC counts it.";
        Bond "bond" None Stable "One network bond.";
        BondMember "bond_member" None Stable "One interface of a bond.";
        Neighbour "neighbour" None Stable "What LLDP says of the devices at the other end of an interface.";
        Interface "interface" None Stable "One network interface of any sort, those of software included.";
        GuestNic "guest_nic" None Stable "One network interface in the configuration of a guest.";
        Firewall "firewall" None Stable "The node's firewall, as configured and as it runs.";
        Bmc "bmc" None Stable "One management controller (Redfish Manager).";
        BmcHost "bmc_host" None Stable "One computer system as the management controller knows it.";
        BmcPort "bmc_port" None Stable "One network interface of the management controller.";
        BmcCpu "bmc_cpu" None Stable "One processor as the management controller knows it.";
        BmcDimm "bmc_dimm" None Stable "One memory slot as the management controller knows it.";
        BmcFirmware "bmc_firmware" None Stable "One firmware that the management controller keeps.";
        BmcSensor "bmc_sensor" None Stable "One sensor of the management controller.";
        BmcLog "bmc_log" None Stable "One event log of the management controller.";
        BmcLogEntry "bmc_log_entry" None Stable "One entry of such a log that is not plainly harmless.";
        Psu "psu" None Stable "One power supply, fitted or not.";
        Fan "fan" None Stable "One fan.";
        Redundancy "redundancy" None Stable "One group of power supplies or fans that stand in for each other.";
        BiosSetting "bios_setting" None Stable "One setting of the system firmware.";
        Package "package" None Stable "One package of the operating system that is watched.";
        Pool "pool" None Stable "One ZFS pool.";
        PoolVdev "pool_vdev" None Stable "One top-level vdev of a ZFS pool: what it stripes its data over, and log, special and dedup vdevs.";
        PoolDevice "pool_device" None Stable "One device of a ZFS pool.";
        Esp "esp" None Stable "One EFI system partition that the boot tool keeps.";
        SshServer "ssh_server" None Stable "The SSH server's effective settings.";
        SshKey "ssh_key" None Stable "One public key that may log in.";
        Repository "repository" None Stable "One suite of one package repository.";
        Realm "realm" None Stable "One authentication realm of the management.";
        Account "account" None Stable "One user of the management.";
        Subscription "subscription" None Stable "The node's support subscription.";
        Ceph "ceph" None Stable "The Ceph cluster that the node belongs to.";
        CephMonitor "ceph_monitor" None Stable "One monitor of the Ceph cluster.";
        CephOsd "ceph_osd" None Stable "One OSD of the Ceph cluster, on whichever host.";
        CephPool "ceph_pool" None Stable "One pool of the Ceph cluster.";
    }
}

vocabulary! {
    /// What can be known of a component.
    "attribute" Attr {
        Vendor "vendor" None Stable "Manufacturer.";
        Model "model" None Stable "Model name as the device or firmware gives it.";
        Serial "serial" None Stable "Serial number.";
        PartNumber "part_number" None Stable "Part number.";
        Firmware "firmware" None Stable "Firmware revision.";
        FirmwareDate "firmware_date" None Stable "Firmware release date.";
        Uuid "uuid" None Stable "Unique identifier.";
        Name "name" None Stable "Kernel name (nvme0, eth0, sda).";
        Driver "driver" None Stable "Kernel driver bound.";
        NumaNode "numa_node" Count Stable "NUMA node that the device is attached to; absent when the kernel knows none.";

        Family "family" Count Stable "CPU family (CPUID).";
        ModelNumber "model_number" Count Stable "CPU model number (CPUID).";
        Stepping "stepping" Count Stable "CPU stepping (CPUID).";
        Microcode "microcode" None Stable "Microcode revision.";
        Cores "cores" Count Stable "Physical cores online in the package.";
        Threads "threads" Count Stable "Hardware threads online in the package.";
        ThreadsPerCore "threads_per_core" Count Stable "Hardware threads per core.";
        ThreadsOffline "threads_offline" Count Stable "Threads that are present but offline, node-wide.";
        L2Bytes "l2_bytes" Bytes Stable "L2 cache of one core.";
        L3Bytes "l3_bytes" Bytes Stable "L3 cache of the whole package.";
        L3Domains "l3_domains" Count Stable "Number of separate L3 caches in the package.";
        L3DomainBytes "l3_domain_bytes" Bytes Stable "Size of one L3 cache.";
        NumaNodes "numa_nodes" Count Stable "NUMA nodes in the package.";
        ScalingDriver "scaling_driver" None Stable "cpufreq driver.";
        Governor "governor" None Stable "cpufreq governor; `mixed` when CPUs differ.";
        FrequencyMax "frequency_max" Hertz Stable "cpuinfo_max_freq: depends on the driver, no identity.";
        FrequencyMin "frequency_min" Hertz Stable "cpuinfo_min_freq.";
        Boost "boost" None Stable "Whether frequency boost is enabled.";
        CpuList "cpu_list" None Stable "CPUs, in the kernel's list form (0-63,128-191).";
        Distances "distances" None Stable "NUMA distances to nodes 0, 1, ...";

        Slot "slot" None Stable "Slot label on the board (device locator).";
        Bank "bank" None Stable "Bank locator.";
        Populated "populated" None Stable "Whether a module is fitted in the slot.";
        MemoryType "memory_type" None Stable "Memory technology (DDR4, DDR5, ...).";
        FormFactor "form_factor" None Stable "Form factor.";
        Capacity "capacity" Bytes Stable "Capacity.";
        RatedSpeed "rated_speed" MegatransfersPerSecond Stable "Speed that the module is rated for.";
        ConfiguredSpeed "configured_speed" MegatransfersPerSecond Stable "Speed that it runs at.";
        TotalWidth "total_width" Bits Stable "Width with ECC bits.";
        DataWidth "data_width" Bits Stable "Width without ECC bits.";
        Ranks "ranks" Count Stable "Ranks.";
        Slots "slots" Count Stable "Number of slots of the array.";
        CapacityMax "capacity_max" Bytes Stable "Largest capacity that the array takes.";
        ErrorCorrection "error_correction" None Stable "Error correction of the memory array.";
        Total "total" Bytes Stable "Total memory that the kernel manages.";
        Available "available" Bytes Volatile "Memory available for new work.";
        SwapTotal "swap_total" Bytes Stable "Swap space.";
        CorrectedErrors "corrected_errors" Count Volatile "Corrected memory errors since boot.";
        UncorrectedErrors "uncorrected_errors" Count Volatile "Uncorrected memory errors since boot.";

        PciClass "pci_class" None Stable "PCI class code, 24 bit hex.";
        PciId "pci_id" None Stable "PCI vendor:device, as 15b3:101b.";
        PciSubsystem "pci_subsystem" None Stable "PCI subsystem vendor:device.";
        LinkSpeed "link_speed" GigatransfersPerSecond Volatile "Negotiated PCIe speed; GPUs lower it when idle.";
        LinkWidth "link_width" Count Stable "Negotiated PCIe lanes.";
        LinkSpeedMax "link_speed_max" GigatransfersPerSecond Stable "PCIe speed that the function is capable of.";
        LinkWidthMax "link_width_max" Count Stable "PCIe lanes that the function is capable of.";
        UpstreamPort "upstream_port" None Stable "PCI address of the port above.";
        UpstreamLinkSpeedMax "upstream_link_speed_max" GigatransfersPerSecond Stable "PCIe speed that the port above is capable of.";
        UpstreamLinkWidthMax "upstream_link_width_max" Count Stable "PCIe lanes that the port above is capable of.";
        AerCorrectable "aer_correctable" Count Volatile "Correctable PCIe errors since boot.";
        AerNonfatal "aer_nonfatal" Count Volatile "Non-fatal PCIe errors since boot.";
        AerFatal "aer_fatal" Count Volatile "Fatal PCIe errors since boot.";

        Subsystem "subsystem" None Stable "NVMe subsystem (NQN) of the controller.";
        ControllerId "controller_id" Count Stable "Number of the controller within its NVMe subsystem.";
        SeveralControllers "several_controllers" None Stable "Whether the NVMe subsystem may have several controllers: a drive with two ports.";
        IdentifiedSerial "identified_serial" None Stable "Serial number that Identify Controller gives.";
        IdentifiedModel "identified_model" None Stable "Model that Identify Controller gives.";
        MetadataSize "metadata_size" Bytes Stable "Metadata of each logical block.";
        ProtectionType "protection_type" Count Stable "Type of end-to-end protection that the namespaces are formatted with; 0 is none.";
        CriticalWarning "critical_warning" Count Volatile "SMART critical warning bits.";
        AvailableSpare "available_spare" Count Volatile "Spare blocks left, percent of those of a new drive.";
        SpareThreshold "spare_threshold" Count Stable "Percent of spare blocks below which the drive warns.";
        PercentageUsed "percentage_used" Count Volatile "Percent of the drive's life that is used, by its own estimate; may exceed 100.";
        HotMinutes "hot_minutes" Count Volatile "Minutes at the warning temperature or above it, and below the critical one.";
        CriticalMinutes "critical_minutes" Count Volatile "Minutes at the critical temperature or above it.";
        UnsafeShutdowns "unsafe_shutdowns" Count Volatile "Times that power was cut without notice.";
        PowerOnHours "power_on_hours" Count Volatile "Hours under power.";
        MediaErrors "media_errors" Count Volatile "Times that data could not be recovered.";
        ErrorLogEntries "error_log_entries" Count Volatile "Entries that the error log ever had.";
        UnknownCommands "unknown_commands" None Volatile "Entries of the error log that only say that somebody asked for what the drive does not have.";
        HardwareErrors "hardware_errors" None Volatile "Errors of its hardware that the drive's persistent event log remembers, with how often.";
        ThermalExcursions "thermal_excursions" Count Volatile "Times that the drive was too hot, by its persistent event log.";
        Paths "paths" None Stable "Controllers by which a drive with several ports is reached.";
        FirmwareSlot "firmware_slot" Count Stable "Firmware slot that is active.";
        FirmwareSlotNext "firmware_slot_next" Count Stable "Firmware slot that the next reset activates; absent when none waits.";
        FirmwareNext "firmware_next" None Stable "Firmware that the next reset activates; absent when none waits.";
        SelfTestRunning "self_test_running" None Volatile "Whether a device self-test is running.";
        SelfTest "self_test" None Stable "How the newest extended device self-test ended; absent when there was none.";
        SelfTestsFailed "self_tests_failed" Count Volatile "Failed ones among the device self-tests that the drive remembers.";
        Sanitize "sanitize" None Stable "State of the newest sanitize operation.";
        BadUserBlocks "bad_user_blocks" Count Volatile "Bad user NAND blocks, normalised: 100 on a new drive.";
        BadSystemBlocks "bad_system_blocks" Count Volatile "Bad system NAND blocks, normalised: 100 on a new drive.";
        UncorrectableReads "uncorrectable_reads" Count Volatile "Reads that no correction could save (OCP).";
        EndToEndErrors "end_to_end_errors" Count Volatile "Errors that end-to-end protection detected (OCP).";
        ThermalThrottles "thermal_throttles" Count Volatile "Times that the drive slowed down for its temperature (OCP).";
        IncompleteShutdowns "incomplete_shutdowns" Count Volatile "Shutdowns that the drive could not finish (OCP).";
        CapacitorHealth "capacitor_health" Count Volatile "Health of the power-loss capacitor, percent (OCP).";
        LinkRetrainings "link_retrainings" Count Volatile "Times that the drive's PCIe link was trained anew (OCP).";
        Transport "transport" None Stable "NVMe transport (pcie, tcp, ...).";
        State "state" None Stable "State that the driver reports (live, ...).";
        Namespaces "namespaces" Count Stable "Namespaces visible under the controller.";
        Rotational "rotational" None Stable "Whether the device is rotational.";
        LogicalBlockSize "logical_block_size" Bytes Stable "Smallest unit of I/O.";
        PhysicalBlockSize "physical_block_size" Bytes Stable "Smallest unit written without read-modify-write.";
        Scheduler "scheduler" None Stable "Active I/O scheduler.";
        ReadOnly "read_only" None Stable "Whether the kernel treats it as read-only.";
        Removable "removable" None Stable "Whether the medium is removable.";
        Partitions "partitions" Count Stable "Partitions that the kernel knows.";
        Holders "holders" None Stable "Devices stacked on it (dm, md, ...).";

        Mac "mac" None Stable "Hardware address.";
        OperState "oper_state" None Stable "Operational state.";
        Carrier "carrier" None Stable "Whether there is a link.";
        CarrierChanges "carrier_changes" Count Volatile "Link transitions since the interface exists.";
        Speed "speed" BitsPerSecond Stable "Negotiated speed.";
        Duplex "duplex" None Stable "Duplex.";
        Mtu "mtu" Bytes Stable "Maximum transmission unit.";
        ReceiveErrors "receive_errors" Count Volatile "Frames received with errors.";
        TransmitErrors "transmit_errors" Count Volatile "Frames that could not be sent.";
        ReceiveDropped "receive_dropped" Count Volatile "Frames received and dropped.";
        TransmitDropped "transmit_dropped" Count Volatile "Frames dropped before sending.";
        InterfaceIndex "interface_index" Count Volatile "Number of the interface; a driver that is loaded anew gives a new one.";
        LinkLayer "link_layer" None Stable "What the port speaks: Ethernet, InfiniBand, 802.11.";
        FecActive "fec_active" None Stable "Forward error correction in use (RS, BaseR, LLRS, Off, None).";
        FecConfigured "fec_configured" None Stable "Forward error correction that is configured; may name several.";
        FirmwareStored "firmware_stored" None Stable "Firmware revision that runs after the next reset of the device.";
        Psid "psid" None Stable "Board id to which the firmware of a network card belongs.";
        RingReceive "ring_receive" Count Stable "Descriptors of a receive ring.";
        RingTransmit "ring_transmit" Count Stable "Descriptors of a transmit ring.";
        RingReceiveMax "ring_receive_max" Count Stable "Descriptors that a receive ring can have.";
        RingTransmitMax "ring_transmit_max" Count Stable "Descriptors that a transmit ring can have.";
        PauseReceive "pause_receive" None Stable "Whether the port obeys pause frames.";
        PauseTransmit "pause_transmit" None Stable "Whether the port sends pause frames.";
        Queues "queues" Count Stable "Queues in use.";
        Medium "medium" None Stable "What the port takes: twisted pair, fibre, direct attach cable.";
        SlotBandwidth "slot_bandwidth" BitsPerSecond Volatile "Raw PCIe bandwidth of the card's link in one direction, shared by its ports.";
        ModuleVendor "module_vendor" None Stable "Vendor of the plugged-in module or cable.";
        ModulePart "module_part" None Stable "Part number of the plugged-in module or cable.";
        ModuleSerial "module_serial" None Stable "Serial number of the plugged-in module or cable.";
        ModuleTemperature "module_temperature" Celsius Volatile "Temperature of the plugged-in module.";
        ModuleTemperatureHigh "module_temperature_high" Celsius Stable "High alarm limit of the module's temperature.";
        ModuleTemperatureLow "module_temperature_low" Celsius Stable "Low alarm limit of the module's temperature.";
        ModuleTransmitMin "module_transmit_min" Watts Volatile "Transmitted optical power of the module's weakest lane.";
        ModuleTransmitMax "module_transmit_max" Watts Volatile "Transmitted optical power of the module's strongest lane.";
        ModuleTransmitHigh "module_transmit_high" Watts Stable "High alarm limit of the transmitted power of a lane.";
        ModuleTransmitLow "module_transmit_low" Watts Stable "Low alarm limit of the transmitted power of a lane.";
        ModuleReceiveMin "module_receive_min" Watts Volatile "Received optical power of the module's weakest lane.";
        ModuleReceiveMax "module_receive_max" Watts Volatile "Received optical power of the module's strongest lane.";
        ModuleReceiveHigh "module_receive_high" Watts Stable "High alarm limit of the received power of a lane.";
        ModuleReceiveLow "module_receive_low" Watts Stable "Low alarm limit of the received power of a lane.";
        ReceivedPackets "received_packets" Count Volatile "Packets received.";
        TransmittedPackets "transmitted_packets" Count Volatile "Packets sent.";
        ReceivedBits "received_bits" Count Volatile "Bits that passed the receiver of the physical layer, idle ones included.";
        CorrectedBits "corrected_bits" Count Volatile "Received bits that FEC corrected; normal on PAM4 links.";
        PcsSymbolErrors "pcs_symbol_errors" Count Volatile "Symbols that were still wrong after FEC, as the coding sublayer counts them.";
        SymbolErrors "symbol_errors" Count Volatile "Symbols that the physical layer received wrong.";
        CrcErrors "crc_errors" Count Volatile "Frames received with a wrong checksum.";
        OversizePackets "oversize_packets" Count Volatile "Frames received that are longer than the port accepts.";
        ReceiveDiscards "receive_discards" Count Volatile "Frames that the port discarded for want of buffers.";
        TransmitDiscards "transmit_discards" Count Volatile "Frames that the port discarded instead of sending.";
        OutOfBuffer "out_of_buffer" Count Volatile "Packets dropped for want of a receive descriptor.";
        SteerMissed "steer_missed" Count Volatile "Packets dropped because no flow of the card matched them.";
        LinkDownEvents "link_down_events" Count Volatile "Times that the physical link went down.";
        ModuleBusStuck "module_bus_stuck" Count Volatile "Times that the module's management bus was stuck.";
        ModuleTooHot "module_too_hot" Count Volatile "Times that the module was too hot.";
        ModuleShorted "module_shorted" Count Volatile "Times that the module's cable was bad or shorted.";
        CnpSent "cnp_sent" Count Volatile "Congestion notifications that the port sent because RoCE packets arrived with a mark.";
        CnpHandled "cnp_handled" Count Volatile "Congestion notifications that the port received and slowed down for.";
        CnpIgnored "cnp_ignored" Count Volatile "Congestion notifications that the port received and did not heed.";
        EcnMarked "ecn_marked" Count Volatile "RoCE packets that arrived with a mark of congestion.";
        OutOfSequence "out_of_sequence" Count Volatile "RoCE packets that arrived out of sequence.";
        SequenceNaks "sequence_naks" Count Volatile "Times that the other end asked for RoCE packets that it missed.";
        AckTimeouts "ack_timeouts" Count Volatile "RoCE packets whose acknowledgement did not come in time.";
        PriorityPausesReceived "priority_pauses_received" Count Volatile "Priority pause frames (PFC) received, all priorities.";
        PriorityPausesSent "priority_pauses_sent" Count Volatile "Priority pause frames (PFC) sent, all priorities.";

        Hostname "hostname" None Stable "Host name.";
        Kernel "kernel" None Stable "Kernel release.";
        KernelBuild "kernel_build" None Stable "Kernel version string.";
        CommandLine "command_line" None Stable "Kernel command line.";
        Distribution "distribution" None Stable "Distribution id.";
        DistributionVersion "distribution_version" None Stable "Distribution version.";
        Architecture "architecture" None Stable "Machine architecture.";
        BootId "boot_id" None Stable "Identity of this boot.";
        Hypervisor "hypervisor" None Stable "Whether the CPU says that a hypervisor is present.";
        Tainted "tainted" Count Stable "Kernel taint bits.";
        Uptime "uptime" Seconds Volatile "Seconds since boot.";
        Clocksource "clocksource" None Stable "Clock source in use.";
        Synchronised "synchronised" None Volatile "Whether the kernel says that the clock is synchronised.";
        ClockError "clock_error" Nanoseconds Volatile "Maximum error of the clock by the kernel's own estimate.";
        ClockOffset "clock_offset" Nanoseconds Volatile "Offset that the kernel is still correcting, magnitude.";

        Temperature "temperature" Celsius Volatile "Temperature.";
        TemperatureMax "temperature_max" Celsius Stable "High limit.";
        TemperatureCritical "temperature_critical" Celsius Stable "Critical limit.";
        CoreThrottles "core_throttles" Count Volatile "Thermal throttle events of the cores since boot, summed.";
        PackageThrottles "package_throttles" Count Volatile "Thermal throttle events of the package since boot.";
        MachineChecks "machine_checks" Count Volatile "Machine check exceptions since boot (MCE line of /proc/interrupts).";

        BondMode "bond_mode" None Stable "Mode of a bond, as the kernel names it.";
        LacpRate "lacp_rate" None Stable "How often LACP frames are asked of the partner: slow or fast.";
        XmitHashPolicy "xmit_hash_policy" None Stable "What of a frame decides on which member of the bond it leaves.";
        LinkPolling "link_polling" Nanoseconds Stable "How often a bond looks whether its members have a link (miimon).";
        Members "members" None Stable "Interfaces that are bundled.";
        Bond "bond" None Stable "Bond that the interface belongs to.";
        Aggregator "aggregator" Count Stable "LACP aggregator: of a bond the active one, of a member its own.";
        AggregatorPorts "aggregator_ports" Count Stable "Ports in the active aggregator.";
        LinkMonitor "link_monitor" None Stable "Link of a member as the bond sees it: up, down, going down, going back.";
        LinkFailures "link_failures" Count Volatile "Times that a member lost its link.";
        PartnerMac "partner_mac" None Stable "LACP system address of the partner.";
        PartnerKey "partner_key" Count Stable "LACP key of the partner.";
        PartnerState "partner_state" Count Stable "LACP state bits of the partner's port.";

        Listened "listened" Seconds Volatile "How long an interface was listened on.";
        ChassisId "chassis_id" None Stable "LLDP chassis of the neighbour; several when several were heard.";
        PortId "port_id" None Stable "LLDP port of the neighbour.";
        SystemName "system_name" None Stable "LLDP system name of the neighbour.";

        InterfaceKind "interface_kind" None Stable "Sort of interface: device, bond, bridge, vlan, tun, veth, ...";
        Master "master" None Stable "Bridge or bond that the interface is a port of.";
        Parent "parent" None Stable "Interface that this one is stacked on.";
        OuterIp "outer_ip" None Stable "Sort of IP packets that a tunnel's interface wraps what it sends in: ipv4 or ipv6.";
        VlanId "vlan_id" Count Stable "VLAN of a VLAN interface, or tag of a guest's interface.";
        VlanFiltering "vlan_filtering" None Stable "Whether a bridge is VLAN-aware.";
        Vlans "vlans" None Stable "VLANs that a bridge lets through a port, with `pvid` and `untagged` as it treats them.";
        Addresses "addresses" None Stable "IP addresses with their prefix lengths.";
        Ipv4Forwarding "ipv4_forwarding" None Stable "Whether IPv4 packets that come in here are routed on.";
        Ipv6Forwarding "ipv6_forwarding" None Stable "Whether IPv6 packets that come in here are routed on.";
        NeighbourProxy "neighbour_proxy" None Stable "Whether the node answers ARP or neighbour solicitations that come in here for addresses of others.";
        Bridge "bridge" None Stable "Bridge that a guest's interface is attached to.";
        PassedThrough "passed_through" None Stable "PCI function of a network card that a guest is given.";
        RawNetwork "raw_network" None Stable "What a guest's configuration hands to QEMU or LXC past Proxmox that makes a network.";
        Trunks "trunks" None Stable "Tagged VLANs that a guest's interface is configured to carry.";
        FirewallEnabled "firewall_enabled" None Stable "Whether the firewall of the cluster is switched on.";
        FirewallHost "firewall_host" None Stable "Whether the firewall of this node is switched on; on unless it says otherwise.";
        PolicyIn "policy_in" None Stable "What becomes of packets that no firewall rule takes; DROP unless it says otherwise.";
        FirewallBackend "firewall_backend" None Stable "Firewall service that has to run for the rules to be there.";
        OpenRules "open_rules" None Stable "Firewall rules that let everything in.";
        FirewallService "firewall_service" None Stable "Firewall services of which a process runs.";
        Health "health" None Stable "Health that the management controller reports (OK, Warning or Critical), or a Ceph cluster (HEALTH_OK, ...).";
        HealthRollup "health_rollup" None Stable "The worst health of the component and of all below it.";
        PowerState "power_state" None Stable "Power state that the management controller reports: On, Off, ...";
        Processors "processors" Count Stable "Number of processors that the management controller counts.";
        PortMode "port_mode" None Stable "Dedicated, Shared, Failover, ...: how the management controller shares the port with the host, in its maker's words.";
        PortEnabled "port_enabled" None Stable "Whether the port is switched on.";
        SensorReading "sensor_reading" None Volatile "What the sensor reads, in its own unit.";
        SensorUnit "sensor_unit" None Stable "Unit of the sensor: Cel, V, W, RPM, %, ...";
        SensorType "sensor_type" None Stable "What the sensor measures: Temperature, Voltage, ...";
        UpperFatal "upper_fatal" None Stable "Reading above which the hardware is damaged, in the unit of the sensor.";
        UpperCritical "upper_critical" None Stable "Upper critical limit, in the unit of the sensor.";
        UpperCaution "upper_caution" None Stable "Upper limit of what is normal, in the unit of the sensor.";
        LowerCaution "lower_caution" None Stable "Lower limit of what is normal, in the unit of the sensor.";
        LowerCritical "lower_critical" None Stable "Lower critical limit, in the unit of the sensor.";
        LowerFatal "lower_fatal" None Stable "Reading below which the hardware is damaged, in the unit of the sensor.";
        PowerInput "power_input" Watts Volatile "Power that the power supply takes.";
        InputVoltage "input_voltage" None Volatile "Voltage at the input of the power supply, in volts.";
        PowerCapacity "power_capacity" Watts Stable "Power that the power supply can give.";
        PowerOutput "power_output" Watts Volatile "Power that the power supply gives.";
        RedundancyMode "redundancy_mode" None Stable "How the members of the group stand in for each other: N+m, Sharing, Failover, ...";
        RedundancyNeeded "redundancy_needed" Count Stable "Members without which the group does not do its work.";
        RedundancyMembers "redundancy_members" Count Stable "Members of the group.";
        LogEntries "log_entries" Count Volatile "Entries of the log.";
        LogFirst "log_first" None Volatile "First entry of the log as it is listed: id, time and message. Logs begin with the oldest or with the newest.";
        LogLast "log_last" None Volatile "Last entry of the log as it is listed: id, time and message.";
        LogCapacity "log_capacity" Count Stable "Entries that the log can hold.";
        LogFull "log_full" None Stable "What a full log does: WrapsWhenFull throws away old entries, NeverOverWrites new ones.";
        Severity "severity" None Stable "Severity of the log entry: OK, Warning or Critical.";
        Created "created" None Stable "When the log entry was made, by the clock of the management controller.";
        Message "message" None Stable "What the log entry says.";
        Resolved "resolved" None Stable "Whether the management controller takes the cause of the entry as gone.";
        Setting "setting" None Stable "Value of the setting that is in force.";
        SettingPending "setting_pending" None Stable "Value that the setting will have after the next boot; absent when none is waiting.";
        ClockDeviation "clock_deviation" Nanoseconds Volatile "How far the clock of the management controller is from that of the node, magnitude.";

        L3DomainThreads "l3_domain_threads" Count Stable "Hardware threads online that share one L3 cache.";
        EnergyPreference "energy_preference" None Stable "Energy-performance preference given to the processor; `mixed` when CPUs differ.";
        IdleStates "idle_states" None Stable "Idle states that the CPUs may enter; `mixed` when CPUs differ.";
        IdleStatesDisabled "idle_states_disabled" None Stable "Idle states that are switched off; `none`, or `mixed` when CPUs differ.";
        Agesa "agesa" None Stable "AMD platform initialisation code in the firmware.";
        Socket "socket" Count Stable "Processor socket that a memory slot belongs to, counted from 0.";
        Channel "channel" None Stable "Memory channel of a slot, as board or firmware names it.";
        Location "location" None Stable "Place of a module or rank as EDAC counts it: chip select, slot, channel.";

        PortType "port_type" None Stable "What a function is in PCIe: endpoint, root port, upstream port, downstream port, ...";
        PayloadSize "payload_size" Bytes Stable "Largest payload that the function sends (DevCtl, MPS).";
        PayloadSizeMax "payload_size_max" Bytes Stable "Largest payload that the function is capable of (DevCap).";
        ReadRequestSize "read_request_size" Bytes Stable "Largest read that the function asks for (DevCtl, MRRS).";
        PowerSaving "power_saving" None Stable "Link power saving that is enabled (LnkCtl, ASPM): off, L0s, L1, L0s L1.";
        PhysicalSlot "physical_slot" Count Stable "Number of the slot below a port.";
        RootPort "root_port" None Stable "PCI address of the root port that leads to the function.";
        AerHandled "aer_handled" None Stable "Whether the kernel hears of errors at the root port; where the firmware keeps them to itself its counters stay 0.";
        RootAerCorrectable "root_aer_correctable" Count Volatile "Correctable PCIe errors signalled to a root port since boot.";
        RootAerNonfatal "root_aer_nonfatal" Count Volatile "Non-fatal PCIe errors signalled to a root port since boot.";
        RootAerFatal "root_aer_fatal" Count Volatile "Fatal PCIe errors signalled to a root port since boot.";
        IommuGroup "iommu_group" Count Stable "IOMMU group of the function.";
        IommuGroupMembers "iommu_group_members" None Stable "All functions of the IOMMU group.";
        VgpuTypes "vgpu_types" None Stable "Virtual GPUs that the manager on the host can make of the GPU; absent without one.";
        VgpusInUse "vgpus_in_use" Count Volatile "Virtual GPUs that were made of the GPU.";
        BoardPort "board_port" None Stable "PCI address of the upstream port of the switch that the GPU is behind; absent without a switch.";
        KernelsInstalled "kernels_installed" None Stable "Kernel releases that are installed, oldest first.";
        KernelPinned "kernel_pinned" None Stable "Kernel release that the boot tool is told to boot.";
        InstallerLeftovers "installer_leftovers" None Stable "What an unattended installation left behind.";
        Version "version" None Stable "Version of the package.";
        Components "components" None Stable "Components of a repository.";
        Enabled "enabled" None Stable "Whether it is in use.";
        Layout "layout" None Stable "What a pool is made of: mirror, raidz1, disk, ..., with log, cache, special and spare devices by their class.";
        DataErrors "data_errors" Count Volatile "Damaged files that a pool knows of.";
        Scan "scan" None Volatile "Last scan of a pool, or the one that runs, and its state: scrub finished, resilver scanning, none.";
        ScrubAge "scrub_age" Seconds Volatile "Since the last scan came to its end; absent when it was no scrub or still runs.";
        ScrubErrors "scrub_errors" Count Volatile "Errors that the last scrub found.";
        Pool "pool" None Stable "Pool that the device belongs to.";
        Drive "drive" None Stable "Drive that it is on: the PCI address of the NVMe controller, or the disk's name.";
        ReadErrors "read_errors" Count Volatile "Reads of a device that failed.";
        WriteErrors "write_errors" Count Volatile "Writes to a device that failed.";
        ChecksumErrors "checksum_errors" Count Volatile "Blocks of a device that were read and were not what was written.";
        Autotrim "autotrim" None Stable "Whether a pool trims what was freed by itself.";
        VdevClass "vdev_class" None Stable "What a vdev of a pool is for: normal, log, cache, special, dedup, spare.";
        VdevType "vdev_type" None Stable "What a vdev is: mirror, raidz2, draid, disk, file, dspare (a distributed spare).";
        Vdev "vdev" None Stable "Top-level vdev that the device belongs to; absent of cache and spare devices.";
        Children "children" Count Stable "Devices right below a vdev; a group in which one is replaced counts as one.";
        Parity "parity" Count Stable "Devices of each redundancy group of a dRAID vdev that hold parity.";
        GroupData "group_data" Count Stable "Devices of each redundancy group of a dRAID vdev that hold data.";
        DistributedSpares "distributed_spares" Count Stable "Devices' worth of spare room that a dRAID vdev was made with.";
        Ashift "ashift" Count Stable "Smallest block of a vdev as a power of two: 12 are 4096 bytes. A device of its own has at most its vdev's.";
        Rebuild "rebuild" None Volatile "Sequential resilver of a vdev: active, complete, canceled; none where none is told.";
        StandsInFor "stands_in_for" None Volatile "Device that a spare has taken the place of.";
        BootLoaders "boot_loaders" None Stable "Boot loaders that an EFI system partition is configured with.";
        BootKernels "boot_kernels" None Stable "Kernel releases on an EFI system partition.";
        BootEntries "boot_entries" None Stable "Active entries of the firmware's boot order that lead to it.";
        PasswordAuthentication "password_authentication" None Stable "Whether a password opens an SSH session.";
        KeyboardInteractive "keyboard_interactive" None Stable "Whether SSH lets PAM ask for a password.";
        EmptyPasswords "empty_passwords" None Stable "Whether SSH takes an empty password.";
        KeySources "key_sources" None Stable "What else than files says which keys may log in.";
        RootLogin "root_login" None Stable "How root may log in by SSH: yes, no, prohibit-password or forced-commands-only.";
        MatchOverrides "match_overrides" None Stable "What Match blocks set in place of the settings judged: line, keyword and value.";
        KeyType "key_type" None Stable "Algorithm of a key.";
        KeyBits "key_bits" Bits Stable "Length of a key.";
        Fingerprint "fingerprint" None Stable "SHA256 fingerprint of a key.";
        Comment "comment" None Stable "Comment of a key.";
        RealmType "realm_type" None Stable "Sort of realm: pam, pve, ad, ldap, openid.";
        RealmTfa "realm_tfa" None Stable "Second factor that a realm asks every user for.";
        HasPassword "has_password" None Stable "Whether a password is set; of realms that keep none here, absent.";
        Factors "factors" None Stable "Kinds of second factor that are set up and enabled.";
        SubscriptionStatus "subscription_status" None Stable "Status of a subscription: active, new, expired, ..., or none.";
        Reference "reference" None Volatile "What the clock follows, as the time daemon names it; `local` when it follows itself.";
        Stratum "stratum" Count Volatile "Distance from a reference clock, in servers.";
        ReferenceOffset "reference_offset" Nanoseconds Volatile "Offset from the reference as the time daemon sees it, magnitude.";
        ReferenceAge "reference_age" Seconds Volatile "Since the last measurement against the reference.";
        LeapStatus "leap_status" None Volatile "What the time daemon says of leap seconds; `Not synchronised` without a reference.";

        HealthChecks "health_checks" None Volatile "Health checks of a Ceph cluster that are raised and not muted: code and message.";
        HealthMuted "health_muted" None Stable "Health checks of a Ceph cluster that somebody has muted.";
        MonitorsInQuorum "monitors_in_quorum" None Volatile "Monitors that are in quorum.";
        ManagerActive "manager_active" None Volatile "Manager that is active; an empty list when none is.";
        ManagersStandby "managers_standby" None Volatile "Managers that stand by.";
        ManagerAddresses "manager_addresses" None Volatile "Addresses that the active manager is reached at.";
        OsdFlags "osd_flags" None Stable "Flags that somebody has set on all OSDs: noout, noscrub, pauserd, ...";
        PlacementGroups "placement_groups" Count Volatile "Placement groups: of a cluster all that there are, of an OSD those that it holds a copy of.";
        PlacementGroupsConfigured "placement_groups_configured" Count Stable "Placement groups that the pools are configured with.";
        PlacementGroupStates "placement_group_states" None Volatile "States of placement groups, each with how many are in it.";
        PlacementGroupsUnclean "placement_groups_unclean" Count Volatile "Placement groups that are not active and clean.";
        DeepScrubAge "deep_scrub_age" Seconds Volatile "Since the deep scrub of the placement group whose deep scrub is the oldest.";
        ClockSkew "clock_skew" Nanoseconds Volatile "How far the clock of a monitor is from the leader's, magnitude.";
        DaemonVersions "daemon_versions" None Stable "Versions that the daemons of a cluster run, each with how many.";
        NewCrashes "new_crashes" None Volatile "Crashes of daemons that nobody has archived.";
        FullRatio "full_ratio" None Stable "Share of an OSD above which nothing may be written to it.";
        NearfullRatio "nearfull_ratio" None Stable "Share of an OSD above which a cluster warns.";
        InQuorum "in_quorum" None Volatile "Whether a monitor is in quorum.";
        IsUp "is_up" None Volatile "Whether an OSD runs.";
        IsIn "is_in" None Volatile "Whether data are placed on an OSD.";
        DeviceClass "device_class" None Stable "Class of devices: of an OSD its own, of a pool the one that its rule selects; absent when it selects none.";
        HostBucket "host_bucket" None Stable "Host of the CRUSH map that an OSD is in, what copies are kept apart by; an empty list when it is in none.";
        CrushWeight "crush_weight" None Stable "Weight of an OSD in the CRUSH map; nothing is placed on one of weight 0.";
        DeviceIds "device_ids" None Stable "Devices below an OSD: vendor, model and serial number, as Ceph writes them.";
        PublicAddresses "public_addresses" None Volatile "Addresses that clients reach an OSD at, and the port of its heartbeats there.";
        ClusterAddresses "cluster_addresses" None Volatile "Addresses that OSDs reach each other at, and the port of their heartbeats there.";
        Used "used" Bytes Volatile "Bytes that are used.";
        MemoryTarget "memory_target" Bytes Stable "Memory that an OSD is told to keep to; absent when it is told nothing.";
        MessengerModes "messenger_modes" None Stable "Modes of the messenger of an OSD that differ from what Ceph does by itself.";
        PoolType "pool_type" None Stable "What a pool keeps of an object: replicated or erasure.";
        ObjectQuota "object_quota" Count Stable "Objects that a pool may hold; absent when they are not counted.";
        ReplicaSize "replica_size" Count Stable "Copies that a pool keeps of an object.";
        ReplicaMin "replica_min" Count Stable "Copies without which a pool takes no write (min_size).";
        FailureDomain "failure_domain" None Stable "What no two copies are put into one of: host, osd, ...";
        RuleTargets "rule_targets" Count Stable "Failure domains that the rule of a pool can choose from.";
        AutoscaleMode "autoscale_mode" None Stable "What becomes of the number of placement groups of a pool as it grows: on, warn, off.";
        TargetRatio "target_ratio" None Stable "Weight of a pool beside the others when placement groups are shared out.";
        Quota "quota" Bytes Stable "Bytes that a pool may hold; absent when it may grow.";
        Applications "applications" None Stable "What a pool is used by: rbd, cephfs, rgw.";

        PartQuantity "part_quantity" Count Stable "How many parts (cards, boards) carry the components of a line.";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_attribute_is_found_by_its_name() {
        for attr in Attr::ALL {
            assert_eq!(attr.name().parse::<Attr>().as_ref(), Ok(attr));
        }
    }

    #[test]
    fn an_unknown_attribute_names_what_was_expected() {
        let error = "link_widht".parse::<Attr>().expect_err("a typo");
        assert!(error.to_string().contains("link_width"), "{error}");
    }
}

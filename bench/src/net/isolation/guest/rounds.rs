//! The probes of one round, in the order in which they are sent.

use super::*;

/// A network of more addresses is not searched for stations: `tried` shows it, and whoever judges doubts.
const SEARCHED_BITS: u8 = 10;
const ALL_NODES: std::net::Ipv6Addr = std::net::Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const ALL_NODES_MAC: Mac = Mac([0x33, 0x33, 0, 0, 0, 1]);

impl Prober<'_> {
    /// Every gateway for everything that it should answer.
    pub(super) fn ask_controls(&mut self) -> io::Result<()> {
        for _ in 0..CONTROL_TRIES {
            let is_open = |control: &Control, is_after: bool| if is_after { control.after == 0 } else { control.before == 0 };
            let open: Vec<_> = (0..self.controls.len()).filter(|at| is_open(&self.controls[*at], self.is_after)).collect();
            if open.is_empty() || self.is_stopped() {
                break;
            }
            for at in open {
                let Control { address, service, .. } = self.controls[at];
                let Some(from) = self.source(Source::Own, address) else { continue };
                let technique = Technique { service, envelope: Envelope::Untagged, source: Source::Own, via: Via::Gateway };
                let to = match (service, self.gateways.get(&address)) {
                    (Service::Neighbour, _) => EVERYBODY,
                    (Service::Icmp | Service::Tcp(_) | Service::Udp(_), Some(mac)) => *mac,
                    (Service::Icmp | Service::Tcp(_) | Service::Udp(_), None) => continue,
                };
                self.probe(technique, Purpose::Control(at), address, from, to)?;
                if service == Service::Neighbour {
                    self.settle()?;
                }
            }
            self.settle()?;
        }
        Ok(())
    }

    /// Asks who is on the VLAN.
    pub(super) fn find_stations(&mut self) -> io::Result<()> {
        self.ask_everybody(Envelope::Untagged)?;
        let technique = Technique { service: Service::Neighbour, envelope: Envelope::Untagged, source: Source::Own, via: Via::Broadcast };
        for network in &self.guest.networks {
            let IpAddr::V4(address) = network.address() else { continue };
            let bits = 32_u8.saturating_sub(network.length());
            let Some(from) = self.source(Source::Own, network.address()).filter(|_| bits <= SEARCHED_BITS) else { continue };
            let first = address.to_bits() & u32::MAX.checked_shl(bits.into()).unwrap_or(0);
            for at in 0..(1_u32 << bits) {
                let station = IpAddr::V4(Ipv4Addr::from_bits(first | at));
                if !self.own.contains(&station) {
                    self.probe(technique, Purpose::Station(station), station, from, EVERYBODY)?;
                }
            }
        }
        self.settle()
    }

    fn ask_everybody(&mut self, envelope: Envelope) -> io::Result<()> {
        let technique = Technique { service: Service::Icmp, envelope, source: Source::Own, via: Via::Broadcast };
        self.probe(technique, Purpose::Everybody, ALL_NODES.into(), link_local(self.mac).into(), ALL_NODES_MAC)
    }

    pub(super) fn round(&mut self) -> io::Result<()> {
        let mut others: Vec<(u32, Mac)> =
            self.others.iter().filter(|(mac, _)| !self.gateway_macs.contains(mac)).map(|(mac, turn)| (*turn, *mac)).collect();
        others.sort_unstable();
        self.leaders = others.into_iter().map(|(_, mac)| mac).take(LEADERS_MAX).collect();
        for envelope in Envelope::ALL {
            for source in [Source::Own, Source::Spoofed] {
                self.trying = Some((envelope, source));
                self.resolve(envelope, source)?;
                self.settle()?;
                self.knock(envelope, source)?;
                self.settle()?;
            }
        }
        self.trying = None;
        for mac in self.leaders.drain(..) {
            self.others.insert(mac, self.rounds + 1);
        }
        self.ask_for_management()?;
        self.settle()
    }

    /// For the hardware address of every host.
    fn resolve(&mut self, envelope: Envelope, source: Source) -> io::Result<()> {
        let technique = Technique { service: Service::Neighbour, envelope, source, via: Via::Broadcast };
        for _ in 0..self.plan.pace.tries {
            for target in &self.plan.targets {
                if let Some(from) = self.source(source, target.address) {
                    self.probe(technique, Purpose::Target(target.address), target.address, from, EVERYBODY)?;
                }
            }
            if source == Source::Own {
                self.ask_everybody(envelope)?;
            }
        }
        Ok(())
    }

    /// Every host for everything else, on every way.
    fn knock(&mut self, envelope: Envelope, source: Source) -> io::Result<()> {
        for _ in 0..self.plan.pace.tries {
            for target in &self.plan.targets {
                let Some(from) = self.source(source, target.address) else { continue };
                let ways = self.ways(target.address, target.mac, envelope);
                for service in [Service::Icmp].into_iter().chain(target.services.iter().copied()) {
                    for (via, to) in &ways {
                        // No system takes a SYN that was sent to all stations.
                        if *via == Via::Broadcast && matches!(service, Service::Tcp(_)) {
                            continue;
                        }
                        self.probe(Technique { service, envelope, source, via: *via }, Purpose::Target(target.address), target.address, from, *to)?;
                    }
                    if self.is_stopped() {
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    fn ways(&self, target: IpAddr, declared: Option<Mac>, envelope: Envelope) -> Vec<(Via, Mac)> {
        let everybody = if target.is_ipv4() { EVERYBODY } else { ALL_NODES_MAC };
        // What the gateway answers for leads to the gateway.
        let learned = self.hosts.get(&target).copied().filter(|mac| !self.gateway_macs.contains(mac));
        let direct: BTreeSet<Mac> = declared.into_iter().chain(learned).collect();
        let mut ways = vec![(Via::Broadcast, everybody)];
        ways.extend(direct.into_iter().map(|mac| (Via::Direct, mac)));
        let is_on_link = matches!(target, IpAddr::V6(address) if address.is_unicast_link_local());
        if envelope.is_of_the_own_vlan() && !is_on_link {
            let gateways: BTreeSet<Mac> =
                self.gateways.iter().filter(|(address, _)| address.is_ipv4() == target.is_ipv4()).map(|(_, mac)| *mac).collect();
            ways.extend(gateways.into_iter().map(|mac| (Via::Gateway, mac)));
            ways.extend(self.leaders.iter().map(|mac| (Via::Neighbour, *mac)));
        }
        ways
    }

    /// Every station of the VLAN for what none may offer.
    fn ask_for_management(&mut self) -> io::Result<()> {
        let stations: Vec<(IpAddr, Mac)> = self.gateways.iter().chain(&self.neighbours).map(|(address, mac)| (*address, *mac)).collect();
        for (address, mac) in stations {
            for service in &self.plan.management {
                let Some(from) = self.source(Source::Own, address) else { continue };
                let technique = Technique { service: *service, envelope: Envelope::Untagged, source: Source::Own, via: Via::Direct };
                self.probe(technique, Purpose::Station(address), address, from, mac)?;
            }
        }
        Ok(())
    }

    /// The address that a probe to `to` comes from.
    fn source(&self, source: Source, to: IpAddr) -> Option<IpAddr> {
        let alike = |address: &&IpAddr| address.is_ipv4() == to.is_ipv4();
        let is_on_link = matches!(to, IpAddr::V6(address) if address.is_unicast_link_local());
        match source {
            Source::Own if is_on_link => Some(link_local(self.mac).into()),
            Source::Own => {
                // Of a network that has both, where there is one.
                let near = self.guest.networks.iter().find(|network| network.contains(to));
                let own = &self.guest.probe_addresses;
                let near = near.and_then(|network| own.iter().find(|address| network.contains(**address)));
                near.or_else(|| own.iter().find(alike)).copied().or_else(|| to.is_ipv6().then(|| link_local(self.mac).into()))
            }
            Source::Spoofed if is_on_link => None,
            Source::Spoofed => {
                let near = self.plan.host_networks.iter().find(|network| network.contains(to));
                let near = near.and_then(|network| self.plan.host_probes.iter().find(|address| network.contains(**address)));
                near.or_else(|| self.plan.host_probes.iter().find(alike)).copied()
            }
        }
    }

    /// Sends one probe.
    fn probe(&mut self, technique: Technique, purpose: Purpose, target: IpAddr, from: IpAddr, to: Mac) -> io::Result<()> {
        let at = self.sent.len();
        let index = u32::try_from(at).map_err(|_| io::ErrorKind::QuotaExceeded)?;
        let tags = technique.envelope.tags(self.guest.vlan, self.plan.host_vlan);
        let span = u32::from(PORTS.end - PORTS.start);
        let from_port = PORTS.start + u16::try_from(index % span).unwrap_or(0);
        let data = Mark::Probe { vlan: self.guest.vlan, index, technique }.bytes(self.session);
        let [.., high, low] = index.to_be_bytes();
        let made = match (technique.service, from, target) {
            (Service::Neighbour, IpAddr::V4(from), IpAddr::V4(target)) => Some((to, ARP, arp(self.mac, from, target, None))),
            (Service::Neighbour, IpAddr::V6(_), IpAddr::V6(target)) => {
                let (group, group_mac) = solicited(target);
                packet(from, group.into(), &Ask::Solicit { target, mac: self.mac }).map(|(_, bytes)| (group_mac, IPV6, bytes))
            }
            (Service::Neighbour, _, _) => None,
            (Service::Icmp, _, _) => {
                let id = u16::from_be_bytes([self.session.bytes()[0], self.session.bytes()[1]]);
                let ask = Ask::Echo { id, seq: u16::from_be_bytes([high, low]), data: &data };
                packet(from, target, &ask).map(|(protocol, bytes)| (to, protocol, bytes))
            }
            (Service::Tcp(to_port), _, _) => {
                let sequence = sequence(self.session, self.guest.vlan, target, to_port, from_port);
                packet(from, target, &Ask::Syn { from_port, to_port, sequence }).map(|(protocol, bytes)| (to, protocol, bytes))
            }
            (Service::Udp(to_port), _, _) => {
                packet(from, target, &Ask::Udp { from_port, to_port, data: &data }).map(|(protocol, bytes)| (to, protocol, bytes))
            }
        };
        let Some((to, protocol, bytes)) = made else { return Ok(()) };
        match technique.service {
            Service::Neighbour => drop(self.asked.insert((target, from), at)),
            Service::Icmp => {}
            Service::Tcp(port) => drop(self.ports.insert((target, false, port, from_port), at)),
            Service::Udp(port) => drop(self.ports.insert((target, true, port, from_port), at)),
        }
        self.sent.push(Sent { technique, purpose, from, to });
        if self.pace(&frame(to, self.mac, &tags, protocol, &bytes))? {
            *self.tried.entry(technique).or_default().entry(target).or_default() += 1;
        }
        Ok(())
    }
}

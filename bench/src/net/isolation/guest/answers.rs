//! What comes in: questions for our addresses, answers to probes, probes of other VLANs, and what does not belong here.

use super::*;

impl Prober<'_> {
    pub(super) fn take(&mut self, frame: &Frame) -> io::Result<()> {
        let Some(parsed) = parse(&frame.bytes) else { return Ok(()) };
        if parsed.from != self.mac {
            *self.stations.entry(parsed.from).or_default() += 1;
            self.note_neighbour(&parsed);
        }
        self.answer_question(&parsed)?;
        if self.is_answer(&parsed)? {
            return Ok(());
        }
        if self.is_strayed(&parsed) {
            return Ok(());
        }
        let place = Place { plan: self.plan, session: self.session, vlan: self.guest.vlan, mac: self.mac, gateways: &self.gateway_macs };
        if let Some(sign) = place.sign(&parsed) {
            let first_ns = self.first_ns();
            match self.heard.iter().position(|heard| heard.sign == sign && heard.from == parsed.from) {
                Some(at) => self.heard[at].count += 1,
                None if self.heard.len() < KEPT => {
                    self.heard.push(Heard { sign, from: parsed.from, frame: parsed.to_string(), count: 1, first_ns });
                }
                None => self.more += 1,
            }
        }
        Ok(())
    }

    /// Remembers who is on the VLAN: whoever speaks from an address of it.
    fn note_neighbour(&mut self, parsed: &Parsed) {
        let is_own_network = |address: IpAddr| {
            let is_on_link = matches!(address, IpAddr::V6(address) if address.is_unicast_link_local());
            is_on_link || self.guest.networks.iter().any(|network| network.contains(address))
        };
        let address = match &parsed.body {
            Body::Arp { sender, .. } => IpAddr::V4(*sender),
            Body::Ip { from, says: Says::EchoReply { .. } | Says::Advertise { .. } | Says::Solicit { .. }, .. } => *from,
            Body::Ip { .. } | Body::Other(_) => return,
        };
        if parsed.vlans.is_empty()
            && is_own_network(address)
            && !address.is_unspecified()
            && !self.plan.is_of_a_host(address)
            && !self.guest.gateways.contains(&address)
        {
            if self.neighbours.len() < STATIONS_MAX {
                self.neighbours.insert(address, parsed.from);
            }
            if self.others.len() < OTHERS_MAX {
                self.others.entry(parsed.from).or_default();
            } else {
                self.has_further |= !self.others.contains_key(&parsed.from);
            }
        }
    }

    /// Answers for our addresses, in the tags that the question had and in those that are being tried. A host that asks has taken in a probe.
    fn answer_question(&mut self, parsed: &Parsed) -> io::Result<()> {
        let (own, mac, asks) = match &parsed.body {
            Body::Arp { is_request: true, sender, sender_mac, target, .. } => (IpAddr::V4(*target), *sender_mac, IpAddr::V4(*sender)),
            Body::Ip { from, says: Says::Solicit { target, mac }, .. } => (IpAddr::V6(*target), mac.unwrap_or(parsed.from), *from),
            Body::Arp { .. } | Body::Ip { .. } | Body::Other(_) => return Ok(()),
        };
        if !self.own.contains(&own) || parsed.from == self.mac || self.plan.host_probes.contains(&asks) {
            return Ok(());
        }
        if self.plan.is_of_a_host(asks)
            && let Some((envelope, source)) = self.trying
        {
            let technique = Technique { service: Service::Neighbour, envelope, source, via: Via::Broadcast };
            self.keep_answer(technique, asks, format!("a question for {own}"), parsed);
        }
        let made = match (own, asks) {
            (IpAddr::V4(own), IpAddr::V4(asks)) => Some((ARP, arp(self.mac, own, asks, Some(mac)))),
            (IpAddr::V6(target), IpAddr::V6(_)) if !asks.is_unspecified() => packet(own, asks, &Ask::Advertise { target, mac: self.mac }),
            (IpAddr::V4(_) | IpAddr::V6(_), _) => None,
        };
        if let Some((protocol, bytes)) = made {
            self.nic.hand_over(&frame(mac, self.mac, &parsed.tags, protocol, &bytes))?;
            let tried = self.trying.map(|(envelope, _)| envelope.tags(self.guest.vlan, self.plan.host_vlan));
            if let Some(tags) = tried.filter(|tags| *tags != parsed.tags) {
                self.nic.hand_over(&frame(mac, self.mac, &tags, protocol, &bytes))?;
            }
        }
        Ok(())
    }

    /// Whether it proves by itself that it answers a probe of ours; then it is kept.
    fn is_answer(&mut self, parsed: &Parsed) -> io::Result<bool> {
        let (at, what) = match &parsed.body {
            Body::Arp { is_request: false, sender, target, target_mac, sender_mac } if *target_mac == self.mac => {
                let asked = self.asked.get(&(IpAddr::V4(*sender), IpAddr::V4(*target))).copied();
                if asked.is_some() {
                    self.learn(IpAddr::V4(*sender), *sender_mac);
                }
                (asked, "an ARP reply".to_owned())
            }
            Body::Ip { to, says: Says::Advertise { target }, .. } => {
                let asked = self.asked.get(&(IpAddr::V6(*target), *to)).copied();
                if asked.is_some() {
                    self.learn(IpAddr::V6(*target), parsed.from);
                }
                (asked, "a neighbour advertisement".to_owned())
            }
            Body::Ip { to, says: Says::EchoReply { .. }, .. } => {
                (self.marked(parsed).filter(|at| self.sent[*at].from == *to), "an echo reply".to_owned())
            }
            Body::Ip { from, to, says: Says::Tcp { from_port, to_port, acknowledged: Some(acknowledged), syn, rst, .. } } if *syn || *rst => {
                let at = self.ports.get(&(*from, false, *from_port, *to_port)).copied().filter(|at| self.sent[*at].from == *to);
                let own = sequence(self.session, self.guest.vlan, *from, *from_port, *to_port).wrapping_add(1);
                (at.filter(|_| *acknowledged == own), if *syn { "SYN-ACK".to_owned() } else { "RST".to_owned() })
            }
            Body::Ip { from, to, says: Says::Udp { from_port, to_port, .. } } => {
                (self.ports.get(&(*from, true, *from_port, *to_port)).copied().filter(|at| self.sent[*at].from == *to), "a UDP answer".to_owned())
            }
            Body::Ip { from, to, says: Says::Unreachable { to: quoted, is_udp, from_port, to_port, .. } } => {
                let at = self.ports.get(&(*quoted, *is_udp, *to_port, *from_port)).copied().filter(|at| self.sent[*at].from == *to);
                // A router that says so speaks for itself; a host has taken in the probe.
                let is_own_word = |at: &usize| match self.sent[*at].purpose {
                    Purpose::Target(_) => self.plan.is_of_a_host(*from),
                    Purpose::Control(_) | Purpose::Station(_) | Purpose::Everybody => *from == *quoted,
                };
                if at.is_some_and(|at| !is_own_word(&at)) {
                    return Ok(true);
                }
                (at, "an ICMP error".to_owned())
            }
            Body::Arp { .. } | Body::Ip { .. } | Body::Other(_) => return Ok(false),
        };
        let Some(at) = at else { return Ok(false) };
        let Sent { technique, purpose, from, to: station } = self.sent[at];
        if let Body::Ip { from: there, says: Says::Tcp { from_port, to_port, acknowledged: Some(sequence), syn: true, .. }, .. } = &parsed.body {
            // Nobody shall wait for us; it goes the way of the SYN, which may be another one than that of the answer.
            let reset = Ask::Reset { from_port: *to_port, to_port: *from_port, sequence: *sequence };
            if let Some((protocol, bytes)) = packet(from, *there, &reset) {
                let tags = technique.envelope.tags(self.guest.vlan, self.plan.host_vlan);
                self.nic.hand_over(&frame(station, self.mac, &tags, protocol, &bytes))?;
            }
        }
        match purpose {
            Purpose::Control(number) => {
                let control = &mut self.controls[number];
                if self.is_after { control.after += 1 } else { control.before += 1 }
            }
            Purpose::Target(target) => {
                self.hosts.entry(target).or_insert(parsed.from);
                self.keep_answer(technique, target, what, parsed);
            }
            Purpose::Station(address) => {
                let is_offered = what == "SYN-ACK" && !self.offered.iter().any(|it| it.address == address && it.service == technique.service);
                if is_offered && self.offered.len() < KEPT {
                    self.offered.push(Offered { address, mac: parsed.from, service: technique.service });
                } else if is_offered {
                    self.more += 1;
                }
            }
            Purpose::Everybody => {
                let Some(there) = speaker(parsed) else { return Ok(true) };
                // Who answers without a tag is a station of this VLAN, which may look through tags as it likes.
                let is_here = self.gateway_macs.contains(&parsed.from) || self.neighbours.values().any(|mac| *mac == parsed.from);
                let is_host = self.plan.is_of_a_host(there) || self.plan.targets.iter().any(|target| target.mac == Some(parsed.from));
                if is_host || (technique.envelope != Envelope::Untagged && !is_here) {
                    self.keep_answer(technique, there, what, parsed);
                }
            }
        }
        Ok(true)
    }

    fn learn(&mut self, address: IpAddr, mac: Mac) {
        if self.guest.gateways.contains(&address) {
            self.gateways.insert(address, mac);
            self.gateway_macs.insert(mac);
        } else if self.plan.targets.iter().any(|target| target.address == address) {
            self.hosts.insert(address, mac);
        }
    }

    fn marked(&self, parsed: &Parsed) -> Option<usize> {
        match mark(parsed, self.session)? {
            Mark::Probe { vlan, index, technique } if vlan == self.guest.vlan => {
                usize::try_from(index).ok().filter(|at| self.sent.get(*at).is_some_and(|sent| sent.technique == technique))
            }
            Mark::Probe { .. } | Mark::Beacon(_) => None,
        }
    }

    fn keep_answer(&mut self, technique: Technique, target: IpAddr, what: String, parsed: &Parsed) {
        let first_ns = self.first_ns();
        match self.answers.iter().position(|it| it.technique == technique && it.target == target && it.what == what) {
            Some(at) => self.answers[at].count += 1,
            // Of each way of getting through some are kept, however often the first ones succeed.
            None if self.answers.iter().filter(|it| it.technique.envelope == technique.envelope).count() < KEPT => {
                self.answers.push(Answer { technique, target, what, from: parsed.from, frame: parsed.to_string(), count: 1, first_ns });
            }
            None => self.more += 1,
        }
    }

    /// Whether it is a probe of another VLAN, or an answer to one.
    fn is_strayed(&mut self, parsed: &Parsed) -> bool {
        if parsed.from == self.mac {
            return false;
        }
        let Some(found) = super::super::host::strayed(parsed, self.plan, self.session) else { return false };
        if found.from_vlan == Some(self.guest.vlan) {
            return false;
        }
        super::super::host::keep_strayed(&mut self.strayed, found, &mut self.more);
        true
    }
}

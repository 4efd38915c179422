//! What probes look like on the wire: 64 bytes, then a filling that follows from them. The checksum covers every byte, since a network adapter or switch that
//! damages data may mend the UDP checksum over it.

use super::token::{TOKEN_BYTES, Token};
use twox_hash::XxHash3_64;

/// Bytes of a probe without filling.
pub(super) const PACKET_BYTES: usize = 64;
const SUM: std::ops::Range<usize> = TOKEN_BYTES..TOKEN_BYTES + 8;

/// What a packet is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// "I am flow so-and-so, are you there?"
    Hello,
    /// "I am, and so are all flows: begin."
    Welcome,
    /// One of a probe stream.
    Probe,
    /// "I send no more."
    Bye,
    /// A packet of a certain size.
    Size,
    /// "I have received it whole", in few bytes.
    Receipt,
    /// The same bytes back.
    Echo,
    /// A request for its round-trip time.
    Ping,
    /// The answer.
    Pong,
}

const KINDS: [Kind; 9] = [Kind::Hello, Kind::Welcome, Kind::Probe, Kind::Bye, Kind::Size, Kind::Receipt, Kind::Echo, Kind::Ping, Kind::Pong];

/// What a packet says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Packet {
    /// What it is for.
    pub(super) kind: Kind,
    /// Of which flow it is, from 0.
    pub(super) flow: u16,
    /// Which of its flow, from 0.
    pub(super) sequence: u64,
    /// Three words whose meaning the kind gives.
    pub(super) words: [u64; 3],
}

/// Why bytes are not a packet of this measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rejected {
    /// It does not show the token: somebody else's.
    Foreign,
    /// It shows the token, and its bytes are not those that were sent.
    Damaged,
}

impl Packet {
    /// Writes it over the whole of `buffer`, of at least `PACKET_BYTES`.
    pub(super) fn write(&self, token: &Token, buffer: &mut [u8]) {
        let length = u32::try_from(buffer.len()).expect("a datagram");
        let (head, filling) = buffer.split_at_mut(PACKET_BYTES);
        head[..TOKEN_BYTES].copy_from_slice(token.bytes());
        head[24] = KINDS.iter().zip(0..).find(|(kind, _)| **kind == self.kind).map(|(_, number)| number).expect("every kind is in the list");
        head[25] = 0;
        head[26..28].copy_from_slice(&self.flow.to_le_bytes());
        head[28..32].copy_from_slice(&length.to_le_bytes());
        head[32..40].copy_from_slice(&self.sequence.to_le_bytes());
        for (at, word) in self.words.iter().enumerate() {
            head[40 + 8 * at..48 + 8 * at].copy_from_slice(&word.to_le_bytes());
        }
        // Not compressible, and another in every packet: a tunnel that compresses would make a large packet small.
        let mut state = self.sequence.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from(length);
        for piece in filling.chunks_mut(8) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            piece.copy_from_slice(&state.to_le_bytes()[..piece.len()]);
        }
        let sum = sum(buffer);
        buffer[SUM].copy_from_slice(&sum.to_le_bytes());
    }

    /// What `bytes`, a whole datagram, say.
    pub(super) fn read(token: &Token, bytes: &[u8]) -> Result<Self, Rejected> {
        if bytes.len() < TOKEN_BYTES || !token.is(&bytes[..TOKEN_BYTES]) {
            return Err(Rejected::Foreign);
        }
        if bytes.len() < PACKET_BYTES || u64::from_le_bytes(array(bytes, SUM.start)) != sum(bytes) {
            return Err(Rejected::Damaged);
        }
        let length = usize::try_from(u32::from_le_bytes(array(bytes, 28)));
        let kind = KINDS.get(usize::from(bytes[24])).filter(|_| length == Ok(bytes.len())).ok_or(Rejected::Damaged)?;
        Ok(Self {
            kind: *kind,
            flow: u16::from_le_bytes(array(bytes, 26)),
            sequence: u64::from_le_bytes(array(bytes, 32)),
            words: [40, 48, 56].map(|at| u64::from_le_bytes(array(bytes, at))),
        })
    }
}

// Over all but itself.
fn sum(bytes: &[u8]) -> u64 {
    let seed = XxHash3_64::oneshot(&bytes[..SUM.start]);
    XxHash3_64::oneshot_with_seed(seed, &bytes[SUM.end..])
}

fn array<const BYTES: usize>(bytes: &[u8], at: usize) -> [u8; BYTES] {
    bytes[at..at + BYTES].try_into().expect("as many bytes as asked for")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_read_as_it_was_written_in_every_size() {
        let token = Token::fresh().expect("random numbers");
        for (kind, bytes) in KINDS.into_iter().zip([64, 65, 71, 72, 100, 1472, 8972, 64, 64]) {
            let packet = Packet { kind, flow: 513, sequence: u64::MAX - 7, words: [1, 2, u64::MAX] };
            let mut buffer = vec![0xaa; bytes];
            packet.write(&token, &mut buffer);
            assert_eq!(Packet::read(&token, &buffer), Ok(packet));
        }
    }

    #[test]
    fn any_wrong_bit_and_any_wrong_length_is_noticed() {
        let token = Token::fresh().expect("random numbers");
        let packet = Packet { kind: Kind::Probe, flow: 3, sequence: 9, words: [1, 2, 3] };
        let mut buffer = vec![0; 80];
        packet.write(&token, &mut buffer);
        for bit in 0..80 * 8 {
            buffer[bit / 8] ^= 1 << (bit % 8);
            let expected = if bit < TOKEN_BYTES * 8 { Rejected::Foreign } else { Rejected::Damaged };
            assert_eq!(Packet::read(&token, &buffer), Err(expected), "bit {bit}");
            buffer[bit / 8] ^= 1 << (bit % 8);
        }
        assert_eq!(Packet::read(&token, &buffer), Ok(packet));
        assert_eq!(Packet::read(&token, &buffer[..79]), Err(Rejected::Damaged));
        assert_eq!(Packet::read(&token, &[&buffer[..], &[0]].concat()), Err(Rejected::Damaged));
        assert_eq!(Packet::read(&token, &buffer[..20]), Err(Rejected::Damaged));
        assert_eq!(Packet::read(&token, &buffer[..15]), Err(Rejected::Foreign));
        assert_eq!(Packet::read(&Token::fresh().expect("random numbers"), &buffer), Err(Rejected::Foreign));
    }
}

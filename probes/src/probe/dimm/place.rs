//! Which socket and memory channel a slot belongs to, from the words that board makers and firmware give it: `P1-DIMMA1`, `CPU0_DIMM_A1`,
//! `DIMM_P0_A0`, `A1`, `PROC 1 DIMM 1`, `ChannelA-DIMM0`, and the banks `P0 CHANNEL A`, `P0_Node0_Channel0_Dimm0`. A form that is not known gives
//! no place: a guess would make a channel look fitted that is empty.

/// Socket and channel of a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// Counted from 0.
    pub(super) socket: u64,
    /// As the board names it.
    pub(super) channel: String,
}

/// A place as a text names it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Named {
    /// As it is written: some makers count from 0, some from 1.
    socket: Option<u64>,
    channel: Channel,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Channel {
    /// A letter or a number of its own.
    Own(String),
    /// Only the number of the slot among those of its socket is known.
    Slot(u64),
}

/// A part of a text: letters, or a number.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Word {
    Letters(String),
    Number(u64),
}

/// Words for a processor, in front of its number.
const SOCKETS: &[&str] = &["P", "CPU", "PROC", "PROCESSOR", "SOCKET"];
/// Words that may stand right before the letter of a channel, as in `DIMMA1` and `ChannelA`.
const PREFIXES: &[&str] = &["DIMM", "CHANNEL"];
/// No socket has more channels: of a socket with more slots, two and two share one.
const CHANNELS_MAX: u64 = 12;

/// The places of all slots of a node, given as device locator and bank locator; none where neither names a channel.
pub(super) fn places(slots: &[(String, String)]) -> Vec<Option<Place>> {
    let named: Vec<Option<Named>> = slots.iter().map(|(slot, bank)| of_slot(slot, bank)).collect();
    // Whether sockets are counted from 0 or from 1 shows in the lowest of them.
    let first = named.iter().flatten().filter_map(|named| named.socket).min().unwrap_or(0);
    let highest_slot = |socket| {
        let of_socket = named.iter().flatten().filter(|other| other.socket == socket);
        of_socket.map(|other| if let Channel::Slot(number) = other.channel { number } else { 0 }).max().unwrap_or(0)
    };
    let place = |named: &Named| {
        let channel = match &named.channel {
            Channel::Own(channel) => channel.clone(),
            Channel::Slot(number) => match highest_slot(named.socket) {
                slots if slots > CHANNELS_MAX => ((number - 1) % slots.div_ceil(2) + 1).to_string(),
                _ => number.to_string(),
            },
        };
        Place { socket: named.socket.unwrap_or(first) - first, channel }
    };
    named.iter().map(|named| named.as_ref().map(place)).collect()
}

/// What the slot's own label says, and what only the bank does.
fn of_slot(slot: &str, bank: &str) -> Option<Named> {
    let (slot, bank) = (of_words(&words(slot)), of_words(&words(bank)).filter(|bank| !matches!(bank.channel, Channel::Slot(_))));
    match (slot, bank) {
        (Some(slot), bank) => Some(Named { socket: slot.socket.or(bank.and_then(|bank| bank.socket)), ..slot }),
        (None, bank) => bank,
    }
}

fn of_words(words: &[Word]) -> Option<Named> {
    use Word::{Letters, Number};
    let is = |word: &Word, what: &str| matches!(word, Letters(letters) if letters == what);
    let (mut socket, mut rest, mut fillers) = (None, Vec::new(), 0);
    let mut left = words;
    while let Some((word, after)) = left.split_first() {
        left = after;
        match (word, after) {
            // The last pair is the channel's: slot 1 of channel P.
            (Letters(letters), [Number(number), after @ ..]) if SOCKETS.contains(&letters.as_str()) && !after.is_empty() && socket.is_none() => {
                socket = Some(*number);
                left = after;
            }
            (word, _) if is(word, "DIMM") || is(word, "SLOT") => fillers += 1,
            (word, _) => rest.push(word.clone()),
        }
    }
    let named = |socket, channel: &str| Some(Named { socket, channel: Channel::Own(channel.to_owned()) });
    match rest.as_slice() {
        // `A1` and nothing else: the letter is the processor, the number the slot.
        [Letters(letter), Number(slot)] if is_letter(letter) && fillers == 0 && socket.is_none() && *slot > 0 => {
            Some(Named { socket: letter.bytes().next().map(|byte| u64::from(byte - b'A')), channel: Channel::Slot(*slot) })
        }
        [Letters(letter)] | [Letters(letter), Number(_)] if is_letter(letter) => named(socket, letter),
        [Letters(word), Letters(letter)] | [Letters(word), Letters(letter), Number(_)] if word == "CHANNEL" && is_letter(letter) => {
            named(socket, letter)
        }
        [Letters(word), Number(channel)] | [Letters(word), Number(channel), Number(_)] if word == "CHANNEL" => named(socket, &channel.to_string()),
        [Letters(unit), Number(unit_number), Letters(word), channel] | [Letters(unit), Number(unit_number), Letters(word), channel, Number(_)]
            if (unit == "CONTROLLER" || unit == "NODE") && word == "CHANNEL" =>
        {
            let channel = match channel {
                Letters(letter) if is_letter(letter) => letter.clone(),
                Letters(_) => return None,
                Number(number) => number.to_string(),
            };
            named(socket, &format!("{unit_number}.{channel}"))
        }
        // `PROC 1 DIMM 1`
        [Number(slot)] if socket.is_some() && fillers > 0 && *slot > 0 => Some(Named { socket, channel: Channel::Slot(*slot) }),
        _ => None,
    }
}

fn is_letter(letters: &str) -> bool {
    matches!(letters.as_bytes(), [b'A'..=b'P'])
}

/// Letters in capitals and numbers, whatever separates them.
fn words(text: &str) -> Vec<Word> {
    let mut words = Vec::new();
    for part in text.to_ascii_uppercase().split(|c: char| !c.is_ascii_alphanumeric()) {
        let mut rest = part;
        while let Some(first) = rest.chars().next() {
            let end = rest.find(|c: char| c.is_ascii_digit() != first.is_ascii_digit()).unwrap_or(rest.len());
            let (run, after) = rest.split_at(end);
            rest = after;
            match (run.parse(), PREFIXES.iter().find_map(|prefix| Some((*prefix, run.strip_prefix(prefix)?)))) {
                (Ok(number), _) => words.push(Word::Number(number)),
                (Err(_), Some((prefix, letter))) if is_letter(letter) => {
                    words.extend([prefix, letter].map(|letters| Word::Letters(letters.to_owned())));
                }
                (Err(_), _) => words.push(Word::Letters(run.to_owned())),
            }
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `socket channel` of each slot, or `-`.
    fn found(slots: &[(&str, &str)]) -> Vec<String> {
        let slots: Vec<(String, String)> = slots.iter().map(|(slot, bank)| ((*slot).to_owned(), (*bank).to_owned())).collect();
        let text = |place: Option<Place>| place.map_or_else(|| "-".into(), |place| format!("{} {}", place.socket, place.channel));
        places(&slots).into_iter().map(text).collect()
    }

    #[test]
    fn makers_name_places_in_many_forms() {
        for (first, second, expected) in [
            (("P1-DIMMA1", "P0_Node0_Channel0_Dimm0"), ("P2-DIMML1", "P1_Node0_Channel11_Dimm0"), ["0 A", "1 L"]),
            (("CPU0_DIMM_A1", "NODE 0"), ("CPU1_DIMM_H2", "NODE 1"), ["0 A", "1 H"]),
            (("CPU1_DIMM_A1", ""), ("CPU2_DIMM_B1", ""), ["0 A", "1 B"]),
            (("DIMM_P0_A0", "BANK 0"), ("DIMM_P1_L0", "BANK 1"), ["0 A", "1 L"]),
            (("A1", "Not Specified"), ("B12", "Not Specified"), ["0 1", "1 12"]),
            (("PROC 1 DIMM 1", "Not Specified"), ("PROC 2 DIMM 12", "Not Specified"), ["0 1", "1 12"]),
            (("DIMM 0", "P0 CHANNEL A"), ("DIMM 1", "P0 CHANNEL A"), ["0 A", "0 A"]),
            (("DIMM A1", "P0 CHANNEL A"), ("DIMM B1", "P0 CHANNEL B"), ["0 A", "0 B"]),
            (("DIMM 0", "P0_Node0_Channel0_Dimm0"), ("DIMM 0", "P1_Node0_Channel3_Dimm1"), ["0 0.0", "1 0.3"]),
            (("ChannelA-DIMM0", "BANK 0"), ("Controller1-ChannelB-DIMM1", "BANK 3"), ["0 A", "0 1.B"]),
            (("DIMMA1", "P0_Node0_Channel0_Dimm0"), ("DIMMB1", "P0_Node0_Channel1_Dimm0"), ["0 A", "0 B"]),
            (("DIMM_00", "P0 CHANNEL 0"), ("DIMM_13", "P1 CHANNEL 1"), ["0 0", "1 1"]),
            (("DIMM_P1", ""), ("DIMM_A1", ""), ["0 P", "0 A"]),
        ] {
            assert_eq!(found(&[first, second]), expected, "{first:?} {second:?}");
        }
    }

    #[test]
    fn of_more_slots_than_channels_two_and_two_share_one() {
        let slots: Vec<String> = (1..=24).map(|slot| format!("A{slot}")).collect();
        let places = found(&slots.iter().map(|slot| (slot.as_str(), "")).collect::<Vec<_>>());
        assert_eq!((places[0].as_str(), places[12].as_str(), places[23].as_str()), ("0 1", "0 1", "0 12"));
    }

    #[test]
    fn unknown_forms_have_no_place() {
        for (slot, bank) in
            [("DIMM 0", "Not Specified"), ("RAM slot #0", "RAM slot #0"), ("", ""), ("Motherboard", "BANK 1"), ("DIMM 0", "BANK 0"), ("0", "7")]
        {
            assert_eq!(found(&[(slot, bank)]), ["-"], "{slot} {bank}");
        }
    }

    #[test]
    fn the_label_of_the_slot_goes_before_the_bank() {
        assert_eq!(found(&[("P1-DIMMA2", "P1_Node0_Channel0_Dimm0"), ("P2-DIMMB1", "P1_Node0_Channel1_Dimm0")]), ["0 A", "1 B"]);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(slots in proptest::collection::vec((".{0,12}", "[A-P0-9_ CHANEL]{0,12}"), 0..6)) {
            let _ = places(&slots);
        }

        #[test]
        fn nor_do_labels_with_large_numbers(socket in any::<u64>(), slot in any::<u64>()) {
            let _ = places(&[(format!("P{socket}-DIMMA{slot}"), String::new()), (format!("A{slot}"), String::new()), (format!("PROC {socket} DIMM {slot}"), String::new())]);
        }
    }
}

//! Made-up modules of each kind, with the offsets of SFF-8636, SFF-8472 and CMIS written out.

use proptest::prelude::*;

use super::*;

fn put(bytes: &mut [u8], at: usize, field: &[u8]) {
    bytes[at..at + field.len()].copy_from_slice(field);
}

fn summed(mut bytes: Vec<u8>, range: std::ops::Range<usize>, at: usize) -> Vec<u8> {
    bytes[at] = bytes[range].iter().fold(0, |sum, byte| sum.wrapping_add(*byte));
    bytes
}

/// A 200G SR4 module at 47.5 degrees, 1.0 to 1.3 mW.
fn qsfp() -> Vec<u8> {
    let mut bytes = vec![0; 640];
    put(&mut bytes, 0, &[0x11, 0x08, 0x00]);
    put(&mut bytes, 22, &[47, 128]);
    for lane in 0..4_usize {
        let raw = u16::try_from(10_000 + 1_000 * lane).expect("small").to_be_bytes();
        put(&mut bytes, 34 + 2 * lane, &raw);
        put(&mut bytes, 50 + 2 * lane, &raw);
    }
    put(&mut bytes, 128, &[0x11]);
    put(&mut bytes, 148, b"Mellanox        ");
    put(&mut bytes, 168, b"MMA1T00-VS      ");
    put(&mut bytes, 196, b"MT2241FT01234   ");
    bytes[220] = 0x2c;
    put(&mut bytes, 512, &[80, 0, 0xf6, 0]);
    put(&mut bytes, 560, &[0x7b, 0x87, 0x01, 0x98]);
    put(&mut bytes, 576, &[0x7b, 0x87, 0x02, 0x00]);
    summed(bytes, 128..191, 191)
}

fn sfp() -> Vec<u8> {
    let mut bytes = vec![0; 512];
    bytes[0] = 3;
    put(&mut bytes, 20, b"FINISAR CORP.   ");
    put(&mut bytes, 40, b"FTLF8536P4BCL   ");
    put(&mut bytes, 68, b"X12ABCD         ");
    bytes[92] = 0x68;
    put(&mut bytes, 256, &[78, 0, 0xf3, 0]);
    put(&mut bytes, 256 + 24, &[0x31, 0x2d, 0x02, 0x77]);
    put(&mut bytes, 256 + 96, &[35, 64]);
    put(&mut bytes, 256 + 102, &[0x17, 0x70]);
    put(&mut bytes, 256 + 104, &[0x13, 0x88]);
    summed(bytes, 0..63, 63)
}

fn osfp() -> Vec<u8> {
    let mut bytes = vec![0; 640];
    put(&mut bytes, 0, &[0x19, 0x40, 0x00]);
    put(&mut bytes, 14, &[52, 0]);
    put(&mut bytes, 129, b"NVIDIA          ");
    put(&mut bytes, 148, b"MMA4Z00-NS      ");
    put(&mut bytes, 166, b"MT2301FT00001   ");
    put(&mut bytes, 384, &[80, 0, 0xfb, 0]);
    summed(bytes, 128..222, 222)
}

fn of(bytes: &[u8], attr: Attr) -> Reading {
    facts(bytes).expect("a module").into_iter().find(|(one, _)| *one == attr).map_or(Reading::Absent, |(_, reading)| reading)
}

fn near(reading: &Reading, expected: f64) -> bool {
    reading.value().and_then(assay_model::component::Value::as_f64).is_some_and(|value| (value - expected).abs() < 1e-9)
}

#[test]
fn a_qsfp_module_has_identity_temperature_powers_and_limits() {
    let module = qsfp();
    assert_eq!(of(&module, Attr::ModuleVendor), "Mellanox".into());
    assert_eq!(of(&module, Attr::ModulePart), "MMA1T00-VS".into());
    assert_eq!(of(&module, Attr::ModuleSerial), "MT2241FT01234".into());
    for (attr, expected) in [
        (Attr::ModuleTemperature, 47.5),
        (Attr::ModuleTemperatureHigh, 80.0),
        (Attr::ModuleTemperatureLow, -10.0),
        (Attr::ModuleTransmitMin, 1.0e-3),
        (Attr::ModuleTransmitMax, 1.3e-3),
        (Attr::ModuleTransmitHigh, 3.1623e-3),
        (Attr::ModuleTransmitLow, 0.0512e-3),
        (Attr::ModuleReceiveMin, 1.0e-3),
        (Attr::ModuleReceiveLow, 0.0408e-3),
    ] {
        assert!(near(&of(&module, attr), expected), "{attr}: {:?}", of(&module, attr));
    }
}

#[test]
fn an_sfp_has_its_diagnostics_at_the_second_address() {
    let module = sfp();
    assert_eq!(of(&module, Attr::ModulePart), "FTLF8536P4BCL".into());
    for (attr, expected) in [
        (Attr::ModuleTemperature, 35.25),
        (Attr::ModuleTemperatureHigh, 78.0),
        (Attr::ModuleTemperatureLow, -13.0),
        (Attr::ModuleTransmitMin, 0.6e-3),
        (Attr::ModuleTransmitHigh, 1.2589e-3),
        (Attr::ModuleReceiveMax, 0.5e-3),
    ] {
        assert!(near(&of(&module, attr), expected), "{attr}: {:?}", of(&module, attr));
    }
}

#[test]
fn an_external_calibration_is_applied_and_its_received_power_left_out() {
    let mut module = sfp();
    module[92] = 0x58;
    put(&mut module, 256 + 80, &[2, 0, 0, 0]);
    put(&mut module, 256 + 84, &[1, 0, 1, 0]);
    assert!(near(&of(&module, Attr::ModuleTemperature), 36.25));
    assert!(near(&of(&module, Attr::ModuleTransmitMin), 1.2e-3));
    assert_eq!(of(&module, Attr::ModuleReceiveMin), Reading::Absent);
}

#[test]
fn a_cmis_module_has_its_limits_on_page_two_and_no_lanes() {
    let module = osfp();
    assert_eq!(of(&module, Attr::ModuleVendor), "NVIDIA".into());
    assert!(near(&of(&module, Attr::ModuleTemperature), 52.0) && near(&of(&module, Attr::ModuleTemperatureHigh), 80.0));
    assert!(near(&of(&module, Attr::ModuleTemperatureLow), -5.0));
    assert_eq!(of(&module, Attr::ModuleTransmitMin), Reading::Absent);
}

#[test]
fn a_copper_cable_has_no_temperature_and_a_module_at_zero_degrees_says_zero() {
    let mut cable = qsfp();
    put(&mut cable, 22, &[0, 0]);
    assert_eq!(of(&cable, Attr::ModuleTemperature), 0.0.into(), "a module that has a sensor");
    put(&mut cable, 34, &[0; 24]);
    cable[147] = 0xa0;
    cable[2] = 4;
    let cable = summed(cable, 128..191, 191);
    for attr in [Attr::ModuleTemperature, Attr::ModuleTransmitMin, Attr::ModuleReceiveMax, Attr::ModuleTemperatureHigh] {
        assert_eq!(of(&cable, attr), Reading::Absent, "{attr}");
    }
    assert_eq!(of(&cable, Attr::ModulePart), "MMA1T00-VS".into());
    let mut plain = sfp();
    plain[92] = 0;
    assert_eq!((of(&plain, Attr::ModuleTemperature), of(&plain, Attr::ModuleReceiveMin)), (Reading::Absent, Reading::Absent));
}

#[test]
fn a_lane_that_is_switched_off_does_not_count() {
    let mut module = qsfp();
    put(&mut module, 50, &[0, 0]);
    assert!(near(&of(&module, Attr::ModuleTransmitMin), 0.0));
    module[86] = 1;
    assert!(near(&of(&module, Attr::ModuleTransmitMin), 1.1e-3));
}

#[test]
fn cut_garbled_and_foreign_bytes_are_refused_with_a_reason() {
    assert!(facts(&[]).is_err());
    assert!(facts(&[0xff; 640]).is_err_and(|why| why.contains("0xff")));
    assert!(facts(&qsfp()[..150]).is_err_and(|why| why.contains("shorter")));
    assert!(facts(&sfp()[..256]).is_err_and(|why| why.contains("diagnostics")));
    let mut flipped = qsfp();
    flipped[170] ^= 1;
    assert!(facts(&flipped).is_err_and(|why| why.contains("checksum")));
    assert_eq!(of(&qsfp()[..256], Attr::ModuleTemperatureHigh), Reading::Absent, "a driver that gives one page");
}

#[test]
fn what_cannot_be_printed_and_what_is_blank_is_no_name() {
    let mut module = qsfp();
    put(&mut module, 148, &[0xff; 16]);
    put(&mut module, 168, &[b' '; 16]);
    let module = summed(module, 128..191, 191);
    assert!(matches!(of(&module, Attr::ModuleVendor), Reading::Unreadable(_)));
    assert_eq!(of(&module, Attr::ModulePart), Reading::Absent);
}

#[test]
fn the_serial_number_is_found_and_a_changed_one_leaves_the_sums_right() {
    for module in [qsfp(), sfp(), osfp()] {
        let Reading::Value(serial) = of(&module, Attr::ModuleSerial) else { panic!("a serial number") };
        let place = SerialNumber::of(&module).expect("a known kind");
        assert_eq!(String::from_utf8_lossy(&module[place.at.clone()]).trim(), serial.to_string());
        let mut other = module.clone();
        put(&mut other, place.at.start, b"ZZ");
        place.settle(&module, &mut other);
        assert!(facts(&other).is_ok());
    }
    assert!(SerialNumber::of(&[0xff; 640]).is_none() && SerialNumber::of(&[0x11; 20]).is_none());
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(kind in prop_oneof![Just(0x03_u8), Just(0x11), Just(0x19), any::<u8>()], bytes in proptest::collection::vec(any::<u8>(), 0..700)) {
        let bytes = [vec![kind], bytes].concat();
        let _ = (facts(&bytes), SerialNumber::of(&bytes).is_some());
    }

    #[test]
    fn a_valid_sum_lets_no_nonsense_through(mut bytes in proptest::collection::vec(any::<u8>(), 640..641)) {
        bytes[0] = 0x11;
        for (_, reading) in facts(&summed(bytes, 128..191, 191)).expect("the sum is right") {
            prop_assert!(reading.value().and_then(assay_model::component::Value::as_f64).is_none_or(f64::is_finite));
        }
    }
}

//! Media by what lies on them: no root needed, the rule works on any file.

use super::super::Cause;
use super::super::signature::{GUARD, is_blank};
use super::lab::{MEDIUM, Medium, mbr};

fn verdict(medium: &Medium) -> Result<(), Cause> {
    let size = medium.open().metadata().expect("a size").len();
    is_blank(&medium.open(), size)
}

/// Offsets, and what lies there.
type Pieces = Vec<(u64, Vec<u8>)>;

/// Everything that must be recognised: words of the message, and what lies where.
fn labelled() -> Vec<(&'static str, Pieces)> {
    let magic = |offset: u64, bytes: &[u8]| vec![(offset, bytes.to_vec())];
    const MD: &[u8] = b"\xfc\x4e\x2b\xa9";
    const UBERBLOCK: &[u8] = b"\x0c\xb1\xba\0\0\0\0\0";
    vec![
        ("ext2, ext3 or ext4", magic(0x438, b"\x53\xef")),
        ("XFS", magic(0, b"XFSB")),
        ("btrfs", magic(0x10040, b"_BHRfS_M")),
        ("FAT", magic(0x52, b"FAT32   ")),
        ("FAT", magic(0x36, b"FAT16   ")),
        ("NTFS", magic(3, b"NTFS    ")),
        ("exFAT", magic(3, b"EXFAT   ")),
        ("swap", magic(4086, b"SWAPSPACE2")),
        ("swap", magic(65526, b"SWAPSPACE2")),
        ("LUKS", magic(0, b"LUKS\xba\xbe\0\x01")),
        ("LUKS", magic(0, b"LUKS\xba\xbe\0\x02")),
        ("second header", magic(0x4000, b"SKUL\xba\xbe")),
        ("LVM2", vec![(512, b"LABELONE".to_vec()), (512 + 0x18, b"LVM2 001".to_vec())]),
        ("LVM2", vec![(1536, b"LABELONE".to_vec()), (1536 + 0x18, b"LVM2 001".to_vec())]),
        ("ZFS", magic(128 << 10, UBERBLOCK)),
        ("ZFS", magic((256 << 10) + (131 << 10), UBERBLOCK)),
        ("ZFS", magic(MEDIUM - (512 << 10) + (128 << 10), UBERBLOCK)),
        ("ZFS", magic(MEDIUM - (256 << 10) + (255 << 10), b"\0\0\0\0\0\xba\xb1\x0c")),
        ("BlueStore", magic(0, b"bluestore block device\n9f3a")),
        ("superblock 0.90", magic(MEDIUM - 65536, MD)),
        ("superblock 1.0", magic(MEDIUM - 8192, MD)),
        ("superblock 1.1", magic(0, MD)),
        ("superblock 1.2", magic(4096, MD)),
        ("bcache", magic(4096 + 24, b"\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81")),
        ("DRBD", magic(MEDIUM - 4096 + 60, b"\x83\x74\x02\x6b")),
        ("GPT", magic(512, b"EFI PART")),
        ("GPT partition table (backup)", magic(MEDIUM - 512, b"EFI PART")),
        ("MBR", mbr()),
        ("ISO 9660", magic(32769, b"CD001")),
        ("Intel RAID", magic(MEDIUM - 1024, b"Intel Raid ISM Cfg Sig. ")),
        ("VMFS", magic(1 << 20, b"\x0d\xd0\x01\xc0")),
    ]
}

#[test]
fn every_label_is_named() {
    for (what, bytes) in labelled() {
        let pieces: Vec<(u64, &[u8])> = bytes.iter().map(|(offset, bytes)| (*offset, bytes.as_slice())).collect();
        let medium = Medium::with(&pieces);
        match verdict(&medium) {
            Err(cause @ Cause::Labelled { .. }) => assert!(cause.to_string().contains(what), "{what}: {cause}"),
            other => panic!("{what}: {other:?}"),
        }
    }
}

#[test]
fn a_mirror_of_btrfs_outside_the_label_areas_is_found() {
    let medium = Medium::of_size(80 << 20);
    std::os::unix::fs::FileExt::write_all_at(&medium.open(), b"_BHRfS_M", (64 << 20) + 64).expect("written");
    assert!(matches!(verdict(&medium), Err(Cause::Labelled { offset: 67_108_928, .. })));
}

#[test]
fn unknown_data_in_a_label_area_is_not_blank_down_to_the_last_byte() {
    for offset in [0, 1, 777_777, GUARD - 1, MEDIUM - GUARD, MEDIUM - 1] {
        let medium = Medium::with(&[(offset, b"\x01")]);
        match verdict(&medium) {
            Err(Cause::NotBlank { offset: found }) => assert_eq!(found, offset),
            other => panic!("a byte at {offset}: {other:?}"),
        }
    }
}

#[test]
fn zeros_are_blank_and_so_is_a_medium_with_data_between_the_label_areas() {
    verdict(&Medium::blank()).expect("blank");
    verdict(&Medium::with(&[(GUARD, b"stamps of an earlier run"), (MEDIUM - GUARD - 1, b"\xff")])).expect("blank at both ends");
}

#[test]
fn sizes_that_are_no_multiple_of_anything_do_not_panic() {
    for size in [0, 1, 511, 513, 65_535, 262_145, GUARD - 1, GUARD, 2 * GUARD + 1] {
        let medium = Medium::of_size(size);
        let _ = verdict(&medium);
    }
}

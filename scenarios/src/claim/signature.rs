//! What lies on a medium: a table of signatures (after libblkid's superblock and partition probers) to say what it is, and the rule that
//! decides: the label areas at both ends must hold nothing but zeros.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use super::refusal::Cause;

/// Bytes at each end of a device that must be zero and are never written. All labels but btrfs' mirrors lie within it.
pub const GUARD: u64 = 4 << 20;
const GUARD_LENGTH: usize = 4 << 20;

/// Where a signature lies.
#[derive(Clone, Copy)]
enum Place {
    /// Bytes from the beginning.
    Start(u64),
    /// Bytes before the end.
    End(u64),
}

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

use Place::{End, Start};

const SIGNATURES: &[(&str, Place, &[u8])] = &[
    // What lies above others comes first: a LUKS header may be followed by the remains of a file system.
    ("a LUKS volume", Start(0), b"LUKS\xba\xbe"),
    ("a LUKS2 volume (second header)", Start(0x4000), b"SKUL\xba\xbe"),
    ("a LUKS2 volume (second header)", Start(0x8000), b"SKUL\xba\xbe"),
    ("a LUKS2 volume (second header)", Start(0x10000), b"SKUL\xba\xbe"),
    ("a LUKS2 volume (second header)", Start(0x20000), b"SKUL\xba\xbe"),
    ("a LUKS2 volume (second header)", Start(0x40000), b"SKUL\xba\xbe"),
    ("a LUKS2 volume (second header)", Start(0x80000), b"SKUL\xba\xbe"),
    ("a LUKS2 volume (second header)", Start(0x10_0000), b"SKUL\xba\xbe"),
    ("a LUKS2 volume (second header)", Start(0x20_0000), b"SKUL\xba\xbe"),
    ("a BlueStore OSD", Start(0), b"bluestore block device"),
    ("an LVM2 physical volume", Start(0x18), b"LVM2 001"),
    ("an LVM2 physical volume", Start(0x218), b"LVM2 001"),
    ("an LVM2 physical volume", Start(0x418), b"LVM2 001"),
    ("an LVM2 physical volume", Start(0x618), b"LVM2 001"),
    ("an md member (superblock 1.1)", Start(0), b"\xfc\x4e\x2b\xa9"),
    ("an md member (superblock 1.2)", Start(4 * KIB), b"\xfc\x4e\x2b\xa9"),
    ("a bcache device", Start(4 * KIB + 24), b"\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81"),
    ("a bcachefs file system", Start(4 * KIB + 24), b"\xc6\x85\x73\xf6\x66\xce\x90\xa9\xd9\x6a\x60\xcf\x80\x3d\xf7\xef"),
    ("a Stratis pool", Start(0x204), b"!Stra0tis\x86\xff\x02^\x41rh"),
    ("a DRBD volume", End(4 * KIB - 60), b"\x83\x74\x02\x6b"),
    ("a DRBD volume", End(4 * KIB - 60), b"\x83\x74\x02\x6c"),
    ("a DRBD 9 volume", End(4 * KIB - 60), b"\x83\x74\x02\x6d"),
    ("an Intel RAID member", End(KIB), b"Intel Raid ISM Cfg Sig. "),
    ("a DDF RAID member", End(512), b"\x11\xde\x11\xde"),
    ("a VMFS volume", Start(MIB), b"\x0d\xd0\x01\xc0"),
    ("an ext2, ext3 or ext4 file system", Start(0x438), b"\x53\xef"),
    ("an XFS file system", Start(0), b"XFSB"),
    ("a btrfs file system", Start(64 * KIB + 0x40), b"_BHRfS_M"),
    ("a btrfs file system (mirror)", Start(64 * MIB + 0x40), b"_BHRfS_M"),
    ("a btrfs file system (mirror)", Start(256 * GIB + 0x40), b"_BHRfS_M"),
    ("swap space", Start(0xff6), b"SWAPSPACE2"),
    ("swap space", Start(0xff6), b"SWAP-SPACE"),
    ("swap space", Start(0x1ff6), b"SWAPSPACE2"),
    ("swap space", Start(0x3ff6), b"SWAPSPACE2"),
    ("swap space", Start(0x7ff6), b"SWAPSPACE2"),
    ("swap space", Start(0xfff6), b"SWAPSPACE2"),
    ("a suspend image", Start(0xff6), b"S1SUSPEND"),
    ("a FAT file system", Start(0x36), b"FAT12   "),
    ("a FAT file system", Start(0x36), b"FAT16   "),
    ("a FAT file system", Start(0x52), b"FAT32   "),
    ("an exFAT file system", Start(3), b"EXFAT   "),
    ("an NTFS file system", Start(3), b"NTFS    "),
    ("a BitLocker volume", Start(3), b"-FVE-FS-"),
    ("an F2FS file system", Start(KIB), b"\x10\x20\xf5\xf2"),
    ("an EROFS file system", Start(KIB), b"\xe2\xe1\xf5\xe0"),
    ("an HFS+ file system", Start(KIB), b"H+"),
    ("an APFS container", Start(32), b"NXSB"),
    ("a NILFS2 file system", Start(KIB + 6), b"\x34\x34"),
    ("a squashfs file system", Start(0), b"hsqs"),
    ("an ISO 9660 file system", Start(32 * KIB + 1), b"CD001"),
    ("a UDF file system", Start(32 * KIB + 1), b"BEA01"),
    ("a JFS file system", Start(32 * KIB), b"JFS1"),
    ("a ReiserFS file system", Start(64 * KIB + 52), b"ReIsEr"),
    ("a GFS2 file system", Start(64 * KIB), b"\x01\x16\x19\x70"),
    ("an OCFS2 file system", Start(8 * KIB), b"OCFSV2"),
    ("a GPT partition table", Start(512), b"EFI PART"),
    ("a GPT partition table", Start(4 * KIB), b"EFI PART"),
    ("a GPT partition table (backup)", End(512), b"EFI PART"),
    ("a GPT partition table (backup)", End(4 * KIB), b"EFI PART"),
    ("an MBR partition table or boot sector", Start(510), b"\x55\xaa"),
];

/// Whether the medium holds nothing: no known signature, and zeros in both label areas.
pub(super) fn is_blank(medium: &File, size: u64) -> Result<(), Cause> {
    let named = SIGNATURES.iter().filter_map(|(what, place, magic)| Some((*what, offset(*place, size)?, magic.to_vec())));
    for (what, offset, magic) in named.chain(md_at_end(size)) {
        if read(medium, size, offset, magic.len())?.is_some_and(|found| found == magic) {
            return Err(Cause::Labelled { what, offset });
        }
    }
    if let Some(offset) = zfs(medium, size)? {
        return Err(Cause::Labelled { what: "a ZFS pool member", offset });
    }
    for start in [0, size.saturating_sub(GUARD)] {
        let length = GUARD_LENGTH.min(usize::try_from(size).unwrap_or(GUARD_LENGTH));
        let area = read(medium, size, start, length)?.ok_or(Cause::TooSmall { bytes: size, needed: GUARD })?;
        if let Some(at) = area.iter().position(|byte| *byte != 0) {
            return Err(Cause::NotBlank { offset: start + u64::try_from(at).expect("within four MiB") });
        }
    }
    Ok(())
}

fn offset(place: Place, size: u64) -> Option<u64> {
    match place {
        Start(offset) => Some(offset),
        End(before) => size.checked_sub(before),
    }
}

/// md superblocks that lie at the end: 0.90 in the last whole 64 KiB block but one, 1.0 at least 8 KiB before the end, 4 KiB aligned.
fn md_at_end(size: u64) -> impl Iterator<Item = (&'static str, u64, Vec<u8>)> {
    let old = (size & !(64 * KIB - 1)).checked_sub(64 * KIB);
    let new = (size / 512).checked_sub(16).map(|sectors| (sectors & !7) * 512);
    let magics = [
        ("an md member (superblock 0.90)", old, b"\xfc\x4e\x2b\xa9"),
        ("an md member (superblock 0.90)", old, b"\xa9\x2b\x4e\xfc"),
        ("an md member (superblock 1.0)", new, b"\xfc\x4e\x2b\xa9"),
    ];
    magics.into_iter().filter_map(|(what, offset, magic)| Some((what, offset?, magic.to_vec())))
}

/// ZFS keeps four labels of 256 KiB, two at each end; the upper half of each is a ring of uberblocks that begin with 0x00bab10c in either byte order.
fn zfs(medium: &File, size: u64) -> Result<Option<u64>, Cause> {
    const LABEL: u64 = 256 * KIB;
    let end = size & !(LABEL - 1);
    for label in [Some(0), Some(LABEL), end.checked_sub(2 * LABEL), end.checked_sub(LABEL)].into_iter().flatten() {
        let ring = label + 128 * KIB;
        let Some(bytes) = read(medium, size, ring, 128 << 10)? else { continue };
        let found =
            bytes.chunks_exact(1024).position(|block| block.starts_with(b"\x0c\xb1\xba\0\0\0\0\0") || block.starts_with(b"\0\0\0\0\0\xba\xb1\x0c"));
        if let Some(at) = found {
            return Ok(Some(ring + u64::try_from(at).expect("at most 128 uberblocks") * 1024));
        }
    }
    Ok(None)
}

/// Bytes at `offset`; nothing when they would reach beyond the end.
fn read(medium: &File, size: u64, offset: u64, length: usize) -> Result<Option<Vec<u8>>, Cause> {
    let fits = u64::try_from(length).ok().and_then(|length| offset.checked_add(length)).is_some_and(|end| end <= size);
    if !fits {
        return Ok(None);
    }
    let mut bytes = vec![0; length];
    medium.read_exact_at(&mut bytes, offset).map_err(Cause::io("read its label areas"))?;
    Ok(Some(bytes))
}

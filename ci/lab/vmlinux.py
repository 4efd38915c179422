#!/usr/bin/env python3
"""Takes the ELF kernel out of a bzImage, so that QEMU enters it directly (PVH) and nothing is uncompressed by an emulated processor.

vmlinux.py VMLINUZ VMLINUX; the offsets are those of Documentation/arch/x86/boot.rst (setup_sects, payload_offset, payload_length).
"""

import lzma
import pathlib
import struct
import sys

image = pathlib.Path(sys.argv[1]).read_bytes()
protected_mode = (image[0x1F1] + 1) * 512
offset, length = struct.unpack_from("<II", image, 0x248)
payload = image[protected_mode + offset : protected_mode + offset + length]
if not payload.startswith(b"\xfd7zXZ\x00"):
    sys.exit(f"{sys.argv[1]}: the kernel is not packed by xz")
# The payload ends with its unpacked size, which is not xz's.
kernel = lzma.LZMADecompressor().decompress(payload)
if not kernel.startswith(b"\x7fELF"):
    sys.exit(f"{sys.argv[1]}: no ELF file inside")
pathlib.Path(sys.argv[2]).write_bytes(kernel)

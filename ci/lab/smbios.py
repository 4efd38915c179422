#!/usr/bin/env python3
"""Writes memory device structures (type 17) of SMBIOS 3.2 (DSP0134, section 7.18) for `qemu -smbios file=`.

smbios.py OUT SOCKETS: twelve channels per socket, one DDR5 RDIMM of 96 GB in each, rated 5600 MT/s, running at 4800 MT/s.
"""

import pathlib
import struct
import sys

ARRAY = 0x1000  # the handle of QEMU's own physical memory array
CHANNELS = "ABCDEFGHIJKL"
SIZE_MB = 96 * 1024


def memory_device(socket: int, channel: str) -> bytes:
    number = socket * len(CHANNELS) + CHANNELS.index(channel)
    strings = [
        f"P{socket + 1}-DIMM{channel}1",
        f"P{socket}_Node0_Channel{CHANNELS.index(channel)}_Dimm0",
        "Samsung",
        f"80CE0123{number:08X}",
        f"P{socket + 1}-DIMM{channel}1_AssetTag",
        "M321RYGA0BB0-CQKZJ",
    ]
    after_header = struct.pack(
        "<HHHHHBBBBBHHBBBBBIHHHHBHBHHHHQQQQ",
        ARRAY,
        0xFFFE,  # no error information
        80,  # total width
        64,  # data width
        0x7FFF,  # the size stands in the extended field
        0x09,  # form factor: DIMM
        0,  # in no set
        1,  # locator
        2,  # bank locator
        0x22,  # DDR5
        0x2080,  # synchronous, registered
        5600,
        3,  # manufacturer
        4,  # serial number
        5,  # asset tag
        6,  # part number
        2,  # rank
        SIZE_MB,
        4800,  # configured
        1100,
        1100,
        1100,  # mV: least, most, configured
        3,  # DRAM
        1 << 3,  # volatile memory
        0,  # no firmware version
        0xCE80,  # module manufacturer (JEP-106: Samsung)
        0,
        0,
        0,
        0,  # no non-volatile part
        SIZE_MB << 20,  # volatile part
        0,  # no cache
        0,  # no logical size
    )
    header = struct.pack("<BBH", 17, 4 + len(after_header), 0x1100 + number)
    return header + after_header + b"".join(text.encode() + b"\0" for text in strings) + b"\0"


out, sockets = sys.argv[1:]
pathlib.Path(out).write_bytes(b"".join(memory_device(socket, channel) for socket in range(int(sockets)) for channel in CHANNELS))

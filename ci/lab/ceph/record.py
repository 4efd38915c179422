"""What a cluster's monitors and its manager answer to the questions of the probes, one file each: `record.py FOLDER` on a host of the lab.

FOLDER/status.json, FOLDER/health-detail.json, ...: the bytes as librados gives them
FOLDER/answers.tsv: command, who answers, status, bytes, milliseconds, status and milliseconds when the monitors are asked for what the manager knows, what was said beside it
"""

import json
import os
import sys
import time

import rados

COMMANDS = [
    "status", "health detail", "quorum_status", "mon dump", "mgr dump", "mgr stat", "osd dump", "osd tree", "osd df", "osd metadata", "osd pool ls detail",
    "osd crush dump", "osd pool autoscale-status", "pg dump", "pg stat", "versions", "time-sync-status", "crash ls-new", "device ls", "config dump", "df detail",
    "osd perf", "fs dump", "osd blocked-by", "mon metadata", "mgr metadata", "osd crush rule dump", "osd crush class ls",
]
OF_MANAGER = 1 << 3


def words(command):
    """How the monitors name a command whose last word is an argument."""
    prefix, _, last = command.rpartition(" ")
    if command in ("health detail", "osd pool ls detail", "df detail"):
        return {"prefix": prefix, "detail": last}
    return {"prefix": command}


def main(folder):
    os.makedirs(folder, exist_ok=True)
    began = time.perf_counter()
    cluster = rados.Rados(conffile="/etc/ceph/ceph.conf", name="client.admin", conf={"client_mount_timeout": "5", "rados_mon_op_timeout": "3"})
    try:
        cluster.connect()
    except rados.Error as why:
        with open(f"{folder}/answers.tsv", "w") as file:
            file.write(f"connect\t-\t{type(why).__name__} {why.errno}\t0\t{(time.perf_counter() - began) * 1e3:.1f}\t{why}\n")
        return
    rows = [("connect", "-", 0, 0, f"{(time.perf_counter() - began) * 1e3:.1f}", "", "")]
    _, known, _ = cluster.mon_command(json.dumps({"prefix": "get_command_descriptions"}), b"")
    flags = {}
    for known_command in json.loads(known).values():
        flags.setdefault(" ".join(word for word in known_command["sig"] if isinstance(word, str)), known_command["flags"])
    for command in COMMANDS:
        asked = words(command)
        who = "mgr" if flags.get(asked["prefix"], OF_MANAGER) & OF_MANAGER else "mon"
        began = time.perf_counter()
        ask = cluster.mgr_command if who == "mgr" else cluster.mon_command
        try:
            status, answer, said = ask(json.dumps({**asked, "format": "json"}), b"")
        except rados.Error as why:
            status, answer, said = -(why.errno or 0), b"", str(why)
        took = (time.perf_counter() - began) * 1e3
        with open(f"{folder}/{command.replace(' ', '-')}.json", "wb") as file:
            file.write(answer)
        relayed = ""
        if who == "mgr":
            began = time.perf_counter()
            try:
                relayed = cluster.mon_command(json.dumps({**asked, "format": "json"}), b"")[0]
            except rados.Error as why:
                relayed = f"{type(why).__name__}"
            relayed = f"{relayed} {(time.perf_counter() - began) * 1e3:.1f}"
        rows.append((command, who, status, len(answer), f"{took:.1f}", relayed, said.strip()))
    with open(f"{folder}/answers.tsv", "w") as file:
        file.writelines("\t".join(str(field) for field in row) + "\n" for row in [("command", "who", "status", "bytes", "ms", "by mon", "said"), *rows])


main(sys.argv[1])

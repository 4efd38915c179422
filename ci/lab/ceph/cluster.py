"""Speaks with the lab's cluster through librados, which answers in milliseconds what the `ceph` command takes half a second for.

cluster.py found HOST...     the cluster map: an OSD of class nvme on each host, on one that is named twice two, a rule over hosts, the pools
cluster.py clean SECONDS     waits until nothing is amiss; ends with 1 and what is, when it is not so in time
cluster.py seen SECONDS RE   waits until what the monitors say matches: status, health, quorum, managers, pools, one JSON text each
cluster.py leader, standby   the name of the monitor that leads, of the manager that stands by
cluster.py pg-of POOL NAME   the placement group of an object
cluster.py up POOL           on which OSDs each placement group of a pool belongs by now: JSON
cluster.py forget-crashes    removes all crash reports
"""

import json
import os
import re
import sys
import time

import rados

# name, application, placement groups, share: numbers that the autoscaler lets be.
POOLS = [("rbd-vms", "rbd", 64, 0.60), ("rbd-containers", "rbd", 32, 0.30), ("cephfs-data", "cephfs", 8, 0.08), ("cephfs-metadata", "cephfs", 4, 0.02)]


class Refused(Exception):
    pass


class Cluster:
    def __init__(self, seconds):
        # The second holds for the manager, too. The bindings' own `timeout`, of connect and of each command, is ignored.
        limits = {"client_mount_timeout": str(seconds), "rados_mon_op_timeout": "20"}
        self.rados = rados.Rados(conffile="/etc/ceph/ceph.conf", name="client.admin", conf=limits)
        self.rados.connect()

    def _ask(self, how, prefix, text, words):
        asked = {"prefix": prefix, "format": "json", **words}
        status, answer, said = how(json.dumps(asked), text.encode())
        if status:
            raise Refused(f"{asked}: {status} {said}")
        return json.loads(answer) if answer.strip() else None

    def mon(self, prefix, text="", **words):
        return self._ask(self.rados.mon_command, prefix, text, words)

    def mgr(self, prefix, text="", **words):
        return self._ask(self.rados.mgr_command, prefix, text, words)


def found(cluster, hosts):
    cluster.mon("config set", who="mgr", name="mgr/devicehealth/enable_monitoring", value="false", force=True)
    for osd, host in enumerate(hosts):
        folder = f"/var/lib/ceph/osd/ceph-{osd}"
        made_for = open(f"{folder}/made-for").read().strip()
        key = open(f"{folder}/keyring").read().split("key = ")[1].split()[0]
        cluster.mon("osd new", uuid=made_for, id=osd, text=json.dumps({"cephx_secret": key}))
        cluster.mon("osd crush add", id=osd, weight=1.0, args=[f"host={host}", "root=default"])
        cluster.mon("osd crush set-device-class", **{"class": "nvme", "ids": [f"osd.{osd}"]})
    cluster.mon("osd crush rule create-replicated", name="nvme-hosts", root="default", type="host", **{"class": "nvme"})
    for name, application, pgs, share in POOLS:
        cluster.mon("osd pool create", pool=name, pg_num=pgs, pgp_num=pgs, pool_type="replicated", rule="nvme-hosts")
        cluster.mon("osd pool set", pool=name, var="pg_num_min", val=str(min(pgs, 32)))
        cluster.mon("osd pool application enable", pool=name, app=application)
        cluster.mon("osd pool set", pool=name, var="target_size_ratio", val=str(share))


def amiss(cluster):
    status = cluster.mon("status")
    osds, pgs, mgr = status["osdmap"], status["pgmap"], cluster.mon("mgr dump")
    said = status["health"]
    states = {state["state_name"]: state["count"] for state in pgs["pgs_by_state"]}
    if said["status"] != "HEALTH_OK":
        return f"{said['status']} {sorted(said['checks'])}"
    if len(status["quorum_names"]) != 3:
        return f"quorum of {status['quorum_names']}"
    if not mgr["available"] or len(mgr["standbys"]) != 1:
        return f"manager {mgr['active_name']!r}, standbys {len(mgr['standbys'])}"
    made = len(os.listdir("/var/lib/ceph/osd"))
    if not osds["num_osds"] == osds["num_up_osds"] == osds["num_in_osds"] == made:
        return f"OSDs {osds}"
    # A healthy status is told of PGs that are still unknown, too.
    pools = cluster.mon("osd pool ls", detail="detail")
    if states != {"active+clean": sum(pool["pg_num"] for pool in pools)}:
        return f"PGs {states}"
    # From release 17 on the managers make a pool of their own, when they come to it.
    release = min(int(re.search(r" version (\d+)", version).group(1)) for version in cluster.mon("versions")["overall"])
    if len(pools) < len(POOLS) + (release >= 17):
        return f"pools {[pool['pool_name'] for pool in pools]}"
    return None


def clean(cluster, seconds):
    deadline = time.monotonic() + seconds
    while (what := amiss(cluster)) is not None:
        if time.monotonic() > deadline:
            sys.exit(f"after {seconds} s: {what}")
        time.sleep(0.1)


def seen(cluster, seconds, pattern):
    deadline = time.monotonic() + seconds
    while True:
        told = [cluster.mon("status"), cluster.mon("health", detail="detail"), cluster.mon("quorum_status"), cluster.mon("mgr dump"), cluster.mon("osd pool ls", detail="detail")]
        if any(re.search(pattern, json.dumps(one)) for one in told):
            return
        if time.monotonic() > deadline:
            sys.exit(f"after {seconds} s nothing matches {pattern}: {told[0]}")
        time.sleep(0.1)


def main(verb, *words):
    cluster = Cluster(60)
    match verb:
        case "found":
            found(cluster, words)
        case "clean":
            clean(cluster, float(words[0]))
        case "seen":
            seen(cluster, float(words[0]), words[1])
        case "leader":
            print(cluster.mon("quorum_status")["quorum_leader_name"])
        case "standby":
            print(cluster.mon("mgr dump")["standbys"][0]["name"])
        case "pg-of":
            print(cluster.mon("osd map", pool=words[0], object=words[1])["pgid"])
        case "up":
            pool = next(pool for pool in cluster.mon("osd dump")["pools"] if pool["pool_name"] == words[0])
            groups = [f"{pool['pool']}.{number:x}" for number in range(pool["pg_num"])]
            print(json.dumps({group: cluster.mon("pg map", pgid=group)["up"] for group in groups}))
        case "forget-crashes":
            for crash in cluster.mgr("crash ls"):
                cluster.mgr("crash rm", id=crash["crash_id"])
        case _:
            sys.exit(f"cluster.py: no verb {verb}")


if __name__ == "__main__":
    main(*sys.argv[1:])

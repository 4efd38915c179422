#!/usr/bin/env python3
"""The management controller of a virtual node: OpenStack's sushy-emulator whose power switch is QEMU's machine protocol (QMP).

NODE=DIR bmc.py --config FILE, with DIR as given to `node --dir` and FILE as sushy-emulator wants it. It switches a running node off and resets it;
it switches none on: whoever boots a node with `ci/lab/node` owns it. Run by the Python that has sushy-tools.
"""

import json
import os
import pathlib
import socket

from sushy_tools import error
from sushy_tools.emulator import main
from sushy_tools.emulator.resources.systems import fakedriver

QMP = pathlib.Path(os.environ["NODE"]) / "qmp.sock"


def execute(command: str, **arguments) -> None:
    with socket.socket(socket.AF_UNIX) as qemu:
        qemu.settimeout(10)
        qemu.connect(str(QMP))
        lines = qemu.makefile("rw")
        for request in ({"execute": "qmp_capabilities"}, {"execute": command, "arguments": arguments}):
            lines.write(json.dumps(request) + "\n")
            lines.flush()
            # A greeting and events stand between the answers; after `quit` there may be none.
            for line in lines:
                answer = json.loads(line)
                if "error" in answer:
                    raise error.FishyError(answer["error"]["desc"])
                if "return" in answer:
                    break


def is_on() -> bool:
    with socket.socket(socket.AF_UNIX) as qemu:
        try:
            qemu.connect(str(QMP))
        except OSError:
            return False
    return True


class PowerSwitch(fakedriver.FakeDriver):
    """The emulator's own made-up system, but for its power."""

    def get_power_state(self, identity):
        self._get(identity)
        return "On" if is_on() else "Off"

    def set_power_state(self, identity, state):
        self._get(identity)
        if state == "ForceOff":
            if is_on():
                execute("quit")
        elif state == "ForceRestart":
            execute("set-action", reboot="reset")
            execute("system_reset")
        else:
            raise error.BadRequest(f"the lab's switch does not do {state}")


fakedriver.FakeDriver = PowerSwitch
main.main()

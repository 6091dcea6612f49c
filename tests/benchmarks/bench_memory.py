"""What an idle controller and its guard keep in memory, beside a bare Python that has imported nothing. Linux only."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from tests.demo.parts import Missing, Parts
from tests.demo.stage import start_controller

IDLE_S = 8.0
"""Long enough for every heartbeat to have beaten at least twice."""


def resident_mib(pid: int) -> float:
    """Resident memory of one process, from the kernel's own account."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    kib = next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))
    return kib / 1024


def run() -> dict[str, object]:
    if not Path("/proc/self/status").exists():
        return {"skipped": "memory is read from /proc, which this system has not"}
    figures: dict[str, object] = {}
    bare = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        with Parts() as parts:
            controller = start_controller(parts)
            try:
                guard = parts.guard(parts.haproxy())
            except Missing as missing:
                figures["guard_skipped"] = str(missing)
            time.sleep(IDLE_S)
            figures["bare_python_mib"] = round(resident_mib(bare.pid), 1)
            figures["controller_mib"] = round(resident_mib(controller.part.process.pid), 1)
            if "guard_skipped" not in figures:
                figures["guard_mib"] = round(resident_mib(guard.part.process.pid), 1)
    finally:
        bare.communicate(b"\n", timeout=10)
    base = float(str(figures["bare_python_mib"]))
    for name in ("controller", "guard"):
        if f"{name}_mib" in figures:
            figures[f"{name}_to_bare"] = round(float(str(figures[f"{name}_mib"])) / base, 2)
    return figures


def main() -> int:
    sys.stdout.write(json.dumps(run(), indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

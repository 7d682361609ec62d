"""The JSON files that benchmarks write, and what they tell beside figures: of which computer, and of which code."""

import json
import platform
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

from benchmarks import processes
from ugatit_tf.system import share

RESULTS = processes.ROOT / "benchmarks" / "results"


def write(name: str, record: Mapping[str, Any]) -> None:
    """Writes `benchmarks/results/NAME.json`, and says so."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(record, indent=2) + "\n")
    print(f"Written to {path}")


def machine() -> dict[str, Any]:
    """The computer and its TensorFlow: `cpu` and `gpu` (names; no GPU: ""), `cores`, `memory_gb`, `tensorflow`.

    Raises:
        processes.MeasurementError: where TensorFlow does not even start.
    """
    found = processes.measure({})
    return {
        "cpu": _cpu(),
        "cores": share.cores(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9),
        "gpu": found["gpu"],
        "tensorflow": found["tensorflow"],
    }


def sentence(machine: Mapping[str, Any]) -> str:
    """A machine in a line."""
    gpu = f"{machine['gpu']}, " if machine["gpu"] else ""
    computer = f"{gpu}{machine['cpu']}, {machine['cores']} cores, {machine['memory_gb']} GB"
    return f"{computer}, TensorFlow {machine['tensorflow']}"


def differences(here: Mapping[str, Any], there: Mapping[str, Any]) -> list[str]:
    """Each fact in which two machines differ, in words."""
    names = sorted(here.keys() | there.keys())
    return [
        f"{name}: {here.get(name) or 'none'} here, {there.get(name) or 'none'} there"
        for name in names
        if here.get(name) != there.get(name)
    ]


def version(root: Path) -> str:
    """The commit of a checkout, with "-dirty" where files were changed; of a folder without git, its name."""
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return root.resolve().name


def _cpu(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """The processor's model; where Linux does not tell it, what Python knows."""
    model = re.search(r"^model name\s*: (.+)$", cpuinfo.read_text(), re.MULTILINE) if cpuinfo.is_file() else None
    return model[1] if model else platform.processor() or platform.machine()

"""Writes the JSON files of the benchmarks, and describes the computer and the code that the figures belong to."""

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
    """Writes `benchmarks/results/NAME.json`, and prints its path."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(record, indent=2) + "\n")
    print(f"Written to {path}")


def machine() -> dict[str, Any]:
    """Describes this computer and its TensorFlow.

    Returns:
        `cpu` and `gpu` (names; "" without a GPU), `cores`, `memory_gb` and `tensorflow` (its version).

    Raises:
        processes.MeasurementError: TensorFlow does not start.
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
    """Returns the description of a machine as one line of text."""
    gpu = f"{machine['gpu']}, " if machine["gpu"] else ""
    computer = f"{gpu}{machine['cpu']}, {machine['cores']} cores, {machine['memory_gb']} GB"
    return f"{computer}, TensorFlow {machine['tensorflow']}"


def differences(here: Mapping[str, Any], there: Mapping[str, Any]) -> list[str]:
    """Returns a text for each fact in which two machines differ."""
    names = sorted(here.keys() | there.keys())
    return [
        f"{name}: {here.get(name) or 'none'} here, {there.get(name) or 'none'} there"
        for name in names
        if here.get(name) != there.get(name)
    ]


def version(root: Path) -> str:
    """Returns the commit of a checkout, with "-dirty" if files were changed; for a folder without git, its name."""
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return root.resolve().name


def _cpu(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Returns the processor's model as Linux names it, or else as Python does."""
    model = re.search(r"^model name\s*: (.+)$", cpuinfo.read_text(), re.MULTILINE) if cpuinfo.is_file() else None
    return model[1] if model else platform.processor() or platform.machine()

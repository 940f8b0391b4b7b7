"""The machine, so that results of several can be compared."""

import os
import platform
from pathlib import Path
from typing import Any

from .. import _threads
from .._config import config


def machine(cpuinfo: Path = Path("/proc/cpuinfo")) -> dict[str, Any]:
    """Processor, cores, system, load, and what pylenet found of them; None for what is not known.

    cores: physical ones of the machine; processors: hardware threads; processors_available: those
    this process may use.
    """
    entries = _entries(cpuinfo)
    model = entries[0].get("model name") if entries else None
    cores = {(entry.get("physical id"), entry.get("core id")) for entry in entries}
    return {
        "cpu": model or platform.processor() or platform.machine(),
        "cores": None if any(None in core for core in cores) else len(cores) or None,
        "processors": os.cpu_count(),
        "processors_available": _threads.available_processors(),
        "architecture": platform.machine(),
        "system": platform.platform(),
        "load_average": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "pylenet": config(),
    }


def _entries(cpuinfo: Path) -> list[dict[str, str]]:
    """Names and values of each processor in Linux's file, none elsewhere."""
    try:
        blocks = cpuinfo.read_text().strip().split("\n\n")
    except OSError:
        return []
    found = []
    for block in blocks:
        pairs = (line.partition(":") for line in block.splitlines())
        entry = {name.strip(): value.strip() for name, _, value in pairs}
        if "processor" in entry:
            found.append(entry)
    return found

"""The machine, so that results of several can be compared."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

from .. import _threads
from .._config import config

__all__ = ["load", "machine", "processor"]

CPUINFO = Path("/proc/cpuinfo")
SIMD = ("sse2", "avx", "avx2", "fma", "avx512f", "avx512_vnni", "asimd", "sve")
BUSY = 0.5  # the load average above which the machine is not idle


def processor(cpuinfo: Path = CPUINFO) -> str:
    """The processor's name."""
    first, *_ = [*_entries(cpuinfo), {}]
    return first.get("model name") or platform.processor() or platform.machine()


def machine(cpuinfo: Path = CPUINFO) -> dict[str, Any]:
    """Processor, memory, system, load, and what pylenet found of them; None for what is not known.

    cores: physical ones of the machine; processors: hardware threads; processors_available: those
    this process may use; load_average: of the last minute, before anything was measured.
    """
    entries = _entries(cpuinfo)
    first = entries[0] if entries else {}
    cores = {(entry.get("physical id"), entry.get("core id")) for entry in entries}
    flags = first.get("flags", first.get("Features", "")).split()
    return {
        "cpu": processor(cpuinfo),
        "cores": None if any(None in core for core in cores) else len(cores) or None,
        "processors": os.cpu_count(),
        "processors_available": _threads.available_processors(),
        "architecture": platform.machine(),
        "simd": [name for name in SIMD if name in flags],
        "memory_bytes": _memory(),
        "system": platform.platform(),
        "load_average": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "pylenet": config(),
    }


def load(machine: dict[str, Any]) -> str:
    """The load average, and what it means for what is measured."""
    average = machine["load_average"]
    if average is None:
        return "Load average unknown."
    busy = ": other work here blurs the times" if average > BUSY else ""
    return f"Load average {average:.2f}{busy}."


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


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None

"""The machine and the settings, so that results of several machines can be compared."""

import os
import platform
from pathlib import Path
from typing import Any

from _session import available

SIMD = ("sse2", "avx", "avx2", "fma", "avx512f", "avx512_vnni", "asimd", "sve")


def machine() -> dict[str, Any]:
    """Processor, memory, operating system, and what pylenet found of them."""
    from pylenet._config import config

    cpu = _processor()
    flags = cpu.get("flags", cpu.get("Features", "")).split()
    return {
        "processor": cpu.get("model name") or platform.processor() or platform.machine(),
        "processors": os.cpu_count(),
        "processors_available": available(),
        "simd": [name for name in SIMD if name in flags],
        "memory_bytes": _memory(),
        "load_average": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "system": platform.platform(),
        "python": platform.python_version(),
        "pylenet": config(),
    }


def _processor() -> dict[str, str]:
    """/proc/cpuinfo's lines on the first processor, where there is such a file."""
    try:
        lines = Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
    except OSError:
        return {}
    pairs = (line.partition(":") for line in lines)
    return {name.strip(): value.strip() for name, _, value in pairs}


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None

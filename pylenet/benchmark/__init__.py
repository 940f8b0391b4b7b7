"""What `pylenet bench` and bench/ share: the LeNets and images, the checks, the measurements.

Each module measures one thing and returns `Measurement`s (`measurement.py`), every single value
among them. `results.py` writes and reads them as JSON, `chart.py` draws, the command line prints.
"""

from __future__ import annotations

__all__: list[str] = []

"""What `pylenet bench` and bench/ share: the LeNets and images, the checks, the measurements.

Each module measures one thing and returns `Measurement`s (`measurement.py`), every single value
among them. `report.py` prints them, `results.py` writes, reads and compares them, `chart.py` draws.
"""

"""One entry for each kind of layer, and the tables: tests that every kind must pass.

A new layer is one new file here, or one more class in its family's. Whatever a table needs to know
of it is an attribute or a method of `_kind.Kind`, described there; a new activation function is one
entry of FUNCTIONS in `activation.py`.
"""

from importlib import import_module
from pathlib import Path

import effort

from ._kind import KINDS, Call, Case, Kind, copy_of, kind_of

for path in sorted(Path(__file__).parent.glob("[a-z]*.py")):
    if not path.name.startswith("test_"):
        import_module(f"{__name__}.{path.stem}")

CASES = [case for kind in KINDS.values() for case in effort.some(kind.cases)]

__all__ = ["CASES", "KINDS", "Call", "Case", "Kind", "copy_of", "kind_of"]

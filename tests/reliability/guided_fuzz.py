"""The files of fuzz.py, with mutations guided by what pylenet's Python code does with them.

    pip install atheris
    python tests/reliability/guided_fuzz.py model -runs=100000 -seed=1

The first argument is a kind of file, the others are libFuzzer's. Stops at the first exception that
is not a ValueError and at an input that takes longer than ten seconds.
"""

import contextlib
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["pylenet"]):
    from fuzz import MEMORY, TARGETS


def main():
    kind = sys.argv.pop(1)
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        corpus = Path(folder) / "corpus"
        corpus.mkdir()
        target = TARGETS[kind](Path(folder))
        # libFuzzer has no inputs to begin with but these; it ends the process itself.
        (corpus / "valid").write_bytes(target.valid)
        write = getattr(target, "write", target.path.write_bytes)

        def read(data):
            write(data)
            with contextlib.suppress(ValueError):
                target.read()

        longest = f"-max_len={2 * len(target.valid)}"
        atheris.Setup([*sys.argv, longest, "-timeout=10", str(corpus)], read)
        atheris.Fuzz()


if __name__ == "__main__":
    main()

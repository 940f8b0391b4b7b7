"""Run the Keras scripts beside this file: as they are, in Keras, and in pylenet, imports changed.

    python run.py                         all, in pylenet
    python run.py --with pylenet keras    in both, where Keras and a back end for it are installed
    python run.py generator callbacks     these alone
    python run.py --seeds 5               so often, with the seeds from 0

All that is changed of a script is that its lines "import keras" and "from keras..." say pylenet. It
prints each script's accuracy on 2,000 test digits, least, mean and most of the seeds. Keras is
given the MNIST that pylenet finds.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
SCRIPTS = sorted(path.stem for path in HERE.glob("*.py") if path.stem != "run")


def with_pylenet(text):
    """A script whose import lines say pylenet in place of keras."""
    text = re.sub(r"^import keras$", "import pylenet as keras", text, flags=re.MULTILINE)
    return re.sub(r"^from keras\b", "from pylenet", text, flags=re.MULTILINE)


def accuracy(name, library, seed):
    """The accuracy that the script of this name ends with. Runs in the current folder."""
    text = (HERE / f"{name}.py").read_text(encoding="utf-8")
    if library == "pylenet":
        text = with_pylenet(text)
        from pylenet.utils import set_random_seed
    else:
        from keras.datasets import mnist
        from keras.utils import set_random_seed

        from pylenet.datasets.mnist import load_data

        mnist.load_data = load_data
    set_random_seed(seed)
    names = {"__name__": "__main__"}
    exec(compile(text, f"{name}.py", "exec"), names)
    return float(names["accuracy"])


def run_all(names, library, seeds):
    """One process's part: a line for each script, with the accuracy of each seed."""
    for name in names:
        started = time.perf_counter()
        found = [accuracy(name, library, seed) for seed in range(seeds)]
        took = (time.perf_counter() - started) / seeds
        print(name, f"{took:.1f}", *(f"{value:.4f}" for value in found), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(SCRIPTS)}")
    parser.add_argument("--with", dest="libraries", nargs="+", default=["pylenet"])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--inside", help=argparse.SUPPRESS)  # the process of one library
    options = parser.parse_args()
    names = options.names or SCRIPTS
    if unknown := set(names) - set(SCRIPTS):
        parser.error(f"there is no script {min(unknown)!r}")
    if options.inside:
        run_all(names, options.inside, options.seeds)
        return 0
    print(f"{'script':22} {'library':8} {'least':>6} {'mean':>6} {'most':>6} {'seconds':>8}")
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for library in options.libraries:
            command = [sys.executable, str(HERE / "run.py"), *names, "--inside", library]
            done = subprocess.Popen(
                [*command, "--seeds", str(options.seeds)],
                stdout=subprocess.PIPE,
                text=True,
                cwd=folder,
            )
            for line in done.stdout:
                name, took, *found = line.split()
                values = [float(value) for value in found]
                mean = sum(values) / len(values)
                row = f"{min(values):6.4f} {mean:6.4f} {max(values):6.4f} {took:>8}"
                print(f"{name:22} {library:8} {row}", flush=True)
            failed |= done.wait()
    return failed


if __name__ == "__main__":
    sys.exit(main())

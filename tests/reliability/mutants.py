"""Small realistic bugs, put into the sources one at a time: which of them does the suite catch?

    pip install cmake ninja pybind11 ".[test]"
    python tests/reliability/mutants.py [--topic kernels] [--numbers 3 8] [--folder FOLDER]

Each bug is a text of one file, which must stand there exactly once, and what takes its place, in a
copy of the repository. That is built without AVX2, whose kernels are AVX-512's with
other tiles, and tested until a test fails: first by those likeliest to, then by
`pytest -m quick`, then by all. Prints, for each bug, which test that was. Exit code 1 where one was
let through, 2 where a text no longer stands in its file: then that bug is to be written anew.
"""

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from mutants_list import TOPICS

ROOT = Path(__file__).parents[2]
SECONDS = 1200  # for one run of tests; a bug that makes it longer is caught


class Copy:
    """The repository in a folder of its own, built there."""

    def __init__(self, folder, baseline):
        self.folder, self._build = folder / "pylenet", folder / "build"
        files = subprocess.run(
            ["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True
        )
        for name in files.stdout.split("\n")[:-1]:
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, self.folder / name)
        path = self.folder / "csrc" / "CMakeLists.txt"
        text = re.sub("-O[23]", "-O1", path.read_text())  # quicker, and changes no bit
        path.write_text(text)
        launcher = shutil.which("ccache")
        self._run(
            *("cmake", "-G", "Ninja", "-S", self.folder, "-B", self._build),
            "-DCMAKE_BUILD_TYPE=Release",
            f"-DPYLENET_ISAS={'baseline' if baseline else 'avx512;avx512vnni'}",
            f"-DPython_EXECUTABLE={sys.executable}",
            f"-Dpybind11_DIR={self._run(sys.executable, '-m', 'pybind11', '--cmakedir').strip()}",
            f"-DSKBUILD_PROJECT_VERSION={self._version()}",
            *([f"-DCMAKE_CXX_COMPILER_LAUNCHER={launcher}"] if launcher else []),
        )

    def build(self):
        """Compile what has changed. Returns whether it compiles."""
        done = subprocess.run(["cmake", "--build", self._build], capture_output=True, text=True)
        for module in (self._build / "csrc").glob("_core*.so"):
            (self.folder / "pylenet" / module.name).unlink(missing_ok=True)
            shutil.copy2(module, self.folder / "pylenet")
        return done.returncode == 0

    def test(self, *arguments):
        """The first test that fails, or None; by its name, or how the run ended."""
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *arguments]
        link = self._build / "link"
        link.mkdir(exist_ok=True)
        if not (link / "pylenet").exists():
            (link / "pylenet").symlink_to(self.folder / "pylenet")
        env = os.environ | {"PYTHONPATH": str(link), "PYTHONDONTWRITEBYTECODE": "1"}
        try:
            done = subprocess.run(
                command, cwd=self.folder, env=env, capture_output=True, text=True, timeout=SECONDS
            )
        except subprocess.TimeoutExpired:
            return f"no end within {SECONDS} s"
        if done.returncode == 0:
            return None
        if done.returncode > 1:
            raise SystemExit(f"pytest {shlex.join(arguments)}:\n{done.stdout}{done.stderr}")
        failed = re.search(r"^(?:FAILED|ERROR) (\S+)", done.stdout, re.M)
        return failed[1] if failed else f"signal {-done.returncode}"

    def _run(self, *command):
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout

    def _version(self):
        return re.search(r'^version = "(.*)"', (ROOT / "pyproject.toml").read_text(), re.M)[1]


def caught_by(copy, mutant, runs):
    """What catches the bug, or None."""
    path = copy.folder / mutant.file
    text = path.read_text()
    path.write_text(text.replace(mutant.old, mutant.new))
    try:
        if not copy.build():
            raise SystemExit(f"{mutant.file}: does not compile with {mutant.new!r}")
        every = [shlex.split(mutant.tests), ["-m", "quick"], []]
        return next(filter(None, (copy.test(*arguments) for arguments in every[:runs])), None)
    finally:
        path.write_text(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--topic", choices=TOPICS, action="append", help="default: all")
    parser.add_argument("--numbers", type=int, nargs="+", help="of the topic's bugs; default: all")
    parser.add_argument(
        "--runs",
        type=int,
        choices=(1, 2, 3),
        default=3,
        help="1: the likeliest tests alone; 2: then the quick ones; 3: then all (default)",
    )
    parser.add_argument(
        "--baseline", action="store_true", help="without AVX-512 as well: twice as fast"
    )
    parser.add_argument("--folder", type=Path, help="for the copy; default: a temporary one")
    options = parser.parse_args()
    chosen = [
        (topic, number, mutant)
        for topic in options.topic or TOPICS
        for number, mutant in enumerate(TOPICS[topic], 1)
        if not options.numbers or number in options.numbers
    ]
    stale = 0
    for topic, number, mutant in chosen:
        count = (ROOT / mutant.file).read_text().count(mutant.old)
        if count != 1 or mutant.old == mutant.new:
            stale += 1
            print(f"{topic} {number}: {mutant.old!r} stands {count} times in {mutant.file}")
    if stale:
        return 2
    with tempfile.TemporaryDirectory() as temporary:
        copy = Copy(options.folder or Path(temporary), options.baseline)
        if not copy.build():
            raise SystemExit("the sources do not compile")
        through = []
        for topic, number, mutant in chosen:
            began = time.perf_counter()
            by = caught_by(copy, mutant, options.runs)
            seconds = time.perf_counter() - began
            told = f"caught by {by}" if by else "LET THROUGH"
            print(f"{topic} {number}, {mutant.file}: {told} ({seconds:.0f} s)", flush=True)
            if not by:
                through.append(f"{topic} {number}, {mutant.file}: {mutant.old!r} -> {mutant.new!r}")
    print(f"{len(chosen) - len(through)} of {len(chosen)} caught", *through, sep="\n")
    return int(bool(through))


if __name__ == "__main__":
    sys.exit(main())

"""pylenet beside its peers: the same work, data, weights and threads, in processes that take turns.

    pip install ".[bench]" && python bench/peers.py
    python bench/peers.py --work to-99 --peers torch
    python bench/peers.py --work 1998 --peers torch

Each peer is optional. First, every peer must compute what pylenet computes: some steps of training
from equal weights (losses to 1e-4 relative, weights to 1e-4), probabilities to 1e-5; a peer that
does not is not timed. Then each round starts a process for each library, pinned to the same
processors, and these take turns at each work. Prints medians, spreads and the medians of the
rounds' ratios, and writes JSON and a chart. A peer's pixels are scaled and in its own layout before
the clock starts; pylenet is given raw bytes. Building, compiling and warming up are not timed.

Kinds of work: `train` by plain SGD and `inference`, both measured unless --work says otherwise;
`to-99`, from nothing to 99 % on MNIST by `pylenet train --recipe fast` (pylenet's time is that of
the whole process, PyTorch's that of training alone by the same recipe); `1998`, LeNet-5 of 1998,
one image a step at rates of its own for each weight (pylenet's time includes its share of the
Hessian that these come from, PyTorch's does not).
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import sys
import tempfile
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from _data import write
from _measure import Run
from _peers import PEERS, PYLENET, Library
from _peers.base import LEARNING_RATE
from _report import panels, results, table
from _session import PeerFailed, available, environment, processors
from _work import KINDS, works
from pylenet.benchmark.chart import draw
from pylenet.benchmark.machine import load, machine
from pylenet.benchmark.measurement import middle
from pylenet.benchmark.subjects import EPOCH, LENETS, NETWORKS

FOLDER = Path("pylenet-out")
DEFAULT = "default %(default)s"
USUAL: dict[str, Any] = {
    "rounds": 5,
    "seconds": 4.0,
    "forms": list(LENETS),
    "work": ["train", "inference"],
    "batch_sizes": [128, 32, 1],
    "inference_batch_sizes": [1, 128, 10_000],
}
QUICK: dict[str, Any] = {
    "rounds": 1,
    "seconds": 0.1,
    "forms": ["modern"],
    "batch_sizes": [128],
    "inference_batch_sizes": [1, 128],
}
MOST_TRAINING, MOST_INFERENCE = EPOCH // 10, 100_000  # the check needs ten batches


def main() -> int:
    args = parsed_arguments()
    libraries, absent = chosen_libraries(args)
    for path in (args.json, args.chart):
        path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        where = machine()
        sizes = args.batch_sizes, args.inference_batch_sizes
        plan = works(args.work, args.forms, *sizes, args.threads)
        data = write(Path(folder), args.data, dict.fromkeys(work.form for work in plan))
        run = Run(libraries, plan, Path(folder), args.seconds)
        print(load(where))
        print(f"{data}; processors {processors(args.threads)}; first, do all compute the same?")
        try:
            run.check()
            run.time(args.rounds)
            run.weigh()
        except PeerFailed as failure:
            print(failure, file=sys.stderr)
            return 1
    found = {"when": datetime.now(timezone.utc).isoformat(timespec="seconds"), "machine": where}
    found |= {"settings": settings(args, data), "absent": absent, "dropped": run.dropped}
    found |= results(run)
    print(table(found))
    dropped = [f"{PEERS[name].label}: {reason}" for name, reason in run.dropped.items()]
    for reason in (*absent.values(), *dropped):
        print(f"left out: {reason}")
    args.json.write_text(json.dumps(found, indent=1) + "\n")
    print(f"\nwrote {args.json}")
    chart(args, found)
    return 1 if run.dropped else 0


def parsed_arguments() -> argparse.Namespace:
    cores = len(available())
    description, _, more = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(
        description=description,
        epilog=more,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(**USUAL)
    add = parser.add_argument
    add("--rounds", type=number(int, "a whole number", 1, 1000), help=DEFAULT)
    help_ = f"for all but predicting one image, and 1998, which have one thread; {DEFAULT}, all"
    add("--threads", type=number(int, "a whole number", 1, cores), default=cores, help=help_)
    train = number(int, "a whole number", 1, MOST_TRAINING)
    add("--batch-sizes", type=train, nargs="+", metavar="N", help=f"for training; {DEFAULT}")
    inference = number(int, "a whole number", 1, MOST_INFERENCE)
    add("--inference-batch-sizes", type=inference, nargs="+", metavar="N", help=DEFAULT)
    names = [name for name, peer in PEERS.items() if peer.by_default]
    help_ = f"default: those of {' '.join(names)} that are installed; none given: pylenet alone"
    add("--peers", nargs="*", choices=PEERS, metavar="PEER", help=f"of {' '.join(PEERS)}; {help_}")
    add("--forms", nargs="+", choices=LENETS, help=f"of LeNet; {DEFAULT}")
    help_ = f"what to measure instead of LeNet: of {' '.join(NETWORKS)}"
    add("--network", nargs="+", choices=list(NETWORKS), metavar="NAME", help=help_)
    add("--work", nargs="+", choices=KINDS, metavar="KIND", help=f"of {' '.join(KINDS)}; {DEFAULT}")
    add("--data", choices=("mnist", "synthetic"), default="mnist", help=DEFAULT)
    help_ = f"what takes longer is timed on a share of the epoch and scaled; {DEFAULT}"
    add("--seconds", type=number(float, "seconds", 0.01, 3600), help=help_)
    add("--json", type=Path, default=FOLDER / "peers.json", metavar="FILE", help=DEFAULT)
    help_ = "two files, .png and .svg; default pylenet-out/peers"
    add("--chart", type=Path, metavar="STEM", help=help_)
    add("--quick", action="store_true", help="a smoke run: one round, one form, little work")
    args = parser.parse_args()
    if args.quick:
        parser.set_defaults(**QUICK)
        args = parser.parse_args()
    if args.network:
        own = [args.forms if name == "lenet" else NETWORKS[name] for name in args.network]
        args.forms = list(dict.fromkeys(form for forms in own for form in forms))
    if args.chart and not importlib.util.find_spec("matplotlib"):
        parser.error("--chart needs matplotlib: pip install matplotlib")
    if "to-99" in args.work and args.data != "mnist":
        parser.error("--work to-99 needs --data mnist")
    stem = args.chart or FOLDER / "peers"
    args.chart = stem.with_suffix("") if stem.suffix in (".png", ".svg") else stem
    return args


def number(kind: type[int] | type[float], what: str, least: float, most: float) -> Any:
    """A parser of numbers from least to most."""

    def parse(text: str) -> Any:
        try:
            value = kind(text)
        except ValueError:
            value = math.nan
        if least <= value <= most:
            return value
        message = f"expected {what} from {least} to {most}, got {text!r}"
        raise argparse.ArgumentTypeError(message)

    return parse


def chosen_libraries(args: argparse.Namespace) -> tuple[list[Library], dict[str, str]]:
    """pylenet and the peers to be measured, and what must be said of those that are missing."""
    asked = PEERS if args.peers is None else dict.fromkeys(args.peers)
    libraries, absent = [PYLENET], {}
    for name in asked:
        peer = PEERS[name]
        if args.peers is None and not peer.by_default:
            continue
        if peer.missing():
            hint = f"pip install {peer.install}"
            absent[name] = f"{peer.label} is not installed: {hint}"
            print(absent[name])
        else:
            libraries.append(peer)
    if args.peers and absent:
        raise SystemExit("asked for with --peers, but not installed: " + ", ".join(absent))
    return libraries, absent


def settings(args: argparse.Namespace, data: str) -> dict[str, Any]:
    left_out = ("peers", "json", "chart")
    return {name: value for name, value in vars(args).items() if name not in left_out} | {
        "data": data,
        "learning_rate": LEARNING_RATE,
        "processors": processors(args.threads),
        "environment": environment(args.threads),
    }


def chart(args: argparse.Namespace, found: dict[str, Any]) -> None:
    if not importlib.util.find_spec("matplotlib"):
        print("no chart: pip install matplotlib")
        return
    where, rounds = found["machine"], found["settings"]["rounds"]
    caption = (
        f"{found['settings']['data']}; {where['cpu']}, pylenet with "
        f"{where['pylenet']['ISA active']}; {middle(rounds)}, lowest and highest of {rounds}; "
        "in brackets the ratio of times, peer to pylenet"
    )
    labels = {name: library["label"] for name, library in found["libraries"].items()}
    files = [args.chart.with_name(f"{args.chart.name}.{ending}") for ending in ("png", "svg")]
    draw(panels(found), labels, caption, files)
    for path in files:
        print(f"wrote {path}")


if __name__ == "__main__":
    sys.exit(main())

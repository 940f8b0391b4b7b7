"""The commands."""

from __future__ import annotations

import argparse
import sys
from typing import NoReturn

from .. import _core
from . import _bench, _draw, _evaluate, _export, _info, _predict, _quantize, _summary, _train
from ._options import Parser

COMMANDS = (_train, _evaluate, _predict, _quantize, _export, _draw, _summary, _bench, _info)
EPILOG = (
    "Exit code: 0 on success, 2 after an error (one line on stderr), 130 when interrupted. "
    "`pylenet COMMAND --help` tells a command's options."
)


def parser() -> argparse.ArgumentParser:
    """The parser; what it returns has `run`, the command's function of the options."""
    top = Parser(
        prog="pylenet",
        description="Train and run LeNets on MNIST, on the CPU.",
        epilog=EPILOG,
    )
    top.add_argument("--version", action="version", version=f"pylenet {_core.__version__}")
    top.set_defaults(run=lambda _: _no_command(top))
    commands = top.add_subparsers(title="commands", metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    return top


def _no_command(top: argparse.ArgumentParser) -> NoReturn:
    top.print_help(sys.stderr)
    sys.exit(2)

"""Models written for other programs: see Sequential.export."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import _check, _files, convert

if TYPE_CHECKING:
    from ..models import Sequential

ENDINGS = {"c": (".c",), "onnx": (".onnx",), "torch": (".pt", ".pth", ".safetensors", ".py")}


def export(
    model: Sequential,
    filepath: str | os.PathLike[str],
    format: str | None,
    test_images: Any = None,
) -> None:
    """See Sequential.export."""
    if not isinstance(filepath, (str, os.PathLike)):
        raise TypeError(f"filepath must be a str or os.PathLike, got {filepath!r}")
    path = Path(filepath)
    form = _format(path, format)
    if form == "c":
        from .c import export

        export(model, path, test_images)
        return
    if test_images is not None:
        raise ValueError(f"test_images must be None but for C, whose self-test has them: {path}")
    if path.suffix == ".py":
        from ._torch_source import source_of

        data = source_of(model).encode()
    elif path.suffix == ".safetensors":
        from .torch import safetensors_bytes

        data = safetensors_bytes(model)
    else:
        module = convert.writer(path, "model" if form == "onnx" else "weights")
        data = module.model_bytes(model) if form == "onnx" else module.weights_bytes(model)
    _files.write_whole(path, data)


def _format(path: Path, format: str | None) -> str:
    fitting = [name for name, endings in ENDINGS.items() if path.suffix in endings]
    if format is None:
        if not fitting or path.suffix == ".safetensors":
            raise ValueError(
                f'filepath must end in .c, .onnx, .pt, .pth or .py unless format is "torch", got '
                f"{str(path)!r}"
            )
        return fitting[0]
    chosen = _check.one_of("format", format, tuple(ENDINGS))
    if chosen not in fitting:
        raise ValueError(
            f"filepath must end in {' or '.join(ENDINGS[chosen])} for format={chosen!r}, got "
            f"{str(path)!r}"
        )
    return chosen

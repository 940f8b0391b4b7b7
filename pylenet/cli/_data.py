"""The data set that --data names."""

from pathlib import Path

from ..datasets import fashion_mnist, load_folder, mnist
from ..datasets._load import Arrays

KNOWN = {"mnist": mnist.load_data, "fashion_mnist": fashion_mnist.load_data}


def load(data: str, size: tuple[int, ...], classes: int) -> Arrays:
    """A data set by name or folder: uint8 images of `size` (height, width), labels below `classes`.

    Raises ValueError for other images or labels, and what the loaders in `datasets` raise.
    """
    if data in KNOWN:
        arrays = KNOWN[data]()
    else:
        folder = Path(data).expanduser()
        if not folder.is_dir():
            raise FileNotFoundError(f"--data must be {', '.join(KNOWN)} or a folder, got {data!r}")
        arrays = load_folder(folder)
    (x_train, y_train), (_, y_test) = arrays
    if x_train.shape[1:] != size:
        raise ValueError(f"--data must hold images of {size} pixels, got {x_train.shape[1:]}")
    highest = max(y_train.max(), y_test.max())
    if highest >= classes:
        raise ValueError(f"--data must hold labels below {classes}, got {highest}")
    return arrays

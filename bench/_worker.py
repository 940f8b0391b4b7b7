"""A library's own process: reads a request a line, in JSON, and answers each with a line.

    python _worker.py LIBRARY THREADS PROCESSORS FOLDER

It pins itself to PROCESSORS (as 0,1) before anything that starts threads is imported.
"""

import importlib
import json
import os
import resource
import sys
from itertools import cycle, islice
from pathlib import Path
from time import perf_counter
from typing import Any

PARITY_STEPS, STEPS_OF_1998 = 10, 100  # the latter are of one image
WARM_UP_STEPS = 10
MOST_TEST_BATCHES = 256
PROBE_STEPS, PROBE_IMAGES = 30, 500  # a short run has at least so many of both


def main() -> None:
    name, threads, processors, folder = sys.argv[1:]
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print must not get between the answers
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {int(p) for p in processors.split(",")})
    worker = Worker(name, int(threads), Path(folder))
    print(json.dumps(worker.about), file=answers)
    for line in sys.stdin:
        request = json.loads(line)
        print(json.dumps(getattr(worker, request.pop("action"))(**request)), file=answers)


class Worker:
    """The actions that a request can name. Times are in seconds."""

    def __init__(self, name: str, threads: int, folder: Path) -> None:
        from _peers import LIBRARIES

        library = LIBRARIES[name]
        importlib.import_module("numpy")
        started = perf_counter()
        importlib.import_module(library.packages[0])
        import_seconds = perf_counter() - started
        self.peer = library.load()(threads)
        self.folder = folder
        self.about = {
            "versions": self.peer.versions(),
            "import_seconds": import_seconds,
            "ways": self.peer.ways,
        }

    def check_train(self, form: str, batch_size: int, way: str, out: str) -> dict[str, float]:
        """Writes some steps, called one by one and at once, to `out`; then times a short run."""
        import numpy as np

        from _data import noisy, save

        steps = STEPS_OF_1998 if form == "1998" else PARITY_STEPS
        x, y, count = self._images("x", form), self._array("y"), steps * batch_size
        checked = x[:count] if form == "1998" else noisy(x[:count])
        started = perf_counter()
        trainer = self.peer.trainer(way, form, batch_size)
        trainer.set_weights(self._weights(form, "initial"))
        losses = []
        for start in range(0, count, batch_size):
            part = slice(start, start + batch_size)
            losses.append(trainer.train(trainer.prepare(checked[part], y[part])))
        one_by_one = trainer.weights()
        trainer.set_weights(self._weights(form, "initial"))
        mean = trainer.train(trainer.prepare(checked, y[:count]))
        warm_up = perf_counter() - started
        results = [np.array(losses), np.array(mean), *one_by_one, *trainer.weights()]
        save(self.folder / out, results)
        steps = max(PROBE_STEPS, PROBE_IMAGES // batch_size)
        images = min(steps, len(x) // batch_size) * batch_size
        data = trainer.prepare(x[:images], y[:images])
        seconds = min(self._timed_training(trainer, data) for _ in range(2))
        return {"warm_up_seconds": warm_up, "seconds_per_image": seconds / images}

    def time_train(self, form: str, batch_size: int, way: str, images: int) -> dict[str, float]:
        """The seconds of `images` images in whole batches, from the initial weights."""
        x, y, few = self._images("x", form), self._array("y"), WARM_UP_STEPS * batch_size
        started = perf_counter()
        trainer = self.peer.trainer(way, form, batch_size)
        trainer.set_weights(self._weights(form, "initial"))
        trainer.train(trainer.prepare(x[:few], y[:few]))
        warm_up = perf_counter() - started
        data = trainer.prepare(x[:images], y[:images])
        trainer.set_weights(self._weights(form, "initial"))
        seconds = self._timed_training(trainer, data)
        return {"warm_up_seconds": warm_up, "seconds": seconds, "images": images}

    def check_inference(self, form: str, batch_size: int, way: str, out: str) -> dict[str, float]:
        """Writes the probabilities of one batch to `out`; then times a few calls."""
        import numpy as np

        from _data import save

        started = perf_counter()
        predictor = self.peer.predictor(way, form, batch_size, self._weights(form, "trained"))
        batches = [predictor.prepare(x) for x in self._test_batches(form, batch_size)]
        predictor.predict(batches[0])
        warm_up = perf_counter() - started
        save(self.folder / out, [np.array(predictor.predict(b)) for b in batches])
        calls = max(2, PROBE_IMAGES // batch_size)
        seconds = min(self._timed_calls(predictor, batches, calls) for _ in range(3))
        return {"warm_up_seconds": warm_up, "seconds_per_image": seconds / calls / batch_size}

    def time_inference(self, form: str, batch_size: int, way: str, images: int) -> dict[str, float]:
        """The seconds of calls for `images` images in all, after a fifth as many for warming up."""
        calls = images // batch_size
        started = perf_counter()
        predictor = self.peer.predictor(way, form, batch_size, self._weights(form, "trained"))
        batches = [predictor.prepare(x) for x in self._test_batches(form, batch_size)]
        self._timed_calls(predictor, batches, -(-calls // 5))
        warm_up = perf_counter() - started
        seconds = self._timed_calls(predictor, batches, calls)
        return {"warm_up_seconds": warm_up, "seconds": seconds, "images": calls * batch_size}

    def time_to_99(self, form: str, batch_size: int, way: str, seed: int) -> dict[str, float]:
        """The seconds of a training by the recipe, and the accuracy on MNIST's test images."""
        seconds, accuracy = self.peer.train_to_99(seed)
        return {"seconds": seconds, "accuracy": accuracy}

    def peak_memory(self) -> dict[str, int]:
        """Bytes that were resident at most, of this process alone."""
        try:
            status = Path("/proc/self/status").read_text()
            return {"bytes": int(status.split("VmHWM:")[1].split()[0]) * 1024}
        except (OSError, IndexError):
            unit = 1 if sys.platform == "darwin" else 1024
            return {"bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit}

    def _timed_training(self, trainer: Any, data: Any) -> float:
        started = perf_counter()
        trainer.train(data)
        return perf_counter() - started

    def _timed_calls(self, predictor: Any, batches: list[Any], calls: int) -> float:
        predict = predictor.predict
        started = perf_counter()
        for batch in islice(cycle(batches), calls):
            predict(batch)
        return perf_counter() - started

    def _test_batches(self, form: str, batch_size: int) -> list[Any]:
        """Test images in whole batches, repeated where one batch needs more than there are."""
        import numpy as np

        x = self._images("x_test", form)
        count = max(1, min(len(x) // batch_size, MOST_TEST_BATCHES))
        return list(np.resize(x, (count, batch_size, *x.shape[1:])))

    def _images(self, stem: str, form: str) -> Any:
        own = f"{stem}-{form}"
        return self._array(own if (self.folder / f"{own}.npy").exists() else stem)

    def _array(self, stem: str) -> Any:
        import numpy as np

        return np.load(self.folder / f"{stem}.npy")

    def _weights(self, form: str, stage: str) -> Any:
        from _data import load

        return load(self.folder / f"{form}-{stage}.npz")


if __name__ == "__main__":
    main()

"""One model in several Python threads: right results or a clear error, and the GIL let go."""

import copy
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from nets import LENETS, compiled, digits, state
from tolerance import assert_same_bits

import pylenet
from pylenet import _core, callbacks
from pylenet.augmentation import RandomAffine
from pylenet.models import load_model


class Fitting:
    """A fit that another thread runs until the block ends; `model` is in training inside it."""

    def __init__(self, model, x, y, batch_size=64):
        self.model, self.errors = model, []
        self._begun = threading.Event()
        begun = callbacks.Callback()
        begun.on_epoch_begin = lambda epoch, logs=None: self._begun.set()
        self._thread = threading.Thread(target=self._fit, args=(x, y, batch_size, begun))

    def _fit(self, x, y, batch_size, begun):
        try:
            self.model.fit(x, y, batch_size, 10**6, 0, begun)
        except Exception as error:
            self.errors.append(error)
        self._begun.set()

    def __enter__(self):
        self._thread.start()
        self._begun.wait()
        return self

    def __exit__(self, *exception):
        self.model.stop_training = True
        self._thread.join()
        assert self.errors == []


@pytest.fixture
def trained(threads):
    model = compiled(LENETS["modern"], "adam")
    return model, *digits(256)


def test_a_second_fit_of_a_model_in_training_is_a_clear_error(trained):
    model, x, y = trained
    with Fitting(model, x, y):
        for use in (lambda: model.fit(x, y, verbose=0), lambda: model.train_on_batch(x, y)):
            with pytest.raises(RuntimeError, match="'lenet5_modern' is being trained by another"):
                use()
        copy.deepcopy(model).fit(x, y, verbose=0)
    steps = model.optimizer.iterations
    model.fit(x, y, 64, verbose=0)
    assert model.optimizer.iterations == steps + 4


def test_a_callback_may_train_its_own_model(trained):
    model, x, y = trained
    extra = callbacks.Callback()
    extra.on_epoch_end = lambda epoch, logs=None: model.train_on_batch(x, y)
    model.fit(x, y, 64, 3, 0, extra)
    assert model.optimizer.iterations == 3 * 5


@pytest.fixture
def alike(threads):
    """A model all whose weights are one number after each step, which differs from step to step.

    One image a step: the weights are written a good part of the time. So small a rate that they
    move on for millions of steps.
    """
    model = pylenet.Sequential([pylenet.layers.Dense(64, input_shape=(512,))])
    model.compile(pylenet.optimizers.SGD(1e-9), "mse", metrics=["accuracy"])
    model.set_weights([np.zeros((512, 64)), np.zeros(64)])
    return model, np.ones((64, 512), np.float32), np.full((64, 64), -1, np.float32)


def assert_alike(weights):
    assert len(np.unique(np.concatenate([w.ravel() for w in weights]))) == 1


def test_what_is_read_during_a_fit_is_of_the_weights_after_a_whole_step(alike, tmp_path):
    model, x, y = alike
    many = [np.broadcast_to(a[:1], (4096, a.shape[1])) for a in (x, y)]
    with Fitting(model, x, y, 1):
        for _ in range(30):
            assert_alike(model.get_weights())
            assert len(np.unique(model.predict(x))) == 1
            assert len(np.unique(model.predict(x[:1]))) == 1
            # The first output shrinks first: it is the largest only where all are alike.
            assert model.evaluate(*many)[1] == 1
            model.save(tmp_path / "m")
            assert_alike(load_model(tmp_path / "m").get_weights())
    assert model.get_weights()[1][0] < 0


def test_weights_set_during_a_fit_are_set_whole(alike):
    model, x, y = alike

    def write(k):
        for n in range(k, 800, 8):
            model.set_weights([np.full((512, 64), 1e-9 * n), np.full(64, 1e-9 * n)])

    with Fitting(model, x, y, 1):
        writers = [threading.Thread(target=write, args=(k,)) for k in range(8)]
        for writer in writers:
            writer.start()
        while any(writer.is_alive() for writer in writers):
            assert_alike(model.get_weights())


def test_other_threads_predict_evaluate_and_save_while_a_model_trains(trained, tmp_path):
    model, x, y = trained
    loop = []

    def work(k):
        for _ in range(4):
            assert np.isfinite(model.predict(x[: 1 + 40 * k])).all()
            assert np.isfinite(model.evaluate(x, y))
            model.save(tmp_path / f"m{k}")
            load_model(tmp_path / f"m{k}")
            loop.append(k)

    with Fitting(model, x, y):
        workers = [threading.Thread(target=work, args=(k,)) for k in range(3)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    assert len(loop) == 12


def test_predictions_do_not_keep_a_fit_waiting(trained):
    """Four threads, so that there is always one inside: they end when a minute was not enough."""
    model, x, y = trained
    end, starved = threading.Event(), []

    def predict():
        while not end.is_set():
            model.predict(x)

    def give_up():
        starved.append(True)
        end.set()

    patience = threading.Timer(60, give_up)
    patience.start()
    workers = [threading.Thread(target=predict) for _ in range(4)]
    for worker in workers:
        worker.start()
    model.fit(x, y, 64, 5, 0)
    patience.cancel()
    end.set()
    for worker in workers:
        worker.join()
    assert not starved


@pytest.fixture
def long_read():
    """A model of all zeros, and a function that predicts on it in one call of some 0.5 s."""
    model = pylenet.Sequential([pylenet.layers.Dense(64, input_shape=(512,))])
    zeros = [np.zeros((512, 64)), np.zeros(64)]
    model.set_weights(zeros)
    image = np.ones((1, 512), np.float32)
    n, seconds = 1024, 0.0
    while seconds < 0.5:
        n *= 2
        x, y = np.broadcast_to(image, (n, 512)), np.empty((n, 64), np.float32)
        began = time.perf_counter()
        model.network.predict(y, model.parameters, x, 1)
        seconds = time.perf_counter() - began
    return model, zeros, lambda: model.network.predict(y, model.parameters, x, 1)


@pytest.mark.parametrize("images", [1, 1000], ids=["short", "long"])
def test_a_read_that_comes_while_a_writer_waits_goes_after_it(images, long_read):
    """Else readers that keep coming would keep the writer out for ever."""
    model, zeros, read = long_read
    x = np.ones((images, 512), np.float32)
    for _ in range(10):  # a busy machine may run the threads late
        model.set_weights(zeros)
        reader = threading.Thread(target=read)
        writer = threading.Thread(target=model.set_weights, args=([w + 1 for w in zeros],))
        reader.start()
        time.sleep(0.05)
        writer.start()
        time.sleep(0.05)
        still_reading = reader.is_alive()
        seen = model.predict(x)
        reader.join()
        writer.join()
        assert len(np.unique(seen)) == 1
        if still_reading and seen[0, 0] == 513:
            return
    pytest.fail("in ten tries no prediction saw what a writer before it had waited to write")


def test_weights_are_not_set_while_a_call_reads_them():
    """They are written when it has ended, not while it computes with those before."""
    model = pylenet.Sequential([pylenet.layers.Dense(64, input_shape=(512,))])
    zeros = [np.zeros((512, 64)), np.zeros(64)]
    model.set_weights(zeros)
    x, y = np.broadcast_to(np.float32(1), (100_000, 512)), np.ones((100_000, 64), np.float32)
    threads = 1
    reader = threading.Thread(target=model.network.predict, args=(y, model.parameters, x, threads))
    reader.start()
    while y[0, 0] == 1:  # until it has begun
        time.sleep(0)
    model.set_weights([w + 1 for w in zeros])
    reader.join()
    assert not y.any()
    assert (model.predict(x[:1]) == 513).all()


def test_weights_are_set_while_readers_keep_coming(trained):
    """Four threads, so that there is always one inside: each ends after a thousand calls."""
    model, x, _ = trained
    calls, end = [], threading.Event()

    def predict():
        for _ in range(1000):
            if end.is_set():
                break
            model.predict(x)
            calls.append(1)

    workers = [threading.Thread(target=predict) for _ in range(4)]
    for worker in workers:
        worker.start()
    weights = model.get_weights()
    for _ in range(5):
        model.set_weights(weights)
    end.set()
    for worker in workers:
        worker.join()
    assert len(calls) < 2000


class Watched:
    """In place of C++'s networks: how often another thread got on inside each call of them."""

    real, progress, gained = _core.Network, [], []

    def __init__(self, *arguments, **named):
        self._network = self.real(*arguments, **named)

    def __getattr__(self, name):
        found = getattr(self._network, name)
        if not callable(found):
            return found

        def call(*arguments, **named):
            before = len(self.progress)
            result = found(*arguments, **named)
            self.gained.append(len(self.progress) - before)
            return result

        return call


X, Y = digits(1024)
KERNEL, GRADIENT = np.ones((5, 5, 1, 6), np.float32), np.ones((1024, 24, 24, 6), np.float32)
USES = {
    "fit": lambda model: model.fit(X, Y, 1024, verbose=0),
    "evaluate": lambda model: model.evaluate(X, Y),
    "predict": lambda model: model.predict(X),
    "conv2d": lambda model: pylenet.ops.conv2d(X[..., None], KERNEL),
    "conv2d_backward": lambda model: pylenet.ops.conv2d_backward(GRADIENT, X[..., None], KERNEL),
    "distortion": lambda model: RandomAffine(rotation_factor=0.1)(X),
}


@contextmanager
def another_thread(monkeypatch):
    """Yields what a thread gains inside each call of C++: numpy lets go of the GIL as well.

    Python itself switches threads only when asked to, which here it practically never is.
    """
    monkeypatch.setattr(_core, "Network", Watched)
    monkeypatch.setattr(Watched, "progress", progress := [])
    monkeypatch.setattr(Watched, "gained", gained := [])
    end = threading.Event()

    def count():
        while not end.is_set():
            progress.append(1)
            time.sleep(0)

    worker = threading.Thread(target=count)
    interval = sys.getswitchinterval()
    worker.start()
    try:
        sys.setswitchinterval(1000)
        yield gained
    finally:
        sys.setswitchinterval(interval)
        end.set()
        worker.join()


@pytest.mark.parametrize("use", USES)
def test_other_threads_go_on_while_one_is_inside_c(use, threads, monkeypatch):
    with another_thread(monkeypatch) as gained:
        model = compiled(LENETS["modern"], "adam")
        for _ in range(100):  # a busy machine may not let the other thread run at once
            USES[use](model)
            if any(gained):
                break
    assert any(gained)


def test_sixteen_images_take_so_long_that_others_go_on_meanwhile(monkeypatch):
    with another_thread(monkeypatch) as gained:
        model = LENETS["modern"]()
        for _ in range(10_000):  # a busy machine may not let the other thread run at once
            model.predict(X[:16])
            if any(gained):
                break
    assert any(gained)


def test_predicting_one_image_takes_less_time_than_to_let_others_go_on(threads, monkeypatch):
    with another_thread(monkeypatch) as gained:
        model = LENETS["modern"]()
        for _ in range(1000):
            model.predict(X[:1])
            time.sleep(0)  # here they may
    assert len(gained) == 1000
    assert not any(gained)


def test_threads_that_serve_one_model_are_measured():
    script = Path(__file__).parents[1] / "reliability" / "serving.py"
    command = [sys.executable, str(script), "--seconds", "0.02", "--rounds", "1"]
    ran = subprocess.run(command, check=True, capture_output=True, text=True)
    assert len(ran.stdout.splitlines()) == 2 + 2 * 4


def test_the_bits_of_a_fit_do_not_depend_on_what_other_threads_read(threads_restored):
    pylenet.set_num_threads(2)
    x, y = digits(256)

    def train(model):
        model.fit(x, y, 64, 5, 0)
        return state(model)

    expected = train(compiled(LENETS["classic"], "adam"))
    model = compiled(LENETS["classic"], "adam")
    end = threading.Event()

    def read():
        while not end.is_set():
            model.predict(x[:40])
            model.get_weights()

    worker = threading.Thread(target=read)
    worker.start()
    found = train(model)
    end.set()
    worker.join()
    assert_same_bits(found, expected)

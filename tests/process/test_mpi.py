"""Ranks under mpirun: the bits of one process, callbacks, shared arrays, failures."""

import functools
import os
import signal
import time
from pathlib import Path

import pytest
import shared_training

import ranks

pytest.importorskip("mpi4py")

SUPPORT = Path(shared_training.__file__).parent
SMALL = """
x = np.arange(64 * 8 * 8, dtype=np.float32).reshape(64, 8, 8) % 7 / 7
y = np.arange(64) % 4
def small(rate=0.1):
    model = pylenet.Sequential([layers.Conv2D(3, 3, input_shape=(8, 8, 1)), layers.Flatten(),
                                layers.Dense(4, "softmax")])
    model.compile(pylenet.optimizers.SGD(rate), "sparse_categorical_crossentropy", ["accuracy"])
    return model
"""


@functools.cache
def alone():
    return shared_training.hashes()


# Bits


@pytest.mark.parametrize("nodes", [[1], [2], [3], [4], [7], [1, 1, 1], [2, 2], [2, 1]])
def test_ranks_have_the_bits_of_one_process(nodes, tmp_path):
    """Weights, history, evaluation, predictions. nodes: ranks that share memory, of each."""
    count = sum(nodes)
    code = f"""
world._connect(world._comm, {[size for size in nodes for _ in range(size)]}[world.rank])
sys.path.insert(0, {str(SUPPORT)!r})
import shared_training
tell([world.nodes, shared_training.hashes(world)])
"""
    found = ranks.told(count, code, tmp_path, PYLENET_NUM_THREADS=str(1 + count % 2))
    assert found == [[len(nodes), alone()]] * count


# Callbacks


def test_callbacks_run_on_rank_0_and_all_ranks_have_what_they_leave(tmp_path):
    code = f"""{SMALL}
class Own(callbacks.Callback):
    calls = 0
    def on_epoch_begin(self, epoch, logs=None):
        self.model.optimizer.learning_rate = 0.5 ** epoch
    def on_epoch_end(self, epoch, logs=None):
        Own.calls += 1
        logs["own"] = epoch + 0.5
        if epoch == 2:
            self.model.layers[-1].set_weights([np.full((108, 4), 7.0), np.zeros(4)])
            self.model.stop_training = True
model = small()
history = model.fit(x, y, epochs=9, callbacks=[Own()], verbose=1, distribute=world)
rate = float(model.optimizer.learning_rate)
tell([Own.calls, history.history["own"], rate, float(model.layers[-1].get_weights()[0].max())])
"""
    first, second = ranks.told(2, code, tmp_path)
    assert first == [3, [0.5, 1.5, 2.5], 0.25, 7.0]
    assert second == [0, *first[1:]]


def test_early_stopping_decides_once_and_gives_all_ranks_the_best_weights(tmp_path):
    code = f"""{SMALL}
model = small(3.0)
stop = callbacks.EarlyStopping(monitor="val_loss", patience=2, restore_best_weights=True)
history = model.fit(x, y, 16, 40, callbacks=[stop, callbacks.ModelCheckpoint("m.safetensors")],
                    validation_data=(x[::3], y[::3]), distribute=world)
losses = history.history["val_loss"]
tell([len(losses), model.evaluate(x[::3], y[::3])[0] == min(losses)])
"""
    found = ranks.told(3, code, tmp_path)
    assert found[0][0] < 40
    assert found == [[found[0][0], True]] * 3


def test_a_callback_with_a_batch_hook_sees_every_step_once(tmp_path):
    code = f"""{SMALL}
class Steps(callbacks.Callback):
    seen = 0
    def on_train_batch_end(self, batch, logs=None):
        Steps.seen += 1
        self.model.stop_training = Steps.seen == 6
model = small()
history = model.fit(x, y, 16, 3, callbacks=[Steps()], distribute=world)
tell([Steps.seen, int(model.optimizer.iterations)])
"""
    assert ranks.told(2, code, tmp_path) == [[6, 6], [0, 6]]


def test_only_rank_0_prints(tmp_path):
    code = f"""{SMALL}
model = small()
model.fit(x, y, epochs=2, verbose=2, distribute=world)
model.evaluate(x, y, verbose=2, distribute=world), model.predict(x, verbose=2, distribute=world)
"""
    (tmp_path / "script.py").write_text(ranks.BEGINNING + code)
    done = ranks.run(3, ["script.py"], tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Epoch 1/2") == done.stdout.count("Epoch 2/2") == 1
    assert len(done.stdout.splitlines()) == 4


# Data


def test_shared_arrays_are_loaded_once_and_lie_in_the_memory_of_the_node(tmp_path):
    code = """
calls = []
def load():
    calls.append(1)
    return {"x": np.arange(12.0).reshape(3, 4).T, "y": (np.arange(3, dtype=np.int8), "text")}
value = world.shared(load)
refused = 0
try:
    value["x"][0] = 1
except ValueError:
    refused = 1
world.gather(0)
if world.rank == 0:
    memory = np.frombuffer(world._windows[0].Shared_query(0)[0], np.float64, 1)
    memory[0] = 5
world.gather(0)
tell([len(calls), refused, value["x"][0].tolist(), value["y"][0].tolist(), value["y"][1]])
"""
    found = ranks.told(3, code, tmp_path)
    assert found == [[int(r == 0), 1, [5.0, 4.0, 8.0], [0, 1, 2], "text"] for r in range(3)]


def test_what_one_rank_cannot_load_ends_all(tmp_path):
    code = """
def load():
    raise FileNotFoundError("no such data")
try:
    world.shared(load)
except Exception as error:
    tell([type(error).__name__, str(error)])
"""
    first, second = ranks.told(2, code, tmp_path)
    assert first == ["FileNotFoundError", "no such data"]
    assert second == ["RankError", "rank 0 has failed: FileNotFoundError: no such data"]


# Failures


def test_what_ranks_cannot_do_together_is_an_error_on_all_and_they_can_go_on(tmp_path):
    code = f"""{SMALL}
found = []
def refused(**changed):
    try:
        model = small(changed.pop("rate", 0.1))
        arguments = dict(x=x, y=y, distribute=world) | changed
        model.fit(**arguments)
    except Exception as error:
        found.append(f"{{type(error).__name__}}: {{error}}")
class Broken(callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        raise OSError("disk full")
bad = x.copy()
bad[5] = np.nan
refused(batch_size=16 + world.rank)
refused(x=bad, shuffle=False)
refused(callbacks=[Broken()])
refused(x=[(x, y)], y=None)
refused(y=y[world.rank:])
refused(distribute="mpi")
tell([found, small().fit(x, y, distribute=world).history["loss"]])
"""
    found = ranks.told(3, code, tmp_path)
    assert found[0][1] == found[1][1] == found[2][1]
    for rank, (errors, _) in enumerate(found):
        different, not_finite, broken, batches, shorter, no_mpi = errors
        assert different == (
            "ValueError: all ranks must have the same batch_size, got 16 on rank 0 and 17 on rank 1"
        )
        assert not_finite.startswith("ValueError: the loss is nan at step 1 of epoch 1")
        assert broken.endswith("OSError: disk full")
        assert broken.startswith("RankError: rank 0 has failed: " if rank else "OSError")
        assert batches.startswith("ValueError: x must be an array with distribute")
        assert "y must" in shorter if rank else shorter.startswith("RankError: rank 1 has failed")
        assert no_mpi.startswith("TypeError: distribute must be a distributed.MPI")


def test_ranks_go_on_after_one_of_them_alone_got_no_memory(tmp_path):
    code = f"""{SMALL}
allocate = world._allocate
def refuse(size):
    allocate(size)
    raise MemoryError("no room")
if world.rank == 1:
    world._allocate = refuse
try:
    small().fit(x, y, distribute=world)
except Exception as error:
    found = f"{{type(error).__name__}}: {{error}}"
world._allocate = allocate
tell([found, small().fit(x, y, distribute=world).history["loss"]])
"""
    first, second, third = ranks.told(3, code, tmp_path)
    assert first[0] == third[0] == "RankError: rank 1 has failed: MemoryError: no room"
    assert second[0] == "MemoryError: no room"
    assert first[1] == second[1] == third[1]


@pytest.mark.parametrize("clipnorm", [None, 0.5])
def test_an_error_among_the_updates_of_a_step_leaves_all_ranks_with_whole_steps(clipnorm, tmp_path):
    """Those of the last call into C++ are given up where ranks share what they update."""
    code = f"""{SMALL}
class Stop(callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        self.model.stop_training = self.model.optimizer.iterations == steps
def new():
    pylenet.utils.set_random_seed(1)
    model = small()
    model.compile(pylenet.optimizers.Adam(clipnorm={clipnorm}), "sparse_categorical_crossentropy")
    return model
wait, calls = world.wait_for_sums, 0
def fail():
    global calls
    calls += 1
    if calls == 7:
        raise OSError("no more")
    wait()
if world.rank == 1:
    world.wait_for_sums = fail
model = new()
try:
    model.fit(x, y, 8, 3, distribute=world)
except Exception as error:
    found = type(error).__name__
steps, single = int(model.optimizer.iterations), new()
single.fit(x, y, 8, 3, callbacks=[Stop()])
tell([found, steps, model.parameters.tobytes() == single.parameters.tobytes()])
"""
    first, second = ranks.told(2, code, tmp_path)
    assert second == ["OSError", *first[1:]]
    kind, steps, whole = first
    assert kind == "RankError"
    assert whole
    assert steps in (range(1, 7) if clipnorm is None else [6])


@pytest.mark.parametrize("nodes", [[2], [1, 2]])
def test_ranks_that_share_weights_keep_the_same_if_one_fails_after_a_step(nodes, tmp_path):
    """A step is a call into C++ here: another rank could have taken it over already."""
    code = f"""{SMALL}
world._connect(world._comm, {[size for size in nodes for _ in range(size)]}[world.rank])
class EachStep(callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        pass
wait, model = world.wait_for_sums, small()
def fail():
    wait()
    if model.optimizer.iterations == 3:
        raise OSError("no more")
if world.rank == 1:
    world.wait_for_sums = fail
try:
    model.fit(x, y, 8, callbacks=[EachStep()], distribute=world)
except Exception as error:
    found = type(error).__name__
tell([found, int(model.optimizer.iterations), model.parameters.tobytes().hex()])
"""
    found = ranks.told(sum(nodes), code, tmp_path)
    kinds = [kind for kind, *_ in found]
    assert kinds == ["OSError" if rank == 1 else "RankError" for rank in range(sum(nodes))]
    assert [steps for _, steps, _ in found] == [3] * sum(nodes)
    assert len({weights for *_, weights in found}) == 1


@pytest.mark.parametrize("where", ["in fit", "outside"])
def test_an_error_that_ends_one_rank_ends_all(where, tmp_path):
    code = f"""{SMALL}
class Broken(callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        raise OSError("disk full")
if {where == "outside"} and world.rank == 1:
    raise OSError("disk full")
small().fit(x, y, callbacks=[Broken()], distribute=world)
"""
    (tmp_path / "script.py").write_text(ranks.BEGINNING + code)
    done = ranks.run(3, ["script.py"], tmp_path)
    assert done.returncode != 0
    assert done.stderr.count("OSError: disk full") == 1
    assert "RankError" not in done.stderr


LONG = f"""{SMALL}
import os
tell(os.getpid())
small(1e-3).fit(np.tile(x, (100, 1, 1)), np.tile(y, 100), 16, 100_000, distribute=world)
"""


def started(folder):
    """mpirun's process and the ranks' numbers, in the middle of a training."""
    (folder / "script.py").write_text(ranks.BEGINNING + LONG)
    process = ranks.start(3, ["script.py"], folder)
    end = time.monotonic() + ranks.SECONDS
    files = [folder / f"rank{rank}.json" for rank in range(3)]
    while not all(file.is_file() and file.read_text() for file in files):
        assert time.monotonic() < end
        time.sleep(0.05)
    time.sleep(0.5)
    return process, [int(file.read_text()) for file in files]


def assert_gone(numbers):
    """The processes end; mpirun may do so a little before them."""
    end = time.monotonic() + ranks.SECONDS
    while any(ranks.runs(number) for number in numbers):
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.parametrize("rank", [0, 2])
def test_a_rank_that_is_killed_ends_all_with_one_error(rank, tmp_path):
    process, numbers = started(tmp_path)
    os.kill(numbers[rank], signal.SIGKILL)
    _, error = process.communicate(timeout=ranks.SECONDS)
    assert process.returncode != 0
    assert f"rank {rank}" in error
    assert "signal 9" in error
    assert "Traceback" not in error
    assert_gone(numbers)


@pytest.mark.parametrize("whom", ["mpirun", "rank 1"])
def test_ctrl_c_ends_all(whom, tmp_path):
    process, numbers = started(tmp_path)
    os.kill(process.pid if whom == "mpirun" else numbers[1], signal.SIGINT)
    _, error = process.communicate(timeout=ranks.SECONDS)
    assert process.returncode != 0
    assert error.count("KeyboardInterrupt") <= 1
    assert_gone(numbers)


@pytest.mark.parametrize("a_node", [1, 2])
def test_ctrl_c_on_one_rank_is_heard_by_all_wherever_it_comes(a_node, tmp_path):
    """Before and after each of the messages of a training, and of evaluation. By turns it is
    SIGTERM, which `pylenet train --mpi` takes for Ctrl-C."""
    code = f"""{SMALL}
import functools, signal
world._connect(world._comm, {a_node})
waits = world._wait, world._wait_in_node
signal.signal(signal.SIGTERM, signal.default_int_handler)

def press_at(place):
    calls = 0
    def pressed(wait, *request):
        nonlocal calls
        for between in (False, True):
            calls += 1
            if calls == place:
                signal.raise_signal(signal.SIGTERM if place // 2 % 2 else signal.SIGINT)
            if not between:
                found = wait(*request)
        return found
    return [functools.partial(pressed, wait) for wait in waits]

ends = []
while True:
    model = small()
    if world.rank == 1:
        world._wait, world._wait_in_node = press_at(len(ends) + 1)
    try:
        with world.together():
            model.fit(x, y, 32, 1, verbose=0, distribute=world)
            model.evaluate(x, y, verbose=0, distribute=world)
        ends.append("none")
    except KeyboardInterrupt:
        ends.append("heard")
    world._wait, world._wait_in_node = waits
    with world.together():
        if "none" in sum(world.gather(ends[-1:]), []):
            break
tell(ends)
"""
    first, second = ranks.told(2, code, tmp_path)
    assert first == ["heard"] * (len(first) - 1) + ["none"]
    assert second == ["heard"] * len(first)  # in the last message, after which nobody is told
    assert len(first) > 20

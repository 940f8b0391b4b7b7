"""What the machine can do and where a step's time goes, as the extension measures it."""

import numpy as np
import pytest
from core import convolutions_by

from pylenet import Sequential, _core, layers
from pylenet.benchmark import inside
from pylenet.benchmark.inside import PHASES
from pylenet.models import lenet5_classic, lenet5_modern


def profile(model, images, repeats=3):
    model.compile("sgd", "sparse_categorical_crossentropy")
    x = np.random.default_rng(0).integers(0, 256, (images, 28, 28, 1), np.uint8)
    return inside.profile(model, x, np.arange(images) % 10, repeats)


@pytest.mark.parametrize("build", [lenet5_classic, lenet5_modern])
def test_a_profile_has_each_layer_s_time_and_work(build, isa):
    model = build()
    for images in (1, inside.images_at_once(model)):
        before = model.get_weights()
        found = profile(model, images)
        assert found["images"] == images
        assert found["pack"] > 0
        assert found["loss"] > 0
        rows = found["layers"]
        assert [row["node"] for row in rows] == sorted({row["node"] for row in rows})
        assert all(row[phase][0] >= 0 for row in rows for phase in PHASES)
        work = {phase: [w for w in (row[phase][1] for row in rows) if w] for phase in PHASES}
        # Multiply-adds of C1, C3 and the dense layers; C1 has no gradient of its input, and the
        # dense kernels' gradients are contracted in the update.
        assert work["forward"] == [86400, 153600, 30720, 10080, 840]
        assert work["backward"] == [86400, 2 * 153600, 30720, 10080, 840]
        assert work["update"] == [30720, 10080, 840]
        for row in rows:
            assert all(0 <= m <= w for _, w, m in (row[phase] for phase in PHASES))
            assert all((w > 0) == (m > 0) for _, w, m in (row[phase] for phase in PHASES))
        for kept, weight in zip(before, model.get_weights(), strict=True):
            assert np.array_equal(kept, weight)


@pytest.mark.parametrize("build", [lenet5_classic, lenet5_modern])
def test_a_profile_counts_the_multiplications_that_cook_toom_s_algorithm_does(build):
    with convolutions_by("cook_toom"):
        rows = profile(build(), 1, 1)["layers"]
    done = {phase: [m for m in (row[phase][2] for row in rows) if m] for phase in PHASES}
    c1 = 8 * 6 * 24 * 5 * 1 * 6  # points, tiles of a row, rows, rows of a kernel, channels
    c3 = 8 * 8 * 2 * 2 * 6 * 16  # points of both directions, rows of tiles, tiles, channels
    assert done["forward"] == [c1, c3, 30720, 10080, 840]
    assert done["backward"] == [c1, 2 * c3, 30720, 10080, 840]
    assert done["update"] == [30720, 10080, 840]


def test_a_profile_counts_the_products_of_tiles_that_are_cut_off():
    """Of the second convolution of Keras's example: 11 x 11 outputs take 3 x 3 tiles."""
    convolutions = [layers.Conv2D(32, 3), layers.MaxPooling2D(), layers.Conv2D(64, 3)]
    rest = [layers.Flatten(), layers.Dense(10, activation="softmax")]
    with convolutions_by("cook_toom"):
        found = profile(Sequential([layers.Input((28, 28, 1)), *convolutions, *rest]), 1, 1)
    products = 6 * 6 * 3 * 3 * 32 * 64
    second = found["layers"][2]
    assert second["forward"][2] == products
    assert second["backward"][2] == 2 * products


@pytest.mark.parametrize(("images", "repeats"), [(0, 1), (17, 1), (1, 0)])
def test_a_profile_of_no_or_too_many_images_is_refused(images, repeats):
    with pytest.raises(ValueError, match="x must hold from 1 to|repeats must be at least 1"):
        profile(lenet5_classic(), images, repeats)


def test_the_peak_is_of_the_threads_asked_for():
    assert _core.peak_flops(1, 0.001) > 1e8
    assert _core.peak_flops(2, 0.001) > 1e8
    with pytest.raises(ValueError, match="threads must be at least 1, got 0"):
        _core.peak_flops(0, 0.001)

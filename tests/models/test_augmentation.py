"""Random affine distortion: against the reference, as a function of seed, epoch and image alone."""

import numpy as np
import pytest
import reference
from nets import LAYOUTS, compiled, digits, state
from tolerance import EPS, assert_close, assert_same_bits

import pylenet
from pylenet import _core, optimizers
from pylenet.augmentation import RandomAffine
from pylenet.layers import Conv2D, Dense, Flatten, Rescaling
from pylenet.models import Sequential
from pylenet.utils import set_random_seed

FACTORS = ("rotation", "zoom", "squeeze", "shear", "translation")
SHAPES = [(28, 28, 1), (1, 1, 1), (3, 2, 1), (5, 17, 3), (9, 16, 2), (16, 15, 1), (8, 33, 1)]
LITTLE = {"rotation": 0.02, "zoom": 0.08, "squeeze": 0.05, "shear": 0.14, "translation": 0.05}
MUCH = {"rotation": 1.0, "zoom": 0.9, "squeeze": 0.5, "shear": 1.0, "translation": 1.0}


def affine(factors, **more):
    return RandomAffine(**{f"{name}_factor": value for name, value in factors.items()}, **more)


def images(n, shape, dtype=np.uint8):
    return np.random.default_rng(7).integers(0, 256, (n, *shape)).astype(dtype)


def tolerance(shape, spread):
    """Of bilinear values: positions are float32 sums of three terms, each as large as the image."""
    positions = 4 * EPS * (4 * sum(shape[:2]) + 2)
    return 2 * positions * spread + 8 * EPS * spread


# Against the reference


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [  # the authors' known answers
        ((0,) * 4, (0,) * 2, (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((2**32 - 1,) * 4, (2**32 - 1,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
    ids=["zeros", "ones", "pi"],
)
def test_the_references_random_numbers_are_philox(counter, key, expected):
    assert tuple(reference.philox(counter, key)) == expected


@pytest.mark.parametrize("factors", [LITTLE, MUCH], ids=["little", "much"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_images_are_distorted_as_the_reference_does(shape, factors, isa):
    x, fill, seed, epoch = images(19, shape), 40.5, 3 << 40 | 5, 2
    expected = np.stack(
        [
            reference.sample(x[i], reference.affine_map(seed, epoch, i, shape[:2], **factors), fill)
            for i in range(len(x))
        ]
    )
    distort = affine(factors, fill_value=fill, seed=seed)
    assert_close(distort(x, epoch=epoch), expected, tolerance(shape, 255))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("n", [1, 19])
def test_without_factors_the_images_stay_what_they_are(shape, n, isa):
    for dtype in (np.uint8, np.float32, np.float64):
        x = images(n, shape, dtype) + dtype(0.3)
        assert_same_bits(RandomAffine(fill_value=9.0)(x), x.astype(np.float32))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("n", [2, 18])
def test_layout_and_dtype_of_the_images_change_no_bit(layout, n, isa):
    x = images(n, (9, 18, 3))
    for fill in (0.0, 255.0, 0.5, -1.0, 256.0):
        distort = affine(LITTLE, fill_value=fill, seed=1)
        expected = distort(x)
        for dtype in (np.uint8, np.float32, np.float64):
            assert_same_bits(distort(LAYOUTS[layout](x.astype(dtype))), expected)


def test_at_a_rate_some_images_are_left_as_they_are(isa):
    x, rate, epoch = images(500, (9, 6, 2)), 0.7, 3
    distort = affine(LITTLE, rate=rate, seed=11)
    maps = [reference.affine_map(11, epoch, i, (9, 6), **LITTLE, rate=rate) for i in range(len(x))]
    kept = np.array([np.array_equal(m, np.eye(2, 3)) for m in maps])
    assert 0.25 < kept.mean() < 0.35
    y = distort(x, epoch=epoch)
    assert_same_bits(y[kept], np.float32(x[kept]))
    assert_same_bits(y[~kept], affine(LITTLE, seed=11)(x, epoch=epoch)[~kept])
    others = (distort(x, epoch=epoch + 1) == x).all(axis=(1, 2, 3))
    assert 0 < (others & kept).sum() < kept.sum()
    assert_same_bits(affine(MUCH, rate=0, seed=11)(x), np.float32(x))
    for few in (1, 3, 17):  # image by image and in lanes
        assert_same_bits(distort(x[:few], epoch=epoch), y[:few])


def test_images_of_one_channel_need_not_say_so():
    x = images(4, (6, 7, 1))
    distort = affine(LITTLE, seed=1)
    assert_same_bits(distort(x[..., 0]), distort(x)[..., 0])


# What is drawn


def maps(n, factors, *, seed=1, epoch=0):
    """(n, 2, 3): the affine map of each image, measured with an image of its own positions."""
    rows, columns = np.mgrid[:9, :9]
    x = np.broadcast_to(np.stack([rows, columns], axis=2), (n, 9, 9, 2)).astype(np.float32)
    y = np.float64(affine(factors, seed=seed)(x, epoch=epoch))
    middle = y[:, 4, 4]
    return np.stack([y[:, 5, 4] - middle, y[:, 4, 5] - middle, middle - 4], axis=2)


def test_the_numbers_drawn_are_uniform_and_independent_of_each_other():
    n = 5000
    found = maps(n, LITTLE)
    matrix, shift = found[:, :, :2], found[:, :, 2]
    angle = np.arctan2(matrix[:, 0, 1], matrix[:, 1, 1])
    zoom = np.sqrt(np.linalg.det(matrix))
    squeeze = zoom / np.hypot(matrix[:, 0, 1], matrix[:, 1, 1])
    along = np.sin(angle) * matrix[:, 0, 0] + np.cos(angle) * matrix[:, 1, 0]
    drawn = np.stack(
        [
            angle / (2 * np.pi * LITTLE["rotation"]),
            (zoom - 1) / LITTLE["zoom"],
            (squeeze - 1) / LITTLE["squeeze"],
            along / (zoom * squeeze) / LITTLE["shear"],
            *(shift.T / (9 * LITTLE["translation"])),
        ]
    )
    assert np.abs(drawn).max() < 1 + 1e-4
    steps = (np.arange(n) + 0.5) / n
    distance = np.abs((np.sort(drawn) + 1) / 2 - steps).max(axis=1)
    assert (distance < 1.95 / np.sqrt(n)).all()  # Kolmogorov and Smirnov, at 0.001
    correlation = np.corrcoef(drawn) - np.eye(6)
    assert np.abs(correlation).max() < 4 / np.sqrt(n)
    neighbours = (drawn[:, 1:] * drawn[:, :-1]).mean(axis=1) * 3
    assert np.abs(neighbours).max() < 4 / np.sqrt(n)


def test_each_factor_does_its_own():
    for name in FACTORS:
        found = maps(50, dict.fromkeys(FACTORS, 0.0) | {name: LITTLE[name]})
        (rr, rc, down), (cr, cc, right) = found.transpose(1, 2, 0)
        moved = {
            "rotation": np.stack([rr - cc, rc + cr, rr * cc - rc * cr - 1, down, right]),
            "zoom": np.stack([rr - cc, rc, cr, down, right]),
            "squeeze": np.stack([rr * cc - 1, rc, cr, down, right]),
            "shear": np.stack([rr - 1, cc - 1, rc, down, right]),
            "translation": np.stack([rr - 1, cc - 1, rc, cr]),
        }[name]
        np.testing.assert_allclose(moved, 0, atol=1e-5)
        assert found.std(axis=0).max() > 0.02


def test_seed_epoch_and_image_all_matter():
    draws = [maps(3, LITTLE, seed=s, epoch=e) for s in (0, 1, 1 << 32) for e in (0, 1)]
    assert len(np.unique(np.concatenate(draws).round(5), axis=0)) == 18
    assert_same_bits(
        affine(LITTLE, seed=4)(images(3, (5, 5, 1))), affine(LITTLE, seed=4)(images(3, (5, 5, 1)))
    )


def test_without_a_seed_the_packages_generator_gives_one():
    seeds = []
    for start in (1, 1, 2):
        set_random_seed(start)
        seeds += [RandomAffine().seed, RandomAffine().seed]
    assert seeds[:2] == seeds[2:4]
    assert len(set(seeds)) == 4
    x = images(3, (5, 5, 1))
    distort = affine(LITTLE)
    assert_same_bits(eval(repr(distort))(x), distort(x))


# The same bits


def distorted(x, order, n_threads=1):
    network = _core.Network(x.shape[1:], [])
    return network.distort(x, np.array(order), affine(LITTLE, seed=1).settings(3), n_threads)


@pytest.mark.parametrize("shape", [(28, 28, 1), (5, 17, 3)], ids=str)
def test_an_images_distortion_depends_on_nothing_around_it(shape, isa):
    x = images(50, shape)
    whole = distorted(x, range(50))
    for i in (0, 1, 15, 49):
        assert_same_bits(distorted(x, [i]), whole[i : i + 1])
    for size in (2, 3, 4, 5, 8, 9, 15, 16, 17, 33):
        order = np.random.default_rng(size).permutation(50)[:size]
        assert_same_bits(distorted(x, order), whole[order])
    for n_threads in (2, 3):
        assert_same_bits(distorted(x, range(50), n_threads), whole)


@pytest.mark.parametrize("n", [1, 33])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_every_instruction_set_gives_the_same_bits(n, dtype):
    x, former, results = images(n, (28, 28, 1), dtype), _core.active_isa(), []
    try:
        for name in _core.available_isas():
            _core.set_isa(name)
            results.append(affine(MUCH, seed=1)(x))
    finally:
        _core.set_isa(former)
    for result in results[1:]:
        assert_same_bits(result, results[0])


# In fit


def scaled():
    """A small net whose Rescaling is done while packing."""
    return Sequential(
        [
            Rescaling(1 / 255, -0.1, input_shape=(28, 28, 1)),
            Conv2D(3, 5, strides=3, activation="relu"),
            Flatten(),
            Dense(10, "softmax"),
        ]
    )


def fitted(x, y, *, epochs=1, batch_size=16, **how):
    model = compiled(scaled, optimizers.SGD(0.05, momentum=0.9), metrics=["accuracy"])
    model.fit(x, y, batch_size, epochs, verbose=0, **how)
    return model


@pytest.mark.parametrize("batch_size", [1, 3, 16, 50, 128])
def test_training_sees_what_a_call_gives(batch_size, isa, threads):
    x, y = digits(100)
    distort = affine(LITTLE, fill_value=20.0, seed=1)
    model = fitted(x, y, epochs=2, batch_size=batch_size, augmentation=distort)
    expected = compiled(scaled, optimizers.SGD(0.05, momentum=0.9))
    for epoch in (0, 1):
        expected.fit(distort(x, epoch=epoch), y, batch_size, verbose=0)
    assert_same_bits(state(model), state(expected))


def test_training_on_from_an_initial_epoch_sees_what_training_at_once_does():
    (x, y), distort = digits(64), affine(LITTLE, seed=1)
    at_once = fitted(x, y, epochs=4, augmentation=distort)
    resumed = fitted(x, y, epochs=2, augmentation=distort)
    resumed.fit(x, y, 16, 4, verbose=0, initial_epoch=2, augmentation=distort)
    assert_same_bits(state(resumed), state(at_once))


def test_validation_and_evaluation_see_the_images_as_they_are():
    (x, y), distort = digits(64), affine(MUCH, seed=1)
    model = fitted(x, y, validation_data=(x, y), augmentation=distort)
    loss, accuracy = model.evaluate(x, y)
    assert model.history.history["val_loss"] == [loss]
    assert model.history.history["val_accuracy"] == [accuracy]
    assert loss != model.evaluate(distort(x), y)[0]


def test_a_model_trained_so_is_saved_and_loaded_like_any_other(tmp_path):
    x, y = digits(32)
    model = fitted(x, y, augmentation=affine(LITTLE, seed=1))
    model.save(tmp_path / "model.safetensors")
    loaded = pylenet.models.load_model(tmp_path / "model.safetensors")
    assert_same_bits(loaded.predict(x), model.predict(x))


@pytest.mark.parametrize("dtype", [np.int64, bool, np.uint16, np.float16, ">f4", ">i2"])
def test_images_of_any_numbers_are_distorted_as_training_distorts_them(dtype):
    x = images(4, (9, 8)).astype(dtype)
    distort = affine(LITTLE, seed=1)
    assert_same_bits(distort(x), distort(x.astype(np.float32)))


def test_the_callers_images_are_not_written_to():
    x, y = digits(32)
    before = x.copy()
    fitted(x, y, augmentation=affine(MUCH, seed=1))
    affine(MUCH, seed=1)(x)
    assert (x == before).all()


# Errors


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"rotation_factor": -0.1}, ValueError, "rotation_factor must be a number in"),
        ({"rotation_factor": (0, 1)}, TypeError, "rotation_factor must be a number"),
        ({"zoom_factor": 1.0}, ValueError, "zoom_factor must be a number in"),
        ({"squeeze_factor": 1.0}, ValueError, "squeeze_factor must be a number in"),
        ({"shear_factor": float("nan")}, ValueError, "shear_factor must be a number in"),
        ({"translation_factor": 1.4}, ValueError, "translation_factor must be a number in"),
        ({"rate": 1.1}, ValueError, "rate must be a number in"),
        ({"fill_value": float("inf")}, ValueError, "fill_value must be a number in"),
        ({"fill_value": None}, TypeError, "fill_value must be a number"),
        ({"seed": -1}, ValueError, "seed must be an integer >= 0"),
        ({"seed": 2**64}, ValueError, "seed must be below 2"),
        ({"seed": 1.0}, TypeError, "seed must be an integer"),
    ],
    ids=str,
)
def test_a_wrong_argument_is_named(arguments, error, text):
    with pytest.raises(error, match=text):
        RandomAffine(**arguments)


@pytest.mark.parametrize(
    ("x", "epoch", "error", "text"),
    [
        (np.zeros((2, 5, 5), complex), 0, TypeError, "images must have dtype"),
        (np.zeros((2, 5)), 0, ValueError, "images must hold images"),
        (np.zeros((2, 5, 5, 1, 1)), 0, ValueError, "images must hold images"),
        (np.zeros((2, 5, 5)), -1, ValueError, "epoch must be an integer >= 0"),
        (np.zeros((2, 5, 5)), 2**32, ValueError, "epoch must be below 2"),
        (np.zeros((1, 4096, 4096), np.uint8), 0, ValueError, "images to be distorted must have"),
    ],
    ids=["dtype", "rows", "5-d", "negative", "late", "large"],
)
def test_what_cannot_be_distorted_is_named(x, epoch, error, text):
    with pytest.raises(error, match=text):
        RandomAffine(seed=1)(x, epoch=epoch)


def test_fit_takes_an_augmentation_of_images_and_nothing_else():
    x, y = digits(16)
    with pytest.raises(TypeError, match="augmentation must be a RandomAffine or None, got 0.1"):
        fitted(x, y, augmentation=0.1)
    rows = compiled(lambda: Sequential([Dense(3, "softmax", input_shape=(4,))]))
    with pytest.raises(ValueError, match=r"x must hold images .* got samples of shape \(4,\)"):
        rows.fit(np.ones((6, 4)), np.zeros(6, int), verbose=0, augmentation=RandomAffine())


@pytest.mark.parametrize(
    "wrong", [{"zoom": 1.5}, {"shear": -1.0}, {"rotation": float("nan")}, {"rate": 2.0}], ids=str
)
def test_the_compiled_part_checks_factors_again(wrong):
    network = _core.Network((5, 5, 1), [])
    spec = RandomAffine(seed=1).settings(0) | wrong
    with pytest.raises(ValueError, match="must be from 0 to 1"):
        network.distort(np.zeros((1, 5, 5, 1)), np.zeros(1, np.int64), spec, 1)

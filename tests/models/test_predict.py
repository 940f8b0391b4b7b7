"""Predicting: any layout, any batch, any thread the same bits; memory; images that do not fit."""

import os
import sys
import threading

import numpy as np
import pytest
import sanitizer
from nets import (
    LAYOUTS,
    LENETS,
    compiled,
    digits,
    forward,
    peak_memory,
    samples,
    small,
    tiny,
)
from tolerance import FEW_ULPS, assert_close, assert_same_bits

import pylenet
from pylenet.layers import (
    Activation,
    AveragePooling2D,
    BatchNormalization,
    Conv2D,
    Dense,
    Flatten,
    Input,
    Rescaling,
    ZeroPadding2D,
)
from pylenet.models import Sequential

# Predicting


@pytest.mark.parametrize("name", LENETS)
def test_a_lenet_predicts_what_the_reference_does(name, isa):
    model = compiled(LENETS[name])
    x, _ = digits(20)
    assert_close(model.predict(x), forward(model, x[..., None]), 4 * FEW_ULPS)


@pytest.mark.parametrize("name", LENETS)
def test_an_image_s_prediction_does_not_depend_on_its_batch(name, isa, threads):
    model = LENETS[name]()
    x, _ = digits(37)
    expected = model.predict(x)
    for size in (1, 4, 7, 8, 9, 15, 16, 17):
        parts = [model.predict(x[i : i + size]) for i in range(0, len(x), size)]
        assert_same_bits(np.concatenate(parts), expected)
    assert_same_bits(model.predict(x[::-1])[::-1], expected)
    assert_same_bits(model.predict(x, batch_size=3), expected)


@pytest.mark.parametrize("name", LENETS)
def test_predict_on_batch_gives_what_predict_does(name, isa):
    model = LENETS[name]()
    x, _ = digits(20)
    for size in (1, 2, 8, 9, 20):
        assert_same_bits(model.predict_on_batch(x[:size]), model.predict(x[:size]))
    with pytest.raises(ValueError, match=r"x must have shape \(N, 28, 28, 1\)"):
        model.predict_on_batch(x[0])


def test_predictions_are_the_caller_s_own():
    model = tiny()
    x = np.random.default_rng(0).normal(size=(1, 4))
    first = model.predict(x)
    kept = first.copy()
    model.predict(-x)
    assert_same_bits(first, kept)


def test_a_prediction_of_many_images_does_not_depend_on_its_parts():
    model = tiny()
    x = np.random.default_rng(0).normal(size=(4096 * 2 + 5, 4))
    assert_same_bits(model.predict(x)[4090:], model.predict(x[4090:]))


@pytest.mark.parametrize("more", [-1, 0, 1])
@pytest.mark.parametrize("calls", [1, 2])
def test_samples_about_as_many_as_a_call_takes_are_all_predicted_and_evaluated(calls, more):
    model = compiled(tiny, metrics=["accuracy"])
    assert model.network.lanes <= model._samples_a_call == 4096
    n = calls * model._samples_a_call + more
    x, y = samples(n, (4,), 3)
    expected = np.concatenate([model.predict(x[i : i + 1000]) for i in range(0, n, 1000)])
    assert_same_bits(model.predict(x), expected)
    (several,) = pylenet.Model(model.inputs, [model.output])(x)
    assert_same_bits(several, expected)
    parts = [slice(i, i + 1000) for i in range(0, n, 1000)]
    sums = sum(len(y[p]) * np.array(model.evaluate(x[p], y[p])) for p in parts)
    np.testing.assert_allclose(model.evaluate(x, y), sums / n, rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_images_are_read_right_in_any_layout_and_never_written(layout, dtype):
    model = small()
    x = np.random.default_rng(1).integers(0, 3, (18, 8, 7, 2)).astype(dtype)
    laid_out = LAYOUTS[layout](x)
    assert np.array_equal(laid_out, x)
    assert_same_bits(model.predict(laid_out), model.predict(x.astype(np.float32)))
    assert np.array_equal(laid_out, x)


def test_one_image_repeated_by_a_stride_of_zero_is_read_right():
    model = small()
    image = np.random.default_rng(1).normal(size=(8, 7, 2))
    x = np.broadcast_to(image, (18, 8, 7, 2))
    assert_same_bits(model.predict(x), model.predict(x.copy()))


@pytest.mark.parametrize("name", LENETS)
def test_the_channel_of_grey_images_may_be_left_out(name):
    model = compiled(LENETS[name])
    x, y = digits(40)
    assert_same_bits(model.predict(x), model.predict(x[..., None]))
    assert model.evaluate(x, y) == model.evaluate(x[..., None], y)


def test_a_model_of_images_without_channels_takes_them_with_one():
    model = Sequential([Rescaling(0.5, input_shape=(4, 3)), Flatten(), Dense(2)])
    x = np.random.default_rng(1).normal(size=(5, 4, 3))
    assert_same_bits(model.predict(x[..., None]), model.predict(x))


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (np.ones((2, 28, 28), complex), TypeError, "x must have dtype uint8, float32 or float64"),
        (np.ones((2, 28, 28), object), TypeError, "got object"),
        ([[1.0]], TypeError, "x must be a numpy array.*got list"),
        (None, TypeError, "x must be a numpy array .*got NoneType"),
        (np.ones((28, 28)), ValueError, r"x must have shape \(N, 28, 28, 1\).*x\[None\]"),
        (np.ones((5, 784)), ValueError, r"got \(5, 784\); give x\.reshape\(-1, 28, 28, 1\)$"),
        ([np.ones((28, 28))] * 2, TypeError, r"got list; of images of one size np\.stack\(x\)"),
        (np.ones((28, 28, 1)), ValueError, r"got \(28, 28, 1\).*for one image give x\[None\]"),
        (np.ones((2, 28, 28, 3)), ValueError, r"got \(2, 28, 28, 3\)"),
        (np.ones((2, 27, 28)), ValueError, r"got \(2, 27, 28\)"),
        (np.ones((2, 1, 28, 28)), ValueError, r"got \(2, 1, 28, 28\)"),
        (np.ones((2, 784)), ValueError, r"got \(2, 784\)"),
        (np.ones(()), ValueError, r"got \(\)"),
        (np.ones((0, 28, 28)), ValueError, "x must hold at least one sample"),
        (np.ones((0, 28, 28, 1), np.uint8), ValueError, "x must hold at least one sample"),
    ],
)
def test_images_that_do_not_fit_are_named(x, error, message):
    model = compiled(LENETS["classic"])
    y = np.zeros(len(x) if np.ndim(x) else 1, int)
    for use in (
        lambda: model.predict(x),
        lambda: model.predict_on_batch(x),
        lambda: model.evaluate(x, y),
        lambda: model.fit(x, y, verbose=0),
        lambda: model.train_on_batch(x, y),
    ):
        with pytest.raises(error, match=message):
            use()


@pytest.mark.parametrize("wrong", [0, -1])
@pytest.mark.parametrize("method", ["predict", "evaluate"])
def test_a_batch_size_must_be_positive(method, wrong):
    model = compiled(tiny)
    arguments = (np.ones((3, 4)), np.zeros(3, int))[: 2 if method == "evaluate" else 1]
    with pytest.raises(ValueError, match="batch_size must be an integer >= 1"):
        getattr(model, method)(*arguments, batch_size=wrong)
    with pytest.raises(TypeError, match="batch_size must be an integer"):
        getattr(model, method)(*arguments, batch_size=2.5)


@pytest.mark.parametrize("name", LENETS)
@pytest.mark.parametrize("method", ["predict", "evaluate", "fit", "train_on_batch"])
def test_a_lenet_warns_of_pixels_that_are_scaled_already(name, method):
    model = compiled(LENETS[name])
    x, y = digits(3)
    arguments = (y,) if method != "predict" else ()
    arguments += (1, 1, 0) if method == "fit" else ()
    with pytest.warns(UserWarning, match="x looks scaled already .* raw pixels, 0-255") as caught:
        getattr(model, method)(x / 255, *arguments)
    assert [w.filename for w in caught] == [__file__]
    getattr(model, method)(x, *arguments)
    getattr(model, method)(x.astype(np.float32), *arguments)


@pytest.mark.parametrize("method", ["predict", "evaluate", "fit", "train_on_batch"])
def test_scaled_pixels_are_warned_of_in_a_later_call_of_many_images_too(method):
    model = compiled(LENETS["modern"])
    x, y = digits(20)
    arguments = {"predict": (), "fit": (y, 20, 1, 0)}.get(method, (y,))
    model.predict(x)
    getattr(model, method)(x, *arguments)
    with pytest.warns(UserWarning, match="x looks scaled already"):
        getattr(model, method)(x / 255, *arguments)


def test_a_lenet_does_not_warn_of_blank_images_nor_other_models_of_scaled_ones():
    LENETS["classic"]().predict(np.zeros((2, 28, 28)))
    Sequential([Flatten(input_shape=(28, 28)), Dense(2)]).predict(np.ones((2, 28, 28)))


# Stacks whose output is large for one image: it may lie where it is computed.
LARGE = {
    "convolution": lambda: [Conv2D(5, 3)],
    "padded, activated": lambda: [Conv2D(4, 3, padding="same", activation="tanh")],
    "rescaled in place": lambda: [Rescaling(2.0, 1.0), Conv2D(4, 3), Rescaling(0.5, -1.0)],
    "rescaled alone": lambda: [Conv2D(5, 1), Rescaling(0.5), Activation("sigmoid")],
    "three": lambda: [Conv2D(4, 3), Conv2D(3, 3, activation="relu"), Conv2D(4, 3)],
    "a larger one before it": lambda: [Conv2D(4, 2), Conv2D(9, 2), Conv2D(4, 3), Conv2D(4, 1)],
    "normalized": lambda: [Conv2D(4, 3), BatchNormalization(), Activation("relu")],
    "flat": lambda: [AveragePooling2D(2, 1), ZeroPadding2D(100), Flatten()],
}


@pytest.mark.parametrize("name", LARGE)
def test_one_image_s_large_output_is_that_of_the_image_among_others(name, isa):
    model = Sequential([Input((180, 170, 3)), *LARGE[name]()])
    x = np.random.default_rng(0).normal(size=(20, 180, 170, 3)).astype(np.float32)
    expected = model.predict(x)
    assert expected[0].size >= 2**16
    for k in (0, 19):
        one = model.predict(x[k : k + 1])
        assert_same_bits(one, expected[k : k + 1])
        assert one.flags.writeable
        assert one.flags.c_contiguous
        assert_same_bits(model.predict_on_batch(x[k : k + 1]), one)
        assert_same_bits(model.predict(x[k : k + 1, ::-1][:, ::-1]), one)


def test_an_op_s_large_output_of_one_image_is_that_of_the_image_among_others(isa):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(17, 70, 60, 3)).astype(np.float32)
    kernel = rng.normal(size=(3, 3, 3, 17)).astype(np.float32)
    expected = pylenet.ops.conv2d(x, kernel)
    assert expected[0].size >= 2**16
    assert_same_bits(pylenet.ops.conv2d(x[3:4], kernel), expected[3:4])


@pytest.mark.parametrize("images", [0, 2])
def test_the_call_for_one_image_takes_no_other_number(images):
    model = tiny()
    x = np.zeros((images, 4), np.float32)
    with pytest.raises(ValueError, match=f"x must hold one image, got {images}"):
        model.network.predict_one(model.parameters, x)


PEAK = """
import numpy as np
import pylenet
from pylenet.layers import Conv2D, Input, MaxPooling2D
from nets import peak_memory

model = pylenet.Sequential([Input((1000, 1000, 1)), *{layers}])
x = np.ones((1, 1000, 1000, 1), np.float32)
before = peak_memory()
model.predict(x)
print(peak_memory() - before)
"""


@sanitizer.own_memory
@pytest.mark.parametrize(
    ("layers", "most"),  # values of the largest layer's input and output
    [
        ("[Conv2D(16, 3)]", 1000**2 + 16 * 998**2),
        ("[Conv2D(8, 3), Conv2D(8, 3, activation='relu')]", 8 * (998**2 + 996**2)),
        ("[Conv2D(16, 3, activation='relu'), MaxPooling2D(2)]", 16 * (998**2 + 499**2)),
    ],
)
def test_a_large_image_takes_little_more_memory_than_its_largest_layer(layers, most, run_python):
    code = PEAK.format(layers=layers)
    done = run_python(code, PYTHONPATH=os.pathsep.join(p for p in sys.path if p))
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 1.5 * 4 * most


def test_images_are_never_copied_whole():
    model = Sequential([AveragePooling2D(28, input_shape=(28, 28, 1)), Flatten(), Dense(2)])
    model.compile(optimizer="sgd", loss="mse")
    n = 60_000  # as float64 376 MB
    x = np.broadcast_to(np.random.default_rng(0).normal(size=(28, 28)), (n, 28, 28))
    y = np.zeros((n, 2), np.float32)
    model.fit(x[:64], y[:64], verbose=0)
    before = peak_memory()
    model.predict(x)
    model.evaluate(x, y)
    model.fit(x, y, batch_size=128, verbose=0)
    assert peak_memory() - before < 100e6


def test_predicting_again_and_again_takes_no_more_memory():
    model = LENETS["modern"]()
    x, _ = digits(5)
    for _ in range(20):
        model.predict(x)
    before = peak_memory()
    for _ in range(2000):
        model.predict(x)
    assert peak_memory() - before < 20e6


def test_python_threads_that_predict_at_once_get_the_serial_bits(threads_restored):
    pylenet.set_num_threads(2)
    model = LENETS["classic"]()
    parts = np.array_split(digits(4000)[0], 8)  # so long that threads of one core take turns
    expected = [model.predict(part) for part in parts]
    found = [[] for _ in parts]
    start = threading.Barrier(len(parts))

    def work(k):
        start.wait()
        for _ in range(10):
            found[k].append(model.predict(parts[k]))

    workers = [threading.Thread(target=work, args=(k,)) for k in range(len(parts))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for one, others in zip(expected, found, strict=True):
        assert len(others) == 10
        for other in others:
            assert_same_bits(other, one)

"""The page with networks in whole numbers, in Chromium driven by Playwright."""

import base64
import json
import math
import pickle
import re

import numpy as np
import pytest
from browsing import EXPLAIN, SIZES, answers, frame, number, text_of
from int8_models import random_weights
from tolerance import assert_same_bits

import pylenet
from pylenet import _core, layers, web
from pylenet.layers.activation import Function
from pylenet.quantization import QuantizedModel
from pylenet.quantization._build import Input, Output
from pylenet.quantization._steps import Step
from pylenet.web import _networks

pytest.importorskip("playwright.sync_api")

# Of a network of the page, for all images of a base64 text: integers and outputs, as base64 of
# int32 and of float32.
PREDICT = """async ([text, name]) => {
  const description = data.networks.find((network) => network.name === name);
  const network = await Network.of(description, data.classes);
  const pixels = bytesOf(text), count = pixels.length / 784, size = data.classes.length;
  const scores = new Int32Array(count * size), outputs = new Float32Array(count * size);
  for (let i = 0; i < count; i++) {
    const values = network.values(pixels.subarray(784 * i, 784 * (i + 1)));
    scores.set(values[network.answer], i * size);
    outputs.set(values[network.nodes.length], i * size);
  }
  return [scores, outputs].map((all) => {
    let out = "";
    for (const byte of new Uint8Array(all.buffer)) out += String.fromCharCode(byte);
    return btoa(out);
  });
}"""


def as_taken(model, images):
    return images if model.takes_pixels else images / np.float32(255)


def assert_as_python(page, name, model, images):
    """The page gives the integers of `scores`, and the bits of the baseline's `predict`."""
    texts = page.evaluate(PREDICT, [text_of(images), name])
    integers, outputs = (base64.b64decode(text) for text in texts)
    x = as_taken(model, images.reshape(len(images), *model.input_shape[1:]))
    expected = model.scores(x)
    np.testing.assert_array_equal(np.frombuffer(integers, "<i4").reshape(expected.shape), expected)
    former = _core.active_isa()
    _core.set_isa("baseline")  # planned with it, anew
    y = pickle.loads(pickle.dumps(model)).predict(x)
    _core.set_isa(former)
    assert_same_bits(np.frombuffer(outputs, "<f4").reshape(y.shape), y)


@pytest.fixture(scope="module")
def quantized(lenets, mnist):
    """Both LeNets in whole numbers, and the modern one with dense weights of 4 bits."""
    some = mnist[0][0][::60]
    found = {f"{name}.int8": pylenet.quantize(model, some) for name, model in lenets.items()}
    return {**found, "4 bits": pylenet.quantize(lenets["modern"], some, dense_bits=4)}


@pytest.fixture(scope="module")
def address(write_page, quantized):
    return write_page("int8", quantized)


@pytest.fixture(scope="module")
def beside(write_page, lenets, quantized):
    """Float32 and whole numbers of one network."""
    models = {"modern": lenets["modern"], "modern.int8": quantized["modern.int8"]}
    return write_page("beside", models)


# The same integers as Python


@pytest.mark.parametrize(
    ("name", "count"), [("modern.int8", 10_000), ("classic.int8", 2000), ("4 bits", 500)]
)
def test_digits_have_the_integers_of_python(name, count, address, open_page, quantized, digits):
    assert_as_python(open_page(address), name, quantized[name], digits[0][:count])


def every_step():
    """A model whose quantized one has all steps: with tables and without, padded, strided."""
    return pylenet.Sequential(
        [
            layers.Input((28, 28)),
            layers.Reshape((28, 28, 1)),
            layers.ZeroPadding2D(((1, 2), (0, 3))),
            layers.AveragePooling2D((2, 3), (1, 2), padding="same"),
            layers.Conv2D(5, (3, 4), strides=(2, 1), padding="same", activation="elu"),
            layers.MaxPooling2D(3, 2, padding="same"),
            layers.BatchNormalization(),
            layers.Activation("tanh"),
            layers.ZeroPadding2D(1),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Conv2D(6, 3, padding="same", use_bias=False, connections=[[0, 1], [4]] * 3),
            layers.AveragePooling2D(3, 2, padding="same"),
            layers.Flatten(),
            layers.Dense(30, "sigmoid", use_bias=False),
            layers.Dense(7, "softplus"),
        ]
    )


def test_every_step_has_the_integers_of_python_whatever_comes_in(write_page, open_page, digits):
    pixels = digits[0][:100]
    model = random_weights(every_step(), 3)
    models = {
        "pixels": pylenet.quantize(model, pixels, ranges="max"),
        "positive": pylenet.quantize(model, pixels / 255, ranges="max"),
        "signed": pylenet.quantize(model, pixels / 255 - 0.5, ranges="max"),
    }
    for made in models.values():
        made._head.class_names = list("abcdefg")
        assert {step.kind for step in made.steps} == set(STEPS)
    page = open_page(write_page("steps", models, images=False))
    for index, (name, made) in enumerate(models.items()):
        assert_as_python(page, name, made, pixels)
        assert page.evaluate(EXPLAIN, index)[1] == []


# Random chains of steps, with numbers up to the ends of what the contract allows


def rounding(rng, largest, last, table):
    """Bounds, shift and multipliers of a step whose sums have this size at most."""
    top = 127 if table or not last else 32767
    # Most sums are much smaller than the largest, and shall become neither all zero nor all `top`.
    wanted = 2 ** rng.uniform(0, 5, largest.shape) * top / np.maximum(largest, 1)
    shift = int(np.clip(14 - np.log2(wanted.max()), 1, 31))
    if rng.integers(4) == 0:
        shift = int(rng.integers(1, 32))
    most = (2**30 * 2**shift) // np.maximum(largest, 1) - 1
    multiplier = np.clip(np.rint(wanted * 2.0**shift), 0, np.minimum(most, 32767))
    settings = {"low": int(rng.choice([0, -top])), "high": top, "shift": shift}
    return settings, multiplier.astype(np.int16)


def kernel_and_bias(rng, shape, top):
    kernel = rng.integers(-127, 128, shape, np.int8)
    sums = top * np.abs(kernel.astype(np.int64)).reshape(shape[0], -1).sum(1)
    bias = rng.integers(-(2 ** rng.choice([8, 10, 12, 28])), 2**12, shape[0]).astype(np.int32)
    return kernel, bias, sums + np.abs(bias.astype(np.int64))


def table_of(rng, settings, wanted):
    if not wanted:
        return {}
    return {"table": rng.integers(settings["low"], 128, 1024).astype(np.int8)}


def windows(rng, shape, pool):
    """Shape, window, strides and padding of a convolution or a pool that fits."""
    out, chosen = [], []
    for size in shape[:2]:
        window, stride = int(rng.integers(1, min(size, 5) + 1)), int(rng.integers(1, 4))
        before = int(rng.integers(0, window if pool else window + 2))
        most = (size - 1 + before) // stride + 1  # of a pool: each window has a cell
        out.append(int(rng.integers(max(1, most - 3), most + (1 if pool else 2))))
        chosen.append((window, stride, before))
    return tuple(out), *zip(*chosen, strict=True)


def weighted(kind):
    def make(rng, shape, low, high, last):
        top, table = max(-low, high), bool(rng.integers(2))
        if kind == "dense":
            units = 10 if last else int(rng.integers(1, 20))
            out, kernel_shape, more = (1, 1, units), (units, math.prod(shape)), {}
        else:
            out, window, strides, before = windows(rng, shape, pool=False)
            out = (*out, int(rng.integers(1, 9)))
            kernel_shape = (out[2], *window, shape[2])
            more = {"window": window, "strides": strides, "before": before}
        kernel, bias, largest = kernel_and_bias(rng, kernel_shape, top)
        settings, multiplier = rounding(rng, largest, last, table)
        tensors = {"kernel": kernel, "bias": bias, "multiplier": multiplier}
        tensors |= table_of(rng, settings, table)
        return Step(kind, (kind,), shape, out, **settings, **more, tensors=tensors)

    return make


def affine(rng, shape, low, high, last):
    table = bool(rng.integers(2))
    settings, _ = rounding(rng, np.ones(1), last, table)
    settings["shift"] = int(rng.choice([12, 14, 16, rng.integers(1, 32)]))
    multiplier = rng.integers(-32767, 32768, shape[2]).astype(np.int16)
    bias = rng.integers(-(2**29), 2**29, shape[2]) >> rng.choice([0, 8, 10, 12])
    bias = bias.astype(np.int32)
    tensors = {"multiplier": multiplier, "bias": bias, **table_of(rng, settings, table)}
    return Step("affine", ("affine",), shape, shape, **settings, tensors=tensors)


def max_pool2d(rng, shape, low, high, last):
    out, *chosen = windows(rng, shape, pool=True)
    place = dict(zip(("window", "strides", "before"), chosen, strict=True))
    return Step("max_pool2d", ("max",), shape, (*out, shape[2]), low, high, **place)


def average_pool2d(rng, shape, low, high, last):
    out, *chosen = windows(rng, shape, pool=True)
    place = dict(zip(("window", "strides", "before"), chosen, strict=True))
    bare = Step("average_pool2d", ("average",), shape, (*out, shape[2]), 0, 127, **place)
    counts = np.array(bare.cell_counts())
    settings, multipliers = rounding(rng, max(-low, high) * counts, last, table=False)
    cells = dict(zip(counts.tolist(), multipliers.tolist(), strict=True))
    return Step(bare.kind, bare.layers, shape, bare.output_shape, **settings, **place, cells=cells)


def zero_padding2d(rng, shape, low, high, last):
    before, more = rng.integers(0, 3, 2).tolist(), rng.integers(0, 3, 2).tolist()
    height, width = (shape[i] + before[i] + more[i] for i in (0, 1))
    out = (height, width, shape[2])
    return Step("zero_padding2d", ("pad",), shape, out, low, high, before=tuple(before))


STEPS = {
    "conv2d": weighted("conv2d"),
    "dense": weighted("dense"),
    "affine": affine,
    "max_pool2d": max_pool2d,
    "average_pool2d": average_pool2d,
    "zero_padding2d": zero_padding2d,
}
FUNCTIONS = [Function("linear"), Function("softmax"), Function("tanh"), Function("elu", 0.7)]


def random_chain(seed):
    rng = np.random.default_rng(seed)
    low, high = (0, 255) if rng.integers(2) else (-127, 127)
    source = Input(low, high, 1.0 if high == 255 and rng.integers(2) else 1 / high)
    shape, steps, bounds = (28, 28, 1), [], (low, high)
    kinds = [*rng.choice([kind for kind in STEPS if kind != "dense"], rng.integers(1, 6)), "dense"]
    for place, kind in enumerate(kinds):
        step = STEPS[kind](rng, shape, *bounds, place == len(kinds) - 1)
        steps.append(step)
        shape, bounds = step.output_shape, (step.low, step.high)
    function = FUNCTIONS[rng.integers(len(FUNCTIONS))]
    output = Output(float(np.float32(rng.uniform(1e-4, 1e-2))), function)
    return QuantizedModel("random", (28, 28), (10,), source, steps, output)


def test_random_chains_have_the_integers_of_python(write_page, open_page):
    chains = {f"chain {seed}": random_chain(seed) for seed in range(40)}
    images = np.random.default_rng(1).integers(0, 256, (8, 28, 28), np.uint8)
    images[0], images[1] = 0, 255
    page = open_page(write_page("chains", chains, images=False))
    scores = [chain.scores(as_taken(chain, images)) for chain in chains.values()]
    assert sum(len(np.unique(each)) > 10 for each in scores) >= 15  # not all are at their ends
    for index, (name, chain) in enumerate(chains.items()):
        assert_as_python(page, name, chain, images)
        count, wrong = page.evaluate(EXPLAIN, index)
        assert wrong == []
        assert count >= sum(math.prod(step.output_shape) for step in chain.steps)


# The self-check


def test_the_self_check_passes_and_names_what_agrees(address, beside, open_page):
    assert "30 images gave the very integers that" in open_page(address).inner_text("#check")
    both = open_page(beside).inner_text("#check")
    assert "30 images gave the very integers and bits that" in both


def damaged(model, tensor, place, digits):
    """The page of this model with one number of its last step one larger than it is."""
    text = web.page({"modern.int8": model}, *digits)
    start = text.index('id="data">') + len('id="data">')
    end = text.index("</script>", start)
    data = json.loads(text[start:end])
    arrays = [own for step in model.steps for own in web._int8._tensors(step).values()]
    assert data["networks"][0]["weights"] == _networks.packed(*arrays)
    index = [*model.steps[-1].tensors].index(tensor) - len(model.steps[-1].tensors)
    wrong = arrays[index].copy()
    wrong.flat[place] += 1
    arrays[index] = wrong
    data["networks"][0]["weights"] = _networks.packed(*arrays)
    return text[:start] + json.dumps(data).replace("<", "\\u003c") + text[end:]


@pytest.mark.parametrize("tensor", ["kernel", "multiplier"])
def test_one_wrong_number_in_the_page_is_told(tensor, tmp_path, quantized, open_page, digits):
    path = tmp_path / "damaged.html"
    path.write_text(damaged(quantized["modern.int8"], tensor, 7, digits), encoding="utf-8")
    page = open_page(path.as_uri())
    assert page.get_attribute("#check", "role") == "alert"
    assert "does not compute as pylenet does (modern.int8)" in page.inner_text("#check")


def test_a_browser_that_rounds_otherwise_is_told(address, open_page):
    page = open_page(address, script="Math.floor = Math.trunc;")
    assert page.get_attribute("#check", "role") == "alert"


# What one sees


def test_the_console_has_integers_and_outputs(beside, open_page, quantized, lenets, digits):
    page = open_page(beside)
    image = digits[0][3]
    scores, outputs = page.evaluate(
        """(text) => [window.pylenet.scores, window.pylenet.predict].map((f) =>
          Object.entries(f(bytesOf(text))).map(([name, y]) => [name, y && Array.from(y)]))""",
        text_of(image),
    )
    small = quantized["modern.int8"]
    assert scores == [["modern", None], ["modern.int8", small.scores(image[None])[0].tolist()]]
    assert [name for name, _ in outputs] == ["modern", "modern.int8"]
    for (_, y), model in zip(outputs, [lenets["modern"], small], strict=True):
        np.testing.assert_allclose(y, model.predict(image[None])[0], atol=1e-6)


def panel(page):
    return page.locator(".explanation")


def test_a_click_shows_the_arithmetic_in_integers(address, open_page, quantized, digits):
    page, model = open_page(address), quantized["modern.int8"]
    page.click("#digits button >> nth=9")
    frame(page)
    image = np.array(page.evaluate("Array.from(window.pylenet.seen())")).reshape(28, 28)
    column = page.locator(".network").nth(1)
    assert column.locator("h2").inner_text() == "modern.int8 in whole numbers"
    maps = column.locator(".card > .maps:nth-child(2) canvas")
    maps.first.focus()
    for key in ("ArrowRight", "ArrowDown", "Enter"):  # map 1, row 2, column 2
        page.keyboard.press(key)
    step = model.steps[0]
    names = ("kernel", "bias", "multiplier")
    kernel, bias, multiplier = (step.tensors[name].astype(np.int64) for name in names)
    products = (image[1:6, 1:6] * kernel[0, :, :, 0]).ravel()
    total = int(products.sum() + bias[0])
    shifted = (total * int(multiplier[0]) + 2 ** (step.shift - 1)) >> step.shift
    assert panel(page).locator("h4").inner_text() == "rescaling + conv2d, map 1, row 2, column 2"
    told = panel(page).locator(".terms b").all_inner_texts()
    assert [number(text.removeprefix("= ")) for text in told] == products.tolist()
    assert panel(page).locator(".line").inner_text() == f"bias: {written(bias[0])}"
    assert panel(page).locator(".sum").all_inner_texts() == [
        f"= sum of the bias and 25 products: {written(total)}",
        f"\u2192 times the multiplier {multiplier[0]}: {written(total * int(multiplier[0]))}",
        f"\u2192 plus {2 ** (step.shift - 1)}, divided by 2^{step.shift}, rounded down: "
        f"{written(shifted)}",
        f"\u2192 held within 0 and 127: {min(max(shifted, 0), 127)}",
    ]
    # From the real number to the integer, to the row of weights, to the layer before.
    column.locator(".bars button").nth(3).click()
    panel(page).locator(".terms li").nth(3).click()
    scale = re.search(r"times ([\d.]+), what 1 stands for", panel(page).inner_text())[1]
    assert np.float32(scale) == np.float32(model.output.scale)
    panel(page).locator(".terms li").first.click()
    assert panel(page).locator(".terms li").count() == 84
    assert panel(page).locator("h4").inner_text() == "dense_2 (dense), class 3"
    score = model.scores(image[None].astype(np.uint8))[0, 3]
    assert number(panel(page).locator(".sum b").last.inner_text()) == score


def written(value):
    return str(value).replace("-", "\u2212")


def test_a_table_is_told_with_what_is_looked_up(address, open_page, quantized, digits):
    page = open_page(address)
    page.click("#digits button >> nth=9")
    frame(page)
    column = page.locator(".network").first
    assert "convolution 5\u00d75, table" in column.locator("h3").first.inner_text()
    column.locator(".card > .maps:nth-child(2) canvas").first.click(position={"x": 50, "y": 50})
    rounded, looked_up = panel(page).locator(".sum b").all_inner_texts()[-2:]
    table = quantized["classic.int8"].steps[0].tensors["table"]
    assert number(looked_up) == table[np.clip(int(number(rounded)), -512, 511) + 512]
    assert "looked up in the table of \u2212512 to 511" in panel(page).inner_text()


def test_float32_and_whole_numbers_of_one_network_read_alike(beside, open_page, digits):
    page = open_page(beside)
    for place in (0, 7, 16, 29):
        page.click(f"#digits button >> nth={place}")
        first, second = answers(page)
        assert first == second
    titles = page.locator(".network h2").all_inner_texts()
    assert titles == ["modern in float32", "modern.int8 in whole numbers"]
    page.locator("#seen canvas").click(position={"x": 70, "y": 70})
    taken = page.inner_text("#pixel")
    told = re.search(r"modern takes (\d+) \u00d7 0.003921569 = ", taken)[1]
    assert f"modern.int8 takes {told} = {told}" in taken


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_its_window_in_light_and_dark(size, scheme, beside, open_page):
    page = open_page(beside, size, scheme)
    page.click("#digits button >> nth=0")
    page.locator(".bars button").last.click()
    frame(page)
    assert page.evaluate("document.documentElement.scrollWidth") == SIZES[size][0]

"""`pylenet draw` and `web.page`: what is written, and what is refused. No browser is needed."""

import base64
import dataclasses
import re
import types
import zlib
from pathlib import Path

import numpy as np
import pytest
from int8_models import random_weights

import pylenet
from pylenet import layers, models, utils, web
from pylenet.cli import _draw, main

OUTSIDE = re.compile(r"""https?:|src=|\bimport\b|\bfetch\(|XMLHttp|new Worker|@import|url\(""")


def save(folder, name, model):
    path = folder / f"{name}.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    model.save(path)
    return str(path)


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_draw_writes_one_file_and_says_where(tmp_path, capsys):
    utils.set_random_seed(1)
    model = save(tmp_path, "small", models.lenet5_modern())
    assert main(["draw", model, "--data", "none", "--out", "page.html"]) == 0
    size = (tmp_path / "page.html").stat().st_size
    assert capsys.readouterr().out == f"page.html: small, {size:,} bytes. Open it in a browser.\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["page.html", "small.safetensors"]


def test_a_page_of_one_lenet_with_test_digits_has_at_most_300_kilobytes(digits):
    modern, classic = models.lenet5_modern(), models.lenet5_classic()
    for w in (*modern.weights, *classic.weights):
        w += np.random.default_rng(1).normal(0, 0.05, w.shape)  # biases, too, are no zeros then
    assert len(web.page({"modern": modern}, *digits).encode()) <= 300_000
    assert len(web.page({"modern": modern, "classic": classic}, *digits).encode()) <= 520_000


@pytest.mark.parametrize("make", [models.lenet5_modern, models.lenet5_classic])
def test_a_page_of_one_lenet_in_whole_numbers_has_at_most_150_kilobytes(make, digits):
    quantized = pylenet.quantize(random_weights(make(), 1), digits[0][:50], ranges="max")
    rng = np.random.default_rng(1)
    steps = [
        dataclasses.replace(step, tensors={name: noise(rng, x) for name, x in step.tensors.items()})
        for step in quantized.steps
    ]
    worst = types.SimpleNamespace(steps=steps)  # whose weights cannot be deflated at all
    text = web.page({"modern.int8": quantized}, *digits)
    weights = [len(web._networks.packed(*flat(model))) for model in (worst, quantized)]
    assert len(text.encode()) + weights[0] - weights[1] <= 150_000


def noise(rng, tensor):
    info = np.iinfo(tensor.dtype)
    return rng.integers(info.min, info.max, tensor.shape, tensor.dtype)


def flat(model):
    return [x for step in model.steps for x in web._int8._tensors(step).values()]


def test_quantized_models_are_drawn_alone_and_beside_others(tmp_path, capsys, digits):
    model = random_weights(models.lenet5_modern(), 1)
    path = save(tmp_path, "modern", model)
    small = save(tmp_path, "modern.int8", pylenet.quantize(model, digits[0][:50], ranges="max"))
    assert main(["draw", small, "--data", "none"]) == 0
    assert capsys.readouterr().out.startswith("lenet.html: modern.int8, ")
    alone = (tmp_path / "lenet.html").stat().st_size
    assert main(["draw", path, small]) == 0
    assert capsys.readouterr().out.startswith("lenet.html: modern and modern.int8, ")
    assert (tmp_path / "lenet.html").stat().st_size > 2 * alone


def element(text, name):
    """What stands in a page's element of data or program."""
    return text.split(f'id="{name}">')[1].split("</script>")[0]


def test_a_page_asks_for_nothing_outside_itself():
    text = web.page({"modern": models.lenet5_modern()})
    deflated = element(text, "program")
    program = zlib.decompress(base64.b64decode(deflated), wbits=-15).decode()
    assert program.startswith('"use strict";')
    rest = text.replace(element(text, "data"), "").replace(deflated, program)
    assert OUTSIDE.findall(rest) == []
    assert "default-src 'none'" in text


def test_the_same_models_give_the_same_page(digits):
    model = models.lenet5_classic()
    assert web.page({"a": model}, *digits) == web.page({"a": model}, *digits)


def test_no_name_can_end_the_data_early():
    model = models.lenet5_modern()
    model.class_names = ["</script><b>", *"123456789"]
    text = web.page({"<!--<script>": model}, title="<i>&")
    assert text.count("</script>") == 3
    assert "<!--<script>" not in text
    assert "<title>&lt;i&gt;&amp;</title>" in text


def test_without_a_model_draw_takes_what_train_left(tmp_path, capsys):
    assert main(["draw"]) == 2
    error = capsys.readouterr().err
    assert "there is no pylenet-out/modern.safetensors: run `pylenet train`" in error.replace(
        "\\", "/"
    )
    save(tmp_path / "pylenet-out", "modern", models.lenet5_modern())
    assert main(["draw", "--data", "none"]) == 0
    assert capsys.readouterr().out.startswith("lenet.html: modern, ")


def test_the_lines_of_docs_draw_md_write_a_page(tmp_path, digits):
    save(tmp_path / "pylenet-out", "modern", models.lenet5_modern())
    text = (Path(__file__).parents[2] / "docs" / "draw.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    exec(block, {})
    assert len((tmp_path / "lenet.html").read_bytes()) > 200_000


def test_help_names_the_recipe_for_handwriting(capsys):
    with pytest.raises(SystemExit):
        main(["draw", "--help"])
    assert "pylenet train --recipe best" in " ".join(capsys.readouterr().out.split())


def test_models_of_one_name_are_told_by_their_paths(tmp_path, capsys):
    paths = [save(tmp_path / name, "modern", models.lenet5_modern()) for name in "ab"]
    assert main(["draw", *paths, "--data", "none"]) == 0
    assert " and ".join(paths) in capsys.readouterr().out


def test_what_is_no_model_file_is_refused_before_anything_is_written(tmp_path, capsys):
    assert main(["draw", "nothing.safetensors"]) == 2
    assert (
        "MODEL must be a model file, and 'nothing.safetensors' is none" in capsys.readouterr().err
    )
    assert list(tmp_path.iterdir()) == []


def test_a_page_does_not_take_the_place_of_its_model(tmp_path, capsys):
    model = save(tmp_path, "small", models.lenet5_modern())
    (tmp_path / "link").symlink_to(model)
    before = Path(model).read_bytes()
    for out in (model, "small.safetensors", "link"):
        assert main(["draw", "small.safetensors", "--data", "none", "--out", out]) == 2
        assert "--out must be no MODEL, whose place" in capsys.readouterr().err
    assert Path(model).read_bytes() == before


@pytest.mark.filterwarnings("default")  # the command tells it on stderr
def test_a_model_of_unknown_data_has_no_test_images_and_says_so(tmp_path, capsys):
    model = models.lenet5_modern()
    model.data_name = "folder letters (sha256 01234567)"
    assert main(["draw", save(tmp_path, "letters", model)]) == 0
    assert (
        "the page has no test images: MODEL was trained on folder letters"
        in capsys.readouterr().err
    )


@pytest.mark.filterwarnings("default")
def test_where_mnist_is_not_to_be_had_the_page_has_no_test_images(tmp_path, capsys, monkeypatch):
    def load(*_):
        raise FileNotFoundError("nowhere")

    monkeypatch.setattr(_draw._data, "load", load)
    model = save(tmp_path, "small", models.lenet5_modern())
    assert main(["draw", model]) == 0
    assert "no test images: mnist is not to be had here, give --data" in capsys.readouterr().err
    assert main(["draw", model, "--data", "mnist"]) == 2  # asked for, it must be there


def chain(*parts, shape=(28, 28, 1)):
    return models.Sequential([layers.Input(shape), *parts])


REFUSED = {
    "28 x 28 pixels, got the shape (32, 32, 1)": lambda: chain(
        layers.Flatten(), layers.Dense(10), shape=(32, 32, 1)
    ),
    "28 x 28 pixels, got the shape (28, 28, 3)": lambda: chain(
        layers.Flatten(), layers.Dense(10), shape=(28, 28, 3)
    ),
    "2 or more classes, got (1,)": lambda: chain(layers.Flatten(), layers.Dense(1)),
    "2 or more classes, got (24, 24, 6)": lambda: chain(layers.Conv2D(6, 5)),
    "has 2,369,110 weights": lambda: chain(layers.Flatten(), layers.Dense(2980), layers.Dense(10)),
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_does_not_fit_on_a_page_is_refused_by_name(text):
    model = REFUSED[text]()
    for made in (model, pylenet.quantize(model, np.zeros((1, *model.input_shape[1:]), np.uint8))):
        with pytest.raises(ValueError, match=re.escape(text)) as caught:
            web.page({"mine": made})
        assert "'mine'" in str(caught.value)


@pytest.mark.parametrize("what", ["KINDS", "ACTIVATIONS"])
def test_a_layer_that_the_page_does_not_know_is_named(what, monkeypatch):
    monkeypatch.setattr(web._networks, what, ("dense", "linear", "softmax", "activation"))
    found = {"KINDS": "layer 'conv2d' of kind 'conv2d'", "ACTIVATIONS": "activation 'relu'"}[what]
    if what == "ACTIVATIONS":
        monkeypatch.setattr(web._networks, "KINDS", ("conv2d", "dense"))
    with pytest.raises(ValueError, match=found):
        web.page({"mine": models.lenet5_modern()})


def test_wrong_arguments_are_named():
    model = models.lenet5_modern()
    with pytest.raises(TypeError, match="models must be a dict"):
        web.page([model])
    with pytest.raises(TypeError, match="Sequential"):
        web.page({"a": 3})
    with pytest.raises(ValueError, match="given together"):
        web.page({"a": model}, np.zeros((1, 28, 28), np.uint8))
    with pytest.raises(ValueError, match="images must be uint8"):
        web.page({"a": model}, np.zeros((1, 28, 28)), np.zeros(1, int))
    with pytest.raises(ValueError, match="labels must be 1 integers"):
        web.page({"a": model}, np.zeros((1, 28, 28), np.uint8), np.zeros(2, int))
    with pytest.raises(ValueError, match="labels must be from 0 to 9, got 10 to 10"):
        web.page({"a": model}, np.zeros((1, 28, 28), np.uint8), np.array([10]))
    other = models.lenet5_modern()
    other.class_names = list("abcdefghij")
    with pytest.raises(ValueError, match="the same classes"):
        web.page({"a": model, "b": other})


def test_a_page_s_test_images_are_as_many_of_each_class():
    labels = np.array([0] * 50 + [1] * 2 + [2] * 50)
    chosen = web._networks.labelled(["a", "b", "c"], labels, 30)
    assert len(chosen) == 30
    assert np.bincount(labels[chosen]).tolist() == [14, 2, 14]
    assert chosen == sorted(chosen)

"""`pylenet predict`: pictures in, digits out; and the warning where a model is fed paper."""

import json
import shutil
import sys
import warnings

import numpy as np
import pytest

import pylenet
from pylenet import cli, layers, models
from pylenet.models import lenet5_modern, load_model

Image = pytest.importorskip("PIL.Image")


@pytest.fixture(scope="module")
def lenet(mnist, tmp_path_factory):
    """A trained LeNet, and where it is kept."""
    (x, y), _ = mnist
    pylenet.utils.set_random_seed(1)
    model = lenet5_modern()
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x[:20000], y[:20000], batch_size=128, epochs=2, verbose=0)
    path = tmp_path_factory.mktemp("model") / "lenet.safetensors"
    model.save(path)
    return model, path


@pytest.fixture(scope="module")
def photos(mnist, tmp_path_factory):
    """Ten test digits as pictures of many formats, dark on grey paper three times as large."""
    folder = tmp_path_factory.mktemp("photos")
    _, (x, _) = mnist
    suffixes = ("png", "jpg", "bmp", "gif", "PNG", "jpeg", "pgm", "tif", "webp", "png")
    for i, suffix in enumerate(suffixes):
        photo = np.full((120, 100), 220, np.uint8)
        photo[20:104, 8:92] -= np.kron(x[i] // 2, np.ones((3, 3), np.uint8))
        Image.fromarray(photo).save(folder / f"{i}.{suffix}")
    return folder


def run(capsys, *arguments):
    """Exit code, printed lines, lines on stderr."""
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        code = cli.main(["predict", *map(str, arguments)])
    out, err = capsys.readouterr()
    return code, out.splitlines(), err.splitlines()


def test_each_picture_s_digit_and_probability_are_printed(lenet, photos, mnist, capsys):
    _, (_, y) = mnist
    files = sorted(photos.iterdir())
    code, lines, errors = run(capsys, lenet[1], *files)
    assert (code, errors, len(lines)) == (0, [], 10)
    right = 0
    for line, file, label in zip(lines, files, y, strict=False):
        name, answer = line.split(": ")
        digit, probability = answer.split()
        assert name == str(file)
        assert 0 < float(probability.strip("()")) <= 1
        right += digit == str(label)
    assert right >= 9


def test_a_quantized_model_reads_the_same_digits(lenet, photos, mnist, tmp_path, capsys):
    (x, _), _ = mnist
    pylenet.quantize(lenet[0], x[:200]).save(tmp_path / "lenet.int8.safetensors")
    files = sorted(photos.iterdir())
    expected, found = (
        [line.split(" (")[0] for line in run(capsys, path, *files)[1]]
        for path in (lenet[1], tmp_path / "lenet.int8.safetensors")
    )
    assert found == expected
    assert len(found) == 10


def test_json_has_the_values_of_all_classes(lenet, photos, capsys):
    model, path = lenet
    files = sorted(photos.iterdir())[:3]
    code, lines, _ = run(capsys, path, *files, "--json")
    found = json.loads("\n".join(lines))
    expected = model.predict(pylenet.utils.prepare_digits([Image.open(file) for file in files]))
    assert code == 0
    for entry, file, row in zip(found, files, expected, strict=True):
        assert list(entry) == ["file", "class", "index", "probability", "all"]
        assert entry["file"] == str(file)
        assert entry["index"] == row.argmax()
        assert entry["class"] == str(row.argmax())
        assert entry["probability"] == float(row.max())
        assert list(entry["all"]) == list("0123456789")
        np.testing.assert_array_equal(np.float32(list(entry["all"].values())), row)


def test_a_folder_stands_for_its_pictures_by_name(lenet, photos, tmp_path, capsys):
    shutil.copytree(photos, tmp_path / "mine")
    (tmp_path / "mine" / "notes.txt").write_text("not a picture")
    (tmp_path / "mine" / "more.png").mkdir()
    code, lines, errors = run(capsys, lenet[1], tmp_path / "mine")
    names = ["0.png", "1.jpg", "2.bmp", "3.gif", "4.PNG", "5.jpeg", "9.png"]
    assert [line.split(": ")[0] for line in lines] == [
        str(tmp_path / "mine" / name) for name in names
    ]
    assert (code, errors) == (0, [])
    (tmp_path / "none").mkdir()
    code, _, errors = run(capsys, lenet[1], tmp_path / "none")
    assert code == 2
    assert errors == [
        "pylenet: error: PICTURE must be a picture or a folder of .bmp, .gif, .jpeg, .jpg, .png, "
        f"but {tmp_path / 'none'} holds none"
    ]


def test_pictures_that_cannot_be_read_are_named_and_the_others_read(
    lenet, photos, tmp_path, capsys
):
    good = photos / "0.png"
    blank, cut, text, missing = (tmp_path / name for name in ("b.png", "c.png", "t.png", "m.png"))
    Image.new("RGB", (50, 60), "white").save(blank)
    cut.write_bytes(good.read_bytes()[:-400])
    text.write_text("hello")
    code, lines, errors = run(capsys, lenet[1], blank, cut, good, text, missing, "--json")
    assert code == 2
    found = json.loads("\n".join(lines))
    assert ["error" in entry for entry in found] == [True, True, False, True, True]
    for line, reason in zip(
        errors,
        (
            f"{blank} must show a digit, but it is one grey, or noise alone",
            f"{cut} is not a picture: ",
            f"{text} is not a picture: no format that Pillow knows",
            f"{missing}: No such file or directory",
            "4 of 5 pictures could not be read",
        ),
        strict=True,
    ):
        assert reason in line


def test_raw_takes_the_pixels_as_they_are(lenet, mnist, tmp_path, capsys):
    model, path = lenet
    _, (x, _) = mnist
    files = [tmp_path / f"{i}.png" for i in range(5)]
    for file, image in zip(files, x, strict=False):
        Image.fromarray(image).save(file)
    code, lines, _ = run(capsys, path, *files, "--raw", "--json")
    assert code == 0
    rows = [list(entry["all"].values()) for entry in json.loads("\n".join(lines))]
    np.testing.assert_array_equal(np.float32(rows), model.predict(x[:5]))
    Image.new("L", (30, 28)).save(files[0])
    code, _, errors = run(capsys, path, files[0], "--raw")
    assert code == 2
    assert (
        "must be 28 x 28 pixels with --raw, as MODEL takes them, got 28 x 30; without --raw"
        in errors[0]
    )


def test_raw_paper_is_warned_of(lenet, mnist, tmp_path, capsys):
    Image.fromarray(255 - mnist[1][0][0]).save(tmp_path / "paper.png")
    code, lines, errors = run(capsys, lenet[1], tmp_path / "paper.png", "--raw")
    assert (code, len(lines)) == (0, 1)
    assert errors[0].startswith("pylenet: warning: x has a light border, as ink on paper has it")


def saved(model, path, *compiled):
    if compiled:
        model.compile(*compiled)
    model.save(path)
    return path


def test_raw_takes_colours_where_the_model_does(tmp_path, capsys):
    model = models.Sequential(
        [
            layers.Rescaling(1 / 255, input_shape=(6, 5, 3)),
            layers.Flatten(),
            layers.Dense(3, "softmax"),
        ]
    )
    model.class_names = ["red", "green", "blue"]
    path = saved(model, tmp_path / "m.safetensors")
    pixels = np.random.default_rng(0).integers(0, 256, (6, 5, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    _, lines, _ = run(capsys, path, tmp_path / "a.png", "--raw", "--json")
    (entry,) = json.loads("\n".join(lines))
    np.testing.assert_array_equal(
        np.float32(list(entry["all"].values())), model.predict(pixels[None])[0]
    )
    assert entry["class"] in model.class_names


@pytest.mark.parametrize("kind", ["logits", "1998", "mse"])
def test_outputs_become_probabilities_where_the_model_says_how(kind, photos, tmp_path, capsys):
    if kind == "1998":
        model = models.lenet5_1998()
        path = saved(model, tmp_path / "m.safetensors", "sdlm", "maximum_a_posteriori")
    else:
        model = models.Sequential(
            [layers.Rescaling(1 / 255, input_shape=(28, 28)), layers.Flatten(), layers.Dense(10)]
        )
        loss = pylenet.losses.SparseCategoricalCrossentropy(from_logits=True)
        path = saved(model, tmp_path / "m.safetensors", "sgd", "mse" if kind == "mse" else loss)
    _, lines, errors = run(capsys, path, photos / "0.png", "--json")
    assert errors == []
    (entry,) = json.loads("\n".join(lines))
    digit = pylenet.utils.prepare_digits([Image.open(photos / "0.png")])
    y = model.predict(digit)[0].astype(float)
    if kind == "mse":
        assert entry["output"] == y.max()
        return
    if kind == "1998":
        expected = np.exp(-y) / (np.exp(-model.loss.j) + np.exp(-y).sum())
        assert entry["index"] == y.argmin()
    else:
        expected = np.exp(y) / np.exp(y).sum()
    assert list(entry["all"].values()) == pytest.approx(expected.tolist(), rel=1e-9)


def test_a_model_without_rescaling_is_given_pixels_over_255(photos, tmp_path, capsys):
    end = layers.Dense(10, "softmax")
    model = models.Sequential([layers.Input((28, 28, 1)), layers.Flatten(), end])
    path = saved(model, tmp_path / "m.safetensors")
    _, lines, errors = run(capsys, path, photos / "0.png", "--json")
    assert errors == [
        "pylenet: warning: MODEL has no Rescaling layer in front: it is given pixels / 255"
    ]
    (entry,) = json.loads("\n".join(lines))
    digit = pylenet.utils.prepare_digits([Image.open(photos / "0.png")])
    expected = model.predict(digit[..., None] / np.float32(255))[0]
    np.testing.assert_array_equal(np.float32(list(entry["all"].values())), expected)


def test_a_model_of_other_images_is_an_error(photos, tmp_path, capsys):
    flat = [layers.Flatten(), layers.Dense(10, "softmax")]
    small = models.Sequential([layers.Input((20, 20, 1)), *flat])
    path = saved(small, tmp_path / "small.safetensors")
    code, _, errors = run(capsys, path, photos / "0.png")
    assert code == 2
    assert "MODEL must take images (28, 28, 1), but" in errors[0]
    assert "takes (20, 20, 1): for pictures of that size give --raw" in errors[0]
    one = models.Sequential([layers.Input((28, 28)), layers.Flatten(), layers.Dense(1)])
    code, _, errors = run(capsys, saved(one, tmp_path / "one.safetensors"), photos / "0.png")
    assert code == 2
    assert "and give two classes or more, but" in errors[0]
    code, _, errors = run(capsys, "nowhere", photos / "0.png")
    assert errors == ["pylenet: error: MODEL must be a model file, and 'nowhere' is none"]


def test_without_pillow_the_error_says_how_to_get_it(lenet, photos, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "PIL", None)
    code, _, errors = run(capsys, lenet[1], photos / "0.png")
    assert code == 2
    assert errors == [
        'pylenet: error: reading pictures needs Pillow: pip install "pylenet[images]"'
    ]


def test_a_photograph_is_turned_upright_as_its_camera_says(lenet, photos, tmp_path, capsys):
    upright = Image.open(photos / "0.png")
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held on its side
    upright.rotate(90, expand=True).save(tmp_path / "turned.png", exif=exif)
    _, lines, _ = run(capsys, lenet[1], photos / "0.png", tmp_path / "turned.png")
    assert lines[0].split(": ")[1] == lines[1].split(": ")[1]


# predict warns of paper


def trained_on(x):
    model = models.Sequential([layers.Input((28, 28, 1)), layers.Flatten(), layers.Dense(10)])
    model.compile("sgd", "mse")
    model.fit(x, np.zeros((len(x), 10)), verbose=0)
    return model


def test_predict_warns_once_of_images_with_a_light_border(mnist, tmp_path):
    x = mnist[1][0][:20] / np.float32(255)
    model = trained_on(x)
    model.predict(x)  # as it was trained
    with pytest.warns(UserWarning, match="x has a light border, as ink on paper has it") as caught:
        model.predict(1 - x[:1])
    assert [warning.filename for warning in caught] == [__file__]
    model.predict(1 - x)
    model.save(tmp_path / "m.safetensors")
    with pytest.warns(UserWarning, match="x has a light border"):
        load_model(tmp_path / "m.safetensors").predict(1 - x[:1, :, :, None])


def test_predict_does_not_warn_of_what_the_model_was_trained_on_or_of_noise(mnist, tmp_path):
    x = 1 - mnist[1][0][:20] / np.float32(255)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = trained_on(x)
        model.predict(x)
        model.save(tmp_path / "m.safetensors")
        load_model(tmp_path / "m.safetensors").predict(x)
        random = np.random.default_rng(0)
        model = trained_on(mnist[1][0][:20] / np.float32(255))
        for n in (1, 9):
            model.predict(random.random((n, 28, 28), np.float32))
            model.predict(np.ones((n, 28, 28), np.float32))
            model.predict(random.normal(size=(n, 28, 28)).astype(np.float32))

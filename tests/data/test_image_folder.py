"""image_dataset_from_directory and load_img: pictures as batches, as Keras has them."""

import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest

import pylenet
from pylenet import layers
from pylenet.utils import image_dataset_from_directory, img_to_array, load_img

Image = pytest.importorskip("PIL.Image")
COUNTS = {"cats": 7, "dogs": 5, "eels": 4}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Pictures whose every pixel tells their place: 10 for each class, and one for each file."""
    folder = tmp_path_factory.mktemp("pets")
    for label, (name, count) in enumerate(COUNTS.items()):
        (folder / name / "more").mkdir(parents=True)
        for number in range(count):
            suffix = (".png", ".bmp", ".PNG")[number % 3]
            place = folder / name / ("more" if number % 2 else ".")
            picture = Image.new("RGB", (6, 8), (50 * label + number, 0, 200))
            picture.save(place / f"{number}{suffix}")
    (folder / "cats" / "notes.txt").write_text("not a picture")
    (folder / ".hidden").mkdir()
    Image.new("L", (3, 3)).save(folder / "loose.png")
    return folder


def gathered(dataset):
    batches = list(dataset)
    x = np.concatenate([batch[0] for batch in batches])
    return x, np.concatenate([batch[1] for batch in batches])


def of_whom(x):
    """The value that tells the file."""
    return x[:, 0, 0, 0].astype(int).tolist()


def test_folders_are_classes_and_pictures_come_in_batches(folder):
    dataset = image_dataset_from_directory(folder, image_size=(8, 6), batch_size=5, shuffle=False)
    assert dataset.class_names == ["cats", "dogs", "eels"]
    assert len(dataset) == len(list(dataset)) == 4
    x, y = gathered(dataset)
    assert (x.shape, x.dtype, y.dtype) == ((16, 8, 6, 3), np.float32, np.int32)
    assert y.tolist() == [0] * 7 + [1] * 5 + [2] * 4
    for file, image, label in zip(dataset.file_paths, x, y, strict=True):
        assert dataset.class_names[label] in file
        np.testing.assert_array_equal(image, np.asarray(Image.open(file)))
    assert [len(batch) for batch, _ in dataset] == [5, 5, 5, 1]
    assert repr(dataset) == "<ImageDataset: 16 pictures of 3 classes, 4 batches>"


def test_labels_take_the_form_that_a_loss_wants(folder):
    how = {"image_size": 4, "shuffle": False}
    _, rows = gathered(image_dataset_from_directory(folder, label_mode="categorical", **how))
    assert (rows.shape, rows.dtype) == ((16, 3), np.float32)
    assert rows.argmax(1).tolist() == [0] * 7 + [1] * 5 + [2] * 4
    two = image_dataset_from_directory(
        folder, label_mode="binary", class_names=["eels", "dogs"], **how
    )
    x, column = gathered(two)
    assert column.tolist() == [[0.0]] * 4 + [[1.0]] * 5
    assert of_whom(x)[:4] != of_whom(x)[4:8]
    assert two.class_names == ["eels", "dogs"]
    for none in (
        image_dataset_from_directory(folder, label_mode=None, **how),
        image_dataset_from_directory(folder, labels=None, **how),
    ):
        (batch,) = list(none)
        assert batch.shape == (17 if none.class_names is None else 16, 4, 4, 3)
    numbers = [*range(16), 3]
    dataset = image_dataset_from_directory(folder, labels=numbers, **how)
    assert gathered(dataset)[1].tolist() == numbers
    assert dataset.class_names == [str(number) for number in range(16)]


@pytest.mark.parametrize(("mode", "channels"), [("grayscale", 1), ("rgb", 3), ("rgba", 4)])
def test_colours_are_as_many_as_asked_for(folder, mode, channels):
    dataset = image_dataset_from_directory(folder, color_mode=mode, image_size=(8, 6))
    x, _ = dataset.as_arrays()
    assert (x.shape, x.dtype) == ((16, 8, 6, channels), np.uint8)
    batch, _ = next(iter(dataset))
    assert batch.shape[3] == channels
    if channels == 4:
        assert (x[..., 3] == 255).all()


def test_shuffling_is_a_function_of_the_seed_and_of_the_pass(folder):
    def orders(seed):
        dataset = image_dataset_from_directory(folder, image_size=2, seed=seed)
        return [of_whom(gathered(dataset)[0]) for _ in range(2)]

    first, second = orders(3)
    assert orders(3) == [first, second]
    assert first != second
    assert sorted(first) == sorted(second)
    assert orders(4)[0] != first
    pylenet.utils.set_random_seed(1)
    without = orders(None)
    pylenet.utils.set_random_seed(1)
    assert orders(None) == without


def test_labels_stay_with_their_pictures_when_shuffled(folder):
    x, y = gathered(image_dataset_from_directory(folder, image_size=2, seed=3))
    assert [value // 50 for value in of_whom(x)] == y.tolist()


@pytest.mark.parametrize("shuffle", [True, False])
def test_training_and_validation_share_the_pictures_out(folder, shuffle):
    how = {"validation_split": 0.3, "seed": 5, "shuffle": shuffle, "image_size": 2}
    both = image_dataset_from_directory(folder, subset="both", **how)
    parts = [
        image_dataset_from_directory(folder, subset=s, **how) for s in ("training", "validation")
    ]
    files = [part.file_paths for part in both]
    assert files == [part.file_paths for part in parts]
    assert [len(part) for part in files] == [12, 4]
    assert len(set(files[0] + files[1])) == 16
    _, validation = both
    assert of_whom(gathered(validation)[0]) == of_whom(gathered(validation)[0])


def test_the_split_is_keras_s(folder):
    dataset = image_dataset_from_directory(
        folder, validation_split=0.25, subset="validation", seed=9, image_size=2
    )
    found = [os.path.relpath(path, folder) for path in dataset.file_paths]
    by_keras_3_15 = ["cats/more/5.PNG", "cats/more/3.png", "eels/0.png", "eels/more/1.bmp"]
    assert [path.replace(os.sep, "/") for path in found] == by_keras_3_15


def test_fit_evaluate_and_predict_take_it(folder):
    pylenet.utils.set_random_seed(0)
    how = {"image_size": (8, 6), "seed": 2, "batch_size": 4}
    train, test = image_dataset_from_directory(folder, validation_split=0.25, subset="both", **how)
    model = pylenet.Sequential(
        [
            layers.Rescaling(1 / 255, input_shape=(8, 6, 3)),
            layers.Flatten(),
            layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(train, epochs=2, validation_data=test, verbose=0)
    assert len(history.history["val_loss"]) == 2
    x, y = test.as_arrays()
    np.testing.assert_allclose(model.evaluate(test), model.evaluate(x, y), rtol=1e-5)
    np.testing.assert_array_equal(model.predict(test), model.predict(x))


def test_sizes_change_with_or_without_the_shape(tmp_path):
    picture = np.zeros((10, 20), np.uint8)
    picture[:, 10:] = 200
    Image.fromarray(picture).save(tmp_path / "a.png")

    def image(**how):
        dataset = image_dataset_from_directory(
            tmp_path, labels=None, color_mode="grayscale", image_size=(8, 8), **how
        )
        return dataset.as_arrays()[0][0, ..., 0]

    for interpolation in ("nearest", "bilinear", "bicubic", "area", "lanczos3"):
        stretched = image(interpolation=interpolation)
        assert (stretched[:, 0] == 0).all()
        assert (stretched[:, -1] == 200).all()
    padded = image(pad_to_aspect_ratio=True)
    assert not padded[:2].any()
    assert not padded[6:].any()
    assert (padded[2:6, -1] == 200).all()
    cropped = image(crop_to_aspect_ratio=True)
    assert (cropped[:, 0] == 0).all()
    assert (cropped[:, -1] == 200).all()
    area = image(interpolation="area")
    np.testing.assert_array_equal(area, np.repeat([[0] * 4 + [200] * 4], 8, axis=0))


def test_sixteen_bits_are_scaled_and_not_cut_off(tmp_path):
    grey = (np.arange(64, dtype=np.uint16) * 1040).reshape(8, 8)
    Image.fromarray(grey).save(tmp_path / "a.png")
    image = img_to_array(load_img(tmp_path / "a.png", color_mode="grayscale"))
    np.testing.assert_array_equal(image[..., 0], grey // 257)


def test_load_img_and_img_to_array_are_as_in_keras(folder):
    path = folder / "cats" / "0.png"
    image = load_img(path, target_size=(3, 5))
    assert (image.size, image.mode) == ((5, 3), "RGB")
    array = img_to_array(image)
    assert (array.shape, array.dtype) == ((3, 5, 3), np.float32)
    assert (array == [0, 0, 200]).all()
    grey = load_img(path, color_mode="grayscale")
    assert img_to_array(grey, dtype="uint8").shape == (8, 6, 1)
    with pytest.raises(ValueError, match=r"img must be \(height, width\[, channels\]\), got shape"):
        img_to_array(np.zeros(3))
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load_img(folder / "nowhere.png")
    with pytest.raises(ValueError, match="notes.txt is not a picture: no format that Pillow knows"):
        load_img(folder / "cats" / "notes.txt")


# What docs/data.md shows


def test_the_python_of_docs_data_md_works(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    for name, columns in (("train", 785), ("test", 784)):
        rows = random.integers(0, 10, (3, columns))
        np.savetxt(f"{name}.csv", rows, "%d", ",", header=",".join("h" * columns), comments="")
    for number in range(20):
        place = tmp_path / "pets" / ("cats", "dogs")[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        pixels = random.integers(0, 256, (9, 9)).astype(np.uint8)
        Image.fromarray(pixels).save(place / f"{number}.png")
    text = (Path(__file__).parents[2] / "docs" / "data.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 3
    for block in blocks:
        names = {}
        exec(block, names)
        if "model" in names:
            assert names["model"].class_names == ("cats", "dogs")
    assert capsys.readouterr().out == "(1, 28, 28) uint8 255\n"


# Errors


WRONG = [
    ({"labels": [1, 2]}, ValueError, "labels must be one for each of the 17 pictures in .*, got 2"),
    ({"labels": "cats"}, TypeError, "labels must be 'inferred', a list of integers or None, got"),
    ({"label_mode": "text"}, ValueError, "label_mode must be one of"),
    ({"label_mode": "binary"}, ValueError, "label_mode 'binary' needs 2 classes, got 3"),
    (
        {"labels": [0] * 16 + [7], "label_mode": "categorical"},
        ValueError,
        "labels must be below 2, the number of classes, for label_mode 'categorical', got 7",
    ),
    (
        {"class_names": ["cats", "cows"]},
        ValueError,
        "class_names must be folders in .*, got 'cows'",
    ),
    ({"labels": None, "class_names": ["cats"]}, ValueError, "class_names must be None where"),
    ({"color_mode": "cmyk"}, ValueError, "color_mode must be one of"),
    ({"batch_size": 0}, ValueError, "batch_size must be an integer >= 1, got 0"),
    ({"image_size": (3, 4, 5)}, ValueError, "image_size must be an integer or a pair"),
    ({"interpolation": "gaussian"}, ValueError, "interpolation must be one of"),
    ({"validation_split": 0.2}, ValueError, "validation_split and subset must be given together"),
    ({"subset": "training"}, ValueError, "validation_split and subset must be given together"),
    ({"validation_split": 0.2, "subset": "both"}, ValueError, "seed must be given with"),
    (
        {"validation_split": 0.01, "subset": "both", "seed": 1},
        ValueError,
        "validation_split must leave pictures for validation, got 0.01 of 16",
    ),
    (
        {"validation_split": 1.0, "subset": "both"},
        ValueError,
        r"validation_split must be .*\[0, 1\)",
    ),
    ({"validation_split": 0.2, "subset": "test"}, ValueError, "subset must be one of"),
    ({"shuffle": "yes"}, TypeError, "shuffle must be True or False, got 'yes'"),
    ({"seed": 2**32}, ValueError, r"seed must be below 2\*\*32"),
    ({"crop_to_aspect_ratio": True, "pad_to_aspect_ratio": True}, ValueError, "must not both be"),
]


@pytest.mark.parametrize(("how", "error", "text"), WRONG, ids=lambda value: str(value)[:30])
def test_a_wrong_argument_is_named(how, error, text, folder):
    with pytest.raises(error, match=text):
        image_dataset_from_directory(folder, **how)


def test_a_folder_without_pictures_or_that_is_none_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"directory must hold pictures \(.bmp, .gif, .jpeg,"):
        image_dataset_from_directory(tmp_path)
    with pytest.raises(FileNotFoundError, match="directory must be a folder, but .*nowhere is not"):
        image_dataset_from_directory(tmp_path / "nowhere")


def test_a_damaged_picture_is_named_when_its_turn_comes(tmp_path):
    Image.effect_noise((50, 50), 50).save(tmp_path / "a.png")
    data = (tmp_path / "a.png").read_bytes()
    (tmp_path / "b.png").write_bytes(data[: len(data) // 2])
    dataset = image_dataset_from_directory(
        tmp_path, labels=None, shuffle=False, batch_size=1, image_size=5
    )
    batches = iter(dataset)
    assert next(batches).shape == (1, 5, 5, 3)
    with pytest.raises(ValueError, match="b.png is not a picture: "):
        next(batches)


def test_the_number_of_files_is_printed_where_asked_for(folder, capsys):
    image_dataset_from_directory(folder)
    assert capsys.readouterr().out == ""
    image_dataset_from_directory(folder, verbose=True)
    image_dataset_from_directory(folder, labels=None, verbose=True)
    assert capsys.readouterr().out == ("Found 16 files belonging to 3 classes.\nFound 17 files.\n")


def test_without_pillow_the_error_says_how_to_get_it(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    for read in (image_dataset_from_directory, load_img):
        with pytest.raises(ImportError, match=r'pip install "pylenet\[images\]"'):
            read(folder)

"""preprocessing.image: ImageDataGenerator, what it draws and what it gives; images of files."""

import numpy as np
import pytest
from nets import compiled
from tolerance import assert_same_bits

from pylenet.layers import Dense, Flatten
from pylenet.models import Sequential
from pylenet.preprocessing import image
from pylenet.preprocessing.image import ImageDataGenerator, _matrices, _moved
from pylenet.utils import set_random_seed

H, W = 9, 13
X = np.random.default_rng(0).random((11, H, W, 2), dtype="float32")
Y = np.arange(11)


def dot(row, column, height=H, width=W):
    """One image with one bright pixel."""
    x = np.zeros((1, height, width, 1), np.float32)
    x[0, row, column] = 1
    return x


def moved(x, fill_mode="constant", angle=0.0, right=0.0, down=0.0, shear=0.0, zoom=(1.0, 1.0)):
    values = [np.full(len(x), v) for v in (np.deg2rad(angle), right, down, np.deg2rad(shear))]
    return _moved(x, _matrices(*values, np.tile(zoom, (len(x), 1))), fill_mode, 0.0)


def place(x):
    """(row, column) of the centre of mass."""
    values = x[0, ..., 0]
    total = values.sum()
    return (
        values.sum(axis=1) @ np.arange(values.shape[0]) / total,
        values.sum(axis=0) @ np.arange(values.shape[1]) / total,
    )


# One distortion


def test_nothing_asked_leaves_images_as_they_are():
    assert_same_bits(ImageDataGenerator()._distorted(X, np.random.default_rng(0)), X)
    assert_same_bits(moved(X), X)


def test_width_is_sideways_and_height_is_up_and_down():
    assert place(moved(dot(4, 6), right=2.0)) == pytest.approx((4, 4))
    assert place(moved(dot(4, 6), down=2.0)) == pytest.approx((2, 6))
    assert place(moved(dot(4, 6), right=0.25)) == pytest.approx((4, 5.75), abs=1e-6)
    for drawn in range(8):
        wide = ImageDataGenerator(width_shift_range=[3], fill_mode="constant")
        row, column = place(wide.flow(dot(4, 6), seed=drawn)[0])
        assert (row, abs(column - 6)) == pytest.approx((4, 3))
        high = ImageDataGenerator(height_shift_range=0.3, fill_mode="constant")
        row, column = place(high.flow(dot(4, 6), seed=drawn)[0])
        assert abs(row - 4) <= 0.3 * H + 1e-5
        assert column == pytest.approx(6)


def test_images_turn_about_their_centre_whatever_their_shape():
    assert place(moved(dot(4, 8), angle=90.0)) == pytest.approx((2, 6))
    assert place(moved(dot(4, 8), angle=180.0)) == pytest.approx((4, 4))
    assert place(moved(dot(4, 6), angle=37.0)) == pytest.approx((4, 6), abs=1e-5)


def test_zoom_below_one_enlarges():
    half = moved(dot(4, 8), zoom=(0.5, 0.5))
    assert place(half) == pytest.approx((4, 10))
    assert half.sum() == pytest.approx(4, rel=1e-5)
    assert moved(dot(4, 8), zoom=(0.5, 1.0)).sum() == pytest.approx(2, rel=1e-5)


def test_shear_moves_rows_against_each_other():
    below, above = (place(moved(dot(row, 6), shear=20.0)) for row in (6, 2))
    assert below[1] - 6 == pytest.approx(-(above[1] - 6), abs=1e-4)
    assert abs(below[1] - 6) > 0.5


@pytest.mark.parametrize(
    ("fill_mode", "expected"),
    [
        ("nearest", [0, 0, 0, 1, 2]),
        ("constant", [9, 9, 0, 1, 2]),
        ("reflect", [1, 0, 0, 1, 2]),
        ("wrap", [3, 4, 0, 1, 2]),
    ],
)
def test_outside_the_image_is_what_fill_mode_says(fill_mode, expected):
    row = np.arange(5, dtype=np.float32).reshape(1, 1, 5, 1)
    matrix = _matrices(*np.zeros((1, 1)), np.array([-2.0]), *np.zeros((2, 1)), np.ones((1, 2)))
    assert _moved(row, matrix, fill_mode, 9.0).ravel().tolist() == expected


# What is drawn


def test_a_seed_gives_the_same_batches_in_whatever_order_they_are_asked_for():
    def batches():
        settings = {"rotation_range": 20, "zoom_range": 0.2, "shear_range": 5}
        more = {"width_shift_range": 0.1, "channel_shift_range": 0.2, "horizontal_flip": True}
        return ImageDataGenerator(**settings, **more).flow(X, Y, batch_size=4, seed=7)

    forward, backward = batches(), batches()
    there = [forward[i] for i in range(3)]
    back = [backward[i] for i in (2, 1, 0)][::-1]
    for (x, y), (other_x, other_y) in zip(there, back, strict=True):
        assert_same_bits(x, other_x)
        assert np.array_equal(y, other_y)
    assert sorted(np.concatenate([y for _, y in there])) == list(Y)
    forward.on_epoch_end()
    assert not np.array_equal(forward[0][0], there[0][0])
    forward.reset()
    assert_same_bits(forward[0][0], there[0][0])


def test_without_a_seed_the_package_s_seed_counts():
    def first():
        set_random_seed(5)
        return ImageDataGenerator(rotation_range=30).flow(X)[0]

    assert_same_bits(first(), first())


def test_one_after_the_other_it_has_no_end():
    flow = ImageDataGenerator().flow(X, Y, batch_size=4, shuffle=False)
    assert len(flow) == 3
    sizes = [len(y) for _, (_, y) in zip(range(7), flow, strict=False)]
    assert sizes == [4, 4, 3, 4, 4, 3, 4]
    assert (flow.n, flow.samples, flow.batch_size) == (11, 11, 4)


def test_flips_are_half_of_the_images():
    x = np.arange(400 * 6, dtype=np.float32).reshape(400, 2, 3, 1)
    flow = ImageDataGenerator(horizontal_flip=True, vertical_flip=True).flow(
        x, batch_size=400, shuffle=False, seed=1
    )
    found = flow[0]
    sideways = (found[:, :, 0] > found[:, :, 2]).all(axis=(1, 2))
    over = (found[:, 0] > found[:, 1]).all(axis=(1, 2))
    assert 150 < sideways.sum() < 250
    assert 150 < over.sum() < 250
    assert 60 < (sideways & over).sum() < 140


def test_brightness_and_channel_shift_stay_in_their_ranges():
    x = np.full((50, 2, 2, 1), 100, np.uint8)
    bright = ImageDataGenerator(brightness_range=(0.5, 3)).flow(x, batch_size=50, seed=0)[0]
    assert bright.min() >= 50
    assert bright.max() == 255
    shifted = ImageDataGenerator(channel_shift_range=0.3).flow(X, batch_size=11, shuffle=False)[0]
    assert not np.array_equal(shifted, X)
    assert (shifted.max((1, 2, 3)) <= X.max((1, 2, 3))).all()


# What is given


def test_values_are_prepared_in_keras_s_order():
    def twice(one):
        assert one.shape == (H, W, 2)
        return one * 2

    generator = ImageDataGenerator(
        preprocessing_function=twice,
        rescale=0.25,
        samplewise_center=True,
        samplewise_std_normalization=True,
    )
    given = generator.flow(X, batch_size=11, shuffle=False)[0]
    half = X / 2
    expected = half - half.mean((1, 2, 3), keepdims=True)
    expected /= expected.std((1, 2, 3), keepdims=True) + 1e-6
    np.testing.assert_allclose(given, expected, atol=1e-6)
    np.testing.assert_allclose(generator.standardize(X[0]), expected[0], atol=1e-6)
    assert X[0, 0, 0, 0] == np.random.default_rng(0).random((), dtype="float32")


def test_featurewise_settings_take_what_fit_was_given():
    generator = ImageDataGenerator(featurewise_center=True, featurewise_std_normalization=True)
    with pytest.raises(ValueError, match="fit"):
        generator.flow(X)[0]
    generator.fit(X)
    given = generator.flow(X, batch_size=11)[0]
    np.testing.assert_allclose(given.mean((0, 1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(given.std((0, 1, 2)), 1, atol=1e-4)
    generator = ImageDataGenerator(featurewise_center=True, rotation_range=90)
    generator.fit(X, augment=True, rounds=2, seed=1)
    assert generator.mean.shape == (2,)


def test_a_validation_split_parts_the_images():
    generator = ImageDataGenerator(validation_split=0.3)
    train, kept = (
        generator.flow(X, Y, subset=s, shuffle=False) for s in ("training", "validation")
    )
    assert list(kept[0][1]) == [0, 1, 2]
    assert list(train[0][1]) == list(range(3, 11))
    with pytest.raises(ValueError, match="needs a validation_split"):
        ImageDataGenerator().flow(X, Y, subset="training")


def test_sample_weights_come_with_their_images():
    x, y, w = ImageDataGenerator().flow(X, Y, sample_weight=Y * 2.0, seed=3)[0]
    assert np.array_equal(w, y * 2.0)
    assert_same_bits(x, X[y])


def test_a_model_is_trained_on_what_it_gives():
    def net():
        return Sequential([Flatten(input_shape=(H, W, 2)), Dense(11, "softmax")])

    model, plain = compiled(net), compiled(net)
    flow = ImageDataGenerator(rescale=0.5).flow(X, Y, batch_size=4, shuffle=False)
    model.fit(flow, epochs=2, shuffle=False, verbose=0, validation_data=flow)
    plain.fit(X / 2, Y, batch_size=4, epochs=2, shuffle=False, verbose=0)
    for ours, theirs in zip(model.get_weights(), plain.get_weights(), strict=True):
        assert_same_bits(ours, theirs)
    assert model.predict(flow).shape == (11, 11)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"zca_whitening": True}, ValueError, "zca_whitening must be False"),
        ({"data_format": "channels_first"}, ValueError, "data_format must be"),
        ({"dtype": "float64"}, ValueError, "dtype must be"),
        ({"rotation_range": -1}, ValueError, "rotation_range"),
        ({"zoom_range": 1.0}, ValueError, "zoom_range"),
        ({"zoom_range": [1.2, 0.8]}, ValueError, "zoom_range must hold the lesser"),
        ({"zoom_range": [1, 2, 3]}, ValueError, "zoom_range must hold two"),
        ({"width_shift_range": []}, ValueError, "width_shift_range must hold one"),
        ({"fill_mode": "edge"}, ValueError, "fill_mode must be one of"),
        ({"validation_split": 1.0}, ValueError, "validation_split"),
        ({"horizontal_flip": 1}, TypeError, "horizontal_flip must be True or False"),
    ],
)
def test_a_wrong_setting_is_named(settings, error, message):
    with pytest.raises(error, match=message):
        ImageDataGenerator(**settings)


def test_what_are_no_images_is_an_error():
    generator = ImageDataGenerator()
    for x in (np.ones((3, 4)), np.ones((2, 3, 3, 1), complex), [1]):
        with pytest.raises(ValueError, match=r"x must hold images, shape \(N, height"):
            generator.flow(x)
    with pytest.raises(ValueError, match="y must hold 11 targets, got 3"):
        generator.flow(X, Y[:3])
    with pytest.raises(ValueError, match="at least one image"):
        generator.flow(X[:0])
    with pytest.raises(IndexError, match="index must be below 1"):
        generator.flow(X)[1]


# Files


def test_without_pillow_the_error_says_how_to_get_it(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "PIL", None)
    for use in (lambda: image.load_img("a.png"), lambda: image.array_to_img(np.ones((2, 2, 1)))):
        with pytest.raises(ImportError, match=r'pip install "pylenet\[images\]"'):
            use()


def test_images_flow_from_a_data_frame(tmp_path):
    pytest.importorskip("PIL")
    grey = np.arange(48, dtype=np.uint8).reshape(6, 8, 1) * 5
    for number in range(8):
        image.save_img(tmp_path / f"{number}.png", grey + number, scale=False)
    frame = {  # any object that gives columns by name will do
        "id": [f"{number}.png" for number in range(9)],
        "label": list("bababaacb"),
        "angle": np.arange(9) / 2,
        "share": np.arange(9.0),
    }
    generator = ImageDataGenerator(validation_split=0.25)
    settings = {"x_col": "id", "target_size": (6, 8), "color_mode": "grayscale", "shuffle": False}

    def flow(**more):
        return generator.flow_from_dataframe(frame, tmp_path, **settings | more)

    with pytest.warns(UserWarning, match="1 rows are left out, whose file is not there, as '.*8.p"):
        whole = flow(y_col="label", weight_col="share")
    assert (whole.n, whole.class_indices) == (8, {"a": 0, "b": 1, "c": 2})
    assert whole.filenames == frame["id"][:8]
    assert whole.classes.tolist() == [1, 0, 1, 0, 1, 0, 0, 2]
    x, y, weights = whole[0]
    assert_same_bits(x, np.stack([grey + number for number in range(8)]).astype(np.float32))
    assert y.tolist() == np.eye(3)[whole.classes].tolist()
    assert weights.tolist() == frame["share"].tolist()[:8]
    known = {"validate_filenames": False, "y_col": "label"}
    train = flow(**known, class_mode="sparse", classes=["b", "a"], subset="training", batch_size=2)
    assert train.filenames == ["2.png", "3.png", "4.png", "5.png", "6.png", "8.png"]
    assert train[1][1].tolist() == [0, 1]
    held = flow(**known, class_mode="sparse", classes=["b", "a"], subset="validation")
    assert held.filenames == ["0.png", "1.png"]
    del frame["id"][8], frame["label"][8]
    raw = flow(y_col=["angle", "share"], class_mode="raw")
    assert raw[0][1].tolist() == [[n / 2, n] for n in range(8)]
    assert flow(y_col="angle", class_mode="raw")[0][1].tolist() == [n / 2 for n in range(8)]
    assert flow(class_mode=None)[0].shape == (8, 6, 8, 1)
    assert_same_bits(*flow(class_mode="input")[0])
    with pytest.raises(ValueError, match="class_mode must be one of"):
        flow(class_mode="multi_output")
    with pytest.raises(ValueError, match="dataframe must name an image or more, got none in 'id'"):
        flow(y_col="label", classes=["d"])


def test_images_are_written_and_read_and_flow_from_a_directory(tmp_path):
    pytest.importorskip("PIL")
    grey = np.arange(48, dtype=np.uint8).reshape(6, 8, 1) * 5
    for label in ("cat", "dog"):
        (tmp_path / label).mkdir()
        for number in range(4):
            image.save_img(tmp_path / label / f"{number}.png", grey + number, scale=False)
    (tmp_path / "dog" / "notes.txt").write_text("no image")
    back = image.img_to_array(image.load_img(tmp_path / "cat" / "1.png", color_mode="grayscale"))
    assert np.array_equal(back, grey + 1)
    assert image.load_img(tmp_path / "cat" / "1.png", target_size=(3, 5)).size == (5, 3)
    assert image.img_to_array(image.load_img(tmp_path / "cat" / "1.png")).shape == (6, 8, 3)
    generator = ImageDataGenerator(rescale=1 / 255, validation_split=0.25)
    settings = {"target_size": (6, 8), "color_mode": "grayscale", "batch_size": 3}
    train = generator.flow_from_directory(
        tmp_path, subset="training", class_mode="sparse", shuffle=False, **settings
    )
    assert train.class_indices == {"cat": 0, "dog": 1}
    assert list(train.classes) == [0, 0, 0, 1, 1, 1]
    assert [name.replace("\\", "/") for name in train.filenames][:2] == ["cat/1.png", "cat/2.png"]
    x, y = train[0]
    np.testing.assert_allclose(x[0], (grey + 1) / 255, atol=1e-6)
    assert list(y) == [0, 0, 0]
    x, y = generator.flow_from_directory(tmp_path, subset="validation", **settings)[0]
    assert y.shape == (2, 2)
    x, y = generator.flow_from_directory(tmp_path, class_mode="input", **settings)[0]
    assert_same_bits(x, y)
    assert generator.flow_from_directory(tmp_path, class_mode=None, **settings)[0].shape[0] == 3
    with pytest.raises(FileNotFoundError, match="directory must be a folder"):
        generator.flow_from_directory(tmp_path / "none")
    with pytest.raises(FileNotFoundError, match="folder of images for each class"):
        generator.flow_from_directory(tmp_path / "cat")
    with pytest.raises(ValueError, match="class_mode must be one of"):
        generator.flow_from_directory(tmp_path, class_mode="multi")

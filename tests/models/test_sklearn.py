"""LeNetClassifier with scikit-learn's own checks, tools and habits."""

import pickle

import numpy as np
import pytest

pytest.importorskip("sklearn")

import joblib
from sklearn.base import clone, is_classifier
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from tolerance import assert_same_bits

import pylenet
from pylenet import _random, optimizers
from pylenet.augmentation import RandomAffine
from pylenet.layers import Conv2D, Dense, MaxPooling2D
from pylenet.sklearn import LeNetClassifier

WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
SMALL = [Conv2D(4, 3, activation="relu"), MaxPooling2D(2)]

# scikit-learn's checks


def expected_failures(estimator):
    return {
        "check_sample_weight_equivalence_on_dense_data": "a step is of batch_size samples: one "
        "of weight 2 is not in the steps of two of weight 1, nor is one of weight 0 absent",
    }


@pytest.mark.filterwarnings("ignore:X has .* pixels a sample, which is no square:UserWarning")
@parametrize_with_checks(
    [
        LeNetClassifier(random_state=0),
        LeNetClassifier(layers=[Dense(32, "relu")], random_state=0),
    ],
    expected_failed_checks=expected_failures,
)
def test_scikit_learn_s_checks_pass(estimator, check):
    check(estimator)


# Data


@pytest.fixture(scope="module")
def digits(many_digits):
    """The first 240 of them."""
    x, y, *_ = many_digits
    return x[:240], y[:240]


@pytest.fixture(scope="module")
def many_digits():
    """800 images of 8 x 8 pixels from 0 to 16, and their labels; the last 597 to test with."""
    x, y = load_digits(return_X_y=True)
    return x[:800].reshape(-1, 8, 8), y[:800], x[1200:].reshape(-1, 8, 8), y[1200:]


def fitted(x, y, **settings):
    return LeNetClassifier(**{"max_iter": 2, "random_state": 3} | settings).fit(x, y)


@pytest.mark.parametrize("variant", ["classic", "modern"])
def test_small_digits_are_learned_by_their_words(variant, many_digits):
    x, y, x_test, y_test = many_digits
    words = np.array(WORDS)
    model = LeNetClassifier(variant, batch_size=32, random_state=1).fit(x, words[y])
    assert model.score(x_test, words[y_test]) > 0.85
    assert model.classes_.tolist() == list(model.model_.class_names) == sorted(WORDS)
    assert model.n_iter_ == len(model.loss_curve_) == 10
    assert model.loss_curve_[-1] < model.loss_curve_[0]
    assert model.n_features_in_ == 64
    assert model.image_shape_ == (8, 8, 1)
    probabilities = model.predict_proba(x_test)
    assert (probabilities.shape, probabilities.dtype) == ((len(x_test), 10), np.float32)
    assert np.allclose(probabilities.sum(axis=1), 1, rtol=0, atol=1e-6)
    assert_same_bits(model.predict_log_proba(x_test), np.log(probabilities))
    assert (model.predict(x_test) == model.classes_[probabilities.argmax(axis=1)]).all()


def test_rows_and_images_of_any_type_are_the_same_data(digits):
    x, y = digits
    expected = fitted(x, y).predict_proba(x)
    for same in (x.reshape(-1, 64), x[..., None], x.astype(np.uint8), x.astype(np.float32)):
        assert_same_bits(fitted(same, y).predict_proba(x.reshape(-1, 64)), expected)
    as_integers = x.astype(np.int64).tolist()
    assert_same_bits(fitted(as_integers, y.tolist()).predict_proba(x), expected)


def test_images_with_colours_and_other_sizes_are_learned_from():
    x = np.random.default_rng(0).integers(0, 255, (40, 20, 36, 3), np.uint8)
    model = fitted(x, np.arange(40) % 3)
    assert model.image_shape_ == (20, 36, 3)
    flat = LeNetClassifier(image_shape=(20, 36, 3), max_iter=2, random_state=3)
    flat.fit(x.reshape(40, -1), np.arange(40) % 3)
    assert_same_bits(flat.predict_proba(x), model.predict_proba(x))


# What results depend on


def test_random_state_alone_decides_the_bits(digits, threads):
    x, y = digits
    pylenet.utils.set_random_seed(5)
    state = _random.generator().bit_generator.state
    first = fitted(x, y).predict_proba(x)
    assert _random.generator().bit_generator.state == state  # scripts draw what they would
    pylenet.utils.set_random_seed(6)
    assert_same_bits(fitted(x, y).predict_proba(x), first)
    as_state = np.random.RandomState(3)
    assert_same_bits(fitted(x, y, random_state=as_state).predict_proba(x), first)
    assert (fitted(x, y, random_state=4).predict_proba(x) != first).any()
    assert (fitted(x, y, random_state=as_state).predict_proba(x) != first).any()


def test_without_random_state_numpy_s_global_one_decides(digits):
    x, y = digits
    np.random.seed(1)
    first, second = (fitted(x, y, random_state=None).predict_proba(x) for _ in range(2))
    assert (first != second).any()
    np.random.seed(1)
    assert_same_bits(fitted(x, y, random_state=None).predict_proba(x), first)


def test_distortions_follow_random_state_unless_they_have_a_seed(digits):
    x, y = digits
    plain = fitted(x, y).predict_proba(x)
    first, same = (
        fitted(x, y, augmentation=RandomAffine(shear_factor=0.2)).predict_proba(x) for _ in "12"
    )
    assert_same_bits(first, same)
    assert (first != plain).any()
    own = fitted(x, y, augmentation=RandomAffine(shear_factor=0.2, seed=8)).predict_proba(x)
    assert (own != first).any()


def test_pixels_of_another_scale_give_nearly_the_same(digits):
    x, y = digits
    expected = fitted(x, y).predict_proba(x)
    assert_same_bits(fitted(16 * x, y).predict_proba(16 * x), expected)  # a power of two
    other = fitted(x, y, rescale=False)
    assert "rescaling" not in [layer.name for layer in other.model_.layers]
    assert (other.predict_proba(x) != expected).any()


def test_weights_of_samples_weigh(digits):
    x, y = digits
    settings = {"max_iter": 2, "random_state": 3}
    plain = fitted(x, y)
    ones = LeNetClassifier(**settings).fit(x, y, np.ones(len(y)))
    assert_same_bits(ones.predict_proba(x), plain.predict_proba(x))
    only_sevens = LeNetClassifier(**settings).fit(x, y, sample_weight=(y == 7) * 5)
    assert (only_sevens.predict(x) == 7).all()


# Copies


@pytest.mark.parametrize("save", ["pickle", "joblib"])
def test_a_copy_predicts_the_same_and_trains_on_to_the_same_bits(save, digits, tmp_path):
    x, y = digits
    model = LeNetClassifier(random_state=0).partial_fit(x, y, classes=range(10))
    if save == "pickle":
        copy = pickle.loads(pickle.dumps(model))
    else:
        joblib.dump(model, tmp_path / "model.joblib")
        copy = joblib.load(tmp_path / "model.joblib")
    assert_same_bits(copy.predict_proba(x), model.predict_proba(x))
    model.partial_fit(x[:100], y[:100])
    copy.partial_fit(x[:100], y[:100])
    assert_same_bits(copy.predict_proba(x), model.predict_proba(x))
    assert copy.n_iter_ == 2


def test_a_clone_has_the_parameters_and_nothing_learned(digits):
    x, y = digits
    model = fitted(x, y, layers=SMALL, optimizer=optimizers.SGD(0.1, momentum=0.9))
    copy = clone(model)
    assert not hasattr(copy, "model_")
    assert copy.get_params().keys() == model.get_params().keys()
    assert_same_bits(copy.fit(x, y).predict_proba(x), model.predict_proba(x))


# Tools of scikit-learn


def test_it_is_a_classifier_so_that_folds_are_stratified(many_digits):
    assert is_classifier(LeNetClassifier())
    x, y, *_ = many_digits
    in_order = np.argsort(y, kind="stable")  # without stratification a fold lacks whole classes
    scores = cross_val_score(
        LeNetClassifier(batch_size=16, max_iter=5, random_state=0), x[in_order], y[in_order], cv=3
    )
    assert scores.min() > 0.8


@pytest.mark.parametrize("backend", ["loky", "multiprocessing", "threading"])
def test_a_grid_search_in_other_processes_or_threads_finds_what_one_finds(backend, digits):
    x, y = digits
    steps = make_pipeline(StandardScaler(), LeNetClassifier(max_iter=1, random_state=0))
    grid = {"lenetclassifier__variant": ["classic", "modern"]}
    images = x.reshape(-1, 64)
    alone = GridSearchCV(steps, grid, cv=2).fit(images, y)
    with joblib.parallel_backend(backend):
        search = GridSearchCV(steps, grid, cv=2, n_jobs=2).fit(images, y)
    for name in ("split0_test_score", "split1_test_score"):
        assert (search.cv_results_[name] == alone.cv_results_[name]).all()
    assert_same_bits(search.predict_proba(images), alone.predict_proba(images))


def test_a_data_frame_s_columns_are_remembered(digits):
    pandas = pytest.importorskip("pandas")
    x, y = digits
    frame = pandas.DataFrame(x.reshape(-1, 64)).rename(columns="pixel{}".format)
    model = fitted(frame, pandas.Series(y))
    assert model.feature_names_in_[63] == "pixel63"
    assert_same_bits(model.predict_proba(frame), fitted(x, y).predict_proba(x))


# Ways to train


def test_early_stopping_keeps_the_best_epoch_by_samples_that_it_keeps_back(digits):
    x, y = digits
    settings = {"early_stopping": True, "n_iter_no_change": 1, "batch_size": 16, "max_iter": 40}
    model = fitted(x, y, validation_fraction=0.25, **settings)
    scores = model.validation_scores_
    assert len(scores) == model.n_iter_ < 40
    assert scores[-1] < max(scores) + 1e-4
    seed = int(generator_after_drawing_weights(3).integers(2**32))
    _, back = train_test_split(np.arange(len(y)), test_size=0.25, stratify=y, random_state=seed)
    assert len(back) == 60
    assert model.score(x[back], y[back]) == pytest.approx(max(scores))
    assert fitted(x, y).validation_scores_ is None


def generator_after_drawing_weights(random_state):
    """What a fit of the modern LeNet draws from next."""
    drawn = np.random.RandomState(random_state).randint(2**32, size=4, dtype=np.uint32)
    generator = np.random.default_rng(drawn)
    with _random.drawing_from(generator):
        pylenet.models.lenet5_modern()
    return generator


def test_layers_of_one_s_own_are_copied_and_get_rows_unless_told(digits):
    x, y = digits
    flat = x.reshape(-1, 64)
    model = fitted(flat, y, layers=[Dense(16, "relu")])
    assert [layer.name for layer in model.model_.layers] == ["rescaling", "dense", "dense_1"]
    with pytest.raises(ValueError, match="Conv2D"):
        fitted(flat, y, layers=SMALL)
    images = fitted(flat, y, layers=SMALL, image_shape=(8, 8))
    names = [layer.name for layer in images.model_.layers]
    assert names == ["rescaling", "conv2d", "max_pooling2d", "flatten", "dense"]
    assert_same_bits(fitted(x, y, layers=SMALL).predict_proba(x), images.predict_proba(flat))
    assert all(not hasattr(layer, "input_shape") for layer in SMALL)


def test_partial_fit_is_one_epoch_at_a_constant_rate(digits):
    x, y = digits
    parts = LeNetClassifier(random_state=3).partial_fit(x, y, classes=range(10))
    assert parts.n_iter_ == len(parts.loss_curve_) == 1
    whole = fitted(x, y, schedule="constant")
    assert_same_bits(parts.partial_fit(x, y).predict_proba(x), whole.predict_proba(x))
    assert parts.loss_curve_ == whole.loss_curve_


def test_partial_fit_goes_on_after_fit_and_knows_classes_that_come_later(digits):
    x, y = digits
    model = fitted(x, y, max_iter=3)
    before = model.score(x, y)
    assert model.partial_fit(x, y).n_iter_ == 4
    assert model.score(x, y) > before - 0.1
    later = LeNetClassifier(random_state=0).partial_fit(x[y < 5], y[y < 5], classes=np.arange(10))
    assert later.predict_proba(x).shape == (len(x), 10)
    assert np.isfinite(later.partial_fit(x[y > 5], y[y > 5]).predict_proba(x)).all()


def test_a_fit_begins_anew(digits):
    x, y = digits
    model = fitted(x, y).fit(x[:100].reshape(-1, 4, 16), y[:100] % 2)
    assert model.image_shape_ == (4, 16, 1)
    assert model.classes_.tolist() == [0, 1]


# What is refused

IMAGES = np.random.default_rng(0).random((12, 6, 6))
LABELS = np.arange(12) % 2


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"variant": "1998"}, ValueError, "variant must be one of .* got '1998'"),
        ({"layers": Dense(3)}, TypeError, "layers must be a list of layers"),
        ({"layers": [3]}, TypeError, "layers must hold pylenet's layers, got 3"),
        ({"image_shape": (5, 5)}, ValueError, r"image_shape must .* images of \(6, 6\)"),
        ({"image_shape": 36}, ValueError, "image_shape must be"),
        ({"rescale": 1}, TypeError, "rescale must be True or False"),
        ({"augmentation": "strong"}, TypeError, "augmentation must be a RandomAffine"),
        ({"optimizer": "lbfgs"}, ValueError, "optimizer must be one of"),
        ({"learning_rate": -1}, ValueError, "learning_rate must be a number in"),
        ({"schedule": "adaptive"}, ValueError, "schedule must be one of"),
        ({"batch_size": 0}, ValueError, "batch_size must be an integer >= 1"),
        ({"max_iter": 0}, ValueError, "max_iter must be an integer >= 1"),
        ({"early_stopping": "yes"}, TypeError, "early_stopping must be True or False"),
        ({"early_stopping": True, "validation_fraction": 1}, ValueError, "validation_fraction"),
        ({"validation_fraction": 0}, ValueError, "validation_fraction must be a number in"),
        ({"n_iter_no_change": 0}, ValueError, "n_iter_no_change must be an integer >= 1"),
        ({"tol": -1}, ValueError, "tol must be a number in"),
        ({"random_state": "x"}, ValueError, "seed a numpy.random.RandomState"),
    ],
)
def test_a_parameter_that_makes_no_sense_is_named(settings, error, message):
    with pytest.raises(error, match=message):
        LeNetClassifier(**settings).fit(IMAGES, LABELS)


def test_data_that_do_not_fit_are_refused():
    model = LeNetClassifier(max_iter=1)
    with pytest.raises(ValueError, match=r"X must have shape .* got \(12, 6, 6, 1, 1\)"):
        model.fit(IMAGES[..., None, None], LABELS)
    with pytest.raises(ValueError, match="two classes or more, got one class"):
        model.fit(IMAGES, np.ones(12))
    mixed = np.array(["a", 1] * 6, object)
    for labels in (mixed, mixed.tolist()):
        with pytest.raises(TypeError, match="y must hold labels .* got str and int"):
            model.fit(IMAGES, labels)
        with pytest.raises(TypeError, match="classes must hold labels .* got str and int"):
            model.partial_fit(IMAGES, LABELS, classes=labels)
    with pytest.raises(ValueError, match="sample_weight must hold numbers >= 0, got -1"):
        model.fit(IMAGES, LABELS, np.full(12, -1))
    with pytest.raises(ValueError, match="classes must be given in the first call"):
        model.partial_fit(IMAGES, LABELS)
    model.fit(IMAGES, LABELS)
    with pytest.raises(ValueError, match=r"X must hold images of \(6, 6, 1\), got \(4, 9\)"):
        model.predict(IMAGES.reshape(12, 4, 9))
    with pytest.raises(ValueError, match="X has 35 features"):
        model.predict(IMAGES.reshape(12, 36)[:, :35])
    with pytest.raises(ValueError, match="among the classes"):
        model.partial_fit(IMAGES, LABELS + 1)
    with pytest.raises(ValueError, match="classes must be .* as before"):
        model.partial_fit(IMAGES, LABELS, classes=[0, 1, 2])
    with pytest.raises(ValueError, match="early_stopping must be False for partial_fit"):
        LeNetClassifier(early_stopping=True).partial_fit(IMAGES, LABELS, classes=[0, 1])


def test_a_row_that_is_no_square_is_taken_as_one_row_of_pixels_with_a_warning():
    rows = IMAGES.reshape(12, 36)[:, :35]
    with pytest.warns(UserWarning, match="35 pixels a sample, which is no square"):
        model = LeNetClassifier(max_iter=1, random_state=0).fit(rows, LABELS)
    assert model.image_shape_ == (1, 35, 1)
    told = LeNetClassifier(max_iter=1, random_state=0, image_shape=(1, -1)).fit(rows, LABELS)
    assert_same_bits(told.predict_proba(rows), model.predict_proba(rows))

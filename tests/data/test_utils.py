"""One-hot labels, the one seed, and the initializers that draw from it."""

import random
import threading

import numpy as np
import pytest

from pylenet import _random, initializers, utils

RANDOM = ["glorot_uniform", "glorot_normal", "he_uniform", "he_normal", "lecun_uniform"]
RANDOM += ["lecun_normal"]
OTHERS = ["random_normal", "random_uniform", "truncated_normal", "constant", "orthogonal"]
OTHERS += ["variance_scaling"]


def test_to_categorical_puts_a_one_at_each_label():
    one_hot = utils.to_categorical([2, 0, 1], 4)
    assert one_hot.dtype == np.float32
    np.testing.assert_array_equal(one_hot, [[0, 0, 1, 0], [1, 0, 0, 0], [0, 1, 0, 0]])


def test_to_categorical_counts_the_classes_when_it_is_not_told():
    assert utils.to_categorical([0, 5, 2]).shape == (3, 6)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((), (9,)), ((4,), (4, 9)), ((1,), (1, 9)), ((4, 1), (4, 9)), ((2, 3), (2, 3, 9))],
)
def test_to_categorical_adds_an_axis_and_drops_a_last_one_of_length_1(shape, expected):
    labels = np.random.default_rng(0).integers(0, 9, shape)
    one_hot = utils.to_categorical(labels, 9)
    assert one_hot.shape == expected
    np.testing.assert_array_equal(one_hot.argmax(-1), labels.reshape(expected[:-1]))
    np.testing.assert_array_equal(one_hot.sum(-1), 1)


@pytest.mark.parametrize("dtype", ["uint8", "int8", ">i4", "uint64", "float32", "bool"])
def test_to_categorical_reads_every_dtype_that_holds_whole_numbers(dtype):
    labels = np.array([1, 0, 1, 1]).astype(dtype)
    np.testing.assert_array_equal(utils.to_categorical(labels, 2)[:, 1], [1, 0, 1, 1])


def test_to_categorical_leaves_its_input_alone():
    labels = np.array([[1], [2]])
    labels.flags.writeable = False
    utils.to_categorical(labels)
    np.testing.assert_array_equal(labels, [[1], [2]])


@pytest.mark.parametrize(
    ("x", "num_classes", "message"),
    [
        ([0, -1], None, "x must hold labels >= 0, got -1"),
        ([0, 10, 3], 10, "x must hold labels below 10, got 10"),
        ([0.0, 1.5], None, "x must hold integer labels, got 1.5"),
        ([0.0, float("nan")], None, "x must hold integer labels, got nan"),
        ([2**64 - 1], None, "x must hold labels below 9223372036854775808"),
        ([], None, "num_classes must be given when x is empty"),
        ([0], 0, "num_classes must be an integer >= 1, got 0"),
    ],
)
def test_to_categorical_names_a_wrong_label(x, num_classes, message):
    with pytest.raises(ValueError, match=message):
        utils.to_categorical(x, num_classes)


@pytest.mark.parametrize("x", [["a"], [None], [1j]])
def test_to_categorical_refuses_what_is_no_number(x):
    with pytest.raises(TypeError, match="x must hold integer labels, got dtype"):
        utils.to_categorical(x)


@pytest.mark.parametrize(
    "x", [["2", "0"], np.array(["2", "0"]), np.array([b"2", b"0"]), np.array(["2", "0"], object)]
)
def test_to_categorical_reads_strings_of_digits(x):
    assert utils.to_categorical(x).tolist() == [[0, 0, 1], [1, 0, 0]]


def test_to_categorical_of_nothing_has_no_rows():
    assert utils.to_categorical([], 10).shape == (0, 10)


def draw():
    return random.random(), np.random.random(), initializers.GlorotUniform()((3, 4)).tolist()


def test_the_same_seed_gives_the_same_numbers_from_all_three_generators():
    utils.set_random_seed(7)
    first = draw()
    second = draw()
    utils.set_random_seed(7)
    assert draw() == first
    assert all(a != b for a, b in zip(first, second, strict=True))
    utils.set_random_seed(8)
    assert all(a != b for a, b in zip(first, draw(), strict=True))


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_out_of_range_is_named(seed):
    with pytest.raises(ValueError, match=f"seed must be an integer .*got {seed}"):
        utils.set_random_seed(seed)


@pytest.mark.parametrize("seed", [1.0, "1", None, True])
def test_a_seed_that_is_no_integer_is_named(seed):
    with pytest.raises(TypeError, match="seed must be an integer, got"):
        utils.set_random_seed(seed)


@pytest.mark.parametrize(
    ("shape", "fan_in", "fan_out"),
    [((500, 300), 500, 300), ((5, 5, 16, 120), 400, 3000), ((40000,), 40000, 40000)],
)
@pytest.mark.parametrize("name", RANDOM)
def test_weights_have_the_deviation_and_the_bound_of_their_fans(name, shape, fan_in, fan_out):
    kind = name.split("_")[0]
    fans = {"glorot": (fan_in + fan_out) / 2, "he": fan_in / 2, "lecun": fan_in}
    stddev = fans[kind] ** -0.5
    weights = initializers.get(name)(shape)
    assert weights.dtype == np.float32
    assert weights.shape == shape
    # Five standard errors of the mean and of the deviation of so many values.
    error = 5 * stddev / weights.size**0.5
    assert abs(weights.mean(dtype=np.float64)) < error
    assert abs(weights.std(dtype=np.float64) - stddev) < error
    bound = stddev * (3**0.5 if name.endswith("uniform") else 2 / 0.87962566103423978)
    assert 0.99 * bound < np.abs(weights).max() <= bound * (1 + 1e-6)


def test_zeros_and_ones_are_float32():
    for name, value in (("zeros", 0), ("ones", 1)):
        weights = initializers.get(name)((2, 3))
        assert weights.dtype == np.float32
        np.testing.assert_array_equal(weights, np.full((2, 3), value))


@pytest.mark.parametrize("name", RANDOM)
def test_a_seeded_initializer_gives_the_same_values_at_every_call(name):
    cls = type(initializers.get(name))
    np.testing.assert_array_equal(cls(seed=3)((4, 5)), cls(seed=3)((4, 5)))
    assert np.any(cls(seed=3)((4, 5)) != cls(seed=4)((4, 5)))


def test_an_unseeded_initializer_gives_new_values_at_every_call():
    initializer = initializers.GlorotUniform()
    assert np.any(initializer((4, 5)) != initializer((4, 5)))


@pytest.mark.parametrize("name", [*RANDOM, *OTHERS, "zeros", "ones"])
def test_an_initializer_is_found_by_name_class_instance_and_config(name):
    initializer = initializers.get(name)
    cls = type(initializer)
    assert getattr(initializers, name) is getattr(initializers, cls.__name__) is cls
    assert type(initializers.get(cls.__name__)) is cls
    assert type(initializers.get(cls)) is cls
    assert initializers.get(initializer) is initializer
    config = initializers.serialize(initializer)
    assert initializers.serialize(initializers.get(config)) == config


def test_an_initializer_keeps_its_seed_in_config_and_repr():
    initializer = initializers.HeNormal(seed=5)
    assert initializers.get(initializers.serialize(initializer)).seed == 5
    assert repr(initializer) == "HeNormal(seed=5)"


@pytest.mark.parametrize("cls", [initializers.GlorotNormal, initializers.HeNormal])
def test_normal_weights_are_cut_off_at_two_deviations_of_what_is_cut(cls):
    variance = {initializers.GlorotNormal: 2 / 800, initializers.HeNormal: 2 / 500}[cls]
    largest = np.abs(cls(seed=1)((500, 300))).max()
    uncut = variance**0.5 / 0.87962566103423978
    assert 1.99 * uncut < largest <= 2 * uncut * (1 + 1e-6)


@pytest.mark.parametrize("mode", ["fan_in", "fan_out", "fan_avg"])
@pytest.mark.parametrize("distribution", ["truncated_normal", "untruncated_normal", "uniform"])
def test_variance_scaling_has_the_variance_of_its_fan(mode, distribution):
    fan = {"fan_in": 500, "fan_out": 300, "fan_avg": 400}[mode]
    weights = initializers.VarianceScaling(2.5, mode, distribution)((500, 300))
    stddev = (2.5 / fan) ** 0.5
    error = 5 * stddev / weights.size**0.5
    assert weights.dtype == np.float32
    assert abs(weights.mean(dtype=np.float64)) < error
    assert abs(weights.std(dtype=np.float64) - stddev) < error


def test_values_that_look_at_no_fan_have_the_numbers_they_are_given():
    normal = initializers.RandomNormal(2.0, 0.5, seed=1)((300, 400))
    cut = initializers.TruncatedNormal(2.0, 0.5, seed=1)((300, 400))
    even = initializers.RandomUniform(-1.0, 3.0, seed=1)((300, 400))
    for values, mean, stddev in (
        (normal, 2, 0.5),
        (cut, 2, 0.5 * 0.87962566103423978),
        (even, 1, 4 / 12**0.5),
    ):
        assert values.dtype == np.float32
        assert values.mean(dtype=np.float64) == pytest.approx(mean, abs=0.01)
        assert values.std(dtype=np.float64) == pytest.approx(stddev, abs=0.01)
    assert np.abs(normal - 2).max() > 1
    assert np.abs(cut - 2).max() <= 1
    assert -1 <= even.min() < -0.99
    assert 2.99 < even.max() <= 3
    assert (initializers.Constant(0.25)((2, 3)) == np.float32(0.25)).all()
    with pytest.raises(ValueError, match="maxval must not be below minval"):
        initializers.RandomUniform(1, 0)


@pytest.mark.parametrize("shape", [(7, 5), (5, 7), (3, 3, 2, 9)])
def test_an_orthogonal_initializer_s_matrix_is_orthogonal(shape):
    weights = initializers.Orthogonal(gain=3.0, seed=2)(shape)
    assert weights.shape == shape
    matrix = weights.reshape(-1, shape[-1]).astype(np.float64) / 3
    if len(matrix) < shape[-1]:
        matrix = matrix.T
    np.testing.assert_allclose(matrix.T @ matrix, np.eye(matrix.shape[1]), atol=1e-6)
    with pytest.raises(ValueError, match="shape must have at least two axes"):
        initializers.Orthogonal()((3,))


def test_an_unknown_initializer_is_named():
    with pytest.raises(ValueError, match=r"initializer must be one of .*got 'nobody'"):
        initializers.get("nobody")
    with pytest.raises(TypeError, match="initializer must be a name"):
        initializers.get(3)
    with pytest.raises(TypeError, match="seed must be an integer, got 'a'"):
        initializers.HeNormal(seed="a")


def test_a_generator_of_its_own_serves_one_thread_and_leaves_the_package_s_alone():
    package = _random.generator()
    own, seen = np.random.default_rng(1), []
    with _random.drawing_from(own):
        other = threading.Thread(target=lambda: seen.append(_random.generator()))
        other.start()
        other.join()
        assert _random.generator() is own
        with _random.drawing_from(np.random.default_rng(2)):
            assert _random.generator() is not own
        assert _random.generator() is own
    assert seen == [package]
    assert _random.generator() is package

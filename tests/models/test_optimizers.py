"""Optimizers: hyper-parameters, state, learning rates, configs. Training tests the arithmetic."""

import json

import numpy as np
import pytest

from pylenet import optimizers
from pylenet.optimizers import SGD, Adam, AdamW, schedules

ALL = [
    SGD(),
    SGD(0.1, 0.9, True, weight_decay=5e-4, name="mine"),
    SGD(schedules.OneCycle(0.05, 100), momentum=1),
    Adam(),
    Adam(0.004, 0.8, 0.99, 1e-8, weight_decay=0.1),
    Adam(schedules.PiecewiseConstantDecay([10, 20], [0.1, 0.01, 0.001])),
    AdamW(),
    AdamW(schedules.CosineDecay(0.0, 50, warmup_target=0.1, warmup_steps=5), 0.01, 0.8),
]


def scripted(rates):
    """A schedule that gives the rates one after the other."""

    class Scripted(schedules.LearningRateSchedule):
        def __call__(self, step):
            return rates[step]

    return Scripted()


def test_defaults_are_those_of_keras():
    assert SGD().get_config() == {
        "learning_rate": 0.01,
        "momentum": 0.0,
        "nesterov": False,
        "weight_decay": None,
        "name": "sgd",
    }
    adam = {"learning_rate": 0.001, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7}
    assert Adam().get_config() == adam | {"weight_decay": None, "name": "adam"}
    assert AdamW().get_config() == adam | {"weight_decay": 0.004, "name": "adamw"}


def test_the_second_positional_argument_of_adamw_is_weight_decay_as_in_keras():
    assert AdamW(0.01, 0.2).weight_decay == 0.2


def test_hyperparameters_hold_what_the_update_needs():
    assert SGD(momentum=0.9, nesterov=True).hyperparameters() == {
        "kind": "sgd",
        "momentum": 0.9,
        "nesterov": True,
        "weight_decay": 0.0,
    }
    assert AdamW(beta_1=0.8).hyperparameters() == {
        "kind": "adam",
        "beta_1": 0.8,
        "beta_2": 0.999,
        "epsilon": 1e-7,
        "weight_decay": 0.004,
    }


@pytest.mark.parametrize(
    ("optimizer", "names"),
    [
        (SGD(), ()),
        (SGD(momentum=0.5), ("momentum",)),
        (Adam(), ("momentum", "velocity")),
        (AdamW(), ("momentum", "velocity")),
    ],
    ids=["sgd", "momentum", "adam", "adamw"],
)
def test_build_makes_one_zero_slot_of_float32_for_each_name(optimizer, names):
    assert optimizer.slots == []
    optimizer.build(7)
    assert optimizer.slot_names == names
    assert len(optimizer.slots) == len(names)
    for slot in optimizer.slots:
        assert slot.dtype == np.float32
        np.testing.assert_array_equal(slot, np.zeros(7))


def test_building_again_for_the_same_size_keeps_the_state():
    adam = Adam()
    adam.build(3)
    adam.slots[1][:] = 5
    adam.build(3)
    np.testing.assert_array_equal(adam.slots[1], [5, 5, 5])


@pytest.mark.parametrize("optimizer", [SGD(), Adam()], ids=["no slots", "slots"])
def test_a_built_optimizer_refuses_a_model_of_another_size(optimizer):
    optimizer.build(3)
    with pytest.raises(ValueError, match="serves another model already"):
        optimizer.build(4)


@pytest.mark.parametrize("optimizer", [SGD(), Adam()], ids=["no slots", "slots"])
def test_a_built_optimizer_refuses_another_model_of_the_same_size(optimizer):
    first, second = object(), object()
    optimizer.build(3, first)
    optimizer.build(3, first)
    with pytest.raises(ValueError, match="serves another model already"):
        optimizer.build(3, second)


def test_slots_of_two_optimizers_and_of_two_names_are_separate_arrays():
    one, two = Adam(), Adam()
    one.build(2)
    two.build(2)
    one.slots[0][:] = 1
    assert not np.any([one.slots[1], *two.slots])


def test_learning_rates_of_a_number_are_constant_float32():
    rates = SGD(0.3).learning_rates(4)
    assert rates.dtype == np.float32
    np.testing.assert_array_equal(rates, np.full(4, 0.3, np.float32))
    assert SGD().learning_rates(0).shape == (0,)


def test_learning_rates_of_a_schedule_go_on_from_iterations():
    sgd = SGD(scripted([0.5, 0.25, 0.125, 1, 2]))
    np.testing.assert_array_equal(sgd.learning_rates(2), [0.5, 0.25])
    sgd.iterations = 2
    rates = sgd.learning_rates(3)
    assert rates.dtype == np.float32
    np.testing.assert_array_equal(rates, [0.125, 1, 2])
    assert sgd.learning_rate == 0.125


@pytest.mark.parametrize("wrong", [-0.1, float("nan"), float("inf")])
def test_a_schedule_that_returns_no_valid_rate_is_named_with_the_step(wrong):
    with pytest.raises(ValueError, match=r"schedule at step 1 must be a number in \[0, inf\)"):
        SGD(scripted([0.1, wrong])).learning_rates(2)


def test_a_schedule_that_returns_no_number_is_a_type_error():
    with pytest.raises(TypeError, match="at step 0 must be a number, got None"):
        SGD(scripted([None])).learning_rates(1)


def test_learning_rate_can_be_set_to_a_number_and_to_a_schedule():
    sgd = SGD(0.1)
    sgd.learning_rate = np.float32(0.5)
    assert sgd.learning_rate == 0.5
    sgd.learning_rate = scripted([3, 4])
    assert sgd.learning_rate == 3


def test_a_schedule_in_use_cannot_be_replaced_by_a_number():
    sgd = SGD(schedules.OneCycle(0.1, 10))
    with pytest.raises(TypeError, match=r"learning_rate cannot be set to 0.5.*OneCycle"):
        sgd.learning_rate = 0.5
    assert sgd.learning_rate == pytest.approx(0.05)


@pytest.mark.parametrize("optimizer", ALL, ids=str)
def test_a_config_goes_through_json_and_makes_the_same_optimizer(optimizer):
    config = json.loads(json.dumps(optimizers.serialize(optimizer)))
    again = optimizers.get(config)
    assert type(again) is type(optimizer)
    assert again.get_config() == optimizer.get_config()
    assert again.hyperparameters() == optimizer.hyperparameters()
    np.testing.assert_array_equal(again.learning_rates(60), optimizer.learning_rates(60))


def test_reading_a_config_does_not_change_it():
    config = SGD(schedules.OneCycle(0.1, 10)).get_config()
    before = json.dumps(config)
    SGD.from_config(config)
    assert json.dumps(config) == before


@pytest.mark.parametrize("optimizer", ALL, ids=str)
def test_repr_is_the_constructor_call(optimizer):
    names = {"SGD": SGD, "Adam": Adam, "AdamW": AdamW}
    names |= {name: getattr(schedules, name) for name in schedules.__all__}
    again = eval(repr(optimizer), names)
    assert type(again) is type(optimizer)
    assert again.get_config() == optimizer.get_config()


@pytest.mark.parametrize(
    ("name", "cls"),
    [("sgd", SGD), ("SGD", SGD), ("Adam", Adam), ("adam", Adam), ("AdamW", AdamW)],
)
def test_get_takes_names_in_any_case(name, cls):
    assert type(optimizers.get(name)) is cls


def test_get_returns_an_instance_as_it_is():
    adam = Adam()
    assert optimizers.get(adam) is adam


@pytest.mark.parametrize("wrong", ["lion", {"class_name": "Optimizer"}, {"config": {}}])
def test_get_refuses_unknown_names(wrong):
    with pytest.raises(ValueError, match="optimizer must"):
        optimizers.get(wrong)


@pytest.mark.parametrize("wrong", [None, 3, SGD])
def test_get_refuses_what_is_no_optimizer(wrong):
    with pytest.raises(TypeError, match="optimizer must be a name, an instance"):
        optimizers.get(wrong)


@pytest.mark.parametrize(
    ("cls", "argument", "value"),
    [
        (SGD, "learning_rate", -1e-9),
        (SGD, "learning_rate", float("nan")),
        (SGD, "learning_rate", float("inf")),
        (SGD, "momentum", -0.1),
        (SGD, "momentum", 1.1),
        (SGD, "weight_decay", -1e-4),
        (Adam, "beta_1", 1.0),
        (Adam, "beta_1", -0.1),
        (Adam, "beta_2", 1.0),
        (Adam, "beta_2", float("nan")),
        (Adam, "epsilon", 0.0),
        (Adam, "weight_decay", float("inf")),
        (AdamW, "weight_decay", -1),
    ],
)
def test_a_value_out_of_range_is_named(cls, argument, value):
    with pytest.raises(ValueError, match=f"{argument} must be a number in"):
        cls(**{argument: value})


@pytest.mark.parametrize(
    ("cls", "argument", "value"),
    [
        (SGD, "learning_rate", True),
        (SGD, "learning_rate", "0.1"),
        (SGD, "learning_rate", None),
        (SGD, "learning_rate", lambda: 0.1),
        (SGD, "momentum", False),
        (SGD, "nesterov", 1),
        (SGD, "weight_decay", "none"),
        (SGD, "name", 3),
        (Adam, "beta_1", [0.9]),
        (AdamW, "weight_decay", None),
    ],
)
def test_a_value_of_the_wrong_kind_is_named(cls, argument, value):
    with pytest.raises(TypeError, match=f"{argument} must be"):
        cls(**{argument: value})


def test_numpy_numbers_and_integers_are_numbers():
    sgd = SGD(np.float64(0.25), np.float32(0.5), np.True_, weight_decay=1)
    assert (sgd.learning_rate, sgd.momentum, sgd.nesterov) == (0.25, 0.5, True)
    assert json.dumps(sgd.get_config())


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: SGD(1e39), "learning_rate"),
        (lambda: SGD(0.1, weight_decay=1e300), "weight_decay"),
        (lambda: Adam(epsilon=1e-50), "epsilon"),
        (lambda: Adam(beta_1=0.99999999999), "beta_1"),
        (lambda: Adam(beta_2=0.99999999999), "beta_2"),
    ],
)
def test_what_float32_rounds_out_of_its_range_is_an_error(make, name):
    with pytest.raises(ValueError, match=f"{name}, as float32, must be"):
        make()

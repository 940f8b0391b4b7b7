"""Learning rate schedules: their values against the formulas, their configs and their errors."""

import json
import math

import pytest

from pylenet.optimizers import schedules
from pylenet.optimizers.schedules import (
    CosineDecay,
    CosineDecayRestarts,
    EpochwiseConstant,
    ExponentialDecay,
    InverseTimeDecay,
    OneCycle,
    PiecewiseConstantDecay,
    PolynomialDecay,
)

# What Keras 3.15 gives at these steps.
STEPS = (0, 1, 9, 15, 25, 33)
KERAS = [
    (
        CosineDecayRestarts(0.1, 10, 2.0, 0.9, 0.05),
        [0.1, 0.0976752, 0.0073248, 0.0779788, 0.0175212, 0.0808869],
    ),
    (
        CosineDecayRestarts(0.1, 10, 1.0),
        [0.1, 0.0975528, 0.0024472, 0.05, 0.05, 0.0793893],
    ),
    (
        ExponentialDecay(0.1, 10, 0.5),
        [0.1, 0.0933033, 0.0535887, 0.0353553, 0.0176777, 0.0101532],
    ),
    (ExponentialDecay(0.1, 10, 0.5, True), [0.1, 0.1, 0.1, 0.05, 0.025, 0.0125]),
    (
        InverseTimeDecay(0.1, 1, 1e-2),
        [0.1, 0.0990099, 0.0917431, 0.0869565, 0.08, 0.075188],
    ),
    (InverseTimeDecay(0.1, 10, 0.5, True), [0.1, 0.1, 0.1, 0.0666667, 0.05, 0.04]),
    (PolynomialDecay(0.1, 20, 0.01, 2.0), [0.1, 0.091225, 0.037225, 0.015625, 0.01, 0.01]),
    (
        PolynomialDecay(0.1, 20, 0.01, 0.5, True),
        [0.1, 0.0977212, 0.0767458, 0.055, 0.0651135, 0.0476497],
    ),
]
ALL = [
    *(schedule for schedule, _ in KERAS),
    CosineDecay(0.1, 1000),
    CosineDecay(0, 7, 0.25, warmup_target=0.5, warmup_steps=3),
    PiecewiseConstantDecay([100, 200], [1.0, 0.5, 0.1]),
    PiecewiseConstantDecay([], [0.3]),
    OneCycle(0.004, 2814),
    OneCycle(0.05, 10, warmup_fraction=0.5),
    EpochwiseConstant([0.3, 0.1]),
]


@pytest.mark.parametrize("step", [0, 1, 499, 500, 1000])
def test_cosine_decay_follows_the_formula(step):
    expected = 0.1 * (0.75 * 0.5 * (1 + math.cos(math.pi * step / 1000)) + 0.25)
    assert CosineDecay(0.1, 1000, alpha=0.25)(step) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("schedule", "expected"), KERAS, ids=lambda v: repr(v)[:60])
def test_a_schedule_of_keras_gives_keras_s_rates(schedule, expected):
    assert [schedule(step) for step in STEPS] == pytest.approx(expected, abs=2e-7)


def test_cosine_decay_stays_at_alpha_times_the_rate_after_its_steps():
    schedule = CosineDecay(0.1, 10, 0.25)
    assert schedule(10) == schedule(11) == schedule(10**9) == pytest.approx(0.025)


def test_cosine_decay_warms_up_linearly_and_decays_from_the_target():
    schedule = CosineDecay(0.2, 100, warmup_target=1.0, warmup_steps=4)
    assert [schedule(s) for s in range(5)] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert schedule(54) == pytest.approx(0.5)
    assert schedule(104) == pytest.approx(0, abs=1e-12)


def test_a_boundary_belongs_to_the_value_before_it_as_in_keras():
    schedule = PiecewiseConstantDecay([10, 20], [1.0, 0.5, 0.1])
    assert [schedule(s) for s in (0, 10, 11, 20, 21, 10**9)] == [1.0, 1.0, 0.5, 0.5, 0.1, 0.1]


def test_piecewise_constant_decay_without_boundaries_is_constant():
    assert {PiecewiseConstantDecay([], [0.3])(s) for s in (0, 1, 1000)} == {0.3}


def test_one_cycle_goes_up_for_a_fifth_and_down_to_almost_zero():
    rates = [OneCycle(8.0, 10)(s) for s in range(10)]
    assert rates == pytest.approx([4, 8] + [8 * k / 9 for k in range(8, 0, -1)])


@pytest.mark.parametrize("total", [1, 2, 3, 4, 5, 99, 100, 2814])
@pytest.mark.parametrize("fraction", [0.0, 0.2, 0.5, 0.99])
def test_one_cycle_is_positive_through_its_steps_reaches_its_maximum_once_and_ends(total, fraction):
    schedule = OneCycle(0.5, total, warmup_fraction=fraction)
    rates = [schedule(s) for s in range(total)]
    assert min(rates) > 0
    assert max(rates) == 0.5
    assert rates.count(0.5) == 1
    peak = rates.index(0.5)
    assert rates == sorted(rates[: peak + 1]) + sorted(rates[peak + 1 :], reverse=True)
    assert total == 1 or rates[-1] < 0.5
    assert schedule(total) == schedule(total + 1) == schedule(10 * total) == 0


@pytest.mark.parametrize("schedule", ALL, ids=repr)
def test_a_config_goes_through_json_and_makes_the_same_schedule(schedule):
    again = schedules.deserialize(json.loads(json.dumps(schedules.serialize(schedule))))
    assert type(again) is type(schedule)
    assert [again(s) for s in range(300)] == [schedule(s) for s in range(300)]


@pytest.mark.parametrize("schedule", ALL, ids=repr)
def test_repr_is_the_constructor_call(schedule):
    again = eval(repr(schedule), {name: getattr(schedules, name) for name in schedules.__all__})
    assert again.get_config() == schedule.get_config()


def test_only_the_schedules_of_the_package_are_deserialized():
    with pytest.raises(ValueError, match=r"schedule must be one of .*'OneCycle'.*got 'system'"):
        schedules.deserialize({"class_name": "system", "config": {"command": "true"}})


def test_a_schedule_without_call_or_config_says_what_to_override():
    class Unfinished(schedules.LearningRateSchedule):
        pass

    with pytest.raises(NotImplementedError, match="Unfinished must override __call__"):
        Unfinished()(0)
    with pytest.raises(NotImplementedError, match="Unfinished must override get_config"):
        schedules.serialize(Unfinished())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CosineDecay(-1, 10), "initial_learning_rate must be a number in"),
        (lambda: CosineDecay(0.1, 0), "decay_steps must be an integer >= 1, got 0"),
        (lambda: CosineDecay(0.1, 10, -0.1), "alpha must be"),
        (lambda: CosineDecay(0.1, 10, warmup_steps=5), "warmup_steps=5 needs a warmup_target"),
        (lambda: CosineDecay(0.1, 10, warmup_target=-1), "warmup_target must be"),
        (lambda: PiecewiseConstantDecay([1, 2], [0.1, 0.2]), "values must hold one number more"),
        (lambda: PiecewiseConstantDecay([2, 2], [1, 2, 3]), "boundaries must be strictly incr"),
        (lambda: PiecewiseConstantDecay([2], [1, -2]), "values must be a number in"),
        (lambda: EpochwiseConstant([10**400]), "values must be a number in .*, got one beyond"),
        (lambda: OneCycle(float("nan"), 10), "max_learning_rate must be"),
        (lambda: OneCycle(0.1, 0), "total_steps must be an integer >= 1, got 0"),
        (lambda: OneCycle(0.1, 10, warmup_fraction=1.0), "warmup_fraction must be"),
    ],
)
def test_a_value_out_of_range_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CosineDecay(True, 10), "initial_learning_rate must be a number, got True"),
        (lambda: CosineDecay(0.1, 10.0), "decay_steps must be an integer, got 10.0"),
        (lambda: PiecewiseConstantDecay([1], ["a", "b"]), "values must be a number"),
        (lambda: PiecewiseConstantDecay(1, [0.1, 0.2]), "boundaries must be a list of numbers"),
        (lambda: EpochwiseConstant(0.1), "values must be a list of numbers, got 0.1"),
        (lambda: EpochwiseConstant("12"), "values must be a list of numbers, got '12'"),
        (lambda: OneCycle(0.1, True), "total_steps must be an integer, got True"),
    ],
)
def test_a_value_of_the_wrong_kind_is_named(make, message):
    with pytest.raises(TypeError, match=message):
        make()

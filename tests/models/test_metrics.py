"""Metrics by themselves and in a model's logs, each against its definition."""

import json
from itertools import pairwise

import numpy as np
import pytest
from nets import compiled, one_hot, samples, small, tiny

import pylenet
from pylenet import layers, losses, metrics, optimizers
from pylenet.models import Sequential, load_model


def drawn(n=200, outputs=1, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, (n, outputs)).astype(np.float32)
    pred = np.clip(0.4 * y + rng.uniform(0, 0.6, y.shape), 0, 1).round(2).astype(np.float32)
    return y, pred, rng.uniform(0, 3, n).astype(np.float32)


def in_batches(metric, y, pred, w=None):
    """Its value after batches of unequal size."""
    for part in (slice(0, 7), slice(7, 90), slice(90, None)):
        metric.update_state(y[part], pred[part], None if w is None else w[part])
    return metric.result()


def counts(y, pred, w, threshold):
    """True and false positives, true and false negatives, by definition."""
    said, wanted, w = pred > np.float32(threshold), y > 0, w[:, None] * np.ones(y.shape)
    pairs = ((wanted, said), (~wanted, said), (~wanted, ~said), (wanted, ~said))
    return [float(w[a & b].sum()) for a, b in pairs]


@pytest.mark.parametrize("threshold", [None, 0.3, 0.62])
@pytest.mark.parametrize("outputs", [1, 4])
@pytest.mark.parametrize("weighted", [False, True])
def test_precision_and_recall_count_outputs_above_a_threshold(threshold, outputs, weighted):
    y, pred, w = drawn(outputs=outputs)
    tp, fp, _, fn = counts(y, pred, w if weighted else np.ones(len(y)), threshold or 0.5)
    given = w if weighted else None
    found = in_batches(metrics.Precision(threshold), y, pred, given)
    assert found == pytest.approx(tp / (tp + fp))
    found = in_batches(metrics.Recall(threshold), y, pred, given)
    assert found == pytest.approx(tp / (tp + fn))


def test_precision_and_recall_of_the_largest_outputs_and_of_one_class():
    y = np.array([[0, 1, 0], [1, 0, 0], [0, 0, 1]], np.float32)
    pred = np.array([[0.1, 0.2, 0.7], [0.5, 0.4, 0.1], [0.2, 0.35, 0.45]], np.float32)
    assert metrics.Precision(top_k=1)(y, pred) == pytest.approx(2 / 3)
    assert metrics.Precision(top_k=2)(y, pred) == pytest.approx(3 / 6)
    assert metrics.Recall(top_k=2)(y, pred) == 1
    assert metrics.Recall(0.4, class_id=2)(y, pred) == 1
    assert metrics.Precision(0.4, class_id=2)(y, pred) == pytest.approx(1 / 2)
    assert metrics.Precision()(np.zeros((2, 1)), np.zeros((2, 1))) == 0
    with pytest.raises(ValueError, match="class_id must be below 3"):
        metrics.Recall(class_id=3)(y, pred)


@pytest.mark.parametrize("curve", ["ROC", "PR"])
@pytest.mark.parametrize("method", ["minoring", "majoring", "interpolation"])
@pytest.mark.parametrize("thresholds", [None, [0.2, 0.5, 0.9]])
def test_auc_is_the_area_under_the_points_of_its_thresholds(curve, method, thresholds):
    y, pred, w = drawn()
    inner = thresholds or [i / 49 for i in range(1, 49)]
    points = []
    for t in [-1e-7, *inner, 1 + 1e-7]:
        tp, fp, tn, fn = counts(y, pred, w, t)
        precision = tp / (tp + fp) if tp + fp else 0.0
        points.append(
            (tp / (tp + fn), precision) if curve == "PR" else (fp / (fp + tn), tp / (tp + fn))
        )
    area = 0.0
    for (x1, y1), (x0, y0) in pairwise(points):
        if (curve, method) == ("PR", "interpolation"):
            continue
        height = {"minoring": min, "majoring": max, "interpolation": lambda a, b: (a + b) / 2}
        area += (x1 - x0) * height[method](y1, y0)
    auc = metrics.AUC(50, curve, method, thresholds=thresholds)
    found = in_batches(auc, y, pred, w)
    if (curve, method) == ("PR", "interpolation"):  # between the two others
        ends = [metrics.AUC(50, curve, m, thresholds=thresholds) for m in ("minoring", "majoring")]
        low, high = (in_batches(end, y, pred, w) for end in ends)
        assert low < found < high
    else:
        assert found == pytest.approx(area, rel=1e-9)


def test_auc_of_a_perfect_and_of_a_useless_output():
    y = np.array([[0], [0], [1], [1]], np.float32)
    assert metrics.AUC()(y, y) == pytest.approx(1)
    assert metrics.AUC()(y, np.full((4, 1), 0.5)) == pytest.approx(0.5)
    assert metrics.AUC(from_logits=True)(y, 50 * y - 25) == pytest.approx(1)
    with pytest.raises(ValueError, match="outputs from 0 to 1.*from_logits=True"):
        metrics.AUC()(y, 3 * y)


def test_top_k_counts_a_class_among_the_largest_outputs():
    pred = np.array([[0.1, 0.5, 0.4], [0.3, 0.3, 0.4], [0.2, np.nan, 0.8]])
    labels = np.array([2, 0, 1])
    for k, expected in ((1, [0, 0, 0]), (2, [1, 1, 0]), (3, [1, 1, 0])):
        found = metrics.sparse_top_k_categorical_accuracy(labels, pred, k)
        np.testing.assert_array_equal(found, expected)
        found = metrics.top_k_categorical_accuracy(np.eye(3)[labels], pred, k)
        np.testing.assert_array_equal(found, expected)


def test_binary_accuracy_is_the_share_of_outputs_on_the_right_side():
    y, pred = [[1, 0], [1, 1]], [[0.6, 0.5], [0.4, 0.7]]
    np.testing.assert_array_equal(metrics.binary_accuracy(y, pred), [1, 0.5])
    np.testing.assert_array_equal(metrics.binary_accuracy(y, pred, 0.65), [0.5, 0.5])
    assert metrics.BinaryAccuracy(threshold=0.3)([1, 0], [[0.4], [0.4]]) == 0.5


def test_a_state_is_forgotten_when_it_is_reset():
    y, pred, w = drawn()
    for metric in (metrics.AUC(), metrics.Precision(), metrics.MeanSquaredError()):
        first = in_batches(metric, y, pred, w)
        metric.reset_state()
        assert in_batches(metric, y, pred, w) == first
    assert metrics.MeanAbsoluteError().result() == 0


def test_root_mean_squared_error_is_the_root_of_the_mean_over_all_batches():
    y, pred, _ = drawn()
    mean = in_batches(metrics.MeanSquaredError(), y, pred)
    assert in_batches(metrics.RootMeanSquaredError(), y, pred) == pytest.approx(mean**0.5)


@pytest.mark.parametrize(
    ("name", "of"),
    [
        ("kl_divergence", "kl_divergence"),
        ("poisson", "poisson"),
        ("hinge", "hinge"),
        ("squared_hinge", "squared_hinge"),
        ("categorical_hinge", "categorical_hinge"),
        ("logcosh", "log_cosh"),
        ("mean_absolute_percentage_error", "mean_absolute_percentage_error"),
        ("mean_squared_logarithmic_error", "mean_squared_logarithmic_error"),
    ],
)
def test_a_loss_as_a_metric_is_its_mean(name, of):
    y, pred, w = drawn(outputs=3)
    metric, values = metrics.get(name), losses.get(of).values(y, pred)
    assert metric.name == name
    assert in_batches(metric, y, pred, w) == pytest.approx((values * w).sum() / w.sum())


def test_the_metric_cosine_similarity_is_the_cosine_and_the_loss_minus_it():
    y, pred = np.array([[1.0, 0.0], [1.0, 1.0]]), np.array([[0.0, 2.0], [3.0, 3.0]])
    np.testing.assert_allclose(metrics.cosine_similarity(y, pred), [0, 1], atol=1e-7)
    np.testing.assert_allclose(losses.cosine_similarity(y, pred), [0, -1], atol=1e-7)
    assert metrics.CosineSimilarity()(y, pred) == pytest.approx(0.5)


@pytest.mark.parametrize("threshold", [None, 0.3])
def test_answers_of_each_kind_are_counted_with_their_weights(threshold):
    y, pred, w = drawn(outputs=3)
    kinds = (metrics.TruePositives, metrics.FalsePositives)
    kinds += (metrics.TrueNegatives, metrics.FalseNegatives)
    found = [in_batches(kind(threshold), y, pred, w) for kind in kinds]
    assert found == pytest.approx(counts(y, pred, w, threshold or 0.5))


def spread(y_true, y_pred):
    return np.ptp(y_pred, axis=1)


class Seen(metrics.Metric):
    """The largest output, and what it was given."""

    def reset_state(self):
        self.value = 0.0

    def update_state(self, y_true, y_pred, sample_weight=None):
        assert len(y_true) == len(y_pred)
        self.value = max(self.value, float(y_pred.max()))

    def result(self):
        return self.value


class Twice(metrics.SparseCategoricalAccuracy):
    def result(self):
        return 2 * super().result()


class Half(metrics.SparseCategoricalAccuracy):
    def values(self, y_true, y_pred):
        return super().values(y_true, y_pred) / 2


@pytest.mark.parametrize("rows", [False, True])
def test_metrics_of_one_s_own_are_called_for_labels_and_for_rows(rows):
    x, y = samples(50, (8, 7, 2), 4)
    targets = one_hot(y, 4) if rows else y
    loss = "categorical_crossentropy" if rows else "sparse_categorical_crossentropy"

    def size(y_true, y_pred):  # a number: of each of the batch's samples
        assert np.shape(y_true) == (len(y_pred), 4)[: 2 if rows else 1]
        return len(y_pred)

    own = [spread, size, Seen(), Twice(name="twice"), Half(name="half"), lambda t, y: y[:, :2]]
    model = compiled(small, optimizers.SGD(0.0), loss, metrics=["accuracy", *own])
    pred = model.predict(x)
    logs = model.fit(x, targets, batch_size=16, verbose=0).history
    values = {name: value for name, (value,) in logs.items()}
    assert list(values) == ["accuracy", "spread", "size", "seen", "twice", "half", "lambda", "loss"]
    assert values["spread"] == pytest.approx(np.ptp(pred, axis=1).mean(), rel=1e-6)
    assert values["size"] == pytest.approx((3 * 16 * 16 + 2 * 2) / 50)
    assert values["seen"] == pred.max()
    assert values["accuracy"] > 0
    assert values["twice"] == 2 * values["accuracy"] == 4 * values["half"]
    assert values["lambda"] == pytest.approx(pred[:, :2].mean(), rel=1e-6)
    again = model.evaluate(x, targets, return_dict=True)
    assert again == pytest.approx({**values, "size": 50}, rel=1e-6)


def test_a_function_as_a_weighted_metric_is_told_no_weights_and_its_mean_has_them():
    x, y = samples(50, (8, 7, 2), 4)
    w = np.random.default_rng(1).uniform(0.5, 2, 50)
    model = compiled(small)
    model.compile("sgd", model.loss, weighted_metrics=[spread])
    found = model.evaluate(x, y, sample_weight=w, return_dict=True)["spread"]
    values = np.ptp(model.predict(x), axis=1)
    assert found == pytest.approx((values * w).sum() / w.sum(), rel=1e-6)


@pytest.mark.parametrize(
    ("function", "error", "message"),
    [
        (lambda t, y: None, TypeError, "metric 'lambda' must give a number or one value a sample"),
        (lambda t, y: y[0], ValueError, r"one value a sample, \(3,\), got shape \(4,\)"),
    ],
)
def test_a_function_that_gives_anything_else_is_refused(function, error, message):
    x, y = samples(3, (8, 7, 2), 4)
    with pytest.raises(error, match=message):
        compiled(small, metrics=[function]).evaluate(x, y)


def test_a_file_is_written_without_metrics_of_one_s_own_and_says_so(tmp_path):
    model = compiled(tiny, metrics=["accuracy", spread, Seen])
    with pytest.warns(UserWarning, match=r"saved without its metrics \['spread', 'seen'\]"):
        model.save(tmp_path / "m.safetensors")
    assert load_model(tmp_path / "m.safetensors").metrics_names == ["loss", "accuracy"]


class WithWeights(metrics.Metric):
    """As many scripts write it: the share of right answers."""

    def __init__(self, name="share", **kwargs):
        super().__init__(name=name, **kwargs)
        self.right = self.add_weight(name="right", initializer="zeros")
        self.seen = self.add_weight("seen", initializer="ones", dtype="int64")

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.right.assign_add((y_true == y_pred.argmax(axis=1)).sum())
        self.seen.assign_add(len(y_true))

    def result(self):
        return self.right / (self.seen - 1)


class OfMetrics(metrics.Metric):
    """Made of another metric, after Metric's own constructor."""

    def __init__(self):
        super().__init__("inner")
        self.accuracy = metrics.SparseCategoricalAccuracy()

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.accuracy.update_state(y_true, y_pred, sample_weight)

    def result(self):
        return self.accuracy.result()

    def reset_states(self):  # Keras's name of it before 2.5
        self.accuracy.reset_state()


def test_the_state_of_a_metric_of_one_s_own_may_be_weights_or_metrics_and_begins_anew_each_epoch():
    x, y = samples(50, (8, 7, 2), 4)
    model = compiled(small, metrics=["accuracy", WithWeights(), OfMetrics()])
    history = model.fit(x, y, epochs=2, batch_size=16, validation_data=(x, y), verbose=0).history
    for prefix in ("", "val_"):
        for name in ("share", "inner"):
            np.testing.assert_allclose(
                history[prefix + name], history[prefix + "accuracy"], rtol=1e-6
            )
    assert all(type(value) is float for value in history["share"])


def test_a_weight_of_a_metric_has_its_shape_kind_and_first_values():
    metric = WithWeights()
    assert (metric.seen.dtype, metric.seen.shape, metric.seen.name) == (np.int64, (), "seen")
    metric.seen.assign_add(3).assign_sub(1)
    assert metric.seen.numpy() == 3
    metric.reset_state()
    assert metric.seen.numpy() == 1
    assert metric.add_weight((2, 3)).tolist() == np.zeros((2, 3)).tolist()


def test_a_metric_of_one_s_own_without_a_way_to_begin_anew_is_refused():
    class Stateless(metrics.Metric):
        def update_state(self, y_true, y_pred, sample_weight=None):
            self.value = 1.0

        def result(self):
            return self.value

    with pytest.raises(TypeError, match="Stateless must have a method reset_state"):
        Stateless()


ROWS = [
    "accuracy",
    "mse",
    metrics.MeanAbsoluteError,
    metrics.AUC(),
    metrics.Precision(name="p"),
    "Recall",
    metrics.TopKCategoricalAccuracy(2),
    "kl_divergence",
    losses.poisson,
    metrics.CategoricalCrossentropy(label_smoothing=0.1),
    metrics.binary_accuracy,
]
NAMES = [
    "accuracy",
    "mse",
    "mean_absolute_error",
    "auc",
    "p",
    "Recall",
    "top_k_categorical_accuracy",
    "kl_divergence",
    "poisson",
    "categorical_crossentropy",
    "binary_accuracy",
]


def test_logs_have_the_metrics_of_the_outputs_before_each_step(threads):
    x, y = samples(50, (8, 7, 2), 4)
    rows = one_hot(y, 4)
    model = compiled(small, optimizers.SGD(0.0), "categorical_crossentropy", metrics=ROWS)
    assert model.metrics_names == ["loss", *NAMES]
    pred = model.predict(x)
    expected = {}
    for given, name in zip(ROWS, NAMES, strict=True):
        metric = metrics.get(given)
        expected[name] = metric(rows, pred)
    history = model.fit(x, rows, batch_size=16, validation_data=(x, rows), verbose=0).history
    assert list(history) == [*NAMES, "loss", *(f"val_{name}" for name in [*NAMES, "loss"])]
    for name, value in expected.items():
        assert history[name] == pytest.approx([value], rel=1e-5), name
        assert history[f"val_{name}"] == pytest.approx([value], rel=1e-5), name
    batch = model.train_on_batch(x, rows, return_dict=True)
    assert batch == pytest.approx({**expected, "loss": history["loss"][0]}, rel=1e-5)


class EachBatch(pylenet.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        assert list(logs) == [*NAMES, "loss"]


def test_histories_of_any_metric_do_not_depend_on_threads_or_calls(threads_restored):
    x, y = samples(300, (8, 7, 2), 4)
    found = []
    for threads, watched in ((1, False), (2, False), (3, True)):
        pylenet.set_num_threads(threads)
        model = compiled(small, "sgd", "categorical_crossentropy", metrics=ROWS)
        callbacks = [EachBatch()] if watched else []
        options = {"batch_size": 7, "epochs": 2, "verbose": 0, "callbacks": callbacks}
        found.append(model.fit(x, one_hot(y, 4), **options).history)
    assert found[1:] == found[:1] * 2


def test_labels_may_be_compared_by_every_metric_of_classes():
    x, y = samples(50, (8, 7, 2), 4)
    chosen = ["acc", "categorical_accuracy", "sparse_top_k_categorical_accuracy"]
    chosen += [metrics.TopKCategoricalAccuracy(2), "sparse_categorical_crossentropy"]
    model = compiled(small, metrics=chosen)
    values = model.evaluate(x, y, return_dict=True)
    pred = model.predict(x)
    right = metrics.sparse_categorical_accuracy(y, pred).mean()
    assert values["acc"] == values["categorical_accuracy"] == pytest.approx(right)
    assert values["sparse_top_k_categorical_accuracy"] == 1  # of four classes five
    second = metrics.sparse_top_k_categorical_accuracy(y, pred, 2).mean()
    assert values["top_k_categorical_accuracy"] == pytest.approx(second)
    assert values["sparse_categorical_crossentropy"] == pytest.approx(values["loss"], rel=1e-6)


def test_outputs_are_seen_as_predict_gives_them_behind_a_sigmoid_that_is_part_of_the_loss():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 3)).astype(np.float32)
    y = (x.sum(axis=1) > 0).astype(np.float32)
    model = compiled(
        lambda: Sequential([layers.Dense(1, "sigmoid", input_shape=(3,))]),
        optimizers.SGD(1.0),
        "binary_crossentropy",
        metrics=["accuracy", "AUC", "mae"],
    )
    pred = model.predict(x)
    values = model.train_on_batch(x, y, return_dict=True)
    assert values["accuracy"] == pytest.approx(metrics.binary_accuracy(y, pred).mean())
    assert values["mae"] == pytest.approx(np.abs(pred[:, 0] - y).mean(), rel=1e-6)
    model.fit(x, y, epochs=60, verbose=0)
    assert model.evaluate(x, y, return_dict=True)["accuracy"] > 0.95


@pytest.mark.parametrize(
    ("metric", "loss", "message"),
    [
        ("auc", "sparse_categorical_crossentropy", "needs a row of targets for each sample"),
        ("mse", "sparse_categorical_crossentropy", "needs a row of targets for each sample"),
    ],
)
def test_a_metric_that_the_targets_do_not_fit_is_refused_by_compile(metric, loss, message):
    with pytest.raises(ValueError, match=message):
        compiled(tiny, loss=loss, metrics=[metric])


def test_metrics_of_classes_need_two_outputs():
    one = Sequential([layers.Dense(1, input_shape=(1,))])
    for metric in ("categorical_accuracy", "top_k_categorical_accuracy"):
        with pytest.raises(ValueError, match=f"{metric}' needs at least 2 outputs"):
            one.compile("sgd", "mse", metrics=[metric])


@pytest.mark.parametrize("metric", [*ROWS, metrics.AUC(30, "PR"), metrics.Recall(top_k=2)], ids=str)
def test_a_config_goes_through_json_and_makes_the_same_metric(metric):
    metric = metrics.get(metric)
    again = metrics.deserialize(json.loads(json.dumps(metrics.serialize(metric))))
    assert type(again) is type(metric)
    assert again.name == metric.name
    assert again.arguments() == metric.arguments()


def test_a_loaded_model_has_the_metrics_of_the_saved_one(tmp_path):
    model = compiled(tiny, loss="categorical_crossentropy", metrics=["acc", metrics.AUC(), "hinge"])
    model.compile(
        "sgd", model.loss, metrics=["acc", metrics.AUC(), "hinge"], weighted_metrics=["mse"]
    )
    x, y = samples(10, (4,), 3)
    model.save(tmp_path / "m.safetensors")
    loaded = load_model(tmp_path / "m.safetensors")
    w = np.arange(10)
    expected = model.evaluate(x, one_hot(y, 3), sample_weight=w, return_dict=True)
    assert loaded.evaluate(x, one_hot(y, 3), sample_weight=w, return_dict=True) == expected


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: metrics.Precision("0.5"), TypeError, "thresholds must be a number"),
        (lambda: metrics.Precision(top_k=0), ValueError, "top_k must be an integer >= 1"),
        (lambda: metrics.AUC(1), ValueError, "num_thresholds must be an integer >= 2"),
        (lambda: metrics.AUC(curve="roc"), ValueError, "curve must be one of"),
        (lambda: metrics.AUC(thresholds=[2]), ValueError, "thresholds must be a number in"),
        (lambda: metrics.TopKCategoricalAccuracy(0), ValueError, "k must be an integer >= 1"),
        (lambda: metrics.MeanSquaredError(3), TypeError, "name must be a str"),
        (lambda: metrics.AUC()([[1]], [[0.5, 0.5]]), ValueError, "y_true must have shape"),
        (lambda: metrics.Recall()([[1]], [[1]], [[1, 2]]), ValueError, "sample_weight must have"),
    ],
)
def test_a_wrong_argument_is_named(make, error, message):
    with pytest.raises(error, match=message):
        make()

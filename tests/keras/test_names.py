"""Names of Keras: what is not here can be imported and says so when used; old names work."""

import importlib
import inspect
import pickle
import sys
import types
import warnings

import numpy as np
import pytest
from nets import compiled, samples, tiny

import pylenet
from pylenet import callbacks, initializers, layers, models, optimizers, utils
from pylenet._keras import _names, _old
from pylenet._missing import OLD_ARGUMENTS
from pylenet.optimizers import schedules

X, Y = samples(12, (4,), 3)


@pytest.fixture(autouse=True)
def nothing_said_yet(monkeypatch):
    """Old names are warned of once in a process: here, once in a test."""
    monkeypatch.setattr(_old, "_said", set())
    monkeypatch.setattr(pylenet._keras, "_found", {})


def warnings_of(call):
    """What call() gives, and the texts of the warnings, all of them deprecations at our lines."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = call()
    assert all(w.category is DeprecationWarning for w in caught)
    return found, [str(w.message) for w in caught]


@pytest.fixture
def silent():
    """Warnings are no errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def all_missing():
    return [
        (place, name)
        for place, found in _names._missing().items()
        if not place.endswith("*")
        for name in found
    ]


# Names that are not here


def test_a_layer_that_is_not_here_is_imported_and_says_so_when_it_is_used():
    from pylenet.layers import LSTM

    uses = [
        lambda: LSTM(10),
        lambda: types.new_class("Mine", (LSTM,)),
        lambda: LSTM.from_config({}),
    ]
    for use in uses:
        with pytest.raises(
            (NotImplementedError, AttributeError),
            match=r"pylenet\.layers\.LSTM is not in pylenet: .*not of sequences; use Keras",
        ):
            use()
    assert not isinstance(layers.Dense(1), LSTM)
    assert repr(LSTM) == "<pylenet.layers.LSTM, which is not in pylenet>"
    assert LSTM is layers.LSTM


@pytest.mark.parametrize(("place", "name"), all_missing(), ids="-".join)
def test_each_name_can_be_imported_or_is_there_after_all(place, name, silent):
    module = importlib.import_module(f"pylenet.{place}".rstrip("."))
    found = getattr(module, name)
    if isinstance(found, pylenet._keras.Placeholder):
        with pytest.raises(NotImplementedError, match=rf"{name} is not in pylenet: \w"):
            found()


def test_no_name_is_said_to_be_missing_that_is_there():
    there = [
        f"{place}.{name}"
        for place, name in all_missing()
        if not _names.is_module(f"{place}.{name}")
        and name in vars(importlib.import_module(f"pylenet.{place}".rstrip(".")))
    ]
    assert there == []


def test_modules_of_keras_that_are_not_here_are_imported_too():
    import pylenet.datasets.cifar10
    from pylenet.applications.vgg16 import VGG16, preprocess_input
    from pylenet.preprocessing.text import Tokenizer
    from pylenet.wrappers.scikit_learn import KerasClassifier

    from pylenet.datasets import cifar10, imdb  # noqa: F401

    for use in (VGG16, preprocess_input, cifar10.load_data, Tokenizer, KerasClassifier):
        with pytest.raises(NotImplementedError, match="is not in pylenet"):
            use()
    assert pylenet.datasets.cifar10 is cifar10


@pytest.mark.parametrize(
    "statement",
    [
        "from pylenet import nothing",
        "from pylenet.layers import Nothing",
        "from pylenet.applications.vgg16 import VGG19000",
        "import pylenet.nothing",
        "import pylenet.layers.nothing",
        "import pylenet.datasets.mnist.nothing",
        "from pylenet.backend import nothing",
    ],
)
def test_a_name_that_keras_never_had_is_an_import_error(statement):
    with pytest.raises(ImportError):
        exec(statement)


def public_modules():
    names = ["", *pylenet._LAZY, "layers", "models", "optimizers", "optimizers.schedules"]
    names += ["losses", "metrics", "initializers", "preprocessing.image"]
    return [importlib.import_module(f"pylenet.{name}".rstrip(".")) for name in names]


@pytest.mark.parametrize("module", public_modules(), ids=lambda m: m.__name__)
def test_looking_at_a_module_shows_what_is_there_and_nothing_else(module):
    listed = set(dir(module))
    assert not hasattr(module, "NoNameOfKeras")
    for probe in ("__wrapped__", "_ipython_display_", "__no__", "_repr_html_"):
        assert not hasattr(module, probe)
    namespace = {}
    exec(f"from {module.__name__} import *", namespace)
    stars = set(namespace) - {"__builtins__"}
    assert stars == set(module.__all__)
    assert set(dir(module)) - listed <= set(module.__all__)
    assert not any(isinstance(v, pylenet._keras.Placeholder) for v in namespace.values())
    assert inspect.getmembers(module)


def test_a_model_has_no_attribute_that_nobody_knows():
    model = compiled(tiny)
    for name in ("nothing", "_nothing", "__array__"):
        assert not hasattr(model, name)
    assert pickle.loads(pickle.dumps(model)).name == model.name


# pylenet under other names


def test_a_tf_keras_script_s_names_are_pylenet_s():
    import pylenet.keras.layers as alias
    from pylenet.keras.models import Sequential
    from pylenet.tf_keras.keras.layers import Dense

    from pylenet import tf_keras as tf
    from pylenet.tf_keras import keras

    assert keras is pylenet is pylenet.keras is tf.keras
    assert alias is layers
    assert Dense is layers.Dense is tf.keras.layers.Dense
    assert Sequential is models.Sequential
    assert tf.__version__ == pylenet.__version__


def test_tf_s_own_names_are_numpy_s_or_say_that_they_are_not_here():
    from pylenet import tf_keras as tf

    tf.random.set_seed(4)
    first = initializers.RandomNormal()((3,))
    tf.random.set_seed(4)
    assert np.array_equal(first, initializers.RandomNormal()((3,)))
    assert tf.cast([1.7], tf.int32).tolist() == [1]
    assert tf.one_hot([1], 3).tolist() == [[0, 1, 0]]
    assert np.ones((2, 2))[..., tf.newaxis].shape == (2, 2, 1)
    assert tf.convert_to_tensor([1, 2], tf.float32).dtype == np.float32
    assert tf.config.list_physical_devices("GPU") == []
    assert not tf.test.is_gpu_available()
    for use in (lambda: tf.GradientTape, lambda: tf.random.normal, lambda: tf.config.run):
        with pytest.raises(AttributeError, match=r"tf\.\w+.* is TensorFlow's and not in pylenet"):
            use()


# Keras 1 and 2: modules and names


@pytest.mark.parametrize(("place", "today"), _names.MOVED.items())
def test_modules_of_keras_1_and_2_are_those_of_today(place, today, monkeypatch):
    monkeypatch.delitem(sys.modules, f"pylenet.{place}", raising=False)
    module, said = warnings_of(lambda: importlib.import_module(f"pylenet.{place}"))
    assert module is importlib.import_module(f"pylenet.{today}")
    assert said[-1] == (
        f"pylenet.{place} is a module of Keras 1 or 2; its names are in pylenet.{today} today"
    )


def test_old_names_are_today_s_things():
    from pylenet.backend import image_data_format

    with pytest.warns(DeprecationWarning, match=r"today it is pylenet\.initializers\.RandomNormal"):
        assert initializers.normal is initializers.RandomNormal
    assert layers.MaxPool2D is layers.MaxPooling2D
    assert pylenet.Layer is layers.Layer
    assert pylenet.config.image_data_format is image_data_format


def test_a_warning_is_at_the_user_s_line_and_comes_once():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        from pylenet.layers import Convolution2D

        for _ in range(3):
            from pylenet.layers import Convolution2D as Again

            optimizers.SGD(lr=0.5)
    assert [w.filename for w in caught] == [__file__] * 2
    assert Again is Convolution2D


# Keras 1 and 2: arguments


def test_every_old_argument_is_looked_out_for():
    assert set(_old.ARGUMENTS) | set(_old.NEUTRAL) | _old.TOGETHER == OLD_ARGUMENTS


@pytest.mark.parametrize(
    ("old", "today"),
    [
        (
            lambda: layers.Dense(output_dim=5, init="he_normal", bias=False),
            lambda: layers.Dense(5, kernel_initializer="he_normal", use_bias=False),
        ),
        (
            lambda: layers.Dense(5, init="uniform"),
            lambda: layers.Dense(5, kernel_initializer="random_uniform"),
        ),
        (
            lambda: layers.Convolution2D(6, 5, 4, border_mode="same", subsample=(2, 2)),
            lambda: layers.Conv2D(6, (5, 4), padding="same", strides=2),
        ),
        (
            lambda: layers.Conv2D(6, 5, 4, border_mode="same"),
            lambda: layers.Conv2D(6, (5, 4), padding="same"),
        ),
        (lambda: layers.Conv2D(nb_filter=6, nb_row=5, nb_col=4), lambda: layers.Conv2D(6, (5, 4))),
        (
            lambda: layers.MaxPooling2D(pool_size=(2, 2), border_mode="valid", dim_ordering="tf"),
            lambda: layers.MaxPooling2D(2),
        ),
        (
            lambda: layers.Conv2D(6, 5, 2, batch_input_shape=(None, 28, 28, 1)),
            lambda: layers.Conv2D(6, 5, 2, input_shape=(28, 28, 1)),
        ),
        (
            lambda: layers.Conv2D(6, 5, 2, bias=False),
            lambda: layers.Conv2D(6, (5, 2), use_bias=False),
        ),
        (lambda: layers.Dropout(p=0.3), lambda: layers.Dropout(0.3)),
        (lambda: layers.LeakyReLU(alpha=0.1), lambda: layers.LeakyReLU(negative_slope=0.1)),
        (
            lambda: optimizers.SGD(lr=0.1, momentum=0.9, decay=0.0),
            lambda: optimizers.SGD(0.1, momentum=0.9),
        ),
        (
            lambda: optimizers.SGD(lr=0.1, decay=1e-3),
            lambda: optimizers.SGD(schedules.InverseTimeDecay(0.1, 1, 1e-3)),
        ),
        (
            lambda: optimizers.Adam(decay=1e-3),
            lambda: optimizers.Adam(schedules.InverseTimeDecay(0.001, 1, 1e-3)),
        ),
        (lambda: optimizers.Adam(lr=0.002, epsilon=None), lambda: optimizers.Adam(0.002)),
    ],
)
def test_old_arguments_are_today_s_with_one_warning(old, today):
    with pytest.warns(DeprecationWarning, match="today|no more") as caught:
        found = old()
    assert len([w for w in caught if "()" in str(w.message)]) == 1
    assert repr(found) == repr(today())


@pytest.mark.parametrize(
    "call",
    [
        lambda: layers.Conv2D(6, 5, dilation_rate=1, groups=1),
        lambda: layers.Conv2D(6, 5, dilation_rate=(1, 1)),
        lambda: layers.Dropout(0.5, noise_shape=None),
        lambda: layers.BatchNormalization(mode=0, renorm=False, fused=True),
        lambda: layers.BatchNormalization(fused=None),
        lambda: pylenet.losses.MeanSquaredError(reduction="sum_over_batch_size"),
        lambda: tiny().compile(
            *("sgd", "sparse_categorical_crossentropy"),
            run_eagerly=False,
            jit_compile=True,
            loss_weights=None,
            steps_per_execution=4,
        ),
        lambda: layers.Input((4,), sparse=False, ragged=None),
        lambda: tiny().summary(expand_nested=True, show_trainable=True, print_fn=str),
    ],
)
def test_an_argument_that_asks_for_what_is_done_anyway_is_taken_without_a_word(call):
    assert warnings_of(call)[1] == []


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: layers.Conv2D(6, 5, dilation_rate=2), "dilation_rate"),
        (lambda: layers.Conv2D(6, 5, groups=2), "groups"),
        (lambda: layers.BatchNormalization(mode=1), "mode"),
        (lambda: pylenet.losses.MeanSquaredError(reduction="sum"), "reduction"),
        (lambda: tiny().compile("sgd", "mse", run_eagerly=True), "run_eagerly"),
        (lambda: tiny().compile("sgd", "mse", loss_weights=np.ones(2)), "loss_weights"),
        (lambda: layers.Dense(2, l=1), "'l'"),
        (lambda: layers.Input((4,), sparse=True), "sparse"),
    ],
)
def test_one_that_asks_for_something_else_is_an_error_that_names_it(call, name):
    with pytest.raises(TypeError, match=name):
        call()


def test_saving_and_loading_take_keras_2_s_arguments_at_their_defaults(tmp_path, silent):
    pytest.importorskip("h5py")
    model, path = compiled(tiny), tmp_path / "model.keras"
    model.save(path, save_format="keras", include_optimizer=True)
    model.load_weights(path, by_name=False)
    again = models.load_model(path, custom_objects=None)
    assert np.array_equal(again.predict(X), model.predict(X))
    with pytest.raises(ValueError, match="save_format must be what the ending"):
        model.save(path, save_format="h5")
    with pytest.raises(ValueError, match="save_format must be what the ending"):
        model.save(filepath=path, save_format="tf")


@pytest.mark.parametrize("ending", ["keras", "h5", "safetensors"])
def test_a_model_is_saved_without_its_optimizer_where_that_is_asked_for(tmp_path, ending):
    if ending != "safetensors":
        pytest.importorskip("h5py")
    model, path = compiled(tiny), tmp_path / f"model.{ending}"
    model.fit(X, Y, verbose=0)
    model.save(path, include_optimizer=False)
    again = models.load_model(path)
    assert again.optimizer is None
    assert model.optimizer.iterations == 1
    assert np.array_equal(again.predict(X), model.predict(X))


def test_other_old_arguments_are_today_s(silent):
    assert utils.to_categorical([1], nb_classes=3).tolist() == [[0, 1, 0]]
    assert pylenet.regularizers.l2(l=0.5).l2 == 0.5
    assert pylenet.regularizers.l1(l=0.5).l1 == 0.5
    assert layers.InputLayer(batch_input_shape=(None, 28, 28, 1)).sample_shape == (28, 28, 1)
    with pytest.raises(ValueError, match="batch_input_shape must be None where"):
        layers.InputLayer((4,), batch_input_shape=(None, 4))


@pytest.mark.parametrize(
    ("call", "old", "today"),
    [
        (lambda: optimizers.SGD(lr=0.5, learning_rate=0.1), "lr", "learning_rate"),
        (
            lambda: layers.Conv2D(6, 5, padding="valid", border_mode="same"),
            "border_mode",
            "padding",
        ),
        (lambda: layers.Conv2D(6, kernel_size=5, nb_row=5, nb_col=5), "nb_row", "kernel_size"),
        (
            lambda: layers.Flatten(input_shape=(4,), batch_input_shape=(None, 4)),
            "batch_input_shape",
            "input_shape",
        ),
        (
            lambda: callbacks.ReduceLROnPlateau(epsilon=0.1, min_delta=0.2),
            "epsilon",
            "min_delta",
        ),
        (lambda: compiled(tiny).fit(X, Y, nb_epoch=1, epochs=3), "nb_epoch", "epochs"),
        (
            lambda: compiled(tiny).fit_generator([(X, Y)], nb_epoch=1, epochs=3),
            "nb_epoch",
            "epochs",
        ),
    ],
)
def test_an_argument_by_its_old_and_its_new_name_is_an_error(call, old, today, silent):
    with pytest.raises(TypeError, match=rf"must get {today}= alone, got {old}= as well"):
        call()


def test_an_old_name_of_what_there_is_not_is_an_error_that_names_it():
    with pytest.raises(TypeError, match="'alpha'"):
        layers.Dense(3, alpha=0.1)


def test_batch_input_shape_is_a_sample_s_shape():
    with pytest.warns(DeprecationWarning, match="batch_input_shape= is input_shape= today"):
        layer = layers.Flatten(batch_input_shape=(None, 28, 28, 1))
    assert layer.declared_input_shape == (28, 28, 1)


def test_channels_first_by_its_old_name_is_refused():
    with (
        pytest.warns(DeprecationWarning, match="dim_ordering= is data_format= today"),
        pytest.raises((TypeError, ValueError), match="data_format"),
    ):
        layers.MaxPooling2D(dim_ordering="th")


def test_one_s_own_arguments_of_such_names_are_left_alone():
    class Mine(layers.Dense):
        def __init__(self, units, init, p=0.5):
            super().__init__(units)
            self.init, self.p = init, p

    mine = Mine(3, init="mine", p=0.25)
    assert (mine.init, mine.p) == ("mine", 0.25)
    with pytest.raises(TypeError, match="nobody"):
        layers.Dense(3, nobody=1)
    assert optimizers.Adam(epsilon=1e-5).epsilon == 1e-5


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: layers.Dense(), r"^Dense\(\) missing 1 required positional argument: 'units'"),
        (
            lambda: pylenet.losses.CategoricalCrossentropy(axis=1),
            r"^CategoricalCrossentropy\(\) got an unexpected keyword argument 'axis'",
        ),
        (lambda: pylenet.losses.MeanSquaredError(1, 2), r"^MeanSquaredError\(\) takes "),
        (lambda: pylenet.metrics.AUC(bins=3), r"^AUC\(\) got an unexpected keyword argument"),
        (lambda: pylenet.Model(layers.Input((3,))), r"^Model\(\) missing 1 required .*'outputs'"),
    ],
)
def test_an_error_of_arguments_names_the_class_that_was_called(call, message):
    with pytest.raises(TypeError, match=message):
        call()


def test_a_period_of_checkpoints_is_refused_with_what_to_do():
    with pytest.raises(ValueError, match="period must be 1, got 2: give save_freq="):
        callbacks.ModelCheckpoint("m.safetensors", period=2)


def test_help_shows_the_constructor_s_arguments():
    for cls in (layers.Conv2D, optimizers.SGD, pylenet.losses.MeanSquaredError):
        shown = list(inspect.signature(cls).parameters)
        assert shown == list(inspect.signature(cls.__init__).parameters)[1:]
    assert "epochs" in inspect.signature(models.Sequential.fit).parameters


def test_an_optimizer_s_lr_is_its_learning_rate():
    optimizer = optimizers.SGD(0.5)
    rate, said = warnings_of(lambda: optimizer.lr)
    assert rate == 0.5
    assert said == ["optimizer.lr is a name of Keras 1 or 2; today it is optimizer.learning_rate"]
    optimizer.lr = 0.25
    assert optimizer.learning_rate == 0.25


def test_an_optimizer_s_lr_is_where_its_decay_begins(silent):
    optimizer = optimizers.SGD(lr=0.5, decay=0.25)
    optimizer.iterations = 4
    assert (optimizer.lr, optimizer.learning_rate) == (0.5, 0.25)
    optimizer.lr = 0.125
    assert (optimizer.lr, optimizer.learning_rate) == (0.125, 0.0625)


def test_keras_1_s_fit_and_compile_work():
    model = tiny()

    def script():
        model.compile("sgd", "sparse_categorical_crossentropy", class_mode="binary")
        history = model.fit(X, Y, nb_epoch=2, show_accuracy=True, verbose=0)
        model.evaluate(X, Y, show_accuracy=True)
        return history

    history, said = warnings_of(script)
    assert said == [
        "Sequential.compile() got names of Keras 1 or 2: class_mode= is no more",
        "Sequential.fit() got names of Keras 1 or 2: nb_epoch= is epochs= today; "
        "show_accuracy= is no more",
        "Sequential.evaluate() got names of Keras 1 or 2: show_accuracy= is no more",
    ]
    assert history.epoch == [0, 1]


def test_keras_1_s_callbacks_work(tmp_path):
    _, said = warnings_of(lambda: callbacks.ModelCheckpoint(tmp_path / "a.safetensors", period=1))
    assert said == ["ModelCheckpoint() got names of Keras 1 or 2: period= is no more"]
    plateau, said = warnings_of(lambda: callbacks.ReduceLROnPlateau(epsilon=0.5))
    assert said == ["ReduceLROnPlateau() got names of Keras 1 or 2: epsilon= is min_delta= today"]
    assert plateau.min_delta == 0.5


# Keras 1 and 2: methods


def test_predict_classes_and_predict_proba():
    model = compiled(tiny)
    probabilities = model.predict(X)
    with pytest.warns(DeprecationWarning, match=r"today it is model\.predict\(x\)\.argmax"):
        assert np.array_equal(model.predict_classes(X), probabilities.argmax(axis=1))
    with pytest.warns(DeprecationWarning, match=r"today it is model\.predict"):
        assert np.array_equal(model.predict_proba(X, batch_size=3), probabilities)
    one = models.Sequential([layers.Dense(1, "sigmoid", input_shape=(4,))])
    assert np.array_equal(one.predict_classes(X), (one.predict(X) > 0.5).astype(int))


def batches(size):
    while True:
        for i in range(0, len(X), size):
            yield X[i : i + size], Y[i : i + size]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_generators_of_keras_1_and_2():
    plain, first, second = (compiled(tiny, metrics=["accuracy"]) for _ in range(3))
    expected = plain.fit(
        X, Y, batch_size=4, epochs=2, shuffle=False, validation_data=(X, Y), verbose=0
    )
    found = first.fit_generator(
        batches(4),
        3,
        2,
        verbose=0,
        validation_data=batches(4),
        validation_steps=3,
        workers=2,
        use_multiprocessing=True,
        max_queue_size=3,
    )
    oldest = second.fit_generator(
        batches(4),
        samples_per_epoch=12,
        nb_epoch=2,
        verbose=0,
        validation_data=batches(4),
        nb_val_samples=12,
        nb_worker=1,
    )
    for history in (found, oldest):
        for name, values in expected.history.items():
            assert history.history[name] == pytest.approx(values, rel=1e-6)
    assert first.evaluate_generator(batches(4), 3) == pytest.approx(first.evaluate(X, Y))
    assert first.evaluate_generator(batches(4), val_samples=12) == pytest.approx(
        first.evaluate(X, Y)
    )
    assert np.array_equal(first.predict_generator(batches(4), 3), first.predict(X))
    assert np.array_equal(first.predict_generator(batches(5), val_samples=12), first.predict(X))


# Keras 1 and 2: names in logs


def test_acc_in_a_history_is_accuracy():
    model = compiled(tiny, metrics=["accuracy"])
    history = model.fit(X, Y, validation_data=(X, Y), epochs=2, verbose=0)
    with pytest.warns(DeprecationWarning, match="'acc' in logs is .* today it is 'accuracy'"):
        assert history.history["acc"] == history.history["accuracy"]
    with pytest.warns(DeprecationWarning, match="'val_acc'"):
        assert history.history.get("val_acc") == history.history["val_accuracy"]
    assert "acc" not in history.history
    assert list(history.history) == ["accuracy", "loss", "val_accuracy", "val_loss"]
    assert history.history.get("nothing", 3) == 3
    with pytest.raises(KeyError, match="nothing"):
        history.history["nothing"]


def test_a_metric_named_acc_is_told_under_that_name():
    model = compiled(tiny, metrics=["acc"])
    assert list(model.fit(X, Y, verbose=0).history) == ["acc", "loss"]


def test_callbacks_may_monitor_acc(tmp_path):
    seen = []

    class Mine(callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.append(logs.get("val_acc"))

    model = compiled(tiny, metrics=["accuracy"])
    with pytest.warns(DeprecationWarning, match="'val_acc' in logs"):
        history = model.fit(
            X,
            Y,
            validation_data=(X, Y),
            epochs=3,
            verbose=0,
            callbacks=[
                callbacks.EarlyStopping("val_acc", patience=5),
                callbacks.ModelCheckpoint(
                    str(tmp_path / "{epoch}-{val_acc:.2f}.safetensors"), monitor="val_acc"
                ),
                Mine(),
            ],
        )
    assert seen == history.history["val_accuracy"]
    assert len(list(tmp_path.iterdir())) == 3


def test_to_categorical_of_np_utils(silent):
    from pylenet.utils import np_utils

    assert np_utils.to_categorical([2, 0], 3).tolist() == utils.to_categorical([2, 0], 3).tolist()


def test_the_list_of_missing_names_is_well_formed():
    for place, found in _names._missing().items():
        for name, instead in found.items():
            assert name.isidentifier(), (place, name)
            assert instead[0].islower() or not instead[0].isalpha(), instead
            assert not instead.endswith("."), instead


def test_what_the_methods_of_keras_that_are_gone_ask_for_is_said():
    model = tiny()
    for name, instead in _old.GONE.items():
        with pytest.raises(AttributeError, match=f"no attribute {name!r}: {instead}"):
            getattr(model, name)


def test_a_class_may_be_registered_and_is_as_it_was():
    for module in (pylenet.saving, utils):
        assert module.register_keras_serializable(package="mine")(dict) is dict


def test_objects_of_one_s_own_may_be_named_when_a_model_is_loaded(tmp_path):
    tiny().save(tmp_path / "m.safetensors")
    found = models.load_model(
        tmp_path / "m.safetensors", custom_objects={"f": max}, safe_mode=False
    )
    assert found.count_params() == tiny().count_params()


@pytest.mark.parametrize(
    ("name", "instead"),
    {
        "GradientTape": "train_on_batch",
        "lite": "export",
        "train": "file",
        "einsum_": "numpy",
    }.items(),
)
def test_what_is_tensorflow_s_alone_says_what_to_do(name, instead):
    from pylenet import tf_keras

    with pytest.raises(AttributeError, match=f"tf.{name} is TensorFlow's .*{instead}"):
        getattr(tf_keras, name)

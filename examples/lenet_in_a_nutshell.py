# %% [markdown]
# # LeNet in a nutshell
#
# From data to pictures: a LeNet as the tutorials have it, the same architecture with better parts,
# what is inside it, and what it gets wrong. All of it takes seconds on a CPU. It needs `pip
# install "pylenet[plots]"`.
#
# As a script it prints the tables and saves the pictures in the folder `nutshell`.

# %%
from pathlib import Path

import numpy as np

import pylenet
from pylenet import layers, losses, optimizers, plots, utils

OUT = Path("nutshell")
OUT.mkdir(exist_ok=True)


def show(plot, name):
    """Save a plot, and return it: a notebook shows what its cell ends with."""
    plot.get_figure().savefig(OUT / f"{name}.png", dpi=100)
    return plot


# %% [markdown]
# ## The data
#
# MNIST: 60,000 handwritten digits to learn from, 10,000 to be tested with, of 28 x 28 pixels. It
# is looked for on this machine, and fetched if it is not there.

# %%
(x_train, y_train), (x_test, y_test) = pylenet.datasets.mnist.load_data()
print(x_train.shape, x_train.dtype, x_test.shape)
show(plots.images(x_train, y_train, most=20), "digits")

# %% [markdown]
# ## The architecture
#
# LeNet-5 of 1998, as it is built today: two convolutions, each followed by a pooling that halves
# the image, then three dense layers. What may be exchanged is an argument: the activation, and the
# kind of pooling.


# %%
def lenet(activation="tanh", pooling=layers.AveragePooling2D):
    return pylenet.Sequential(
        [
            layers.Rescaling(1 / 255, input_shape=(28, 28, 1)),
            layers.Conv2D(6, 5, activation=activation),
            pooling(2),
            layers.Conv2D(16, 5, activation=activation),
            pooling(2),
            layers.Flatten(),
            layers.Dense(120, activation),
            layers.Dense(84, activation),
            layers.Dense(10, "softmax"),
        ],
        name="lenet",
    )


lenet().summary()

# %% [markdown]
# A 5 x 5 kernel has no room at the border, so the first convolution makes 24 x 24 of 28 x 28. It
# has 6 filters with 25 weights and a bias each: 156. Nearly all weights are in the dense layers;
# nearly all work is in the convolutions, which use each weight at every place (`connections`).
#
# ## As the tutorials train it
#
# tanh, average pooling, cross-entropy, plain gradient descent, batches of 128.

# %%
utils.set_random_seed(1)
classic = lenet()
classic.compile(optimizers.SGD(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
history = classic.fit(
    x_train, y_train, batch_size=128, epochs=5, verbose=1, validation_data=(x_test, y_test)
)

# %%
show(plots.learning_curves(history), "classic-curves")

# %% [markdown]
# It learns, slowly: after five epochs one digit in twelve is wrong, and the loss still falls.
#
# ## The same architecture with better parts
#
# One part after the other is exchanged, and each exchange stays: Adam, its learning rate rising and
# falling once, for plain gradient descent; ReLU for tanh; the largest of four values for their
# mean; and a loss that asks for 90 % of certainty instead of 100 % (label smoothing). Layers and
# weights stay as many. Each is trained from three seeds, on the first 20,000 digits for three
# epochs, which tells them apart within seconds.

# %%
few, epochs, batch_size = 20_000, 3, 128
x, y = x_train[:few], utils.to_categorical(y_train[:few], 10)
test = x_test, utils.to_categorical(y_test, 10)
steps = epochs * -(-few // batch_size)


def adam():
    return optimizers.Adam(optimizers.schedules.OneCycle(0.01, steps))


parts = {
    "activation": "tanh",
    "pooling": layers.AveragePooling2D,
    "optimizer": lambda: optimizers.SGD(0.01),
    "loss": losses.CategoricalCrossentropy(),
}
exchanges = {
    "classic": {},
    "Adam, one cycle": {"optimizer": adam},
    "ReLU": {"activation": "relu"},
    "max pooling": {"pooling": layers.MaxPooling2D},
    "label smoothing": {"loss": losses.CategoricalCrossentropy(label_smoothing=0.1)},
}


def trained(seed):
    """A LeNet of the present parts, and the history of its training."""
    utils.set_random_seed(seed)
    model = lenet(parts["activation"], parts["pooling"])
    model.compile(parts["optimizer"](), parts["loss"], metrics=["accuracy"])
    return model, model.fit(x, y, batch_size, epochs, verbose=0, validation_data=test)


runs, before = {}, None
print(f"{'':18} right on test digits, %       mean   effect")
for name, exchange in exchanges.items():
    parts |= exchange
    models, histories = zip(*(trained(seed) for seed in (1, 2, 3)), strict=True)
    runs[name] = histories[0]
    right = 100 * np.array([history.history["val_accuracy"][-1] for history in histories])
    effect = "" if before is None else f"{right.mean() - before:+8.2f}"
    print(f"{name:18}", *(f"{r:8.2f}" for r in right), f"{right.mean():9.2f}", effect)
    before = right.mean()
modern = models[0]

# %%
show(plots.learning_curves(runs, metric="val_accuracy"), "curves")

# %% [markdown]
# Read the column of effects with the three seeds beside it: an effect smaller than the seeds differ
# by may be none. The optimizer decides here, ReLU comes next, and the other two are worth tenths of
# a per cent. Change the order of `exchanges`, and see what ReLU does under plain gradient descent.
#
# ## What is inside
#
# The first layer's filters: edges and strokes in some direction. Blue weights are below zero,
# orange ones above.

# %%
show(plots.filters(modern), "filters")

# %% [markdown]
# One digit on its way through every layer. Each map of `conv2d` is the image as one filter sees
# it; pooling keeps the largest of four values; the dense layers weigh what is left, and the last
# row is the answer.

# %%
show(plots.feature_maps(modern, x_test[0]), "feature-maps")

# %% [markdown]
# ## What it gets wrong
#
# Rows are labels, columns answers. Then the mistakes of which it is surest: some are hard for us,
# too.

# %%
show(plots.confusion_matrix(modern, x_test, y_test), "confusion-matrix")

# %%
show(plots.mistakes(modern, x_test, y_test, most=20), "mistakes")

# %% [markdown]
# ## Your own digits
#
# MNIST's digits are upright and centred; yours need not be. So training goes on with digits that
# are turned, sheared, zoomed and moved anew in each epoch. Then all goes into one page: open
# `nutshell/lenet.html`, draw a digit, and see every layer read it. (`pylenet train --recipe best`
# trains for longer, to 99.6 %.)

# %%
distort = pylenet.augmentation.RandomAffine(
    rotation_factor=0.03, zoom_factor=0.12, shear_factor=0.2, translation_factor=0.05, seed=1
)
show(plots.augmented(distort, x_train, most=3), "distorted")

# %%
schedule = optimizers.schedules.OneCycle(0.005, 2 * -(-len(x_train) // batch_size))
modern.compile(optimizers.Adam(schedule), "sparse_categorical_crossentropy", metrics=["accuracy"])
modern.fit(x_train, y_train, batch_size, 2, verbose=1, augmentation=distort)
loss, accuracy = modern.evaluate(x_test, y_test)
print(f"right on {accuracy:.2%} of the test digits, which are not distorted")

modern.save(OUT / "modern.safetensors")
page = pylenet.web.page({"modern": modern}, x_test, y_test)
(OUT / "lenet.html").write_text(page, encoding="utf-8")
print(f"{OUT / 'lenet.html'}: {len(page):,} bytes. Open it in a browser.")

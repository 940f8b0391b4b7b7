"""Models and pages that the tests of the page share."""

import os
import shutil

import numpy as np
import pytest
from browsing import CHECKED, READY, SIZES, wait_for

from pylenet import layers, models, utils, web
from pylenet._recipes import MODERN_RECIPES, RECIPES

EPOCHS = 12  # after fewer it may read thick strokes half a percent worse, or more


def trained(recipe, epochs, x, y):
    """A model, trained by its recipe in fewer epochs."""
    utils.set_random_seed(1)
    model = recipe.build()
    steps = epochs * -(-len(x) // recipe.batch_size)
    model.compile(recipe.optimizer(steps, recipe.learning_rate), recipe.loss, metrics=["accuracy"])
    augmentation = recipe.augmentation and recipe.augmentation()
    model.fit(x, y, batch_size=recipe.batch_size, epochs=epochs, augmentation=augmentation)
    model.class_names = [str(label) for label in range(10)]
    return model


@pytest.fixture(scope="session")
def lenets(mnist):
    """Both LeNets, modern after some distorted training, as whoever draws would have it."""
    x, y = mnist[0]
    modern = trained(MODERN_RECIPES["best"], EPOCHS, x, y)
    return {"classic": trained(RECIPES["classic"], 1, x, y), "modern": modern}


@pytest.fixture(scope="session")
def digits(mnist):
    """Test images and labels."""
    return mnist[1]


def every_kind():
    """A network with each kind of node that a page computes but those of the LeNets."""
    model = models.Sequential(
        [
            layers.Input((28, 28, 1)),
            layers.ZeroPadding2D(((1, 2), (0, 3))),
            layers.Rescaling(1 / 128, -1.0),
            layers.Conv2D(5, (3, 4), strides=(2, 1), padding="same", activation="leaky_relu"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(3, 2, padding="same"),
            layers.Conv2D(6, 3, padding="same", use_bias=False, connections=[[0, 1], [4]] * 3),
            layers.Dropout(0.5),
            layers.AveragePooling2D(3, 2, padding="same"),
            layers.BatchNormalization(scale=False, center=False),
            layers.Activation("tanh"),
            layers.Flatten(),
            layers.Dense(30, "sigmoid", use_bias=False),
            layers.Dense(10),
        ]
    )
    rng = np.random.default_rng(3)
    model.set_weights(
        [w + rng.uniform(0.1, 1, w.shape) * (w.ndim == 1) for w in model.get_weights()]
    )
    return model


def scores():
    """Of flat pixels that are not scaled, with an activation of its own, and logits."""
    return models.Sequential(
        [
            layers.Input((784,)),
            layers.GaussianNoise(0.1),
            layers.Dense(20),
            layers.ReLU(negative_slope=0.1, threshold=0.2),
            layers.Reshape((2, 5, 2)),
            layers.GlobalMaxPooling2D(),
            layers.Dense(10, "gelu"),
        ]
    )


@pytest.fixture(scope="session")
def odd_models():
    utils.set_random_seed(2)
    return {"1998": models.lenet5_1998(), "every kind": every_kind(), "scores": scores()}


@pytest.fixture(scope="session")
def write_page(tmp_path_factory, digits):
    """Write the page of some models; returns its address."""

    def write(name, some_models, images=True):
        path = tmp_path_factory.mktemp("page") / f"{name}.html"
        text = web.page(some_models, *digits) if images else web.page(some_models)
        path.write_text(text, encoding="utf-8")
        return path.as_uri()

    return write


@pytest.fixture(scope="session")
def chromium():
    """The browser's path; skips where there is none."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    return pytest.skip("needs Chromium, as from `apt install chromium`")


@pytest.fixture(scope="session")
def browser(chromium):
    """Chromium, driven by Playwright."""
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        # Root, as in a container, has no sandbox.
        flags = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=chromium, args=flags)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser):
    """Open a page in a new window. It must print nothing to the console and request nothing."""
    contexts, seen = [], []

    def open_one(address, size="desktop", scheme="light", script=None):
        width, height = SIZES[size]
        phone = size == "phone"
        context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme=scheme,
            has_touch=phone,
            is_mobile=phone,
            permissions=["clipboard-read", "clipboard-write"],
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: seen.append(("console", message.text)))
        page.on("pageerror", lambda error: seen.append(("error", str(error))))
        page.on("request", lambda request: seen.append(("request", request.url)))
        if script:
            page.add_init_script(script)
        page.goto(address)
        wait_for(page, f"{READY} && {CHECKED}")
        allowed = [("request", address), ("request", "data:,")]
        seen[:] = [event for event in seen if event not in allowed]
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert seen == []

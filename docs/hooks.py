"""What `mkdocs build` makes besides the pages in this folder: tutorial, API reference, live page.

- `nutshell/`: examples/lenet_in_a_nutshell.ipynb, as it was run.
- `api/`: a page for each public module, from its docstrings.
- `lenet.html`: the page on which one draws, of pylenet-out/modern.safetensors, or where that is
  not there, of a LeNet that is trained for it on distorted digits, some seconds; and of what
  `quantize` makes of it.

The pages need no network when they are read, so nothing here may name a script or font elsewhere.
"""

from __future__ import annotations

import base64
import importlib
import inspect
import json
import pkgutil
import re
from pathlib import Path

from mkdocs.structure.files import File

import pylenet
import pylenet.sklearn
from pylenet import datasets, models, utils, web
from pylenet._recipes import MODERN_RECIPES

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "examples" / "lenet_in_a_nutshell.ipynb"
MODEL = Path("pylenet-out/modern.safetensors")
EPOCHS = 4
# What every layer, loss, optimizer and their like has; and what layers tell the models they are in.
EVERYWHERE = {"arguments", "from_config", "get_config"}
INSIDE = {"initial_weight", "nodes", "place", "place_nowhere", "public_shape", "rule"}
ELSEWHERE = ("backend", "tf_keras")  # docs/keras.md has them
TRY = """# Draw a digit

The two networks below run in your browser: a LeNet in float32, and the same in whole numbers. Draw
a digit with mouse, finger or pen, and see every layer read it. [They fill the window](lenet.html)
by themselves, too. [The page](draw.md) says how to make one of your own network.

<iframe
  src="lenet.html" title="pylenet: draw a digit" style="width: 100%; height: 80vh; border: 0"
></iframe>
"""

API = """What is public, from the docstrings. Layers, losses, metrics, optimizers and their like
have `get_config()` and `from_config(config)` besides, as in Keras. Shapes are numpy's: images are
(N, height, width, channels)."""


def on_files(files, config):
    """mkdocs's hook: add what is made."""
    made = {"try.md": TRY, "lenet.html": _live_page(), **_tutorial(), **_reference()}
    for name, content in made.items():
        files.append(File.generated(config, name, content=content))
    return files


def _live_page():
    (x, y), test = datasets.mnist.load_data()
    if MODEL.is_file():
        return _page(models.load_model(MODEL), x, test)
    recipe = MODERN_RECIPES["best"]
    utils.set_random_seed(1)
    model = recipe.build()
    steps = EPOCHS * -(-len(x) // recipe.batch_size)
    model.compile(recipe.optimizer(steps, recipe.learning_rate), recipe.loss, metrics=["accuracy"])
    model.fit(x, y, recipe.batch_size, EPOCHS, verbose=0, augmentation=recipe.augmentation())
    return _page(model, x, test)


def _page(model, x, test):
    """The network beside what it is in whole numbers."""
    return web.page({"modern": model, "modern.int8": pylenet.quantize(model, x)}, *test)


# The tutorial


def _tutorial():
    """The notebook as a page, and its pictures."""
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    made, parts = {}, []
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
            continue
        parts.append(f"```python\n{source}\n```")
        for output in cell["outputs"]:
            if output["output_type"] == "stream":
                parts.append(f"```text\n{''.join(output['text']).rstrip()}\n```")
                continue
            picture = output.get("data", {}).get("image/png")
            if picture is not None:
                name = f"picture-{len(made) + 1}.png"
                made[f"nutshell/{name}"] = base64.b64decode("".join(picture))
                parts.append(f"![What the cell above shows]({name})")
    return {"nutshell/index.md": "\n\n".join(parts) + "\n", **made}


# The API reference


def _reference():
    """A page for each public module that has names of its own, and a table of them."""
    rows, pages = [], {}
    for module in _modules():
        first = inspect.getdoc(module).split("\n")[0]
        pages[f"api/{module.__name__}.md"] = _module_page(module)
        rows.append(f"| [{module.__name__}]({module.__name__}.md) | {first} |")
    head = ["# API", "", API, "", "| module | |", "|---|---|"]
    return {"api/index.md": "\n".join([*head, *rows, ""]), **pages}


def _modules():
    """The package, the modules that it names, and theirs that have something besides."""
    yield pylenet
    for name in pylenet.__all__:
        module = getattr(pylenet, name)
        if not inspect.ismodule(module) or name in ELSEWHERE:
            continue
        there = _documented(module)
        if there:
            yield module
        for info in pkgutil.iter_modules(getattr(module, "__path__", ()), f"{module.__name__}."):
            if info.name.rpartition(".")[2].startswith("_"):
                continue
            inner = importlib.import_module(info.name)
            if any(value not in there.values() for value in _documented(inner).values()):
                yield inner
    yield pylenet.sklearn  # which is imported by its whole name alone


def _documented(module):
    """The classes and functions of a module by name; of the package the functions alone."""
    found = {name: getattr(module, name) for name in module.__all__}
    kinds = [inspect.isfunction] if module is pylenet else [inspect.isfunction, inspect.isclass]
    return {name: value for name, value in found.items() if any(is_one(value) for is_one in kinds)}


def _module_page(module):
    parts = [f"# {module.__name__}", _text(module)]
    named = _documented(module)
    for name, value in named.items():
        signature = _signature(value)
        parts.append(f"## {name}\n\n```python\n{name}{signature}\n```\n\n{_text(value)}")
        if inspect.isclass(value):
            parts += [f"### {name}.{method}" + text for method, text in _methods(value, named)]
    return "\n\n".join(parts) + "\n"


def _methods(cls, named):
    """Name and text of a class's public methods and properties, those of its private bases too.

    What a base has that is on the page itself is told there.
    """
    seen = set()
    for base in cls.__mro__:
        elsewhere = base is not cls and base in named.values()
        if elsewhere or not base.__module__.startswith("pylenet"):
            continue
        for name, value in vars(base).items():
            if name.startswith("_") or name in seen | EVERYWHERE | INSIDE:
                continue
            function = value.fget if isinstance(value, property) else value
            function = getattr(function, "__func__", function)
            if not (inspect.isfunction(function) and function.__doc__):
                continue
            seen.add(name)
            how = "" if isinstance(value, property) else _signature(function)
            yield name, f"\n\n```python\n{name}{how}\n```\n\n{_text(function)}"


def _signature(value):
    try:
        found = inspect.signature(value)
    except (TypeError, ValueError):
        return "(...)"
    empty = inspect.Parameter.empty
    plain = [
        p.replace(annotation=empty)
        for p in found.parameters.values()
        if p.name not in ("self", "cls")
    ]
    text = str(inspect.Signature(plain))
    return text if len(text) < 80 else "(\n    " + ",\n    ".join(map(str, plain)) + ",\n)"


def _text(value):
    """A docstring as Markdown: powers and other people's HTML stay as they are written."""
    text = inspect.getdoc(value) or ""
    return re.sub(r"<(?=\w)", "&lt;", text.replace("**", r"\*\*"))

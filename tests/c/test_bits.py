"""Programs in C give the bits of Python's predictions: random networks, compiled and compared."""

import subprocess

import effort
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from int8_models import chains, random_weights
from kinds._random import examples
from kinds.test_networks import make, networks

import pylenet
from pylenet import layers
from pylenet.convert.c import _check, _file, export
from pylenet.layers.activation import ACTIVATIONS

WARNINGS = ("-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror")
LENETS = ("modern", "classic", "1998")
PLAIN = "-U__SSE2__"  # as on a processor without vectors
HALVES = "-DNET_HALVES=1"  # as where products of 64 bits are slow
TOGETHER = 25  # random networks that are compiled at once: a compiler takes long to start
MAIN = r"""
static void run_$P(void) {
  static $P_scratch scratch;
  static $INPUT image[$Q_INPUTS];
  static $OUTPUT outputs[$Q_OUTPUTS];
  int i;
  for (i = 0; i < $COUNT; i++) {
    if (fread(image, sizeof image, 1, stdin) != 1) return;
    $P_predict(image, outputs, &scratch);
    fwrite(outputs, sizeof outputs, 1, stdout);
  }
}
"""


@pytest.fixture
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("c")


def compiled(folder, text, flags):
    (folder / "main.c").write_text(text)
    command = [*_check.compiler(), *_check.FLAGS, *WARNINGS, *flags, "main.c", "-o", "main"]
    subprocess.run(command, cwd=folder, check=True)
    return folder / "main"


def assert_python_s_bits(folder, models, flags, fused=False):
    """Every byte of the outputs: models are pairs of a model and images as it takes them.

    All are compiled into one program, which takes the images of one after the other.
    """
    text, given, expected = "#include <stdio.h>\n", b"", b""
    for number, (model, images) in enumerate(models):
        path = folder / f"n{number}.c"
        export(model, path, images[:2])
        program, inputs = _file.program_of(model), _file.inputs_of(model, images)
        words = {
            "$P": path.stem,
            "$Q": path.stem.upper(),
            "$INPUT": program.input_kind,
            "$OUTPUT": program.output_kind,
            "$COUNT": str(len(images)),
        }
        one = MAIN
        for word, value in words.items():
            one = one.replace(word, value)
        text += f'#include "{path.name}"\n{one}'
        given += inputs.tobytes()
        expected += _file.expected(model, inputs, fused).tobytes()
    calls = "".join(f"run_n{number}();\n" for number in range(len(models)))
    halves = [f"-DN{n}_HALVES=1" for n in range(len(models))] if HALVES in flags else []
    flags = [*(flag for flag in flags if flag != HALVES), *halves]
    main = compiled(folder, f"{text}int main(void) {{\n{calls}return 0;\n}}\n", flags)
    found = subprocess.run([main], input=given, capture_output=True, check=True).stdout
    assert len(found) == len(expected)
    if found != expected:
        end = 0
        for model, images in models:
            size = len(_file.expected(model, _file.inputs_of(model, images), fused).tobytes())
            one = slice(end, end + size)
            assert found[one] == expected[one], (getattr(model, "layers", model), flags)
            end += size


def as_taken(model, images):
    """Pixels for a model that scales them."""
    if _file.scales_pixels(model.layers) is None:
        return images
    return np.random.default_rng(len(images)).integers(0, 256, images.shape, np.uint8)


def in_parts(folder, models, flags, fused=False):
    """All of them, the first ones also optimised, and with what the compiler then warns of."""
    for start in range(0, len(models), TOGETHER):
        level = "-O0" if start else "-O1"
        some = models[start : start + TOGETHER]
        assert_python_s_bits(folder, some, (level, *flags), fused)


def test_random_networks_in_whole_numbers_give_python_s_integers(folder):
    """All on vectors, where a value goes alone, and without products of 64 bits."""
    models = []

    @examples(200)
    @given(chains())
    def collect(chain):
        model, images = chain
        models.append((pylenet.quantize(model, images, ranges="max"), images))

    collect()
    assert len(models) >= (20 if effort.quick else 200)
    for flags in ((), (PLAIN,), (PLAIN, HALVES)):
        in_parts(folder, models, flags)


def test_random_networks_in_float32_give_python_s_bits(folder):
    """All on vectors of 4, 8 and 16 where the processor has them, and where a value goes alone."""
    models = []

    @examples(100)
    @given(networks(smooth=False), st.integers(0, 2**40))
    def collect(network, seed):
        model, images, _ = make(network, 5, seed)
        models.append((model, as_taken(model, images)))

    collect()
    for flags in ((), (PLAIN,)):
        in_parts(folder, models, flags)
    isas = pylenet._core.available_isas()
    for isa, flags in (("avx2", ("-mfma",)), ("avx512", ("-mavx512f",))):
        if isa in isas:
            in_parts(folder, models, flags, fused=True)


def test_random_networks_read_and_write_their_own_memory_alone(folder):
    """Under AddressSanitizer and UndefinedBehaviorSanitizer, which end a program that does not."""
    models = []

    @examples(10)
    @given(chains())
    def collect(chain):
        model, images = chain
        models.append((pylenet.quantize(model, images, ranges="max"), images))
        models.append((model, as_taken(model, images)))

    collect()
    checks = ("-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
    for flags in ((), (PLAIN,)):
        in_parts(folder, models[:TOGETHER], (*checks, *flags))


@pytest.mark.parametrize("fused", [False, True])
def test_activations_give_python_s_bits_for_any_value(folder, fused):
    if fused and "avx2" not in pylenet._core.available_isas():
        pytest.skip("this processor has no fused multiply-add")
    values = np.random.default_rng(1).normal(size=(2000, 5)).astype(np.float32)
    values *= np.float32(10) ** np.random.default_rng(2).integers(-3, 4, (2000, 1)).astype("f4")
    values[0] = [0.0, -0.0, 1e-40, 3e38, -3e38]
    models = []
    for activation in (*ACTIVATIONS, layers.ReLU(3.0, 0.1, 0.5), layers.ReLU(None, 0.2, 1.0)):
        own = layers.Softmax() if activation == "softmax" else activation
        model = pylenet.Sequential([layers.Activation(own, input_shape=(5,))])
        models.append((model, values))
    assert_python_s_bits(folder, models, ("-O1", "-mfma" if fused else PLAIN), fused)


@pytest.mark.quick
@pytest.mark.parametrize(
    ("name", "kind"),
    [*((name, "float") for name in LENETS), *((name, "int8") for name in LENETS[:2])],
)
def test_the_lenets_give_python_s_bits_however_they_are_compiled(folder, name, kind):
    model = random_weights(getattr(pylenet.models, f"lenet5_{name}")(), 3)
    images = np.random.default_rng(1).integers(0, 256, (300, 28, 28), np.uint8)
    if kind == "int8":
        model = pylenet.quantize(model, images, ranges="max")
    path = folder / "lenet.c"
    export(model, path, images[:3])
    for flags in (("-O2",), ("-O3", "-march=native"), ("-Os", PLAIN)):
        found, fused = _check.outputs_of(path, model, images, (*WARNINGS, *flags))
        expected = _file.expected(model, images, fused)
        np.testing.assert_array_equal(found.view(np.uint8), expected.view(np.uint8))

"""Programs in C give the bits of Python's predictions: random networks, compiled and compared."""

import subprocess

import effort
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from int8_files import file_of_sums
from int8_models import chains, random_weights
from kinds._random import examples
from kinds.test_networks import make, networks

import pylenet
from pylenet import layers
from pylenet.convert.c import _check, _file, _int8_functions, export
from pylenet.layers.activation import ACTIVATIONS

WARNINGS = ("-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror")
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


class Programs:
    """Many programs in one, which takes the images of one after the other.

    models: pairs of a model and images as it takes them.
    """

    def __init__(self, folder, models):
        self.folder, self.models = folder, models
        text, self.given = "#include <stdio.h>\n", b""
        for number, (model, images) in enumerate(models):
            path = folder / f"n{number}.c"
            export(model, path)
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
            self.given += inputs.tobytes()
        calls = "".join(f"run_n{number}();\n" for number in range(len(models)))
        (folder / "main.c").write_text(f"{text}int main(void) {{\n{calls}return 0;\n}}\n")

    def assert_python_s_bits(self, *flags, fused=False):
        """Every byte of the outputs, compiled with these flags."""
        halves = [f"-DN{n}_HALVES=1" for n in range(len(self.models))] if HALVES in flags else []
        command = [*_check.compiler(), *_check.FLAGS, *WARNINGS, *halves, *flags]
        subprocess.run([*command, "main.c", "-o", "main"], cwd=self.folder, check=True)
        done = subprocess.run(
            [self.folder / "main"], input=self.given, capture_output=True, check=True
        )
        end = 0
        for model, images in self.models:
            expected = _file.expected(model, _file.inputs_of(model, images), fused).tobytes()
            found = done.stdout[end : end + len(expected)]
            assert found == expected, (getattr(model, "layers", model), flags)
            end += len(expected)
        assert end == len(done.stdout)


def in_parts(folder, models):
    """Programs of some, with the level of optimisation: the first ones with warnings of -O1."""
    for start in range(0, len(models), TOGETHER):
        yield Programs(folder, models[start : start + TOGETHER]), "-O0" if start else "-O1"


def as_taken(model, images):
    """Pixels for a model that scales them."""
    if _file.scales_pixels(model.layers) is None:
        return images
    return np.random.default_rng(len(images)).integers(0, 256, images.shape, np.uint8)


def test_random_networks_in_whole_numbers_give_python_s_integers(folder):
    """All on vectors and where a value goes alone; some without products of 64 bits."""
    models = []

    @examples(200)
    @given(chains())
    def collect(chain):
        model, images = chain
        models.append((pylenet.quantize(model, images, ranges="max"), images))

    collect()
    assert len(models) >= (20 if effort.quick else 200)
    for programs, level in in_parts(folder, models):
        for flags in ((), (PLAIN,)):
            programs.assert_python_s_bits(level, *flags)
        if level == "-O1":  # of the first ones
            programs.assert_python_s_bits(level, PLAIN, HALVES)


def test_random_networks_in_float32_give_python_s_bits(folder):
    """All on vectors of 4 and 8 and where a value goes alone, some on vectors of 16."""
    models = []

    @examples(100)
    @given(networks(smooth=False), st.integers(0, 2**40))
    def collect(network, seed):
        model, images, _ = make(network, 5, seed)
        models.append((model, as_taken(model, images)))

    collect()
    isas = pylenet._core.available_isas()
    for programs, level in in_parts(folder, models):
        for flags in ((), (PLAIN,)):
            programs.assert_python_s_bits(level, *flags)
        for isa, flag in (("avx2", "-mfma"), ("avx512", "-mavx512f")):
            if isa in isas and (isa == "avx2" or level == "-O1"):
                programs.assert_python_s_bits(level, flag, fused=True)


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
    programs = Programs(folder, models)
    for flags in ((), (PLAIN,)):
        programs.assert_python_s_bits(
            "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", *flags
        )


def test_rounding_without_products_of_64_bits_is_exact(folder):
    """Sums from -2^30 to 2^30, their ends too, every multiplier's end, every shift."""
    both = "".join(
        f"#define NET_HALVES {halves}\n{_int8_functions.ROUNDED}#undef NET_HALVES\n".replace(
            "net_rounded", f"rounded_{halves}"
        )
        for halves in (0, 1)
    ).replace("NET_INLINE", "inline")
    main = r"""
int main(void) {
  uint32_t r = 1;
  int s, i;
  for (s = 1; s <= 31; s++)
    for (i = 0; i < 20000; i++) {
      int32_t a, m;
      r = r * 1664525u + 1013904223u;
      a = i < 4 ? (i & 1 ? 1 << 30 : -(1 << 30)) : (int32_t)(r % (1u << 31)) - (1 << 30);
      m = i % 4 < 2 ? 32767 : (int32_t)(r >> 17);
      if (s < 15) a >>= 15 - s; /* what is rounded lies within -2^30 and 2^30 */
      if (rounded_0(a, m, s) != rounded_1(a, m, s)) return 1;
    }
  return 0;
}
"""
    (folder / "main.c").write_text(f"#include <stdint.h>\n{both}{main}")
    command = [*_check.compiler(), "-std=c99", "-O1", "-fsanitize=undefined"]
    subprocess.run(
        [*command, "-fno-sanitize-recover=all", "main.c", "-o", "main"], cwd=folder, check=True
    )
    subprocess.run([folder / "main"], check=True)


@pytest.mark.parametrize("beyond", [600, 40000])  # biases of 16 bits, and of more
def test_tables_give_python_s_integers_at_every_place(folder, beyond):
    """Those of odd functions are halved, whatever their ends are; and no others."""
    places = np.arange(-512, 512)
    odd = np.rint(127 * np.tanh(places / 200)).astype(np.int8)
    tables = [(odd, True)]
    changed_at = {-512: True, -511: True, 511: True, -510: False, 510: False, 0: False, 7: False}
    for place, halved in changed_at.items():
        other = odd.copy()
        other[place + 512] -= 3 if place > 0 else -3
        tables.append((other, halved))
    tables.append((np.abs(odd), False))
    sums = np.concatenate([np.arange(-520, 520), [-beyond, beyond]])
    models = []
    for number, (table, halved) in enumerate(tables):
        path = folder / f"table{number}.int8.safetensors"
        path.write_bytes(file_of_sums(sums, np.full(len(sums), 16384), 14, table))
        models.append((pylenet.models.load_model(path), np.zeros((1, 1), np.uint8)))
        assert any("table_0[514]" in c for c in _file.program_of(models[-1][0]).constants) == halved
    programs = Programs(folder, models)
    for flags in ((), (PLAIN,)):
        programs.assert_python_s_bits("-O1", *flags)


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
    programs = Programs(folder, models)
    programs.assert_python_s_bits("-O1", "-mfma" if fused else PLAIN, fused=fused)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        pytest.param("modern", "float", marks=pytest.mark.quick),
        pytest.param("modern", "int8", marks=pytest.mark.quick),
        *(("classic", "float"), ("classic", "int8"), ("1998", "float")),
    ],
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

"""`export("NAME.c")` and `pylenet export`: the files, the self-test in them, what is refused."""

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from core import convolutions_by
from datasets_tiny import write_data
from int8_models import random_weights

import pylenet
from pylenet import cli, layers
from pylenet.convert.c import _check, _file

WARNINGS = ("-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror")
IMAGES = np.random.default_rng(1).integers(0, 256, (40, 28, 28), np.uint8)


def model_of(kind):
    model = random_weights(pylenet.models.lenet5_modern(), 3)
    return pylenet.quantize(model, IMAGES, ranges="max") if kind == "int8" else model


def built(folder, *flags, compiler=None, source="net.c"):
    command = [*(compiler or _check.compiler()), *WARNINGS, *flags, source, "-o", "net"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


# The self-test


@pytest.mark.quick
@pytest.mark.parametrize("kind", ["float", "int8"])
@pytest.mark.parametrize("images", [IMAGES[:3], None], ids=["images", "patterns"])
def test_the_self_test_finds_no_difference(tmp_path, kind, images):
    model_of(kind).export(tmp_path / "net.c", test_images=images)
    done = built(tmp_path, "-std=c99", "-O2", "-ffp-contract=off", "-DNET_SELF_TEST")
    assert done.returncode == 0, done.stderr
    done = subprocess.run([tmp_path / "net"], capture_output=True, text=True, check=True)
    count = 4 if images is None else 3
    assert done.stdout == f"0 of {10 * count} outputs differ from Python's\n"


@pytest.mark.parametrize("fused", [False, True])
def test_what_is_expected_is_direct_whichever_convolutions_are_in_force(fused):
    def expected():
        model = model_of("float")
        found = _file.expected(model, _file.inputs_of(model, IMAGES), fused)
        if found is None:
            pytest.skip("no instruction set of this machine rounds so")
        return found.tobytes(), model.predict(IMAGES).tobytes()

    found = {}
    for name in ("direct", "cook_toom"):
        with convolutions_by(name):
            found[name] = expected()
    assert found["direct"][0] == found["cook_toom"][0]
    assert found["direct"][1] != found["cook_toom"][1]


@pytest.mark.parametrize("kind", ["float", "int8"])
def test_the_self_test_finds_one_wrong_weight(tmp_path, kind):
    model_of(kind).export(tmp_path / "net.c", test_images=IMAGES[:3])
    text = (tmp_path / "net.c").read_text()
    place = text.index("{", text.index("net_bias")) + 1
    number = re.compile(r"-?[\d.e+-]+").search(text, place)
    other = "7.0" if kind == "float" else "7000"
    (tmp_path / "net.c").write_text(f"{text[: number.start()]}{other}{text[number.end() :]}")
    done = built(tmp_path, "-std=c99", "-O2", "-ffp-contract=off", "-DNET_SELF_TEST")
    assert done.returncode == 0, done.stderr
    done = subprocess.run([tmp_path / "net"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert not done.stdout.startswith("0 of")


# The files


@pytest.mark.parametrize("kind", ["float", "int8"])
def test_other_compilers_and_cpp_have_no_warnings_either(tmp_path, kind):
    model_of(kind).export(tmp_path / "net.c", test_images=IMAGES[:2])
    flags = ("-O2", "-ffp-contract=off", "-DNET_SELF_TEST")
    tried = [(["g++"], ("-std=c++17", "-x", "c++")), (["clang"], ("-std=c99", "-march=native"))]
    for compiler, more in tried:
        if shutil.which(compiler[0]):
            done = built(tmp_path, *flags, *more, compiler=compiler)
            assert (done.returncode, done.stderr) == (0, "")
            subprocess.run([tmp_path / "net"], check=True, capture_output=True)


@pytest.mark.skipif(shutil.which("clang-tidy") is None, reason="clang-tidy is not installed")
@pytest.mark.parametrize("end", [(), ("-U__SSE2__",)], ids=["vectors", "plain"])
def test_clang_tidy_finds_nothing_that_cert_advises_against(tmp_path, end):
    model = random_weights(pylenet.models.lenet5_classic(), 3)
    for name, one in (("f", model), ("q", pylenet.quantize(model, IMAGES, ranges="max"))):
        one.export(tmp_path / f"{name}.c")
        flags = ["-std=c99", f"-D{name.upper()}_SELF_TEST", *end]
        command = ["clang-tidy", "-quiet", "-checks=-*,cert-*", "-warnings-as-errors=*"]
        done = subprocess.run(
            [*command, f"{name}.c", "--", *flags], cwd=tmp_path, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout


def test_a_file_in_floats_refuses_fast_math(tmp_path):
    model_of("float").export(tmp_path / "net.c")
    done = built(tmp_path, "-std=c99", "-O2", "-ffast-math", "-c")
    assert "-ffast-math changes the results" in done.stderr
    assert done.returncode != 0


@pytest.mark.parametrize("kind", ["float", "int8"])
def test_a_program_has_no_state_and_calls_nothing_but_memory_functions(tmp_path, kind):
    model_of(kind).export(tmp_path / "net.c")
    done = built(tmp_path, "-std=c99", "-O2", "-ffp-contract=off", "-c")
    assert done.returncode == 0, done.stderr
    listed = subprocess.run(
        ["nm", tmp_path / "net"], capture_output=True, text=True, check=True
    ).stdout
    kinds = {line.split()[-1]: line.split()[-2] for line in listed.splitlines()}
    assert {name for name, kind in kinds.items() if kind == "T"} == {"net_predict"}
    assert {name for name, kind in kinds.items() if kind in "BbDdCc"} == set()
    used = {name for name, kind in kinds.items() if kind == "U"}
    assert used <= {"memcpy", "memset", "__stack_chk_fail", "_GLOBAL_OFFSET_TABLE_"}


def test_names_begin_with_the_file_s(tmp_path):
    for name, prefix in [("My-Net.c", "my_net"), ("5.c", "net_5"), ("ä b.c", "__b")]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        model_of("int8").export(tmp_path / name)
        wanted = prefix if prefix[0].isalpha() else f"net_{prefix}"
        text = (tmp_path / name).with_suffix(".h").read_text()
        assert f"int {wanted}_predict(" in text
        assert built(tmp_path, "-std=c99", "-c", source=name).returncode == 0


@pytest.mark.parametrize("name", ["net_small.c", "net.NET_a.net_b.c"])
def test_a_file_may_be_called_as_names_are_inside(tmp_path, name):
    model = model_of("int8")
    model.name = "net_NET_"
    model.export(tmp_path / name)
    assert built(tmp_path, "-std=c99", "-c", source=name).returncode == 0
    for end in (".c", ".h"):
        first = (tmp_path / name).with_suffix(end).read_text().splitlines()[0]
        assert "'net_NET_'" in first


def test_the_same_model_gives_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        model_of("float").export(tmp_path / name / "net.c")
    for end in ("c", "h"):
        one, other = ((tmp_path / name / f"net.{end}").read_bytes() for name in ("a", "b"))
        assert one == other


def test_real_inputs_become_the_integers_of_python(tmp_path):
    model = random_weights(pylenet.Sequential([layers.Dense(2, input_shape=(1,))]), 1)
    values = np.array([-3, -0.5, -0.0, 0.011811, 0.1, 1.49, 1.5, 9, np.nan, np.inf, -np.inf, 1e300])
    for calibration in (np.float32([[0.2], [1.5]]), np.float32([[-1.5], [0.3]])):
        quantized = pylenet.quantize(model, calibration)
        quantized.export(tmp_path / "net.c")
        main = '#include <stdio.h>\n#include "net.h"\nint main(void) {\n  double v;\n'
        main += '  while (fread(&v, 8, 1, stdin) == 1) printf("%d ", net_input(v));\n}\n'
        (tmp_path / "main.c").write_text(main)
        assert built(tmp_path, "-std=c99", "main.c").returncode == 0
        done = subprocess.run(
            [tmp_path / "net"], input=values.tobytes(), capture_output=True, check=True
        )
        expected = quantized.integers(values[:, None])[:, 0]
        np.testing.assert_array_equal(np.array(done.stdout.split(), int), expected)


def test_predict_returns_the_class(tmp_path):
    for kind, name in (
        ("int8", "lenet5_modern"),
        ("float", "lenet5_modern"),
        ("rbf", "lenet5_1998"),
    ):
        model = random_weights(getattr(pylenet.models, name)(), 3)
        model = pylenet.quantize(model, IMAGES, ranges="max") if kind == "int8" else model
        model.export(tmp_path / "net.c")
        outputs = "int16_t" if kind == "int8" else "float"
        main = f'#include <stdio.h>\n#include "net.h"\nint main(void) {{\n  {outputs} y[10];\n'
        main += "  static net_scratch s;\n  static uint8_t image[784];\n"
        main += "  while (fread(image, 784, 1, stdin) == 1)"
        main += ' printf("%d ", net_predict(image, y, &s));\n}\n'
        (tmp_path / "main.c").write_text(main)
        assert built(tmp_path, "-std=c99", "-ffp-contract=off", "main.c").returncode == 0
        done = subprocess.run(
            [tmp_path / "net"], input=IMAGES.tobytes(), capture_output=True, check=True
        )
        outputs = model.predict(IMAGES)
        expected = (-outputs if kind == "rbf" else outputs).argmax(axis=1)
        np.testing.assert_array_equal(np.array(done.stdout.split(), int), expected)


# What is refused


def test_what_cannot_be_exported_says_why(tmp_path):
    model = model_of("float")
    with pytest.raises(ValueError, match="test_images must be uint8 pixels"):
        model.export(tmp_path / "net.c", test_images=IMAGES / 255)
    with pytest.raises(ValueError, match="test_images must have shape"):
        model.export(tmp_path / "net.c", test_images=IMAGES[:, :5])
    with pytest.raises(ValueError, match="test_images must be None but for C"):
        model.export(tmp_path / "net.py", test_images=IMAGES)
    with pytest.raises(ValueError, match="a name that C can include"):
        model.export(tmp_path / 'n"et.c')
    with pytest.raises(ValueError, match=r"must end in \.c, got '.*net\.pt'$"):
        model_of("int8").export(tmp_path / "net.pt")
    for name in ("net.onnx", "net.ONNX"):
        with pytest.raises(ValueError, match=r"round otherwise .*docs/int8\.md.* program in C"):
            model_of("int8").export(tmp_path / name)
    with pytest.raises(TypeError, match="filepath must be"):
        model_of("int8").export(3)
    model.set_weights([np.full(w.shape, np.nan) for w in model.get_weights()])
    with pytest.raises(ValueError, match="must have finite weights"):
        model.export(tmp_path / "net.c")
    with pytest.raises(ValueError, match="2,000,000 at most"):
        pylenet.Sequential([layers.Dense(1500, input_shape=(1500,))]).export(tmp_path / "net.c")
    assert list(tmp_path.iterdir()) == []


# The command


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    home = tmp_path_factory.mktemp("export")
    write_data(home / "tiny")
    model = random_weights(pylenet.models.lenet5_modern(), 3)
    model.save(home / "lenet.safetensors")
    pylenet.quantize(model, IMAGES, ranges="max").save(home / "lenet.int8.safetensors")
    return home


def run(capsys, *arguments, code=0):
    capsys.readouterr()
    assert cli.main([str(argument) for argument in arguments]) == code
    printed = capsys.readouterr()
    return printed.err if code else printed.out


@pytest.mark.parametrize("name", ["lenet.safetensors", "lenet.int8.safetensors"])
def test_check_compares_every_byte_and_says_so_in_one_line(folder, capsys, tmp_path, name):
    out = tmp_path / "net.c"
    options = ["--to", "c", "-o", out, "--check", "--data", folder / "tiny"]
    text = run(capsys, "export", folder / name, *options).splitlines()
    assert re.fullmatch(
        r".*net\.c, .*net\.h: [\d,]+ bytes of constants, [\d,]+ of RAM, 281,640 multiply-adds",
        text[0],
    )
    assert re.fullmatch(r"(\d+) of \1 inputs: every byte is Python's \(.* -O2.*\)", text[1])
    assert len(text) == 2
    done = built(tmp_path, "-std=c99", "-ffp-contract=off", "-DNET_SELF_TEST")
    assert done.returncode == 0, done.stderr
    subprocess.run([tmp_path / "net"], check=True, capture_output=True)


def test_check_finds_a_program_that_is_not_the_model(folder, capsys, tmp_path, monkeypatch):
    other = random_weights(pylenet.models.lenet5_modern(), 4)
    monkeypatch.setattr(
        pylenet.Sequential, "export", lambda model, path, **_: _file_export(other, path)
    )
    options = ["-o", tmp_path / "net.c", "--check", "--data", folder / "tiny"]
    text = run(capsys, "export", folder / "lenet.safetensors", *options, code=2)
    assert re.search(r"differ from Python's for \d+ of \d+ inputs \(.* -O2\)", text)


def _file_export(model, path):
    written = _file.sources(model, path)
    path.write_text(written.code)
    path.with_suffix(".h").write_text(written.header)


def test_without_a_compiler_check_says_what_to_do_and_writes_nothing(
    folder, capsys, tmp_path, monkeypatch
):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    options = ["-o", tmp_path / "net.c", "--check", "--data", folder / "tiny"]
    text = run(capsys, "export", folder / "lenet.safetensors", *options, code=2)
    assert "a C compiler is needed" in text
    assert "apt install gcc" in text
    assert list(tmp_path.iterdir()) == []


def test_export_writes_beside_the_model_by_default(folder, capsys):
    for name in ("lenet", "lenet.int8"):
        run(capsys, "export", folder / f"{name}.safetensors", "--data", folder / "tiny")
        assert {path.name for path in folder.iterdir()} >= {f"{name}.c", f"{name}.h"}
    assert "int lenet_int8_predict(" in (folder / "lenet.int8.h").read_text()


def test_models_that_take_other_inputs_are_checked_with_patterns(capsys, tmp_path):
    model = pylenet.Sequential([layers.Dense(3, "softmax", input_shape=(4,))])
    model.save(tmp_path / "m.safetensors")
    text = run(capsys, "export", tmp_path / "m.safetensors", "--to", "c", "--check")
    assert "1,000 of 1,000 inputs: every byte is Python's" in text


def test_wrong_usage_of_export_is_told_in_one_line(folder, capsys, tmp_path):
    model, quantized = folder / "lenet.safetensors", folder / "lenet.int8.safetensors"
    for arguments, message in [
        (
            [model, "--to", "torch", "--check", "-o", tmp_path / "m.pt"],
            "--check must go with --to c",
        ),
        ([model, "--to", "c", "-o", tmp_path / "m.onnx"], "--out must end in .c for --to c"),
        (
            [quantized, "-o", tmp_path / "m.onnx"],
            f"MODEL must not be quantized for --to onnx, got '{quantized}'; ONNX's QuantizeLinear "
            "and DequantizeLinear round otherwise",
        ),
        ([quantized, "--to", "torch"], "MODEL must not be quantized for --to torch"),
        ([model, "-o", tmp_path / "no" / "m.c"], "--out must be a file that can be written"),
    ]:
        assert message in run(capsys, "export", *arguments, code=2)
    assert list(tmp_path.iterdir()) == []


# examples/embed


EXAMPLES = Path(__file__).parents[2] / "examples" / "embed"
ARM = [name for name in ("arm-none-eabi-gcc", "qemu-system-arm") if shutil.which(name) is None]


@pytest.fixture
def examples(tmp_path):
    """The folder, with a network that has learned nothing."""
    shutil.copytree(EXAMPLES, tmp_path / "embed")
    model_of("int8").export(tmp_path / "embed" / "lenet.c", test_images=IMAGES[:10])
    return tmp_path / "embed"


def test_the_desktop_program_reads_a_picture(examples):
    folder = examples / "desktop"
    subprocess.run(["make"], cwd=folder, check=True, capture_output=True)
    done = subprocess.run(
        ["./classify", "digit.pgm"], cwd=folder, check=True, capture_output=True, text=True
    )
    digit = np.frombuffer((folder / "digit.pgm").read_bytes()[-784:], np.uint8)
    expected = model_of("int8").predict(digit.reshape(1, 28, 28)).argmax()
    assert done.stdout == f"digit.pgm: {expected}\n"
    for name, text, message in [
        ("none.pgm", None, "it cannot be opened"),
        ("short.pgm", b"P5\n# a comment\n28 28\n255\n" + bytes(783), "it ends too early"),
        ("wide.pgm", b"P5 29 28 255\n", "it must have 28 x 28 pixels from 0 to 255"),
        ("text.pgm", b"P2 28 28 255\n", "it must be a PGM file that begins with P5"),
    ]:
        if text is not None:
            (folder / name).write_bytes(text)
        done = subprocess.run(["./classify", name], cwd=folder, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (1, f"{name}: {message}\n")


def test_both_forms_of_the_digit_are_the_same():
    text = (EXAMPLES / "digit.h").read_text()
    listed = [int(v) for v in text.split("{")[1].split("}")[0].replace(",", " ").split()]
    assert bytes(listed) == (EXAMPLES / "desktop" / "digit.pgm").read_bytes()[-784:]


@pytest.mark.skipif(bool(ARM), reason=f"not installed: {', '.join(ARM)}")
def test_the_micro_bit_s_program_runs_under_emulation(examples):
    folder = examples / "microbit"
    subprocess.run(["make"], cwd=folder, check=True, capture_output=True)
    assert (folder / "microbit.hex").read_text().startswith(":")
    done = subprocess.run(
        ["make", "-s", "run"], cwd=folder, check=True, capture_output=True, text=True, timeout=60
    )
    assert re.fullmatch(r"outputs that differ from Python's: 0\nthe digit is a \d\n", done.stdout)


@pytest.mark.skipif(bool(ARM), reason=f"not installed: {', '.join(ARM)}")
def test_the_sketch_compiles(examples):
    """With the few names of Arduino's that it uses, as the IDE compiles it: C and C++ apart."""
    folder = examples / "arduino" / "digit"
    for name in ("lenet.c", "lenet.h", "digit.h"):
        shutil.copy(examples / name, folder)
    (folder / "Arduino.h").write_text(
        "struct Line { void begin(long); void print(const char *); void print(int);\n"
        "void println(unsigned long); };\nextern Line Serial;\n"
        "unsigned long micros();\nvoid delay(unsigned long);\n"
    )
    common = ["-mcpu=cortex-m0plus", "-mthumb", "-Os", "-Wall", "-Wextra", "-Werror", "-c"]
    sketch = ["-x", "c++", "-std=gnu++11", "-include", "Arduino.h", "digit.ino"]
    for compiler, more in (
        ("arm-none-eabi-g++", ["-ffreestanding", *sketch]),
        ("arm-none-eabi-gcc", ["-std=gnu11", "lenet.c"]),
    ):
        subprocess.run([compiler, *common, *more], cwd=folder, check=True)

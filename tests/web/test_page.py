"""The page in a real browser: Chromium, driven by Playwright (`pip install playwright`)."""

import base64
import io
import math

import numpy as np
import pytest
from browsing import DASH, EXPLAIN, SIZES, answers, frame, number, seen, text_of, wait_for
from tolerance import assert_same_bits

from pylenet import _core, utils
from pylenet.layers.activation import Function
from pylenet.web import _networks

pytest.importorskip("playwright.sync_api")

# What a network of the page gives for all images of a base64 text, as base64 of float32.
PREDICT = """async ([text, name]) => {
  const description = data.networks.find((network) => network.name === name);
  const network = await Network.of(description, data.classes);
  const pixels = bytesOf(text), count = pixels.length / 784, found = [];
  for (let i = 0; i < count; i++)
    found.push(network.predict(pixels.subarray(784 * i, 784 * (i + 1))));
  const all = new Float32Array(count * found[0].length);
  found.forEach((y, i) => all.set(y, i * y.length));
  let out = "";
  for (const byte of new Uint8Array(all.buffer)) out += String.fromCharCode(byte);
  return btoa(out);
}"""


@pytest.fixture(scope="module")
def both(write_page, lenets):
    return write_page("both", lenets)


def predict(page, name, pixels):
    found = page.evaluate(PREDICT, [text_of(pixels), name])
    return np.frombuffer(base64.b64decode(found), "<f4").reshape(len(pixels), -1)


def baseline(model, x):
    """What PYLENET_ISA=baseline and PYLENET_CONVOLUTION=direct give."""
    network = model.graph.network(isa="baseline", convolution="direct")
    y = np.empty((len(x), *model.output_shape[1:]), np.float32)
    network.predict(y, model.parameters, x.reshape(len(x), *model.graph.input_shape), 1)
    return y


# The same numbers as Python


@pytest.mark.parametrize("name", ["classic", "modern"])
def test_all_test_digits_have_the_bits_of_the_baseline(name, both, open_page, lenets, digits):
    images, _ = digits
    found = predict(open_page(both), name, images)
    assert_same_bits(found, baseline(lenets[name], images))


@pytest.mark.parametrize("name", ["1998", "every kind", "scores"])
def test_other_networks_have_the_bits_of_the_baseline(
    name, write_page, open_page, odd_models, digits
):
    images = digits[0][:200]
    page = open_page(write_page("odd", odd_models))
    fed = images if name != "scores" else images / np.float32(255)
    assert_same_bits(predict(page, name, images), baseline(odd_models[name], fed))


def test_every_explanation_ends_in_the_value_it_explains(write_page, open_page, odd_models, lenets):
    page = open_page(write_page("all", {**odd_models, **lenets}))
    for index, model in enumerate([*odd_models.values(), *lenets.values()]):
        count, wrong = page.evaluate(EXPLAIN, index)
        assert wrong == []
        idle = _networks.UNCHANGING
        sizes = [math.prod(n.output_shape) for n in model.graph.nodes if n.kind not in idle]
        assert count == sum(sizes)


def activated_by_the_baseline(function, x):
    node = {"kind": "activation", "activation": function}
    y = np.empty((1, len(x)), np.float32)
    network = _core.Network((1, 1, len(x)), [node], isa="baseline")
    network.predict(y, _core.zeros(0), x.reshape(1, 1, 1, -1), 1)
    return y[0]


def test_every_activation_has_the_bits_of_the_baseline(both, open_page):
    """All on one page: it checks itself whenever it is opened, which takes longer."""
    page = open_page(both)
    small = np.float32(10) ** np.linspace(-40, 1, 500)
    parts = [np.linspace(-130, 130, 5001), small, -small, [0.0, -0.0, np.inf, -np.inf, 3e38, -3e38]]
    x = np.concatenate(parts).astype(np.float32)
    of_parameters = {
        "bounded_relu": Function("bounded_relu", 0.25, 6.0, 1.0),
        "elu": Function("elu", 0.7),
        "leaky_relu": Function("leaky_relu", 0.2),
    }
    for name in sorted({*_networks.ACTIVATIONS} - {"softmax"}):
        function = of_parameters.get(name, Function(name))
        found = page.evaluate(
            """([text, [name, ...parameters]]) => {
              const f = ACTIVATIONS[name].of(...parameters);
              const y = new Float32Array(bytesOf(text).buffer).map(f);
              return Array.from(new Int32Array(y.buffer));
            }""",
            [text_of(x), list(function)],
        )
        expected = activated_by_the_baseline(function, x).view(np.int32)
        np.testing.assert_array_equal(np.array(found, np.int32), expected, err_msg=name)


def test_the_self_check_passes_and_says_with_how_many_images(both, open_page):
    text = open_page(both).inner_text("#check")
    assert text.startswith("Self-check passed: 30 images gave the very bits")


def test_a_page_without_test_images_checks_itself_too(write_page, open_page, lenets):
    page = open_page(write_page("bare", lenets, images=False))
    assert page.inner_text("#check").startswith("Self-check passed: 3 images")
    assert page.is_hidden("#test")


def test_a_browser_that_computes_otherwise_is_told(both, open_page):
    page = open_page(both, script="Math.fround = (x) => x;")
    assert page.get_attribute("#check", "role") == "alert"
    assert "does not compute as pylenet does (classic and modern)" in page.inner_text("#check")


# Preparation


def enlarged(digit, factor):
    """The digit on its 28 x 28 in `factor` times as many pixels, between them interpolated."""
    at = (np.arange(int(28 * factor)) + 0.5) / factor - 0.5
    low = np.clip(np.floor(at), 0, 26).astype(int)
    share = np.clip(at - low, 0, 1)
    across = np.zeros((len(at), 28))
    across[np.arange(len(at)), low] = 1 - share
    across[np.arange(len(at)), low + 1] += share
    return np.round(across @ digit @ across.T).astype(np.uint8)


def pasted(picture, side, rng, shift):
    """On a black square, off the middle by up to `shift` pixels as far as there is room."""
    canvas = np.zeros((side, side), np.uint8)
    room = (side - len(picture)) // 2
    down, right = rng.integers(-min(shift, room), min(shift, room) + 1, 2)
    top, left = room + down, room + right
    canvas[top : top + len(picture), left : left + len(picture)] = picture
    return canvas


def spread(picture, radius, pick):
    """Each pixel the largest (or least) within the radius."""
    reach = range(-radius, radius + 1)
    moves = [(i, j) for i in reach for j in reach if i * i + j * j <= radius * radius]
    wide = np.pad(picture, radius)
    side = len(picture)
    views = [wide[radius + i :, radius + j :][:side, :side] for i, j in moves]
    return pick(views, axis=0)


KINDS = {
    "shifted by up to 6 pixels": lambda digit, rng: pasted(digit, 40, rng, 6),
    "0.6 to 1.6 times as large": lambda digit, rng: pasted(
        enlarged(digit, rng.uniform(0.6, 1.6)), 48, rng, 6
    ),
    "strokes a pixel thicker": lambda digit, rng: spread(enlarged(digit, 4), 2, np.max),
    "strokes half a pixel thinner": lambda digit, rng: spread(enlarged(digit, 4), 1, np.min),
    "inverted": lambda digit, rng: 255 - digit,
    "on a larger canvas": lambda digit, rng: pasted(enlarged(digit, 3), 200, rng, 50),
}


def accuracy(model, images, labels):
    return float((model.predict(images).argmax(1) == labels).mean())


@pytest.mark.parametrize("kind", KINDS)
def test_handwriting_is_read_as_well_as_test_digits(kind, lenets, digits):
    images, labels = (a[:2000] for a in digits)
    rng = np.random.default_rng(4)
    pictures = [KINDS[kind](image, rng) for image in images]
    plain = accuracy(lenets["modern"], images, labels)
    found = accuracy(lenets["modern"], utils.prepare_digits(pictures), labels)
    assert found >= plain - 0.005
    assert plain > 0.98


def prepared(page, picture):
    """What the page makes of a grey or RGBA picture."""
    if picture.ndim == 2:
        picture = np.dstack([picture] * 3 + [np.full_like(picture, 255)])
    script = """([text, height, width]) => {
      const digit = window.pylenet.prepare(bytesOf(text), height, width);
      return digit && Array.from(digit);
    }"""
    digit = page.evaluate(script, [text_of(picture), *picture.shape[:2]])
    return None if digit is None else np.array(digit, np.uint8).reshape(28, 28)


def photograph(digit, rng):
    """Dark ink on grey paper with noise and light from one side; longer than 400 pixels."""
    paper = 190 + np.linspace(0, 40, 520)[:, None] + rng.normal(0, 4, (520, 450))
    ink = np.zeros((520, 450))
    ink[100:324, 80:304] = enlarged(digit, 8)
    return np.clip(paper - 0.6 * ink, 0, 255).astype(np.uint8)


def see_through(digit, rng):
    """RGBA: coloured ink on nothing."""
    picture = np.zeros((28, 28, 4), np.uint8)
    picture[..., :3] = rng.integers(0, 100, 3)
    picture[..., 3] = digit
    return picture


PICTURES = {**KINDS, "photograph": photograph, "see-through": see_through}


@pytest.mark.parametrize("kind", PICTURES)
def test_the_page_prepares_pictures_as_python_does(kind, both, open_page, digits):
    page, rng = open_page(both), np.random.default_rng(5)
    for image in digits[0][:10]:
        picture = PICTURES[kind](image, rng)
        np.testing.assert_array_equal(prepared(page, picture), utils.prepare_digits([picture])[0])


@pytest.mark.parametrize("picture", [np.full((30, 40), 200, np.uint8), np.zeros((1, 1), np.uint8)])
def test_a_picture_of_one_grey_is_no_digit(picture, both, open_page):
    assert prepared(open_page(both), picture) is None
    with pytest.raises(ValueError, match="must show a digit"):
        utils.prepare_digits([picture])


# Drawing


def curve(*points):
    """A line through points, rounded off (Catmull and Rom), as (x, y) between 0 and 1."""
    p = np.array([points[0], *points, points[-1]], float)
    t = np.linspace(0, 1, 4, endpoint=False)[:, None]
    a, b, c, d = (p[i : len(p) - 3 + i, None] for i in range(4))
    smooth = 0.5 * (
        2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3
    )
    return [*smooth.reshape(-1, 2).tolist(), list(points[-1])]


def arc(x, y, width, height, start, end):
    """Part of an ellipse around (x, y); angles in turns, clockwise from 3 o'clock."""
    turns = np.linspace(start, end, 12) * 2 * np.pi
    return np.stack([x + width * np.cos(turns), y + height * np.sin(turns)], 1).tolist()


STROKES = {
    0: [arc(0.5, 0.5, 0.25, 0.38, -0.25, 0.77)],
    1: [curve((0.5, 0.1), (0.5, 0.5), (0.5, 0.9))],
    2: [
        [
            *arc(0.5, 0.3, 0.24, 0.2, -0.45, 0.1),
            *curve((0.6, 0.52), (0.25, 0.88))[1:],
            *curve((0.3, 0.88), (0.8, 0.88)),
        ]
    ],
    3: [[*arc(0.48, 0.3, 0.22, 0.2, -0.42, 0.25), *arc(0.48, 0.7, 0.26, 0.2, -0.25, 0.42)]],
    4: [
        curve((0.32, 0.1), (0.25, 0.55), (0.78, 0.55)),
        curve((0.66, 0.12), (0.64, 0.5), (0.62, 0.92)),
    ],
    5: [
        [*curve((0.35, 0.12), (0.32, 0.45)), *arc(0.46, 0.66, 0.24, 0.22, -0.32, 0.4)],
        curve((0.35, 0.12), (0.75, 0.12)),
    ],
    6: [[*curve((0.62, 0.08), (0.36, 0.4), (0.28, 0.68)), *arc(0.48, 0.7, 0.2, 0.19, 0.5, 1.5)]],
    7: [[*curve((0.22, 0.15), (0.78, 0.15)), *curve((0.76, 0.18), (0.45, 0.92))]],
    8: [[*arc(0.5, 0.3, 0.18, 0.19, 0.25, 1.25), *arc(0.5, 0.7, 0.22, 0.21, -0.25, 0.77)]],
    9: [[*arc(0.48, 0.3, 0.2, 0.19, 0.0, 1.0), *curve((0.68, 0.32), (0.66, 0.6), (0.6, 0.92))]],
}


def on_sheet(page):
    page.locator("#sheet").scroll_into_view_if_needed()
    box = page.locator("#sheet").bounding_box()
    return lambda x, y: (box["x"] + x * box["width"], box["y"] + y * box["height"])


def draw_with_mouse(page, strokes):
    place = on_sheet(page)
    for points in strokes:
        page.mouse.move(*place(*points[0]))
        page.mouse.down()
        for point in points[1:]:
            page.mouse.move(*place(*point))
        page.mouse.up()


def draw_with_finger(page, strokes):
    place, session = on_sheet(page), page.context.new_cdp_session(page)

    def touch(kind, *points):
        at = [dict(zip("xy", place(*point), strict=True)) for point in points]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": at})

    for points in strokes:
        touch("touchStart", points[0])
        for point in points[1:]:
            touch("touchMove", point)
        touch("touchEnd")


@pytest.mark.parametrize("tool", ["mouse", "finger"])
def test_ten_drawn_digits_are_read(tool, both, open_page):
    page = open_page(both, "phone" if tool == "finger" else "desktop")
    for digit, strokes in STROKES.items():
        page.evaluate("window.scrollTo(0, 60)")
        (draw_with_mouse if tool == "mouse" else draw_with_finger)(page, strokes)
        scrolled = page.evaluate("window.scrollY")
        assert answers(page)[1] == str(digit)
        assert scrolled == min(60, scrolled)  # the page did not follow the finger
        page.click("#clear")


@pytest.mark.parametrize("pen", [8, 22, 44])
def test_thin_and_thick_pens_are_read_and_at_the_edge(pen, both, open_page):
    page = open_page(both)
    page.fill("#width", str(pen))
    for digit in (0, 3, 7):
        x, y = np.concatenate(STROKES[digit]).T
        corner = [
            [((px - x.min()) * 0.6 + 0.03, (py - y.min()) * 0.6 + 0.03) for px, py in points]
            for points in STROKES[digit]
        ]
        draw_with_mouse(page, corner)
        assert answers(page)[1] == str(digit)
        page.click("#clear")


def test_an_empty_sheet_is_no_digit(both, open_page):
    page = open_page(both)
    assert seen(page) is None
    assert answers(page) == [DASH, DASH]
    assert page.locator(".answer").first.inner_text() == "nothing to read yet"
    assert page.is_visible("#hint")
    draw_with_mouse(page, STROKES[1])
    assert answers(page) != [DASH, DASH]
    assert page.is_hidden("#hint")
    page.click("#clear")
    assert answers(page) == [DASH, DASH]


def test_undo_takes_back_strokes_digits_and_clearing_one_at_a_time(both, open_page):
    page = open_page(both)
    states = []
    for do in (
        lambda: draw_with_mouse(page, STROKES[1]),
        lambda: draw_with_mouse(page, [curve((0.2, 0.5), (0.8, 0.5))]),
        lambda: page.click("#digits button >> nth=3"),
        lambda: page.click("#clear"),
        lambda: page.click("#digits button >> nth=4"),
    ):
        frame(page)
        states.append(seen(page))
        do()
    for count, state in enumerate(reversed(states)):
        if count % 2:
            page.keyboard.press("Control+z")
        else:
            page.click("#undo")
        frame(page)
        np.testing.assert_array_equal(seen(page), state)
    assert page.is_disabled("#undo")


def test_the_keyboard_draws(both, open_page):
    page = open_page(both)
    page.focus("#sheet")
    for _ in range(12):
        page.keyboard.press("ArrowUp")
    assert seen(page) is None  # the pen is up
    page.keyboard.press("Space")
    for _ in range(24):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    assert answers(page) == ["1", "1"]
    page.keyboard.press("Delete")
    assert answers(page) == [DASH, DASH]


def test_the_answer_is_told_to_screen_readers(both, open_page):
    page = open_page(both)
    page.click("#digits button >> nth=21")
    wait_for(page, "find('spoken').textContent.startsWith('classic: 7')")
    spoken = page.inner_text("#spoken")
    assert "modern: 7, " in spoken
    assert page.get_attribute("#spoken", "role") == "status"
    names = page.locator("#digits button").evaluate_all(
        "all => all.map((each) => each.getAttribute('aria-label'))"
    )
    assert names[21] == "test image 22: 7"
    assert len(names) == 30


def test_a_test_digit_is_seen_as_it_is_and_what_is_drawn_on_it_is_prepared(both, open_page, digits):
    page = open_page(both)
    first_five = next(i for i, label in enumerate(digits[1]) if label == 5)
    page.click("#digits button >> nth=15")
    frame(page)
    np.testing.assert_array_equal(seen(page), digits[0][first_five])
    assert "as it is in the data set" in page.inner_text("#how")
    draw_with_mouse(page, [curve((0.1, 0.05), (0.9, 0.05))])
    frame(page)
    rows = np.flatnonzero(seen(page).any(1))
    assert len(rows) <= 20
    assert "Fitted into 20\u00d720" in page.inner_text("#how")
    page.uncheck("#prepare")
    frame(page)
    assert seen(page)[:3].sum() > 255 * 20  # the line at the top stays there
    assert "as it is" in page.inner_text("#how")


# Pictures


def png_of(picture):
    image = pytest.importorskip("PIL.Image")
    file = io.BytesIO()
    image.fromarray(picture).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("way", ["open", "paste", "drop"])
@pytest.mark.parametrize("kind", ["photograph", "inverted", "on a larger canvas"])
def test_a_picture_file_is_seen_as_python_prepares_it(way, kind, both, open_page, digits):
    page = open_page(both)
    picture = PICTURES[kind](digits[0][0], np.random.default_rng(6))
    png = png_of(picture)
    if way == "open":
        page.set_input_files("#file", {"name": "7.png", "mimeType": "image/png", "buffer": png})
    else:
        page.evaluate(
            """([text, way]) => {
              const files = new DataTransfer();
              files.items.add(new File([bytesOf(text)], "7.png", { type: "image/png" }));
              const event = way === "paste"
                ? new ClipboardEvent("paste", { clipboardData: files, bubbles: true })
                : new DragEvent("drop", { dataTransfer: files, bubbles: true, cancelable: true });
              document.body.dispatchEvent(event);
            }""",
            [text_of(np.frombuffer(png, np.uint8)), way],
        )
    wait_for(page, "window.pylenet.seen() !== null")
    np.testing.assert_array_equal(seen(page), utils.prepare_digits([picture])[0])
    assert answers(page)[1] == "7"


def test_what_is_no_picture_is_told_and_changes_nothing(both, open_page):
    page = open_page(both)
    page.click("#digits button >> nth=0")
    for buffer, text in (
        (b"no picture", "x.png is no picture that this browser can read."),
        (png_of(np.full((9, 9), 7, np.uint8)), "That picture shows nothing"),
    ):
        page.set_input_files("#file", {"name": "x.png", "mimeType": "image/png", "buffer": buffer})
        wait_for(page, f"find('message').textContent.startsWith({text!r})")
    assert answers(page) == ["0", "0"]


# Looking inside


def test_a_click_on_a_value_explains_it_with_numbers(both, open_page, lenets):
    page, model = open_page(both), lenets["modern"]
    page.click("#digits button >> nth=9")
    frame(page)
    values = page.evaluate("Array.from(window.pylenet.seen())")
    maps = page.locator(".network").nth(1).locator(".card > .maps:nth-child(2) canvas")
    maps.first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")  # map 1, row 2, column 2 of the first convolution
    panel = page.locator(".explanation")
    assert panel.locator("h4").inner_text() == "conv2d, map 1, row 2, column 2"
    assert panel.locator(".terms li").count() == 25
    kernel, bias = model.get_layer("conv2d").kernel, model.get_layer("conv2d").bias
    image = np.array(values).reshape(28, 28)[1:6, 1:6] / 255
    expected = max(0.0, float((image * kernel[:, :, 0, 0]).sum() + bias[0]))
    told = number(panel.locator(".sum b").last.inner_text())
    assert told == pytest.approx(expected, abs=1e-5)
    # A term leads to its input: from the second convolution to the pooling before it, to the first
    # convolution, to the picture.
    maps.nth(2).click(position={"x": 5, "y": 5})
    assert panel.locator(".terms").count() == 6
    for title in ("max_pooling2d, map 1, row", "conv2d, map 1, row"):
        panel.locator(".terms li").first.click()
        assert panel.locator("h4").inner_text().startswith(title)
    panel.locator(".terms li").first.click()
    assert "modern takes" in page.inner_text("#pixel")
    assert page.locator(".explanation").count() == 0


def test_an_explanation_follows_the_drawing(both, open_page):
    page = open_page(both)
    page.locator(".bars button").nth(11).click()  # modern's 1
    assert page.inner_text(".explanation p") == "Nothing is drawn yet."
    draw_with_mouse(page, STROKES[1])
    frame(page)
    last = page.locator(".explanation .sum b").last
    one = number(last.inner_text())
    assert one > 0.9
    page.click("#clear")
    draw_with_mouse(page, STROKES[0])
    frame(page)
    assert number(last.inner_text()) < one
    page.keyboard.press("Escape")
    assert page.locator(".explanation").count() == 0


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_its_window_in_light_and_dark(size, scheme, both, open_page):
    page = open_page(both, size, scheme)
    page.click("#digits button >> nth=0")
    frame(page)
    assert page.evaluate("document.documentElement.scrollWidth") == SIZES[size][0]
    back = page.evaluate("getComputedStyle(document.body).backgroundColor")
    brightness = np.mean([float(n) for n in back.removeprefix("rgb(").rstrip(")").split(",")])
    assert (brightness < 64) == (scheme == "dark")
    boxes = [network.bounding_box() for network in page.locator(".network").all()]
    columns = {round(box["x"]) for box in boxes}
    assert len(columns) == (1 if size == "phone" else 2)  # side by side where there is room
    zero = page.evaluate("palette[STEPS] & 255")  # of the maps
    assert (zero < 64) == (scheme == "dark")


def test_print_is_light_and_has_no_buttons(both, open_page):
    page = open_page(both, scheme="dark")
    page.click("#digits button >> nth=0")
    page.emulate_media(media="print", color_scheme="dark")
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    frame(page)
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("palette[STEPS] & 255") > 200
    for hidden in ("#tools", "#test", "#open"):
        assert page.is_hidden(hidden)
    assert page.is_visible("#sheet")
    assert page.is_visible(".network >> nth=1")


def test_images_packed_for_the_page_come_out_as_they_were(both, open_page):
    rng = np.random.default_rng(7)
    tricky = [np.zeros(784), np.full(784, 255), np.arange(784) % 2, rng.integers(0, 256, 784)]
    tricky += [np.repeat([0, 9, 0], [255, 19, 510]), np.repeat([0, 9, 0], [256, 17, 511])]
    images = np.array(tricky, np.uint8)
    unpacked = open_page(both).evaluate(
        "(text) => imagesOf(text).map((image) => Array.from(image))",
        _networks.packed_images(images),
    )
    np.testing.assert_array_equal(unpacked, images)

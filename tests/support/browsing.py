"""What one does with the page of `pylenet draw` in a browser, and reads off it."""

import base64

import numpy as np
import pytest

DASH = "\u2013"  # where there is no answer
READY = "typeof window.pylenet.predict === 'function'"
CHECKED = "!document.getElementById('check').textContent.includes('running')"
SIZES = {"phone": (360, 740), "desktop": (1440, 900)}
# Each value of each layer: those whose explanation ends in another number. And of how many.
EXPLAIN = """async (index) => {
  const network = await Network.of(data.networks[index], data.classes);
  const values = network.values(images[index % images.length]), wrong = [];
  let count = 0;
  network.nodes.forEach((node, i) => values[i + 1].forEach((value, place) => {
    const { value: sum, steps } = node.explain(values[i], place);
    const last = steps.length > 0 ? steps[steps.length - 1].value : sum;
    count += 1;
    if (!Object.is(last, value)) wrong.push([i, place, last, value]);
  }));
  return [count, wrong];
}"""


def wait_for(page, condition):
    """Until it is true. (Playwright's own way evaluates in the page, which the page forbids.)"""
    for _ in range(400):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(25)
    pytest.fail(f"{condition} did not become true within 10 s")


def text_of(pixels):
    return base64.b64encode(np.ascontiguousarray(pixels).tobytes()).decode()


def number(text):
    """As the page writes it."""
    return float(text.replace("\u2212", "-"))


def frame(page):
    """Wait until what was drawn is shown."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")


def seen(page):
    pixels = page.evaluate("window.pylenet.seen() && Array.from(window.pylenet.seen())")
    return None if pixels is None else np.array(pixels, np.uint8).reshape(28, 28)


def answers(page):
    frame(page)
    return page.locator("#verdict b").all_inner_texts()

// Numbers and parts of the page as text and elements.

const MINUS = "−";

// As 12.34, 0.012 or −5e−7: short enough for the squares of an explanation.
function shortNumber(value) {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e5))
    return value.toExponential(0).replace(/-/g, MINUS).replace("e+", "e");
  const digits = size >= 100 ? 1 : size >= 10 ? 2 : 3;
  return value.toFixed(size === 0 || Number.isInteger(value) ? 0 : digits).replace("-", MINUS);
}

// As few digits as tell a float32 number from all others; all of a whole one.
function wholeNumber(value) {
  if (Number.isSafeInteger(value)) return String(value).replace("-", MINUS);
  for (let digits = 1; digits < 9; digits++) {
    const text = value.toPrecision(digits);
    if (float32(Number(text)) === value) return String(Number(text)).replace(/-/g, MINUS);
  }
  return String(Number(value.toPrecision(9))).replace(/-/g, MINUS);
}

const percent = (value) =>
  Number.isFinite(value) ? `${(100 * value).toFixed(1)} %` : String(value);

// element("p", {class: "hint", hidden: true, onclick: f}, "text", child, ...)
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

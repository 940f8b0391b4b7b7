// The arithmetic behind one value, term by term, below the picture that it was chosen in.

const WIDEST = 12; // terms side by side
const MOST_TERMS = 512; // of a sum that are all shown; of more, the largest

// What the values of a layer are called. view: {shape, words, classes or null}
function nameOf({ shape, classes }, place) {
  const [height, width, channels] = shape,
    map = place % channels;
  if (height * width === 1) return classes ? `class ${classes[map]}` : `unit ${map + 1}`;
  const cell = Math.floor(place / channels);
  return `map ${map + 1}, row ${Math.floor(cell / width) + 1}, column ${(cell % width) + 1}`;
}

class Explanation {
  // onfollow(place): a term was chosen, whose input is at that place.
  constructor(onfollow, onclose) {
    this.title = element("h4");
    this.body = element("div", {
      onclick: (event) => {
        const term = event.target.closest("[data-from]");
        if (term) onfollow(Number(term.dataset.from));
      },
    });
    const close = element("button", { type: "button", class: "close", onclick: onclose }, "Close");
    this.panel = element(
      "section",
      { class: "explanation" },
      element("header", {}, this.title, close),
      this.body,
    );
  }

  // Returns the places of the inputs that take part.
  show(title, explained, before) {
    this.title.textContent = title;
    const places = explained.groups.flatMap(({ terms }) => terms.map(({ from }) => from));
    const { start } = explained,
      parts = [];
    if (start) parts.push(line(start.words, start.value));
    for (const group of inMaps(explained.groups, before)) parts.push(...groupParts(group));
    parts.push(line(`= ${explained.words}`, explained.value, "sum"));
    for (const step of explained.steps) parts.push(line(`→ ${step.words}`, step.value, "sum"));
    this.body.replaceChildren(...parts);
    return places.filter((place) => place >= 0);
  }

  say(title, text) {
    this.title.textContent = title;
    this.body.replaceChildren(element("p", {}, text));
  }
}

// A sum over all values of maps is shown map by map, though it is taken place by place.
function inMaps(groups, before) {
  const [height, width, channels] = before.shape,
    [{ columns, terms }] = groups;
  const whole = groups.length === 1 && columns === 0 && terms.length === height * width * channels;
  if (!whole || height * width === 1) return groups;
  return Array.from({ length: channels }, (_, map) => ({
    words: `input map ${map + 1}`,
    columns: width <= WIDEST ? width : 0,
    terms: terms.filter(({ from }) => from % channels === map),
  }));
}

function groupParts({ words, columns, terms, sum }) {
  const parts = [],
    most = largestOf(terms.map(({ value }) => value));
  let shown = terms;
  if (terms.length > MOST_TERMS) {
    shown = [...terms].sort((a, b) => Math.abs(b.value) - Math.abs(a.value)).slice(0, MOST_TERMS);
    words += ` (the ${MOST_TERMS} largest of ${terms.length})`;
  }
  const title = sum === undefined ? words : `${words}, sum so far ${wholeNumber(sum)}`;
  if (title) parts.push(element("h5", {}, title));
  const list = element("ol", { class: columns > 0 ? "terms" : "terms many" });
  if (columns > 0) list.style.setProperty("--columns", columns);
  for (const term of shown) list.append(termItem(term, most));
  return [...parts, list];
}

function termItem({ words, value, from }, most) {
  const exact = wholeNumber(value);
  const item = element("li", { title: from < 0 ? `padding: ${exact}` : exact });
  for (const text of words) item.append(element("span", {}, text));
  item.append(element("b", {}, (words.length > 0 ? "= " : "") + shortNumber(value)));
  item.style.setProperty("--tint", colourOf(Math.max(-1, Math.min(1, value / most))));
  if (from >= 0) item.dataset.from = from;
  return item;
}

function line(words, value, kind = "line") {
  return element("p", { class: kind }, `${words}: `, element("b", {}, wholeNumber(value)));
}

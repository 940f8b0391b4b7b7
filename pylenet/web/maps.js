// Values as pictures: maps side by side, one square for each value.

// Colours of -1 to 1: blue below zero, the page's own at zero, orange above. Colour-blind people can
// tell these two apart.
const STEPS = 255;
let palette = new Uint32Array(2 * STEPS + 1);
let greys = new Uint32Array(256);

const opaque = ([red, green, blue]) => ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;

function choosePalette() {
  const style = getComputedStyle(document.documentElement);
  const [low, zero, high] = ["--low", "--zero", "--high"].map((name) =>
    style
      .getPropertyValue(name)
      .trim()
      .match(/[0-9a-f]{2}/gi)
      .map((byte) => parseInt(byte, 16)),
  );
  palette = palette.map((_, i) => {
    const share = Math.abs(i - STEPS) / STEPS,
      end = i < STEPS ? low : high;
    return opaque(zero.map((from, c) => Math.round(from + (end[c] - from) * share)));
  });
  greys = greys.map((_, i) => opaque([i, i, i]));
}

const colourOf = (share) => {
  const value = palette[Math.round(STEPS * (share === share ? share : 0)) + STEPS];
  return `rgb(${value & 255} ${(value >> 8) & 255} ${(value >> 16) & 255})`;
};

function largestOf(values) {
  let most = 0;
  for (const value of values) most = Math.max(most, Math.abs(value));
  return Number.isFinite(most) && most > 0 ? most : 1;
}

// A picture of values [height, width, maps], channels last. One chooses a value by pointing at it or
// with the arrow keys; onchoose(place) is told of it.
class Maps {
  // perRow: maps in a row, 0 for as many as fit. largest: CSS pixels that a map takes at most.
  constructor({ shape, label, perRow = 0, largest = 80, onchoose, describe }) {
    [this.height, this.width, this.count] = shape;
    this.perRow = perRow;
    this.largest = largest;
    this.gap = this.height * this.width === 1 ? 0 : 1;
    this.values = null;
    this.describe = describe;
    this.onchoose = onchoose;
    this.focused = 0;
    this.canvas = element("canvas", {
      tabindex: 0,
      role: "img",
      "aria-label": label,
      onclick: (event) => this.choose(this.placeAt(event)),
      onpointermove: (event) => this.tell(this.placeAt(event)),
      onpointerleave: () => this.tell(-1),
      onkeydown: (event) => this.key(event),
    });
    this.context = this.canvas.getContext("2d");
    this.marks = element("div", { class: "marks", "aria-hidden": "true" });
    this.readout = element("output", { class: "readout" });
    this.frame = element("div", { class: "maps" }, this.canvas, this.marks);
  }

  // How many maps stand in a row and how large a value is, in `room` CSS pixels.
  layout(room) {
    const { height, width, count, gap } = this,
      cell = gap === 0 ? 13 : 44;
    const least = gap === 0 ? cell : Math.min(8, Math.max(2, Math.floor(cell / width)));
    const most = Math.max(1, Math.floor((room + gap * least) / ((width + gap) * least)));
    let columns = this.perRow;
    if (columns === 0) {
      const rows = Math.ceil(count / Math.min(count, most));
      columns = Math.ceil(count / rows);
    }
    const across = columns * (width + gap) - gap,
      rows = Math.ceil(count / columns);
    const scale = Math.floor(
      Math.min(room / across, gap === 0 ? 16 : Math.max(least, this.largest / width)),
    );
    this.columns = columns;
    this.scale = Math.max(1, scale);
    this.across = across;
    this.down = rows * (height + gap) - gap;
    if (this.canvas.width !== this.across || this.canvas.height !== this.down || !this.image) {
      this.canvas.width = this.across;
      this.canvas.height = this.down;
      this.image = this.context.createImageData(this.across, this.down);
      this.pixels = new Uint32Array(this.image.data.buffer);
      this.where = Uint32Array.from({ length: height * width * count }, (_, place) => {
        const { row, column } = this.pixelOf(place);
        return row * this.across + column;
      });
    }
    this.frame.style.width = `${this.across * this.scale}px`;
    this.frame.style.aspectRatio = `${this.across} / ${this.down}`;
  }

  pixelOf(place) {
    const { map, row, column } = this.partsOf(place);
    return {
      row: Math.floor(map / this.columns) * (this.height + this.gap) + row,
      column: (map % this.columns) * (this.width + this.gap) + column,
    };
  }

  partsOf(place) {
    const cell = Math.floor(place / this.count);
    return {
      map: place % this.count,
      row: Math.floor(cell / this.width),
      column: cell % this.width,
    };
  }

  placeOf({ map, row, column }) {
    return (row * this.width + column) * this.count + map;
  }

  // The value under a pointer, or -1.
  placeAt(event) {
    const box = this.canvas.getBoundingClientRect();
    const x = Math.floor(((event.clientX - box.left) / box.width) * this.across);
    const y = Math.floor(((event.clientY - box.top) / box.height) * this.down);
    const column = x % (this.width + this.gap),
      row = y % (this.height + this.gap);
    const across = Math.floor(x / (this.width + this.gap));
    const map = Math.floor(y / (this.height + this.gap)) * this.columns + across;
    const inside = x >= 0 && y >= 0 && column < this.width && row < this.height && map < this.count;
    return inside && across < this.columns ? this.placeOf({ map, row, column }) : -1;
  }

  // values: null for nothing to show. most: what the ends of the colours stand for.
  draw(values, most) {
    this.values = values;
    const { pixels, where } = this;
    if (values === null) {
      for (let place = 0; place < where.length; place++) pixels[where[place]] = palette[STEPS];
    } else {
      const factor = STEPS / most;
      for (let place = 0; place < where.length; place++)
        pixels[where[place]] = palette[Math.round(values[place] * factor) + STEPS];
    }
    this.context.putImageData(this.image, 0, 0);
  }

  // Bytes as they are, white for 255.
  drawGrey(bytes) {
    this.values = bytes;
    for (let place = 0; place < this.where.length; place++)
      this.pixels[this.where[place]] = greys[bytes === null ? 0 : bytes[place]];
    this.context.putImageData(this.image, 0, 0);
  }

  choose(place) {
    if (place < 0) return;
    this.focused = place;
    this.onchoose(place);
  }

  tell(place) {
    this.readout.textContent =
      place < 0 || this.values === null ? "" : this.describe(place, this.values[place]);
  }

  key(event) {
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[
      event.key
    ];
    if (event.key !== "Enter" && event.key !== " " && !step) return;
    event.preventDefault();
    if (!step) {
      this.choose(this.focused);
      return;
    }
    const next = this.neighbour(this.focused, step);
    if (next >= 0) this.focused = next;
    this.mark([this.focused], "chosen");
    this.tell(this.focused);
    announce(this.readout.textContent);
  }

  // From one value to the one beside it, over the gaps between maps.
  neighbour(place, [down, right]) {
    const parts = this.partsOf(place);
    let row = parts.row + down,
      column = parts.column + right,
      { map } = parts;
    if (column < 0 || column >= this.width) {
      map += right;
      column = (column + this.width) % this.width;
      if (Math.floor(map / this.columns) !== Math.floor(parts.map / this.columns)) return -1;
    }
    if (row < 0 || row >= this.height) {
      map += down * this.columns;
      row = (row + this.height) % this.height;
    }
    return map < 0 || map >= this.count ? -1 : this.placeOf({ map, row, column });
  }

  // Boxes around these places, one in each map; none where they are the whole map.
  mark(places, kind) {
    const boxes = new Map();
    for (const { map, row, column } of places.map((place) => this.partsOf(place))) {
      const box = boxes.get(map) || { top: row, bottom: row, left: column, right: column };
      box.top = Math.min(box.top, row);
      box.bottom = Math.max(box.bottom, row);
      box.left = Math.min(box.left, column);
      box.right = Math.max(box.right, column);
      boxes.set(map, box);
    }
    this.marks.replaceChildren();
    for (const [map, { top, bottom, left, right }] of boxes) {
      const height = bottom - top + 1,
        width = right - left + 1;
      if (kind === "window" && height * width === this.height * this.width) continue;
      const corner = this.pixelOf(this.placeOf({ map, row: top, column: left }));
      const mark = element("span", { class: kind });
      mark.style.left = `${(100 * corner.column) / this.across}%`;
      mark.style.top = `${(100 * corner.row) / this.down}%`;
      mark.style.width = `${(100 * width) / this.across}%`;
      mark.style.height = `${(100 * height) / this.down}%`;
      this.marks.append(mark);
    }
  }

  unmark() {
    this.marks.replaceChildren();
  }
}

// What the colours of a picture mean.
class Legend {
  constructor() {
    this.low = element("span");
    this.high = element("span");
    this.bar = element("div", { class: "legend" }, this.low, element("i"), this.high);
  }

  show(most) {
    this.low.textContent = shortNumber(-most);
    this.high.textContent = shortNumber(most);
  }
}

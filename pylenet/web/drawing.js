// The sheet one draws on. What is on it is a list of things, so that each can be undone: strokes,
// pictures, test digits and clearings; one that comes `instead` hides all before it. Ink is the
// canvas's alpha: 255 where the pen went.

const SHEET = 280; // pixels of the sheet, ten for each of the image's
const KEY_STEP = 7; // pixels that an arrow key moves the pen

class Sheet {
  constructor(canvas, cursor, onchange) {
    this.canvas = canvas;
    this.cursor = cursor;
    this.onchange = onchange;
    this.context = canvas.getContext("2d", { willReadFrequently: true });
    this.things = [];
    this.strokes = new Map(); // those being drawn, by pointer
    this.penWidth = 22;
    this.pen = { x: SHEET / 2, y: SHEET / 2, down: null }; // of the keyboard
    canvas.width = canvas.height = SHEET;
    const listen = (name, handle) => canvas.addEventListener(name, handle);
    listen("pointerdown", (event) => this.begin(event));
    listen("pointermove", (event) => this.move(event));
    for (const name of ["pointerup", "pointercancel", "lostpointercapture"])
      listen(name, (event) => this.end(event));
    listen("contextmenu", (event) => event.preventDefault()); // a long press is a dot
    listen("keydown", (event) => this.key(event));
    listen("blur", () => this.liftPen());
  }

  // What is to be seen on the sheet.
  get shown() {
    const first = Math.max(
      0,
      this.things.findLastIndex((thing) => thing.instead),
    );
    return this.things.slice(first).filter((thing) => thing.kind !== "clear");
  }

  // The only thing on the sheet, if it is of this kind.
  alone(kind) {
    const { shown } = this;
    return shown.length === 1 && shown[0].kind === kind ? shown[0] : null;
  }

  add(thing) {
    this.things.push(thing);
    this.draw(thing);
    this.onchange();
  }

  clear() {
    if (this.shown.length > 0) this.add({ kind: "clear", instead: true });
  }

  undo() {
    this.strokes.clear();
    this.liftPen();
    this.things.pop();
    this.context.clearRect(0, 0, SHEET, SHEET);
    for (const thing of this.shown) this.draw(thing);
    this.onchange();
  }

  draw(thing) {
    const { context } = this;
    if (thing.instead) context.clearRect(0, 0, SHEET, SHEET);
    if (thing.kind === "stroke") drawStroke(context, thing);
    if (thing.kind === "digit") context.drawImage(inkPicture(thing.pixels, SIDE, SIDE, 10), 0, 0);
    if (thing.kind === "picture") {
      const { values, height, width } = thing.ink;
      const scale = SHEET / Math.max(height, width);
      const [x, y] = [(SHEET - width * scale) / 2, (SHEET - height * scale) / 2];
      context.drawImage(inkPicture(values, height, width, 1), x, y, width * scale, height * scale);
    }
  }

  // The ink, a plane of 0 to 255.
  get ink() {
    const { data } = this.context.getImageData(0, 0, SHEET, SHEET);
    const plane = planeOf(SHEET, SHEET);
    for (let i = 0; i < plane.values.length; i++) plane.values[i] = data[4 * i + 3];
    return plane;
  }

  // Pointers

  place(event) {
    const box = this.canvas.getBoundingClientRect();
    const x = ((event.clientX - box.left) * SHEET) / box.width;
    return { x, y: ((event.clientY - box.top) * SHEET) / box.height };
  }

  begin(event) {
    if (event.button !== 0 || !event.isPrimary) return; // nor a palm beside the finger
    event.preventDefault();
    this.canvas.focus({ preventScroll: true });
    this.liftPen();
    this.canvas.setPointerCapture(event.pointerId);
    const stroke = { kind: "stroke", points: [this.place(event)], width: this.penWidth };
    this.strokes.set(event.pointerId, stroke);
    this.add(stroke);
  }

  move(event) {
    const stroke = this.strokes.get(event.pointerId);
    if (!stroke) return;
    event.preventDefault();
    const passed = event.getCoalescedEvents ? event.getCoalescedEvents() : [];
    for (const each of passed.length > 0 ? passed : [event])
      this.lengthen(stroke, this.place(each));
    this.onchange();
  }

  end(event) {
    this.strokes.delete(event.pointerId);
  }

  lengthen(stroke, point) {
    stroke.points.push(point);
    drawStroke(this.context, stroke, stroke.points.length - 1);
  }

  // The keyboard: arrows move the pen, Space puts it down and lifts it.

  key(event) {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[
      event.key
    ];
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === " ") {
      if (this.pen.down) this.liftPen();
      else this.lowerPen();
    } else if (step) {
      const { pen } = this,
        within = (v) => Math.min(Math.max(v, 0), SHEET);
      pen.x = within(pen.x + step[0] * KEY_STEP);
      pen.y = within(pen.y + step[1] * KEY_STEP);
      if (pen.down) {
        this.lengthen(pen.down, { x: pen.x, y: pen.y });
        this.onchange();
      }
      this.showPen();
    } else return;
    event.preventDefault();
  }

  lowerPen() {
    this.pen.down = {
      kind: "stroke",
      points: [{ x: this.pen.x, y: this.pen.y }],
      width: this.penWidth,
    };
    this.add(this.pen.down);
    this.showPen();
    announce("pen down");
  }

  liftPen() {
    if (this.pen.down) announce("pen up");
    this.pen.down = null;
    this.cursor.hidden = true;
  }

  showPen() {
    const { cursor, pen } = this;
    cursor.hidden = false;
    cursor.classList.toggle("down", pen.down !== null);
    cursor.style.left = `${(100 * pen.x) / SHEET}%`;
    cursor.style.top = `${(100 * pen.y) / SHEET}%`;
  }
}

// From one point on to the last, each piece for itself, so that a stroke drawn again has the very
// pixels that it had while it grew. A first point is a dot.
function drawStroke(context, { points, width }, from = 0) {
  context.lineWidth = width;
  context.lineCap = "round";
  context.strokeStyle = "#000";
  for (let i = from; i < points.length; i++) {
    const start = points[Math.max(i - 1, 0)];
    context.beginPath();
    context.moveTo(start.x, start.y);
    context.lineTo(points[i].x, points[i].y);
    context.stroke();
  }
}

// A canvas with these values as ink, the strongest being opaque; each value a square.
function inkPicture(values, height, width, square) {
  const canvas = element("canvas", { width: width * square, height: height * square });
  const context = canvas.getContext("2d");
  const image = context.createImageData(canvas.width, canvas.height);
  const most = values.reduce((a, b) => Math.max(a, b), 1);
  for (let row = 0; row < canvas.height; row++) {
    for (let column = 0; column < canvas.width; column++) {
      const value = values[Math.floor(row / square) * width + Math.floor(column / square)];
      image.data[4 * (row * canvas.width + column) + 3] = Math.round((255 * value) / most);
    }
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

const MOST_PIXELS = 16e6; // that every browser can put on a canvas

// The ink of a picture file; null where there is none. Rejects what is no picture.
async function inkOfFile(file) {
  const picture = await createImageBitmap(file);
  const scale = Math.min(1, Math.sqrt(MOST_PIXELS / (picture.width * picture.height)));
  const [width, height] = [picture.width, picture.height].map((side) =>
    Math.max(1, Math.floor(side * scale)),
  );
  const canvas = element("canvas", { width, height });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(picture, 0, 0, width, height);
  const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
  return inkOf(reduced(greyOf(data, canvas.height, canvas.width)));
}

// The ink as the image it would be without preparation: SIDE x SIDE means of equal squares.
function unprepared(ink) {
  const square = SHEET / SIDE,
    image = new Uint8Array(SIDE * SIDE);
  image.forEach((_, at) => {
    const top = Math.floor(at / SIDE) * square,
      left = (at % SIDE) * square;
    let sum = 0;
    for (let i = 0; i < square; i++)
      for (let j = 0; j < square; j++) sum += ink.values[(top + i) * SHEET + left + j];
    image[at] = Math.round(sum / (square * square));
  });
  return image;
}

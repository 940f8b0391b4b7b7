// Networks as `pylenet draw` put them into the page, and the check that this browser computes them
// to the expected bits and integers.

const SIDE = 28; // of the images

function bytesOf(base64) {
  const text = atob(base64),
    bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

const ARRAYS = {
  float32: Float32Array,
  int8: Int8Array,
  int16: Int16Array,
  int32: Int32Array,
};

// Arrays of these types and sizes, packed as they are in the page: of each first the lowest byte of
// all its numbers, then the next one and so on; all deflated.
async function arraysOf(base64, kinds) {
  const planes = new Uint8Array(await inflated(base64).arrayBuffer());
  let start = 0;
  return kinds.map(({ type, size }) => {
    const array = new ARRAYS[type](size),
      bytes = new Uint8Array(array.buffer),
      width = array.BYTES_PER_ELEMENT;
    for (let i = 0; i < bytes.length; i++)
      bytes[i] = planes[start + (i % width) * size + Math.floor(i / width)];
    start += bytes.length;
    return array;
  });
}

// Images packed as they are in the page: a zero is followed by how many zeros there are.
function imagesOf(base64) {
  const images = [];
  let image = new Uint8Array(SIDE * SIDE),
    next = 0;
  const packed = bytesOf(base64);
  for (let i = 0; i < packed.length; i++) {
    if (packed[i] === 0) next += packed[++i];
    else image[next++] = packed[i];
    if (next === image.length) {
      images.push(image);
      image = new Uint8Array(SIDE * SIDE);
      next = 0;
    }
  }
  return images;
}

class Network {
  static async of(description, classes) {
    const { nodes, weights, check } = description;
    const tensors = nodes.flatMap((node) => node.tensors);
    const found = await arraysOf(weights, tensors);
    const [outputs, integers] = await arraysOf(check.outputs, check.kinds);
    return new Network(description, classes, found, { exact: check.exact, outputs, integers });
  }

  // tensors: of all nodes, one after the other. expected: {exact, outputs, integers} for all images
  // of the page; integers of a network in whole numbers alone.
  constructor(description, classes, tensors, expected) {
    this.name = description.name;
    this.classes = classes;
    this.outputs = description.outputs; // "probabilities", "distances" or "scores"
    this.pixels = description.pixels;
    let next = 0;
    this.nodes = description.nodes.map((node) => {
      const own = {};
      for (const { name } of node.tensors) own[name] = tensors[next++];
      return KINDS[node.kind](node, own);
    });
    this.expected = expected;
    // Where a network in whole numbers turns to real ones; -1 in float32.
    this.answer = description.nodes.findIndex(({ kind }) => kind === "real_numbers");
  }

  get isInWholeNumbers() {
    return this.answer >= 0;
  }

  // One pixel as the network takes it.
  scaledPixel(pixel) {
    const { divisor, scale, offset, low, high } = this.pixels,
      taken = float32(pixel / divisor);
    if (!this.isInWholeNumbers) return multiplyAdd(taken, float32(scale), float32(offset));
    return within(Math.floor(taken / scale + 0.5), low, high);
  }

  // What `scaledPixel` does, as it stands behind a pixel.
  get scalingWords() {
    const { divisor, scale, offset } = this.pixels;
    const divided = divisor === 1 ? "" : ` / ${divisor}`;
    if (this.isInWholeNumbers)
      return scale === 1 ? divided : `${divided} / ${shortNumber(scale)}, rounded`;
    const scaled = scale === 1 ? "" : ` × ${wholeNumber(float32(scale))}`;
    return divided + scaled + (offset === 0 ? "" : ` + ${wholeNumber(float32(offset))}`);
  }

  // What goes into each node, and last what comes out, for SIDE x SIDE pixels from 0 to 255.
  values(pixels) {
    const numbers = this.isInWholeNumbers ? Int16Array : Float32Array;
    let x = numbers.from(pixels, (pixel) => this.scaledPixel(pixel));
    const all = [x];
    for (const node of this.nodes) all.push((x = node.forward(x)));
    return all;
  }

  predict(pixels) {
    return this.values(pixels)[this.nodes.length];
  }

  // The answer's integers, as a quantized model's `scores`; null in float32.
  scores(pixels) {
    return this.isInWholeNumbers ? this.values(pixels)[this.answer] : null;
  }

  // The class that outputs stand for, and all classes, the best one first.
  ranking(outputs) {
    const sign = this.outputs === "distances" ? 1 : -1;
    const places = Array.from(outputs, (_, place) => place);
    return places.sort((a, b) => sign * (outputs[a] - outputs[b]) || a - b);
  }

  // Whether all images give what pylenet gave: the same integers, and outputs that are the same to
  // the bit, or, where it ran on a processor that can only round products and sums together, nearly.
  isAsExpected(images) {
    const { exact, outputs, integers } = this.expected,
      same = Object.is;
    const near = (a, b) => Math.abs(a - b) <= 1e-4 * Math.max(1, Math.abs(b));
    return images.every((image, index) => {
      const values = this.values(image),
        start = index * this.classes.length;
      const agree = (found, wanted, equal) =>
        found.every((value, i) => equal(value, wanted[start + i]));
      return (
        agree(values[this.nodes.length], outputs, exact ? same : near) &&
        (!this.isInWholeNumbers || agree(values[this.answer], integers, same))
      );
    });
  }
}

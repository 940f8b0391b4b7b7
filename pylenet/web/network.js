// Networks as `pylenet draw` put them into the page, and the check that this browser computes them
// to the expected bits.

const SIDE = 28; // of the images

function bytesOf(base64) {
  const text = atob(base64),
    bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

// Float32 numbers, packed as they are in the page: first all their lowest bytes, then all the next
// ones and so on, deflated.
async function floatsOf(base64) {
  const stream = new Blob([bytesOf(base64)]).stream();
  const inflated = stream.pipeThrough(new DecompressionStream("deflate-raw"));
  const planes = new Uint8Array(await new Response(inflated).arrayBuffer());
  const bytes = new Uint8Array(planes.length),
    count = planes.length / 4;
  for (let i = 0; i < bytes.length; i++) bytes[i] = planes[(i % 4) * count + (i >> 2)];
  return new Float32Array(bytes.buffer);
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
    const weights = await floatsOf(description.weights);
    return new Network(description, classes, weights, await floatsOf(description.check.outputs));
  }

  constructor(description, classes, weights, expected) {
    this.name = description.name;
    this.classes = classes;
    this.outputs = description.outputs; // "probabilities", "distances" or "scores"
    this.pixels = description.pixels;
    let next = 0;
    this.nodes = description.nodes.map((node) => {
      const tensors = {};
      for (const { name, shape } of node.tensors) {
        const size = shape.reduce((a, b) => a * b, 1);
        tensors[name] = weights.subarray(next, next + size);
        next += size;
      }
      return KINDS[node.kind](node, tensors);
    });
    this.exact = description.check.exact;
    this.expected = expected;
  }

  // One pixel as the network takes it.
  scaledPixel(pixel) {
    const { divisor, scale, offset } = this.pixels;
    return multiplyAdd(float32(pixel / divisor), float32(scale), float32(offset));
  }

  // What goes into each node, and last what comes out, for SIDE x SIDE pixels from 0 to 255.
  values(pixels) {
    let x = Float32Array.from(pixels, (pixel) => this.scaledPixel(pixel));
    const all = [x];
    for (const node of this.nodes) all.push((x = node.forward(x)));
    return all;
  }

  predict(pixels) {
    return this.values(pixels)[this.nodes.length];
  }

  // The class that outputs stand for, and all classes, the best one first.
  ranking(outputs) {
    const sign = this.outputs === "distances" ? 1 : -1;
    const places = Array.from(outputs, (_, place) => place);
    return places.sort((a, b) => sign * (outputs[a] - outputs[b]) || a - b);
  }

  // Whether all images give the outputs that pylenet gave: to the bit, or, where it ran on a
  // processor that can only round products and sums together, nearly.
  isAsExpected(images) {
    return images.every((image, index) =>
      this.predict(image).every((value, i) => {
        const wanted = this.expected[index * this.classes.length + i];
        if (this.exact) return Object.is(value, wanted);
        return Math.abs(value - wanted) <= 1e-4 * Math.max(1, Math.abs(wanted));
      }),
    );
  }
}

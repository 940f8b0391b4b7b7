// The steps of a network in whole numbers, by docs/int8.md. Doubles hold every product and every sum
// of them exactly. Values are Int16Array, channels last; kernels have the layout of kinds.js.

const within = (value, low, high) => Math.min(Math.max(value, low), high);
const HALF_TABLE = 512; // its entries stand for -512 to 511

// How a step goes from a sum to its output: rounded, then held within bounds or looked up.
class Ending {
  constructor({ low, high, shift }, table) {
    Object.assign(this, { low, high, shift, table });
    this.divisor = 2 ** shift;
  }

  // A sum that was multiplied already.
  of(product) {
    return this.ended(this.shifted(product));
  }

  shifted(product) {
    return Math.floor((product + this.divisor / 2) / this.divisor);
  }

  ended(value) {
    if (!this.table) return within(value, this.low, this.high);
    return this.table[within(value, -HALF_TABLE, HALF_TABLE - 1) + HALF_TABLE];
  }

  // Both as steps of an explanation.
  steps(product) {
    const value = this.shifted(product);
    const end = this.table
      ? `looked up in the table of ${-HALF_TABLE} to ${HALF_TABLE - 1}`.replace("-", MINUS)
      : `held within ${wholeNumber(this.low)} and ${this.high}`;
    return [
      { words: `plus ${this.divisor / 2}, divided by 2^${this.shift}, rounded down`, value },
      { words: end, value: this.ended(value) },
    ];
  }

  stepsOfSum(sum, multiplier) {
    const product = sum * multiplier;
    return [{ words: `times the multiplier ${multiplier}`, value: product }, ...this.steps(product)];
  }

  // What the activation was, as far as the integers tell.
  get words() {
    return this.table ? ", table" : this.low === 0 ? ", relu" : "";
  }
}

const PLAIN = { activation: ["linear"], connections: [] };
const inWholeNumbers = (node) => ({ ...node, settings: { ...node.settings, ...PLAIN } });

// What a layer with a kernel has where it computes in whole numbers.
const withEnding = (Layer) =>
  class extends Layer {
    constructor(node, tensors) {
      super(inWholeNumbers(node), tensors);
      this.rounded = (value) => value;
      this.multiplier = tensors.multiplier;
      this.ending = new Ending(node.settings, tensors.table);
      this.words += this.ending.words;
    }

    steps(sum, channel) {
      return this.ending.stepsOfSum(sum, this.multiplier[channel]);
    }
  };

class Int8Conv2D extends withEnding(Conv2D) {
  forward(x) {
    const { rows, columns, channels, filterCount, kernel, height, width, bias } = this;
    const { ending, multiplier } = this;
    const input = this.padded(x),
      y = new Int16Array(height * width * filterCount),
      sums = new Int32Array(filterCount);
    const down = columns.padded * channels,
      across = columns.window * channels;
    let next = 0;
    for (let row = 0; row < height; row++) {
      for (let column = 0; column < width; column++) {
        const corner = row * rows.stride * down + column * columns.stride * channels;
        let w = 0;
        sums.set(bias);
        for (let i = 0; i < rows.window; i++) {
          for (let from = corner + i * down, k = 0; k < across; k++, w += filterCount) {
            const value = input[from + k];
            if (value !== 0)
              for (let f = 0; f < filterCount; f++) sums[f] += value * kernel[w + f];
          }
        }
        for (let f = 0; f < filterCount; f++) y[next++] = ending.of(sums[f] * multiplier[f]);
      }
    }
    return y;
  }
}

class Int8Dense extends withEnding(Dense) {
  forward(x) {
    const { inputs, units, kernel, multiplier, ending } = this,
      sums = this.bias.slice();
    for (let i = 0, w = 0; i < inputs; i++, w += units) {
      const value = x[i];
      if (value !== 0) for (let o = 0; o < units; o++) sums[o] += value * kernel[w + o];
    }
    return Int16Array.from(sums, (sum, o) => ending.of(sum * multiplier[o]));
  }
}

class Int8AveragePool2D extends Pool2D {
  constructor(node) {
    super(node);
    this.words = `average pooling ${this.size}`;
    this.multipliers = new Map(node.settings.cells); // by the number of cells
    this.ending = new Ending(node.settings);
  }

  sum(x, places) {
    let sum = 0;
    for (const from of places) sum += x[from];
    return sum;
  }

  pool(x, places) {
    return this.ending.of(this.sum(x, places) * this.multipliers.get(places.length));
  }

  explained(x, places) {
    const sum = this.sum(x, places);
    const steps = this.ending.stepsOfSum(sum, this.multipliers.get(places.length));
    return { words: `sum of ${places.length}`, value: sum, steps };
  }
}

class Int8Affine extends Pointwise {
  constructor(node, tensors) {
    super(node);
    this.channels = node.output[2];
    this.multiplier = tensors.multiplier;
    this.bias = tensors.bias;
    this.ending = new Ending(node.settings, tensors.table);
    this.words = `factor and summand${this.ending.words}`;
  }

  sum(value, channel) {
    return value * this.multiplier[channel] + this.bias[channel];
  }

  at(value, place) {
    return this.ending.of(this.sum(value, place % this.channels));
  }

  steps(value, place) {
    const channel = place % this.channels,
      sum = this.sum(value, channel);
    const [factor, summand] = [this.multiplier[channel], this.bias[channel]].map(wholeNumber);
    const words = `times the multiplier ${factor}, plus the bias ${summand}`;
    return [{ words, value: sum }, ...this.ending.steps(sum)];
  }
}

// What the answer's integers mean, in float32.
class RealNumbers extends Pointwise {
  constructor(node) {
    super(node);
    this.scale = float32(node.settings.scale);
    this.words = "whole to real numbers";
  }

  forward(x) {
    return Float32Array.from(x, (value) => this.at(value));
  }

  at(value) {
    return float32(value * this.scale);
  }

  how() {
    return `times ${wholeNumber(this.scale)}, what 1 stands for`;
  }
}

Object.assign(KINDS, {
  int8_affine: (node, tensors) => new Int8Affine(node, tensors),
  int8_average_pool2d: (node) => new Int8AveragePool2D(node),
  int8_conv2d: (node, tensors) => new Int8Conv2D(node, tensors),
  int8_dense: (node, tensors) => new Int8Dense(node, tensors),
  real_numbers: (node) => new RealNumbers(node),
});

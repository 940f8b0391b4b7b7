// What computes a node of a network: a class for each kind. Values are Float32Array, channels last,
// as pylenet's `predict` has them: place (row, column, channel) is (row * width + column) *
// channels + channel. Sums are taken in pylenet's order. (int8.js has the kinds on whole numbers;
// what only moves or compares values serves both.)
//
// A class is made of a node and its tensors by name, and has
//   words            what it is called
//   forward(x)       the output for the input x
//   filters          {shape, values, words} of weights to be shown as pictures, or null
//   explain(x, place)  how the value at `place` came about:
//     {start: {words, value} or null, groups, words, value, steps}
//     groups: the terms in the order they are taken: [{words, columns, terms, sum}];
//       columns: how many terms stand side by side, 0 where it does not matter;
//       sum: what has come together so far, or undefined
//     terms: [{words: [...], value, from}]; from: the place of the input, -1 for padding
//     words, value: what all the terms give; steps: what is then done: [{words, value}]

const sizeOf = ([height, width, channels]) => height * width * channels;
const show = (value) => shortNumber(value); // from numbers.js

// The axes of windows that slide over an image: padding by `before`, or 'same' as in TensorFlow.
function axes(node, windows) {
  const { strides, before: given, same_padding: same } = node.settings;
  return [0, 1].map((i) => {
    const [size, window, stride] = [node.input[i], windows[i], strides[i]];
    const reach = (node.output[i] - 1) * stride + window;
    const before = given ? given[i] : same ? Math.max(0, reach - size) >> 1 : 0;
    return { size, window, stride, before, padded: Math.max(before + size, reach) };
  });
}

function activationOf(settings) {
  const [name, ...parameters] = settings.activation;
  const { of, words } = ACTIVATIONS[name];
  return { name, of: of(...parameters), words: words && words(...parameters) };
}

// The activation as a last step of an explanation.
function activated(activation, sum) {
  if (!activation.words) return [];
  return [{ words: activation.words, value: activation.of(sum) }];
}

const withActivation = (words, activation) =>
  activation.name === "linear" ? words : `${words}, ${activation.name.replace("_", " ")}`;

class Conv2D {
  constructor(node, tensors) {
    this.node = node;
    this.rounded = float32; // each product and each sum
    this.activation = activationOf(node.settings);
    [this.rows, this.columns] = axes(node, node.settings.kernel_size);
    [, , this.channels] = node.input;
    [this.height, this.width, this.filterCount] = node.output;
    this.bias = tensors.bias || new Float32Array(this.filterCount);
    this.hasBias = Boolean(tensors.bias);
    this.links = this.linksOf(node.settings.connections);
    this.kernel = this.fullKernel(tensors.kernel);
    this.words = withActivation(
      `convolution ${this.rows.window}×${this.columns.window}`,
      this.activation,
    );
  }

  // Whether input channel c feeds filter f: [c * filters + f]
  linksOf(connections) {
    const links = new Uint8Array(this.channels * this.filterCount).fill(connections.length ? 0 : 1);
    connections.forEach((inputs, filter) => {
      for (const channel of inputs) links[channel * this.filterCount + filter] = 1;
    });
    return links;
  }

  // Of missing links there are no weights: they are 0 here.
  fullKernel(stored) {
    const full = new stored.constructor(
      this.rows.window * this.columns.window * this.links.length,
    );
    let next = 0;
    for (let i = 0; i < full.length; i++)
      if (this.links[i % this.links.length]) full[i] = stored[next++];
    return full;
  }

  get filters() {
    return {
      shape: [this.rows.window, this.columns.window, this.links.length],
      values: this.kernel,
      perRow: this.channels > 1 ? this.filterCount : 0,
      words: (tile) => {
        const channel = Math.floor(tile / this.filterCount),
          filter = tile % this.filterCount;
        return (
          `weight of map ${filter + 1}` + (this.channels > 1 ? ` for input map ${channel + 1}` : "")
        );
      },
    };
  }

  padded(x) {
    const { rows, columns } = this;
    if (rows.padded === rows.size && columns.padded === columns.size) return x;
    return pad(x, this.node.input, rows.padded, columns.padded, rows.before, columns.before);
  }

  forward(x) {
    const { rows, columns, channels, filterCount, kernel, height, width, bias } = this;
    const input = this.padded(x),
      y = new Float32Array(height * width * filterCount);
    const sums = new Float32Array(filterCount),
      activation = this.activation.of;
    const down = columns.padded * channels,
      tap = channels * filterCount;
    let next = 0;
    for (let row = 0; row < height; row++) {
      for (let column = 0; column < width; column++) {
        const corner = row * rows.stride * down + column * columns.stride * channels;
        sums.set(bias);
        for (let channel = 0; channel < channels; channel++) {
          for (let i = 0; i < rows.window; i++) {
            let from = corner + i * down + channel;
            let w = i * columns.window * tap + channel * filterCount;
            for (let j = 0; j < columns.window; j++, from += channels, w += tap) {
              const value = input[from];
              for (let f = 0; f < filterCount; f++)
                sums[f] = float32(sums[f] + float32(value * kernel[w + f]));
            }
          }
        }
        for (let f = 0; f < filterCount; f++) y[next++] = activation(sums[f]);
      }
    }
    return y;
  }

  explain(x, place) {
    const { rows, columns, channels, filterCount, kernel } = this;
    const filter = place % filterCount,
      cell = Math.floor(place / filterCount);
    const top = Math.floor(cell / this.width) * rows.stride - rows.before;
    const left = (cell % this.width) * columns.stride - columns.before;
    let sum = this.bias[filter];
    const groups = [];
    for (let channel = 0; channel < channels; channel++) {
      const terms = [];
      for (let i = 0; i < rows.window; i++) {
        for (let j = 0; j < columns.window; j++) {
          const row = top + i,
            column = left + j;
          const inside = row >= 0 && row < rows.size && column >= 0 && column < columns.size;
          const from = inside ? (row * columns.size + column) * channels + channel : -1;
          const value = inside ? x[from] : 0;
          const weight =
            kernel[((i * columns.window + j) * channels + channel) * filterCount + filter];
          const product = this.rounded(value * weight);
          sum = this.rounded(sum + product);
          terms.push({ words: [show(value), `× ${show(weight)}`], value: product, from });
        }
      }
      if (this.links[channel * filterCount + filter])
        groups.push({ words: `input map ${channel + 1}`, columns: columns.window, terms, sum });
    }
    const count = groups.length * rows.window * columns.window;
    return {
      start: this.hasBias ? { words: "bias", value: this.bias[filter] } : null,
      groups,
      words: `sum of ${this.hasBias ? "the bias and " : ""}${count} products`,
      value: sum,
      steps: this.steps(sum, filter),
    };
  }

  // What is then done to a sum.
  steps(sum) {
    return activated(this.activation, sum);
  }
}

class Dense {
  constructor(node, tensors) {
    this.node = node;
    this.rounded = float32;
    this.activation = activationOf(node.settings);
    this.inputs = sizeOf(node.input);
    this.units = sizeOf(node.output);
    this.kernel = tensors.kernel;
    this.bias = tensors.bias || new Float32Array(this.units);
    this.hasBias = Boolean(tensors.bias);
    this.filters = null;
    this.words = withActivation("dense", this.activation);
  }

  forward(x) {
    const { inputs, units, kernel } = this,
      activation = this.activation.of;
    const y = this.bias.slice();
    for (let i = 0, w = 0; i < inputs; i++, w += units) {
      const value = x[i];
      for (let o = 0; o < units; o++) y[o] = float32(y[o] + float32(value * kernel[w + o]));
    }
    for (let o = 0; o < units; o++) y[o] = activation(y[o]);
    return y;
  }

  explain(x, place) {
    let sum = this.bias[place];
    const terms = [];
    for (let i = 0; i < this.inputs; i++) {
      const weight = this.kernel[i * this.units + place],
        product = this.rounded(x[i] * weight);
      sum = this.rounded(sum + product);
      terms.push({ words: [show(x[i]), `× ${show(weight)}`], value: product, from: i });
    }
    return {
      start: this.hasBias ? { words: "bias", value: this.bias[place] } : null,
      groups: [{ words: "", columns: 0, terms }],
      words: `sum of ${this.hasBias ? "the bias and " : ""}${this.inputs} products`,
      value: sum,
      steps: this.steps(sum, place),
    };
  }

  steps(sum) {
    return activated(this.activation, sum);
  }
}

// Windows are clipped to the image: padding takes no part.
class Pool2D {
  constructor(node) {
    this.node = node;
    [this.rows, this.columns] = axes(node, node.settings.pool_size);
    [this.height, this.width, this.channels] = node.output;
    this.filters = null;
  }

  get size() {
    return `${this.rows.window}×${this.columns.window}`;
  }

  // The places of the inputs in the window of the output at `place`, row by row.
  windowAt(place) {
    const { rows, columns, channels } = this;
    const channel = place % channels,
      cell = Math.floor(place / channels);
    const top = Math.floor(cell / this.width) * rows.stride - rows.before;
    const left = (cell % this.width) * columns.stride - columns.before;
    const right = Math.min(left + columns.window, columns.size),
      places = [];
    for (let row = Math.max(top, 0); row < Math.min(top + rows.window, rows.size); row++)
      for (let column = Math.max(left, 0); column < right; column++)
        places.push((row * columns.size + column) * channels + channel);
    return { places, columns: right - Math.max(left, 0) };
  }

  forward(x) {
    const y = new x.constructor(sizeOf(this.node.output));
    this.windows = this.windows || Array.from(y, (_, place) => this.windowAt(place).places);
    for (let place = 0; place < y.length; place++)
      y[place] = this.pool(x, this.windows[place], place);
    return y;
  }

  explain(x, place) {
    const { places, columns } = this.windowAt(place);
    const terms = places.map((from) => ({ words: [], value: x[from], from }));
    return {
      start: null,
      groups: [{ words: "", columns, terms }],
      ...this.explained(x, places, place),
    };
  }
}

function windowSum(x, places) {
  let sum = 0;
  for (const from of places) sum = float32(sum + x[from]);
  return sum;
}

class MaxPool2D extends Pool2D {
  get words() {
    return `max pooling ${this.size}`;
  }

  pool(x, places) {
    let best = x[places[0]];
    for (let i = 1; i < places.length; i++)
      best = best === best ? larger(best, x[places[i]]) : best;
    return best;
  }

  explained(x, places) {
    return { words: `the largest of ${places.length}`, value: this.pool(x, places), steps: [] };
  }
}

class AveragePool2D extends Pool2D {
  get words() {
    return `average pooling ${this.size}`;
  }

  // A quarter is exact, so that multiplying by it and dividing by 4 are one.
  pool(x, places) {
    return float32(windowSum(x, places) / places.length);
  }

  explained(x, places) {
    const sum = windowSum(x, places),
      steps = [];
    steps.push({ words: `divided by ${places.length}`, value: this.pool(x, places) });
    return { words: `sum of ${places.length}`, value: sum, steps };
  }
}

// Coefficient times the sum of the window, plus a bias: one pair for each map.
class Subsampling2D extends Pool2D {
  constructor(node, tensors) {
    super({ ...node, settings: { ...node.settings, same_padding: false } });
    this.activation = activationOf(node.settings);
    this.coefficient = tensors.coefficient;
    this.bias = tensors.bias;
  }

  get words() {
    return withActivation(`sub-sampling ${this.size}`, this.activation);
  }

  scaled(x, places, place) {
    const channel = place % this.channels;
    return multiplyAdd(this.coefficient[channel], windowSum(x, places), this.bias[channel]);
  }

  pool(x, places, place) {
    return this.activation.of(this.scaled(x, places, place));
  }

  explained(x, places, place) {
    const channel = place % this.channels,
      value = this.scaled(x, places, place);
    const factor = show(this.coefficient[channel]),
      bias = show(this.bias[channel]);
    const steps = [{ words: `times the coefficient ${factor}, plus the bias ${bias}`, value }];
    steps.push(...activated(this.activation, value));
    return { words: `sum of ${places.length}`, value: windowSum(x, places), steps };
  }
}

// A function of each value for itself. Subclasses have `at(value, place)` and `how(place)`, or
// `steps(value, place)` for more than one step.
class Pointwise {
  constructor(node) {
    this.node = node;
    this.filters = null;
  }

  forward(x) {
    return x.map((value, place) => this.at(value, place));
  }

  explain(x, place) {
    const terms = [{ words: [], value: x[place], from: place }];
    return {
      start: null,
      groups: [{ words: "", columns: 0, terms }],
      words: "value",
      value: x[place],
      steps: this.steps(x[place], place),
    };
  }

  steps(value, place) {
    return [{ words: this.how(place), value: this.at(value, place) }];
  }
}

class Activation extends Pointwise {
  constructor(node) {
    super(node);
    this.activation = activationOf(node.settings);
    this.words = this.activation.name.replace("_", " ");
  }

  at(value) {
    return this.activation.of(value);
  }

  how() {
    return this.activation.words.replace(/sum/g, "value");
  }
}

class Rescaling extends Pointwise {
  constructor(node) {
    super(node);
    this.words = "rescaling";
    this.scale = float32(node.settings.scale);
    this.offset = float32(node.settings.offset);
  }

  at(value) {
    return multiplyAdd(value, this.scale, this.offset);
  }

  how() {
    return `times ${show(this.scale)}, plus ${show(this.offset)}`;
  }
}

class BatchNormalization extends Pointwise {
  constructor(node, tensors) {
    super(node);
    this.words = "batch normalization";
    this.channels = node.output[2];
    const { gamma, beta, moving_mean: mean, moving_variance: variance } = tensors;
    const epsilon = float32(node.settings.epsilon);
    this.factor = variance.map((v, c) => {
      const inverse = float32(1 / float32(Math.sqrt(float32(v + epsilon))));
      return gamma ? float32(inverse * gamma[c]) : inverse;
    });
    this.summand = mean.map((m, c) => {
      const shift = float32(m * this.factor[c]);
      return beta ? float32(beta[c] - shift) : -shift;
    });
  }

  at(value, place) {
    const channel = place % this.channels;
    return multiplyAdd(this.factor[channel], value, this.summand[channel]);
  }

  how(place) {
    const channel = place % this.channels;
    return (
      `times ${show(this.factor[channel])}, plus ${show(this.summand[channel])}: ` +
      "what mean, variance, gamma and beta of this map come to"
    );
  }
}

class ZeroPadding2D {
  constructor(node) {
    this.node = node;
    this.words = "zero padding";
    this.filters = null;
  }

  forward(x) {
    const { input, output, settings } = this.node,
      [top, , left] = settings.padding;
    return pad(x, input, output[0], output[1], top, left);
  }

  explain(x, place) {
    const { input, output, settings } = this.node,
      [top, , left] = settings.padding;
    const [height, width, channels] = input;
    const cell = Math.floor(place / channels);
    const row = Math.floor(cell / output[1]) - top,
      column = (cell % output[1]) - left;
    const inside = row >= 0 && row < height && column >= 0 && column < width;
    const from = inside ? (row * width + column) * channels + (place % channels) : -1;
    const value = inside ? x[from] : 0;
    const terms = [{ words: [], value, from }];
    const words = inside ? "the value itself" : "padding";
    return { start: null, groups: [{ words: "", columns: 0, terms }], words, value, steps: [] };
  }
}

// x, of `shape`, moved to (top, left) of an image of height x width, zeros around it.
function pad(x, [xHeight, xWidth, channels], height, width, top, left) {
  const y = new x.constructor(height * width * channels);
  for (let row = 0; row < xHeight; row++) {
    const line = x.subarray(row * xWidth * channels, (row + 1) * xWidth * channels);
    y.set(line, ((row + top) * width + left) * channels);
  }
  return y;
}

class Softmax {
  constructor(node) {
    this.node = node;
    this.words = "softmax";
    this.filters = null;
  }

  parts(x) {
    let top = x[0],
      sum = 0;
    for (let i = 1; i < x.length; i++) top = x[i] > top ? x[i] : top;
    const powers = x.map((value) => exp(float32(value - top)));
    for (const power of powers) sum = float32(sum + power);
    return { top, powers, sum };
  }

  forward(x) {
    const { powers, sum } = this.parts(x);
    return powers.map((power) => power / sum);
  }

  explain(x, place) {
    const { top, powers, sum } = this.parts(x);
    const terms = Array.from(powers, (value, from) => {
      return { words: [`e^(${show(x[from])}`, `− ${show(top)})`], value, from };
    });
    const words = `${show(powers[place])}, this class's power, divided by the sum`;
    const steps = [{ words, value: float32(powers[place] / sum) }];
    return {
      start: null,
      groups: [{ words: `e to each value less the largest, ${show(top)}`, columns: 0, terms }],
      words: `sum of ${x.length} powers`,
      value: sum,
      steps,
    };
  }
}

// The squared distance of the inputs from each class's code of +1 and -1.
class RBF {
  constructor(node) {
    this.node = node;
    this.words = "distances from the codes";
    this.filters = null;
    this.codes = node.settings.codes.map((code) =>
      Array.from(code, (sign) => (sign === "+" ? 1 : -1)),
    );
  }

  forward(x) {
    return Float32Array.from(this.codes, (code) => {
      let sum = 0;
      for (let i = 0; i < x.length; i++) {
        const difference = float32(x[i] - code[i]);
        sum = multiplyAdd(difference, difference, sum);
      }
      return sum;
    });
  }

  explain(x, place) {
    let sum = 0;
    const terms = Array.from(x, (value, from) => {
      const code = this.codes[place][from],
        difference = float32(value - code);
      sum = multiplyAdd(difference, difference, sum);
      const words = [`(${show(value)}`, code > 0 ? "− 1)²" : "+ 1)²"];
      return { words, value: float32(difference * difference), from };
    });
    const words = `sum of ${x.length} squares, the distance from the code of this class`;
    return {
      start: null,
      groups: [{ words: "", columns: 0, terms }],
      words,
      value: sum,
      steps: [],
    };
  }
}

const KINDS = {
  activation: (node) =>
    node.settings.activation[0] === "softmax" ? new Softmax(node) : new Activation(node),
  average_pool2d: (node) => new AveragePool2D(node),
  batch_normalization: (node, tensors) => new BatchNormalization(node, tensors),
  conv2d: (node, tensors) => new Conv2D(node, tensors),
  dense: (node, tensors) => new Dense(node, tensors),
  max_pool2d: (node) => new MaxPool2D(node),
  rbf: (node) => new RBF(node),
  rescaling: (node) => new Rescaling(node),
  subsample2d: (node, tensors) => new Subsampling2D(node, tensors),
  zero_padding2d: (node) => new ZeroPadding2D(node),
};

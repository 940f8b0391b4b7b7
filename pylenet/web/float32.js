// float32 arithmetic, to the bits of pylenet's baseline instruction set, which rounds products and
// sums apart. A double holds every product of two float32 numbers exactly, and is precise enough
// that a sum, quotient or square root rounded to double and then to float32 is the one rounded
// once (S. A. Figueroa, "When is double rounding innocuous?", SIGNUM Newsletter 30(3), 1995).

const float32 = Math.fround;

// Both give b where either is NaN, as the processor's instructions do.
const larger = (a, b) => (a > b ? a : b);
const smaller = (a, b) => (a < b ? a : b);

const multiplyAdd = (a, b, c) => float32(float32(a * b) + c);

// p[0] x^(n - 1) + ... + p[n - 1]
function polynomial(p, x) {
  let y = p[0];
  for (let i = 1; i < p.length; i++) y = multiplyAdd(y, x, p[i]);
  return y;
}

// tanh, exp and their like as in csrc/kernels/math.h, which says how they were made.
const TANH_END = float32(float32(9.1) * float32(9.1));
const TANH_P = Float32Array.of(
  1.3177028357347353e-8,
  2.0480834791669622e-5,
  0.0034877897705882788,
  0.13374456763267517,
  1.0,
);
const TANH_Q = Float32Array.of(
  7.703845312789781e-7,
  0.00032728855148889124,
  0.025847308337688446,
  0.46707770228385925,
  1.0,
);

const EXP_LOW = -104.0,
  EXP_HIGH = 89.0;
const LOG2E = float32(1.44269504),
  LN2_HIGH = float32(0.693359375),
  LN2_LOW = float32(-2.1219444e-4);
const EXP_P = Float32Array.of(
  0.0013814467238262296,
  0.008368780836462975,
  0.04166839271783829,
  0.1666651964187622,
  0.4999999403953552,
);

const LOG_P = Float32Array.of(
  0.28012022376060486,
  0.2800179719924927,
  0.4002152681350708,
  0.666664183139801,
);

const TAIL_END = 15; // past it, a tail is zero
const TAIL_P = Float32Array.of(
  -0.00013419541937764734,
  0.00017465844575781375,
  0.001568404957652092,
  -0.00351021159440279,
  -0.007524002809077501,
  0.0604034885764122,
  -0.1865236610174179,
  0.38713690638542175,
  -0.6078965663909912,
  0.7552851438522339,
);

function tanh(x) {
  const t = smaller(float32(x * x), TANH_END);
  const y = float32(x * float32(polynomial(TANH_P, t) / polynomial(TANH_Q, t)));
  return larger(-1, smaller(1, y));
}

// A number's bits, and a number of these bits.
const bits = new Int32Array(1),
  ofBits = new Float32Array(bits.buffer);

function powerOfTwo(n) {
  // for whole n in [-126, 127]
  bits[0] = (n + 127) << 23;
  return ofBits[0];
}

function upperDigits(x) {
  // half of them
  ofBits[0] = x;
  bits[0] &= -4096;
  return ofBits[0];
}

const ROUNDING = 12582912.0; // 1.5 * 2^23: adding it rounds to a whole number
const wholeProduct = (x, y) => float32(multiplyAdd(x, y, ROUNDING) - ROUNDING);
const withoutPowers = (x, n) => multiplyAdd(n, -LN2_LOW, multiplyAdd(n, -LN2_HIGH, x));
const expm1Near0 = (r) => multiplyAdd(float32(polynomial(EXP_P, r) * r), r, r);

function expOfParts(n, r) {
  const p = float32(expm1Near0(r) + 1),
    half = wholeProduct(n, 0.5);
  return float32(float32(p * powerOfTwo(half)) * powerOfTwo(n - half));
}

function exp(x) {
  x = larger(EXP_LOW, smaller(EXP_HIGH, x));
  if (x !== x) return x;
  const n = wholeProduct(x, LOG2E);
  return expOfParts(n, withoutPowers(x, n));
}

function expOfSum(high, low) {
  high = larger(EXP_LOW, smaller(EXP_HIGH, high));
  if (high !== high) return high;
  const n = wholeProduct(float32(high + low), LOG2E);
  return expOfParts(n, float32(withoutPowers(high, n) + low));
}

function expm1(x) {
  // for x <= 0
  x = larger(-25, smaller(0, x));
  if (x !== x) return x;
  const n = wholeProduct(x, LOG2E),
    power = powerOfTwo(n);
  return multiplyAdd(power, expm1Near0(withoutPowers(x, n)), float32(power - 1));
}

function log1p(u) {
  // for u from 0 to 1
  const s = float32(u / float32(2 + u)),
    t = float32(s * s);
  return multiplyAdd(float32(polynomial(LOG_P, t) * t), s, float32(s + s));
}

// How much of the standard normal distribution lies beyond |x|.
function normalTail(x) {
  const t = smaller(TAIL_END, larger(x, -x)),
    upper = upperDigits(t);
  const low = float32(float32(-0.5 * float32(t - upper)) * float32(t + upper));
  const e = expOfSum(float32(float32(-0.5 * upper) * upper), low);
  const d = float32(1 / float32(t + 4));
  return float32(e * float32(polynomial(TAIL_P, float32(float32(t - 4) * d)) * d));
}

function logistic(x) {
  const e = exp(smaller(x, -x)),
    most = float32(1 / float32(1 + e));
  return x < 0 ? float32(e * most) : most;
}

function gelu(v) {
  const tail = normalTail(v),
    below = v < 0 ? tail : float32(1 - tail);
  return float32(larger(-TAIL_END, v) * below);
}

const GELU_SLOPE = float32(1.5957691216),
  GELU_CUBE = float32(GELU_SLOPE * float32(0.044715));
function geluTanh(v) {
  const held = larger(-TAIL_END, smaller(TAIL_END, v));
  const inner = float32(held * multiplyAdd(float32(held * held), GELU_CUBE, GELU_SLOPE));
  return float32(larger(-TAIL_END, v) * logistic(inner));
}

const LARGEST = float32(3.4028234e38);
const boundedRelu = (slope, ceiling, threshold) => (v) => {
  if (v >= float32(ceiling)) return float32(ceiling);
  if (v >= float32(threshold)) return v;
  return float32(larger(-LARGEST, float32(v - float32(threshold))) * float32(slope));
};

// The activations of one value: `of` makes the function of its parameters, `words` say it of a sum.
const SCALED_TANH_HEIGHT = float32(1.7159),
  SCALED_TANH_SLOPE = float32(2 / 3);
const SELU_SCALE = float32(1.05070098),
  SELU_LIMIT = float32(SELU_SCALE * float32(1.67326324));
const ACTIVATIONS = {
  linear: { of: () => (x) => x, words: null },
  relu: { of: () => (x) => larger(0, x), words: () => "ReLU: the larger of 0 and the sum" },
  leaky_relu: {
    of: (slope) => (x) => (x > 0 ? x : float32(x * float32(slope))),
    words: (slope) => `leaky ReLU: the sum, times ${float32(slope)} where it is negative`,
  },
  bounded_relu: {
    of: boundedRelu,
    words: (slope, ceiling, threshold) =>
      `ReLU: the sum from ${threshold} on` +
      `${float32(ceiling) < Infinity ? `, at most ${ceiling}` : ""}, below it a slope of ${slope}`,
  },
  sigmoid: {
    of: () => (x) => float32(1 / float32(1 + exp(-x))),
    words: () => "sigmoid: 1 / (1 + e^−sum)",
  },
  hard_sigmoid: {
    of: () => (x) => float32(smaller(6, larger(0, float32(x + 3))) / 6),
    words: () => "hard sigmoid: the sum / 6 + 1/2, from 0 to 1",
  },
  tanh: { of: () => tanh, words: () => "tanh of the sum" },
  scaled_tanh: {
    of: () => (x) => float32(SCALED_TANH_HEIGHT * tanh(float32(SCALED_TANH_SLOPE * x))),
    words: () => "1.7159 tanh(2/3 of the sum)",
  },
  elu: {
    of: (limit) => (x) => (x > 0 ? x : float32(float32(limit) * expm1(x))),
    words: (limit) => `ELU: the sum, or ${float32(limit)} (e^sum − 1) where it is negative`,
  },
  selu: {
    of: () => (x) => (x > 0 ? float32(SELU_SCALE * x) : float32(SELU_LIMIT * expm1(x))),
    words: () => "SELU: 1.0507 times the sum, or 1.7581 (e^sum − 1) where it is negative",
  },
  exponential: { of: () => exp, words: () => "e^sum" },
  softplus: {
    of: () => (x) => float32(larger(0, x) + log1p(exp(smaller(x, -x)))),
    words: () => "softplus: log(1 + e^sum)",
  },
  softsign: {
    of: () => (x) => float32(x / float32(1 + larger(x, -x))),
    words: () => "softsign: the sum / (1 + its size)",
  },
  silu: {
    of: () => (x) => float32(larger(-110, x) * logistic(x)),
    words: () => "SiLU: the sum times its sigmoid",
  },
  gelu: {
    of: () => gelu,
    words: () => "GELU: the sum times the share of the normal distribution below it",
  },
  gelu_tanh: { of: () => geluTanh, words: () => "GELU by its approximation" },
};

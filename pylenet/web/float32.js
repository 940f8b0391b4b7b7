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

// tanh and exp as in csrc/kernels/math.h, which says how they were made.
const TANH_END = float32(float32(9.1) * float32(9.1));
const TANH_P = Float32Array.of(
  1.3177028357347353e-08, 2.0480834791669622e-05, 0.0034877897705882788, 0.13374456763267517, 1.0);
const TANH_Q = Float32Array.of(
  7.703845312789781e-07, 0.00032728855148889124, 0.025847308337688446, 0.46707770228385925, 1.0);

const EXP_LOW = -104.0, EXP_HIGH = 89.0;
const LOG2E = float32(1.44269504), LN2_HIGH = float32(0.693359375), LN2_LOW = float32(-2.12194440e-4);
const EXP_P = Float32Array.of(
  0.0013814467238262296, 0.008368780836462975, 0.04166839271783829, 0.1666651964187622,
  0.4999999403953552);
const ROUNDING = 12582912.0; // 1.5 * 2^23: adding it rounds to a whole number

function tanh(x) {
  const t = smaller(float32(x * x), TANH_END);
  const y = float32(x * float32(polynomial(TANH_P, t) / polynomial(TANH_Q, t)));
  return larger(-1, smaller(1, y));
}

const powerBits = new Int32Array(1), powerValue = new Float32Array(powerBits.buffer);
function powerOfTwo(n) { // for whole n in [-126, 127]
  powerBits[0] = (n + 127) << 23;
  return powerValue[0];
}

function exp(x) {
  x = larger(EXP_LOW, smaller(EXP_HIGH, x));
  if (x !== x) return x;
  const n = float32(multiplyAdd(x, LOG2E, ROUNDING) - ROUNDING);
  const r = multiplyAdd(n, -LN2_LOW, multiplyAdd(n, -LN2_HIGH, x));
  const p = float32(multiplyAdd(float32(polynomial(EXP_P, r) * r), r, r) + 1);
  const half = float32(multiplyAdd(n, 0.5, ROUNDING) - ROUNDING);
  return float32(float32(p * powerOfTwo(half)) * powerOfTwo(n - half));
}

// The activations of one value: `of` makes the function of a parameter, `words` say it of a sum s.
const SCALED_TANH_HEIGHT = float32(1.7159), SCALED_TANH_SLOPE = float32(2 / 3);
const ACTIVATIONS = {
  linear: { of: () => (x) => x, words: null },
  relu: { of: () => (x) => larger(0, x), words: () => "ReLU: the larger of 0 and the sum" },
  leaky_relu: {
    of: (slope) => (x) => (x > 0 ? x : float32(x * float32(slope))),
    words: (slope) => `leaky ReLU: the sum, times ${float32(slope)} where it is negative`,
  },
  sigmoid: {
    of: () => (x) => float32(1 / float32(1 + exp(-x))),
    words: () => "sigmoid: 1 / (1 + e^−sum)",
  },
  tanh: { of: () => tanh, words: () => "tanh of the sum" },
  scaled_tanh: {
    of: () => (x) => float32(SCALED_TANH_HEIGHT * tanh(float32(SCALED_TANH_SLOPE * x))),
    words: () => "1.7159 tanh(2/3 of the sum)",
  },
};

// Pictures of digits made to look like MNIST's, in the whole numbers of pylenet.utils.prepare_digits;
// docs/data.md has the steps that the comments name. A plane is {values, height, width}, row by row.

const BOX = 20,
  CENTRE = 14; // the digit's longer side, and where its centre of mass comes
const LONGEST = 400; // side of a picture that is looked at in full
const FAINTEST = 13,
  NOISE = 6,
  SPECK = 16;

const floorDivide = (a, b) => Math.floor(a / b);
const planeOf = (height, width) => ({ values: new Float64Array(height * width), height, width });

// Step 1. rgba: bytes, as a canvas has them.
function greyOf(rgba, height, width) {
  const plane = planeOf(height, width),
    { values } = plane;
  let shown = 0,
    alphas = 0;
  for (let i = 0; i < values.length; i++) {
    const red = rgba[4 * i],
      green = rgba[4 * i + 1],
      blue = rgba[4 * i + 2],
      alpha = rgba[4 * i + 3];
    values[i] = floorDivide(299 * red + 587 * green + 114 * blue + 500, 1000);
    shown += values[i] * alpha;
    alphas += alpha;
  }
  const paper = 2 * shown > 255 * alphas ? 0 : 255;
  for (let i = 0; i < values.length; i++) {
    const alpha = rgba[4 * i + 3];
    values[i] = floorDivide(values[i] * alpha + paper * (255 - alpha) + 127, 255);
  }
  return plane;
}

// Step 2.
function reduced(grey) {
  const factor = Math.ceil(Math.max(grey.height, grey.width) / LONGEST);
  if (factor <= 1) return grey;
  const rows = Math.min(factor, grey.height),
    columns = Math.min(factor, grey.width);
  const small = planeOf(floorDivide(grey.height, rows), floorDivide(grey.width, columns));
  const area = rows * columns;
  for (let row = 0; row < small.height; row++) {
    for (let column = 0; column < small.width; column++) {
      let sum = 0;
      for (let i = row * rows; i < (row + 1) * rows; i++)
        for (let j = column * columns; j < (column + 1) * columns; j++)
          sum += grey.values[i * grey.width + j];
      small.values[row * small.width + column] = floorDivide(2 * sum + area, 2 * area);
    }
  }
  return small;
}

function medianOf(values) {
  return Float64Array.from(values).sort()[floorDivide(values.length, 2)];
}

const rowOf = ({ values, width }, row) => values.subarray(row * width, (row + 1) * width);
const columnOf = ({ values, height, width }, column) =>
  Float64Array.from({ length: height }, (_, row) => values[row * width + column]);

// The first and last row, and the first and last column.
const borderOf = (plane) => [
  rowOf(plane, 0),
  rowOf(plane, plane.height - 1),
  columnOf(plane, 0),
  columnOf(plane, plane.width - 1),
];

// Step 3.
function paperOf(grey) {
  const border = borderOf(grey).flatMap((side) => Array.from(side));
  const paper = medianOf(border);
  return { paper, noise: medianOf(border.map((value) => Math.abs(value - paper))) };
}

// Step 4: the picture without the light that falls from one side.
function evenlyLit(grey) {
  const { height, width } = grey,
    [top, bottom, left, right] = borderOf(grey).map(medianOf);
  const lit = planeOf(height, width);
  const shade = (difference, place, size) =>
    floorDivide(difference * (2 * place - size + 1), 2 * Math.max(size - 1, 1));
  for (let row = 0; row < height; row++) {
    const down = shade(bottom - top, row, height);
    for (let column = 0; column < width; column++) {
      const at = row * width + column;
      lit.values[at] = grey.values[at] - down - shade(right - left, column, width);
    }
  }
  return lit;
}

// Steps 3 to 6: how much each pixel differs from the paper; null where there is no ink.
function inkOf(grey) {
  let { paper, noise } = paperOf(grey);
  const lit = evenlyLit(grey),
    other = paperOf(lit);
  if (2 * other.noise < noise) {
    grey = lit;
    ({ paper, noise } = other);
  }
  const strength = (ink) => ink.reduce((sum, v) => (v >= NOISE * noise ? sum + v * v : sum), 0);
  const dark = grey.values.map((value) => Math.max(paper - value, 0));
  const light = grey.values.map((value) => Math.max(value - paper, 0));
  const values = strength(dark) >= strength(light) ? dark : light;
  const peak = values.reduce((a, b) => Math.max(a, b), 0);
  if (peak < FAINTEST || 3 * peak < 4 * NOISE * noise) return null;
  const least = Math.min(Math.max(10 * NOISE * noise, 2 * peak), 5 * peak);
  const ink = { ...grey, values: values.map((value) => (10 * value < least ? 0 : value)) };
  return withoutSpecks(ink);
}

// Step 7. Pieces are found by walking from pixel to pixel.
function withoutSpecks(ink) {
  const { values, height, width } = ink;
  const piece = new Int32Array(values.length),
    masses = [0]; // of each pixel, its piece: from 1 on
  const waiting = [];
  for (let start = 0; start < values.length; start++) {
    if (values[start] === 0 || piece[start] !== 0) continue;
    const number = masses.length;
    masses.push(0);
    piece[start] = number;
    waiting.push(start);
    while (waiting.length > 0) {
      const at = waiting.pop(),
        row = floorDivide(at, width),
        column = at % width;
      masses[number] += values[at];
      for (let i = Math.max(row - 1, 0); i <= Math.min(row + 1, height - 1); i++) {
        for (let j = Math.max(column - 1, 0); j <= Math.min(column + 1, width - 1); j++) {
          const next = i * width + j;
          if (values[next] === 0 || piece[next] !== 0) continue;
          piece[next] = number;
          waiting.push(next);
        }
      }
    }
  }
  const heaviest = masses.reduce((a, b) => Math.max(a, b));
  return { ...ink, values: values.map((v, at) => (SPECK * masses[piece[at]] < heaviest ? 0 : v)) };
}

// Step 8: how much of each of `size` pixels each of `cells` new ones covers: [{first, parts}].
function coverOf(size, cells) {
  return Array.from({ length: cells }, (_, cell) => {
    const first = floorDivide(cell * size, cells),
      parts = [];
    for (let pixel = first; pixel * cells < (cell + 1) * size; pixel++)
      parts.push(
        Math.min((cell + 1) * size, (pixel + 1) * cells) - Math.max(cell * size, pixel * cells),
      );
    return { first, parts };
  });
}

function boxOf({ values, height, width }) {
  let top = height,
    bottom = -1,
    left = width,
    right = -1;
  values.forEach((value, at) => {
    if (value === 0) return;
    const row = floorDivide(at, width),
      column = at % width;
    top = Math.min(top, row);
    bottom = Math.max(bottom, row);
    left = Math.min(left, column);
    right = Math.max(right, column);
  });
  return { top, left, height: bottom - top + 1, width: right - left + 1 };
}

// Steps 8 to 10: ink as SIDE x SIDE bytes; null where there is none.
function fitted(ink) {
  const box = boxOf(ink);
  if (box.height <= 0) return null;
  const longer = Math.max(box.height, box.width);
  const side = (size) => Math.max(1, floorDivide(2 * BOX * size + longer, 2 * longer));
  const height = side(box.height),
    width = side(box.width);
  const rows = coverOf(box.height, height),
    columns = coverOf(box.width, width);
  const sums = [];
  for (const row of rows) {
    for (const column of columns) {
      let sum = 0;
      row.parts.forEach((down, i) => {
        const at = (box.top + row.first + i) * ink.width + box.left + column.first;
        column.parts.forEach((right, j) => (sum += down * right * ink.values[at + j]));
      });
      sums.push(sum);
    }
  }
  const highest = Math.max(...sums);
  const values = sums.map((sum) => floorDivide(510 * sum + highest, 2 * highest));
  const total = values.reduce((a, b) => a + b);
  const start = (moment, size) => {
    const place = floorDivide((2 * CENTRE + 1) * total - 2 * moment, 2 * total);
    return Math.min(Math.max(place, 0), SIDE - size);
  };
  const top = start(
    values.reduce((sum, v, i) => sum + v * floorDivide(i, width), 0),
    height,
  );
  const left = start(
    values.reduce((sum, v, i) => sum + v * (i % width), 0),
    width,
  );
  const digit = new Uint8Array(SIDE * SIDE);
  values.forEach((v, i) => (digit[(top + floorDivide(i, width)) * SIDE + left + (i % width)] = v));
  return digit;
}

// What utils.prepare_digits makes of one picture: null where it raises because there is no ink.
function prepared(rgba, height, width) {
  const ink = inkOf(reduced(greyOf(rgba, height, width)));
  return ink && fitted(ink);
}

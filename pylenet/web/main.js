// The page: what is drawn goes into every network, and everything that comes of it is shown.

const data = JSON.parse(document.getElementById("data").textContent);
const images = imagesOf(data.images);
const find = (id) => document.getElementById(id);

let spoken = 0;
// Says it to screen readers, once nothing new has come for a while.
function announce(text) {
  clearTimeout(spoken);
  spoken = setTimeout(() => (find("spoken").textContent = text), 400);
}

function tell(text) {
  find("message").textContent = text;
}

function start(networks) {
  const sheet = new Sheet(find("sheet"), find("cursor"), changed);
  let pixels = null; // what the networks see; null where nothing is drawn
  let waiting = 0; // for the next frame
  const latencies = []; // of the last predictions with all maps, in milliseconds

  const closeAll = () => {
    for (const column of columns) column.close();
    closePixel();
  };
  const columns = networks.map((network) => new Column(network, closeAll, choosePixel));
  for (const column of columns) column.onwindow = (places) => seen.mark(places, "window");

  // What the networks see

  const seen = new Maps({
    shape: [SIDE, SIDE, 1],
    largest: 5 * SIDE,
    label:
      "what the networks see, 28 by 28 pixels. Arrow keys go from pixel to pixel, Enter explains one.",
    describe: (place, value) =>
      `row ${Math.floor(place / SIDE) + 1}, column ${(place % SIDE) + 1}: ${value}`,
    onchoose: (place) => choosePixel(place),
  });
  seen.layout(5 * SIDE);
  find("seen").append(seen.frame, seen.readout);
  let chosenPixel = -1;

  function choosePixel(place) {
    closeAll();
    chosenPixel = place;
    explainPixel();
    seen.tell(place);
    announce(find("pixel").textContent);
  }

  function closePixel() {
    chosenPixel = -1;
    find("pixel").replaceChildren();
    seen.unmark();
  }

  // How a pixel goes into each network.
  function explainPixel() {
    const lines = networks.map((network) => {
      const pixel = pixels ? pixels[chosenPixel] : 0;
      return element(
        "p",
        {},
        `${network.name} takes ${pixel}${network.scalingWords} = `,
        element("b", {}, wholeNumber(network.scaledPixel(pixel))),
      );
    });
    find("pixel").replaceChildren(...lines);
    seen.mark([chosenPixel], "chosen");
  }

  // What is drawn as SIDE x SIDE pixels: a test digit alone on the sheet as it is.
  function look() {
    if (sheet.shown.length === 0) return null;
    const digit = sheet.alone("digit"),
      picture = sheet.alone("picture");
    if (digit) return digit.pixels;
    const prepare = find("prepare").checked;
    if (picture && prepare) return fitted(picture.ink);
    const { ink } = sheet;
    return prepare ? fitted(withoutSpecks(ink)) : unprepared(ink);
  }

  function howSeen() {
    if (pixels === null) return "";
    if (sheet.alone("digit")) return "A test digit, as it is in the data set.";
    if (!find("prepare").checked) return "The sheet as it is, averaged over squares.";
    return "Fitted into 20×20, its centre of mass in the middle, as MNIST's digits are.";
  }

  function changed() {
    if (!waiting) waiting = requestAnimationFrame(update);
  }

  function update() {
    waiting = 0;
    pixels = look();
    find("hint").hidden = sheet.shown.length > 0;
    find("undo").disabled = sheet.things.length === 0;
    find("clear").disabled = sheet.shown.length === 0;
    showAll();
    find("how").textContent = howSeen();
    find("verdict").replaceChildren(...columns.map(verdictOf));
    announce(columns.map((column) => `${column.network.name}: ${column.words()}`).join(". "));
    if (chosenPixel >= 0) explainPixel();
  }

  // The prediction and all its pictures.
  function showAll() {
    const start = performance.now();
    seen.drawGrey(pixels);
    for (const column of columns) column.show(pixels && column.network.values(pixels));
    if (pixels !== null) latencies.push(performance.now() - start);
    if (latencies.length > 100) latencies.shift();
  }

  function verdictOf(column) {
    const { network, result } = column;
    const best = result && network.ranking(result)[0];
    const how = result && network.outputs === "probabilities" ? percent(result[best]) : "";
    const answer = result ? network.classes[best] : "–";
    return element(
      "div",
      {},
      element("b", { class: answer.length > 2 ? "long" : undefined }, answer),
      element("small", {}, network.name, element("br"), how),
    );
  }

  // Test digits

  data.labels.forEach((label, index) => {
    const name = data.classes[label],
      picture = inkPicture(images[index], SIDE, SIDE, 1);
    picture.setAttribute("aria-hidden", "true");
    const load = () => sheet.add({ kind: "digit", pixels: images[index], instead: true });
    const title = `test image ${index + 1}: ${name}`;
    find("digits").append(
      element("button", { type: "button", title, "aria-label": title, onclick: load }, picture),
    );
  });
  find("test").hidden = data.labels.length === 0;

  // Pictures

  async function open(file) {
    try {
      const ink = await inkOfFile(file);
      tell(ink ? "" : "That picture shows nothing that differs from its border.");
      if (ink) sheet.add({ kind: "picture", ink, instead: true });
    } catch {
      tell(`${file.name || "That"} is no picture that this browser can read.`);
    }
  }

  function openFirst(list) {
    const file = Array.from(list).find(({ type }) => type.startsWith("image/"));
    if (file) open(file);
    else if (list.length > 0) tell("That is no picture.");
  }

  find("open").addEventListener("click", () => find("file").click());
  find("file").addEventListener("change", (event) => {
    if (event.target.files.length > 0) open(event.target.files[0]);
    event.target.value = ""; // so that the same file can be opened again
  });
  document.addEventListener("paste", (event) => openFirst(event.clipboardData.files));
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    openFirst(event.dataTransfer.files);
  });

  // Tools

  find("undo").addEventListener("click", () => sheet.undo());
  find("clear").addEventListener("click", () => sheet.clear());
  find("width").addEventListener("input", (event) => (sheet.penWidth = Number(event.target.value)));
  find("prepare").addEventListener("change", changed);
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && !event.shiftKey && event.key.toLowerCase() === "z") {
      event.preventDefault();
      sheet.undo();
    }
    if (event.key === "Escape") closeAll();
    if (event.key === "Delete" && event.target === sheet.canvas) sheet.clear();
  });

  // Layout and colours

  let width = 0; // of the networks, as they were laid out; explanations change their height alone
  function fit() {
    if (find("networks").clientWidth !== width) layout();
  }

  function layout() {
    width = find("networks").clientWidth;
    choosePalette();
    for (const column of columns) column.layout();
    showAll();
  }

  find("networks").append(...columns.map((column) => column.element));
  new ResizeObserver(fit).observe(find("networks"));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", layout);
  // Printed in light colours.
  for (const [event, printing] of [
    ["beforeprint", true],
    ["afterprint", false],
  ]) {
    window.addEventListener(event, () => {
      document.documentElement.classList.toggle("printing", printing);
      layout();
    });
  }
  layout();
  update();

  // The check, once the page is there

  function check() {
    const wrong = networks.filter((network) => !network.isAsExpected(images));
    const exact = networks.every(({ expected }) => expected.exact);
    const what = [
      networks.some((network) => network.isInWholeNumbers) && "integers",
      networks.some((network) => !network.isInWholeNumbers) && "bits",
    ].filter(Boolean);
    const names = wrong.map(({ name }) => name).join(" and ");
    find("check").textContent =
      wrong.length > 0
        ? `This browser does not compute as pylenet does (${names}): do not trust what the page shows.`
        : `Self-check passed: ${images.length} images gave ` +
          (exact
            ? `the very ${what.join(" and ")} that pylenet ${data.version} gave.`
            : `what pylenet ${data.version} gave, to 4 digits.`);
    find("check").classList.toggle("failed", wrong.length > 0);
    if (wrong.length > 0) find("check").setAttribute("role", "alert");
    return wrong.length === 0;
  }
  setTimeout(check, 0);

  const ofEach = (f) => Object.fromEntries(networks.map((network) => [network.name, f(network)]));

  // For the browser's console. image: 784 pixels from 0 to 255, row by row; rgba: a picture's bytes.
  return {
    predict: (image) => ofEach((network) => network.predict(image)),
    scores: (image) => ofEach((network) => network.scores(image)),
    prepare: prepared,
    seen: () => pixels,
    latencies,
    check,
  };
}

window.pylenet = Promise.all(data.networks.map((network) => Network.of(network, data.classes)))
  .then(start)
  .then((page) => (window.pylenet = page))
  .catch(failed);

// A network on the page: its answer, and a card for each of its nodes.

class Card {
  constructor(column, node, index) {
    const { network } = column,
      { output, layers } = node.node;
    this.node = node;
    this.index = index;
    // The last nodes, as a dense one and its softmax, have a value for each class.
    const ofClasses = network.nodes
      .slice(index)
      .every(
        ({ node: { output: later } }) =>
          later[0] * later[1] === 1 && later[2] === network.classes.length,
      );
    this.view = { shape: output, classes: ofClasses ? network.classes : null };
    const size = sizeWords(this.view);
    this.legend = new Legend();
    this.maps = new Maps({
      shape: output,
      label: `${layers.join(", ")}, ${node.words}: ${size}. Arrow keys go from value to value, Enter explains one.`,
      describe: (place, value) => `${nameOf(this.view, place)}: ${wholeNumber(value)}`,
      onchoose: (place) => column.choose(index, place),
    });
    const heading = element("h3", {}, layers[0], element("small", {}, ` ${node.words} → ${size}`));
    this.element = element(
      "section",
      { class: "card" },
      heading,
      this.maps.frame,
      element("div", { class: "below" }, this.legend.bar, this.maps.readout),
    );
    if (node.filters) this.addFilters(node.filters);
  }

  addFilters({ shape, values, perRow, words }) {
    const legend = new Legend();
    const filters = new Maps({
      shape,
      perRow,
      label: `filters: ${shape[2]} of ${shape[0]} by ${shape[1]} weights. Arrow keys go from weight to weight.`,
      describe: (place, value) => `${words(place % shape[2])}: ${wholeNumber(value)}`,
      onchoose: (place) => {
        filters.mark([place], "chosen");
        filters.tell(place);
      },
    });
    const most = largestOf(values);
    legend.show(most);
    this.filters = { maps: filters, values, most };
    this.element.append(
      element("h4", {}, "filters"),
      filters.frame,
      element("div", { class: "below" }, legend.bar, filters.readout),
    );
  }

  layout(room) {
    this.maps.layout(room);
    if (!this.filters) return;
    this.filters.maps.layout(room);
    this.filters.maps.draw(this.filters.values, this.filters.most);
  }

  draw(values) {
    const most = values === null ? 1 : largestOf(values);
    this.maps.draw(values, most);
    this.legend.show(most);
  }
}

function sizeWords({ shape: [height, width, channels], classes }) {
  if (height * width > 1) return `${channels} maps of ${height}×${width}`;
  return `${channels} ${classes ? "classes" : "units"}`;
}

class Column {
  // oninput(place): a pixel of the input was chosen in the explanation of what it went into.
  constructor(network, onselect, oninput) {
    this.network = network;
    this.onselect = onselect;
    this.oninput = oninput;
    this.values = null;
    this.chosen = null; // {index, place}
    this.bars = network.classes.map((name, place) => this.bar(name, place));
    const arithmetic = network.isInWholeNumbers ? "in whole numbers" : "in float32";
    this.title = element("h2", {}, network.name, element("small", {}, ` ${arithmetic}`));
    this.answer = element("p", { class: "answer" });
    this.cards = network.nodes.map((node, index) => new Card(this, node, index));
    this.explanation = new Explanation(
      (place) => this.follow(place),
      () => this.close(),
    );
    const list = element("ol", { class: "bars" }, ...this.bars.map(({ item }) => item));
    const longest = Math.max(...network.classes.map((name) => name.length));
    list.style.setProperty("--label", `${0.6 * (longest + 1)}rem`);
    const outputs = element("div", { class: "outputs" }, this.answer, list);
    this.element = element(
      "section",
      { class: "network", "aria-label": network.name },
      this.title,
      outputs,
      ...this.cards.map(({ element: card }) => card),
    );
    this.outputs = outputs;
  }

  bar(name, place) {
    const fill = element("i"),
      text = element("b");
    const label = element("span", { class: "class" }, name);
    const button = element(
      "button",
      { type: "button", onclick: () => this.choose(this.cards.length - 1, place, this.outputs) },
      label,
      element("span", { class: "track" }, fill),
      text,
    );
    return { item: element("li", {}, button), fill, text };
  }

  layout() {
    const room = Math.max(120, this.element.clientWidth - 26);
    for (const card of this.cards) card.layout(room);
    this.drawCards();
    if (this.chosen) this.explain(); // marks stand elsewhere now
  }

  // values: of network.values, or null where nothing is drawn.
  show(values) {
    this.values = values;
    this.drawCards();
    this.drawOutputs();
    if (this.chosen) this.explain();
  }

  drawCards() {
    for (const card of this.cards) card.draw(this.values && this.values[card.index + 1]);
  }

  get result() {
    return this.values && this.values[this.values.length - 1];
  }

  drawOutputs() {
    const { network, result } = this,
      probabilities = network.outputs === "probabilities";
    const most = result && (probabilities ? 1 : largestOf(result));
    const best = result && network.ranking(result)[0];
    this.bars.forEach(({ item, fill, text }, place) => {
      const share = result ? Math.min(1, Math.abs(result[place]) / most) : 0;
      fill.style.width = `${100 * share}%`;
      text.textContent = result
        ? probabilities
          ? percent(result[place])
          : shortNumber(result[place])
        : "";
      item.classList.toggle("best", place === best);
    });
    this.answer.textContent = this.words();
  }

  // The answer in a sentence.
  words() {
    const { network, result } = this;
    if (!result) return "nothing to read yet";
    const [best, second] = network.ranking(result),
      name = (place) => network.classes[place];
    if (network.outputs === "probabilities")
      return `${name(best)}, ${percent(result[best])}; then ${name(second)}, ${percent(result[second])}`;
    const what = network.outputs === "distances" ? "the least distance" : "the highest score";
    return `${name(best)}, ${what}: ${shortNumber(result[best])}; then ${name(second)}, ${shortNumber(result[second])}`;
  }

  // host: where the explanation stands.
  choose(index, place, host = this.cards[index].element) {
    this.onselect();
    this.chosen = { index, place };
    host.append(this.explanation.panel);
    this.explain();
    this.cards[index].maps.tell(place);
    announce(
      `${this.explanation.title.textContent}. ${this.explanation.body.lastChild.textContent}`,
    );
    this.explanation.panel.scrollIntoView({ block: "nearest" });
  }

  // To the value that a term's input is.
  follow(place) {
    const { index } = this.chosen;
    if (index === 0) this.oninput(place);
    else this.choose(index - 1, place);
  }

  explain() {
    const { index, place } = this.chosen,
      card = this.cards[index];
    const title = `${this.nameOf(card)}, ${nameOf(card.view, place)}`;
    this.unmark();
    card.maps.mark([place], "chosen");
    if (this.values === null) {
      this.explanation.say(title, "Nothing is drawn yet.");
      return;
    }
    const before = index === 0 ? null : this.cards[index - 1];
    const shape = before ? before.view.shape : [SIDE, SIDE, 1];
    const explained = card.node.explain(this.values[index], place);
    const places = this.explanation.show(title, explained, { shape });
    if (before) before.maps.mark(places, "window");
    else this.onwindow(places);
  }

  // Its layer, and what it computes where that layer has several cards.
  nameOf({ node }) {
    const [name] = node.node.layers;
    const alike = this.cards.filter((card) => card.node.node.layers[0] === name);
    return alike.length > 1 ? `${name} (${node.words})` : name;
  }

  unmark() {
    for (const card of this.cards) card.maps.unmark();
    this.onwindow([]);
  }

  close() {
    if (!this.chosen) return;
    this.chosen = null;
    this.unmark();
    this.explanation.panel.remove();
  }
}

// The marking panel: what is on the screen travels with the click that stores it, in one message, so that no other
// message can be overtaken. Everything can be done without a mouse: regions, words and columns are lists and buttons.
const KINDS = { must_not: "must not look here", must: "must look here" };

function render({ model, el }) {
  let item, masks, undo, kind = "must_not", erasing = false, waiting = 0;
  const root = tag("div", { className: "wb-panel wb-annotate" });
  const head = tag("p", { className: "wb-head", "aria-live": "polite" });
  const stage = tag("div", { className: "wb-stage" });
  const said = tag("div", { className: "wb-said", role: "status", "aria-live": "polite" });

  const which = choice("Mark what the model", "kind", Object.entries(KINDS), kind, value => { kind = value; });
  const eraser = tag("input", { type: "checkbox", className: "wb-erase" });
  eraser.addEventListener("change", () => { erasing = eraser.checked; });
  const size = tag("input", { type: "range", min: 0, max: 8, value: 1, className: "wb-size" });
  const back = tag("button", { type: "button", className: "wb-undo", textContent: "Undo mark" });
  const clear = tag("button", { type: "button", className: "wb-clear", textContent: "Clear marks" });
  const tools = tag("div", { className: "wb-tools" }, which, back, clear);
  const brushes = tag("div", { className: "wb-tools" }, tag("label", {}, "Brush ", size), tag("label", {}, eraser, " erase"));

  const verdict = choice("The model's answer is", "verdict", [["right", "right"], ["wrong", "wrong"], ["unsure", "I am unsure"]], null);
  const answer = tag("select", { className: "wb-answer" });
  const scale = [["1", "1"], ["2", "2"], ["3", "3"], ["4", "4"], ["5", "5"]];
  const understandable = choice("Understandable (1 not at all, 5 fully)", "understandable", scale, null);
  const matches = choice("Matches my reasons (1 to 5)", "matches", scale, null);
  const comment = tag("textarea", { className: "wb-comment", rows: 2, maxLength: 2000 });
  const store = tag("button", { type: "button", className: "wb-go wb-store", textContent: "Store decision" });
  const retract = tag("button", { type: "button", className: "wb-retract", textContent: "Take the last one back", disabled: true });
  const previous = tag("button", { type: "button", className: "wb-previous", textContent: "Previous input" });
  const next = tag("button", { type: "button", className: "wb-next", textContent: "Next input" });

  root.append(head, stage, tools, verdict, tag("label", {}, "My own answer ", answer), understandable, matches,
    tag("label", { className: "wb-wide" }, "Comment ", comment), tag("div", { className: "wb-tools" }, store, retract, previous, next), said);
  el.append(root);

  const count = which => masks[which].reduce((sum, one) => sum + one, 0);
  const remember = () => { undo.push({ must: masks.must.slice(), must_not: masks.must_not.slice() }); if (undo.length > 100) undo.shift(); };
  function set(places, value) {
    for (const place of places) {
      masks[kind][place] = value;
      if (value) masks[kind === "must" ? "must_not" : "must"][place] = 0;
    }
  }
  let draw = () => {};
  function tell() {
    const parts = Object.keys(KINDS).filter(which => count(which)).map(which => `${count(which)} ${item.unit} ${KINDS[which]}`);
    said.textContent = parts.length ? `Marked: ${parts.join("; ")}. Store the decision to keep it.` : "Nothing is marked yet. Mark a part, or judge the answer, then store.";
  }

  function picture() {
    const canvas = tag("canvas", { className: "wb-mask", width: item.width, height: item.height, tabIndex: 0,
      "aria-label": "input; the list of regions beside it does the same without a mouse" });
    const zoom = Math.max(1, Math.floor(280 / Math.max(item.width, item.height)));
    canvas.style.width = `${item.width * zoom}px`; canvas.style.height = `${item.height * zoom}px`;
    const pen = canvas.getContext("2d"), image = new Image();
    draw = () => {
      pen.drawImage(image, 0, 0, item.width, item.height);
      const seen = pen.getImageData(0, 0, item.width, item.height), d = seen.data;
      for (let i = 0; i < masks.must.length; i++) {
        const x = i % item.width, y = Math.floor(i / item.width);
        // A second cue beside the colour: stripes for "must not", dots for "must".
        if (masks.must_not[i]) { const strong = (x + y) % 2 ? 1 : 0.55; d[4 * i] = 213 * strong + d[4 * i] * (1 - strong); d[4 * i + 1] = 94 * strong; d[4 * i + 2] = 0; }
        if (masks.must[i]) { const strong = x % 2 && y % 2 ? 0.4 : 1; d[4 * i] = 0; d[4 * i + 1] = 114 * strong + d[4 * i + 1] * (1 - strong); d[4 * i + 2] = 178; }
      }
      pen.putImageData(seen, 0, 0);
    };
    image.onload = draw; image.src = `data:image/png;base64,${item.png}`;
    const at = e => { const b = canvas.getBoundingClientRect(); return [Math.floor((e.clientX - b.left) * item.width / b.width), Math.floor((e.clientY - b.top) * item.height / b.height)]; };
    function dab([x, y]) {
      const r = Number(size.value), places = [];
      for (let j = Math.max(0, y - r); j <= Math.min(item.height - 1, y + r); j++)
        for (let i = Math.max(0, x - r); i <= Math.min(item.width - 1, x + r); i++)
          if ((i - x) ** 2 + (j - y) ** 2 <= r * r) places.push(j * item.width + i);
      set(places, erasing ? 0 : 1);
    }
    function line(a, b) {
      const n = Math.max(Math.abs(b[0] - a[0]), Math.abs(b[1] - a[1]), 1);
      for (let k = 0; k <= n; k++) dab([Math.round(a[0] + (b[0] - a[0]) * k / n), Math.round(a[1] + (b[1] - a[1]) * k / n)]);
      draw();
    }
    let last = null;
    canvas.onpointerdown = e => { canvas.setPointerCapture(e.pointerId); remember(); last = at(e); line(last, last); };
    canvas.onpointermove = e => { if (last) { const here = at(e); line(last, here); last = here; } };
    canvas.onpointerup = () => { if (last) { last = null; tell(); } };
    const regions = tag("select", { multiple: true, size: 8, className: "wb-regions" });
    item.regions.forEach((region, i) => regions.append(tag("option", { value: i, textContent: region.name })));
    const places = () => [...regions.selectedOptions].flatMap(option => item.regions[option.value].places);
    const act = (text, value, name) => {
      const button = tag("button", { type: "button", textContent: text, className: name });
      button.onclick = () => { remember(); set(places(), value); draw(); tell(); };
      return button;
    };
    const shown = tag("img", { src: `data:image/png;base64,${item.map}`, alt: item.alt, className: "wb-map" });
    shown.style.width = canvas.style.width; shown.style.height = canvas.style.height;
    stage.replaceChildren(
      tag("figure", {}, canvas, tag("figcaption", { textContent: "mark here" })),
      tag("figure", {}, shown, tag("figcaption", { textContent: item.caption })),
      tag("div", { className: "wb-list" }, tag("label", {}, "Regions ", regions), act("Mark these", 1, "wb-mark"), act("Unmark these", 0, "wb-unmark"), brushes));
  }

  function units() {
    const list = tag("div", { className: "wb-units", role: "group", "aria-label": `${item.unit} to mark` });
    const buttons = item.units.map((unit, i) => {
      const button = tag("button", { type: "button", className: "wb-unit", textContent: unit.text, title: `attribution ${unit.value}`, disabled: unit.fixed });
      button.style.setProperty("--wb-shade", unit.shade);
      button.onclick = () => { remember(); const marked = unit.places.every(p => masks[kind][p]); set(unit.places, marked ? 0 : 1); draw(); tell(); };
      return button;
    });
    draw = () => buttons.forEach((button, i) => {
      const state = Object.keys(KINDS).find(which => item.units[i].places.length && item.units[i].places.every(p => masks[which][p]));
      button.setAttribute("aria-pressed", state ? "true" : "false");
      button.dataset.state = state ?? "";
    });
    list.append(...buttons);
    stage.replaceChildren(list, tag("p", { className: "wb-caption", textContent: item.caption }));
    draw();
  }

  function show() {
    item = model.get("item");
    masks = { must: new Uint8Array(item.size), must_not: new Uint8Array(item.size) };
    undo = [];
    head.textContent = item.title;
    answer.replaceChildren(tag("option", { value: "", textContent: "no answer" }), ...item.classes.map(name => tag("option", { value: name, textContent: name })));
    for (const box of [verdict, understandable, matches]) box.reset(null);
    comment.value = "";
    item.png ? picture() : units();
    previous.disabled = item.at === 0; next.disabled = item.at === item.of - 1;
    tell();
  }

  const marked = which => [...masks[which].keys()].filter(i => masks[which][i]);
  function send(message) { waiting += 1; store.disabled = true; model.send({ ...message, row_id: item.row_id, at: item.at }); }
  back.onclick = () => { const before = undo.pop(); if (before) { masks = before; draw(); tell(); } };
  clear.onclick = () => { remember(); masks.must.fill(0); masks.must_not.fill(0); draw(); tell(); };
  store.onclick = () => send({ do: "store", must: marked("must"), must_not: marked("must_not"), prediction: verdict.value(), answer: answer.value || null,
    understandable: understandable.value(), matches: matches.value(), comment: comment.value });
  retract.onclick = () => send({ do: "retract" });
  previous.onclick = () => send({ do: "go", to: item.at - 1 });
  next.onclick = () => send({ do: "go", to: item.at + 1 });
  root.addEventListener("keydown", e => {
    if (e.ctrlKey && e.key === "z" && e.target !== comment) { e.preventDefault(); back.click(); }
    if (["TEXTAREA", "SELECT", "INPUT"].includes(e.target.tagName)) return;
    if (e.key === "n" && !next.disabled) next.click();
    if (e.key === "p" && !previous.disabled) previous.click();
  });
  model.on("msg:custom", reply => {
    waiting -= 1; store.disabled = waiting > 0;
    if (reply.stored !== undefined) retract.disabled = !reply.can_retract;
    if (reply.said) { said.textContent = reply.said; said.dataset.error = reply.error ? "true" : "false"; }
  });
  model.on("change:item", show);
  show();
}
export default { render };

// The quiz: a page at a time. The click carries the page's number and what was chosen on it; the next page comes with the reply.
function picture(figure) {
  const zoom = Math.max(1, Math.floor(240 / Math.max(figure.width, figure.height)));
  const shown = (data, text) => {
    const image = tag("img", { src: `data:image/png;base64,${data}`, alt: text, className: "wb-map" });
    image.style.width = `${figure.width * zoom}px`; image.style.height = `${figure.height * zoom}px`;
    return tag("figure", {}, image, tag("figcaption", { textContent: text }));
  };
  return [shown(figure.png, "the input"), ...(figure.map ? [shown(figure.map, "how much each place mattered: darker is more")] : [])];
}

function words(figure) {
  const list = tag("p", { className: "wb-units" });
  for (const unit of figure.units) {
    const word = tag("span", { className: "wb-shown", textContent: unit.text });
    word.style.background = unit.shade;
    list.append(word, " ");
  }
  return [list];
}

function render({ model, el }) {
  let item, boxes, since;
  const root = tag("div", { className: "wb-panel wb-quiz" });
  const head = tag("p", { className: "wb-head", tabIndex: -1 });
  const lines = tag("div"), stage = tag("div", { className: "wb-stage" }), asked = tag("form");
  const go = tag("button", { type: "button", className: "wb-go" });
  const progress = tag("progress", { className: "wb-progress", "aria-label": "pages answered" });
  const said = tag("div", { className: "wb-said", role: "status", "aria-live": "polite" });
  root.append(progress, head, lines, stage, asked, tag("div", { className: "wb-tools" }, go), said);
  el.append(root);

  function show(first) {
    item = model.get("item");
    head.textContent = item.title;
    lines.replaceChildren(...item.lines.map(text => tag("p", { textContent: text })));
    stage.replaceChildren(...(!item.figure ? [] : item.figure.png ? picture(item.figure) : words(item.figure)));
    boxes = item.questions.map(q => [q.name, choice(q.legend, q.name, q.options, null)]);
    asked.replaceChildren(...boxes.map(([, box]) => box));
    go.textContent = item.button; go.hidden = !item.button; go.disabled = false;
    [progress.value, progress.max] = item.progress;
    said.textContent = item.questions.length ? "Choose (a digit key does it too), then press the button or Enter." : "";
    said.dataset.error = "false";
    since = performance.now();
    if (first !== true) (asked.querySelector("input") ?? go).focus();
  }

  go.onclick = () => {
    const answers = Object.fromEntries(boxes.map(([name, box]) => [name, box.value()]));
    const open = boxes.find(([, box]) => box.value() === null);
    if (open) { said.textContent = `Not answered: ${open[1].querySelector("legend").textContent}`; said.dataset.error = "true"; open[1].querySelector("input").focus(); return; }
    go.disabled = true;
    model.send({ do: "answer", id: item.id, answers, milliseconds: performance.now() - since });
  };
  asked.onsubmit = e => e.preventDefault();
  root.addEventListener("keydown", e => {
    const inputs = boxes.length === 1 ? [...boxes[0][1].querySelectorAll("input")] : [];
    // A digit is a choice of that name, or else of that place.
    const chosen = /^[0-9]$/.test(e.key) ? inputs.find(input => input.value === e.key) ?? inputs[Number(e.key) - 1] : null;
    if (chosen) { e.preventDefault(); chosen.focus(); chosen.click(); }
    if (e.key === "Enter" && e.target !== go) { e.preventDefault(); go.click(); }
  });
  model.on("msg:custom", reply => {
    go.disabled = false;
    if (reply.said) { said.textContent = reply.said; said.dataset.error = reply.error ? "true" : "false"; }
  });
  model.on("change:item", () => show());
  show(true);
}
export default { render };

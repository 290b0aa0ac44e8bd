// What the panels share: elements, and a choice of one among several by radio buttons.
function tag(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key in made && key !== "list") made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

function choice(legend, name, options, chosen, onchange) {
  const group = `${name}-${Math.random()}`;  // one name, so that arrow keys go through the choices
  const box = tag("fieldset", { className: `wb-choice wb-${name}` }, tag("legend", { textContent: legend }));
  for (const [value, text] of options) {
    const input = tag("input", { type: "radio", name: group, value, checked: value === chosen });
    input.addEventListener("change", () => onchange?.(value));
    box.append(tag("label", {}, input, ` ${text}`));
  }
  box.value = () => box.querySelector("input:checked")?.value ?? null;
  box.reset = value => box.querySelectorAll("input").forEach(o => { o.checked = o.value === value; });
  return box;
}


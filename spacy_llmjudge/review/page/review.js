"use strict";

const $ = (id) => document.getElementById(id);
const TITLES = { certify: "Certify", audit: "Audit", disagreements: "Disagreements", gold: "Gold" };
const LOST = "The server does not answer. What was confirmed as saved is kept: start review again, and open the address that it prints.";
let task = null;
let state = null;
let item = null;
let spans = [];
let chosen = 0;
let label = null;
let more = false;
let waiting = false;
let drag = null;
let queue = Promise.resolve();

const isText = () => task.labels.length > 0 && !task.moves;
const canEdit = () => task.labels.length > 0;
const isChanged = () => JSON.stringify(spans) !== JSON.stringify(item.spans);
const named = (one) => (item && item.shown[one]) || task.shown[one] || one;
const percent = (share) => (100 * share).toFixed(1) + " %";

function setWaiting(value) {
  waiting = value;
  document.body.setAttribute("aria-busy", String(value));
}

function person() {
  return $("name").value.trim() || "reviewer";
}

/* One request after the other: a draft never overtakes the answer that follows it. */
function ask(path, data) {
  const done = queue.then(async () => {
    const options = data === undefined ? {} : {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ by: person(), more, ...data }),
    };
    let response;
    try {
      response = await fetch(path, options);
    } catch (error) {
      throw new Error(LOST);
    }
    if (response.status === 422) throw new Error((await response.json()).error);
    if (!response.ok) throw new Error(await response.text());
    return response.json();
  });
  queue = done.catch(() => {});
  return done;
}

function fail(error) {
  $("alert").textContent = error.message;
}

/* An answer is about what is on the screen: keys that come before the next item is there are passed over. */
async function go(path, data, said) {
  if (waiting) return;
  setWaiting(true);
  try {
    show(await ask(path, data));
    $("alert").textContent = "";
    $("status").textContent = said;
  } catch (error) {
    fail(error);
  }
  setWaiting(false);
}

function answer(kept, said) {
  if (item) go("answer", { item: item.id, spans: kept }, "Saved: " + said + ".");
}

function saveDraft() {
  ask("draft", { item: item.id, spans }).then(
    () => { $("alert").textContent = ""; $("status").textContent = "Change kept; accept to save it."; }, fail);
}

const reload = () => go("state?by=" + encodeURIComponent(person()) + (more ? "&more=1" : ""), undefined, "");

const acts = {
  accept() {
    if (item) answer(spans, isChanged() ? "corrected" : "accepted");
  },
  reject() {
    if (!item) return;
    if (!task.whole) answer([], "rejected");
    else if (!isText() && spans.length) change(spans.filter((_, i) => i !== chosen), chosen);
  },
  skip() {
    if (item) go("skip", { item: item.id }, task.name === "certify" ? "Skipped; it counts as wrong until it is answered." : "Skipped; it comes back at the end.");
  },
  undo() { go("undo", {}, "Taken back."); },
  more() {
    if ($("more").hidden) return;
    more = true;
    reload();
  },
};

function change(next, at) {
  const kept = next[at];
  if (kept && !task.overlaps) next = next.filter((one) => one === kept || one[1] <= kept[0] || kept[1] <= one[0]);
  next.sort((one, two) => one[0] - two[0] || one[1] - two[1]);
  spans = next;
  chosen = Math.max(0, kept ? next.indexOf(kept) : Math.min(at, next.length - 1));
  render();
  saveDraft();
}

function setSpan(start, end) {
  const old = spans[chosen];
  start = Math.max(0, start);
  end = Math.min(item.words.length, end);
  if (!old || start >= end || (start === old[0] && end === old[1])) return;
  change(spans.map((one, i) => (i === chosen ? [start, end, one[2]] : one)), chosen);
}

function setLabel(next) {
  if (!item || !canEdit()) return;
  label = next;
  if (isText() && task.whole && !task.exactly_one) {
    const has = spans.some((one) => one[2] === next);
    change(has ? spans.filter((one) => one[2] !== next) : [...spans, [0, item.words.length, next]], spans.length);
  } else if (isText()) {
    change([[0, item.words.length, next]], 0);
  } else if (spans.length && spans[chosen][2] !== next) {
    change(spans.map((one, i) => (i === chosen ? [one[0], one[1], next] : one)), chosen);
  } else {
    render();
  }
}

function addSpan(start, end) {
  change([...spans, [start, end, label || task.labels[0]]], spans.length);
}

function choose(at) {
  chosen = (at + spans.length) % spans.length;
  label = spans[chosen][2];
  render();
}

/* ---- what is shown ---- */

function make(tag, text, kind) {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (kind) element.className = kind;
  return element;
}

function show(found) {
  state = found;
  item = found.item;
  spans = item ? item.now.map((one) => [...one]) : [];
  chosen = 0;
  label = spans.length ? spans[0][2] : task.labels[0];
  render();
  const first = $("text").querySelector(".in");
  const box = $("item");
  box.scrollTop = first ? first.offsetTop - box.offsetTop - box.clientHeight / 3 : 0;
}

function render() {
  const { done, of, all } = state.progress;
  $("progress").max = of || 1;
  $("progress").value = done;
  $("count").textContent = done + " of " + of;
  $("more").hidden = !(task.name !== "audit" && !more && done >= of && of < all && !(state.certificate && state.certificate.pac));
  for (const id of ["accept", "reject", "skip"]) $(id).disabled = !item;
  $("undo").disabled = !state.mine;
  renderBound();
  renderAgreement();
  $("question").textContent = item ? task.question : "Everything that was planned is answered. Everything is saved; you may close this page and stop the server.";
  $("item").hidden = !item;
  $("labels").hidden = !item || !canEdit();
  $("spans").hidden = !item || !(task.whole || isText());
  $("facts").replaceChildren(...(item ? item.facts : []).map((fact) => make("li", fact)));
  if (!item) return;
  const changed = isChanged();
  $("accept").lastElementChild.textContent = changed ? "accept the correction" : task.whole ? "accept the document" : "right";
  $("reject").lastElementChild.textContent = task.whole ? "remove the span" : "wrong";
  $("reject").hidden = task.whole && isText();
  renderText();
  renderSpans();
  renderLabels();
}

function renderText() {
  const marks = isText() ? [] : spans;
  const pieces = [];
  const covering = (i) => marks.filter(([start, end]) => start <= i && i < end);
  item.words.forEach(([text, space], i) => {
    const here = covering(i);
    const isChosen = task.whole && spans[chosen] && here.includes(spans[chosen]);
    const kind = "word" + (here.length ? " in" : "") + (here.length > 1 ? " nested" : "") + (isChosen ? " now" : "");
    for (const one of here) if (one[0] === i) pieces.push(make("span", "[", "bracket"));
    const word = make("span", text, kind);
    word.dataset.i = i;
    pieces.push(word);
    for (const one of here) if (one[1] === i + 1) pieces.push(make("span", "]", "bracket"), make("span", named(one[2]), "tag"));
    if (!space) return;
    const goes = here.some((one) => one[1] > i + 1);
    const gap = make("span", space, "word" + (goes ? " in" + (isChosen ? " now" : "") : ""));
    gap.dataset.i = i;
    pieces.push(gap);
  });
  $("text").replaceChildren(...pieces);
}

function renderSpans() {
  const rows = spans.map(([start, end, name], i) => {
    const text = item.words.slice(start, end).map((word) => word.join("")).join("").trim();
    const shown = isText() ? named(name) : (text.length > 60 ? text.slice(0, 60) + "\u2026" : text) + " \u2014 " + named(name);
    const button = make("button", shown);
    button.type = "button";
    button.setAttribute("aria-pressed", String(i === chosen));
    button.addEventListener("click", () => choose(i));
    const row = make("li");
    row.append(button);
    return row;
  });
  $("span-list").replaceChildren(...(rows.length ? rows : [make("li", "nothing is marked")]));
}

function renderLabels() {
  const has = (name) => (isText() && task.whole ? spans.some((one) => one[2] === name) : (spans[chosen] ? spans[chosen][2] : label) === name);
  const buttons = task.labels.slice(0, 9).map((name, i) => {
    const button = make("button");
    button.type = "button";
    button.append(make("kbd", String(i + 1)), " " + named(name));
    button.setAttribute("aria-pressed", String(has(name)));
    button.addEventListener("click", () => setLabel(name));
    return button;
  });
  $("label-buttons").replaceChildren(...buttons);
  $("more-labels").hidden = task.labels.length <= 9;
  $("label-select").value = String(task.labels.indexOf(spans[chosen] ? spans[chosen][2] : label));
}

function renderBound() {
  const found = state.certificate;
  $("bound").hidden = !found;
  if (!found) return;
  $("bound-value").textContent = "At most " + percent(found.bound) + " are wrong.";
  let text = found.answered + " random " + task.units + " answered, " + found.wrong + " wrong; 95 % confidence after every answer.";
  if (found.pac) text += " " + found.pac;
  else if (found.needed === null) text += " " + percent(found.share) + " cannot be reached.";
  else if (found.needed) text += " " + found.needed + " more right answers in a row bring it to " + percent(found.share) + ".";
  $("bound-text").textContent = text;
}

function renderAgreement() {
  const said = state.agreement.map((one) => one.first + " and " + one.second + " agree on " + one.same + " of " + one.both);
  $("agreement").textContent = said.length ? said.join("; ") + "." : "";
}

/* ---- keys and pointer ---- */

const KEYS = { a: "accept", x: "reject", " ": "skip", u: "undo", g: "more" };

document.addEventListener("keydown", (event) => {
  if (!task || !state || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, select, textarea")) return;
  if (event.key === " " && event.target.closest("button, summary")) return;
  const key = event.key.toLowerCase();
  if (KEYS[key]) {
    event.preventDefault();
    if (!event.repeat) acts[KEYS[key]]();
    return;
  }
  if (!item || !canEdit()) return;
  if (key >= "1" && key <= "9" && task.labels[key - 1] !== undefined) setLabel(task.labels[key - 1]);
  else if (isText()) return;
  else if (event.shiftKey && spans.length) {
    const [start, end] = spans[chosen];
    const moved = { arrowleft: [start, end - 1], arrowright: [start, end + 1], arrowup: [start - 1, end], arrowdown: [start + 1, end] }[key];
    if (!moved) return;
    event.preventDefault();
    setSpan(...moved);
  } else if (task.whole && key === "n") {
    const taken = (i) => spans.some(([start, end]) => start <= i && i < end);
    const from = spans.length ? spans[chosen][1] : 0;
    const words = item.words.map((_, i) => (from + i) % item.words.length);
    const free = words.find((i) => !taken(i));
    if (free !== undefined) addSpan(free, free + 1);
  } else if (task.whole && spans.length && (key === "arrowleft" || key === "arrowright")) {
    event.preventDefault();
    choose(chosen + (key === "arrowright" ? 1 : -1));
  }
});

function wordAt(event) {
  const found = document.elementFromPoint(event.clientX, event.clientY);
  const word = found && found.closest("#text .word");
  return word ? Number(word.dataset.i) : null;
}

$("text").addEventListener("pointerdown", (event) => {
  const at = wordAt(event);
  if (at === null || !item || !canEdit() || isText() || event.button) return;
  const here = spans.findIndex(([start, end]) => start <= at && at < end);
  if (task.whole && here >= 0 && here !== chosen) choose(here);
  const [start, end] = here >= 0 ? spans[here] : [at, at + 1];
  const anchor = here < 0 || end - start === 1 ? at : at === start ? end - 1 : at === end - 1 ? start : at;
  drag = { anchor, at, isNew: task.whole && here < 0 };
});

document.addEventListener("pointermove", (event) => {
  const at = drag && wordAt(event);
  if (!drag || at === null || at === drag.at) return;
  drag.at = at;
  if (drag.isNew) {
    drag.isNew = false;
    addSpan(Math.min(drag.anchor, at), Math.max(drag.anchor, at) + 1);
  } else {
    if (!spans.length) spans = item.spans.map((one) => [...one]);
    setSpan(Math.min(drag.anchor, at), Math.max(drag.anchor, at) + 1);
  }
});

document.addEventListener("pointerup", () => {
  if (drag && drag.isNew) addSpan(drag.at, drag.at + 1);
  drag = null;
});
document.addEventListener("pointercancel", () => { drag = null; });

/* After a click the focus would stay on the button, and the space bar would press it again. */
document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button && event.detail) button.blur();
});

for (const name of Object.values(KEYS)) $(name).addEventListener("click", () => acts[name]());
$("label-select").addEventListener("change", (event) => {
  setLabel(task.labels[Number(event.target.value)]);
  event.target.blur();
});
$("person").addEventListener("submit", (event) => { event.preventDefault(); $("name").blur(); });
$("name").addEventListener("change", () => {
  try { localStorage.setItem("reviewer", person()); } catch (error) { /* private windows */ }
  reload();
});

async function begin() {
  try { $("name").value = localStorage.getItem("reviewer") || ""; } catch (error) { /* private windows */ }
  if (!$("name").value) $("name").value = "reviewer";
  try {
    task = await ask("task");
    document.title = TITLES[task.name] + " \u2013 review";
    $("title").textContent = TITLES[task.name];
    const options = task.labels.map((name, i) => {
      const option = make("option", named(name));
      option.value = i;
      return option;
    });
    $("label-select").replaceChildren(...options);
    const keys = [["a", task.whole ? "accept the document" : "right, or accept the correction"], ["x", task.whole ? "remove the chosen span" : "wrong"], ["space", "skip"], ["u", "undo"], ["g", "go on after the plan"]];
    if (canEdit()) keys.push(["1 to 9", "label"]);
    if (canEdit() && task.moves) keys.push(["shift + \u2190 \u2192", "move the end"], ["shift + \u2191 \u2193", "move the start"], ["drag", "mark other words"]);
    if (task.whole && task.moves) keys.push(["\u2190 \u2192", "choose another span"], ["n", "new span"]);
    for (const [key, text] of keys) {
      const term = make("dt");
      term.append(make("kbd", key));
      $("keys").append(term, make("dd", text));
    }
    for (const [name, text] of task.meanings) $("meanings").append(make("dt", name), make("dd", text));
    $("guidelines").hidden = !task.meanings.length;
    await reload();
  } catch (error) {
    fail(error);
  }
}

begin();

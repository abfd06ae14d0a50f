"use strict";
const SHOWN = 50;
const rows = JSON.parse(document.getElementById("texts").textContent);
const searched = rows.map((row) => row.join(" ").toLowerCase());
const box = document.getElementById("search");

function element(name, text, className) {
  const made = document.createElement(name);
  made.textContent = text; // never as markup: the texts are strangers'
  made.className = className || "";
  return made;
}

function item([text, where, time, tags, reason]) {
  const made = document.createElement("li");
  const line = element("small", reason ? "" : `${time} · ${tags} · `);
  if (reason) line.append(`${time} · left out: `, element("span", reason, "why"), " · video ");
  line.append(element("code", where, "pick"));
  made.append(text, line);
  return made;
}

function search() {
  const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
  const hits = rows.filter((row, i) => words.every((word) => searched[i].includes(word)));
  const step = Math.ceil(hits.length / SHOWN);
  const shown = hits.filter((row, i) => i % step === 0);
  const some = shown.length < hits.length ? `; these ${shown.length} are from all over` : "";
  const what = words.length ? "found" : "texts";
  document.getElementById("found").textContent = `${hits.length.toLocaleString("en")} ${what}${some}.`;
  document.getElementById("hits").replaceChildren(...shown.map(item));
}

box.addEventListener("input", search);
search();

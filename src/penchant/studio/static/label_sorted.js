// The images that were kept or rejected: one press changes one's mind.

import { Api, Refused } from "./api.js";
import { say } from "./texts.js";

/** @param {string} id @returns {any} */
const element = (id) => document.getElementById(id);
const api = new Api(document.body.dataset.csrf ?? "");
const size = Number(document.body.dataset.pageSize);
let page = 0;

/** @param {string} text instead of images; empty for none */
function face(text) {
  element("nothing").hidden = text === "";
  element("nothing").textContent = text;
  element("grid").hidden = text !== "";
}

async function load() {
  try {
    const answer = await api.get(`/api/v1/labels?label=${element("which").value}&page=${page}`);
    face(answer.count === 0 ? say(`none_${element("which").value}`) : "");
    element("grid").replaceChildren(...answer.images.map(cell));
    const first = page * size + 1;
    const values = { first, last: first + answer.images.length - 1, count: answer.count };
    element("where").textContent = answer.count > 0 ? say("page", values) : "";
    element("fewer").disabled = page === 0;
    element("more").disabled = (page + 1) * size >= answer.count;
  } catch (error) {
    face(error instanceof Refused ? `${error.message}.` : say("lost"));
  }
}

/** @param {string} name */
function cell(name) {
  const item = document.createElement("li");
  const place = name.split("-")[0];
  const image = Object.assign(new Image(), { src: `/label/${name}.png`, alt: say("image", { row: place }), loading: "lazy" });
  const button = Object.assign(document.createElement("button"), { type: "button" });
  item.append(image, button);
  item.className = "labelled";
  word(button, place, element("which").value);
  button.addEventListener("click", () => change(item, button, name, place));
  return item;
}

/** @param {HTMLButtonElement} button @param {string} place @param {string} label that the image has now */
function word(button, place, label) {
  button.dataset.label = label;
  button.textContent = say(label === "keep" ? "reject" : "keep");
  button.setAttribute("aria-label", `${button.textContent}: ${say("image", { row: place })}`);
  button.closest("li")?.classList.toggle("changed", label !== element("which").value);
}

/** @param {HTMLElement} item @param {HTMLButtonElement} button @param {string} name @param {string} place */
async function change(item, button, name, place) {
  const label = button.dataset.label === "keep" ? "reject" : "keep";
  button.disabled = true;
  try {
    await api.post("/api/v1/labels", crypto.randomUUID(), { image: name, label });
    word(button, place, label);
    element("live").textContent = say(label === "keep" ? "kept" : "rejected");
  } catch (error) {
    element("live").textContent = error instanceof Refused ? error.message : say("lost");
  }
  button.disabled = false;
  button.focus();
}

/** @param {number} pages */
function turn(pages) {
  page += pages;
  load();
}

element("which").addEventListener("change", () => ((page = 0), load()));
element("fewer").addEventListener("click", () => turn(-1));
element("more").addEventListener("click", () => turn(1));
load();

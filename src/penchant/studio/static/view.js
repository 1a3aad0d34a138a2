// What the page shows; it knows nothing of votes or servers.

import { say } from "./texts.js";

/** @param {string} id @returns {any} */
const element = (id) => document.getElementById(id);

/** @param {string} tag @param {string} text */
const made = (tag, text) => Object.assign(document.createElement(tag), { textContent: text });

export class View {
  #frames = { left: element("left"), right: element("right") };

  /** @param {string} text said by screen readers */
  say(text) {
    element("live").textContent = text;
  }

  /** @param {string} text a strip above the images; empty for none */
  strip(text) {
    if (element("strip").textContent !== text) element("strip").textContent = text;
  }

  /** @param {string} text taken away, if it is still the one */
  unstrip(text) {
    if (element("strip").textContent === text) this.strip("");
  }

  /** @param {import("./pairs.js").Pair} pair */
  show(pair) {
    document.body.dataset.state = "asking";
    element("pair").hidden = false;
    element("message").hidden = true;
    this.#frames.left.replaceChildren(pair.left);
    this.#frames.right.replaceChildren(pair.right);
  }

  /** Empty frames of the same size while there is no pair. */
  wait() {
    document.body.dataset.state = "waiting";
    this.#frames.left.replaceChildren();
    this.#frames.right.replaceChildren();
  }

  /** @param {"left" | "right"} side a line around the frame that fades */
  mark(side) {
    const frame = this.#frames[side];
    frame.classList.remove("chosen");
    void frame.offsetWidth; // so that the same side twice fades twice
    frame.classList.add("chosen");
  }

  /** @param {{votes: number, wanted: number | null, learned: {topic: string, text: string}[]}} progress
   *  where nobody asked for a number of votes, `wanted` is null */
  progress({ votes, wanted, learned }) {
    element("votes").textContent = String(votes);
    element("of").hidden = wanted === null;
    element("progress").hidden = wanted === null;
    element("wanted").textContent = String(wanted);
    element("progress").value = votes;
    element("progress").max = Math.max(wanted ?? 1, 1);
    element("learned").replaceChildren(...learned.map((item) => made("span", `${item.text} `)));
    document.title = `${wanted === null ? votes : say("count", { votes, wanted })} · Penchant`;
  }

  /** @param {string} state @param {string} title @param {string[]} sentences @param {(() => void) | null} action
   *  @param {string} label of the action @param {(() => void) | null} other what else can be done */
  message(state, title, sentences, action = null, label = say("try_again"), other = null) {
    document.body.dataset.state = state;
    element("pair").hidden = true;
    element("message").hidden = false;
    element("message-title").textContent = title;
    element("message-text").replaceChildren(
      ...sentences.map((sentence) => made("p", sentence)),
    );
    element("message-action").hidden = action === null;
    element("message-action").textContent = label;
    element("message-action").onclick = action;
    element("message-other").hidden = other === null;
    element("message-other").onclick = other;
    element("message-choose").hidden = other === null;
    element("message-title").focus();
  }
}

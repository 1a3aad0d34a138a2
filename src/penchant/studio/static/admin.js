// The page of who votes: invitations, reliability, blended tastes, the log.

import { Api, Refused } from "./api.js";
import { say } from "./texts.js";

const LINES = 25; // of the log at a time

/** @typedef {{id: number, voter: string, expires_at: number, quota: number | null, votes: number, revoked: boolean, expired: boolean}} Invite */
/** @typedef {{successes: number, trials: number, value: number | null, interval: [number, number] | null}} Share */
/** @typedef {{voter: string, votes: number, consistency: Share, left: Share, agreement: Share, median_response_ms: number | null}} Voter */
/** @typedef {{seq: number, voter: string, at: number, text: string}} Line */

/** @param {string} id @returns {any} */
const element = (id) => document.getElementById(id);
const { csrf = "", last: lastEvent = "0" } = document.body.dataset;
const api = new Api(csrf);
const language = document.documentElement.lang;
const clock = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });

let last = Number(lastEvent);
let after = Math.max(0, last - LINES);

/** @param {string} tag @param {string | Node} content @param {Record<string, any>} [properties] */
function made(tag, content, properties = {}) {
  const one = Object.assign(document.createElement(tag), properties);
  one.append(content);
  return one;
}

/** @param {string} table @param {HTMLElement[][]} rows */
function fill(table, rows) {
  const lines = rows.map((cells) => {
    const line = document.createElement("tr");
    line.append(...cells);
    return line;
  });
  element(table).tBodies[0].replaceChildren(...lines);
  element(table).hidden = rows.length === 0;
  const none = element(`no-${table}`);
  if (none) none.hidden = rows.length > 0;
}

/** @param {string} text */
const cell = (text) => made("td", text);
/** @param {string} text */
const head = (text) => Object.assign(made("th", text), { scope: "row" });
/** @param {number} seconds */
const at = (seconds) => clock.format(new Date(1000 * seconds));
/** @param {number} value */
const percent = (value) => `${Math.round(100 * value)}%`;

/** @param {Share} share */
function shown(share) {
  if (share.value === null || share.interval === null) return cell("–");
  const whole = made("td", `${percent(share.value)} `);
  whole.append(made("span", `${percent(share.interval[0])} – ${percent(share.interval[1])}`, { className: "soft" }));
  return whole;
}

/** @param {() => Promise<void>} work */
async function trying(work) {
  element("outcome").textContent = "";
  try {
    await work();
  } catch (error) {
    element("outcome").textContent = error instanceof Refused ? `${error.message}.` : say("lost");
  }
}

async function listInvites() {
  const { invites } = await api.get("/api/v1/invites");
  fill("invites", invites.map((/** @type {Invite} */ one) => {
    const state = one.revoked ? "revoked" : one.expired ? "expired" : "open";
    const action = document.createElement("td");
    if (state === "open") {
      const button = made("button", say("revoke"), { type: "button", ariaLabel: `${say("revoke")}: ${one.voter}` });
      button.addEventListener("click", () => trying(() => revoke(one)));
      action.append(button);
    }
    const used = one.quota === null ? String(one.votes) : say("used_of", { votes: one.votes, quota: one.quota });
    const row = [head(one.voter), cell(used), cell(at(one.expires_at)), cell(say(`state_${state}`)), action];
    if (one.quota !== null) {
      const bar = Object.assign(document.createElement("progress"), { max: one.quota, value: Math.min(one.votes, one.quota), ariaLabel: used });
      row[1].append(bar);
    }
    return row;
  }));
}

/** @param {Invite} one */
async function revoke(one) {
  if (!confirm(say("revoke_sure", { voter: one.voter }))) return;
  await api.post(`/api/v1/invites/${one.id}/revoke`, crypto.randomUUID());
  element("outcome").textContent = say("revoked", { voter: one.voter });
  await listInvites();
}

/** @param {SubmitEvent} event */
async function invite(event) {
  event.preventDefault();
  const form = /** @type {HTMLFormElement} */ (event.target);
  const wanted = new FormData(form);
  const votes = wanted.get("votes") ? Number(wanted.get("votes")) : null;
  await trying(async () => {
    const body = { voter: String(wanted.get("voter")).trim(), days: Number(wanted.get("days")), votes };
    const answer = await api.post("/api/v1/invites", crypto.randomUUID(), body);
    element("made").hidden = false;
    element("link").value = answer.link;
    element("link").focus();
    element("link").select();
    form.reset();
    await listInvites();
  });
}

async function copy() {
  element("link").select();
  try {
    await navigator.clipboard.writeText(element("link").value);
    element("outcome").textContent = say("copied");
  } catch {
    element("outcome").textContent = say("copy_yourself"); // no clipboard without HTTPS: it is selected
  }
}

async function listVoters() {
  const { voters } = await api.get("/api/v1/voters");
  fill("voters", voters.map((/** @type {Voter} */ one) => {
    const box = Object.assign(document.createElement("input"), { type: "checkbox", value: one.voter, ariaLabel: `${say("blend")}: ${one.voter}` });
    const speed = one.median_response_ms === null ? "–" : `${(one.median_response_ms / 1000).toFixed(1)} s`;
    return [made("td", box), head(one.voter), cell(String(one.votes)), shown(one.consistency), shown(one.agreement), shown(one.left), cell(speed)];
  }));
}

/** @returns {string[]} */
const chosen = () => [...element("voters").querySelectorAll("input:checked")].map((box) => box.value);

async function blend() {
  const query = chosen().map((name) => `voter=${encodeURIComponent(name)}`).join("&");
  element("blend").disabled = true;
  await trying(async () => {
    const found = await api.get(`/api/v1/blend?${query}`);
    for (const end of ["most", "least"]) {
      element(end).replaceChildren(...found[end].map((/** @type {number} */ row) => {
        const image = Object.assign(new Image(96, 96), { src: `/gallery/candidate.png?version=${found.version}&row=${row}`, alt: say("candidate", { row }) });
        return made("li", image);
      }));
    }
    element("command").textContent = found.command;
    element("blended").hidden = false;
  });
  element("blend").disabled = chosen().length === 0;
}

async function listAudit() {
  const { events } = await api.get(`/api/v1/audit?after=${after}&limit=${LINES}`);
  if (events.length > 0) last = Math.max(last, events[events.length - 1].seq);
  fill("audit", events.map((/** @type {Line} */ one) => [cell(String(one.seq)), cell(at(one.at)), head(one.voter), cell(one.text)]).reverse());
  element("audit").hidden = false;
  element("where").textContent = events.length ? say("lines", { first: events[0].seq, last: events[events.length - 1].seq }) : "";
  element("older").disabled = after === 0;
  element("newer").disabled = after + LINES >= last;
}

/** @param {number} lines */
function turn(lines) {
  after = Math.max(0, Math.min(after + lines, last - 1));
  trying(listAudit);
}

element("invite").addEventListener("submit", invite);
element("copy").addEventListener("click", copy);
element("voters").addEventListener("change", () => (element("blend").disabled = chosen().length === 0));
element("blend").addEventListener("click", blend);
element("older").addEventListener("click", () => turn(-LINES));
element("newer").addEventListener("click", () => turn(LINES));
trying(async () => {
  await listInvites();
  await listAudit();
  await listVoters();
});

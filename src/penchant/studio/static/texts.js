// What the page says, in its language: handed over by the page itself, since scripts may not be inline.

/** @type {Record<string, string>} */
const texts = JSON.parse(document.body.dataset.texts ?? "{}");

/** @param {string} name @param {Record<string, string | number>} [values] fills the text's {places} */
export function say(name, values = {}) {
  return (texts[name] ?? name).replace(/\{(\w+)\}/g, (place, key) => String(values[key] ?? place));
}

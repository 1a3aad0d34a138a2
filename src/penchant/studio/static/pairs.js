// Pairs ahead of the one that is shown: their images are loaded and decoded before they are needed.

/** @typedef {{query: number, left: HTMLImageElement, right: HTMLImageElement, ready: boolean, loaded: Promise<void>}} Pair */

/** @param {string} sha256 */
function imageOf(sha256) {
  const image = new Image();
  image.src = `/images/${sha256}`;
  image.alt = "";
  image.draggable = false;
  return image;
}

/** @param {HTMLImageElement} image @param {number} tries */
async function decoded(image, tries = 4) {
  for (let wait = 250; ; wait *= 2) {
    try {
      return await image.decode();
    } catch (error) {
      if ((tries -= 1) === 0) throw error;
      await new Promise((resolve) => setTimeout(resolve, wait));
      image.src = `${image.src}`;
    }
  }
}

/** @param {{query: number, left: string, right: string}} listed @returns {Pair} */
export function pairOf(listed) {
  const left = imageOf(listed.left);
  const right = imageOf(listed.right);
  const pair = { query: listed.query, left, right, ready: false, loaded: Promise.resolve() };
  pair.loaded = Promise.all([decoded(left), decoded(right)]).then(() => {
    pair.ready = true;
  });
  pair.loaded.catch(() => {}); // whoever shows the pair hears of it
  return pair;
}

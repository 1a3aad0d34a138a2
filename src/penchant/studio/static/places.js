// On a narrow screen the row of pages scrolls: where one is must be in sight.

const here = document.querySelector(".places [aria-current]");
const row = /** @type {HTMLElement | null} */ (here?.parentElement ?? null);
if (here instanceof HTMLElement && row) row.scrollLeft = here.offsetLeft - row.offsetLeft - (row.clientWidth - here.offsetWidth) / 2;

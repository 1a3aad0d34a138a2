"""From a key to the next pair on the screen, in a real Chromium, while the generator trains on the same processor."""

import os
import shutil
from pathlib import Path

import numpy as np

from penchant.bench._running import Row
from penchant.bench._studio_served import Served
from penchant.core.contracts import Progress, Report
from penchant.study import Study, StudySettings
from penchant.study.making import Desk

WHAT = "key → next pair painted, training beside"
_MS_TO_BEGIN = 3000
_SECONDS_TO_LOOK = (0.25, 0.75)
_LONG = "latent_tilt(steps=1000000)"
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_WORK = "fetch('/api/v1/work').then(r => r.json())"

_WATCH = """
window.waits = [];
let pressed = null;
addEventListener("keydown", (event) => { pressed = event.timeStamp; }, true);
addEventListener("DOMContentLoaded", () => {
  const watching = new MutationObserver(() => {
    if (pressed === null || document.querySelectorAll("#left img, #right img").length !== 2) return;
    const began = pressed;
    pressed = null;
    requestAnimationFrame(() => {
      const { port1, port2 } = new MessageChannel();  // its message comes when the frame has been painted
      port1.onmessage = () => window.waits.push(performance.now() - began);
      port2.postMessage(0);
    });
  });
  for (const id of ["left", "right"]) watching.observe(document.getElementById(id), { childList: true });
});
"""


def paint_rows(folder: Path, votes: int, report: Report) -> list[Row]:
    """Percentiles of ``votes`` answers by a person who looks for a quarter to three quarters of a second."""
    browser = next((found for name in _BROWSERS if (found := shutil.which(name))), None)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return [Row.left_out(WHAT, "Playwright is not installed")]
    if browser is None:
        return [Row.left_out(WHAT, "there is no Chromium here")]
    settings = StudySettings(source="pictures:1000", train_seconds=5, pool=2000, aligner=_LONG)
    with Study.create(folder, settings) as study:
        study.train()
        for _ in range(5):
            study.tell(study.ask().number, "left", voter="human")
    arguments = ["--disable-gpu", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    rng = np.random.default_rng(0)
    with Served(folder, ("--votes", str(votes + 100))) as served, sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=browser, args=arguments)
        page = launched.new_context(viewport={"width": 1280, "height": 800}).new_page()
        page.add_init_script(_WATCH)
        page.goto(served.address)
        begin = (
            "fetch('/api/v1/work/align', {method: 'POST', headers: {'Content-Type': 'application/json', "
            "'X-CSRF-Token': document.body.dataset.csrf}, body: '{}'}).then(r => r.status)"
        )
        if page.evaluate(begin) != 200:
            raise RuntimeError("the alignment that should run beside did not begin")
        while not Desk(folder).busy:  # its process has loaded what it needs and begins
            page.wait_for_timeout(200)
        page.wait_for_timeout(_MS_TO_BEGIN)
        for number in range(1, votes + 1):
            page.wait_for_timeout(1000 * float(rng.uniform(*_SECONDS_TO_LOOK)))
            page.keyboard.press(str(rng.choice(["ArrowLeft", "ArrowRight"])))
            while page.evaluate("window.waits.length") < number:
                page.wait_for_timeout(20)
            report(Progress("voting in the browser", number / votes))
        waits = page.evaluate("window.waits")
        beside = page.evaluate(f"{_WORK}.then(w => w.running)")
        launched.close()
    if not beside:
        raise RuntimeError("the training ended before the votes were given, so the figures are not those meant")
    middle, slow, slowest = (float(np.percentile(waits, share)) for share in (50, 95, 99))
    return [
        Row(f"{WHAT}, median, ms", middle),
        Row.against(f"{WHAT}, 95th percentile, ms", slow, "< 50"),
        Row(f"{WHAT}, 99th percentile, ms", slowest),
    ]

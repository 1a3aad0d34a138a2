"""How long until the first pair can be answered: of a study that is there, and of a new folder of images."""

import asyncio
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from penchant.bench._running import Row
from penchant.bench._studio_served import Caller, Served, owner
from penchant.data import ImageSettings, open_images

_SECONDS_BETWEEN = 0.2
_SECONDS_AT_MOST = 600.0


def existing_rows(folder: Path, tries: int) -> list[Row]:
    """From the command to the first pair, of a trained study; the median of some tries."""
    waits: list[float] = []
    for _ in range(tries):
        started = time.perf_counter()
        with Served(folder) as served:
            asyncio.run(_first_pair(owner(served)))
            waits.append(time.perf_counter() - started)
    return [Row.against("studio → first pair, a study that is there, s", float(np.median(waits)), "< 3")]


def new_folder_rows(folder: Path, images: int, *options: str) -> list[Row]:
    """From the folder to the first pair: `penchant new`, `penchant studio`, training begun in it."""
    source = folder / "images"
    source.mkdir(parents=True)
    for number, image in enumerate(_pictures(images, folder / "made")):
        Image.fromarray(np.asarray(image).transpose(1, 2, 0)).save(source / f"{number}.png")
    found = len(list(source.iterdir()))
    started = time.perf_counter()
    new = [sys.executable, "-m", "penchant", "new", str(source), "--study", str(folder / "study"), *options]
    subprocess.run(new, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with Served(folder / "study") as served:
        asking = owner(served)

        async def train_and_ask() -> None:
            begun = await asking.ask("POST", "/api/v1/work/train")
            if begun.status != 200:
                raise RuntimeError(f"training did not begin: {begun.body.decode()}")
            await _first_pair(asking)

        asyncio.run(train_and_ask())
    seconds = time.perf_counter() - started
    told = f" ({' '.join(options)})" if options else ""
    return [Row.against(f"studio → first pair, a new folder of {found:,} images of 32 px{told}, s", seconds, "< 60")]


def _pictures(count: int, cache: Path) -> UInt8[np.ndarray, "n c h w"]:
    made = open_images(f"pictures:{count}", ImageSettings(holdout=0), cache)
    return np.asarray(made.train)


async def _first_pair(asking: Caller) -> None:
    until, answer = time.monotonic() + _SECONDS_AT_MOST, None
    while time.monotonic() < until:
        answer = await asking.ask("GET", "/api/v1/pairs?n=1")
        if answer.status == 200:
            pair = answer.json["pairs"][0]
            for side in ("left", "right"):
                await asking.ask("GET", f"/images/{pair[side]}")
            asking.close()
            return
        await asyncio.sleep(_SECONDS_BETWEEN)
    raise RuntimeError(f"no pair within {_SECONDS_AT_MOST:g} s; the last answer was {answer}")

"""Picks the family for you: by images, pixels, words, time and machine, from what was measured."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8

from penchant.core.contracts import (
    GENERATORS,
    NO_ANNOTATIONS,
    Annotations,
    Budget,
    Generator,
    GeneratorComponent,
    ImageSpec,
    Progress,
    Workspace,
)
from penchant.core.errors import StudyDamaged
from penchant.core.rng import Rng
from penchant.generators._common import image_spec, training_conditions
from penchant.training.processes import Processes

PICKED = "picked.json"
_IMAGES_A_SECOND = 165
"""What ``vae_gan`` learned from in a core-second at 28 px; turns a budget of images into one of time."""
_SHORT = 10.0
"""Core-seconds of 28 px below which nothing was measured; at 15 ``vae_gan`` is ahead of ``vae``."""
_CAPTIONS = 120.0
"""Core-seconds of 28 px in which neither ``gan`` nor ``style_gan`` had learned captions; ``flow`` from there on."""
_PROCESSORS = 100
"""Cores that a GPU counts for; coarse, since nothing but the two thresholds depends on it."""


@dataclass(frozen=True)
class Hardware:
    """What trains: cores over all processes, and the memory of one GPU in GiB (0 without)."""

    cores: int
    gpu_gib: float = 0.0

    @staticmethod
    def here() -> "Hardware":
        """Of the processes that train together."""
        processes = Processes()
        if processes.device.type == "cuda":
            memory = torch.cuda.get_device_properties(processes.device).total_memory / 2**30
            return Hardware(_PROCESSORS * processes.count, memory)
        return Hardware(min(torch.get_num_threads(), os.cpu_count() or 1) * processes.count)


@dataclass(frozen=True)
class Pick:
    """A family with its settings, and one sentence that says why."""

    generator: str
    why: str


@dataclass(frozen=True)
class Auto:
    """The family that was measured to be ahead for so many images, pixels and core-seconds, with size and batch to fit.

    The rules, and the tables that they come from, are in docs/benchmarks/generators.md; the same images, budget and
    machine give the same pick. It is told in the reports and kept beside the checkpoints, so that going on, on another
    machine too, goes on with the same family; a study keeps it with the figures of its version. Name a family yourself
    where you want one of its settings, or something that was not measured.
    """

    def fit(
        self,
        images: UInt8[np.ndarray, "n c h w"],
        budget: Budget,
        rng: Rng,
        workspace: Workspace,
        annotations: Annotations = NO_ANNOTATIONS,
    ) -> Generator:
        """Pick, say so, and train; what comes back is the picked family's generator. Raises what that one raises.

        Raises:
            BadImages: fewer than 16 images, or not bytes shaped n × 1 or 3 × size × size of a size that is known.
            StudyDamaged: what was picked earlier cannot be read.
        """
        image = image_spec(images, "a generator")
        conditions = training_conditions(annotations, len(images))
        kinds = 0 if conditions is None else len(np.unique(conditions, axis=0))
        chosen = _kept(workspace.directory, pick(len(images), image, kinds, budget, Hardware.here()))
        workspace.report(Progress(f"picked {chosen.generator}, because {chosen.why}", 1.0, 0.0, message=True))
        component: GeneratorComponent = GENERATORS.make(chosen.generator)
        return component.fit(images, budget, rng, workspace, annotations)


def pick(count: int, image: ImageSpec, kinds: int, budget: Budget, hardware: Hardware) -> Pick:
    """The family for ``count`` images told apart by ``kinds`` different conditions (0 for none).

    Core-seconds are those that the same pictures of 28 px would need: work grows with the number of pixels.
    """
    spent = [] if budget.seconds is None else [budget.seconds * hardware.cores]
    spent += [] if budget.images is None else [budget.images / _IMAGES_A_SECOND * (image.size / 28) ** 2]
    seconds = min(spent)
    worth = seconds * (28 / image.size) ** 2
    time = f"{seconds:,.0f} core-seconds" if not hardware.gpu_gib else "a GPU"
    given = f"there are {count:,} images of {image.size} px and {time}"
    batch = 16 if count < 64 else 32
    if hardware.gpu_gib:
        batch = 128 if hardware.gpu_gib >= 8 and count >= 256 else batch
    if worth < _SHORT:
        return Pick(f"vae(batch={batch})", f"{given}: so little was not measured, and its steps are the cheapest")
    if kinds > max(20, count // 4) and worth >= _CAPTIONS:
        return Pick(
            f"flow(batch={batch})",
            f"{given}, and captions, which gan and style_gan had not learned in two core-minutes",
        )
    widths = "widths=(64, 128, 128), " if hardware.gpu_gib else ""
    ahead = "vae_gan was ahead of vae on clothes after 15 and after 40 core-seconds, and of the GANs after 40"
    return Pick(f"vae_gan({widths}batch={batch})", f"{given}: {ahead}")


def picked_in(directory: Path) -> dict[str, str]:
    """What was last picked below ``directory``, as figures: ``picked`` and ``why``; empty where nothing was.

    Raises:
        StudyDamaged: the file cannot be read.
    """
    found = sorted(directory.rglob(PICKED))
    if not found:
        return {}
    picked = _read(found[-1])
    return {"picked": picked.generator, "why": picked.why}


def _kept(directory: Path, picked: Pick) -> Pick:
    """What was picked when training began, if it did; else ``picked``, kept from now on."""
    path = directory / PICKED
    if path.exists():
        return _read(path)
    if Processes().main:
        directory.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(PICKED + ".draft")
        draft.write_text(json.dumps(vars(picked)), encoding="utf-8")
        draft.replace(path)
    return picked


def _read(path: Path) -> Pick:
    try:
        return Pick(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise StudyDamaged(f"{path} does not say what was picked: {error}. Remove it to pick again.") from None

"""Labelling by a simulated voter or a Python function, through the contract that votes come by."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from penchant.core.contracts import Choice, Labeller, Progress, Report, Voter, silent
from penchant.core.errors import BadConfiguration, Interrupted
from penchant.data import to_float
from penchant.study.labels import KEEP, REJECT, Labels, label, next_to_label
from penchant.study.spreading import next_of_kind
from penchant.study.study import Study
from penchant.voters import load_voter

_REFERENCE = 1000
_BATCHES = 4
_VERDICT = {
    Choice.LEFT: KEEP, Choice.TIE: KEEP, Choice.RIGHT: REJECT, Choice.BOTH_BAD: REJECT, Choice.SKIP: None,
}  # fmt: skip


@dataclass(frozen=True)
class Labelled:
    """What came of it: how many labels were given and how many images were passed over, and how many were left."""

    given: int
    skipped: int
    left: int


def label_images(
    study: Study,
    voter: str,
    count: int,
    names: Sequence[str] = (KEEP, REJECT),
    version: str | int | None = None,
    report: Report = silent,
    wanted: str | None = None,
) -> Labelled:
    """``count`` more images labelled, real ones or candidates of ``version``, in an order of chance; all are kept.

    A function is shown one image and answers a name. A simulated voter tells keep from reject only: it keeps what it
    prefers to a middling image, answering as it votes, slips included. Needs nothing trained for real images.

    Where images called ``wanted`` are looked for, labels are asked in four batches, each of the images whose label
    would tell most by what the labels so far spread to: a third of the labels that an order of chance needs.

    Raises:
        BadConfiguration: no image is asked for, classes are asked of a simulated voter, or what is wanted is none of
            the names or not among real images.
        UnknownName, VoterFailed: there is no such voter, or it failed; the labels given so far are kept.
        Interrupted: Ctrl-C; the labels given so far are kept.
    """
    if count < 1 or len(set(names)) < 2:
        raise BadConfiguration(f"at least one image and two different labels are needed; found {count}, {names}")
    if wanted is not None and (wanted not in names or version is not None):
        raise BadConfiguration(
            f"what is wanted must be one of {', '.join(names)}, among real images; found '{wanted}'"
            + ("" if version is None else f" among those of version {version}")
        )
    number = None if version is None else study.versions.named(version).number
    images = study.images.train if number is None else study.versions.pool(number).images
    reference = to_float(np.asarray(images[:_REFERENCE]))
    answering = load_voter(voter, reference)
    if not isinstance(answering, Labeller) and set(names) != {KEEP, REJECT}:
        raise BadConfiguration(f"{voter} tells keep from reject only; classes are named by package.module:function")
    middling = _middling(answering, reference)
    given, passed = 0, set[int]()
    batches = _BATCHES if wanted is not None else 1
    try:
        for batch in range(batches):
            size = count * (batch + 1) // batches - count * batch // batches
            rows = (
                next_to_label(study, size, version=version, voter=voter)
                if wanted is None
                else next_of_kind(study, wanted, size, voter, passed)
            )
            for row in rows:
                image = to_float(np.asarray(images[row])[None])[0]
                rng = study.rng.child("labels", number or 0, int(row)).numpy()
                if isinstance(answering, Labeller):
                    said = answering.label(image, names, rng)
                else:
                    said = _VERDICT[answering.answer(image, middling, rng)]
                if said is None:
                    passed.add(int(row))
                    continue
                label(study, row, said, version=version, voter=voter)
                given += 1
                report(Progress("labelling", (given + len(passed)) / count))
    except KeyboardInterrupt:
        raise Interrupted(f"labelling was stopped; {given} labels are kept. Give the same command again") from None
    own = Labels.of(study, voter)
    done = len(own.real(images) if number is None else own.made(number))
    return Labelled(given, len(passed), len(images) - done)


def _middling(voter: Voter, reference: Float[torch.Tensor, "n c h w"]) -> Float[torch.Tensor, "c h w"]:
    """The reference image of median utility; the first one for a voter without a taste that is known."""
    utility = voter.utility(reference)
    return reference[0 if utility is None else int(np.argsort(utility)[len(utility) // 2])]

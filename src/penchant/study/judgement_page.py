"""A comparison of two sets of images as one self-contained page."""

import base64
import io
from datetime import UTC, datetime

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from penchant.data import contact_sheet
from penchant.study.image_sets import Images
from penchant.study.judging import Judgement

MEANINGS = {
    "kid": "distance to the real images; 0 where there is none",
    "mmd": "the same with a kernel that looks at directions only",
    "frechet": "distance between Gaussians; says nothing without its floor at the same N",
    "sliced_wasserstein": "how far features must be moved",
    "classifier": "how well a fresh classifier tells them apart; 0.5 where it cannot",
    "pixel_classifier": "the same by a small network that looks at the pixels and their detail",
    "precision": "share of generated images that lie among real ones",
    "density": "how deep among real ones they lie",
    "recall": "share of real images among generated ones",
    "coverage": "share of real images with a generated neighbour",
    "vendi": "effective number of different generated images",
    "mean_distance": "mean distance between two generated images",
    "memorisation": "share nearer to a training image than to a new one; 0.5 where nothing is copied",
}
"""What each figure says, in words; in the order in which they are shown."""

_SHEET = 36


def order(judgement: Judgement) -> list[str]:
    """The figures as they are shown; those of other packages come last."""
    return sorted(judgement.figures, key=lambda name: list(MEANINGS).index(name) if name in MEANINGS else len(MEANINGS))


def row(judgement: Judgement, name: str) -> dict[str, str]:
    """One figure as text."""
    one = judgement.figures[name]
    found = one.measured
    texts = {"label": judgement.label(name), "meaning": MEANINGS.get(name, ""), "reason": one.reason or ""}
    if found is None:
        return texts | dict.fromkeys(("value", "interval", "floor", "p", "spread"), "")
    return texts | {
        "value": _number(found.value),
        "interval": _range(found.low, found.high),
        "floor": _number(found.floor),
        "p": "" if found.p_value is None else f"{found.p_value:.3f}",
        "spread": _range(*one.spread) if one.spread else "",
    }


def counts(judgement: Judgement) -> str:
    """How many images of which role."""
    roles = judgement.roles
    text = f"{len(roles.generated):,} generated images, {len(roles.real):,} real, {len(roles.holdout):,} set aside"
    return text if roles.training is None else f"{text}; {len(roles.training):,} training images"


def page(judgement: Judgement) -> str:
    """The page as HTML, its pictures inside."""
    environment = Environment(
        loader=PackageLoader("penchant.study", "."), autoescape=select_autoescape(["j2"]), undefined=StrictUndefined
    )
    roles = judgement.roles
    sheets = {"generated": _sheet(roles.generated[:_SHEET], 6), "real": _sheet(roles.real[:_SHEET], 6)}
    return environment.get_template("judgement.html.j2").render(
        names=roles.names,
        made=datetime.now(UTC).strftime("%d %B %Y, %H:%M UTC"),
        sentences=judgement.sentences,
        notes=roles.notes,
        counts=counts(judgement),
        rows=[row(judgement, name) for name in order(judgement)],
        extractor=judgement.extractor,
        extractors=judgement.extractors,
        hash=judgement.extractor_hash,
        about=judgement.about,
        standard=judgement.standard,
        sheets={**sheets, **_pairs(judgement)},
        seconds=f"{judgement.seconds:.0f}",
    )


def _pairs(judgement: Judgement) -> dict[str, str]:
    near = judgement.nearest
    if near is None:
        return {"closest": "", "others": ""}
    both = np.stack([near.generated, near.training], axis=1)
    closest, others = both[: near.closest], both[near.closest :]
    shape = (-1, *both.shape[2:])
    return {
        "closest": _sheet(closest.reshape(shape), 6),
        "others": _sheet(others.reshape(shape), 6) if len(others) else "",
    }


def _sheet(images: Images, columns: int) -> str:
    buffer = io.BytesIO()
    contact_sheet(images, columns, max(1, round(84 / images.shape[-1]))).save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"


def _range(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"{low:.3g} to {high:.3g}"

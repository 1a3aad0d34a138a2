"""The model card beside a saved generator: what it was made from, what is known of it, and what is not."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from penchant.study.settings import Component, StudySettings

CARD = "README.md"

_LIMITS = """## Limits

- It draws like the images it was trained on, and holds whatever is one-sided in them.
- The taste is that of the people who voted, as far as so many votes tell it; it is no measure of quality for others.
- The reward is a model of the taste. The further the generator is bent (more nats), the more it follows the model's
  mistakes too; a blind comparison (`penchant compare`) says whether people agree.
- Figures compare generators within one study; they are not those of papers.
"""


def model_card(settings: StudySettings, kind: str, component: str, figures: Mapping[str, Any], images: int) -> str:
    """Markdown with the metadata that model hubs read; the licence is for the person to fill in.

    No voter's name and no path is told: a card is made to be published.
    """
    aligned = kind == "aligned"
    lines = [
        "---",
        "library_name: penchant",
        "pipeline_tag: unconditional-image-generation",
        "# license: yours to choose; mind that of the images and of any pretrained weights",
        "---",
        "",
        f"# A generator of {settings.images.size} px images{', bent to a taste' if aligned else ''}",
        "",
        "```python",
        "from penchant.core.pretrained import load_generator",
        "from penchant.core.rng import Rng",
        "",
        "images = load_generator(FOLDER).sample(16, Rng(0))  # 16 × channels × height × width, in [0, 1]",
        "```",
        "",
        "## Data",
        "",
        f"{images:,} images of `{Path(settings.source).name}`, {settings.images.size} px, "
        f"{'colour' if settings.images.colour else 'grey'}. Generator: `{_name(settings.generator)}`.",
        "",
    ]
    if aligned:
        lines += _alignment(settings, component, figures)
    return "\n".join(lines) + "\n" + _LIMITS


def _alignment(settings: StudySettings, component: str, figures: Mapping[str, Any]) -> list[str]:
    of = figures.get("of")
    one = "all votes together" if of is None else "one voter"
    whose = f"a blend of {len(of)} voters" if isinstance(of, Mapping) else one
    rows = [
        ("votes", f"{figures.get('votes', 0):,}"),
        ("taste of", whose),
        ("features, judge", f"`{_name(settings.features)}`, `{_name(settings.judge)}`"),
        ("aligner", f"`{component}`"),
        ("strength", f"like the best of {figures['like_best_of']:g}"),
        ("KL from the original", f"{figures['kl_nats']:.2f} nats ({figures['kl_estimator']})"),
        ("reward, gain", _gain(figures.get("reward_gain_sd"))),
        ("judge with other features, gain", f"{_gain(figures.get('judge_gain_sd'))}, {_sure(figures)} sure of a gain"),
        ("doubt about these images / the original's", f"{figures.get('doubt_ratio', float('nan')):.2f}"),
    ]
    table = ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)]
    note = figures.get("note")
    return ["## Votes and alignment", "", *table, "", *([f"Note: {note}.", ""] if note else [])]


def _name(component: Component) -> str:
    """Without settings, which may hold paths."""
    return component.partition("(")[0] if isinstance(component, str) else str(component["name"])


def _gain(value: float | None) -> str:
    return "not measured" if value is None else f"{value:+.2f} sd"


def _sure(figures: Mapping[str, Any]) -> str:
    return f"{figures['judge_sure']:.0%}" if "judge_sure" in figures else "not"

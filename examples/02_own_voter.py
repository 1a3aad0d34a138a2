"""Any Python function can vote: here one that likes images whose upper half is lighter than the lower half.

Run it:      penchant run pictures --study sky --voter examples.02_own_voter:lighter_sky   (or this file, as below)
On the command line the function must be importable from the current folder, so give it a module name without digits.
Expect:      a portrait that speaks of light, and a win rate above 0.8 after 60 votes.
"""

import sys
from pathlib import Path

import numpy as np
from PIL.Image import Image

from penchant import Study, StudySettings, evaluate, vote


def lighter_sky(left: Image, right: Image) -> str:
    """``left`` or ``right``: the image with more light above than below; ``tie`` when they hardly differ."""
    first, second = _sky(left), _sky(right)
    if abs(first - second) < 2:
        return "tie"
    return "left" if first > second else "right"


def _sky(image: Image) -> float:
    light = np.asarray(image.convert("L"), dtype=float)
    half = len(light) // 2
    return float(light[:half].mean() - light[half:].mean())


def main(folder: Path, train_seconds: float = 90, votes: int = 60) -> float:
    """Train, ask the function, align; gives the share of pairs it prefers the aligned image in."""
    sys.path.insert(0, str(Path(__file__).parent))
    with Study.create(folder, StudySettings(source="pictures", train_seconds=train_seconds)) as study:
        study.train()
        vote(study, "02_own_voter:lighter_sky", votes)
        study.align()
        figures = evaluate(study)
        print(f"win rate {figures['win_rate']:.2f}, {figures['win_rate_ties']:.0%} ties")
        return figures["win_rate"]


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "sky"))

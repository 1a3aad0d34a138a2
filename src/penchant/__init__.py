"""Penchant learns a taste in images from as few votes as possible and bends an image generator to it.

Importing this package does nothing; each name is loaded when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from penchant.core.contracts import Choice, Generator, Progress, Strength
    from penchant.core.errors import PenchantError
    from penchant.core.pretrained import load_generator
    from penchant.core.rng import Rng
    from penchant.data import ImageSettings, draw_pictures, open_images
    from penchant.study import Question, Study, StudySettings, evaluate, vote, write_report

__version__ = "0.1.0"

__all__ = [
    "Choice",
    "Generator",
    "ImageSettings",
    "PenchantError",
    "Progress",
    "Question",
    "Rng",
    "Strength",
    "Study",
    "StudySettings",
    "draw_pictures",
    "evaluate",
    "load_generator",
    "open_images",
    "vote",
    "write_report",
]

_HOMES = {
    "penchant.core.contracts": ("Choice", "Generator", "Progress", "Strength"),
    "penchant.core.errors": ("PenchantError",),
    "penchant.core.pretrained": ("load_generator",),
    "penchant.core.rng": ("Rng",),
    "penchant.data": ("ImageSettings", "draw_pictures", "open_images"),
    "penchant.study": ("Question", "Study", "StudySettings", "evaluate", "vote", "write_report"),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'penchant' has no attribute '{name}'")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])

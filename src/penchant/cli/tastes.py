"""Tastes on their own: kept in a folder, told in words, imported, blended."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.markup import escape

from penchant.core.errors import BadConfiguration
from penchant.preference import PortableTaste, blended
from penchant.study import Study
from penchant.study.files import moved_into_place, storage_errors

_BRACKETS = re.compile(r"\([^()]*\)")
_OUTSIDE_COMMA = re.compile(r",(?![^()]*\))")


def shares_of(text: str) -> Mapping[str, float]:
    """Names with shares from ``anna=0.7,ben=0.3``.

    >>> shares_of("anna=0.7, ben=0.3")
    {'anna': 0.7, 'ben': 0.3}
    >>> shares_of("warm(consistency=3, lapse=0.1)=1")
    {'warm(consistency=3, lapse=0.1)': 1.0}
    """
    shares: dict[str, float] = {}
    for part in _OUTSIDE_COMMA.split(text):
        name, share = _named(part)
        if name is None or name in shares:
            raise BadConfiguration(f"'{part.strip()}' is no NAME=SHARE, once; write for example anna=0.7,ben=0.3")
        shares[name] = share
    return shares


def whose(text: str | None) -> str | Mapping[str, float] | None:
    """A voter's name, shares of several, or nobody in particular."""
    return shares_of(text) if text is not None and "=" in _BRACKETS.sub("", text) else text


def _named(part: str) -> tuple[str | None, float]:
    """A name and its share; no name where this is none."""
    name, _, share = part.rpartition("=")
    try:
        value = float(share)
    except ValueError:
        return None, 0.0
    return (name.strip() or None) if np.isfinite(value) else None, value


def keep(taste: PortableTaste, folder: Path) -> None:
    """Write a taste to a new folder; a folder that holds anything stays as it is."""
    folder = folder.resolve()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BadConfiguration(f"{folder} is not an empty folder; choose another one for the taste")
    with storage_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with moved_into_place(folder) as partial:
            taste.save_pretrained(partial)


def blend(study: Study, parts: Sequence[str]) -> PortableTaste:
    """The blend of tastes given as ``FOLDER=SHARE``, with equal spread on the study's images."""
    shares = shares_of(",".join(parts))
    tastes = [PortableTaste.from_pretrained(folder) for folder in shares]
    return blended(tastes, list(shares.values()), study.reference())


def show(out: Console, taste: PortableTaste) -> None:
    """Where a taste came from and what it is about."""
    for name, value in _told(taste.provenance):
        out.print(f"[bold]{name:<12}[/] {escape(value)}", highlight=False)


def _told(provenance: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What is known of where a taste came from, a line each."""
    for name, value in provenance.items():
        if name == "blend":
            total = sum(abs(part["share"]) for part in value)
            for part in value:
                of = part["of"]
                who = ", ".join(of.get("voters", ["a blend"]))
                yield (
                    name,
                    f"{part['share'] / total:.0%} {who}, {of.get('votes', '?')} votes of {of.get('source', '?')}",
                )
        elif name == "about":
            largest = sorted(((share, group) for group, share in value.items()), reverse=True)[:6]
            yield name, ", ".join(f"{group} {share:.0%}" for share, group in largest if share > 0.01)
        elif name == "expressed":
            yield name, f"{value:.1%} of the taste can be told without its generator"
        else:
            yield name, ", ".join(map(str, value)) if isinstance(value, list) else str(value)

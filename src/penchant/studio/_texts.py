"""Everything the studio says, by language: the files in ``texts``, one a language, all with the same keys."""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import Request

_FOLDER = Path(__file__).parent / "texts"
COOKIE = "penchant_language"
DEFAULT = "en"


@dataclass(frozen=True)
class Texts:
    """What is said in one language; ``texts("nav.vote")`` is one text, with its ``{places}`` filled in."""

    language: str
    tables: Mapping[str, Mapping[str, str]]

    def __call__(self, key: str, **values: Any) -> str:
        """One text; a KeyError is a mistake in a template, which the tests of every page would find."""
        table, _, name = key.partition(".")
        text = self.tables[table][name]
        return text.format(**values) if values else text

    def said(self, key: str, otherwise: str) -> str:
        """One text, or ``otherwise`` where there is none (for names that components bring along)."""
        table, _, name = key.partition(".")
        return self.tables.get(table, {}).get(name, otherwise)

    def json(self, *tables: str) -> str:
        """Some tables for a script of the page; put into a data attribute, since scripts may not be inline."""
        return json.dumps({name: text for table in tables for name, text in self.tables[table].items()})


@cache
def languages() -> Mapping[str, Texts]:
    """All languages there are, by their code."""
    files = sorted(_FOLDER.glob("*.toml"))
    return {file.stem: Texts(file.stem, tomllib.loads(file.read_text(encoding="utf-8"))) for file in files}


def texts_for(request: Request) -> Texts:
    """The language of the switch (a cookie), else the best one that the browser asks for, else English."""
    known = languages()
    chosen = request.cookies.get(COOKIE, "")
    if chosen in known:
        return known[chosen]
    for wanted in _accepted(request.headers.get("accept-language", "")):
        if wanted in known:
            return known[wanted]
    return known[DEFAULT]


def _accepted(header: str) -> list[str]:
    """The codes of an Accept-Language header without their regions, the most wanted first."""
    wanted: list[tuple[float, str]] = []
    for part in header.split(","):
        code, _, quality = part.strip().partition(";q=")
        try:
            weight = float(quality) if quality else 1.0
        except ValueError:
            continue
        if weight > 0:
            wanted.append((-weight, code.partition("-")[0].lower()))
    return [code for _, code in sorted(wanted, key=lambda item: item[0])]

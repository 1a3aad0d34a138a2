"""What images are called: captions beside them, their file names, and the folders that they lie in."""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from penchant.core.errors import BadImages

TABLES = ("captions.csv", "index.csv", "metadata.csv")
_FILE_COLUMNS = ("file", "file_name", "filename", "path", "image")
_TEXT_COLUMNS = ("caption", "text", "prompt", "name", "title", "description", "label")
_LONGEST = 1000
_CAMERA = re.compile(r"\b(?:img|dsc|dscn|dscf|image|photo|pic|picture|screenshot|untitled)\b", re.IGNORECASE)
_NO_WORD = re.compile(r"[\d_\W]+")
_WORDED = 0.8
"""Share of images whose file names must say something before they count as captions."""


@dataclass(frozen=True)
class Captions:
    """One text and one class an image, in the order asked for; a text or a class may be empty.

    ``origin`` says where the texts are from: ``captions`` (a table or .txt files), ``names`` (file names that say
    something) or ``none``. The class is the sub-folder, "" for images that lie in the folder itself.
    """

    texts: tuple[str, ...]
    classes: tuple[str, ...]
    origin: Literal["captions", "names", "none"]


def read_captions(root: Path, names: Sequence[str]) -> Captions:
    """The captions of the images ``names`` (relative to the folder ``root``, with /).

    Of each image: the row of ``captions.csv``, ``index.csv`` or ``metadata.csv`` in its folder or one above, with a
    column ``file`` (or file_name, filename, path, image; relative to the table, with or without folder) and a column
    ``caption`` (or text, prompt, name, title, description, label); else a .txt file of the same name beside it; else
    its file name, where at least four in five file names hold words.

    Raises:
        BadImages: a table cannot be read, or has no such columns.
    """
    tables = _tables(root, names)
    written = [_in_tables(root, name, tables) or _beside(root, name) for name in names]
    if any(written):
        return Captions(tuple(written), tuple(_folder(name) for name in names), "captions")
    return captions_by_name(names)


def captions_by_name(names: Sequence[str]) -> Captions:
    """As :func:`read_captions`, by the names alone: for images that lie in no local folder."""
    classes, spoken = tuple(_folder(name) for name in names), [_spoken(PurePosixPath(name).stem) for name in names]
    if names and sum(map(bool, spoken)) >= _WORDED * len(names) and len(set(spoken)) > 1:
        return Captions(tuple(spoken), classes, "names")
    return Captions(("",) * len(names), classes, "none")


def _folder(name: str) -> str:
    parent = PurePosixPath(name).parent.as_posix()
    return "" if parent == "." else parent


def _tables(root: Path, names: Sequence[str]) -> dict[str, dict[str, str]]:
    """For each folder with a table: file → caption."""
    folders = {"."}
    for folder in {PurePosixPath(name).parent for name in names}:
        folders |= {above.as_posix() for above in (folder, *folder.parents)}
    found: dict[str, dict[str, str]] = {}
    for folder in sorted(folders):
        for table in TABLES:
            if (root / folder / table).is_file():
                found.setdefault(folder, {}).update(_read_table(root / folder / table))
    return found


def _read_table(path: Path) -> dict[str, str]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            columns = {(column or "").strip().lower(): column for column in rows.fieldnames or ()}
            file_column = next((columns[name] for name in _FILE_COLUMNS if name in columns), None)
            text_column = next((columns[name] for name in _TEXT_COLUMNS if name in columns), None)
            if file_column is None or text_column is None:
                if path.name != "captions.csv":
                    return {}
                raise BadImages(
                    f"{path} needs a column {', '.join(_FILE_COLUMNS)} and a column {', '.join(_TEXT_COLUMNS)}; "
                    f"found {', '.join(columns) or 'no columns'}"
                )
            return {(row[file_column] or "").strip(): _tidy(row[text_column] or "") for row in rows}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadImages(f"the captions in {path} cannot be read: {error}") from None


def _in_tables(root: Path, name: str, tables: dict[str, dict[str, str]]) -> str:
    path = PurePosixPath(name)
    for folder in path.parents:
        table = tables.get(folder.as_posix())
        if table is None:
            continue
        below = path.relative_to(folder)
        for called in (below.as_posix(), below.with_suffix("").as_posix(), path.name, path.stem):
            if table.get(called):
                return table[called]
    return ""


def _beside(root: Path, name: str) -> str:
    try:
        return _tidy((root / name).with_suffix(".txt").read_bytes()[: 4 * _LONGEST].decode("utf-8-sig", "replace"))
    except (OSError, ValueError):
        return ""


def _spoken(stem: str) -> str:
    """The words in a file name; none where it is a camera's number or a code."""
    words = _CAMERA.sub(" ", _NO_WORD.sub(" ", stem)).split()
    return " ".join(words) if any(len(word) > 2 for word in words) else ""


def _tidy(text: str) -> str:
    return " ".join(text.split())[:_LONGEST]

"""Strict settings: unknown keys and wrong types are errors that name the key, what was found and what would work."""

import dataclasses
import tomllib
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import tomli_w

from penchant.core.errors import BadConfiguration, UnknownName

T = TypeVar("T")


def build(cls: type[T], settings: Mapping[str, Any], where: str) -> T:
    """A ``cls`` (a dataclass) from plain settings, nested dataclasses included.

    Args:
        cls: the dataclass; its fields are the keys there are.
        settings: what was read from TOML, the command line or a mapping.
        where: named in errors, for example ``"study.toml"``.

    Raises:
        UnknownName: a key that is not a field.
        BadConfiguration: a value of the wrong type, or one that the class itself refuses (``ValueError``).
    """
    fields = {field.name: field for field in dataclasses.fields(cls) if field.init}  # pyright: ignore[reportArgumentType]
    hints = get_type_hints(cls)
    values: dict[str, Any] = {}
    for key, value in settings.items():
        if key not in fields:
            raise UnknownName(f"setting of {where}", key, fields)
        values[key] = _convert(value, hints[key], f"{where}: {key}")
    missing = [
        name
        for name, field in fields.items()
        if name not in values and field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise BadConfiguration(f"{where} needs {', '.join(missing)}; found {', '.join(sorted(settings)) or 'nothing'}")
    try:
        return cls(**values)
    except ValueError as error:
        raise BadConfiguration(f"{where}: {error}") from None


def load_toml(path: Path) -> dict[str, Any]:
    """The tables of a TOML file.

    Raises:
        BadConfiguration: the file is missing or is not TOML; the text says where.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadConfiguration(f"no settings at {path}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadConfiguration(f"{path} is not TOML: {error}") from None


def dump_toml(settings: Mapping[str, Any]) -> str:
    """TOML text; settings that are None are left out, since TOML has no null."""
    return tomli_w.dumps(_without_none(settings))


def _without_none(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_without_none(item) for item in value]
    return value


def _convert(value: Any, hint: Any, where: str) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any:
        return value
    if origin in (Union, types.UnionType):
        for option in arguments:
            try:
                return _convert(value, option, where)
            except BadConfiguration:
                continue
        raise _wrong(where, value, hint)
    if origin is Literal:
        if value in arguments:
            return value
        raise BadConfiguration(f"{where} = {value!r}; there are: {', '.join(map(repr, arguments))}")
    if dataclasses.is_dataclass(hint) and isinstance(value, Mapping):
        return build(hint, value, where)  # pyright: ignore[reportArgumentType]
    if origin in (tuple, list) and isinstance(value, list | tuple):
        if origin is tuple and arguments[-1] is not Ellipsis:
            if len(arguments) != len(value):
                raise BadConfiguration(f"{where} needs {len(arguments)} values; found {value!r}")
            return tuple(_convert(item, kind, where) for item, kind in zip(value, arguments, strict=True))
        return origin(_convert(item, arguments[0], where) for item in value)
    if origin is dict and isinstance(value, Mapping):
        return {str(key): _convert(item, arguments[1], f"{where}.{key}") for key, item in value.items()}
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if hint is int and isinstance(value, bool):
        raise _wrong(where, value, hint)
    if isinstance(hint, type) and isinstance(value, hint):
        return value
    raise _wrong(where, value, hint)


def _wrong(where: str, value: Any, hint: Any) -> BadConfiguration:
    wanted = getattr(hint, "__name__", None) if isinstance(hint, type) else str(hint)
    return BadConfiguration(f"{where} = {value!r} is {type(value).__name__}; it must be {wanted}")

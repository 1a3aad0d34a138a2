"""A folder is the registry: ``queries/eubo.py`` holds one strategy, and ``eubo`` is its name everywhere."""

import ast
import dataclasses
import pkgutil
import re
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec
from inspect import getmembers, isclass
from pathlib import Path
from typing import Any

from penchant.core.config import build
from penchant.core.errors import BadConfiguration, UnknownName

_SPEC = re.compile(r"^\s*([A-Za-z_][\w.-]*)\s*(\(.*\))?\s*$", re.DOTALL)


@dataclasses.dataclass(frozen=True)
class Family:
    """The components in one folder: each module not starting with ``_`` holds exactly one.

    A component is a frozen dataclass, whose fields are its hyperparameters, with the method ``method``. Third
    parties add components through the entry-point group of the same name as ``package``.

    >>> Family("strategy", "penchant.queries", "propose").names()[:3]
    ['adaptive', 'bald', 'challenger']
    """

    kind: str
    package: str
    method: str

    def names(self) -> list[str]:
        """The names there are, without importing any component."""
        return sorted({*self._modules(), *self._entry_points()})

    def get(self, name: str) -> type[Any]:
        """The component class called ``name``.

        Raises:
            UnknownName: there is none; the text lists those there are.
        """
        points = self._entry_points()
        if name in points:
            return points[name].load()
        if name not in self._modules():
            raise UnknownName(self.kind, name, self.names())
        return _component(f"{self.package}.{name}", self.method)

    def make(self, spec: str | Mapping[str, Any]) -> Any:
        """A component from ``"eubo"``, ``"eubo(shortlist=64)"`` or ``{"name": "eubo", "shortlist": 64}``.

        Raises:
            UnknownName: no such component.
            BadConfiguration: an unknown or wrongly typed hyperparameter, or text that is not of that form.
        """
        name, settings = parse_spec(spec, self.kind)
        return build(self.get(name), settings, where=f"{self.kind} {name}")

    def _modules(self) -> list[str]:
        found = find_spec(self.package)
        folders = [str(Path(folder)) for folder in (found.submodule_search_locations if found else None) or []]
        return [module.name for module in pkgutil.iter_modules(folders) if not module.name.startswith("_")]

    def _entry_points(self) -> dict[str, Any]:
        return {point.name: point for point in entry_points(group=self.package)}


def parse_spec(spec: str | Mapping[str, Any], kind: str) -> tuple[str, dict[str, Any]]:
    """Split ``"name(key=value, …)"`` (values are Python literals) or a mapping with ``name`` into name and settings.

    >>> parse_spec("warm(consistency=3, lapse=0.1)", "voter")
    ('warm', {'consistency': 3, 'lapse': 0.1})
    """
    if isinstance(spec, Mapping):
        settings = dict(spec)
        name = settings.pop("name", None)
        if not isinstance(name, str):
            raise BadConfiguration(f"a {kind} needs a name; found the settings {sorted(settings)} without one")
        return name, settings
    match = _SPEC.match(spec)
    if match is None:
        raise BadConfiguration(f"'{spec}' is not a {kind}: write name or name(key=value, …)")
    name, arguments = match.groups()
    try:
        call = ast.parse(f"f{arguments or '()'}", mode="eval").body
        assert isinstance(call, ast.Call)
        if call.args or any(keyword.arg is None for keyword in call.keywords):
            raise ValueError("only key=value")
        return name, {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in call.keywords}
    except (SyntaxError, ValueError, AssertionError):
        raise BadConfiguration(f"'{spec}' is not a {kind}: write name or name(key=value, …)") from None


def spec_of(component: Any) -> dict[str, Any]:
    """The mapping that :meth:`Family.make` turns back into ``component``: its name and all its settings."""
    name = type(component).__module__.rpartition(".")[2]
    return {"name": name, **dataclasses.asdict(component)}


@cache
def _component(module_name: str, method: str) -> type[Any]:
    module = import_module(module_name)
    found = [
        cls
        for name, cls in getmembers(module, isclass)
        if cls.__module__ == module_name
        and not name.startswith("_")
        and dataclasses.is_dataclass(cls)
        and callable(getattr(cls, method, None))
    ]
    if len(found) != 1:
        raise BadConfiguration(
            f"{module_name} must hold exactly one public dataclass with a method '{method}'; "
            f"found {len(found)}: {', '.join(cls.__name__ for cls in found) or 'none'}"
        )
    return found[0]

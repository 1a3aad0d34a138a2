"""Any Python function as a voter: ``package.module:function``."""

import sys
import traceback
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from penchant.core.contracts import Choice
from penchant.core.errors import VoterFailed

_ANSWERS = ", ".join(repr(str(choice)) for choice in Choice)


class FunctionVoter:
    """Asks a Python function, called with the left and the right image as PIL images (RGB or L, at their own size).

    The function answers ``"left"``, ``"right"``, ``"tie"``, ``"both_bad"`` or ``"skip"`` (any case, or a
    :class:`~penchant.core.contracts.Choice`). Modules in the current working directory can be named.

    Args:
        name: ``package.module:function``.

    Raises:
        VoterFailed: there is no such module or function, the module raises on import, or it is not callable.

    >>> import torch
    >>> FunctionVoter("operator:itemgetter").answer(
    ...     torch.zeros(1, 28, 28), torch.zeros(1, 28, 28), np.random.default_rng(0)
    ... )  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    penchant.core.errors.VoterFailed: the voter operator:itemgetter answered operator.itemgetter(...
    """

    def __init__(self, name: str):
        self._name = name
        self._folder = str(Path.cwd())
        self._function = self._load()

    def answer(self, left: Float[Tensor, "c h w"], right: Float[Tensor, "c h w"], rng: np.random.Generator) -> Choice:
        """What the function says; raises VoterFailed where it raises, or says something else. ``rng`` is not used."""
        try:
            with _importable(self._folder):
                answer = self._function(_picture(left), _picture(right))
        except (Exception, SystemExit) as error:
            raise VoterFailed(f"the voter {self._name} raised {_told(error)}; {_wanted()}") from error
        choice = str(answer).strip().lower() if isinstance(answer, str) else None
        if choice not in list(Choice):
            raise VoterFailed(f"the voter {self._name} answered {answer!r}; {_wanted()}")
        return Choice(choice)

    def label(self, image: Float[Tensor, "c h w"], names: Sequence[str], rng: np.random.Generator) -> str | None:
        """What the function says of one PIL image: one of ``names``, None or "skip" for no answer. ``rng`` is not used.

        Raises:
            VoterFailed: it raises, or says something else.
        """
        wanted = f"to label, it takes one PIL image and answers one of {', '.join(map(repr, names))}, or 'skip'"
        try:
            with _importable(self._folder):
                answer = self._function(_picture(image))
        except (Exception, SystemExit) as error:
            raise VoterFailed(f"the voter {self._name} raised {_told(error)}; {wanted}") from error
        if answer is None or (isinstance(answer, str) and answer.strip().lower() == "skip"):
            return None
        known = {name.lower(): name for name in names}
        if not isinstance(answer, str) or answer.strip().lower() not in known:
            raise VoterFailed(f"the voter {self._name} answered {answer!r}; {wanted}")
        return known[answer.strip().lower()]

    def utility(self, images: Float[Tensor, "n c h w"]) -> None:
        """None: nobody can know it."""
        return None

    def _load(self) -> Callable[..., Any]:
        module_name, _, path = self._name.partition(":")
        if not module_name or not path:
            raise VoterFailed(f"'{self._name}' does not name a function; write package.module:function")
        try:
            with _importable(self._folder):
                found: Any = import_module(module_name)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
                raise VoterFailed(f"the voter {self._name} cannot be imported: {_told(error)}") from error
            raise VoterFailed(
                f"the voter {self._name}: there is no module '{error.name}'. Write package.module:function, without "
                f".py, and start Penchant in the folder that holds the module (this one is {self._folder})"
            ) from error
        except (Exception, SystemExit) as error:
            raise VoterFailed(f"the voter {self._name} cannot be imported: {_told(error)}") from error
        functions = [name for name, value in vars(found).items() if callable(value) and not name.startswith("_")]
        for part in path.split("."):
            try:
                found = getattr(found, part)
            except AttributeError:
                raise VoterFailed(
                    f"the voter {self._name}: '{module_name}' has no '{path}'; it has: {', '.join(functions) or 'none'}"
                ) from None
        if not callable(found):
            raise VoterFailed(f"the voter {self._name} is a {type(found).__name__}, not a function; {_wanted()}")
        return found


def _wanted() -> str:
    return f"a voter function takes two PIL images, left and right, and answers one of {_ANSWERS}"


def _told(error: BaseException) -> str:
    """The exception and where it was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {error}{place}"


def _picture(image: Float[Tensor, "c h w"]) -> Image.Image:
    pixels = (image.detach().cpu().clamp(0, 1) * 255).round().byte().numpy()
    return Image.fromarray(pixels[0] if len(pixels) == 1 else np.ascontiguousarray(pixels.transpose(1, 2, 0)))


@contextmanager
def _importable(folder: str) -> Generator[None]:
    """Make modules in ``folder`` importable for a while; those already installed go first."""
    if folder in sys.path:
        yield
        return
    sys.path.append(folder)
    try:
        yield
    finally:
        sys.path.remove(folder)

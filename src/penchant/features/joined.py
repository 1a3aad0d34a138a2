"""Several extractors side by side, as one."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from penchant.core.contracts import FEATURES, Encoder, Extractor, Group
from penchant.core.errors import BadConfiguration, StudyDamaged
from penchant.core.family import parse_spec
from penchant.core.pretrained import load_extractor, read_config, write_config
from penchant.core.rng import Rng
from penchant.features import _saved

_KIND = "features/joined"


@dataclass(frozen=True)
class Joined:
    """The columns of several extractors one after the other; their groups keep their own prior scales.

    The default joins what has a name (``descriptors``) with what is particular to these images (``latents``), where the
    generator can tell.
    Groups are called ``"descriptors/colour"``, ``"latents/codes"`` and so on.

    Args:
        extractors: the parts, each as ``"name"`` or ``"name(setting=value)"``; None joins ``descriptors`` and, where
            the generator can encode images, ``latents``.

    >>> import torch
    >>> from penchant.core.rng import Rng
    >>> images = torch.rand(20, 3, 32, 32, generator=Rng(0).torch())
    >>> joined = Joined(("descriptors", "random_convolutions(most=4)")).fit(images, None, Rng(0))
    >>> joined.groups[0].name, joined.groups[-1].name
    ('descriptors/colour', 'random_convolutions/convolutions')
    """

    extractors: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.extractors is None:
            return
        if not self.extractors:
            raise ValueError("extractors needs at least one name, for example ('descriptors', 'latents')")
        for spec in self.extractors:
            name, _ = parse_spec(spec, FEATURES.kind)
            if name == "joined":
                raise BadConfiguration("extractors of 'joined' cannot be 'joined' itself; name its parts instead")
            if name in ("quadratic", "convolutional"):
                raise BadConfiguration(
                    f"'{name}' cannot be a part of 'joined', since optional columns come last; turn it round: "
                    "quadratic(of=\"joined(extractors=('descriptors', 'latents'))\")"
                )
            FEATURES.make(spec)

    def fit(self, images: Float[Tensor, "n c h w"], encoder: Encoder | None, rng: Rng) -> "JoinedExtractor":
        """Every part fitted to the same images.

        Raises:
            NotCapable: a part that was asked for needs an encoder and there is none.
            BadImages: as the parts do.
        """
        chosen = self.extractors
        if chosen is None:
            chosen = ("descriptors",) if encoder is None else ("descriptors", "latents")
        names = [parse_spec(spec, FEATURES.kind)[0] for spec in chosen]
        parts = [FEATURES.make(spec).fit(images, encoder, rng.child(place)) for place, spec in enumerate(chosen)]
        return JoinedExtractor(names, parts)

    @staticmethod
    def load(directory: Path, encoder: Encoder | None = None) -> "JoinedExtractor":
        """What ``save_pretrained`` wrote; raises StudyDamaged where it is broken, NotCapable without its encoder."""
        names = read_config(directory).get("parts")
        if not isinstance(names, list) or not names:
            raise StudyDamaged(f"{directory / 'config.json'} does not name the parts of the joined features")
        return JoinedExtractor(
            [str(name) for name in names],
            [load_extractor(_folder(directory, place), encoder) for place in range(len(names))],
        )


class JoinedExtractor(Extractor):
    """Extractors whose features are concatenated."""

    def __init__(self, names: Sequence[str], parts: Sequence[Extractor]):
        self._names, self._parts = list(names), list(parts)
        self.differentiable = all(part.differentiable for part in parts)
        groups: list[Group] = []
        for prefix, part in zip(_unique(names), parts, strict=True):
            start = groups[-1].stop if groups else 0
            groups += [
                Group(f"{prefix}/{group.name}", start + group.start, start + group.stop, group.names)
                for group in part.groups
            ]
        self.groups = tuple(groups)

    @property
    def hash(self) -> str:
        """Of the parts' hashes."""
        return _saved.content_hash(_KIND, {"parts": [part.hash for part in self._parts]}, {})

    def __call__(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d"]:
        """The features; raises what the parts raise."""
        return torch.cat([part(images) for part in self._parts], 1)

    def save_pretrained(self, directory: Path) -> None:
        """Write ``config.json`` and each part into its own folder."""
        write_config(directory, _KIND, {"parts": self._names})
        for place, part in enumerate(self._parts):
            part.save_pretrained(_folder(directory, place))


def _folder(directory: Path, place: int) -> Path:
    return directory / f"part{place}"


def _unique(names: Sequence[str]) -> list[str]:
    """The names, with a number where one comes again."""
    return [
        name if names[:place].count(name) == 0 else f"{name}-{names[:place].count(name) + 1}"
        for place, name in enumerate(names)
    ]

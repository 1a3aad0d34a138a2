"""The generator versions of a study: the trained base, and each aligned one, with its candidates."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from penchant.core.contracts import Encoder, Extractor, Generator, Report
from penchant.core.errors import NotReady, UnknownName
from penchant.core.family import spec_of
from penchant.core.pretrained import load_generator
from penchant.store import Store, Version
from penchant.study.card import CARD
from penchant.study.files import folder_hash, moved_into_place
from penchant.study.pool import Pool, PoolPlan, load_pool
from penchant.training.processes import Processes

_HASH = "sha256 of "


@dataclass
class Versions:
    """Versions are numbered from 1, the base; each is loaded once, when it is first needed."""

    path: Path
    store: Store
    _known: list[Version] = field(default_factory=list[Version])
    _generators: dict[int, Generator] = field(default_factory=dict[int, Generator])
    _pools: dict[int, Pool] = field(default_factory=dict[int, Pool])

    def all(self) -> list[Version]:
        """All of them, the base first."""
        if not self._known:
            self._known = self.store.versions()
        return list(self._known)

    def refresh(self) -> None:
        """Look again whether there is a new one: another process may have made it."""
        self._known = self.store.versions()

    def named(self, name: str | int) -> Version:
        """A version by number, or ``base``, or ``latest``.

        Raises:
            NotReady: nothing is trained yet.
            UnknownName: no such version.
        """
        versions = self.all()
        if not versions:
            raise NotReady(f"the study at {self.path} has no generator yet; `penchant train {self.path}` trains one")
        known = {str(version.number): version for version in versions}
        known |= {"base": versions[0], "latest": versions[-1]}
        if str(name) not in known:
            raise UnknownName("version", str(name), known)
        return known[str(name)]

    def folder(self, number: int) -> Path:
        """Where a version's generator is kept."""
        return self.path / "versions" / str(number)

    def generator(self, name: str | int) -> Generator:
        """The generator of a version."""
        number = self.named(name).number
        if number not in self._generators:
            self._generators[number] = load_generator(self.folder(number))
        return self._generators[number]

    def encoder(self) -> Encoder | None:
        """The base generator's encoder, which features may use."""
        base = self.generator("base")
        return base.encode if base.capabilities.encodable else None

    def pool(self, number: int) -> Pool:
        """The candidates of a version."""
        if number not in self._pools:
            self._pools[number] = load_pool(self.path / "pools" / str(number))
        return self._pools[number]

    def keep_hash(self, folder: str) -> None:
        """Remember what the files in a folder of the study are, so that a check finds damage."""
        self.store.set_meta(_HASH + folder, folder_hash(self.path / folder))

    def damage(self) -> list[str]:
        """Which folders are missing, or are not what was stored, in plain words."""
        kept = {f"versions/{version.number}": version.checkpoint_sha256 for version in self.all()}
        for key, value in self.store.meta().items():
            if key.startswith(_HASH):
                kept[key.removeprefix(_HASH)] = value
        problems: list[str] = []
        for folder, value in sorted(kept.items()):
            if not (self.path / folder).is_dir():
                problems.append(f"the folder {self.path / folder} is missing")
            elif folder_hash(self.path / folder) != value:
                problems.append(f"the files in {self.path / folder} are not what was stored (another hash)")
        return problems

    def add(
        self,
        generator: Generator,
        extractor: Extractor,
        kind: str,
        component: Any,
        figures: Mapping[str, Any],
        card: str,
        plan: PoolPlan,
        processes: Processes,
        report: Report,
    ) -> Version:
        """Keep a generator with its ``card``, generate its candidates, and only then say that it is there."""
        existing = self.all()
        number = len(existing) + 1
        with moved_into_place(self.folder(number)) as folder:
            generator.save_pretrained(folder)
            (folder / CARD).write_text(card, encoding="utf-8")
        checkpoint = folder_hash(self.folder(number))
        self._pools[number] = plan.build(generator, extractor, checkpoint, processes, report)
        self._generators[number] = generator
        self.keep_hash(f"pools/{number}")
        parent = existing[0].number if existing else None
        added = self.store.add_version(kind, parent, checkpoint, spec_of(component), figures)
        self._known = []  # after it is stored: another thread may look at any moment
        return added

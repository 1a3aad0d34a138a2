"""The settings of a study: one strict TOML file, kept with the study."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from math import inf
from pathlib import Path
from typing import Any, Literal

from penchant.core.config import build, dump_toml, load_toml
from penchant.core.contracts import ALIGNMENT, FEATURES, GENERATORS, PREFERENCE, QUERIES, TEXTS
from penchant.core.errors import BadConfiguration
from penchant.data.settings import ImageSettings

Component = str | dict[str, Any]
"""``"name"``, ``"name(setting=value)"``, or a table with ``name`` and settings."""

FILE = "study.toml"


@dataclass(frozen=True)
class StudySettings:
    """Everything that decides what a study does; the same settings, images and votes give the same study.

    Args:
        source: where the images come from: a folder, a file, or ``pictures`` for the embedded set.
        seed: the root of all randomness.
        train_seconds: how long the generator trains.
        train_images: how many images the generator trains on, each as often as it is seen; given, it counts instead of
            ``train_seconds``, and the same settings give the same generator on a slower machine too.
        images: how images are read.
        generator, features, preference, strategy, aligner: components, as :data:`Component` says.
        conditions: what a conditional generator is told of each image: ``auto``, ``none``, ``classes`` (sub-folders) or
            another text encoder for captions.
        judge: the feature extractor that judges images; never part of the reward.
        pool: how many candidates are generated to choose pairs from; by default fewer for larger images.
        pool_precision: how their features are kept: ``float32``, or ``float16`` for pools whose features would not fit
            into memory otherwise; that costs no accuracy, and some milliseconds a question.
        audit_share: the share of pairs chosen uniformly at random, the only votes used to judge models.
        again_share: the share of pairs that ask an earlier audit again, sides swapped: how often people agree with
            themselves bounds how often anybody can be right about them. Twice as many while answers look suspicious.
        refit_every: votes between two refits of the preference model.
        like_best_of: strength of the alignment, said as "like the best of N"; ``"auto"`` goes as far as a judge with
            other features is sure that it gets better, and variety is left.
        caution: how many standard deviations below the mean utility the reward lies.
        record_signals: whether the studio records how long images are looked at, enlarged, downloaded and looked at
            again; nothing is learned from that, and the pages say that it is recorded.
        database: where votes are kept, as a URL (``postgresql+psycopg://user@host/name``); by default a file in the
            study's folder. Leave the password to PostgreSQL's own ``~/.pgpass`` or ``PGPASSWORD``: this is kept in
            ``study.toml``.
    """

    source: str = "pictures"
    seed: int = 0
    train_seconds: float = 90
    train_images: int | None = None
    images: ImageSettings = field(default_factory=ImageSettings)
    generator: Component = "vae"
    conditions: Component = "auto"
    features: Component = "quadratic"
    judge: Component = "random_convolutions"
    preference: Component = "linear"
    strategy: Component = "bald"
    aligner: Component = "latent_tilt"
    pool: int | None = None
    pool_precision: Literal["float32", "float16"] = "float32"
    audit_share: float = 0.1
    again_share: float = 0.05
    refit_every: int = 5
    like_best_of: float | Literal["auto"] = 6
    caution: float = 0.5
    record_signals: bool = True
    database: str | None = None

    def __post_init__(self) -> None:
        for name, low in (("train_seconds", 1), ("refit_every", 1), ("like_best_of", 1), ("caution", 0)):
            if name == "like_best_of" and self.like_best_of == "auto":
                continue
            if not low <= getattr(self, name) < inf:
                raise BadConfiguration(f"{name} must be at least {low} and finite; found {getattr(self, name)}")
        if self.train_images is not None and self.train_images < 1:
            raise BadConfiguration(f"train_images must be at least 1; found {self.train_images}")
        if self.pool is not None and self.pool < 3:
            raise BadConfiguration(f"pool must be at least 3; found {self.pool}")
        if self.pool_precision not in ("float32", "float16"):
            raise BadConfiguration(f"pool_precision must be float32 or float16; found {self.pool_precision}")
        for name in ("audit_share", "again_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise BadConfiguration(f"{name} must be from 0 to 1; found {getattr(self, name)}")
        if self.audit_share + self.again_share > 1:
            raise BadConfiguration(
                f"audit_share and again_share are shares of the same questions, at most 1 together; found "
                f"{self.audit_share} and {self.again_share}"
            )

    @property
    def pool_size(self) -> int:
        """The number of candidates, in the end."""
        return self.pool or {28: 4000, 32: 4000, 48: 3000, 64: 2000}.get(self.images.size, 1000)

    @property
    def many_processes(self) -> bool:
        """Whether the votes are on a database server, which several processes may use at once."""
        return self.database is not None and not self.database.startswith("sqlite")

    def check(self) -> None:
        """Make every component once, so that a wrong name is told now and not after an hour of training."""
        for family, spec in (
            (GENERATORS, self.generator),
            (FEATURES, self.features),
            (FEATURES, self.judge),
            (PREFERENCE, self.preference),
            (QUERIES, self.strategy),
            (ALIGNMENT, self.aligner),
        ):
            family.make(spec)
        if self.conditions not in ("auto", "none"):
            TEXTS.make(self.conditions)

    def anchored(self) -> "StudySettings":
        """The same with ``source`` as an absolute path, where it is one, so that it is found from anywhere."""
        embedded = self.source.partition(":")[0] == "pictures" or "://" in self.source
        return self if embedded else replace(self, source=str(Path(self.source).expanduser().resolve()))

    def save(self, directory: Path) -> None:
        """Write ``study.toml``."""
        temporary = directory / f"{FILE}.partial"
        temporary.write_text(dump_toml(asdict(self)), encoding="utf-8")
        temporary.replace(directory / FILE)

    @staticmethod
    def load(directory: Path) -> "StudySettings":
        """Read ``study.toml``; raises BadConfiguration or UnknownName where it is not right."""
        return StudySettings.parse(load_toml(directory / FILE), f"{directory / FILE}")

    @staticmethod
    def parse(settings: Mapping[str, Any], where: str) -> "StudySettings":
        """Settings from tables, checked."""
        result = build(StudySettings, settings, where)
        try:
            result.check()
        except ValueError as error:
            raise BadConfiguration(f"{where}: {error}") from None
        return result

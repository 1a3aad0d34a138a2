"""The study: a folder holding everything about one taste, and the only place where the parts are put together."""

import math
import shutil
import time
import uuid
from collections.abc import Generator as Yields
from collections.abc import Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8

from penchant.core.contracts import (
    ALIGNMENT,
    FEATURES,
    GENERATORS,
    PREFERENCE,
    Budget,
    Choice,
    Extractor,
    Generator,
    Posterior,
    Report,
    Reward,
    Strength,
    Voter,
    Workspace,
    silent,
)
from penchant.core.errors import BadConfiguration, BadVote, Interrupted, NotReady, StudyExists, StudyMissing
from penchant.core.family import spec_of
from penchant.core.pretrained import load_extractor
from penchant.core.rng import Rng
from penchant.core.threads import one_blas_thread
from penchant.data import ImageSet, open_images, to_float
from penchant.store import NewEvent, Query, Store, StudyLock, Version
from penchant.study.asking import Asker
from penchant.study.files import moved_into_place, storage_errors
from penchant.study.pool import Pool
from penchant.study.settings import FILE, StudySettings
from penchant.study.sufficiency import Sufficiency, weigh
from penchant.study.taste import Taste
from penchant.study.versions import Versions
from penchant.training.processes import Processes
from penchant.voters import load_voter

_REFERENCE_IMAGES = 1000
_FITTING_IMAGES = 2000
_JUDGE_IMAGES = 4000
_WEIGHED_IMAGES = 1000


@dataclass(frozen=True)
class Question:
    """What to show: query ``number`` with its two images, float, channels × height × width, in [0, 1]."""

    number: int
    left: Float[torch.Tensor, "c h w"]
    right: Float[torch.Tensor, "c h w"]
    audit: bool


class Study:
    """Ask, tell, train, align and sample over one folder.

    Everything else can be rebuilt from the settings, the images and the append-only log of votes: a closed study,
    opened again anywhere, has the same posterior (to the bit on the same kind of processor).

    >>> import tempfile, pathlib
    >>> from penchant import Study, StudySettings
    >>> folder = pathlib.Path(tempfile.mkdtemp()) / "study"
    >>> with Study.create(folder, StudySettings(source="pictures:300", train_seconds=2, pool=40)) as study:
    ...     version = study.train()
    ...     question = study.ask()
    ...     votes = study.tell(question.number, "left")
    >>> votes
    1
    """

    def __init__(self, path: Path, settings: StudySettings, store: Store, lock: StudyLock):
        self.path = path
        self.settings = settings
        self.store = store
        self.versions = Versions(path, store)
        self.rng = Rng(settings.seed)
        self._lock = lock
        self._session = uuid.uuid4().hex
        self._asker = Asker(store, settings, self.rng)
        self._queries: dict[int, Query] = {}

    # ------------------------------------------------------------------------------------------- open and close

    @staticmethod
    def create(path: str | Path, settings: StudySettings | None = None, report: Report = silent) -> "Study":
        """A new study in the empty or absent folder ``path``; where its images cannot be read, nothing is left there.

        Raises:
            StudyExists: there is a study, or something else, at ``path``.
            UnknownName, BadConfiguration: the settings name a component or a value that does not exist.
            BadImages: the images are missing, cannot be read, or are too few.
        """
        path, settings = Path(path), settings or StudySettings()
        settings.check()
        if (path / FILE).exists():
            raise StudyExists(f"there is a study at {path} already; open it, or choose another folder")
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise StudyExists(f"{path} is not an empty folder; choose another one for the study")
        settings = settings.anchored()
        with ExitStack() as undo, storage_errors(path):
            path.mkdir(parents=True, exist_ok=True)
            undo.callback(shutil.rmtree, path, ignore_errors=True)
            lock = StudyLock(path)
            undo.callback(lock.release)
            store = Store.create(path)
            undo.callback(store.close)
            study = Study(path, settings, store, lock)
            study.images = study.read_images(report)
            settings.save(path)
            undo.pop_all()
        return study

    @staticmethod
    def open(path: str | Path) -> "Study":
        """The study at ``path``, for reading and writing; only one process at a time may write.

        Raises:
            StudyMissing, StudyBusy, StudyTooNew, StudyDamaged.
        """
        path = _study_folder(path)
        lock = StudyLock(path)
        try:
            return Study(path, StudySettings.load(path), Store.open(path), lock)
        except BaseException:
            lock.release()
            raise

    def close(self) -> None:
        """Close the database and let other processes in."""
        self.store.close()
        self._lock.release()

    def __enter__(self) -> "Study":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None):
        self.close()

    # ------------------------------------------------------------------------------------------------- the parts

    @cached_property
    def images(self) -> ImageSet:
        """The real images; read once, then from the cache in the study."""
        return self.read_images()

    def read_images(self, report: Report = silent) -> ImageSet:
        """The real images, reporting progress."""
        with self.stage("reading the images"):
            return open_images(self.settings.source, self.settings.images, self.path / "cache", report)

    def generator(self, version: str | int = "latest") -> Generator:
        """The generator of a version: a number, ``base`` or ``latest``."""
        return self.versions.generator(version)

    def pool(self, version: str | int = "latest") -> Pool:
        """The candidates of a version."""
        return self.versions.pool(self.versions.named(version).number)

    @cached_property
    def extractor(self) -> Extractor:
        """What the taste is learned on; fitted once, on images of the base generator."""
        return load_extractor(self.path / "features", self.versions.encoder())

    @cached_property
    def judge(self) -> Extractor:
        """What judges images; fitted once, on the real training images, and never part of a reward."""
        return load_extractor(self.path / "judge", None)

    @cached_property
    def taste(self) -> Taste:
        """The replay of the log."""
        taste = self.untaught_taste()
        taste.replay(self.store.events())
        return taste

    def untaught_taste(self) -> Taste:
        """A taste that has seen no event yet; for replays."""
        self.versions.named("base")
        prior: Posterior = PREFERENCE.make(self.settings.preference).prior(self.extractor.groups)
        return Taste(prior, self._query, self._features)

    def reference(self) -> Float[torch.Tensor, "n c h w"]:
        """Images of the base generator, always the same: rewards and simulated tastes are standardised on them."""
        return self.generator("base").sample(_REFERENCE_IMAGES, self.rng.child("reference"))

    def reward(self) -> Reward:
        """The cautious utility that alignment maximises."""
        return self.taste.posterior.reward(self.extractor, self.reference(), self.settings.caution)

    def voter(self, spec: str) -> Voter:
        """A simulated voter or a Python function, by name."""
        return load_voter(spec, self.reference())

    # ------------------------------------------------------------------------------------------------- the steps

    def train(self, seconds: float | None = None, report: Report = silent) -> Version:
        """Train the base generator, then generate the first candidates. Resumes where an earlier try stopped.

        Raises:
            StudyExists: the base generator is there already; a second one would not fit the votes.
            Interrupted: Ctrl-C; train again to go on.
        """
        if self.versions.all():
            raise StudyExists(f"the study at {self.path} has its generator already; make a new study for another one")
        real = self.read_images(report).train
        Processes().wait()
        with self.stage("training"):
            started = time.monotonic()
            generator = _fitted(self.path, self.settings, real, seconds, report)
            figures = {"seconds": time.monotonic() - started}
            encoder = generator.encode if generator.capabilities.encodable else None
            sample = generator.sample(min(_FITTING_IMAGES, self.settings.pool_size), self.rng.child("features"))
            extractor: Extractor = FEATURES.make(self.settings.features).fit(
                sample, encoder, self.rng.child("features")
            )
            judge: Extractor = FEATURES.make(self.settings.judge).fit(
                to_float(np.asarray(real[:_JUDGE_IMAGES])), None, self.rng.child("judge")
            )
            for fitted, name in ((extractor, "features"), (judge, "judge")):
                with moved_into_place(self.path / name) as folder:
                    fitted.save_pretrained(folder)
                self.versions.keep_hash(name)
            component = GENERATORS.make(self.settings.generator)
            version = self._add_version(generator, extractor, "trained", component, figures, report)
        shutil.rmtree(self.path / "training" / "checkpoint", ignore_errors=True)
        return version

    @staticmethod
    def assist_training(path: str | Path, seconds: float | None = None) -> None:
        """Train along with the process that called :meth:`train` with the same ``seconds``, and write nothing.

        For every process but the first of those that ``accelerate launch`` or ``torchrun`` started.
        """
        path = _study_folder(path)
        settings = StudySettings.load(path)
        Processes().wait()
        real = open_images(settings.source, settings.images, path / "cache").train
        _fitted(path, settings, real, seconds, silent)

    def ask(self) -> Question:
        """The next pair: one in ten, at a random place, is chosen uniformly (audit), one in twenty is an earlier audit
        with its sides swapped, the others are chosen by the strategy."""
        return self._shown(self.next_query())

    def next_query(self) -> Query:
        """Like :meth:`ask`, as the record that is kept: rows of the pool, propensity, prediction."""
        latest, taste = self.versions.named("latest").number, self.taste
        with one_blas_thread():
            query = self._asker.next(latest, self.versions.pool(latest), taste)
        self._queries[query.number] = query
        return query

    def question(self, number: int) -> Question:
        """A query that was asked before, with its images as they are shown."""
        return self._shown(self._query(number))

    def tell(
        self,
        number: int,
        choice: Choice | str,
        *,
        voter: str = "python",
        session: str | None = None,
        client_key: str | None = None,
        refit: bool = True,
        seen: Mapping[str, Any] | None = None,
    ) -> int:
        """Store a vote for good, then learn from it; gives the number of current votes.

        Args:
            number: the query, as ``ask`` numbered it.
            choice: left, right, tie, both_bad or skip.
            voter, session, client_key: who, where, and a key under which a repeated call counts once.
            refit: refit the preference model when that is due; pass False to do it later with :meth:`refit`.
            seen: what is known of how it was answered: shown_at, response_ms, hidden_ms, input, viewport.

        Raises:
            BadVote: no such query, an unknown choice, or the key was used for another vote.
        """
        try:
            choice = Choice(choice)
        except ValueError:
            raise BadVote(f"'{choice}' is not a vote; there are: {', '.join(Choice)}") from None
        taste = self.taste
        event = self._own_event("vote", voter)
        event = replace(event, query=number, choice=choice, **(seen or {}))
        event = replace(event, session=session or event.session, client_key=client_key or event.client_key)
        taste.apply(self.store.append(event))
        if refit:
            self.refit()
        return len(taste.votes)

    def refit(self, force: bool = False) -> bool:
        """Refit the preference model on all votes, if enough came since the last time; gives whether it did.

        The log says when it was done, so that a replay does the same.
        """
        due = 1 if force else self.settings.refit_every
        if self.taste.since_refit < due:
            return False
        self.taste.apply(self.store.append(self._own_event("refit")))
        return True

    def undo(self, voter: str | None = None) -> Query | None:
        """Take back the last vote (of ``voter``); gives its query, or None where there was no vote."""
        votes = [vote for vote in self.store.votes() if voter in (None, vote.voter)]
        if not votes:
            return None
        last = votes[-1]
        query, _ = self.taste.votes[last.seq]
        self.taste.apply(self.store.append(replace(self._own_event("retract", last.voter), target=last.seq)))
        return query

    def align(self, like_best_of: float | None = None, report: Report = silent) -> Version:
        """Bend the base generator to the taste learned so far and generate new candidates.

        The KL is always against the base generator, so that rounds do not add up unseen.

        Raises:
            NotReady: no votes yet.
            Interrupted: Ctrl-C; nothing changed, align again.
        """
        number = self.versions.named("latest").number + 1
        if not self.taste.votes:
            raise NotReady(f"no votes yet; `penchant vote {self.path}` gives some")
        try:
            strength = Strength(self.settings.like_best_of if like_best_of is None else like_best_of)
        except ValueError as error:
            raise BadConfiguration(str(error)) from None
        self.refit(force=True)
        self.store.add_taste(
            self.taste.through, self.taste.hash, spec_of(PREFERENCE.make(self.settings.preference)), {}
        )
        with self.stage("aligning"):
            aligner = ALIGNMENT.make(self.settings.aligner)
            rng = self.rng.child("align", number)
            result = aligner.align(self.generator("base"), self.reward(), strength, rng, report)
            figures = {
                "like_best_of": strength.like_best_of,
                "kl_nats": result.kl_nats,
                "kl_estimator": result.kl_estimator,
                "note": result.note,
                "seconds": result.seconds,
                "votes": len(self.taste.votes),
                "through_seq": self.taste.through,
                "frontier": [dict(row) for row in result.frontier],
            }
            return self._add_version(result.generator, self.extractor, "aligned", aligner, figures, report)

    def sample(self, count: int, seed: int = 0, version: str | int = "latest") -> Float[torch.Tensor, "n c h w"]:
        """Images of a version; the same seed gives the same latents in every version."""
        if count < 1:
            raise BadConfiguration(f"count must be at least 1; found {count}")
        return self.generator(version).sample(count, Rng(seed).child("sample"))

    def sufficiency(self) -> Sufficiency:
        """Whether the votes are enough, for the candidates of the latest version; about 0.2 s."""
        features = np.asarray(self.pool().features[:_WEIGHED_IMAGES], dtype=np.float64)
        taste, rng = self.taste, self.rng.child("sufficiency", self.taste.through).numpy()
        with one_blas_thread():
            return weigh(taste.votes, taste.voters, taste.posterior, features, rng)

    # ------------------------------------------------------------------------------------------------- inside

    def _query(self, number: int) -> Query:
        """A query; none ever changes, so each is read once."""
        if number not in self._queries:
            self._queries[number] = self.store.query(number)
        return self._queries[number]

    def _shown(self, query: Query) -> Question:
        images = self.versions.pool(query.pool).images
        left, right = (to_float(np.asarray(images[row])[None])[0] for row in (query.left_row, query.right_row))
        return Question(query.number, left, right, query.audit)

    def _features(self, pool: int, row: int) -> Float[np.ndarray, " d"]:
        return np.asarray(self.versions.pool(pool).features[row], dtype=np.float64)

    def _own_event(self, kind: str, voter: str = "penchant") -> NewEvent:
        return NewEvent(kind=kind, voter=voter, session=self._session)

    def _add_version(
        self,
        generator: Generator,
        extractor: Extractor,
        kind: str,
        component: Any,
        figures: Mapping[str, Any],
        report: Report,
    ) -> Version:
        size = self.settings.pool_size
        return self.versions.add(generator, extractor, kind, component, figures, size, self.rng, report)

    @contextmanager
    def stage(self, name: str) -> Yields[None]:
        """Turn Ctrl-C and a full disk inside a stage into errors that say what to do."""
        with storage_errors(self.path):
            try:
                yield
            except KeyboardInterrupt:
                raise Interrupted(
                    f"{name} was stopped; nothing is lost. Give the same command again to go on with {self.path}"
                ) from None


def _study_folder(path: str | Path) -> Path:
    path = Path(path)
    if not (path / FILE).is_file():
        raise StudyMissing(f"there is no study at {path}; `penchant new FOLDER --study {path}` makes one")
    return path


def _fitted(
    path: Path, settings: StudySettings, real: UInt8[np.ndarray, "n c h w"], seconds: float | None, report: Report
) -> Generator:
    """The base generator; every process that trains along calls this with the same arguments."""
    seconds = settings.train_seconds if seconds is None else seconds
    if not 1 <= seconds < math.inf:
        raise BadConfiguration(f"training needs at least 1 second; found {seconds:g}")
    component = GENERATORS.make(settings.generator)
    workspace = Workspace(path / "training", report)
    return component.fit(real, Budget(seconds=seconds), Rng(settings.seed).child("train"), workspace)

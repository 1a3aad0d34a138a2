"""The study: a folder holding everything about one taste, and the only place where the parts are put together."""

import math
import shutil
import time
import uuid
from collections.abc import Callable, Mapping
from collections.abc import Generator as Yields
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from safetensors import SafetensorError
from safetensors.numpy import load_file

from penchant.core.contracts import (
    ALIGNMENT,
    FEATURES,
    GENERATORS,
    LIKE,
    PREFERENCE,
    Budget,
    Choice,
    Examined,
    Extractor,
    Generator,
    Pairs,
    Posterior,
    PriorTaste,
    Report,
    Reward,
    TextEncoder,
    Voter,
    Votes,
    Workspace,
    silent,
)
from penchant.core.errors import (
    BadConfiguration,
    BadVote,
    Interrupted,
    NotReady,
    StudyDamaged,
    StudyExists,
    UnknownName,
)
from penchant.core.family import spec_of
from penchant.core.pretrained import load_extractor, load_generator, write_tensors
from penchant.core.rng import Rng
from penchant.core.threads import one_blas_thread
from penchant.data import ImageSet, open_images, to_float
from penchant.features.convolutional import ConvolutionalExtractor
from penchant.generators.auto import Auto, picked_in
from penchant.preference import BOTH_BAD, Convolutional, PortableTaste, blended
from penchant.store import Event, NewEvent, Query, Store, StudyLock, StudySeat, Version
from penchant.study.asking import Asker
from penchant.study.card import model_card
from penchant.study.conditions import FOLDER as CONDITIONS
from penchant.study.conditions import Told, condition_of, conditions_of, told
from penchant.study.examining import examiner
from penchant.study.extractors import Extractors
from penchant.study.feeding import KIND as FED
from penchant.study.feeding import Diet, fed_generator
from penchant.study.files import moved_into_place, scratch, storage_errors, study_folder
from penchant.study.frontier import Ground, Judge
from penchant.study.labels import heeded, label
from penchant.study.pool import Pool, PoolPlan
from penchant.study.selecting import SelectionPlan, chosen_rows, forget_work, rounds_of, train_on_selected
from penchant.study.settings import FILE, StudySettings
from penchant.study.settling import COUNT, Asked, asked_strength, bent, settled
from penchant.study.spreading import Spread, left_out_rows, spread
from penchant.study.sufficiency import Sufficiency, weigh
from penchant.study.taste import Taste, View
from penchant.study.versions import Versions
from penchant.training.processes import Processes
from penchant.voters import load_voter

Whose = str | Mapping[str, float] | None
"""A voter, shares of several, or all together."""

_MOST_TRUST = 100
_REFERENCE_IMAGES = 1000
_FITTING_IMAGES = 2000
_JUDGE_IMAGES = 4000
_NETWORKS = Convolutional()
_LESSONS = Budget(images=1500)
"""How many pairs each network sees, repeats counted."""
_WEIGHED_IMAGES = 1000
_FEWEST_COMPARED = 48


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

    def __init__(self, path: Path, settings: StudySettings, store: Store, lock: StudyLock | StudySeat | None):
        self.path = path
        self.settings = settings
        self.store = store
        self.versions = Versions(path, store)
        self.extractors = Extractors(path, self.versions)
        self.rng = Rng(settings.seed)
        self._lock = lock
        self._session = uuid.uuid4().hex
        # of several processes each has its own stream of questions: with one, two would ask the same audits
        stream = self.rng.child("process", self._session) if isinstance(lock, StudySeat) else self.rng
        self._asker = Asker(store, settings, stream)
        self._queries: dict[int, Query] = {}
        self._reference: Float[torch.Tensor, "n c h w"] | None = None

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
            store = Store.create(path, settings.database)
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
        path = study_folder(path)
        lock = StudyLock(path)
        try:
            settings = StudySettings.load(path)
            return Study(path, settings, Store.open(path, settings.database), lock)
        except BaseException:
            lock.release()
            raise

    @staticmethod
    def join(path: str | Path) -> "Study":
        """The study at ``path`` for one of several processes that serve it together; for a database server only.

        Each learns from what the others store whenever it is about to ask or to show something, so all have the same
        taste, to the bit, after the same event. Who wants it alone (:meth:`open`) waits until no process serves it.

        Raises:
            BadConfiguration: its votes are in a file, which one process at a time has to itself.
            StudyMissing, StudyBusy, StudyTooNew, StudyDamaged.
        """
        path = study_folder(path)
        settings = StudySettings.load(path)
        if not settings.many_processes:
            raise BadConfiguration(
                f"the votes of {path} are in a file, so one process at a time serves them; a study made with "
                "--database postgresql+psycopg://… can be served by several"
            )
        seat = StudySeat(path)
        try:
            return Study(path, settings, Store.open(path, settings.database), seat)
        except BaseException:
            seat.release()
            raise

    @staticmethod
    def beside(path: str | Path) -> "Study":
        """The study at ``path`` for a process that works for the one that opened it, which learns of it from the log.

        Such a process may train or align, at most one at a time, and append to the log; it must not ask.

        Raises:
            StudyMissing, StudyTooNew, StudyDamaged.
        """
        path = study_folder(path)
        settings = StudySettings.load(path)
        return Study(path, settings, Store.open(path, settings.database), None)

    def close(self) -> None:
        """Close the database and let other processes in."""
        self.store.close()
        if self._lock is not None:
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

    def training_images(self) -> UInt8[np.ndarray, "n c h w"]:
        """The real images that generators learn from: those that were selected, or all but the held out; without those
        that are rejected by now."""
        rows = self._training_rows()
        return self.images.train if rows is None else np.asarray(self.images.train[rows])

    def training_conditions(self) -> Float[np.ndarray, "n k"] | None:
        """What the base generator learned each of :meth:`training_images` under; None where it takes no condition."""
        base = self.generator("base")
        if not base.condition_dim or base.capabilities.prompts:
            return None
        kept = conditions_of(self.settings, self.images, self.path / "cache")
        conditions, rows = kept, self._training_rows()
        return conditions if conditions is None or rows is None else conditions[rows]

    def _training_rows(self) -> Int[np.ndarray, " k"] | None:
        chosen, rejected = chosen_rows(self), left_out_rows(self)
        if not len(rejected):
            return chosen
        left = np.setdiff1d(np.arange(len(self.images.train)) if chosen is None else chosen, rejected)
        if not len(left):
            raise NotReady("all images that the generator was trained on are rejected by now; keep some of them")
        return left

    def generator(self, version: str | int = "latest") -> Generator:
        """The generator of a version: a number, ``base`` or ``latest``."""
        return self.versions.generator(version)

    def pool(self, version: str | int = "latest") -> Pool:
        """The candidates of a version, with the features that the taste is learned on."""
        number = self.versions.named(version).number
        return replace(self.versions.pool(number), features=self.extractors.features(self.taste.learned, number))

    def candidates(self, version: str | int = "latest") -> Float[torch.Tensor, "n c h w"]:
        """The images of :meth:`pool`, all of them."""
        return to_float(np.asarray(self.pool(version).images))

    @property
    def extractor(self) -> Extractor:
        """What the taste is learned on: fitted on images of the base generator, or :meth:`learn` made it."""
        return self.extractors[self.taste.learned]

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

    def keep(self, event: NewEvent) -> Event:
        """Store an event for good, then learn from it, after whatever others stored before it."""
        taste = self.taste
        stored = self.store.append(event)
        if stored.seq == taste.through + 1:
            taste.apply(stored)
        else:
            self.catch_up()
        return stored

    def catch_up(self) -> None:
        """Learn from what was stored since: by another process, or by whoever acknowledges votes before learning."""
        self.versions.refresh()
        self.taste.replay(self.store.events(self.taste.through))

    def untaught_taste(self) -> Taste:
        """A taste that has seen no event yet; for replays."""
        self.versions.named("base")
        return Taste(cache(self._view), self._query, self._imported)

    def reference(self) -> Float[torch.Tensor, "n c h w"]:
        """Images of the base generator, always the same: rewards and simulated tastes are standardised on them."""
        if self._reference is None:
            self._reference = self.generator("base").sample(_REFERENCE_IMAGES, self.rng.child("reference"))
        return self._reference

    def reward(self, of: Whose = None) -> Reward:
        """The cautious utility that alignment maximises: of all voters, of one, or of a blend of some."""
        reference, caution = self.reference(), self.settings.caution
        if isinstance(of, Mapping):
            tastes = [PortableTaste.within(self._posterior_of(voter), self.extractor) for voter in of]
            return blended(tastes, list(of.values()), reference).reward(reference, caution)
        return self._posterior_of(of).reward(self.extractor, reference, caution)

    def portable_taste(self, of: Whose = None) -> PortableTaste:
        """The taste on its own, to be kept, blended, or used elsewhere; ``of`` as for :meth:`reward`.

        Raises:
            UnknownName: nobody of that name voted.
            NotReady: there are no votes.
        """
        if not (self.taste.votes or self.taste.singles):
            raise NotReady(f"no votes yet, so there is no taste; `penchant vote {self.path}` gives some")
        if isinstance(of, Mapping):
            tastes = [self._taste_of(voter) for voter in of]
            return blended(tastes, list(of.values()), self.reference())
        return self._taste_of(of)

    def import_taste(self, source: str | Path, trust: float = 1.0, doubt: float = 0.5) -> float:
        """Start from a taste learned elsewhere, kept with the study; gives the share of it these features can express.

        It takes the place of one imported before. Votes given so far, and later ones, decide how much it counts.

        Raises:
            StudyMissing, StudyDamaged: there is no taste at ``source``, or no whole one.
            BadConfiguration: ``trust`` is not from 0 to 100, or ``doubt`` not above 0 and at most 100.
        """
        trust, doubt = float(trust), float(doubt)
        if not (0 <= trust <= _MOST_TRUST and 0 < doubt <= _MOST_TRUST):
            raise BadConfiguration(
                f"trust must be from 0 to {_MOST_TRUST}, doubt above 0 and at most that; found {trust:g} and {doubt:g}"
            )
        self.versions.named("base")
        taste = PortableTaste.from_pretrained(source)
        if not taste.mean.any():
            raise NotReady(f"the taste in {source} prefers no image to another, so that there is nothing to start from")
        known, expressed = taste.known(self.extractors[0], self.reference(), trust, doubt)
        name = f"tastes/{len(self.store.events()) + 1}"
        with moved_into_place(self.path / name) as folder:
            taste.save_pretrained(folder)
            write_tensors(folder / "known.safetensors", {"weights": torch.from_numpy(known.weights)})
        self.versions.keep_hash(name)
        payload = {"folder": name, "trust": trust, "doubt": doubt, "expressed": expressed}
        self.keep(replace(self._own_event("import"), payload=payload))
        return expressed

    def _imported(self, event: Event) -> PriorTaste:
        """What an event of importing brought, as it was expressed in this study's features then."""
        try:
            path = self.path / event.payload["folder"] / "known.safetensors"
            weights = load_file(path)["weights"]
            return PriorTaste(weights, float(event.payload["trust"]), float(event.payload["doubt"]))
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
            raise StudyDamaged(f"the taste imported by event {event.seq} of {self.path} is gone: {error}") from None

    def _posterior_of(self, voter: str | None) -> Posterior:
        if voter is None:
            return self.taste.posterior
        self._check_voter(voter)
        return self.taste.of(voter)

    def _check_voter(self, voter: str) -> None:
        if voter not in self.taste.people:
            raise UnknownName("voter of this study", voter, self.taste.people)

    def _taste_of(self, voter: str | None) -> PortableTaste:
        posterior, people = self._posterior_of(voter), self.taste.people
        if not posterior.weights()[0].any():
            raise NotReady(f"none of the answers in {self.path} says which image is better, so there is no taste yet")
        seqs = [seq for seq in self.taste.votes if voter in (None, self.taste.voters[seq])]
        provenance = {
            "votes": len(seqs), "voters": people if voter is None else [voter], "source": self.settings.source,
            "features": self.extractor.hash, "image_size": self.settings.images.size, "made": time.strftime("%Y-%m-%d"),
        }  # fmt: skip
        return PortableTaste.of(posterior, self.extractor, self.reference(), provenance)

    def voter(self, spec: str) -> Voter:
        """A simulated voter or a Python function, by name."""
        return load_voter(spec, self.reference())

    # ------------------------------------------------------------------------------------------------- the steps

    def train(
        self, seconds: float | None = None, report: Report = silent, selection: SelectionPlan | None = None
    ) -> Version:
        """Train the base generator, then generate the first candidates. Resumes where an earlier try stopped.

        With ``selection`` on some of the images, chosen in rounds by what the generator lacks; without, on all.

        Raises:
            StudyExists: the base generator is there already; a second one would not fit the votes.
            BadConfiguration, NotReady, NotCapable: images cannot be selected in this way.
            Interrupted: Ctrl-C; train again to go on.
        """
        if self.versions.all():
            raise StudyExists(f"the study at {self.path} has its generator already; make a new study for another one")
        budget = _budget(self.settings, seconds)
        images = self.read_images(report)
        real = images.train
        Processes().wait()
        with self.stage("training"):
            started = time.monotonic()
            conditions, rejected = told(self.settings, images, self.path / "cache"), left_out_rows(self)
            conditions = replace(conditions, annotations=heeded(conditions.annotations, len(real), rejected))
            judge: Extractor = FEATURES.make(self.settings.judge).fit(
                to_float(np.asarray(real[:_JUDGE_IMAGES])), None, self.rng.child("judge")
            )
            figures: dict[str, Any] = {}
            if selection is None and not rounds_of(self):
                examine = examiner(judge, real, images.holdout, self.rng.child("examining"))
                generator = _fitted(self.path, self.settings, images, conditions, budget, report, examine)
            else:
                generator, figures = train_on_selected(self, selection, images, conditions, judge, budget, report)
            figures["seconds"] = time.monotonic() - started
            figures |= {"rejected": len(rejected)} if len(rejected) else {}
            encoder = generator.encode if generator.capabilities.encodable else None
            extractor: Extractor = FEATURES.make(self.settings.features).fit(
                self._fitting_images(generator), encoder, self.rng.child("features")
            )
            parts: list[tuple[Extractor | TextEncoder, str]] = [(extractor, "features"), (judge, "judge")]
            able = generator.capabilities
            if generator.condition_dim and not able.prompts and conditions.encoder is not None:
                parts.append((conditions.encoder, CONDITIONS))
            for fitted, name in parts:
                with moved_into_place(self.path / name) as folder:
                    fitted.save_pretrained(folder)
                self.versions.keep_hash(name)
            component = GENERATORS.make(self.settings.generator)
            if isinstance(component, Auto):
                figures |= picked_in(self.path / "training")
            version = self._add_version(generator, extractor, "trained", component, figures, Processes(), report)
        shutil.rmtree(self.path / "training" / "checkpoint", ignore_errors=True)
        forget_work(self)
        return version

    @staticmethod
    def assist_training(path: str | Path, seconds: float | None = None) -> None:
        """Train along with the process that called :meth:`train` with the same ``seconds``; make a share of the pool.

        For every process but the first of those that ``accelerate launch`` or ``torchrun`` started.
        """
        path = study_folder(path)
        settings = StudySettings.load(path)
        Processes().wait()
        images = open_images(settings.source, settings.images, path / "cache")
        with Study.beside(path) as study:
            rejected = left_out_rows(study)
        conditions = told(settings, images, path / "cache")
        conditions = replace(conditions, annotations=heeded(conditions.annotations, len(images.train), rejected))
        _fitted(path, settings, images, conditions, _budget(settings, seconds), silent)

        def trained() -> tuple[Generator, Extractor]:
            generator = load_generator(path / "versions" / "1")
            encoder = generator.encode if generator.capabilities.encodable else None
            return generator, load_extractor(path / "features", encoder)

        _plan(path, settings, 1).assist(trained, Processes())

    def ask(self, voter: str | None = None) -> Question:
        """The next pair: one in ten, at a random place, is chosen uniformly (audit), one in twenty is an earlier audit
        with its sides swapped, the others are chosen by the strategy.

        For what teaches most about ``voter``, where several people vote; about all of them together without.
        """
        return self._shown(self.next_query(voter))

    def next_query(self, voter: str | None = None) -> Query:
        """Like :meth:`ask`, as the record that is kept: rows of the pool, propensity, prediction."""
        latest, taste = self.versions.named("latest").number, self.taste
        with one_blas_thread():
            query = self._asker.next(latest, self.pool(latest), taste, voter)
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
        self.keep(event)
        if refit:
            self.refit()
        return len(taste.votes)

    def like(
        self,
        row: int,
        positive: bool = True,
        *,
        pool: str | int = "latest",
        channel: str = LIKE,
        exposure: float = 1.0,
        voter: str = "python",
        session: str | None = None,
        client_key: str | None = None,
        refit: bool = True,
    ) -> int:
        """Store that an image was liked or disliked, or how it was treated, then learn from it; gives its event.

        Args:
            row, pool: which candidate of which version.
            positive: liked, kept, downloaded, …; False for the opposite, or for an image where it was not done.
            channel: ``like`` for an answer; any other name is an implicit signal, believed as far as it helps to
                foretell the answers.
            exposure: for what was not done, the probability that the person saw the image at all.
            voter, session, client_key, refit: as for :meth:`tell`. A channel that is new waits for the next refit.

        Raises:
            BadVote: there is no such image, the exposure is no probability, or the channel's name is taken.
        """
        row, positive, exposure = int(row), bool(positive), float(exposure)
        number = self.versions.named(pool).number
        count = len(self.versions.pool(number))
        if not 0 <= row < count:
            raise BadVote(f"version {number} has the images 0 to {count - 1}; found {row}")
        if not 0 < exposure <= 1:
            raise BadVote(f"the exposure of an image is a probability above 0 and at most 1; found {exposure:g}")
        if channel == BOTH_BAD:
            raise BadVote(f"'{channel}' is what votes on pairs tell; choose another name for the signal")
        event = self._own_event("like" if channel == LIKE else "signal", voter)
        payload = {"pool": number, "row": row, "positive": positive, "channel": channel, "exposure": exposure}
        event = replace(event, payload=payload, session=session or event.session)
        stored = self.keep(replace(event, client_key=client_key or event.client_key))
        if refit:
            self.refit()
        return stored.seq

    def unlike(self, event: int) -> None:
        """Take back what :meth:`like` stored as ``event``.

        Raises:
            BadVote: there is no such event, or it was taken back already.
        """
        if event not in self.taste.singles:
            raise BadVote(f"event {event} is no like or signal that counts; there are {len(self.taste.singles)}")
        voter = self.taste.singles[event].voter
        self.keep(replace(self._own_event("retract", voter), target=event))

    def label(
        self,
        row: int,
        name: str,
        *,
        version: str | int | None = None,
        voter: str = "python",
        session: str | None = None,
        client_key: str | None = None,
    ) -> int:
        """Store a label (``keep``, ``reject``, a class) on a real image, or on a candidate of ``version``: see
        :func:`penchant.study.labels.label`."""
        session = session or self._session
        return label(self, row, name, version=version, voter=voter, session=session, client_key=client_key)

    def spread(self, confidence: float = 0.9, report: Report = silent) -> Spread:
        """Spread the labels of real images over all of them: see :func:`penchant.study.spreading.spread`."""
        return spread(self, confidence, report=report)

    def refit(self, force: bool = False) -> bool:
        """Refit the preference model on all votes, if enough came since the last time; gives whether it did.

        The log says when it was done, so that a replay does the same.
        """
        due = 1 if force else self.settings.refit_every
        if self.taste.since_refit < due:
            return False
        self.keep(self._own_event("refit"))
        return True

    def undo(self, voter: str | None = None) -> Query | None:
        """Take back the last vote (of ``voter``); gives its query, or None where there was no vote."""
        votes = [vote for vote in self.store.votes() if voter in (None, vote.voter)]
        if not votes:
            return None
        last = votes[-1]
        query, _ = self.taste.votes[last.seq]
        self.keep(replace(self._own_event("retract", last.voter), target=last.seq))
        return query

    def align(self, like_best_of: Asked | None = None, report: Report = silent, of: Whose = None) -> Version:
        """Bend the base generator to the taste learned so far and generate new candidates.

        The KL is always against the base generator, so that rounds do not add up unseen. ``of`` says whose taste: one
        voter's name, shares as in ``{"anna": 0.7, "ben": 0.3}``, or None for that of all votes together.
        ``like_best_of="auto"`` goes as far as a judge with other features is sure that the images get better, and
        variety is left (:mod:`penchant.study.frontier`).

        Raises:
            NotReady: no votes yet.
            UnknownName: ``of`` names somebody who did not vote.
            Interrupted: Ctrl-C; nothing changed, align again.
        """
        number = self.versions.named("latest").number + 1
        if not self.taste.votes:
            raise NotReady(f"no votes yet; `penchant vote {self.path}` gives some")
        asked = self.settings.like_best_of if like_best_of is None else like_best_of
        aligner, decided = ALIGNMENT.make(self.settings.aligner), len(self._heard(of, decided=True))
        strength, note = asked_strength(asked, aligner, decided)
        for voter in [of] if isinstance(of, str) else of or ():
            self._check_voter(voter)
        self.refit(force=True)
        self.store.add_taste(
            self.taste.through, self.taste.hash, spec_of(PREFERENCE.make(self.settings.preference)), {}
        )
        votes, through = len(self.taste.votes), self.taste.through  # more may come while it aligns
        with self.stage("aligning"):
            rng, base, reward = self.rng.child("align", number), self.generator("base"), self.reward(of)
            ground, posterior = self.ground(reward, of), self._posterior_of(of if isinstance(of, str) else None)
            real, under = self.training_images(), self.training_conditions()
            result, aligner, strength, other = bent(
                aligner, base, reward, strength, rng, report, real, under, lambda: self.pairs(of)
            )
            note = "; ".join(part for part in (note, other) if part)
            kept = settled(asked, note, strength, result, base, ground, posterior, decided, rng.child("settle"), report)
            figures = {
                "like_best_of": kept.like_best_of,
                "asked": asked,
                "kl_nats": kept.alignment.kl_nats,
                "kl_estimator": kept.alignment.kl_estimator,
                "note": kept.alignment.note,
                "seconds": result.seconds,
                "votes": votes,
                "of": dict(of) if isinstance(of, Mapping) else of,
                "through_seq": through,
                "frontier": [dict(row) for row in kept.alignment.frontier],
                "strengths": list(kept.rows),
                **kept.figures,
            }
            alone, generator = Processes.alone(), kept.alignment.generator
            return self._add_version(generator, self.extractor, "aligned", aligner, figures, alone, report)

    def feed(self, diet: Diet | None = None, seconds: float | None = None, report: Report = silent) -> Version:
        """Train afresh on the real images and the generated ones that are kept: :mod:`penchant.study.feeding`.

        A new version beside the others; the base generator, from which alignments start and are counted, stays.

        Raises:
            NotReady: no generated image is kept.
            NotCapable: several processes, or a generator that is not trained here.
            Interrupted: Ctrl-C; nothing changed, feed again.
        """
        number = self.versions.named("latest").number + 1
        with self.stage("feeding"):
            generator, component, figures = fed_generator(
                self, number, diet or Diet(), _budget(self.settings, seconds), report
            )
            alone = Processes.alone()
            return self._add_version(generator, self.extractor, FED, component, figures, alone, report)

    def pairs(self, of: Whose = None) -> Pairs:
        """The votes as images and latents; latents only where the base generator made the images."""
        base = self.versions.named("base").number
        found = [self.taste.votes[seq] for seq in self._heard(of)]
        nothing = np.full(self.generator("base").latent_dim, np.nan, np.float32)

        def latents(query: Query, row: int) -> Float[np.ndarray, " z"]:
            return np.asarray(self.versions.pool(base).latents[row]) if query.pool == base else nothing

        images = [self._voted_on(query) for query, _ in found]
        return Pairs(
            np.stack([latents(query, query.left_row) for query, _ in found]),
            np.stack([latents(query, query.right_row) for query, _ in found]),
            np.stack([left for left, _ in images]),
            np.stack([right for _, right in images]),
            [choice for _, choice in found],
        )

    def second_opinion(self, of: Whose = None) -> Judge:
        """The taste as the judge's features tell it, learned from the same votes; it is never part of a reward."""
        queries = [self.taste.votes[seq] for seq in self._heard(of)]
        pictures = [[self._voted_on(query)[side] for query, _ in queries] for side in (0, 1)]
        empty = np.zeros((0, self.judge.width))
        with torch.no_grad():
            left, right = (
                torch.cat([self.judge(part) for part in to_float(np.stack(side)).split(256)]).numpy().astype(np.float64)
                if side
                else empty
                for side in pictures
            )
        prior = PREFERENCE.make(self.settings.preference).prior(self.judge.groups)
        with one_blas_thread():
            return Judge(self.judge, prior.refit(Votes(left, right, [choice for _, choice in queries])))

    def ground(self, reward: Reward, of: Whose = None, count: int = COUNT) -> Ground:
        """What strengths are measured on: ``count`` latents, real images and held-out ones, and the second opinion."""
        images, judge = self.read_images(), self.second_opinion(of)
        count = min(count, max(_FEWEST_COMPARED, self.settings.pool_size // 4))
        real, held_out = (
            judge.see(to_float(np.asarray(part[:count]))) if len(part) else np.zeros((0, self.judge.width))
            for part in (images.train, images.holdout)
        )
        latents = self.generator("base").latents(count, self.rng.child("strengths"))
        return Ground(reward, self.extractor, judge, real, held_out, latents)

    def _heard(self, of: Whose, decided: bool = False) -> list[int]:
        """The votes that speak of somebody's taste, or those among them that chose a side."""
        wanted = None if of is None else {of} if isinstance(of, str) else set(of)
        return [
            seq
            for seq, (_, choice) in self.taste.votes.items()
            if (wanted is None or self.taste.voters[seq] in wanted)
            and (not decided or choice in (Choice.LEFT, Choice.RIGHT))
        ]

    def sample(
        self, count: int, seed: int = 0, version: str | int = "latest", prompt: str | None = None
    ) -> Float[torch.Tensor, "n c h w"]:
        """Images of a version; the same seed gives the same latents in every version and for every prompt.

        Raises:
            BadConfiguration: no image is asked for, or there is a ``prompt`` and the generator knows no words.
            UnknownName: the generator knows classes, and the prompt is none of them.
        """
        if count < 1:
            raise BadConfiguration(f"count must be at least 1; found {count}")
        generator = self.generator(version)
        condition = None if prompt is None else condition_of(self.path, generator, prompt)
        return generator.sample(count, Rng(seed).child("sample"), condition)

    def learn(self, report: Report = silent) -> int:
        """Teach networks the votes so far, and learn the taste on what they look for too; gives the extractor's number.

        Five convolutional models see the images voted on; principal components of their last hidden layers join the
        features as an optional group, for the candidates there are and those to come, and all votes are learned from
        anew. The log says from which event on, so a replay does the same. Takes some ten seconds at 32 px, which is
        why nothing calls it by itself. Later calls start from the first features again, with all votes.

        Raises:
            NotReady: no vote so far says which of two images is better.
            Interrupted: Ctrl-C; nothing changed.
        """
        votes = list(self.taste.votes.values())
        if not votes:
            raise NotReady(f"no votes yet; `penchant vote {self.path}` gives some")
        number, workspace = self.taste.learned + 1, Workspace(self.path / "training" / "learn", report)
        with self.stage("learning"), scratch(workspace.directory):
            left, right = (np.stack(side) for side in zip(*(self._voted_on(query) for query, _ in votes), strict=True))
            rng = self.rng.child("learn", number)
            model = _NETWORKS.fit(left, right, [choice for _, choice in votes], _LESSONS, rng, workspace)
            sample = self._fitting_images(self.generator("base"))
            extractor = ConvolutionalExtractor.fitted(self.extractors[0], model.scorer, sample)
            self.extractors.add(number, extractor)
            event = replace(self._own_event("features"), payload={"extractor": number, "hash": extractor.hash})
            self.keep(event)
        return number

    def sufficiency(self, of: str | None = None) -> Sufficiency:
        """Whether the votes are enough, for the candidates of the latest version; about 0.2 s.

        Of all voters together, or those of one: by that one's own answers and taste.

        Raises:
            UnknownName: ``of`` names somebody who did not vote.
        """
        posterior, taste = self._posterior_of(of), self.taste
        answers = {seq: vote for seq, vote in taste.votes.items() if of in (None, taste.voters[seq])}
        features = np.asarray(self.pool().features[:_WEIGHED_IMAGES], dtype=np.float64)
        with one_blas_thread():
            return weigh(
                answers, taste.voters, posterior, features, self.rng.child("sufficiency", taste.through).numpy()
            )

    # ------------------------------------------------------------------------------------------------- inside

    def _query(self, number: int) -> Query:
        """A query; none ever changes, so each is read once."""
        if number not in self._queries:
            self._queries[number] = self.store.query(number)
        return self._queries[number]

    def _fitting_images(self, base: Generator) -> Float[torch.Tensor, "n c h w"]:
        """Images of the base generator, always the same: what extractors are standardised on."""
        return base.sample(min(_FITTING_IMAGES, self.settings.pool_size), self.rng.child("features"))

    def _voted_on(self, query: Query) -> tuple[UInt8[np.ndarray, "c h w"], UInt8[np.ndarray, "c h w"]]:
        images = self.versions.pool(query.pool).images
        return np.asarray(images[query.left_row]), np.asarray(images[query.right_row])

    def _shown(self, query: Query) -> Question:
        left, right = (to_float(image[None])[0] for image in self._voted_on(query))
        return Question(query.number, left, right, query.audit)

    def _view(self, number: int) -> View:
        """What extractor ``number`` shows the taste."""

        def features(pool: int, row: int) -> Float[np.ndarray, " d"]:
            return np.asarray(self.extractors.features(number, pool)[row], dtype=np.float64)

        component, groups = PREFERENCE.make(self.settings.preference), self.extractors[number].groups

        def prior(known: PriorTaste | None) -> Posterior:
            return component.prior(groups, known)

        return View(prior, features)

    def _own_event(self, kind: str, voter: str = "penchant") -> NewEvent:
        return NewEvent(kind=kind, voter=voter, session=self._session)

    def _add_version(
        self,
        generator: Generator,
        extractor: Extractor,
        kind: str,
        component: Any,
        figures: Mapping[str, Any],
        processes: Processes,
        report: Report,
    ) -> Version:
        plan = _plan(self.path, self.settings, len(self.versions.all()) + 1)
        card = model_card(self.settings, kind, spec_of(component)["name"], figures, len(self.images.train))
        return self.versions.add(generator, extractor, kind, component, figures, card, plan, processes, report)

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


def _budget(settings: StudySettings, seconds: float | None) -> Budget:
    """When training ends: after ``seconds``, where they are given, or as the settings say."""
    if seconds is None and settings.train_images is not None:
        return Budget(images=settings.train_images)
    seconds = settings.train_seconds if seconds is None else seconds
    if not 1 <= seconds < math.inf:
        raise BadConfiguration(f"training needs at least 1 second; found {seconds:g}")
    return Budget(seconds=seconds)


def _fitted(
    path: Path,
    settings: StudySettings,
    images: ImageSet,
    conditions: Told,
    budget: Budget,
    report: Report,
    examine: Callable[[Generator], Examined] | None = None,
) -> Generator:
    """The base generator; every process that trains along calls this alike, but the first one alone examines."""
    component = GENERATORS.make(settings.generator)
    workspace = Workspace(path / "training", report, examine)
    rng = Rng(settings.seed).child("train")
    return component.fit(images.train, budget, rng, workspace, conditions.annotations)


def _plan(path: Path, settings: StudySettings, number: int) -> PoolPlan:
    """The candidates of version ``number``; the same in every process."""
    rng = Rng(settings.seed).child("pool", number)
    return PoolPlan(path / "pools" / str(number), settings.pool_size, rng, settings.pool_precision)

"""Training on selected images: select, train, measure on images nobody can select, choose better, again."""

import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float, Int
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from penchant.core.contracts import (
    GENERATORS,
    SELECTION,
    Annotations,
    Budget,
    Discerning,
    Extractor,
    Generator,
    PoolView,
    Progress,
    Report,
    Selected,
    Turn,
    Workspace,
)
from penchant.core.errors import BadConfiguration, NotCapable, StudyDamaged
from penchant.core.family import parse_spec
from penchant.core.pretrained import load_generator
from penchant.core.rng import Rng
from penchant.data import ImageSet, to_float
from penchant.metrics import measure_all
from penchant.preference import PortableTaste
from penchant.store import NewEvent
from penchant.study.conditions import Told
from penchant.study.feature_store import feature_store
from penchant.study.files import moved_into_place
from penchant.study.spreading import known_labels, left_out_rows
from penchant.training.processes import Processes

if TYPE_CHECKING:
    from penchant.study.study import Study

FOLDER = "selection"
KIND = "selection"
MEASURED = ("kid", "coverage", "recall")
_ROWS = "rows.safetensors"
_STORE = "features"
_JUDGED = 1000
_AT_ONCE = 512
_LAST_SHARE = 0.5


@dataclass(frozen=True)
class SelectionPlan:
    """How the images to train on are chosen from all there are.

    Args:
        strategy: a member of the family ``selection``; ``adaptive`` learns which of several helps.
        images: how many are chosen in all; an even share each round.
        rounds: how often the choice is made anew, with what was measured before. The last round has half of the time.
        features: what the strategy sees of an image; never the judge's.
        taste: a folder that ``penchant taste export`` wrote, for strategies that ask what the person likes.
    """

    strategy: str = "adaptive"
    images: int = 1000
    rounds: int = 4
    features: str = "random_convolutions(seed=1)"
    taste: str | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.rounds <= self.images:
            raise BadConfiguration(
                f"rounds must be at least 1 and the budget at least an image a round; found {self.rounds} rounds and "
                f"{self.images} images"
            )

    @property
    def name(self) -> str:
        """The strategy's name without its settings."""
        return parse_spec(self.strategy, SELECTION.kind)[0]


@dataclass(frozen=True, eq=False)
class Round:
    """One round: who chose which rows, and how the generator trained on all chosen so far did.

    ``figures`` has the value, ends of the interval and floor of each of :data:`MEASURED`, against held-out images.
    ``gain`` is the :class:`penchant.core.contracts.Turn`'s; None for the first round, which has nothing before it.
    """

    number: int
    strategy: str
    rows: Int[np.ndarray, " k"]
    figures: Mapping[str, Mapping[str, float | None]]
    gain: float | None
    seconds: float


def rounds_of(study: "Study") -> list[Round]:
    """The rounds that are finished, from the log and the files beside it.

    Raises:
        StudyDamaged: the rows of a round are not what was stored.
    """
    found: list[Round] = []
    for event in study.store.events(kinds=[KIND]):
        payload = event.payload
        path = study.path / FOLDER / str(payload["round"]) / _ROWS
        try:
            rows = load_file(path)["rows"]
        except (OSError, SafetensorError, KeyError) as error:
            raise StudyDamaged(f"the images chosen in round {payload['round']} are gone: {path}: {error}") from None
        found.append(
            Round(payload["round"], payload["strategy"], rows, payload["figures"], payload["gain"], payload["seconds"])
        )
    return found


def chosen_rows(study: "Study") -> Int[np.ndarray, " k"] | None:
    """The rows of ``study.images.train`` that were chosen, in order; None where all were trained on."""
    rounds = rounds_of(study)
    return np.sort(np.concatenate([one.rows for one in rounds])) if rounds else None


def train_on_selected(
    study: "Study",
    plan: SelectionPlan | None,
    images: ImageSet,
    told: Told,
    judge: Extractor,
    budget: Budget,
    report: Report,
) -> tuple[Generator, dict[str, Any]]:
    """Do the rounds that are not done yet; gives the last one's generator, and figures to keep with the version.

    Without a plan, those of the plan in the log. Each round trains afresh on all rows chosen so far: going on from a
    generator of fewer images ends up worse (Ash & Adams, arXiv 1910.08475). Cost: the time of training, and of looking
    at the pool and measuring each round.

    Raises:
        BadConfiguration: another plan or other images than those that the rounds done so far had; nothing is held out.
        NotCapable: several processes.
        NotReady: the strategy needs what is not there: labels, a taste.
    """
    if Processes().count > 1:
        raise NotCapable("images are selected by one process; start `penchant train --select` without a launcher")
    if len(images.holdout) < 2:
        raise BadConfiguration(
            "selecting needs images that nobody can select, to measure by; set holdout in [images] of study.toml"
        )
    plan, rounds = _begun(study, plan, images)
    selector = SELECTION.make(plan.strategy)
    held = images.holdout[:_JUDGED]
    eyes = study.rng.child("selection", "features")
    place = study.path / FOLDER / _STORE
    features, unseen = feature_store(place, plan.features, images.train, images.hash, eyes, None, report, held)
    utilities = None if plan.taste is None else _liked(plan.taste, images)
    barred = left_out_rows(study)
    known = known_labels(study)
    generator: Generator | None = None
    if rounds:
        generator = load_generator(study.path / "training" / _kept(len(rounds)))
    for number in range(len(rounds) + 1, plan.rounds + 1):
        started = time.monotonic()
        taken = np.concatenate([one.rows for one in rounds]) if rounds else np.zeros(0, dtype=np.int64)
        view = PoolView(
            features,
            taken=taken,
            barred=barred,
            errors=None if generator is None else _errors(generator, images),
            realness=None if generator is None else _realness(generator, images),
            utilities=utilities,
            labels=None if known is None else known.labels,
            history=[Turn(one.strategy, one.gain) for one in rounds if one.gain is not None],
            held=unseen,
            names=() if known is None else known.names,
            chances={} if known is None else known.chances,
        )
        count = plan.images * number // plan.rounds - plan.images * (number - 1) // plan.rounds
        report(Progress(f"selecting {number}/{plan.rounds}", 0.0))
        chosen = selector.select(view, count, study.rng.child("selection", number).numpy())
        everything = np.sort(np.concatenate([taken, chosen.rows]))
        part = _part(budget, _share(number, plan.rounds))
        generator = _trained(study, images, told, everything, part, number, report)
        figures = _measured(generator, images, judge, study.rng.child("selection", "judging", number))
        gain = _gain(rounds[-1].figures, figures) if rounds else None
        spent = time.monotonic() - started
        one = Round(number, chosen.strategy or plan.name, chosen.rows, figures, gain, spent)
        _keep(study, plan, images, one, chosen, generator)
        rounds.append(one)
    assert generator is not None, "there is at least one round"
    total = sum(len(one.rows) for one in rounds)
    return generator, {"selected": total, "pool": len(images.train), "selection": asdict(plan)}


def forget_work(study: "Study") -> None:
    """Remove what only an interrupted selection would need."""
    for folder in (study.path / "training").glob(_kept("*")):
        shutil.rmtree(folder, ignore_errors=True)
    shutil.rmtree(study.path / FOLDER / _STORE, ignore_errors=True)


def _begun(study: "Study", plan: SelectionPlan | None, images: ImageSet) -> tuple[SelectionPlan, list[Round]]:
    """The plan, and the rounds of it that are done."""
    for event in study.store.events(kinds=[KIND]):
        if event.payload["images"] != images.hash:
            raise BadConfiguration(
                f"the images of {study.path} changed after round {event.payload['round']} of selecting; put them back "
                "as they were to go on, or make a new study"
            )
        begun = SelectionPlan(**event.payload["plan"])
        if plan not in (None, begun):
            raise BadConfiguration(
                f"selecting began with --select {begun.strategy!r} --budget {begun.images} --rounds {begun.rounds}; "
                "give the same to go on, or make a new study"
            )
        plan = begun
    assert plan is not None, "without a plan there are rounds"
    return plan, rounds_of(study)


def _part(budget: Budget, share: float) -> Budget:
    """A share of the budget, at least a second and an image."""
    seconds = None if budget.seconds is None else max(1.0, budget.seconds * share)
    return Budget(seconds, None if budget.images is None else max(1, round(budget.images * share)))


def _share(number: int, rounds: int) -> float:
    """Of the budget for training: half for the last round, the rest evenly among those before."""
    if rounds == 1:
        return 1.0
    return _LAST_SHARE if number == rounds else (1 - _LAST_SHARE) / (rounds - 1)


def _trained(
    study: "Study",
    images: ImageSet,
    told: Told,
    rows: Int[np.ndarray, " k"],
    budget: Budget,
    number: int,
    report: Report,
) -> Generator:
    known = told.annotations
    annotations = Annotations(
        None if known.weights is None else known.weights[rows],
        None if known.conditions is None else known.conditions[rows],
    )
    # Images may be rejected between an interruption and the next try: another choice is another training.
    choice = sha256(rows.astype(np.int64).tobytes()).hexdigest()[:8]
    workspace = Workspace(study.path / "training" / _work(number) / choice, report)
    component = GENERATORS.make(study.settings.generator)
    rng = study.rng.child("train") if number == 1 else study.rng.child("train", number)
    return component.fit(np.asarray(images.train[rows]), budget, rng, workspace, annotations)


def _keep(
    study: "Study", plan: SelectionPlan, images: ImageSet, one: Round, chosen: Selected, generator: Generator
) -> None:
    """The generator, then the rows, then the event that says that both are there."""
    with moved_into_place(study.path / "training" / _kept(one.number)) as folder:
        generator.save_pretrained(folder)
    name = f"{FOLDER}/{one.number}"
    with moved_into_place(study.path / name) as folder:
        save_file({"rows": one.rows.astype(np.int64), "scores": chosen.scores.astype(np.float64)}, folder / _ROWS)
    study.versions.keep_hash(name)
    payload = {
        "round": one.number,
        "strategy": one.strategy,
        "images": images.hash,
        "chosen": len(one.rows),
        "figures": one.figures,
        "gain": one.gain,
        "seconds": one.seconds,
        "plan": asdict(plan),
    }
    key = f"round {one.number}"
    study.store.append(NewEvent(KIND, "penchant", "selection", client_key=key, payload=payload))
    shutil.rmtree(study.path / "training" / _work(one.number), ignore_errors=True)


def _work(number: int) -> str:
    return f"round-{number}"


def _kept(number: int | str) -> str:
    return f"selected-{number}"


def _errors(generator: Generator, images: ImageSet) -> Float[np.ndarray, " n"] | None:
    """How far each image of the pool is from what the generator makes of its code; None where it has no codes."""
    if not generator.capabilities.encodable:
        return None
    errors = np.empty(len(images.train))
    for start in range(0, len(errors), _AT_ONCE):
        part = to_float(np.asarray(images.train[start : start + _AT_ONCE]))
        with torch.no_grad():
            given_back = generator.reconstruct(part)
        errors[start : start + len(part)] = (given_back - part).square().flatten(1).mean(1).double().numpy()
    return errors


def _realness(generator: Generator, images: ImageSet) -> Float[np.ndarray, " n"] | None:
    """What the discriminator makes of each image of the pool; None where none was kept."""
    if not isinstance(generator, Discerning) or not generator.discerns:
        return None
    scores = np.empty(len(images.train))
    for start in range(0, len(scores), _AT_ONCE):
        part = to_float(np.asarray(images.train[start : start + _AT_ONCE]))
        scores[start : start + len(part)] = generator.realness(part).double().numpy()
    return scores


def _liked(taste: str, images: ImageSet) -> Float[np.ndarray, " n"]:
    """What a taste from elsewhere makes of each image of the pool."""
    portable = PortableTaste.from_pretrained(taste)
    parts = [
        portable.utility(to_float(np.asarray(images.train[start : start + _AT_ONCE])))[0]
        for start in range(0, len(images.train), _AT_ONCE)
    ]
    return np.concatenate(parts)


def _measured(generator: Generator, images: ImageSet, judge: Extractor, rng: Rng) -> dict[str, dict[str, float | None]]:
    """Against held-out images; the floor is that of images of the pool, whoever chose them or not."""
    held = images.holdout[:_JUDGED]
    others = images.train[np.sort(rng.child("floor").numpy().permutation(len(images.train))[: len(held)])]
    made = generator.sample(len(held), rng.child("samples"))
    with torch.no_grad():
        real, floor = (judge(to_float(np.asarray(part))).double().numpy() for part in (held, others))
        features = judge(made).double().numpy()
    found = measure_all(real, features, floor, judge.hash, rng, MEASURED)
    figures: dict[str, dict[str, float | None]] = {}
    for name, one in found.items():
        if isinstance(one, Exception):
            figures[name] = dict.fromkeys(("value", "low", "high", "floor"))
        else:
            figures[name] = {"value": one.value, "low": one.low, "high": one.high, "floor": one.floor}
    return figures


def _gain(before: Mapping[str, Mapping[str, Any]], after: Mapping[str, Mapping[str, Any]]) -> float:
    """The share of the distance that was made up: in KID, and in coverage, half each; what is unknown says nothing."""
    gains: list[float] = []
    for name, best in (("kid", before["kid"]["floor"]), ("coverage", before["coverage"]["floor"])):
        old, new = before[name]["value"], after[name]["value"]
        if old is None or new is None or best is None or old == best:
            gains.append(0.0)
        else:
            gains.append((new - old) / (best - old) if (best - old) * (1 if name == "coverage" else -1) > 0 else 0.0)
    return float(np.mean(gains))


def told_of(rounds: Sequence[Round], pool: int, asked: int | None = None) -> str:
    """What was chosen, in one sentence; in a second one where it is fewer than were ``asked`` for."""
    total = sum(len(one.rows) for one in rounds)
    who = sorted({one.strategy for one in rounds})
    times = f"{len(rounds)} rounds" if len(rounds) > 1 else "one round"
    said = f"{total:,} of {pool:,} images were chosen in {times}, by {', '.join(who)}."
    if asked is not None and total < asked:
        return (
            f"{said} The budget of {asked:,} is above what there is to choose from, so all of it was taken and the "
            "strategy decided nothing but the order; give a smaller one."
        )
    return said


def asked_for(study: "Study") -> int | None:
    """The budget that images were selected by; None where all were trained on."""
    events = study.store.events(kinds=[KIND])
    return int(events[-1].payload["plan"]["images"]) if events else None

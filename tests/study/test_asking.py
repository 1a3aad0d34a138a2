"""What a strategy is told of the answered pairs, and who is named for a question."""

from dataclasses import replace
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest

from penchant.core.contracts import QUERIES, Asked, Candidates, Choice, Posterior, Proposal
from penchant.store import Query
from penchant.study import Study, StudySettings, asking, comparison, vote


class Listening:
    """Random pairs; keeps what it was given."""

    def __init__(self) -> None:
        self.given: list[Candidates] = []

    def propose(self, candidates: Candidates, posterior: Posterior, count: int, rng: np.random.Generator) -> Proposal:
        self.given.append(candidates)
        return QUERIES.make("random").propose(candidates, posterior, count, rng)


@pytest.fixture
def listening(study: Study, monkeypatch: pytest.MonkeyPatch) -> Listening:
    strategy = Listening()
    monkeypatch.setattr(study._asker, "_chooser", ("listening", strategy))
    monkeypatch.setattr(study._asker, "_auditor", ("random", strategy))
    return strategy


def surprise(query: Query, choice: Choice) -> float:
    assert query.predicted is not None
    return -np.log(query.predicted if choice is Choice.LEFT else 1 - query.predicted)


def test_strategies_are_told_of_all_current_votes_with_their_surprise(study: Study, listening: Listening):
    answers = [Choice.LEFT, Choice.RIGHT, Choice.TIE, Choice.SKIP, Choice.BOTH_BAD] * 3
    queries: list[Query] = []
    for choice in answers:
        queries.append(study.next_query())
        study.tell(queries[-1].number, choice)
    study.next_query()
    expected = [
        Asked(
            query.strategy,
            query.audit,
            pytest.approx(surprise(query, choice)) if choice in (Choice.LEFT, Choice.RIGHT) else None,  # pyright: ignore[reportArgumentType]
        )
        for query, choice in zip(queries, answers, strict=True)
    ]
    assert [len(candidates.history) for candidates in listening.given] == list(range(16))
    assert list(listening.given[-1].history) == expected
    assert sum(asked.audit for asked in expected) == sum(query.audit for query in queries) > 0
    assert all(asked.strategy == ("random" if asked.audit else "listening") for asked in expected)


def test_a_vote_taken_back_is_not_told(study: Study, listening: Listening):
    for choice in ("left", "left", "right"):
        study.tell(study.next_query().number, choice, voter="somebody")
    study.next_query()
    before = list(listening.given[-1].history)
    study.undo("somebody")
    query = study.next_query()
    assert list(listening.given[-1].history) == before[:2]
    study.tell(query.number, "right", voter="somebody")
    study.next_query()
    after = list(listening.given[-1].history)
    assert after[:2] == before[:2]
    assert after[2].surprise == pytest.approx(surprise(query, Choice.RIGHT))


def test_history_looks_at_each_vote_once(study: Study, monkeypatch: pytest.MonkeyPatch):
    looked: list[int] = []

    def counted(query: Query, choice: Choice) -> Asked:
        looked.append(query.number)
        return Asked(query.strategy, query.audit, None)

    monkeypatch.setattr(asking, "_asked", counted)
    for _ in range(3):
        study.tell(study.next_query().number, "left")
    first = study._asker._history(study.taste, None)
    assert study._asker._history(study.taste, None) == first
    assert len(first) == 3
    assert looked == [1, 2, 3]


@pytest.mark.parametrize("strategy", ["adaptive", "favourites"])
def test_the_strategy_that_chose_is_stored_and_a_replay_asks_the_same(
    trained_folder: Path, tmp_path: Path, strategy: str
):
    runs: list[list[tuple[str, str, str, float]]] = []
    for name in ("one", "two"):
        folder = copytree(trained_folder, tmp_path / name)
        replace(StudySettings.load(folder), strategy=strategy).save(folder)
        for votes in (7, 16):  # closed and opened in between
            with Study.open(folder) as study:
                vote(study, "warm", votes)
        with Study.open(folder) as study:
            runs.append([(q.strategy, q.left, q.right, q.propensity) for q in study.store.queries()])
    assert runs[0] == runs[1]
    assert len(runs[0]) == 23
    names = {name for name, *_ in runs[0]}
    assert names <= {"bald", "d_optimal", "eubo", "random", "again"}
    assert len(names) > 1


def test_audits_are_asked_again_with_their_sides_swapped(study: Study, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(asking, "suspicious", lambda *_: False)
    vote(study, "warm", 100)
    queries = {query.number: query for query in study.store.queries()}
    again = [query for query in queries.values() if query.repeat_of is not None]
    assert len(again) == 4
    assert min(query.number for query in again) > 20
    assert len({query.repeat_of for query in again}) == len(again)
    assert len({(query.number - 1) // 20 for query in again}) == len(again)
    for query in again:
        earlier = queries[query.repeat_of or 0]
        assert (query.left, query.right) == (earlier.right, earlier.left)
        assert (query.left_row, query.right_row) == (earlier.right_row, earlier.left_row)
        assert earlier.audit
        assert not query.audit
        assert query.strategy == "again"
        assert query.number - earlier.number > 10
        assert 0 < query.propensity <= 0.05
    assert study.sufficiency().consistency.again.trials == len(again)
    strategic = [query.propensity for query in queries.values() if query.strategy == "bald"]
    assert {round(propensity, 6) for propensity in strategic} <= {0.9, 0.85}
    assert 0.85 in {round(propensity, 6) for propensity in strategic}


def test_nothing_is_asked_again_where_it_should_not_be(study: Study, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(study._asker, "settings", replace(study.settings, again_share=0.0))
    vote(study, "warm", 45)
    assert all(query.repeat_of is None for query in study.store.queries())


def test_only_the_pairs_of_who_is_voting_are_asked_again(study: Study):
    vote(study, "warm", 18)
    vote(study, "calm", 60)
    by = {event.query: event.voter for event in study.store.votes()}
    again = [query for query in study.store.queries() if query.repeat_of is not None]
    assert again
    assert all(by[query.repeat_of] == by[query.number] == "calm" for query in again)


def test_models_are_not_taught_the_pairs_they_are_judged_on(study: Study, monkeypatch: pytest.MonkeyPatch):
    vote(study, "warm", 60)
    taught: list[int] = []

    def spying(study: Study, some: comparison.Answered, judged: comparison.Answered, rng: object) -> np.ndarray:
        taught.extend(query.number for query, _ in some)
        return np.full(len(judged), 0.5)

    monkeypatch.setattr(comparison, "_predictions", spying)
    comparison.compare_models(study)
    queries = {query.number: query for query in study.store.queries()}
    assert taught
    assert not any(queries[number].audit or queries[number].repeat_of for number in taught)


def test_skips_are_learned_from_and_a_replay_asks_the_same(study: Study, tmp_path: Path):
    brightness = study.candidates().mean((1, 2, 3)).numpy()
    bright = brightness > np.quantile(brightness, 0.6)
    for _ in range(50):
        query = study.next_query()
        unwilling = bright[query.left_row] or bright[query.right_row]
        study.tell(query.number, "skip" if unwilling else "left", voter="anna", refit=False)
    assert study.taste.skips() is None  # nothing is learned before a refit
    study.refit(force=True)
    study.next_query()
    study.tell(study.next_query().number, "skip", voter="ben")
    found = study.taste.skips()
    assert found is not None
    assert study.taste.skips("ben") is None
    study.close()
    with Study.open(copytree(study.path, tmp_path / "moved")) as moved, Study.open(study.path) as same:
        again = moved.taste.skips()
        assert again is not None
        assert again.images.tobytes() == found.images.tobytes()
        assert (again.level, again.sure, again.apart) == (found.level, found.sure, found.apart)
        one, other = moved.next_query(), same.next_query()
        assert (one.left_row, one.right_row, one.propensity) == (other.left_row, other.right_row, other.propensity)

"""A study whose votes are in PostgreSQL: made, voted on, opened again; and its events in the order of their commits."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.store.conftest import MakeQuery

from penchant.core.contracts import Choice
from penchant.core.errors import StudyMissing
from penchant.store import NewEvent, Store
from penchant.study import Study, StudySettings


def test_a_study_in_postgresql_opens_with_the_same_taste(new_database: str, tmp_path: Path) -> None:
    settings = {
        "source": "pictures:300",
        "images": {"size": 28},
        "pool": 60,
        "train_seconds": 1,
        "database": new_database,
    }
    with Study.create(tmp_path / "study", StudySettings.parse(settings, "the test")) as study:
        study.train()
        for choice in ("left", "right", "tie"):
            study.tell(study.ask("anna").number, choice, voter="anna")
        taste = study.taste.hash
    assert not list((tmp_path / "study").glob("penchant.db*"))
    with Study.open(tmp_path / "study") as study:
        assert (len(study.taste.votes), study.taste.hash) == (3, taste)


def test_many_writers_at_once_lose_and_double_nothing(new_database: str, tmp_path: Path, pair: MakeQuery) -> None:
    with Store.create(tmp_path, new_database) as store, Store.open(tmp_path, new_database) as other:
        queries = [store.add_query(pair(number)).number for number in range(1, 41)]

        def vote(query: int) -> list[int]:
            event = NewEvent("vote", "anna", "s", f"key-{query}", query=query, choice=Choice.LEFT)
            return [one.append(event).seq for one in (store, other)]

        with ThreadPoolExecutor(8) as threads:
            seqs = list(threads.map(vote, queries))
        assert all(first == second for first, second in seqs)
        assert sorted(event.query or 0 for event in other.votes()) == queries
        times = [event.received_at for event in store.events()]
        assert times == sorted(times)


def test_a_server_that_is_not_there_is_said(tmp_path: Path) -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(StudyMissing, match="cannot be reached") as told:
        Store.open(tmp_path, "postgresql+psycopg://anna:secret@127.0.0.1:1/none")
    assert "secret" not in str(told.value)

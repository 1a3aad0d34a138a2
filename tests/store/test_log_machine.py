"""Whatever happens in whatever order, the store's current votes are those of a plain list in memory."""

import io
import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from PIL import Image

from penchant.core.contracts import Choice
from penchant.core.errors import BadVote
from penchant.store import Event, ImageRecord, NewEvent, NewQuery, Store


def image() -> ImageRecord:
    buffer = io.BytesIO()
    Image.new("L", (2, 2)).save(buffer, "PNG")
    return ImageRecord(buffer.getvalue())


class Log(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.store = Store.create(self.folder)
        self.record = image()
        self.queries = 0
        self.log: list[Event] = []
        self.current: dict[int, Event] = {}
        self.sent: dict[str, NewEvent] = {}

    @rule()
    def ask(self) -> None:
        self.store.add_query(NewQuery(self.record, self.record, 0, 0, 0, "random", 1.0))
        self.queries += 1

    @precondition(lambda self: self.queries > 0)
    @rule(choice=st.sampled_from(Choice), key=st.sampled_from("abcdef"), data=st.data())
    def vote(self, choice: Choice, key: str, data: st.DataObject) -> None:
        query = data.draw(st.integers(1, self.queries))
        event = NewEvent("vote", "anna", "s", key, query=query, choice=choice)
        known = self.sent.get(key)
        answered = any(vote.query == query for vote in self.current.values())
        try:
            stored = self.store.append(event)
        except BadVote:
            assert answered if known is None else known != event
            return
        assert stored.replayed == (known == event)
        if known is None:
            assert not answered
            self.sent[key] = event
            self.log.append(stored)
            self.current[stored.seq] = stored

    @precondition(lambda self: bool(self.log))
    @rule(data=st.data())
    def retract(self, data: st.DataObject) -> None:
        seq = data.draw(st.sampled_from(self.log)).seq
        try:
            self.log.append(self.store.append(NewEvent("retract", "anna", "s", target=seq)))
        except BadVote:
            assert seq not in self.current
            return
        del self.current[seq]

    @rule()
    def reopen(self) -> None:
        self.store.close()
        self.store = Store.open(self.folder)

    @invariant()
    def store_is_the_list(self) -> None:
        assert self.store.events() == self.log
        assert self.store.votes() == list(self.current.values())

    def teardown(self) -> None:
        self.store.close()
        shutil.rmtree(self.folder)


TestLog = Log.TestCase
TestLog.settings = settings(max_examples=8, stateful_step_count=20, deadline=None)

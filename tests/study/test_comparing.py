"""Versions compared blindly, and their order."""

from dataclasses import replace
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest

from penchant.core.contracts import Choice
from penchant.core.errors import BadConfiguration, BadVote, NotReady, StudyDamaged, UnknownName
from penchant.core.rng import Rng
from penchant.store import NewEvent
from penchant.study import Study, vote
from penchant.study.alpha import agreement_of_votes, agreement_sentence
from penchant.study.comparing import BlindComparison, Compared, compare, comparisons, result
from penchant.study.leaderboard import leaderboard, rank
from penchant.study.voted import leaderboard_of_votes


@pytest.fixture(scope="module")
def aligned_folder(trained_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study with two versions."""
    folder = copytree(trained_folder, tmp_path_factory.mktemp("aligned") / "study")
    with Study.open(folder) as study:
        vote(study, "warm", 8)
        study.align(4)
    return folder


@pytest.fixture
def aligned(aligned_folder: Path, tmp_path: Path):
    with Study.open(copytree(aligned_folder, tmp_path / "study")) as study:
        yield study


def test_answers_are_kept_apart_from_the_votes_that_teach(aligned: Study):
    taste, through = aligned.taste.hash, aligned.taste.through
    found = compare(aligned, "latest", "base", "warm", 40)
    assert found.rate.n + found.both_bad + found.skipped == 40
    assert (found.first, found.second, found.voters) == (2, 1, ("warm",))
    assert len(aligned.store.votes()) == 8
    again = aligned.untaught_taste()
    again.replay(aligned.store.events())
    assert (again.hash, again.through) == (taste, through)
    turned = result(aligned, "base", 2)
    assert turned.rate.value == pytest.approx(1 - found.rate.value)
    assert turned.sentence != found.sentence
    assert compare(aligned, 2, 1, "warm", 5).rate.n >= found.rate.n


def test_an_aligned_version_is_preferred_by_the_taste_it_was_aligned_to(aligned: Study):
    found = compare(aligned, 2, 1, "warm(consistency=50, lapse=0)", 60)
    assert found.rate.value > 0.5
    board = leaderboard(aligned)
    assert board.standings[0].version == 2
    assert board.reference == 1
    assert "say nothing of other people" in board.notes[0]


def test_sides_are_a_coin_and_names_are_hidden(aligned: Study):
    session = BlindComparison(aligned, 2, 1, "anna", 40)
    sides: list[int] = []
    for number in range(1, 41):
        pair = session.ask()
        assert pair.number == number
        assert set(vars(pair)) == {"number", "left", "right"}
        session.tell(pair.number, Choice.LEFT, client_key=f"key-{number}")
        sides.append(int(aligned.store.events()[-1].payload["left"]))
    assert 10 < sides.count(1) < 30
    found = result(aligned, 2, 1)
    assert found.rate.value == sides.count(2) / 40  # always left is no preference for a version
    other = BlindComparison(aligned, 1, 2, "ben", 1)
    first = BlindComparison(aligned, 1, 2, "anna", 1)
    both = {
        name: {session.image_png(pair.left), session.image_png(pair.right)}
        for name, session in (("ben", other), ("anna", first))
        for pair in [session._pair(1)]
    }
    assert both["ben"] == both["anna"]


def test_an_answer_counts_once_and_can_be_taken_back(aligned: Study):
    session = BlindComparison(aligned, 2, 1, "anna", 5)
    first = session.ask()
    assert [pair.number for pair in session.prefetch(2)] == [2, 3]
    assert session.tell(1, Choice.TIE, client_key="k1") == session.tell(1, Choice.TIE, client_key="k1") == 1
    with pytest.raises(BadVote, match="'k1' was used before"):
        session.tell(1, Choice.LEFT, client_key="k1")
    with pytest.raises(BadVote, match="pair 1 was answered already"):
        session.tell(1, Choice.LEFT, client_key="k2")
    with pytest.raises(BadVote, match="pair 400 was answered already, or was not asked"):
        session.tell(400, Choice.LEFT, client_key="k3")
    assert result(aligned, 2, 1).rate.tie_rate == 1
    assert session.undo()
    assert not session.undo()
    assert session.ask() == first
    assert comparisons(aligned.store.events()) == []
    assert session.progress().votes == 0
    with pytest.raises(BadVote, match="has no image"):
        session.image_png("0" * 64)


def test_what_cannot_be_compared_is_told(aligned: Study):
    with pytest.raises(BadConfiguration, match="are both version 1"):
        compare(aligned, "base", 1, "warm", 3)
    with pytest.raises(UnknownName, match="no version named '9'"):
        compare(aligned, 9, 1, "warm", 3)
    with pytest.raises(BadConfiguration, match="votes must be at least 1"):
        compare(aligned, 2, 1, "warm", 0)
    with pytest.raises(NotReady, match="no versions were compared yet"):
        leaderboard(aligned)
    aligned.store.append(NewEvent("versus", voter="x", session="s", choice=Choice.LEFT, payload={"left": 1}))
    with pytest.raises(StudyDamaged, match="a versus, cannot be read"):
        result(aligned, 2, 1)


def say(study: Study, voter: str, choices: str) -> None:
    """Pair k answered by ``voter`` with the k-th of L, R, T (tie), B (both bad); version 1 on the left."""
    meant = {"L": Choice.LEFT, "R": Choice.RIGHT, "T": Choice.TIE, "B": Choice.BOTH_BAD}
    for number, letter in enumerate(choices, start=1):
        payload = {"left": 1, "right": 2, "pair": number}
        key = f"{voter}-{number}"
        study.store.append(NewEvent("versus", voter, "s", key, choice=meant[letter], payload=payload))


def test_how_far_voters_agree_is_told(aligned: Study):
    say(aligned, "anna", "LLRRLTRBLL")
    alone = result(aligned, 2, 1)
    assert alone.agreement.alpha is None  # one voter agrees with nobody
    assert alone.as_json()["krippendorff_alpha_interval"] is None
    say(aligned, "ben", "LLRRLTRLLL")
    both = result(aligned, 1, 2)
    assert (both.agreement.alpha, both.agreement.things) == (1.0, 9)  # both bad is no answer
    assert leaderboard(aligned).as_json()["agreement"]["krippendorff_alpha"] == 1.0
    say(aligned, "eve", "RRLLRTLLRR")
    opposed = result(aligned, 1, 2).agreement
    assert opposed.alpha is not None
    assert opposed.alpha < 0.3
    assert "The voters agree by" in agreement_sentence(opposed)
    assert leaderboard(aligned).agreement.alpha == opposed.alpha


def test_where_all_answers_are_the_same_that_is_told(aligned: Study):
    say(aligned, "anna", "LLL")
    assert agreement_sentence(result(aligned, 1, 2).agreement) == ""
    say(aligned, "ben", "LLL")
    assert agreement_sentence(result(aligned, 1, 2).agreement).startswith("All 6 answers to the 3 pairs")


def test_versions_are_ordered_by_the_votes_that_teach(aligned: Study):
    with pytest.raises(NotReady, match="at least 5 audits"):
        leaderboard_of_votes(aligned, "audits")
    vote(aligned, "warm", 40)
    by_votes = leaderboard_of_votes(aligned)
    assert by_votes.standings[0].version == 2  # aligned to that very taste
    assert by_votes.standings[0].low <= by_votes.standings[0].value <= by_votes.standings[0].high
    assert by_votes.standings[-1].value == pytest.approx(0.5, abs=1e-9)
    assert by_votes.votes > 20
    assert "nobody was shown images of two versions" in by_votes.notes[0]
    assert f"{by_votes.votes} votes count as" in by_votes.notes[1]
    assert "say nothing of other people" in by_votes.notes[-1]
    again = leaderboard_of_votes(aligned)
    assert again == by_votes


def answers(voter: str, versions: tuple[int, int], wins: int, losses: int, ties: int = 0) -> list[Compared]:
    choices = [Choice.LEFT] * wins + [Choice.RIGHT] * losses + [Choice.TIE] * ties
    return [Compared(number, voter, versions, number, choice) for number, choice in enumerate(choices)]


def test_leaderboard_orders_versions_and_tells_those_that_are_not_linked():
    found = answers("a", (1, 2), 10, 30) + answers("b", (2, 3), 15, 25, 5) + answers("b", (7, 8), 3, 3)
    board = rank(found, Rng(0))
    assert [one.version for one in board.standings] == [3, 2, 1]
    assert board.apart == (7, 8)
    assert "Not linked to these by any comparison: 7, 8" in board.notes[-1]
    second = board.standings[1]
    assert second.value == pytest.approx(0.75, abs=0.03)
    assert board.standings[-1].value == board.standings[-1].low == 0.5


def test_intervals_are_wider_when_voters_disagree():
    agreeing = [each for name in "abcdef" for each in answers(name, (1, 2), 10, 20)]
    split = [each for name in "abc" for each in answers(name, (1, 2), 0, 30)]
    split += [each for name in "def" for each in answers(name, (1, 2), 20, 10)]
    narrow, wide = (
        next(one for one in rank(found, Rng(0)).standings if one.version == 2) for found in (agreeing, split)
    )
    assert narrow.value == pytest.approx(wide.value, abs=0.01)
    assert wide.high - wide.low > 0.3 > narrow.high - narrow.low
    assert np.isfinite([wide.low, wide.high]).all()


def test_answers_of_old_studios_still_count(aligned: Study):
    for number, won in enumerate(("for", "against", "tie", "for")):
        payload = {"version": 2, "against": 1, "number": number, "won": won}
        aligned.store.append(NewEvent("comparison", voter="anna", session="s", payload=payload))
    found = result(aligned, 2, 1)
    assert (found.rate.value, found.rate.n, found.rate.tie_rate) == (pytest.approx(2 / 3), 4, 0.25)
    session = BlindComparison(aligned, 2, 1, "anna", 3)
    assert session.ask().number == 1  # none of the pairs of today was seen
    compare(aligned, 2, 1, "coin", 3)
    assert result(aligned, 2, 1).voters == ("anna", "coin")


def test_pages_and_command_line_share_one_voter(aligned: Study):
    page, terminal = (BlindComparison(aligned, 2, 1, "anna", 5, session) for session in ("page", None))
    page.tell(1, Choice.LEFT, client_key="once")
    assert terminal.ask().number == 2
    assert BlindComparison(aligned, 1, 2, "anna", 5, "page").tell(1, Choice.LEFT, client_key="once") == 1
    assert terminal.undo("back")
    assert terminal.undo("back")
    assert page.ask().number == 1
    assert page.progress().votes == 0


def test_votes_on_one_pair_agree_whatever_side_it_was_shown_on(aligned: Study):
    query = next(iter(aligned.taste.votes.values()))[0]
    turned = replace(query, left_row=query.right_row, right_row=query.left_row)
    other = replace(query, left_row=query.left_row + 1, right_row=query.right_row + 1)
    votes = {1: (query, Choice.LEFT), 2: (turned, Choice.RIGHT), 3: (other, Choice.RIGHT), 4: (other, Choice.RIGHT)}
    voters = {1: "anna", 2: "ben", 3: "anna", 4: "ben"}
    found = agreement_of_votes(votes, voters, Rng(0))
    assert found.things == 2
    # two rows may be turned by the order of their numbers, but both voters alike
    assert found.alpha in (1.0, None)
    votes[4] = (other, Choice.LEFT)
    opposed = agreement_of_votes(votes, voters, Rng(0)).alpha
    assert opposed is not None
    assert opposed < 1

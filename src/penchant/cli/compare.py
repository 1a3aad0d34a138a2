"""Comparing versions blindly, and the order that comes out of it."""

from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from penchant.cli.progress import ProgressBars
from penchant.cli.steps import check_voter_name, write_json
from penchant.core.errors import Interrupted, UnknownName
from penchant.study import HUMAN, Study
from penchant.study.alpha import agreement_sentence
from penchant.study.comparing import BlindComparison, compare, result
from penchant.study.leaderboard import Leaderboard, leaderboard
from penchant.study.voted import leaderboard_of_votes


def compare_versions(
    console: Console, out: Console, path: Path, first: str, second: str, voter: str, votes: int, json_file: Path | None
) -> None:
    """More comparisons, then where it stands."""
    check_voter_name(voter)
    with Study.open(path) as study:
        if voter == HUMAN:
            _in_the_browser(study, first, second, votes)
            found = result(study, first, second)
        else:
            with ProgressBars(console) as bars:
                found = compare(study, first, second, voter, votes, bars)
    rate = found.rate
    out.print(
        f"{rate.n} answers, {rate.tie_rate:.0%} ties; both bad {found.both_bad}, skipped {found.skipped}; "
        f"by {', '.join(found.voters) or 'nobody'}",
        highlight=False,
        markup=False,
    )
    out.print(found.sentence, highlight=False, markup=False)
    if told := agreement_sentence(found.agreement):
        out.print(told, highlight=False, markup=False)
    write_json(json_file, found.as_json())


def _in_the_browser(study: Study, first: str, second: str, votes: int) -> None:
    from penchant.studio import serve

    session = BlindComparison(study, first, second, HUMAN, votes)
    serve(session)
    state = session.progress()
    if state.votes < state.wanted:
        raise Interrupted(
            f"the comparison was stopped {state.wanted - state.votes} short of {votes} answers; all are kept. "
            "Give the same command again"
        )


def show_leaderboard(out: Console, path: Path, json_file: Path | None, by: str = "comparisons") -> None:
    """The versions, best first."""
    boards: dict[str, Callable[[Study], Leaderboard]] = {
        "comparisons": leaderboard,
        "audits": lambda study: leaderboard_of_votes(study, "audits"),
        "votes": lambda study: leaderboard_of_votes(study, "votes"),
    }
    if by not in boards:
        raise UnknownName("way of ordering versions", by, boards)
    with Study.open(path) as study:
        board = boards[by](study)
        kinds = {version.number: version.kind for version in study.versions.all()}
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("version", "", f"preferred to version {board.reference}", "95% interval", "answers"):
        table.add_column(column, no_wrap=True)
    for one in board.standings:
        own = one.version == board.reference
        interval = "" if own else f"{one.low:.0%} to {one.high:.0%}"
        cells = str(one.version), kinds.get(one.version, ""), "–" if own else f"{one.value:.0%}", interval
        table.add_row(*cells, str(one.votes))
    out.print(table)
    voters = "1 voter" if board.voters == 1 else f"{board.voters} voters"
    out.print(f"{board.votes} answers of {voters}, {board.ties:.0%} ties", highlight=False)
    if told := agreement_sentence(board.agreement):
        out.print(told, highlight=False, markup=False)
    for note in board.notes:
        out.print(f"note: {note}", highlight=False, markup=False)
    write_json(json_file, board.as_json())

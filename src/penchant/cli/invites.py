"""The commands that let others vote, list who may, and take it back; they work while the studio runs."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from penchant.cli.options import StudyPath

_out = Console(soft_wrap=True)


def invite(
    study: StudyPath,
    voter: Annotated[str, typer.Option("--voter", help="Who: the name their votes are kept under.", metavar="NAME")],
    days: Annotated[float, typer.Option("--days", help="How long the link works.", metavar="D")] = 7,
    votes: Annotated[int | None, typer.Option("--votes", help="At most so many votes.", metavar="N")] = None,
    at: Annotated[
        str, typer.Option("--at", help="Where the studio is served, as its voters reach it.", metavar="URL")
    ] = "http://127.0.0.1:PORT",
) -> None:
    """Invite somebody to vote: prints a link, this once; only its hash is kept."""
    from penchant.study import open_invites

    with open_invites(study) as invites:
        made, token = invites.invite(voter, days, votes)
    until = datetime.fromtimestamp(made.expires_at).astimezone().strftime("%Y-%m-%d %H:%M")
    quota = "" if votes is None else f", {votes} votes at most"
    _out.print(f"{at.rstrip('/')}/?invite={token}", highlight=False, markup=False)
    _out.print(f"invitation {made.number} for {voter}, until {until}{quota}", highlight=False, markup=False)
    _out.print(f"[dim]take it back with: penchant revoke {study} {made.number}[/]", highlight=False)


def invites(study: StudyPath) -> None:
    """List who was invited, how many votes they gave, and whether their link still works."""
    from penchant.study import open_invites

    table = Table("number", "voter", "votes", "at most", "until", "state", box=None, pad_edge=False, header_style="dim")
    with open_invites(study) as opened:
        for one in opened.all():
            state = "taken back" if one.revoked else "open" if one.open(opened.now()) else "expired"
            until = datetime.fromtimestamp(one.expires_at).astimezone().strftime("%Y-%m-%d %H:%M")
            votes = opened.store.count_votes(one.voter)
            table.add_row(str(one.number), one.voter, str(votes), str(one.quota or "–"), until, state)
    _out.print(table if table.row_count else "nobody was invited; penchant invite STUDY --voter NAME does it")


def revoke(
    study: StudyPath,
    number: Annotated[int, typer.Argument(help="The invitation, as `penchant invites` numbers it.", metavar="NUMBER")],
) -> None:
    """Take an invitation back; browsers that came in by it are out within a second. Their votes stay."""
    from penchant.study import open_invites

    with open_invites(Path(study)) as opened:
        one = opened.revoke(number, "command line")
    _out.print(f"invitation {number} for {one.voter} is taken back", highlight=False, markup=False)

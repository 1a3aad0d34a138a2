"""The command that opens the studio."""

from typing import Annotated, Literal

import typer

from penchant.cli.options import StudyPath


def studio(
    study: StudyPath,
    port: Annotated[
        int, typer.Option("--port", help="On this machine only; 0 takes a free one.", metavar="PORT", min=0, max=65535)
    ] = 0,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the browser too.")] = True,
    votes: Annotated[
        int, typer.Option("--votes", help="In a round, after which it offers to align.", metavar="N", min=1)
    ] = 40,
    log: Annotated[
        Literal["text", "json"], typer.Option("--log", help="json: what is done, one object a line, on stderr.")
    ] = "text",
    origin: Annotated[
        str | None, typer.Option("--origin", help="The address others use, where a proxy serves it.", metavar="URL")
    ] = None,
) -> None:
    """Open the studio in the browser: vote, see before and after, see the taste, align, and go on."""
    from penchant.studio import serve_studio
    from penchant.study import Study, StudySettings
    from penchant.study.files import study_folder

    together = StudySettings.load(study_folder(study)).many_processes
    with Study.join(study) if together else Study.open(study) as opened:
        serve_studio(opened, port=port, open_browser=browser, votes=votes, origin=origin, json_log=log == "json")

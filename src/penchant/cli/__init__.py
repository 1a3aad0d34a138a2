"""The command line: a thin client of the study. Nothing heavy is imported before a command needs it."""

import sys

from rich.console import Console
from rich.markup import escape

from penchant.core.errors import PenchantError


def main() -> None:
    """Run the command line; an error of ours is one clear text and an exit status, never a traceback."""
    try:
        from penchant.cli.app import app

        app()
    except PenchantError as error:
        _complain(str(error))
        sys.exit(error.exit_status)
    except OSError as error:
        _complain(f"{error.filename or 'a file'}: {error.strerror or error}")
        sys.exit(1)
    except KeyboardInterrupt:  # while the modules are loaded: nothing was begun
        sys.exit(130)


def _complain(text: str) -> None:
    Console(stderr=True, soft_wrap=True).print(f"[bold red]error:[/] {escape(text)}", highlight=False)

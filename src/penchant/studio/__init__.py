"""Voting in the browser: a thin client of the study, served on loopback."""

from penchant.studio._access import Access
from penchant.studio._app import voting_app
from penchant.studio._server import serve
from penchant.studio._session import Pair, VotingProgress, VotingSession

__all__ = ["Access", "Pair", "VotingProgress", "VotingSession", "serve", "voting_app"]

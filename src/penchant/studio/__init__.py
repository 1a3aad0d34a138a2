"""The studio: voting and everything around it in the browser, a thin client of the study, served on loopback."""

from penchant.studio._access import Access
from penchant.studio._app import voting_app
from penchant.studio._server import serve, serve_studio
from penchant.studio._session import Pair, VotingProgress, VotingSession
from penchant.studio._studio import Studio

__all__ = ["Access", "Pair", "Studio", "VotingProgress", "VotingSession", "serve", "serve_studio", "voting_app"]

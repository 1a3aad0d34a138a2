"""The studio: voting and everything around it in the browser, a thin client of the study, served on loopback."""

from penchant.studio._access import Access
from penchant.studio._api import add_api, api_app
from penchant.studio._app import voting_app
from penchant.studio._server import serve, serve_studio, served
from penchant.studio._session import Pair, VotingProgress, VotingSession
from penchant.studio._shared import SharedStudy
from penchant.studio._studio import Studio
from penchant.studio._visitors import Visitor, Visitors

__all__ = [
    "Access",
    "Pair",
    "SharedStudy",
    "Studio",
    "Visitor",
    "Visitors",
    "VotingProgress",
    "VotingSession",
    "add_api",
    "api_app",
    "serve",
    "serve_studio",
    "served",
    "voting_app",
]

"""A studio from Python: pairs, votes, taste, gallery, exports and invitations over its JSON API; needs no torch."""

from penchant.client._answers import (
    AlignmentWork,
    GalleryPage,
    Invitation,
    Me,
    Pair,
    Pull,
    Sorted,
    Standing,
    Taste,
    Voted,
)
from penchant.client._client import Choice, Client, ExportContainer, ExportForm, Order
from penchant.client._connection import Refused, Unreachable

__all__ = [
    "AlignmentWork",
    "Choice",
    "Client",
    "ExportContainer",
    "ExportForm",
    "GalleryPage",
    "Invitation",
    "Me",
    "Order",
    "Pair",
    "Pull",
    "Refused",
    "Sorted",
    "Standing",
    "Taste",
    "Unreachable",
    "Voted",
]

"""Votes, versions and images, kept for good: an append-only log in a database, images by content."""

from penchant.store._export import FORMATS, Exported, export_votes, write_votes
from penchant.store._lock import OWNER_NAME, StudyLock
from penchant.store._records import Event, ImageRecord, NewEvent, NewQuery, Query, TasteVersion, Version
from penchant.store._seat import StudySeat
from penchant.store._store import Store
from penchant.store._votes import KeptVote, NewVote

__all__ = [
    "FORMATS",
    "OWNER_NAME",
    "Event",
    "Exported",
    "ImageRecord",
    "KeptVote",
    "NewEvent",
    "NewQuery",
    "NewVote",
    "Query",
    "Store",
    "StudyLock",
    "StudySeat",
    "TasteVersion",
    "Version",
    "export_votes",
    "write_votes",
]

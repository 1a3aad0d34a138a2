"""One base class, one class per cause; every text says what was asked, what was found and what would work."""

import errno
from collections.abc import Iterable
from difflib import get_close_matches

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""What ``OSError.errno`` is where a disk, a quota or a file-size limit has no room left; see :class:`StorageFull`."""


class PenchantError(Exception):
    """Base of every error that Penchant raises on purpose; catch this one to catch them all.

    ``exit_status`` is what the command line exits with.
    """

    exit_status = 1


class UnknownName(PenchantError):
    """A component, key or choice was named that does not exist.

    >>> str(UnknownName("strategy", "eub0", ["bald", "eubo"]))
    "no strategy named 'eub0'; there are: bald, eubo. Did you mean 'eubo'?"
    """

    exit_status = 2

    def __init__(self, kind: str, asked: str, known: Iterable[str]):
        names = sorted(known)
        close = get_close_matches(asked, names, n=1)
        hint = f" Did you mean '{close[0]}'?" if close else ""
        super().__init__(f"no {kind} named '{asked}'; there are: {', '.join(names) or 'none'}.{hint}")


class BadConfiguration(PenchantError):
    """A setting has the wrong type, an impossible value, or is not a setting at all."""

    exit_status = 2


class BadImages(PenchantError):
    """The images asked for cannot be read, or there are too few of them."""


class BadFeatures(PenchantError):
    """Features that no figure can be computed from: not finite, of different widths, or too few images."""


class StudyMissing(PenchantError):
    """There is no study where one was asked for."""


class DatabaseAway(StudyMissing):
    """The database server cannot be reached now, or is being restarted; what was acknowledged is in it."""


class StudyExists(PenchantError):
    """A study is already there and would be overwritten."""


class StudyBusy(PenchantError):
    """Another process is writing to the study."""


class StudyTooNew(PenchantError):
    """The study was written by a newer Penchant than this one."""


class StudyDamaged(PenchantError):
    """A file of the study is missing or is not what its hash says."""


class NotReady(PenchantError):
    """A step was asked for before the step it builds on was done."""


class StorageFull(PenchantError):
    """The disk (or quota) has no room left; nothing that was acknowledged is lost."""


class VoterFailed(PenchantError):
    """A voter could not be loaded, raised an exception, or answered something that is not a vote."""


class BadVote(PenchantError):
    """A vote names a query or an image that the study does not know, or repeats a key with another content."""


class QuotaReached(BadVote):
    """An invitation allows no more votes."""


class NotCapable(PenchantError):
    """A component was asked for something that it says it cannot do."""


class TrainingDiverged(PenchantError):
    """Training produced non-finite numbers again and again and was stopped; the last good state is kept."""


class Interrupted(PenchantError):
    """Work was stopped (Ctrl-C) and left in a state from which it can be resumed."""

    exit_status = 130

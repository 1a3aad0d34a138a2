"""What a cause of Penchant's is over HTTP: a status, a sentence, and headers that say when to come again."""

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from penchant.core.errors import (
    BadConfiguration,
    BadVote,
    DatabaseAway,
    NotReady,
    StorageFull,
    StudyBusy,
    StudyMissing,
    UnknownName,
)

STATUS = {
    BadVote: 409, NotReady: 409, StudyBusy: 503, StorageFull: 507, UnknownName: 422, DatabaseAway: 503,
    StudyMissing: 404, BadConfiguration: 422,
}  # fmt: skip
"""What a cause of Penchant's is over HTTP, the first that fits; 500 for all others."""


def refusal(error: Exception) -> tuple[int, str, dict[str, str] | None]:
    """The status, the sentence and the headers of a refusal."""
    if isinstance(error, HTTPException):
        return error.status_code, str(error.detail), dict(error.headers) if error.headers else None
    if isinstance(error, RequestValidationError):
        places = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        return 422, f"the request is not understood: {places}", None
    return next((code for cause, code in STATUS.items() if isinstance(error, cause)), 500), str(error), None

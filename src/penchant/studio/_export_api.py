"""The votes as a download."""

import tempfile
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, BinaryIO, Literal, cast

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Query
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from penchant.core.errors import BadConfiguration
from penchant.store import write_votes
from penchant.studio import _shapes as shapes
from penchant.studio._shared import SharedStudy

_MEDIA = {
    "csv": "text/csv; charset=utf-8",
    "jsonl": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
}
_IN_MEMORY = 4_000_000
_CHUNK = 65_536


@dataclass(frozen=True)
class ExportApi:
    """The handler; a plain function, so that writing the file does not keep votes waiting."""

    shared: SharedStudy

    def add_to(self, app: FastAPI) -> None:
        """Add the route."""
        router = APIRouter(prefix="/api/v1", tags=["export"])
        content: dict[str, Any] = {name: {} for name in _MEDIA.values()}

        @router.get(
            "/export.{container}",
            dependencies=[Depends(self.shared.visitors.owner)],
            response_class=StreamingResponse,
            responses={200: {"content": content}, **shapes.refusals(501)},
        )
        def export(
            container: Literal["csv", "jsonl", "parquet"],
            form: Annotated[Literal["votes", "pick-a-pic", "chosen-rejected"], Query()] = "votes",
        ) -> StreamingResponse:
            """All current votes; X-Left-Out says how many have no place in the form (ties, both bad, skipped)."""
            file = cast(BinaryIO, tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY))  # noqa: SIM115 sent later
            try:
                exported = write_votes(self.shared.study.store, form, container, file)
            except BaseException as error:
                file.close()
                if isinstance(error, BadConfiguration):
                    raise HTTPException(501, str(error)) from None
                raise
            headers = {
                "Content-Disposition": f'attachment; filename="{form}.{container}"',
                "Content-Length": str(file.tell()),
                "X-Rows": str(exported.written),
                "X-Left-Out": str(exported.left_out),
            }
            file.seek(0)
            return _Download(file, media_type=_MEDIA[container], headers=headers)

        app.include_router(router)


class _Download(StreamingResponse):
    """The file, closed in the end whoever hung up, even before the first byte."""

    def __init__(self, file: BinaryIO, media_type: str, headers: dict[str, str]):
        super().__init__(iter(partial(file.read, _CHUNK), b""), media_type=media_type, headers=headers)
        self._file = file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        with self._file:
            await super().__call__(scope, receive, send)

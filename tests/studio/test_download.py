"""A download's file is closed, however the download ends."""

import asyncio
import tempfile
from typing import BinaryIO, cast

from starlette.types import Message, Scope

from penchant.studio._export_api import _Download  # pyright: ignore[reportPrivateUsage]


def test_the_file_is_closed_where_somebody_hangs_up_before_the_first_byte() -> None:
    file = cast(BinaryIO, tempfile.SpooledTemporaryFile())  # noqa: SIM115 closed by what is tested
    file.write(b"seq\n1\n")
    file.seek(0)
    scope: Scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "asgi": {"spec_version": "2.0"}}

    async def gone() -> Message:
        return {"type": "http.disconnect"}

    async def unsent(_: Message) -> None:
        await asyncio.sleep(1)

    asyncio.run(_Download(file, "text/csv", {})(scope, gone, unsent))
    assert file.closed

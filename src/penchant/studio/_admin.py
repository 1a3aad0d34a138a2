"""The page of who votes: invitations, the log, exports, how reliable each voter is, and tastes blended."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from fastapi import HTTPException, Query, Request, Response

from penchant.core.errors import BadConfiguration
from penchant.studio._shared import SharedStudy

_LOOKED_AT = 500
"""Candidates that a blend is shown on."""
_ENDS = 6

Names = Annotated[list[str], Query(min_length=1, max_length=20)]
Shares = Annotated[list[float] | None, Query(max_length=20)]


@dataclass(frozen=True)
class Admin:
    """The handlers.

    Args:
        shared: the study and who is let in.
        page: renders a template.
    """

    shared: SharedStudy
    page: Callable[..., Response]

    async def show(self, request: Request) -> Response:
        """The page; to who was invited it says whose it is."""
        if not self.shared.visitors.known(request).owner:
            refused = self.page(request, "admin_guest.html", "admin")
            refused.status_code = 403
            return refused
        study = self.shared.study
        last = max(study.taste.through if study.versions.all() else 0, sum(study.store.count_events().values()))
        return self.page(request, "admin.html", "admin", last=last, path=study.path.name)

    def blend(self, voter: Names, share: Shares = None) -> dict[str, Any]:
        """The candidates most and least to the blended taste of some voters: a plain function, it takes seconds."""
        if len(set(voter)) != len(voter):
            raise BadConfiguration("a blend names each voter once")
        shares = share or [1.0] * len(voter)
        if len(shares) != len(voter):
            raise BadConfiguration(f"{len(voter)} voters need as many shares; found {len(shares)}")
        with self.shared.learning() as study:
            version = study.versions.named("latest").number
            unknown = [name for name in voter if name not in study.taste.people]
            if unknown:
                raise HTTPException(404, f"nobody named '{unknown[0]}' has voted")
            reward = study.reward(dict(zip(voter, shares, strict=True)))
            with torch.no_grad():
                values = reward(study.candidates(version)[:_LOOKED_AT])
        order = [int(row) for row in torch.argsort(-values, stable=True)]
        of = ",".join(f"{name}={value:g}" for name, value in zip(voter, shares, strict=True))
        command = f'penchant align STUDY --of "{of}"'
        return {"version": version, "most": order[:_ENDS], "least": order[-_ENDS:][::-1], "command": command}

"""Does a generator still make all kinds of images? A figure of every step, and a word when it does not."""

from dataclasses import replace

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from penchant.core.contracts import Progress, Workspace

LEAST_COVERAGE = 0.25
"""Below this a generator leaves out most kinds of images. Two batches of 64 real images cover each other to about .97,
and one made image repeated covers about a tenth."""
_PATIENCE = 0.2
"""Share of the budget before which few kinds of images are no news."""
_NEIGHBOURS = 5
_SIDE = 7


@torch.no_grad()
def batch_coverage(real: Float[Tensor, "n c h w"], made: Float[Tensor, "m c h w"]) -> Float[Tensor, ""]:
    """Share of real images with a made one nearer than their fifth nearest real one (Naeem et al. 2020, eq. 6).

    Near means alike at 7 × 7 pixels, to within one grey level at least. Not a number with fewer than seven images, for
    which the fifth nearest says nothing. Costs less than a hundredth of a training step.
    """
    if len(real) < _NEIGHBOURS + 2:
        return real.new_tensor(float("nan"))
    seen, drawn = (F.adaptive_avg_pool2d(images.float(), _SIDE).flatten(1) for images in (real, made))
    radii = torch.cdist(seen, seen).kthvalue(_NEIGHBOURS + 1, dim=1).values
    one_level = 2 / 255 * seen.shape[1] ** 0.5
    nearest = torch.cdist(seen, drawn).min(dim=1).values
    return (nearest < radii.clamp(min=one_level)).float().mean()


def watched(workspace: Workspace) -> Workspace:
    """The workspace, whose reports call a low coverage what it is: ``collapsing, coverage``.

    It is said after a fifth of the budget while the smoothed figure is below :data:`LEAST_COVERAGE`.
    """

    def report(progress: Progress) -> None:
        figures = dict(progress.figures)
        coverage = figures.pop("discriminator coverage", None)
        if coverage is not None:
            low = coverage < LEAST_COVERAGE and progress.fraction >= _PATIENCE
            figures["collapsing, coverage" if low else "coverage"] = coverage
        workspace.report(Progress(progress.stage, progress.fraction, progress.seconds_left, figures))

    return replace(workspace, report=report)

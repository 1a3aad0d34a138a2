"""From what a person writes to a voter."""

from jaxtyping import Float
from torch import Tensor

from penchant.core.contracts import VOTERS, Voter
from penchant.core.errors import UnknownName
from penchant.core.family import parse_spec
from penchant.voters._function import FunctionVoter


def load_voter(spec: str, reference: Float[Tensor, "n c h w"]) -> Voter:
    """The voter called ``spec``: ``"package.module:function"``, or a simulated one as in ``"warm(consistency=3)"``.

    Args:
        spec: what the person wrote.
        reference: images of the study, on which a simulated taste is standardised.

    Raises:
        UnknownName: there is no simulated voter of that name.
        BadConfiguration: a setting is wrong.
        VoterFailed: the function cannot be loaded, or the taste cannot tell these images apart.

    >>> import torch
    >>> load_voter("coin", torch.rand(4, 3, 32, 32)).utility(torch.rand(4, 3, 32, 32)) is None
    True
    """
    if ":" in spec and "(" not in spec:
        return FunctionVoter(spec.strip())
    name, _ = parse_spec(spec, VOTERS.kind)
    if name not in VOTERS.names():
        raise UnknownName(VOTERS.kind, name, [*VOTERS.names(), "human", "package.module:function"])
    return VOTERS.make(spec).meet(reference)

"""Which generator the nats of an alignment are counted from."""

from penchant.alignment._best_of import BestOfGenerator
from penchant.alignment._retrained import RetrainedGenerator
from penchant.alignment._searched import SearchedGenerator
from penchant.alignment._tilted import TiltedGenerator
from penchant.core.contracts import Generator


def original_of(generator: Generator) -> Generator:
    """What was there before any alignment, so that the nats of several rounds never add up unseen."""
    while isinstance(generator, TiltedGenerator | BestOfGenerator | RetrainedGenerator | SearchedGenerator):
        generator = generator.base
    return generator

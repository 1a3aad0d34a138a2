"""Two fixed feature sets: what other libraries say about them is written beside the tests."""

import numpy as np
import pytest
from jaxtyping import Float

Pair = tuple[Float[np.ndarray, "60 4"], Float[np.ndarray, "50 4"]]


@pytest.fixture
def toys() -> Pair:
    rng = np.random.default_rng(0)
    real = rng.standard_normal((60, 4))
    return real, rng.standard_normal((50, 4)) * 0.7 + 0.4

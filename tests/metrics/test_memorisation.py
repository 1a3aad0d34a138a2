import numpy as np
import pytest

from penchant.metrics import _distances
from penchant.metrics.memorisation import Memorisation, memorised_share, nearest

Sets = tuple[np.ndarray, np.ndarray, np.ndarray]


@pytest.fixture
def sets() -> Sets:
    rng = np.random.default_rng(0)
    return rng.standard_normal((200, 5)), rng.standard_normal((200, 5)), rng.standard_normal((200, 5))


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_share_rises_by_half_of_the_copies(sets: Sets, share: float) -> None:
    training, fresh, holdout = sets
    copies = round(share * len(fresh))
    generated = np.concatenate([training[:copies] + 0.01, fresh[copies:]])
    result = Memorisation().measure(training, generated, holdout, "", np.random.default_rng(0))
    assert result.floor == 0.5
    assert result.value == pytest.approx(0.5 + share / 2, abs=0.07)
    assert result.low is not None
    assert (result.low > 0.5) == (share > 0)


def test_share_turns_round_when_training_and_holdout_are_swapped(sets: Sets) -> None:
    training, generated, holdout = sets
    assert memorised_share(training, generated, holdout) == pytest.approx(
        1 - memorised_share(holdout, generated, training)
    )


def test_share_is_one_half_when_training_and_holdout_are_the_same(sets: Sets) -> None:
    training, generated, _ = sets
    assert memorised_share(training, generated, training) == 0.5


def test_nearest_finds_the_row_in_any_number_of_passes(sets: Sets, monkeypatch: pytest.MonkeyPatch) -> None:
    training, generated, _ = sets
    expected = np.linalg.norm(generated[:, None] - training[None], axis=2)
    monkeypatch.setattr(_distances, "ROWS_A_PASS", 7)
    rows, distances = nearest(generated, training)
    assert (rows == expected.argmin(axis=1)).all()
    assert distances == pytest.approx(expected.min(axis=1) ** 2)


def test_settings_that_leave_no_spread_are_refused() -> None:
    with pytest.raises(ValueError, match="repeats must be at least 2"):
        Memorisation(repeats=1)

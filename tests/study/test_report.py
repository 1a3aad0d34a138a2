import pytest

from penchant.study.report import _strength_step, verdict  # pyright: ignore[reportPrivateUsage]

FIGURES = {"votes": 60, "version": 2, "win_rate_judge": "the hidden taste"}


@pytest.mark.parametrize(
    ("interval", "said"),
    [([0.993, 1.0], "(99% to 100%"), ([0.9961, 1.0], "(99.6% to 100.0%"), ([0.3, 0.6], "not shown")],
)
def test_verdict_says_no_more_than_its_interval_holds(interval: list[float], said: str):
    assert said in verdict({**FIGURES, "win_rate": sum(interval) / 2, "win_rate_interval": interval})


def test_next_strength_is_less_where_variety_went_and_more_where_it_is_kept():
    lost = {"vendi_base": 14.9, "vendi_aligned": 10.6, "like_best_of": 9}
    assert _strength_step(lost, "align") == "29% of the variety went; for more of it, ask for less: align 3"
    kept = {"vendi_base": 14.9, "vendi_aligned": 14.0, "like_best_of": 9}
    assert _strength_step(kept, "align") == "Variety is kept, so more is possible: align 36"

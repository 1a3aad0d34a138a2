"""bfloat16 is taken where it is measured to pay, and nowhere else."""

import pytest

from penchant.training import precision


@pytest.mark.parametrize(("float32", "bfloat16", "pays"), [(2.0, 1.0, True), (1.1, 1.0, False), (1.0, 3.0, False)])
def test_bfloat16_is_taken_when_it_pays(
    monkeypatch: pytest.MonkeyPatch, float32: float, bfloat16: float, pays: bool
) -> None:
    def seconds(device: str, bfloat16_on: bool) -> float:
        return bfloat16 if bfloat16_on else float32

    monkeypatch.setattr(precision, "_seconds", lambda device, bfloat16: seconds(device, bfloat16))
    assert precision.bfloat16_pays.__wrapped__("cpu") is pays


def test_seconds_are_measured_in_both_precisions() -> None:
    assert precision._seconds("cpu", bfloat16=False) > 0
    assert precision._seconds("cpu", bfloat16=True) > 0

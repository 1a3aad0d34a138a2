import torch
from hypothesis import given
from hypothesis import strategies as st

from penchant.core.rng import Rng


@given(st.integers(0, 2**40), st.lists(st.one_of(st.integers(0, 9), st.text(max_size=3)), max_size=3))
def test_rng_repeats_by_path_and_differs_between_paths(seed: int, path: list[int | str]):
    rng = Rng(seed).child(*path)
    assert rng.numpy().integers(2**60) == Rng(seed, tuple(path)).numpy().integers(2**60)
    assert rng.numpy().integers(2**60) != rng.child("x").numpy().integers(2**60)


def test_rng_gives_the_same_numbers_on_every_machine():
    assert Rng(7).child("pool").entropy == 132647541100264277011988035661425761279
    first = torch.randn(4, generator=Rng(7).torch())
    assert torch.equal(first, torch.randn(4, generator=Rng(7).torch()))


def test_rng_tells_a_number_from_its_text():
    assert Rng(1).child(1).entropy != Rng(1).child("1").entropy

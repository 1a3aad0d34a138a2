"""Extractors side by side."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from penchant.core.contracts import FEATURES, Encoder
from penchant.core.errors import BadConfiguration, NotCapable, StudyDamaged, UnknownName
from penchant.core.family import spec_of
from penchant.core.pretrained import load_extractor, write_config
from penchant.core.rng import Rng
from penchant.features.descriptors import Descriptors
from penchant.features.joined import Joined
from penchant.features.latents import Latents


def encode(images: Tensor) -> Tensor:
    return images.flatten(1)[:, :20]


def images() -> Tensor:
    return torch.rand(40, 3, 32, 32, generator=Rng(0).torch())


def test_joined_features_are_those_of_the_parts():
    joined = Joined().fit(images(), encode, Rng(0))(images())
    parts = [part.fit(images(), encode, Rng(0))(images()) for part in (Descriptors(), Latents())]
    assert torch.equal(joined, torch.cat(parts, 1))


def test_joined_groups_keep_dimension_names_and_say_where_they_come_from():
    groups = Joined().fit(images(), encode, Rng(0)).groups
    assert groups[0].name == "descriptors/colour"
    assert "warmth" in groups[0].names
    assert groups[-1].name == "latents/codes"


def test_parts_may_come_twice_with_other_settings(tmp_path: Path):
    names = ("random_convolutions(most=3)", "random_convolutions(seed=1, most=3)")
    extractor = Joined(names).fit(images(), None, Rng(0))
    assert [group.name for group in extractor.groups] == [
        "random_convolutions/convolutions",
        "random_convolutions-2/convolutions",
    ]
    extractor.save_pretrained(tmp_path)
    assert torch.equal(load_extractor(tmp_path)(images()), extractor(images()))


def test_any_list_of_parts_is_taken_and_group_names_are_unique():
    spec = {"name": "joined", "extractors": ["descriptors", "latents", "self_supervised(images=64)", "latents(most=3)"]}
    extractor = FEATURES.make(spec).fit(images(), encode, Rng(0))
    names = [group.name for group in extractor.groups]
    assert names[-3:] == ["latents/codes", "self_supervised/self_supervised", "latents-2/codes"]
    assert len(set(names)) == len(names)
    assert extractor(images()).shape == (40, extractor.width)


def test_joined_survives_the_settings_file():
    component = FEATURES.make({"name": "joined", "extractors": ["descriptors"]})
    assert FEATURES.make(spec_of(component)) == component


def test_joined_needs_an_encoder_where_a_part_does():
    with pytest.raises(NotCapable, match="latents"):
        Joined(("descriptors", "latents")).fit(images(), None, Rng(0))


def test_joined_by_default_takes_latents_where_there_are_any():
    def names(encoder: Encoder | None) -> set[str]:
        return {group.name.partition("/")[0] for group in Joined().fit(images(), encoder, Rng(0)).groups}

    assert names(None) == {"descriptors"}
    assert names(lambda pixels: pixels.flatten(1)[:, :8]) == {"descriptors", "latents"}
    assert FEATURES.make(spec_of(Joined())) == Joined()


def test_joined_refuses_unknown_empty_and_nested_parts():
    with pytest.raises(UnknownName, match="Did you mean 'latents'"):
        Joined(("latent",))
    with pytest.raises(BadConfiguration, match="at least one name"):
        FEATURES.make({"name": "joined", "extractors": []})
    with pytest.raises(BadConfiguration, match="cannot be 'joined' itself"):
        Joined(("joined",))


def test_loading_refuses_a_folder_without_parts(tmp_path: Path):
    write_config(tmp_path, "features/joined", {})
    with pytest.raises(StudyDamaged, match="does not name the parts"):
        load_extractor(tmp_path)


def test_quadratic_goes_around_joined_and_not_into_it():
    with pytest.raises(BadConfiguration, match="turn it round"):
        Joined(("quadratic(of='descriptors')", "random_convolutions"))

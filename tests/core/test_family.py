import pytest

from penchant.core import contracts
from penchant.core.contracts import QUERIES, VOTERS
from penchant.core.errors import BadConfiguration, UnknownName
from penchant.core.family import Family, parse_spec, spec_of

FAMILIES = [family for family in vars(contracts).values() if isinstance(family, Family)]


NEEDED = {
    "convolutional": "convolutional(model='taught')",
    "diffusers_pipeline": "diffusers_pipeline(model='pipeline')",
    "imported": "imported(module='package.module:function', latent_dim=2)",
}
"""Members that cannot be made without a setting."""


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.kind)
def test_family_makes_every_member_by_its_name_and_back(family: Family):
    names = family.names()
    assert names
    for name in names:
        component = family.make(NEEDED.get(name, name))
        assert spec_of(component)["name"] == name
        assert family.make(spec_of(component)) == component


def test_family_suggests_the_name_that_was_meant():
    with pytest.raises(
        UnknownName, match=r"no strategy named 'eub0'; there are: adaptive, bald, .*, eubo, .* Did you mean 'eubo'\?"
    ):
        QUERIES.make("eub0")


def test_family_reads_settings_from_text():
    assert VOTERS.make("warm(consistency=3, lapse=0.1)") == VOTERS.make(
        {"name": "warm", "consistency": 3.0, "lapse": 0.1}
    )


@pytest.mark.parametrize("text", ["warm(3)", "warm(", "warm(lapse=os.getcwd())", "", "a b", "warm(**{})"])
def test_parse_spec_refuses_what_is_not_a_spec(text: str):
    with pytest.raises(BadConfiguration, match=r"name\(key=value"):
        parse_spec(text, "voter")


def test_parse_spec_needs_a_name_in_a_mapping():
    with pytest.raises(BadConfiguration, match="needs a name"):
        parse_spec({"lapse": 0.1}, "voter")

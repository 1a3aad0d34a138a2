"""What the study says of a taste, in the language of the page."""

from dataclasses import dataclass

from penchant.studio._texts import Texts
from penchant.study.portrait import Portrait
from penchant.study.sufficiency import Sufficiency


@dataclass(frozen=True)
class Words:
    """The sentences about a taste, and the words of each of its pulls, in the order of the portrait."""

    sentence: str
    advice: tuple[str, ...]
    qualities: tuple[str, ...]
    towards: tuple[str, ...]
    low: tuple[str, ...]
    high: tuple[str, ...]


def words_of(portrait: Portrait, stand: Sufficiency, texts: Texts) -> Words:
    """The study's own words; in other languages than English, said from the same figures."""

    def word(text: str) -> str:
        return texts.said(f"words.{text}", text)

    return Words(
        portrait.sentence,
        stand.sentences,
        tuple(word(pull.quality) for pull in portrait.pulls),
        tuple(word(pull.towards) for pull in portrait.pulls),
        tuple(word(pull.low) for pull in portrait.pulls),
        tuple(word(pull.high) for pull in portrait.pulls),
    )

"""What the study says of a taste, in the language of the page."""

from collections.abc import Mapping
from dataclasses import dataclass

from penchant.core.contracts import Change
from penchant.studio._texts import Texts
from penchant.study import Sufficiency, Verdict
from penchant.study.ballot import Ballot
from penchant.study.portrait import NEWS, Portrait, Pull, Standing

_EARLY, _LEAST_REPEATS = 20, 5


@dataclass(frozen=True)
class Words:
    """The sentences about a taste, and the words of each of its pulls, in the order of the portrait."""

    sentence: str
    advice: tuple[str, ...]
    qualities: tuple[str, ...]
    towards: tuple[str, ...]
    low: tuple[str, ...]
    high: tuple[str, ...]


def words_of(portrait: Portrait, stand: Sufficiency, change: Change | None, texts: Texts) -> Words:
    """The study's own words where the language has no ``sentences``; else the same, said from the same figures."""
    own = "sentences" not in texts.tables
    return Words(
        portrait.sentence if own else _news(change, texts) + _sentence(portrait, stand.standing, texts),
        stand.sentences if own else _advice(stand, texts),
        tuple(_word(pull.quality, texts) for pull in portrait.pulls),
        tuple(_word(pull.towards, texts) for pull in portrait.pulls),
        tuple(_word(pull.low, texts) for pull in portrait.pulls),
        tuple(_word(pull.high, texts) for pull in portrait.pulls),
    )


def learned_of(ballot: Ballot, texts: Texts) -> Mapping[str, str]:
    """What the voting page tells of a voter's taste, by topic; nothing before it was learned once."""
    if "sentences" not in texts.tables or not ballot.told:
        return ballot.told
    if ballot.known is None:
        return {"taste": texts("sentences.first")}
    portrait, stand, change = ballot.known
    words = words_of(portrait, stand, change, texts)
    learned = {"taste": words.sentence, "advice": words.advice[0]}
    if stand.standing is Standing.CONFIRMED:
        learned["sureness"] = texts("taste.figures", accuracy=f"{stand.accuracy:.0%}")
    return learned


def _word(text: str, texts: Texts) -> str:
    return texts.said(f"words.{text}", text)


def _news(change: Change | None, texts: Texts) -> str:
    return "" if change is None or change.ago > NEWS else texts("sentences.changed", ago=change.ago)


def _sentence(portrait: Portrait, standing: Standing, texts: Texts) -> str:
    clear = [pull for pull in portrait.pulls if pull.clear]
    if standing is Standing.DOUBTED:
        return texts("sentences.doubted")
    if not clear:
        return texts("sentences.unclear")

    def rather(pull: Pull) -> str:
        return texts("sentences.rather", towards=_word(pull.towards, texts), away=_word(pull.away, texts))

    what = texts("sentences.and").join(rather(pull) for pull in clear[:3])
    return texts("sentences.may" if standing is Standing.OPEN else "sentences.like", what=what)


def _advice(stand: Sufficiency, texts: Texts) -> tuple[str, ...]:
    """What to do, how often it was right, how often it can be; the cases are those of ``study.sufficiency``."""
    told = [_what_to_do(stand, texts)]
    audit, again = stand.audit, stand.consistency.again
    if audit.interval is not None and stand.verdict is not Verdict.CHANCE:
        low, high = (f"{end:.0%}" for end in audit.interval)
        told.append(texts("sentences.audits", right=f"{audit.successes:.0f}", trials=audit.trials, low=low, high=high))
    ceiling = stand.consistency.ceiling
    if ceiling is not None:
        low, high = (f"{end:.0%}" for end in ceiling)
        key = "again" if again.trials >= _LEAST_REPEATS else "again_few"
        told.append(texts(f"sentences.{key}", same=f"{again.successes:.0f}", trials=again.trials, low=low, high=high))
    left = stand.consistency.left
    if left.interval is not None and left.value is not None and not left.interval[0] <= 0.5 <= left.interval[1]:
        side, share = ("left", left.value) if left.interval[0] > 0.5 else ("right", 1 - left.value)
        told.append(texts(f"sentences.side_{side}", share=f"{share:.0%}"))
    return tuple(told)


def _what_to_do(stand: Sufficiency, texts: Texts) -> str:
    again = stand.consistency.again
    if not stand.votes:
        return texts("sentences.none")
    if not stand.decided:
        return texts("sentences.undecided", votes=stand.votes)
    if stand.verdict is Verdict.ENOUGH:
        return texts("sentences.enough")
    if stand.verdict is Verdict.CHANCE:
        consistent = again.interval is not None and again.interval[0] > 0.5
        start = texts("sentences.chance", decided=stand.decided)
        return start + texts("sentences.chance_consistent" if consistent else "sentences.chance_either")
    if stand.decided < _EARLY:
        return texts("sentences.early")
    if stand.standing is Standing.DOUBTED:
        return texts("sentences.careful")
    points = 100 * stand.outlook.gains[20]
    if points < 1:
        return texts("sentences.nearly" if stand.convincing else "sentences.unproven")
    return texts("sentences.gain", points=f"{points:.0f}")

"""Hidden tastes and ways of answering, by name."""

from penchant.core.errors import UnknownName

LINEAR = {
    "warm": "colour",
    "colourful": "colour",
    "high_contrast": "light",
    "calm": "texture",
    "symmetric": "symmetry",
    "centred": "composition",
    "mixture": "several",
}
"""Tastes about linear in what can be measured, with the topic each is about."""

NON_LINEAR = {
    "harmonious": "colour",
    "twilight": "light",
    "moderate": "texture",
    "conditional": "symmetry where there is contrast",
    "thirds": "composition",
    "familiar": "content",
}
"""Tastes with an optimum in the middle, several optima, or an interaction."""

TASTES = (*LINEAR, *NON_LINEAR)

BLIND_TO_GREY = frozenset({"warm", "colourful", "harmonious"})

HONEST = "honest"

MANNERS = {
    HONEST: "{taste}",
    "slips 10%": "{taste}(lapse=0.1)",
    "slips 20%": "{taste}(lapse=0.2)",
    "ties": "{taste}(tie_within=0.3)",
    "skips": "{taste}(skip_within=0.2, skip_under=-0.5)",
    "side bias": "{taste}(side_bias=0.5)",
    "changes its mind": "drifting(before='{taste}', after='{other}', at=60)",
    "drifts slowly": "drifting(before='{taste}', after='{other}', at=0, over=100)",
    "two people": "turns(first='{taste}', second='{other}')",
    "contrarian": "contrarian(of='{taste}')",
    "coin": "coin",
}
"""Ways of answering, as voters of the family; ``honest`` has consistency 4 and 2% slips, as all do by default."""


def voter_spec(manner: str, taste: str) -> str:
    """The voter with ``taste`` that answers in ``manner``; one that changes ends up with the next taste of the list.

    >>> voter_spec("slips 10%", "warm")
    'warm(lapse=0.1)'

    Raises:
        UnknownName: there is no such manner.
    """
    if manner not in MANNERS:
        raise UnknownName("manner of answering", manner, MANNERS)
    kind = tuple(LINEAR) if taste in LINEAR else tuple(NON_LINEAR)
    other = kind[(kind.index(taste) + 1) % len(kind)] if taste in kind else "calm"
    return MANNERS[manner].format(taste=taste, other=other)

"""The log in words: who did what, in the reader's language."""

from penchant.store import Event
from penchant.studio._texts import Texts


def said(event: Event, texts: Texts) -> str:
    """One event as the end of a sentence that begins with who did it; kinds without words say their name."""
    payload = event.payload
    match event.kind:
        case "vote":
            return texts("audit.vote", query=event.query, choice=texts.said(f"says.{event.choice}", str(event.choice)))
        case "retract":
            return texts("audit.retract", target=event.target)
        case "invite":
            quota = payload.get("quota")
            return texts("audit.invite") if quota is None else texts("audit.invite_quota", quota=quota)
        case "revoke":
            return texts("audit.revoke", invite=payload.get("invite"))
        case "enter":
            return texts("audit.enter", invite=payload.get("invite"))
        case "label":
            name = payload.get("label")
            called = texts.said(f"label_says.{name}", str(name))
            return texts("audit.unlabel") if name is None else texts("audit.label", label=called)
        case "like" | "signal":
            place = f"{payload.get('pool')}-{payload.get('row')}"
            return texts("audit.like" if payload.get("positive", True) else "audit.dislike", image=place)
        case "versus":
            left, right = payload.get("left"), payload.get("right")
            return texts("audit.versus", left=left, right=right, pair=payload.get("pair"))
        case _:
            return texts.said(f"audit.{event.kind}", event.kind)

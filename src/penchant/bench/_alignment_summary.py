"""From lists of figures over people to rows with errors and bars."""

from collections.abc import Mapping, Sequence

import numpy as np

from penchant.bench._running import Row

Found = dict[str, list[float]]

_BARS = {
    "gold win rate": "≥ 0.9",
    "Vendi / base's": "≥ 0.9",
    "coverage / base's": "≥ 0.8",
}


def told(found: Mapping[str, Sequence[float]]) -> list[Row]:
    """Means over seeds (and tastes), with the standard error over them."""
    rows: list[Row] = []
    for what, values in found.items():
        middle = float(np.median(values) if "median" in what or "auto takes" in what else np.mean(values))
        error = float(np.std(values, ddof=1) / np.sqrt(len(values))) if len(values) > 1 else None
        figure = what.rpartition(" · ")[2]
        if "auto" in what and "all tastes" in what and figure in _BARS:
            rows.append(Row.against(what, middle, _BARS[figure], error))
        elif "past the peak" in what:
            rows.append(Row.against(what, middle, "≤ 0", error))
        elif what.startswith("votes to gain · ") and "random" not in what and "60 votes · all" in what:
            rows.append(Row.against(what, middle, "≥ 0.8", error))
        elif what.startswith("reward for the same nats"):
            rows.append(Row.against(what, middle, "≥ 0.95", error))
        else:
            rows.append(Row(what, middle, error))
    return rows

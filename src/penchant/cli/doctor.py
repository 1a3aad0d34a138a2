"""Say what this machine can do, and check that a study is whole."""

import os
import platform
import shutil
from collections import deque
from pathlib import Path

import torch
from rich.console import Console

import penchant
from penchant.core.contracts import ALIGNMENT, FEATURES, GENERATORS, METRICS, QUERIES, TEXTS, VOTERS
from penchant.core.errors import PenchantError
from penchant.study import Study
from penchant.training.precision import bfloat16_pays


def examine(out: Console, study: Path | None) -> bool:
    """Print what was found; False where something is wrong."""
    gpu = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "none"
    free = shutil.disk_usage(study if study and study.exists() else Path.cwd()).free / 2**30
    facts = {
        "Penchant": f"{penchant.__version__}, Python {platform.python_version()}, torch {torch.__version__}",
        "processor": f"{os.cpu_count()} cores, {torch.get_num_threads()} used by torch",
        "bf16 on it": "pays" if bfloat16_pays("cpu") else "does not pay; training uses float32",
        "GPU": gpu,
        "free disk": f"{free:.1f} GiB",
        "generators": ", ".join(GENERATORS.names()),
        "texts": ", ".join(TEXTS.names()),
        "features": ", ".join(FEATURES.names()),
        "strategies": ", ".join(QUERIES.names()),
        "aligners": ", ".join(ALIGNMENT.names()),
        "metrics": ", ".join(METRICS.names()),
        "voters": ", ".join([*VOTERS.names(), "human", "package.module:function"]),
    }
    for name, fact in facts.items():
        out.print(f"[bold]{name:<12}[/] {fact}", highlight=False)
    if study is None:
        return True
    with Study.open(study) as opened:
        problems = _problems(opened)
        votes = len(opened.store.votes())
        out.print(f"[bold]study[/]        {study}: {len(opened.versions.all())} versions, {votes} votes")
    for problem in problems:
        out.print(f"[bold red]problem[/]      {problem}", highlight=False, markup=True)
    if not problems:
        out.print("[green]✓[/] every file is what its hash says, and replaying the votes gives the same tastes")
    return not problems


def _problems(study: Study) -> list[str]:
    """Damaged folders, and tastes that a replay of the log does not give again."""
    problems = study.versions.damage()
    if problems or not study.versions.all():
        return problems
    try:
        taste, events = study.untaught_taste(), deque(study.store.events())
        for kept in study.store.tastes():
            while events and events[0].seq <= kept.trained_through_seq:
                taste.apply(events.popleft())
            if taste.hash != kept.state_sha256:
                problems.append(
                    f"the votes up to event {kept.trained_through_seq} give another taste than the one stored then; "
                    "expected after a change of processor or of numerical libraries, and a sign of damage otherwise"
                )
    except PenchantError as error:
        problems.append(str(error))
    return problems

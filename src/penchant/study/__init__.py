"""The only composer: ask, tell, train, align, sample, evaluate and report over one folder."""

from penchant.study.ballot import SIGNALS, Ballot, Sender
from penchant.study.evaluation import evaluate
from penchant.study.invites import Invite, Invites, open_invites
from penchant.study.report import write_report
from penchant.study.selecting import SelectionPlan
from penchant.study.settings import StudySettings
from penchant.study.sorting import Sorted, Sorting
from penchant.study.study import Question, Study
from penchant.study.sufficiency import Sufficiency, Verdict
from penchant.study.voting import HUMAN, BrowserVoting, vote

__all__ = [
    "HUMAN",
    "SIGNALS",
    "Ballot",
    "BrowserVoting",
    "Invite",
    "Invites",
    "Question",
    "SelectionPlan",
    "Sender",
    "Sorted",
    "Sorting",
    "Study",
    "StudySettings",
    "Sufficiency",
    "Verdict",
    "evaluate",
    "open_invites",
    "vote",
    "write_report",
]

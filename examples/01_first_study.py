"""A first study: train on the embedded pictures, let a simulated voter answer 60 pairs, bend the generator.

Run it:      python examples/01_first_study.py first-study
Expect:      a win rate above 0.85 after 60 votes (1.00 in `penchant demo`, which does the same with seed 0).
"""

import sys
from pathlib import Path

from penchant import Study, StudySettings, evaluate, write_report


def main(folder: Path, train_seconds: float = 90, votes: int = 60) -> float:
    """The whole loop by hand; gives the share of pairs the aligned generator wins."""
    settings = StudySettings(source="pictures", train_seconds=train_seconds, seed=1)
    with Study.create(folder, settings) as study:
        study.train()
        voter = study.voter("warm(consistency=4, lapse=0.02)")  # a hidden taste, with slips
        for _ in range(votes):
            question = study.ask()
            rng = study.rng.child("voter", question.number).numpy()
            study.tell(question.number, voter.answer(question.left, question.right, rng), voter="warm")
        study.align(like_best_of=6)
        figures = evaluate(study)
        print(f"accuracy {figures['accuracy_vs_hidden_taste']:.2f}, win rate {figures['win_rate']:.2f}")
        print(f"report: {write_report(study, figures)}")
        return figures["win_rate"]


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "first-study"))

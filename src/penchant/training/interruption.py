"""Ctrl-C as a wish: training ends after the step it is in, so that what it leaves behind is whole."""

import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType


@dataclass
class Interruption:
    """Whether someone asked for the end."""

    wished: bool = False


@contextmanager
def interruptible() -> Generator[Interruption]:
    """Inside, the first Ctrl-C (or termination signal) only sets ``wished``; a second Ctrl-C stops at once.

    Signals can be caught in the main thread only; elsewhere this changes nothing. The former handlers come back.
    """
    interruption = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return

    def on_signal(number: int, frame: FrameType | None) -> None:
        if interruption.wished and number == signal.SIGINT:
            raise KeyboardInterrupt
        interruption.wished = True

    former = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield interruption
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)

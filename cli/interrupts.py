"""Hear one Ctrl-C: from the first on, what was measured is put away in peace, however often it is pressed again."""

from __future__ import annotations

import signal


def hear_one_interrupt() -> None:
    """KeyboardInterrupt at the first Ctrl-C as usual, and nothing at any after it. For the main thread of a process of our own.

    Nothing changes where Ctrl-C is ignored already (`nohup`, a job in the background).
    """

    def interrupt(_number: int, _frame: object) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        raise KeyboardInterrupt

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, interrupt)

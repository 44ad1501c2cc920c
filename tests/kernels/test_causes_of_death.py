"""What is said of a worker that died, by the step in which it did."""

from __future__ import annotations

import pytest
from mmbench.kernels.causes import CANARIES, likely_cause_of_death

SEGV, BUS = "killed by SIGSEGV (a bad memory access)", "killed by SIGBUS"
BEYOND = "likely it read or wrote beyond its operands, which end at an unmapped page there"


@pytest.mark.parametrize(
    ("step", "words", "cause"),
    [
        ("normal numbers at 6x50x130", SEGV, BEYOND),
        ("normal numbers at 64*6x50x130/same-b", BUS, BEYOND),
        ("begins at a trapping page at 5x7x3", SEGV, "likely it read or wrote before its operands, which begin at an unmapped page there"),
        ("integer-exact at 12x20x9" + CANARIES, SEGV, ""),  # no page stands there
        ("its first call", SEGV, ""),
        ("", SEGV, ""),
        ("normal numbers at 6x50x130", "killed by SIGKILL (from outside, perhaps out of memory)", ""),
        ("its first call", "killed by SIGABRT", "likely it ended itself: a check of its own failed, or memory could not be had"),
        ("its first call", "killed by SIGFPE", "likely a division of whole numbers by 0"),
    ],
)
def test_the_cause_follows_from_where_operands_lie(step: str, words: str, cause: str) -> None:
    assert likely_cause_of_death(step, words) == cause

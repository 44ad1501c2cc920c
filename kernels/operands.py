"""Lay out the operands of one case in memory, filled and guarded. (Contract; to be written.)"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..configs.cases import Case

Array = NDArray[Any]


class Operands:
    """One set of operands.

    `a`, `b`, `c`: arrays as stored, (problems, rows, leading dimension); packed elements as bytes. `bias`, `residual`, `scale_a`, `scale_b`:
    None where the case has none. `block` is the argument block (slots of abi.Slot).
    """

    case: Case
    a: Array
    b: Array
    c: Array
    bias: Array | None
    residual: Array | None
    scale_a: Array | None
    scale_b: Array | None
    block: NDArray[np.int64]

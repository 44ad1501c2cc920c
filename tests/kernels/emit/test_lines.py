import ctypes

import numpy as np
import pytest
from mmbench.kernels.emit.jit import assembly, compile_ir
from mmbench.kernels.emit.lines import BOUNCE_SLOTS, MODES, WARM_ROUNDS, bounce_ir
from mmbench.kernels.emit.target import Target
from mmbench.kernels.measure.timer import row_for, timer

# What each chip must show: the compare-and-exchange of `cas`, the release and acquire of `flag`.
SWAPS = {"haswell": "cmpxchgq", "neoverse-v2": "casal", "cortex-a72": "ldaxr", "spacemit-x60": "lr.d.aq", "pwr10": "ldarx", "z15": "csg"}
ORDERED = {"neoverse-v2": "stlr", "cortex-a72": "ldar", "spacemit-x60": "fence", "pwr10": "lwsync"}


@pytest.mark.parametrize("name", SWAPS)
def test_swaps_are_atomic_and_flags_ordered_on_every_chip(name):
    target = Target.named(name)
    row = row_for(target)
    text = {mode: assembly(bounce_ir(mode, target, row.lines, row.declarations), target) for mode in MODES}
    assert SWAPS[name] in text["cas"]
    assert SWAPS[name] not in text["flag"].replace("lr.d.aq.", "")
    assert ORDERED.get(name, "") in text["flag"]
    assert "__atomic" not in text["cas"] + text["flag"]


def alone(mode: str, side: int, patience: int, stopped: int) -> tuple[int, int]:
    """(bursts completed, stop word) of a side whose partner never comes."""
    row = timer().row
    code = compile_ir(bounce_ir(mode, Target.host(), row.lines, row.declarations))
    lines, stop, stamps = np.zeros(256, dtype=np.int64), np.full(64, stopped, dtype=np.int64), np.zeros((3, 2), dtype=np.int64)
    context = np.zeros(BOUNCE_SLOTS, dtype=np.int64)
    other = lines.ctypes.data + (0 if mode == "cas" else 1024)
    context[:9] = (lines.ctypes.data, other, side, 10, stamps.ctypes.data, stop.ctypes.data, patience, 0, 1)
    ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)(code.address("bounce"))(context.ctypes.data, 3)
    return int(context[7]), int(stop[0])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("side", [0, 1])
def test_a_side_without_partner_gives_up_and_says_so(mode, side):
    assert alone(mode, side, patience=1000, stopped=0) == (0, 1)


@pytest.mark.parametrize("mode", MODES)
def test_a_stop_word_ends_the_longest_wait(mode):
    assert alone(mode, 1, patience=1 << 60, stopped=1) == (0, 1)


def test_an_unknown_mode_is_refused():
    with pytest.raises(ValueError, match="no such mode"):
        bounce_ir("gossip", Target.host(), "", "")
    assert WARM_ROUNDS > 0

"""Verdicts on units from invented readings, and the units of this machine as they really are."""

from __future__ import annotations

from typing import Any

import pytest
from mmbench.configs.codec import decode, encode
from mmbench.configs.curve import Curve, Point
from mmbench.configs.machine import MACHINE_SCHEMA, Machine, Unit
from mmbench.kernels.emit.isa.registry import unit, units_of
from mmbench.kernels.emit.isa.trial import Proof
from mmbench.kernels.emit.target import Target, host_arch
from mmbench.kernels.measure.trap import Trapped, can_trap
from mmbench.probes import matrix, simd
from mmbench.probes.context import Context, Effort

MACHINE = Machine(MACHINE_SCHEMA, "invented")
SIGILL = "SIGILL: illegal instruction"


def verdict(**found: Any) -> Unit:
    reading = {
        "claimed": True,
        "claimed_by": "flags of the system",
        "allowed": True,
        "allowed_note": "XCR0 is 0x602e7",
        "executed": True,
        "reason": "",
        "results": {"tdpbssd/8192": ""},
    }
    curve = Curve("matrix", 1, readings={"units": {"amx_int8": reading | found}})
    inferred = matrix.infer(decode(Curve, encode(curve)), MACHINE)
    return inferred.matrix_units[0]


def test_a_unit_that_is_as_claimed() -> None:
    found = verdict()
    assert (found.claimed.value, found.allowed.value, found.executed.value, found.right.value) == (True, True, True, True)
    assert found.usable
    assert found.reason == ""


def test_claimed_but_not_allowed() -> None:
    found = verdict(allowed=False, allowed_note="XCR0 is 0xe7", executed=False, reason=SIGILL, results={})
    assert not found.usable
    assert found.reason == f"claimed, but the system does not allow it (XCR0 is 0xe7); executing it raised {SIGILL}"
    assert found.right.value is None
    assert found.right.note == "nothing was executed"


def test_claimed_and_allowed_but_traps() -> None:
    found = verdict(executed=False, reason=SIGILL, results={})
    assert (found.usable, found.reason) == (False, f"claimed, but executing it raised {SIGILL}")


def test_not_claimed_and_traps() -> None:
    found = verdict(claimed=False, claimed_by="flags of the system: no amx_int8", executed=False, reason=SIGILL, results={})
    assert found.reason == f"not claimed by the chip or masked by the hypervisor; executing it raised {SIGILL}"
    assert found.claimed.by == "flags of the system"
    assert found.claimed.note.endswith("no amx_int8")


def test_works_although_not_claimed() -> None:
    found = verdict(claimed=False)
    assert found.usable
    assert "although not claimed" in found.reason


def test_works_although_the_system_does_not_say_so() -> None:
    found = verdict(allowed=False)
    assert found.usable
    assert "do not rely on it" in found.reason


def test_fast_but_wrong_is_not_usable() -> None:
    found = verdict(results={"tdpbssd/8192": "", "tdpbuud/8192": "exact values: 3 of 256 elements wrong"})
    assert not found.usable
    assert found.right.value is False
    assert found.reason == "wrong results: tdpbuud/8192"
    assert "3 of 256" in found.right.note


def test_what_cannot_be_tried_is_unknown() -> None:
    reason = "this system cannot fork, so nothing that may trap is tried"
    found = verdict(executed=None, reason=reason, results={}, allowed=None, allowed_note="no way known to ask")
    assert found.executed.value is None
    assert found.allowed.value is None
    assert (found.usable, found.reason) == (False, reason)


@pytest.mark.parametrize(
    ("ended", "executed"),
    [
        (Trapped(True, {}), True),
        (Trapped(False, signal_name="SIGILL", reason=SIGILL), False),
        (Trapped(False, signal_name="SIGKILL", reason="SIGKILL: killed (out of memory?)"), None),
        (Trapped(False, reason="hung: killed after 10 s"), None),
    ],
)
def test_only_a_trap_says_that_a_unit_does_not_execute(monkeypatch: pytest.MonkeyPatch, ended: Trapped, executed: bool | None) -> None:
    monkeypatch.setattr(matrix, "prove_in_child", lambda row, seed: ended)
    assert matrix.examine(unit("avx2_pairs", "x86_64"), Machine(1, "", features=("avx2",)))["executed"] is executed


def test_a_wrong_proof_is_kept_with_its_words(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = Trapped(True, {"vpdpbusd/256": Proof(False, "exact values: 1 of 8 elements wrong"), "vpdpwssd/256": Proof(True)})
    monkeypatch.setattr(matrix, "prove_in_child", lambda row, seed: ended)
    found = matrix.examine(unit("avx_vnni", "x86_64"), Machine(1, "", features=("avx2", "avx_vnni")))
    assert found["results"] == {"vpdpbusd/256": "exact values: 1 of 8 elements wrong", "vpdpwssd/256": ""}
    assert found["claimed"] is True


def test_rates_are_added_to_those_of_the_vectors() -> None:
    vectors, dots = unit("avx512f", "x86_64"), unit("avx512_vnni", "x86_64")

    def curve(name: str, chip: Any) -> Curve:
        at = simd.setting(chip, chip.instructions[0], "throughput")
        return Curve(name, 1, "instruction", (Point(at, 1e3, (1e3 / 6e9,) * 5, (3e9,) * 5),))

    both = matrix.infer(curve("matrix", dots), simd.infer(curve("simd", vectors), MACHINE))
    assert [(r.unit, round(r.op_per_cycle.number())) for r in both.simd] == [("avx512f", 32), ("avx512_vnni", 256)]


def test_units_of_this_machine_add_up() -> None:
    if not units_of(host_arch()) or not can_trap():
        pytest.skip("no unit can be tried on this system")
    found = matrix.measure(Context(Effort.QUICK, MACHINE))
    inferred = matrix.infer(found, MACHINE)
    assert [u.name for u in inferred.matrix_units] == [row.name for row in units_of(host_arch())]
    timed = {row.unit for row in inferred.simd}
    for one in inferred.matrix_units:
        row = unit(one.name, host_arch())
        assert one.usable == (one.executed.value is True and one.right.value is True), one
        assert one.usable or one.reason
        assert (one.name in timed) == (one.usable and (row.matrix or not one.claimed.value)), one
        if set(row.features) <= set(Target.host().features):  # what LLVM itself detects must work
            assert one.usable, one

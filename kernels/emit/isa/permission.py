"""Ask the operating system whether it lets programs use a unit's registers, and ask it to.

Sources: Intel SDM vol. 1, 13.3 (XCR0); Linux Documentation/arch/x86/xstate.rst (AMX, arch_prctl 0x1022 and 0x1023, feature 18);
Documentation/arch/arm64/sve.rst and sme.rst (prctl 51 PR_SVE_GET_VL, 64 PR_SME_GET_VL; vector lengths are in the low 16 bits).
"""

from __future__ import annotations

import ctypes
import platform
import sys
from dataclasses import dataclass

from ....configs.errors import NotPossibleError
from ..instruction import UnitRow

_ARCH_PRCTL = 158  # x86-64 Linux
_GET_PERMISSION, _ASK_PERMISSION, _TILE_DATA = 0x1022, 0x1023, 18
_PRCTL_OF = {"sve": 51, "sme": 64}
_XCR0_WORDS = ((0x6, "AVX"), (0xE0, "AVX-512"), (0x60000, "AMX tiles"))


@dataclass(frozen=True, slots=True)
class Allowed:
    """Whether the system allows a unit (None: it cannot be asked), and how that was read."""

    value: bool | None
    note: str


def allowed(unit: UnitRow) -> Allowed:
    """What the operating system says of the unit's registers, without executing any of its instructions."""
    if not unit.system:
        return Allowed(True, "needs no leave of the system")
    if unit.system.startswith("xcr0:"):
        return _by_xcr0(int(unit.system[5:], 16))
    if unit.system == "amx":
        return _amx()
    if unit.system in _PRCTL_OF:
        return _by_prctl(unit.system)
    return Allowed(None, f"no way known to ask the system about {unit.system}")


def prepare(unit: UnitRow) -> None:
    """Ask the system for what the unit needs in this process; must come before threads are made. Refusal shows when it is used."""
    if unit.system == "amx" and sys.platform.startswith("linux"):
        _arch_prctl(_ASK_PERMISSION, ctypes.c_long(_TILE_DATA))


def _by_xcr0(mask: int) -> Allowed:
    from ..cpuid import xgetbv

    try:
        enabled = xgetbv(0)
    except NotPossibleError as error:
        return Allowed(False, error.message)
    missing = [word for bits, word in _XCR0_WORDS if mask & bits and enabled & mask & bits != mask & bits]
    note = f"XCR0 is {enabled:#x}" + (f": the system does not save the registers of {' and '.join(missing)}" if missing else "")
    return Allowed(not missing, note)


def _arch_prctl(code: int, argument: object) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    answer: int = libc.syscall(ctypes.c_long(_ARCH_PRCTL), ctypes.c_long(code), argument)
    return answer


def _amx() -> Allowed:
    by_register = _by_xcr0(0x60000)
    if not by_register.value or not sys.platform.startswith("linux") or platform.machine() != "x86_64":
        return by_register
    if _arch_prctl(_ASK_PERMISSION, ctypes.c_long(_TILE_DATA)) != 0:
        return Allowed(False, f"{by_register.note}, but arch_prctl refuses the permission for tile data")
    granted = ctypes.c_ulong(0)
    if _arch_prctl(_GET_PERMISSION, ctypes.byref(granted)) != 0 or not granted.value >> _TILE_DATA & 1:
        return Allowed(False, f"{by_register.note}, but the permission for tile data was not granted")
    return Allowed(True, f"{by_register.note}, permission for tile data granted by arch_prctl")


def _by_prctl(system: str) -> Allowed:
    if not sys.platform.startswith("linux"):
        return Allowed(None, "the system has no call that tells; executing decides")
    libc = ctypes.CDLL(None, use_errno=True)
    length = libc.prctl(_PRCTL_OF[system], 0, 0, 0, 0)
    if length < 0:
        return Allowed(False, f"prctl({_PRCTL_OF[system]}): the kernel has no support for {system.upper()} here")
    return Allowed(True, f"vector length {8 * (length & 0xFFFF)} bits by prctl({_PRCTL_OF[system]})")

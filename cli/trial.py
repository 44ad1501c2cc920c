"""Try in a process of its own what a measurement needs: code made at run time, the timer, pinning, huge pages, a steady clock.

`python -m mmbench.cli.trial` prints one JSON line a trial, as it goes: where a hardened system kills the process, the doctor sees
which trial did it. Nothing is stored.
"""

from __future__ import annotations

import ctypes
import json
from collections.abc import Callable

from ..configs.errors import MmbenchError
from .checks import Check, State

# From how much spread on a warning is due. A quiet machine stays within 0.5 %; a shared one was seen at 13 % (samples of 2 ms).
UNSTEADY_SHARE = 0.03
DISTURBED_SHARE = 0.2
TRIAL_BYTES = 8 * 1024 * 1024


def code() -> Check:
    """Emit, compile and run a small function."""
    import llvmlite.binding as llvm

    from ..kernels.emit.jit import compile_ir
    from ..kernels.emit.target import Target

    text = "define void @two(ptr %context, i64 %n) {\n  %sum = add i64 %n, 1\n  store i64 %sum, ptr %context\n  ret void\n}\n"
    made = compile_ir(text)
    answer = ctypes.c_int64(0)
    ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)(made.address("two"))(ctypes.byref(answer), 1)
    version = ".".join(map(str, llvm.llvm_version_info))
    if answer.value != 2:
        return Check("code", State.FAIL, f"LLVM {version} made code that computes 1 + 1 = {answer.value}", "report this as a bug")
    return Check("code", State.OK, f"LLVM {version} makes code for {Target.host().cpu}, and it runs")


def timer() -> Check:
    """Calibrate the timer."""
    from ..kernels.measure.timer import timer as calibrated

    found = calibrated()
    words = f"{found.row.name} at {found.hz / 1e6:.4g} MHz, step {found.step_s * 1e9:.3g} ns, a read costs {found.cost_s * 1e9:.3g} ns"
    if found.why:
        return Check("timer", State.WARN, f"{words}: {found.why}", "short measurements take longer to become precise; nothing to mend")
    if found.hz_error > 1e-3:
        hint = "the system's clock is being adjusted, or the guest was paused: try again"
        return Check("timer", State.WARN, f"{words}; two calibrations differ by {found.hz_error:.2%}", hint)
    return Check("timer", State.OK, words)


def pinning() -> Check:
    """Pin this thread to each allowed CPU in turn."""
    from ..kernels.measure.affinity import allowed_cpus, pinned

    cpus = allowed_cpus()
    refused = []
    for cpu in cpus:
        with pinned(cpu) as reason:
            if reason:
                refused.append(reason)
                break
    if refused:
        return Check("pinning", State.WARN, refused[0], "figures of single cores may mix two cores; see mmbench explain contamination")
    words = "1 CPU may be used" if len(cpus) == 1 else f"threads can be pinned to each of {len(cpus)} CPUs"
    hint = "shared caches and core-to-core times need two; look at the affinity mask or cpuset" if len(cpus) == 1 else ""
    return Check("pinning", State.WARN if len(cpus) == 1 else State.OK, words, hint)


def huge_pages() -> Check:
    """Ask for huge pages and read from the kernel whether they came."""
    from ..kernels.measure.memory import Buffer

    buffer = Buffer(TRIAL_BYTES, "huge")
    share, error = buffer.huge_share, buffer.advice_error
    hint = "cache curves will hold some translation cost; see mmbench explain huge-pages"
    if share is None:
        why = error or "this system does not say which pages a buffer got"
        return Check("huge pages", State.WARN, f"cannot be verified: {why}", hint)
    if share < 0.99:
        why = f" ({error})" if error else ""
        return Check("huge pages", State.WARN, f"asked for, {share:.0%} of the buffer got them{why}", hint)
    return Check("huge pages", State.OK, "asked for and given")


def steadiness() -> Check:
    """Time the same 2 ms of dependent additions again and again: what is not steady here is noise in every figure."""
    import numpy as np

    from ..kernels.emit import ir
    from ..kernels.emit.jit import compile_ir
    from ..kernels.emit.target import Target
    from ..kernels.measure.affinity import allowed_cpus, pinned
    from ..kernels.measure.sampler import Plan, Sampler
    from ..kernels.measure.stopwatch import Kernel

    links = 64
    made = compile_ir(ir.chain_loop(Target.host().arch, links))
    context = np.ones(2, dtype=np.int64)
    with pinned(allowed_cpus()[0]):
        point = Sampler().point(Kernel(made.address("chain"), context.ctypes.data, made), {}, links, Plan(samples=60))
    times = np.asarray(point.time_s)
    low, middle, high = (float(q) for q in np.quantile(times, (0.25, 0.5, 0.75)))
    spread = (high - low) / middle
    disturbed = sum(bool(mark) for mark in point.dirty) / len(times)
    clock_ghz = float(np.median(point.clock_hz)) / 1e9 if point.clock_hz else 0.0
    half = f"half of {len(times)} equal samples within ±{max(spread / 2, 0.0001):.2%}"
    words = f"{half}, {disturbed:.0%} disturbed, core clock {clock_ghz:.3g} GHz"
    if spread > UNSTEADY_SHARE or disturbed > DISTURBED_SHARE:
        hint = "other work shares this core: stop it, or expect wide intervals; see mmbench explain contamination"
        return Check("steadiness", State.WARN, words, hint)
    return Check("steadiness", State.OK, words)


TRIALS: dict[str, Callable[[], Check]] = {
    "code": code,
    "timer": timer,
    "pinning": pinning,
    "huge pages": huge_pages,
    "steadiness": steadiness,
}


def main() -> None:
    """Run every trial; a thing that cannot be had is an answer, too."""
    for name, trial in TRIALS.items():
        try:
            found = trial()
        except MmbenchError as error:
            found = Check(name, State.FAIL, error.message, error.hint)
        print(json.dumps([found.name, found.state.value, found.words, found.hint]), flush=True)


if __name__ == "__main__":
    main()

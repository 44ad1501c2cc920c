"""oneMKL: what the gate for all libraries does not ask (`test_vendor_libraries`): layers, its batches, halves, long sums of bytes."""

import os
import re
import subprocess
import sys

import numpy as np
import pytest
from mmbench.configs.cases import Case, Status
from mmbench.configs.codec import decode, encode
from mmbench.configs.errors import NotPossibleError
from mmbench.configs.plan import Opened
from mmbench.kernels.abi import Slot
from mmbench.kernels.entrants import find_entrants
from mmbench.kernels.host import Host
from mmbench.kernels.measure.worker import Worker
from mmbench.kernels.vendor import mkl
from mmbench.kernels.vendor.library import library

HOST = Host.of(None, tuple(sorted(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else (0,))
SESSION = "mmbench.kernels.session"
LONG_SUMS = """
import numpy as np
from mmbench.configs.cases import Case
from mmbench.kernels.host import Host
from mmbench.kernels.operands import Operands
from mmbench.kernels.vendor.library import library
from mmbench.kernels.verify import call

mkl = library("mkl")
mkl.load(mkl.find()[0])
random = np.random.default_rng(1)
for k in (1030, 5003):
    case = Case(9, 37, k, dtype="u8s8")
    operands = Operands(case, "integers", timing=True)
    operands.a[...] = random.integers(252, 256, operands.a.shape)
    operands.b[...] = random.integers(124, 128, operands.b.shape)
    call(mkl.prepare(case, Host.of(None, (0,))), operands)
    want = operands.a[0].astype(np.int64) @ operands.b[0].astype(np.int64)
    assert want.max() > 1 << 24
    assert (operands.c[0] == want).all()
"""


@pytest.fixture(scope="module")
def entrant():
    found = [e for e in find_entrants(every_copy=True)[0] if e.library == "mkl"]
    if not found:
        pytest.skip("needs mkl")
    return found[0]


@pytest.fixture(scope="module")
def opened(entrant):
    """The library in a worker, and what it says of itself."""
    with Worker() as worker:
        info = decode(Opened, worker.call(f"{SESSION}:open_kernel", {"entrant": encode(entrant), "host": encode(HOST)}, 60))
        yield worker, info


def ask(worker, case):
    return worker.call(f"{SESSION}:prepare_case", {"case": encode(case), "thorough": False, "seed": 1}, 60)


def clean_environment(**more):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MKL_", "OMP_", "KMP_"))}
    return {**kept, **more}


def in_python(text, **more):
    done = subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, timeout=60, env=clean_environment(**more), check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_it_names_its_version_its_kernels_and_what_they_weigh(opened):
    _, info = opened
    assert re.fullmatch(r"20\d\d(\.\d+)+", info.version)
    assert info.core.startswith("libmkl_")
    assert info.threading.endswith("_thread") or info.threading == "sequential"
    names = [name.rsplit("/", 1)[-1] for name in info.files]
    assert any(name.startswith(info.core) for name in names)
    assert any(name.startswith("libmkl_core") for name in names)
    assert info.size_bytes > 100e6


@pytest.mark.parametrize(("layer", "named"), [("SEQUENTIAL", "sequential"), ("", "intel_thread")])
def test_the_threading_layer_is_the_one_that_was_asked_for(entrant, layer, named):
    del entrant
    text = "from mmbench.kernels.vendor.library import library; m = library('mkl'); print(m.load(m.find()[0]).threading)"
    assert in_python(text, **({"MKL_THREADING_LAYER": layer} if layer else {})) == named


@pytest.mark.parametrize(
    ("present", "loads", "number"),
    [
        (("intel_thread.so.3", "gnu_thread.so.3", "sequential.so.3"), ("libiomp5.so", "libgomp.so.1"), 0),
        (("intel_thread.so.3", "gnu_thread.so.3", "sequential.so.3"), ("libgomp.so.1",), 3),
        (("intel_thread.so.3", "tbb_thread.so.3", "sequential.so.3"), ("libtbb.so.12",), 4),
        (("intel_thread.so.3", "sequential.so.3"), (), 1),
    ],
)
def test_a_layer_without_its_runtime_is_passed_over(tmp_path, monkeypatch, present, loads, number):
    monkeypatch.delenv("MKL_THREADING_LAYER", raising=False)
    monkeypatch.setattr(mkl, "_loads", lambda name: name in loads)
    for name in present:
        (tmp_path / f"libmkl_{name}").touch()
    assert mkl._layer(tmp_path)[0] == number


def test_a_runtime_beside_the_library_needs_no_loader(tmp_path, monkeypatch):
    monkeypatch.delenv("MKL_THREADING_LAYER", raising=False)
    monkeypatch.setattr(mkl, "_loads", lambda _name: False)
    for name in ("libmkl_intel_thread.so.3", "libiomp5.so"):
        (tmp_path / name).touch()
    assert mkl._layer(tmp_path) == (0, ("libiomp5.so",))


@pytest.mark.parametrize("dtype", ["f32", "f64"])
@pytest.mark.parametrize(
    ("kind", "layout"), [("pointers", "nn"), ("pointers", "tt"), ("strided", "nt"), ("same-a", "tn"), ("same-b", "nn")]
)
def test_batches_go_to_its_own_calls(opened, dtype, kind, layout):
    worker, _ = opened
    answer = ask(worker, Case(17, 19, 23, dtype=dtype, layout=layout, batch=4, batch_kind=kind, epilogue="bias+residual"))
    assert answer["status"] == Status.OK.value, answer["reason"]
    params = answer["variant"]["params"]
    assert params["batch"] == "its own call"
    assert ("strided" in params["symbol"]) == (kind != "pointers")


def test_a_batch_with_scalars_gaps_and_two_threads(opened):
    worker, _ = opened
    gaps = Case(17, 19, 23, batch=4, batch_kind="pointers", lda=30, ldb=31, ldc=32, alpha=0.5, beta=-2.0, threads=min(2, len(HOST.cpus)))
    answer = ask(worker, gaps)
    assert answer["status"] == Status.OK.value, answer["reason"]


def test_unsigned_by_signed_bytes_only(opened):
    worker, _ = opened
    assert "unsigned by signed" in library("mkl").serves(Case(4, 4, 4, dtype="s8"))
    assert ask(worker, Case(4, 4, 4, dtype="s8"))["status"] == Status.SKIPPED.value


def test_long_sums_of_bytes_are_exact(entrant):
    del entrant
    assert in_python(LONG_SUMS) == ""


def test_halves_are_right_or_the_gate_says_where_they_are_not(opened):
    """`libmkl_def` rounds them toward zero (2026.2)."""
    worker, _ = opened
    answer = ask(worker, Case(33, 47, 65, dtype="f16f16"))
    assert answer["variant"]["params"]["symbol"].startswith("cblas_hgemm")
    if answer["status"] != Status.OK.value:
        assert answer["status"] == Status.WRONG.value
        assert answer["reason"].startswith(("integer-exact", "normal numbers"))


def test_scalars_in_half_precision_are_the_ones_asked_for_or_refused():
    half = mkl.Mkl.routines["f16f16"]
    argument = half.argument(Slot.ALPHA, -0.5)
    assert (argument.type, argument.source) == ("i16", int(np.float16(-0.5).view(np.uint16)))
    with pytest.raises(NotPossibleError, match="half precision"):
        half.argument(Slot.ALPHA, 0.7)

"""PyTorch, JAX and Modular MAX, really installed and really called: `make test-frameworks`. Each case in a worker of its own framework."""

import os
import sys

import pytest
from mmbench.configs.cases import Case, Status
from mmbench.configs.codec import decode, encode
from mmbench.configs.plan import Entrant, Opened
from mmbench.kernels.host import Host
from mmbench.kernels.measure.worker import Worker
from mmbench.kernels.vendor.framework import package_version
from mmbench.kernels.vendor.library import library

HOST = Host.of(None, tuple(sorted(os.sched_getaffinity(0))))
SHAPES = [
    Case(33, 47, 65),
    Case(33, 47, 65, layout="nt"),
    Case(33, 47, 65, layout="tn"),
    Case(17, 19, 23, batch=3),
    Case(17, 19, 23, batch=3, batch_kind="same-b", layout="tt"),
    Case(20, 24, 28, epilogue="bias+gelu"),
    Case(20, 24, 28, epilogue="bias+relu+residual"),
    Case(20, 24, 28, epilogue="silu"),
]


@pytest.fixture(scope="module", params=["torch", "jax", "max"])
def opened(request):
    """A worker with the framework opened on the processor."""
    found = library(request.param).find()
    if not found:
        pytest.fail(f"{request.param} is not installed: run `make test-frameworks`")
    entrant = Entrant(found[0].spec, "framework", "1", "", found[0].path, found[0].package_version)
    with Worker() as worker:
        info = decode(Opened, worker.call("mmbench.kernels.session:open_kernel", {"entrant": encode(entrant), "host": encode(HOST)}, 300))
        yield request.param, worker, info


def test_it_says_what_it_is(opened):
    name, _, info = opened
    assert info.version.split("+")[0] in (package_version(library(name).package).split("+")[0], info.version)  # type: ignore[attr-defined]
    assert info.size_bytes == library(name).on_disk(library(name).find()[0])[1] > 1_000_000


def cases(name):
    served = library(name).dtypes  # type: ignore[attr-defined]
    for dtype in served:
        for case in SHAPES if dtype not in ("s8", "u8s8", "e4m3", "e5m2") else SHAPES[:3]:
            yield Case(**{**encode(case), "dtype": dtype})


def test_every_type_that_it_serves_passes_the_gate_or_is_told_wrong_in_words(opened):
    name, worker, _ = opened
    told, served = [], 0
    for case in cases(name):
        if library(name).serves(case):
            continue
        answer = worker.call("mmbench.kernels.session:prepare_case", {"case": encode(case), "thorough": False, "seed": 1}, 600)
        if answer["status"] == Status.OK.value:
            turn = worker.call("mmbench.kernels.session:take_turn", {"turn_s": 0.001}, 60)
            assert min(turn["time_s"]) > 0
            assert answer["timed_by"] == "python"
            assert len(answer["sha"]) == 16
            assert worker.call("mmbench.kernels.session:finish_case", {}, 60)["problem"] == ""
            served += 1
        else:
            assert answer["reason"]
            told.append(f"{case.name}: {answer['status']}: {answer['reason']}")
    sys.stdout.write("\n".join([f"{name}: {served} cases right", *told]) + "\n")
    assert served > 0

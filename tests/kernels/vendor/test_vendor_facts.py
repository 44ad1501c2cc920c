"""What is said of a library beside its times: its size on disk, the hash of its code, what it fuses, and why a wrong file is refused."""

from __future__ import annotations

import functools
import platform
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mmbench.cli.listing import KINDS
from mmbench.configs.cases import Case, Status
from mmbench.configs.errors import NotPossibleError
from mmbench.configs.plan import Entrant
from mmbench.kernels.entrants import find_entrants
from mmbench.kernels.measure.worker import Worker
from mmbench.kernels.vendor import files, libxsmm, onednn
from mmbench.kernels.vendor.library import library
from mmbench.kernels.vendor.mkl import Mkl
from vendor_opener import Opener

LIBRARIES = ("openblas", "mkl", "aocl", "blis", "onednn", "onednn-gemm", "libxsmm")


@functools.cache
def newest(name: str) -> Entrant | None:
    """The newest copy of a library here."""
    return next((e for e in find_entrants()[0] if e.kernel.split("@")[0] == name), None)


def entrant_of(name: str) -> Entrant:
    found = newest(name)
    if found is None:
        pytest.skip(f"needs {name}")
    return found


@pytest.fixture(scope="module")
def opened() -> Iterator[Any]:
    """Opens a library once: the opener by its name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MKL_THREADING_LAYER", raising=False)  # another layer is a file more
        openers: dict[str, Opener] = {}

        def of(name: str) -> Opener:
            if name not in openers:
                openers[name] = Opener(entrant_of(name), Worker())
            return openers[name]

        yield of
        for opener in openers.values():
            opener.worker.stop()


@pytest.mark.parametrize("name", LIBRARIES)
def test_the_list_and_the_sweep_agree_on_the_size_on_disk(name: str, opened: Any) -> None:
    info = opened(name).info
    listed = next(row for row in KINDS["vendors"][2](Path()) if row["name"] == info.kernel)
    assert listed["files"] == list(info.files)
    assert listed["size_bytes"] == info.size_bytes == sum(Path(file).stat().st_size for file in info.files)
    assert len(set(info.files)) == len(info.files)


def test_the_hash_is_that_of_the_code_that_runs(opened: Any) -> None:
    shas = {}
    for name in (name for name in LIBRARIES if newest(name)):
        case = Case(24, 24, 24, dtype="f32" if library(name).serves(Case(24, 24, 24, dtype="f64")) else "f64")
        shas[name] = opened(name).ask(case)["sha"]
    assert shas
    assert all(len(sha) == 16 for sha in shas.values())
    assert len(set(shas.values())) == len(shas)  # oneDNN's two interfaces lie in one file
    for name in {"openblas", "blis", "aocl"} & set(shas):
        assert shas[name] == files.file_sha(entrant_of(name).path)


def test_onemkls_hash_covers_the_kernels_that_its_dispatcher_mapped(opened: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = opened("mkl").info
    mapped = [file for file in info.files if Path(file).name.split(".")[0] in info.core.split(", ")]
    assert mapped
    assert opened("mkl").ask(Case(24, 24, 24))["sha"] == files.code_sha([info.files[0], *mapped])
    one, other, dispatcher = tmp_path / "libmkl_avx2.so.3", tmp_path / "libmkl_def.so.3", tmp_path / "libmkl_rt.so.3"
    for path, text in ((one, b"one"), (other, b"other"), (dispatcher, b"dispatcher")):
        path.write_bytes(text)
    mkl = Mkl()
    monkeypatch.setattr(mkl, "_found", type(mkl._found)("mkl", "given", str(dispatcher)))
    found = set()
    for kernels in ([], [str(one)], [str(other)]):
        monkeypatch.setattr(mkl, "_kernels", kernels)
        found.add(mkl.code({}))
    assert len(found) == 3


def test_what_libxsmm_generates_has_a_hash_of_its_own(opened: Any) -> None:
    opener = opened("libxsmm")
    shas = [opener.ask(Case(m, 16, 16))["sha"] for m in (16, 24, 16)]
    assert shas[0] == shas[2] != shas[1]
    assert opener.info.version[0].isdigit()
    assert opener.info.version != "1.x"


def test_the_command_that_brings_libxsmm_puts_it_where_it_is_looked_for() -> None:
    target = libxsmm.LIBRARY.bring.split(" -o ")[1].split()[0]
    archive = Path("/usr/lib/libxsmm.a")
    if not archive.is_file():
        pytest.skip("needs libxsmm")
    assert Path(target).is_file(), "tests/setup-debian links it"
    assert target in [found.path for found in libxsmm.LIBRARY.find()]


def test_a_hash_changes_with_the_file_and_with_the_words(tmp_path: Path) -> None:
    path = tmp_path / "it"
    path.write_bytes(b"one")
    alone = files.code_sha([str(path)])
    assert alone == files.file_sha(str(path)) == "7692c3ad3540bb80"  # sha256 of "one"
    assert len({alone, files.code_sha([str(path)], "a"), files.code_sha([str(path)], "b"), files.code_sha([str(path)] * 2)}) == 4
    path.write_bytes(b"another one")
    assert files.file_sha(str(path)) != alone
    assert files.code_sha([str(tmp_path / "none")], "a") == files.file_sha(str(tmp_path / "none")) == ""


def how_done(opener: Opener, case: Case) -> str:
    """How the case's epilogue was done; the result is right, or wrong in a known way."""
    answer = opener.ask(case)
    assert answer["status"] == Status.OK.value or opener.known(case, answer), f"{case.name}: {answer['reason']}"
    return str(answer["variant"]["params"]["epilogue"])


@pytest.mark.parametrize("dtype", ["s8", "u8s8"])
def test_an_epilogue_of_bytes_is_fused_where_it_is_exact_and_its_twin_refuses_it_elsewhere(dtype: str, opened: Any) -> None:
    small, large = Case(32, 64, 64, dtype=dtype, epilogue="bias+relu"), Case(32, 64, 1024, dtype=dtype, epilogue="bias+relu")
    assert onednn.fuses_exactly(small)
    assert not onednn.fuses_exactly(large)
    assert onednn.fuses_exactly(Case(32, 64, 1 << 20, epilogue="bias+relu"))
    fused = opened("onednn")
    for case, how in ((small, "fused"), (large, "a pass of its own")):
        assert how_done(fused, case) == how
    twin = next(e for e in find_entrants(every_copy=True)[0] if e.kernel == fused.entrant.kernel.replace("@", "-unfused@", 1))
    with Worker() as worker:
        apart = Opener(twin, worker)
        assert how_done(apart, small) == "a pass of its own"
        refused = apart.ask(large)
        assert refused["status"] == Status.SKIPPED.value
        assert "not exact" in refused["reason"]


@pytest.mark.parametrize("dtype", ["s8", "u8s8"])
@pytest.mark.parametrize("epilogue", ["relu", "bias", "residual"])
def test_the_largest_sums_behind_a_fused_epilogue_are_exact(dtype: str, epilogue: str) -> None:
    """In a process of its own: all products as large as can be, and odd sums. k is a multiple of 64: with AMX others are a finding."""
    path = entrant_of("onednn").path
    most = max(k for k in range(64, 1024, 64) if onednn.fuses_exactly(Case(1, 1, k, dtype=dtype)))
    text = f"""
import numpy as np
from mmbench.configs.cases import Case
from mmbench.kernels.operands import Operands
from mmbench.kernels.verify import call
from mmbench.kernels.vendor.library import Found, library
from vendor_opener import HOST
onednn = library("onednn")
onednn.load(Found("onednn", "given", {path!r}))
case = Case(32, 64, {most}, dtype={dtype!r}, epilogue={epilogue!r})
prepared, operands = onednn.prepare(case, HOST), Operands(case, "integers")
operands.a[:], operands.b[:] = {255 if dtype == "u8s8" else -128}, -128
operands.b[0, -1, :] = -127
sums = operands.a[0].astype(np.int64) @ operands.b[0].astype(np.int64)
for extra in (operands.bias, operands.residual):
    if extra is not None:
        extra[:] = np.sign(sums[0, 0]) * (2**23 - 3)
        sums = sums + extra.reshape(-1, 64)[:1].astype(np.int64)
call(prepared, operands)
assert prepared.variant.params["epilogue"] == "fused"
assert (operands.c[0] == (np.maximum(sums, 0) if {epilogue!r} == "relu" else sums)).all()
"""
    done = subprocess.run(
        [sys.executable, "-c", text],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_a_file_for_another_architecture_is_refused_with_what_to_do(tmp_path: Path) -> None:
    here = platform.machine().lower()
    path = tmp_path / "foreign.so"
    machine = 243 if here != "riscv64" else 62
    path.write_bytes(struct.pack("<4sBBB9xHHIQQQIHHHHHH", b"\x7fELF", 2, 1, 1, 3, machine, 1, 0, 0, 0, 0, 64, 56, 0, 0, 0, 0))
    with pytest.raises(NotPossibleError, match=r"foreign\.so is for (riscv64|x86_64), and this machine is") as caught:
        files.open_library(str(path))
    assert "--library NAME=PATH" in caught.value.hint
    assert files.this_architecture() in caught.value.hint
    beside = tmp_path / "missing.so"
    with pytest.raises(NotPossibleError, match="does not exist") as absent:
        files.open_library(str(beside))
    assert "--library" in absent.value.hint

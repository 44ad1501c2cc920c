"""PyTorch and JAX on devices that are not here, by modules that stand for them: that results are waited for, and which device a row names.

That the real ones do on their devices what these do is not tested here; `make test-frameworks` calls the real ones on the processor.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest
from fake_frameworks import NAMES, Jax, Torch, install
from mmbench.configs.cases import Case
from mmbench.configs.dtypes import MIXES
from mmbench.configs.errors import NotPossibleError
from mmbench.kernels.host import Host
from mmbench.kernels.operands import Operands
from mmbench.kernels.registry import Prepared
from mmbench.kernels.vendor import framework
from mmbench.kernels.vendor.jax_xla import Jax as JaxAdapter
from mmbench.kernels.vendor.library import Found
from mmbench.kernels.vendor.pytorch import PyTorch
from mmbench.kernels.verify import call, check_exact

HOST = Host.of(None, tuple(sorted(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else (0,))
TORCH_DEVICES = ["cuda:0", "cuda:1", "xpu:0", "mps"]


def torch_on(monkeypatch: pytest.MonkeyPatch, device: str, **how: Any) -> tuple[PyTorch, Torch, Any]:
    """(adapter with a device opened, the module that it uses, what it says of itself)."""
    fake, adapter = Torch(device.split(":")[0], **how), PyTorch()
    monkeypatch.setitem(sys.modules, "torch", fake)
    return adapter, fake, adapter.load(Found("torch", device, "", "9.9.0"))


def right(prepared: Prepared, case: Case) -> bool:
    operands = Operands(case, "integers", seed=1)
    call(prepared, operands)
    return check_exact(operands, "here").passed


@pytest.mark.parametrize("device", TORCH_DEVICES)
def test_pytorchs_results_wait_for_the_device_and_rows_name_it(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    adapter, fake, loaded = torch_on(monkeypatch, device)
    kind = device.split(":")[0]
    name = "Apple MPS" if kind == "mps" else f"{NAMES[kind]} at {device}"
    assert loaded.core == name
    for layout, batch in (("nn", 1), ("tt", 1), ("nt", 3)):
        case = Case(17, 19, 23, layout=layout, batch=batch)
        prepared = adapter.prepare(case, HOST)
        assert prepared.variant.kernel == f"torch@{device}"
        assert prepared.variant.isa == name
        assert prepared.variant.params["device_name"] == name
        assert right(prepared, case)
    assert prepared.python is not None
    timed = prepared.python(Operands(case, "integers"))
    fake.events.clear()
    timed(4)
    waited = "synchronize" if kind == "mps" else f"synchronize {device}"
    assert [event for event in fake.events if event != waited] == ["matmul"] * 4
    assert fake.events[-1] == waited
    assert not fake.pending


@pytest.mark.parametrize("device", TORCH_DEVICES)
def test_a_device_that_is_not_waited_for_is_found_out(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    adapter, fake, _ = torch_on(monkeypatch, device)
    here = fake.backends.mps if device == "mps" else getattr(fake, device.split(":")[0])
    here.synchronize = lambda *_device: None
    case = Case(17, 19, 23)
    assert not right(adapter.prepare(case, HOST), case)


@pytest.mark.parametrize("dtype", ["f16", "bf16"])
def test_half_precision_with_single_results_is_served_where_pytorch_has_it(dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for device in ("cuda:1", "xpu:0"):
        adapter, fake, _ = torch_on(monkeypatch, device)
        for batch in (1, 2):
            case = Case(17, 19, 23, dtype=dtype, batch=batch)
            assert right(adapter.prepare(case, HOST), case)
        assert "matmul" not in fake.events
    for device, how in (("cpu", {}), ("mps", {}), ("cuda:0", {"single_out": False})):
        adapter, _, _ = torch_on(monkeypatch, device, **how)
        with pytest.raises(NotPossibleError, match="single"):
            adapter.prepare(Case(17, 19, 23, dtype=dtype), HOST)


@pytest.mark.parametrize("dtype", ["e4m3", "e5m2"])
def test_8_bit_floats_go_through_the_scaled_product_and_refusals_are_in_pytorchs_words(dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    adapter, fake, _ = torch_on(monkeypatch, "cuda:0")
    fits, other = Case(16, 32, 48, dtype=dtype, layout="nt"), Case(17, 19, 23, dtype=dtype)
    assert right(adapter.prepare(fits, HOST), fits)
    assert "_scaled_mm" in fake.events
    with pytest.raises(NotPossibleError, match=r"on cuda:0: Expected trailing dimension of mat1 to be divisible by 16$"):
        right(adapter.prepare(other, HOST), other)
    adapter, _, _ = torch_on(monkeypatch, "cpu")
    assert right(adapter.prepare(other, HOST), other)


def test_what_pytorch_does_not_serve_has_a_reason() -> None:
    adapter = PyTorch()
    for dtype, words in (("int4bf16", "16-bit results"), ("int4s8", "16-bit results"), ("mxfp4", "Blackwell"), ("nvfp4", "Blackwell")):
        assert words in adapter.serves(Case(32, 128, 128, dtype=dtype, layout="nt"))
    assert "one problem" in adapter.serves(Case(8, 8, 8, dtype="e4m3", batch=2))
    assert "k is 0" in adapter.serves(Case(8, 8, 0, dtype="e5m2"))
    assert "no epilogue" in adapter.serves(Case(8, 8, 8, dtype="s8", epilogue="relu"))
    assert {dtype for dtype in MIXES if not adapter.serves(Case(8, 16, 128, dtype=dtype, layout="nt"))} == set(adapter.dtypes)


def test_a_device_that_is_not_there_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotPossibleError, match=r"finds 2 of cuda here, no 'cuda:2'"):
        torch_on(monkeypatch, "cuda:2")
    with pytest.raises(NotPossibleError, match="names no device"):
        torch_on(monkeypatch, "cuda:x")
    monkeypatch.setitem(sys.modules, "torch", Torch("cpu"))
    with pytest.raises(NotPossibleError, match="finds no device 'xpu:0'"):
        PyTorch().load(Found("torch", "xpu:0", "", "9.9.0"))


@pytest.mark.parametrize(("device", "kind"), [("gpu:0", "gpu"), ("gpu:1", "gpu"), ("tpu:1", "tpu")])
def test_jaxs_results_are_waited_for_and_rows_name_the_device(device: str, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fake, adapter = Jax(kind), JaxAdapter()
    monkeypatch.setitem(sys.modules, "jax", fake)
    name = f"Fake {kind} {device[-1]}"
    assert adapter.load(Found("jax", device, "", "9.9.0")).core == name
    for layout, batch in (("nn", 1), ("tt", 1), ("nt", 3)):
        case = Case(17, 19, 23, layout=layout, batch=batch)
        prepared = adapter.prepare(case, HOST)
        assert (prepared.variant.kernel, prepared.variant.isa) == (f"jax@{device}", name)
        assert prepared.variant.params["device_name"] == name
        assert right(prepared, case)
    assert {put.device_kind for put in fake.put_on} == {name}
    assert prepared.python is not None
    timed = prepared.python(Operands(case, "integers"))
    fake.events.clear()
    timed(3)
    assert fake.events == ["product"] * 3 + ["block_until_ready"]


def test_jax_without_its_waiting_is_found_out_and_a_missing_device_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    fake, adapter = Jax("gpu"), JaxAdapter()
    monkeypatch.setitem(sys.modules, "jax", fake)
    adapter.load(Found("jax", "gpu:0", "", "9.9.0"))
    monkeypatch.setattr("fake_frameworks._Later.block_until_ready", lambda self: self)
    case = Case(17, 19, 23)
    assert not right(adapter.prepare(case, HOST), case)
    for device, words in (("gpu:2", "finds 2 of gpu here, no 'gpu:2'"), ("tpu:0", "finds no device 'tpu:0'")):
        with pytest.raises(NotPossibleError, match=words):
            adapter.load(Found("jax", device, "", "9.9.0"))


def test_each_accelerator_is_an_entrant_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("dev/nvidia0", "dev/nvidia1", "dev/nvidiactl", "dev/accel0", "sys/module/xe/drivers/pci:xe/0000:03:00.0/x"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    for node, number in enumerate(("0", "4711", "4712")):  # a processor, then two GPUs
        folder = tmp_path / f"sys/class/kfd/kfd/topology/nodes/{node}"
        folder.mkdir(parents=True)
        (folder / "gpu_id").write_text(number, encoding="ascii")
    monkeypatch.setattr("sys.platform", "linux")
    found = framework.accelerators(tmp_path)
    assert found == {"cuda": 2, "rocm": 2, "tpu": 1, "xpu": 1}
    assert framework.accelerators(tmp_path / "nowhere") == {}
    monkeypatch.setattr(framework, "accelerators", lambda: found)
    monkeypatch.setattr(framework, "package_version", lambda _name: "9.9.0")
    assert [f.spec for f in PyTorch().find()] == ["torch@cpu", "torch@cuda:0", "torch@cuda:1", "torch@xpu:0"]
    assert [f.spec for f in JaxAdapter().find()] == ["jax@cpu", "jax@gpu:0", "jax@gpu:1", "jax@tpu:0"]


def test_size_and_hash_are_those_of_the_installed_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(
        tmp_path, "torch", "9.9.0", {"torch/lib/libtorch_cuda.so": b"cuda" * 9, "torch/lib/libtorch_cpu.so": b"cpu", "torch/a.py": b"x"}
    )
    install(tmp_path, "nvidia_fake", "1.0", {"nvidia/libfake.so.1": b"y" * 100})
    monkeypatch.syspath_prepend(str(tmp_path))
    adapter, _, loaded = torch_on(monkeypatch, "cuda:0")
    record = sum((tmp_path / f"{name}.dist-info/RECORD").stat().st_size for name in ("torch-9.9.0", "nvidia_fake-1.0"))
    assert loaded.size_bytes == 36 + 3 + 1 + 100 + record
    assert (loaded.files, loaded.size_bytes) == adapter.on_disk(Found("torch", "cuda:0", ""))
    on_cuda = adapter.prepare(Case(4, 4, 4), HOST).sha
    on_cpu = torch_on(monkeypatch, "cpu")[0].prepare(Case(4, 4, 4), HOST).sha
    assert len({on_cuda, on_cpu, framework.package_sha("torch", "*no_such*")}) == 3
    assert len(on_cuda) == len(on_cpu) == 16
    assert framework.package_sha("torch") == on_cuda  # the largest
    assert framework.package_sha("not-installed") == ""

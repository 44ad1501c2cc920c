"""Targets: every name emits, this machine knows itself, and a wrong name lists the right ones."""

from __future__ import annotations

import platform

import llvmlite.binding as llvm
import pytest
from mmbench.configs.errors import UsageError
from mmbench.kernels.emit.jit import assembly
from mmbench.kernels.emit.target import Target, host_arch, known_targets

NOTHING = "define void @nothing() {\n  ret void\n}\n"
ARCHES = {"x86_64", "aarch64", "riscv64", "ppc64le", "s390x", "loongarch64"}


@pytest.mark.parametrize("name", known_targets())
def test_llvm_knows_every_target_by_its_own_name(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    target = Target.named(name)
    assert "nothing:" in assembly(NOTHING, target)
    assert "not a recognized" not in capfd.readouterr().err  # what LLVM prints of a processor or a feature it does not know
    assert (target.name, target.cpu, target.is_host) == (name, name, False)
    assert target.arch in ARCHES


def test_names_are_unique_and_cover_the_families() -> None:
    names = known_targets()
    assert len(names) == len(set(names))
    assert {Target.named(n).arch for n in names} == ARCHES
    assert {"skylake-avx512", "sapphirerapids", "neoverse-v2", "apple-m4", "spacemit-x60"} <= set(names)


def test_this_machine_is_the_host() -> None:
    host = Target.host()
    assert Target.named("host") is host
    assert host.is_host
    assert host.cpu == llvm.get_host_cpu_name()
    assert host.arch == host_arch()
    assert all(f[0] in "+-" for f in host.features)
    assert len({f[1:] for f in host.features}) == len(host.features)


def test_a_host_that_llvm_cannot_ask_goes_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def silent() -> None:
        raise RuntimeError("not implemented")

    monkeypatch.setattr(llvm, "get_host_cpu_features", silent)
    found = Target.host.__wrapped__()
    assert found.features == ()
    assert found.is_host


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(UsageError, match="unknown target 'pentium'") as caught:
        Target.named("pentium")
    assert "host" in caught.value.hint
    assert "neoverse-v2" in caught.value.hint


def test_features_are_added_and_replaced() -> None:
    target = Target("x", "x86_64-unknown-linux-gnu", "haswell", ("+a", "-b"))
    assert target.with_features("+b", "+c").features == ("+a", "+b", "+c")
    assert target.with_features("-a").features == ("-b", "-a")
    assert target.features == ("+a", "-b")
    assert target.with_features().features == target.features


@pytest.mark.parametrize(
    ("triple", "arch"),
    [
        ("x86_64-pc-windows-msvc", "x86_64"),
        ("arm64-apple-macosx14.0.0", "aarch64"),
        ("aarch64-unknown-linux-gnu", "aarch64"),
        ("powerpc64le-unknown-linux-gnu", "ppc64le"),
        ("sparc64-sun-solaris", "sparc64"),
    ],
)
def test_the_architecture_follows_from_the_triple(triple: str, arch: str) -> None:
    assert Target("x", triple, "generic").arch == arch


@pytest.mark.parametrize(("machine", "arch"), [("AMD64", "x86_64"), ("arm64", "aarch64"), ("x86_64", "x86_64"), ("ppc64le", "ppc64le")])
def test_the_hosts_architecture_by_the_systems_word(monkeypatch: pytest.MonkeyPatch, machine: str, arch: str) -> None:
    monkeypatch.setattr(platform, "machine", lambda: machine)
    assert host_arch() == arch


def test_features_decide_what_is_emitted() -> None:
    text = "define <8 x float> @f(<8 x float> %a, <8 x float> %b) {\n  %c = fadd <8 x float> %a, %b\n  ret <8 x float> %c\n}\n"
    old = Target.named("x86-64")
    assert "ymm" not in assembly(text, old)
    assert "ymm" in assembly(text, old.with_features("+avx"))

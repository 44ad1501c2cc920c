"""Compiling: the cache and its accidents, LLVM's refusals, and assembly for other chips."""

from __future__ import annotations

import ctypes
from pathlib import Path

import llvmlite.binding as llvm
import pytest
from mmbench.configs.errors import NotPossibleError
from mmbench.kernels.emit import jit
from mmbench.kernels.emit.jit import EmitError, assembly, cache_dir, compile_ir
from mmbench.kernels.emit.target import Target


def ir_of(number: int) -> str:
    return f"define i64 @answer() {{\n  ret i64 {number}\n}}\n"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own."""
    monkeypatch.setenv("MMBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "objects"


def call(code: jit.Code, name: str = "answer") -> int:
    return int(ctypes.CFUNCTYPE(ctypes.c_int64)(code.address(name))())


def test_the_second_compilation_comes_from_the_cache(cache: Path) -> None:
    first = compile_ir(ir_of(41))
    assert not first.from_cache
    second = compile_ir(ir_of(41))
    assert second.from_cache
    assert call(first) == call(second) == 41
    assert first.sha == second.sha
    assert len(list(cache.iterdir())) == 1
    other = compile_ir(ir_of(42))
    assert not other.from_cache
    assert call(other) == 42
    assert other.sha != first.sha


def test_the_key_is_ir_cpu_features_and_llvm(monkeypatch: pytest.MonkeyPatch) -> None:
    host = Target.host()
    keys = {jit._key(ir_of(1), host, False), jit._key(ir_of(2), host, False), jit._key(ir_of(1), host.with_features("-nothing"), False)}
    keys.add(jit._key(ir_of(1), host, True))
    keys.add(jit._key(ir_of(1), Target("host", host.triple, "other", host.features), False))
    monkeypatch.setattr(jit.llvm, "llvm_version_info", (99, 0, 0))
    keys.add(jit._key(ir_of(1), host, False))
    assert len(keys) == 6


@pytest.mark.parametrize("damage", [b"", b"short", None])
def test_a_corrupt_object_is_compiled_again_and_mended(cache: Path, damage: bytes | None) -> None:
    compile_ir(ir_of(5))
    (path,) = cache.iterdir()
    whole = path.read_bytes()
    middle = len(whole) // 2
    path.write_bytes(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :] if damage is None else damage)
    again = compile_ir(ir_of(5))
    assert not again.from_cache
    assert call(again) == 5
    assert path.read_bytes() == whole
    assert compile_ir(ir_of(5)).from_cache


def test_a_cache_that_cannot_be_written_costs_time_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("MMBENCH_CACHE", str(tmp_path / "file"))
    for _ in range(2):
        code = compile_ir(ir_of(6))
        assert not code.from_cache
        assert call(code) == 6
    assert (tmp_path / "file").read_text() == "in the way"


def test_a_full_disk_leaves_no_half_object(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, target: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    assert call(compile_ir(ir_of(7))) == 7
    monkeypatch.undo()
    assert list(cache.iterdir()) == []


def test_where_the_cache_lies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert cache_dir() == tmp_path / "cache" / "objects"
    monkeypatch.delenv("MMBENCH_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_dir() == tmp_path / "xdg" / "mmbench" / "objects"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_dir() == tmp_path / ".cache" / "mmbench" / "objects"


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ("define void @f( {", "expected type"),
        ("define i64 @f() {\n  ret i64 %nowhere\n}", "undefined value"),
        ("define void @f() {\n  %a = add i64 1, 2.0\n  ret void\n}", "floating point constant invalid"),
        ("define void @f(i64 %a) {\nentry:\n  br label %x\nx:\n  %p = phi i64 [ 1, %x ]\n  br label %x\n}", "PHI"),
    ],
)
def test_ir_that_llvm_refuses_is_an_error_with_llvms_words(bad: str, words: str) -> None:
    for attempt in (lambda: compile_ir(bad), lambda: assembly(bad, Target.named("neoverse-v2"))):
        with pytest.raises(EmitError, match="LLVM refuses the emitted code") as caught:
            attempt()
        assert words in caught.value.message


def test_a_function_that_is_not_there_is_named() -> None:
    with pytest.raises(EmitError, match="no function 'question'"):
        compile_ir(ir_of(1)).address("question")


def test_another_chips_code_is_not_run_here() -> None:
    with pytest.raises(NotPossibleError, match="neoverse-v2 cannot run on this machine") as caught:
        compile_ir(ir_of(1), Target.named("neoverse-v2"))
    assert "emit" in caught.value.hint


def test_a_system_that_forbids_generated_code_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("Permission denied")

    monkeypatch.setattr(llvm, "create_mcjit_compiler", refuse)
    with pytest.raises(NotPossibleError, match="does not let a program run code that it generates: Permission denied"):
        compile_ir(ir_of(1))


def test_code_stays_while_it_is_held() -> None:
    codes = [compile_ir(ir_of(i)) for i in range(8)]
    assert [call(code) for code in codes] == list(range(8))


def test_assembly_has_the_code_and_not_the_directives_around_it() -> None:
    text = compile_ir(ir_of(1234)).assembly()
    assert "1234" in text
    assert "answer:" in text
    assert ".cfi_" not in text
    assert ".file" not in text
    assert not any(not line.strip() for line in text.splitlines())
    for name in ("haswell", "apple-m4", "spacemit-x60", "pwr10", "z15", "la464"):
        other = assembly(ir_of(1234), Target.named(name))
        assert "1234" in other
        assert "answer:" in other
        assert "cfi" not in other


def test_processes_that_store_at_once_leave_one_whole_object(cache: Path) -> None:
    code = compile_ir(ir_of(9))
    (path,) = cache.iterdir()
    jit.store_object(path, b"another body")
    assert jit.cached_object(path) == b"another body"
    assert [p.name for p in cache.iterdir()] == [path.name]
    assert [p.name for p in cache.parent.iterdir()] == ["objects"]
    assert call(code) == 9

"""Open a shared library with errors in words, and say which files it takes and how large they are on disk.

A header is read before the loader sees the file: a library for another processor or one that was cut off is refused in a sentence (the
loader answers the first in terms of its own, and a file that ends early may end the process). Sources: the System V ABI (ELF), Apple's
mach-o/loader.h and mach-o/fat.h, Microsoft's PE format.

What counts as part of a library: the file, what it needs, and what it loads by itself once it runs (`Library.files`). What every Linux
system brings is not counted: the C library with its parts, the loader, and the run-time libraries of gcc (libgcc_s, libstdc++); libgomp and
libgfortran are.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import hashlib
import os
import platform
import re
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...configs.errors import NotPossibleError
from .discovery import loader_paths

# e_machine of ELF, cputype of Mach-O, Machine of PE, in the words of `platform.machine()`.
_ELF = {
    3: "i386",
    8: "mips",
    20: "ppc",
    21: "ppc64le",
    22: "s390x",
    40: "arm",
    62: "x86_64",
    183: "aarch64",
    243: "riscv64",
    258: "loongarch64",
}
_MACH = {0x01000007: "x86_64", 0x0100000C: "aarch64"}
_PE = {0x8664: "x86_64", 0xAA64: "aarch64", 0x14C: "i386"}
_SAME = {"amd64": "x86_64", "arm64": "aarch64", "x64": "x86_64"}
# What every system brings with it.
_SYSTEM = (
    *("libc.", "libc-", "libm.", "libm-", "libmvec", "libpthread", "libdl.", "librt.", "libutil.", "ld-linux", "ld-musl"),
    *("libgcc_s", "libstdc++", "linux-vdso", "libresolv."),
)
_NOT = "name the shared library itself, not an archive, a program or a linker script"
_OTHER = "name a build for {0} with --library NAME=PATH, or leave that library out"
_ET_DYN, _PT_LOAD, _PT_DYNAMIC = 3, 1, 2
_DT_NEEDED, _DT_STRTAB, _DT_RPATH, _DT_RUNPATH = 1, 5, 15, 29


@dataclass(frozen=True, slots=True)
class _Segment:
    """A program header of an ELF file: where its bytes lie in the file and in memory."""

    kind: int
    offset: int
    address: int
    size_bytes: int


def this_architecture() -> str:
    """This machine's architecture, one word for each (`aarch64`, never `arm64`)."""
    machine = platform.machine().lower()
    return _SAME.get(machine, machine)


def architecture(path: Path) -> str:
    """The architecture that a shared library is for (this machine's where it is for several, this one among them).

    NotPossibleError when the file cannot be read, is no shared library, or ends before what its header promises.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(4096)
            file.seek(0)
            if head[:4] == b"\x7fELF":
                return _elf_architecture(path, head, size)
            if head[:4] == b"\xcf\xfa\xed\xfe" and len(head) >= 16:
                _must(path, struct.unpack_from("<I", head, 12)[0] in (6, 8), f"{path} is no shared library")
                return _MACH.get(struct.unpack_from("<I", head, 4)[0], "another Mach-O machine")
            if head[:4] == b"\xca\xfe\xba\xbe" and len(head) >= 8:
                return _universal(head)
            if head[:2] == b"MZ":
                return _pe_architecture(path, head)
    except OSError as error:
        raise NotPossibleError(f"{path} cannot be read: {error.strerror}") from error
    raise NotPossibleError(f"{path} is {'empty' if not size else 'no shared library'}", _NOT)


def _must(path: Path, condition: bool, message: str = "") -> None:
    if not condition:
        raise NotPossibleError(message or f"{path} is cut off: it ends before what its header promises", _NOT)


def _elf_architecture(path: Path, head: bytes, size: int) -> str:
    """From an ELF header, after a look at whether the file is whole."""
    _must(path, len(head) >= 64)
    order = "<" if head[5] == 1 else ">"
    kind, number = struct.unpack_from(order + "HH", head, 16)
    if head[4] == 2:  # segments of 64-bit files only: others are refused anyway
        _must(path, all(s.offset + s.size_bytes <= size for s in _segments(head) if s.kind == _PT_LOAD))
    _must(path, kind == _ET_DYN, f"{path} is no shared library")
    return _ELF.get(number, f"ELF machine number {number}")


def _pe_architecture(path: Path, head: bytes) -> str:
    """From the header of a Windows library."""
    _must(path, len(head) >= 64)
    start = struct.unpack_from("<I", head, 60)[0]
    _must(path, start + 24 <= len(head))
    machine, traits = struct.unpack_from("<H", head, start + 4)[0], struct.unpack_from("<H", head, start + 22)[0]
    _must(path, head[start : start + 4] == b"PE\0\0" and bool(traits & 0x2000), f"{path} is no shared library")
    return _PE.get(machine, f"PE machine number {machine}")


def _universal(head: bytes) -> str:
    """Of the architectures that a universal Mach-O file holds: this machine's, or all of them in words."""
    count = min(struct.unpack_from(">I", head, 4)[0], (len(head) - 8) // 20)
    held = [_MACH.get(struct.unpack_from(">I", head, 8 + 20 * i)[0], "another machine") for i in range(count)]
    return this_architecture() if this_architecture() in held else " and ".join(dict.fromkeys(held))


def _segments(head: bytes) -> Iterator[_Segment]:
    """The program headers of a 64-bit ELF file, of those that lie in its first bytes."""
    order = "<" if head[5] == 1 else ">"
    start = struct.unpack_from(order + "Q", head, 32)[0]
    each, count = struct.unpack_from(order + "HH", head, 54)
    for i in range(count):
        if each < 56 or start + (i + 1) * each > len(head):
            return
        kind, _flags, offset, address_, _physical, size = struct.unpack_from(order + "IIQQQQ", head, start + i * each)
        yield _Segment(kind, offset, address_, size)


def _dynamic(path: Path) -> tuple[list[str], list[str]]:
    """(names of the libraries that an ELF file needs, folders where it wants them looked for); nothing for what is no 64-bit ELF."""
    try:
        with path.open("rb") as file:
            head = file.read(4096)
            if head[:5] != b"\x7fELF\x02":
                return [], []
            order = "<" if head[5] == 1 else ">"
            segments = list(_segments(head))
            table = next((s for s in segments if s.kind == _PT_DYNAMIC), None)
            if table is None:
                return [], []
            file.seek(table.offset)
            raw = file.read(table.size_bytes)
            entries = list(struct.iter_unpack(order + "qQ", raw[: len(raw) // 16 * 16]))
            place = next((value for tag, value in entries if tag == _DT_STRTAB), 0)
            load = next((s for s in segments if s.kind == _PT_LOAD and s.address <= place < s.address + s.size_bytes), None)
            if load is None:
                return [], []

            def text(at: int) -> str:
                file.seek(place - load.address + load.offset + at)
                return file.read(4096).split(b"\0", 1)[0].decode(errors="replace")

            needed = [text(value) for tag, value in entries if tag == _DT_NEEDED]
            folders = [text(value) for tag, value in entries if tag in (_DT_RPATH, _DT_RUNPATH)]
    except OSError:
        return [], []
    return needed, [f.replace("${ORIGIN}", "$ORIGIN").replace("$ORIGIN", str(path.parent)) for each in folders for f in each.split(":")]


def needed_files(path: str) -> tuple[str, ...]:
    """The library and all that it needs, directly or not, as the loader would find them; without what every system has.

    Read from the files: nothing is loaded. A library's own folder is looked at too, from where an adapter loads what a wheel does not name
    in full. What cannot be found is left out, and what is loaded only at run time is not seen. Other than ELF: the library alone.
    """
    found = [str(Path(path).resolve())]
    for name in found:  # it grows meanwhile
        needed, folders = _dynamic(Path(name))
        for wanted in needed:
            place = "" if wanted.startswith(_SYSTEM) else _located(wanted, [*folders, str(Path(name).parent)])
            if place and place not in found:
                found.append(place)
    return tuple(found)


def looks_above(path: str) -> bool:
    """Whether the library, or what it needs, looks for libraries above the folder that it lies in ($ORIGIN/..)."""
    return any(".." in Path(folder).parts for name in needed_files(path) for folder in _dynamic(Path(name))[1])


def _located(name: str, folders: Sequence[str]) -> str:
    """Where the loader would find a needed library; empty where it would not."""
    for folder in [*folders, *os.environ.get("LD_LIBRARY_PATH", "").split(":")]:
        if folder and (Path(folder) / name).is_file():
            return str((Path(folder) / name).resolve())
    listed = _by_name().get(name)
    return str(listed.resolve()) if listed else ""


@functools.cache
def _by_name() -> dict[str, Path]:
    """What the loader's cache lists, by name; the first of a name is the one that it takes."""
    names: dict[str, Path] = {}
    for path in loader_paths():
        names.setdefault(path.name, path)
    return names


def size_of(files: Sequence[str]) -> int:
    """Bytes of these files together; what cannot be read counts 0."""
    total = 0
    for name in files:
        with contextlib.suppress(OSError):
            total += Path(name).stat().st_size
    return total


def open_library(path: str, symbols: Sequence[str] = (), *, shared: bool = False, preload: Sequence[str] = ()) -> ctypes.CDLL:
    """The library, loaded, with all of `symbols`; NotPossibleError says in a sentence what is wrong with it.

    `shared`: its symbols serve libraries that are loaded after it (RTLD_GLOBAL); else they are its own (RTLD_LOCAL), so that two libraries
    with functions of the same name do not meet. `preload`: libraries that are loaded before it, shared. RTLD_DEEPBIND is not used: nothing
    here makes BLAS functions global, and it would part the library from the process's own allocator.
    """
    here = this_architecture()
    for each in (*preload, path):
        if Path(each).is_file():
            there = architecture(Path(each))
            if there != here:
                raise NotPossibleError(f"{each} is for {there}, and this machine is {here}", _OTHER.format(here))
    try:
        for each in preload:
            ctypes.CDLL(each, mode=ctypes.RTLD_GLOBAL)
        handle = ctypes.CDLL(path, mode=ctypes.RTLD_GLOBAL if shared else ctypes.RTLD_LOCAL)
    except OSError as error:
        raise NotPossibleError(*_loader_words(path, str(error))) from error
    for name in symbols:
        if not has(handle, name):
            raise NotPossibleError(f"{path} has no function '{name}'", "is it the right library, built with what mmbench calls?")
    return handle


def _loader_words(path: str, said: str) -> tuple[str, str]:
    """(sentence, hint) for what the loader said."""
    missing = re.match(r"(\S+): cannot open shared object file: No such file", said)
    if missing and missing[1] != path:
        return f"{path} needs {missing[1]}, which the loader does not find", "install it, or name its folder in LD_LIBRARY_PATH"
    if missing:
        return f"{path} does not exist", "give the path of a file that does: --library NAME=PATH"
    undefined = re.search(r"undefined symbol: (\S+)", said)
    if undefined:
        return f"{path} needs a function '{undefined[1]}' that no library here has", "a library that it needs may be missing or too old"
    return f"{path} cannot be loaded: {said.removeprefix(f'{path}: ')}", "it may be damaged, or made for another system"


def has(handle: ctypes.CDLL, name: str) -> bool:
    """Whether the library (or one that it needs) exports this function."""
    return hasattr(handle, name)


def address(handle: ctypes.CDLL, name: str) -> int:
    """Where a function lies; NotPossibleError when it is not exported."""
    if not has(handle, name):
        raise NotPossibleError(f"this build has no function '{name}'")
    return int(ctypes.cast(getattr(handle, name), ctypes.c_void_p).value or 0)


def first_of(handle: ctypes.CDLL, names: Sequence[str]) -> str:
    """The first of these functions that the library exports; empty for none."""
    return next((name for name in names if has(handle, name)), "")


def text_of(function: Callable[[], bytes | None]) -> str:
    """What a `char *f(void)` answers, as text."""
    answer = function()
    return answer.decode(errors="replace").strip() if answer else ""


def mapped_files() -> set[str]:
    """Files that this process has mapped as code; nothing where the system does not tell (only Linux does)."""
    try:
        lines = Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return set()
    return {line.split(maxsplit=5)[5] for line in lines if line.count("/") and " r-xp " in line}


def taken_files(before: set[str], listed: Sequence[str]) -> tuple[tuple[str, ...], int]:
    """(what is listed for a library, then what it has loaded besides; their bytes on disk).

    `before` is what `mapped_files` said before it was loaded: what it takes at run time is what came since. Where the listing is complete
    nothing comes besides, unless a setting makes the library take another file (MKL_THREADING_LAYER).
    """
    since = sorted(mapped_files() - before)
    more = [f for f in since if f not in listed and not Path(f).name.startswith(_SYSTEM) and "/lib-dynload/" not in f]
    files = (*listed, *more)
    return files, size_of(files)


def file_sha(path: str) -> str:
    """The first 16 hexadecimal digits of a file's SHA-256; empty where it cannot be read. Read once a process while it stays as it is."""
    try:
        about = Path(path).stat()
        return _sha_of(path, about.st_size, about.st_mtime_ns)
    except OSError:
        return ""


@functools.lru_cache(maxsize=64)
def _sha_of(path: str, _size_bytes: int, _changed_ns: int) -> str:
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def code_sha(files: Sequence[str], *words: str) -> str:
    """What tells machine code apart: the hash of a file alone, of several, or of files together with words such as a symbol's name.

    Empty where no file can be read: words alone say nothing of code.
    """
    found = [sha for file in files if (sha := file_sha(file))]
    if len(found) < 2 and not words:
        return "".join(found)
    return hashlib.sha256("\0".join((*found, "", *words)).encode()).hexdigest()[:16] if found else ""

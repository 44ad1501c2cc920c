"""Put a library or an environment into a fresh place for one launch: where a file lies must not decide which side is faster.

A fresh copy has pages of its own, and the length of its path moves what the loader and the process's own start put behind it in memory.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ...configs.errors import NotPossibleError
from ...configs.gateplan import Side
from ...configs.plan import Entrant
from ..vendor.files import looks_above

MOST_COPIED_BYTES = 64 << 20  # a larger file is linked: copies would take longer than the launch
LONGEST_NAME = 255


@contextlib.contextmanager
def varied(path: str, folder: Path, chars: int) -> Iterator[str]:
    """A library's file in a folder of its own, with a name of so many characters, below `folder`; gone afterwards.

    The file is a copy up to 64 MiB, else a symbolic link. All that lies beside it is there as symbolic links, so that it finds what it
    needs from where it lies ($ORIGIN); where it looks above its folder, what lies there is linked, too.
    """
    source = Path(path)
    with _fresh(folder, chars) as fresh:
        place = fresh
        try:
            if looks_above(path):
                _link_all(source.parent.parent, fresh, source.parent.name)
                place = fresh / source.parent.name
                place.mkdir()
            _link_all(source.parent, place, source.name)
            if source.stat().st_size <= MOST_COPIED_BYTES:
                shutil.copy(source, place / source.name)
            else:
                (place / source.name).symlink_to(source)
        except OSError as error:
            raise _refused(folder, error) from None
        yield str(place / source.name)


@contextlib.contextmanager
def varied_environment(side: Side, folder: Path, chars: int) -> Iterator[Side]:
    """The side, with its interpreter called through a symbolic link to its environment, named so many characters; gone afterwards.

    `sys.prefix` and the paths of what is imported go through the link. This installation's own interpreter is varied the same way where it
    is that of a virtual environment; else the side stays as it is.
    """
    place = Path(side.place or sys.prefix)
    python = Path(side.python or sys.executable)
    if not python.is_relative_to(place) or not (side.place or (place / "pyvenv.cfg").is_file()):
        yield side
        return
    with _fresh(folder, chars, target=place) as link:
        yield replace(side, python=str(link / python.relative_to(place)), place=str(link))


def moved(entrant: Entrant, before: Side, after: Side) -> Entrant:
    """The entrant with its file as seen through the place that its side was given; as it is where its file lies elsewhere."""
    home = Path(before.place or sys.prefix).resolve()
    path = Path(entrant.path)
    if not entrant.path or not after.place or not path.is_relative_to(home):
        return entrant
    return replace(entrant, path=str(Path(after.place) / path.relative_to(home)))


@contextlib.contextmanager
def _fresh(folder: Path, chars: int, target: Path | None = None) -> Iterator[Path]:
    """A new folder (or a link to `target`) with a random name of so many characters."""
    place = _named(folder, chars, target)
    try:
        yield place
    finally:
        if target is None:
            shutil.rmtree(place, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                place.unlink()


def _named(folder: Path, chars: int, target: Path | None) -> Path:
    if not 1 <= chars <= LONGEST_NAME:
        raise ValueError(f"a name has 1 to {LONGEST_NAME} characters, not {chars}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for _ in range(1000):  # short names may be taken
            place = folder.absolute() / secrets.token_hex(LONGEST_NAME)[:chars]
            with contextlib.suppress(FileExistsError):
                if target is None:
                    place.mkdir()
                else:
                    place.symlink_to(target.absolute(), target_is_directory=True)
                return place
    except OSError as error:
        raise _refused(folder, error) from None
    raise NotPossibleError(f"every name of {chars} characters is taken in {folder}", "remove what lies there")


def _link_all(source: Path, place: Path, but: str) -> None:
    """Symbolic links in `place` to everything in `source` but one name."""
    with os.scandir(source) as entries:
        for entry in entries:
            if entry.name != but:
                (place / entry.name).symlink_to(Path(entry.path).absolute())


def _refused(folder: Path, error: OSError) -> NotPossibleError:
    return NotPossibleError(f"nothing can be put into {folder}: {error.strerror or error}", "name another cache folder: MMBENCH_CACHE=PATH")

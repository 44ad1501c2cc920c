"""Files written whole: what is no regular file is written into, a link stays a link, a disk is left alone. No device is touched here."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from mmbench.configs import files
from mmbench.configs.errors import StoreError
from mmbench.configs.files import write_atomic


def test_a_file_is_replaced_as_a_whole_and_folders_are_made(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b.txt"
    write_atomic(path, b"one")
    before = path.stat().st_ino
    write_atomic(path, b"two")
    assert path.read_bytes() == b"two"
    assert path.stat().st_ino != before  # whoever reads the old one goes on reading it
    assert [p.name for p in path.parent.iterdir()] == ["b.txt"]


@pytest.mark.parametrize("there", [True, False])
def test_a_link_stays_and_what_it_leads_to_is_replaced(tmp_path: Path, there: bool) -> None:
    target, link = tmp_path / "elsewhere" / "it", tmp_path / "link"
    target.parent.mkdir()
    if there:
        target.write_text("old")
    link.symlink_to(Path("elsewhere") / "it")
    write_atomic(link, b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"
    assert [p.name for p in target.parent.iterdir()] == ["it"]


def test_links_in_circles_and_folders_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    for name in ("a", "."):
        with pytest.raises(StoreError, match="cannot be written"):
            write_atomic(tmp_path / name, b"x")
    assert {p.name for p in tmp_path.iterdir()} == {"a", "b"}


def test_a_pipe_is_written_into_and_stays_a_pipe(tmp_path: Path) -> None:
    pipe, read = tmp_path / "pipe", []
    os.mkfifo(pipe)
    content = bytes(range(256)) * 1000  # more than a pipe holds
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    write_atomic(pipe, content)
    reader.join(20)
    assert read == [content]
    assert pipe.is_fifo()


def test_a_disk_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "disk"
    path.write_text("precious")
    monkeypatch.setattr(files.stat, "S_ISBLK", lambda _mode: True)
    with pytest.raises(StoreError, match="a disk or a part of one"):
        write_atomic(path, b"page")
    assert path.read_text() == "precious"


def test_a_device_that_is_full_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for /dev/full: a file that passes for a device, and a system that refuses to write."""
    path = tmp_path / "full"
    path.write_text("a device")
    monkeypatch.setattr(files, "_is_written_into", lambda _path: True)

    def refuse(_descriptor: int, _content: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "write_all", refuse)
    with pytest.raises(StoreError, match="cannot be written: No space left on device"):
        write_atomic(path, b"page")
    assert path.read_text() == "a device"


def test_a_link_to_an_open_stream_goes_where_the_stream_stands(tmp_path: Path) -> None:
    """As /dev/stdout behind `> file` is: what was written before stays, and what comes after follows."""
    if not Path("/proc/self/fd").is_dir():
        pytest.skip("needs /proc")
    link, out = tmp_path / "link", tmp_path / "out"
    link.symlink_to("/proc/self/fd/1")
    script = (
        "import sys\nfrom pathlib import Path\nfrom mmbench.configs.files import write_atomic\n"
        "print('before')\nwrite_atomic(Path(sys.argv[1]), b'page\\n')\nprint('after')\n"
    )
    with out.open("wb") as stream:
        subprocess.run([sys.executable, "-c", script, str(link)], stdout=stream, check=True, timeout=60)
    assert out.read_text() == "before\npage\nafter\n"
    assert link.is_symlink()

"""The command line as a process: what it imports, how it fails, and with which code."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from mmbench import __version__
from mmbench.cli import crash, main
from mmbench.configs.errors import Exit

HEAVY = ("numpy", "scipy", "pandas", "matplotlib", "numba", "llvmlite", "cpuinfo", "rich", "archspec", "psutil", "ml_dtypes")


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """A home of its own, and nothing of the caller's settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MMBENCH_")}
    return {**kept, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache"), "XDG_CONFIG_HOME": str(tmp_path / "config")}


@pytest.fixture
def inside(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The same for commands that run in this process."""
    for name in [name for name in os.environ if name not in environ]:
        monkeypatch.delenv(name)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)


def mmbench(environ: dict[str, str], *words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mmbench", *words]
    return subprocess.run(command, capture_output=True, text=True, env=environ, cwd=cwd or environ["HOME"], check=False)


@pytest.mark.parametrize("words", [["--help"], [], ["--version"], ["explain", "latency"], ["config", "show"], ["nonsense"]])
def test_light_commands_import_nothing_heavy(environ: dict[str, str], words: list[str]) -> None:
    script = (
        "import sys\nfrom mmbench.cli.main import cli\n"
        "try: cli.main(sys.argv[1:])\n"
        f"except SystemExit: print([m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *words], capture_output=True, text=True, env=environ, cwd=environ["HOME"], check=True
    )
    assert done.stderr.splitlines()[-1] == "[]"


def test_help_lists_every_command_without_importing_one(environ: dict[str, str]) -> None:
    done = mmbench(environ, "--help")
    assert done.returncode == 0
    for name, (_, line) in main.COMMANDS.items():
        assert f"  {name} " in done.stdout
        assert line.split()[0] in done.stdout


@pytest.mark.parametrize("name", list(main.COMMANDS))
def test_the_table_says_what_the_command_says(name: str) -> None:
    command = main.cli.get_command(click.Context(main.cli), name)
    assert command is not None
    assert command.name == name
    assert (command.help or "").strip().splitlines()[0] == main.COMMANDS[name][1]
    assert len(main.COMMANDS[name][1]) <= 80


def test_every_command_and_option_has_a_help_text() -> None:
    def walk(command: click.Command) -> None:
        assert command.help, command.name
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.help, f"{command.name} {parameter.opts}"
        if isinstance(command, click.Group):
            context = click.Context(command)
            for name in command.list_commands(context):
                inner = command.get_command(context, name)
                assert inner is not None
                walk(inner)

    walk(main.cli)


def test_the_version_and_the_bare_command(environ: dict[str, str]) -> None:
    assert mmbench(environ, "--version").stdout == f"mmbench {__version__}\n"
    bare = mmbench(environ)
    assert bare.returncode == 0
    assert "mmbench probe" in bare.stdout
    assert bare.stderr == ""


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (["prob"], "there is no command 'prob'", "did you mean probe?"),
        (["zzz"], "there is no command 'zzz'", "known: probe, sweep, report"),
        (["--nope"], "No such option", "mmbench --help"),
        (["show", "--nope"], "No such option", "mmbench show --help"),
        (["export", "xml"], "xml", "mmbench export --help"),
        (["explain", "cache"], "there is no topic 'cache'", "cache-size"),
        (["explain", "zzz"], "there is no topic 'zzz'", "mmbench explain"),
        (["list", "probs"], "there is no list of 'probs'", "did you mean probes?"),
        (["show", "nobody"], "no machine and no run 'nobody'", "stored: none"),
        (["show"], "no machine is stored", "mmbench probe"),
        (["export", "csv"], "no machine is stored", "mmbench probe"),
        (["export", "json", "--curves"], "--curves is for csv", ""),
    ],
)
def test_what_a_user_gets_wrong_is_a_sentence_and_a_hint(inside: None, words: list[str], message: str, hint: str) -> None:
    done = CliRunner().invoke(main.cli, words)
    assert done.exit_code == Exit.USAGE
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert lines[0].startswith("error: ")
    assert message in lines[0]
    assert hint in done.stderr
    assert "Traceback" not in done.stderr


def test_a_bad_settings_file_is_named_by_every_command(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "mmbench.toml").write_text("efort = 'quick'\n")
    for words in ([], ["config", "show"], ["list", "machines"]):
        done = mmbench(environ, *words)
        assert done.returncode == Exit.USAGE
        assert "mmbench.toml: there is no setting 'efort'" in done.stderr
        assert "did you mean 'effort'?" in done.stderr
    assert mmbench(environ, "--help").returncode == 0


def failing(error: BaseException) -> click.Command:
    def fail() -> None:
        raise error

    return click.Command("fail", callback=fail, help="Fail.")


@pytest.fixture
def with_failure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):  # type: ignore[no-untyped-def]
    """Run `mmbench explain` with an explain that raises `error`."""
    monkeypatch.setenv("MMBENCH_CACHE", str(tmp_path / "cache"))

    def run(error: BaseException):  # type: ignore[no-untyped-def]
        monkeypatch.setattr(main.LazyGroup, "get_command", lambda _self, _ctx, _name: failing(error))
        return CliRunner().invoke(main.cli, ["explain"])

    return run


def test_a_bug_is_saved_and_its_place_is_told(with_failure, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    result = with_failure(ZeroDivisionError("by nought"))
    assert result.exit_code == Exit.BUG
    assert "a bug in mmbench: ZeroDivisionError: by nought" in result.stderr
    assert "Traceback" not in result.stderr
    saved = list((tmp_path / "cache" / "crashes").iterdir())
    assert len(saved) == 1
    assert str(saved[0]) in result.stderr
    text = saved[0].read_text()
    assert "Traceback (most recent call last)" in text
    assert f"mmbench {__version__}" in text


def test_a_bug_is_told_even_where_nothing_can_be_saved(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MMBENCH_CACHE", str(tmp_path / "file"))
    monkeypatch.setattr(crash.tempfile, "gettempdir", lambda: str(tmp_path / "temporary"))
    path = crash.save(ValueError("x"))
    assert path is not None
    assert path.parent == tmp_path / "temporary"
    monkeypatch.setattr(crash.tempfile, "gettempdir", lambda: str(tmp_path / "file" / "below"))
    assert crash.save(ValueError("x")) is None


@pytest.mark.parametrize("error", [EOFError("x"), BrokenPipeError("a worker"), MemoryError(), RecursionError(), OSError(5, "x")])
def test_errors_that_click_would_take_for_something_else_are_bugs(with_failure, error: BaseException) -> None:  # type: ignore[no-untyped-def]
    assert with_failure(error).exit_code == Exit.BUG


def test_an_interrupt_is_one_line(with_failure) -> None:  # type: ignore[no-untyped-def]
    result = with_failure(KeyboardInterrupt())
    assert result.exit_code == Exit.INTERRUPTED
    assert result.stderr.split() == ["error:", "interrupted"]


def test_a_real_interrupt_ends_with_130(environ: dict[str, str]) -> None:
    script = (
        "import sys, time, click\nfrom mmbench.cli import main\n"
        "def wait():\n    print('ready', flush=True)\n    time.sleep(30)\n"
        "main.LazyGroup.get_command = lambda *_: click.Command('explain', callback=wait)\n"
        "main.cli.main(['explain'])\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environ)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == Exit.INTERRUPTED
    assert errors.strip() == "error: interrupted"


def test_a_reader_that_leaves_early_is_no_error(environ: dict[str, str]) -> None:
    read_end, write_end = os.pipe()
    command = [sys.executable, "-m", "mmbench", "explain", "--json"]
    os.close(read_end)
    done = subprocess.run(command, stdout=write_end, stderr=subprocess.PIPE, text=True, env=environ, check=False)
    os.close(write_end)
    assert done.returncode == 0
    assert done.stderr == ""


def test_a_full_disk_behind_stdout_is_told(environ: dict[str, str]) -> None:
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "mmbench", "explain"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, env=environ, check=False)
    assert done.returncode == Exit.USAGE
    assert "error: standard output cannot be written: No space left on device" in done.stderr
    assert "Exception ignored" not in done.stderr


def test_what_comes_from_outside_reaches_the_terminal_as_text(environ: dict[str, str]) -> None:
    done = mmbench(environ, "show", "\x1b[31mred\u202e")
    assert done.returncode == Exit.USAGE
    assert "\x1b" not in done.stderr
    assert "\u202e" not in done.stderr


def test_a_terminal_gets_colour_and_a_pipe_does_not(environ: dict[str, str]) -> None:
    script = "from mmbench.cli.console import wants_color as w\nfrom mmbench.configs.settings import load_settings as s\nprint(w(s()))\n"

    def on_terminal(**more: str) -> str:
        mine, theirs = pty.openpty()
        subprocess.run([sys.executable, "-c", script], stdout=theirs, env={**environ, "TERM": "xterm", **more}, check=True)
        os.close(theirs)
        answer = os.read(mine, 100).decode().strip()
        os.close(mine)
        return answer

    environ = {name: value for name, value in environ.items() if name not in ("NO_COLOR", "FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE")}
    assert on_terminal() == "True"
    assert on_terminal(NO_COLOR="1") == "False"
    assert on_terminal(NO_COLOR="") == "True"
    assert on_terminal(CLICOLOR="0") == "False"
    assert on_terminal(TERM="dumb") == "False"
    assert on_terminal(NO_COLOR="1", MMBENCH_COLOR="always") == "True"
    piped = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environ, check=True)
    assert piped.stdout == "False\n"
    forced = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env={**environ, "FORCE_COLOR": "1"}, check=True)
    assert forced.stdout == "True\n"


@pytest.mark.parametrize(("shell", "word"), [("bash", "complete"), ("zsh", "compdef"), ("fish", "complete")])
def test_completion_scripts(environ: dict[str, str], shell: str, word: str) -> None:
    done = mmbench(environ, "completion", shell)
    assert done.returncode == 0
    assert word in done.stdout
    assert "_MMBENCH_COMPLETE" in done.stdout


def test_completion_completes(environ: dict[str, str]) -> None:
    asked = {**environ, "_MMBENCH_COMPLETE": "bash_complete", "COMP_WORDS": "mmbench explain cache", "COMP_CWORD": "2"}
    assert mmbench(asked).stdout.split() == ["plain,cache-size"]
    asked = {**environ, "_MMBENCH_COMPLETE": "bash_complete", "COMP_WORDS": "mmbench do", "COMP_CWORD": "1"}
    assert mmbench(asked).stdout.split() == ["plain,doctor"]


def test_json_says_its_schema(inside: None) -> None:
    for words in (["explain"], ["explain", "tlb"], ["list"], ["list", "machines"], ["list", "runs"], ["config", "show"]):
        done = CliRunner().invoke(main.cli, [*words, "--json"])
        assert done.exit_code == 0, done.stderr
        assert isinstance(json.loads(done.stdout)["schema"], int)


@pytest.mark.parametrize("words", [["export"], ["export", "xml"], ["completion"], ["completion", "tcsh"]])
def test_a_missing_or_wrong_word_is_one_sentence(environ: dict[str, str], words: list[str]) -> None:
    done = mmbench(environ, *words)
    assert done.returncode == 2
    lines = done.stderr.splitlines()
    assert [line.split(":")[0] for line in lines] == ["error", "hint"]
    assert "\\t" not in done.stderr

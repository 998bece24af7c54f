"""A command in a forked process of its own: limited in time, memory and file size, and watched for what it writes."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

#: words that a person must never read
DEFECTS = (
    "Traceback (most recent call last)",
    "operando: unexpected ",
    "defect of operando",
    "Warning: ",
    "\nOSError",
)
#: ways of the interpreter to change the disk, by the name of their audit event, with the arguments that are paths
CHANGES = {
    "os.mkdir": (0,), "os.rename": (0, 1), "os.remove": (0,), "os.rmdir": (0,), "os.symlink": (1,), "os.link": (1,),
    "os.truncate": (0,), "shutil.rmtree": (0,), "shutil.copyfile": (1,), "shutil.move": (0, 1),
}  # fmt: skip
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


@dataclass(frozen=True)
class Limits:
    """What a command may use: seconds of CPU, and in all (a crowded machine is slow), bytes more than the parent."""

    cpu_s: int = 10
    wall_s: int = 90
    memory: int = 3 << 30
    file: int = 1 << 30


LIMITS = Limits()


@dataclass
class Outcome:
    """How a command ended. `wrong` is empty where a person was told what they need and nothing else was touched."""

    code: int
    cpu_s: float
    told: str
    wrong: str = ""
    memory: int = 0


def play(command: Callable[[], None], home: Path, output: Path, limits: Limits = LIMITS) -> Outcome:
    """Run `command` in `home` (its working folder); it may write under `output` and nowhere else."""
    told, outside, spare = (home.with_name(home.name + end) for end in (".told", ".outside", ".tmp"))
    spare.mkdir()
    before = snapshot(home, output)
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        _child(command, home, output, limits, (told, outside, spare))
    _, status, used = os.wait4(pid, 0)
    text = told.read_text(errors="replace")
    code = os.waitstatus_to_exitcode(status)
    outcome = Outcome(code, used.ru_utime + used.ru_stime, text, memory=used.ru_maxrss << 10)
    stray = outside.read_text(errors="replace").splitlines()
    stray += [f"changed: {name}" for name in changed(before, snapshot(home, output))]
    stray += [f"left in the folder for temporary files: {name}" for name in os.listdir(spare)]
    outcome.wrong = judge(code, text, stray)
    told.unlink()
    outside.unlink()
    shutil.rmtree(spare)
    return outcome


def judge(code: int, text: str, stray: list[str]) -> str:
    """What is wrong with how a command ended; "" where nothing is."""
    if code < 0:
        name = signal.Signals(-code).name
        return {"SIGXCPU": "hangs (CPU)", "SIGALRM": "hangs (asleep)"}.get(name, f"died of {name}")
    if stray:
        return f"wrote outside: {stray[0]}"
    if found := next((word for word in DEFECTS if word in text), None):
        return f"told {found.strip()!r}"
    if code not in (0, 1, 2):
        return f"exit code {code}"
    if code and not text.strip():
        return "failed without a word"
    return ""


def _child(command, home: Path, output: Path, limits: Limits, places: tuple[Path, Path, Path]) -> None:
    """Never returns."""
    try:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(limits.wall_s)
        resource.setrlimit(resource.RLIMIT_CPU, (limits.cpu_s, limits.cpu_s + 1))
        resource.setrlimit(resource.RLIMIT_FSIZE, (limits.file, limits.file))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        space = _address_space() + limits.memory
        resource.setrlimit(resource.RLIMIT_AS, (space, space))
        told, outside, spare = places
        os.environ["TMPDIR"], tempfile.tempdir = str(spare), None
        out = os.open(told, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        stray = os.open(outside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(out, 1)
        os.dup2(out, 2)
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115  not that of a test runner, which keeps words back
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115
        os.chdir(home)
        sys.addaudithook(_guard((output, spare), stray))
        code = _exit_code(command)
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:
        os.write(1, traceback.format_exc().encode())
        code = 99
    os._exit(code)


def _exit_code(command: Callable[[], None]) -> int:
    try:
        command()
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else int(done.code is not None)
    except BaseException:
        traceback.print_exc()
        return 99
    return 0


def _guard(places: tuple[Path, Path], stray: int):
    """An audit hook that notes every change of the disk outside `places`."""
    allowed = (*(str(place.resolve()) for place in places), "/dev/", "/proc/self/")
    inside = os.path.realpath

    def note(what: str, path: object, folder: object = None) -> None:
        if not isinstance(path, (str, bytes, os.PathLike)):
            return
        above = f"/proc/self/fd/{folder}" if isinstance(folder, int) and folder >= 0 else ""
        place = inside(os.path.join(above, os.fsdecode(path)))
        if not place.startswith(allowed) and "__pycache__" not in place:
            os.write(stray, f"{what}: {place}\n".encode(errors="replace"))

    def hook(event: str, args: tuple) -> None:
        if event == "open" and isinstance(args[2], int) and args[2] & WRITES:
            note("opened to write", args[0])
        elif event in CHANGES:
            for which in CHANGES[event]:
                note(event, args[which], args[-1])

    return hook


def _address_space() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def snapshot(home: Path, output: Path) -> dict[str, tuple[int, int, int]]:
    """Of everything under `home` but `output`: kind, size and time of the last change."""
    found = {}
    for place, folders, files in os.walk(home):
        folders[:] = [name for name in folders if Path(place, name) != output]
        for name in [*folders, *files]:
            if Path(place, name) != output:
                facts = os.lstat(os.path.join(place, name))
                size = facts.st_size if name in files else 0
                found[os.path.join(place, name)] = (
                    facts.st_mode,
                    size,
                    facts.st_mtime_ns if name in files else 0,
                )
    return found


def changed(before: dict, after: dict) -> list[str]:
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))

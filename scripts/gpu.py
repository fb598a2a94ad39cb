"""All work that needs a GPU, in stages that can be interrupted: ``make gpu``.

Everything goes to the folder ``--out``: a folder a stage, ``machine.json``, and ``stages.json``, which
says after every step what was done and what is left. A second call goes on where the first one ended.
"""

import argparse
import datetime
import json
import math
import os
import re
import shutil
import signal
import sys
import textwrap
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import gpu_pack
from gpu_command import GRACE, run_until
from gpu_record import COMPLETE, ILL, NO_DEVICE, WRONG, Mistake, Record, judged
from gpu_stages import PACK, ROOT, STAGES, XPBENCH, Machine, Step, ask, on_device

STAGE_SECONDS = 480.0
LEAST_STAGE_SECONDS = 60.0
LEAST_STEP_SECONDS = 20.0
PACK_SECONDS = 30.0
"""What a budget keeps back for packing."""
INTERRUPTED = 130
VERSIONS = """
import json, platform
from importlib import metadata
found = {str(one.metadata["Name"]): one.version for one in metadata.distributions()}
print(json.dumps({"python": platform.python_version(), **dict(sorted(found.items()))}))
"""


@dataclass
class Call:
    """One call: where it works, until when, and what it has tried already."""

    machine: Machine
    out: Path
    record: Record
    named: bool
    end: float
    tried: set[tuple[str, str]] = field(default_factory=set)

    def work(self, name: str) -> None:
        """Takes a stage as far as the time allows."""
        stored = self.record.stage(name)
        if stored["state"] in COMPLETE and not self.named and not self.record.lacks(name):
            return
        if self.end - time.monotonic() < LEAST_STAGE_SECONDS:
            return
        folder = self.out / name
        if stored["state"] in COMPLETE and self.named:
            _set_aside(folder)
            stored |= {"state": "waiting", "steps": {}}
        folder.mkdir(parents=True, exist_ok=True)
        try:
            step = self._next(name, folder)
            deadline = min(self.end, time.monotonic() + STAGE_SECONDS)
            while step and deadline - time.monotonic() >= LEAST_STEP_SECONDS:
                self._take(name, folder, step, deadline)
                step = self._next(name, folder)
        finally:
            steps = STAGES[name](self.machine, folder)
            self.record.close(name, [step.name for step in steps])

    def _next(self, stage: str, folder: Path) -> Step | None:
        """The step to take next: what was cut most often comes last, lest it bar the way for ever."""
        waiting = {}
        for step in STAGES[stage](self.machine, folder):
            known = self.record.step(stage, step.name)
            if step.missing:
                self.record.note(stage, step.name, state="left out", left=f"left out: {step.missing}")
            elif (stage, step.name) not in self.tried and known.get("state") not in ("done", "failed"):
                waiting[step] = known.get("cuts", 0)
        return min(waiting, key=lambda step: waiting[step], default=None)

    def _take(self, stage: str, folder: Path, step: Step, deadline: float) -> None:
        self.tried.add((stage, step.name))
        before = self.record.step(stage, step.name)
        command = self._command(folder, step)
        print(f"{stage}: {step.name}", file=sys.stderr, flush=True)
        began = time.monotonic()
        code: int | None = None
        try:
            code = run_until(deadline, command, *_files(folder, step), ROOT)
            if code == WRONG and "--resume" in command:
                # Another machine or other versions: one run has one of each.
                _set_aside(folder / step.name)
                command = self._command(folder, step)
                code = run_until(deadline, command, *_files(folder, step), ROOT)
        finally:
            seconds = round(time.monotonic() - began, 1)
            state, left = judged(code, seconds, _last_line(*_files(folder, step)))
            self.record.note(
                stage,
                step.name,
                command=["python", *command[1:]],
                exit=code,
                state=state,
                seconds=round(before.get("seconds", 0.0) + seconds, 1),
                cuts=before.get("cuts", 0) + (state == "cut"),
                left=left,
            )
            print(f"{stage}: {step.name}: {state}, {seconds:.0f} s", file=sys.stderr, flush=True)

    def _command(self, folder: Path, step: Step) -> list[str]:
        command = [self.machine.python, *step.command]
        own = folder / step.name
        if step.resumes and (own / "run.json").exists():
            return [self.machine.python, *step.command[:3], "--resume", str(own)]
        if step.measures:
            _set_aside(own)
            return [*command, "--out", str(own)]
        return command

    def pack(self, deadline: float) -> None:
        """Tables and archive; without time, the archive alone."""
        began = time.monotonic()
        folder = self.out / PACK
        folder.mkdir(parents=True, exist_ok=True)
        notes = []
        for name, command in self._pages():
            code: int | None = None
            if deadline - time.monotonic() > GRACE:
                files = folder / f"{name}.txt", folder / f"{name}.log"
                code = run_until(deadline, command, *files, ROOT)
            if code != 0:
                notes.append(f"{name}: {'no time' if code is None else f'ended with code {code}'}")
        stored = self.record.stage(PACK)
        stored |= {"state": "failed" if notes else "done", "left": "; ".join(notes) or "nothing is left"}
        self.record.write()
        files_and_omitted = gpu_pack.archive(self.out)
        stored["left"] = "; ".join([gpu_pack.described(*files_and_omitted), *notes])
        stored["seconds"] = round(time.monotonic() - began, 1)
        self.record.write()

    def _pages(self) -> list[tuple[str, list[str]]]:
        """The commands that make pages of what was measured since they were last made."""
        python, runs = self.machine.python, gpu_pack.runs_in(self.out)
        changed = [str(run) for run in runs if gpu_pack.has_changed(run)]
        if not changed:
            return []
        pages = [("tables", [python, str(ROOT / "scripts" / "gpu_tables.py"), *changed])]
        if re.search(r"^\s+report\b", self.machine.answer("--help").stdout, re.MULTILINE):
            page = str(self.out / PACK / "report.html")
            pages.append(("report", [python, *XPBENCH, "report", *map(str, runs), "-o", page]))
        return pages


def _files(folder: Path, step: Step) -> tuple[Path, Path]:
    return folder / f"{step.name}.{step.suffix}", folder / f"{step.name}.log"


def _set_aside(folder: Path) -> None:
    """Gives what was measured before another name, so that nothing is lost or mixed."""
    if folder.exists():
        number = next(n for n in range(1, 10_000) if not Path(f"{folder}.{n}").exists())
        folder.rename(f"{folder}.{number}")


def _last_line(output: Path, log: Path) -> str:
    for path in (log, output):
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n") if path.exists() else []
        if said := [line.strip(" =") for line in lines if line.strip(" =")]:
            return said[-1][:200]
    return "it said nothing"


def _usable(python: str) -> dict[str, tuple[str, ...]]:
    """The devices of every usable backend.

    Raises
    ------
    Mistake
        If this Python cannot run xpbench.
    """
    answer = ask(python, *XPBENCH, "list", "backends", "--json")
    if answer.returncode != 0:
        said = (answer.stderr.strip() or "it said nothing").splitlines()[-1]
        raise Mistake(
            f"{python} cannot run xpbench ({said}): install it there, or name another with --python"
        )
    return {b["backend"]: tuple(b["devices"]) for b in json.loads(answer.stdout) if b["usable"]}


def _describe(machine: Machine, path: Path) -> None:
    """Writes what the machine is, unless that stands there already: the doctor takes its time."""
    smi = shutil.which("nvidia-smi")
    cards = ask(smi, "-L").stdout if smi else ""
    known = {
        "backends": json.loads(machine.answer("list", "backends", "--json").stdout),
        "versions": json.loads(ask(machine.python, "-c", VERSIONS).stdout),
        "cards": cards.splitlines(),
    }
    stored = json.loads(path.read_bytes()) if path.exists() else {}
    if all(stored.get(key) == value for key, value in known.items()):
        return
    doctor = machine.answer("doctor", "--json")
    known["doctor"] = json.loads(doctor.stdout) if doctor.returncode == 0 else doctor.stderr
    known["nvidia_smi"] = ask(smi, "-q").stdout if smi else None
    known["created"] = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
    path.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")


def _parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="All work that needs a GPU, in stages.")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="Default: results/gpu.")
    parser.add_argument("--device", default="cuda", metavar="NAME", help="Default: cuda.")
    parser.add_argument("--stages", nargs="+", metavar="NAME", help="These, done or not, and no others.")
    parser.add_argument("--budget", type=float, metavar="SECONDS", help="For the whole call.")
    parser.add_argument("--list", action="store_true", help="Print the stages, and stop.")
    parser.add_argument("--python", default=sys.executable, metavar="PATH", help="Which has xpbench.")
    parser.add_argument("--rehearsal", action="store_true", help="All stages, tiny; also on the CPU.")
    options = parser.parse_args(arguments)
    known = [*STAGES, PACK]
    for name in options.stages or ():
        if name not in known:
            raise Mistake(f"unknown stage {name!r}: expected one of {', '.join(known)}")
    if options.budget is not None and not 0 < options.budget < math.inf:
        raise Mistake(f"--budget {options.budget:g}: expected a positive number of seconds")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Works, packs, prints what is there, and returns the exit code."""
    began = time.monotonic()
    for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # What `nohup` made us ignore stays ignored; of Ctrl-C, what we start must be able to hear.
        if ending is signal.SIGINT or signal.getsignal(ending) is not signal.SIG_IGN:
            signal.signal(ending, signal.default_int_handler)
    try:
        options = _parsed(arguments)
        if options.list:
            for name, stage in STAGES.items():
                print(f"{name:<10}  {(stage.__doc__ or '').splitlines()[0]}")
            print(f"{PACK:<10}  A table per run and an archive of everything; after every call.")
            return 0
        # Steps run in the repository: what is relative here would be another place there.
        paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
        os.environ["PYTHONPATH"] = os.pathsep.join(str(Path(path).absolute()) for path in paths if path)
        os.environ.setdefault("COLUMNS", "120")
        python = shutil.which(options.python)
        if python is None:
            raise Mistake(f"--python {options.python}: there is no such program; name another")
        python = str(Path(python).absolute())
        devices = _usable(python)
        if not any(on_device(found, options.device) for found in devices.values()):
            have = "; ".join(f"{name}: {', '.join(found)}" for name, found in devices.items())
            print(
                f"gpu.py: no usable backend has the device {options.device} ({have}): on a machine "
                "with an NVIDIA card install the extra cuda13 or cuda12, or rehearse with "
                "--rehearsal --device cpu",
                file=sys.stderr,
            )
            return NO_DEVICE
        out = options.out or ROOT / "results" / ("gpu-rehearsal" if options.rehearsal else "gpu")
        out = out.absolute()
        out.mkdir(parents=True, exist_ok=True)
        record = Record.of(out, options.device, options.rehearsal)
    except (Mistake, OSError) as fault:
        print(f"gpu.py: {fault}", file=sys.stderr)
        return WRONG
    except KeyboardInterrupt:
        return INTERRUPTED
    end = math.inf if options.budget is None else began + options.budget
    machine = Machine(python, options.device, devices, options.rehearsal)
    call = Call(machine, out, record, bool(options.stages), end - PACK_SECONDS)
    chosen = [name for name in STAGES if name in (options.stages or STAGES)]
    interrupted = False
    try:
        _describe(machine, out / "machine.json")
        for name in chosen:
            call.work(name)
        call.pack(min(end, time.monotonic() + STAGE_SECONDS))
    except KeyboardInterrupt:
        # An impatient second Ctrl-C must not cost the archive.
        for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(ending, signal.SIG_IGN)
        interrupted = True
        call.pack(0.0)
    return _summary(record, [*chosen, PACK], interrupted)


def _summary(record: Record, names: Sequence[str], interrupted: bool) -> int:
    """Prints the table of the stages, the last thing a call prints, and returns the exit code."""
    print(f"\n{'stage':<10}  {'state':<8}  seconds  what is there, in {record.path.parent}")
    states = set()
    for name in names:
        stage = record.stage(name)
        states.add(stage["state"])
        what = textwrap.shorten(stage["left"], 100, placeholder=" ...")
        print(f"{name:<10}  {stage['state']:<8}  {stage['seconds']:>7.0f}  {what}")
    if interrupted:
        return INTERRUPTED
    return ILL if states & {"cut", "failed", "broken"} else 0


if __name__ == "__main__":
    sys.exit(main())

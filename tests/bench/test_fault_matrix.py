"""Faults planted in real workers: each is one labelled record, and everything else goes on."""

import os
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from processes import alive, wait_until
from xpbench.bench import beginning, descendants, journal, preparation, runner
from xpbench.bench.measurement import Measurement
from xpbench.bench.plan import Request

NUMPY = Request(backends=("numpy",), sizes=("small",))
SAFE = "pass"
TIMEOUT = 3.0
ONCE = "if 'done' in globals(): return 2 * x\n    globals()['done'] = True\n    "


@dataclass(frozen=True)
class Fault:
    """What a kernel does before it returns 2 x; the status and a part of the reason of its record, or of
    its records where it harms nobody."""

    body: str
    status: str
    reason: str = ""
    forks: int = 1


FAULTS = {
    # The process dies.
    "segmentation": Fault(
        "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "crashed", "SIGSEGV"
    ),
    "bus_error": Fault("import os, signal; os.kill(os.getpid(), signal.SIGBUS)", "crashed", "SIGBUS"),
    "null_pointer": Fault("import ctypes; ctypes.string_at(0)", "crashed", "SIGSEGV"),
    "aborts": Fault("import os; os.abort()", "crashed", "SIGABRT"),
    "exits": Fault("import os; os._exit(7)", "crashed", "code 7"),
    "exits_well": Fault("import os; os._exit(0)", "crashed", "code 0"),
    "killed": Fault("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "crashed", "SIGKILL"),
    "terminated": Fault("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", "crashed", "SIGTERM"),
    # It goes on for ever.
    "sleeps": Fault("import time; time.sleep(600)", "timeout", "stopped after 3 s (--timeout"),
    "holds_the_lock": Fault(
        "import ctypes; ctypes.PyDLL(None).sleep(600)", "timeout", "stopped after 3 s"
    ),
    "deaf": Fault(
        "import signal, time\n    signal.signal(signal.SIGTERM, signal.SIG_IGN)\n    time.sleep(600)",
        "timeout",
        "stopped after 3 s",
    ),
    # It raises.
    "raises": Fault("raise ValueError('no such thing')", "failed", "ValueError: no such thing"),
    "interrupts": Fault("raise KeyboardInterrupt('now')", "failed", "KeyboardInterrupt: now"),
    "leaves": Fault("raise SystemExit(3)", "failed", "SystemExit: 3"),
    "quits": Fault("import sys; sys.exit(0)", "failed", "SystemExit"),
    "skips": Fault("import pytest; pytest.skip('not today')", "failed", "not today"),
    "ends_the_session": Fault("import pytest; pytest.exit('enough')", "failed", "enough"),
    "recurses": Fault("import functools\n    def f(): return f()\n    f()", "failed", "RecursionError"),
    "lacks": Fault(
        "import xpbench; raise xpbench.Unsupported('no such verb')", "unsupported", "no such verb"
    ),
    "singular": Fault(
        "import numpy; raise numpy.linalg.LinAlgError('Singular matrix')", "refused", "Singular matrix"
    ),
    # It wants too much.
    "claims": Fault("raise MemoryError('Unable to allocate 1 PiB')", "oom", "1 PiB"),
    "allocates": Fault("import numpy; numpy.ones(2**57)", "oom", "Unable to allocate"),
    "is_limited": Fault(
        "import resource, numpy\n"
        "    resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))\n"
        "    numpy.ones(2**28)",
        "oom",
        "Unable to allocate 2.00 GiB",
    ),
    "fills_its_files": Fault(
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))",
        "crashed",
        "journal.jsonl cannot be written: File too large",
    ),
    # It returns what it should not.
    "wrong": Fault("x = 2 * x", "wrong", "limit"),
    "shapes": Fault("x = x[1:]", "wrong", "shape"),
    "poisons": Fault("x = x * float('nan')", "wrong", "finite"),
    "widens": Fault("x = x.astype('float64')", "wrong", "dtype float64, expected float32"),
    "counts": Fault("x = x.astype('int32')", "wrong", "dtype int32, expected float32"),
    "nothing": Fault("return ()", "wrong", "no output"),
    "none": Fault("return None", "failed", "output 0 is NoneType"),
    "text": Fault("return 'twice x'", "failed", "output 0 is str"),
    "list": Fault("return [float(v) for v in x]", "failed", "output 0 is float"),
    # It changes what is not its own.
    "overwrites": Fault("x *= 2; return x", "wrong", "changed its input 0"),
    "seeds": Fault("import numpy; numpy.random.seed(1)", "failed", "the state of numpy.random"),
    "shuffles": Fault("import random; random.random()", "failed", "the state of random"),
    "silences": Fault("import numpy; numpy.seterr(all='ignore')", "failed", "numpy.seterr from"),
    "threads": Fault(
        "import threadpoolctl; threadpoolctl.threadpool_limits(3, 'blas')",
        "failed",
        "openblas threads from",
    ),
    "wanders": Fault("import os; os.chdir('/')", "failed", "the working folder"),
    "closes_stdout": Fault("import sys; sys.stdout.close()", "failed", "sys.stdout"),
    "closes_output": Fault(ONCE + "import os; os.close(1)", "failed", "standard output"),
    "closes_everything": Fault("import os; os.closerange(3, 64)", "failed", "descriptor"),
    # It starts something.
    "forks": Fault(
        "import os, time\n    if os.fork() == 0: time.sleep(600)", "failed", "forked its process"
    ),
    "is_copied": Fault("import os; os.fork()", "failed", "forked its process"),
    # It is loud, which harms nobody.
    "prints": Fault('print(\'{"event": "bye"}\')', "ok", forks=2),
    "prints_much": Fault(
        ONCE + "import os\n    for _ in range(256): os.write(2, b'x' * 2**20)", "ok", forks=2
    ),
    "starts_a_daemon": Fault(
        ONCE
        + "import subprocess, sys\n"
        + "    sleeper = [sys.executable, '-c', 'import time; time.sleep(600)']\n"
        + "    subprocess.Popen(sleeper, start_new_session=True)",
        "ok",
        forks=2,
    ),
}


def measure(
    folder: Path, files: list[Path], request: Request = NUMPY, **options: Any
) -> list[Measurement]:
    arguments = [str(file) for file in files]
    prepared = preparation.prepare(arguments, request, **({"forks": 2, "seconds": 0.01} | options))
    begun = beginning.begin(prepared, folder)
    runner.execute(prepared.job(begun), runner.Silent())
    return list(journal.read(folder).measurements)


@pytest.fixture(scope="module")
def faulty(write_kernel_to: Any, tmp_path_factory: pytest.TempPathFactory) -> list[Measurement]:
    """What a run of all faults together leaves, between two healthy kernels."""
    folder = tmp_path_factory.mktemp("faults")
    bodies = {"first": SAFE, **{name: fault.body for name, fault in FAULTS.items()}, "last": SAFE}
    files = [write_kernel_to(folder, name, body) for name, body in bodies.items()]
    return measure(folder / "run", files, timeout=TIMEOUT)


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_one_labelled_record(name: str, faulty: list[Measurement]) -> None:
    fault = FAULTS[name]
    # A case that ended with a word is not tried again in the second fork.
    found = [m for m in faulty if m.case.kernel == name]
    assert [(m.status, m.fork) for m in found] == [(fault.status, fork) for fork in range(fault.forks)]
    assert not [m.reason for m in found if fault.reason not in m.reason]
    assert all(bool(m.samples) == (m.status == "ok") for m in found)


@pytest.mark.parametrize("name", ["first", "last"])
def test_beside_faults_the_others_go_on(name: str, faulty: list[Measurement]) -> None:
    assert [m.status for m in faulty if m.case.kernel == name] == ["ok", "ok"]


def test_of_what_faults_started_nothing_is_left(faulty: list[Measurement]) -> None:
    assert faulty
    assert descendants.marked(descendants.OWN) == []
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    groups = {os.getpgid(int(child)) for child in children}
    assert groups <= {os.getpgid(0)}, "a child in a group of its own is one of our workers"


def test_a_run_with_faults_ends_strictly_with_exit_code_1_and_no_traceback(
    write_kernel: Any, xpbench: Any, tmp_path: Path
) -> None:
    names = ("segmentation", "interrupts", "seeds")
    files = [write_kernel(name, FAULTS[name].body) for name in names]
    options = ("--backend", "numpy", "--preset", "smoke", "--out", "run")
    answer = xpbench("run", *files, write_kernel("sound"), *options, "--strict")
    assert answer.returncode == 1, answer.stderr
    assert "Traceback" not in answer.stderr
    found = {m.case.kernel: m.status for m in journal.read(tmp_path / "run").measurements}
    assert found == {"segmentation": "crashed", "interrupts": "failed", "seeds": "failed", "sound": "ok"}


LIBRARIES = {
    "torch": {
        "widens_all": Fault(
            "import torch; torch.set_default_dtype(torch.float64)", "failed", "default dtype"
        ),
        "seeds_torch": Fault(
            "import torch; torch.manual_seed(3)", "failed", "the state of torch.random"
        ),
        "one_thread": Fault(
            "import torch; torch.set_num_threads(torch.get_num_threads() + 1)",
            "failed",
            "torch threads from",
        ),
        "elsewhere": Fault("return (2 * x).to('meta')", "failed", "output 0 is on meta"),
        "leaves_torch": Fault("return (2 * x).numpy()", "failed", "output 0 is numpy.ndarray"),
    },
    "jax": {
        "x64": Fault(
            "import jax; jax.config.update('jax_enable_x64', True)", "failed", "JAX's x64 from False"
        ),
        "no_jit": Fault(
            "import jax; jax.config.update('jax_disable_jit', True)", "failed", "JAX's jit from"
        ),
        "lets_it_out": Fault("float(x[0])", "failed", "ConcretizationTypeError"),
    },
    "array-api-strict": {
        "elsewhere": Fault(
            "import array_api_strict as s; return (2 * x).to_device(s.Device('device1'))",
            "failed",
            "device1",
        ),
        "leaves_strict": Fault("import numpy; return numpy.asarray(2 * x)", "failed", "numpy.ndarray"),
    },
}


@pytest.mark.parametrize(
    "backend",
    [pytest.param(b, marks=() if b == "array-api-strict" else pytest.mark.slow) for b in LIBRARIES],
)
def test_a_switch_turned_in_a_library_is_a_record_and_harms_no_other(
    backend: str, write_kernel: Any, tmp_path: Path
) -> None:
    pytest.importorskip(backend.replace("-", "_"))
    faults = LIBRARIES[backend]
    bodies = {"first": SAFE, **{name: fault.body for name, fault in faults.items()}, "last": SAFE}
    files = [write_kernel(name, body) for name, body in bodies.items()]
    request = Request(backends=(backend,), sizes=("small",))
    found = {m.case.kernel: m for m in measure(tmp_path / "run", files, request, forks=1)}
    assert {name: found[name].status for name in ("first", "last")} == {"first": "ok", "last": "ok"}
    for name, fault in faults.items():
        assert found[name].status == fault.status, found[name]
        assert fault.reason in found[name].reason


@pytest.mark.slow
def test_an_oracle_may_fail_in_every_way_too(write_kernel: Any, tmp_path: Path) -> None:
    ways = {
        "aborts": "__import__('os').abort()",
        "interrupts": "(_ for _ in ()).throw(KeyboardInterrupt('now'))",
        "sleeps": "__import__('time').sleep(600)",
        "starves": "(_ for _ in ()).throw(MemoryError('1 PiB'))",
        "divides": "1 // 0",
        "talks": "'twice x'",
    }
    files = []
    for name, oracle in ways.items():
        path = write_kernel(name)
        path.write_text(
            path.read_text().replace("reference=lambda x: 2 * x", f"reference=lambda x: {oracle}")
        )
        files.append(path)
    measured = measure(tmp_path / "run", [*files, write_kernel("last")], forks=1, timeout=1.0)
    found = {m.case.kernel: m for m in measured}
    assert {name: m.status for name, m in found.items()} == {
        **dict.fromkeys(ways, "failed"),
        "starves": "oom",
        "last": "ok",
    }
    assert "ZeroDivisionError" in found["divides"].reason
    assert "died here" in found["aborts"].reason


def control_group() -> tuple[Path, Path] | None:
    """A group of our own and the file of its limit of memory, where the system lets us make one."""
    root = Path("/sys/fs/cgroup")
    name = f"xpbench-{os.getpid()}"
    try:
        if (root / "cgroup.controllers").exists():
            if "memory" not in (root / "cgroup.subtree_control").read_text().split():
                (root / "cgroup.subtree_control").write_text("+memory")
            group = root / name
            group.mkdir()
            return group, group / "memory.max"
        group = root / "memory" / name
        group.mkdir()
    except OSError:
        return None
    return group, group / "memory.limit_in_bytes"


def test_a_case_that_the_system_ends_for_want_of_memory_is_oom(
    write_kernel: Any, tmp_path: Path
) -> None:
    made = control_group()
    if made is None:
        pytest.skip("no control group can be made here, in which memory could be limited")
    group, limit = made
    try:
        limit.write_text(str(600 * 2**20))
        greedy = write_kernel("greedy", "import numpy; numpy.ones(2**28)")
        files = [str(greedy), str(write_kernel("last"))]
        command = [sys.executable, "-m", "xpbench", "run", *files, "--backend", "numpy"]
        command += ["--preset", "smoke", "--out", str(tmp_path / "run")]
        shell = f'echo $$ > {group}/cgroup.procs; exec "$@"'
        done = subprocess.run(["sh", "-c", shell, "sh", *command], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        found = {m.case.kernel: m for m in journal.read(tmp_path / "run").measurements}
        assert found["last"].status == "ok"
        assert found["greedy"].status == "oom"
        assert "for want of memory" in found["greedy"].reason
    finally:
        group.rmdir()


def small_disk(folder: Path, size: str) -> bool:
    """Mounts a file system of its own at ``folder``, where the system lets us."""
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], capture_output=True
    )
    return mounted.returncode == 0


def test_a_full_disk_ends_the_run_with_a_word_and_loses_nothing(
    write_kernel: Any, xpbench: Any, tmp_path: Path
) -> None:
    disk, freed = tmp_path / "disk", tmp_path / "freed"
    forks = 8  # Their records are more than may be left of the page in which the journal ends.
    if not small_disk(disk, "1M"):
        pytest.skip("no file system can be mounted here")
    try:
        body = (
            f"import os\n    if os.path.exists({str(freed)!r}): return 2 * x\n"
            f"    open({str(disk / 'rubbish')!r}, 'ab').write(b'x' * 2**21)"
        )
        files = [write_kernel("first"), write_kernel("fills", body)]
        options = [
            "--backend",
            "numpy",
            "--size",
            "small",
            "--forks",
            str(forks),
            "--time",
            "0.01",
            "--no-roofs",
        ]
        answer = xpbench("run", *files, *options, "--out", disk / "run")
        assert answer.returncode == 2
        assert "No space left on device" in answer.stderr
        assert "Traceback" not in answer.stderr
        before = journal.read(disk / "run").measurements
        assert {m.status for m in before} <= {"ok", "failed"}

        (disk / "rubbish").unlink()
        freed.touch()
        resumed = xpbench("run", *files, "--resume", disk / "run")
        assert resumed.returncode == 0, resumed.stderr
        after = journal.read(disk / "run").measurements
        assert [m for m in after if m in before] == list(before)
        found = sorted((m.case.kernel, m.fork, m.status) for m in after)
        assert found[-forks:] == [("first", fork, "ok") for fork in range(forks)]
        # Whether its fault still found room on the disk is a matter of bytes.
        full = [("fills", 0, "failed")]
        assert found[:-forks] in (full, [("fills", fork, "ok") for fork in range(forks)])
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_when_the_parent_is_killed_nothing_it_started_goes_on(write_kernel: Any, tmp_path: Path) -> None:
    body = ONCE + (
        "import os, subprocess, sys, time\n"
        "    sleeper = [sys.executable, '-c', 'import time; time.sleep(600)']\n"
        "    child = subprocess.Popen(sleeper, start_new_session=True)\n"
        f"    open({str(tmp_path / 'pids')!r}, 'w').write(f'{{os.getpid()}} {{child.pid}} ')\n"
        "    time.sleep(600)"
    )
    folder = tmp_path / "scratch"
    folder.mkdir()
    command = [sys.executable, "-m", "xpbench", "run", str(write_kernel("long", body))]
    command += ["--backend", "numpy", "--size", "small", "--out", str(tmp_path / "run")]
    environment = os.environ | {"TMPDIR": str(folder)}
    parent = subprocess.Popen(
        command, env=environment, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    written = tmp_path / "pids"
    assert wait_until(lambda: written.exists() and written.read_text().endswith(" "), 60)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    pids = [int(pid) for pid in written.read_text().split()]
    assert wait_until(lambda: not any(map(alive, pids)), 10), Counter(map(alive, pids))
    assert wait_until(lambda: not list(folder.glob("xpbench-*")), 10), "the scratch folder is deleted"

"""Is a slowdown of 10 % found in one kernel of 21, and none in the others?

Two virtual environments differ in one module alone, which makes one kernel do 22 pieces of work in B
where it does 20 in A. ``xpbench ab`` compares them on 21 kernels of many kinds; printed are its verdicts
and its exit code. Then A is measured twice as a run of its own, one run after the other, and
``xpbench compare`` says what it believes to have changed, which is nothing.

    python benchmarks/planted_slowdown.py [--backend numpy] [--forks N] [--time SECONDS]
"""

import argparse
import json
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

PIECES = """
import numpy as np
import pace
from xpbench import Kernel

PIECES = {
    "product": lambda xp, a: a @ a,
    "sum": lambda xp, a: a + xp.sum(a),
    "exponential": lambda xp, a: xp.exp(a),
    "cumulative": lambda xp, a: xp.cumulative_sum(a, axis=1),
    "sorted": lambda xp, a: xp.sort(a, axis=1),
    "root": lambda xp, a: xp.sqrt(a * a + 1),
    "transposed": lambda xp, a: xp.contiguous(a.T),
}


def declare(name, piece, n, count):
    def compute(xp, a):
        for _ in range(count):
            b = piece(xp, a)
        return b

    compute.__name__ = f"{name}_{n}"
    compute.__doc__ = f"{name}, {count} times."
    Kernel(
        compute=compute,
        inputs=lambda rng, n: (rng.standard_normal((n, n)),),
        reference=lambda a: piece(np, a) if name != "transposed" else a.T.copy(),
        errors=lambda outputs, exact, a: {"apart": (float(np.abs(outputs[0] - exact[0]).max()), 1e-2)},
        sizes={"small": {"n": n}},
    )


for name, piece in PIECES.items():
    for n in (48, 96, 144):
        planted = (name, n) == ("product", 96)
        declare(name, piece, n, 20 + (pace.MORE if planted else 0))
"""
PLANTED = "product_96"


def environment(folder: Path, more: int) -> Path:
    """A virtual environment with all that is installed here, and the module ``pace``."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    [packages] = folder.glob("lib/python*/site-packages")
    here = sysconfig.get_path("purelib")
    (packages / "here.pth").write_text(f"import site; site.addsitedir({here!r})\n")
    (packages / "pace.py").write_text(f"MORE = {more}\n")
    return folder


def xpbench(python: Path | str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(python), "-m", "xpbench", *arguments]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--backend", default="numpy")
    parser.add_argument("--forks", default="20")
    parser.add_argument("--time", default="0.1")
    options = parser.parse_args()
    quick = ["--backend", options.backend, "--forks", options.forks, "--time", options.time]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        kernels = folder / "pieces.py"
        kernels.write_text(PIECES)
        (folder / "pace.py").write_text("MORE = 0\n")
        a, b = environment(folder / "a", 0), environment(folder / "b", 2)
        out = ["--out", str(folder / "ab")]
        done = xpbench(
            sys.executable, "ab", str(a), str(b), str(kernels), *quick, *out, "--format", "json"
        )
        cases = json.loads(done.stdout)["cases"]
        for case in sorted(cases, key=lambda case: -abs(case["ratio"] - 1)):
            interval = f"{case['ratio_low']:.3f} to {case['ratio_high']:.3f}"
            print(f"{case['kernel']:>16}: {case['ratio']:.3f} ({interval}) {case['verdict']}")
        reported = [case["kernel"] for case in cases if case["verdict"] in ("slower", "faster")]
        told = ", ".join(reported) or "none"
        print(f"ab: exit code {done.returncode}; planted {PLANTED}; reported {told}")
        for name in ("before", "after"):
            xpbench(
                a / "bin" / "python",
                "run",
                str(kernels),
                *quick,
                "--no-roofs",
                "--out",
                str(folder / name),
            )
        names = [str(folder / name) for name in ("before", "after")]
        done = xpbench(sys.executable, "compare", *names, "--format", "json")
        cases = json.loads(done.stdout)["cases"]
        reported = [case["kernel"] for case in cases if case["verdict"] in ("slower", "faster")]
        print(
            f"compare, one run after the other: exit code {done.returncode}; {len(cases)} cases; "
            f"reported {', '.join(reported) or 'none'}"
        )


if __name__ == "__main__":
    main()

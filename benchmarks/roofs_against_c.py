"""Are the roofs what an independent program finds? Loops in C and a BLAS call, turn by turn with ours.

The loops in C, in the manner of STREAM and compiled on the spot, do y += x (three transfers an entry),
a = b + q c (four, as the line of a is read before it is written), a sum (one), and b + b into memory
that is new (three), which the system hands out in huge pages or in small ones, to one thread or to all:
NumPy asks for huge pages and adds in one thread, the others take small ones in all: huge pages in
all threads are what no library does. Another loop does nothing but multiply-adds in registers. SciPy's
BLAS multiplies square matrices. Ours are the roofs that workers of a run measure, each in a process of
its own. Every turn runs all of them; compared are the best figures over the turns, as a roof is what
can be reached. Last come the loops on arrays four times as large, of which a cache can hold less.

    python benchmarks/roofs_against_c.py [--turns 5] [--threads 2] [--dtype float32]
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from xpbench import Setting
from xpbench.bench import machine, probe, processor, registry, roofs, threads

STREAM = r"""
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#define LANES (64 / sizeof(REAL))
#define CHAINS 12
#define HUGE_PAGE (2L << 20)
typedef REAL vector __attribute__((vector_size(64)));

static REAL multiply_add(long count) {
    vector x[CHAINS], m = {0}, a = {0};
    for (int k = 0; k < CHAINS; k++) x[k] = m;
    for (int l = 0; l < LANES; l++) { m[l] = (REAL)0.999; a[l] = (REAL)0.001; }
    for (long i = 0; i < count; i++)
        for (int k = 0; k < CHAINS; k++) x[k] = x[k] * m + a;
    REAL total = 0;
    for (int k = 0; k < CHAINS; k++) for (int l = 0; l < LANES; l++) total += x[k][l];
    return total;
}

static REAL *huge(long n) {
    long bytes = (n * sizeof(REAL) / HUGE_PAGE + 1) * HUGE_PAGE;
    REAL *d = aligned_alloc(HUGE_PAGE, bytes);
    madvise(d, bytes, MADV_HUGEPAGE);
    return d;
}

/* Again and again, as a roof is measured: what a cache keeps from call to call, it keeps for both. */
#define BEST(best, statement) for (int again = 0; again < 5; again++) { \
    double start = omp_get_wtime(); statement; \
    double taken = omp_get_wtime() - start; if (taken < best) best = taken; }

int main(int argc, char **argv) {
    long n = atol(argv[1]) / (long)sizeof(REAL), count = 4000000;
    REAL *a, *b, *c, sum = 0;
    double add = 1e30, triad = 1e30, read = 1e30, compute = 1e30;
    double huge_one = 1e30, huge_all = 1e30, small_all = 1e30;
    for (int repeat = 0; repeat < 3; repeat++) {
        /* Elsewhere in memory each time: where arrays fall can decide a factor of two. */
        a = huge(n), b = huge(n), c = huge(n);
        #pragma omp parallel for
        for (long i = 0; i < n; i++) { a[i] = 0; b[i] = 1; c[i] = 2; }
        BEST(add, _Pragma("omp parallel for") for (long i = 0; i < n; i++) b[i] += c[i]);
        BEST(triad, _Pragma("omp parallel for") for (long i = 0; i < n; i++) a[i] = b[i] + 3 * c[i]);
        BEST(read, _Pragma("omp parallel for simd reduction(+:sum)")
             for (long i = 0; i < n; i++) sum += b[i]);
        BEST(huge_one, REAL *d = huge(n); for (long i = 0; i < n; i++) d[i] = b[i] + b[i];
             sum += d[n / 2]; free(d));
        BEST(huge_all, REAL *d = huge(n);
             _Pragma("omp parallel for") for (long i = 0; i < n; i++) d[i] = b[i] + b[i];
             sum += d[n / 2]; free(d));
        BEST(small_all, REAL *d = aligned_alloc(64, n * sizeof(REAL));
             _Pragma("omp parallel for") for (long i = 0; i < n; i++) d[i] = b[i] + b[i];
             sum += d[n / 2]; free(d));
        BEST(compute, _Pragma("omp parallel reduction(+:sum)") sum += multiply_add(count));
    }
    double bytes = (double)n * sizeof(REAL);
    double flops = 2.0 * LANES * CHAINS * count * omp_get_max_threads();
    printf("{\"add\": %g, \"triad\": %g, ", 3 * bytes / add, 4 * bytes / triad);
    printf("\"read\": %g, ", bytes / read);
    printf("\"huge_one\": %g, \"huge_all\": %g, ", 3 * bytes / huge_one, 3 * bytes / huge_all);
    printf("\"small_all\": %g, \"compute\": %g, ", 3 * bytes / small_all, flops / compute);
    printf("\"check\": %g}\n", (double)(a[n / 2] + sum));
    return 0;
}
"""

BLAS = """
import json, sys, time
import numpy, scipy.linalg.blas
dtype = sys.argv[1]
gemm = {"float32": scipy.linalg.blas.sgemm, "float64": scipy.linalg.blas.dgemm}[dtype]
best = 0.0
for n in (512, 1024, 2048):
    a = numpy.asfortranarray(numpy.random.default_rng(0).standard_normal((n, n)).astype(dtype))
    gemm(1.0, a, a)
    end = time.perf_counter() + 0.3
    while time.perf_counter() < end:
        start = time.perf_counter()
        gemm(1.0, a, a)
        best = max(best, 2 * n**3 / (time.perf_counter() - start))
print(json.dumps({"product": best}))
"""

OURS = """
import json, sys
from xpbench import Setting
from xpbench.bench import registry, roofs
name, dtype, threads, cache = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
backend = registry.find().backend(name)
backend.load(Setting(threads=threads, wide=dtype == "float64"))
print(json.dumps(roofs.measure(backend, dtype, "ieee", 0, cache).to_json()))
"""


def answer(command: list[str], variables: dict[str, str]) -> dict[str, float]:
    done = subprocess.run(
        command, env=os.environ | variables, capture_output=True, text=True, check=True
    )
    found: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--threads", type=int, default=machine.available_cpus())
    parser.add_argument("--dtype", choices=["float32", "float64"], default="float32")
    options = parser.parse_args()
    found = registry.find()
    states = probe.states(found, ["numpy", "torch", "jax"])
    backends = [name for name, state in states.items() if state.usable]
    cache = processor.cache_bytes(processor.available_cpus()) or 0
    size = roofs.side(options.dtype, cache) ** 2 * (4 if options.dtype == "float32" else 8)
    variables = threads.variables(options.threads)
    ours: dict[str, float] = {}
    theirs: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as scratch:
        source, program = Path(scratch) / "stream.c", Path(scratch) / "stream"
        source.write_text(STREAM)
        real = {"float32": "float", "float64": "double"}[options.dtype]
        compiler = [
            "cc",
            "-O3",
            "-march=native",
            "-fopenmp",
            f"-DREAL={real}",
            str(source),
            "-o",
            str(program),
        ]
        subprocess.run(compiler, check=True)
        for turn in range(options.turns):
            seen = answer([str(program), str(size)], variables)
            seen |= answer([sys.executable, "-c", BLAS, options.dtype], variables)
            theirs = {key: max(value, theirs.get(key, 0.0)) for key, value in seen.items()}
            for name in backends:
                setting = Setting(threads=options.threads, wide=options.dtype == "float64")
                environment = found.backend(name).environment(setting)
                arguments = [name, options.dtype, str(options.threads), str(cache)]
                roof = answer([sys.executable, "-c", OURS, *arguments], environment)
                roof[name] = roof["matmul_flops"]
                for key in (name, "matmul_flops", "reused_bytes", "fresh_bytes"):
                    ours[key] = max(roof[key] or 0.0, ours.get(key, 0.0))
            print(f"turn {turn + 1} of {options.turns}")
        larger = answer([str(program), str(4 * size)], variables)
    stream = max(theirs["add"], theirs["triad"], theirs["read"])
    for label, mine, other, unit in (
        ("NumPy's products, against SciPy's BLAS", ours["numpy"], theirs["product"], "Gflop/s"),
        (
            "the best products, against multiply-adds in C",
            ours["matmul_flops"],
            theirs["compute"],
            "Gflop/s",
        ),
        ("memory, against the best loop in C", ours["reused_bytes"], stream, "GB/s"),
        (
            "fresh memory, against the loops in C",
            ours["fresh_bytes"],
            max(theirs["huge_one"], theirs["small_all"]),
            "GB/s",
        ),
    ):
        print(f"{label}: {mine / 1e9:.1f} and {other / 1e9:.1f} {unit}, ratio {mine / other:.2f}")
    names = ("add", "triad", "read", "huge_one", "huge_all", "small_all")
    for bytes_, seen in ((size, theirs), (4 * size, larger)):
        loops = ", ".join(f"{name} {seen[name] / 1e9:.1f}" for name in names)
        print(f"the loops in C on arrays of {bytes_ / 2**20:.0f} MiB, in GB/s: {loops}")


if __name__ == "__main__":
    main()

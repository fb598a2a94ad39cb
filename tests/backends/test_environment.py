"""What stands before a library is imported, in real processes: threads, caches, broken installations."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from xpbench.bench import registry
from xpbench.bench.backend import Setting

BACKENDS = registry.find().backends
ON_THE_CPU = [name for name, backend in BACKENDS.items() if backend.home == "cpu"]

WORKER = """
import json, sys
from xpbench.bench import registry
from xpbench.bench.backend import Setting
backend = registry.find().backends[sys.argv[1]]
setting = Setting(**json.loads(sys.argv[2]))
backend.load(setting)
exec(sys.argv[3])
"""


def in_a_process(name, setting, script, **environment):
    if reason := BACKENDS[name].unusable():
        pytest.skip(reason)
    inherited = {key: value for key, value in os.environ.items() if "THREADS" not in key}
    process = subprocess.run(
        [sys.executable, "-W", "error", "-c", WORKER, name, json.dumps(vars(setting)), script],
        env={**inherited, **BACKENDS[name].environment(setting), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    assert process.stderr == ""
    return json.loads(process.stdout)


TELL = "print(json.dumps(backend.in_force()))"


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow if name == "jax-eager" else ())
        for name in ON_THE_CPU
        if name != "torch-compile"
    ],
)
def test_threads_are_what_was_asked_for(name):
    # Two is more than one on any machine, and another number than the default on most.
    for threads in (1, 2):
        told = in_a_process(name, Setting(threads=threads), TELL)
        counts = {key: value for key, value in told.items() if key.endswith("threads")}
        assert counts
        assert set(counts.values()) == {threads}, counts


@pytest.mark.slow
@pytest.mark.parametrize(
    ("precision", "expected"),
    [("ieee", ("highest", False)), ("tf32", ("high", True)), ("native", ("highest", True))],
)
def test_torch_puts_its_precision_in_force_without_a_warning(precision, expected):
    # The old switch of cuDNN raises where it and the new one disagree.
    script = """
import torch
print(json.dumps(backend.in_force() | {"old": torch.backends.cudnn.allow_tf32}))
"""
    told = in_a_process("torch", Setting(precision=precision), script)
    assert (told["matmul_precision"], told["cudnn_tf32"]) == expected
    assert told["old"] == told["cudnn_tf32"]


@pytest.mark.slow
@pytest.mark.parametrize(("precision", "reduced"), [("ieee", False), ("tf32", False), ("native", True)])
def test_torch_sums_half_precision_in_float32_unless_it_is_left_its_own_way(precision, reduced):
    told = in_a_process("torch", Setting(precision=precision), TELL)
    assert (told["float16_reduced_sums"], told["bfloat16_reduced_sums"]) == (reduced, reduced)


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        (Setting(), ("highest", False)),
        (Setting(precision="tf32", wide=True), ("tensorfloat32", True)),
        (Setting(precision="native"), (None, False)),
    ],
    ids=["ieee", "tf32", "native"],
)
def test_jax_puts_precision_and_width_in_force(setting, expected):
    told = in_a_process("jax", setting, TELL)
    assert (told["matmul_precision"], told["x64"]) == expected


@pytest.mark.parametrize(("precision", "expected"), [("ieee", "0"), ("tf32", "1"), ("native", None)])
def test_cupy_is_told_its_precision_by_the_environment(precision, expected):
    variables = BACKENDS["cupy"].environment(Setting(device="cuda", precision=precision))
    assert variables.get("CUPY_TF32") == expected


@pytest.mark.parametrize("name", BACKENDS)
def test_caches_are_private_to_the_folder_of_the_setting(name, tmp_path):
    backend = BACKENDS[name]
    with_cache = backend.environment(Setting(device=backend.home, cache=str(tmp_path)))
    without = backend.environment(Setting(device=backend.home))
    for key in {key for key in with_cache if key.endswith("_DIR")}:
        assert Path(with_cache[key]).is_relative_to(tmp_path)
        assert key not in without


def test_jax_finds_in_a_second_process_what_the_first_compiled(tmp_path):
    script = """
import jax, numpy
hits = []
jax.monitoring.register_event_listener(lambda event, **_: hits.append(event.endswith("cache_hits")))
x = backend.put(numpy.ones((4, 4), "float32"))
before = backend.compile_seconds()
backend.wait((backend.compile(lambda x: x @ x + 1)(x),))
print(json.dumps([sum(hits), backend.compile_seconds() > before]))
"""
    setting = Setting(cache=str(tmp_path))
    assert in_a_process("jax", setting, script) == [0, True]
    compiled = sorted(path.name for path in tmp_path.rglob("*-cache"))
    assert compiled
    assert in_a_process("jax", setting, script) == [1, True]
    assert sorted(path.name for path in tmp_path.rglob("*-cache")) == compiled


def test_jax_does_not_count_what_came_from_the_cache_as_compiled():
    clock = sys.modules[type(BACKENDS["jax"]).__module__]._CompileClock()
    clock._hear("/jax/core/compile/backend_compile_duration", 0.0)
    before = clock.seconds
    clock._hear("/jax/compilation_cache/cache_retrieval_time_sec", 1e9)
    clock._hear("/jax/core/compile/backend_compile_duration", 1e9)
    assert clock.seconds == before
    clock._hear("/jax/core/compile/backend_compile_duration", 1e9)
    assert clock.seconds >= 1e9


def test_jax_counts_a_trace_within_a_trace_once():
    clock = sys.modules[type(BACKENDS["jax"]).__module__]._CompileClock()
    clock._hear("/jax/core/compile/jaxpr_trace_duration", 1e6)
    clock._hear("/jax/core/compile/jaxpr_trace_duration", 3e6)
    assert clock.seconds == pytest.approx(3e6)


@pytest.mark.parametrize("name", [name for name in BACKENDS if name != "numpy"])
def test_a_library_that_is_not_installed_is_a_reason_with_a_cure(name, monkeypatch):
    backend = BACKENDS[name]
    monkeypatch.setitem(sys.modules, backend.library, None)
    assert backend.unusable() == f"{backend.library} is not installed: {backend.install}"


@pytest.mark.parametrize("name", ["torch", "jax", "cupy"])
def test_a_library_that_breaks_at_import_is_a_reason_that_quotes_it(name, tmp_path):
    package = tmp_path / BACKENDS[name].library
    package.mkdir()
    (package / "__init__.py").write_text("raise OSError('libsomething.so.1: not found')")
    script = f"""
from xpbench.bench import registry
print(registry.find().backends[{name!r}].unusable())
"""
    process = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "does not load: OSError: libsomething.so.1: not found; install it anew: " in process.stdout


@pytest.mark.parametrize("name", BACKENDS)
def test_asking_whether_a_backend_is_usable_never_raises(name):
    backend = BACKENDS[name]
    reason = backend.unusable()
    assert reason is None or backend.library in reason
    if reason is None:
        assert backend.devices()


def test_without_a_card_cupy_says_that_it_finds_none(monkeypatch):
    pytest.importorskip("cupy")
    monkeypatch.setattr("cupy.cuda.is_available", lambda: False)
    reason = BACKENDS["cupy"].unusable() or ""
    assert reason.startswith("cupy finds no device it can use; on a machine that has one: pip install")


def test_torch_compile_without_a_compiler_is_a_reason_with_a_cure(monkeypatch):
    if reason := BACKENDS["torch"].unusable():
        pytest.skip(reason)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert "needs a C++ compiler" in BACKENDS["torch-compile"].unusable()


@pytest.mark.parametrize("name", BACKENDS)
def test_versions_are_told_without_importing(name):
    backend = BACKENDS[name]
    assert set(backend.versions()) <= set(backend.distributions)
    if backend.unusable() is None:
        assert backend.versions()

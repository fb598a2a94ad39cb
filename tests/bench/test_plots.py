"""A picture shows what the table says, to the letter, and the same run gives the same picture."""

import itertools
import json
import math
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from xpbench.bench import journal
from xpbench.bench.commands import plot as command
from xpbench.bench.exceptions import XpbenchError
from xpbench.bench.journal import Run
from xpbench.bench.measurement import Measurement
from xpbench.bench.report.selection import Choice, select
from xpbench.bench.report.sheet import verdict_line
from xpbench.bench.roof import Roof
from xpbench.bench.sharding import Sharding

pytest.importorskip("matplotlib", reason="matplotlib is not installed")

import matplotlib

from xpbench.bench.report.plots import tints
from xpbench.bench.report.plots.heatmap import ROW
from xpbench.bench.report.plots.picture import KINDS, picture
from xpbench.bench.report.plots.style import (
    drawn,
    extent,
    gap,
    log_ticks,
    readable,
    settings,
    shortened,
    signs,
    wrapped,
)

PLACES = ("numpy", "torch", "jax", "cupy@cuda")
SIZES = (64, 512, 2048)
OF_BACKENDS = [kind for kind in KINDS if kind != "efficiency"]
"""What can be drawn of any run; an efficiency takes one on several devices."""
EVIL = (
    *("$x_1$", "<b>&amp;", "a$b", r"\input{x} 100% #1 ~^&", "{}%s", "'\"]]>"),
    *("\x1b[2J\u202eabc", "雪 é µ", "q" * 300),
)


def times(case: Any, levels: tuple[float, ...], runs: Any, **changes: Any) -> list[Measurement]:
    forks = runs.forks(case, count=len(levels), **changes)
    return [replace(m, samples=(level,)) for m, level in zip(forks, levels, strict=True)]


def full_run(
    runs: Any, kernels: tuple[str, ...] = ("matmul", "svd"), roofs: bool = True, **changes: Any
) -> Run:
    """A run with every kind of cell: torch is proven to be faster, jax is unclear, CuPy has faults."""
    steady, scattered = (1.0, 1.01, 1.02, 1.03, 1.04), (0.8, 0.9, 1.0, 1.1, 1.3)
    factors = {"numpy": steady, "torch": tuple(f / 4 for f in steady), "jax": scattered}
    faults = iter(itertools.cycle(("wrong", "oom", "timeout", "unsupported")))
    measured = []
    for kernel, n, place in itertools.product(kernels, SIZES, PLACES):
        case = runs.case(place, kernel=kernel, size=(("n", n),), size_name=f"n{n}")
        if place in factors:
            levels = tuple(1e-9 * n**2 * factor for factor in factors[place])
            measured.append(times(case, levels, runs, errors={"forward": (0.125 * n / 64, 8.0)}))
        else:
            status = next(faults)
            errors = {"forward": (80.0, 8.0)} if status == "wrong" else {}
            fault = Measurement(case=case, fork=0, status=status, reason="so it is", errors=errors)
            measured.append([fault])
    run: Run = runs.store(*measured, **changes)
    for kernel in kernels:
        run.header["kernels"][kernel]["flops"] = {f"n={n}": 2.0 * n**3 for n in SIZES}
        run.header["kernels"][kernel]["traffic"] = {f"n={n}/float32": 1.2e6 * n**2 for n in SIZES}
    (run.path / "run.json").write_text(json.dumps(run.header))
    if roofs:
        roof = Roof(
            "torch", "cpu", "float32", 2, "ieee", 0, 4e11, "n=2048", 2e10, 1e10, 1e-6, 2**28, 2**20
        )
        journal.append_roof(run.path, roof)
    return journal.read(run.path)


def svg(shown: Any, kind: str, **options: Any) -> ET.Element:
    return ET.fromstring(picture(shown, kind, "svg", options.pop("width", 9.0), **options))


def texts(root: ET.Element) -> list[str]:
    return ["".join(node.itertext()) for node in root.iter("{http://www.w3.org/2000/svg}text")]


@pytest.mark.parametrize("kind", OF_BACKENDS)
def test_every_backend_and_the_run_with_its_machine_are_named(runs: Any, kind: str) -> None:
    root = svg(select([full_run(runs)], Choice()), kind)
    seen = texts(root)
    # No case of CuPy ran, so that it has no point under the roof.
    named = {"numpy", "torch", "jax"} | (set() if kind == "roofline" else {"cupy@cuda"})
    assert named <= set(seen)
    assert seen[0] == "night"
    assert seen[1].startswith(KINDS[kind][1].replace("BASELINE", "numpy"))
    assert "A Processor" in seen[2]
    assert not list(root.iter("{http://www.w3.org/2000/svg}image"))
    style = next(root.iter("{http://www.w3.org/2000/svg}text")).get("style") or ""
    assert "'DejaVu Sans', 'Verdana', 'Arial', sans-serif;" in style, "fonts to fall back on"
    links = {value for node in root.iter() for name, value in node.attrib.items() if "href" in name}
    assert all(link.startswith("#") for link in links), "it loads nothing"


def test_the_cells_of_a_heatmap_are_the_verdicts_of_the_table(runs: Any) -> None:
    shown = select([full_run(runs)], Choice())
    seen = texts(svg(shown, "heatmap"))
    words = {verdict_line(record).text for record in shown.records if record["verdict"]}
    assert {word.split()[-1] for word in words if word.startswith("unclear")}
    for word in words:
        assert any(text.removeprefix("★ ") == word.removeprefix("unclear ") for text in seen), word
    assert sum(text.startswith("★ ") and "faster" in text for text in seen) == sum(
        record["leads"] and record["backend"] == "torch" for record in shown.records
    )
    for word in ("WRONG", "oom", "timeout", "unsupported"):
        assert word in seen
    mean = next(figure for figure in shown.overall if figure.place == "torch@cpu")
    assert mean.value == pytest.approx(0.25)
    assert any("mean of the 6 that all ran" in text for text in seen)


def test_what_is_proven_what_is_not_and_what_failed_look_different(runs: Any) -> None:
    shown = select([full_run(runs)], Choice())
    text = picture(shown, "heatmap", "svg", 9.0).decode()
    judged = {word: [r for r in shown.records if r["verdict"] == word] for word in ("faster", "unclear")}
    reach = tints.reach_of(r["ratio"] for r in shown.records if r["ratio"] is not None)
    proven = matplotlib.colors.to_hex(tints.tint(judged["faster"][0]["ratio"], reach))
    unproven = matplotlib.colors.to_hex(tints.pale(judged["unclear"][0]["ratio"]))
    assert proven != unproven
    # Every case, the mean, and of what is not proven the sample in the legend.
    assert text.count(f"fill: {proven}") == len(judged["faster"]) + 1
    assert text.count(f"fill: {unproven}") == len(judged["unclear"]) + 2
    assert "<pattern" in text, "stripes where there is no time"


def test_colours_are_symmetric_and_every_word_on_them_can_be_read() -> None:
    def luminance(colour: Any) -> float:
        linear = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour)
        return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    for power in range(-60, 61):
        face = tints.tint(2 ** (power / 10), 5)
        ink = matplotlib.colors.to_rgb(tints.ink_on(face))
        low, high = sorted((luminance(face), luminance(ink)))
        # WCAG 2.2, success criterion 1.4.3.
        assert (high + 0.05) / (low + 0.05) >= 4.5
    assert tints.tint(64.0, 5) == tints.tint(32.0, 5), "the scale has an end"
    assert tints.reach_of([0.25, 4.0]) == 2
    assert tints.reach_of([]) == tints.FEWEST
    assert tints.reach_of([1e-9] * 3) == tints.MOST


def test_scaling_has_a_panel_for_every_kernel_with_the_slope_of_its_cost_model(runs: Any) -> None:
    shown = select([full_run(runs, ("matmul", "svd", "pca"))], Choice())
    seen = texts(svg(shown, "scaling"))
    assert [text for text in seen if text in ("matmul", "svd", "pca")] == ["matmul", "svd", "pca"]
    assert seen.count("n^3 flops") == 3
    assert [seen.count(str(n)) for n in SIZES] == [3, 3, 3], "the ticks are the sizes"
    # Four faults in turn over nine cases of CuPy.
    words = [text.strip() for text in seen]
    assert [words.count(word) for word in ("WRONG", "oom", "timeout", "unsupported")] == [3, 2, 2, 2]


def test_a_roofline_has_a_panel_for_every_roof_with_cases_under_it(runs: Any) -> None:
    run = full_run(runs)
    (roof,) = run.roofs
    wide = [times(runs.case(p, dtype="float64"), (1e-3,) * 5, runs) for p in ("numpy", "torch")]
    for record in itertools.chain.from_iterable(wide):
        journal.append(run.path, record)
    run.header["kernels"]["matmul"]["traffic"]["n=512/float64"] = 2.4e6 * 512**2
    run.header["kernels"]["matmul"]["traffic"]["n=64/float32"] = 100.0
    (run.path / "run.json").write_text(json.dumps(run.header))
    one = texts(svg(select([journal.read(run.path)], Choice()), "roofline"))
    assert sum(text.startswith("compute ") for text in one) == 1
    assert any("2 more: no operations to count, or no roof" in text for text in one)
    assert any("hollow: bound by the cache" in text for text in one)
    assert "matmul n512" in one
    journal.append_roof(run.path, replace(roof, dtype="float64", matmul_flops=2e11))
    two = texts(svg(select([journal.read(run.path)], Choice()), "roofline"))
    assert [text.split(" (")[0] for text in two if text.startswith("compute ")] == [
        "compute 400 Gflop/s",
        "compute 200 Gflop/s",
    ]
    assert "cpu · float64 · 2 threads · ieee" in two


def test_errors_that_have_no_place_on_the_axis_stand_at_its_edges_and_are_counted(runs: Any) -> None:
    shares = {"numpy": 0.0, "torch": 0.5, "jax": math.inf, "cupy": 1e9, "jax-eager": 1e-12}
    measured = [
        runs.forks(
            runs.case(place), errors={"forward": (share, 1.0)}, status="ok" if share < 1 else "wrong"
        )
        for place, share in shares.items()
    ]
    seen = texts(svg(select([runs.store(*measured)], Choice()), "agreement"))
    assert seen.count("WRONG   ") == 2
    legend = " ".join(seen)
    for words in (
        "left edge: zero (1 case)",
        "left edge: below 1e-8 (1 case)",
        "right edge: above 1e4 (1 case)",
        "right edge: not finite, or not to be told (1 case)",
    ):
        assert words in legend
    assert {"<1e-8", ">1e4", "1"} <= set(seen)


def test_error_against_time_is_shown_where_there_is_a_time_to_compare(runs: Any) -> None:
    shown = select([full_run(runs)], Choice())
    assert "time over that of numpy" in texts(svg(shown, "agreement"))
    alone = select([full_run(runs)], Choice(backends=("numpy",)))
    assert "time over that of numpy" not in texts(svg(alone, "agreement"))


@pytest.mark.parametrize("kind", OF_BACKENDS)
def test_several_runs_stand_side_by_side(runs: Any, kind: str) -> None:
    first, second = full_run(runs), full_run(runs, name="day")
    seen = texts(svg(select([first, second], Choice()), kind))
    assert seen[0] == "night and day"
    apart = [
        text for text in seen if text in ("night", "day") or text.startswith(("night · c", "day · c"))
    ]
    assert {text.split()[0] for text in apart} == {"night", "day"}


@pytest.mark.parametrize("kind", ["heatmap", "scaling", "agreement"])
def test_chapters_are_divided_where_there_are_many_kernels(runs: Any, kind: str) -> None:
    run = full_run(runs, tuple(f"k{index}" for index in range(9)))
    for index, kernel in enumerate(run.header["kernels"].values()):
        kernel["chapter"] = "calculus" if index % 2 else "linear_algebra"
    chapters = {"linear algebra", "calculus"}
    assert chapters <= set(texts(svg(select([run], Choice()), kind)))
    few = Choice(kernels=tuple(f"k{index}" for index in range(8)))
    assert not chapters & set(texts(svg(select([run], few), kind)))


def test_a_picture_is_as_high_as_what_it_shows(runs: Any) -> None:
    run = full_run(runs)
    heights = [
        float((svg(select([run], Choice(kernels=names)), "heatmap").get("height") or "")[:-2])
        for names in (("svd",), ("svd", "matmul"))
    ]
    assert heights[1] - heights[0] == pytest.approx(72 * len(SIZES) * ROW)


@pytest.mark.parametrize(
    ("kind", "form"),
    [("heatmap", "png"), ("scaling", "pdf"), ("roofline", "svg"), ("agreement", "png")],
)
def test_a_single_backend_is_drawn_in_every_format(runs: Any, kind: str, form: str) -> None:
    shown = select([full_run(runs)], Choice(backends=("torch",)))
    start = {"svg": b"<?xml", "png": b"\x89PNG", "pdf": b"%PDF"}[form]
    assert picture(shown, kind, form, 4.0).startswith(start)


def test_text_of_others_is_shown_as_it_is(runs: Any) -> None:
    run = full_run(runs, EVIL, name="$night_1$ <i>")
    run.header["machine"]["cpu"] = "$cpu$ <b>"
    for kernel in run.header["kernels"].values():
        kernel["chapter"] = "$chapter$"
    shown = select([run], Choice())
    for kind in OF_BACKENDS:
        seen = texts(svg(shown, kind))
        assert seen[0] == "$night_1$ <i>"
        assert seen[2].startswith("$cpu$ <b>")
        for evil in EVIL if kind != "roofline" else ():
            assert any(text.startswith(readable(evil)[:12]) for text in seen), evil
        assert ("$chapter$" in seen) == (kind != "roofline")
    assert readable("\x1b雪 é\u202e") == r"\x1b\u96ea é\u202e"


def test_matplotlibs_settings_are_left_as_they_were(runs: Any) -> None:
    before = dict(matplotlib.rcParams)
    picture(select([full_run(runs)], Choice()), "heatmap", "svg", 9.0)
    assert dict(matplotlib.rcParams) == before


def test_only_pictures_import_matplotlib_and_never_pyplot() -> None:
    script = """
import sys
import xpbench.bench.cli, xpbench.bench.commands.plot, xpbench.bench.report.table
early = "matplotlib" in sys.modules
import xpbench.bench.report.plots.picture
print(early, "matplotlib.pyplot" in sys.modules, sorted({"jax", "torch", "cupy"} & set(sys.modules)))
"""
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert answer.stdout.split(maxsplit=2) == ["False", "False", "[]\n"]


@pytest.mark.parametrize(
    ("choice", "cases"),
    [
        (Choice(kernels=("svd",)), {("svd", n) for n in SIZES}),
        (Choice(sizes=("n64",)), {("matmul", 64), ("svd", 64)}),
        (Choice(sizes=("n=512", "n2048"), kernels=("matmul",)), {("matmul", 512), ("matmul", 2048)}),
        (Choice(chapters=("linear_algebra",), sizes=("n=64",)), {("matmul", 64), ("svd", 64)}),
    ],
)
def test_what_is_named_is_shown_and_judged_as_in_the_whole_run(
    runs: Any, choice: Choice, cases: set[tuple[str, int]]
) -> None:
    run = full_run(runs)
    shown = select([run], choice)
    assert {(r["kernel"], int(r["size"].removeprefix("n="))) for r in shown.records} == cases
    whole = {record["id"]: record for record in select([run], Choice()).records}
    for record in shown.records:
        assert {**record, "against": None} == {**whole[record["id"]], "against": None}


def test_a_backend_is_chosen_with_the_verdicts_it_has_beside_the_others(runs: Any) -> None:
    run = full_run(runs)
    shown = select([run], Choice(backends=("torch",)))
    assert {record["backend"] for record in shown.records} == {"torch"}
    assert {record["verdict"] for record in shown.records} == {"faster"}
    assert [figure.place for figure in shown.overall] == ["torch@cpu"]
    assert signs(shown.places) == signs(select([run], Choice()).places), "its colour is the same"
    against = select([run], Choice(), "torch")
    assert {r["baseline"] for r in against.records if r["verdict"]} == {"torch@cpu"}


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (
            Choice(kernels=("matmull",)),
            "--kernel 'matmull': did you mean matmul? what was measured is matmul, svd",
        ),
        (Choice(chapters=("calculus",)), "--chapter 'calculus': what was measured is linear_algebra"),
        (Choice(sizes=("n=63",)), "--size 'n=63': did you mean n=64? what was measured is"),
        (Choice(dtypes=("float64",)), "what was measured is float32"),
        (
            Choice(backends=("torch@cuda",)),
            "what was measured is numpy@cpu, torch@cpu, jax@cpu, cupy@cuda",
        ),
    ],
)
def test_a_name_that_the_run_lacks_is_told_with_what_it_has(
    runs: Any, choice: Choice, message: str
) -> None:
    with pytest.raises(XpbenchError, match=re.escape(message)):
        select([full_run(runs)], choice)


def test_names_that_no_case_has_together_are_told(runs: Any) -> None:
    measured = [runs.forks(runs.case(kernel="pca")), runs.forks(runs.case(dtype="float64"))]
    with pytest.raises(XpbenchError, match="no case is of all that --kernel, --dtype name"):
        select([runs.store(*measured)], Choice(kernels=("pca",), dtypes=("float64",)))


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("heatmap", "no case was timed"),
        ("scaling", "no kernel was timed at two sizes; measure with --size small --size medium"),
        ("roofline", "no roof was measured; --roofs does"),
        ("agreement", "no result was held against an oracle"),
        ("efficiency", "nothing was timed on one device and on several; measure with `xpbench scaling`"),
    ],
)
def test_nothing_to_draw_is_told_with_what_would_give_something(
    runs: Any, kind: str, message: str
) -> None:
    fault = Measurement(case=runs.case(), fork=0, status="oom", reason="")
    with pytest.raises(XpbenchError, match=f"nothing to draw: {message}"):
        picture(select([runs.store([fault])], Choice()), kind, "svg", 9.0)


def test_a_roof_without_cases_under_it_tells_so(runs: Any) -> None:
    run = full_run(runs)
    for kernel in run.header["kernels"].values():
        kernel["flops"] = {}
    with pytest.raises(XpbenchError, match="no case has operations and bytes to count"):
        picture(select([run], Choice()), "roofline", "svg", 9.0)


def test_a_picture_that_no_png_can_hold_is_an_error_that_says_what_to_do() -> None:
    with settings():
        with pytest.raises(XpbenchError, match="choose fewer cases"):
            drawn([gap(330.0)], 9.0, "png")
        assert drawn([gap(330.0)], 9.0, "svg")


def test_without_matplotlib_the_command_says_how_to_get_it(
    runs: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(command.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(XpbenchError, match=r'install "xpbench\[plot\]"'):
        command.plot([tmp_path], out=tmp_path / "x.svg")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"out": Path("x.jpg")}, "-o x.jpg: expected a name that ends in .svg, .pdf, .png"),
        ({"out": Path("x.svg"), "kind": "pie"}, "--kind 'pie': expected one of heatmap, scaling"),
        ({}, "a picture needs a file: name one with -o, e.g. -o heatmap.svg"),
        ({"out": Path("x.svg"), "width": math.nan}, "--width nan: expected a number of inches from 3"),
        ({"out": Path("x.svg"), "baseline": "trch"}, "baseline 'trch': expected one of"),
        ({"out": Path("x.svg"), "backend": ["trch"]}, "--backend 'trch': did you mean torch@cpu?"),
    ],
)
def test_a_mistake_is_told_with_what_was_expected(
    runs: Any, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(XpbenchError, match=re.escape(message)):
        command.plot([full_run(runs).path], **options)


def test_a_picture_that_cannot_be_written_is_one_clear_line(runs: Any, xpbench: Any) -> None:
    answer = xpbench("plot", full_run(runs).path, "-o", "absent/x.svg")
    assert answer.returncode == 2
    assert answer.stderr.startswith("xpbench: absent/x.svg cannot be written"), answer.stderr
    assert len(answer.stderr.splitlines()) == 1
    assert answer.stdout == ""


@pytest.mark.parametrize(
    ("kind", "form"), [("scaling", "SVG"), pytest.param("heatmap", "pdf", marks=pytest.mark.slow)]
)
def test_the_command_writes_the_same_bytes_whatever_the_users_settings(
    runs: Any, xpbench: Any, tmp_path: Path, kind: str, form: str
) -> None:
    run = full_run(runs)
    (tmp_path / "matplotlibrc").write_text("font.size: 30\naxes.grid: True\nlines.linewidth: 9\n")
    options = ["--kind", kind, "--kernel", "svd", "--title", "mine", "--width", "5", "-o", f"x.{form}"]
    answer = xpbench("plot", run.path, *options)
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, "", "")
    shown = select([run], Choice(kernels=("svd",)))
    # Written by another process, in which sets have another order, at another time.
    written = (tmp_path / f"x.{form}").read_bytes()
    assert written == picture(shown, kind, form.lower(), 5.0, "mine")
    if form == "SVG":
        seen = texts(ET.fromstring(written))
        assert seen[0] == "mine"
        assert "matmul" not in seen
        assert any("night" in text for text in seen), "a title does not hide which run it is"


def test_text_is_measured_cut_and_broken_by_the_letters_it_has() -> None:
    with settings():
        assert extent("mm", 8) == pytest.approx(2 * extent("m", 8), rel=0.05)
        assert extent("m", 16) == pytest.approx(2 * extent("m", 8), rel=0.05)
        assert extent("m", 8, bold=True) > extent("m", 8)
        assert shortened("short", 9.0) == "short"
        cut = shortened("a very long text", 0.5)
        assert cut.endswith("…") and extent(cut) <= 0.5
        lines = wrapped("some words, and one that is too long: " + "x" * 200, 1.0)
        assert all(extent(line) <= 1.0 for line in lines)
        assert " ".join(lines).startswith("some words, and one that is too long:")


@pytest.mark.parametrize(
    ("low", "high"), [(1e-9, 1e3), (0.9, 1.2), (3e-6, 5e-6), (2.0, 2.0001), (1, 10)]
)
def test_ticks_are_within_and_at_least_two(low: float, high: float) -> None:
    ticks = log_ticks(low, high)
    assert 2 <= len(ticks) <= 6
    assert all(low <= tick <= high for tick in ticks)


def test_a_run_that_is_named_twice_is_drawn_once(runs: Any, tmp_path: Path) -> None:
    path = full_run(runs).path
    command.plot([path], out=tmp_path / "once.svg")
    command.plot([path, path / "run.json", path], out=tmp_path / "again.svg")
    assert (tmp_path / "again.svg").read_bytes() == (tmp_path / "once.svg").read_bytes()


def test_efficiencies_have_a_panel_for_every_kernel_and_size_and_say_who_gathers(runs: Any) -> None:
    measured = []
    for kernel, device, seconds in itertools.product(
        ("gram", "svd"), ("1xcpu", "2xcpu", "8xcpu"), (8e-3,)
    ):
        case = runs.case(f"jax-sharded@{device}", kernel=kernel, threads=1)
        gathers = Sharding(int(device[0]), ("shards,-",), gathered=kernel == "svd" and device != "1xcpu")
        levels = tuple(seconds / int(device[0]) * mood for mood in (1.0, 1.1, 1.2, 0.9, 1.0, 1.3))
        measured.append(times(case, levels, runs, sharding=gathers))
    seen = texts(svg(select([runs.store(*measured)], Choice()), "efficiency"))
    assert "gram" in seen
    assert "svd ⊕" in seen
    assert {"1", "2", "8", "devices", "strong", "0%", "100%"} <= set(seen)
    assert any("thin: what the processors allow" in text for text in seen)

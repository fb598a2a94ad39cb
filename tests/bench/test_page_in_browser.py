"""The page in a real browser: what it shows is what the tables say, and everybody can use it."""

import csv
import io
import json
import math
import random
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from browser import Opened, browser, downloaded, table_of, window
from xpbench.bench import journal
from xpbench.bench.report import quantities
from xpbench.bench.report.page.page import render

PUBLISHED = Path(__file__).parents[2] / "results" / "published"
SUITE = PUBLISHED / "xeon-2cpu-suite"
DEFAULT = PUBLISHED / "xeon-2cpu-default"
SIZE_LIMIT = 1.5e6
"""Bytes of the page of the whole suite."""

pytestmark = pytest.mark.skipif(
    not DEFAULT.is_dir(), reason="the published runs come with a clone and not with the package"
)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser() as found:
        yield found


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a real run of more than 60 kernels on four backends at three sizes."""
    if not SUITE.is_dir():
        pytest.skip(f"{SUITE.name} is not among the published runs")
    file = tmp_path_factory.mktemp("page") / "suite.html"
    file.write_text(render([journal.read(SUITE)]))
    return file


@pytest.fixture(scope="module")
def default(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("page") / "default.html"
    file.write_text(render([journal.read(DEFAULT)]))
    return file


@pytest.fixture(scope="module")
def records(suite: Path) -> list[dict[str, Any]]:
    """The cases of the suite by the same function that ``xpbench table --format json`` prints from;
    a test below holds it to the command."""
    from xpbench.bench.report.records import as_json
    from xpbench.bench.report.summary import summarise

    return list(json.loads(as_json(summarise([journal.read(SUITE)]))))


def test_the_page_of_the_suite_is_small_and_asks_nothing_of_anybody(chromium: Any, suite: Path) -> None:
    run = journal.read(SUITE)
    assert len({case.kernel for case in run.cases}) >= 60
    assert len({case.backend for case in run.cases}) == 4
    assert {case.size_name for case in run.cases} == {"small", "medium", "large"}
    assert suite.stat().st_size < SIZE_LIMIT

    with window(chromium, suite) as opened:
        for section in opened.page.locator("section").all():
            section.scroll_into_view_if_needed()
            opened.settle()
        opened.page.wait_for_selector("[data-figure=error-against-time] svg")

        assert opened.messages == []
        assert opened.requests == [suite.as_uri()]


def test_every_cell_says_what_the_table_in_json_says(
    chromium: Any, suite: Path, records: list[dict[str, Any]]
) -> None:
    with window(chromium, suite) as opened:
        seen = 0
        for row in opened.rows():
            for cell in row["cells"]:
                record = records[cell["index"]]
                assert row["name"] == record["kernel"]
                assert record["size"] in row["notes"]
                check_latency(cell["lines"], record)
                seen += 1
        assert seen == len(records)
        for metric, column in {"first_call": "first_call_s", "compile": "compile_s"}.items():
            opened.choose(metric=metric)
            for row in opened.rows():
                for cell in row["cells"]:
                    check_quantity(cell["lines"][0], records[cell["index"]], column)
        opened.choose(metric="error")
        for row in opened.rows():
            for cell in row["cells"]:
                check_error(cell["lines"][0], records[cell["index"]])


def check_latency(lines: list[str], record: dict[str, Any]) -> None:
    """The lines of a cell, read as numbers, are the figures of the record to the digits shown."""
    if record["time_s"] is None or record["status"] != "ok":
        assert lines == ["WRONG" if record["status"] == "wrong" else record["status"].replace("_", " ")]
        return
    found = re.fullmatch(r"(★ )?(\S+ (?:s|ms|µs|ns|ps))(?: ±(>?[\d.]+)%)?(?: ([†‡◊§¶↓]+))?", lines[0])
    assert found, lines
    leads, time, reach, marks = found.groups()
    assert is_shown(time, record["time_s"])
    assert not leads or record["fastest"]
    assert ("†" in (marks or "")) == (record["compute_dtype"] != record["dtype"])
    assert ("◊" in (marks or "")) == (record["modes"] is not None)
    assert (reach is None) == (record["time_high_s"] is None)
    if reach and not reach.startswith(">"):
        half = max(record["time_high_s"] - record["time_s"], record["time_s"] - record["time_low_s"])
        assert is_near(reach, 100 * half / record["time_s"])
    if record["ratio"] is None:
        assert lines[1:] == []
    elif record["verdict"] is None:
        assert lines[1:] == ["baseline"] or re.fullmatch(r"\(.*\)", lines[1])
    elif record["verdict"] in ("faster", "slower"):
        factor, word = re.fullmatch(r"([\d.]+)x (faster|slower)", lines[1]).groups()  # type: ignore[union-attr]
        assert word == record["verdict"]
        assert is_near(factor, max(record["ratio"], 1 / record["ratio"]))
    elif record["verdict"] == "unclear":
        low, high = re.fullmatch(r"unclear (\S+)-(\S+)", lines[1]).groups()  # type: ignore[union-attr]
        assert is_near(low, record["ratio_low"])
        assert is_near(high, record["ratio_high"])
    else:
        assert lines[1] == record["verdict"]


def check_quantity(text: str, record: dict[str, Any], column: str) -> None:
    if record["status"] != "ok":
        assert text in ("WRONG", record["status"].replace("_", " "))
    elif record[column] is None:
        assert text == "-"
    else:
        assert is_shown(text, record[column])


def check_error(text: str, record: dict[str, Any]) -> None:
    if record["error"] is None:
        assert not re.search(r"\d", text)
        return
    found = re.fullmatch(r"(ok|WRONG) (not finite|\S+)(?: of (\S+))? (\S.*)", text)
    assert found, text
    assert (found[1] == "ok") == record["agrees"]
    assert found[4] == {"standard errors": "s.e."}.get(record["error_unit"], record["error_unit"])
    if found[2] != "not finite":
        assert is_near(found[2], record["error"])
    assert found[3] is None or is_near(found[3], record["error_limit"])


def is_shown(text: str, seconds: float) -> bool:
    number, unit = text.split(" ")
    scale = {"s": 1.0, "ms": 1e-3, "µs": 1e-6, "ns": 1e-9, "ps": 1e-12}[unit]
    return is_near(number, seconds / scale)


def is_near(text: str, value: float) -> bool:
    """Whether ``text`` is ``value`` to the last digit that it shows."""
    mantissa, _, exponent = text.partition("e")
    decimals = len(mantissa.partition(".")[2])
    last = 10.0 ** (int(exponent or 0) - decimals)
    # Two significant digits without trailing zeros: 30 may stand for 29.6.
    digits = len(mantissa.replace(".", "").lstrip("0").rstrip("0"))
    coarse = 10.0 ** (math.floor(math.log10(abs(value))) - 1) if value and digits <= 2 else 0.0
    return abs(float(text) - value) <= 0.5000001 * max(last, coarse)


def test_the_dialog_of_a_case_holds_every_figure_of_the_table(
    chromium: Any, suite: Path, records: list[dict[str, Any]]
) -> None:
    chosen = random.Random(7).sample(range(len(records)), 12)
    with window(chromium, suite) as opened:
        for index in chosen:
            opened.page.evaluate(
                "(index) => document.querySelector(`[data-case='${index}']`).click()", index
            )
            shown = opened.page.evaluate(
                "() => Object.fromEntries([...document.querySelectorAll('#case [data-column]')]"
                ".map((cell) => [cell.dataset.column, cell.textContent]))"
            )
            assert shown.keys() == records[index].keys()
            for column, text in shown.items():
                assert same(text, records[index][column]), column
            opened.page.keyboard.press("Escape")


def same(text: str, value: Any) -> bool:
    if value is None:
        return text == "-"
    if isinstance(value, bool):
        return text == str(value).lower()
    return float(text) == value if isinstance(value, int | float) else text == value


@pytest.mark.slow
def test_what_is_downloaded_is_what_the_command_prints(
    chromium: Any, suite: Path, records: list[dict[str, Any]], xpbench: Callable[..., Any]
) -> None:
    printed = table_of(xpbench, SUITE)
    assert printed == records
    with window(chromium, suite) as opened:
        assert json.loads(downloaded(opened, "#save-json")) == printed
        text = downloaded(opened, "#save-csv").decode()
    as_csv = xpbench("table", SUITE, "--format", "csv").stdout
    ours, theirs = (list(csv.DictReader(io.StringIO(one))) for one in (text, as_csv))
    assert len(ours) == len(theirs) == len(records)
    for mine, reference in zip(ours, theirs, strict=True):
        assert mine.keys() == reference.keys()
        for column, value in reference.items():
            assert mine[column] == value or float(mine[column]) == float(value), column


def test_the_overall_means_are_those_of_the_table(chromium: Any, suite: Path) -> None:
    from xpbench.bench.report.overall import overall, said

    run = journal.read(SUITE)
    chosen = {
        "": overall([run]),
        "medium": overall([run], None, lambda case: case.size_name == "medium"),
    }
    with window(chromium, suite) as opened:
        for size, figures in chosen.items():
            opened.choose(size=size)
            opened.settle()
            cells = opened.page.locator("[data-overall]")
            shown = {
                json.loads(cell.get_attribute("data-overall"))[-1]: (
                    float(cell.get_attribute("data-value")),
                    cell.inner_text(),
                )
                for cell in cells.all()
            }
            assert shown == {f.place: (f.value, said(f)[0].text) for f in figures}


def test_filters_show_the_rows_they_name_and_live_in_the_address(
    chromium: Any, suite: Path, records: list[dict[str, Any]]
) -> None:
    def names(record: dict[str, Any]) -> tuple[str, str]:
        return record["kernel"], record["size"]

    wanted = {names(r) for r in records if r["size_name"] == "large" and r["chapter"] == "statistics"}
    with window(chromium, suite) as opened:
        opened.choose(size="large", chapter="statistics")
        assert {(row["name"], row["notes"]) for row in opened.rows()} == wanted
        opened.choose(what="slower")
        slower = {names(r) for r in records if r["verdict"] == "slower"} & wanted
        assert {(row["name"], row["notes"]) for row in opened.rows()} == slower
        opened.page.get_by_role("checkbox", name="jax").uncheck()
        others = {
            names(r) for r in records if r["verdict"] == "slower" and r["backend"] != "jax"
        } & wanted
        assert {(row["name"], row["notes"]) for row in opened.rows()} == others
        assert f"{len(others)} of" in opened.page.locator("#count").inner_text()
        address = opened.page.url
        assert "size=large" in address
        opened.page.reload()
        opened.page.wait_for_selector("html[data-ready]")
        assert {(row["name"], row["notes"]) for row in opened.rows()} == others
        opened.page.get_by_role("button", name="show all").click()
        assert len(opened.rows()) == len({names(r) for r in records})
        assert opened.page.url == suite.as_uri()


def test_a_link_to_what_is_not_there_shows_nothing_and_says_so(chromium: Any, suite: Path) -> None:
    with window(chromium, suite, "#chapter=alchemy&metric=beauty&open=nothing&sort=x") as opened:
        assert opened.rows() == []
        assert opened.page.locator("#filters [name=chapter]").input_value() == "alchemy"
        assert opened.messages == []


def test_a_heading_sorts_by_its_column_with_mouse_and_keys(
    chromium: Any, suite: Path, records: list[dict[str, Any]]
) -> None:
    def ratios(opened: Opened) -> list[float]:
        columns = [row["cells"] for row in opened.rows()]
        found = [records[c["index"]] for cells in columns for c in cells if is_jax(c["index"])]
        return [r["ratio"] for r in found if r["ratio"] is not None]

    def is_jax(index: int) -> bool:
        return bool(records[index]["backend"] == "jax")

    with window(chromium, suite) as opened:
        heading = opened.page.locator("#matrix thead th", has_text="jax")
        heading.locator("button").click()
        assert heading.get_attribute("aria-sort") == "ascending"
        rising = ratios(opened)
        assert rising == sorted(rising)
        assert len(rising) > 100
        heading.locator("button").press("Enter")
        assert heading.get_attribute("aria-sort") == "descending"
        assert ratios(opened) == sorted(rising, reverse=True)
        heading.locator("button").press("Space")
        assert heading.get_attribute("aria-sort") == "none"
        assert next(row["name"] for row in opened.rows()) == records[0]["kernel"]


def test_everything_is_reached_by_keys_alone(chromium: Any, default: Path) -> None:
    with window(chromium, default) as opened:
        press = opened.page.keyboard.press

        def focused(expression: str) -> Any:
            return opened.page.evaluate(f"() => document.activeElement.{expression}")

        press("Tab")
        assert focused("textContent") == "Skip to the comparison"
        press("Enter")
        for _ in range(12):
            press("Tab")
            if focused("closest('#matrix tbody') !== null"):
                break
        assert focused("dataset.open") == "matmul"
        press("ArrowRight")
        press("ArrowRight")
        press("ArrowDown")
        assert focused("dataset.case") is not None
        strip = opened.page.locator("#inspector")
        assert strip.is_visible()
        assert "matmul[n=512]" in strip.inner_text()
        press("Enter")
        assert opened.page.locator("#case").is_visible()
        press("Escape")
        assert not opened.page.locator("#case").is_visible()
        assert "matmul[n=512]" in strip.inner_text()
        press("Control+End")
        assert "backprop" in strip.inner_text()
        press("Home")
        press("Enter")
        assert opened.page.locator("#kernel h2").inner_text() == "backprop"
        assert "def backprop" in opened.page.locator("#kernel pre").inner_text()
        opened.page.wait_for_selector("[data-figure=scaling-backprop] svg")
        press("Escape")
        assert focused("dataset.open") == "backprop"
        assert opened.messages == []


def test_back_closes_what_was_opened_and_keeps_what_was_chosen(chromium: Any, default: Path) -> None:
    with window(chromium, default) as opened:
        opened.choose(size="medium")
        opened.page.locator("#matrix tr:not([hidden]) th[scope=row] button", has_text="svd").click()
        assert opened.page.locator("#kernel").is_visible()
        opened.page.go_back()
        opened.page.wait_for_selector("#kernel", state="hidden")
        assert len(opened.rows()) == 5
        opened.page.go_forward()
        opened.page.wait_for_selector("#kernel", state="visible")


AT = {"the page": "", "a kernel": "#open=svd", "a case": "#case=svd%5Bn%3D16%5D/torch@cpu/float32"}
LOOKS = [
    pytest.param(
        fragment,
        scheme,
        id=f"{place}, {scheme}",
        marks=pytest.mark.slow if fragment and scheme == "dark" else (),
    )
    for place, fragment in AT.items()
    for scheme in ("light", "dark")
]


@pytest.mark.parametrize(("opened_at", "scheme"), LOOKS)
def test_axe_finds_nothing_serious(chromium: Any, default: Path, opened_at: str, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
    with window(chromium, default, opened_at, {"color_scheme": scheme}) as opened:
        for section in opened.page.locator("section").all():
            opened.page.evaluate("(section) => section.scrollIntoView()", section.element_handle())
            opened.settle()
        opened.page.locator("#matrix td button").first.hover(force=True)
        found = axe.Axe().run(opened.page).response["violations"]
    grave = [v for v in found if v["impact"] in ("serious", "critical")]
    told = [(v["id"], v["help"], [n["html"][:120] for n in v["nodes"][:3]]) for v in grave]
    assert told == []


def test_dark_is_dark_by_the_system_and_by_the_button(chromium: Any, default: Path) -> None:
    def lightness(opened: Opened) -> float:
        colour = opened.page.evaluate("() => getComputedStyle(document.body).backgroundColor")
        return sum(map(int, re.findall(r"\d+", colour)[:3])) / 3

    with window(chromium, default, options={"color_scheme": "dark"}) as opened:
        assert lightness(opened) < 64
        opened.page.locator("#theme").click()
        assert lightness(opened) > 192
    with window(chromium, default) as opened:
        assert lightness(opened) > 192
        opened.page.locator("#theme").click()
        assert lightness(opened) < 64


def test_a_phone_scrolls_the_table_and_never_the_page_sideways(chromium: Any, default: Path) -> None:
    phone = {"viewport": {"width": 400, "height": 800}, "has_touch": True}
    with window(chromium, default, options=phone) as opened:
        for section in opened.page.locator("section").all():
            opened.page.evaluate("(section) => section.scrollIntoView()", section.element_handle())
            opened.settle()
        width = "() => document.scrollingElement.scrollWidth"
        assert opened.page.evaluate(width) <= 400
        opened.page.locator("#matrix th button").nth(5).tap()
        assert opened.page.locator("#kernel").is_visible()
        assert opened.page.evaluate("() => document.getElementById('kernel').scrollWidth") <= 400


def test_on_paper_stand_all_rows_and_pictures_and_no_controls(chromium: Any, default: Path) -> None:
    with window(chromium, default) as opened:
        paper = opened.page.pdf(format="A4", print_background=True)
        assert paper.startswith(b"%PDF-")
        assert len(re.findall(rb"/Type\s*/Page\b", paper)) >= 3
        opened.page.emulate_media(media="print")
        assert not opened.page.locator("#filters").is_visible()
        assert len(opened.rows()) == 10
        assert opened.page.locator("[data-figure=roofline] svg").last.is_visible()


def test_a_picture_is_saved_whole_as_svg_and_png(chromium: Any, default: Path) -> None:
    with window(chromium, default, "#open=matmul") as opened:
        kind = "[data-figure=scaling-matmul] .buttons button"
        picture = downloaded(opened, f"{kind} >> text=SVG")
        pixels = downloaded(opened, f"{kind} >> text=PNG")
    text = picture.decode()
    assert ET.fromstring(text).tag == "{http://www.w3.org/2000/svg}svg"
    assert {"numpy", "torch", "jax"} <= set(re.findall(r">([a-z]+)</text>", text))
    assert "var(" not in text
    assert pixels.startswith(b"\x89PNG")
    assert len(pixels) > 10_000


def test_numbers_are_written_as_everywhere(chromium: Any, default: Path) -> None:
    draw = random.Random(11)
    values = [draw.uniform(1, 10) * 10 ** draw.randint(-13, 9) for _ in range(400)]
    values += [0.0, 1e-3, 9.995e-4, 0.9996, 1.0, 999.6, 1e-12, 9.995, 99.95, 0.0949, 0.095]
    with window(chromium, default) as opened:
        for function, ours in {
            "significant(value)": quantities.significant,
            "duration(value)": quantities.duration,
            "percent(value)": quantities.percent,
            "rate(value, 'flop')": lambda value: quantities.rate(value, "flop"),
        }.items():
            theirs = opened.page.evaluate(f"(values) => values.map((value) => {function})", values)
            assert theirs == [ours(value) for value in values], function


@pytest.mark.slow
def test_runs_stand_side_by_side(chromium: Any, tmp_path: Path, xpbench: Callable[..., Any]) -> None:
    file = tmp_path / "both.html"
    other = PUBLISHED / "epyc-2cpu-default"
    done = xpbench("report", DEFAULT, other, "-o", file)
    assert done.returncode == 0, done.stderr
    printed = table_of(xpbench, DEFAULT, other)
    with window(chromium, file) as opened:
        assert opened.page.locator(".verdict").count() == 2
        rows = opened.rows()
        assert len(rows) == 10
        for row in rows:
            assert {printed[cell["index"]]["run"] for cell in row["cells"]} == {DEFAULT.name, other.name}
            for cell in row["cells"]:
                check_latency(cell["lines"], printed[cell["index"]])
        opened.choose(run=other.name)
        assert {len(row["cells"]) for row in opened.rows()} == {3}
        assert opened.messages == []


HOSTILE = "<img src=x onerror=alert(1)></script><script>alert(2)</script>\u202eevil`${alert(3)}`"


def test_the_text_of_a_run_is_shown_and_never_obeyed(chromium: Any, tmp_path: Path, runs: Any) -> None:
    case = runs.case(kernel=HOSTILE)
    other = runs.case("torch", kernel=HOSTILE)
    measured = [runs.forks(case), runs.forks(other, status="failed", samples=(), reason=HOSTILE)]
    run = runs.store(*measured, name=HOSTILE, machine={"cpu": HOSTILE, "id": HOSTILE})
    run.header["kernels"][HOSTILE].update(description=HOSTILE, source=HOSTILE, measure=HOSTILE)
    file = tmp_path / "hostile.html"
    file.write_text(render([run]))
    with window(chromium, file) as opened:
        dialogs: list[str] = []
        opened.page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
        opened.page.locator("#matrix th[scope=row] button").click()
        assert opened.page.locator("#kernel").is_visible()
        opened.page.keyboard.press("Escape")
        opened.page.locator("#matrix td button").last.click()
        assert opened.page.locator("#case").is_visible()
        assert opened.page.locator("img").count() == 0
        assert dialogs == []
        assert opened.requests == [file.as_uri()]
        assert opened.messages == []
        text = opened.page.locator("body").inner_text()
    assert "<img src=x onerror=alert(1)>" in text
    assert "\u202e" not in text
    assert "\\u202eevil" in text


@pytest.mark.parametrize("status", ["unsupported", "wrong", "not_run"])
def test_a_run_in_which_nothing_was_timed_is_a_page_all_the_same(
    chromium: Any, tmp_path: Path, runs: Any, status: str
) -> None:
    case = runs.case()
    measured = [] if status == "not_run" else [runs.forks(case, status=status, samples=(), cold=False)]
    run = runs.store(*measured, unmeasured=[case])
    file = tmp_path / "untimed.html"
    file.write_text(render([run]))
    with window(chromium, file) as opened:
        [row] = opened.rows()
        word = "WRONG" if status == "wrong" else status.replace("_", " ")
        assert [cell["lines"][0] for cell in row["cells"]] == [word]
        for section in opened.page.locator("section").all():
            section.scroll_into_view_if_needed()
            opened.settle()
        assert opened.messages == []


def test_names_of_every_object_are_no_choices_of_a_link(chromium: Any, default: Path) -> None:
    strange = "#metric=constructor&__proto__=a&toString=b&what=constructor"
    with window(chromium, default, strange) as opened:
        assert opened.rows() == []
        opened.choose(what="")
        shown = len(opened.rows())
        opened.page.evaluate("() => { location.hash = '#metric=toString&size=medium'; }")
        opened.page.wait_for_function("() => document.querySelector('[name=size]').value === 'medium'")
        assert 0 < len(opened.rows()) < shown
        assert opened.page.locator("#filters [name=metric]").input_value() == "latency"
        opened.choose(size="small")
        assert "toString" not in opened.page.url
        assert opened.messages == []


def test_a_link_to_a_section_leaves_the_choice_in_the_address(chromium: Any, default: Path) -> None:
    with window(chromium, default, "#size=medium") as opened:
        opened.page.locator(".contents a", has_text="Roofline").click()
        assert opened.page.url.endswith("#size=medium")
        assert opened.page.evaluate("() => document.activeElement.id") == "roofline"


def test_a_kernel_opened_from_a_case_gives_the_focus_back_to_the_cell(
    chromium: Any, default: Path
) -> None:
    with window(chromium, default) as opened:
        opened.page.locator("#matrix td button").nth(1).press("Enter")
        opened.page.get_by_role("button", name="more of").click()
        opened.page.wait_for_selector("#case", state="hidden")
        opened.page.locator("#kernel").press("Escape")
        opened.page.wait_for_function("() => document.activeElement.dataset.case === '1'")


def written(tmp_path: Path, *stored: journal.Run) -> Path:
    file = tmp_path / "page.html"
    file.write_text(render(stored))
    return file


def test_times_and_ratios_are_not_sorted_among_each_other(
    chromium: Any, tmp_path: Path, runs: Any
) -> None:
    def timed(place: str, n: int, time: float, **changes: Any) -> Any:
        return runs.forks(runs.case(place, size=(("n", n),)), time, **changes)

    lost = timed("numpy", 2, 1.0, status="failed", samples=())
    measured = [timed("numpy", 1, 2e-3), lost, timed("numpy", 4, 1e-3)]
    measured += [timed("torch", 1, 4e-3), timed("torch", 2, 1e-3), timed("torch", 4, 1e-3)]
    with window(chromium, written(tmp_path, runs.store(*measured))) as opened:

        def order(column: str) -> list[str]:
            opened.page.locator("#matrix thead th", has_text=column).locator("button").click()
            return [row["notes"] for row in opened.rows()]

        assert order("numpy") == ["n=4", "n=1", "n=2"]
        assert order("torch") == ["n=4", "n=1", "n=2"]


def test_a_line_of_a_kernel_joins_one_precision(chromium: Any, tmp_path: Path, runs: Any) -> None:
    measured = [
        runs.forks(runs.case("torch", size=(("n", n),), precision=precision), n * 1e-5)
        for n in (16, 64)
        for precision in ("ieee", "tf32")
    ]
    with window(chromium, written(tmp_path, runs.store(*measured)), "#open=matmul") as opened:
        dots = opened.page.locator("[data-figure=scaling-matmul] [d]").count
        assert opened.page.locator("#kernel .choices label", has_text="precision").count() == 1
        one = dots()
        opened.page.locator("#kernel .choices select").first.select_option("tf32")
        assert dots() == one
        assert "tf32" in opened.page.locator("[data-figure=accuracy-matmul]").inner_text()


def test_what_cannot_be_drawn_is_told_or_left_out(chromium: Any, tmp_path: Path, runs: Any) -> None:
    no_operations = runs.forks(runs.case(kernel="copy"))
    shape = runs.forks(runs.case("torch", kernel="copy"), status="wrong", samples=(), errors={})
    run = runs.store(
        no_operations, shape, name="n" * 200, machine={}, versions={"numpy": {"numpy": None}}
    )
    run.header["settings"].update(threads=None, forks=1)
    with window(chromium, written(tmp_path, run), "#agreement") as opened:
        opened.page.locator("#agreement").scroll_into_view_if_needed()
        opened.page.wait_for_selector("#agreement .content p")
        assert "1 of 2 results is wrong: copy" in opened.page.locator("#agreement").inner_text()
        byline = opened.page.locator("header .quiet").inner_text()
        assert byline == "a machine not described · 1 fork · 2026-11-23"
        assert opened.page.evaluate("() => document.scrollingElement.scrollWidth") <= 1280


def test_a_run_without_cases_says_so(chromium: Any, tmp_path: Path, runs: Any) -> None:
    with window(chromium, written(tmp_path, runs.store())) as opened:
        assert opened.page.locator("#count").inner_text() == "There are no cases to compare."
        assert opened.messages == []


def test_a_legend_breaks_its_line_on_a_phone(chromium: Any, tmp_path: Path, runs: Any) -> None:
    places = ("numpy", "torch", "jax", "cupy", "dask", "dpnp")
    stored = [
        runs.store(*[runs.forks(runs.case(place)) for place in places], name=f"a machine {number}")
        for number in range(2)
    ]
    file = written(tmp_path, *stored)
    with window(chromium, file, options={"viewport": {"width": 400, "height": 800}}) as opened:
        opened.page.locator("#agreement").scroll_into_view_if_needed()
        legend = opened.page.wait_for_selector("[data-figure=agreement] svg[aria-label^=Legend]")
        # As large as it was drawn: shrunk to one line, its text would be a fifth of that.
        assert legend.bounding_box()["width"] == pytest.approx(
            float(legend.get_attribute("width")), abs=1
        )
        names = legend.query_selector_all("text")
        assert len({name.bounding_box()["y"] for name in names}) > 1
        assert len(
            {
                (path.get_attribute("d"), path.get_attribute("fill"))
                for path in legend.query_selector_all("path")
            }
        ) == len(names)

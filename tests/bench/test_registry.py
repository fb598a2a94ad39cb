"""Kernels and backends are found where they are put, and what cannot be read says why."""

from pathlib import Path

import pytest

from xpbench import Kernel, XpbenchError
from xpbench.bench import plan, registry
from xpbench.bench.case import Case
from xpbench.bench.kernel import declared_in


def test_every_file_of_the_two_folders_is_found() -> None:
    found = registry.find()
    assert {"matmul", "svd", "pca", "gradient_descent", "backprop"} <= set(found.kernels)
    libraries = {"numpy", "torch", "jax", "cupy", "array-api-strict"}
    modes = {"torch-compile", "torch-graph", "jax-eager", "cupy-graph"}
    assert libraries | modes <= set(found.backends)


def test_a_kernel_of_a_named_file_is_found_beside_ours(write_kernel) -> None:
    path = write_kernel("triple")
    found = registry.find([path])
    assert [kernel.name for kernel in found.of_file(path)] == ["triple"]
    assert found.kernel("triple").chapter == "user"
    assert found.kernel("triple").title == "Twice x"


@pytest.mark.parametrize("declaration", ["anything = Kernel(", "Kernel(", "both = [Kernel("])
def test_a_kernel_is_found_however_it_is_bound(write_kernel, declaration: str) -> None:
    path = write_kernel("bound")
    text = path.read_text().replace("\nKernel(", f"\n{declaration}")
    path.write_text(text.rstrip() + ("]\n" if "[" in declaration else "\n"))
    assert [kernel.name for kernel in registry.find([path]).of_file(path)] == ["bound"]


def test_reading_a_file_twice_is_not_a_second_kernel(write_kernel) -> None:
    path = write_kernel("again")
    registry.find([path])
    assert len(registry.find([path]).of_file(path)) == 1


def test_two_kernels_of_one_name_are_an_error_that_shows_both(write_kernel, tmp_path: Path) -> None:
    first = write_kernel("same")
    second = tmp_path / "other.py"
    second.write_text(first.read_text())
    with pytest.raises(
        XpbenchError, match=r"two kernels are called same: .*same_file.py:\d+ and .*other.py"
    ):
        registry.find([first, second])


def test_a_kernel_cannot_take_the_name_of_one_of_ours(write_kernel) -> None:
    with pytest.raises(XpbenchError, match="two kernels are called matmul"):
        registry.find([write_kernel("matmul")])


def test_a_backend_of_a_named_file_is_found(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        "from xpbench import Backend\nclass Mine(Backend):\n    name = 'mine'\n    library = 'numpy'\n"
    )
    found = registry.find([path])
    assert found.backends_of(path) == ["mine"]


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [("matmull", "matmul"), ("SVD", "svd"), ("gradient_decent", "gradient_descent")],
)
def test_a_near_miss_is_suggested(name: str, suggestion: str) -> None:
    with pytest.raises(XpbenchError, match=f"unknown kernel '{name}': did you mean .*{suggestion}"):
        registry.find().kernel(name)


def test_a_far_miss_lists_what_there_is() -> None:
    with pytest.raises(XpbenchError, match=r"unknown backend 'zzz': known: .*numpy"):
        registry.find().backend("zzz")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import nowhere_to_be_found\n", r"line 1: ModuleNotFoundError: No module named 'nowhere"),
        ("x = 1\nraise ValueError('bad\\nnews')\n", r"line 2: ValueError: bad news"),
        ("def f(:\n", r"line 1: SyntaxError"),
        ("import sys\nsys.exit(4)\n", r"line 2: SystemExit: 4"),
        ("x = 1\n", "declares nothing to run"),
        (
            "from xpbench import Kernel\nKernel(compute=3, inputs=3, reference=3, sizes={})\n",
            "compute= must be",
        ),
    ],
)
def test_a_file_that_cannot_be_used_names_its_line_and_its_fault(
    tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "broken.py"
    path.write_text(text)
    with pytest.raises(XpbenchError, match=message):
        registry.find([path])


@pytest.mark.parametrize(("name", "message"), [("absent.py", "does not exist"), ("", "is a folder")])
def test_a_path_that_is_no_file_says_what_it_is(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(XpbenchError, match=message):
        registry.find([tmp_path / name])


def test_a_backend_that_cannot_be_made_is_an_error_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "needy.py"
    path.write_text(
        "from xpbench import Backend\n\n\nclass Needy(Backend):\n    name = 'needy'\n"
        "    def __init__(self):\n        raise OSError('no card')\n"
    )
    with pytest.raises(
        XpbenchError, match=r"needy.py: the backend needy cannot be made: OSError: no card"
    ):
        registry.find([path])


def test_a_backend_that_does_not_tell_its_environment_is_an_error_that_names_it(
    tmp_path: Path, write_kernel
) -> None:
    path = tmp_path / "vague.py"
    path.write_text(
        "from xpbench import Backend\n\n\nclass Vague(Backend):\n    name = 'vague'\n"
        "    library = 'numpy'\n    def environment(self, setting):\n        return 3\n"
    )
    found = registry.find([path, write_kernel("double")])
    case = Case("double", (("n", 8),), "small", "vague", "cpu", "float32", 1)
    with pytest.raises(XpbenchError, match=r"vague does not tell its environment: AttributeError"):
        plan.environments(found, [case], "")


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "binary.py"
    path.write_bytes(b"\x00\xff\xfe")
    with pytest.raises(XpbenchError, match=r"binary\.py"):
        registry.find([path])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"compute": None}, "compute= must be a function"),
        ({"compute": lambda xp, x: x}, "named function"),
        ({"sizes": {}}, "at least one size"),
        ({"sizes": {"small": {"n": 0}}}, "positive integers"),
        ({"sizes": {"small": {"n": 2.0}}}, "positive integers"),
        ({"sizes": {"small": {"n": True}}}, "positive integers"),
        ({"static": ("steps",)}, "names 'steps', which size 'small' lacks"),
        ({"flops": 3}, "flops= must be a function"),
        ({"flops": lambda m: m}, r"flops= cannot be called with size 'small' \(n\)"),
        ({"traffic": lambda n: n}, "traffic= cannot be called with size 'small'"),
        ({"inputs": lambda n: n}, "inputs= cannot be called with size 'small'"),
    ],
)
def test_a_malformed_kernel_names_its_part(change: dict[str, object], message: str) -> None:
    def double(xp, x):
        return 2 * x

    parts = {
        "compute": double,
        "inputs": lambda rng, n: rng.random(n),
        "reference": lambda x: 2 * x,
        "sizes": {"small": {"n": 1}},
    }
    with pytest.raises(XpbenchError, match=message):
        Kernel(**(parts | change))


@pytest.mark.parametrize("flops", [lambda n: 1 / (n - n), lambda n: "many", lambda n: None])
def test_a_cost_that_is_no_number_names_its_kernel(flops) -> None:
    def double(xp, x):
        return 2 * x

    kernel = Kernel(
        compute=double, inputs=lambda rng, n: n, reference=abs, sizes={"a": {"n": 1}}, flops=flops
    )
    with pytest.raises(XpbenchError, match=r"flops\(n=1\) of double raised"):
        kernel.flop_count({"n": 1})


def test_a_kernel_knows_the_file_and_the_line_of_its_declaration() -> None:
    def double(xp, x):
        return 2 * x

    kernel = Kernel(compute=double, inputs=lambda rng, n: n, reference=abs, sizes={"a": {"n": 1}})
    assert Path(kernel.file) == Path(__file__).resolve()
    assert kernel in declared_in(__file__)

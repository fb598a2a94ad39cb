"""What the README shows is what happens."""

import re
from pathlib import Path

README = (Path(__file__).resolve().parent.parent / "README.md").read_text()


def test_the_kernel_in_the_readme_is_short_and_is_measured_beside_ours(xpbench, tmp_path: Path) -> None:
    (source,) = re.findall(r"```python\n(import numpy.*?)```", README, re.DOTALL)
    assert len(source.splitlines()) < 25
    (tmp_path / "my_kernel.py").write_text(source)
    answer = xpbench("run", "my_kernel.py", "matmul", "--backend", "numpy", "--preset", "smoke")
    assert answer.returncode == 0, answer.stderr
    assert "gram" in answer.stdout
    assert "matmul" in answer.stdout


def test_the_pictures_of_the_readme_exist() -> None:
    for path in re.findall(r"!\[[^]]*\]\(([^)]+)\)", README):
        assert (Path(__file__).resolve().parent.parent / path).is_file()


def test_every_command_in_the_readme_is_one(xpbench) -> None:
    for command in set(re.findall(r"^(?:`|)xpbench (\w+)", README, re.MULTILINE)):
        assert xpbench(command, "--help").returncode == 0

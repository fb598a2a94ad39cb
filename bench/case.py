"""Which combination is measured: a kernel at a size, on a backend and a device, in a dtype."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

DTYPES = ("float32", "float64", "float16", "bfloat16")
PRECISIONS = ("ieee", "tf32", "native")


@dataclass(frozen=True)
class Case:
    """One cell of the grid. Its text is its id, e.g. ``svd[n=512]/torch@cpu/float32``.

    ``size`` holds the pairs of the kernel's size in their order; ``size_name`` is the preset they
    came from, or empty where they were typed. ``threads`` is the number of CPU threads asked for.
    """

    kernel: str
    size: tuple[tuple[str, int], ...]
    size_name: str
    backend: str
    device: str
    dtype: str
    threads: int
    precision: str = "ieee"

    def __str__(self) -> str:
        text = f"{self.kernel}[{self.size_text}]/{self.backend}@{self.device}/{self.dtype}"
        return text if self.precision == "ieee" else f"{text}/{self.precision}"

    @property
    def size_text(self) -> str:
        return ",".join(f"{key}={value}" for key, value in self.size)

    @property
    def row(self) -> tuple[str, str, str, int, str]:
        """What the cases that may be compared have in common."""
        return (self.kernel, self.size_text, self.dtype, self.threads, self.precision)

    @property
    def data(self) -> str:
        """The name of the inputs and the oracle this case shares with the other backends."""
        return f"{self.kernel}[{self.size_text}]-{self.dtype}"

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "size": dict(self.size)}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "Case":
        return cls(**{**record, "size": tuple(record["size"].items())})


TOGETHER: Mapping[str, Callable[[Case], tuple[object, ...]]] = {
    "row": lambda case: case.row,
    "kernel": lambda case: (case.kernel, case.dtype, case.threads, case.precision),
}
"""By a word for it, what the cases have in common that are measured close to each other in time: where a
size is compared with another, those of a whole kernel."""

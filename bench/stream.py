"""How a device tells when its work was done: marks in its queue, and a hold that lets the queue fill."""

from collections.abc import Callable
from typing import Any, Protocol

HOLD_MEGACYCLES = 1000
"""A hold gives up after so many million cycles of the card's clock, about half a second: a call that
waits for the device itself would otherwise wait for ever."""

RELEASED, GAVE_UP = 1, 2
"""What the flag of a hold says, 0 before: the host let the device go, or the device did not wait."""

HOLD_KERNEL = "hold"
HOLD_PTX = """
.version 7.0
.target sm_70
.address_size 64

.visible .entry hold(.param .u64 flag, .param .s32 megacycles)
{
    .reg .pred %released, %early;
    .reg .s32  %value, %million;
    .reg .s64  %start, %now, %limit;
    .reg .u64  %address;

    ld.param.u64        %address, [flag];
    cvta.to.global.u64  %address, %address;
    ld.param.s32        %million, [megacycles];
    mul.wide.s32        %limit, %million, 1000000;
    mov.u64             %start, %clock64;
poll:
    ld.volatile.global.s32  %value, [%address];
    setp.ne.s32         %released, %value, 0;
    @%released bra      end;
    mov.u64             %now, %clock64;
    sub.s64             %now, %now, %start;
    setp.lt.s64         %early, %now, %limit;
    @%early bra         poll;
    st.volatile.global.s32  [%address], 2;
    membar.sys;
end:
    ret;
}
"""
"""The kernel that occupies one thread of a card until the host sets ``flag``, in memory of the host that
the card can read, or gives up and says so there. In the assembly that NVIDIA's driver translates for the
card it finds, from Volta on: no compiler is needed."""


class Stream(Protocol):
    """The queue of a device, as a backend offers it to the clock."""

    source: str
    """What tells the time, in words, e.g. ``CUDA events``."""

    def record(self) -> Any:
        """Puts a mark into the queue, and returns it."""
        ...

    def seconds(self, start: Any, end: Any) -> float:
        """The time from one mark to another, both of which the device has passed."""
        ...

    def hold(self) -> Callable[[], bool]:
        """Keeps the device from whatever is put into the queue from here on, until the function that is
        returned is called: it tells whether the device was held until then."""
        ...


class FlagHold:
    """A hold by the kernel of ``HOLD_PTX``: ``launch`` puts it into the queue, and ``flag`` is one int32
    that both host and device can see, as an array of NumPy."""

    def __init__(self, flag: Any, launch: Callable[[], None]) -> None:
        self._flag = flag
        self._launch = launch

    def __call__(self) -> Callable[[], bool]:
        # Nothing is in the queue any more that reads the flag: every hold is awaited before the next.
        self._flag[0] = 0
        self._launch()
        return self._release

    def _release(self) -> bool:
        gave_up = int(self._flag[0]) == GAVE_UP
        self._flag[0] = RELEASED
        return not gave_up

"""Processes for tests and benches: one that is quick, one that is slow, and one for every way to fail."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from dothi.model.text import Text
from dothi.platform.sector import Process
from dothi.testing.computations import echo, fail, nap, odd, walk


async def _as_asked(_: Any, options: dict[str, Any]) -> Any:
    return options


ECHO = Process("test.echo", Text("Nhắc lại", "Echo"), "1", echo, _as_asked)
WALK = Process("test.walk", Text("Đi dạo ngẫu nhiên", "Random walk"), "1", walk, _as_asked)
NAP = Process("test.nap", Text("Ngủ trưa", "Nap"), "1", nap, _as_asked, time_limit=timedelta(seconds=60))
SHORT_NAP = replace(NAP, id="test.short-nap", time_limit=timedelta(seconds=0.3))
FAIL = Process("test.fail", Text("Hỏng", "Failure"), "1", fail, _as_asked)
ODD = Process("test.odd", Text("Kết quả lạ", "Odd outputs"), "1", odd, _as_asked)
EVERY = (ECHO, WALK, NAP, SHORT_NAP, FAIL, ODD)

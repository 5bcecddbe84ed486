"""Who watches incidents is told which ones changed, in this process; nobody who is slow holds anybody up."""

import asyncio
from collections.abc import AsyncIterator, Iterable


class _Listener:
    """What one listener has not read yet, merged."""

    def __init__(self) -> None:
        self.waiting: set[str] = set()
        self.ready = asyncio.Event()


class Listeners:
    """Everybody who listens. Use it from the city's event loop."""

    def __init__(self) -> None:
        self._listeners: set[_Listener] = set()

    def tell(self, codes: Iterable[str]) -> None:
        """Say that these incidents changed."""
        changed = frozenset(codes)
        if not changed:
            return
        for listener in self._listeners:
            listener.waiting |= changed
            listener.ready.set()

    async def listen(self) -> AsyncIterator[frozenset[str]]:
        """Codes that changed, from the first time it is asked for one, until whoever listens goes away."""
        listener = _Listener()
        self._listeners.add(listener)
        try:
            while True:
                await listener.ready.wait()
                listener.ready.clear()
                changed, listener.waiting = listener.waiting, set()
                yield frozenset(changed)
        finally:
            self._listeners.discard(listener)

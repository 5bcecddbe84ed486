"""The memory of a city that runs for months: what the garbage collector looks at, and how often."""

import gc


def settle_memory() -> None:
    """Leave what lives as long as the city out of garbage collection, and collect less often.

    Answers of thousands of entities are many small objects; by default the collector walks the whole city for each
    (measured: 407 ms against 246 ms for 5,000 entities; a batch of 1,000 takes a fifth less at 100,000 than at 20,000).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 50)

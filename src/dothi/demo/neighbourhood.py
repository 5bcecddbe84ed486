"""When the story is told: once, in a city whose readings are simulated and that nobody real works in yet."""

from dothi.access.policy import SYSTEM
from dothi.demo.past import Past
from dothi.demo.present import Present
from dothi.platform.platform import Platform


def plays(platform: Platform) -> bool:
    """True if the story is still to be told here: a city of simulated readings, on this machine only, without work yet."""
    settings = platform.settings
    simulated = platform.simulated and platform.replay is None and not settings.drill
    if not (settings.demo_work and simulated and platform.city.wards and platform.accounts.offers_demo):
        return False
    if platform.invented.over or platform.invented.whole:
        return False
    return platform.invented.begun_at is not None or not _has_work(platform)


async def tell_past(platform: Platform) -> None:
    """Tell it, and begin anew what a killed process had begun. Call it before the city looks at its clocks by itself."""
    if platform.invented.begun_at is not None:
        await platform.invented.remove(SYSTEM, again=True)
    await Past(platform, platform.clock.now()).tell()


def begin(platform: Platform) -> None:
    """Go on with the story while it is there."""
    began = platform.invented.begun_at
    if began is not None:
        present = Present(platform, began)
        platform.tasks.start("demo", lambda _: present.run())


def _has_work(platform: Platform) -> bool:
    with platform.database.reader() as db:
        return db.execute("SELECT 1 FROM incident LIMIT 1").fetchone() is not None

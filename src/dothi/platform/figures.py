"""What /metrics says about the flow of readings: pulled from ingest, journal, quarantine and dispatch at each scrape."""

from functools import partial

from dothi.access.policy import SYSTEM
from dothi.platform.platform import Platform

_COUNTERS = {
    "messages": "Messages taken from the journal.",
    "readings": "Readings committed.",
    "repeated": "Readings that were known already.",
    "revisions": "Readings that corrected a known one.",
    "late": "Readings that came late.",
    "quarantined": "Messages put into quarantine.",
    "turned_away": "Messages a full quarantine could not hold.",
    "unknown": "Messages of devices nobody admitted.",
    "refused": "Messages of refused devices.",
    "commits": "Commits of ingest.",
    "failures": "Commits that had to be tried again.",
    "commit_seconds": "Seconds spent committing.",
}


def declare_metrics(platform: Platform) -> None:
    """Publish the city's figures in its own registry."""
    watch, figures = platform.metrics.watch, platform.ingest.figures

    def figure(name: str) -> float:
        return float(getattr(figures, name))

    for name, words in _COUNTERS.items():
        watch(f"dothi_ingest_{name}", words, partial(figure, name), counter=True)
    watch(
        "dothi_journal_lag", "Messages kept and not yet committed; -1 while the journal is silent.", lambda: _lag(platform)
    )
    watch(
        "dothi_journal_turned_away",
        "MQTT messages on topics that are no device's, or at QoS 0 beyond what memory holds.",
        platform.journal.turned_away,
        counter=True,
    )
    watch("dothi_disk_free_ratio", "Share of the disk that is free.", lambda: platform.watch.free)
    watch(
        "dothi_lobby_refused",
        "Messages of unknown devices for which the lobby had no room.",
        lambda: platform.devices.lobby_refused,
        counter=True,
    )
    watch(
        "dothi_device_door_refused",
        "Sign-ins by MQTT and bodies by HTTP of senders that may not send so.",
        lambda: platform.device_door.refused,
        counter=True,
    )
    watch("dothi_quarantine_rows", "Messages held in quarantine.", lambda: platform.quarantine.rows)
    watch("dothi_dispatch_failures", "Failed attempts of handlers.", lambda: _failures(platform), counter=True)
    watch("dothi_task_failures", "Crashes of background tasks.", lambda: _crashes(platform), counter=True)
    watch(
        "dothi_alerts_refused",
        "Times an incident did not take what its alerts had to tell, or none could be opened; the log says why.",
        lambda: platform.rules.refused,
        counter=True,
    )
    watch("dothi_runs_queued", "Runs that wait.", lambda: platform.runs.waiting)
    watch("dothi_runs_running", "Runs that are being worked on.", lambda: platform.runs.running)
    platform.metrics.watch_each(
        "dothi_notifications",
        "Notifications that wait for their receivers, or that no receiver took.",
        "state",
        lambda: _notifications(platform),
    )
    platform.metrics.watch_each("dothi_devices", "Devices.", "state", lambda: platform.devices.counts(SYSTEM))


def _lag(platform: Platform) -> float:
    return -1 if platform.watch.lag is None else platform.watch.lag


def _failures(platform: Platform) -> float:
    return sum(state.failures for state in platform.dispatcher.states.values())


def _notifications(platform: Platform) -> dict[str, int]:
    states = platform.subscriptions.states(SYSTEM)
    return {"waiting": sum(one.waiting for one in states), "dead": sum(one.dead for one in states)}


def _crashes(platform: Platform) -> float:
    return sum(state.failures for state in platform.tasks.states.values())

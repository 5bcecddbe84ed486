"""``dothi drill NAME``: play a drill in a city of its own, and say at the end what it came to."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal

import typer

from dothi.cli.drill.playing import Play
from dothi.cli.drill.score import Score, judge
from dothi.cli.drill.script import Script, Step, read_script
from dothi.cli.drill.stations import Stations
from dothi.cli.drill.world import begin_anew, drill_city, settings_of
from dothi.cli.shared import FAILED, err, load_settings, out, table
from dothi.ui.formats import city_zone

_WORDS = {"done": "✓", "late": "late", "missed": "missed"}


def drill(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A drill that comes along (smog), or a TOML file.")],
    operators: Annotated[
        Literal["scripted", "human"], typer.Option(help="Who works: people of the script, or people at their screens.")
    ] = "scripted",
    speed: Annotated[
        float | None, typer.Option(min=1, max=1000, help="City seconds per second; the script's own if left out.")
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the drill's pages; any that is free if 0.")] = 0,
) -> None:
    """Exit code 0 only if every step happened in its time and the audit log verifies."""
    from dothi.app import with_found_data

    script = read_script(name)
    if operators == "human" and speed is None:
        speed = 1.0
    settings = settings_of(with_found_data(load_settings()), script, speed or script.speed, port)
    begin_anew(settings)
    with drill_city(settings) as client:
        told = client.get("/api/v1/city")
        out.print(
            f"[bold]DIỄN TẬP[/] {script.title.vi} · {script.title.en}: {client.url}, {settings.replay_speed:g} × as fast"
        )
        if operators == "human":
            out.print("Sign in there as one of the roles; the drill waits for what you do.")
        port_of_mqtt = _mqtt_port(settings.home)
        play = Play(client, script, Stations(client, script, port_of_mqtt, told["tenant"]), scripted=operators == "scripted")
        play.run(_tell)
        log = client.download("/audit.zip")
    score = judge(script, play.seen, _verified(settings.home / "audit.zip", log))
    _show(script, score, play.troubles)
    if not score.passed:
        raise typer.Exit(FAILED)


def _tell(step: Step, at: datetime) -> None:
    out.print(f"  {at.astimezone(city_zone()):%H:%M} {step.title.vi} · {step.title.en}")


def _mqtt_port(home: Path) -> int:
    import msgspec

    return int(msgspec.json.decode((home / "address").read_bytes())["mqtt"])


def _verified(file: Path, log: bytes) -> bool:
    from dothi.store.audit_copy import verify_copy

    file.write_bytes(log)
    return verify_copy(file).intact


def _show(script: Script, score: Score, troubles: dict[str, str]) -> None:
    """The score, as a table and three times."""
    rows = [
        (_WORDS[one.verdict], one.step.title.vi, one.step.title.en, _span(one.took), f"{one.step.within:g} min")
        for one in score.steps
    ]
    out.print(table(("", "step", "", "took", "allowed"), rows))
    for one in score.steps:
        if one.verdict != "done" and one.step.id in troubles:
            err.print(f"  {one.step.id}: {troubles[one.step.id]}")
    done = sum(one.verdict == "done" for one in score.steps)
    out.print(
        f"Detected after {_span(score.detection)}, accepted after {_span(score.acceptance)}, solved after "
        f"{_span(score.resolution)}; {done} of {len(score.steps)} steps in time."
    )
    out.print("The audit log is whole." if score.audit else "[bold red]The audit log does not verify.[/]")
    out.print(f"[bold]{script.id}: {'passed' if score.passed else 'not passed'}[/]")


def _span(took: timedelta | None) -> str:
    return "–" if took is None else f"{took.total_seconds() / 60:.0f} min"

"""``dothi account``: who is known to the running city, from the machine it runs on."""

from typing import Annotated, Any

import typer

from dothi.cli.client import Client
from dothi.cli.shared import Why, load_settings, out, table
from dothi.model.problem import Problem

app = typer.Typer(no_args_is_help=True, help="People and systems that the running city knows.")
_ROOT = "/api/v1/accounts"


@app.command("list")
def list_accounts(
    text: Annotated[str, typer.Option("--search", help="Part of a login or a name; accents do not matter.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 50,
) -> None:
    """Who is known, with roles and state."""
    page = Client(load_settings()).get(_ROOT, q=text, limit=limit)
    rows = [
        (one["login"], one["name"], one["kind"], one["state"], _roles(one["grants"]), one["lastSeen"])
        for one in page["items"]
    ]
    out.print(table(("login", "name", "kind", "state", "roles", "last seen"), rows))
    out.print(f"{len(rows)} of {page['total']}")


@app.command()
def add(
    login: Annotated[str, typer.Argument(help="What they sign in as.")],
    name: Annotated[str, typer.Option("--name", help="What people call them.")],
    role: Annotated[list[str], typer.Option("--role", help="What they may do; again for several.")],
    clearance: Annotated[str, typer.Option("--clearance", help="public, internal, restricted or personal.")] = "internal",
    ward: Annotated[list[str] | None, typer.Option("--ward", help="Code of a ward it is for; again for several.")] = None,
    agency: Annotated[list[str] | None, typer.Option("--agency", help="An agency it is for; again for several.")] = None,
    sector: Annotated[list[str] | None, typer.Option("--sector", help="A sector it is for; again for several.")] = None,
    system: Annotated[bool, typer.Option("--system", help="A program, which has keys and no password.")] = False,
    why: Why = "",
) -> None:
    """Admit somebody, and print the link by which they set a password, once."""
    bounds = {"clearance": clearance, "wards": ward, "agencies": agency, "sectors": sector}
    client = Client(load_settings(), why)
    kind, grants = "system" if system else "person", [{"role": one, **bounds} for one in role]
    made = client.post(_ROOT, {"login": login, "name": name, "kind": kind, "grants": grants})
    out.print(f"{made['login']} is known now.")
    if "link" in made:
        out.print(f"Within a week they set a password at {client.url}{made['link']}")


@app.command()
def disable(login: Annotated[str, typer.Argument(help="What they sign in as.")], why: Why = "") -> None:
    """Shut somebody out; their sessions end at once."""
    client = Client(load_settings(), why)
    client.post(f"{_ROOT}/{id_of(client, login)}/disable", {})
    out.print(f"{login} is shut out.")


@app.command()
def enable(login: Annotated[str, typer.Argument(help="What they sign in as.")], why: Why = "") -> None:
    """Let somebody in again who was shut out or not seen for 45 days."""
    client = Client(load_settings(), why)
    client.post(f"{_ROOT}/{id_of(client, login)}/enable", {})
    out.print(f"{login} may sign in again.")


@app.command("reset-link")
def reset_link(login: Annotated[str, typer.Argument(help="What they sign in as.")], why: Why = "") -> None:
    """Print a link by which they set a new password, once."""
    client = Client(load_settings(), why)
    out.print(client.url + client.post(f"{_ROOT}/{id_of(client, login)}/reset-link", {})["link"])


@app.command("forget-factors")
def forget_factors(login: Annotated[str, typer.Argument(help="What they sign in as.")], why: Why = "") -> None:
    """Take back the second steps of somebody who lost phone and codes; their sessions end."""
    client = Client(load_settings(), why)
    client.post(f"{_ROOT}/{id_of(client, login)}/forget-factors", {})
    out.print(f"{login} signs in with the password alone, and sets up a second step anew.")


@app.command("first-link")
def first_link() -> None:
    """Print a new link that makes the first administrator, if there is none."""
    client = Client(load_settings())
    out.print(client.url + client.post(f"{_ROOT}/first-link", {})["link"])


def id_of(client: Client, login: str) -> str:
    """The id of who signs in as ``login``. Raises Problem 404."""
    wanted = login.strip().lower()
    for one in client.get(_ROOT, q=wanted, limit=1000)["items"]:
        if one["login"] == wanted:
            return str(one["id"])
    raise Problem(404, "not-found", f"Nobody is known as {login!r}.", "See who is: dothi account list")


def _roles(grants: list[dict[str, Any]]) -> str:
    return ", ".join(dict.fromkeys(str(one["role"]) for one in grants))

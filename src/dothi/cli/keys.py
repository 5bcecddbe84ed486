"""``dothi keys …``: what systems prove themselves with, from the machine of the city."""

from typing import Annotated

import typer

from dothi.cli.account import id_of
from dothi.cli.client import Client
from dothi.cli.shared import Why, err, load_settings, out, table

app = typer.Typer(no_args_is_help=True, help="API keys and OAuth2 clients of the running city.")
Login = Annotated[str, typer.Argument(help="Whose: a login.")]


@app.command("list")
def list_keys(login: Login) -> None:
    """The keys of somebody, the newest first; never their secrets."""
    client = Client(load_settings())
    rows = [
        (
            one["id"],
            one["kind"],
            one["label"],
            ", ".join(one["roles"]),
            one["clearance"],
            "open" if one["open"] else "revoked" if one["revokedAt"] else "expired",
            one["expiresAt"],
            one["usedAt"],
        )
        for one in client.get(f"/api/v1/accounts/{id_of(client, login)}/keys")["items"]
    ]
    out.print(table(("key", "kind", "label", "roles", "clearance", "state", "until", "last used"), rows))


@app.command()
def issue(
    login: Annotated[str, typer.Argument(help="The system's login; people make their own at /account/keys.")],
    label: Annotated[str, typer.Option("--label", help="What will use it.")],
    oauth: Annotated[bool, typer.Option("--client", help="An OAuth2 client instead of an API key.")] = False,
    role: Annotated[list[str] | None, typer.Option("--role", help="Which of its roles; again for several.")] = None,
    clearance: Annotated[str, typer.Option("--clearance", help="How much it may know at most.")] = "personal",
    days: Annotated[int, typer.Option("--days", help="30, 90 or 365.")] = 90,
    why: Why = "",
) -> None:
    """Make a key for a system and print it, once."""
    client = Client(load_settings(), why)
    told = {"label": label, "kind": "client" if oauth else "key", "roles": role, "clearance": clearance, "days": days}
    made = client.post(f"/api/v1/accounts/{id_of(client, login)}/keys", told)
    typer.echo(f"{made['id']}:{made['secret']}" if oauth else made["secret"])
    err.print(f"Good until {made['expiresAt']}. End it with: dothi keys revoke {login} {made['id']}")


@app.command()
def revoke(login: Login, key: Annotated[str, typer.Argument(help="The key's id.")], why: Why = "") -> None:
    """End a key at once, also one of a person."""
    client = Client(load_settings(), why)
    client.post(f"/api/v1/accounts/{id_of(client, login)}/keys/{key}/revoke", {})
    out.print(f"{key} is worth nothing now.")

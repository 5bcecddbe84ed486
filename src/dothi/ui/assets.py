"""Where the built styles, fonts and islands are, and how browsers get them: hashed names, kept a year, gzip ready-made."""

import json
import os
from functools import lru_cache
from pathlib import Path
from typing import Any

from starlette.datastructures import Headers
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from dothi.access.routes import GuardedMount, guarded_mount
from dothi.model.problem import not_found

PREFIX = "/static"
DIST = Path(__file__).parent / "dist"
_WORKER = "src/page-worker.ts"


_MANIFEST = DIST / ".vite" / "manifest.json"


@lru_cache(maxsize=1)
def _read(_changed: int) -> dict[str, Any]:
    entries: dict[str, Any] = json.loads(_MANIFEST.read_text("utf-8"))
    return entries


def _manifest() -> dict[str, Any]:
    """The entries of the bundle as it is now: it may be built anew under a running city. Empty when there is none."""
    try:
        return _read(_MANIFEST.stat().st_mtime_ns)
    except FileNotFoundError:
        return {}


def asset(entry: str) -> str | None:
    """The address of a built entry (``src/base.css``, ``src/operations.ts``); None when the bundle was not built.

    Pages are complete without it: they are plain HTML.
    """
    found = _manifest().get(entry)
    return f"{PREFIX}/{found['file']}" if found else None


def styles(entry: str) -> list[str]:
    """The style sheets of a built script entry and of the chunks it is made of, each once, the entry's own last: it may
    overrule what it shares."""
    found: dict[str, None] = {}
    seen: set[str] = set()

    def gather(name: str) -> None:
        if name in seen:
            return
        seen.add(name)
        part = _manifest().get(name, {})
        for imported in part.get("imports", []):
            gather(imported)
        # The bundler lists a sheet that several entries share behind the entry's own.
        own = f"assets/{Path(name).stem}-"
        found.update(
            dict.fromkeys(f"{PREFIX}/{one}" for one in sorted(part.get("css", []), key=lambda one: one.startswith(own)))
        )

    gather(entry)
    return list(found)


def page_worker(page: str) -> Response:
    """The script that keeps ``page`` (its path) on a phone. Raises Problem 404 while the bundle is not built."""
    address = asset(_WORKER)
    if address is None:
        raise not_found("worker", _WORKER)
    headers = {"service-worker-allowed": page, "cache-control": "no-cache"}
    return FileResponse(DIST / address.removeprefix(f"{PREFIX}/"), media_type="text/javascript", headers=headers)


class Bundle(StaticFiles):
    """Serves the bundle. Names under ``assets/`` carry their content's hash, so they are cached for a year."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file, as its ready-made gzip twin when the browser takes it. Raises HTTPException 404."""
        headers = Headers(scope=scope)
        packed = path + ".gz"
        if "gzip" in headers.get("accept-encoding", "") and self.lookup_path(packed)[1] is not None:
            response = await super().get_response(packed, scope)
            response.headers["content-type"] = _media_type(path)
            if response.status_code != 304:
                response.headers["content-encoding"] = "gzip"
        else:
            response = await super().get_response(path, scope)
        response.headers["vary"] = "accept-encoding"
        lasting = path.replace(os.sep, "/").startswith("assets/")
        response.headers["cache-control"] = "public, max-age=31536000, immutable" if lasting else "no-cache"
        return response


def _media_type(path: str) -> str:
    kinds = {".js": "text/javascript", ".css": "text/css", ".json": "application/json", ".svg": "image/svg+xml"}
    return kinds.get(Path(path).suffix, "application/octet-stream") + "; charset=utf-8"


def mount() -> GuardedMount:
    """The route under which the bundle is served, also when it has not been built yet."""
    return guarded_mount(PREFIX, Bundle(directory=DIST, check_dir=False), action="page.read", name="static")

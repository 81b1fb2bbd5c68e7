"""Assets: scripts, styles and texts, under an address that changes whenever one of them does.

One hash for all of them, because modules import each other by relative paths.
"""

from hashlib import sha256
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from billing.dashboard.route import PageRoute
from billing.dashboard.security import secured

DIRECTORY = Path(__file__).with_name("assets")
MEDIA_TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}
FILES: dict[str, bytes] = {
    path.relative_to(DIRECTORY).as_posix(): path.read_bytes()
    for path in sorted(DIRECTORY.rglob("*"))
    if path.suffix in MEDIA_TYPES
}
VERSION = sha256(b"".join(name.encode() + b"\0" + content for name, content in FILES.items())).hexdigest()[:16]
BASE = f"/assets/{VERSION}"
_FOR_EVER = "public, max-age=31536000, immutable"


async def asset(request: Request) -> Response:
    """A file; under the address of another version the one that is here now, not to be kept."""
    name = request.path_params["name"]
    content = FILES.get(name)
    if content is None:
        return secured(Response("There is no such file.\n", 404, media_type="text/plain"))
    response = Response(content, media_type=MEDIA_TYPES[Path(name).suffix])
    response.headers["Cache-Control"] = _FOR_EVER if request.path_params["version"] == VERSION else "no-cache"
    return secured(response)


ROUTES = [PageRoute("/assets/{version}/{name:path}", asset)]

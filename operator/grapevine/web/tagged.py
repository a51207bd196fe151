"""An answer that is known by its bytes, so that who has it already is told so in one line."""

import hashlib

from aiohttp import web


def tagged(request: web.Request, body: bytes, content_type: str, disposition: str = "") -> web.Response:
    """Return an answer with its ETag, or 304 where the asker has it. Source: RFC 9110, 13.1.2."""
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    known = request.headers.get("If-None-Match", "")
    if tag in {each.strip().removeprefix("W/") for each in known.split(",")}:
        return web.Response(status=304, headers=headers)
    if disposition:
        headers["Content-Disposition"] = disposition
    return web.Response(body=body, content_type=content_type, charset="utf-8", headers=headers)

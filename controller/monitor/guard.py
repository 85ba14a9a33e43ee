"""Who may ask for the page: browsers of this machine, for themselves and for no other site.

A page of any other site that the operator has open can send requests to this machine, too; and a name of
another site can be made to point to it. So the names that a browser gives are compared with the few that are
right, exactly, before anything else is looked at.
"""

import secrets
from dataclasses import dataclass

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from annealscope.drivers.loopback import LOOPBACK

COMMAND_PATH = "/api/command"
NAMES = (LOOPBACK, "localhost", "[::1]")
OWN_SITE = ("same-origin", "none")
"""What a browser says of requests of the page itself, and of addresses that its user typed."""
HEADERS = {
    "content-security-policy": "default-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; object-src 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


@dataclass(frozen=True)
class Refusal:
    """Why a request is not answered."""

    status: int
    message: str


class Guard:
    """Checks every request before the application sees it, and says how browsers are to treat the answers.

    Parameters
    ----------
    app
        The application behind it.
    port
        That it listens on.
    token
        That commands need; None: there are no commands.
    """

    def __init__(self, app: ASGIApp, port: int, token: str | None) -> None:
        self._app = app
        self._port = port
        self._token = token
        self._hosts = {f"{name}:{port}" for name in NAMES}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        refusal = self.refusal(scope) if scope["type"] in ("http", "websocket") else None
        if refusal is None:
            await self._app(scope, receive, send_with_headers)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close"})  # before it was accepted: the browser gets a 403
        else:
            answer = PlainTextResponse(f"{refusal.message}\n", refusal.status)
            await answer(scope, receive, send_with_headers)

    def refusal(self, scope: Scope) -> Refusal | None:
        """Say why a request is refused; None: it may pass."""
        headers = Headers(scope=scope)
        origins = headers.getlist("origin")
        if len(headers.getlist("host")) != 1 or headers["host"] not in self._hosts:
            return Refusal(421, self._where())
        if (scope["type"] == "websocket" and not origins) or set(origins) - {f"http://{headers['host']}"}:
            return Refusal(403, "only the page itself may ask, not one of another site")
        if not set(headers.getlist("sec-fetch-site")) <= set(OWN_SITE):
            return Refusal(403, "only the page itself may ask: type its address instead of following a link")
        return self._refusal_of_method(scope, headers) if scope["type"] == "http" else None

    def _refusal_of_method(self, scope: Scope, headers: Headers) -> Refusal | None:
        if scope["method"] in ("GET", "HEAD"):
            return None
        if scope["method"] != "POST" or scope["path"] != COMMAND_PATH:
            return Refusal(405, "only GET and HEAD: there is nothing to be changed here")
        if self._token is None:
            return None
        given = headers.get("authorization", "").encode()
        if not secrets.compare_digest(given, f"Bearer {self._token}".encode()):
            return Refusal(401, "commands need the token of the address that `monitor --control` printed")
        return None

    def _where(self) -> str:
        at = f"{LOOPBACK}:{self._port}"
        return f"the page is at http://{at}/ and nowhere else; from another machine: ssh -L {self._port}:{at}"

"""Who may ask for what: hosts, a token, requests of our own page alone, headers for each answer.

A page that is served on this machine can be asked by every other page that the browser has open,
and by every other user of the machine. So: a fixed list of host names (against DNS rebinding),
a token that becomes a cookie of the strictest kind, and no request that changes something but from
a page of our own and of a kind that no other page can send without asking first.
"""

import hmac
import os
import secrets

from flask import abort, request

from style_transfer import files

SAFE = ("GET", "HEAD")
OPEN = ("pages.enter", "assets.asset")  # asks for the token itself; style and scripts, no secret
POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' blob: data:",
    "connect-src": "'self'",
    "form-action": "'none'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}
#: For the report of a run, a page of its own with a script inside: it can ask nobody for anything.
REPORT = {
    **POLICY,
    "sandbox": "allow-scripts",
    "script-src": "'unsafe-inline'",
    "style-src": "'unsafe-inline'",
    "img-src": "data:",
    "connect-src": "'none'",
}
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
}


def write_policy(policy):
    """Return a Content-Security-Policy as the text of its header."""
    return "; ".join(f"{name} {value}" for name, value in policy.items())


def read_token(path):
    """Return the token of a server's folder; make it the first time, for this user's eyes alone.

    It stays the same, so that a page that is open goes on after a restart.
    """
    if path.exists():
        return files.read(path, remedy="remove it").decode().strip()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w") as file:
        token = secrets.token_urlsafe(32)
        file.write(token + "\n")
    return token


class Guard:
    """Looks at each request before it is answered, and at each answer before it leaves.

    Args:
        token: that opens the page.
        port: of the server, by which the cookie is called: cookies know no ports.
    """

    def __init__(self, token, port):
        self.token = token
        self.cookie = f"style-transfer-{port}"

    def protect(self, app):
        """Look after a Flask application."""
        app.before_request(self.check)
        app.after_request(self.seal)

    def check(self):
        """Refuse a request that has no business here."""
        check_host()
        if request.endpoint in OPEN:
            return
        if not self.matches(request.cookies.get(self.cookie, "")):
            abort(403, "Open the address that the terminal printed: it has the key to this page.")
        if request.method not in SAFE:
            check_source()

    def matches(self, token):
        """Tell whether a text is the token, in a time that says nothing about it."""
        return hmac.compare_digest(token.encode(), self.token.encode())

    def let_in(self, response):
        """Give a browser the cookie that opens the page from now on."""
        response.set_cookie(
            self.cookie, self.token, max_age=365 * 86400, httponly=True, samesite="Strict"
        )
        return response

    def seal(self, response):
        """Give an answer the headers that tell a browser what not to do with it."""
        for name, value in HEADERS.items():
            response.headers[name] = value
        response.headers.setdefault("Content-Security-Policy", write_policy(POLICY))
        response.headers.setdefault("Cache-Control", "no-cache")
        return response


def check_host():
    """Refuse a name that is none of ours, as Flask does by TRUSTED_HOSTS: also for no page."""
    _ = request.host


def check_source():
    """Refuse what may come from another site: an unsafe method that our own page has not sent."""
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    is_ours = site == "same-origin" if site else origin == request.host_url.rstrip("/")
    if not is_ours or (origin and origin != request.host_url.rstrip("/")):
        abort(403, "This request did not come from this page.")
    kind = request.mimetype
    if request.method == "POST" and kind != "application/json" and not kind.startswith("image/"):
        abort(415, "Send JSON, or a picture.")

"""A small OpenID Connect provider: discovery, authorize, token with a signed JWT, keys, end of session."""

import base64
import hashlib
import json
import secrets
import threading
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

CLIENT, CLIENT_SECRET = "tippingpoint", "of the tests"
COOKIE_SECRET = "a secret of the tests, longer than 32 characters"
SECRETS = f"""
[auth]
redirect_uri = "http://127.0.0.1:{{port}}/oauth2callback"
cookie_secret = "{COOKIE_SECRET}"
client_id = "{CLIENT}"
client_secret = "{CLIENT_SECRET}"
server_metadata_url = "%s/.well-known/openid-configuration"
"""
"""Streamlit's file, but for the provider's address; the port Streamlit puts in itself."""


class Provider(ThreadingHTTPServer):
    """On a free port; who is logged in there is whom a test makes `user`: the claims of the next token."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.forger: rsa.RSAPrivateKey | None = None
        self.user: dict[str, Any] = {}
        self.codes: dict[str, dict[str, str]] = {}

    def token(self, nonce: str) -> str:
        """Who is logged in, signed; by `forger` where there is one."""
        now = int(time.time())
        claims = {"iss": self.url, "sub": "1", "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": nonce} | self.user
        signed = ".".join(_part(json.dumps(part).encode()) for part in ({"alg": "RS256", "kid": "1"}, claims))
        signature = (self.forger or self.key).sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{_part(signature)}"


class Answer(BaseHTTPRequestHandler):
    """One request."""

    server: Provider

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        asked = dict(parse_qsl(url.query))
        if url.path == "/.well-known/openid-configuration":
            ends = ("authorization_endpoint", "token_endpoint", "jwks_uri", "end_session_endpoint")
            told = {end: f"{self.server.url}/{end}" for end in ends} | {"issuer": self.server.url}
            self._tell(told | {"code_challenge_methods_supported": ["S256"]})
        elif url.path == "/authorization_endpoint" and asked.get("client_id") == CLIENT:
            code = secrets.token_hex()
            self.server.codes[code] = asked
            self._go(asked["redirect_uri"] + "?" + urlencode({"code": code, "state": asked["state"]}))
        elif url.path == "/jwks_uri":
            numbers = self.server.key.public_key().public_numbers()
            n, e = (_part(v.to_bytes((v.bit_length() + 7) // 8, "big")) for v in (numbers.n, numbers.e))
            self._tell({"keys": [{"kty": "RSA", "kid": "1", "use": "sig", "alg": "RS256", "n": n, "e": e}]})
        elif url.path == "/end_session_endpoint":
            self._go(asked["post_logout_redirect_uri"].removesuffix("oauth2callback"))
        else:
            self.send_error(404)

    def do_POST(self) -> None:
        given = dict(parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode()))
        asked = self.server.codes.pop(given.get("code", ""), None)  # a code is good once
        word = base64.b64encode(f"{CLIENT}:{CLIENT_SECRET.replace(' ', '+')}".encode()).decode()
        plain = base64.b64encode(f"{CLIENT}:{CLIENT_SECRET}".encode()).decode()
        known = self.headers.get("Authorization") in (f"Basic {word}", f"Basic {plain}")
        challenge = _part(hashlib.sha256(given.get("code_verifier", "").encode()).digest())
        if asked is None or not known or challenge != asked.get("code_challenge"):
            self.send_error(400)
            return
        told = {"access_token": "one", "token_type": "Bearer", "expires_in": 300}
        self._tell(told | {"id_token": self.server.token(asked["nonce"])})

    def _tell(self, told: dict[str, Any]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(told).encode())

    def _go(self, address: str) -> None:
        self.send_response(302)
        self.send_header("Location", address)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@contextmanager
def provider() -> Iterator[Provider]:
    """A provider that serves."""
    with Provider() as serves:
        threading.Thread(target=serves.serve_forever, daemon=True).start()
        yield serves
        serves.shutdown()


def _part(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()

"""A Supabase project's Auth, as far as the daemon meets it: its public keys, and users' tokens."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from typing import Any, Self
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

SECRET = "the legacy secret of the project, long enough"
JWKS = "/auth/v1/.well-known/jwks.json"


class SigningPair:
    """A private key with an id, and what the project publishes of it."""

    def __init__(self, id: str, algorithm: str = "ES256", bits: int = 2048) -> None:
        """Make an ES256 or RS256 key."""
        self.id = id
        self.algorithm = algorithm
        self.private: Any = (
            ec.generate_private_key(ec.SECP256R1())
            if algorithm == "ES256"
            else rsa.generate_private_key(65537, bits)
        )

    @property
    def jwk(self) -> dict[str, Any]:
        """The public half, as in a JWKS."""
        shape = ECAlgorithm if self.algorithm == "ES256" else RSAAlgorithm
        public = json.loads(shape.to_jwk(self.private.public_key()))
        return {**public, "kid": self.id, "alg": self.algorithm, "use": "sig"}

    def sign(self, claims: Mapping[str, Any]) -> str:
        """Return a token with these claims."""
        return jwt.encode(dict(claims), self.private, self.algorithm, {"kid": self.id})


def claims_of(url: str, user: str, now: float, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - claims are anything
    """Return the claims that Supabase Auth gives a user who signed in, good for an hour."""
    return {
        "iss": f"{url}/auth/v1",
        "sub": user,
        "aud": "authenticated",
        "role": "authenticated",
        "iat": int(now),
        "exp": int(now) + 3600,
        "email": "ana@example.org",
        "app_metadata": {"provider": "email"},
        "user_metadata": {"role": "owner", "workspace": "acme"},
        "aal": "aal1",
        "session_id": str(uuid4()),
        "is_anonymous": False,
    } | more


class Project:
    """Serves the keys of a project at ``url``; what else is asked of it is not there."""

    def __init__(self) -> None:
        """Have one key."""
        self.pair = SigningPair("key-1")
        self.keys: list[dict[str, Any]] = [self.pair.jwk]
        self.asked: list[str] = []
        self.url = ""
        """What ``ZAPD_SUPABASE_URL`` is."""
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop."""
        await self.stop()

    async def stop(self) -> None:
        """Answer nobody any more."""
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    @property
    def settings(self) -> dict[str, str]:
        """The daemon's settings for this project."""
        key = "sb_secret_made_up_for_the_tests_of_zapd"
        return {"ZAPD_SUPABASE_URL": self.url, "ZAPD_SUPABASE_KEY": key}

    def token(self, user: str, **claims: Any) -> str:  # noqa: ANN401 - claims are anything
        """Return a user's token."""
        now = time.time()  # noqa: TID251 - the daemon looks at the real clock
        return self.pair.sign(claims_of(self.url, user, now, **claims))

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
        except asyncio.IncompleteReadError:
            writer.close()
            return
        path = head.split(" ")[1]
        self.asked.append(path)
        found = path == JWKS
        body = json.dumps({"keys": self.keys} if found else {}).encode()
        status = "200 OK" if found else "404 Not Found"
        writer.write(
            f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
            + body
        )
        await writer.drain()
        writer.close()

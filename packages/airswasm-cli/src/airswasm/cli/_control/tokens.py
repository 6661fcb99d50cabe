"""The tokens for control over TCP: a name, a scope, and the hash of a secret.

A token is 256 random bits, so its SHA-256 tells nothing about it; a slow hash would only slow the
host down. The file is the operator's own (0600), and a host that runs reads it again when it has
changed, so that a token that is revoked is refused at once.

Besides, each run makes a token of the scope `all` for the operator, in `control.token`.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

from ..errors import NoSuchToken, TokenExists, TokenFileUnreadable, TokenMalformed
from .operation import SCOPES, Scope

__all__ = ("NewToken", "Token", "TokenAbout", "TokenFile", "admits", "hash_of")

_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")
_FILE = "control-tokens.json"
_FORMAT = 1
_OF_RUN = "control.token"
"""The name of the token of a run."""
_WIDER: Mapping[Scope, frozenset[Scope]] = {
    "monitoring": frozenset(("monitoring", "read", "all")),
    "read": frozenset(("read", "all")),
    "send": frozenset(("send", "all")),
    "all": frozenset(("all",)),
}
"""The scopes of tokens that have each needed one."""


@dataclass(frozen=True, slots=True)
class TokenAbout:
    """A token without its secret.

    Attributes:
        name: Its name, for people and the audit log.
        scope: `monitoring`, `read`, `send` or `all`.
        components: The components to which a token of the scope `send` may send.
        created_at: Seconds since 1970.
    """

    name: str
    scope: Scope
    components: tuple[str, ...]
    created_at: float


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token that was made, with its secret, which the host does not keep.

    Attributes:
        name: Its name.
        scope: Its scope.
        components: The components to which it may send.
        token: The secret, for `Authorization: Bearer`.
    """

    name: str
    scope: Scope
    components: tuple[str, ...]
    token: str


@dataclass(frozen=True, slots=True)
class Token:
    """A token as the host keeps it."""

    name: str
    scope: Scope
    components: tuple[str, ...]
    created_at: float
    sha256: str

    @classmethod
    def of_run(cls, secret: str) -> Token:
        """Return the token of a run, of the scope `all`."""
        return cls(_OF_RUN, "all", (), 0.0, hash_of(secret))

    def is_of(self, secret: str) -> bool:
        """Return whether it is the token of a secret."""
        return secrets.compare_digest(self.sha256, hash_of(secret))

    def about(self) -> TokenAbout:
        """Return it without the hash."""
        return TokenAbout(self.name, self.scope, self.components, self.created_at)


def admits(token: Token, needed: Scope, component: str | None) -> bool:
    """Return whether a token may carry out an operation.

    Args:
        token: The token.
        needed: The scope that the operation needs.
        component: The component that the operation is about; None if it is about none.
    """
    if token.scope not in _WIDER[needed]:
        return False
    return token.scope != "send" or component in token.components


def hash_of(secret: str) -> str:
    """Return the hash by which the host knows a token."""
    return hashlib.sha256(secret.encode(errors="surrogateescape")).hexdigest()


class TokenFile:
    """The tokens of a home.

    Args:
        folder: The home's folder.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / _FILE
        self._read: tuple[tuple[int, int, int], tuple[Token, ...]] | None = None

    def tokens(self) -> tuple[Token, ...]:
        """Return all tokens, by name.

        Raises:
            TokenFileUnreadable: The file is damaged, or its owner cannot read it.
        """
        try:
            status = self._path.stat()
            seen = status.st_ino, status.st_mtime_ns, status.st_size
            if self._read is None or self._read[0] != seen:
                self._read = seen, _parse(self._path.read_bytes())
        except FileNotFoundError:
            return ()
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise TokenFileUnreadable(str(self._path), str(error)) from error
        return self._read[1]

    def find(self, secret: str) -> Token | None:
        """Return the token of a secret."""
        return next((each for each in self.tokens() if each.is_of(secret)), None)

    def create(self, name: str, scope: Scope, components: Sequence[str] = ()) -> NewToken:
        """Make a token, and return it with its secret.

        Raises:
            TokenMalformed: The name is none, or the scope and the components do not fit.
            TokenExists: A token has this name.
            TokenFileUnreadable: As for `tokens`.
            OSError: The file cannot be written.
        """
        _check(name, scope, components)
        known = self.tokens()
        if any(each.name == name for each in known):
            raise TokenExists(name)
        secret = secrets.token_urlsafe(32)
        made = Token(name, scope, tuple(components), time.time(), hash_of(secret))
        self._write((*known, made))
        return NewToken(name, scope, made.components, secret)

    def revoke(self, name: str) -> None:
        """Refuse a token from now on.

        Raises:
            NoSuchToken: None has this name.
            TokenFileUnreadable: As for `tokens`.
            OSError: The file cannot be written.
        """
        known = self.tokens()
        left = [each for each in known if each.name != name]
        if len(left) == len(known):
            raise NoSuchToken(name)
        self._write(left)

    def _write(self, tokens: Iterable[Token]) -> None:
        ordered = sorted(tokens, key=lambda each: each.name)
        content = {"format": _FORMAT, "tokens": [asdict(each) for each in ordered]}
        temporary = self._path.with_name(f".{_FILE}.{secrets.token_hex(8)}")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "w") as file:
                json.dump(content, file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self._path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        self._read = None


def _check(name: str, scope: str, components: Sequence[str]) -> None:
    if not _NAME.fullmatch(name):
        raise TokenMalformed(f"{name!a} is not a token's name: a to z, 0 to 9 and -, 63 at most")
    if scope not in SCOPES:
        raise TokenMalformed(f"{scope!a} is not a scope; they are {', '.join(SCOPES)}")
    if (scope == "send") != bool(components):
        raise TokenMalformed("a token of the scope send names its components, and no other does")


def _parse(content: bytes) -> tuple[Token, ...]:
    document = json.loads(content)
    if document["format"] != _FORMAT:
        raise ValueError(f"its format is {document['format']!r}, not {_FORMAT}")
    read = [_token(each) for each in document["tokens"]]
    return tuple(sorted(read, key=lambda each: each.name))


def _token(fields: Mapping[str, object]) -> Token:
    name, scope, digest = fields["name"], fields["scope"], fields["sha256"]
    components = [str(each) for each in cast("list[object]", fields["components"])]
    _check(str(name), str(scope), components)
    return Token(
        str(name), cast("Scope", scope), tuple(components), float(str(fields["created_at"])),
        str(digest),
    )  # fmt: skip

"""The process that speaks with a git repository: fetches one commit, then reads files out of it.

libgit2 parses what a stranger's server sends, and blocks while it waits. So it has a process of its
own, which can be ended at any moment, with limits on memory, processor time and file size set
before the first byte arrives. It reads no configuration of the user (a `url.insteadOf` or a proxy
would lead elsewhere), and nothing is checked out: no hook, filter or submodule has a part in it.

The first line of standard input is the request; then each line is a path, and the answer to each
is a line of JSON, with the bytes of the file after it. `{"tree": folder}` in the place of a path is
answered with the paths of all files below a folder.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from queue import SimpleQueue
from typing import IO, TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    import pygit2

__all__ = ("main",)

_WANTED = "refs/airswasm/wanted"
_EVERYTHING = ("+refs/heads/*:refs/airswasm/heads/*", "+refs/tags/*:refs/airswasm/tags/*")
_MOST_OBJECTS = 2_000_000
_ID_DIGITS = 40
_TREE, _LINK, _SUBMODULE = 0o040000, 0o120000, 0o160000
_EXECUTABLE, _MOST_FILES = 0o100755, 10_000
_MODES = {_LINK: "is a symbolic link", _SUBMODULE: "is a submodule"}
_DEFAULT_KEYS = ("id_ed25519", "id_ecdsa", "id_rsa")


class _Refused(Exception):
    """The reason why this commit cannot be had; the parent tells it."""

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind, self.reason = kind, reason


def main(lines: IO[bytes] = sys.stdin.buffer, answers: IO[bytes] = sys.stdout.buffer) -> None:
    """Carry out the request, and answer until the input ends."""
    request = json.loads(lines.readline())
    paths: SimpleQueue[bytes] = SimpleQueue()
    threading.Thread(target=_listen, args=(lines, paths), daemon=True).start()
    _limit(request)
    try:
        commit, repository = _fetch(request, answers)
        _say(answers, commit=str(commit.id))
        most = int(request["most_file_bytes"])
        while True:
            asked = json.loads(paths.get())
            if isinstance(asked, str):
                _answer(repository, commit, asked, most, answers)
            else:
                _list(commit, str(asked["tree"]), answers)
    except _Refused as error:
        _say(answers, failed=error.kind, reason=error.reason)
    except MemoryError:
        _say(answers, failed="large", reason="more memory than allowed")


def _listen(lines: IO[bytes], paths: SimpleQueue[bytes]) -> None:
    """Pass on what is asked, and end the process with its parent, whatever libgit2 waits for."""
    for line in lines:
        paths.put(line)
    os._exit(0)


def _limit(request: Mapping[str, Any]) -> None:
    """Bound what the process may take; Windows has no such bounds."""
    try:
        import resource
    except ModuleNotFoundError:
        return
    bounds = {
        resource.RLIMIT_AS: int(request["memory_bytes"]),
        resource.RLIMIT_CPU: int(request["cpu_seconds"]),
        resource.RLIMIT_FSIZE: int(request["most_bytes"]) + 64 * 2**20,
        resource.RLIMIT_CORE: 0,
    }
    for number, most in bounds.items():
        _, hard = resource.getrlimit(number)
        bound = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(number, (bound, bound))


def _fetch(
    request: Mapping[str, Any], answers: IO[bytes]
) -> tuple[pygit2.Commit, pygit2.Repository]:
    import pygit2
    from pygit2.enums import ConfigLevel

    folder = str(request["folder"])
    for level in (ConfigLevel.SYSTEM, ConfigLevel.GLOBAL, ConfigLevel.XDG):
        pygit2.settings.search_path[level] = folder
    pygit2.settings.template_path = folder
    # libssh2 compares the server's key with ~/.ssh/known_hosts.
    pygit2.settings.homedir = str(request["home"])
    pygit2.settings.server_connect_timeout = 15_000
    pygit2.settings.server_timeout = int(float(request["silence"]) * 1000)
    if request["ca_file"]:
        pygit2.settings.set_ssl_cert_locations(str(request["ca_file"]), None)
    repository = pygit2.init_repository(f"{folder}/bare", bare=True)
    remote = repository.remotes.create_anonymous(str(request["url"]))
    callbacks = _callbacks(request, answers)
    proxy = request["proxy"] or None
    try:
        heads = remote.list_heads(callbacks=callbacks, proxy=proxy)
        advertised = {str(each.name): str(each.oid) for each in heads}
        wanted = _choose(str(request["ref"]), advertised)
        depth = 0 if request["is_local"] else 1
        commit = _fetched(repository, remote, wanted, callbacks, proxy, depth)
    except (pygit2.GitError, ValueError, KeyError, OSError) as error:
        raise _explained(error) from None
    return commit, repository


def _fetched(
    repository: pygit2.Repository, remote: Any, wanted: str, callbacks: Any, proxy: Any, depth: int
) -> pygit2.Commit:
    import pygit2

    options = {"callbacks": callbacks, "proxy": proxy}
    if not _is_id(wanted):
        remote.fetch([f"+{wanted}:{_WANTED}"], depth=depth, **options)
        return repository.references[_WANTED].peel(pygit2.Commit)
    try:  # few servers give a commit that is the end of no branch
        remote.fetch([f"+{wanted}:{_WANTED}"], depth=depth, **options)
    except (pygit2.GitError, ValueError, KeyError):
        remote.fetch(list(_EVERYTHING), **options)
    found: Any = repository.get(wanted)
    if not isinstance(found, pygit2.Commit):
        raise _Refused("missing", f"no branch or tag leads to the commit {wanted}")
    return found


def _choose(ref: str, advertised: Mapping[str, str]) -> str:
    """Return the full name of what to fetch, or the id of a commit."""
    if not advertised:
        raise _Refused("missing", "the repository is empty")
    if not ref:
        if "HEAD" not in advertised:
            raise _Refused("missing", "the repository has no HEAD; name a branch, tag or commit")
        return "HEAD"
    if _is_id(ref):
        named = (name for name, found in advertised.items() if found == ref and "^" not in name)
        return next((name for name in named if name != "HEAD"), ref)
    names = [ref] if ref.startswith("refs/") else [f"refs/heads/{ref}", f"refs/tags/{ref}"]
    found = [name for name in names if name in advertised]
    if len({advertised.get(f"{name}^{{}}", advertised[name]) for name in found}) > 1:
        raise _Refused("missing", f"{ref} is a branch and a tag; write {' or '.join(found)}")
    if not found:
        raise _Refused("missing", f"the repository has no branch or tag {ref}")
    return found[0]


def _callbacks(request: Mapping[str, Any], answers: IO[bytes]) -> Any:
    import pygit2
    from pygit2.enums import CredentialType

    most_bytes = int(request["most_bytes"])

    class Callbacks(pygit2.RemoteCallbacks):
        """Give the login once, and end the process where it may not go on.

        libgit2 says good-bye to a server before it reports an error, and may wait for ever for
        one that does not listen.
        """

        tries = 0
        shown = 0

        def certificate_check(self, certificate: None, valid: bool, host: bytes) -> bool:
            del certificate
            if not valid:
                _end(
                    answers, "identity", f"the key or certificate of {host.decode()} is not trusted"
                )
            return True

        def credentials(
            self, url: str, username_from_url: str | None, allowed_types: CredentialType
        ) -> Any:
            del url  # a redirect is refused: it is the one that was asked for
            self.tries += 1
            name, password = request["login"] or ("", "")
            if allowed_types & CredentialType.USERPASS_PLAINTEXT and password and self.tries == 1:
                return pygit2.UserPass(name, password)
            if allowed_types & CredentialType.SSH_KEY:
                key = _key(username_from_url or name, self.tries)
                if key is None:
                    _end(answers, "login", "no key of the ssh agent or of ~/.ssh was accepted")
                return key
            if allowed_types & CredentialType.USERNAME:
                return pygit2.Username(name or "git")
            _end(answers, "login", "the server wants a login, or did not accept it")

        def transfer_progress(self, stats: Any) -> None:
            if stats.received_bytes > most_bytes or stats.total_objects > _MOST_OBJECTS:
                _end(answers, "large", "the pack is too large")
            if stats.received_bytes - self.shown >= 2**16:
                self.shown = stats.received_bytes
                _say(answers, received=self.shown)

    return Callbacks()


def _key(name: str, tries: int) -> Any:
    """Return the agent's keys first, then the key files that have no passphrase."""
    import pygit2

    ways: list[Any] = []
    if os.environ.get("SSH_AUTH_SOCK"):
        ways.append(lambda: pygit2.KeypairFromAgent(name))
    folder = Path("~").expanduser() / ".ssh"
    for each in _DEFAULT_KEYS:
        if (folder / each).is_file():
            ways.append(
                lambda each=each: pygit2.Keypair(
                    name, str(folder / f"{each}.pub"), str(folder / each), ""
                )
            )
    return ways[tries - 1]() if tries <= len(ways) else None


def _end(answers: IO[bytes], kind: str, reason: str) -> NoReturn:
    _say(answers, failed=kind, reason=reason)
    os._exit(0)


def _explained(error: Exception) -> _Refused:
    text = " ".join(str(error).split()) or type(error).__name__
    lowered = text.lower()
    if "certificate" in lowered or "host key" in lowered or "hostkey" in lowered:
        return _Refused("identity", text)
    if "auth" in lowered or "401" in lowered or "403" in lowered or "credential" in lowered:
        return _Refused("login", text)
    return _Refused("failed", text)


def _is_id(text: str) -> bool:
    return len(text) == _ID_DIGITS and all(each in "0123456789abcdef" for each in text)


def _answer(
    repository: pygit2.Repository, commit: pygit2.Commit, path: str, most: int, answers: IO[bytes]
) -> None:
    """Send a file, or why there is none."""
    found = _find(repository, commit, path, most)
    if isinstance(found, bytes):
        _say(answers, size=len(found))
        answers.write(found)
        answers.flush()
    else:
        _say(answers, **found)


def _list(commit: pygit2.Commit, folder: str, answers: IO[bytes]) -> None:
    """Send the paths of all files below a folder, or why there are none."""
    tree: Any = commit.tree
    for part in folder.split("/") if folder else ():
        tree = _entry(tree, part)
        if tree is None or tree.filemode != _TREE:
            _say(answers, refused="is no folder of this commit")
            return
    found: list[tuple[str, bool]] = []
    waiting = [("", tree)]
    while waiting:
        prefix, each = waiting.pop()
        for entry in each:
            path = f"{prefix}{entry.name}"
            if entry.filemode == _TREE:
                waiting.append((f"{path}/", entry))
            elif entry.filemode not in _MODES:  # what a link leads to is no part of it
                found.append((path, entry.filemode == _EXECUTABLE))
        if len(found) + len(waiting) > _MOST_FILES:
            _say(answers, refused=f"has more than {_MOST_FILES:,} files")
            return
    _say(answers, files=found)


def _find(
    repository: pygit2.Repository, commit: pygit2.Commit, path: str, most: int
) -> bytes | dict[str, object]:
    *folders, name = path.split("/")
    try:
        tree = commit.tree
        for part in folders:
            entry = _entry(tree, part)
            if entry is None:
                return {"missing": path}
            if entry.filemode != _TREE:
                return {"refused": _MODES.get(entry.filemode, "is no folder")}
            tree = entry
        entry = _entry(tree, name)
        if entry is None:
            return {"missing": path}
        if entry.filemode in _MODES or entry.filemode == _TREE:
            return {"refused": _MODES.get(entry.filemode, "is a folder")}
        _, size = repository.odb.read_header(entry.id)
        if size > most:
            return {"large": size}
        blob: Any = repository[entry.id]
        data: bytes = blob.data
    except (KeyError, ValueError, OSError, MemoryError) as error:
        return {"refused": f"cannot be read: {' '.join(str(error).split())}"}
    return data


def _entry(tree: Any, name: str) -> Any:
    return tree[name] if name and name in tree else None


def _say(answers: IO[bytes], **fields: object) -> None:
    answers.write(json.dumps(fields).encode() + b"\n")
    answers.flush()


if __name__ == "__main__":
    main()

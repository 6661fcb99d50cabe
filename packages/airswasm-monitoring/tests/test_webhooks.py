"""Receivers of alerts: what they are told, signed, and what those can do that hang, lie or fail.

The receiver is a real https server on loopback; signatures are checked by the library of Standard
Webhooks, and by the public key.
"""

from __future__ import annotations

import base64
import json
import ssl
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import anyio.abc
import anyio.lowlevel
import h11
import pytest
import trustme
from airswasm.monitoring import AlertSettings, Webhook
from airswasm.monitoring._alerts.receivers import Notice, Receivers
from airswasm.monitoring._alerts.webhook import Sender, Signer, read_signer
from airswasm.monitoring.errors import NotificationFailed, WebhookKeyUnreadable
from airswasm.security import generate_key, save_private_key
from anyio.lowlevel import checkpoint
from anyio.streams.tls import TLSStream
from standardwebhooks import Webhook as StandardWebhook
from standardwebhooks import WebhookVerificationError

pytestmark = pytest.mark.anyio

SECRET = "whsec_" + base64.b64encode(b"a secret of thirty-two bytes ...").decode()
NOW = 1_800_000_000.0
Answer = Callable[[anyio.abc.SocketStream], Awaitable[None]]


class Receiver:
    """An https server that keeps what is posted to it.

    Attributes:
        requests: The headers and bodies, in order.
        statuses: The statuses of the next answers; then 200.
        answer: Answers instead, if it is given.
    """

    def __init__(self, folder: Path) -> None:
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.statuses: list[int] = []
        self.answer: Answer | None = None
        self.port = 0
        self.connections = 0
        self._authority = trustme.CA()
        self.ca_file = folder / "ca.pem"
        self._authority.cert_pem.write_to_path(str(self.ca_file))

    @asynccontextmanager
    async def serving(self) -> AsyncGenerator[None]:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._authority.issue_cert("hook.example").configure_cert(context)
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
        self.port = int(listener.extra(anyio.abc.SocketAttribute.local_port))

        async def serve(plain: anyio.abc.SocketStream) -> None:
            with suppress(anyio.EndOfStream, anyio.BrokenResourceError, ssl.SSLError, OSError):
                async with plain:
                    await self._serve(
                        await TLSStream.wrap(
                            plain, ssl_context=context, server_side=True,
                            standard_compatible=False,
                        )
                    )  # fmt: skip

        async with listener, anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, serve)
            yield
            tasks.cancel_scope.cancel()

    async def _serve(self, stream: TLSStream) -> None:
        self.connections += 1
        async with stream:
            if self.answer is not None:
                await self.answer(stream)
                return
            protocol = h11.Connection(h11.SERVER)
            headers: dict[str, str] = {}
            body = b""
            while True:
                event = protocol.next_event()
                if event is h11.NEED_DATA:
                    protocol.receive_data(await stream.receive())
                elif isinstance(event, h11.Request):
                    headers = {key.decode(): value.decode() for key, value in event.headers}
                elif isinstance(event, h11.Data):
                    body += event.data
                else:
                    break
            self.requests.append((headers, body))
            status = self.statuses.pop(0) if self.statuses else 200
            await stream.send(f"HTTP/1.1 {status} OK\r\nContent-Length: 0\r\n\r\n".encode())

    def settings(self, **changed: Any) -> AlertSettings:
        webhook = Webhook("hook", f"https://hook.example:{self.port}/in?a=b", **changed)
        return AlertSettings(
            webhooks=(webhook,), internal_networks=("127.0.0.0/8",), ca_file=str(self.ca_file)
        )

    def alerts(self, number: int = -1) -> list[dict[str, Any]]:
        return json.loads(self.requests[number][1])["alerts"]  # type: ignore[no-any-return]


@pytest.fixture
async def receiver(tmp_path: Path) -> AsyncGenerator[Receiver]:
    made = Receiver(tmp_path)
    async with made.serving():
        yield made


async def loopback(_host: str, _port: int) -> list[str]:
    return ["127.0.0.1"]


def sender(settings: AlertSettings, folder: Path) -> Sender:
    return Sender(settings, folder, resolve=loopback)


def notice(component: str = "shop/web", **changed: Any) -> Notice:
    given: dict[str, Any] = {
        "labels": {"component": component, "alertname": "Full"},
        "annotations": {"summary": "it is full"},
        "severity": "critical",
        "starts_at": 1_000,
    }
    return Notice(**{**given, **changed})


@asynccontextmanager
async def telling(
    receiver: Receiver, folder: Path, told: dict[str, Any] | None = None, **changed: Any
) -> AsyncGenerator[Receivers]:
    settings = receiver.settings(**changed)
    receivers = Receivers(
        settings, folder, {} if told is None else told, lambda: NOW, sender(settings, folder)
    )
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(receivers.run)
        with anyio.fail_after(20):
            yield receivers
        tasks.cancel_scope.cancel()


async def settled(receivers: Receivers, **outcomes: int) -> None:
    while {key: count for key, count in receivers.outcomes.items() if count} != outcomes:
        await checkpoint()


async def test_a_receiver_is_told_once_what_fires_and_once_what_ended(
    receiver: Receiver, tmp_path: Path
) -> None:
    """The body is that of Alertmanager; the same again is no news."""
    told: dict[str, Any] = {}
    async with telling(receiver, tmp_path, told) as receivers:
        for _ in range(3):
            receivers.tell([notice()])
            await settled(receivers, sent=1)
        receivers.tell([])
        await settled(receivers, sent=2)
    headers, body = receiver.requests[0]
    assert headers["host"] == f"hook.example:{receiver.port}"
    document = json.loads(body)
    assert (document["version"], document["status"]) == ("4", "firing")
    (alert,) = document["alerts"]
    assert (alert["status"], alert["startsAt"]) == ("firing", "1970-01-01T00:00:01.000Z")
    assert alert["labels"] == {"component": "shop/web", "alertname": "Full"}
    (ended,) = receiver.alerts()
    assert (ended["status"], ended["fingerprint"]) == ("resolved", alert["fingerprint"])
    assert ended["endsAt"] == "2027-01-15T08:00:00.000Z"
    assert told == {"hook": {}}


async def test_a_restart_repeats_nothing_and_forgets_nothing(
    receiver: Receiver, tmp_path: Path
) -> None:
    """What a receiver was told is kept; what ended meanwhile is told by the next host."""
    told: dict[str, Any] = {"gone": {}}
    async with telling(receiver, tmp_path, told) as receivers:
        receivers.tell([notice("a/a"), notice("b/b")])
        await settled(receivers, sent=1)
    told = json.loads(json.dumps(told))
    assert told.keys() == {"hook"}
    async with telling(receiver, tmp_path, told) as receivers:
        receivers.tell([notice("b/b")])
        await settled(receivers, sent=1)
    assert [each["labels"]["component"] for each in receiver.alerts()] == ["a/a"]


async def test_the_severities_and_silences_choose_what_is_told(
    receiver: Receiver, tmp_path: Path
) -> None:
    """A silent alert is no news, also when a receiver knows it already."""
    async with telling(receiver, tmp_path, severities=("critical",)) as receivers:
        receivers.tell([notice("a/a"), notice("b/b", severity="info"),
                        notice("c/c", is_silent=True)])  # fmt: skip
        await settled(receivers, sent=1)
        receivers.tell([notice("a/a", is_silent=True)])
        receivers.tell([])
        await settled(receivers, sent=2)
    assert [each["labels"]["component"] for each in receiver.alerts(0)] == ["a/a"]
    assert [each["status"] for each in receiver.alerts(1)] == ["resolved"]


async def test_a_notification_is_signed(receiver: Receiver, tmp_path: Path) -> None:
    """By the secret and the key; another body, time or id does not verify."""
    key = generate_key()
    save_private_key(key, tmp_path / "key.pem")
    (tmp_path / "secret").write_text(SECRET + "\n")
    settings = receiver.settings(secret_file="secret", key_file="key.pem")
    signer = read_signer(settings.webhooks[0], tmp_path)
    await sender(settings, tmp_path).post(
        settings.webhooks[0], b'{"a": 1}', signer=signer, number="msg_1", time=int(time.time())
    )
    ((headers, body),) = receiver.requests
    assert StandardWebhook(SECRET).verify(body, headers) == {"a": 1}
    for changed in ({"webhook-id": "msg_2"}, {"webhook-timestamp": str(int(time.time()) - 9)}):
        with pytest.raises(WebhookVerificationError):
            StandardWebhook(SECRET).verify(body, {**headers, **changed})
    signature = headers["webhook-signature"].split(" v1a,")[1]
    content = f"msg_1.{headers['webhook-timestamp']}.".encode() + body
    assert key.public.verifies(base64.b64decode(signature), content)


async def test_a_receiver_that_fails_is_tried_again(receiver: Receiver, tmp_path: Path) -> None:
    """With the same id; the health report says so until it is told."""
    receiver.statuses = [500]
    async with telling(receiver, tmp_path) as receivers:
        receivers.tell([notice()])
        await settled(receivers, failed=1)
        (finding,) = receivers.findings()
        assert "hook: answers 500" in finding.text
        await settled(receivers, failed=1, sent=1)
        assert list(receivers.findings()) == []
    first, second = (headers["webhook-id"] for headers, _ in receiver.requests)
    assert first == second


async def test_a_receiver_whose_key_is_missing_is_named(receiver: Receiver, tmp_path: Path) -> None:
    """The health report says whose it is, and what its file should hold."""
    async with telling(receiver, tmp_path, secret_file="none") as receivers:
        receivers.tell([notice()])
        await settled(receivers, failed=1)
        (finding,) = receivers.findings()
    assert f"hook: {tmp_path / 'none'}: No such file" in finding.text
    assert "whsec_" in finding.hint


async def test_a_receiver_that_refuses_is_asked_again_when_there_is_news(
    receiver: Receiver, tmp_path: Path
) -> None:
    """`400` to the same request would be `400` again."""
    receiver.statuses = [400]
    async with telling(receiver, tmp_path) as receivers:
        receivers.tell([notice()])
        await settled(receivers, refused=1)
        receivers.tell([notice()])
        receivers.tell([notice(), notice("b/b")])
        await settled(receivers, refused=1, sent=1)
    assert len(receiver.requests) == 2
    assert len(receiver.alerts()) == 2


async def drip(stream: Any) -> None:
    await stream.send(b"HTTP/1.1 200 OK\r\nX: ")
    while True:
        await stream.send(b"a" * 1000)
        await anyio.lowlevel.checkpoint()


async def lie(stream: Any) -> None:
    await stream.send(b"\x00\xff" * 100)


async def close(stream: Any) -> None:
    await stream.aclose()


async def redirect(stream: Any) -> None:
    await stream.receive()
    await stream.send(b"HTTP/1.1 302 Found\r\nLocation: https://127.0.0.1/\r\n\r\n")


async def early(stream: Any) -> None:
    await stream.receive()
    await stream.send(b"HTTP/1.1 100 Continue\r\n\r\n" * 3 + b"HTTP/1.1 204 No\r\n\r\n")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [(drip, "does not speak http"), (lie, "does not speak http"), (close, "closed"),
     (redirect, "answers 302")],
)  # fmt: skip
async def test_a_receiver_that_lies_is_a_failure(
    receiver: Receiver, tmp_path: Path, answer: Answer, reason: str
) -> None:
    """An endless head, no http at all, no answer, and a way elsewhere."""
    receiver.answer = answer
    settings = receiver.settings()
    with anyio.fail_after(10), pytest.raises(NotificationFailed, match=reason):
        await sender(settings, tmp_path).post(
            settings.webhooks[0], b"{}", signer=Signer(), number="m", time=0
        )


async def test_only_the_last_of_several_answers_counts(receiver: Receiver, tmp_path: Path) -> None:
    """Informational answers come before the one that says what became of it."""
    receiver.answer = early
    settings = receiver.settings()
    await sender(settings, tmp_path).post(
        settings.webhooks[0], b"{}", signer=Signer(), number="m", time=0
    )


async def test_a_key_that_is_missing_is_seen_before_the_first_alert(tmp_path: Path) -> None:
    """And not any more, once it is there."""
    settings = AlertSettings(webhooks=(Webhook("hook", "https://h.example/", secret_file="s"),))
    receivers = Receivers(settings, tmp_path, {}, lambda: NOW)

    (finding,) = receivers.findings()
    assert "hook" in finding.text
    assert "No such file" in finding.text
    assert "whsec_" in finding.hint

    (tmp_path / "s").write_text("whsec_" + base64.b64encode(bytes(32)).decode())
    assert list(receivers.findings()) == []


async def test_a_receiver_that_hangs_disturbs_no_other(receiver: Receiver, tmp_path: Path) -> None:
    """Each has a task of its own."""
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(anyio.abc.SocketAttribute.local_port)
    good = receiver.settings()
    settings = replace(
        good, webhooks=(Webhook("hanging", f"https://hook.example:{port}/"), *good.webhooks)
    )

    async def hang(stream: anyio.abc.SocketStream) -> None:
        async with stream:
            await anyio.sleep_forever()

    receivers = Receivers(settings, tmp_path, {}, lambda: NOW, sender(settings, tmp_path))
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, hang)
        tasks.start_soon(receivers.run)
        receivers.tell([notice()])
        with anyio.fail_after(20):
            await settled(receivers, sent=1)
        tasks.cancel_scope.cancel()


async def test_a_whole_exchange_has_one_deadline(
    receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where bytes come, one by one."""
    monkeypatch.setattr("airswasm.monitoring._alerts.webhook._DEADLINE_SECONDS", 0.2)

    async def drop_by_drop(stream: Any) -> None:
        while True:
            await stream.send(b"H")
            await anyio.sleep(0.01)

    receiver.answer = drop_by_drop
    settings = receiver.settings()
    with pytest.raises(NotificationFailed, match=r"does not answer|does not speak"):
        await sender(settings, tmp_path).post(
            settings.webhooks[0], b"{}", signer=Signer(), number="m", time=0
        )


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1",
     "0.0.0.0", "224.0.0.1", "100.64.0.1", "no address"],
)  # fmt: skip
async def test_an_address_inside_is_refused(tmp_path: Path, address: str) -> None:
    """However it is spelled, and although another of the answer is outside."""

    async def resolve(_host: str, _port: int) -> list[str]:
        return ["93.184.216.34", address]

    webhook = Webhook("hook", "https://hook.example/")
    posting = Sender(AlertSettings(webhooks=(webhook,)), tmp_path, resolve=resolve)
    with pytest.raises(NotificationFailed, match="internal_networks"):
        await posting.post(webhook, b"{}", signer=Signer(), number="m", time=0)


async def test_a_certificate_for_another_name_is_refused(
    receiver: Receiver, tmp_path: Path
) -> None:
    """The connection goes to an address; the certificate must be for the name."""
    webhook = Webhook("hook", f"https://other.example:{receiver.port}/")
    settings = receiver.settings()
    with pytest.raises(NotificationFailed, match="certificate"):
        await sender(settings, tmp_path).post(webhook, b"{}", signer=Signer(), number="m", time=0)
    assert receiver.requests == []


@pytest.mark.parametrize("content", ["", "whsec_", "whsec_!!", "whsec_YWJj", "é", SECRET[6:]])
def test_a_secret_that_is_none_is_refused(tmp_path: Path, content: str) -> None:
    """Too short, no base64, no prefix, no file."""
    webhook = Webhook("hook", "https://hook.example/", secret_file="secret")
    with pytest.raises(WebhookKeyUnreadable, match="No such file"):
        read_signer(webhook, tmp_path)
    (tmp_path / "secret").write_text(content, encoding="utf-8")
    with pytest.raises(WebhookKeyUnreadable, match="whsec_"):
        read_signer(webhook, tmp_path)
    keyed = Webhook("hook", "https://hook.example/", key_file="secret")
    with pytest.raises(WebhookKeyUnreadable):
        read_signer(keyed, tmp_path)

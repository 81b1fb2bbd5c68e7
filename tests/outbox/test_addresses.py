"""Where events may be sent: addresses, URLs, and names that answer differently later."""

import ssl
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from billing.core.refusals import Invalid
from billing.outbox import Destinations, Sender, destinations
from billing.outbox.addresses import closed
from billing.outbox.sender import Sent

from .receiver import CERTIFICATE, NAME, Receiver

OPEN = [
    "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0",
    "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.167.255.255", "192.169.0.0", "223.255.255.255",
    "2600::1", "2a00:1450:4001:82a::200e", "2001:4860:4860::8888", "2001:200::1", "64:ff9b::8.8.8.8",
]  # fmt: skip
CLOSED = [
    "0.0.0.0", "0.1.2.3", "10.0.0.0", "10.255.255.255", "100.64.0.0", "100.127.255.255", "127.0.0.1", "127.255.255.255",
    "169.254.0.0", "169.254.169.254", "172.16.0.0", "172.31.255.255", "192.0.0.1", "192.0.2.1", "192.88.99.1",
    "192.168.0.0", "192.168.255.255", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1",
    "239.255.255.255", "240.0.0.1", "255.255.255.255",
    "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::ffff:0:127.0.0.1", "64:ff9b::127.0.0.1",
    "64:ff9b::169.254.169.254", "64:ff9b::10.0.0.1", "64:ff9b:1::8.8.8.8", "100::1", "2001::1", "2001:10::1", "2001:db8::1",
    "2002:7f00:1::", "2002:808:808::1", "3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0",
    "fec0::1", "ff02::1",
]  # fmt: skip


@pytest.mark.parametrize("address", OPEN)
def test_open(address: str) -> None:
    assert closed(address) is None


@pytest.mark.parametrize("address", CLOSED)
def test_closed(address: str) -> None:
    assert closed(address)


class Resolver:
    """Answers each question with the next of `answers`, and remembers what it was asked."""

    def __init__(self, *answers: Sequence[str] | OSError) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        answer = self.answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer


async def refused(where: Destinations, url: str) -> str:
    with pytest.raises(Invalid) as refusal:
        await where.admit(url)
    (error,) = refusal.value.errors
    assert error["field"] == "url"
    return error["message"]


@pytest.mark.parametrize(
    "url",
    [
        "", "hooks", "//example.com/", "ftp://example.com/", "file:///etc/passwd", "gopher://example.com/",
        "http://example.com/", "HTTP://example.com/", "javascript:alert(1)", "https://", "https:///x", "https://:443/",
        "https://user@example.com/", "https://user:password@example.com/", "https://good.example\\@10.0.0.1/",
        "https://localhost/", "https://LOCALHOST:8443/", "https://localhost./", "https://a.localhost/",
        "https://example.com:99999/", "https://example.com:0/", "https://example.com:x/", "https://exa mple.com/",
        "https://a..b/", "https://-x.example/", "https://%31%32%37.0.0.1/", "https://[::1", "https://[v1.x]/",
        "https://exam\tple.com/", "https://example.com/\x00", "https://example.com/\ud800", "https://１２７.0.0.1/",
        "https://" + "a" * 64 + ".example/", "https://" + ".".join(["a" * 60] * 5) + "/", "https://example.com/" + "x" * 2_000,
    ],
)  # fmt: skip
async def test_urls_that_are_none(url: str) -> None:
    """None of them is even looked up."""
    resolver = Resolver()
    await refused(Destinations(resolve=resolver), url)
    assert resolver.asked == []


@pytest.mark.parametrize(
    "url",
    [f"https://{address}/" for address in CLOSED if ":" not in address]
    + [f"https://[{address}]:8443/x" for address in CLOSED if ":" in address and "%" not in address]
    # Other ways to write addresses of this machine, which the system's resolver understands.
    + ["https://127.1/", "https://2130706433/", "https://0x7f.0.0.1/", "https://0177.0.0.1/", "https://0/"],
)
async def test_addresses_in_urls(url: str) -> None:
    """With the system's resolver, which needs no network for these."""
    await refused(Destinations(), url)


@pytest.mark.parametrize("answer", [["10.0.0.1"], ["8.8.8.8", "10.0.0.1"], ["2600::1", "::1"], [], OSError("no name")])
async def test_names_of_which_any_address_is_closed(answer: Sequence[str] | OSError) -> None:
    message = await refused(Destinations(resolve=Resolver(answer)), "https://hooks.example/")
    assert "10.0.0.1" not in message


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://hooks.example/in?key=a@b#part", "hooks.example"),
        ("HTTPS://Hooks.Example.:8443", "hooks.example."),
        ("https://bücher.example/", "xn--bcher-kva.example"),
        ("https://my_host.example/", "my_host.example"),
    ],
)
async def test_names_that_are_open(url: str, host: str) -> None:
    resolver = Resolver(["8.8.8.8", "2600::1"])
    await Destinations(resolve=resolver).admit(url)
    assert resolver.asked == [host]


async def test_where_private_is_allowed_everything_of_the_form_is() -> None:
    where = Destinations(allow_private=True, resolve=Resolver())
    for url in ("http://localhost:8080/", "http://10.0.0.1/", "https://[::1]/", "http://not-there.example/"):
        await where.admit(url)
    for url in ("ftp://localhost/", "http://user@localhost/", "http:///"):
        await refused(where, url)


class TestAtDelivery:
    """What was open at registration is looked at again, and what was looked at is what is connected to."""

    @pytest.fixture
    def secure(self) -> Iterator[Receiver]:
        with Receiver(tls=True) as receiver:
            yield receiver

    @pytest.fixture
    def trusting(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(CERTIFICATE))

    @pytest.fixture
    def loopback_is_open(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """127.0.0.1 stands for a public address; its neighbour 127.0.0.2, where nobody listens, does not."""
        monkeypatch.setattr(destinations, "closed", lambda address: None if address == "127.0.0.1" else closed(address))

    @pytest.mark.usefixtures("loopback_is_open")
    async def test_a_name_that_changes_its_answer(self, secure: Receiver, trusting: ssl.SSLContext) -> None:
        resolver = Resolver(["127.0.0.1"], ["127.0.0.1"], ["127.0.0.2"], ["127.0.0.1", "127.0.0.2"])
        where = Destinations(resolve=resolver)
        url = f"https://{NAME}:{secure.port}/"
        await where.admit(url)
        async with sending(where, certificates=trusting) as sender:
            outcomes = [await sender.post(url, {}, b"{}") for _ in range(3)]
        assert outcomes[0] == Sent(200, None)
        for outcome in outcomes[1:]:
            assert outcome.status is None
            assert outcome.problem.startswith("not sent: ")
        assert (secure.connections, resolver.answers) == (1, [])  # one look-up for each

    async def test_a_receiver_on_a_closed_address_never_hears_of_it(
        self, secure: Receiver, trusting: ssl.SSLContext
    ) -> None:
        where = Destinations(resolve=Resolver(["127.0.0.1"]))
        async with sending(where, certificates=trusting) as sender:
            for url in (f"https://{NAME}:{secure.port}/", f"https://127.0.0.1:{secure.port}/", "http://127.0.0.1/"):
                where._resolve = Resolver(["127.0.0.1"])
                outcome = await sender.post(url, {}, b"{}")
                assert outcome.status is None
                assert outcome.problem.startswith("not sent: ")
        assert secure.connections == 0

    async def test_the_name_stays_in_host_and_in_tls(self, secure: Receiver, trusting: ssl.SSLContext) -> None:
        where = Destinations(allow_private=True, resolve=Resolver(["127.0.0.1"]))
        async with sending(where, certificates=trusting) as sender:
            outcome = await sender.post(f"https://{NAME}:{secure.port}/in?key=1", {"x-some": "header"}, b"{}")
        assert outcome == Sent(200, None)
        (heard,) = secure.heard
        assert (heard.path, heard.body, heard.headers["x-some"]) == ("/in?key=1", b"{}", "header")
        assert heard.headers["host"] == f"{NAME}:{secure.port}"
        assert secure.names == [NAME]

    @pytest.mark.parametrize("name", ["other.example", "127.0.0.1"])
    async def test_a_certificate_of_another_name(self, secure: Receiver, trusting: ssl.SSLContext, name: str) -> None:
        where = Destinations(allow_private=True, resolve=Resolver(["127.0.0.1"]))
        async with sending(where, certificates=trusting) as sender:
            outcome = await sender.post(f"https://{name}:{secure.port}/", {}, b"{}")
        assert outcome.status is None
        assert "certificate" in outcome.problem
        assert (secure.connections, secure.heard) == (1, [])

    async def test_a_certificate_that_nobody_vouches_for(self, secure: Receiver) -> None:
        async with sending(Destinations(allow_private=True, resolve=Resolver(["127.0.0.1"]))) as sender:
            outcome = await sender.post(f"https://{NAME}:{secure.port}/", {}, b"{}")
        assert outcome.status is None
        assert "certificate" in outcome.problem
        assert secure.heard == []

    async def test_two_names_at_one_address_share_no_connection(
        self, secure: Receiver, trusting: ssl.SSLContext
    ) -> None:
        where = Destinations(allow_private=True, resolve=Resolver(["127.0.0.1"], ["127.0.0.1"]))
        async with sending(where, certificates=trusting) as sender:
            assert (await sender.post(f"https://{NAME}:{secure.port}/", {}, b"{}")).status == 200
            assert (await sender.post(f"https://other.example:{secure.port}/", {}, b"{}")).status is None
        assert (secure.names, len(secure.heard)) == ([NAME, "other.example"], 1)

    async def test_the_next_address_is_tried_where_the_first_takes_no_connection(self, receiver: Receiver) -> None:
        where = Destinations(allow_private=True, resolve=Resolver(["127.0.0.2", "127.0.0.1"], ["127.0.0.2"]))
        async with sending(where) as sender:
            url = f"http://{NAME}:{receiver.port}/"
            assert await sender.post(url, {}, b"{}") == Sent(200, None)
            assert (await sender.post(url, {}, b"{}")).problem.startswith("ConnectError")
        assert len(receiver.heard) == 1

    async def test_no_proxy_is_asked(self, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
        with Receiver() as proxy:
            for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
                monkeypatch.setenv(name, proxy.url())
            async with sending(Destinations(allow_private=True)) as sender:
                assert await sender.post(receiver.url(), {}, b"{}") == Sent(200, None)
            assert (proxy.connections, receiver.connections) == (0, 1)


@asynccontextmanager
async def sending(where: Destinations, **more: Any) -> AsyncIterator[Sender]:
    sender = Sender(where, **more)
    try:
        yield sender
    finally:
        await sender.close()

"""Webhooks: which addresses are allowed, and the signature of Standard Webhooks."""

from __future__ import annotations

import pytest

from grouping.domain.jobs.specification import JobSpec
from grouping.domain.jobs.webhooks import AllowedWebhooks, Signer
from grouping.errors import InvalidInputError
from grouping.use_cases.webhooks import check_webhooks, webhook_signer

ALLOWED = AllowedWebhooks.parse(
    "https://hooks.example/grouping/, http://127.0.0.1:9000, https://x.example:8443/a"
)


@pytest.mark.parametrize(
    "address",
    [
        "https://hooks.example/grouping/",
        "https://hooks.example/grouping/team?channel=ml",
        "https://hooks.example:443/grouping/x",
        "http://127.0.0.1:9000",
        "http://127.0.0.1:9000/anything",
        "https://x.example:8443/a",
        "https://x.example:8443/a/b",
    ],
)
def test_an_address_below_one_that_is_allowed_is_allowed(address: str) -> None:
    assert ALLOWED.refusal(address) == ""
    JobSpec("digits", ("loop",), notify=(address,))


@pytest.mark.parametrize(
    "address",
    [
        "http://hooks.example/grouping/",  # another scheme
        "https://hooks.example:444/grouping/",  # another port
        "https://hooks.example.evil.example/grouping/",
        "https://evil-hooks.example/grouping/",
        "https://hooks.example/groupings",  # not the whole part of the path
        "https://hooks.example/grouping",
        "https://x.example:8443/ab",
        "https://hooks.example/grouping/../admin",
        "https://hooks.example/grouping/%2e%2E/admin",
        "https://hooks.example/grouping/..%2fadmin",
        "https://hooks.example/grouping/%252e%252e/admin",
        "https://hooks.example/grouping/..\\admin",
        "https://hooks.example@evil.example/grouping/",
        "https://user:password@hooks.example/grouping/",
        "https://hooks.example/grouping/#x",
        "https://evil.example#@hooks.example/grouping/",
        "https://evil.example\\@hooks.example/grouping/",
        "HTTPS://HOOKS.example/grouping/",
        "https://hooks.example/grouping/\n",
        "https://hooks.example/grouping/ x",
        "https://hooks.exämple/grouping/",
        "http://127.0.0.1:90000/",
        "http://127.1:9000/",
        "http://2130706433:9000/",
        "http://[::1]:9000/",
        "http://localhost:9000/",
        "file:///etc/passwd",
        "//hooks.example/grouping/",
        "",
        "https://hooks.example/grouping/" + "x" * 2000,
    ],
)
def test_no_other_address_is_allowed_however_it_is_written(address: str) -> None:
    assert ALLOWED.refusal(address)


def test_nothing_is_allowed_unless_somebody_allows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GROUPING_WEBHOOKS", raising=False)
    spec = JobSpec("digits", ("loop",), notify=("https://a.example/", "https://b.example/"))
    with pytest.raises(InvalidInputError, match="GROUPING_WEBHOOKS") as caught:
        check_webhooks(spec)
    assert caught.value.pointer == "/notify/0"
    monkeypatch.setenv("GROUPING_WEBHOOKS", "https://a.example")
    with pytest.raises(InvalidInputError, match=r"allowed are https://a\.example") as caught:
        check_webhooks(spec)
    assert caught.value.pointer == "/notify/1"
    monkeypatch.setenv("GROUPING_WEBHOOKS", "https://a.example?x=1")
    with pytest.raises(InvalidInputError, match=r"GROUPING_WEBHOOKS: .* has a query"):
        check_webhooks(spec)


def test_a_signature_is_that_of_the_standard() -> None:
    """The example that the libraries of Standard Webhooks are tested with."""
    signer = Signer("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    headers = signer.headers("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330.9, b'{"test": 2432232314}')
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert headers["webhook-timestamp"] == "1614265330"
    assert "MfKQ" not in repr(signer)


def test_a_secret_is_read_from_a_file_or_the_environment_and_has_a_length(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.delenv("GROUPING_WEBHOOK_SECRET_FILE", raising=False)
    monkeypatch.setenv("GROUPING_WEBHOOK_SECRET", "")
    with pytest.raises(InvalidInputError, match="there is no secret"):
        webhook_signer()
    monkeypatch.setenv("GROUPING_WEBHOOK_SECRET", "short")
    with pytest.raises(InvalidInputError, match="at least 16 bytes"):
        webhook_signer()
    monkeypatch.setenv("GROUPING_WEBHOOK_SECRET", "whsec_not base64!")
    with pytest.raises(InvalidInputError, match="Base64"):
        webhook_signer()
    file = tmp_path_factory.mktemp("secret") / "secret"
    monkeypatch.setenv("GROUPING_WEBHOOK_SECRET_FILE", str(file))
    with pytest.raises(InvalidInputError, match="cannot be read"):
        webhook_signer()
    file.write_text("0123456789abcdef\n")
    assert webhook_signer() == Signer("0123456789abcdef")

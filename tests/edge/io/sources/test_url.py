"""What a stream is opened with: secrets in place of their names, in a form that servers take."""

from __future__ import annotations

import os

import pytest

from edge.errors import SourceError
from edge.io.sources.url import expand
from edge.redaction import redacted


def test_secrets_come_from_the_environment_or_a_file(tmp_path, monkeypatch):
    monkeypatch.setenv("CAM_PASSWORD", "p/w 1%41")
    (tmp_path / "user").write_text("admin\nnot this\n")
    address = f"rtsp://${{file:{tmp_path}/user}}:${{CAM_PASSWORD}}@cam/x?key=${{CAM_PASSWORD}}"
    assert expand(address) == "rtsp://admin:p%2Fw%201%2541@cam/x?key=p/w 1%41"
    assert redacted("p/w 1%41 p%2Fw%201%2541") == "*** ***"


def test_one_that_is_encoded_already_is_put_in_as_it_is(monkeypatch):
    monkeypatch.setenv("LOGIN", "admin:p%2Fw")
    assert expand("rtsp://${LOGIN|raw}@cam/1") == "rtsp://admin:p%2Fw@cam/1"
    assert expand("rtsp://${LOGIN}@cam/1") == "rtsp://admin%3Ap%252Fw@cam/1"


@pytest.mark.parametrize(
    ("written", "opened"),
    [
        ("rtsp://admin:a/b@c#d?e@cam/1", "rtsp://admin:a%2Fb%40c%23d%3Fe@cam/1"),
        ("rtsp://admin:100%@cam/1", "rtsp://admin:100%25@cam/1"),
        ("rtsp://admin:p%2Fw@cam/1", "rtsp://admin:p%2Fw@cam/1"),
        ("rtsp://10.0.0.7:554/a@b", "rtsp://10.0.0.7:554/a@b"),
        ("rtsp://admin:pw@10.0.0.7:554/a@b", "rtsp://admin:pw@10.0.0.7:554/a@b"),
        ("cache:http://u:a/b@cam/1", "cache:http://u:a%2Fb@cam/1"),
        ("Referer: http://cam.x/a@b", "Referer: http://cam.x/a@b"),
        ("http://cam/a@b:c", "http://cam/a@b:c"),
        ("-headers", "-headers"),
        ("From: a b@c", "From: a b@c"),
    ],
)
def test_what_a_password_may_not_hold_is_encoded(written, opened):
    assert expand(written) == opened


@pytest.mark.parametrize("rest", ["12345#@cam/1", "12345/x@cam/1", "12345?x@cam/1", "a@b/c@cam/1"])
def test_where_the_end_of_a_password_cannot_be_told_nobody_is_asked(rest):
    """By RFC 3986 the first of these is for the host admin."""
    with pytest.raises(SourceError, match=r"rtsp://admin:\*\*\*@cam/1: .* written %2F"):
        expand(f"rtsp://admin:{rest}")


def test_bytes_that_are_no_text_are_encoded(monkeypatch):
    monkeypatch.setenv("CAMERA", os.fsdecode(b"p\xff"))
    assert expand("rtsp://u:${CAMERA}@cam") == "rtsp://u:p%FF@cam"


def test_a_secret_that_is_not_there_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("EMPTY", "")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\xfa")
    for inside, why in [
        ("NOT_THERE", "secret NOT_THERE: no such variable"),
        ("NOT_THERE|raw", "secret NOT_THERE: no such variable"),
        ("file:/not/there", "secret file:/not/there: No such file"),
        (f"file:{tmp_path}/bytes", "not a file of UTF-8 text"),
        ("EMPTY", "secret EMPTY: it is empty"),
    ]:
        with pytest.raises(SourceError, match=why):
            expand(f"rtsp://${{{inside}}}@cam")

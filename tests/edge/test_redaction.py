"""Passwords: learned from whatever address was given, found in whatever spelling."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from edge.errors import EdgeError, ModelError, SourceError
from edge.io.recording import encoded
from edge.io.sinks.jsonl import failure_object
from edge.io.sources import open_source
from edge.pipeline import open_feed
from edge.redaction import masked, redacted, remember, userinfo, written_out
from edge.types import Failure


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("rtsp://admin:pa55@cam/1", "rtsp://admin:***@cam/1"),
        ("rtsp://admin:p@55@cam/1", "rtsp://admin:***@cam/1"),
        ("rtsp://admin:${CAM}@cam/1", "rtsp://admin:***@cam/1"),
        ("rtsp://admin:${file:/run/a@b/c}@cam/1", "rtsp://admin:***@cam/1"),
        ("rtsp://${USER}:${CAM|raw}@cam/1", "rtsp://***:***@cam/1"),
        ("rtsp://cam:554/1", "rtsp://cam:554/1"),
        ("rtsp://admin:pa/ss@10.0.0.7:554/1", "rtsp://admin:***@10.0.0.7:554/1"),
        ("rtsp://admin:a/b@c#d?e@10.0.0.7/1", "rtsp://admin:***@10.0.0.7/1"),
        ("RTSP://admin:pa55@cam/1", "RTSP://admin:***@cam/1"),
        (" rtsp://admin:pa55@cam/1", " rtsp://admin:***@cam/1"),
        ("rtmp://admin:pa55@cam/1", "rtmp://admin:***@cam/1"),
        ("rtps://admin:pa55@cam/1", "rtps://admin:***@cam/1"),
        ("rtsp:/admin:pa55@cam/1", "rtsp:/admin:***@cam/1"),
        ("rtsp:admin:pa55@cam/1", "rtsp:admin:***@cam/1"),
        ("rtsp//admin:pa55@cam/1", "rtsp//admin:***@cam/1"),
        ("admin:pa55@cam/1", "admin:***@cam/1"),
        ("test:rtsp://admin:pa55@cam", "test:rtsp://admin:***@cam"),
        ("usb:admin:pa55@cam", "usb:admin:***@cam"),
        ("rtsp://0123456789abcdef@cam/1", "rtsp://***@cam/1"),
        ("rtsp://0123456789abcdef:@cam/1", "rtsp://***:***@cam/1"),
        ("rtsp://0123456789abcdef0123:x@cam/1", "rtsp://***:***@cam/1"),
        ("srt://cam:9?passphrase=long&mode=caller", "srt://cam:9?passphrase=***&mode=caller"),
        (
            "rtsp://10.0.0.7/user=admin&password=Hunter2&channel=1",
            "rtsp://10.0.0.7/user=admin&password=***&channel=1",
        ),
        (
            "rtsp://10.0.0.7/user=admin_password=Hun@ter2_channel=1_stream=0.sdp",
            "rtsp://10.0.0.7/user=admin_password=***_channel=1_stream=0.sdp",
        ),
        ("http://cam/snap?loginuse=a&loginpas=Hunter2", "http://cam/snap?loginuse=a&loginpas=***"),
        ("http://cam/snap?token=${T}#fps=5", "http://cam/snap?token=***#fps=5"),
        ("http://cam.local/a@b:c", "http://cam.local/a@b:c"),
        ("rtsp://[fe80::1]:554/a@b", "rtsp://[fe80::1]:554/a@b"),
        ("photos/a@b.jpg", "photos/a@b.jpg"),
        ("images:a@b.jpg", "images:a@b.jpg"),
        ("usb:0?size=640x480", "usb:0?size=640x480"),
        ("test:conveyor?seed=7&frames=3", "test:conveyor?seed=7&frames=3"),
    ],
)
def test_an_address_is_shown_without_its_password(address, shown):
    assert masked(address) == shown
    assert masked(shown) == shown


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("http://u:pw@10.0.0.7:80/x@y", "http://u:***@10.0.0.7:80/x@y"),
        ("http://cam.local/proxy?url=http://u:pw@h/", "http://cam.local/proxy?url=http://u:***@h/"),
        ("ffmpeg:cache:http://u:pw@cam/1", "ffmpeg:cache:http://u:***@cam/1"),
        ("ffmpeg:-headers 'X-Token: abc' -i http://cam/1", "ffmpeg:-headers *** -i http://cam/1"),
        ("ffmpeg:-headers 'X-Token: a", "ffmpeg:-headers *** a"),
        ("http://cam/?pass%77ord=x&a=1", "http://cam/?pass%77ord=***&a=1"),
        ("http://cam/?keyframe=1&compass=2&monkey=3", "http://cam/?keyframe=1&compass=2&monkey=3"),
        ("srt://cam:9?streamid=x&mode=caller", "srt://cam:9?streamid=***&mode=caller"),
    ],
)
def test_addresses_inside_of_others_are_masked_too(address, shown):
    assert masked(address) == shown


def test_a_name_that_was_masked_stays_whatever_the_password_is():
    """Else the stars would show where else in it the password stands."""
    remember("http://admin:admin@cam/1")
    remember("http://a:mjpeg@cam/mjpeg/1")
    remember("rtsp://u:front@front:9/1")
    assert redacted("rtsp://u:***@front:9/1 and http://a:***@cam/mjpeg/1: no front") == (
        "rtsp://u:***@front:9/1 and http://a:***@cam/mjpeg/1: no ***"
    )


@pytest.mark.parametrize(
    "address",
    ["rtsp:admin:1@cam", "admin:Zq1@cam/x", "images:admin:1@cam", "rtsp://admin:Z 1@cam/1"],
)
def test_the_shortest_password_is_found_where_the_whole_address_is_repeated(address):
    remember(address)
    for text in (address, repr(address), str(Path(address)), f"x{address}y"):
        assert masked(address).removeprefix("images:").replace("//", "/") in redacted(text).replace(
            "//", "/"
        )


def test_bytes_that_are_no_text_may_be_in_a_password():
    address = os.fsdecode(b"rtsp://u:p\xff\xfeq@cam/1")
    remember(address)
    assert redacted(f"{address} p%FF%FEq") == "rtsp://u:***@cam/1 ***"


PARTS = "_a _pw _sign_key 1. ?key. a. a:/ a , ${ a:b@ a: ?pw= rtsp:// @ &pw=; rtsp: cache: x://a@"


@pytest.mark.parametrize("part", [*PARTS.split(), " ", "-i x "])
def test_the_time_for_a_text_grows_with_its_length(part):
    """What took half a minute for 4 kB before: were it quadratic, this would never end."""
    for text in (part * (40_000 // len(part)), f"rtsp://{part * (4_000 // len(part))}@cam?pas"):
        masked(text), redacted(text, foreign=True), userinfo(text)
        remember(text[:2000])


def test_only_what_is_written_out_is_in_a_file_of_options():
    assert not written_out("rtsp://admin:${PW}@cam/1?token=${T}")
    assert written_out("rtsp://admin:x${PW}@cam/1")
    assert written_out("http://cam/1?password=x")
    assert not written_out("test:conveyor?seed=1")


PASSWORD = "a/b@c#d?e ü\"'&%"


@pytest.mark.parametrize(
    "spelled",
    [
        PASSWORD,
        quote(PASSWORD),
        quote(PASSWORD, safe=""),
        quote(PASSWORD, safe="").lower(),
        quote(quote(PASSWORD, safe=""), safe=""),
        quote_plus(PASSWORD),
        json.dumps(PASSWORD)[1:-1],
        json.dumps(PASSWORD, ensure_ascii=False)[1:-1],
        repr(PASSWORD)[1:-1],
        ascii(PASSWORD)[1:-1],
        PASSWORD.replace("&", "&amp;").replace('"', "&quot;").replace("'", "&#39;"),
        base64.b64encode(f"admin:{PASSWORD}".encode()).decode(),
    ],
)
def test_a_password_is_found_in_every_spelling(spelled):
    remember(f"rtsp://admin:{quote(PASSWORD, safe='')}@cam/1")
    assert redacted(f"Error opening x{spelled}x: refused") == "Error opening x***x: refused"


def test_what_a_name_stands_for_is_known_too(monkeypatch, tmp_path):
    monkeypatch.setenv("CAM_TOKEN", "Hunter2!")
    (tmp_path / "door").write_text("from the file\n")
    remember(f"http://cam/?token=${{CAM_TOKEN}}&x=${{file:{tmp_path}/door}}")
    assert redacted("Hunter2! and from%20the%20file") == "*** and ***"


def test_words_of_others_lose_addresses_and_headers_that_nobody_knew():
    text = "redirected to http://joe:pw/1@cam/x?key=abc, 'rtsp://tok@cam/1' 401"
    assert redacted(text) == "redirected to http://joe:***@cam/x?key=***, 'rtsp://***@cam/1' 401"
    assert redacted("Authorization: Basic YTpi") == "Authorization: ***"
    assert redacted("proxy-authorization = x y\nnext") == "proxy-authorization = ***\nnext"


def test_a_password_that_is_a_number_or_a_word_spoils_no_other_numbers_and_words():
    remember("rtsp://admin:1@127.0.0.1/1")
    remember("rtsp://admin:person@127.0.0.1/1")
    assert redacted("no answer for 1 s") == "no answer for 1 s"
    assert redacted("127.0.0.1:11 1.5 personal", foreign=True) == "127.0.0.1:11 1.5 personal"
    assert redacted("password 1, person", foreign=True) == "password ***, ***"
    assert redacted("admin%3Aperson%40cam") == "admin%3A***%40cam"


def test_an_existing_file_has_no_password(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "frame:person@home.jpg").touch()
    remember("frame:person@home.jpg")
    assert redacted("a person") == "a person"


def test_every_error_is_redacted_when_it_is_made():
    remember("rtsp://admin:Hunter2@cam/1")
    for kind in (EdgeError, ModelError, SourceError):
        assert str(kind("no Hunter2 here")) == "no *** here"
    assert EdgeError(3).args == (3,)


SCHEMES = [
    *("rtsp://", "RTSP://", "http://", "https://", "rtmp://", "srt://", "rtps://", " rtsp://"),
    *("rtsp:/", "test:rtsp://", "replay:http://", "images:rtsp://", "stdin:rtsp://", "//"),
    *("usb:rtsp://", "video:rtsp://", "csi:rtsp://", "ffmpeg:rtsp://", "ffmpeg:-i rtsp://"),
]
FORMS = [
    *("{}admin:{}@127.0.0.1:9/1", "{}{}@127.0.0.1:9/1", "{}admin:{}@127.0.0.1:9/1#x"),
    *("{}127.0.0.1:9/user=admin&password={}&x=1", "{}127.0.0.1:9/?loginpas={}"),
]
TEXT = st.characters(blacklist_categories=["Cs", "Cc"], blacklist_characters="$")


@given(st.sampled_from(SCHEMES), st.text(TEXT, max_size=12), st.sampled_from(FORMS))
def test_no_output_holds_a_password(scheme, password, form):
    assume("@" in form or not set(password) & set("&;_#@"))  # there they end a value
    password = f"Zq{password}qZ"
    address = form.format(scheme, password)
    shown = [masked(address)]
    for opened in (open_source, open_feed):
        with pytest.raises((EdgeError, ValueError)) as error:
            opened(address)
        shown.append(str(error.value))
    words = f"[rtsp @ 0x55] {address}: 401; {quote(password, safe='')} {password!r}"
    shown.append(redacted(words, foreign=True))
    failure = Failure(0, 0.0, masked(address), words)
    shown += [json.dumps(failure_object(failure)), *map(repr, map(bytes, encoded(failure)))]
    for text in shown:
        assert password not in text
        assert quote(password, safe="") not in text
        assert "Zq" not in text
        assert "qZ" not in text


@given(st.text(st.characters(blacklist_categories=["Cs"])))
def test_any_text_is_an_address_to_ask_about(text):
    start, end = userinfo(text)
    assert 0 <= start <= end <= len(text)
    start, end = userinfo(text, strict=True)
    assert 0 <= start <= end <= len(text)
    assert isinstance(masked(text), str)
    assert isinstance(redacted(text), str)
    remember(text)

from __future__ import annotations

import fcntl
import hashlib
import socket

import pytest
from file_server import crumbles, cut, redirects, refuses, serving, stalls, whole

from edge import download
from edge.download import RetryPolicy, fetch
from edge.errors import DownloadError

CONTENT = bytes(range(256)) * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
GOOD = {"sha256": SHA256, "sha1": hashlib.sha1(CONTENT).hexdigest()}
QUICK = RetryPolicy(timeout=20, attempts=3, pause=0.01)
NERVOUS = RetryPolicy(timeout=0.5, attempts=3, pause=0.01)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def target(tmp_path):
    return tmp_path / "models" / "x.bin"


def names(target):
    return sorted(path.name for path in target.parent.iterdir())


def test_a_file_comes_whole_and_alone(target):
    steps = []
    with serving(whole(CONTENT)) as server:
        done = fetch(server.url, target, hashes=GOOD, progress=lambda *at: steps.append(at))
    assert done == SHA256
    assert target.read_bytes() == CONTENT
    assert names(target) == ["x.bin"]
    assert steps[0] == (0, len(CONTENT))
    assert steps[-1] == (len(CONTENT), len(CONTENT))
    assert steps == sorted(steps)


def test_a_file_that_is_there_and_right_is_not_fetched(target):
    target.parent.mkdir()
    target.write_bytes(CONTENT)
    with serving(refuses(500)) as server:
        assert fetch(server.url, target, hashes=GOOD) == SHA256
        assert not server.requests


def test_a_file_that_is_there_and_wrong_is_replaced(target):
    target.parent.mkdir()
    target.write_bytes(b"old")
    with serving(whole(CONTENT)) as server:
        fetch(server.url, target, hashes=GOOD, retry=QUICK)
    assert target.read_bytes() == CONTENT


def test_a_cut_connection_is_continued_where_it_was(target):
    with serving(cut(CONTENT, 100_000), cut(CONTENT, 0), whole(CONTENT)) as server:
        fetch(server.url, target, hashes=GOOD, retry=QUICK)
        asked = [headers.get("range") for _, headers in server.requests]
    assert asked[1] == "bytes=100000-"
    assert target.read_bytes() == CONTENT
    assert names(target) == ["x.bin"]


def test_a_connection_that_is_cut_again_and_again_brings_the_file_while_it_gets_on(target):
    with serving(crumbles(CONTENT, 70_000)) as server:
        fetch(server.url, target, hashes=GOOD, retry=RetryPolicy(20, 2, 0.01))
        assert len(server.requests) == 4
    assert target.read_bytes() == CONTENT
    with serving(crumbles(CONTENT[::-1], 10)) as server:
        with pytest.raises(DownloadError, match="kept for the next time"):
            fetch(server.url, target.with_name("y"), retry=RetryPolicy(20, 2, 0.01))
        assert len(server.requests) == 2


def test_what_was_cut_off_is_continued_by_the_next_call(target):
    with serving(cut(CONTENT, 70_000)) as server:
        with pytest.raises(DownloadError, match=r"70000 of 256000 bytes .*are kept for the next"):
            fetch(server.url, target, hashes=GOOD, retry=RetryPolicy(20, 1, 0))
        assert names(target) == [".x.bin.json", ".x.bin.part"]
        server.replies[:] = [whole(CONTENT)]
        fetch(server.url, target, hashes=GOOD, retry=QUICK)
        assert server.requests[-1][1]["range"] == "bytes=70000-"
        assert server.requests[-1][1]["if-range"] == '"v1"'
    assert target.read_bytes() == CONTENT


def test_another_version_is_not_glued_to_the_beginning_of_the_first(target):
    other = CONTENT[::-1]
    with serving(cut(CONTENT, 70_000), whole(other, '"v2"')) as server:
        fetch(server.url, target, retry=QUICK)
    assert target.read_bytes() == other


@pytest.mark.parametrize("tag", [None, 'W/"v1"'])
def test_a_file_whose_version_has_no_name_begins_again(target, tag):
    with serving(cut(CONTENT, 70_000, tag), whole(CONTENT, tag)) as server:
        fetch(server.url, target, hashes=GOOD, retry=QUICK)
        assert "range" not in server.requests[1][1]
    assert target.read_bytes() == CONTENT


def test_a_part_of_another_address_is_not_continued(target):
    with serving(cut(CONTENT, 70_000), whole(CONTENT)) as server:
        with pytest.raises(DownloadError):
            fetch(f"{server.url}/a", target, retry=RetryPolicy(20, 1, 0))
        fetch(f"{server.url}/b", target, hashes=GOOD, retry=QUICK)
        assert "range" not in server.requests[1][1]


def test_a_part_longer_than_the_file_is_thrown_away(target):
    with serving(cut(CONTENT * 2, 300_000), whole(CONTENT)) as server:
        fetch(server.url, target, hashes=GOOD, retry=QUICK)
    assert target.read_bytes() == CONTENT


def test_a_server_that_continues_elsewhere_is_not_believed(target):
    def elsewhere(handler):
        place = f"bytes 5-{len(CONTENT) - 1}/{len(CONTENT)}"
        headers = {"Content-Range": place, "Content-Length": str(len(CONTENT) - 5)}
        handler.answer(206, headers, CONTENT[5:])

    with serving(cut(CONTENT, 70_000), elsewhere, whole(CONTENT)) as server:
        fetch(server.url, target, hashes=GOOD, retry=QUICK)
    assert target.read_bytes() == CONTENT


def test_wrong_bytes_are_refused_and_the_old_file_stays(target):
    target.parent.mkdir()
    target.write_bytes(b"old")
    with (
        serving(whole(CONTENT[:-1] + b"!")) as server,
        pytest.raises(DownloadError, match=f"not the file that was wanted.*wanted {SHA256}"),
    ):
        fetch(server.url, target, hashes={"sha256": SHA256}, retry=QUICK)
    assert target.read_bytes() == b"old"
    assert names(target) == ["x.bin"]


def test_every_hash_must_agree(target):
    with serving(whole(CONTENT)) as server, pytest.raises(DownloadError, match="its sha1 is"):
        fetch(server.url, target, hashes={"sha256": SHA256, "sha1": "0" * 40})


def test_a_page_in_place_of_the_file_is_refused(target):
    page = b"\n <!DOCTYPE html><title>Log in to the network</title>"
    with serving(whole(page)) as server, pytest.raises(DownloadError, match="a web page"):
        fetch(server.url, target)
    assert names(target) == []


def test_a_stalled_server_is_given_up(target):
    with (
        serving(stalls(CONTENT, 1000)) as server,
        pytest.raises(DownloadError, match=r"does not answer \(3 attempts\)"),
    ):
        fetch(server.url, target, retry=NERVOUS)
    assert not target.exists()


def test_a_stalled_server_that_recovers_is_continued(target):
    with serving(stalls(CONTENT, 1000), whole(CONTENT)) as server:
        fetch(server.url, target, hashes=GOOD, retry=RetryPolicy(2, 3, 0.01))
        assert server.requests[1][1]["range"] == "bytes=1000-"


def test_redirects_are_followed_and_continued(target):
    with serving(cut(CONTENT, 70_000), redirects("/b"), whole(CONTENT)) as server:
        server.replies.insert(0, redirects("/a"))
        fetch(server.url, target, hashes=GOOD, retry=QUICK)
        assert [path for path, _ in server.requests] == ["/", "/a", "/", "/b"] or [
            path for path, _ in server.requests
        ] == ["", "/a", "", "/b"]
        assert server.requests[-1][1]["range"] == "bytes=70000-"
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("to", ["file:///etc/passwd", "ftp://127.0.0.1/x", "data:,x"])
def test_redirects_out_of_the_web_are_refused(target, to):
    with serving(redirects(to)) as server, pytest.raises(DownloadError, match=r"not (followed|al)"):
        fetch(server.url, target, retry=QUICK)
    assert names(target) == []


def test_redirects_out_of_encryption_are_refused():
    from urllib.request import Request

    handler = download._Redirect()
    with pytest.raises(DownloadError, match="which is not followed"):
        handler.redirect_request(
            Request("https://a.example/x"), None, 302, "", {}, "http://a.example/x"
        )


def test_redirects_in_a_circle_end(target):
    with serving(redirects("/again")) as server, pytest.raises(DownloadError, match="30"):
        fetch(server.url, target, retry=QUICK)


@pytest.mark.parametrize(("status", "tries"), [(404, 1), (403, 1), (503, 3), (429, 3)])
def test_only_passing_refusals_are_asked_again(target, status, tries):
    with serving(refuses(status)) as server:
        with pytest.raises(DownloadError, match=f"the server says {status}"):
            fetch(server.url, target, retry=QUICK)
        assert len(server.requests) == tries
    assert names(target) == []


def test_no_network_is_told(target, monkeypatch):
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    with pytest.raises(DownloadError, match="refused"):
        fetch(f"http://127.0.0.1:{port}/x", target, retry=QUICK)

    def unknown(*_, **__):  # some networks know every name
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(DownloadError, match=r"x\.invalid"):
        fetch("http://x.invalid/x", target, retry=QUICK)
    assert names(target) == []


def test_a_reply_that_is_no_http_is_told(target):
    def nonsense(handler):
        handler.wfile.write(b"\x00\x01\x02\r\n\r\n")
        handler.close_connection = True

    with serving(nonsense) as server, pytest.raises(DownloadError, match="3 attempts"):
        fetch(server.url, target, retry=QUICK)


def test_a_packed_reply_is_refused(target):
    packed = whole(CONTENT, **{"Content-Encoding": "gzip"})
    with serving(packed) as server, pytest.raises(DownloadError, match="packs"):
        fetch(server.url, target)


def test_a_reply_without_end_is_refused(target, monkeypatch):
    monkeypatch.setattr(download, "_LARGEST", 1000)
    with serving(whole(CONTENT)) as server, pytest.raises(DownloadError, match="more than any"):
        fetch(server.url, target)

    def unsaid(handler):
        handler.answer(200, {"Connection": "close"}, CONTENT)

    with serving(unsaid) as server, pytest.raises(DownloadError, match="more than 1000 bytes came"):
        fetch(server.url, target)
    assert names(target) == []


def test_two_at_once_are_told_apart(target):
    target.parent.mkdir()
    with (
        (target.parent / ".x.bin.part").open("ab") as other,
        serving(whole(CONTENT)) as server,
    ):
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(DownloadError, match="another process"):
            fetch(server.url, target)


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with serving(whole(CONTENT)) as server, pytest.raises(DownloadError, match="file/x"):
        fetch(server.url, tmp_path / "file" / "x")


def test_other_addresses_are_refused(target):
    for url in ("file:///etc/passwd", "ftp://a/b", "x"):
        with pytest.raises(DownloadError, match="only http and https"):
            fetch(url, target)

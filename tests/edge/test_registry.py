from __future__ import annotations

import hashlib
import json
import re
import socket
from types import MappingProxyType

import pytest
from file_server import serving, whole

from edge import registry
from edge.download import RetryPolicy
from edge.errors import DownloadError
from edge.models import FAMILIES
from edge.registry import MODELS, File, Model

QUICK = RetryPolicy(timeout=20, attempts=2, pause=0.01)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def table(monkeypatch):
    """Puts models in place of the real ones."""

    def put(**models):
        monkeypatch.setattr(registry, "MODELS", MappingProxyType(models))

    return put


def model(*files):
    return Model(files, "yolov6", "GPL-3.0-only", "https://a.example", 1.0, 320)


@pytest.fixture
def no_sockets(monkeypatch):
    def refuse(*_args, **_kwargs):
        raise AssertionError("a socket was made")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)


def test_the_table_is_complete():
    assert {"yolov6lite-s", "yolov6lite-m", "yolov6lite-l", "yolov6n", "yolov7-tiny"} <= set(MODELS)
    for entry in MODELS.values():
        assert entry.files
        assert entry.license
        assert entry.family in FAMILIES
        assert 0 < entry.ap < 100
        for file in entry.files:
            assert re.fullmatch(
                r"https://(github\.com|raw\.githubuse.*|dl\.opencv\.org)/.+", file.url
            )
            assert "/" not in file.name
            for name, digest in file.hashes.items():
                assert re.fullmatch("[0-9a-f]+", digest)
                assert len(digest) == 2 * hashlib.new(name).digest_size


def test_the_hashes_are_those_of_the_official_files(shared):
    checked = 0
    for name in ("yolov6lite-s", "yolov6lite-m", "yolov6lite-l"):
        for file in MODELS[name].files:
            content = (shared / "models" / "yolov6lite" / file.name).read_bytes()
            assert hashlib.sha256(content).hexdigest() == file.hashes["sha256"]
            checked += 1
    assert checked == 6


def test_files_lie_in_the_user_s_cache(home, monkeypatch):
    assert registry.folder("a") == home / "cache" / "edge" / "models" / "a"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # to be ignored, by the specification
    monkeypatch.setenv("HOME", str(home))
    assert registry.folder("a") == home / ".cache" / "edge" / "models" / "a"


def test_a_model_is_pulled_file_by_file_and_once(table):
    with serving(whole(b"one"), whole(b"two"), whole(b"no")) as server:
        known = {"sha256": hashlib.sha256(b"one").hexdigest()}
        table(a=model(File("a.param", f"{server.url}/1", known), File("a.bin", f"{server.url}/2")))
        assert not registry.pulled("a")
        files = registry.pull("a", retry=QUICK)
        assert [file.read_bytes() for file in files] == [b"one", b"two"]
        assert registry.pulled("a")
        assert registry.pull("a", retry=QUICK) == files
        assert len(server.requests) == 2


def test_an_unknown_hash_is_noted_and_wanted_from_then_on(table, home):
    with serving(whole(b"first"), whole(b"other")) as server:
        table(a=model(File("a.pt", f"{server.url}/a.pt")))
        registry.pull("a", retry=QUICK)
        notes = json.loads((home / "state" / "edge" / "models.json").read_text())
        assert notes[f"{server.url}/a.pt"]["sha256"] == hashlib.sha256(b"first").hexdigest()
        assert registry.remove("a")
        with pytest.raises(DownloadError, match=r"at the first download on \d{4}-.*models\.json"):
            registry.pull("a", retry=QUICK)
    assert not registry.pulled("a")


def test_a_damaged_file_in_the_cache_is_fetched_again(table):
    with serving(whole(b"right")) as server:
        table(a=model(File("a.pt", server.url)))
        (file,) = registry.pull("a", retry=QUICK)
        file.write_bytes(b"damaged")
        registry.pull("a", retry=QUICK)
        assert file.read_bytes() == b"right"


def test_offline_takes_what_is_there_and_opens_no_socket(table, no_sockets):
    content = b"here"
    known = {"sha256": hashlib.sha256(content).hexdigest()}
    table(a=model(File("a.pt", "https://a.example/a.pt", known)))
    with pytest.raises(DownloadError, match="nothing is fetched offline"):
        registry.pull("a", offline=True)
    registry.folder("a").mkdir(parents=True)
    (registry.folder("a") / "a.pt").write_bytes(content)
    assert registry.pull("a", offline=True)[0].read_bytes() == content
    (registry.folder("a") / "a.pt").write_bytes(b"other")
    with pytest.raises(DownloadError, match="not the file that was wanted"):
        registry.pull("a", offline=True)


def test_a_damaged_record_is_named_and_not_replaced(table, home):
    record = home / "state" / "edge" / "models.json"
    record.parent.mkdir(parents=True)
    for content in ("{", "[]", '{"u": {"sha256": 3}}'):
        record.write_text(content)
        table(a=model(File("a.pt", "http://127.0.0.1:9/a.pt")))
        with pytest.raises(DownloadError, match=r"models\.json"):
            registry.pull("a", retry=QUICK)
        assert record.read_text() == content


def test_remove_says_whether_there_was_one():
    assert not registry.remove("yolov6n")
    registry.folder("yolov6n").mkdir(parents=True)
    assert registry.remove("yolov6n")
    assert not registry.folder("yolov6n").exists()

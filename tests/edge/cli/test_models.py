from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest
from file_server import cut, serving, whole

from edge import package, registry
from edge.cli import main, models
from edge.registry import MODELS, File


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("EDGE_OFFLINE", raising=False)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


def moved(monkeypatch, name, urls):
    """The table with one model's files at other addresses."""
    files = tuple(
        replace(file, url=url) for file, url in zip(MODELS[name].files, urls, strict=True)
    )
    table = MappingProxyType({**MODELS, name: replace(MODELS[name], files=files)})
    monkeypatch.setattr(registry, "MODELS", table)
    monkeypatch.setattr(models, "MODELS", table)


@pytest.fixture
def lite(shared):
    folder = shared / "models" / "yolov6lite"
    return [(folder / file.name).read_bytes() for file in MODELS["yolov6lite-s"].files]


def test_list_says_what_there_is(capsys):
    assert main(["models", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(MODELS)
    assert re.match(r"yolov6lite-s +- +AP 22\.4 at 320 +GPL-3\.0-only +https://github", lines[0])
    registry.folder("yolov6n").mkdir(parents=True)
    (registry.folder("yolov6n") / "yolov6n.pt").write_bytes(b"x")
    assert main(["models", "list", "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["name"] for row in rows if row["pulled"]] == ["yolov6n"]
    assert rows[0]["files"][0].startswith("https://raw.githubusercontent.com/meituan/YOLOv6/")


def test_pull_fetches_checks_and_converts(lite, monkeypatch, capsys):
    with serving(cut(lite[0], 9000), whole(lite[0]), whole(lite[1])) as server:
        moved(monkeypatch, "yolov6lite-s", [f"{server.url}/p", f"{server.url}/b"])
        assert main(["models", "pull", "yolov6lite-s"]) == 0
    text = capsys.readouterr()
    path = Path(text.out.strip())
    result = package.read(path)
    assert result.name == "yolov6lite-s"
    assert result.license == "GPL-3.0-only"
    assert result.spec.family == "yolov6lite"
    assert "100 %" in text.err
    assert "license GPL-3.0-only" in text.err
    # Once more without the server: all is there.
    assert main(["models", "pull", "yolov6lite-s", "--offline"]) == 0
    assert Path(capsys.readouterr().out.strip()) == path
    assert main(["models", "remove", "yolov6lite-s"]) == 0
    assert not path.exists()
    assert main(["models", "remove", "yolov6lite-s"]) == 0
    assert "is not here" in capsys.readouterr().err


def test_wrong_bytes_leave_nothing_and_fail(lite, monkeypatch, capsys):
    with serving(whole(lite[0] + b"\n")) as server:
        moved(monkeypatch, "yolov6lite-s", [server.url, server.url])
        assert main(["models", "pull", "yolov6lite-s"]) == 1
    text = capsys.readouterr()
    assert text.out == ""
    assert "not the file that was wanted" in text.err
    assert not list(registry.folder("yolov6lite-s").iterdir())


@pytest.mark.parametrize("method", ["option", "environment"])
def test_offline_forbids_the_network(method, monkeypatch, capsys):
    with serving(whole(b"x")) as server:
        moved(monkeypatch, "yolov6n", [server.url])
        words = ["models", "pull", "yolov6n"]
        if method == "option":
            words.append("--offline")
        else:
            monkeypatch.setenv("EDGE_OFFLINE", "1")
        assert main(words) == 1
        assert not server.requests
    assert "nothing is fetched offline" in capsys.readouterr().err


def test_what_cannot_be_converted_is_kept_and_fails(monkeypatch, capsys):
    with serving(whole(b"PK\x03\x04 no checkpoint")) as server:
        moved(monkeypatch, "yolov6n", [f"{server.url}/yolov6n.pt"])
        assert main(["models", "pull", "yolov6n"]) == 1
    text = capsys.readouterr()
    assert "fetched, but not converted" in text.err
    assert Path(text.out.strip()).name == "yolov6n.pt"
    assert registry.pulled("yolov6n")


def test_a_checkpoint_becomes_a_package(monkeypatch, capsys, tmp_path):
    pytest.importorskip("onnxruntime")
    from networks import trained
    from upstream_files import Upstream, as_release_04, model, save

    state = {as_release_04(key): value for key, value in trained("yolov6n-v3").state_dict().items()}
    with Upstream() as upstream:
        file = save({"model": None, "ema": model(upstream, state).half()}, tmp_path / "yolov6n.pt")
    with serving(whole(file.read_bytes())) as server:
        moved(monkeypatch, "yolov6n", [f"{server.url}/yolov6n.pt"])
        assert main(["models", "pull", "yolov6n"]) == 0
    text = capsys.readouterr()
    result = package.read(Path(text.out.strip()))
    assert (result.name, result.spec.family) == ("yolov6n", "yolov6")
    assert list(result.provenance["sources"]) == ["yolov6n.pt"]
    assert "yolov6n-v3, 80 classes, training form, from 'ema' of the file" in text.err


@pytest.mark.parametrize(
    "words", [[], ["pull"], ["pull", "nothing"], ["remove", "../x"], ["list", "x"]]
)
def test_bad_usage(words, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["models", *words])
    assert stopped.value.code == 2


def test_the_bar_rewrites_its_line_on_a_terminal_only(capsys, monkeypatch):
    for terminal in (True, False):
        with models._Bar("a") as bar:
            bar._terminal = terminal
            bar.show(0, 2_000_000)
            bar.show(2_000_000, 2_000_000)
            bar.show(5, None)
        err = capsys.readouterr().err
        assert ("\r" in err) == terminal
        assert "100 % of 2.0 MB" in err


def test_every_file_has_a_name_of_a_kind_that_can_be_converted():
    for model in MODELS.values():
        assert {Path(file.name).suffix for file in model.files} in (
            {".param", ".bin"},
            {".pt"},
            {".onnx"},
        )
        assert all(isinstance(file, File) for file in model.files)

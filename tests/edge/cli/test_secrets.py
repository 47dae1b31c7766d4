"""What commands write when an address has a password: everywhere but in it, the same."""

from __future__ import annotations

import base64
import functools
import http.server
import json
import os
import sys
import threading
from urllib.parse import quote

import pytest

from edge.cli import main
from edge.doctor.packages import try_run
from edge.io import recording
from edge.types import Size


class Guarded(http.server.SimpleHTTPRequestHandler):
    """Serves files to who knows the password of the server."""

    def do_GET(self):
        login = base64.b64encode(f"admin:{self.server.password}".encode()).decode()
        if self.headers["Authorization"] == f"Basic {login}":
            super().do_GET()
            return
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="camera"')
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def video(tmp_path):
    """A video of parts on a belt, served on this machine. Returns its server."""
    import cv2

    from edge.conveyor import Conveyor

    conveyor = Conveyor(1, Size(480, 640))
    writer = cv2.VideoWriter(
        str(tmp_path / "belt.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 10, (640, 480)
    )
    for index in (60, 120, 180):
        writer.write(conveyor.render(index)[0])
    writer.release()
    handler = functools.partial(Guarded, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def lines(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("password", ["1", "nut", "person", "a/b@c#d?e", "0.9"])
def test_no_password_changes_a_result_or_is_shown(video, tmp_path, password, capfd, monkeypatch):
    assert main(["run", "--source", str(tmp_path / "belt.avi"), "--json"]) == 0
    expected = lines(capfd.readouterr().out)
    assert {"nut", "bolt"} & {d["name"] for line in expected for d in line["detections"]}

    monkeypatch.setenv("CAMERA", password)
    video.password = password
    place = f"127.0.0.1:{video.server_port}/belt.avi"
    for number, login in enumerate(("admin:${CAMERA}", f"admin:{password}")):
        file = tmp_path / f"{number}.rec"
        words = ["--source", f"http://{login}@{place}", "--json", "--log", "json"]
        assert main(["run", *words, "--record", str(file)]) == 0
        out, err = capfd.readouterr()
        result = lines(out)
        assert [line["detections"] for line in result] == [line["detections"] for line in expected]
        assert {line["source"] for line in result} == {f"http://admin:***@{place}"}
        assert {line["subject"] for line in lines(err)} == {"", f"http://admin:***@{place}"}
        assert lines(err)[-1]["seen"]
        records = list(recording.read(file))
        assert {item.frame.source for item in records} == {f"http://admin:***@{place}"}
        for spelled in (password, quote(password, safe="")):
            assert f":{spelled}@" not in out + err
            assert f":{spelled}@".encode() not in file.read_bytes()

    video.password = "another"
    words = ["--source", f"http://admin:{password}@{place}", "--reconnect", "never"]
    assert main(["run", *words]) == 1
    err = capfd.readouterr().err
    assert f"http://admin:***@{place}: the login was refused (401 Unauthorized)" in err
    assert f":{password}@" not in err


HIDDEN = "Hunter2/x#y?z@w"
ADDRESSES = [
    f"rtsp://admin:{HIDDEN}@127.0.0.1:9/1",
    f" RTSP://admin:{HIDDEN}@127.0.0.1:9/1",
    f"srt://127.0.0.1:9?passphrase={HIDDEN}",
    f"rtps://admin:{HIDDEN}@127.0.0.1:9/1",
    f"admin:{HIDDEN}@127.0.0.1:9/1",
    f"http://127.0.0.1:9/snap?loginuse=admin&loginpas={HIDDEN}",
    f"rtsp://127.0.0.1:9/user=admin_password={HIDDEN}_channel=1",
    f"usb:rtsp://admin:{HIDDEN}@127.0.0.1",
    f"stdin:rtsp://admin:{HIDDEN}@127.0.0.1",
]


SHORT = ["rtsp://admin:1@127.0.0.1:9/1", "admin:1@127.0.0.1", "rtsp:admin:1@127.0.0.1"]


@pytest.mark.parametrize("address", [*ADDRESSES, *SHORT])
@pytest.mark.parametrize(
    "words",
    [
        ["run", "--source={}"],
        ["run", "{}"],
        ["run", "--source", "{}", "--print-config"],
        ["run", "--model", "{}", "--source", "0"],
        ["run", "--save", "{}/x.y", "--source", "{}"],
        ["eval", "--data", "{}"],
        ["eval", "--data", "{}", "--split", "{}"],
        ["capture", "--source", "{}", "-o", "out"],
        ["bench", "--source", "{}", "--duration", "1"],
        ["inspect", "{}"],
        ["convert", "{}", "-o", "x.edge"],
        ["calibrate", "x.onnx", "--data", "{}", "-o", "x.edge"],
        ["train", "--data", "{}", "-o", "out"],
        ["models", "pull", "{}"],
        ["run", "--source", "0", "--conf", "{}"],
        ["run", "--source", "0", "--log", "{}"],
        ["run", "--config", "{}"],
        ["eval", "--compare", "{}", "{}", "--data", "test:conveyor?frames=1"],
        ["tune", "--model", "{}"],
    ],
    ids=lambda words: " ".join(words),
)
def test_no_command_repeats_a_password(words, address, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        raise SystemExit(main([word.replace("{}", address) for word in words]))
    assert ended.value.code in (1, 2)
    out, err = capfd.readouterr()
    assert "***" in out + err or "127.0.0.1" not in out + err
    assert "Hunter2" not in out + err
    assert "z@w" not in out + err
    assert ":1@" not in out + err


@pytest.mark.parametrize(
    "text",
    [
        'model = ["rtsp:admin:Zq1@cam", "b"]',
        'json = "admin:Zq1@cam"',
        'source = {url = "admin:Zq1@cam"}',
        '"admin:Zq1@cam" = 1',
    ],
)
def test_a_mistake_in_a_file_of_options_repeats_no_password(text, tmp_path, capsys):
    (tmp_path / "run.toml").write_text(text)
    assert main(["run", "--config", str(tmp_path / "run.toml")]) == 2
    assert "Zq1" not in capsys.readouterr().err


def test_a_note_repeats_no_password(tmp_path, capsys):
    note = "cam rtsp://admin:Zq1@cam/1, x?token=Zq2"
    words = ["bench", "--note", note, "--duration", "0.1", "--repeat", "3", "--json"]
    main([*words, "--share", str(tmp_path / "b.json")])
    message = capsys.readouterr()
    for text in (message.out, message.err, (tmp_path / "b.json").read_text()):
        assert "Zq" not in text


def test_a_file_of_options_names_its_passwords(capsys):
    assert main(["run", "--source", "rtsp://u:${PW}@cam/1", "--print-config"]) == 0
    assert "rtsp://u:${PW}@cam/1" in capsys.readouterr().out
    assert main(["run", "--source", "rtsp://u:pw@cam/1", "--print-config"]) == 2
    assert "rtsp://u:***@cam/1 would be in the file; name it" in capsys.readouterr().err


def test_the_doctor_repeats_no_password(monkeypatch, tmp_path):
    """Neither its own nor that of the program it started, which knows it from the environment."""
    program = tmp_path / "ffmpeg"
    program.write_text(
        f"#!{sys.executable}\nimport sys\n"
        "sys.exit('401 Unauthorized\\n%s: no login' % ' '.join(sys.argv[1:]))\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("CAMERA", "Hunter2")
    for address in ("rtsp://admin:${CAMERA}@127.0.0.1:9/1", "rtsp://admin:Hunter2@127.0.0.1:9/1"):
        (finding,) = try_run(None, f"ffmpeg:{address}")
        assert finding.level == "error"
        assert "the login was refused" in finding.what
        assert "admin:***@127.0.0.1:9/1" in finding.what
        assert "Hunter2" not in str(finding)


def test_a_defect_is_told_without_the_password(monkeypatch, capfd):
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    assert main(["run", "--source", "rtsp://admin:Hunter2@127.0.0.1:9/1"]) == 1
    capfd.readouterr()
    try:
        raise RuntimeError("Hunter2")
    except RuntimeError as error:
        sys.excepthook(type(error), error, error.__traceback__)
    err = capfd.readouterr().err
    assert "RuntimeError: ***" in err
    assert "Traceback" in err

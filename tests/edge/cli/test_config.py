from __future__ import annotations

import pytest

from edge.cli import main


@pytest.fixture
def printed(tmp_path, capsys):
    """What --print-config says to options, some of them in a file."""

    def run(text="", *words):
        file = tmp_path / "edge.toml"
        file.write_text(text)
        status = main(["run", "--config", str(file), *words, "--print-config"])
        assert status == 0
        return capsys.readouterr().out

    return run


NEEDED = 'model = "m.edge"\nsource = "usb:0"\n'


def test_a_file_stands_for_the_flags(printed, capsys):
    text = (
        'model = "m.edge"\nsource = ["usb:0#fps=5", "rtsp://u:${PW}@cam"]\nconf = 0.5\n'
        'classes = ["person", "2"]\njson = true\nmax-age = 0.25\nmax_frames = 7\nverbose = false\n'
    )
    from_file = printed(text)
    words = ["--model", "m.edge", "--source", "usb:0#fps=5", "--source", "rtsp://u:${PW}@cam"]
    words += ["--conf", "0.5", "--classes", "person", "2", "--json", "--max-age", ".25"]
    words += ["--max-frames", "7", "--print-config"]
    assert main(["run", *words]) == 0
    assert capsys.readouterr().out == from_file
    assert "${PW}" in from_file  # secrets stay where they are


def test_what_is_printed_can_be_read_again(printed):
    once = printed(NEEDED + 'imgsz = "256x320"\nsave = "out"\nlog = "json"\n')
    assert printed(once) == once
    assert 'imgsz = "256x320"' in once


def test_a_flag_goes_before_the_file(printed):
    out = printed(NEEDED + "conf = 0.5\n", "--conf=0.7", "--source", "csi:0")
    assert "conf = 0.7" in out
    assert 'source = ["csi:0"]' in out


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (NEEDED + "confi = 0.5", "edge.toml: 'confi' is not an option; did you mean 'conf'?"),
        (NEEDED + "config = 'x'", "'config' is not an option"),
        (NEEDED + "json = 1", "json is true or false, got 1"),
        (NEEDED + "conf = [0.1, 0.2]", "conf is one value"),
        (NEEDED + "conf = true", "conf is text or a number"),
        (NEEDED + "[conf]\nx = 1", "conf is text or a number"),
        (NEEDED + "conf = 3", "--conf: a number from 0 to 1, got 3"),
        (NEEDED + 'drop-policy = "drop"', "invalid choice"),
        ("model = ", "not valid TOML"),
        ('model = "m.edge"', "--source is missing"),
    ],
)
def test_mistakes_are_named(text, message, tmp_path, capsys):
    file = tmp_path / "edge.toml"
    file.write_text(text)
    try:
        status = main(["run", "--config", str(file)])
    except SystemExit as stopped:
        status = stopped.code
    assert status == 2
    assert message in capsys.readouterr().err


def test_a_missing_file_is_bad_usage(capsys):
    assert main(["run", "--config", "/nowhere/edge.toml"]) == 2
    assert "/nowhere/edge.toml: No such file" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--config"], ["--config", "--json"]])
def test_a_flag_without_its_file_is_bad_usage_of_the_command(words, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["run", *words])
    assert stopped.value.code == 2
    text = capsys.readouterr().err
    assert text.startswith("usage: edge run ")
    assert "argument --config: expected one argument" in text

"""The pages hold together: links, anchors, commands and examples."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pages
import pytest

from edge import cli

ALL = {page.relative_to(pages.ROOT).as_posix(): page for page in pages.all_pages()}
PROGRAMS = {"bash", "edge", "pip", "python"}


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """A folder with the configuration file that commands of the pages name."""
    (example,) = pages.blocks(pages.read("edge/docs/reference/configuration.md"), "toml")
    (tmp_path / "camera.toml").write_text(example)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def targets(page: Path):
    """Each link of a page into the repository: file and anchor."""
    for link in pages.links(page.read_text(encoding="utf-8")):
        if not link.startswith(("http://", "https://")):
            path, _, anchor = link.partition("#")
            yield link, (page.parent / path).resolve() if path else page, anchor


@pytest.mark.parametrize("name", ALL)
def test_every_link_leads_somewhere(name):
    for link, file, anchor in targets(ALL[name]):
        assert file.is_relative_to(pages.ROOT), link
        assert file.exists(), link
        if anchor:
            assert anchor in pages.anchors(file.read_text(encoding="utf-8")), link


def test_every_page_is_reached_from_the_readme():
    reached, new = set(), {pages.ROOT / "README.md"}
    while new:
        page = new.pop()
        reached.add(page)
        new |= {file for _, file, _ in targets(page) if file.suffix == ".md"} - reached
    assert set(ALL.values()) <= reached


@pytest.mark.parametrize("folder", ["edge/docs", "calibration/docs"])
def test_an_index_has_one_line_per_page_and_a_page_one_kind(folder):
    lines = pages.read(f"{folder}/README.md").splitlines()
    listed = [line.split("](")[1].split(")")[0] for line in lines if line.startswith("- [")]
    here = pages.ROOT / folder
    there = [page.relative_to(here).as_posix() for page in here.rglob("*.md")]
    assert sorted(listed) == sorted(set(there) - {"README.md"})
    kinds = {page.partition("/")[0] for page in listed}
    assert kinds == {"tutorial", "how-to", "reference", "explanation"}


@pytest.mark.parametrize("name", ALL)
def test_every_command_is_understood(name, workplace):
    for block in pages.blocks(ALL[name].read_text(encoding="utf-8"), "sh"):
        for words in pages.commands(block):
            if words[0] == "edge":
                assert callable(cli._parse(words[1:]).run), words
            elif words[0] != "sudo":  # the README's first, which a test of its own takes apart
                assert words[0] in PROGRAMS, words


@pytest.mark.parametrize("name", ALL)
def test_every_code_block_says_what_it_is(name):
    languages = {"", "sh", "python", "json", "toml", "yaml", "text"}
    text = ALL[name].read_text(encoding="utf-8")
    counted = sum(len(pages.blocks(text, language)) for language in languages)
    fences = [line for line in text.splitlines() if line.strip().startswith("```")]
    assert 2 * counted == len(fences)
    if "docs" in ALL[name].parts:
        assert not pages.blocks(text, "")


@pytest.mark.parametrize("name", ALL)
def test_every_python_block_compiles(name):
    for block in pages.blocks(ALL[name].read_text(encoding="utf-8"), "python"):
        compile(block, name, "exec")


@pytest.mark.slow
@pytest.mark.skipif(not find_spec("cv2"), reason="needs OpenCV")
def test_the_tutorial_runs_as_it_stands_there(workplace):
    text = pages.read("edge/docs/tutorial/first-run.md")
    done = [
        subprocess.run([sys.executable, "-m", *words], capture_output=True, text=True, check=False)
        for block in pages.blocks(text, "sh")
        for words in pages.commands(block)
    ]
    assert [each.stderr for each in done if each.returncode] == []
    assert "of 100 frames" in done[0].stderr
    assert (workplace / "seen" / "camera.mp4").exists()
    assert len(done[2].stdout.splitlines()) == 3
    assert "AP50" in done[3].stdout
    assert len(done[-1].stdout.splitlines()) == 5
    (example,) = pages.blocks(text, "python")
    message = subprocess.run(
        [sys.executable, "-c", example], capture_output=True, text=True, check=True
    ).stdout
    assert [line.split()[0] for line in message.splitlines()] == ["0", "1", "2"]


@pytest.mark.slow
@pytest.mark.skipif(not find_spec("torch"), reason="needs torch")
def test_pages_of_the_api_are_made_without_a_warning(tmp_path):
    script = Path(__file__).with_name("api_pages.py")
    command = [sys.executable, script, tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Detector" in (tmp_path / "edge.html").read_text(encoding="utf-8")
    made = {page.relative_to(tmp_path).as_posix() for page in tmp_path.rglob("*.html")}
    assert {"edge/ops.html", "edge/pipeline.html", "calibration/quant/spec/spec.html"} <= made

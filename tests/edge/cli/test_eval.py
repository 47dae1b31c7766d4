import json
import os
import re
import shutil
import signal
import threading

import pytest
from coco_oracle import evaluated

from edge.cli import main
from edge.detector import Detector
from edge.evaluate import METRICS
from edge.io.sources import open_source
from edge.io.sources.images import read_image
from edge.models.coco import CATEGORY_IDS, LABELS

NAMES = ["000000000139", "000000000632", "000000000776", "000000000802", "000000000885"]


@pytest.fixture(scope="module")
def model(shared):
    return str(shared / "models" / "yolov6lite" / "yolov6-lite-s.param")


@pytest.fixture
def photos(shared, tmp_path):
    """Five photographs with YOLO labels."""
    source, folder = shared / "data" / "coco" / "val", tmp_path / "data"
    for kind, suffix in (("images", "jpg"), ("labels", "txt")):
        (folder / kind).mkdir(parents=True)
        for name in NAMES:
            shutil.copyfile(source / kind / f"{name}.{suffix}", folder / kind / f"{name}.{suffix}")
    return folder


@pytest.fixture
def run_eval(model, capsys):
    """Runs the command; returns the exit status, standard output and standard error."""

    def run(data, *options):
        words = ["eval", "--model", model, "--data", str(data), "--threads", "1", *options]
        status = main(words)
        out, err = capsys.readouterr()
        return status, out, err

    return run


def as_coco(folder):
    """The YOLO labels of a folder of photographs as the content of a COCO file."""
    cv2 = pytest.importorskip("cv2")
    images, annotations = [], []
    for path in sorted((folder / "images").iterdir()):
        height, width = cv2.imread(str(path)).shape[:2]
        images.append(
            {"id": int(path.stem), "file_name": path.name, "height": height, "width": width}
        )
        for line in (folder / "labels" / f"{path.stem}.txt").read_text().splitlines():
            k, x, y, w, h = map(float, line.split())
            box = [(x - w / 2) * width, (y - h / 2) * height, w * width, h * height]
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": int(path.stem),
                    "category_id": CATEGORY_IDS[int(k)],
                    "bbox": box,
                    "area": box[2] * box[3],
                    "iscrowd": 0,
                }
            )
    categories = [
        {"id": number, "name": name} for number, name in zip(CATEGORY_IDS, LABELS, strict=True)
    ]
    return {"images": images, "annotations": annotations, "categories": categories}


def test_gives_the_numbers_that_pycocotools_gives_for_the_saved_file(run_eval, photos, tmp_path):
    status, out, _ = run_eval(photos, "--json", "--save", str(tmp_path / "results.json"))
    report = json.loads(out.splitlines()[-1])
    results = json.loads((tmp_path / "results.json").read_text())
    for number, row in enumerate(results, 1):
        row |= {"id": number, "area": row["bbox"][2] * row["bbox"][3], "iscrowd": 0}
    truth = as_coco(photos)
    theirs = evaluated(truth["images"], truth["annotations"], results, truth["categories"])
    assert status == 0
    assert [report[name] for name in METRICS] == pytest.approx(theirs.metrics, abs=1e-9)
    assert report["AP"] > 0.2
    assert {row["image_id"] for row in results} == {int(name) for name in NAMES}
    assert {row["category_id"] for row in results} <= set(CATEGORY_IDS)
    assert max(row["category_id"] for row in results) > 80
    assert (report["images"], report["failed"], report["detections"]) == (5, 0, len(results))


@pytest.mark.parametrize(
    ("size", "ap", "ap50"), [("s", 0.325, 0.463), ("m", 0.340, 0.498), ("l", 0.372, 0.528)]
)
def test_official_models_reach_the_precision_that_was_measured(shared, capsys, size, ap, ap50):
    model = shared / "models" / "yolov6lite" / f"yolov6-lite-{size}.param"
    data = shared / "data" / "coco" / "val"
    assert (
        main(["eval", "--model", str(model), "--data", str(data), "--threads", "1", "--json"]) == 0
    )
    report = json.loads(capsys.readouterr().out)
    assert (report["input"], report["images"]) == ([320, 320], 64)
    assert report["AP"] == pytest.approx(ap, abs=0.003)
    assert report["AP50"] == pytest.approx(ap50, abs=0.006)


def test_evaluates_every_class_of_a_box_above_a_low_threshold(run_eval, model, photos):
    report = json.loads(run_eval(photos, "--json")[1])
    assert (report["score_threshold"], report["iou_threshold"]) == (0.03, 0.65)
    counts = {}
    for multi_label in (True, False):
        with Detector.load(
            model,
            threads=1,
            conf=0.03,
            iou=0.65,
            multi_label=multi_label,
        ) as detector:
            images = open_source(str(photos / "images"))
            counts[multi_label] = sum(len(detector.run(frame).detections) for frame in images)
    assert report["detections"] == counts[True] > counts[False]


def test_an_interrupt_gives_no_numbers(run_eval, photos, tmp_path, monkeypatch):
    stopped = threading.Event()

    def interrupted(path):
        if NAMES[2] in path:
            os.kill(os.getpid(), signal.SIGTERM)
            assert stopped.wait(60)
        return read_image(path)

    monkeypatch.setattr("edge.io.datasets.base.read_image", interrupted)
    monkeypatch.setattr("edge.io.datasets.Images.stop", lambda _: stopped.set())
    status, out, err = run_eval(photos, "--json", "--save", str(tmp_path / "r.json"))
    assert (status, out) == (1, "")
    assert re.search(r"^[012] frames; .*interrupted$", err, re.MULTILINE)
    assert not (tmp_path / "r.json").exists()


def test_a_coco_file_gives_the_same_numbers_and_its_own_ids(run_eval, photos, tmp_path):
    expected = json.loads(run_eval(photos, "--json")[1])
    content = as_coco(photos)
    for row in content["categories"]:
        row["id"] += 1000
    for row in content["annotations"]:
        row["category_id"] += 1000
    (photos / "labels.json").write_text(json.dumps(content))
    saved = tmp_path / "results.json"
    status, out, _ = run_eval(photos / "labels.json", "--json", "--save", str(saved))
    result = json.loads(out)
    assert status == 0
    assert [result[n] for n in METRICS] == pytest.approx([expected[n] for n in METRICS], abs=1e-9)
    assert all(row["category_id"] > 1000 for row in json.loads(saved.read_text()))


def test_finishes_the_rest_when_an_image_is_broken(run_eval, photos):
    whole = json.loads(run_eval(photos, "--json")[1])
    (photos / "images" / f"{NAMES[2]}.jpg").write_bytes(b"no image")
    status, out, err = run_eval(photos, "--json")
    report = json.loads(out)
    assert status == 1
    assert f"{NAMES[2]}.jpg: not an image" in err
    assert (report["images"], report["failed"]) == (4, 1)
    assert report["objects"] < whole["objects"]
    assert report["AP"] != whole["AP"]


def test_leaves_out_an_image_that_the_labels_are_not_for(run_eval, photos):
    content = as_coco(photos)
    content["images"][1]["width"] += 1
    (photos / "labels.json").write_text(json.dumps(content))
    status, out, err = run_eval(photos / "labels.json", "--json")
    assert (status, json.loads(out)["failed"]) == (1, 1)
    assert f"{NAMES[1]}.jpg: the labels are for an image of" in err


def test_shows_a_table_and_classes(run_eval, photos):
    status, out, err = run_eval(photos, "--per-class")
    lines = out.splitlines()
    assert status == 0
    assert [line.split()[0] for line in lines[:12]] == list(METRICS)
    header, *rows = lines[13:]
    assert header.split()[:3] == ["class", "objects", "AP"]
    labels = {row[: header.index(" objects")].strip() for row in rows}
    assert "person" in labels
    assert "zebra" not in labels
    assert "5 frames" in err


def test_a_class_that_the_model_lacks_is_named(run_eval, photos, capsys):
    (photos / "classes.txt").write_text("\n".join(["ghost", *LABELS[1:]]))
    status, out, err = run_eval(photos)
    assert (status, out) == (1, "")
    assert "the model has no class 'ghost'" in err


def test_two_images_of_one_number_cannot_be_saved(run_eval, photos, tmp_path):
    shutil.copy(photos / "images" / f"{NAMES[0]}.jpg", photos / "images" / "139.jpg")
    assert run_eval(photos, "--json")[0] == 0
    status, _, err = run_eval(photos, "--save", str(tmp_path / "r.json"))
    assert status == 2
    assert f"{NAMES[0]}.jpg and 139.jpg would both be image 139" in err
    assert not (tmp_path / "r.json").exists()


def test_a_folder_is_no_file_to_save_to(run_eval, photos, tmp_path):
    status, out, err = run_eval(photos, "--save", str(tmp_path))
    assert (status, out) == (2, "")
    assert "is a folder; wanted a file" in err


def test_says_that_there_is_no_data(run_eval, tmp_path):
    status, _, err = run_eval(tmp_path / "nothing")
    assert status == 1
    assert "nothing: no such file or folder" in err


@pytest.mark.parametrize(("suffix", "start"), [("csv", "class,iou,recall"), ("svg", "<svg")])
def test_writes_curves(run_eval, photos, tmp_path, suffix, start):
    file = tmp_path / "new" / f"curves.{suffix}"
    assert run_eval(photos, "--curves", str(file))[0] == 0
    assert file.read_text().startswith(start)


def test_curves_have_two_forms(run_eval, photos, tmp_path):
    status, out, err = run_eval(photos, "--curves", str(tmp_path / "curves.png"))
    assert (status, out) == (2, "")
    assert "curves.png is neither .csv nor .svg" in err


def test_a_result_never_replaces_the_labels(run_eval, photos, tmp_path):
    labels = tmp_path / "labels.json"
    labels.write_text(json.dumps(as_coco(photos)))
    (tmp_path / "images").symlink_to(photos / "images")
    (tmp_path / "link.json").symlink_to(labels)
    before = labels.read_bytes()
    for name in ("labels.json", "link.json", "new/../labels.json"):
        status, _, err = run_eval(labels, "--save", str(tmp_path / name))
        assert status == 1
        assert "the labels themselves; the result would replace them" in err
        assert labels.read_bytes() == before


def test_a_curve_never_replaces_a_label_file(run_eval, photos, tmp_path):
    text = next((photos / "labels").glob("*.txt"))
    (tmp_path / "c.csv").symlink_to(text)
    before = text.read_bytes()
    status, _, err = run_eval(photos, "--curves", str(tmp_path / "c.csv"))
    assert (status, "the labels themselves" in err) == (1, True)
    assert text.read_bytes() == before

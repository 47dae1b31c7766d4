import pytest

from edge.errors import DataError
from edge.io.datasets import open_dataset
from edge.types import Size


def xml(*objects, size=(480, 640)):
    inside = "".join(
        f"<object><name>{name}</name><difficult>{difficult}</difficult><bndbox><xmin>{box[0]}"
        f"</xmin><ymin>{box[1]}</ymin><xmax>{box[2]}</xmax><ymax>{box[3]}</ymax></bndbox></object>"
        for name, difficult, box in objects
    )
    return (
        f"<annotation><size><width>{size[1]}</width><height>{size[0]}</height></size>"
        f"{inside}</annotation>"
    )


@pytest.fixture
def make(tmp_path):
    """Writes annotations, and an empty image for each."""

    def write(annotations, lists=()):
        for folder in ("Annotations", "JPEGImages", "ImageSets/Main"):
            (tmp_path / folder).mkdir(parents=True)
        for name, text in annotations.items():
            content = text if isinstance(text, bytes) else text.encode()
            (tmp_path / "Annotations" / f"{name}.xml").write_bytes(content)
            (tmp_path / "JPEGImages" / f"{name}.jpg").touch()
        for name, text in dict(lists).items():
            (tmp_path / "ImageSets" / "Main" / f"{name}.txt").write_text(text)
        return tmp_path

    return write


def test_counts_pixels_from_one_and_includes_the_last(make):
    folder = make({"a": xml(("cat", 0, (1, 1, 640, 480)), ("ant", 0, (5, 6, 5, 6)))})
    dataset = open_dataset(folder)
    (sample,) = dataset.samples
    assert (dataset.format, dataset.names) == ("VOC", ("ant", "cat"))
    assert sample.labels.rectangles.tolist() == [[0, 0, 640, 480], [4, 5, 1, 1]]
    assert sample.labels.class_ids.tolist() == [1, 0]
    assert sample.size == Size(480, 640)


def test_takes_a_zero_as_the_first_pixel(make):
    (sample,) = open_dataset(make({"a": xml(("cat", 0, (0, 0, 10, 20)))})).samples
    assert sample.labels.rectangles.tolist() == [[0, 0, 10, 20]]


def test_ignores_difficult_objects(make):
    folder = make({"a": xml(("cat", 1, (1, 1, 9, 9)), ("cat", 0, (1, 1, 9, 9)))})
    (sample,) = open_dataset(folder).samples
    assert sample.labels.ignored.tolist() == [True, False]
    assert not sample.labels.crowd.any()


def test_takes_a_size_of_zero_as_unknown(make):
    (sample,) = open_dataset(make({"a": xml(size=(0, 0))})).samples
    assert sample.size is None


def test_reads_the_lists_of_splits(make):
    lists = {"train": "a\nb\n", "val": "c\n", "cat_val": "c  -1\n", "nums": "0\n1\n"}
    folder = make({name: xml() for name in "abc"}, lists)
    assert open_dataset(folder).splits == ("nums", "train", "val")
    assert len(open_dataset(folder)) == 3
    assert [s.path.stem for s in open_dataset(folder, "train").samples] == ["a", "b"]
    assert [s.image_id for s in open_dataset(folder, "train").samples] == [1, 2]
    assert [s.path.stem for s in open_dataset(folder, "valid").samples] == ["c"]
    with pytest.raises(DataError, match="ImageSets/Main: no split 'test'; found: nums, train"):
        open_dataset(folder, "test")
    with pytest.raises(DataError, match=r"0\.xml: missing, though ImageSets/Main/nums\.txt lists"):
        open_dataset(folder, "nums")


def test_refuses_an_annotation_without_an_image(make):
    folder = make({"a": xml()})
    (folder / "JPEGImages" / "a.jpg").unlink()
    with pytest.raises(DataError, match=r"a\.xml: no image a\.\* in .*JPEGImages"):
        open_dataset(folder)


ENTITIES = '<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;">]><annotation>&c;</annotation>'


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (ENTITIES, "document type declaration"),
        (ENTITIES.encode("utf-16"), "document type declaration"),
        ('<!DOCTYPE a SYSTEM "file:///etc/passwd"><annotation/>', "document type declaration"),
        ("<annotation><object>", "not XML"),
        ("", "not XML"),
        (b"\xff\xfe\x00\xd8", "not XML"),
        ("<?xml version='1.0' encoding='nonsense'?><annotation/>", "not XML"),
        ("<rss/>", "the root element is <annotation>, got <rss>"),
        ("<annotation><object/></annotation>", "object 1 has no <name>"),
        (
            "<annotation><object><name>cat</name></object></annotation>",
            "object 1 wants a number in <bndbox/xmin>, got nothing",
        ),
        (xml(("cat", 0, (1, "x", 9, 9))), "wants a number in <bndbox/ymin>, got 'x'"),
        (xml(("cat", 0, (1, 1, "inf", 9))), "wants a number in <bndbox/xmax>, got 'inf'"),
        (xml(("cat", 0, (9, 1, 2, 9))), "object 1 ends before it starts: 9 1 2 9"),
        (xml(size=("a", 1)), "wants a number in <size/height>"),
    ],
)
def test_says_what_is_wrong_with_a_file(make, content, message):
    folder = make({"a": content})
    with pytest.raises(DataError) as caught:
        open_dataset(folder)
    assert str(caught.value).startswith(str(folder / "Annotations" / "a.xml"))
    assert message in str(caught.value)


def test_refuses_a_folder_without_annotations(make):
    with pytest.raises(DataError, match=r"Annotations: no \.xml file"):
        open_dataset(make({}))


def test_reads_real_annotations(shared):
    dataset = open_dataset(shared / "data" / "bccd?split=test")
    assert (len(dataset), dataset.names) == (72, ("Platelets", "RBC", "WBC"))
    assert dataset.splits == ("test", "train", "trainval", "val")
    assert sum(len(sample.labels) for sample in dataset.samples) == 945

"""PyYAML's loader that leaves scalars as text is what this reader is compared with."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.formats.yaml import read

yaml = pytest.importorskip("yaml", reason="PyYAML is what the reader is compared with")
KEYS = ("path", "train", "val", "names", "nc")


def theirs(text):
    return {k: v for k, v in (yaml.load(text, yaml.BaseLoader) or {}).items() if k in KEYS}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing\n",
        "%YAML 1.1\n---\nnames: [a]\n...\n",
        "names: [person, 'fire hydrant', \"o'clock\", c#, 'a # b', http://x/y, no, 1e3]",
        "nc: 3\nnames: ['person',\n   'fire hydrant',\n   \"o'clock\"]  # three\nval: x\n",
        "names: [\n  a, # one\n  b,\n]\nval: x",
        "names: [a,\nb\n]\nnc: 1",
        "names: [traffic\n  light, 'fire\n  hydrant']\n",
        "names: {0: a, 1: 'b, c', \"2\":c}",
        "names:\n- a\n-   b c\n- 'd # e' # f\nnc: 3",
        "names:\n  0: a\n  1: b # c\n\n  # d\n  '2': 'e # f'\n",
        "names: &n\n  - a\n  - b\n",
        "names:\n  - - a\n  - b: c\n    d: [e]\n",
        '{"names": ["a", "b"], "nc": 2}',
        "roboflow:\n  train: other\n  val: [x,\n]\ntrain: ../train/images\n",
        "train:\n  images/train\nval:\ntest:\n",
        "train: a\n  b c\n  d\nval: 'a\n  b'\n",
        "train: C:\\data\\train # here\nval: D:/val\n",
        "'train': a\n\"val\" : b\nnames : [c]",
        "\r\ntrain: a\r\nval: [b,\r\n c]\r\n",
        "  train: a\n  val: b\n",
        'names: ["\\u00e9", "a\\tb\\\\", "\\x41\\\n  b"]',
    ],
)
def test_reads_what_pyyaml_reads(text):
    assert read(text, KEYS) == theirs(text)


def test_passes_over_what_nobody_asks_for():
    text = "a: |\n  train: other\n\n  x: [\nb: !!python/x\ntrain: a\nlist:\n- x\n- *y\nval: b"
    assert read(text, KEYS) == {"train": "a", "val": "b"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("names: *n", "line 1: '\\*n': aliases, tags and block scalars are not read"),
        ("nc: 1\nval: !!str x", "line 2: '!!str x': aliases, tags"),
        ("train: |\n  a\n", "line 1: '|': aliases, tags and block scalars"),
        ("<<: *other\nval: a", "line 1: the key '<<' is there twice, or merges"),
        ("val: a\nval: b", "line 2: the key 'val' is there twice"),
        ("names: {a: b, a: c}", "the key 'a' is there twice"),
        ("val: [a, b", "line 1: wanted a comma or ']', got ''"),
        ("val: [a, , b]", "wanted a value, got ', b]'"),
        ("val: [a] b", "'b' after the value"),
        ("val: 'a' b", "'b' after the value"),
        ("val: 'a", 'wanted a value, got "\'a"'),
        ("val: a: b", "': b' after the value"),
        ("val: - a", "'- a' is no value"),
        ("val: a\n    # b\n    c: d", "line 3: goes on deeper"),
        ("names:\n\t0: a", "line 2: a tab in the indentation"),
        ('val: "C:\\data"', "in double quotes a backslash is written twice"),
        ("val: 'a\n\n  b'", "a blank line in a value"),
        ("a: 1\n---\nval: b", "line 2: wanted one document"),
        ("- a\n- b", "line 1: wanted one document, a map of keys"),
        ("hello", "line 1: wanted one document, a map of keys"),
        ("val: a\0b", "a control character"),
        ("names: " + "[" * 9999, "more than 16 deep"),
        ("names:\n  " + "- " * 9999, "more than 16 deep"),
    ],
)
def test_refuses_what_it_does_not_understand(text, message):
    with pytest.raises(ValueError, match=message.replace("|", "\\|").replace("'[", "'\\[")):
        read(text, KEYS)


texts = st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]), max_size=60) | st.sampled_from(
    ["no", "~", "1", "a: b", "a #b", "- a", "C:\\x", "'", '"', "[a", "traffic light " * 9]
)
keys = texts.filter(lambda key: 0 < len(key) < 60)  # PyYAML writes others as `? key`
nodes = st.one_of(
    texts,
    st.lists(texts, max_size=9),
    st.dictionaries(st.integers(0, 9).map(str) | keys, texts, max_size=5),
    st.lists(st.lists(texts, max_size=3), max_size=3),
)


@given(
    document=st.dictionaries(st.sampled_from([*KEYS, "other", "key"]), nodes, max_size=5),
    flow=st.sampled_from([None, True, False]),
    style=st.sampled_from([None, "'", '"']),
    width=st.sampled_from([20, 80, 1000]),
)
def test_reads_whatever_pyyaml_writes(document, flow, style, width):
    text = yaml.safe_dump(
        document, default_flow_style=flow, default_style=style, width=width, allow_unicode=True
    )
    assert read(text, KEYS) == theirs(text)


@given(
    text=st.text(st.sampled_from("ab:#-[]{},'\"&*! \n\\|>?~0\t") | st.characters(), max_size=30),
    form=st.sampled_from(["%s", "names: %s", "names:\n  %s", "a: %s\nval: b", "names: [%s]"]),
)
def test_a_text_of_any_kind_is_refused_or_read_as_pyyaml_does(text, form):
    document = form % text
    try:
        result = read(document, KEYS)
    except ValueError:
        return
    try:
        expected = theirs(document)
    except (yaml.YAMLError, AttributeError, TypeError):
        return  # what PyYAML is stricter about
    assert result == expected

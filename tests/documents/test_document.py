import math
from collections.abc import Callable
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from batchline.documents.document import (
    MAX_BYTES,
    MAX_DEPTH,
    Document,
    parse_yaml,
    read_text,
)
from batchline.errors import CatalogError, InputError

BOMB = "a: &a [lol, lol]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]\n" for before, name in pairwise("abcdefghi")
)


def complaint(act: Callable[[], object]) -> str:
    """Return the one line that an InputError says."""
    with pytest.raises(InputError) as caught:
        act()
    message = str(caught.value)
    assert "\n" not in message
    assert not isinstance(caught.value, CatalogError)
    return message


def refusal(text: str) -> str:
    return complaint(lambda: parse_yaml(text, "f.yaml"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: 1\nb: &x 2\n", "f.yaml:2: found the anchor &x, expected none"),
        ("a: &x [1]\n", "f.yaml:1: found the anchor &x, expected none"),
        ("a: 1\nb: *x\n", "f.yaml:2: found the alias *x, expected it written out"),
        ("a: {<<: *x}\n", "f.yaml:1: found the alias *x, expected it written out"),
        (BOMB, "f.yaml:1: found the anchor &a, expected none"),
        ("a: !!str 5\n", "f.yaml:1: found the tag tag:yaml.org,2002:str, expected none"),
        ("a:\n  !thing {b: 1}\n", "f.yaml:2: found the tag !thing, expected none"),
        (
            "a: !!python/object/apply:os.system [id]\n",
            "f.yaml:1: found the tag tag:yaml.org,2002:python/object/apply:os.system, "
            "expected none",
        ),
        ("a: 1\nb: 2\na: 3\n", "f.yaml:3: a is given twice"),
        ("a:\n  b: 1\n  'b': 2\n", "f.yaml:3: a.b is given twice"),
        ("a:\n- b: 1\n  b: 2\n", "f.yaml:3: a[0].b is given twice"),
        ("a: 1\n---\nb: 2\n", "f.yaml:2: found a second document, expected one per file"),
        ("a: 1\n? [b]\n: 2\n", "f.yaml:2: found a list or mapping as a key, expected a name"),
        ("a: 1\nb: [1\nc: 2\n", "f.yaml:3: not YAML: "),
        ("a: 1\n\tb: 2\n", "f.yaml:2: not YAML: "),
        ("a: 'unfinished\n", "f.yaml:2: not YAML: "),
        ("a: 1\nb: @c\n", "f.yaml:2: not YAML: "),
    ],
)
def test_what_is_outside_the_subset_is_refused_with_its_line(text: str, says: str) -> None:
    assert refusal(text).startswith(says)


@pytest.mark.parametrize(
    ("nested", "line"),
    [
        (lambda depth: "[" * depth + "]" * depth, 1),
        (lambda depth: "{a: " * depth + "1" + "}" * depth, 1),
        (lambda depth: "".join(f"{' ' * i}a:\n" for i in range(depth - 1)) + " " * 99 + "a: 1", 33),
        (lambda depth: "- " * depth + "1", 1),
    ],
    ids=["flow list", "flow mapping", "block mapping", "block list"],
)
def test_values_may_nest_32_levels_and_no_deeper(nested: Callable[[int], str], line: int) -> None:
    assert parse_yaml(nested(MAX_DEPTH), "f.yaml").data is not None
    assert MAX_DEPTH == 32
    says = f"f.yaml:{line}: nested deeper than 32 levels"
    assert refusal(nested(MAX_DEPTH + 1)) == says
    assert refusal(nested(2_000)).endswith("nested deeper than 32 levels")


def test_an_endless_file_is_refused_after_one_mebibyte() -> None:
    says = complaint(lambda: read_text(Path("/dev/zero")))
    assert says == "/dev/zero: larger than 1 MiB, expected at most 1048576 bytes"


def test_a_single_line_of_64_megabytes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "long.yaml"
    with path.open("wb") as stream:
        stream.write(b"a: [" + b"1, " * 100_000)
        stream.truncate(64_000_000)
    assert "larger than 1 MiB" in complaint(lambda: read_text(path))


def test_a_file_may_be_exactly_as_large_as_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    path.write_bytes(b"#" * MAX_BYTES)
    assert len(read_text(path)) == MAX_BYTES
    path.write_bytes(b"#" * (MAX_BYTES + 1))
    assert "larger than 1 MiB" in complaint(lambda: read_text(path))


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    says = complaint(lambda: read_text(tmp_path))
    assert says == f"{tmp_path}: is a directory, expected a file"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "absent.yaml"
    assert complaint(lambda: read_text(path)) == f"{path}: no such file"


def test_a_file_below_a_file_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a: 1")
    assert "cannot be read" in complaint(lambda: read_text(tmp_path / "file" / "below.yaml"))


def test_a_name_with_a_nul_is_no_file_name() -> None:
    assert "not a file name" in complaint(lambda: read_text(Path("a\0b")))


def test_bytes_that_are_not_utf8_are_pointed_at(tmp_path: Path) -> None:
    path = tmp_path / "latin.yaml"
    path.write_bytes(b"name: caf\xe9\n")
    assert complaint(lambda: read_text(path)) == f"{path}: not UTF-8: byte 9 is 0xe9"


def test_a_nul_in_the_text_is_not_yaml() -> None:
    assert refusal("a: b\0c\n").startswith("f.yaml")


@pytest.mark.parametrize(
    ("scalar", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("Off", "Off"),
        ("y", "y"),
        ("1e12", 1e12),
        ("1E+3", 1000.0),
        (".5", 0.5),
        ("3.", 3.0),
        ("-7", -7),
        ("+7", 7),
        ("010", 10),
        ("12:30:45", "12:30:45"),
        ("0.33.0", "0.33.0"),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("'5'", "5"),
        ('"true"', "true"),
        ("2026-04-28", date(2026, 4, 28)),
        ("'2026-04-28'", "2026-04-28"),
        ("2026-04", "2026-04"),
        ("2026-02-30", "2026-02-30"),
        (".inf", float("inf")),
        ("-.INF", float("-inf")),
        ("1e999", float("inf")),
        ("9" * 25, int("9" * 25)),
        ("9" * 26, 1e26),
        ("=", "="),
        ("<<", "<<"),
    ],
)
def test_a_plain_scalar_means_what_yaml_1_2_says(scalar: str, value: object) -> None:
    found = parse_yaml(f"a: {scalar}\n", "f.yaml").data["a"]
    assert found == value
    assert type(found) is type(value)


def test_nan_is_a_number() -> None:
    found = parse_yaml("a: .nan\n", "f.yaml").data["a"]
    assert math.isnan(found)


def test_a_key_is_text_whatever_it_looks_like() -> None:
    assert parse_yaml("{1: a, no: b, 2026-04-28: c}", "f.yaml").data == {
        "1": "a",
        "no": "b",
        "2026-04-28": "c",
    }


@pytest.mark.parametrize("text", ["", "\n", "# only a comment\n", "---\n"])
def test_an_empty_file_holds_nothing(text: str) -> None:
    assert parse_yaml(text, "f.yaml").data is None


class TestWhere:
    TEXT = "a: 1\nb:\n  c:\n  - x\n  - {d: 2}\n"

    def document(self) -> Document:
        return parse_yaml(self.TEXT, "f.yaml")

    @pytest.mark.parametrize(
        ("path", "says"),
        [
            ((), "f.yaml:1"),
            (("a",), "f.yaml:1: a"),
            (("b", "c"), "f.yaml:3: b.c"),
            (("b", "c", 0), "f.yaml:4: b.c[0]"),
            (("b", "c", 1, "d"), "f.yaml:5: b.c[1].d"),
        ],
    )
    def test_a_path_is_told_with_the_line_of_its_key(
        self, path: tuple[str | int, ...], says: str
    ) -> None:
        assert self.document().where(path) == says

    def test_what_is_not_in_the_file_is_told_where_it_would_be(self) -> None:
        assert self.document().where(("b", "e", "f")) == "f.yaml:2: b.e.f"
        assert self.document().where(("z",)) == "f.yaml:1: z"

    def test_every_key_and_item_has_its_line(self) -> None:
        assert self.document().lines == {
            ("a",): 1,
            ("b",): 2,
            ("b", "c"): 3,
            ("b", "c", 0): 4,
            ("b", "c", 1): 5,
            ("b", "c", 1, "d"): 5,
        }


yaml_like = st.text(alphabet="ab:-[]{}#&*!|>'\"%@`,?~ \n\t0129.eE+=<", max_size=60)


@given(text=st.one_of(st.text(), yaml_like))
@example("? ")
@example("%YAML 9.9\n---\n")
@example("%TAG ! tag:a,b:\n---\na: 1\n")
@example("\ufeffa: 1")
@example("a: \x85b")
@example("...\n...\n")
@example('"\\ud800"')
@example("- - - - ? - - :")
def test_any_text_is_read_or_refused_by_an_input_error(text: str) -> None:
    said, document = attempt(text, "f.yaml")
    if document is None:
        assert said.startswith("f.yaml")
        assert "\n" not in said
    else:
        assert set(document.lines) == set(paths(document.data))


def attempt(text: str, name: str) -> tuple[str, Document | None]:
    """Return what an InputError says, or the document."""
    try:
        return "", parse_yaml(text, name)
    except InputError as exc:
        return str(exc), None


def paths(data: object, above: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Return the path of every key and item below `data`."""
    below: list[tuple[str | int, object]] = []
    if isinstance(data, dict):
        below = list(data.items())
    elif isinstance(data, list):
        below = list(enumerate(data))
    return [p for key, value in below for p in ((*above, key), *paths(value, (*above, key)))]


@given(content=st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_by_an_input_error(
    content: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "bytes.yaml"
    path.write_bytes(content)
    try:
        said, _ = attempt(read_text(path), str(path))
    except InputError as exc:
        said = str(exc)
    assert said == "" or said.startswith(str(path))


class PlainDumper(yaml.SafeDumper):
    def ignore_aliases(self, data: object) -> bool:
        return True


words = st.text(
    st.characters(
        exclude_categories=["Cs", "Cc", "Cf"],
        exclude_characters="\u2028\u2029",
        include_characters="\n\t",
    ),
    max_size=20,
).filter(lambda word: not word.lstrip("-+.")[:1].isdigit())
"""Nothing that steers a terminal, no breaks but line feeds, which PyYAML folds, and nothing that
begins like a number: it writes YAML 1.1, which takes 1e12 for text."""

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**23), 10**23),
    st.floats(allow_nan=False),
    st.dates(min_value=date(1000, 1, 1)),
    words,
)
values: st.SearchStrategy[Any] = st.recursive(
    scalars,
    lambda below: st.one_of(st.lists(below, max_size=4), st.dictionaries(words, below, max_size=4)),
    max_leaves=12,
)


@given(data=values)
def test_what_pyyaml_writes_is_read_as_the_same_data(data: object) -> None:
    text = yaml.dump(data, Dumper=PlainDumper, allow_unicode=True)
    assert parse_yaml(text, "f.yaml").data == data


@pytest.mark.parametrize("scalar", ["1_", "1__0", "+5_", "1_.5", "1__0.5", "1_e5"])
def test_an_underscore_in_a_number_is_text(scalar: str) -> None:
    assert parse_yaml(f"a: {scalar}\n", "f.yaml").data == {"a": scalar}


@pytest.mark.parametrize("escape", ["\\e[31m", "\\x07", "\\u202e"])
def test_what_steers_a_terminal_is_refused(escape: str) -> None:
    with pytest.raises(InputError, match=r"f\.yaml:1: found the control character"):
        parse_yaml(f'title: "a{escape}b"', "f.yaml")

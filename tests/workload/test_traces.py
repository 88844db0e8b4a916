"""Logs as they come: every format, every way to be wrong, in one line."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batchline.errors import InputError
from batchline.workload.trace import Trace
from batchline.workload.traces import NAMES, Columns, columns_from, read_trace
from batchline.workload.traces.formats import find_format

HEADER = "arrival_s,input_tokens,output_tokens\n"

Write = Callable[[str, str | bytes], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def to_file(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return to_file


def rows(trace: Trace) -> list[tuple[float, int, int, int]]:
    columns = (trace.arrival_s, trace.input_tokens, trace.output_tokens, trace.cached_tokens)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def refusal(path: Path, *how: object) -> str:
    """Return what is said of a log, without its folder; one line."""
    with pytest.raises(InputError) as caught:
        read_trace(path, *how)  # type: ignore[arg-type]  # tests pass what fits
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert message.isprintable()
    return message.replace(f"{path.parent}/", "")


AZURE_2023 = """\
TIMESTAMP,ContextTokens,GeneratedTokens
2023-11-16 18:17:03.9799600,4808,10
2023-11-16 18:17:04.0319600,3180,8
"""

AZURE_2024 = """\
TIMESTAMP,ContextTokens,GeneratedTokens
2024-05-10 00:00:00.009930+00:00,2162,5
2024-05-10 00:00:00.017335+00:00,2399,6
"""

BURSTGPT = """\
Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type
5,ChatGPT,472,18,490,Conversation log
45,GPT-4,100,0,100,Conversation log
118,ChatGPT,10,9,19,API log
"""

MOONCAKE = """\
{"timestamp": 0, "input_length": 1024, "output_length": 5, "hash_ids": [0, 1]}
{"timestamp": 3000, "input_length": 1030, "output_length": 6, "hash_ids": [0, 1, 2]}
{"timestamp": 3000, "input_length": 1025, "output_length": 7, "hash_ids": [0, 1, 2]}
"""

QWEN = """\
{"chat_id": 1, "parent_chat_id": -1, "timestamp": 0.5, "input_length": 32, "output_length": 5, \
"type": "text", "turn": 1, "hash_ids": [1, 2]}
{"chat_id": 2, "parent_chat_id": 1, "timestamp": 3.5, "input_length": 50, "output_length": 6, \
"type": "text", "turn": 2, "hash_ids": [1, 2, 3, 4]}
"""

LITELLM = """\
startTime,endTime,completionStartTime,prompt_tokens,completion_tokens
2026-01-01T00:00:00Z,2026-01-01T00:00:03Z,2026-01-01T00:00:01Z,100,20
2026-01-01T00:00:02.5Z,2026-01-01T00:00:03Z,2026-01-01T00:00:01Z,110,30
"""

KNOWN: dict[str, tuple[str, str, list[tuple[float, int, int, int]]]] = {
    "azure2023.csv": ("azure", AZURE_2023, [(0, 4808, 10, 0), (0.052, 3180, 8, 0)]),
    "azure2024.csv": ("azure", AZURE_2024, [(0, 2162, 5, 0), (0.007405, 2399, 6, 0)]),
    "burst.csv": ("burstgpt", BURSTGPT, [(0, 472, 18, 0), (113, 10, 9, 0)]),
    "mooncake.jsonl": (
        "mooncake",
        MOONCAKE,
        [(0, 1024, 5, 0), (3, 1030, 6, 1024), (3, 1025, 7, 1025)],
    ),
    "qwen.jsonl": ("qwen-bailian", QWEN, [(0, 32, 5, 0), (3, 50, 6, 32)]),
    "litellm.csv": ("litellm", LITELLM, [(0, 100, 20, 0), (2.5, 110, 30, 0)]),
    "own.csv": ("batchline", f"{HEADER}5,10,2\n7,11,3\n", [(0, 10, 2, 0), (2, 11, 3, 0)]),
    "own_ms.csv": (
        "batchline",
        "arrival_ms,input_tokens,output_tokens,cached_tokens\n5,10,2,4\n7,11,3,\n",
        [(0, 10, 2, 4), (0.002, 11, 3, 0)],
    ),
    "lengths.csv": (
        "vidur",
        "num_prefill_tokens,num_decode_tokens,num_total_tokens\n10,2,12\n",
        [(0, 10, 2, 0)],
    ),
}


@pytest.mark.parametrize("name", KNOWN)
def test_a_known_format_is_told_by_its_columns(write: Write, name: str) -> None:
    format_name, text, expected = KNOWN[name]
    trace = read_trace(write(name, text))
    assert trace.format == format_name
    found = rows(trace)
    assert [row[1:] for row in found] == [row[1:] for row in expected]
    assert [row[0] for row in found] == pytest.approx([row[0] for row in expected])


@pytest.mark.parametrize("name", [n for n in KNOWN if n.endswith("csv")])
@pytest.mark.parametrize(
    "change",
    [
        lambda text: b"\xef\xbb\xbf" + text.encode(),
        lambda text: text.replace("\n", "\r\n").encode(),
        lambda text: text.rstrip("\n").encode(),
        lambda text: text.replace(",", ";").encode(),
        lambda text: text.replace(",", "\t").encode(),
        lambda text: "\n".join(
            ",".join(f'"{cell}"' for cell in line.split(",")) for line in text.splitlines()
        ).encode(),
        lambda text: gzip.compress(text.encode()),
    ],
    ids=["BOM", "CRLF", "no last newline", "semicolons", "tabs", "quotes", "gzip"],
)
def test_csv_may_be_written_in_other_ways(
    write: Write, name: str, change: Callable[[str], bytes]
) -> None:
    _, text, _ = KNOWN[name]
    assert rows(read_trace(write("changed", change(text)))) == rows(read_trace(write(name, text)))


def test_json_may_be_one_array_or_compressed(write: Write) -> None:
    lines = [json.loads(line) for line in MOONCAKE.splitlines()]
    expected = rows(read_trace(write("m.jsonl", MOONCAKE)))
    assert rows(read_trace(write("m.json", json.dumps(lines)))) == expected
    assert rows(read_trace(write("m.jsonl.gz", gzip.compress(MOONCAKE.encode())))) == expected


def test_parquet_is_read_whatever_its_types(tmp_path: Path) -> None:
    import duckdb

    path = tmp_path / "log.parquet"
    with duckdb.connect() as connection:
        connection.execute(
            "COPY (SELECT TIMESTAMP '2026-01-01 00:00:00' + INTERVAL (i) SECOND AS arrival, "
            "10::SMALLINT + i AS input_tokens, 5.0::DECIMAL(9,1) AS output_tokens "
            f"FROM range(3) t(i)) TO '{path}'"
        )
    assert rows(read_trace(path)) == [(0, 10, 5, 0), (1, 11, 5, 0), (2, 12, 5, 0)]


@pytest.mark.parametrize("name", ["a b's.csv", "a[1]*?.csv", "~x.csv", "é.csv", "s3:x.csv"])
def test_a_file_may_have_any_name(write: Write, name: str) -> None:
    assert rows(read_trace(write(name, f"{HEADER}5,10,2\n"))) == [(0, 10, 2, 0)]


def test_a_log_in_no_known_format_has_its_columns_named(write: Write) -> None:
    path = write("mine.csv", "who,when,asked,said,hit\nme,1500,10,2,3\nyou,1000,20,4,0\n")
    assert "found the columns who, when, asked, said, hit, expected those of one of" in refusal(
        path
    )
    columns = columns_from("arrival=when,arrival_unit=ms,input_tokens=asked,output_tokens=said")
    assert rows(read_trace(path, columns=columns)) == [(0, 20, 4, 0), (0.5, 10, 2, 0)]
    wrong = Columns(arrival="time", input_tokens="asked", output_tokens="said")
    assert refusal(path, "auto", wrong) == (
        "mine.csv: found the columns who, when, asked, said, hit, expected time"
    )
    lengths_only = Columns(input_tokens="asked", output_tokens="said", cached_tokens="hit")
    trace = read_trace(path, columns=lengths_only)
    assert rows(trace) == [(0, 10, 2, 3), (0, 20, 4, 0)]
    assert trace.warnings == ("it has no arrival times: lengths only",)


@pytest.mark.parametrize(
    ("name", "first", "last", "duration_s"),
    [
        ("arrival", "2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z", 60),
        ("arrival", "2026-01-01 00:00:00", "2026-01-01 01:00:00.5", 3600.5),
        ("arrival", "2026-01-01T00:00:00+02:00", "2026-01-01T00:00:00Z", 7200),
        ("arrival", "5", "7.5", 2.5),
        ("at_ms", "5", "7.5", 0.0025),
        ("at_us", "5", "7.5", 2.5e-6),
    ],
)
def test_the_unit_of_an_arrival_is_told_by_its_value_or_its_name(
    write: Write, name: str, first: str, last: str, duration_s: float
) -> None:
    path = write("log.csv", f"{name},input_tokens,output_tokens\n{first},1,1\n{last},1,1\n")
    columns = Columns(arrival=name, input_tokens="input_tokens", output_tokens="output_tokens")
    assert read_trace(path, columns=columns).duration_s == pytest.approx(duration_s)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "log: is empty, expected a log of requests"),
        (" \n", "log: is empty, expected a log of requests"),
        (HEADER, "log: found no rows, expected requests"),
        (f"{HEADER}5,10,0\n", "log: every output has 0 tokens, expected some with more"),
        (f"{HEADER}5,10,1\n6,-3,1\n", "log: row 2: input_tokens: found '-3', expected a whole"),
        (f"{HEADER}5,10,-1\n", "log: row 1: output_tokens: found '-1', expected a whole number"),
        (f"{HEADER}nan,10,1\n", "log: row 1: arrival_s: found 'nan', expected a time"),
        (f"{HEADER}-1,10,1\n", "log: row 1: arrival_s: found '-1', expected a time"),
        (f"{HEADER}5,nan,1\n", "log: row 1: input_tokens: found 'nan'"),
        (f"{HEADER}5,inf,1\n", "log: row 1: input_tokens: found 'inf'"),
        (f"{HEADER}5,,1\n", "log: row 1: input_tokens: found nothing"),
        (f"{HEADER}5,ten,1\n", "log: row 1: input_tokens: found 'ten'"),
        (f"{HEADER}5,10.5,1\n", "log: row 1: input_tokens: found '10.5'"),
        (f"{HEADER}5,{'9' * 40},1\n", "log: row 1: input_tokens: found '9999"),
        (
            f"{HEADER}5,x,1\n6,y,1\n7,z,1\n",
            "log: row 1: input_tokens: found 'x', expected a whole "
            "number from 0 to 100000000 (and 2 more)",
        ),
        (f"{HEADER}1763000000000,1,1\n", "to the year 5000, or another arrival_unit"),
        (f"{HEADER}5,10\n", "log:2: found 2 values, expected 3"),
        (f"{HEADER}5,10,1\n5,10,1,7\n", "log:3: found 4 values, expected 3"),
        (f'{HEADER}5,"10,1\n', "log:2: found a quote that does not end"),
        (f"{HEADER}5,\xe9,1\n".encode("latin-1"), "log:2: not UTF-8"),
        (b"\xff\xfea,b\n", "log:1: not UTF-8, expected the names of columns"),
        ("a,a\n1,2\n", "log:1: found 'a,a', expected names of columns, each once"),
        ("a,,b\n1,2,3\n", "log:1: found 'a,,b', expected names of columns, each once"),
        ("a,b\n1,2\n", "log: found the columns a, b, expected those of one of azure, burstgpt"),
        ("TIMESTAMP,ContextTokens\n1,2\n", "log: found the columns TIMESTAMP, ContextTokens"),
        (AZURE_2023.replace("-16 ", "-36 "), "log: row 1: TIMESTAMP: found '2023-11-36 18:17"),
        (AZURE_2023.replace("2023", "9023"), "log: row 1: TIMESTAMP: found '9023-11-16"),
        ('{"timestamp": 0, "input_le', "log: cannot be read: Malformed JSON"),
        ('{"timestamp": 0, "input_length": 1}\n', "log: found the columns timestamp, input_length"),
        (MOONCAKE.replace("1030", "[1]"), "log: row 2: input_length: found '[1]', expected"),
        (MOONCAKE.replace('"output_length": 6, ', ""), "row 2: output_length: found nothing"),
        (MOONCAKE.replace("[0, 1, 2]", '"x"'), "log: cannot be read: JSON transform error"),
        (b"PAR1 is not enough", "log: cannot be read: "),
        (gzip.compress(f"{HEADER}5,10,1\n".encode() * 9999, mtime=0)[:99], "log: cannot be read: "),
        (b"\x1f\x8b", "log: cannot be read: "),
        (b"%PDF-1.4\n\xe2", "log: found the columns %PDF-1.4, expected those of one of"),
    ],
)
def test_what_is_wrong_in_a_log_is_told_in_one_line(
    write: Write, content: str | bytes, says: str
) -> None:
    assert says in refusal(write("log", content))


def test_what_is_no_log_is_told_in_one_line(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none.csv") == "none.csv: no such file"
    assert refusal(tmp_path).endswith("is a directory, expected a file")
    assert refusal(Path("/dev/null")).endswith(
        "null: is no file on disk, expected one: it is read twice"
    )
    assert "not a file name" in refusal(tmp_path / "a\0b")
    assert "cannot be read" in refusal(tmp_path / ("x" * 300))


def test_a_format_that_is_asked_for_must_fit(write: Write) -> None:
    path = write("log.csv", AZURE_2023)
    assert read_trace(path, "azure").num_requests == 2
    assert refusal(path, "burstgpt").endswith(
        "expected Timestamp, Request tokens, Response tokens for the format burstgpt"
    )
    assert "format: found 'asure', expected auto or one of azure" in refusal(path, "asure")


def test_every_format_is_found_by_its_own_columns() -> None:
    assert set(NAMES) == {format_name for format_name, _, _ in KNOWN.values()}
    assert find_format("auto", ["arrival", "input_tokens", "output_tokens"]).name == "batchline"


@pytest.mark.parametrize(
    ("pairs", "says"),
    [
        ("", "found '', expected KEY=COLUMN"),
        ("arrival", "found 'arrival', expected KEY=COLUMN"),
        ("speed=x", "found 'speed=x', expected KEY=COLUMN, each once, with KEY one of"),
        ("arrival=a,arrival=b", "found 'arrival=b'"),
        ("input_tokens=", "found 'input_tokens='"),
        ("arrival=a,input_tokens=b", "output_tokens is missing"),
        ("arrival_unit=h,input_tokens=a,output_tokens=b", "found arrival_unit=h, expected one of"),
    ],
)
def test_columns_are_named_by_pairs(pairs: str, says: str) -> None:
    with pytest.raises(InputError, match="columns: ") as caught:
        columns_from(pairs)
    assert says in str(caught.value)


def test_requests_are_put_in_order_of_time(write: Write) -> None:
    trace = read_trace(write("log.csv", f"{HEADER}9,1,1\n3,2,1\n5,3,1\n4,4,1\n"))
    assert rows(trace) == [(0, 2, 1, 0), (1, 4, 1, 0), (2, 3, 1, 0), (6, 1, 1, 0)]
    assert trace.warnings == ("2 rows earlier than the row above: sorted",)


def test_an_answer_of_nothing_is_dropped_and_a_prompt_of_nothing_is_one_token(write: Write) -> None:
    trace = read_trace(write("log.csv", f"{HEADER}1,10,0\n2,0,1\n3,2,2\n4,0,0\n"))
    assert rows(trace) == [(0, 1, 1, 0), (1, 2, 2, 0)]
    assert trace.warnings == (
        "2 requests with an output of 0 tokens dropped",
        "1 prompt of 0 tokens counted as 1",
    )


def test_one_request_is_a_log(write: Write) -> None:
    trace = read_trace(write("log.csv", f"{HEADER}77,10,2\n"))
    assert (trace.num_requests, trace.duration_s, trace.warnings) == (1, 0.0, ())


def test_blocks_count_in_order_of_time(write: Write) -> None:
    first, second, _ = MOONCAKE.splitlines()
    later = first.replace('"timestamp": 0', '"timestamp": 9000')
    assert [row[3] for row in rows(read_trace(write("m.jsonl", f"{later}\n{second}\n")))] == [
        0,
        1024,
    ]


@pytest.mark.parametrize("text", [KNOWN["own_ms.csv"][1], MOONCAKE, QWEN, BURSTGPT])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(data=st.data())
def test_a_log_with_bytes_changed_is_read_or_refused(
    write: Write, text: str, data: st.DataObject
) -> None:
    content = bytearray(text.encode())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    check_is_read_or_refused(write("log", bytes(content)))


cells = st.one_of(
    st.integers(-5, 10**30).map(str),
    st.floats().map(str),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=6),
    st.sampled_from(["", '"', "null", "1e3", "0x1", "infinity", "2026-01-01"]),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(table=st.lists(st.lists(cells, min_size=2, max_size=4), max_size=6))
def test_a_log_of_odd_cells_is_read_or_refused(write: Write, table: list[list[str]]) -> None:
    text = HEADER + "".join(",".join(row) + "\n" for row in table)
    check_is_read_or_refused(write("log", text))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.binary(max_size=200), head=st.sampled_from([b"", b"{", b"[", b"PAR1", b"\x1f\x8b"])
)
def test_any_bytes_are_read_or_refused(write: Write, content: bytes, head: bytes) -> None:
    check_is_read_or_refused(write("log", head + content))


def check_is_read_or_refused(path: Path) -> None:
    """Read a log; it has requests in order, or there is one line about it."""
    said, trace = attempt(path)
    if trace is None:
        assert len(said.splitlines()) == 1
        assert said.startswith(str(path))
        return
    assert trace.arrival_s[0] == 0
    assert (trace.arrival_s[1:] >= trace.arrival_s[:-1]).all()
    assert (trace.output_tokens > 0).all()
    assert (trace.input_tokens > 0).all()
    assert (trace.cached_tokens <= trace.input_tokens).all()


def attempt(path: Path) -> tuple[str, Trace | None]:
    """Return what is said of a log, or the log."""
    try:
        return "", read_trace(path)
    except InputError as exc:
        return str(exc), None

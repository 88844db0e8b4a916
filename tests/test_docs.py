"""The documentation against the program: examples run, files load, links and names are there."""

import doctest
import inspect
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import fields
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer.main

import batchline.units
from batchline.audit import Verdict
from batchline.audit.auditor import ASSERTIONS, CHECKS
from batchline.catalog import KINDS, Catalog
from batchline.catalog.checking import check_catalog
from batchline.catalog.files.claim import CheckEntry, ClaimEntry
from batchline.cli.main import app, run
from batchline.provenance import Grade, Interest

REPOSITORY = Path(__file__).resolve().parent.parent
DOCS = REPOSITORY / "docs"
AS_OF = date(2026, 11, 24)

TOP_PAGES = [REPOSITORY / name for name in ("README.md", "CONTRIBUTING.md")]
PAGES = [p for p in TOP_PAGES if p.is_file()] + sorted(DOCS.rglob("*.md"))

JSON_COMMANDS = {
    "audit": ["audit", "examples/claims.yaml", "--as-of", "2026-11-24"],
    "decide": ["decide", "examples/support-chat.yaml"],
    "workload-profile": ["profile", "tests/workload/logs/chat.csv"],
    "predict": [
        *("predict", "llama-3.1-8b", "--chip", "h100-sxm", "--tp", "1", "--concurrency", "1,32"),
        *("--usd-per-hour", "2.5", "--explain"),
    ],
    "simulate": [
        *("simulate", "examples/support-chat.yaml"),
        *("--deployment", "lambda/h100-sxm-x2/vllm/fp4/tp2", "--num-requests", "2000"),
    ],
    "capacity": [
        *("capacity", "examples/support-chat.yaml"),
        *("--deployment", "lambda/h100-sxm-x2/vllm/fp4/tp2", "--num-requests", "2000"),
    ],
    "validate": ["validate", "examples/measurements.csv"],
    "calibrate": ["calibrate", "examples/measurements.csv"],
    "catalog-list": ["catalog", "list", "--as-of", "2026-11-24"],
    "catalog-show": ["catalog", "show", "cerebras-cs-3"],
    "catalog-check": ["catalog", "check", "--as-of", "2026-11-24"],
}
"""Example in `docs/json-schema` -> the command it shows."""

COUNTED = {"num_records": 0}
"""What grows with every file, so that an example need not follow."""

DATA_KEYS = {"counts", "file_hashes"}
"""Objects whose keys are data, not structure."""


class Block(NamedTuple):
    """One fenced block of a page."""

    page: Path
    line: int
    language: str
    text: str

    @property
    def place(self) -> str:
        """The page and line, as a test id shows it."""
        return f"{self.page.relative_to(REPOSITORY)}:{self.line}"


def blocks(page: Path) -> Iterator[Block]:
    """Yield the fenced blocks of a page."""
    text = page.read_text("utf-8")
    for found in re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        line = text.count("\n", 0, found.start()) + 1
        yield Block(page, line, found[1], found[2])


def named_files(page: Path) -> dict[str, str]:
    """Return what a page gives in full: catalog files by `# FILE:`, others by `<!-- FILE: -->`."""
    catalog = {
        f"my-catalog/{name[1]}": b.text
        for b in blocks(page)
        if b.language == "yaml" and (name := re.match(r"# FILE: (\S+)\n", b.text))
    }
    plain = re.findall(
        r"<!-- FILE: (\S+) -->\n```\w+\n(.*?)^```$",
        page.read_text("utf-8"),
        re.MULTILINE | re.DOTALL,
    )
    return catalog | dict(plain)


def write_files(page: Path, folder: Path) -> Path:
    """Write the files of a page below `folder`, beside the examples; return its catalog."""
    (folder / "examples").symlink_to(REPOSITORY / "examples")
    for name, text in named_files(page).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return folder / "my-catalog"


ALL_BLOCKS = [b for page in PAGES for b in blocks(page)]
CONSOLE = [b for b in ALL_BLOCKS if b.language == "console" and b.text.startswith("$ batchline ")]
WITH_FILES = [p for p in PAGES if any(n.startswith("my-catalog/") for n in named_files(p))]
WITH_EXAMPLES = [p for p in PAGES if ">>> " in p.read_text("utf-8")]
ALL_TEXT = "\n".join(p.read_text("utf-8") for p in PAGES)


def name_of(page: Path) -> str:
    """Return a page's name as a test id shows it."""
    return str(page.relative_to(REPOSITORY))


@pytest.fixture(autouse=True)
def _plain_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away what the environment could change, and name the program as a user calls it."""
    monkeypatch.delenv("BATCHLINE_CATALOG", raising=False)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr(sys, "argv", ["batchline"])
    monkeypatch.setattr(sys.modules["__main__"], "__package__", None)


@pytest.mark.parametrize("page", WITH_EXAMPLES, ids=name_of)
def test_every_python_example_of_a_page_gives_what_it_says(page: Path) -> None:
    parser, runner = doctest.DocTestParser(), doctest.DocTestRunner(verbose=False)
    names: dict[str, Any] = {}
    report: list[str] = []
    for block in blocks(page):
        if block.language != "python":
            continue
        example = parser.get_doctest(block.text, names, block.place, str(page), block.line)
        runner.run(example, out=report.append, clear_globs=False)
        names |= example.globs
    assert runner.summarize(verbose=False).attempted
    assert not report, "".join(report)


def test_python_examples_stand_in_python_blocks() -> None:
    inside = sum(b.text.count(">>> ") for b in ALL_BLOCKS if b.language == "python")
    assert inside == ALL_TEXT.count(">>> ")


@pytest.mark.parametrize("block", CONSOLE, ids=lambda b: b.place)
def test_every_console_block_prints_what_it_shows(
    block: Block,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if named_files(block.page):
        write_files(block.page, tmp_path)
        monkeypatch.chdir(tmp_path)
    else:
        monkeypatch.chdir(REPOSITORY)
    command, _, shown = block.text.partition("\n")
    run(command.removeprefix("$ batchline ").split())
    captured = capsys.readouterr()
    printed = captured.out + captured.err
    lines = [s for s in shown.splitlines() if s != "..."]
    wrong = [s for s in lines if not re.search(f"^{pattern_of(s)}", printed, re.MULTILINE)]
    assert matches(shown, printed), f"it never prints {wrong}, or not in this order:\n{printed}"


def matches(shown: str, printed: str) -> bool:
    """Return whether a block shows what is printed; a line of `...` stands for any lines."""
    lines = [r"(?:.*\n)*?" if s == "..." else pattern_of(s) for s in shown.splitlines()]
    return re.fullmatch("".join(lines), printed) is not None


def pattern_of(line: str) -> str:
    """Return a pattern for one line; `...` at its end stands for the rest of it."""
    if line.endswith(" ..."):
        return re.escape(line.removesuffix("...")) + r".*\n"
    return re.escape(line) + r"\n"


def test_dots_stand_for_any_lines_and_nothing_else() -> None:
    assert matches("a\n...\nd\n", "a\nb\nc\nd\n")
    assert matches("a\n...\n", "a\n")
    assert matches("a ...\n", "a b c\n")
    assert not matches("a\nd\n", "a\nb\nd\n")
    assert not matches("a\n...\nd\n", "a\nb\n")


@pytest.mark.parametrize("page", WITH_FILES, ids=name_of)
def test_every_file_of_a_page_loads_and_passes_the_check(page: Path, tmp_path: Path) -> None:
    folder = write_files(page, tmp_path)
    catalog = Catalog([folder])
    ours = {f"{p.parent.name}/{p.stem}" for p in folder.glob("*/*.yaml")}
    for kind, _, record_id in (name.partition("/") for name in sorted(ours)):
        assert catalog.path(kind, record_id) == folder / kind / f"{record_id}.yaml"
        catalog.record(kind, record_id)
    problems = check_catalog(catalog, AS_OF)
    assert [p for p in problems if p.record.startswith(tuple(ours))] == []


def test_the_extending_page_has_a_file_of_every_kind() -> None:
    kinds = {name.split("/")[1] for name in named_files(DOCS / "extending.md") if "/" in name}
    assert kinds == set(KINDS)


def parameters() -> Iterator[tuple[str, list[str]]]:
    """Yield every command as it is typed, with the spellings of each of its options."""

    def walk(command: object, typed: str) -> Iterator[tuple[str, list[str]]]:
        options = (p for p in getattr(command, "params", []) if p.param_type_name == "option")
        yield typed, [spelling for option in options for spelling in option.opts]
        for name, below in getattr(command, "commands", {}).items():
            yield from walk(below, f"{typed} {name}")

    yield from walk(typer.main.get_command(app), "batchline")


def is_named(words: str) -> bool:
    """Return whether the documentation has these words, not as part of longer ones."""
    return re.search(rf"(?<![\w-]){re.escape(words)}(?![\w-])", ALL_TEXT) is not None


def test_every_command_is_named_in_the_docs() -> None:
    commands = [typed for typed, _ in parameters()]
    assert "batchline catalog add-model" in commands
    assert [c for c in commands if not is_named(c)] == []


def test_every_option_is_named_in_the_docs() -> None:
    options = {option for _, spellings in parameters() for option in spellings}
    assert "--max-price-age" in options
    assert sorted(o for o in options if not is_named(o)) == []


def test_every_setting_of_the_environment_is_named_in_the_docs() -> None:
    sources = (REPOSITORY / "src").rglob("*.py")
    used = {n for s in sources for n in re.findall(r"\bBATCHLINE_[A-Z_]+", s.read_text("utf-8"))}
    assert used
    assert sorted(n for n in used if not is_named(n)) == []


def key_paths(value: object, path: str = "") -> set[str]:
    """Return the path of every key in a JSON value; items of a list share one path."""
    if isinstance(value, list):
        return {p for item in value for p in key_paths(item, f"{path}[]")}
    if not isinstance(value, dict):
        return set()
    below = {f"{path}.{key}": inner for key, inner in value.items()}
    if path.rpartition(".")[2] in DATA_KEYS:
        return set()
    return set(below) | {p for k, inner in below.items() for p in key_paths(inner, k)}


@pytest.mark.parametrize("name", JSON_COMMANDS)
def test_a_json_example_has_the_keys_that_its_command_prints(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(REPOSITORY)
    assert run([*JSON_COMMANDS[name], "--json"]) in {0, 3}
    printed = json.loads(capsys.readouterr().out)
    example = json.loads((DOCS / "json-schema" / f"{name}.json").read_text("utf-8"))
    assert key_paths(example) == key_paths(printed)
    assert example["schema_version"] == printed["schema_version"]


@pytest.mark.parametrize("name", ["catalog-list", "catalog-check", "catalog-show"])
def test_a_json_example_of_the_catalog_is_real_output_cut_short(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*JSON_COMMANDS[name], "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    example = json.loads((DOCS / "json-schema" / f"{name}.json").read_text("utf-8"))
    assert is_cut_of(example | COUNTED, printed | COUNTED)


def is_cut_of(example: object, printed: object) -> bool:
    """Return whether a value is another one with items of its lists left out."""
    if isinstance(example, dict) and isinstance(printed, dict):
        alike = example.keys() == printed.keys()
        return alike and all(is_cut_of(example[key], printed[key]) for key in example)
    if isinstance(example, list) and isinstance(printed, list):
        return all(any(is_cut_of(item, other) for other in printed) for item in example)
    return example == printed


def test_every_json_example_belongs_to_a_command_and_is_in_the_table() -> None:
    assert {p.stem for p in (DOCS / "json-schema").glob("*.json")} == set(JSON_COMMANDS)
    table = (DOCS / "json-schema" / "README.md").read_text("utf-8")
    for name, command in JSON_COMMANDS.items():
        assert f"| [{name}.json]({name}.json) | `batchline {' '.join(command)} --json` |" in table


def links(page: Path) -> Iterator[str]:
    """Yield the targets of a page's links to other files and headings."""
    text = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not target.startswith(("http://", "https://", "mailto:")):
            yield target


def anchors(page: Path) -> set[str]:
    """Return the anchors that the headings of a page make."""
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", h).strip().lower().replace(" ", "-") for h in headings}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    for target in links(page):
        path, _, anchor = target.partition("#")
        aim = (page.parent / path).resolve() if path else page
        assert aim.exists(), f"{target} is not there"
        assert not anchor or anchor in anchors(aim), f"{target} has no such heading"


def test_every_page_of_the_docs_is_linked_from_another() -> None:
    linked = {
        (page.parent / target.partition("#")[0]).resolve()
        for page in PAGES
        for target in links(page)
        if target.partition("#")[0]
    }
    entrances = {DOCS / "tutorial.md", DOCS / "dependencies.md"}
    assert [p for p in sorted(DOCS.rglob("*.md")) if p not in linked | entrances] == []


def kinds_of(entry: type[Any], checks: dict[Any, Any]) -> list[tuple[str, type[Any]]]:
    """Return (name in a file, record) of every kind of assertion or check."""
    found = [
        (name, kind)
        for name, field in entry.model_fields.items()
        for kind in checks
        if field.annotation == kind | None
    ]
    assert len(found) == len(checks)
    return found


def test_every_kind_of_assertion_is_explained_with_its_keys() -> None:
    page = (DOCS / "methods" / "audit.md").read_text("utf-8")
    for name, kind in kinds_of(ClaimEntry, dict(ASSERTIONS)):
        section = re.search(rf"^### {name}\n(.*?)(?=^##)", page, re.MULTILINE | re.DOTALL)
        assert section, f"{name} has no section"
        assert [f.name for f in fields(kind) if f"`{f.name}`" not in section[1]] == []


def test_every_kind_of_check_is_explained_with_its_keys() -> None:
    page = (DOCS / "methods" / "audit.md").read_text("utf-8")
    for name, kind in kinds_of(CheckEntry, dict(CHECKS)):
        row = re.search(rf"^\| `{name}` \|.*$", page, re.MULTILINE)
        assert row, f"{name} has no row"
        assert [f.name for f in fields(kind) if f"`{f.name}`" not in row[0]] == []


def test_every_key_of_a_catalog_file_is_named() -> None:
    pages = ("methods/catalog.md", "methods/audit.md", "extending.md")
    text = "\n".join((DOCS / page).read_text("utf-8") for page in pages)
    folder = REPOSITORY / "src" / "batchline" / "catalog" / "schema"
    keys: set[str] = set()
    for schema in (json.loads(p.read_text("utf-8")) for p in folder.glob("*.json")):
        for part in (schema, *schema["$defs"].values()):
            keys |= {batchline.units.to_base(key)[0] for key in part.get("properties", {})}
    words = {batchline.units.to_base(word)[0] for word in re.findall(r"\w+", text)}
    assert sorted(keys - words) == []


def test_every_unit_grade_interest_and_verdict_is_in_the_nomenclature() -> None:
    page = (DOCS / "nomenclature.md").read_text("utf-8")
    units = [*batchline.units.BASE_SUFFIXES, *batchline.units.FILE_SUFFIXES]
    assert [u for u in units if f"`{u}`" not in page] == []
    words = [w.name.lower() for kind in (Grade, Interest) for w in kind]
    assert [w for w in (*words, *Verdict) if f"\n| {w} |" not in page] == []


def test_every_module_has_a_line_in_the_structure() -> None:
    page = (DOCS / "structure.md").read_text("utf-8")
    package = Path(inspect.getfile(batchline)).parent
    modules = [p for p in package.rglob("*.py") if not p.name.startswith("__")]
    rows = "\n".join(line for line in page.splitlines() if line.startswith("| `"))
    for module in modules:
        folder = module.parent.relative_to(package)
        assert f"`{module.name}`" in rows or f"`{folder / module.name}`" in rows, module


def test_no_page_has_a_path_of_somebodys_machine() -> None:
    found = re.findall(r"(?<![\w.])/(?:home|work|root|tmp|Users)/\S*", ALL_TEXT)
    assert found == []

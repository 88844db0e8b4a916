"""`batchline catalog refresh`: what it writes, what it says, and how it fails."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from batchline.catalog import Catalog
from batchline.catalog.records import TokenOffer
from batchline.cli.refresh import download, refresh_command
from batchline.errors import InputError
from tests.catalog.refresh.conftest import RECORDED, built_in
from tests.conftest import minimal

CEREBRAS = ["cerebras", "--from", str(RECORDED / "cerebras.json")]
DAY = ["--as-of", "2026-11-20"]

app = typer.Typer()
app.command()(refresh_command)


def run(*arguments: str) -> str:
    """Return what a run says; an error is raised, as the program's rim expects it."""
    done = CliRunner().invoke(app, arguments, standalone_mode=False)
    if done.exception is not None:
        raise done.exception
    assert done.stdout == ""
    return done.stderr


def failure(*arguments: str) -> str:
    with pytest.raises(InputError) as told:
        run(*arguments)
    assert "\n" not in str(told.value)
    return str(told.value)


@pytest.fixture(autouse=True)
def _no_overlay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BATCHLINE_CATALOG", raising=False)


def test_a_refresh_writes_an_overlay_that_continues_the_built_in_record(tmp_path: Path) -> None:
    folder = tmp_path / "my" / "catalog"
    said = run(*CEREBRAS, "--into", str(folder), *DAY)
    path = folder / "offers" / "cerebras.yaml"
    assert said.splitlines() == [
        f"wrote {path}: 2 prices, 1 new offer",
        "listed by the catalog, not seen: cerebras/qwen-3.8-27b",
        "left out: 1 with a price of zero: acme-trial",
        "left out: 1 with a name only: acme-soon",
    ]
    ids = {offer.id for offer in Catalog([folder]).provider("cerebras").offers}
    assert {"cerebras/acme-chat-9b", "cerebras/llama-3.3-70b"} <= ids
    assert "as_of: 2026-11-20" in path.read_text("utf-8")


def test_a_second_run_writes_nothing(tmp_path: Path) -> None:
    run(*CEREBRAS, "--into", str(tmp_path), *DAY)
    path = tmp_path / "offers" / "cerebras.yaml"
    before = path.read_bytes()
    path.chmod(0o444)
    said = run(*CEREBRAS, "--into", str(tmp_path), *DAY)
    assert said.startswith("nothing new, nothing written\n")
    assert path.read_bytes() == before


def test_the_overlay_that_counts_is_continued(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = tmp_path / "mine"
    (mine / "offers").mkdir(parents=True)
    text = (built_in("cerebras") or "") + "# of mine\n"
    (mine / "offers" / "cerebras.yaml").write_text(text, "utf-8")
    monkeypatch.setenv("BATCHLINE_CATALOG", str(mine))
    run(*CEREBRAS, "--into", str(tmp_path / "new"), *DAY)
    assert "# of mine\n" in (tmp_path / "new" / "offers" / "cerebras.yaml").read_text("utf-8")
    assert (mine / "offers" / "cerebras.yaml").read_text("utf-8") == text


def test_the_first_run_knows_the_models_of_the_folder_it_writes_into(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    model = minimal("models", ("modality:", "aliases: [acme-chat-9b]\nmodality:"))
    (tmp_path / "models" / "my-chat.yaml").write_text(model, "utf-8")
    run(*CEREBRAS, "--into", str(tmp_path), *DAY)
    offer = Catalog([tmp_path]).offer("cerebras/acme-chat-9b")
    assert isinstance(offer, TokenOffer)
    assert offer.model == "my-chat"


def test_what_is_fetched_was_seen_now_and_a_file_not_later(tmp_path: Path) -> None:
    into = ["--into", str(tmp_path)]
    assert "expected none: it is seen now" in failure("cerebras", *into, *DAY)
    assert "or earlier" in failure(*CEREBRAS, *into, "--as-of", "9999-01-01")
    assert "--as-of: found 'x'" in failure(*CEREBRAS, *into, "--as-of", "x")
    assert "the package that lists groq has no date" in failure("groq", *into)


def test_the_package_needs_the_day_of_its_release(tmp_path: Path) -> None:
    pytest.importorskip("genai_prices")
    said = run("groq", "--into", str(tmp_path), *DAY)
    assert said.startswith("wrote ")
    assert run("groq", "--into", str(tmp_path), *DAY).startswith("nothing new")


def test_unusable_paths_and_files_are_one_line(tmp_path: Path) -> None:
    into = ["--into", str(tmp_path)]
    assert "did you mean cerebras" in failure("cerebas", *into)
    assert "cannot be read: No such file" in failure("cerebras", *into, "--from", "/no/such.json")
    assert "cannot be read: Is a directory" in failure("cerebras", *into, "--from", "/")
    assert "cannot be made" in failure(*CEREBRAS, "--into", str(RECORDED / "cerebras.json"))
    binary = tmp_path / "x.json"
    binary.write_bytes(b"\xff\xfe")
    assert "not UTF-8: byte 0 is 0xff" in failure("cerebras", *into, "--from", str(binary))
    assert not (tmp_path / "offers").exists()


class Answers(BaseHTTPRequestHandler):
    """Answers `/CODE` with that code."""

    def do_GET(self) -> None:
        code = int(self.path.strip("/"))
        self.send_response(code)
        self.end_headers()
        self.wfile.write(b"\xff" if code == 203 else b"text")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Answers) as listening:
        thread = threading.Thread(target=listening.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}"
        listening.shutdown()
        thread.join()


def test_a_download_returns_text_or_says_what_the_server_answered(server: str) -> None:
    assert download(f"{server}/200") == "text"
    assert download(f"{server}/404") is None
    with pytest.raises(InputError, match=r"/503: answered 503, expected a price list$"):
        download(f"{server}/503")
    with pytest.raises(InputError, match="not UTF-8"):
        download(f"{server}/203")


def test_an_unreachable_server_is_one_line() -> None:
    with pytest.raises(InputError, match=r"cannot be reached: .*refused"):
        download("http://127.0.0.1:9/models")

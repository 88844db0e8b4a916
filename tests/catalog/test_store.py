import os
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from batchline.catalog import BUILT_IN, KINDS, Catalog, read_record
from batchline.catalog.records import (
    Calibration,
    Chip,
    ClaimSet,
    Engine,
    Kernels,
    MeasurementSet,
    Model,
    Provider,
    System,
    TokenOffer,
)
from batchline.errors import CatalogError, InputError
from tests.conftest import Overlay, minimal

RECORD_TYPES = {
    "chips": Chip,
    "systems": System,
    "models": Model,
    "engines": Engine,
    "offers": Provider,
    "claims": ClaimSet,
    "measurements": MeasurementSet,
    "kernels": Kernels,
    "calibrations": Calibration,
}

FILES = sorted(BUILT_IN.glob("*/*.yaml"))

BY_KIND: dict[str, Callable[[Catalog], Callable[[str], object]]] = {
    "chips": lambda catalog: catalog.chip,
    "systems": lambda catalog: catalog.system,
    "models": lambda catalog: catalog.model,
    "engines": lambda catalog: catalog.engine,
    "offers": lambda catalog: catalog.provider,
    "claims": lambda catalog: catalog.claims,
    "measurements": lambda catalog: catalog.measurements,
    "kernels": lambda catalog: partial(catalog.record, "kernels"),
    "calibrations": lambda catalog: catalog.calibration,
}


@pytest.mark.parametrize("path", FILES, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_every_built_in_file_is_a_record_of_its_kind(path: Path) -> None:
    kind = path.parent.name
    record = read_record(kind, path)
    assert isinstance(record, RECORD_TYPES[kind])
    assert getattr(record, "id", None) == path.stem


@pytest.mark.parametrize("kind", KINDS)
def test_every_file_has_an_id_and_every_id_a_file(kind: str, built_in: Catalog) -> None:
    ids = built_in.ids(kind)
    assert ids == sorted(p.stem for p in FILES if p.parent.name == kind)
    assert ids
    assert all(built_in.path(kind, record_id) for record_id in ids)


def test_no_file_lies_outside_the_known_folders() -> None:
    assert {p.parent.name for p in FILES} == set(KINDS)
    assert [p for p in BUILT_IN.rglob("*") if p.is_file() and p not in FILES] == []


@pytest.mark.parametrize("name", ["h100-sxm", "H100-SXM", "h100 sxm5", "NVIDIA h100 80GB HBM3"])
def test_a_chip_is_found_by_id_or_alias_in_any_case(name: str, built_in: Catalog) -> None:
    assert built_in.chip(name).id == "h100-sxm"


@pytest.mark.parametrize("kind", KINDS)
def test_no_two_records_of_a_kind_answer_to_one_name(kind: str, built_in: Catalog) -> None:
    names: list[str] = []
    for record_id in built_in.ids(kind):
        aliases = getattr(built_in.record(kind, record_id), "aliases", ())
        names += {record_id, *(alias.casefold() for alias in aliases)}
    assert len(names) == len(set(names))


@pytest.mark.parametrize("kind", KINDS)
def test_every_alias_finds_its_record(kind: str, built_in: Catalog) -> None:
    for record_id in built_in.ids(kind):
        record = built_in.record(kind, record_id)
        for alias in getattr(record, "aliases", ()):
            assert BY_KIND[kind](built_in)(alias.upper()) is record


@pytest.mark.parametrize(
    ("kind", "name", "close"),
    [
        ("chips", "h100-sxn", "h100-sxm"),
        ("systems", "dgx-h10", "dgx-h100"),
        ("models", "llama-3.1-71b", "llama-3.1-70b"),
        ("engines", "vlm", "vllm"),
        ("offers", "cerebas", "cerebras"),
        ("claims", "giude", "guide"),
    ],
)
def test_an_unknown_name_suggests_close_ones(
    kind: str, name: str, close: str, built_in: Catalog
) -> None:
    with pytest.raises(
        CatalogError, match=re.escape(f"unknown {kind[:-1]} {name!r}: did you")
    ) as e:
        BY_KIND[kind](built_in)(name)
    assert close in str(e.value)


def test_a_name_like_no_other_lists_what_there_is(built_in: Catalog) -> None:
    with pytest.raises(CatalogError, match="unknown engine 'zzzzz'") as caught:
        built_in.engine("zzzzz")
    assert str(caught.value).endswith(f"expected one of {', '.join(built_in.ids('engines'))}")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        ".",
        "..",
        "../chips/h100-sxm",
        "../../../../etc/passwd",
        "/etc/passwd",
        "a\0b",
        "h100-sxm\n",
        "h100-sxm.yaml",
        "*",
        "C:\\x",
        "é",
        "x" * 5_000,
    ],
)
def test_a_name_that_looks_like_a_path_is_just_unknown(
    kind: str, name: str, built_in: Catalog
) -> None:
    assert built_in.path(kind, name) is None
    with pytest.raises(CatalogError, match=r"^unknown "):
        BY_KIND[kind](built_in)(name)
    with pytest.raises(CatalogError, match=r"^unknown "):
        built_in.record(kind, name)
    with pytest.raises(CatalogError, match=r"^unknown record "):
        built_in.find(name)


@pytest.mark.parametrize("name", ["cerebras/nothing", "cerebras/", "nobody/llama3.1-8b", "/", ""])
def test_an_unknown_offer_is_told(name: str, built_in: Catalog) -> None:
    with pytest.raises(CatalogError, match=r"^unknown "):
        built_in.offer(name)


def test_an_unknown_offer_suggests_a_close_one(built_in: Catalog) -> None:
    with pytest.raises(CatalogError, match=r"did you mean .*cerebras/llama3\.1-8b"):
        built_in.offer("cerebras/llama3.1-9b")


def test_every_offer_is_found_by_its_id(built_in: Catalog) -> None:
    offers = list(built_in.offers())
    assert len({o.id for o in offers}) == len(offers)
    for offer in offers:
        assert offer.id.partition("/")[0] == offer.provider
        assert built_in.offer(offer.id) is offer


@pytest.mark.parametrize(
    ("name", "record_type"),
    [
        ("H100", Chip),
        ("dgx-h100", System),
        ("llama-3.1-70b", Model),
        ("vLLM", Engine),
        ("spheron", Provider),
        ("cerebras/gpt-oss-120b", TokenOffer),
        ("guide", ClaimSet),
        ("kernels/h100-sxm", Kernels),
        ("models/llama-3.1-70b", Model),
    ],
)
def test_a_record_of_any_kind_is_found_by_one_name(
    name: str, record_type: type, built_in: Catalog
) -> None:
    assert isinstance(built_in.find(name), record_type)


class TestOverlay:
    def test_a_new_file_is_a_new_record_beside_the_others(self, overlay: Overlay) -> None:
        catalog = overlay({"chips/mine": minimal("chips")})
        assert catalog.chip("mine").name == "Example chip"
        assert catalog.ids("chips") == sorted([*Catalog().ids("chips"), "mine"])
        assert catalog.chip("h100-sxm") == Catalog().chip("h100-sxm")

    def test_a_file_of_the_same_id_replaces_that_record_only(self, overlay: Overlay) -> None:
        catalog = overlay({"chips/h100-sxm": minimal("chips")})
        assert catalog.chip("h100-sxm").name == "Example chip"
        assert catalog.chip("h200-sxm") == Catalog().chip("h200-sxm")
        assert catalog.ids("chips") == Catalog().ids("chips")
        assert catalog.model("llama-3.1-70b") == Catalog().model("llama-3.1-70b")

    def test_the_aliases_of_a_replaced_record_go_with_it(self, overlay: Overlay) -> None:
        catalog = overlay({"chips/h100-sxm": minimal("chips")})
        with pytest.raises(CatalogError, match="unknown chip 'h100_sxm'"):
            catalog.chip("h100_sxm")

    def test_the_last_folder_is_on_top(self, overlay: Overlay, tmp_path: Path) -> None:
        overlay({"chips/mine": minimal("chips")}, "below")
        overlay({"chips/mine": minimal("chips", ("Example chip", "Better chip"))}, "above")
        below, above = tmp_path / "below", tmp_path / "above"
        assert Catalog([below, above]).chip("mine").name == "Better chip"
        assert Catalog([above, below]).chip("mine").name == "Example chip"

    def test_every_kind_can_be_overlaid(self, overlay: Overlay) -> None:
        catalog = overlay({f"{kind}/mine": minimal(kind) for kind in KINDS})
        for kind in KINDS:
            assert isinstance(catalog.record(kind, "mine"), RECORD_TYPES[kind])

    def test_an_alias_of_an_overlay_finds_its_record(self, overlay: Overlay) -> None:
        text = minimal("chips", ("kind: gpu", "kind: gpu\naliases: [Ex-1]"))
        assert overlay({"chips/mine": text}).chip("ex-1").id == "mine"

    def test_a_wrong_file_is_told_when_it_is_asked_for(self, overlay: Overlay) -> None:
        catalog = overlay({"chips/mine": minimal("chips", ("80", "-80"))})
        assert catalog.chip("h100-sxm").id == "h100-sxm"
        with pytest.raises(CatalogError, match="found -80, expected greater than 0"):
            catalog.chip("mine")

    def test_a_file_is_not_a_catalog(self, tmp_path: Path) -> None:
        path = tmp_path / "chips.yaml"
        path.write_text("a: 1")
        with pytest.raises(CatalogError, match=re.escape(f"{path}: is not a folder, expected")):
            Catalog([path])

    def test_a_missing_folder_is_not_a_catalog(self, tmp_path: Path) -> None:
        with pytest.raises(CatalogError, match="absent: is not a folder, expected a catalog"):
            Catalog([tmp_path / "absent"])

    def test_a_folder_without_kinds_is_not_a_catalog(self, tmp_path: Path) -> None:
        (tmp_path / "chip").mkdir()
        says = f"found none of its folders, expected {', '.join(KINDS)}"
        with pytest.raises(CatalogError, match=re.escape(says)):
            Catalog([tmp_path])

    def test_a_wrong_folder_is_told_even_beside_a_good_one(
        self, overlay: Overlay, tmp_path: Path
    ) -> None:
        overlay({"chips/mine": minimal("chips")})
        with pytest.raises(CatalogError, match="absent"):
            Catalog([tmp_path / "mine", tmp_path / "absent"])


def test_a_file_is_read_once(overlay: Overlay, tmp_path: Path) -> None:
    catalog = overlay({"chips/mine": minimal("chips")})
    before = catalog.chip("mine")
    (tmp_path / "mine" / "chips" / "mine.yaml").write_text("changed: yes", "utf-8")
    assert catalog.chip("mine") is before
    with pytest.raises(InputError, match="unknown key"):
        Catalog([tmp_path / "mine"]).chip("mine")


def test_only_the_files_a_question_needs_are_read(overlay: Overlay) -> None:
    catalog = overlay({f"{kind}/broken": "{" for kind in KINDS})
    assert catalog.chip("h100-sxm").id == "h100-sxm"
    assert catalog.model("llama-3.1-70b").id == "llama-3.1-70b"
    assert catalog.provider("spheron").id == "spheron"
    assert catalog.ids("claims").count("broken") == 1


def put(folder: Path, kind: str, name: str) -> Path:
    """Return where a file of a catalog lies, its folder made and the place free."""
    path = folder / kind / name
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


ODD: dict[str, Callable[[Path], None]] = {
    "is a directory": lambda path: path.mkdir(),
    "is a pipe": lambda path: os.mkfifo(path),
    "is a link to nothing": lambda path: path.symlink_to("nowhere.yaml"),
    "Too many levels of symbolic links": lambda path: path.symlink_to(path),
}


@pytest.mark.parametrize("reason", ODD)
@pytest.mark.parametrize("name", ["new-chip", "h100-sxm"])
def test_what_is_no_file_is_named_and_hides_no_built_in_record(
    name: str, reason: str, tmp_path: Path
) -> None:
    path = put(tmp_path, "chips", f"{name}.yaml")
    ODD[reason](path)
    catalog = Catalog([tmp_path])
    with pytest.raises(InputError) as told:
        catalog.chip(name)
    assert str(told.value).startswith(f"{path}: ")
    assert reason in str(told.value)


def test_a_file_whose_name_is_no_id_is_told_so(tmp_path: Path) -> None:
    path = put(tmp_path, "chips", "My Chip.yaml")
    path.write_text(minimal("chips"), "utf-8")
    with pytest.raises(CatalogError) as told:
        Catalog([tmp_path]).record("chips", "My Chip")
    assert str(told.value).startswith(f"{path}: found the file name 'My Chip.yaml', expected lower")


def test_files_that_begin_with_a_dot_are_left_alone(tmp_path: Path) -> None:
    put(tmp_path, "chips", ".#new.yaml").symlink_to("me@host.123")
    put(tmp_path, "chips", "._new.yaml").write_text("binary", "utf-8")
    catalog = Catalog([tmp_path])
    assert catalog.ids("chips") == Catalog().ids("chips")
    assert list(catalog.ignored()) == []


def test_a_kind_that_is_no_folder_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "chips").write_text("", "utf-8")
    with pytest.raises(CatalogError, match="chips: cannot be read: Not a directory"):
        Catalog([tmp_path]).ids("chips")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_without_permission_is_one_line(tmp_path: Path) -> None:
    path = put(tmp_path, "chips", "new.yaml")
    path.write_text(minimal("chips"), "utf-8")
    for mode in (0o000, 0o400):
        path.parent.chmod(mode)
        with pytest.raises(CatalogError, match="cannot be read: Permission denied"):
            Catalog([tmp_path]).chip("new")
        path.parent.chmod(0o700)


def test_what_looks_like_a_record_and_is_not_read_is_told(tmp_path: Path) -> None:
    for kind, name in (("chips", "a.yml"), ("chip", "b.yaml"), ("notes", "c.txt"), (".", "d.yaml")):
        put(tmp_path, kind, name).write_text("", "utf-8")
    found = {path.relative_to(tmp_path): why for path, why in Catalog([tmp_path]).ignored()}
    assert {str(path) for path in found} == {"chips/a.yml", "chip", "d.yaml"}
    assert found[Path("chips/a.yml")] == "expected a name that ends in .yaml"


@pytest.mark.parametrize("name", ["h100-sxm", "H100-SXM", "h100"])
def test_an_id_or_a_built_in_alias_comes_before_an_alias_of_another_record(
    name: str, overlay: Overlay
) -> None:
    taken = minimal("chips", ("kind: gpu", f"kind: gpu\naliases: [{name}]"))
    assert overlay({"chips/a-thief": taken}).chip(name).id == "h100-sxm"


def test_a_record_is_found_below_its_kind(built_in: Catalog) -> None:
    assert isinstance(built_in.find("cerebras"), Provider)
    assert isinstance(built_in.find("claims/cerebras"), ClaimSet)
    assert built_in.find("chips/H100") is built_in.chip("h100-sxm")
    assert built_in.find("offers/cerebras/llama-3.3-70b") == built_in.find("cerebras/llama-3.3-70b")
    assert built_in.find("models/meta-llama/Llama-3.1-70B") is built_in.model("llama-3.1-70b")
    with pytest.raises(CatalogError, match="unknown claim 'h100'"):
        built_in.find("claims/h100")


def test_every_run_is_found_by_its_set_and_its_id(built_in: Catalog) -> None:
    for name in built_in.ids("measurements"):
        for run in built_in.measurements(name).measurements:
            assert built_in.find(f"{name}/{run.id}") is run
            assert built_in.find(f"measurements/{name}/{run.id}") is run
    with pytest.raises(CatalogError, match="unknown measurement"):
        built_in.find(f"{name}/nothing")

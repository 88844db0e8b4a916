"""`decide`, `why` and `compare`: what they print, with which exit code, and what they refuse."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from batchline.catalog import Catalog
from batchline.catalog.files.bounds import BOUNDS
from batchline.cli.main import EXIT_DONE, EXIT_INPUT, run
from tests.conftest import SOURCES
from tests.test_docs import key_paths

REPOSITORY = Path(__file__).resolve().parent.parent.parent

WORKLOAD = """
name: test
model: llama-3.1-8b
as_of: 2026-11-24
traffic:
  name: chat
  arrivals: {poisson: {rate_req_per_s: 0.5}}
  lengths: {fixed: {input_tokens: 1000, output_tokens: 200}}
SLO
requirements: {offer_kinds: [token]EXCLUDED}
"""

SLO = "  slo: {ttft_p95_ms: 500, tpot_p95_ms: 50}"

CATALOG = Catalog()
SELLERS = CATALOG.ids("offers")
OF_TOKENS = [
    name for name in SELLERS if any(o.kind == "token" for o in CATALOG.provider(name).offers)
]
EXCLUDED = f", excluded_providers: [{', '.join(OF_TOKENS)}]"
EXCLUDED_CHIPS = f", excluded_providers: [{', '.join(SELLERS)}]"

FRESH = SOURCES.replace("retrieved: 2026-01-31", "retrieved: 2026-11-01")

PRICES = "{input_usd_per_mtok: 0.1, output_usd_per_mtok: 0.1, source: sheet}"

ACME = f"""
name: Acme
offers:
  - name: llama
    kind: token
    listed_as: llama
    model: llama-3.1-8b
    listed_from: {{value: 2025-01-01, source: sheet}}
    prices: [{PRICES}]
"""

CHIPS = """
  - name: h100
    kind: hourly
    chip: h100-sxm
    num_chips: {value: 1, source: sheet}
    listed_from: {value: 2025-01-01, source: sheet}
    prices:
      - {on_demand_usd_per_hour: 2, source: sheet}
"""

RATES = """
    rates:
      - {ttft_ms: 100, output_tok_per_s: 200, percentile_ratio: 0.5, load: live, source: sheet}
"""

BOX = """
name: Box
vendor: Acme
chip: h100-sxm
num_chips: {value: 8, source: sheet}
"""

OWNED = """
  - name: box
    kind: owned
    system: box
    costs:
      - capex_usd: 240000
        lifetime_s: 126144000
        power_watts: 6500
        pue_ratio: 1.3
        utilization_ratio: 0.7
        source: sheet
"""

Decide = Callable[..., int]


@pytest.fixture
def decide(tmp_path: Path) -> Decide:
    """Return a function that decides over one seller, Acme, in a catalog of its own."""

    def call(
        *arguments: str,
        name: str = "decide",
        slo: str = "",
        acme: str = ACME + FRESH,
        workload: str = WORKLOAD,
    ) -> int:
        offers = tmp_path / "catalog" / "offers"
        offers.mkdir(parents=True, exist_ok=True)
        (offers / "acme.yaml").write_text(acme, "utf-8")
        path = tmp_path / "work.yaml"
        text = workload.replace("SLO\n", f"{slo}\n" if slo else "").replace("EXCLUDED", EXCLUDED)
        path.write_text(text, "utf-8")
        return run([name, str(path), *arguments, "--catalog", str(tmp_path / "catalog")])

    return call


@pytest.fixture
def boxed(decide: Decide, tmp_path: Path) -> Decide:
    """Return a function that decides over chips, Acme's own box of eight among them."""
    (tmp_path / "catalog" / "systems").mkdir(parents=True)
    (tmp_path / "catalog" / "systems" / "box.yaml").write_text(BOX + FRESH, "utf-8")
    chips = WORKLOAD.replace("offer_kinds: [token]EXCLUDED", "offer_kinds: [owned]")

    def call(*arguments: str, owned: str = OWNED) -> int:
        return decide(*arguments, acme=ACME + owned + FRESH, workload=chips)

    return call


def test_an_owned_system_is_the_chips_it_is_built_of(
    boxed: Decide, capsys: pytest.CaptureFixture[str]
) -> None:
    assert boxed("--json") == EXIT_DONE
    best = json.loads(capsys.readouterr().out)["options"][0]
    assert best["deployment"]["offer"] == "acme/box"
    assert best["deployment"]["chip"] == "h100-sxm"
    assert best["num_chips_paid"] == 8
    assert "what its energy costs is not stated, and left out of the cost" in best["caveats"]
    hourly = 240000 / (126144000 / 3600) / 0.7
    assert best["cost"]["usd_per_month"] == pytest.approx(hourly * 730)


@pytest.mark.parametrize(
    ("right", "wrong"), [("system: box", "system: bax"), ("system: box", "chip: h1oo-sxm")]
)
def test_an_offer_of_unknown_hardware_is_refused_with_file_offer_key_and_value(
    boxed: Decide, right: str, wrong: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert boxed(owned=OWNED.replace(right, wrong)) == EXIT_INPUT
    key, _, value = wrong.partition(": ")
    error = capsys.readouterr().err
    assert (
        f"offers/acme.yaml: offer acme/box: {key}: unknown {key} '{value}': did you mean" in error
    )
    assert error.count("\n") == 1


EDGE = """
name: Edge
vendor: Acme
kind: gpu
memory_kind: {value: HBM, source: sheet}
memory_bytes: {value: 1e18, source: sheet}
memory_bandwidth_bytes_per_s: {value: BANDWIDTH, source: sheet}
peak_dense_flop_per_s: {bf16: {value: PEAK, source: sheet}, fp8: {value: PEAK, source: sheet}}
link_bandwidth_bidirectional_bytes_per_s: {value: BANDWIDTH, source: sheet}
tdp_watts: {value: 1e10, source: sheet}
"""


@pytest.mark.parametrize("bandwidth", BOUNDS["bytes_per_s"])
@pytest.mark.parametrize("peak", BOUNDS["flop_per_s"])
@pytest.mark.parametrize("usd", BOUNDS["usd_per_hour"])
def test_chips_at_the_edge_of_what_is_read_are_computed(
    decide: Decide,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    bandwidth: float,
    peak: float,
    usd: float,
) -> None:
    text = EDGE.replace("BANDWIDTH", f"{bandwidth:e}").replace("PEAK", f"{peak:e}")
    (tmp_path / "catalog" / "chips").mkdir(parents=True)
    (tmp_path / "catalog" / "chips" / "edge.yaml").write_text(text + FRESH, "utf-8")
    offer = CHIPS.replace("h100-sxm", "edge").replace("hour: 2,", f"hour: {usd:e},")
    owned = WORKLOAD.replace("[token]EXCLUDED", "[hourly]" + EXCLUDED_CHIPS)
    assert decide("--json", acme=ACME + offer + FRESH, workload=owned, slo=SLO) in {0, 1, 3}
    assert json.loads(capsys.readouterr().out)["answer"]


@pytest.fixture
def error_of(decide: Decide, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Return what a refused command says: one line on stderr, nothing on stdout."""

    def call(*arguments: str, name: str = "decide") -> str:
        assert decide(*arguments, name=name) == EXIT_INPUT
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.count("\n") == 1
        return captured.err

    return call


@pytest.mark.parametrize("flag", [(), ("--json",), ("--all",), ("--plot",)])
def test_a_price_that_no_target_stands_against_decides(
    decide: Decide, capsys: pytest.CaptureFixture[str], flag: tuple[str, ...]
) -> None:
    assert decide(*flag) == EXIT_DONE
    assert "acme/llama is the cheapest" in capsys.readouterr().out


@pytest.mark.parametrize("flag", [(), ("--json",)])
def test_exit_1_is_nothing_feasible(
    decide: Decide, capsys: pytest.CaptureFixture[str], flag: tuple[str, ...]
) -> None:
    gone = ACME.replace(
        "    prices:", "    deprecated_on: {value: 2026-02-01, source: sheet}\n    prices:"
    )
    assert decide(*flag, acme=gone + FRESH) == 1
    out = capsys.readouterr().out
    assert "No offer is feasible" in out
    assert "is gone since 2026-02-01" in " ".join(out.split())


@pytest.mark.parametrize("flag", [(), ("--json",)])
def test_exit_3_is_an_unknown_that_decides(
    decide: Decide, capsys: pytest.CaptureFixture[str], flag: tuple[str, ...]
) -> None:
    assert decide(*flag, slo=SLO) == 3
    out = " ".join(capsys.readouterr().out.split())
    assert "Not decided" in out
    assert "no dated figure" in out


@pytest.mark.parametrize("flag", [(), ("--json",)])
def test_exit_4_is_stale_prices_only(
    decide: Decide, capsys: pytest.CaptureFixture[str], flag: tuple[str, ...]
) -> None:
    assert decide(*flag, acme=ACME + SOURCES) == 4
    assert "price checked 2026-01-31, 297 days before" in " ".join(capsys.readouterr().out.split())


def test_a_stale_price_is_taken_when_allowed_or_when_older_ones_are(decide: Decide) -> None:
    stale = ACME + SOURCES
    assert decide("--allow-stale", acme=stale) == EXIT_DONE
    assert decide("--max-price-age", "400d", acme=stale) == EXIT_DONE
    assert decide("--as-of", "2026-02-01", acme=stale) == EXIT_DONE


def test_the_age_and_the_day_of_the_file_count_unless_an_option_says_otherwise(
    decide: Decide, capsys: pytest.CaptureFixture[str]
) -> None:
    older = WORKLOAD.replace("model:", "max_price_age_days: 400\nmodel:")
    assert decide(acme=ACME + SOURCES, workload=older) == EXIT_DONE
    assert "as of 2026-11-24, prices checked at most 400 days" in capsys.readouterr().out
    assert decide("--max-price-age", "10d", acme=ACME + SOURCES, workload=older) == 4
    assert decide("--as-of", "2026-02-02", "--json", workload=older, acme=ACME + SOURCES) == 0
    question = json.loads(capsys.readouterr().out.partition("\n{")[2].join(["{", ""]))["question"]
    assert question["as_of"] == "2026-02-02"
    assert question["max_price_age_days"] == 400


def test_an_accepted_unknown_is_ranked_and_stays_printed(
    decide: Decide, capsys: pytest.CaptureFixture[str]
) -> None:
    assert decide("--accept-unknown", "speed-known", "--json", slo=SLO) == EXIT_DONE
    (option,) = json.loads(capsys.readouterr().out)["options"]
    assert any("accepted as a risk" in r["fact"] for r in option["rulings"])


def test_a_rate_that_is_known_turns_unknown_into_decided(
    decide: Decide, capsys: pytest.CaptureFixture[str]
) -> None:
    assert decide(slo=SLO, acme=ACME + RATES.lstrip("\n") + FRESH) == EXIT_DONE
    text = capsys.readouterr().out
    assert "\x1b" not in text
    assert max(len(line) for line in text.splitlines() if "http" not in line) <= 100


def test_plot_draws_both_costs_where_there_is_a_break_even(
    decide: Decide, capsys: pytest.CaptureFixture[str]
) -> None:
    both = WORKLOAD.replace("[token]", "[token, hourly]").replace("EXCLUDED", EXCLUDED_CHIPS)
    assert decide("--plot", acme=ACME + CHIPS.lstrip("\n") + FRESH, workload=both) in {0, 3}
    text = capsys.readouterr().out
    assert "COST OF A REQUEST" in text
    assert "* chips: acme/h100/vllm" in text
    assert "o service: acme/llama" in text
    assert "\x1b" not in text


def test_a_report_goes_to_a_file_and_the_exit_code_stays(
    decide: Decide, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert decide("-o", str(tmp_path / "report.txt"), slo=SLO) == 3
    assert capsys.readouterr().out == ""
    assert "Not decided" in (tmp_path / "report.txt").read_text("utf-8")


def test_why_finds_an_option_by_id_prefix_part_offer_and_model(
    decide: Decide, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("acme/llama", "acme", "me/lla", "acme/llama@llama-3.1-8b"):
        assert decide(name, name="why") == EXIT_DONE
        assert capsys.readouterr().out.startswith("acme/llama  llama-3.1-8b")


def test_why_shows_what_is_open_and_what_is_turned_away(
    decide: Decide, capsys: pytest.CaptureFixture[str]
) -> None:
    assert decide("groq/llama", name="why") == EXIT_DONE
    assert "you exclude Groq" in capsys.readouterr().out
    assert decide("lambda/h100-sxm-x1/vllm/fp8/tp1", name="why") == EXIT_DONE
    assert "you ask for token offers only" in capsys.readouterr().out
    assert (
        run(["why", str(REPOSITORY / "examples/support-chat.yaml"), "deepinfra/gpt-oss-120b"]) == 0
    )
    assert "not ranked: a fact is missing" in capsys.readouterr().out


def test_an_unknown_id_is_refused_with_close_ones(error_of: Callable[..., str]) -> None:
    assert "'acme/lama': did you mean acme/llama" in error_of("acme/lama", name="why")
    assert "did you mean acme/llama" in error_of("acme/llama", "acme/lama", name="compare")
    assert "expected one of" in error_of("zzzzzz", name="why")
    assert "expected one of" in error_of("", name="why")
    assert "acme/llama@gpt" in error_of("acme/llama@gpt", name="why")


def test_a_part_that_fits_several_is_refused_with_their_ids(error_of: Callable[..., str]) -> None:
    error = error_of("spheron/", name="why")
    assert "'spheron/' fits spheron/h100-sxm-x1" in error
    assert "more: expected one of them" in error


def test_an_id_of_several_models_takes_the_model(
    decide: Decide, capsys: pytest.CaptureFixture[str]
) -> None:
    two = WORKLOAD.replace("model: llama-3.1-8b", "models: [llama-3.1-8b, qwen3-32b]")
    assert decide("lambda/h100-sxm-x1", name="why", workload=two) == EXIT_INPUT
    error = capsys.readouterr().err
    assert "lambda/h100-sxm-x1@llama-3.1-8b, lambda/h100-sxm-x1@qwen3-32b" in error
    assert decide("lambda/h100-sxm-x1@qwen3-32b", name="why", workload=two) == EXIT_DONE
    assert "lambda/h100-sxm-x1  qwen3-32b" in capsys.readouterr().out


def test_compare_shows_two_side_by_side(decide: Decide, capsys: pytest.CaptureFixture[str]) -> None:
    assert decide("acme/llama", "groq/llama-3.1-8b", name="compare") in {EXIT_DONE, EXIT_INPUT}
    capsys.readouterr()
    assert decide("acme/llama", "lambda/h100-sxm-x1", name="compare") == EXIT_DONE
    text = capsys.readouterr().out
    assert "A  acme/llama" in text
    assert "B  lambda/h100-sxm-x1" in text
    assert max(map(len, text.splitlines())) <= 100


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--accept-unknown", "speed"), "unknown rule 'speed': did you mean speed-known"),
        (("--accept-unknown", "zzzz"), "expected one of listed, checkpoint"),
        (("--trust", "guid"), "did you mean guide"),
        (("--as-of", "soon"), "--as-of: found 'soon'"),
        (("--max-price-age", "a year"), "--max-price-age: found 'a year'"),
        (("--plot", "--json"), "--plot and --json: found both"),
    ],
)
def test_a_wrong_option_is_refused_in_one_line(
    error_of: Callable[..., str], arguments: tuple[str, str], said: str
) -> None:
    assert said in error_of(*arguments)


def test_a_workload_that_is_not_there_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["decide", "nowhere.yaml"]) == EXIT_INPUT
    assert capsys.readouterr().err == "batchline: nowhere.yaml: no such file\n"


def test_trust_says_whose_word_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    code = run(["decide", str(REPOSITORY / "examples/guide.yaml"), "--trust", "guide"])
    assert code in {0, 3}
    text = capsys.readouterr().out
    assert "prices and listings are those guide states" in text
    assert "2.87 [2.11, 4.38] (3.10 linear)" in text


def test_the_json_example_has_the_keys_that_are_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(REPOSITORY)
    example = json.loads((REPOSITORY / "docs/json-schema/decide.json").read_text("utf-8"))
    code = run(["decide", "examples/support-chat.yaml", "--json"])
    printed = json.loads(capsys.readouterr().out)
    assert code == printed["exit_code"]
    assert key_paths(example) == key_paths(printed)

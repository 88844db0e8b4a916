"""The page of rules: fresh, and no rule missing."""

import re
from pathlib import Path

import pytest

from batchline.report import rules

REPOSITORY = Path(__file__).resolve().parent.parent.parent


def test_the_page_of_rules_is_fresh_and_names_every_rule_in_the_code(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(REPOSITORY)
    assert rules.main(["--check"]) == 0
    source = "".join(
        p.read_text("utf-8") for p in (REPOSITORY / "src/batchline/decision").rglob("*.py")
    )
    used = set(re.findall(r'\b(?:kept|rejected|unknown)\(\s*"([a-z-]+)"', source))
    used |= set(re.findall(r'\brule="([a-z-]+)"', source))
    page = rules.page_text()
    assert {"slo", "fits", "listed"} <= used
    assert sorted(rule for rule in used if f"| `{rule}` |" not in page) == []
    monkeypatch.chdir(tmp_path)
    assert rules.main(["--check"]) == 1
    assert "feasibility" in capsys.readouterr().err

"""What a requirement asks of the seller: one row per feature.

Whoever rents or owns chips runs the server, so what the engine can do settles it there. A
feature that takes a plan of its own is left open: its price and terms are not those listed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from batchline.catalog.records.offer import FeatureName
from batchline.decision.records import Ruling
from batchline.decision.rules.rule import Ask, Candidate, Rule, feature, kept, rejected, unknown
from batchline.workload.records import Requirements


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureRule:
    """A rule that one feature settles.

    `own_server` is the answer for chips that the asker runs, `engine_feature` the ability of the
    serving engine it rests on; both empty where renting chips settles nothing. `token_service` is
    why a service without a statement of its own is turned away, where its nature settles that.
    """

    id: str
    feature: FeatureName
    words: str
    is_asked: Callable[[Requirements], bool]
    own_server: str = ""
    engine_feature: str = ""
    token_service: str = ""

    def __call__(self, candidate: Candidate, ask: Ask) -> Ruling | None:
        """Return the ruling for one offer, None where the feature is not asked for."""
        if not self.is_asked(ask.requirements):
            return None
        if candidate.is_self_hosted and self.own_server:
            return self._by_engine(ask)
        stated = feature(candidate, self.feature)
        if stated is None:
            return self._unstated(candidate)
        detail = f": {stated.value.detail}" if stated.value.detail else ""
        if not stated.value.offered:
            return rejected(self.id, f"no {self.words}{detail}", stated)
        if stated.value.tier and stated.value.tier != ask.requirements.rate_limit_tier:
            plan = f"{self.words} only on the {stated.value.tier} plan{detail}"
            return unknown(self.id, plan, stated, f"ask for the {stated.value.tier} plan's terms")
        return kept(self.id, f"{self.words}{detail}", stated)

    def _unstated(self, candidate: Candidate) -> Ruling:
        if self.token_service and candidate.offer.kind == "token":
            return rejected(self.id, self.token_service)
        return unknown(self.id, f"no source tells of {self.words}", remedy="ask the provider")

    def _by_engine(self, ask: Ask) -> Ruling:
        if not self.engine_feature:
            return kept(self.id, self.own_server)
        stated = ask.engine.features.get(self.engine_feature)
        if stated is None:
            fact = f"no source tells whether {ask.engine.name} has {self.engine_feature}"
            return unknown(self.id, fact, remedy="choose another engine")
        return kept(self.id, f"{self.own_server} ({ask.engine.name}: {stated.value})", stated)


FEATURE_RULES = (
    FeatureRule(
        id="custom-weights",
        feature="custom_weights",
        words="weights of your own",
        is_asked=lambda r: r.custom_weights,
        own_server="your server loads any weights",
        token_service="sold per token for the model listed, as it is",
    ),
    FeatureRule(
        id="fine-tuning",
        feature="fine_tuning",
        words="fine-tuning",
        is_asked=lambda r: r.fine_tuning,
        own_server="your chips train as well as serve",
    ),
    FeatureRule(
        id="lora",
        feature="lora",
        words="LoRA adapters",
        is_asked=lambda r: r.num_lora_adapters > 0,
        own_server="your server loads adapters",
        engine_feature="LoRA",
    ),
    FeatureRule(
        id="root-access",
        feature="root_access",
        words="root access",
        is_asked=lambda r: r.root_access,
        token_service="sold per token: no machine comes with it",
    ),
    FeatureRule(
        id="openai-compatible",
        feature="openai_compatible",
        words="an OpenAI-compatible API",
        is_asked=lambda r: r.openai_compatible,
        own_server="the engine's own server speaks it",
    ),
    FeatureRule(
        id="data-retention",
        feature="zero_data_retention",
        words="zero data retention",
        is_asked=lambda r: r.zero_data_retention,
        own_server="your server keeps what you let it keep",
    ),
)

COMPLIANCE: tuple[FeatureName, ...] = ("soc2", "iso27001", "hipaa", "gdpr")


def check_compliance(candidate: Candidate, ask: Ask) -> Ruling | None:
    """Keep sellers that state every attestation asked for."""
    wanted = [c for c in COMPLIANCE if c in ask.requirements.compliance]
    last = None
    for name in wanted:
        stated = feature(candidate, name)
        if stated is None:
            return unknown("compliance", f"no source tells of {name.upper()}", remedy="ask for it")
        if not stated.value.offered:
            return rejected("compliance", f"no {name.upper()}", stated)
        last = stated
    return (
        kept("compliance", f"states {', '.join(w.upper() for w in wanted)}", last) if last else None
    )


ASKED = {
    "custom-weights": ("requirements.custom_weights", ("R021", "R082", "R122", "R127", "R140")),
    "fine-tuning": ("requirements.fine_tuning", ("R082", "R122", "R123", "R127", "R140")),
    "lora": ("requirements.num_lora_adapters", ("R082", "R122")),
    "root-access": ("requirements.root_access", ("R085", "R119", "R120", "R133", "R142")),
    "openai-compatible": ("requirements.openai_compatible", ("R116", "R117", "R118")),
    "data-retention": ("requirements.zero_data_retention", ()),
}

RULES = (
    *(
        Rule(
            id=row.id,
            question=f"Does it offer {row.words}?",
            asked_when=ASKED[row.id][0],
            requirements=ASKED[row.id][1],
            check=row,
        )
        for row in FEATURE_RULES
    ),
    Rule(
        id="compliance",
        question="Does the seller state the attestations asked for?",
        asked_when="requirements.compliance",
        requirements=(),
        check=check_compliance,
    ),
)

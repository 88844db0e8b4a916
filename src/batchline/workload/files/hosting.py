"""What must hold, how chips are run, what is paid today, and which chips are there already."""

from typing import Annotated, Final, Literal, Self

from annotated_types import Ge
from pydantic import AfterValidator, Field, model_validator

from batchline.documents import File
from batchline.documents.schema import (
    FINITE,
    Money,
    Positive,
    PositiveInt,
    RecordId,
    Share,
    Text,
)
from batchline.units import SECONDS_PER_HOUR
from batchline.workload.files.base import (
    OneOrMany,
    StatedEntry,
    Texts,
    TokenCount,
    many,
    require_one,
)
from batchline.workload.records import Baseline, Capacity, Operations, Requirements

HOURS_PER_YEAR: Final = 8_760
"""12 months of 730 hours."""

AREAS: Final = ("eu", "eea", "europe", "north-america", "asia", "middle-east", "oceania")


_CODES: Final = (
    "adaeafagaialamaoaqarasatauawaxazbabbbdbebfbgbhbibjblbmbnbobqbrbsbtbvbwbybzcacccdcfcgchci"
    "ckclcmcncocrcucvcwcxcyczdedjdkdmdodzeceeegeheresetfifjfkfmfofrgagbgdgegfggghgiglgmgngpgq"
    "grgsgtgugwgyhkhmhnhrhthuidieiliminioiqirisitjejmjojpkekgkhkikmknkpkrkwkykzlalblclilklrls"
    "ltlulvlymamcmdmemfmgmhmkmlmmmnmompmqmrmsmtmumvmwmxmymznancnenfngninlnonpnrnunzompapepfpg"
    "phpkplpmpnprpsptpwpyqarerorsrurwsasbscsdsesgshsisjskslsmsnsosrssstsvsxsysztctdtftgthtjtk"
    "tltmtntotrtttvtwtzuaugumusuyuzvavcvevgvivnvuwfwsyeytzazmzw"
)
COUNTRIES: Final = frozenset(_CODES[i : i + 2] for i in range(0, len(_CODES), 2))
"""The country codes of ISO 3166-1 alpha-2, in small letters."""


def _region(name: str) -> str:
    if name in AREAS or name in COUNTRIES:
        return name
    raise ValueError(f"expected a country's ISO 3166 code such as fi, or one of {', '.join(AREAS)}")


Region = Annotated[str, AfterValidator(_region)]
"""A country by its ISO 3166 code, `eu`, `eea` or a continent."""


class RequirementsEntry(File):
    """Keys of `records.Requirements`; a list of one may be written as its only word."""

    regions: OneOrMany[Region] = ()
    custom_weights: bool = False
    fine_tuning: bool = False
    num_lora_adapters: Annotated[int, Ge(0)] = 0
    modalities: OneOrMany[Literal["text", "image", "audio", "video"]] = ()
    min_context_tokens: TokenCount | None = None
    tenancy: Literal["any", "single_tenant", "partition"] = "any"
    root_access: bool = False
    managed: bool = False
    openai_compatible: bool = False
    portable_across: OneOrMany[Literal["provider", "framework", "chip_vendor"]] = ()
    compliance: OneOrMany[Literal["soc2", "iso27001", "hipaa", "gdpr"]] = ()
    zero_data_retention: bool = False
    min_precision: Literal["fp4", "int4", "fp6", "fp8", "int8", "bf16", "fp16", "fp32"] | None = (
        None
    )
    licenses: Texts = ()
    rate_limit_tier: str = ""
    excluded_providers: Texts = ()
    offer_kinds: OneOrMany[Literal["token", "hourly", "dedicated", "owned"]] = ()
    limit_power_watts: Positive | None = None

    def record(self) -> Requirements:
        """Return the requirements."""
        return Requirements(
            regions=many(self.regions),
            custom_weights=self.custom_weights,
            fine_tuning=self.fine_tuning,
            num_lora_adapters=self.num_lora_adapters,
            modalities=many(self.modalities),
            min_context_tokens=self.min_context_tokens or 0,
            tenancy=self.tenancy,
            root_access=self.root_access,
            managed=self.managed,
            openai_compatible=self.openai_compatible,
            portable_across=many(self.portable_across),
            compliance=many(self.compliance),
            zero_data_retention=self.zero_data_retention,
            min_precision=self.min_precision or "",
            licenses=many(self.licenses),
            rate_limit_tier=self.rate_limit_tier,
            excluded_providers=many(self.excluded_providers),
            offer_kinds=many(self.offer_kinds),
            limit_power_watts=self.limit_power_watts,
        )


class OperationsEntry(File):
    """Keys of `records.Operations`; what is left out keeps the default there."""

    autoscale: bool = False
    min_replicas: PositiveInt = 1
    spot_availability_ratio: Share | None = None
    spot_lost_work_ratio: Annotated[float, Field(ge=0, lt=1)] = 0.0
    engineering_usd_per_month: Money = 0.0
    egress_usd_per_month: Money = 0.0
    limit_busy_ratio: Annotated[float, Field(gt=0, le=1)] = 0.9
    confidence_ratio: Annotated[float, Field(gt=0, lt=1)] = 0.9
    engine: RecordId = "vllm"

    def record(self) -> Operations:
        """Return the operations."""
        return Operations(
            autoscale=self.autoscale,
            num_replicas_min=self.min_replicas,
            spot_availability_ratio=self.spot_availability_ratio,
            spot_lost_work_ratio=self.spot_lost_work_ratio,
            engineering_usd_per_month=self.engineering_usd_per_month,
            egress_usd_per_month=self.egress_usd_per_month,
            limit_busy_ratio=self.limit_busy_ratio,
            confidence_ratio=self.confidence_ratio,
            engine=self.engine,
        )


class BaselineEntry(File):
    """What is paid today, in exactly one of three ways."""

    name: Text = "today"
    offer: Text | None = None
    usd_per_month: Money | None = None
    usd_per_request: Money | None = None

    @model_validator(mode="after")
    def _is_one_figure(self) -> Self:
        require_one(self, "offer", "usd_per_month", "usd_per_request")
        return self

    def record(self) -> Baseline:
        """Return the baseline."""
        return Baseline(
            name=self.name,
            offer=self.offer or "",
            usd_per_month=self.usd_per_month,
            usd_per_request=self.usd_per_request,
        )


class CapacityEntry(StatedEntry):
    """Chips bought or reserved; the sums and the power are of all of them, the rate is per chip."""

    name: RecordId
    chip: RecordId
    num_chips: PositiveInt
    reserved_usd_per_hour: Money | None = None
    capex_usd: Money | None = None
    lifetime_years: Annotated[float, Field(gt=0, le=50)] | None = None
    power_watts: Positive | None = None
    pue_ratio: Annotated[float, Field(ge=1, le=10), FINITE] = 1.0
    energy_usd_per_kwh: Money | None = None
    regions: OneOrMany[Region] = ()
    is_sunk: bool = False

    @model_validator(mode="after")
    def _is_owned_or_reserved(self) -> Self:
        require_one(self, "capex_usd", "reserved_usd_per_hour")
        if (self.capex_usd is None) != (self.lifetime_years is None):
            raise ValueError("expected lifetime_years with capex_usd, and not without")
        return self

    def record(self) -> Capacity:
        """Return the capacity."""
        years = self.lifetime_years
        return Capacity(
            name=self.name,
            chip=self.chip,
            num_chips=self.num_chips,
            reserved_usd_per_hour=self.reserved_usd_per_hour,
            capex_usd=self.capex_usd,
            lifetime_s=None if years is None else years * HOURS_PER_YEAR * SECONDS_PER_HOUR,
            power_watts=self.power_watts,
            pue_ratio=self.pue_ratio,
            energy_usd_per_kwh=self.energy_usd_per_kwh,
            regions=many(self.regions),
            is_sunk=self.is_sunk,
            stated=self.stated(),
        )

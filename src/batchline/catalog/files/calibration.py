"""`calibrations/<id>.yaml`: constants fitted to measurements, and the error that is left."""

from typing import Annotated, Literal

from annotated_types import Ge, MinLen

from batchline.catalog.files.base import Citation, RecordFile, Resolver
from batchline.catalog.records import Calibration, EngineConstants, ErrorBand
from batchline.documents.schema import File, Positive, Text

Count = Annotated[int, Ge(0)]


class ConstantsEntry(File):
    """The constants of one generation of an engine."""

    memory_time_ratio: Positive
    dense_time_ratio: Positive
    expert_time_ratio: Positive
    expert_dense_time_ratio: Positive
    cache_time_ratio: Positive
    pair_time_ratio: Positive
    launch_ratio: Positive
    all_reduce_time_ratio: Positive
    layer_s: Positive
    moe_layer_s: Positive
    latent_layer_s: Positive
    prefill_layer_s: Positive
    moe_prefill_layer_s: Positive
    latent_prefill_layer_s: Positive
    host_s: Positive
    host_per_sequence_s: Positive
    request_s: Positive


class BandEntry(File):
    """Factors on a prediction between which 80 % of what was measured lies."""

    generation: str = ""
    kind: Literal["dense", "MoE"]
    metric: Literal["ttft", "tpot", "output"]
    low_ratio: Positive
    high_ratio: Positive
    num_rows: Count
    num_groups: Count
    chip: str = ""
    model: str = ""


class FittedEntry(Citation):
    """What the constants were fitted on."""

    file_hashes: dict[Text, Text]
    num_rows: Count
    num_left_out: dict[Text, Count]
    num_free_constants: Count


class CalibrationFile(RecordFile):
    """One calibration."""

    title: Text
    fitted: FittedEntry
    generations: Annotated[dict[Text, ConstantsEntry], MinLen(1)]
    chips: dict[Text, tuple[Text, ...]]
    bands: Annotated[tuple[BandEntry, ...], MinLen(1)]

    def record(self, record_id: str) -> Calibration:
        """Return the calibration under its source."""
        return Calibration(
            id=record_id,
            title=self.title,
            source=Resolver(self.sources).source(self.fitted),
            file_hashes=dict(self.fitted.file_hashes),
            num_rows=self.fitted.num_rows,
            num_left_out=dict(self.fitted.num_left_out),
            num_free_constants=self.fitted.num_free_constants,
            generations={k: EngineConstants(**e.model_dump()) for k, e in self.generations.items()},
            bands=tuple(ErrorBand(**b.model_dump()) for b in self.bands),
            chips={k: tuple(v) for k, v in self.chips.items()},
        )

"""`engines/<id>.yaml`: scheduler defaults and features, from the engine's own documentation."""

from typing import Annotated, Literal

from annotated_types import MinLen
from pydantic import Field

from batchline.catalog.files.base import Counts, Entry, RecordFile, Resolver, Switches, Texts
from batchline.catalog.records import Engine, Scheduler
from batchline.documents.schema import File, Text

Share = Annotated[float, Field(gt=0, le=1)]
Admission = Literal["optimistic", "no_evict", "static_batch"]
Shares = Annotated[tuple[Entry[Share], ...], MinLen(1)]
Wholes = Annotated[tuple[Entry[Literal["whole", "free"]], ...], MinLen(1)]
Admissions = Annotated[tuple[Entry[Admission], ...], MinLen(1)]


class SchedulerBlock(File):
    """How the engine schedules unless told otherwise."""

    admission: Admissions
    block_tokens: Counts | None = None
    chunked_prefill: Switches | None = None
    prefix_caching: Switches | None = None
    gpu_memory_utilization_ratio: Shares | None = None
    gpu_memory_share_of: Wholes | None = None
    mixes_prefill: Switches | None = None
    reserves_prompt: Switches | None = None
    requeues_last: Switches | None = None
    max_num_seqs: dict[Text, Counts] = Field(default_factory=dict)
    max_num_batched_tokens: dict[Text, Counts] = Field(default_factory=dict)


class EngineFile(RecordFile):
    """One serving engine at one version."""

    name: Text
    vendor: Text
    version: Texts
    aliases: tuple[Text, ...] = ()
    scheduler: SchedulerBlock
    features: dict[Text, Texts] = Field(default_factory=dict)

    def record(self, record_id: str) -> Engine:
        """Return the engine, each value with its source."""
        r, s = Resolver(self.sources), self.scheduler
        return Engine(
            id=record_id,
            name=self.name,
            vendor=self.vendor,
            version=r.fact(self.version),
            aliases=tuple(self.aliases),
            scheduler=Scheduler(
                admission=r.fact(s.admission),
                block_tokens=r.maybe(s.block_tokens),
                chunked_prefill=r.maybe(s.chunked_prefill),
                prefix_caching=r.maybe(s.prefix_caching),
                gpu_memory_utilization_ratio=r.maybe(s.gpu_memory_utilization_ratio),
                gpu_memory_share_of=r.maybe(s.gpu_memory_share_of),
                mixes_prefill=r.maybe(s.mixes_prefill),
                reserves_prompt=r.maybe(s.reserves_prompt),
                requeues_last=r.maybe(s.requeues_last),
                max_num_seqs=r.table(s.max_num_seqs),
                max_num_batched_tokens=r.table(s.max_num_batched_tokens),
            ),
            features=r.table(self.features),
        )

"""`models/<id>.yaml`: the architecture block of a config.json under one source, and the card."""

from typing import Annotated, Literal, Self

from annotated_types import MinLen
from pydantic import model_validator

from batchline.catalog.files.base import (
    Citation,
    Entry,
    Quantities,
    RecordFile,
    Resolver,
    StoredPrecision,
    Texts,
)
from batchline.catalog.files.shape import faults
from batchline.catalog.records import Architecture, Model
from batchline.documents.schema import Text, complaint

Modality = Literal["text", "image", "audio", "video", "unknown"]
Modalities = Annotated[tuple[Entry[Annotated[tuple[Modality, ...], MinLen(1)]], ...], MinLen(1)]
Precisions = Annotated[
    tuple[Entry[Annotated[tuple[StoredPrecision, ...], MinLen(1)]], ...], MinLen(1)
]


class ArchitectureEntry(Citation):
    """The integers of one config.json, cited once for the whole block."""

    config: Architecture

    @model_validator(mode="after")
    def _is_a_shape(self) -> Self:
        for path, expected in faults(self.config):
            raise complaint(expected, ("config", *path))
        return self


class ModelFile(RecordFile):
    """One open-weight model."""

    name: Text
    publisher: Text
    aliases: tuple[Text, ...] = ()
    architecture: ArchitectureEntry
    published_num_parameters: Quantities | None = None
    published_num_active_parameters: Quantities | None = None
    modality: Modalities
    license: Texts
    precisions: Precisions | None = None

    def record(self, record_id: str) -> Model:
        """Return the model, each value with its source."""
        r = Resolver(self.sources)
        return Model(
            id=record_id,
            name=self.name,
            publisher=self.publisher,
            aliases=tuple(self.aliases),
            architecture=r.sourced(self.architecture, self.architecture.config),
            published_num_parameters=r.maybe(self.published_num_parameters),
            published_num_active_parameters=r.maybe(self.published_num_active_parameters),
            modality=r.fact(self.modality),
            license=r.fact(self.license),
            precisions=r.maybe(self.precisions),
        )

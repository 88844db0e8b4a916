"""`models/<id>.yaml`: the architecture block of a config.json under one source, and the card."""

from batchline.catalog.files.base import (
    Citation,
    Quantities,
    RecordFile,
    Resolver,
    TextLists,
    Texts,
)
from batchline.catalog.records import Architecture, Model
from batchline.documents.schema import Text


class ArchitectureEntry(Citation):
    """The integers of one config.json, cited once for the whole block."""

    config: Architecture


class ModelFile(RecordFile):
    """One open-weight model."""

    name: Text
    publisher: Text
    aliases: tuple[Text, ...] = ()
    architecture: ArchitectureEntry
    published_num_parameters: Quantities | None = None
    published_num_active_parameters: Quantities | None = None
    modality: TextLists
    license: Texts
    precisions: TextLists | None = None

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

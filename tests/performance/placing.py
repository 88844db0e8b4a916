"""Requests and deployments that several tests of this folder place on chips."""

import numpy as np

from batchline.catalog import Catalog
from batchline.performance import Deployment, DoesNotFit, ServingCurve, gpu_curve, physics_of
from batchline.workload import Lengths

PHYSICS = physics_of(Catalog())


def requests(input_tokens: int, output_tokens: int, cached_tokens: int = 0) -> Lengths:
    """Return a sample of one request."""
    return Lengths(
        input_tokens=np.array([input_tokens]),
        output_tokens=np.array([output_tokens]),
        cached_tokens=np.array([cached_tokens]),
        kind="fixed",
    )


def deployed(
    model: str, chip: str, num_chips: int, precision: str = "fp8", kv_precision: str = "bf16"
) -> Deployment:
    """Return a model on chips of an offer that does not matter."""
    return Deployment(
        offer="any",
        model=model,
        chip=chip,
        num_chips=num_chips,
        engine="vllm",
        precision=precision,
        kv_precision=kv_precision,
    )


def served(
    catalog: Catalog, where: Deployment, lengths: Lengths, engine: str = "vllm"
) -> ServingCurve | DoesNotFit:
    """Return what the GPU model says of a deployment."""
    assert where.chip
    chip, model = catalog.chip(where.chip), catalog.model(where.model)
    return gpu_curve(where, chip, model, catalog.engine(engine), lengths, PHYSICS)

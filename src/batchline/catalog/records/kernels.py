"""How fast the kernels of a chip run: few constants that stand for thousands of timings.

Each is the best kernel of several engines. Ratios are of the chip's own bandwidth BW and dense
peak; `error_ratio` is the mean of |fit / timing - 1| over `num_timings` shapes.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from batchline.provenance import Sourced


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixFit:
    """A matrix multiplication, or the experts of one layer; times in s.

    t = launch_s + ((bytes / (memory_ratio BW))^4 + (flop / (dense_ratio peak))^4)^(1/4)
        + num_activation_passes * pass_bytes / BW

    `peak` is that of the precision computed in: the weights', but 16-bit with int4 weights and
    with mxfp4 weights on chips without fp4, and 8-bit with mxfp4 weights on chips that have it.
    w is bytes per weight: 2 bf16, 1 fp8, 0.5625 fp4, 0.53125 mxfp4, 0.53 int4.

    Matrix (m x k) (k x n): flop = 2 m n k, bytes = w n k + a m k + 2 m n with a = w, but 2 with
    int4 weights; pass_bytes = 3 m k, to quantize activations: 2 read, 1 written.

    Experts of m tokens, topk of each, expert matrices hidden x inter on this chip:
    flop = 6 m topk hidden inter, bytes = 3 w hidden inter experts + 4 m topk (hidden + inter),
    where `experts` are those that get a token; pass_bytes = 2 m topk hidden.
    """

    launch_s: float
    memory_ratio: float
    dense_ratio: float
    num_activation_passes: float
    error_ratio: float
    num_timings: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheFit:
    """Decode attention of one layer with n sequences; times in s.

    t = floor_s + n sequence_s + KV bytes / (memory_ratio BW)

    Latent attention, with `dense_ratio`: the last term is the hypotenuse of itself and of
    flop / (dense_ratio 16-bit peak); per token of context 576 values are read, and
    2 (576 + 512) flop done for each head.
    """

    floor_s: float
    sequence_s: float
    memory_ratio: float
    dense_ratio: float | None
    error_ratio: float
    num_timings: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PairFit:
    """Prefill attention of one layer; times in s.

    t = floor_s + flop / (dense_ratio 16-bit peak) + bytes / (memory_ratio BW)

    Of s tokens with h heads and g KV heads of d values: flop = 2 s^2 h d (the causal half),
    bytes = 4 s (h + g) d. Latent attention: flop = 320 s^2 h, bytes = 1280 s h.
    """

    floor_s: float
    dense_ratio: float
    memory_ratio: float
    error_ratio: float
    num_timings: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkFit:
    """One all-reduce of 16-bit elements over n chips: t = floor_s + bytes / bytes_per_s.

    `bytes` is 2 per element of the message, whatever n: `bytes_per_s` is no link's bandwidth.
    """

    floor_s: float
    bytes_per_s: float
    error_ratio: float
    num_timings: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernels:
    """What is known of one chip's kernels; a table lacks what nobody timed.

    `gemm` by precision of weights: bf16, fp8, fp4, int4 (weights alone). `experts`: those, and
    mxfp4. `decode_attention` and its latent kind by precision of the KV cache; prefill with bf16.
    `all_reduce` (the engines' own, of messages up to 8 MiB) and `ring_all_reduce` (NCCL, any
    size) by number of chips, "2", "4", "8".
    """

    id: str
    chip: str
    gemm: Mapping[str, Sourced[MatrixFit]]
    experts: Mapping[str, Sourced[MatrixFit]]
    decode_attention: Mapping[str, Sourced[CacheFit]]
    latent_decode_attention: Mapping[str, Sourced[CacheFit]]
    prefill_attention: Sourced[PairFit] | None
    latent_prefill_attention: Sourced[PairFit] | None
    all_reduce: Mapping[str, Sourced[LinkFit]]
    ring_all_reduce: Mapping[str, Sourced[LinkFit]]

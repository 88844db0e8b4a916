"""A request while it is served: what of it is computed, answered, held in memory."""

from dataclasses import dataclass


@dataclass(slots=True, kw_only=True, eq=False)
class Sequence:
    """A request while it is served; `num_computed` tokens of it are in the KV cache.

    After a preemption the prompt to be computed includes what was answered (`num_answered`).
    `num_blocks` counts KV blocks held.
    """

    request: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int = 0
    priority: int = 0
    prefix_hashes: tuple[int, ...] = ()
    num_computed: int = 0
    num_answered: int = 0
    num_blocks: int = 0
    num_reserved_blocks: int = 0

    @property
    def prompt_tokens(self) -> int:
        """Tokens to be in the KV cache before the next token comes."""
        return self.input_tokens + self.num_answered

    @property
    def is_spent(self) -> bool:
        """Whether a step was planned that brings its last token."""
        return self.num_answered >= self.output_tokens

    @property
    def limit_tokens(self) -> int:
        """Tokens in the KV cache when the last token comes, which is not stored itself."""
        return self.input_tokens + self.output_tokens - 1

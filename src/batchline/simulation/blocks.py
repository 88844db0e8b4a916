"""The KV cache in blocks: who holds how many, and which prompts are still in it.

`Blocks` counts. `PrefixBlocks` also finds the full blocks of a prompt again by their hashes: a
block that nobody holds any more stays until its memory is needed, the one that was used longest ago
goes first, and of a sequence its last block first (as vLLM frees them).
"""

from __future__ import annotations

from collections import OrderedDict

from batchline.simulation.policy import Policy
from batchline.simulation.sequence import Sequence


class Blocks:
    """Blocks of one replica, counted; `num_reserved` are those that answers may still need."""

    def __init__(self, policy: Policy) -> None:
        self.block_tokens = policy.block_tokens
        self.num_free = policy.num_blocks
        self.num_reserved = 0

    def cached_tokens(self, sequence: Sequence) -> int:
        """Return how much of the prompt need not be computed."""
        return sequence.cached_tokens

    def needed(self, sequence: Sequence, num_blocks: int) -> int:
        """Return how many free blocks it takes to hold `num_blocks`."""
        return num_blocks - sequence.num_blocks

    def grow(self, sequence: Sequence, num_blocks: int) -> None:
        """Let a sequence hold `num_blocks`."""
        self.num_free -= num_blocks - sequence.num_blocks
        sequence.num_blocks = num_blocks

    def remember(self, sequence: Sequence) -> None:
        """Note which blocks of a prompt are computed; nothing is kept here."""

    def release(self, sequence: Sequence) -> None:
        """Take the blocks of a sequence back."""
        self.num_free += sequence.num_blocks
        sequence.num_blocks = 0


class PrefixBlocks(Blocks):
    """Blocks that are found again by hash. Those in `idle` count as free."""

    def __init__(self, policy: Policy) -> None:
        super().__init__(policy)
        self.num_holders: dict[int, int] = {}  # hash -> sequences that hold the block
        self.idle: OrderedDict[int, None] = OrderedDict()  # the least recently used first
        self.held: dict[int, list[int]] = {}  # request -> hashes of the blocks it shares

    def cached_tokens(self, sequence: Sequence) -> int:
        """Return the tokens of the longest prefix in the cache; the last token is computed."""
        return self._num_found(sequence) * self.block_tokens

    def _num_found(self, sequence: Sequence) -> int:
        most = (sequence.prompt_tokens - 1) // self.block_tokens
        for num, block in enumerate(sequence.prefix_hashes[:most]):
            if block not in self.num_holders and block not in self.idle:
                return num
        return min(most, len(sequence.prefix_hashes))

    def needed(self, sequence: Sequence, num_blocks: int) -> int:
        """Return how many free blocks it takes; those that others hold are shared."""
        if sequence.num_blocks:
            return super().needed(sequence, num_blocks)
        found = sequence.prefix_hashes[: self._num_found(sequence)]
        return num_blocks - sum(block in self.num_holders for block in found)

    def grow(self, sequence: Sequence, num_blocks: int) -> None:
        """Let a sequence hold `num_blocks`: first those found, then free ones, then idle ones."""
        if not sequence.num_blocks:
            self._share(sequence)
        super().grow(sequence, num_blocks)
        while len(self.idle) > self.num_free:
            self.idle.popitem(last=False)

    def _share(self, sequence: Sequence) -> None:
        found = sequence.prefix_hashes[: self._num_found(sequence)]
        for block in found:
            if block in self.idle:
                del self.idle[block]
                self.num_free -= 1
            self.num_holders[block] = self.num_holders.get(block, 0) + 1
        self.held[sequence.request] = list(found)
        sequence.num_blocks = len(found)

    def remember(self, sequence: Sequence) -> None:
        """Give the computed full blocks their hashes, unless another block has them already."""
        held = self.held.setdefault(sequence.request, [])
        num_full = sequence.num_computed // self.block_tokens
        for block in sequence.prefix_hashes[len(held) : num_full]:
            if block in self.num_holders or block in self.idle:
                return
            self.num_holders[block] = 1
            held.append(block)

    def release(self, sequence: Sequence) -> None:
        """Take the blocks back; those with a hash stay idle until their memory is needed."""
        self.remember(sequence)
        held = self.held.pop(sequence.request, [])
        for block in reversed(held):
            self.num_holders[block] -= 1
            if not self.num_holders[block]:
                del self.num_holders[block]
                self.idle[block] = None
                self.num_free += 1
        self.num_free += sequence.num_blocks - len(held)
        sequence.num_blocks = 0


def blocks_of(policy: Policy) -> Blocks:
    """Return the KV cache of a policy, empty."""
    return PrefixBlocks(policy) if policy.caches_prefixes else Blocks(policy)

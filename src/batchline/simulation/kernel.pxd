# Types of kernel.py for Cython: a number is a 64-bit integer, a table a memoryview of them.
cimport cython

cdef extern from *:
    const unsigned long CHECKSUM "BATCHLINE_KERNEL_CHECKSUM"

cdef long long NEVER, LAST_PS, SLOT_BITS, SLOT_MASK, UNBOUNDED
cdef long long PAIRS_SHIFT, FREE_TO_JOIN, BLOCKED, HELD_BACK

cdef long long push(long long[::1] heap, long long num, long long key) noexcept
cdef long long pop(long long[::1] heap, long long num) noexcept


@cython.final
cdef class Ledger:
    cdef public long long[::1] arrival
    cdef public int[::1] inputs
    cdef public int[::1] outputs
    cdef public int[::1] cached
    cdef public long long[::1] start
    cdef public long long[::1] first
    cdef public long long[::1] finish
    cdef public int[::1] answered
    cdef public int[::1] link
    cdef public long long has_cached

@cython.final
cdef class Tariff:
    cdef long long[::1] base
    cdef long long[::1] pass_base
    cdef long long[::1] window
    cdef long long[::1] context_ps
    cdef long long[::1] pair_ps
    cdef public long long longest_leap
    cdef long long sequence_ps, prefill_ps, prefill_floor_ps, num_verified
    cdef long long full_context_ps, full_pair_ps, num_windows, last, rise
    cdef long long base_ps(self, long long num_tokens) noexcept

@cython.final
cdef class Replica:
    cdef public Ledger ledger
    cdef public Tariff tariff
    cdef public long long[::1] slot_request
    cdef public long long[::1] slot_base
    cdef public long long[::1] slot_end
    cdef public long long[::1] slot_join
    cdef public long long[::1] before
    cdef public long long[::1] behind
    cdef public long long[::1] free_slots
    cdef public long long[::1] ends
    cdef public long long[::1] places
    cdef public long long[::1] num_short
    cdef public long long[::1] short_base
    cdef public long long[::1] short_end
    cdef public long long[::1] crossings
    cdef public long long[::1] new_request
    cdef public long long[::1] ended
    cdef public long long[::1] batch_ps
    cdef public long long[::1] batch_steps
    cdef public long long[::1] gaps
    cdef public long long[::1] group_end
    cdef public long long[::1] group_num
    cdef public long long[::1] rows
    cdef public long long max_num_seqs, budget, num_blocks, block_shift, extra_blocks
    cdef public long long reserves_prompt, requeues_last, mixes, is_chunked, is_static
    cdef public long long num_wait_steps, wait_tokens, pass_tokens, pass_unit, reserved_part
    cdef public long long reserved_whole, block_mask, slack, num_slots, num_windows, free, reserved
    cdef public long long num_running, tail, num_free_slots, heap_size, num_ends, base_sum
    cdef public long long decoded, num_passes, head, last_waiting, num_waiting, waiting_tokens
    cdef public long long held_since, begun, begun_target, begun_done, begun_blocks, now, end
    cdef public long long leap, step_ps, slope_ps, growth, need, num_decoding, num_in_step, state
    cdef public long long num_new, num_ended, num_outstanding, num_preempted
    cdef public long long num_events, num_crossings, is_ready, is_stuck, gap_shift, last_pass_end, num_groups, sample_ps
    cdef public long long num_rows_max, num_rows, next_sample, num_chunks, num_chunk_tokens
    cdef public long long chunk_pairs_ps
    cdef long long blocks(self, long long num_tokens) noexcept
    cdef long long decode_blocks(self, long long num_tokens) noexcept
    cdef void enqueue(self, long long request) noexcept
    cdef void requeue(self, long long request) noexcept
    cdef long long reserved_blocks(self, long long request) noexcept
    cdef void join(self, long long request) noexcept
    cdef void join_windows(self, long long slot, long long context) noexcept
    cdef void leave_windows(self, long long slot) noexcept
    cdef void sweep_ends(self) noexcept
    cdef void sweep_crossings(self) noexcept
    cdef long long next_crossing(self) noexcept
    cdef void leave(self, long long slot) noexcept
    cdef void preempt_last(self) noexcept
    cdef void preempt_begun(self) noexcept
    cdef void plan(self, long long now) noexcept
    cdef void fill(self) noexcept
    cdef void admit(self, long long room) noexcept
    cdef void price_pass(self, long long num) noexcept
    cdef void price_chunks(self, long long num) noexcept
    cdef long long pairs_ps(self, long long done, long long size) noexcept
    cdef long long is_held_back(self) noexcept
    cdef void lengthen(self) noexcept
    cdef long long room_tokens(self) noexcept
    cdef void shorten(self, long long time) noexcept
    cdef void commit(self) noexcept
    cdef void end_answers(self) noexcept
    cdef void fill_windows(self) noexcept
    cdef void finish_prompts(self) noexcept
    cdef void count_passes(self) noexcept
    cdef void count_gaps(self, long long gap_ps, long long slope_ps, long long leap, long long num) noexcept
    cdef void note(self, long long now, long long num_running, long long num_waiting, long long num_blocks) noexcept

@cython.final
cdef class Simulation:
    cdef public Ledger ledger
    cdef list replicas
    cdef int[::1] follower
    cdef int[::1] waits
    cdef public long long[::1] delay
    cdef public long long[::1] pending_time
    cdef public long long[::1] pending_request
    cdef int[::1] candidates
    cdef int[::1] handicap
    cdef short[::1] replica_of
    cdef public long long num_replicas, num_requests, num_clients, is_chain, has_delay, num_open
    cdef public long long num_sent, next_open, num_pending, num_rows, num_candidates, is_by_turn
    cdef public long long num_routed, num_ready, is_pending, clock, is_too_long
    @cython.locals(replica=Replica, chosen=Replica)
    cpdef void run(self, long long limit) noexcept
    @cython.locals(replica=Replica)
    cdef void plan_ready(self) noexcept
    cdef long long next_arrival(self) noexcept
    @cython.locals(replica=Replica)
    cpdef long long next_event(self) noexcept
    @cython.locals(replica=Replica)
    cdef void receive(self, long long request) noexcept
    cdef void follow(self, long long request) noexcept
    cdef void pop_pending(self) noexcept

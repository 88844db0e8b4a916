"""Which requests come, and when: logs, rates, users who wait, agents, and mixes of them."""

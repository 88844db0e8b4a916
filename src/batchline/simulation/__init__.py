"""What requests meet: schedulers driven by step times, and the runs of load generators."""

from batchline.simulation.fleet import Fleet
from batchline.simulation.load import Load, Run, TooLong, requests_of
from batchline.simulation.outcome import Outcome
from batchline.simulation.policy import Policy, Settings, policy_of
from batchline.simulation.requests import Requests
from batchline.simulation.run import Times, fleet_of, run_times
from batchline.simulation.samples import Sampling
from batchline.simulation.scheduler import Scheduler
from batchline.simulation.simulate import simulate

__all__ = [
    "Fleet",
    "Load",
    "Outcome",
    "Policy",
    "Requests",
    "Run",
    "Sampling",
    "Scheduler",
    "Settings",
    "Times",
    "TooLong",
    "fleet_of",
    "policy_of",
    "requests_of",
    "run_times",
    "simulate",
]

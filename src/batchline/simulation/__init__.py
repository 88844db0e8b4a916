"""What requests meet: a scheduler driven by step times, and the runs of load generators."""

from batchline.simulation.load import Load, Run, job_of
from batchline.simulation.policy import Policy, Settings, policy_of
from batchline.simulation.run import Times, run_times
from batchline.simulation.scheduler import Job, Result, TooLong, schedule

__all__ = [
    "Job",
    "Load",
    "Policy",
    "Result",
    "Run",
    "Settings",
    "Times",
    "TooLong",
    "job_of",
    "policy_of",
    "run_times",
    "schedule",
]

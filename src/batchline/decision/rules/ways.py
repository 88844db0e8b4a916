"""What is asked of each way of using an offer: chips, precision, how they are bought, how fast.

`hosting` and `services` answer these, since they need the performance model and the price.
"""

from typing import Final

from batchline.decision.rules.rule import Asked

WAY_RULES: Final[tuple[Asked, ...]] = (
    Asked(
        id="modeled",
        question="Is there a model of serving on this kind of chip?",
        asked_when="chips are rented or owned",
        requirements=("R004", "R007", "R022"),
        may_be_open=False,
    ),
    Asked(
        id="fits",
        question="Do weights and one sequence fit the chips of a replica?",
        asked_when="chips are rented or owned",
        requirements=("R020", "R039", "R040", "R042", "R067", "R068", "R114"),
        may_be_open=False,
    ),
    Asked(
        id="partition",
        question="Does the model fit a slice of the chip?",
        asked_when="requirements.tenancy is partition",
        requirements=("R037", "R084"),
        may_be_open=False,
    ),
    Asked(
        id="power",
        question="Does a replica draw no more than allowed?",
        asked_when="requirements.limit_power_watts",
        requirements=("R003", "R028"),
    ),
    Asked(
        id="capacity",
        question="Are there enough chips of your own?",
        asked_when="capacity is stated",
        requirements=(),
        may_be_open=False,
    ),
    Asked(
        id="spot",
        question="How often can spot chips be had?",
        asked_when="spot chips are offered",
        requirements=("R090", "R103", "R104", "R105", "R109"),
    ),
    Asked(
        id="speed-known",
        question="Has anybody dated its speed?",
        asked_when="a token service meets a latency target, or users who wait",
        requirements=("R057", "R075"),
    ),
    Asked(
        id="slo",
        question="Does it keep every latency target with the confidence asked for?",
        asked_when="traffic.slo",
        requirements=("R051", "R061", "R062", "R076", "R077", "R124", "R125", "R136", "R139"),
    ),
)
"""In the order in which they are asked."""

BY_NUMBERS: Final[tuple[Asked, ...]] = (
    Asked(
        id="ranking",
        question="Which is the cheapest of those that keep every target?",
        asked_when="always",
        requirements=("R005", "R080", "R083", "R132", "R135", "R137"),
    ),
    Asked(
        id="break-even",
        question="Where does the answer turn?",
        asked_when="chips and a token service are both left",
        requirements=("R106", "R107", "R132", "R138"),
    ),
)
"""What no rule decides: the numbers do."""

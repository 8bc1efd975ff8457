"""What the platform asks of those who trade live money."""

from dataclasses import dataclass
from decimal import Decimal

from brokergw.model.account import Environment


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveRules:
    """`initial_mode` is where a user starts. A live order needs a code within `code_age_max_s`.

    One that is worth more than `step_up_notional` needs one within `step_up_age_max_s`; None asks for no such. The
    paper history counts orders that filled on paper, and UTC days on which any did; 0 asks for none.
    """

    initial_mode: Environment = Environment.MOCK
    code_age_max_s: float = 43_200.0
    step_up_notional: Decimal | None = None
    step_up_age_max_s: float = 300.0
    paper_orders_min: int = 0
    paper_days_min: int = 0

"""The strategies of the world: they trade, lose patience, repeat their calls, and remember every answer."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from random import Random
from typing import Final

from brokergw.desk.results import OrderResult, Result
from brokergw.model.commands import CancelOrder, KeyedCommand, ModifyOrder, SubmitOrder
from brokergw.model.errors import GatewayError, OrderEffect, Reason, Retry
from brokergw.model.order import Order
from brokergw.rpc.wire.errors import ROWS
from tests.simulation.broker import Draw
from tests.simulation.history import Answer, History
from tests.simulation.plan import Plan, draw_key
from tests.simulation.process import Process
from tests.simulation.virtual import wall_ns

_DEADLINES_S: Final = (0.05, 0.3, 2.0, 10.0)
_PATIENCE: Final = 400
_PATIENCE_FOR_CHANGES: Final = 8


@dataclass(frozen=True, slots=True)
class Wants:
    """What strategies order here, and the quantities that they change orders to."""

    order: Draw
    quantity: Callable[[Random], Decimal]


class Client:
    """One strategy; `pick` gives a gateway that is up, or None."""

    def __init__(
        self, random: Random, plan: Plan, history: History, pick: Callable[[], Process | None], wants: Wants
    ) -> None:
        self._wants = wants
        self._random = random
        self._plan = plan
        self._history = history
        self._pick = pick

    async def trade(self) -> None:
        """Place some orders; change, cancel or repeat most of them."""
        await asyncio.sleep(self._random.uniform(0.0, 1.0))
        for _ in range(self._plan.orders_each):
            await asyncio.sleep(self._random.uniform(0.0, self._plan.span_s / self._plan.orders_each))
            submit = self._wants.order(self._random, "")
            order, _ = await self._ask(submit)
            if order is not None:
                await self._go_on_with(submit, order)

    async def _go_on_with(self, submit: SubmitOrder, order: Order) -> None:
        step = self._random.random()
        if step < 0.35:
            await self._ask(CancelOrder(idempotency_key=draw_key(self._random), order_id=order.order_id))
        elif step < 0.6:
            quantity = self._wants.quantity(self._random)
            key = draw_key(self._random)
            await self._ask(ModifyOrder(idempotency_key=key, order_id=order.order_id, quantity=quantity))
        elif step < 0.8:
            again, _ = await self._ask(submit)
            assert again is None or again.order_id == order.order_id
        elif step < 0.9:
            await self._reuse(submit)

    async def _reuse(self, submit: SubmitOrder) -> None:
        """Use a key for another order, which must not do anything."""
        other = self._wants.order(self._random, submit.idempotency_key)
        if other.fingerprint != submit.fingerprint:
            _, error = await self._ask(other)
            assert error is not None
            assert error.reason is Reason.IDEMPOTENCY_KEY_REUSED

    async def _ask(self, command: KeyedCommand) -> tuple[Order | None, GatewayError | None]:
        """Call under one key until there is an answer that a client may act on."""
        placing = isinstance(command, SubmitOrder)
        error: GatewayError | None = None
        for _ in range(_PATIENCE if placing else _PATIENCE_FOR_CHANGES):
            try:
                result = await self._call(command, self._random.choice(_DEADLINES_S))
            except GatewayError as refusal:
                error = refusal
                self._note(command, None, error)
                if _is_final(error):
                    return None, error
            else:
                if isinstance(result, OrderResult):
                    self._note(command, result, None)
                    return result.order, None
            await asyncio.sleep(self._random.uniform(0.05, 0.8))
        if placing:
            raise AssertionError(f"key {command.idempotency_key} got no answer; the last one was {error!r}")
        # Whoever wants to change an order in doubt tries for a while, then lets it be.
        return None, error

    async def _call(self, command: KeyedCommand, deadline_s: float) -> Result | None:
        """Make one call; None when no answer came in time, or the process died."""
        process = self._pick()
        if process is None:
            return None
        work = asyncio.create_task(process.serve(command))
        death = asyncio.create_task(process.life.ended.wait())
        try:
            await asyncio.wait({work, death}, timeout=deadline_s, return_when=asyncio.FIRST_COMPLETED)
            return work.result() if work.done() and process.life.alive else None
        finally:
            death.cancel()
            work.cancel()

    def _note(self, command: KeyedCommand, result: OrderResult | None, error: GatewayError | None) -> None:
        effect: OrderEffect | None = None
        if error is not None:
            effect = error.effect or ROWS[error.reason].effect
        self._history.answers.append(
            Answer(
                time_ns=wall_ns(),
                key=command.idempotency_key,
                method=command.method,
                reason="" if error is None else error.reason.value,
                effect=effect,
                order=None if result is None else result.order,
                replayed=result is not None and result.replayed,
            )
        )


def _is_final(error: GatewayError) -> bool:
    """Tell whether a client has its answer; an order believed absent is one that it need not wait out."""
    return error.reason is Reason.ORDER_NOT_PLACED or (error.retry or ROWS[error.reason].retry) is not Retry.SAME_KEY

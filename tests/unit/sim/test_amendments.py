from tests.fixtures.sim_wire import Wire


async def test_a_busted_execution_is_taken_back(wire: Wire) -> None:
    """Order, position and cash are as if it had not been, the stream tells it by the execution's own name."""
    async with wire.listening() as stream:
        order = await wire.placed(qty=3)
        await stream.hear_events(2)
        fill = await stream.hear_event()
        busted = (await wire.ask("POST", "/_sim/bust", {"order_id": order["id"]})).document
        told = await stream.hear_event()
    assert (busted["status"], busted["filled_qty"], busted["filled_avg_price"]) == ("canceled", "0", None)
    assert (told["event"], told["qty"], told["price"], told["position_qty"]) == ("trade_bust", "3", fill["price"], "0")
    assert told["previous_execution_id"] == fill["execution_id"] != told["execution_id"]
    assert (await wire.ask("GET", "/v2/positions")).document == []
    assert (await wire.ask("GET", "/v2/account")).document["cash"] == "100000"
    assert (await wire.ask("GET", "/v2/account/activities/FILL")).document == []


async def test_a_corrected_execution_is_changed(wire: Wire) -> None:
    """The order's total and average follow, and so do the account's activities."""
    order = await wire.placed(qty=3)
    document = {"order_id": order["id"], "quantity": "2", "price": "199"}
    corrected = (await wire.ask("POST", "/_sim/correction", document)).document
    assert (corrected["filled_qty"], corrected["filled_avg_price"]) == ("2", "199")
    (row,) = (await wire.ask("GET", "/v2/account/activities/FILL")).document
    assert (row["qty"], row["price"]) == ("2", "199")
    (position,) = (await wire.ask("GET", "/v2/positions")).document
    assert position["qty"] == "2"


async def test_what_never_traded_cannot_be_amended(wire: Wire) -> None:
    """An unknown order and one without executions are refused with 400."""
    order = await wire.placed(type="limit", limit_price=150)
    for order_id in (order["id"], "nobody"):
        assert (await wire.ask("POST", "/_sim/bust", {"order_id": order_id})).status == 400


async def test_a_list_can_be_cut_short_and_turned_round(wire: Wire) -> None:
    """Faults of the list change what is shown, never what is there."""
    placed = [(await wire.placed(type="limit", limit_price=150))["id"] for _ in range(3)]

    async def listed() -> list[str]:
        rows = (await wire.ask("GET", "/v2/orders", direction="asc")).document
        return [row["id"] for row in rows]

    await wire.ask("POST", "/_sim/faults", {"name": "truncated_list", "keep": 1})
    assert await listed() == placed[:1]
    await wire.ask("POST", "/_sim/faults", {"name": "shuffled_list"})
    assert await listed() == placed[::-1]
    assert await listed() == placed


async def test_an_order_can_be_shown_in_a_status_of_choice(wire: Wire) -> None:
    """Until it ends, an order wears the word that was chosen for it, on the stream too; an unknown one is not found."""
    await wire.ask("POST", "/_sim/faults", {"name": "shown_as", "method": "POST", "status_word": "suspended"})
    async with wire.listening() as stream:
        order = await wire.placed(type="limit", limit_price=150)
        assert [(await stream.hear_event())["order"]["status"] for _ in range(2)][1] == "suspended"
    assert (await wire.found(order["id"]))["status"] == "suspended"
    await wire.ask("DELETE", f"/v2/orders/{order['id']}")
    assert (await wire.found(order["id"]))["status"] == "canceled"
    await wire.ask("POST", "/_sim/faults", {"name": "unknown_order", "method": "GET"})
    assert (await wire.ask("GET", f"/v2/orders/{order['id']}")).status == 404

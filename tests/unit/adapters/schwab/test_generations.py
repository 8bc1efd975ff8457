from brokergw.adapters.schwab.generations import Generations
from brokergw.adapters.schwab.mapping import Carried
from tests.fixtures.schwab_wire import row

OLD, NEW = "1005588236651", "1005588236700"


def test_what_was_placed_took_nobodys_place() -> None:
    """An order that this process placed as a new one is no candidate, so that the other one is the only one."""
    links = Generations()
    twin = row("order_successor", orderId=int(NEW) + 1)
    links.placed(f"{int(NEW) + 1}")
    links.learn([row("order_replaced"), row("order_successor"), twin])
    assert links.successor(OLD) == NEW


def test_another_kind_of_order_took_nobodys_place() -> None:
    """A change leaves type, duration, session and legs as they are."""
    for change in ({"orderType": "STOP"}, {"duration": "GOOD_TILL_CANCEL"}, {"session": "AM"}):
        links = Generations()
        links.learn([row("order_replaced"), row("order_successor", **change)])
        assert links.successor(OLD) == ""


def test_a_row_that_names_its_successor_is_believed() -> None:
    """The schema lets a replaced order list what replaces it; one name is enough, two are none."""
    links = Generations()
    links.learn([row("order_replaced", replacingOrderCollection=[{"orderId": int(NEW)}])])
    assert links.successor(OLD) == NEW
    links = Generations()
    links.learn([row("order_replaced", replacingOrderCollection=[{"orderId": 1}, {"orderId": 2}])])
    assert links.successor(OLD) == ""


def test_what_generations_had_filled_adds_up() -> None:
    """Of three generations the last carries what both before it had filled, and names the one before."""
    links = Generations()
    links.link(OLD, NEW)
    links.link(NEW, "1005588236800")
    links.settle(row("order_replaced"))
    links.settle(row("order_replaced", orderId=int(NEW)))
    assert links.carried("1005588236800") == Carried(links.carried(NEW).quantity * 2, links.carried(NEW).value * 2, NEW)
    assert links.chain("1005588236800") == [OLD, NEW, "1005588236800"]

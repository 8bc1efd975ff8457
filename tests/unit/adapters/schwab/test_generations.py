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


TWIN = f"{int(NEW) + 1}"


def test_what_the_record_has_for_another_order_took_nobodys_place() -> None:
    """Of two orders alike the record knows one: it is asked about both, and then the other one is the only one."""
    links, rows = (
        Generations(),
        [row("order_replaced"), row("order_successor"), row("order_successor", orderId=int(TWIN))],
    )
    links.learn(rows)
    assert links.successor(OLD) == ""
    assert links.unclear(rows) == [OLD, NEW, TWIN]
    links.recorded([TWIN])
    assert links.unclear(rows) == [OLD, NEW]
    links.learn(rows)
    assert links.successor(OLD) == NEW


def test_what_the_record_has_as_generations_is_linked() -> None:
    """A change that another process heard the answer of is on record, and needs no likeness."""
    links, rows = Generations(), [row("order_replaced"), row("order_successor", orderType="STOP")]
    links.recorded([OLD, NEW])
    links.learn(rows)
    assert links.unclear(rows) == []
    assert (links.successor(OLD), links.carried(NEW).replaces) == (NEW, OLD)


def test_nothing_is_alike_while_an_order_for_its_symbol_has_no_id() -> None:
    """What is found by content may be an order of ours that is on its way: then it is nobody's successor yet."""
    links, rows = Generations(), [row("order_replaced"), row("order_successor")]
    links.learn(rows, {"AAPL", "MSFT"})
    assert links.successor(OLD) == ""
    links.learn(rows, {"MSFT"})
    assert links.successor(OLD) == NEW


def test_one_order_does_not_take_two_places() -> None:
    """Of two orders that were replaced in one second, with one successor shown, nobody knows whose it is."""
    links = Generations()
    other = f"{int(OLD) + 1}"
    rows = [row("order_replaced"), row("order_replaced", orderId=int(other)), row("order_successor")]
    links.learn(rows)
    assert (links.successor(OLD), links.successor(other)) == ("", "")

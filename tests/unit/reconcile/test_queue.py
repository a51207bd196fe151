"""Keys waiting for work."""

from grapevine.reconcile.queue import KeyQueue


def a_queue(coalesce_ms: int = 100) -> KeyQueue[str]:
    return KeyQueue(coalesce_ms=coalesce_ms, backoff_ms=500, max_backoff_ms=2_000)


def test_a_key_asked_for_twice_is_handed_out_once() -> None:
    queue = a_queue()
    queue.add("k", 0)
    queue.add("k", 0)

    assert [queue.take(0), queue.take(0)] == ["k", None]


def test_keys_come_in_the_order_they_are_due() -> None:
    queue = a_queue()
    for key, now_ms in (("b", 2), ("a", 1), ("c", 2)):
        queue.add(key, now_ms)

    assert [queue.take(9) for _ in range(4)] == ["a", "b", "c", None]


def test_a_key_just_done_waits_for_the_pace() -> None:
    queue = a_queue()
    queue.add("k", 0)
    queue.take(0)
    queue.finish("k", 10, is_done=True)
    queue.add("k", 20)

    assert (queue.next_due_ms(), queue.take(109), queue.take(110)) == (110, None, "k")


def test_a_key_asked_for_while_worked_on_is_worked_on_again() -> None:
    queue = a_queue()
    queue.add("k", 0)
    queue.take(0)
    queue.add("k", 5)
    handed_out_meanwhile = queue.take(10**6)
    queue.finish("k", 10, is_done=True)

    assert (handed_out_meanwhile, queue.holds("k"), queue.take(110)) == (None, True, "k")


def test_a_key_done_and_not_asked_for_is_held_no_more() -> None:
    queue = a_queue()
    queue.add("k", 0)
    queue.take(0)
    queue.finish("k", 0, is_done=True)

    assert (queue.holds("k"), len(queue), queue.next_due_ms()) == (False, 0, None)


def test_a_failing_key_backs_off_further_each_time_up_to_a_bound() -> None:
    queue = a_queue()
    queue.add("k", 0)
    waits = []
    now_ms = 0
    for _ in range(5):
        queue.take(now_ms)
        queue.finish("k", now_ms, is_done=False)
        waits.append((queue.next_due_ms() or 0) - now_ms)
        now_ms = queue.next_due_ms() or 0

    assert waits == [500, 1_000, 2_000, 2_000, 2_000]


def test_success_ends_the_back_off() -> None:
    queue = a_queue(coalesce_ms=0)
    queue.add("k", 0)
    for is_done in (False, False, True):
        queue.take(10**6)
        queue.finish("k", 0, is_done=is_done)
    queue.add("k", 0)
    queue.take(0)
    queue.finish("k", 0, is_done=False)

    assert queue.next_due_ms() == 500


def test_the_other_side_may_ask_for_a_longer_wait() -> None:
    queue = a_queue()
    queue.add("k", 0)
    queue.take(0)
    queue.finish("k", 0, is_done=False, after_ms=9_000)

    assert queue.next_due_ms() == 9_000


def test_asking_for_a_failing_key_does_not_cut_its_back_off() -> None:
    queue = a_queue()
    queue.add("k", 0)
    queue.take(0)
    queue.finish("k", 0, is_done=False)
    queue.add("k", 1)

    assert queue.take(499) is None


def test_one_failing_key_holds_no_other_back() -> None:
    queue = a_queue()
    queue.add("bad", 0)
    queue.take(0)
    queue.finish("bad", 0, is_done=False)
    queue.add("good", 1)

    assert queue.take(1) == "good"


def test_hurry_makes_every_waiting_key_due_once() -> None:
    queue = a_queue()
    queue.add("k", 0)
    queue.take(0)
    queue.finish("k", 0, is_done=False)
    queue.hurry(1)
    queue.hurry(1)

    assert [queue.take(1), queue.take(10**6)] == ["k", None]


def test_hurry_forgets_failures_so_that_the_next_is_tried_again_soon() -> None:
    queue = a_queue()
    queue.add("k", 0)
    for now_ms in range(0, 10**6, 10**5):
        queue.take(now_ms)
        queue.finish("k", now_ms, is_done=False)
    queue.hurry(10**6)
    queue.take(10**6)
    queue.finish("k", 10**6, is_done=False)

    assert queue.next_due_ms() == 10**6 + 500


def test_the_memory_of_paces_is_bounded_by_their_age() -> None:
    queue = a_queue()
    for n in range(10_000):
        queue.add(f"k{n}", n)
        queue.take(n)
        queue.finish(f"k{n}", n, is_done=True)

    assert len(queue._done_ms) < 5_000


def test_who_leaves_out_what_failed_leaves_out_its_whole_group() -> None:
    queue: KeyQueue[str] = KeyQueue(coalesce_ms=0, backoff_ms=500, group_of=lambda key: key[0])
    for key in ("a1", "a2", "b1"):
        queue.add(key, 0)
    queue.take(0)
    queue.finish("a1", 0, is_done=False)

    assert ["b1", None] == [queue.take(1, failed_too=False) for _ in range(2)]
    assert (None, 0) == (queue.next_due_ms(failed_too=False), queue.next_due_ms())
    assert ["a2", "a1", None] == [queue.take(500) for _ in range(3)]


def test_a_group_is_out_of_trouble_once_the_last_of_it_succeeds() -> None:
    queue: KeyQueue[str] = KeyQueue(coalesce_ms=0, backoff_ms=500, group_of=lambda key: key[0])
    for key in ("a1", "a2", "a3"):
        queue.add(key, 0)
    for key in ("a1", "a2"):
        queue.take(0)
        queue.finish(key, 0, is_done=False)
    queue.take(500)
    queue.finish("a3", 500, is_done=True)
    for _ in range(2):
        before = queue.take(500, failed_too=False)
        queue.finish(str(queue.take(500)), 500, is_done=True)
        assert before is None

    queue.add("a1", 500)
    assert "a1" == queue.take(500, failed_too=False)


def test_hurry_ends_all_suspicion() -> None:
    queue = a_queue()
    queue.add("k", 0)
    queue.take(0)
    queue.finish("k", 0, is_done=False)
    queue.hurry(1)

    assert "k" == queue.take(1, failed_too=False)

"""Strongly connected components: what calls itself in a circle. Source: Tarjan, "Depth-first search and linear graph
algorithms", 1972; without recursion, for a map may be a chain of thousands.
"""

from collections.abc import Iterable, Sequence


def components(keys: Iterable[int], following: Sequence[Sequence[int]]) -> list[list[int]]:
    """Return the components of things by number, each before those that lead to it: callees first. O(keys + links).

    Keys are taken in their order, so that equal input gives equal output.
    """
    index: dict[int, int] = {}
    low: dict[int, int] = {}
    stack: list[int] = []
    on_stack: set[int] = set()
    found: list[list[int]] = []
    for root in keys:
        if root in index:
            continue
        work = [(root, iter(following[root]))]
        index[root] = low[root] = len(index)
        stack.append(root)
        on_stack.add(root)
        while work:
            key, rest = work[-1]
            for each in rest:
                if each not in index:
                    index[each] = low[each] = len(index)
                    stack.append(each)
                    on_stack.add(each)
                    work.append((each, iter(following[each])))
                    break
                if each in on_stack:
                    low[key] = min(low[key], index[each])
            else:
                work.pop()
                if work:
                    parent = work[-1][0]
                    low[parent] = min(low[parent], low[key])
                if low[key] == index[key]:
                    cut = _last_index(stack, key)
                    component = stack[cut:]
                    del stack[cut:]
                    on_stack.difference_update(component)
                    found.append(component)
    return found


def _last_index(stack: Sequence[int], key: int) -> int:
    position = len(stack) - 1
    while stack[position] != key:
        position -= 1
    return position

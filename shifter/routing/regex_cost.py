"""What a regular expression costs to match, and a way to match any of them in linear time.

Rule 1. Positions: every byte set of the pattern, repetitions written out, is a position (Glushkov's automaton). A way
        through the pattern is a walk over positions, and a backtracking engine tries the walks one by one.
Rule 2. `Automaton.is_linear` only says yes when the number of walks that any text allows is bounded by a small number:
        no loop that two walks can pass with the same text (exponential), no two loops of which the second can be
        entered at many places of a text that the first reads as well (polynomial), and few other forks.
        It errs on the side of no.
Rule 3. `Automaton.fits` follows all walks at once and remembers what it has seen: each byte is read once, whatever the
        pattern. This is slower than a backtracking engine in C on a good pattern, and never stalls on a bad one.

Source: Weber and Seidl, On the degree of ambiguity of finite automata (1991).
"""

from shifter.routing.regex_syntax import Either, Group, Node, OneOf, Place, Repeat, Sequence, Unknown

MAX_POSITIONS = 1000
MAX_FORKS = 32
MAX_FORKS_WITHOUT_LOOPS = 1000
_MAX_LOOP = 100
_MAX_LOOPS = 12
_MAX_STATES = 1000


class _Part:
    """A stretch of the pattern: may it be empty, which positions can come first and last."""

    __slots__ = ("empty", "first", "last")

    def __init__(self, empty: bool, first: int, last: int) -> None:
        self.empty = empty
        self.first = first
        self.last = last


class _State:
    """A set of positions that a text may have led to, and where each byte leads from there as far as it was asked."""

    __slots__ = ("accepting", "following", "next")

    def __init__(self, following: int, accepting: bool) -> None:
        self.following = following
        self.accepting = accepting
        self.next: dict[int, _State] = {}


def _bits(mask: int) -> list[int]:
    found = []
    while mask:
        low = mask & -mask
        found.append(low.bit_length() - 1)
        mask ^= low
    return found


class Automaton:
    """The positions of one pattern. Sets of positions are integers, bit by bit.

    ``has_places`` says that the pattern has conditions on places in its middle, which `fits` cannot follow and
    `is_linear` can leave out, as they only forbid walks. Raises `Unknown` for a pattern that is too large.
    """

    def __init__(self, node: Node) -> None:
        self.has_places = False
        self._sets: list[int] = []
        self._follow: list[int] = []
        self._doubled = False
        self._built = 0
        self._loops: list[int] = []
        self._loop_depth = 0
        whole = self._build(_without_outer_places(node))
        self._first = whole.first
        self._last = whole.last
        self._by_byte = [0] * 256
        for position, mask in enumerate(self._sets):
            for code in _bits(mask):
                self._by_byte[code] |= 1 << position
        self._start = _State(whole.first, whole.empty)
        self._dead = _State(0, False)
        self._states: dict[int, _State] = {0: self._dead}

    # The positions.

    def _build(self, node: Node) -> _Part:
        self._built += 1
        if self._built > 10 * MAX_POSITIONS or len(self._sets) + isinstance(node, OneOf) > MAX_POSITIONS:
            raise Unknown(f"a pattern of more than {MAX_POSITIONS} bytes, repetitions written out, needs the google-re2 package")
        if isinstance(node, OneOf):
            self._sets.append(node.mask)
            self._follow.append(0)
            position = 1 << len(self._sets) - 1
            return _Part(False, position, position)
        if isinstance(node, Sequence):
            part = _Part(True, 0, 0)
            for child in node.parts:
                part = self._join(part, self._build(child))
            return part
        if isinstance(node, Either):
            parts = [self._build(child) for child in node.choices]
            if sum(part.empty for part in parts) > 1:
                self._doubled = True
            first = last = 0
            for part in parts:
                first |= part.first
                last |= part.last
            return _Part(any(part.empty for part in parts), first, last)
        if isinstance(node, Repeat):
            return self._build_repeat(node)
        if isinstance(node, Group):
            return self._build(node.body)
        self.has_places = True
        return _Part(True, 0, 0)

    def _build_repeat(self, node: Repeat) -> _Part:
        part = _Part(True, 0, 0)
        if node.high is None:
            for _ in range(node.low - 1):
                part = self._join(part, self._build(node.body))
            start = len(self._sets)
            self._loop_depth += 1
            loop = self._build(node.body)
            self._loop_depth -= 1
            if self._loop_depth == 0:  # all positions of a repeated part lead to each other
                self._loops.append((1 << len(self._sets)) - (1 << start))
            self._doubled |= loop.empty
            self._connect(loop.last, loop.first)
            return self._join(part, _Part(loop.empty or node.low == 0, loop.first, loop.last))
        for _ in range(node.high - node.low):
            copy = self._build(node.body)
            self._doubled |= copy.empty
            part = self._join(copy, part)
            part.empty = True
        for _ in range(node.low):
            part = self._join(self._build(node.body), part)
        return part

    def _join(self, left: _Part, right: _Part) -> _Part:
        self._connect(left.last, right.first)
        first = left.first | right.first if left.empty else left.first
        last = left.last | right.last if right.empty else right.last
        return _Part(left.empty and right.empty, first, last)

    def _connect(self, lasts: int, firsts: int) -> None:
        for position in _bits(lasts):
            if self._follow[position] & firsts:
                self._doubled = True  # the same step by two ways, as in (a*)*
            self._follow[position] |= firsts

    # What it costs.

    def is_linear(self, anywhere: bool = False) -> bool:
        """Say whether every engine that tries one walk after the other is sure to be done in linear time.

        *anywhere*: also when it looks for a match from every place of a text on.
        """
        loops = self._loops
        if self._doubled or (anywhere and loops):
            return False
        most = MAX_FORKS if loops or anywhere else MAX_FORKS_WITHOUT_LOOPS
        forks = self._choices(self._first)
        for position, follow in enumerate(self._follow):
            # Forks inside a loop that no text passes twice do not multiply: their walks come together or end.
            own = sum(loop for loop in loops if loop >> position & 1)
            forks *= self._choices(follow & ~own)
            if forks > most:
                return False
        if len(loops) > _MAX_LOOPS or any(loop.bit_count() > _MAX_LOOP for loop in loops):
            return False
        return not any(map(self._passed_twice, loops)) and not self._chained(loops)

    def _choices(self, positions: int) -> int:
        """Return with how many of *positions* one byte can go on, at most."""
        if positions.bit_count() < 2:
            return 1
        return max((positions & owners).bit_count() for owners in self._by_byte) or 1

    def _reach(self, start: int, through: int) -> int:
        """Return the positions that can be reached from those in *start* by steps onto those in *through*."""
        seen = 0
        new = start
        while new:
            step = 0
            for position in _bits(new):
                step |= self._follow[position]
            new = step & through & ~seen
            seen |= new
        return seen

    def _passed_twice(self, loop: int) -> bool:
        """Say whether one text can lead from a position of *loop* to one and the same position by two ways."""
        pairs: list[tuple[int, int]] = []
        seen: set[tuple[int, int]] = set()

        def add(left: int, right: int) -> bool:
            for one in _bits(left & loop):
                for two in _bits(right & loop):
                    if self._sets[one] & self._sets[two]:
                        if one == two and left is not right:
                            return True
                        if one != two and (one, two) not in seen:
                            seen.add((one, two))
                            pairs.append((one, two))
            return False

        for position in _bits(loop):
            add(self._follow[position], self._follow[position])
        while pairs:
            one, two = pairs.pop()
            left, right = self._follow[one], self._follow[two]
            if left & right & loop or add(left, right):
                return True
        return False

    def _chained(self, loops: list[int]) -> bool:
        """Say whether some text that one loop reads can be handed to another loop at many places."""
        letters = [self._letters(loop) for loop in loops]
        for one, loop in enumerate(loops):
            for two, other in enumerate(loops):
                shared = letters[one] & letters[two]
                if one != two and shared:
                    through = 0
                    for position, mask in enumerate(self._sets):
                        if mask & shared:
                            through |= 1 << position
                    if self._reach(loop & through, through) & other:
                        return True
        return False

    def _letters(self, positions: int) -> int:
        mask = 0
        for position in _bits(positions):
            mask |= self._sets[position]
        return mask

    # The slow engine.

    def fits(self, text: bytes) -> bool:
        """Say whether the whole of *text* fits the pattern. Only for patterns without ``has_places``."""
        state = self._start
        for byte in text:
            following = state.next.get(byte)
            if following is None:
                following = self._step(state, byte)
            state = following
            if not state.following and not state.accepting:
                return False
        return state.accepting

    def _step(self, state: _State, byte: int) -> _State:
        positions = state.following & self._by_byte[byte]
        found = self._states.get(positions)
        if found is None:
            if len(self._states) >= _MAX_STATES:
                self._states = {0: self._dead}
                self._start = _State(self._first, self._start.accepting)
                state = _State(state.following, state.accepting)
            following = 0
            for position in _bits(positions):
                following |= self._follow[position]
            found = self._states[positions] = _State(following, bool(positions & self._last))
        state.next[byte] = found
        return found


def _without_outer_places(node: Node) -> Node:
    """Return *node* without ``^`` at its beginning and ``$`` at its end, where they say nothing: all of a text must fit."""
    return _strip(_strip(node, "^", 0), "$", -1)


def _strip(node: Node, kind: str, end: int) -> Node:
    if isinstance(node, Place):
        return Sequence(()) if node.kind == kind else node
    if isinstance(node, Either):
        return Either(tuple(_strip(choice, kind, end) for choice in node.choices))
    if isinstance(node, Group):
        return _strip(node.body, kind, end)
    if isinstance(node, Sequence):
        parts = list(node.parts)
        while parts:
            parts[end] = _strip(parts[end], kind, end)
            if parts[end] != Sequence(()):
                break
            parts.pop(end)
        return Sequence(tuple(parts))
    return node

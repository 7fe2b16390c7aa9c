"""The breaker as a state machine: whatever is called in whatever order, its promises hold."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tickstream.breaker import Breaker, BreakerState
from tickstream.faults import Faults

FAILURES, PAUSE_S, PROBE_S = 3, 0.3, 2.0


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def breaker(text=""):
    clock = Clock()
    return Breaker(failures=FAILURES, pause_s=PAUSE_S, probe_s=PROBE_S, clock=clock, faults=Faults(text)), clock


def opened(text=""):
    made, clock = breaker(text)
    for _ in range(FAILURES):
        made.failed()
    return made, clock


class BreakerMachine(RuleBasedStateMachine):
    """Calls go out when allowed, end in any order, and time passes in between; the model is told in plain words."""

    def __init__(self):
        super().__init__()
        self.breaker, self.clock = breaker()
        self.model = "closed"
        self.in_a_row = 0
        self.until = 0.0

    @rule(seconds=st.floats(0, 3, allow_nan=False))
    def time_passes(self, seconds):
        self.clock.now += seconds

    @rule()
    def ask(self):
        over = self.clock.now >= self.until
        assert self.breaker.allow() == (self.model == "closed" or over)
        if self.model != "closed" and over:
            self.model, self.until = "half_open", self.clock.now + PROBE_S

    @rule()
    def succeed(self):
        self.breaker.succeeded()
        self.in_a_row = 0
        if self.model == "half_open":
            self.model = "closed"

    @rule()
    def fail(self):
        self.breaker.failed()
        self.in_a_row += 1
        if self.model == "half_open" or (self.model == "closed" and self.in_a_row >= FAILURES):
            self.model, self.until = "open", self.clock.now + PAUSE_S

    @precondition(lambda self: self.model == "open")
    @rule()
    def the_pause_ends_with_one_probe(self):
        self.clock.now = self.until
        assert self.breaker.allow()
        assert not self.breaker.allow()
        self.model, self.until = "half_open", self.clock.now + PROBE_S

    @invariant()
    def it_says_what_it_is(self):
        assert self.breaker.state == self.model

    @invariant()
    def what_it_tells_to_wait_is_enough_and_no_longer_than_a_pause_or_a_probe(self):
        assert self.breaker.wait_s == (0.0 if self.model == "closed" else max(0.0, self.until - self.clock.now))
        assert self.model != "open" or self.breaker.wait_s <= PAUSE_S


TestBreakerMachine = BreakerMachine.TestCase
TestBreakerMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_failures_that_are_not_in_a_row_do_not_open_it():
    made, _ = breaker()
    for _ in range(10):
        for _ in range(FAILURES - 1):
            made.failed()
        made.succeeded()
    assert made.state is BreakerState.CLOSED


def test_while_it_is_open_no_call_goes_out_however_often_it_is_asked_for():
    made, clock = opened()
    clock.now += PAUSE_S * 0.99
    assert not any(made.allow() for _ in range(100))


def test_of_many_callers_one_probes_and_its_success_lets_all_in():
    made, clock = opened()
    clock.now += PAUSE_S
    assert [made.allow() for _ in range(5)] == [True, False, False, False, False]
    made.succeeded()
    assert all(made.allow() for _ in range(5))


def test_a_probe_that_fails_opens_it_for_a_whole_pause():
    made, clock = opened()
    clock.now += PAUSE_S
    assert made.allow()
    made.failed()
    assert (made.state, made.opened) == (BreakerState.OPEN, 2)
    assert PAUSE_S * 0.99 < made.wait_s <= PAUSE_S


def test_a_probe_that_was_cancelled_does_not_lock_everybody_out():
    made, clock = opened()
    clock.now += PAUSE_S
    assert made.allow()
    clock.now += PROBE_S
    assert made.allow()


def test_the_pause_that_comes_by_itself_leaves_room_for_a_recovery_within_a_second():
    clock = Clock()
    made = Breaker(clock=clock)
    while made.state is BreakerState.CLOSED:
        made.failed()
    assert made.wait_s < 0.5


def test_the_faults_break_opening_and_closing():
    never_opens, _ = opened("breaker_never_opens")
    assert never_opens.allow()
    never_closes, clock = opened("breaker_never_closes")
    clock.now += 1000
    assert not never_closes.allow()

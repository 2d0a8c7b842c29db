#!/usr/bin/python3
"""Which runs there are in an execution, and what each of them sees: a model.

  python3 test/model/joins.py [plays] [seed]     the model tests itself

This file says by a program what the documentation says in words of joins and
cycles.  test/diff/joins plays the same graphs against the extension.

A *run* is one visit of one step.  A run that ends creates an *arrival* at each
target that it takes.  What an arrival does is the step's join:

  each  the arrival starts a run of its own, at once
  all   the arrival waits, and further ones coalesce with it, while another
        live run can reach the step: one that has started, or one that waits
        in an earlier strongly connected component
  any   the first arrival starts a run, its siblings are dropped

Without a join of its own a step to which one step leads has "each", any other
"all"; an end has always "all".

Where the description leaves a choice, this model takes the following ones.
 1. The steps that lead to a step are counted by their edges in the document,
    those of error handlers included, whether or not the entry reaches them.
    The begin of the execution is no step; its arrival starts the entry at once.
 2. An arrival that starts a run at once has started it before any waiting run
    is looked at; several do so in the order of their arrivals.
 3. "Earlier" components are those that can reach the step's.  Of the waiting
    runs that may start the first one in document order does: components that
    cannot reach each other do not care which of them goes first.
 4. "Any": the siblings of an arrival are all that have the same newest visit
    of the step among their ancestors (none, at first).  So a step of a cycle
    starts once a round, whichever branch of the round comes first.
 5. An end without an action completes the execution.  It waits until nothing
    else is live, also not what cannot reach it.
 6. "Newest" is the highest number.  A run that ended badly is a completed one
    too.  While the transitions of a run are evaluated it sees itself.
 7. A dropped arrival leaves no trace in what later runs see.
 8. The data of arrivals is merged in document order of their source steps, and
    of several visits of one step in the order of their numbers, not of time.
"""
import random
import sys
from collections import Counter

DEFAULTS = {True: "each", False: "all"}     # does one step alone lead there?


class Step:
    """edges: targets in the order of "next"; handler: likewise of "on_error".

    kind: "action" is done by somebody, a "router" ends at once, an "end" is the
    end of the playbook."""

    def __init__(self, name, kind="action", edges=(), handler=(), join=None):
        self.name, self.kind, self.join = name, kind, join
        self.edges, self.handler = list(edges), list(handler)


class Graph:
    """Steps in document order; the first is the entry."""

    def __init__(self, steps):
        self.steps = steps
        targets = [set(s.edges) | set(s.handler) for s in steps]
        self.sources = [{s for s in range(len(steps)) if t in targets[s]} for t in range(len(steps))]
        self.reach = [self.reachable(targets, s) for s in range(len(steps))]
        for t, step in enumerate(steps):
            is_end = step.kind == "end" or step.name == "end" and not step.edges
            step.mode = "all" if is_end else step.join or DEFAULTS[len(self.sources[t]) <= 1]

    @staticmethod
    def reachable(targets, start):
        """Steps to which one or more edges lead."""
        seen, todo = set(), list(targets[start])
        while todo:
            t = todo.pop()
            if t not in seen:
                seen.add(t)
                todo += targets[t]
        return seen

    def earlier(self, a, b):
        """Is the component of a before that of b?"""
        return b in self.reach[a] and a not in self.reach[b]

    def is_cyclic(self, t):
        return t in self.reach[t]


class Run:
    def __init__(self, step, visit):
        self.step, self.visit = step, visit
        self.started = False
        self.arrivals = []          # Arrival
        self.ancestors = {}         # (step, visit) -> Run

    @property
    def key(self):
        return self.step, self.visit

    def join(self, arrival):
        self.arrivals.append(arrival)
        self.ancestors.update(arrival.lineage)


class Arrival:
    """source: the Run that ended, or None; data: what its transition carries."""

    def __init__(self, source, data):
        self.source, self.data = source, data
        self.lineage = {} if source is None else {**source.ancestors, source.key: source}


class Execution:
    """decide(execution, run, failed) -> (targets, data, handled): what a run that ends does.

    targets of its next or of its error handler; data: for each target; handled
    False: nobody cares for its failure.  Called once for each run."""

    def __init__(self, graph, decide, max_visits=10000):
        self.graph, self.decide, self.max_visits = graph, decide, max_visits
        self.live = []              # Run
        self.beginning = []         # those of them that start at once
        self.ended = []             # Run, in the order of their ends
        self.visits = Counter()     # step -> how many there have been
        self.dropped = []           # (source, step)
        self.end = None             # the terminal event
        self.arrive(0, None, None)
        self.settle()

    # ---- what a run sees ----

    def sees(self, run, step, itself=False):
        """The run of a step whose value a run sees, or None."""
        own = [r for r in run.ancestors.values() if r.step == step]
        if itself and run.step == step:
            own.append(run)
        others = [r for r in self.ended if r.step == step]
        return max(own or others, key=lambda r: r.visit, default=None)

    def data(self, run):
        """What the arrivals of a run carried: later ones win, in the order of sources and visits."""
        merged = {}
        for a in sorted(run.arrivals, key=lambda a: (-1, 0) if a.source is None else a.source.key):
            merged.update(a.data or {})
        return merged

    # ---- arrivals ----

    def arrive(self, t, source, data):
        mode = self.graph.steps[t].mode
        arrival = Arrival(source, data)
        waiting = next((r for r in self.live if r.step == t and not r.started), None)
        if mode == "any" and self.visits[t] > self.newest(arrival, t):
            self.dropped.append((source and source.key, t))
            return
        if waiting is None:
            self.visits[t] += 1
            waiting = Run(t, self.visits[t])
            self.live.append(waiting)
        waiting.join(arrival)
        if mode != "all" or source is None:
            waiting.started = True
            self.beginning.append(waiting)

    @staticmethod
    def newest(arrival, t):
        """The newest visit of a step among the ancestors of an arrival; 0: none."""
        return max((visit for step, visit in arrival.lineage if step == t), default=0)

    def may_start(self, run):
        """Of a run that waits."""
        others = [r for r in self.live if r is not run]
        if self.graph.steps[run.step].kind == "end":
            return all(not r.started and self.graph.steps[r.step].kind == "end" for r in others)
        return not any(run.step in self.graph.reach[r.step] and
                       (r.started or self.graph.earlier(r.step, run.step)) for r in others)

    # ---- runs begin and end ----

    def settle(self):
        """Starts what can start, one at a time, until nothing can."""
        while self.end is None:
            ready = [r for r in self.live if not r.started and self.may_start(r)]
            if self.beginning:
                self.start(self.beginning.pop(0))
            elif ready:
                self.start(min(ready, key=lambda r: r.step))
            else:
                break
        if self.end is None and not self.live:
            self.finish("execution_complete")

    def start(self, run):
        step = self.graph.steps[run.step]
        run.started = True
        if step.kind == "end":
            self.end_run(run)
            self.finish("execution_complete")
        elif run.visit > self.max_visits:
            self.end_run(run)
            self.finish("execution_failed")
        elif step.kind == "router":
            self.leave(run, False)

    def complete(self, run, failed=False):
        """A run that has started ends: whoever does its work says so."""
        self.leave(run, failed)
        self.settle()

    def leave(self, run, failed):
        targets, data, handled = self.decide(self, run, failed)
        self.end_run(run)
        if failed and not handled:
            self.finish("execution_failed")
        for t in targets:
            if self.end is None:
                self.arrive(t, run, data.get(t))

    def end_run(self, run):
        self.live.remove(run)
        self.ended.append(run)

    def finish(self, event):
        self.end = event
        self.live = []
        self.beginning = []


# ---------------------------------------------------------------------------
# The model tests itself
# ---------------------------------------------------------------------------

def random_graph(rng, joins=("each", "all", None, None)):
    """Cycles, forks and joins of up to eight steps."""
    n = rng.randint(2, 8)
    share = rng.choice([0.1, 0.4, 0.7])
    steps = [Step("s%d" % i, rng.choice(["action", "action", "action", "router"]), join=rng.choice(joins))
             for i in range(n)]
    for i, step in enumerate(steps):
        forward = list(range(i + 1, n)) or [i]
        back = rng.random() < share
        pool = list(range(n)) if back else forward
        if i < n - 1 or back:
            step.edges = rng.sample(pool, min(len(pool), rng.choice([1, 1, 2, 2, 3])))
        if step.kind == "action" and rng.random() < 0.2:
            step.handler = rng.sample(pool, min(len(pool), rng.choice([1, 1, 2])))
    if rng.random() < 0.7:
        steps.append(Step("end", rng.choice(["end", "end", "action"])))
        for step in rng.sample(steps[:-1], rng.randint(1, n)):
            step.edges.append(n)
    return Graph(steps)


def identity(run):
    """What a run descends from, whatever its number: its step and the identities of its sources."""
    if not hasattr(run, "identity"):
        run.identity = hash((run.step, tuple(sorted(0 if a.source is None else identity(a.source)
                                                    for a in run.arrivals))))
        run.depth = 1 + max((a.source.depth for a in run.arrivals if a.source), default=0)
    return run.identity


def decide_by_identity(salt, longest):
    """The same for runs that descend from the same, so that nothing else depends on the order."""
    def decide(execution, run, failed):
        step = execution.graph.steps[run.step]
        rng = random.Random(f"{salt} {identity(run)}")
        targets = step.handler if failed else step.edges
        taken = [t for t in targets if rng.random() < 0.8 and (run.depth < longest or t > run.step)]
        return taken, {}, True
    return decide


def is_chain(runs):
    """Does each of them descend from all that are older?"""
    runs = sorted(runs, key=lambda r: len(r.ancestors))
    return all(a.key in b.ancestors for a, b in zip(runs, runs[1:]))


def view(run, steps):
    """What a run sees of steps whose visits came one after the other, by identity."""
    seen = []
    for t in range(steps):
        own = [r for r in run.ancestors.values() if r.step == t]
        if own and is_chain(own):
            seen.append((t, identity(max(own, key=lambda r: r.visit))))
    return tuple(seen)


def play(graph, salt, order, longest=12, most=300):
    """One random order of completions; None: there would be too many runs."""
    rng = random.Random(f"{salt} {order}")
    execution = Execution(graph, decide_by_identity(salt, longest), most)
    while execution.end is None:
        started = [r for r in execution.live if r.started]
        assert started, "a run waits for ever"
        run = rng.choice(started)
        fails = random.Random(f"fail {salt} {identity(run)}").random() < 0.1
        execution.complete(run, failed=fails)
        if len(execution.ended) > most:
            return None
    assert execution.end == "execution_complete", execution.end
    return execution


def check_order(seed):
    """The runs and what they see do not depend on the order, without "any"."""
    graph = random_graph(random.Random(seed))
    outcomes = []
    for order in range(4):
        execution = play(graph, seed, order)
        if execution is None:
            return 0
        outcomes.append((Counter(r.step for r in execution.ended),
                         Counter((identity(r), view(r, len(graph.steps))) for r in execution.ended)))
    assert all(o == outcomes[0] for o in outcomes), f"graph {seed}: the runs depend on the order"
    return len(outcomes)


def check_any(seed):
    """With "any": it starts once a round; nothing waits for ever."""
    graph = random_graph(random.Random(seed), ("any", "any", "each", "all", None))
    for order in range(2):
        execution = play(graph, seed, order)
        if execution is None:
            return 0
        rounds = Counter((r.step, max((v for s, v in r.ancestors if s == r.step), default=0))
                         for r in execution.ended if graph.steps[r.step].mode == "any")
        assert all(count == 1 for count in rounds.values()), f"graph {seed}: any started twice in a round"
    return 2


def story(steps, answers, order):
    """A play that is written down: answers[(step, visit)] = targets; order: of completions."""
    names = [s.name for s in steps]
    for s in steps:
        s.edges = [names.index(t) for t in s.edges]

    def decide(execution, run, failed):
        targets = answers.get((names[run.step], run.visit))
        return ([names.index(t) for t in targets] if targets is not None else steps[run.step].edges), {}, True
    execution = Execution(Graph(steps), decide)
    for name, visit in order:
        execution.complete(next(r for r in execution.live if r.started and r.key == (names.index(name), visit)))
    return execution, {s.name: execution.visits[i] for i, s in enumerate(steps)}


def check_stories():
    # each page is saved while the next one is fetched
    x, runs = story([Step("fetch", edges=["save", "fetch"]), Step("save")], {("fetch", 3): ["save"]},
                    [("fetch", 1), ("fetch", 2), ("fetch", 3), ("save", 2), ("save", 1)])
    assert runs == {"fetch": 3, "save": 3} and [r.visit for r in x.live] == [3], (runs, x.live)
    assert x.sees(x.live[0], 0).visit == 3 and x.sees(x.ended[-1], 0).visit == 1
    # a and b run side by side in every round
    steps = [Step("s", edges=["a", "b"]), Step("a", edges=["j"]), Step("b", edges=["j"]), Step("j", edges=["s"])]
    x, runs = story(steps, {("j", 2): []}, [("s", 1), ("b", 1), ("a", 1), ("j", 1), ("s", 2), ("a", 2), ("b", 2),
                                            ("j", 2)])
    assert runs == {"s": 2, "a": 2, "b": 2, "j": 2} and x.end == "execution_complete", runs
    # "any" starts with the first and drops the other
    steps = [Step("s", edges=["a", "b"]), Step("a", edges=["j"]), Step("b", edges=["j"]), Step("j", join="any")]
    x, runs = story(steps, {}, [("s", 1), ("b", 1), ("a", 1), ("j", 1)])
    assert runs["j"] == 1 and x.dropped == [((1, 1), 3)] and x.end == "execution_complete", runs
    # "all" on the only source: after the last one
    steps = [Step("fetch", edges=["save", "fetch"]), Step("save", edges=["report"]), Step("report", join="all")]
    x, runs = story(steps, {("fetch", 2): ["save"]}, [("fetch", 1), ("save", 1), ("fetch", 2), ("save", 2)])
    assert runs == {"fetch": 2, "save": 2, "report": 1} and x.sees(x.live[0], 1).visit == 2, runs


def check(plays, seed):
    """Plays so many random graphs and orders; an AssertionError tells what is wrong."""
    check_stories()
    done = graphs = 0
    while done < plays:
        done += check_order(seed * 1000000 + graphs)
        done += check_any(seed * 1000000 + graphs)
        graphs += 1
    return f"{done} plays of {graphs} graphs (seed {seed})"


def main():
    print("ok:", check(int(sys.argv[1]) if len(sys.argv) > 1 else 20000, int(sys.argv[2]) if len(sys.argv) > 2 else 1))


if __name__ == "__main__":
    main()

"""What the broker does with an event, written from the description of it."""
import json
import random
from collections import Counter

from session import Mismatch

MAX_VISITS = 5
MAX_LOST = 3
TERMINAL = ("execution_complete", "execution_failed", "execution_cancelled")


class Run:
    def __init__(self, step, visit):
        self.step, self.visit = step, visit
        self.state = "waiting"      # waiting, queued, retry, leased
        self.begins = False         # waits for nothing
        self.lineage = {}           # step -> newest visit that it descends from
        self.arrivals = []          # (from, visit, data)
        self.attempts = 0           # leases, also those that were lost
        self.lost = 0
        self.worker = None
        self.position = None
        self.input = None


class World:
    """What several executions share: the order of the queue."""

    def __init__(self):
        self.position = 0
        self.models = {}

    def next_position(self):
        self.position += 1
        return self.position

    def first(self):
        """(…, execution, step, visit) of the next task to be leased, or None."""
        ready = [(-m.playbook.steps[r.step].priority, r.position, x, r.step, r.visit)
                 for x, m in self.models.items() for r in m.runs if r.state == "queued"]
        return min(ready) if ready else None


class Model:
    def __init__(self, world, playbook, salt):
        self.world, self.playbook, self.salt = world, playbook, salt
        self.runs = []
        self.visits = Counter()     # step -> how many there have been
        self.inputs = []
        self.log = []               # [type, step, visit, ignored]
        self.pending = []
        self.over = False

    def answer(self, step, visit):
        """What the action of a visit returns: the same in every history."""
        rng = random.Random(f"{self.salt} {step} {visit}")
        likely = 0.7 / visit
        return {"c1": rng.random() < likely, "c2": rng.random() < likely, "n": rng.randint(0, 99)}

    def live(self, step, visit=0, worker=None, tasks=False):
        """The live run of a visit; of none: the oldest, if there is one the oldest that the worker holds."""
        runs = sorted((r for r in self.runs if r.step == step and visit in (0, r.visit)
                       and not (tasks and r.state == "waiting")), key=lambda r: r.visit)
        own = [r for r in runs if worker and r.state == "leased" and r.worker == worker]
        return next(iter(own + runs), None)

    def emit(self, kind, step=None, visit=None):
        self.log.append([kind, step, visit, False])

    # ---- events come in ----

    def insert(self, event, broker):
        """event: type, step (name or None), visit, worker, attempt, result."""
        record = [event["type"], event["step"], None, False]
        if broker and event["type"] != "note":
            self.catch_up()
        run = self.live(self.playbook.index(event["step"]), 0, event.get("worker"), tasks=True)
        if run and not event.get("foreign") and not event.get("visit"):
            event = dict(event, visit=run.visit)    # whom it means when it is sent
        over = self.over or (event["type"] in TERMINAL and
                             any(e[0]["type"] in TERMINAL and not e[1][3] for e in self.pending))
        self.log.append(record)
        if over or event["type"] == "note":
            record[3] = True
        else:
            self.pending.append((event, record))
            if broker:
                self.catch_up()

    def catch_up(self):
        while self.pending:
            event, record = self.pending.pop(0)
            if self.over:
                record[3] = True
            else:
                self.decide(event, record)

    def decide(self, event, record):
        kind = event["type"]
        if kind == "execution_start":
            self.begin()
            return
        if kind in TERMINAL:
            self.finish()
            return
        index = self.playbook.index(event["step"])
        run = self.live(index, event["visit"], event["worker"])
        if run is None or self.stale(run, event):
            record[3] = True
            return
        step = self.playbook.steps[index]
        record[2] = run.visit
        if kind == "action_started":
            if run.state != "leased":
                run.state, run.worker = "leased", event["worker"]
                run.attempts += 1
            return
        if kind == "action_error":
            lease = max(run.attempts, 1) if run.state == "leased" else run.attempts + 1
            if event.get("expired") and run.lost < MAX_LOST:
                run.lost += 1
                run.attempts, run.worker = lease, None
                run.state, run.position = "queued", self.world.next_position()
                return
            if not event.get("expired") and max(lease - run.lost, 1) < step.attempts:
                self.retry(run, step, lease)
                return
            self.fail(run)
        elif kind == "step_failed":
            self.fail(run)
        else:
            self.complete(run, event["result"], silent=kind == "step_completed")
        self.settle()

    def stale(self, run, event):
        if run.state == "waiting":
            return True
        worker, attempt = event["worker"], event["attempt"]
        if run.state == "leased":
            return bool(worker and run.worker and worker != run.worker or attempt and attempt < run.attempts)
        if attempt and attempt <= run.attempts:
            return True
        return event["type"] != "action_started" and run.attempts > 0 and bool(worker)

    def retry(self, run, step, attempt):
        self.emit("action_retry", step.name, run.visit)
        run.attempts, run.worker = attempt, None
        if step.delay:
            run.state, run.position = "retry", None
        else:
            run.state, run.position = "queued", self.world.next_position()

    # ---- steps end ----

    def holds(self, condition, result):
        kind, what = condition
        if kind == "raise":
            return None
        if kind == "const":
            return what
        return bool(self.playbook.flags[what] if kind == "work" else (result or {}).get(what))

    def transitions(self, entries, exclusive, result):
        """(departures, did a condition raise?)"""
        departures, raised, matched, held = [], False, False, False

        def take(targets):
            for target in targets:
                if all(target[0] != d[0] for d in departures):
                    departures.append(target)
        for e in entries:
            if e.is_else or exclusive and matched:
                continue
            truth = True if e.when is None else self.holds(e.when, result)
            raised = raised or truth is None
            if truth:
                matched, held = True, held or e.when is not None
                take(e.then)
            elif e.otherwise:
                matched = True
                take(e.otherwise)
        for e in entries:
            if e.is_else and not held and not (exclusive and matched):
                matched = True
                take(e.then)
        return departures, raised

    def end_run(self, run):
        self.runs.remove(run)

    def complete(self, run, result, kind="step_completed", silent=False):
        step = self.playbook.steps[run.step]
        departures, raised = self.transitions(step.next, step.exclusive, result)
        if raised and not departures:
            self.fail(run, final=True, result=result)
            return
        self.end_run(run)
        if not silent:
            self.emit(kind, step.name, run.visit)
        self.depart(run, departures)

    def fail(self, run, final=False, hopeless=False, result=None):
        step = self.playbook.steps[run.step]
        if step.on_error == "continue" and not final:
            self.complete(run, None)
            return
        departures = []
        if isinstance(step.on_error, list) and not hopeless:
            departures, _ = self.transitions(step.on_error, False, result)
        self.end_run(run)
        self.emit("step_failed", step.name, run.visit)
        if departures:
            self.depart(run, departures)
        else:
            self.emit("execution_failed")
            self.finish()

    def finish(self):
        self.over = True
        self.runs = []
        for event, record in self.pending:
            if event["type"] in TERMINAL:
                record[3] = True

    # ---- branches ----

    def depart(self, source, departures):
        lineage = {} if source is None else {**source.lineage, source.step: source.visit}
        for target, data in departures:
            mode = self.playbook.modes[target]
            if mode == "any" and self.visits[target] > lineage.get(target, 0):
                continue
            run = next((r for r in self.runs if r.step == target and r.state == "waiting" and not r.begins), None)
            if run is None:
                self.visits[target] += 1
                run = Run(target, self.visits[target])
                run.begins = mode != "all" or source is None
                self.runs.append(run)
            run.arrivals.append((source.step if source else -1, source.visit if source else 1, data))
            for step, visit in lineage.items():
                run.lineage[step] = max(visit, run.lineage.get(step, 0))

    def startable(self, run):
        others = [r for r in self.runs if r is not run]
        if self.playbook.steps[run.step].kind == "end":
            return all(r.state == "waiting" and self.playbook.steps[r.step].kind == "end" for r in others)
        return not any(run.step in self.playbook.reach[r.step] and
                       (r.state != "waiting" or self.playbook.earlier(r.step, run.step)) for r in others)

    def begin(self):
        entry = self.playbook.entry
        step = self.playbook.steps[entry]
        if step.kind == "router" and step.when is None and step.skip is None:
            run = Run(entry, 1)
            self.visits[entry] = 1
            self.runs.append(run)
            self.complete(run, None, silent=True)
        else:
            self.depart(None, [(entry, None)])
        self.settle()

    def settle(self):
        while not self.over:
            waiting = [r for r in self.runs if r.state == "waiting"]
            ready = [r for r in waiting if r.begins] or \
                sorted((r for r in waiting if self.startable(r)), key=lambda r: r.step)
            if not ready:
                break
            self.start(ready[0])
        if not self.over and not self.runs:
            self.emit("execution_complete")
            self.finish()

    def start(self, run):
        step = self.playbook.steps[run.step]
        if run.visit > (step.max_visits or MAX_VISITS):
            self.fail(run, final=True, hopeless=True)
            return
        skipped = step.when is not None and not self.holds(step.when, None) or \
            step.skip is not None and self.holds(step.skip, None)
        if step.kind == "end" and not skipped:
            self.emit("execution_complete")
            self.finish()
        elif step.kind == "action" and not skipped:
            run.input = {}
            for _, _, data in sorted(run.arrivals, key=lambda a: a[:2]):
                run.input.update(data or {})
            self.inputs.append((step.name, run.visit, json.dumps(run.input, sort_keys=True)))
            self.emit("step_started", step.name, run.visit)
            run.state, run.position = "queued", self.world.next_position()
        else:
            self.complete(run, None, "step_skipped" if skipped else "step_completed")

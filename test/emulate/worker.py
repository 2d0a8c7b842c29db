"""A worker that answers every task, in any order, well or badly."""
import json
import os
import time

from session import Mismatch, quote, quote_json

VERIFIED = int(os.environ.get("NOETL_VERIFIED", "3"))    # executions looked at in one go


class Worker:
    """by: "functions", "rows", or "both" in turn."""

    def __init__(self, session, rng, by, failing, odd, wishes):
        self.session, self.rng, self.by = session, rng, by
        self.failing, self.odd, self.wishes = failing, odd, wishes
        self.held = []
        self.timers = ["UPDATE noetl.queue SET available_at = now() WHERE status = 'retry'"]
        if session.value("SELECT count(*) FROM pg_attribute WHERE attrelid = 'noetl.run'::regclass"
                         " AND attname = 'due_at'") == "1":
            self.timers.append("UPDATE noetl.run SET due_at = now() WHERE state = 'retry'")

    def choose(self):
        return self.rng.choice(["functions", "rows"]) if self.by == "both" else self.by

    def take(self):
        """Takes some tasks; returns how many."""
        count = self.rng.choice([1, 1, 2, 4, 16])
        if self.choose() == "functions":
            name = self.rng.choice(["w1", "w2"])
            lines = self.session.run(f"SELECT to_jsonb(t) FROM noetl.lease('{name}', {count}) t")
            self.held += [dict(json.loads(line), by="functions") for line in lines]
            return len(lines)
        lines = self.session.run(
            "SELECT to_jsonb(q) FROM noetl.queue q WHERE status = 'queued'"
            f" ORDER BY priority DESC, queue_id LIMIT {count}")
        tasks = [dict(json.loads(line), by="rows") for line in lines]
        held = {t["queue_id"] for t in self.held if t["by"] == "rows"}
        tasks = [t for t in tasks if t["queue_id"] not in held]
        for task in tasks:
            task["worker_id"] = self.rng.choice([None, "w3"])
        started = [t for t in tasks if self.rng.random() < 0.7]
        if started:
            self.insert([self.event(t, "action_started") for t in started])
        self.held += tasks
        return len(tasks)

    def event(self, task, kind, **more):
        event = {"execution_id": task["execution_id"], "event_type": kind, "node_name": task["node_name"],
                 "node_id": task["node_id"], "worker_id": task["worker_id"], **more}
        if task.get("current_index") is not None:
            event.setdefault("current_index", task["current_index"])
        return event

    def insert(self, events):
        columns = ["execution_id", "event_type", "node_name", "node_id", "worker_id", "error", "result",
                   "current_index", "current_item"]
        rows = []
        for e in events:
            rows.append("(" + ", ".join(
                quote_json(e[c]) if c in ("result", "current_item") and c in e
                else str(e[c]) + "::bigint" if c == "execution_id"
                else quote(e.get(c)) + ("::int" if c == "current_index" else "::jsonb" if c in
                                        ("result", "current_item") else "::text")
                for c in columns) + ")")
        self.session.run(f"INSERT INTO noetl.event ({', '.join(columns)}) VALUES " + ", ".join(rows))

    def report(self, task=None):
        """Ends one of the tasks that are held."""
        task = task or self.rng.choice(self.held)
        if task in self.held:
            self.held.remove(task)
        failure = self.rng.random() < self.failing
        result = None
        if not failure:
            result = self.work(task)
            failure = result is self.FAILED
        if failure:
            result = self.rng.choice([None, {"status": "error", "error": "emulated", "data": {"status_code": 503}},
                                      {"status_code": 500}])
        queue_id, name = task["queue_id"], quote(task["worker_id"])
        if task["by"] == "functions" and failure:
            self.session.run(f"SELECT noetl.fail({queue_id}, 'emulated failure', {name}, "
                             f"{quote_json(result) if result else 'NULL'})")
        elif task["by"] == "functions" and self.rng.random() < 0.3:
            lines = self.session.run(f"SELECT to_jsonb(t) FROM noetl.complete_and_lease({queue_id}, "
                                     f"{quote_json(result)}, {name}) t")
            self.held += [dict(json.loads(line), by="functions") for line in lines]
        elif task["by"] == "functions":
            self.session.run(f"SELECT noetl.complete({queue_id}, {quote_json(result)}, {name})")
        elif failure:
            self.insert([self.event(task, "action_error", error="emulated failure", result=result)])
        else:
            self.insert([self.event(task, self.rng.choice(["action_completed", "task_complete"]), result=result)])

    FAILED = object()

    def work(self, task):
        """The result of a task."""
        odd = self.rng.random() < self.odd
        if task["node_type"] == "iterator":
            return self.iterate(task)
        wishes = self.wishes.get(task["catalog_id"])
        if wishes is None:
            return {"status": "success", "data": {"score": 7}}
        return wishes.answer(task["node_name"], task["node_type"], self.rng, odd)

    def iterate(self, task):
        """What a worker says of an iterator that it executes alone."""
        items = collection_items(task["action"])
        if items is None:
            return self.FAILED
        wishes = self.wishes.get(task["catalog_id"])
        events = [self.event(task, "iterator_started")]
        results = []
        old_names = self.rng.random() < 0.3
        for index, item in enumerate(items):
            events.append(self.event(task, "loop_iteration" if old_names else "iteration_started",
                                     current_index=index, current_item=item))
            if self.rng.random() < self.failing / 4:
                events.append(self.event(task, "iteration_failed", current_index=index, error="emulated"))
                self.insert(events)
                return self.FAILED
            results.append(wishes.answer(task["node_name"], "python", self.rng, False) if wishes else {"n": index})
            events.append(self.event(task, "iteration_completed", current_index=index, result=results[-1]))
        self.insert(events)
        return {"status": "success", "data": results}

    def let_time_pass(self):
        for sql in self.timers:
            self.session.run(sql)
        self.session.run("SELECT noetl.enqueue_next()")

    def verify(self):
        """What is in the tables follows from the log, at any time; but for the times that we have moved."""
        lines = self.session.run("SELECT x.path || ' ' || x.execution_id || ': ' || v::text FROM (SELECT * FROM noetl.execution"
                                 f" WHERE status = 'RUNNING' ORDER BY random() LIMIT {VERIFIED}) x,"
                                 " LATERAL noetl.verify(x.execution_id) v"
                                 " WHERE NOT coalesce(v.expected ?| '{available_at,due_at,lease_until}', false)")
        if lines:
            raise Mismatch("verify: " + "; ".join(lines[:3]))

    PATIENCE = 3                    # how often nothing may be found to do,
    SECONDS = 30                    # and, as the server's own processes may be at it, how long

    def disturb(self):
        """Something else than work, in between."""

    def play(self):
        """Until nothing runs any more."""
        idle, idle_since = 0, time.monotonic()
        verifies = self.session.value("SELECT to_regproc('noetl.verify') IS NOT NULL") == "t"
        while True:
            if verifies and self.rng.random() < 0.2:
                self.verify()
            self.disturb()
            taken = self.take() if len(self.held) < 12 else 0
            for _ in range(self.rng.randint(0, len(self.held))):
                self.report()
            if taken or self.held:
                idle, idle_since = 0, time.monotonic()
                continue
            if self.session.value("SELECT count(*) FROM noetl.execution WHERE status = 'RUNNING'") == "0":
                return
            idle += 1
            if idle > self.PATIENCE:
                time.sleep(0.05)
            if idle > self.PATIENCE and time.monotonic() > idle_since + self.SECONDS:
                raise Mismatch("stuck: " + "; ".join(self.session.run(
                    "SELECT x.path || ' ' || (noetl.status(x.execution_id) -> 'live')::text FROM noetl.execution x"
                    " WHERE x.status = 'RUNNING' LIMIT 5")))
            self.let_time_pass()


class Vandal(Worker):
    """Destroys the state of executions, which is then made again from the log."""

    def disturb(self):
        if self.rng.random() > 0.3:
            return
        execution = self.session.value("SELECT execution_id FROM noetl.execution WHERE status = 'RUNNING' ORDER BY random() LIMIT 1")
        if not execution:
            return
        for table in ("queue", "run", "item", "workload"):
            if self.rng.random() < 0.7:
                self.session.run(f"DELETE FROM noetl.{table} WHERE execution_id = {execution}")
        if self.rng.random() < 0.3:
            self.session.run(f"DELETE FROM noetl.execution WHERE execution_id = {execution}")
        self.session.run(f"SELECT noetl.rebuild({execution})")
        lines = self.session.run(f"SELECT v::text FROM noetl.verify({execution}) v")
        if lines:
            raise Mismatch(f"verify after rebuild of {execution}: " + "; ".join(lines[:3]))


class Saboteur(Worker):
    """One of several at once, who also cancels, forgets, repeats and takes back."""
    PATIENCE = 2000

    def report(self, task=None):
        task = self.rng.choice(self.held)
        roll = self.rng.random()
        if roll < 0.05:
            before = list(self.held)
            self.session.run("BEGIN")
            super().report(task)
            self.session.run("ROLLBACK")
            self.held = before
        elif roll < 0.10:
            self.session.run("SET noetl.broker = off")
            super().report(task)
            self.session.run("RESET noetl.broker")
        elif roll < 0.13 and task["by"] == "functions":
            self.session.run(f"SELECT noetl.release({task['queue_id']}, {quote(task['worker_id'])})")
            self.held.remove(task)
        else:
            super().report(task)
            if roll < 0.16:             # said twice
                super().report(task)

    def disturb(self):
        roll = self.rng.random()
        if roll < 0.03:
            self.session.run("SELECT noetl.cancel(execution_id) FROM (SELECT execution_id FROM noetl.execution"
                             " WHERE status = 'RUNNING' ORDER BY random() LIMIT 1) x")
        elif roll < 0.08:
            self.session.run("UPDATE noetl.queue SET lease_until = now() - interval '1 s' WHERE queue_id ="
                             " (SELECT queue_id FROM noetl.queue WHERE status = 'leased' AND worker_id IS NOT NULL"
                             " ORDER BY random() LIMIT 1)")
        elif roll < 0.15:
            self.let_time_pass()

    def let_time_pass(self):
        super().let_time_pass()
        time.sleep(0.002)


def collection_items(action):
    """The items of a collection that the broker has rendered; None: it is none."""
    collection, element = action.get("collection"), action.get("element") or "item"
    if isinstance(collection, str):
        if not collection.strip():
            return []
        try:
            collection = json.loads(collection)
        except ValueError:
            return None
    if collection is None:
        return []
    if isinstance(collection, dict):
        for key in (element, element + "s", "items", "values", "collection"):
            if isinstance(collection.get(key), list):
                return collection[key]
        values = list(collection.values())
        return values[0] if len(values) == 1 and isinstance(values[0], list) else None
    return collection if isinstance(collection, list) else None

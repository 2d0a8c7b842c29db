#!/usr/bin/python3
"""Hostile sessions, all at once; then everything is brought to its end and checked.

  PGHOST=… PGDATABASE=… stress.py [--seconds N] [--sessions N] [--seed N] [--crash COMMAND] [--kill]
                                  [--one-execution]

--crash: run in the middle; has to crash and restart the server.
--kill: sessions are terminated at random.
--one-execution: no transaction touches two families of executions, so none may deadlock.
"""
import argparse
import collections
import json
import os
import random
import re
import subprocess
import sys
import threading
import time

import psycopg2

PLAYBOOKS = """
path: stress/cycle
workflow:
- {step: start, next: task}
- {step: task, type: python, code: x, retry: {max_attempts: 2, initial_delay: 0.02}, next: [{when: "{{ result.n > 3 }}", then: [task]}, {else: [last]}]}
- {step: last, type: shell, command: "echo {{ task.n }}", next: end}
- {step: end, result: "{{ task }}"}
---
path: stress/join
workflow:
- {step: start, next: [a, b, c]}
- {step: a, type: python, code: x, next: join}
- {step: b, type: python, code: x, retry: {max_attempts: 3, initial_delay: 0.01}, next: [{when: "{{ result.n > 4 }}", then: [b2]}, {else: [join]}]}
- {step: b2, type: http, url: x, on_error: continue, next: join}
- {step: c, type: python, code: x, next: join, save: {storage: postgres, table: public.stress_row, data: {x: "{{ execution_id }}", what: "c", n: "{{ result.n }}"}}}
- {step: join, type: python, code: x, data: {all: "{{ results }}"}, next: end}
- {step: end}
---
path: stress/deep0
workflow:
- {step: only, type: python, code: x, on_error: continue, next: [left, right]}
- {step: left, type: playbook, path: stress/deep1, args: {k: "{{ only }}"}, retry: {max_attempts: 2, initial_delay: 0.02}, next: end}
- {step: right, type: playbook, path: stress/deep1, on_error: continue, next: end}
- {step: end, result: "{{ left }}"}
---
path: stress/deep1
workflow:
- {step: start, next: [w, sub]}
- {step: w, type: python, code: x, on_error: continue, next: end}
- {step: sub, type: playbook, path: stress/deep2, next: end, save: {storage: postgres, table: public.stress_row, data: {x: "{{ execution_id }}", what: "sub", n: 1}}}
- {step: end, result: "{{ sub }}"}
---
path: stress/deep2
workflow:
- {step: each, type: iterator, collection: "{{ range(4) | list }}", element: i, mode: async, concurrency: 2, on_error: continue, task: {type: playbook, path: stress/leaf, args: {i: "{{ i }}"}}, next: end}
- {step: end, result: "{{ each | length }}"}
---
path: stress/leaf
timeout: 3
workload: {i: 0}
workflow:
- {step: leaf, type: python, code: x, timeout: 1, next: end}
- {step: end, result: "{{ leaf }}"}
---
path: stress/kids
workflow:
- {step: each, type: iterator, collection: "{{ range(12) | list }}", element: i, mode: async, concurrency: 5, on_error: continue, task: {type: playbook, path: stress/leaf, args: {i: "{{ i }}"}}, next: after}
- {step: after, type: python, code: x, next: end}
- {step: end, result: "{{ each | length }}"}
---
path: stress/strict
workflow:
- {step: each, type: iterator, collection: "{{ range(12) | list }}", element: i, mode: async, concurrency: 5, task: {type: playbook, path: stress/leaf, args: {i: "{{ i }}"}}, retry: {max_attempts: 2, initial_delay: 0.02}, next: end}
- {step: end, result: "{{ each | length }}"}
---
path: stress/spread
workflow:
- {step: each, type: iterator, collection: "{{ range(15) | list }}", element: i, mode: distributed, concurrency: 5, on_error: continue, task: {type: python, code: x, timeout: 0.5, retry: {max_attempts: 3, initial_delay: 0.02}, save: {storage: postgres, table: public.stress_row, data: {x: "{{ execution_id }}", what: "item", n: "{{ i }}"}}}, next: [more, other]}
- {step: more, type: iterator, collection: "{{ range(6) | list }}", element: i, mode: distributed, concurrency: 3, task: {type: http, url: x, retry: 2}, on_error: continue, next: end}
- {step: other, type: python, code: x, next: end}
- {step: end, result: "{{ each | length }}"}
---
path: stress/upsert
workflow:
- {step: w, type: python, code: x, save: {storage: postgres, table: public.stress_key, mode: upsert, key: k, data: {k: "{{ result.n }}", n: 1}}, next: s}
- {step: s, save: {storage: postgres, statement: "UPDATE public.stress_key SET n = n + 1 WHERE k = :k", params: {k: 1}}, next: end}
- {step: end}
---
path: stress/time
timeout: 1.5
workflow:
- {step: start, next: [slow, quick]}
- {step: slow, type: python, code: x, timeout: 0.2, retry: {max_attempts: 3, initial_delay: 0.1}, on_error: continue, next: join}
- {step: quick, type: playbook, path: stress/leaf, timeout: 0.4, on_error: continue, next: join}
- {step: join, type: python, code: x, next: end}
- {step: end}
"""
PATHS = ["cycle", "cycle", "join", "deep0", "kids", "strict", "spread", "upsert", "time"]
TERMINAL = ("('execution_complete','execution_completed','execution_end','execution_failed',"
            "'workflow_failed','execution_cancelled')")
# What sessions that do such things have to expect: executions that were rolled
# back, snapshots that are too old, deadlocks of transactions about several.
EXPECTED = ("lost ", "23503", "42704", "40001", "40P01")
LOST = re.compile("terminat|server closed|connection|SSL|recovery|starting up|shutting down|cannot connect|could not connect", re.I)

CHECKS = {
    "not one end": f"""SELECT x.execution_id, x.path || ' ' || x.status || ' ' || count(e) FROM noetl.execution x LEFT JOIN noetl.event e
        ON e.execution_id = x.execution_id AND e.event_type IN {TERMINAL} AND NOT coalesce(e.meta ? 'ignored', false)
        GROUP BY x.execution_id HAVING count(e) <> 1 OR x.status = 'RUNNING' OR x.ended_at IS NULL""",
    "order": """SELECT execution_id, event_type || ' ' || event_id FROM (SELECT *, lag(created_at) OVER w AS t, lag(event_id) OVER w AS i
        FROM noetl.event WINDOW w AS (PARTITION BY execution_id ORDER BY created_at, event_id)) e WHERE created_at <= t OR event_id <= i""",
    "steps": """SELECT execution_id, node_id FROM noetl.event JOIN noetl.execution x USING (execution_id)
        WHERE event_type IN ('step_started', 'step_completed', 'step_failed', 'step_skipped') AND NOT coalesce(meta ? 'ignored', false)
        GROUP BY execution_id, node_id, x.status HAVING count(*) FILTER (WHERE event_type = 'step_started') > 1
        OR count(*) FILTER (WHERE event_type <> 'step_started') > 1
        OR x.status = 'COMPLETED' AND count(*) <> 2 AND count(*) FILTER (WHERE event_type = 'step_started') = 1""",
    "items": f"""SELECT execution_id, node_id FROM (SELECT *, count(*) FILTER (WHERE event_type = 'iterator_started')
        OVER (PARTITION BY execution_id, node_name ORDER BY event_id) AS round FROM noetl.event) e
        WHERE event_type IN ('iteration_completed', 'iteration_failed') AND NOT coalesce(meta ? 'ignored', false)
        GROUP BY execution_id, node_id, node_name, current_index, round HAVING count(*) > 1""",
    "queue": "SELECT execution_id, status || ' ' || node_id, worker_id, lease_until - now() AS lease_left, available_at - now() AS waits FROM noetl.queue",
    "run": "SELECT execution_id, state || ' ' || step_name FROM noetl.run",
    "item": "SELECT execution_id, step_name FROM noetl.item",
    "pending": "SELECT execution_id, event_id::text FROM noetl.pending",
    "orphan": """SELECT c.execution_id, c.status FROM noetl.execution c JOIN noetl.execution p ON p.execution_id = c.parent_execution_id
        WHERE c.ended_at IS NULL AND p.ended_at IS NOT NULL""",
    "saves": """SELECT coalesce(e.execution_id, r.x), format('%s rows, %s events', r.n, e.n) FROM
        (SELECT execution_id, sum((meta ->> 'rows')::int) AS n FROM noetl.event WHERE event_type = 'save_completed'
          AND meta ->> 'table' = 'public.stress_row' GROUP BY 1) e
        FULL JOIN (SELECT x, count(*) AS n FROM public.stress_row GROUP BY 1) r ON r.x = e.execution_id WHERE e.n IS DISTINCT FROM r.n""",
    "verify": "SELECT x.execution_id, x.path || ' ' || v::text FROM noetl.execution x, LATERAL noetl.verify(x.execution_id) v",
}


class Report:
    """What went wrong, how often; numbers do not count."""

    def __init__(self):
        self.lock = threading.Lock()
        self.errors = collections.Counter()
        self.samples = {}
        self.done = collections.Counter()

    def error(self, name, exception):
        text = str(exception).strip()
        code = getattr(exception, "pgcode", None)
        if code in ("57P01", "57P02", "57P03") or (code is None and LOST.search(text)):
            kind = "lost connection"
        else:
            kind = (code or "?????") + " " + re.sub(r"\d+", "N", text.split("\n")[0])[:110]
        with self.lock:
            self.errors[(kind, name)] += 1
            self.samples.setdefault(kind, text)


class Hostile(threading.Thread):
    """A session that does anything, in any order."""

    def __init__(self, number, options, report, stop):
        super().__init__(daemon=True)
        self.name_ = f"s{number}"
        self.rng = random.Random(options.seed * 1000 + number)
        self.options, self.report_, self.stop = options, report, stop
        self.tasks, self.known, self.old = [], [], []
        self.connection = None
        self.broker_off = number % 6 == 5

    def connect(self):
        while not self.stop.is_set():
            try:
                self.connection = psycopg2.connect(application_name=self.name_, options="-c lock_timeout=20s -c statement_timeout=60s")
                self.connection.autocommit = True
                self.cursor = self.connection.cursor()
                return
            except psycopg2.OperationalError as e:
                self.report_.error("connect", e)
                time.sleep(0.3)

    def sql(self, text, *args):
        self.cursor.execute(text, args)
        return self.cursor.fetchall() if self.cursor.description else []

    def lease_time(self):
        return self.rng.choice(["50 ms", "50 ms", "1 s", "10 s"])

    def result(self):
        return json.dumps({"status": "success", "data": {"n": self.rng.randrange(6), "pad": "x" * self.rng.choice([1, 10, 3000])}})

    def take(self, rows):
        # queue_id, execution_id, node_id, node_name, node_type, action, attempts, current_index
        self.tasks += rows
        del self.tasks[:-40]

    COLUMNS = "queue_id, execution_id, node_id, node_name, node_type, attempts, current_index"

    def op_execute(self):
        (x,), = self.sql("SELECT noetl.execute(%s)", "stress/" + self.rng.choice(PATHS))
        self.known.append(x)
        del self.known[:-50]

    def op_raw_start(self):
        self.sql("INSERT INTO noetl.event (event_type, context) VALUES ('execution_start', %s)",
                 json.dumps({"path": "stress/" + self.rng.choice(PATHS)}))

    def op_lease(self):
        types = self.rng.choice([None, None, ["python"], ["http", "shell"]])
        self.take(self.sql(f"SELECT {self.COLUMNS} FROM noetl.lease(%s, %s, %s::interval, %s)",
                           self.name_, self.rng.choice([1, 1, 2, 8]), self.lease_time(), types))

    def pick(self):
        if not self.tasks:
            return self.take_any()
        i = self.rng.randrange(len(self.tasks))
        task = self.tasks[i]
        if self.rng.random() < 0.9:
            self.old.append(self.tasks.pop(i))
            del self.old[:-40]
        return task

    def take_any(self):
        if self.old and self.rng.random() < 0.3:
            return self.rng.choice(self.old)
        self.op_lease()
        return self.tasks.pop() if self.tasks else None

    def op_complete(self):
        task = self.pick()
        if task:
            self.sql("SELECT noetl.complete(%s, %s, %s)", task[0], self.result(), self.name_)

    def op_complete_and_lease(self):
        task = self.pick()
        if task:
            self.take(self.sql(f"SELECT {self.COLUMNS} FROM noetl.complete_and_lease(%s, %s, %s, %s, %s::interval)",
                               task[0], self.result(), self.name_, self.rng.choice([1, 3]), self.lease_time()))

    def op_fail(self):
        task = self.pick()
        if task:
            self.sql("SELECT noetl.fail(%s, 'no luck', %s)", task[0], self.name_)

    def op_heartbeat(self):
        if self.tasks:
            self.sql("SELECT noetl.heartbeat(%s, %s, '1 s')", self.rng.choice(self.tasks)[0], self.name_)

    def op_release(self):
        task = self.pick()
        if task:
            self.sql("SELECT noetl.release(%s, %s)", task[0], self.name_)

    def op_insert(self):
        task = self.rng.choice(self.old) if self.old and self.rng.random() < 0.25 else self.pick()
        if not task:
            return
        rows = []
        for kind in self.rng.choice([["action_started"], ["action_completed"], ["action_started", "action_completed"],
                                     ["action_completed", "action_completed"], ["action_error"], ["step_result"],
                                     ["action_started", "iteration_started", "action_error"], ["step_completed"]]):
            rows.append((task[1], kind, task[2], task[3], self.result() if kind != "action_error" else None,
                         "broken" if kind == "action_error" else None, self.name_ if self.rng.random() < 0.7 else None))
        text = ("INSERT INTO noetl.event (execution_id, event_type, node_id, node_name, result, error, worker_id) VALUES "
                + ", ".join(["(%s, %s, %s, %s, %s, %s, %s)"] * len(rows)) + " RETURNING execution_id, event_id, event_type")
        found = self.sql(text, *[value for row in rows for value in row])
        if found and self.rng.random() < 0.3:   # once more: no error
            x, event, kind = self.rng.choice(found)
            self.sql("INSERT INTO noetl.event (execution_id, event_id, event_type, node_name, result) VALUES (%s, %s, %s, %s, '{}')",
                     x, event, kind, task[3])

    def any_execution(self):
        if self.rng.random() < 0.5 and self.known:
            return self.rng.choice(self.known)
        rows = self.sql("SELECT execution_id FROM noetl.execution WHERE ended_at IS NULL ORDER BY md5(execution_id::text || %s) LIMIT 1",
                        str(self.rng.random()))
        return rows[0][0] if rows else None

    def op_cancel(self):
        x = self.any_execution()
        if x:
            self.sql("SELECT noetl.cancel(%s, 'enough')", x)

    def op_cancel_event(self):
        x = self.any_execution()
        if x:
            self.sql("INSERT INTO noetl.event (execution_id, event_type) VALUES (%s, 'execution_cancelled')", x)

    def op_enqueue_all(self):
        self.sql("SELECT noetl.enqueue_next()")

    def op_enqueue_one(self):
        x = self.any_execution()
        if x:
            self.sql("SELECT noetl.enqueue_next(%s)", x)

    def op_status(self):
        x = self.any_execution()
        if x:
            self.sql("SELECT noetl.status(%s)", x)

    def op_verify(self):
        x = self.any_execution()
        if x:
            wrong = self.sql("SELECT * FROM noetl.verify(%s)", x)
            if wrong:
                self.report_.error("verify", Exception(f"verify of a running one: {wrong}"))

    def op_rebuild(self):
        x = self.any_execution()
        if x:
            self.sql("SELECT noetl.rebuild(%s)", x)

    def op_broker(self):
        if self.broker_off:
            self.sql("SET noetl.broker = " + self.rng.choice(["on", "off"]))

    WEIGHTS = {"execute": 5, "raw_start": 0, "lease": 18, "complete": 24, "complete_and_lease": 16, "fail": 4, "heartbeat": 3,
               "release": 3, "insert": 14, "cancel": 1.2, "cancel_event": 0.5, "enqueue_all": 3, "enqueue_one": 2, "status": 1,
               "verify": 0.7, "rebuild": 0.3, "broker": 1}

    def some(self):
        name = self.rng.choices(list(self.WEIGHTS), self.WEIGHTS.values())[0]
        self.report_.done[name] += 1
        return name

    def transaction(self):
        """Several operations, some of them undone."""
        self.sql("BEGIN" + self.rng.choice(["", "", " ISOLATION LEVEL REPEATABLE READ"]))
        try:
            for _ in range(self.rng.choice([1, 2, 3])):
                nested = self.rng.random() < 0.4
                if nested:
                    self.sql("SAVEPOINT a")
                try:
                    getattr(self, "op_" + self.some())()
                except psycopg2.Error as e:
                    if not nested or self.connection.closed:
                        raise
                    self.report_.error("transaction", e)
                    self.sql("ROLLBACK TO a")
                    continue
                if nested:
                    self.sql(self.rng.choice(["RELEASE a", "ROLLBACK TO a"]))
            self.sql("COMMIT" if self.rng.random() < 0.7 else "ROLLBACK")
        except psycopg2.Error:
            if not self.connection.closed:
                self.sql("ROLLBACK")
            raise

    def run(self):
        self.connect()
        while not self.stop.is_set():
            name = "transaction"
            try:
                if not self.options.one_execution and self.rng.random() < 0.12:
                    self.transaction()
                else:
                    name = self.some()
                    getattr(self, "op_" + name)()
            except psycopg2.Error as e:
                self.report_.error(name, e)
                if self.connection.closed:
                    self.connect()
            except Exception as e:      # noqa: the driver's own fault
                self.report_.error(name, e)


def drain():
    """Honest workers, until nothing is left."""
    connection = psycopg2.connect(application_name="drain", options="-c statement_timeout=120s")
    connection.autocommit = True
    cursor = connection.cursor()
    began = time.time()
    while time.time() < began + 300:
        cursor.execute("SELECT noetl.enqueue_next()")
        cursor.execute("SELECT queue_id FROM noetl.lease('drain', 50, '60 s')")
        rows = cursor.fetchall()
        # what clients without a name have begun has no lease that could run out
        cursor.execute("""INSERT INTO noetl.event (execution_id, event_type, node_name, node_id, current_index, error)
            SELECT execution_id, 'action_error', node_name, node_id, current_index, 'its client is gone'
              FROM noetl.queue WHERE status = 'leased' AND worker_id IS NULL""")
        for (queue_id,) in rows:
            cursor.execute("SELECT noetl.complete(%s, '{\"status\": \"success\", \"data\": {\"n\": 1}}', 'drain')", (queue_id,))
        if not rows:
            cursor.execute("SELECT (SELECT count(*) FROM noetl.queue) + (SELECT count(*) FROM noetl.run) + (SELECT count(*) FROM noetl.pending)")
            if cursor.fetchone()[0] == 0:
                break
            time.sleep(0.2)
    return cursor


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--sessions", type=int, default=10)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--crash")
    parser.add_argument("--kill", action="store_true")
    parser.add_argument("--one-execution", action="store_true")
    options = parser.parse_args()
    connection = psycopg2.connect(application_name="control")
    connection.autocommit = True
    cursor = connection.cursor()
    cursor.execute("CREATE TABLE IF NOT EXISTS public.stress_row (x bigint, what text, n int)")
    cursor.execute("CREATE TABLE IF NOT EXISTS public.stress_key (k int PRIMARY KEY, n int)")
    for text in PLAYBOOKS.split("---\n"):
        cursor.execute("SELECT noetl.register(%s)", ("apiVersion: noetl.io/v1\nkind: Playbook\n" + text.lstrip(),))
    report, stop = Report(), threading.Event()
    sessions = [Hostile(i, options, report, stop) for i in range(options.sessions)]
    for session in sessions:
        session.start()
    hangs = 0
    rng, began, crashed = random.Random(options.seed), time.time(), False
    while time.time() < began + options.seconds:
        time.sleep(0.25)
        if options.crash and not crashed and time.time() > began + options.seconds / 2:
            crashed = True
            subprocess.run(options.crash, shell=True, check=True, stdout=subprocess.DEVNULL)
            connection = psycopg2.connect(application_name="control")
            connection.autocommit = True
            cursor = connection.cursor()
        if options.kill and rng.random() < 0.5:
            cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s", (f"s{rng.randrange(options.sessions)}",))
    stop.set()
    for session in sessions:
        session.join(70)
        if session.is_alive():
            hangs += 1
            print("hangs:", session.name_)
        elif session.connection:
            session.connection.close()
    cursor = drain()
    print("seed", options.seed, dict(report.done))
    cursor.execute("SELECT status, count(*) FROM noetl.execution GROUP BY 1")
    print("executions", cursor.fetchall())
    for (kind, name), n in sorted(report.errors.items(), key=str):
        print(f"{n:6} {name:20} {kind}")
    bad = 0
    for kind, sample in report.samples.items():
        if kind[:5] not in EXPECTED or (options.one_execution and kind[:5] != "lost "):
            bad += 1
            print("--", sample[:1500])
    for name, sql in CHECKS.items():
        cursor.execute(f"SELECT * FROM ({sql}) c LIMIT 20")
        rows = cursor.fetchall()
        bad += len(rows)
        print("check", name, "ok" if not rows else "FAILED")
        for row in rows:
            print("    ", *row)
    sys.exit(bad + hangs > 0)


main()

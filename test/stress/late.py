#!/usr/bin/python3
"""Tasks appear late, and are given up late; none may be passed over.

  PGHOST=… PGDATABASE=… late.py [--seconds N] [--seed N]

Sessions enqueue tasks of several types and priorities in transactions of up to
seconds, of which some fail; workers give up some of what they have leased.  A lease
does not read where it believes nothing to be (src/store/low_water.h, src/store/recent_leases.h); an
error in that would only be noticed when everything is read again, after ten seconds.
Here each task has to be taken soon after it could be seen.
"""
import argparse
import random
import sys
import threading
import time

import psycopg2

KINDS = [(task_type, priority) for task_type in ("python", "http") for priority in (0, 7)]
# Longer than what workers hold in vain several times in a row, and shorter than the ten seconds.
PATIENCE = 4

arguments = argparse.ArgumentParser()
arguments.add_argument("--seconds", type=int, default=60)
arguments.add_argument("--seed", type=int, default=1)
options = arguments.parse_args()
end = time.time() + options.seconds
lock = threading.Lock()
appeared = {}
taken = {}
failures = []


def prepare():
    connection = psycopg2.connect("")
    with connection, connection.cursor() as cursor:
        for task_type, priority in KINDS:
            cursor.execute("SELECT noetl.register(%s)", (
                "apiVersion: noetl.io/v1\nkind: Playbook\npath: late/%s%d\nworkflow:\n"
                "- {step: only, type: %s, priority: %d, code: x, url: x}\n"
                % (task_type, priority, task_type, priority),))


def enqueue(rng, slow):
    connection = psycopg2.connect("")
    cursor = connection.cursor()
    while time.time() < end:
        executions = []
        for _ in range(rng.choice((1, 1, 1, 3))):
            cursor.execute("SELECT noetl.execute(%s)", ("late/%s%d" % rng.choice(KINDS),))
            executions.append(cursor.fetchone()[0])
            if slow:
                time.sleep(rng.choice((0, 0.02, 0.15, 0.5)))
        if rng.random() < 0.2:
            connection.rollback()
            continue
        connection.commit()
        with lock:
            appeared.update((execution, time.time()) for execution in executions)
        if not slow:
            time.sleep(rng.random() * 0.06)


def work(rng, name):
    connection = psycopg2.connect("")
    cursor = connection.cursor()
    while time.time() < end + PATIENCE:
        types = rng.choice((None, ["python"], ["http"], ["python", "http"]))
        fate = rng.random()
        if fate < 0.05:
            cursor.execute("SAVEPOINT before")
        cursor.execute("SELECT queue_id, execution_id FROM noetl.lease(%s, %s, '60 s', %s)",
                       (name, rng.choice((1, 1, 3)), types))
        tasks = cursor.fetchall()
        if not tasks:
            connection.commit()
            time.sleep(0.003)
        elif fate < 0.05:
            time.sleep(rng.choice((0, 0.05, 0.2)))
            cursor.execute("ROLLBACK TO before")
            time.sleep(rng.choice((0, 0.05, 0.2)))
            connection.commit()
        elif fate < 0.12:
            time.sleep(rng.choice((0, 0.05, 0.3)))
            connection.rollback()
        else:
            complete(connection, cursor, name, tasks)


def complete(connection, cursor, name, tasks):
    for queue_id, _ in tasks:
        cursor.execute("SELECT noetl.complete(%s, '1', %s)", (queue_id, name))
        if not cursor.fetchone()[0]:
            failures.append("task %d was lost by %s" % (queue_id, name))
    now = time.time()
    connection.commit()
    with lock:
        for _, execution in tasks:
            if execution in taken:
                failures.append("execution %d was worked on twice" % execution)
            taken[execution] = now


def main():
    prepare()
    threads = [threading.Thread(target=enqueue, args=(random.Random(options.seed * 100 + i), i < 5))
               for i in range(8)]
    threads += [threading.Thread(target=work, args=(random.Random(options.seed * 100 + 50 + i), "worker %d" % i))
                for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    waits = sorted(taken[execution] - since for execution, since in appeared.items() if execution in taken)
    missing = [execution for execution in appeared if execution not in taken]
    print("%d tasks, waited: median %.3f s, 99 %% %.3f s, longest %.3f s"
          % (len(appeared), waits[len(waits) // 2], waits[len(waits) * 99 // 100], waits[-1]))
    if missing:
        failures.append("%d tasks were not found" % len(missing))
    if waits[-1] > PATIENCE:
        failures.append("a task was found after %.1f s only" % waits[-1])
    for failure in failures[:10]:
        print("FAILED: %s" % failure)
    print("check late %s" % ("failed" if failures else "ok"))
    sys.exit(1 if failures else 0)


main()

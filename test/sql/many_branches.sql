-- Many branches of one execution: what a branch costs does not depend on how many others
-- there are, and what comes out does not either.

-- A step "produce" with n branches that lead to the step "meet" …
CREATE FUNCTION pg_temp.fan(name text, n int, meet text, keys text DEFAULT '') RETURNS boolean LANGUAGE sql AS $$
    SELECT noetl.register(format($book$
apiVersion: noetl.io/v1
kind: Playbook
path: many/%s
workflow:
- step: start
  next: produce
- step: produce
  type: python
  code: x
  next: [%s]
%s
- %s
%s
- step: end
$book$, name, string_agg('b' || i, ', ' ORDER BY i),
        string_agg(format('- {step: b%s, type: python, code: x, %s next: [{step: meet, args: {b%s: "{{ b%s.n }}", last: %s}}]}',
                          i, keys, i, i, i), E'\n' ORDER BY i), meet, '')) > 0
      FROM generate_series(1, n) AS i
$$;
-- … a worker that ends tasks of a step, each with the number in its name …
CREATE FUNCTION pg_temp.done(playbook text, steps text, order_by int DEFAULT 1, most int DEFAULT 1000)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    task record;
    n bigint := 0;
BEGIN
    PERFORM noetl.lease('w', 1000);
    FOR task IN SELECT q.queue_id, q.node_name FROM noetl.queue AS q
                 WHERE q.execution_id = newest(playbook) AND q.node_name ~ steps
                 ORDER BY q.queue_id * order_by LIMIT most LOOP
        IF noetl.complete(task.queue_id, jsonb_build_object('n', substr(task.node_name, 2)), 'w') THEN
            n := n + 1;
        END IF;
        IF EXISTS (SELECT FROM noetl.verify(newest(playbook))) THEN
            RAISE 'not as the log says after %', task.node_name;
        END IF;
    END LOOP;
    RETURN n;
END
$$;
-- … and where the branches are that have arrived.
CREATE VIEW pg_temp.arrived AS
    SELECT r.step_name, r.state, jsonb_array_length(r.arrivals) AS in_row,
           (SELECT count(*) FROM noetl.arrival AS a
             WHERE (a.execution_id, a.step_name, a.visit) = (r.execution_id, r.step_name, r.visit)) AS beyond
      FROM noetl.run AS r ORDER BY r.execution_id, r.step_name;

-- All: the step has what all 20 branches bring, the later step of the document winning,
-- in whatever order they come.
SELECT pg_temp.fan('all', 20, '{step: meet, join: all, type: python, code: x, next: end}');
SELECT noetl.execute('many/all') > 0 AS started;
SELECT pg_temp.done('many/all', 'produce'), pg_temp.done('many/all', '^b', -1, 3);
SELECT * FROM pg_temp.arrived;
SELECT pg_temp.done('many/all', '^b', -1, 16);
SELECT * FROM pg_temp.arrived;
SELECT a.number, a.arrival ->> 'from' AS "from" FROM noetl.arrival AS a ORDER BY a.number;
-- why knows them all
SELECT w.detail FROM noetl.why(newest('many/all')) AS w WHERE w.step = 'meet';

-- What is lost of them can be had again from the log.
SELECT newest('many/all') AS x \gset
DELETE FROM noetl.arrival WHERE number IN (8, 12, 18);
UPDATE noetl.arrival SET arrival = arrival - 'data' WHERE number = 10;
INSERT INTO noetl.arrival VALUES (:x, 'meet', 1, 19, '{"from": "b1"}'), (:x, 'meet', 2, 8, '{}'), (:x, 'x', 1, 8, '{}');
UPDATE noetl.run SET arrivals = arrivals - 7 WHERE execution_id = :x;
SELECT v.relation, v.key, v.expected IS NOT NULL AS expected, v.found IS NOT NULL AS found FROM noetl.verify(:x) AS v ORDER BY 1, 2;
SELECT noetl.rebuild(:x);
SELECT count(*) AS differences FROM noetl.verify(:x);
DELETE FROM noetl.arrival WHERE execution_id = :x;
DELETE FROM noetl.run WHERE execution_id = :x;
SELECT noetl.rebuild(:x);
SELECT * FROM pg_temp.arrived;

SELECT pg_temp.done('many/all', '^b');
SELECT count(*) AS arrivals FROM noetl.arrival;
SELECT q.node_name, q.visit, q.action -> 'data' ->> 'b1' AS b1, q.action -> 'data' ->> 'b20' AS b20, q.action -> 'data' ->> 'last' AS last,
       (SELECT count(*) FROM jsonb_object_keys(q.action -> 'data')) AS keys
  FROM noetl.queue AS q;
SELECT pg_temp.done('many/all', 'meet');
SELECT noetl.status(newest('many/all')) ->> 'status' AS status;

-- An event that a client inserts names no row of the queue; all tasks are looked at then.
SELECT noetl.execute('many/all') > 0 AS started;
SELECT pg_temp.done('many/all', 'produce');
INSERT INTO noetl.event (execution_id, event_type, node_name, result)
    SELECT newest('many/all'), 'action_completed', 'b' || i, '{}' FROM generate_series(20, 11, -1) AS i;
SELECT * FROM pg_temp.arrived;
SELECT count(*) AS differences FROM noetl.verify(newest('many/all'));
-- A branch that is told twice has no effect the second time.
INSERT INTO noetl.event (execution_id, event_type, node_name, result) VALUES (newest('many/all'), 'action_completed', 'b15', '{}');
SELECT e.meta ->> 'ignored' AS ignored FROM noetl.event AS e WHERE e.execution_id = newest('many/all') AND e.meta ? 'ignored';

-- One branch fails, and with it the execution: of the others nothing is left, …
SELECT count(*) AS leased FROM noetl.lease('w', 100);
SELECT noetl.fail(q.queue_id, 'broken', 'w') FROM noetl.queue AS q
 WHERE q.execution_id = newest('many/all') AND q.node_name = 'b10';
SELECT noetl.status(newest('many/all')) ->> 'status' AS status;
SELECT (SELECT count(*) FROM noetl.arrival) AS arrivals, (SELECT count(*) FROM noetl.run) AS runs,
       (SELECT count(*) FROM noetl.queue AS q WHERE q.status = 'queued') AS ready;
SELECT count(*) AS differences FROM noetl.verify(newest('many/all'));
-- … until it is redriven.
SELECT noetl.redrive(newest('many/all'));
SELECT * FROM pg_temp.arrived;
SELECT count(*) AS differences FROM noetl.verify(newest('many/all'));
SELECT pg_temp.done('many/all', '^b');
SELECT pg_temp.done('many/all', 'meet');
SELECT noetl.status(newest('many/all')) ->> 'status' AS status;

-- A running execution takes its arrivals along to another version.
SELECT noetl.execute('many/all') > 0 AS started;
SELECT pg_temp.done('many/all', 'produce'), pg_temp.done('many/all', '^b', 1, 12);
SELECT pg_temp.fan('all', 20, '{step: meet, join: all, type: python, code: y, next: end}');
SELECT m.severity, m.step, m.message FROM noetl.migrate(newest('many/all'), dry_run => false) AS m WHERE m.severity <> 'note' LIMIT 5;
SELECT * FROM pg_temp.arrived;
SELECT count(*) AS differences FROM noetl.verify(newest('many/all'));
SELECT pg_temp.done('many/all', '^b');
SELECT (SELECT count(*) FROM jsonb_object_keys(q.action -> 'data')) AS keys FROM noetl.queue AS q;
SELECT pg_temp.done('many/all', 'meet');

-- A step whose work is a child execution keeps its arrivals, as its next attempt needs them.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: many/child
workflow:
- {step: start, next: act}
- {step: act, type: python, code: x, args: {n: "{{ workload.b12 }}"}, next: end}
- {step: end}
$$) > 0 AS registered;
SELECT pg_temp.fan('retried', 12, '{step: meet, join: all, type: playbook, path: many/child, retry: {max_attempts: 2, initial_delay: 0, jitter: false}, next: end}');
SELECT noetl.execute('many/retried') > 0 AS started;
SELECT pg_temp.done('many/retried', 'produce'), pg_temp.done('many/retried', '^b');
SELECT * FROM pg_temp.arrived;
SELECT step, input FROM work('{"act": {"fail": "once more"}}', 1);
SELECT count(*) AS differences FROM noetl.verify(newest('many/retried'));
SELECT noetl.enqueue_next(newest('many/retried')) >= 0 AS tried;
SELECT step, input FROM work();
SELECT noetl.status(newest('many/retried')) ->> 'status' AS status, (SELECT count(*) FROM noetl.arrival) AS arrivals;
SELECT count(*) AS differences FROM noetl.verify(newest('many/retried'));

-- Any: the first branch starts the step.  Its task stands behind all others, and still is
-- found: the other branches have no effect, while it runs and afterwards.
SELECT pg_temp.fan('any', 20, '{step: meet, join: any, type: python, code: x, next: end}');
SELECT noetl.execute('many/any') > 0 AS started;
SELECT pg_temp.done('many/any', 'produce'), pg_temp.done('many/any', '^b', 1, 10);
SELECT q.visit, q.action -> 'data' AS input FROM noetl.queue AS q WHERE q.node_name = 'meet';
SELECT pg_temp.done('many/any', 'meet'), pg_temp.done('many/any', '^b');
SELECT count(*) FILTER (WHERE e.meta ? 'dropped') AS dropped, count(*) FILTER (WHERE e.node_name = 'meet' AND e.event_type = 'step_started') AS started
  FROM noetl.event AS e WHERE e.execution_id = newest('many/any');
SELECT noetl.status(newest('many/any')) ->> 'status' AS status;

-- Each: every branch begins a visit of its own, which ends when it likes.
SELECT pg_temp.fan('each', 20, '{step: meet, join: each, type: python, code: x, next: [{step: last, args: {n: "{{ meet.n }}"}}]}
- {step: last, join: all, type: python, code: x, next: end}');
SELECT noetl.execute('many/each') > 0 AS started;
SELECT pg_temp.done('many/each', 'produce'), pg_temp.done('many/each', '^b', 1, 12);
SELECT pg_temp.done('many/each', 'meet', -1, 7), pg_temp.done('many/each', '^b', -1);
SELECT min(q.visit), max(q.visit), count(DISTINCT q.visit) FROM noetl.queue AS q WHERE q.node_name = 'meet';
-- A task that is not in the index is not as the log says.
SELECT newest('many/each') AS x \gset
UPDATE noetl.queue SET visit = NULL WHERE execution_id = :x AND node_name = 'meet' AND visit = 20;
SELECT v.relation, v.key, v.expected, v.found FROM noetl.verify(:x) AS v;
SELECT noetl.rebuild(:x);
SELECT pg_temp.done('many/each', 'meet', -1);
SELECT * FROM pg_temp.arrived;
SELECT pg_temp.done('many/each', 'last');
SELECT noetl.status(newest('many/each')) ->> 'status' AS status;
SELECT count(DISTINCT e.node_id) AS visits, count(*) AS completed FROM noetl.event AS e
 WHERE e.execution_id = :x AND e.node_name = 'meet' AND e.event_type = 'step_completed';

-- What the index has of other executions and of other steps is theirs.
SELECT noetl.execute('many/each') > 0 AS started;
SELECT pg_temp.done('many/each', 'produce'), pg_temp.done('many/each', '^b', 1, 5);
SELECT noetl.execute('many/any') > 0 AS started;
SELECT pg_temp.done('many/any', 'produce'), pg_temp.done('many/any', '^b', 1, 5);
SELECT noetl.execute('many/each') > 0 AS started;
SELECT pg_temp.done('many/each', 'produce'), pg_temp.done('many/each', '^b', -1, 5);
SELECT x.path, array_agg(q.visit ORDER BY q.queue_id) AS visits
  FROM noetl.queue AS q JOIN noetl.execution AS x USING (execution_id) WHERE q.node_name = 'meet' GROUP BY x.path, x.execution_id ORDER BY x.execution_id;
SELECT count(noetl.cancel(x.execution_id)) AS cancelled FROM noetl.execution AS x WHERE x.status = 'RUNNING' AND x.path LIKE 'many/%';
DELETE FROM noetl.queue WHERE status IN ('leased', 'cancelled');

-- Steps without such branches have no visit in the queue.
SELECT count(*) AS rows_with_visit FROM noetl.queue WHERE visit IS NOT NULL;

-- Joins that may all start at once start in document order, whatever the order in which branches
-- came to them, and without asking each of them for each (2,000: 0.3 s; it took 36 s).
SELECT noetl.register(format(E'apiVersion: noetl.io/v1\nkind: Playbook\npath: many/joins\nworkflow:\n- {step: start, next: [%s]}\n%s\n%s\n- {step: end}',
           string_agg('a' || i, ', ' ORDER BY i),
           string_agg(format('- {step: a%s, next: [j%s, j%s]}', i, i, i % 2000 + 1), E'\n' ORDER BY i),
           string_agg(format('- {step: j%s, next: end}', i), E'\n' ORDER BY i DESC))) > 0 AS registered
  FROM generate_series(1, 2000) AS i;
SET statement_timeout = '15s';
SELECT noetl.execute('many/joins') > 0 AS started;
RESET statement_timeout;
SELECT status FROM noetl.execution WHERE path = 'many/joins';
SELECT node_name FROM noetl.event WHERE execution_id = newest('many/joins') AND node_name ~ '^j' ORDER BY event_id LIMIT 3;

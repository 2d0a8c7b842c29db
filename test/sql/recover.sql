-- After a failure: a step is held, retried and skipped; an execution is redriven.

-- A worker that answers as work() does, and checks the execution after each report.
CREATE FUNCTION recover_work(answers jsonb DEFAULT '{}', tasks int DEFAULT 1000)
RETURNS TABLE (step text, item int, attempt int, input jsonb, wrong bigint)
LANGUAGE plpgsql AS $$
DECLARE
    task noetl.queue;
BEGIN
    FOR i IN 1 .. tasks LOOP
        SELECT * INTO task FROM noetl.lease('tester');
        EXIT WHEN NOT FOUND;
        step := task.node_name;
        item := task.current_index;
        attempt := task.attempts;
        input := task.action -> 'data';
        IF answers -> step ? 'fail' AND (item IS NULL OR NOT answers -> step ? 'items'
                                         OR answers -> step -> 'items' @> to_jsonb(item)) THEN
            PERFORM noetl.fail(task.queue_id, answers -> step ->> 'fail', 'tester');
        ELSE
            PERFORM noetl.complete(task.queue_id, CASE WHEN answers -> step ? 'fail' THEN '{"ok": true}'
                                                       ELSE coalesce(answers -> step, '{"ok": true}') END, 'tester');
        END IF;
        wrong := (SELECT count(*) FROM noetl.verify(task.execution_id));
        RETURN NEXT;
    END LOOP;
END
$$;
-- What of an execution and all its descendants is not as the log says.
CREATE FUNCTION recover_wrong(playbook text) RETURNS bigint LANGUAGE sql AS $$
    WITH RECURSIVE tree AS (
        SELECT newest(playbook) AS id
        UNION ALL SELECT x.execution_id FROM tree, noetl.execution AS x WHERE x.parent_execution_id = tree.id)
    SELECT count(*) FROM tree, noetl.verify(tree.id)
$$;
-- The state as rows: what is live.
CREATE FUNCTION recover_live(playbook text) RETURNS TABLE (step text, state text) LANGUAGE sql AS $$
    SELECT l ->> 'step', l ->> 'state' FROM jsonb_array_elements(noetl.status(newest(playbook)) -> 'live') AS l
$$;

-- A held step keeps its execution running; its sibling goes on; the join waits.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: recover/hold
workflow:
- {step: start, next: [pay, mail]}
- {step: pay, type: http, url: x, args: {amount: 7}, on_error: hold, retry: {max_attempts: 2, initial_delay: 0, jitter: false}, next: done}
- {step: mail, type: http, url: x, next: done}
- {step: done, type: http, url: x, args: {paid: "{{ pay.receipt }}"}, next: end}
- {step: end, result: {receipt: "{{ pay.receipt }}"}}
$$) > 0 AS registered;
SELECT noetl.execute('recover/hold') > 0 AS started;
SELECT * FROM recover_work('{"pay": {"fail": "card refused"}}');
SELECT * FROM recover_live('recover/hold');
SELECT status, error FROM noetl.execution WHERE execution_id = newest('recover/hold');
SELECT noetl.status(newest('recover/hold')) -> 'steps' -> 'pay' ->> 'status' AS pay;
SELECT step, state, waits_for, regexp_replace(detail, '\d{4}-\d\d-\d\d[^:]*:\d\d:[0-9.]+[-+]\d\d', '<time>') AS detail, regexp_replace(hint, '\d{9,}', '<id>', 'g') AS hint FROM noetl.why(newest('recover/hold'));
SELECT state FROM noetl.progress(newest('recover/hold')) WHERE step = 'pay';
-- Work that is late has no effect.
INSERT INTO noetl.event (execution_id, event_type, node_name, worker_id, result)
VALUES (newest('recover/hold'), 'action_completed', 'pay', 'tester', '{"receipt": "late"}') RETURNING event_type;
SELECT meta ->> 'ignored' AS ignored FROM noetl.event WHERE execution_id = newest('recover/hold') ORDER BY event_id DESC LIMIT 1;
-- Only the broker says that a step goes on.
SELECT noetl.retry(newest('recover/hold'), 'nobody');
SELECT noetl.retry(newest('recover/hold'), 'mail');
-- Two new attempts with another input; attempts are counted on.
SELECT noetl.retry(newest('recover/hold'), input => '{"amount": 5}', reason => 'other card');
SELECT * FROM noetl.verify(newest('recover/hold'));
SELECT attempts, max_attempts, attempts_before FROM noetl.queue WHERE execution_id = newest('recover/hold');
SELECT * FROM recover_work('{"pay": {"fail": "card refused again"}}');
SELECT * FROM recover_live('recover/hold');
-- rebuild() restores it.
BEGIN;
DELETE FROM noetl.run WHERE execution_id = newest('recover/hold') AND state = 'held';
SELECT noetl.rebuild(newest('recover/hold'));
SELECT * FROM recover_live('recover/hold');
SELECT * FROM noetl.verify(newest('recover/hold'));
COMMIT;
-- Skipped, it has a value as if it had been done.
SELECT noetl.skip(newest('recover/hold'), 'mail');
SELECT noetl.skip(newest('recover/hold'), 'pay', '{"receipt": "by hand"}', 'paid in cash');
SELECT * FROM recover_work();
SELECT status, result FROM noetl.execution WHERE execution_id = newest('recover/hold');
SELECT * FROM story('recover/hold');

-- Queued and waiting steps can be skipped, too; not those that a worker has.
SELECT noetl.execute('recover/hold') > 0 AS started;
SELECT node_name FROM noetl.lease('tester');
SELECT noetl.skip(newest('recover/hold'), 'pay');
SELECT noetl.skip(newest('recover/hold'), 'mail');
SELECT * FROM recover_live('recover/hold');
SELECT noetl.skip(newest('recover/hold'), 'done', '1');
SELECT * FROM recover_live('recover/hold');
SELECT * FROM noetl.verify(newest('recover/hold'));
SELECT noetl.cancel(newest('recover/hold'));
SELECT * FROM noetl.verify(newest('recover/hold'));
DO $$ BEGIN PERFORM noetl.skip(newest('recover/hold'), 'done', '1');
EXCEPTION WHEN OTHERS THEN RAISE NOTICE '%', regexp_replace(SQLERRM, '\d{9,}', 'N'); END $$;
DO $$ BEGIN PERFORM noetl.retry(newest('recover/hold'));
EXCEPTION WHEN OTHERS THEN RAISE NOTICE '%', regexp_replace(SQLERRM, '\d{9,}', 'N'); END $$;
-- A cancelled execution goes on as well: two steps that were withdrawn, one of them leased.
SELECT noetl.redrive(newest('recover/hold'), reason => 'cancelled by mistake');
-- What the worker of the first drive still reports has no effect, whether it names its attempt or not.
INSERT INTO noetl.event (execution_id, event_type, node_name, worker_id, meta, result)
VALUES (newest('recover/hold'), 'action_completed', 'pay', 'tester', '{"attempt": 1}', '{"receipt": "late"}'),
       (newest('recover/hold'), 'action_completed', 'pay', 'tester', NULL, '{"receipt": "late"}');
SELECT meta ->> 'ignored' AS ignored FROM noetl.event WHERE execution_id = newest('recover/hold') AND result ->> 'receipt' = 'late' ORDER BY event_id;
SELECT * FROM noetl.verify(newest('recover/hold'));
SELECT * FROM recover_work('{"pay": {"receipt": 1}}');
SELECT status, result, drive FROM noetl.execution WHERE execution_id = newest('recover/hold');
SELECT event_type, meta - 'by' - 'started_by' - 'started_by_oid' AS meta FROM noetl.event WHERE execution_id = newest('recover/hold') AND event_type LIKE 'execution%' ORDER BY event_id;
DO $$ BEGIN PERFORM noetl.redrive(newest('recover/hold'));
EXCEPTION WHEN OTHERS THEN RAISE NOTICE '%', regexp_replace(SQLERRM, '\d{9,}', 'N'); END $$;

-- The default of steps without on_error.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: recover/default
workflow:
- {step: start, next: [a, b]}
- {step: a, type: http, url: x, when: "{{ workload.go }}", next: end}
- {step: b, type: http, url: x, on_error: fail, next: end}
- step: end
$$) > 0 AS registered;
SET noetl.on_error = hold;
SELECT noetl.execute('recover/default') > 0 AS started;
SELECT * FROM recover_live('recover/default');
RESET noetl.on_error;
SELECT * FROM noetl.verify(newest('recover/default'));
SELECT * FROM recover_work('{"b": {"fail": "x"}}');
SELECT status FROM noetl.execution WHERE execution_id = newest('recover/default');
SELECT noetl.redrive(newest('recover/default'));
SELECT * FROM noetl.verify(newest('recover/default'));
SELECT * FROM recover_work();

-- A step whose condition fails is held before it has started; then the condition holds.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: recover/condition
workflow:
- {step: start, next: a}
- {step: a, type: http, url: x, when: "{{ data.n / data.by > 1 }}", on_error: hold, next: end}
- step: end
$$) > 0 AS registered;
SELECT noetl.execute('recover/condition') > 0 AS started;
SELECT error, meta FROM noetl.event WHERE execution_id = newest('recover/condition') AND event_type = 'step_held';
SELECT noetl.retry(newest('recover/condition'), 'a', '{"n": 4, "by": 2}');
SELECT * FROM recover_work();
SELECT status FROM noetl.execution WHERE execution_id = newest('recover/condition');

-- Items of an iterator: what has completed stays, also that which waits is done once.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: recover/items
workflow:
- step: each
  type: iterator
  collection: "{{ range(8) | list }}"
  element: n
  mode: distributed
  concurrency: 3
  task: {type: http, url: "{{ n }}"}
  next: end
- {step: end, result: "{{ each }}"}
$$) > 0 AS registered;
SELECT noetl.execute('recover/items') > 0 AS started;
SELECT * FROM recover_work('{"each": {"fail": "broken", "items": [2]}}');
SELECT status, error FROM noetl.execution WHERE execution_id = newest('recover/items');
SELECT noetl.redrive(newest('recover/items'));
SELECT * FROM noetl.verify(newest('recover/items'));
SELECT current_index, attempts FROM noetl.queue WHERE execution_id = newest('recover/items') ORDER BY queue_id;
SELECT item_index FROM noetl.item WHERE execution_id = newest('recover/items') ORDER BY 1;
SELECT * FROM recover_work('{"each": {"fail": "broken", "items": [3]}}');
SELECT noetl.redrive(newest('recover/items'));
BEGIN;
DELETE FROM noetl.item WHERE execution_id = newest('recover/items');
SELECT noetl.rebuild(newest('recover/items'));
SELECT * FROM noetl.verify(newest('recover/items'));
COMMIT;
SELECT * FROM recover_work();
SELECT status, result, drive FROM noetl.execution WHERE execution_id = newest('recover/items');

-- Held, an iterator goes through all items first, and then repeats those that failed.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: recover/held_items
workflow:
- step: each
  type: iterator
  collection: "{{ range(7) | list }}"
  element: n
  mode: distributed
  concurrency: 2
  on_error: hold
  task: {type: http, url: "{{ n }}"}
  next: end
- {step: end, result: "{{ each }}"}
$$) > 0 AS registered;
SELECT noetl.execute('recover/held_items') > 0 AS started;
SELECT * FROM recover_work('{"each": {"fail": "broken", "items": [0, 3, 4, 6]}}');
SELECT detail ~ '4 of 7 items failed' AS said FROM noetl.why(newest('recover/held_items'));
SELECT noetl.retry(newest('recover/held_items'));
SELECT * FROM recover_work('{"each": {"fail": "broken", "items": [4]}}');
SELECT noetl.retry(newest('recover/held_items'));
SELECT * FROM recover_work();
SELECT status, result FROM noetl.execution WHERE execution_id = newest('recover/held_items');

-- Three levels: a leaf fails, and the execution goes on from its root.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: recover/leaf
workflow:
- {step: task, type: http, url: "{{ workload.n }}", args: {n: "{{ workload.n }}"}, next: end}
- {step: end, result: "{{ task.ok }}"}
$$) > 0, noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: recover/middle
workflow:
- step: each
  type: iterator
  collection: [1, 2, 3, 4]
  element: n
  mode: async
  concurrency: 2
  task: {type: playbook, path: recover/leaf, args: {n: "{{ n }}"}}
  next: end
- {step: end, result: "{{ each }}"}
$$) > 0, noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: recover/root
workflow:
- {step: start, next: [child, beside]}
- {step: child, type: playbook, path: recover/middle, next: after}
- {step: beside, type: http, url: x, next: after}
- {step: after, type: http, url: x, next: end}
- {step: end, result: "{{ child }}"}
$$) > 0 AS registered;
SELECT noetl.execute('recover/root') > 0 AS started;
SELECT step, input FROM recover_work(tasks => 2);
SELECT recover_wrong('recover/root');
SELECT step, input FROM recover_work('{"task": {"fail": "no"}}', 2);
SELECT path, status, count(*) FROM noetl.execution WHERE path LIKE 'recover/%' AND execution_id >= newest('recover/root') GROUP BY 1, 2 ORDER BY 1, 2;
SELECT recover_wrong('recover/root');
-- The leaf that failed is named: its root goes on.
SELECT noetl.redrive(max(execution_id), '{"n": 33}') FROM noetl.execution WHERE path = 'recover/leaf' AND status = 'FAILED';
SELECT recover_wrong('recover/root');
SELECT path, status, drive, count(*) FROM noetl.execution WHERE path LIKE 'recover/%' AND execution_id >= newest('recover/root') GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;
SELECT step, input FROM recover_work();
SELECT status, result FROM noetl.execution WHERE execution_id = newest('recover/root');
SELECT recover_wrong('recover/root');
SELECT path, count(*) FROM noetl.execution WHERE path LIKE 'recover/%' AND execution_id >= newest('recover/root') GROUP BY 1 ORDER BY 1;

-- What has never begun, and a child whose parent has gone on, are refused.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: recover/lenient
workflow:
- {step: child, type: playbook, path: recover/leaf, on_error: continue, next: end}
- step: end
$$) > 0, noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: recover/unborn
workload: {x: "{{ 1 / 0 }}"}
workflow: [{step: end}]
$$) > 0 AS registered;
SELECT noetl.execute('recover/lenient') > 0 AS started;
SELECT step FROM recover_work('{"task": {"fail": "no"}}');
\set VERBOSITY terse
DO $$ BEGIN PERFORM noetl.redrive(newest('recover/leaf'));
EXCEPTION WHEN OTHERS THEN RAISE NOTICE '%', regexp_replace(SQLERRM, '\d{9,}', 'N'); END $$;
SELECT noetl.execute('recover/unborn') > 0 AS started;
DO $$ BEGIN PERFORM noetl.redrive(newest('recover/unborn'));
EXCEPTION WHEN OTHERS THEN RAISE NOTICE '%', regexp_replace(SQLERRM, '\d{9,}', 'N'); END $$;
DO $$ BEGIN PERFORM noetl.redrive(1);
EXCEPTION WHEN OTHERS THEN RAISE NOTICE '%', SQLERRM; END $$;
\set VERBOSITY default

-- Many at once: those that failed at one step with one error.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: recover/bulk
workflow:
- {step: feed, type: http, url: x, next: end}
- step: end
$$) > 0 AS registered;
SELECT count(noetl.execute('recover/bulk', labels => jsonb_build_object('farm', (i % 2)::text))) FROM generate_series(1, 6) AS i;
SELECT count(*) FROM recover_work('{"feed": {"fail": "no hay in barn 7"}}', 4);
SELECT count(*) FROM recover_work('{"feed": {"fail": "no water"}}', 2);
SELECT status, count(*) FROM noetl.execution WHERE path = 'recover/bulk' GROUP BY 1;
SELECT count(*) FROM noetl.redrive_all('recover/bulk', '%no hay%');
SELECT count(*) FROM noetl.redrive_all('recover/bulk', '%no hay%', labels => '{"farm": "1"}');
SELECT count(*) FROM noetl.redrive_all('recover/bulk', since => now() + interval '1 min');
SELECT * FROM noetl.redrive_all('recover/bulk', labels => '"farm"');
SELECT * FROM noetl.cancel_all('recover/bulk', max => -1);
SELECT count(*) FROM noetl.redrive_all('recover/bulk', '%no hay%', max => 3, dry_run => false);
SELECT status, count(*) FROM noetl.execution WHERE path = 'recover/bulk' GROUP BY 1 ORDER BY 1;
SELECT count(*) FROM noetl.redrive_all('recover/bulk', '%no hay%', dry_run => false);
SELECT count(*) FROM noetl.redrive_all('recover/bulk', '%no hay%', dry_run => false);
SELECT count(v) AS wrong FROM noetl.execution AS x LEFT JOIN LATERAL noetl.verify(x.execution_id) AS v ON true WHERE path = 'recover/bulk';
-- Others may not have somebody's executions go on.
CREATE ROLE recover_stranger;
GRANT EXECUTE ON FUNCTION noetl.redrive_all(text, text, timestamptz, jsonb, integer, boolean),
    noetl.retry(bigint, text, jsonb, text), noetl.skip(bigint, text, jsonb, text), noetl.redrive(bigint, jsonb, text) TO recover_stranger;
SET ROLE recover_stranger;
SELECT count(*) FROM noetl.redrive_all(dry_run => false);
RESET ROLE;
SELECT min(execution_id) AS x FROM noetl.execution WHERE path = 'recover/bulk' AND status = 'FAILED' \gset
SET ROLE recover_stranger;
\set VERBOSITY sqlstate
SELECT noetl.redrive(:x);
SELECT noetl.retry(:x);
SELECT noetl.skip(:x, 'feed');
\set VERBOSITY default
RESET ROLE;
DROP OWNED BY recover_stranger;
DROP ROLE recover_stranger;
-- The broker's own events are refused from everybody else.
CREATE ROLE recover_client;
GRANT INSERT ON noetl.event TO recover_client;
SET ROLE recover_client;
\set VERBOSITY terse
INSERT INTO noetl.event (execution_id, event_type) VALUES (:x, 'execution_redriven');
INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (:x, 'step_resumed', 'feed');
\set VERBOSITY default
RESET ROLE;
DROP OWNED BY recover_client;
DROP ROLE recover_client;
-- Held steps, and running executions.  The setting at their start counts.
SELECT count(*) FROM recover_work();
SET noetl.on_error = hold;
SELECT count(noetl.execute('recover/bulk')) FROM generate_series(1, 4);
RESET noetl.on_error;
SELECT count(*) FROM recover_work('{"feed": {"fail": "still no hay"}}');
SELECT count(*) FROM noetl.retry_all('recover/bulk', '%still%');
SELECT count(*) FROM noetl.retry_all('recover/bulk', '%other%');
SELECT count(*) FROM noetl.retry_all('recover/bulk', '%still%', max => 2, dry_run => false);
SELECT count(*) FROM noetl.cancel_all('recover/bulk', '%still%', dry_run => false);
SELECT count(*) FROM noetl.cancel_all('recover/bulk');
SELECT count(*) FROM recover_work();
SELECT status, drive, count(*) FROM noetl.execution WHERE path = 'recover/bulk' GROUP BY 1, 2 ORDER BY 1, 2;
SELECT count(v) AS wrong FROM noetl.execution AS x LEFT JOIN LATERAL noetl.verify(x.execution_id) AS v ON true WHERE path = 'recover/bulk';

-- A new execution from the middle of another, which stays as it is.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: recover/fork
workload: {rate: 2}
workflow:
- {step: load, type: http, url: x, next: price}
- step: price
  type: http
  url: x
  args: {amount: "{{ load.amount }}", rate: "{{ workload.rate }}"}
  next: [{when: "{{ price.ok }}", then: [{step: send, args: {note: "{{ price.ok }}"}}]}]
- {step: send, type: http, url: x, args: {amount: "{{ load.amount }}"}, next: end}
- {step: end, result: "{{ send }}"}
$$) > 0 AS registered;
SELECT noetl.execute('recover/fork') AS x \gset
SELECT step, input FROM recover_work('{"load": {"amount": 7}, "price": {"ok": 1}, "send": {"sent": 1}}');
SELECT noetl.fork(:x, 'price', '{"rate": 3}') AS y \gset
SELECT count(*) FROM noetl.verify(:y);
SELECT step, input FROM recover_work('{"price": {"ok": 2}, "send": {"sent": 2}}');
SELECT status, result, parent_execution_id FROM noetl.execution WHERE execution_id = :y;
SELECT event, node FROM story('recover/fork');
-- The input that the transition gave is kept.
SELECT noetl.fork(:x, 'send') AS y \gset
SELECT step, input, wrong FROM recover_work('{"send": {"fail": "no"}}');
SELECT noetl.redrive(:y);
SELECT step, input, wrong FROM recover_work('{"send": {"sent": 3}}');
SELECT status, result FROM noetl.execution WHERE execution_id IN (:x, :y) ORDER BY execution_id;
BEGIN;
DELETE FROM noetl.execution WHERE execution_id = :y;
SELECT noetl.rebuild(:y);
SELECT * FROM noetl.verify(:y);
COMMIT;
\set VERBOSITY terse
DO $$ BEGIN PERFORM noetl.fork(newest('recover/fork'), 'load');
EXCEPTION WHEN OTHERS THEN RAISE NOTICE '%', regexp_replace(SQLERRM, '\d{9,}', 'N'); END $$;
SELECT noetl.fork(:x, 'price', version => 9);
SELECT noetl.fork(:x, 'price', version => 0);
INSERT INTO noetl.event (event_type, context, meta) VALUES ('execution_start', '{"path": "recover/fork"}', '{"forked": {}}');
\set VERBOSITY default
-- A wait that was withdrawn still ends at its time, and a signal that was kept is kept.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: recover/wait
workflow:
- {step: start, next: [nap, ask]}
- {step: nap, type: wait, for: 3600, signal: wake, next: end}
- {step: ask, type: http, url: x, next: ok}
- {step: ok, type: wait, signal: approve, next: end}
- {step: end, result: "{{ ok }}"}
$$) > 0 AS registered;
SELECT noetl.execute('recover/wait') AS x \gset
SELECT due_at AS due FROM noetl.run WHERE execution_id = :x AND step_name = 'nap' \gset
SELECT noetl.signal(:x, 'approve', '"early"');
SELECT noetl.cancel(:x);
SELECT noetl.redrive(:x);
SELECT due_at = :'due' AS same FROM noetl.run WHERE execution_id = :x AND step_name = 'nap';
SELECT * FROM noetl.verify(:x);
SELECT step, wrong FROM recover_work();
SELECT noetl.skip(:x, 'nap');
SELECT status, result FROM noetl.execution WHERE execution_id = :x;
SELECT * FROM noetl.verify(:x);

-- Whatever a client says, the end that it sends is that of the drive under way.
SELECT noetl.execute('recover/bulk') AS x \gset
INSERT INTO noetl.event (execution_id, event_type, meta) VALUES (:x, 'execution_failed', '{"drive": 2}');
SELECT noetl.redrive(:x);
INSERT INTO noetl.event (execution_id, event_type, meta) VALUES (:x, 'execution_failed', '{"drive": 1, "mine": true}');
SELECT event_type, meta - 'by' - 'started_by' - 'started_by_oid' AS meta FROM noetl.event WHERE execution_id = :x AND event_type LIKE 'execution%' ORDER BY event_id;
SELECT * FROM noetl.verify(:x);

-- The timeout of an execution begins anew; one that is not over in time goes on, too.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: recover/timeout
timeout: 3600
workflow:
- {step: a, type: http, url: x, next: end}
- step: end
$$) > 0 AS registered;
SELECT noetl.execute('recover/timeout') AS x \gset
UPDATE noetl.execution SET deadline = started_at WHERE execution_id = :x;
SELECT noetl.enqueue_next(:x);
SELECT noetl.redrive(:x);
SELECT x.deadline = e.created_at + interval '1 h' AS anew FROM noetl.execution AS x JOIN noetl.event AS e USING (execution_id)
 WHERE x.execution_id = :x AND e.event_type = 'execution_redriven';
SELECT * FROM noetl.verify(:x);
UPDATE noetl.execution SET deadline = now() - interval '1 s' WHERE execution_id = :x;
SELECT noetl.enqueue_next(:x);
SELECT error, meta FROM noetl.event WHERE execution_id = :x AND event_type = 'execution_failed' AND meta ? 'drive';
SELECT * FROM noetl.verify(:x);
-- What the child of a redriven step has done is saved by a worker, in attempts of their own.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: recover/kept
workflow:
- {step: start, next: a}
- {step: a, type: http, url: x, next: end}
- {step: end, result: "{{ a }}"}
$$) > 0 AS registered, noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: recover/keeper
workflow:
- {step: start, next: kid}
- step: kid
  type: playbook
  path: recover/kept
  retry: {max_attempts: 2, initial_delay: 0, jitter: false}
  save: {storage: http, url: x, data: {x: "{{ result }}"}}
  next: end
- {step: end, result: "{{ kid }}"}
$$) > 0 AS registered;
SELECT noetl.execute('recover/keeper') AS x \gset
SELECT step, attempt, wrong FROM recover_work('{"a": {"fail": "no"}}');
SELECT noetl.redrive(:x);
SELECT step, attempt, wrong FROM recover_work('{}', 1);
SELECT node_type, attempts, max_attempts, attempts_before FROM noetl.queue WHERE execution_id = :x;
SELECT * FROM noetl.verify(:x);
SELECT step, attempt, wrong FROM recover_work('{"kid": {"fail": "full"}}', 1);
SELECT step, attempt, wrong FROM recover_work();
SELECT status, result FROM noetl.execution WHERE execution_id = :x;
-- A statement that fails is executed again.
CREATE ROLE recover_owner;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA noetl TO recover_owner;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: recover/sql
workflow:
- {step: a, type: sql, statement: 'SELECT 1 / :by::int AS x', params: {by: 0}, on_error: hold, next: b}
- {step: b, type: sql, statement: 'SELECT 2 / :by::int AS x', params: {by: 0}, next: end}
- {step: end, result: "{{ b }}"}
$$) > 0 AS registered;
SET ROLE recover_owner;
SELECT noetl.execute('recover/sql') AS x \gset
RESET ROLE;
SELECT * FROM recover_live('recover/sql');
SELECT * FROM noetl.verify(:x);
SELECT noetl.retry(:x);
SELECT * FROM recover_live('recover/sql');
SELECT noetl.retry(:x, input => '{"by": 1}');
SELECT status, error FROM noetl.execution WHERE execution_id = :x;
SELECT noetl.redrive(:x, '{"by": 2}');
SELECT status, result FROM noetl.execution WHERE execution_id = :x;
SELECT event, node, note FROM story('recover/sql');
SELECT * FROM noetl.verify(:x);

-- A child that had not begun when its parent ended cannot be resumed: another one takes its
-- place, and waits for a slot behind those that go on.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: recover/queued
limits: [{name: recover_slow, concurrency: 2}]
workflow:
- {step: start, next: labour}
- {step: labour, type: http, url: x, next: end}
- {step: end, result: "{{ workload.n }}"}
$$) > 0, noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: recover/crowd
workflow:
- {step: start, next: all}
- {step: all, type: iterator, element: e, collection: [1, 2, 3], mode: async, task: {type: playbook, path: recover/queued, args: {n: "{{ e }}"}}, next: end}
- {step: end, result: "{{ all.data }}"}
$$) > 0 AS registered;
SELECT noetl.execute('recover/crowd') AS x \gset
SELECT status, count(*) FROM noetl.execution WHERE parent_execution_id = :x GROUP BY 1 ORDER BY 1;
SELECT noetl.cancel(:x);
SELECT status, count(*) FROM noetl.execution WHERE parent_execution_id = :x GROUP BY 1 ORDER BY 1;
SELECT noetl.redrive(:x);
SELECT status, count(*) FROM noetl.execution WHERE parent_execution_id = :x GROUP BY 1 ORDER BY 1;
SELECT recover_wrong('recover/crowd') AS wrong;
SELECT step, wrong FROM recover_work('{}', 2);
SELECT noetl.enqueue_next() > 0 AS begun;
SELECT step, wrong FROM recover_work();
SELECT status, result FROM noetl.execution WHERE execution_id = :x;
SELECT recover_wrong('recover/crowd') AS wrong;
-- An iterator that was to be repeated goes on with the child of the attempt that failed.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: recover/again
workflow:
- {step: start, next: all}
- {step: all, type: iterator, element: e, collection: [1], retry: {max_attempts: 2, initial_delay: 60}, task: {type: playbook, path: recover/queued, args: {n: "{{ e }}"}}, next: end}
- {step: end, result: "{{ all.data }}"}
$$) > 0 AS registered;
SELECT noetl.execute('recover/again') AS x \gset
SELECT step, wrong FROM recover_work('{"labour": {"fail": "no"}}');
SELECT step_name, state FROM noetl.run WHERE execution_id = :x AND state <> 'waiting';
SELECT noetl.cancel(:x);
SELECT noetl.redrive(:x);
SELECT step, wrong FROM recover_work();
SELECT status, result FROM noetl.execution WHERE execution_id = :x;
SELECT recover_wrong('recover/again') AS wrong;
-- One that could not start is started anew, with what was wrong put right.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: recover/part
workload: {share: "{{ 12 // (by | default(0)) }}"}
workflow:
- {step: end, result: "{{ workload.share }}"}
$$) > 0, noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: recover/whole
workflow:
- {step: start, next: part}
- {step: part, type: playbook, path: recover/part, next: end}
- {step: end, result: "{{ part }}"}
$$) > 0 AS registered;
SELECT noetl.execute('recover/whole') AS x \gset
SELECT status, error FROM noetl.execution WHERE execution_id = :x;
SELECT noetl.redrive(:x);
SELECT status FROM noetl.execution WHERE execution_id = :x;
SELECT noetl.redrive(:x, '{"by": 3}');
SELECT status, result FROM noetl.execution WHERE execution_id = :x;
SELECT recover_wrong('recover/whole') AS wrong;
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA noetl FROM recover_owner;
DROP FUNCTION recover_work, recover_wrong, recover_live;
SELECT count(*) AS tasks_left FROM noetl.queue;

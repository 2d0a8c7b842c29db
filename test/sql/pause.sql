-- Pauses: of an execution with all that it has started, and of kinds of tasks.

-- What of an execution and all its descendants is not as the logs say.
CREATE FUNCTION pause_wrong(root bigint) RETURNS bigint LANGUAGE sql AS $$
    WITH RECURSIVE tree AS (
        SELECT root AS id
        UNION ALL SELECT x.execution_id FROM tree, noetl.execution AS x WHERE x.parent_execution_id = tree.id)
    SELECT count(*) FROM tree, noetl.verify(tree.id)
$$;
-- The tasks of an execution and all its descendants.
CREATE FUNCTION pause_tasks_of(root bigint) RETURNS TABLE (path text, step text, item int, status text) LANGUAGE sql AS $$
    WITH RECURSIVE tree AS (
        SELECT root AS id
        UNION ALL SELECT x.execution_id FROM tree, noetl.execution AS x WHERE x.parent_execution_id = tree.id)
    SELECT x.path, q.node_name, q.current_index, q.status
      FROM tree JOIN noetl.queue AS q ON q.execution_id = tree.id JOIN noetl.execution AS x USING (execution_id)
     ORDER BY q.queue_id
$$;
-- A text without times and ids.
CREATE FUNCTION plain(said text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT regexp_replace(regexp_replace(replace(said, current_user, '<me>'),
               '\d{4}-\d\d-\d\d \d\d:\d\d:[0-9.]+[-+]\d\d', '<time>', 'g'), '\d{9,}', '<id>', 'g')
$$;

SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: pause/order
workflow:
- {step: start, next: [pay, mail]}
- {step: pay, type: http, url: x, next: pack}
- {step: mail, type: mail, to: x}
- {step: pack, type: playbook, path: pause/pack, return_step: wrap, next: ask}
- {step: ask, type: wait, signal: shipped, timeout: 1h, next: bill}
- {step: bill, type: http, url: x}
$$) > 0 AND noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: pause/pack
workflow:
- {step: start, next: wrap}
- step: wrap
  type: iterator
  mode: distributed
  collection: [a, b, c]
  element: thing
  concurrency: 2
  task: {type: shell, command: "{{ thing }}"}
$$) > 0 AS registered;

-- A paused execution: what is leased goes on, what was ready is not handed out.
SELECT noetl.execute('pause/order') AS x \gset
SELECT queue_id AS pay FROM noetl.lease('w', types => '{http}') \gset
SELECT noetl.pause(:x, 'stock is counted') AS paused;
SELECT * FROM pause_tasks_of(:x);
SELECT pause_wrong(:x) AS wrong;
SELECT count(*) AS leased FROM noetl.lease('w', 10);
SELECT noetl.heartbeat(:pay, 'w') AS heartbeat;
SELECT status ->> 'status' AS status, status -> 'paused' ->> 'by' = current_user AS by_me,
       status -> 'paused' ->> 'reason' AS reason, status -> 'paused' ->> 'execution_id' = :'x' AS own,
       status -> 'paused' ? 'until' AS ends, status -> 'live' AS live
  FROM noetl.status(:x) AS status;
SELECT step, state, waits_for, plain(detail) AS detail, plain(hint) AS hint FROM noetl.why(:x);
SELECT type, path, ready, leased, retry, paused, oldest_age IS NULL AS no_age FROM noetl.backlog;
SELECT event_type, status, meta - 'by' AS meta, meta ->> 'by' = current_user AS by_me
  FROM noetl.event WHERE execution_id = :x AND event_type LIKE 'execution_%' ORDER BY event_id;
-- Its result is decided on: a child starts meanwhile, and is paused as well.
SELECT noetl.complete(:pay, '{"ok": true}', 'w') AS completed;
SELECT * FROM pause_tasks_of(:x);
SELECT pause_wrong(:x) AS wrong;
SELECT newest('pause/pack') AS child \gset
SELECT status -> 'paused' ->> 'execution_id' = :'x' AS by_parent FROM noetl.status(:child) AS status;
SELECT step, state, waits_for, plain(detail) AS detail, plain(hint) AS hint FROM noetl.why(:child);
SELECT noetl.resume(:child) AS child_is_not_paused_itself;
SELECT count(*) AS leased FROM noetl.lease('w', 10);
-- A second pause gives another reason.
SELECT noetl.pause(:x, 'still counted') AS paused;
SELECT status -> 'paused' ->> 'reason' AS reason FROM noetl.status(:x) AS status;
-- rebuild() restores the row, and tasks as paused ones are.
BEGIN;
UPDATE noetl.execution SET paused = NULL WHERE execution_id = :x;
DELETE FROM noetl.paused;
DELETE FROM noetl.queue WHERE execution_id IN (:x, :child);
SELECT relation, count(*) FROM noetl.verify(:x) GROUP BY 1 ORDER BY 1;
SELECT noetl.rebuild(:x) > 0 AS root, noetl.rebuild(:child) > 0 AS child;
SELECT count(*) AS leased FROM noetl.lease('w', 10);
SELECT * FROM pause_tasks_of(:x);
SELECT pause_wrong(:x) AS wrong;
ROLLBACK;
-- The pause of a child outlasts that of its parent.
SELECT noetl.pause(:child, 'no paper') AS paused;
SELECT noetl.resume(:x, 'counted') AS resumed;
SELECT * FROM pause_tasks_of(:x);
SELECT pause_wrong(:x) AS wrong;
SELECT noetl.resume(:child) AS resumed, noetl.resume(:child) AS again;
SELECT * FROM pause_tasks_of(:x);
SELECT step FROM work();
-- A wait in a paused execution: the signal is decided on, its next task is paused.
SELECT l ->> 'state' AS state FROM jsonb_array_elements(noetl.status(:x) -> 'live') AS l;
SELECT noetl.pause(:x, until => now() + interval '1 day') AS paused;
SELECT noetl.signal(:x, 'shipped', '{"parcel": 7}') AS taken;
SELECT * FROM pause_tasks_of(:x);
-- A task that is given back, or whose attempt has failed, is paused too.
SELECT noetl.resume(:x) AS resumed;
SELECT queue_id AS bill FROM noetl.lease('w') \gset
SELECT noetl.pause(:x, until => now() + interval '1 day') AS paused;
SELECT noetl.release(:bill, 'w') AS released;
SELECT * FROM pause_tasks_of(:x);
-- Its time comes: whoever leases, or does what is due, resumes it.
SELECT noetl.pause(:x, until => clock_timestamp() + interval '0.2 s') AS paused;
SELECT count(*) AS leased FROM noetl.lease('w', 10);
SELECT pg_sleep(0.3);
SELECT noetl.enqueue_next() >= 0 AS done;
SELECT queue_id AS bill FROM noetl.lease('w', 10) \gset
SELECT event_type, meta - 'by' - 'until' AS meta, meta ? 'until' AS until FROM noetl.event
 WHERE execution_id = :x AND event_type LIKE 'execution_%' ORDER BY event_id;
SELECT noetl.complete(:bill, '{}', 'w');
SELECT status, paused FROM noetl.execution WHERE execution_id = :x;
SELECT pause_wrong(:x) AS wrong;
SELECT noetl.pause(:x) AS over, noetl.resume(:x) AS nothing, noetl.pause(NULL) AS none, noetl.resume(NULL) AS none2;
SELECT noetl.pause(4711);
SELECT noetl.pause(:x, until => '2020-01-01 00:00:00+00');

-- Retries and items: the delay of an attempt runs on, its task is paused when it ends.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: pause/retry
workflow:
- {step: start, next: try}
- {step: try, type: shell, command: x, retry: {max_attempts: 3, initial_delay: 0.01, jitter: false}, queue_timeout: 1h}
$$) > 0 AS registered;
SELECT noetl.execute('pause/retry') AS x \gset
-- The time that a task may wait for a worker stands still.
SELECT deadline IS NOT NULL AS waits_until, lease_until IS NOT NULL AS reaped FROM noetl.queue WHERE execution_id = :x;
SELECT noetl.pause(:x) AS paused;
SELECT status, deadline, lease_until FROM noetl.queue WHERE execution_id = :x;
SELECT noetl.resume(:x) AS resumed;
SELECT status, deadline > now() + interval '59 min' AS waits_until, lease_until = deadline AS reaped FROM noetl.queue WHERE execution_id = :x;
SELECT queue_id AS task FROM noetl.lease('w') \gset
SELECT noetl.pause(:x) AS paused;
SELECT noetl.fail(:task, 'bad luck', 'w') AS failed;
SELECT pg_sleep(0.1);
SELECT noetl.enqueue_next() < 2 AS done;
SELECT * FROM pause_tasks_of(:x);
SELECT count(*) AS leased FROM noetl.lease('w', 10);
SELECT pause_wrong(:x) AS wrong;
-- Only the functions pause and resume.
INSERT INTO noetl.event (execution_id, event_type) VALUES (:x, 'execution_resumed') RETURNING meta;
SELECT paused IS NOT NULL AS paused FROM noetl.execution WHERE execution_id = :x;
-- A client may do what it does with a ready task.
SELECT noetl.skip(:x, 'try', '{"done": "by hand"}');
SELECT status, paused FROM noetl.execution WHERE execution_id = :x;
SELECT pause_wrong(:x) AS wrong;

-- A lease that is lost: the task waits for the end of the pause.
SELECT noetl.execute('pause/retry') AS x \gset
SELECT count(*) AS leased FROM noetl.lease('w', lease => '0.01 s');
SELECT noetl.pause(:x) AS paused;
SELECT pg_sleep(0.1);
SELECT noetl.enqueue_next() < 2 AS done;
SELECT status, attempts, lost_leases, worker_id FROM noetl.queue WHERE execution_id = :x;
SELECT pause_wrong(:x) AS wrong;
SELECT noetl.resume(:x) AS resumed;
SELECT step FROM work();
SELECT status FROM noetl.execution WHERE execution_id = :x;

-- A paused execution is cancelled, and goes on: it is not paused any more.
SELECT noetl.execute('pause/order') AS x \gset
SELECT noetl.pause(:x) AS paused;
SELECT noetl.cancel(:x) AS cancelled;
SELECT status, paused FROM noetl.execution WHERE execution_id = :x;
SELECT count(*) AS tasks FROM pause_tasks_of(:x);
SELECT pause_wrong(:x) AS wrong;
SELECT noetl.redrive(:x) AS steps;
SELECT * FROM pause_tasks_of(:x);
SELECT pause_wrong(:x) AS wrong;

-- All tasks of a type: the rows stay as they are, and nobody is given them.
SELECT noetl.pause_tasks(type => 'http', reason => 'the gateway is down') > 0 AS paused;
SELECT path, type, reason, paused_by = current_user::regrole AS by_me, until FROM noetl.pause_rule;
SELECT node_name AS leased FROM noetl.lease('w', 10);
SELECT count(*) AS leased FROM noetl.lease('w', 10, types => '{http}');
SELECT * FROM pause_tasks_of(:x);
SELECT type, path, ready, leased, retry, paused, oldest_age IS NULL AS no_age FROM noetl.backlog ORDER BY type;
SELECT step, state, waits_for, plain(detail) AS detail, plain(hint) AS hint FROM noetl.why(:x) WHERE state = 'paused';
SELECT noetl.pause_tasks(type => 'http', reason => 'maintenance', until => now() + interval '1 day') = (SELECT pause_id FROM noetl.pause_rule) AS same;
SELECT reason, until > now() AS ends FROM noetl.pause_rule;
SELECT noetl.resume_tasks(type => 'mail') AS none, noetl.resume_tasks(type => 'http') AS one;
SELECT node_name AS leased FROM noetl.lease('w', 10);
SELECT noetl.cancel(:x) AS cancelled;
DELETE FROM noetl.queue WHERE execution_id = :x;

-- The tasks of a playbook: also of executions that are started meanwhile.
SELECT noetl.execute('pause/order') AS x \gset
SELECT noetl.pause_tasks('pause/order', 'mail', 'wrong address') > 0 AS paused;
SELECT * FROM pause_tasks_of(:x);
SELECT noetl.execute('pause/order') AS y \gset
SELECT * FROM pause_tasks_of(:y);
SELECT pause_wrong(:x) AS wrong, pause_wrong(:y) AS wrong_y;
SELECT step, state, waits_for, plain(detail) AS detail, plain(hint) AS hint FROM noetl.why(:y) WHERE state = 'paused';
SELECT type, path, ready, leased, retry, paused FROM noetl.backlog ORDER BY type;
-- A task that falls under two pauses waits for the end of both.
SELECT noetl.pause(:y) AS paused;
SELECT noetl.resume_tasks() AS resumed;
SELECT * FROM pause_tasks_of(:x);
SELECT * FROM pause_tasks_of(:y);
SELECT noetl.resume(:y) AS resumed;
SELECT * FROM pause_tasks_of(:y);
-- A rule ends by itself.
SELECT noetl.pause_tasks('pause/order', until => clock_timestamp() + interval '0.5 s') > 0 AS paused;
SELECT count(*) AS leased FROM noetl.lease('w', 10);
SELECT pg_sleep(0.6);
SELECT noetl.enqueue_next() >= 0 AS done;
SELECT node_name AS leased FROM noetl.lease('w', 10);
SELECT path, type FROM noetl.pause_rule;
-- Everything at once.
SELECT noetl.execute('pause/retry') AS z \gset
SELECT noetl.pause_tasks() > 0 AS paused;
SELECT count(*) AS leased FROM noetl.lease('w', 10);
SELECT step, state, plain(detail) AS detail, hint FROM noetl.why(:z);
CALL noetl.wait_for_work('1 ms');
SELECT noetl.resume_tasks();
CALL noetl.wait_for_work('10 s');
SELECT node_name AS leased FROM noetl.lease('w', 10);
SELECT noetl.cancel(:x), noetl.cancel(:y), noetl.cancel(:z);
DELETE FROM noetl.queue WHERE execution_id IN (:x, :y, :z);

-- More tasks than one call takes: they are paused and made ready portion by portion.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: pause/many
workflow:
- {step: start, next: all}
- step: all
  type: iterator
  mode: distributed
  collection: "{{ range(12500) | list }}"
  element: n
  concurrency: 12500
  task: {type: many, command: "{{ n }}"}
$$) > 0 AS registered;
SET noetl.template_max_output = '100MB';
SELECT noetl.execute('pause/many') AS x \gset
SELECT noetl.pause(:x) AS paused;
SELECT status, count(*) FROM noetl.queue WHERE execution_id = :x GROUP BY 1 ORDER BY 1;
-- The leases pause the rest before they could hand it out.
SELECT count(*) AS leased FROM noetl.lease('w', 100, types => '{many}');
SELECT status, count(*) FROM noetl.queue WHERE execution_id = :x GROUP BY 1 ORDER BY 1;
BEGIN;
SELECT noetl.resume(:x) AS resumed;
SELECT status, count(*) FROM noetl.queue WHERE execution_id = :x GROUP BY 1 ORDER BY 1;
COMMIT;
SELECT count(*) AS leased FROM noetl.lease('w', 100, types => '{many}');
DO $$
BEGIN
    FOR i IN 1 .. 100 LOOP
        PERFORM noetl.enqueue_next();
        COMMIT;
        EXIT WHEN NOT EXISTS (SELECT FROM noetl.queue WHERE status = 'paused');
    END LOOP;
END
$$;
SELECT status, count(*) FROM noetl.queue WHERE execution_id = :x GROUP BY 1 ORDER BY 1;
-- In the order in which they came.
SELECT bool_and(before) AS in_order
  FROM (SELECT current_index > lag(current_index) OVER (ORDER BY queue_id) IS NOT FALSE AS before
          FROM noetl.queue WHERE execution_id = :x) AS t;
SELECT noetl.cancel(:x);
DELETE FROM noetl.queue WHERE execution_id = :x;
-- Nothing is kept of pauses that are over, once nobody can know them.
DO $$
BEGIN
    FOR i IN 1 .. 100 LOOP
        PERFORM noetl.enqueue_next();
        COMMIT;
        EXIT WHEN NOT EXISTS (SELECT FROM noetl.pause_end);
        PERFORM pg_sleep(0.1);
    END LOOP;
END
$$;
SELECT count(*) AS ends FROM noetl.pause_end;

-- A portion does not read those before it again, also while another pause has just ended.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: pause/some
workflow:
- {step: start, next: all}
- step: all
  type: iterator
  mode: distributed
  collection: "{{ range(2500) | list }}"
  element: n
  concurrency: 2500
  task: {type: some, command: "{{ n }}"}
$$) > 0 AS registered;
SELECT noetl.pause_tasks('pause/some') > 0 AS paused;
SELECT noetl.execute('pause/some') AS x \gset
SELECT noetl.pause_tasks('pause/other') > 0 AS paused, noetl.resume_tasks('pause/other') > 0 AS resumed;
SELECT noetl.pause_tasks('pause/some', until => clock_timestamp() + interval '0.3 s') > 0 AS paused;
SELECT pg_sleep(0.4);
BEGIN;
SELECT noetl.enqueue_next() >= 0 AS done;
SELECT status, count(*) FROM noetl.queue WHERE execution_id = :x GROUP BY 1 ORDER BY 1;
SELECT pg_stat_get_xact_tuples_returned('noetl.queue_retry_idx'::regclass) AS read \gset
SELECT noetl.enqueue_next() >= 0 AS done;
SELECT status, count(*) FROM noetl.queue WHERE execution_id = :x GROUP BY 1 ORDER BY 1;
SELECT pg_stat_get_xact_tuples_returned('noetl.queue_retry_idx'::regclass) - :read < 1500 AS few;
COMMIT;
SELECT noetl.cancel(:x);
DELETE FROM noetl.queue WHERE execution_id = :x;

-- An empty path or type is none: it would take the place of the pause of all.
SELECT noetl.pause_tasks('', '');
SELECT noetl.pause_tasks(type => '');
SELECT noetl.resume_tasks('');

-- Rights: one's own executions; kinds of tasks are the administrator's.
CREATE ROLE pause_client;
GRANT EXECUTE ON FUNCTION noetl.pause(bigint, text, timestamptz), noetl.resume(bigint, text) TO pause_client;
GRANT SELECT ON noetl.backlog TO pause_client;
SELECT noetl.execute('pause/retry') AS x \gset
SET ROLE pause_client;
\set VERBOSITY sqlstate
SELECT noetl.pause(:x);
SELECT noetl.resume(:x);
SELECT noetl.pause_tasks();
SELECT noetl.resume_tasks();
SELECT count(*) FROM noetl.pause_rule;
SELECT count(*) FROM noetl.backlog;
\set VERBOSITY default
RESET ROLE;
SELECT noetl.cancel(:x);
REVOKE ALL ON FUNCTION noetl.pause(bigint, text, timestamptz), noetl.resume(bigint, text) FROM pause_client;
REVOKE ALL ON noetl.backlog FROM pause_client;
DROP ROLE pause_client;
DROP FUNCTION pause_wrong, pause_tasks_of, plain;

-- A zoo of executions that do not move, and why.  Times and ids differ from run to run.
CREATE FUNCTION told(execution bigint)
RETURNS TABLE (step text, state text, waits_for text, detail text, hint text)
LANGUAGE sql AS $$
    SELECT w.step, w.state,
           regexp_replace(w.waits_for, 'session \d+', 'session <pid>'),
           regexp_replace(regexp_replace(regexp_replace(regexp_replace(regexp_replace(w.detail,
               '\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?[-+:\d]*', '<time>', 'g'),
               '\m\d+ (s|min|h|days)\M', '<span>', 'g'),
               'Session \d+', 'Session <pid>'), '\d{12,}', '<id>', 'g'),
               ', application ''[^'']*''', ''),
           regexp_replace(regexp_replace(w.hint, '\d{12,}', '<id>', 'g'), 'backend\(\d+\)', 'backend(<pid>)')
      FROM noetl.why(execution) AS w
$$;
TRUNCATE noetl.runtime;
\pset format unaligned
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: zoo/one
workflow:
- {step: feed, type: zebra, command: x, retry: {max_attempts: 3, initial_delay: 3600, max_delay: 3600, jitter: false}, next: end}
- step: end
$$) > 0 AS registered;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: zoo/join
workflow:
- {step: start, next: [left, right, aside]}
- {step: aside, type: lion, command: x}
- {step: left, type: zebra, command: x, next: both}
- {step: right, type: lion, command: x, next: both}
- {step: both, type: zebra, command: x, next: end}
- step: end
$$) > 0 AS registered;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: zoo/parent
workflow:
- {step: call, type: playbook, path: zoo/one, timeout: 3600, next: end}
- step: end
$$) > 0 AS registered;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: zoo/items
workflow:
- step: each
  type: iterator
  collection: [1, 2, 3, 4, 5]
  element: item
  mode: distributed
  concurrency: 3
  task: {type: zebra, command: "{{ item }}"}
  next: end
- step: end
$$) > 0 AS registered;

-- 1. There is no such execution.
SELECT * FROM told(1);
-- 2. Nobody has ever asked for this type.
SELECT noetl.execute('zoo/one') AS one \gset
SELECT * FROM told(:one);
-- 3. Somebody asks for one that is a letter away.
SELECT count(*) FROM noetl.lease('keeper', 1, '1 min', '{zebr, okapi}');
SELECT * FROM told(:one);
-- 4. The worker that asked for it went away two hours ago.
SELECT noetl.announce('keeper', '{zebra}') AS announced;
UPDATE noetl.runtime SET last_heartbeat = now() - interval '2 h 1 min', runtime = '{}',
       capabilities = jsonb_build_object('types', jsonb_build_object('zebra', now() - interval '2 h 1 min'));
SELECT * FROM told(:one);
-- 5. Workers ask, but others are first; one that takes anything counts, too.
SELECT noetl.announce('keeper', '{zebra}') AS announced, noetl.announce('other', '{}') AS any_type;
SELECT noetl.execute('zoo/one') AS second \gset
SELECT * FROM told(:second);
-- 6. A worker has it.
SELECT queue_id AS task FROM noetl.lease('keeper', 1, '1 min', '{zebra}') \gset
SELECT * FROM told(:one);
SELECT state, since <= now() AS since, due > now() + interval '50 s' AS due FROM noetl.why(:one);
-- 7. Its lease ran out and nobody is there to notice.
UPDATE noetl.queue SET lease_until = now() - interval '90 s' WHERE queue_id = :task;
SELECT * FROM told(:one);
UPDATE noetl.queue SET lease_until = now() + interval '1 min' WHERE queue_id = :task;
-- 8. The attempt failed; the next one is due in an hour …
SELECT noetl.fail(:task, 'the zebra is ill', 'keeper');
SELECT step, state, waits_for, detail ~ '^1 of 3 attempts have failed; the next is due in (60|59) min\.$' AS detail FROM noetl.why(:one);
-- 9. … or was.
UPDATE noetl.queue SET available_at = now() - interval '10 min' WHERE execution_id = :one;
SELECT * FROM told(:one);
-- 10. It is over: cancelled, failed.
SELECT noetl.cancel(:one, 'enough');
SELECT * FROM told(:one);
INSERT INTO noetl.event (execution_id, event_type, node_name, error) VALUES (:second, 'step_failed', 'feed', 'no hay');
SELECT * FROM told(:second);
-- 11. A join waits for the branch that can still arrive.
SELECT noetl.execute('zoo/join') AS e \gset
SELECT queue_id AS task FROM noetl.lease('keeper', 1, '1 min', '{zebra}') \gset
SELECT noetl.complete(:task, '{}', 'keeper');
SELECT * FROM told(:e);
-- 12. A parent waits for its child.
SELECT noetl.execute('zoo/parent') AS e \gset
SELECT * FROM told(:e);
SELECT due > now() + interval '50 min' AS due FROM noetl.why(:e);
-- 13. An iterator waits for its items.
SELECT noetl.execute('zoo/items') AS e \gset
SELECT * FROM told(:e);
SELECT queue_id AS task FROM noetl.queue WHERE execution_id = :e ORDER BY queue_id LIMIT 1 \gset
UPDATE noetl.queue SET priority = 9 WHERE queue_id = :task;
SELECT noetl.complete(queue_id, '{}', 'keeper') FROM noetl.lease('keeper', 1, '1 min', '{zebra}');
SELECT count(*) FROM noetl.lease('keeper', 5, '1 min', '{zebra}');
SELECT step, state, detail FROM told(:e);
-- ... of which one has failed the execution, which goes on: that one is not done.
SELECT noetl.execute('zoo/items') AS again \gset
SELECT noetl.complete(queue_id, '{}', 'keeper') FROM noetl.lease('keeper', 1, '1 min', '{zebra}') WHERE execution_id = :again;
SELECT noetl.fail(queue_id, 'no', 'keeper') FROM noetl.lease('keeper', 1, '1 min', '{zebra}') WHERE execution_id = :again;
SELECT noetl.redrive(:again) AS resumed;
SELECT step, state, detail FROM told(:again);
SELECT noetl.cancel(:again);
-- 14. The broker is off: here, then in the database, with and without events that wait.
SET noetl.broker = off;
SELECT noetl.execute('zoo/one') AS off \gset
SELECT * FROM told(:off);
SELECT * FROM told(:e) WHERE step IS NULL;
RESET noetl.broker;
SELECT * FROM told(:off);
SELECT noetl.enqueue_next() >= 0 AS caught_up;
SELECT count(*) FROM told(:e) WHERE step IS NULL;
SELECT 'ALTER DATABASE ' || quote_ident(current_database()) || ' SET noetl.broker = off' \gexec
SELECT * FROM told(:e) WHERE step IS NULL;
SELECT 'ALTER DATABASE ' || quote_ident(current_database()) || ' RESET noetl.broker' \gexec
-- 15. Its rows are not what its log says.
BEGIN;
DELETE FROM noetl.queue WHERE execution_id = :e;
DELETE FROM noetl.run WHERE execution_id = :e;
SELECT * FROM told(:e);
ROLLBACK;
-- The names that workers have and what they take; in flight is what they lease.
SELECT worker_id, types, host, in_flight, connected FROM noetl.worker ORDER BY 1;
-- A lease writes its note once a minute, and not another name's.
UPDATE noetl.runtime SET last_heartbeat = now() - interval '30 s';
SELECT count(*) FROM noetl.lease('keeper', 1, '1 min', '{okapi}');
UPDATE noetl.runtime SET last_heartbeat = now() - interval '30 s';
SELECT count(*) FROM noetl.lease('keeper', 1, '1 min', '{okapi}');
\c -
SELECT count(*) FROM noetl.lease('keeper', 1, '1 min', '{okapi}');
\pset format unaligned
SELECT name, last_heartbeat < now() - interval '29 s' AS as_it_was FROM noetl.runtime ORDER BY 1;
SELECT noetl.announce('');
-- All of it reads only.
BEGIN READ ONLY;
SELECT count(*) > 0 FROM noetl.why(:e);
SELECT length(noetl.report(:e)) > 1000, length(noetl.metrics()) > 500, length(noetl.explain('zoo/join')) > 50,
       (SELECT count(*) FROM noetl.timeline(:e)) > 0, (SELECT count(*) FROM noetl.backlog) > 0,
       (SELECT count(*) FROM noetl.running) > 0, (SELECT count(*) FROM noetl.failure) > 0, (SELECT count(*) FROM noetl.worker) > 0;
COMMIT;
-- Nobody may, unless he is allowed to, and then of his own executions only.
CREATE ROLE zoo_visitor;
SET ROLE zoo_visitor;
SELECT * FROM noetl.why(1);
SELECT noetl.metrics();
SELECT count(*) FROM noetl.failure;
RESET ROLE;
GRANT EXECUTE ON FUNCTION noetl.why, noetl.report, noetl.explain, noetl.timeline, noetl.progress, noetl.metrics, noetl.lease TO zoo_visitor;
GRANT SELECT ON noetl.backlog, noetl.running, noetl.failure, noetl.worker TO zoo_visitor;
SET ROLE zoo_visitor;
\set VERBOSITY sqlstate
SELECT count(*) > 0 AS why FROM noetl.why(:e);
SELECT noetl.report(:e);
\set VERBOSITY default
SELECT length(noetl.explain('zoo/join')) > 50 AS explain;
SELECT (SELECT count(*) FROM noetl.backlog) AS tasks, (SELECT count(*) FROM noetl.worker) AS workers;
-- what failed for another role stays its own
SELECT count(*) AS failures FROM noetl.failure;
SELECT count(*) AS leased FROM noetl.lease('visitor', 1, '1 s', '{none}');
RESET ROLE;
SELECT types FROM noetl.worker WHERE worker_id = 'visitor';
DROP OWNED BY zoo_visitor;
DROP ROLE zoo_visitor;
-- What a worker says of itself does not say which session it has, and cannot be in the way of who looks.
SELECT noetl.announce('odd', '{zebra}', '{"pid": "pod 7", "backend_start": "never", "host": "here"}') AS announced;
SELECT worker_id, host, connected FROM noetl.worker WHERE worker_id = 'odd';
UPDATE noetl.runtime SET runtime = runtime || '{"pid": "pod 7", "backend_start": "never"}' WHERE name = 'odd';
SELECT worker_id, host, connected FROM noetl.worker WHERE worker_id = 'odd';
DELETE FROM noetl.runtime WHERE name = 'odd';
-- A worker whose session has ended takes nothing, however lately it has asked.
TRUNCATE noetl.runtime;
SELECT noetl.announce('gone', '{zebra}', '{"application": "noetl-worker gone"}') AS announced;
UPDATE noetl.runtime SET runtime = runtime - 'pid';
SELECT noetl.execute('zoo/one') AS gone \gset
SELECT * FROM told(:gone);
UPDATE noetl.runtime SET runtime = runtime || jsonb_build_object('application', current_setting('application_name'));
SELECT * FROM told(:gone);
-- Whoever says that a task has begun, and not who that is, has no lease that runs out; the hint
-- gives the attempt up.
SELECT noetl.execute('zoo/one') AS e \gset
INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (:e, 'action_started', 'feed');
SELECT * FROM told(:e);
SELECT replace(hint, 'If the client is gone: ', '') AS hint FROM noetl.why(:e) WHERE state = 'leased' \gset
:hint
SELECT step, state, due > now() AS due FROM noetl.why(:e);
SELECT * FROM noetl.verify(:e);
SELECT noetl.cancel(execution_id) FROM noetl.execution WHERE path LIKE 'zoo/%' AND status = 'RUNNING' AND parent_execution_id IS NULL ORDER BY 1;

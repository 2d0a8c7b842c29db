\pset format unaligned
\pset tuples_only on
\set VERBOSITY terse
SET statement_timeout = '60 s';
-- Rules that pause tasks: which tasks fall under one, and until when.
SELECT count(noetl.register(format($$
apiVersion: noetl.io/v1
kind: Playbook
path: rules/%s
workflow:
- {step: a, type: rulea, code: x}
$$, name))) FROM unnest('{one,two}'::text[]) name;

-- Who waits for work looks when the first of several rules ends.
SELECT noetl.execute('rules/one') AS one \gset
SELECT noetl.pause_tasks('rules/two', until => clock_timestamp() + interval '1 h') > 0,
       noetl.pause_tasks('rules/one', until => clock_timestamp() + interval '0.4 s') > 0,
       noetl.pause_tasks('rules/three', until => clock_timestamp() + interval '1 h') > 0;
SELECT clock_timestamp() AS began \gset
CALL noetl.wait_for_work('20 s', '{rulea}');
SELECT clock_timestamp() - :'began'::timestamptz < interval '10 s';
SELECT execution_id = :one FROM noetl.lease('w', 5, types => '{rulea}');
SELECT noetl.cancel(:one);
SELECT noetl.resume_tasks();
DELETE FROM noetl.queue WHERE node_type = 'rulea';

-- A rule for the tasks of one playbook is none for those of another, of the same type or not.
SELECT noetl.pause_tasks('rules/one', 'rulea') > 0, noetl.pause_tasks('rules/three') > 0;
SELECT noetl.execute('rules/one') AS one \gset
SELECT noetl.execute('rules/two') AS two \gset
SELECT x.path, q.status FROM noetl.queue q JOIN noetl.execution x USING (execution_id) WHERE node_type = 'rulea' ORDER BY 1;
SELECT count(noetl.complete(queue_id, '1', 'w')) FROM noetl.lease('w', 5, types => '{rulea}');
SELECT execution_id = :two AS two, status FROM noetl.execution WHERE execution_id IN (:one, :two) ORDER BY execution_id;
-- Whoever asks for tasks of any type is given them, too.
SELECT noetl.execute('rules/two') AS two \gset
SELECT bool_or(execution_id = :two) FROM noetl.lease('w', 5);
SELECT noetl.cancel(:two);
SELECT noetl.resume_tasks();
SELECT execution_id = :one AS one FROM noetl.lease('w', 5, types => '{rulea}');
SELECT noetl.cancel(:one);

-- A rule whose time is over pauses nothing any more, although nobody has deleted it yet.
SELECT noetl.pause_tasks('rules/one', until => clock_timestamp() + interval '0.3 s') > 0;
SELECT pg_sleep(0.4);
SELECT noetl.execute('rules/one') AS one \gset
SELECT status FROM noetl.queue WHERE execution_id = :one;
SELECT path, until < clock_timestamp() AS over FROM noetl.pause_rule;
SELECT noetl.cancel(:one);
SELECT noetl.resume_tasks();
DELETE FROM noetl.queue WHERE node_type = 'rulea';

-- The time that a task may wait for its first lease does not count for one that was leased before.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: rules/wait
workflow:
- {step: a, type: ruleb, code: x, queue_timeout: 1h, retry: {max_attempts: 3, initial_delay: 0.01, jitter: false}}
$$) > 0;
SELECT noetl.execute('rules/wait') AS id \gset
SELECT noetl.fail(queue_id, 'no', 'w') FROM noetl.lease('w', types => '{ruleb}');
SELECT noetl.pause(:id);
SELECT pg_sleep(0.1)::text = '', noetl.enqueue_next() >= 0;
SELECT status, deadline, lease_until FROM noetl.queue WHERE execution_id = :id;
SELECT noetl.resume(:id);
SELECT status, attempts, deadline, lease_until FROM noetl.queue WHERE execution_id = :id;
SELECT noetl.cancel(:id);
-- Nor for one that its worker has given back.
SELECT noetl.execute('rules/wait') AS id \gset
SELECT noetl.release(queue_id, 'w') FROM noetl.lease('w', types => '{ruleb}');
SELECT noetl.pause(:id);
SELECT noetl.resume(:id);
SELECT status, attempts, deadline, lease_until FROM noetl.queue WHERE execution_id = :id;
SELECT noetl.cancel(:id);

-- Tasks of a pause that is over are all made ready at once, also those before what another pause has come to.
SELECT noetl.register(format($$
apiVersion: noetl.io/v1
kind: Playbook
path: rules/%s
workflow:
- {step: a, type: rulee, code: x}
$$, word)) > 0 FROM (VALUES ('first'), ('second')) AS of(word);
SELECT noetl.execute('rules/second') > 0, noetl.execute('rules/first') > 0, noetl.execute('rules/second') > 0;
SELECT noetl.pause_tasks('rules/first') > 0, noetl.pause_tasks('rules/second') > 0;
SELECT noetl.resume_tasks();
SELECT status, count(*) FROM noetl.queue WHERE node_type = 'rulee' GROUP BY 1;
SELECT count(noetl.cancel(execution_id)) FROM noetl.execution WHERE path IN ('rules/first', 'rules/second');

-- A task that begins while it is paused takes no slot, which another one gets.
SELECT noetl.register(format($$
apiVersion: noetl.io/v1
kind: Playbook
path: rules/%s
workflow:
- {step: a, type: rulef, code: x, limits: {name: rules_slot, concurrency: 1}}
$$, word)) > 0 FROM (VALUES ('paused'), ('free')) AS of(word);
SELECT noetl.pause_tasks('rules/paused') > 0;
SELECT noetl.execute('rules/paused') > 0, noetl.execute('rules/free') > 0;
SELECT path, q.status FROM noetl.queue AS q JOIN noetl.execution USING (execution_id) WHERE node_type = 'rulef' ORDER BY path;
SELECT noetl.resume_tasks();
SELECT path, q.status FROM noetl.queue AS q JOIN noetl.execution USING (execution_id) WHERE node_type = 'rulef' ORDER BY path;
SELECT count(noetl.cancel(execution_id)) FROM noetl.execution WHERE path IN ('rules/paused', 'rules/free');
SELECT count(*) FROM noetl.slot WHERE name = 'rules_slot';

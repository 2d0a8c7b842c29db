\pset format unaligned
\pset tuples_only on
\set VERBOSITY terse
SET statement_timeout = '60 s';
-- What is due: how much of it a call reads, and when who waits looks.

-- Of thousands of steps whose time has come a call reads those only that it may take on.
BEGIN;
INSERT INTO noetl.run (execution_id, step_name, visit, state, arrivals, created_at, due_at)
SELECT 1, 'step', n, 'open', '[]', now(), clock_timestamp() - interval '1 h' FROM generate_series(1, 10000) n;
SELECT pg_stat_get_xact_tuples_returned('noetl.run_due_idx'::regclass) AS read \gset
SELECT count(*) FROM noetl.lease('w', types => '{none}');
SELECT pg_stat_get_xact_tuples_returned('noetl.run_due_idx'::regclass) - :read BETWEEN 1 AND 7000;
ROLLBACK;

-- Who waits for work looks at the first of several times.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: due/later
workflow:
- {step: a, type: duel, code: x}
$$) > 0;
SELECT noetl.execute('due/later', run_at => clock_timestamp() + interval '0.4 s') AS soon \gset
SELECT noetl.execute('due/later', run_at => clock_timestamp() + interval '1 h') AS later \gset
SELECT clock_timestamp() AS began \gset
CALL noetl.wait_for_work('20 s', '{duel}');
SELECT clock_timestamp() - :'began'::timestamptz < interval '10 s';
SELECT execution_id = :soon FROM noetl.lease('w', 5, types => '{duel}');
SELECT noetl.cancel(:soon), noetl.cancel(:later);
DELETE FROM noetl.queue WHERE node_type = 'duel';

-- Who waits for work looks when the pause of an execution ends.
SELECT noetl.execute('due/later') AS paused \gset
SELECT noetl.pause(:paused, until => clock_timestamp() + interval '0.4 s');
SELECT clock_timestamp() AS began \gset
CALL noetl.wait_for_work('20 s', '{duel}');
SELECT clock_timestamp() - :'began'::timestamptz < interval '10 s';
SELECT execution_id = :paused FROM noetl.lease('w', 5, types => '{duel}');
SELECT noetl.cancel(:paused);
DELETE FROM noetl.queue WHERE node_type = 'duel';

-- A call for one execution leaves what is due of others.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: due/again
workflow:
- {step: a, type: duer, code: x, retry: {max_attempts: 3, initial_delay: 0.01, jitter: false}}
$$) > 0;
SELECT noetl.execute('due/again') AS first \gset
SELECT noetl.execute('due/again') AS second \gset
SELECT count(noetl.fail(queue_id, 'no', 'w')) FROM noetl.lease('w', 2, types => '{duer}');
SELECT pg_sleep(0.1);
SELECT noetl.enqueue_next(:second);
SELECT execution_id = :second AS second, status FROM noetl.queue WHERE node_type = 'duer' ORDER BY execution_id;
SELECT noetl.enqueue_next() > 0;
SELECT status FROM noetl.queue WHERE node_type = 'duer';
SELECT noetl.cancel(:first), noetl.cancel(:second);

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

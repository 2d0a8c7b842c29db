\pset format unaligned
\pset tuples_only on
\set VERBOSITY terse
SET statement_timeout = '60 s';
-- Of thousands of steps whose time has come a call reads those only that it may take on.
BEGIN;
INSERT INTO noetl.run (execution_id, step_name, visit, state, arrivals, created_at, due_at)
SELECT 1, 'step', n, 'open', '[]', now(), clock_timestamp() - interval '1 h' FROM generate_series(1, 10000) n;
SELECT pg_stat_get_xact_tuples_returned('noetl.run_due_idx'::regclass) AS read \gset
SELECT count(*) FROM noetl.lease('w', types => '{none}');
SELECT pg_stat_get_xact_tuples_returned('noetl.run_due_idx'::regclass) - :read BETWEEN 1 AND 7000;
ROLLBACK;

-- A commit that fails at its last moment: PostgreSQL refuses to empty one of two tables while the
-- other refers to it.  What the transaction has changed, and what is known of it, is as before.
\set fail 'CREATE TEMP TABLE swept (a int PRIMARY KEY) ON COMMIT DELETE ROWS; CREATE TEMP TABLE refers (a int REFERENCES swept)'
\set look 'SELECT q.status, q.worker_id, s.held FROM noetl.queue q LEFT JOIN noetl.slot s USING (queue_id) WHERE q.node_type = ''fails'' ORDER BY q.queue_id'
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: fails/slot
workflow:
- {step: a, type: fails, code: x, limits: {name: fails, concurrency: 2}}
$$) > 0 AS registered;

-- A slot that was given up is held nevertheless: it is not another one's.
SELECT count(noetl.execute('fails/slot')) FROM generate_series(1, 2);
SELECT count(*) FROM noetl.lease('w', 2, '1 hour', '{fails}');
BEGIN;
SELECT count(noetl.complete(queue_id, '1', 'w')) FROM noetl.queue WHERE worker_id = 'w';
:fail;
COMMIT;
SELECT noetl.execute('fails/slot') > 0 AS started;
:look;
SELECT v.* FROM noetl.execution x, noetl.verify(x.execution_id) v WHERE x.path = 'fails/slot';

-- A slot that was taken is free: the next one has it.
SELECT count(noetl.complete(queue_id, '1', 'w')) FROM noetl.queue WHERE worker_id = 'w';
:look;
BEGIN;
SELECT noetl.execute('fails/slot') > 0 AS started;
:fail;
COMMIT;
SELECT noetl.execute('fails/slot') > 0 AS started;
:look;

-- Tasks that were leased are leased by the next one, the oldest first.
BEGIN;
SELECT count(*) FROM noetl.lease('w', 2, '1 hour', '{fails}');
:fail;
COMMIT;
SELECT row_number() OVER () AS n, attempts FROM noetl.lease('v', 2, '1 hour', '{fails}');
:look;

-- Events that were stored are none, and the log goes on where it was.
BEGIN;
SELECT count(noetl.complete(queue_id, '1', 'v')) FROM noetl.queue WHERE worker_id = 'v';
:fail;
COMMIT;
SELECT count(noetl.complete(queue_id, '2', 'v')) FROM noetl.queue WHERE worker_id = 'v';
SELECT status, count(*) FROM noetl.execution WHERE path = 'fails/slot' GROUP BY 1;
SELECT result, count(*) FROM noetl.event WHERE event_type = 'action_completed' AND execution_id IN (SELECT execution_id FROM noetl.execution WHERE path = 'fails/slot') GROUP BY 1 ORDER BY 1;
SELECT v.* FROM noetl.execution x, noetl.verify(x.execution_id) v WHERE x.path = 'fails/slot';
SELECT count(*) FROM noetl.slot WHERE name = 'fails';

-- A prepared transaction has settled nothing, and its slots are not what later ones of the
-- session give up: they are held when it is rolled back.
SELECT count(noetl.execute('fails/slot')) FROM generate_series(1, 2);
SELECT count(*) FROM noetl.lease('w', 2, '1 hour', '{fails}');
SELECT current_setting('max_prepared_transactions') <> '0' AS can_prepare \gset
\if :can_prepare
BEGIN;
DO $$BEGIN PERFORM noetl.complete(queue_id, '1', 'w') FROM noetl.queue WHERE worker_id = 'w'; END$$;
PREPARE TRANSACTION 'fails';
DO $$BEGIN PERFORM 1; END$$;
ROLLBACK PREPARED 'fails';
\endif
SELECT noetl.execute('fails/slot') > 0 AS started;
:look;
SELECT v.* FROM noetl.execution x, noetl.verify(x.execution_id) v WHERE x.path = 'fails/slot';
SELECT count(noetl.cancel(execution_id)) FROM noetl.execution WHERE path = 'fails/slot' AND status = 'RUNNING';
SELECT count(noetl.release(queue_id, 'w')) FROM noetl.queue WHERE node_type = 'fails';
SELECT count(*) FROM noetl.slot WHERE name = 'fails';

-- A playbook that was registered is not there.
BEGIN;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: fails/registered
workflow:
- {step: a, type: fails, code: x}
$$) AS catalog \gset
SELECT noetl.execute('fails/registered') > 0 AS started;
:fail;
COMMIT;
\set VERBOSITY terse
SELECT noetl.execute('fails/registered');
INSERT INTO noetl.event (execution_id, event_type, catalog_id) VALUES (noetl.next_id(), 'execution_start', :catalog);
:look;

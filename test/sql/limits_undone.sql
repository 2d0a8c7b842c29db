-- Slots of limits, where a part of a transaction is rolled back.
CREATE FUNCTION pg_temp.tasks(OUT execution bigint, OUT node_name text, OUT status text) RETURNS SETOF record LANGUAGE sql AS
    $$SELECT rank() OVER (ORDER BY q.execution_id), q.node_name, q.status FROM noetl.queue q ORDER BY q.execution_id, q.queue_id$$;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: undone/pool
workflow:
- {step: one, type: python, code: x, limits: {name: undone, concurrency: 2}}
$$) > 0 AS registered;

-- Of what is held nobody hears from a transaction of which a part was rolled back.
SELECT noetl.execute('undone/pool') AS a \gset
BEGIN;
SAVEPOINT part;
SELECT noetl.execute('undone/pool') AS lost \gset
ROLLBACK TO part;
RELEASE part;
SELECT noetl.execute('undone/pool') AS lost \gset
ROLLBACK;
SELECT noetl.execute('undone/pool') AS b \gset
SELECT noetl.execute('undone/pool') AS c \gset
SELECT * FROM pg_temp.tasks();
SELECT count(noetl.cancel(execution_id)) FROM noetl.execution WHERE execution_id IN (:a, :b, :c);
SELECT count(*) FROM noetl.slot;

-- A slot that a part of a transaction has given up is held when that part is rolled back.
SELECT count(noetl.execute('undone/pool')) FROM generate_series(1, 2);
SELECT count(*) FROM noetl.lease('w1', 2, '1 hour');
BEGIN;
SAVEPOINT part;
SELECT count(noetl.complete(queue_id, '{}', 'w1')) FROM noetl.queue WHERE worker_id = 'w1';
ROLLBACK TO part;
COMMIT;
SELECT count(noetl.execute('undone/pool')) FROM generate_series(1, 2);
SELECT node_name, status FROM pg_temp.tasks();
SELECT count(noetl.complete(queue_id, '{}', 'w1')) FROM noetl.queue WHERE worker_id = 'w1';
SELECT count(noetl.complete(queue_id, '{}', 'w1')) FROM noetl.lease('w1', 2);
SELECT count(*) FROM noetl.slot;

-- A session that has completed a task of its own comes upon two whose time is over, one of
-- which cannot be ended: that one keeps its slot, the other two slots are given up.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: undone/late
workload: {seconds: 3600}
workflow:
  - {step: one, type: python, code: x, timeout: "{{ workload.seconds }}", limits: {name: late, concurrency: 3}}
$$) > 0 AS registered;
SELECT noetl.execute('undone/late') AS own \gset
SELECT queue_id AS task FROM noetl.lease('w1') \gset
SELECT noetl.execute('undone/late', '{"seconds": 0.5}') AS stuck \gset
CREATE FUNCTION pg_temp.refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE 'it cannot be ended'; END$$;
CREATE TRIGGER refuse BEFORE UPDATE ON noetl.execution FOR EACH ROW WHEN (new.execution_id = :stuck) EXECUTE FUNCTION pg_temp.refuse();
SELECT count(*) FROM noetl.lease('w2', lease => '1 h');
SELECT noetl.execute('undone/late', '{"seconds": 0.51}') AS late \gset
SELECT count(*) FROM noetl.lease('w3', lease => '1 h');
SELECT pg_sleep(0.7);
SELECT count(*) FROM noetl.complete_and_lease(:task, '{}', 'w1', types => '{none}');
DO $$
BEGIN
    FOR i IN 1 .. 600 LOOP
        EXIT WHEN (SELECT count(*) = 1 FROM noetl.execution WHERE path = 'undone/late' AND ended_at IS NULL);
        PERFORM noetl.lease('w1', types => '{none}');
        COMMIT;
        PERFORM pg_sleep(0.1);
    END LOOP;
END $$;
SELECT execution_id = :stuck AS stuck, status, error FROM noetl.execution WHERE path = 'undone/late' ORDER BY execution_id;
SELECT execution_id = :stuck AS stuck, held FROM noetl.slot;
SELECT v.* FROM noetl.execution x, noetl.verify(x.execution_id) v WHERE x.path LIKE 'undone/%';
DROP TRIGGER refuse ON noetl.execution;
SELECT noetl.cancel(:stuck);
SELECT noetl.release(queue_id, 'w2') FROM noetl.queue WHERE execution_id = :stuck;
DELETE FROM noetl.reaper_failure WHERE execution_id = :stuck;
SELECT count(*) FROM noetl.slot;

-- A trigger of a user that runs into an error, and catches it, loses no slot that is given up.
CREATE FUNCTION pg_temp.stumble() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    BEGIN
        PERFORM 1 / 0;
    EXCEPTION WHEN division_by_zero THEN
        NULL;
    END;
    RETURN new;
END
$$;
CREATE TRIGGER stumble BEFORE INSERT ON noetl.event FOR EACH ROW EXECUTE FUNCTION pg_temp.stumble();
SELECT noetl.execute('undone/late') AS a \gset
SELECT noetl.complete(queue_id, '{}', 'w1') FROM noetl.lease('w1');
SELECT status FROM noetl.execution WHERE execution_id = :a;
SELECT count(*) FROM noetl.slot;
DROP TRIGGER stumble ON noetl.event;

-- Which task is leased next: by priority, then in the order of the queue, of the
-- types that are asked for, however many types there are.
CREATE FUNCTION task(type text, priority int) RETURNS bigint LANGUAGE sql AS $$
    INSERT INTO noetl.queue (execution_id, catalog_id, node_id, node_name, node_type, action, priority)
    VALUES (1, 1, '1:s', type || ' ' || priority, type, '{}', priority) RETURNING queue_id
$$;
-- Puts twelve types in three priorities into the queue, and takes what it is told.
CREATE FUNCTION take(types text[], tasks int) RETURNS TABLE (leased text, in_order boolean, right_types boolean)
LANGUAGE plpgsql AS $$
DECLARE
    took bigint[];
BEGIN
    PERFORM task('order' || i % 12, (i / 12) % 3 - 1) FROM generate_series(1, 60) AS i;
    SELECT array_agg(l.queue_id ORDER BY l.ordinality) INTO took
      FROM noetl.lease('w', tasks, '60 s', types) WITH ORDINALITY AS l;
    RETURN QUERY
    SELECT string_agg(q.node_name, ', ' ORDER BY t.i),
           took = (SELECT array_agg(o.queue_id) FROM (
                       SELECT r.queue_id FROM noetl.queue r
                        WHERE r.execution_id = 1 AND (types IS NULL OR r.node_type = ANY (types))
                        ORDER BY r.priority DESC, r.queue_id LIMIT tasks) AS o),
           bool_and(types IS NULL OR q.node_type = ANY (types))
      FROM unnest(took) WITH ORDINALITY AS t (id, i) JOIN noetl.queue q ON q.queue_id = t.id;
    DELETE FROM noetl.queue WHERE execution_id = 1;
END
$$;
SELECT * FROM take('{order3}', 4);
SELECT * FROM take('{order4,order9,order4}', 6);
SELECT * FROM take('{order1,order2,order3,order4,order5,order6,order7,order8,order9,none}', 12);
SELECT * FROM take('{none}', 4);
-- Of many types a lease reads some, and each has its turn.
SELECT count(task('kind' || i, 0)) FROM generate_series(1, 2000) AS i;
BEGIN;
SELECT count(*) FROM noetl.lease('w', 1);
SELECT pg_stat_get_xact_numscans('noetl.queue_ready_idx'::regclass) < 500 AS reads_few;
COMMIT;
SELECT count(DISTINCT l.node_type) > 200 AS many FROM generate_series(1, 300) AS i CROSS JOIN LATERAL noetl.lease('w' || i, 1) AS l;
SELECT count(*), count(DISTINCT l.node_type) > 1500 AS the_others FROM noetl.lease('w', 1650) AS l;
CREATE FUNCTION left_over() RETURNS TABLE (type text) LANGUAGE sql AS $$ SELECT l.node_type FROM noetl.lease('w', 10000) AS l $$;
SELECT count(*) FROM left_over();
SELECT count(DISTINCT node_type), count(*) FILTER (WHERE status = 'queued') AS queued FROM noetl.queue WHERE execution_id = 1;
-- The last ready one is found wherever it is.
DELETE FROM noetl.queue WHERE execution_id = 1 AND node_type <> 'kind1234';
UPDATE noetl.queue SET status = 'queued', worker_id = NULL, lease_until = NULL, leased_by = NULL WHERE execution_id = 1;
SELECT l.node_type FROM noetl.lease('w', 2) AS l;
DELETE FROM noetl.queue WHERE execution_id = 1;
SELECT count(task('turn' || i % 100, 0)) FROM generate_series(1, 1000) AS i;
SELECT count(DISTINCT l.node_type) > 64 AS turns FROM generate_series(1, 200) AS i CROSS JOIN LATERAL noetl.lease('w' || i, 1) AS l;
DELETE FROM noetl.queue WHERE execution_id = 1;
SELECT count(*) FROM noetl.lease('w', 1, '60 s', (SELECT array_agg('kind' || i) FROM generate_series(1, 65) AS i));
DROP FUNCTION left_over, take, task;

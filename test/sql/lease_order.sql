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
DROP FUNCTION take, task;

-- The start of an iterator with many items can be interrupted while it is decided on and while
-- it is written.  How soon is told by the processor time of the session, beside that of the
-- whole start: a busy machine changes neither much.
CREATE FUNCTION pg_temp.cpu() RETURNS int LANGUAGE sql AS $$
    SELECT t[12]::int + t[13]::int
      FROM regexp_split_to_array(regexp_replace(pg_read_file('/proc/self/stat'), '^.*\) ', ''), ' ') AS t
$$;
-- Starts an execution and takes it back; returns the ticks that this took.
CREATE FUNCTION pg_temp.start(path text, timeout text) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    began int := pg_temp.cpu();
BEGIN
    BEGIN
        PERFORM noetl.execute(path);
        RAISE SQLSTATE 'XX999';
    EXCEPTION
        WHEN query_canceled THEN
            NULL;
        WHEN SQLSTATE 'XX999' THEN
            IF timeout <> '0' THEN
                RAISE '% was not interrupted', path;
            END IF;
    END;
    RETURN pg_temp.cpu() - began;
END
$$;
CREATE FUNCTION pg_temp.register(name text, keys text) RETURNS boolean LANGUAGE sql AS $$
    SELECT noetl.register(format($book$
apiVersion: noetl.io/v1
kind: Playbook
path: interrupt/%s
workflow:
- {step: start, next: each}
- step: each
  type: iterator
  element: x
  mode: distributed
  %s
  next: end
- {step: end}
$book$, name, keys)) > 0
$$;
-- As many tasks as items …
SELECT pg_temp.register('tasks', 'collection: "{{ range(30000) }}"
  concurrency: 30000
  task: {type: python, code: y, args: {x: "{{ x }}"}}');
-- … items of which each one fails at its start, and makes room for the next …
SELECT pg_temp.register('failing', 'collection: "{{ range(30000) }}"
  concurrency: 1
  on_error: continue
  task: {type: python, code: y, args: {x: "{{ x.y.z }}"}}');
-- … and items that wait.
SELECT pg_temp.register('waiting', 'collection: "{{ range(300000) }}"
  concurrency: 1
  task: {type: python, code: y}');
CREATE TEMPORARY TABLE took (path text, whole int, interrupted int);
INSERT INTO took SELECT 'interrupt/' || n, pg_temp.start('interrupt/' || n, '0') FROM unnest('{tasks,failing,waiting}'::text[]) AS n;
-- (the timer begins with the statement)
SET statement_timeout = '100 ms';
UPDATE took SET interrupted = pg_temp.start(path, '100 ms') WHERE path = 'interrupt/tasks';
UPDATE took SET interrupted = pg_temp.start(path, '100 ms') WHERE path = 'interrupt/failing';
UPDATE took SET interrupted = pg_temp.start(path, '100 ms') WHERE path = 'interrupt/waiting';
RESET statement_timeout;
-- (150 ms are all that a machine may spend that does the whole in little more)
SELECT path, interrupted < greatest(whole / 2, 15) AS soon FROM took ORDER BY path;
SELECT * FROM took WHERE NOT interrupted < greatest(whole / 2, 15);
SELECT count(*) AS executions, (SELECT count(*) FROM noetl.item AS i WHERE i.step_name = 'each') AS items
  FROM noetl.execution AS x WHERE x.path LIKE 'interrupt/%';
-- An event starts no more than 50,000 items together, whatever its iterators ask for.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: interrupt/two
workflow:
- {step: start, next: [first, second]}
- {step: first, type: iterator, element: x, collection: "{{ range(60000) }}", mode: distributed, concurrency: 60000, task: {type: python, code: y}}
- {step: second, type: iterator, element: x, collection: "{{ range(100) }}", mode: distributed, concurrency: 100, task: {type: python, code: y}}
$$) > 0 AS registered;
SELECT noetl.execute('interrupt/two') AS id \gset
SELECT node_name, context ->> 'concurrency' AS in_flight FROM noetl.event WHERE execution_id = :id AND event_type = 'iterator_started' ORDER BY event_id;
SELECT node_name, count(*) FROM noetl.queue WHERE execution_id = :id GROUP BY node_name ORDER BY node_name;
SELECT count(*) FROM noetl.verify(:id);
-- Each item that ends makes room for one.
SELECT count(noetl.complete(queue_id, 'null', 'w')) FROM noetl.lease('w', 3) WHERE node_name = 'first';
SELECT node_name, count(*) FROM noetl.queue WHERE execution_id = :id GROUP BY node_name ORDER BY node_name;
SELECT noetl.cancel(:id);

-- What complete_and_lease itself makes ready it may lease as it comes into being.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: fresh/fan
workflow:
- step: first
  type: python
  code: x
  next: [low, high, other, middle]
- {step: low, type: python, code: x}
- {step: high, type: python, code: x, priority: 7}
- {step: other, type: shell, command: x, priority: 9}
- {step: middle, type: python, code: x, priority: 3}
$$) > 0 AS registered;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: fresh/waiting
workflow:
- {step: waiting, type: python, code: x, priority: 3}
$$) > 0 AS registered;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: fresh/failing
workflow:
- step: first
  type: python
  code: x
  next: [good, bad]
- {step: good, type: python, code: x}
- {step: bad, type: python, code: x, args: {n: "{{ 1 // 0 }}"}}
$$) > 0 AS registered;

CREATE VIEW tasks AS
    SELECT node_name, q.status, attempts, worker_id, lease_until > now() AS held
      FROM noetl.queue q JOIN noetl.execution x USING (execution_id)
     WHERE x.path LIKE 'fresh/%'
     ORDER BY queue_id;
-- Ends what is left.
CREATE FUNCTION clean_up() RETURNS bigint LANGUAGE sql AS $$
    SELECT count(noetl.cancel(execution_id)) FROM noetl.execution WHERE status = 'RUNNING' AND path LIKE 'fresh/%';
    SELECT count(noetl.complete(queue_id, '1', 'w')) FROM noetl.queue WHERE worker_id = 'w';
$$;
-- The task of the first step of a new execution.
CREATE FUNCTION begin_with(playbook text) RETURNS bigint LANGUAGE sql AS $$
    SELECT noetl.execute(playbook);
    SELECT queue_id FROM noetl.lease('w', 1, '60 s', '{python}')
$$;

-- By priority, then in order; of the types that were asked for; what is left is queued.
SELECT begin_with('fresh/fan') AS task \gset
SELECT node_name, status, attempts, worker_id FROM noetl.complete_and_lease(:task, '1', 'w', 2, '60 s', '{python}');
SELECT * FROM tasks;
SELECT clean_up() > 0 AS ended;

-- Among those that wait already.
SELECT begin_with('fresh/fan') AS task \gset
SELECT noetl.execute('fresh/waiting') > 0 AS started;
SELECT node_name FROM noetl.complete_and_lease(:task, '1', 'w', 5, '60 s');
SELECT clean_up() > 0 AS ended;

-- More than one call in a transaction, and a transaction that fails.
SELECT begin_with('fresh/fan') AS task \gset
BEGIN;
SELECT node_name, queue_id AS high FROM noetl.complete_and_lease(:task, '1', 'w', 1, '60 s', '{python}') \gset
SELECT node_name FROM noetl.complete_and_lease(:high, '1', 'w', 1, '60 s', '{python}');
SELECT * FROM tasks;
ROLLBACK;
SELECT * FROM tasks;
SELECT node_name FROM noetl.complete_and_lease(:task, '1', 'w', 1, '60 s', '{shell}');
SELECT * FROM tasks;
SELECT clean_up() > 0 AS ended;

-- What fails in the evaluation that made it ready is not leased.
SELECT begin_with('fresh/failing') AS task \gset
SELECT node_name FROM noetl.complete_and_lease(:task, '1', 'w', 5);
SELECT * FROM tasks;
SELECT status, error FROM noetl.execution WHERE execution_id = newest('fresh/failing');

-- Triggers see every row come, and change.
CREATE TABLE seen (what text);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO seen VALUES (concat_ws(' ', TG_OP, NEW.node_name, NEW.status));
    RETURN NULL;
END
$$;
CREATE TRIGGER note AFTER INSERT OR UPDATE ON noetl.queue FOR EACH ROW EXECUTE FUNCTION note();
SELECT begin_with('fresh/fan') AS task \gset
SELECT node_name FROM noetl.complete_and_lease(:task, '1', 'w', 1, '60 s', '{python}');
SELECT * FROM seen;
DROP TRIGGER note ON noetl.queue;
SELECT clean_up() > 0 AS ended;

-- A row that a user has made ready by hand is found after a second, although the session has
-- just found that none was.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: fresh/line
workflow:
- {step: one, type: python, code: x, next: two}
- {step: two, type: python, code: x, next: three}
- {step: three, type: python, code: x}
$$) > 0 AS registered;
SELECT begin_with('fresh/line') AS task \gset
SELECT queue_id AS task, node_name FROM noetl.complete_and_lease(:task, '1', 'w', 1, '60 s', '{python}') \gset
SELECT :'node_name' AS node_name;
INSERT INTO noetl.queue (execution_id, catalog_id, node_id, node_name, node_type, action, priority)
VALUES (1, 1, '1:by_hand', 'by_hand', 'python', '{}', 5);
SELECT pg_sleep(1.1);
SELECT node_name FROM noetl.complete_and_lease(:task, '1', 'w', 1, '60 s', '{python}');
DELETE FROM noetl.queue WHERE node_name = 'by_hand';
SELECT clean_up() >= 0 AS ended;

-- That there is nothing of one type says nothing of another one.
SELECT begin_with('fresh/line') AS task \gset
SELECT noetl.execute('fresh/waiting') > 0 AS started;
SELECT count(*) AS nothing FROM noetl.lease('w', 1, '60 s', '{ruby}');
SELECT node_name FROM noetl.complete_and_lease(:task, '1', 'w', 1, '60 s', '{python}');
SELECT clean_up() > 0 AS ended;

-- What a transaction has leased, and a user makes ready again by hand in it, is ready.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: fresh/fair
fairness: {key: k}
workflow:
- {step: fair, type: python, code: x}
$$) > 0 AS registered;
BEGIN;
SELECT noetl.execute('fresh/fair') > 0 AS started;
SELECT node_name FROM noetl.lease('w', 1, '60 s', '{python}');
UPDATE noetl.queue SET status = 'queued', worker_id = NULL WHERE node_name = 'fair';
SELECT node_name FROM noetl.lease('w', 1, '60 s', '{python}');
COMMIT;
SELECT clean_up() > 0 AS ended;

-- What a prepared transaction has leased is ready when that is rolled back, and the first as before.
SELECT noetl.execute('fresh/waiting') AS first \gset
BEGIN;
SELECT node_name FROM noetl.lease('w', 1, '60 s', '{python}');
PREPARE TRANSACTION 'fresh';
SELECT noetl.execute('fresh/waiting') > 0 AS started;
ROLLBACK PREPARED 'fresh';
SELECT execution_id = :first AS first FROM noetl.lease('w', 1, '60 s', '{python}');
SELECT clean_up() > 0 AS ended;
DROP FUNCTION note, begin_with(text), clean_up;
DROP TABLE seen;
DROP VIEW tasks;

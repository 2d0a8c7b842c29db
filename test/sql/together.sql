-- Things that happen in one statement, in one evaluation, inside each other.

-- A branch that fails in the evaluation that starts its siblings.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: together/doomed
workflow:
- {step: start, next: [a, b]}
- {step: a, type: python, code: x}
- {step: b, type: python, code: x, data: {z: "{{ 1 / 0 }}"}}
$$) > 0 AS registered;
SELECT noetl.execute('together/doomed') > 0 AS started;
SELECT event, node, status FROM story('together/doomed');
SELECT count(*) AS queued FROM noetl.queue;

-- Rows of one statement are decided one after the other.
SELECT noetl.register(E'apiVersion: noetl.io/v1\nkind: Playbook\npath: together/fan\nworkflow:\n'
    || E'- {step: start, next: [split, side]}\n- {step: side, type: python, code: x, next: end}\n'
    || E'- {step: split, type: python, code: x, next: [' || string_agg('b' || i, ', ') || E']}\n'
    || string_agg(format(E'- {step: b%s, type: python, code: x, next: join}\n', i), '')
    || E'- {step: join, type: python, code: x, next: end}\n- step: end\n') > 0 AS registered
  FROM generate_series(1, 200) i;
SELECT noetl.execute('together/fan') AS x \gset
INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (:x, 'action_completed', 'split'), (:x, 'action_completed', 'side');
INSERT INTO noetl.event (execution_id, event_type, node_name) SELECT :x, 'action_completed', 'b' || i FROM generate_series(1, 200) i;
INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (:x, 'action_completed', 'join'), (:x, 'execution_cancelled', NULL);
SELECT event_type, node_name, meta ->> 'ignored' AS ignored FROM noetl.event WHERE execution_id = :x ORDER BY created_at DESC LIMIT 4;
SELECT count(*), count(*) FILTER (WHERE created_at > before AND event_id > id_before) AS increasing
  FROM (SELECT created_at, lag(created_at) OVER w AS before, event_id, lag(event_id) OVER w AS id_before
          FROM noetl.event WHERE execution_id = :x WINDOW w AS (ORDER BY event_id)) t;
-- The same with the broker off.
SET noetl.broker = off;
SELECT noetl.execute('together/fan') AS x \gset
INSERT INTO noetl.event (execution_id, event_id, event_type, node_name) VALUES (:x, 2, 'action_completed', 'split'), (:x, 1, 'action_completed', 'side');
INSERT INTO noetl.event (execution_id, event_type, node_name) SELECT :x, 'action_completed', 'b' || i FROM generate_series(1, 200) i;
INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (:x, 'action_completed', 'join'), (:x, 'execution_cancelled', NULL), (:x, 'execution_cancelled', NULL);
RESET noetl.broker;
SELECT noetl.enqueue_next(:x);
SELECT event_type, node_name, meta ->> 'ignored' AS ignored FROM noetl.event WHERE execution_id = :x AND event_type LIKE 'execution%' ORDER BY created_at;
-- What was stored while it was off is decided before what comes then.
SET noetl.broker = off;
SELECT noetl.execute('together/fan') AS x \gset
RESET noetl.broker;
INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (:x, 'action_completed', 'side');
SELECT event_type, node_name, meta ->> 'ignored' AS ignored FROM noetl.event WHERE execution_id = :x ORDER BY created_at;
SELECT noetl.cancel(:x);

-- Users' triggers that insert events, before and after the row.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: together/trigger
workflow:
- {step: start, next: [a, b, r]}
- {step: r, next: c}
- {step: a, type: python, code: x, next: j}
- {step: b, type: python, code: x, next: j}
- {step: c, type: python, code: x, next: j}
- {step: j, type: python, code: x, next: end}
- step: end
$$) > 0 AS registered;
CREATE FUNCTION answer() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.event_type = 'step_started' THEN
        INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (NEW.execution_id, 'action_completed', NEW.node_name);
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER answer AFTER INSERT ON noetl.event FOR EACH ROW EXECUTE FUNCTION answer();
SELECT noetl.execute('together/trigger') > 0 AS started;
SELECT event, node FROM story('together/trigger');
DROP TRIGGER answer ON noetl.event;
CREATE TRIGGER answer BEFORE INSERT ON noetl.event FOR EACH ROW EXECUTE FUNCTION answer();
SELECT noetl.execute('together/trigger') > 0 AS started;
SELECT event, node FROM story('together/trigger');
DROP TRIGGER answer ON noetl.event;
DROP FUNCTION answer();
SELECT count(*) AS queued FROM noetl.queue;
SELECT count(*) AS waiting FROM noetl.run;

-- Visits are counted whatever node_id and result the client gives.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: together/circle
workflow:
- {step: a, type: python, code: x, max_visits: 2, next: b}
- {step: b, type: python, code: x, next: a}
$$) > 0 AS registered;
SELECT noetl.execute('together/circle') AS x \gset
INSERT INTO noetl.event (execution_id, event_type, node_name, node_id) VALUES
    (:x, 'step_completed', 'a', NULL), (:x, 'action_completed', 'b', 'mine'),
    (:x, 'action_completed', 'a', 'mine'), (:x, 'step_completed', 'b', NULL);
SELECT event, node FROM story('together/circle');

-- Given back after the end: not leased again.
SELECT noetl.execute('together/trigger') AS x \gset
SELECT max(queue_id) AS task FROM noetl.lease('w', 3) \gset
INSERT INTO noetl.event (execution_id, event_type) VALUES (:x, 'execution_failed');
SELECT noetl.release(:task, 'w');
SELECT status, count(*) FROM noetl.queue GROUP BY status;
DELETE FROM noetl.queue;

-- Reaping while waiting reads values that are stored out of line.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: together/wait
workflow:
- {step: a, type: python, code: x, next: b}
- {step: b, type: shell, command: x, on_lost: fail, on_error: {step: c}}
- {step: c, type: python, code: x, data: {z: "{{ a.big[:3] }}"}}
$$) > 0 AS registered;
SELECT noetl.execute('together/wait') AS x \gset
INSERT INTO noetl.event (execution_id, event_type, node_name, result)
SELECT :x, 'action_completed', 'a', jsonb_build_object('big', string_agg(sha256(i::text::bytea)::text, '')) FROM generate_series(1, 2000) i;
SELECT node_name FROM noetl.lease('w', 1, '50 ms');
CALL noetl.wait_for_work('10 s', '{python}');
SELECT node_name, action -> 'data' AS data FROM noetl.queue;
SELECT noetl.cancel(:x);

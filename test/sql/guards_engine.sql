-- Stories of guards of the engine and the broker, each of which turns red when its guard is
-- missing; see "Guards" in doc/guarantees.md.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: engine/one
workflow:
- {step: a, type: python, code: x}
$$) > 0 AS registered;

-- What a role says of somebody else's execution is refused, and nothing of it is stored.
CREATE ROLE regress_engine_ann;
CREATE ROLE regress_engine_bob;
GRANT USAGE ON SCHEMA noetl TO regress_engine_ann, regress_engine_bob;
GRANT EXECUTE ON FUNCTION noetl.execute TO regress_engine_ann;
GRANT EXECUTE ON FUNCTION noetl.pause, noetl.redrive TO regress_engine_bob;
GRANT INSERT ON noetl.event TO regress_engine_ann, regress_engine_bob;
SET ROLE regress_engine_ann;
SELECT noetl.execute('engine/one') AS id \gset
SET ROLE regress_engine_bob;
\set VERBOSITY sqlstate
INSERT INTO noetl.event (execution_id, event_type, node_name, result) VALUES (:id, 'action_completed', 'a', '"of bob"');
INSERT INTO noetl.event (execution_id, event_type) VALUES (:id, 'execution_cancelled');
INSERT INTO noetl.event (event_type, parent_execution_id, context) VALUES ('execution_start', :id, '{"path": "engine/one"}');
SELECT noetl.pause(:id);
SELECT noetl.redrive(:id);
SET ROLE regress_engine_ann;
INSERT INTO noetl.event (execution_id, event_type) VALUES (:id, 'execution_redriven');
\set VERBOSITY default
INSERT INTO noetl.event (execution_id, event_type, node_name, result) VALUES (:id, 'action_completed', 'a', '"of ann"');
RESET ROLE;
SELECT event_type, result FROM noetl.event WHERE execution_id = :id ORDER BY event_id;
SELECT status FROM noetl.execution WHERE execution_id = :id;
DROP OWNED BY regress_engine_ann, regress_engine_bob;
DROP ROLE regress_engine_ann, regress_engine_bob;

-- An execution that a session has failed with, and of which nobody can be told, is left alone
-- for a second.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: engine/short
timeout: 0.01
workflow:
- {step: a, type: none, code: x}
$$) > 0 AS registered;
CREATE SEQUENCE engine_tries;
CREATE FUNCTION engine_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM nextval('engine_tries');
    RAISE 'not now';
END
$$;
CREATE TRIGGER engine_refuse BEFORE INSERT ON noetl.event FOR EACH ROW WHEN (new.event_type = 'execution_failed') EXECUTE FUNCTION engine_refuse();
ALTER TABLE noetl.reaper_failure ADD CONSTRAINT engine_secret CHECK (error <> 'not now');
SELECT noetl.execute('engine/short') AS id \gset
SELECT pg_sleep(0.02);
SELECT clock_timestamp() AS began \gset
SELECT count(noetl.enqueue_next()) FROM generate_series(1, 50);
SELECT last_value BETWEEN 1 AND 1 + extract(epoch FROM clock_timestamp() - :'began'::timestamptz) AS left_alone FROM engine_tries;
SELECT count(*) FROM noetl.reaper_failure;
DROP TRIGGER engine_refuse ON noetl.event;
ALTER TABLE noetl.reaper_failure DROP CONSTRAINT engine_secret;
SELECT noetl.enqueue_next(:id);
SELECT status, error FROM noetl.execution WHERE execution_id = :id;
SELECT * FROM noetl.verify(:id);

-- What a save has written is committed with the statement that has completed the step.
CREATE TABLE engine_saved (id int);
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: engine/saved
workflow:
- {step: a, type: python, code: x, save: {storage: postgres, table: public.engine_saved, data: {id: "{{ result.id }}"}}}
$$) > 0 AS registered;
CREATE ROLE regress_engine_saver;
ALTER TABLE engine_saved OWNER TO regress_engine_saver;
GRANT EXECUTE ON FUNCTION noetl.execute TO regress_engine_saver;
SET ROLE regress_engine_saver;
SELECT noetl.execute('engine/saved') > 0 AS started;
RESET ROLE;
SELECT * FROM work('{"a": {"id": 7}}');
\c -
SELECT * FROM engine_saved;
SELECT status FROM noetl.execution WHERE execution_id = newest('engine/saved');
DROP OWNED BY regress_engine_saver;
DROP ROLE regress_engine_saver;

-- Which drive of its execution an event ends is not the client's to say.
SELECT noetl.execute('engine/one') AS id \gset
INSERT INTO noetl.event (execution_id, event_type, meta) VALUES (:id, 'execution_failed', '{"drive": 9, "mine": 1}');
SELECT event_type, meta FROM noetl.event WHERE execution_id = :id AND event_type = 'execution_failed';
SELECT * FROM noetl.verify(:id);

-- An execution that waits for a slot and that a user deletes takes no slot from others, and
-- its absence is no error of theirs.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: engine/limited
limits: {name: engine_runs, concurrency: 1}
workflow:
- {step: a, type: python, code: x}
$$) > 0 AS registered;
SELECT noetl.execute('engine/limited') AS one \gset
SELECT noetl.execute('engine/limited') AS two \gset
SELECT noetl.execute('engine/limited') AS three \gset
DELETE FROM noetl.execution WHERE execution_id = :two;
SELECT count(*) FROM work();
SELECT status FROM noetl.execution WHERE execution_id IN (:one, :two, :three) ORDER BY execution_id;
SELECT count(*) FROM noetl.slot;
DELETE FROM noetl.event WHERE execution_id = :two;

-- An event that is rolled back says nothing of what comes after it, however large its id was.
SELECT noetl.execute('engine/one') AS all_of_it \gset
SELECT noetl.execute('engine/one') AS a_part \gset
SELECT noetl.execute('engine/one') AS prepared \gset
BEGIN;
INSERT INTO noetl.event (execution_id, event_id, event_type, node_name) VALUES (:all_of_it, 4611686018427387904, 'action_completed', 'a');
SELECT max(event_id) > 4611686018427387904 AS later_ones_are_larger FROM noetl.event WHERE execution_id = :all_of_it;
ROLLBACK;
SELECT noetl.cancel(:all_of_it);
BEGIN;
SAVEPOINT part;
INSERT INTO noetl.event (execution_id, event_id, event_type, node_name) VALUES (:a_part, 4611686018427387904, 'action_completed', 'a');
ROLLBACK TO part;
SELECT noetl.cancel(:a_part);
COMMIT;
SELECT current_setting('max_prepared_transactions') <> '0' AS can_prepare \gset
\if :can_prepare
BEGIN;
INSERT INTO noetl.event (execution_id, event_id, event_type, node_name) VALUES (:prepared, 4611686018427387904, 'action_completed', 'a');
PREPARE TRANSACTION 'engine';
ROLLBACK PREPARED 'engine';
\endif
SELECT noetl.cancel(:prepared);
SELECT count(*), bool_and(event_id < 4611686018427387904) AS by_the_clock FROM noetl.event WHERE execution_id IN (:all_of_it, :a_part, :prepared) AND event_type = 'execution_cancelled';
SELECT v.* FROM unnest(ARRAY[:all_of_it, :a_part, :prepared]) AS id, noetl.verify(id) AS v;

-- What a trigger of a user writes into the row of a task, while its worker reports, counts
-- when the report is decided on.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: engine/retried
workflow:
- {step: a, type: python, code: x, next: b}
- {step: b, type: python, code: x, retry: {max_attempts: 3, initial_delay: 0, jitter: false}}
$$) > 0 AS registered;
CREATE FUNCTION engine_give_up() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE noetl.queue SET max_attempts = attempts WHERE execution_id = new.execution_id;
    RETURN new;
END
$$;
CREATE TRIGGER engine_give_up BEFORE INSERT ON noetl.event FOR EACH ROW WHEN (new.event_type = 'action_error') EXECUTE FUNCTION engine_give_up();
SELECT noetl.execute('engine/retried') AS id \gset
SELECT queue_id AS task FROM noetl.lease('w') \gset
SELECT queue_id AS task FROM noetl.complete_and_lease(:task, '{}', 'w') \gset
SELECT noetl.fail(:task, 'no', 'w');
DROP TRIGGER engine_give_up ON noetl.event;
SELECT status, error FROM noetl.execution WHERE execution_id = :id;
DELETE FROM noetl.event WHERE execution_id = :id;
DELETE FROM noetl.execution WHERE execution_id = :id;

-- Nothing that a session has set, and no lock that it has, makes a difference to a save.
CREATE TABLE engine_saved (hex text, float_digits text);
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: engine/settings
workflow:
- step: a
  type: python
  code: x
  save: {storage: postgres, statement: "INSERT INTO public.engine_saved VALUES (current_setting('bytea_output'), current_setting('extra_float_digits'))"}
$$) > 0 AS registered;
CREATE ROLE regress_engine_saver;
ALTER TABLE engine_saved OWNER TO regress_engine_saver;
GRANT EXECUTE ON FUNCTION noetl.execute TO regress_engine_saver;
SET ROLE regress_engine_saver;
SELECT noetl.execute('engine/settings') > 0 AS started;
RESET ROLE;
SET bytea_output = escape;
SET extra_float_digits = -15;
SELECT count(pg_advisory_lock(4711, i)) FROM generate_series(1, 2000) AS i;
SELECT * FROM work();
SELECT * FROM engine_saved;
SELECT count(*) FILTER (WHERE pg_advisory_unlock(4711, i)) FROM generate_series(1, 2000) AS i;
SHOW bytea_output;
RESET bytea_output;
RESET extra_float_digits;
DROP OWNED BY regress_engine_saver;
DROP ROLE regress_engine_saver;

-- A worker says that it saves, while an end waits for the broker: it still has its lease.
SELECT noetl.execute('engine/one') AS id \gset
SELECT node_name FROM noetl.lease('w');
SET noetl.broker = off;
INSERT INTO noetl.event (execution_id, event_type) VALUES (:id, 'execution_cancelled');
INSERT INTO noetl.event (execution_id, event_type, node_name, worker_id) VALUES (:id, 'save_started', 'a', 'w');
INSERT INTO noetl.event (execution_id, event_type) VALUES (:id, 'execution_failed');
RESET noetl.broker;
SELECT noetl.enqueue_next(:id) >= 0 AS decided;
SELECT event_type, meta ->> 'ignored' AS ignored FROM noetl.event WHERE execution_id = :id ORDER BY event_id;
SELECT status FROM noetl.execution WHERE execution_id = :id;
SELECT noetl.release(queue_id, 'w') FROM noetl.queue WHERE execution_id = :id;
SELECT * FROM noetl.verify(:id);

-- Where the step that return_step names has no value, a child's last value counts.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: engine/child
workflow:
- {step: a, type: python, code: x, next: b}
- {step: b, type: python, code: x, next: end}
- {step: end}
$$) > 0 AS registered;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: engine/parent
workflow:
- {step: call, type: playbook, path: engine/child, return_step: a}
$$) > 0 AS registered;
SELECT noetl.execute('engine/parent') > 0 AS started;
SELECT step FROM work('{"a": null, "b": {"last": 1}}');
SELECT event_type, result FROM noetl.event WHERE execution_id = newest('engine/parent') AND result IS NOT NULL ORDER BY event_id;

-- What is put off while it waits for its slot waits once, and gets one slot.
SELECT noetl.execute('engine/limited') AS holder \gset
SELECT noetl.debounce('engine/limited', 'put off', '0.01 s') AS id \gset
SELECT pg_sleep(0.02);
SELECT noetl.enqueue_next() >= 0 AS begins_to_wait;
SELECT run_at = 'infinity' AS waits FROM noetl.execution WHERE execution_id = :id;
SELECT noetl.debounce('engine/limited', 'put off', '0.01 s') = :id AS the_same;
SELECT pg_sleep(0.02);
SELECT noetl.enqueue_next() >= 0 AS waits_again;
SELECT execution_id = :id AS put_off, held FROM noetl.slot ORDER BY 1;
SELECT count(*) FROM work();
SELECT status FROM noetl.execution WHERE execution_id IN (:holder, :id);
SELECT count(*) FROM noetl.slot;

-- A step that is not in the playbook, or has nothing to undo, is passed over in a plan of
-- compensations that somebody has written anew.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: engine/undo
workflow:
- {step: a, type: python, code: x, compensate: {type: http, url: undo a}, next: b}
- {step: b, type: python, code: x, compensate: {type: http, url: undo b}, next: c}
- {step: c, type: python, code: x, compensate: {type: http, url: undo c}, next: d}
- {step: d, type: python, code: x}
$$) > 0 AS registered;
SELECT noetl.execute('engine/undo') AS id \gset
SELECT step FROM work('{"d": {"fail": "no"}}', 4);
UPDATE noetl.event SET meta = jsonb_set(jsonb_set(meta, '{steps,1,step}', '"d"'), '{steps,2,step}', '"gone"') WHERE execution_id = :id AND event_type = 'execution_compensating';
SELECT step FROM work();
SELECT status, error FROM noetl.execution WHERE execution_id = :id;
DELETE FROM noetl.event WHERE execution_id = :id;
DELETE FROM noetl.execution WHERE execution_id = :id;

-- A task that is being cancelled stays until its worker reports its end, whatever else it says.
SELECT noetl.execute('engine/one') AS id \gset
SELECT node_name FROM noetl.lease('w');
SELECT noetl.cancel(:id);
INSERT INTO noetl.event (execution_id, event_type, node_name, worker_id) VALUES (:id, 'action_started', 'a', 'w');
SELECT status, worker_id FROM noetl.queue WHERE execution_id = :id;
INSERT INTO noetl.event (execution_id, event_type, node_name, worker_id) VALUES (:id, 'action_completed', 'a', 'w');
SELECT count(*) FROM noetl.queue WHERE execution_id = :id;

-- Of what a rule cannot evaluate the first part is named: here the parameters, and not the key.
CREATE TABLE engine_orders (id int);
SELECT noetl.on_change('engine_orders', 'engine/one', parameters => '{"n": "{{ 1 / new.id }}"}', key => '{{ new.id.x.y }}') AS name;
INSERT INTO engine_orders VALUES (0);
SELECT status, error FROM noetl.execution WHERE execution_id = newest('engine/one');
DROP TABLE engine_orders;

-- A wait until a moment, of an execution that goes on after a failure, still ends at that moment,
-- though its timeout begins anew.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: engine/waiting
workload: {until: null}
workflow:
- {step: start, next: [ask, fail]}
- {step: ask, type: wait, signal: s, until: "{{ workload.until }}", timeout: 864000}
- {step: fail, type: python, code: x}
$$) > 0 AS registered;
SELECT noetl.execute('engine/waiting', jsonb_build_object('until', now() + interval '1 day')) AS id \gset
SELECT step FROM work('{"fail": {"fail": "no"}}');
SELECT status FROM noetl.execution WHERE execution_id = :id;
SELECT noetl.redrive(:id) AS resumed;
SELECT step_name, state, due_at < now() + interval '2 days' AS at_that_moment FROM noetl.run WHERE execution_id = :id;
SELECT * FROM noetl.verify(:id);
SELECT noetl.cancel(:id);

-- A log that names the role that has started an execution, and not its number, says enough.
SELECT noetl.execute('engine/one') AS id \gset
UPDATE noetl.event SET meta = meta - 'started_by_oid' WHERE execution_id = :id AND event_type = 'execution_start';
SELECT * FROM noetl.verify(:id);
SELECT noetl.cancel(:id);

SELECT count(noetl.cancel(execution_id)) FROM noetl.execution WHERE path LIKE 'engine/%' AND status = 'RUNNING';

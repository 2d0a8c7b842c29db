\pset format unaligned
\pset tuples_only on
\set VERBOSITY terse
SET statement_timeout = '60 s';
-- Slots that one task of an execution leaves to the next: which slot it is, and what a rate says.
CREATE FUNCTION pg_temp.tasks(which bigint) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(node_name || ' ' || status || CASE WHEN slot_of IS NOT NULL THEN ' keeps' ELSE '' END, ', ' ORDER BY node_name) FROM noetl.queue WHERE execution_id = which
$$;
CREATE FUNCTION pg_temp.slots(which bigint) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(s.name || CASE WHEN s.held THEN '' ELSE ' waits' END || ' for '
               || coalesce((SELECT node_name FROM noetl.queue q WHERE coalesce(q.slot_of, q.queue_id) = s.queue_id), 'nobody'), ', ' ORDER BY s.name)
      FROM noetl.slot s WHERE s.execution_id = which
$$;
-- Ends the first task of an execution, which waits for nothing.
CREATE FUNCTION pg_temp.go_on(type text) RETURNS bigint LANGUAGE sql AS $$
    SELECT count(noetl.complete(queue_id, '1', 'w')) FROM noetl.lease('w', 1, types => ARRAY[type])
$$;
CREATE FUNCTION pg_temp.clear() RETURNS bigint LANGUAGE sql AS $$
    SELECT count(noetl.cancel(execution_id)) FROM noetl.execution WHERE path LIKE 'kept/%' AND status = 'RUNNING'
$$;
SELECT count(noetl.register(format($$
apiVersion: noetl.io/v1
kind: Playbook
path: kept/%s
workflow:
- {step: a, type: kepta, code: x, limits: %s, next: b}
- {step: b, type: keptb, code: x, limits: %s}
$$, name, of_a, of_b)))
  FROM (VALUES ('one_two', '{name: kept_p, concurrency: 9}', '[{name: kept_p, concurrency: 9}, {name: kept_q, concurrency: 1}]'),
               ('two_one', '[{name: kept_p, concurrency: 9}, {name: kept_q, concurrency: 1}]', '{name: kept_p, concurrency: 9}'),
               ('other', '{name: kept_p, concurrency: 9}', '{name: kept_q, concurrency: 1}')) v (name, of_a, of_b);

-- A task with two limits takes both, although the task before has left a slot of the first.
SELECT noetl.execute('kept/one_two') AS first \gset
SELECT pg_temp.go_on('kepta');
SELECT pg_temp.tasks(:first), pg_temp.slots(:first);
SELECT noetl.execute('kept/one_two') AS second \gset
SELECT pg_temp.go_on('kepta');
SELECT pg_temp.tasks(:second), pg_temp.slots(:second);
SELECT x.path, v.* FROM noetl.execution x, noetl.verify(x.execution_id) v WHERE x.path LIKE 'kept/%';
SELECT pg_temp.clear();

-- A task with two limits gives up both, although the next one has the first of them, too.
SELECT noetl.execute('kept/two_one') AS id \gset
SELECT pg_temp.go_on('kepta');
SELECT pg_temp.tasks(:id), pg_temp.slots(:id);
SELECT x.path, v.* FROM noetl.execution x, noetl.verify(x.execution_id) v WHERE x.path LIKE 'kept/%';
SELECT pg_temp.clear();

-- A slot of one limit is none of another.
SELECT noetl.execute('kept/other') AS first \gset
SELECT pg_temp.go_on('kepta');
SELECT pg_temp.tasks(:first), pg_temp.slots(:first);
SELECT noetl.execute('kept/other') AS second \gset
SELECT pg_temp.go_on('kepta');
SELECT pg_temp.tasks(:second), pg_temp.slots(:second);
SELECT pg_temp.clear();
SELECT count(*) FROM noetl.slot WHERE name LIKE 'kept%';

-- A slot whose row cannot be written is none, although memory knows that there is room: in a
-- part of a transaction and in all of it.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: kept/last
workflow:
- {step: a, type: kepta, code: x, limits: {name: kept_o, concurrency: 1}}
$$) > 0;
SELECT noetl.execute('kept/last') AS id \gset
SELECT noetl.cancel(:id);
ALTER TABLE noetl.slot ADD CONSTRAINT no_kept_o CHECK (name <> 'kept_o');
SELECT noetl.execute('kept/last');
DO $$
BEGIN
    PERFORM noetl.execute('kept/last');
EXCEPTION WHEN check_violation THEN
    RAISE NOTICE 'refused';
END $$;
ALTER TABLE noetl.slot DROP CONSTRAINT no_kept_o;
SELECT noetl.execute('kept/last') AS id \gset
SELECT noetl.execute('kept/last') AS next \gset
SELECT pg_temp.tasks(:id), pg_temp.slots(:id), pg_temp.tasks(:next);
SELECT noetl.cancel(:id);
SELECT pg_temp.tasks(:next), pg_temp.slots(:next);
SELECT pg_temp.clear();

-- A task that waits, and whose place among those that wait is gone, gets another one by a rebuild.
SELECT noetl.execute('kept/last') AS id \gset
SELECT noetl.execute('kept/last') AS next \gset
DELETE FROM noetl.slot WHERE execution_id = :next;
SELECT relation FROM noetl.verify(:next);
SELECT noetl.rebuild(:next) > 0;
SELECT pg_temp.tasks(:next), pg_temp.slots(:next);
SELECT relation FROM noetl.verify(:next);
SELECT noetl.cancel(:id);
SELECT pg_temp.tasks(:next), pg_temp.slots(:next);
SELECT pg_temp.clear();

-- A paused task on which somebody works has its slot, and the next one waits for it.
SELECT noetl.execute('kept/last') AS id \gset
SELECT noetl.pause(:id);
SELECT pg_temp.tasks(:id), pg_temp.slots(:id);
INSERT INTO noetl.event (execution_id, event_type, node_name, worker_id) VALUES (:id, 'action_started', 'a', 'w');
SELECT pg_temp.tasks(:id), pg_temp.slots(:id);
SELECT noetl.execute('kept/last') AS next \gset
SELECT pg_temp.tasks(:next), pg_temp.slots(:next);
SELECT * FROM noetl.verify(:id);
SELECT pg_temp.clear();
SELECT count(noetl.release(queue_id, 'w')) FROM noetl.queue WHERE execution_id = :id;

-- Slots that a transaction has given up, of which it has taken one again, are held when it rolls back.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: kept/both
workflow:
- {step: a, type: kepta, code: x, limits: {name: kept_b, concurrency: 2}}
$$) > 0;
SELECT noetl.execute('kept/both') AS first \gset
SELECT noetl.execute('kept/both') AS second \gset
BEGIN;
SELECT noetl.cancel(:first), noetl.cancel(:second);
SELECT noetl.execute('kept/both') AS lost \gset
ROLLBACK;
SELECT noetl.execute('kept/both') AS third \gset
SELECT pg_temp.tasks(:first), pg_temp.tasks(:second), pg_temp.tasks(:third);
SELECT pg_temp.clear();

-- Where the oldest is displaced, a task has its slot since it began, not since the task before it.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: kept/oldest
workflow:
- {step: a, type: kepta, code: x, limits: &oldest {name: kept_d, concurrency: 2, on_limit: cancel_oldest}, next: b}
- {step: b, type: keptb, code: x, limits: *oldest}
$$) > 0;
SELECT noetl.execute('kept/oldest') AS first \gset
SELECT noetl.execute('kept/oldest') AS second \gset
SELECT pg_temp.go_on('kepta');
SELECT noetl.execute('kept/oldest') AS third \gset
SELECT pg_temp.tasks(:first), pg_temp.tasks(:second), pg_temp.tasks(:third);
SELECT pg_temp.clear();

-- Who keeps a slot uses up the rate, too; a rate begins with the server as if it were used up.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: kept/rate
workflow:
- {step: a, type: kepta, code: x, limits: &paced {name: kept_r, concurrency: 9, rate: {limit: 1, per: second, burst: 2}}, next: b}
- {step: b, type: keptb, code: x, limits: *paced, next: c}
- {step: c, type: keptc, code: x, limits: *paced}
$$) > 0;
SELECT pg_sleep(greatest(0, 3 - extract(epoch FROM clock_timestamp() - pg_postmaster_start_time())))::text = '';
SELECT clock_timestamp() AS began \gset
SELECT noetl.execute('kept/rate') AS id \gset
SELECT pg_temp.go_on('kepta'), pg_temp.tasks(:id);
SELECT pg_temp.go_on('keptb');
SELECT CASE WHEN clock_timestamp() < :'began'::timestamptz + interval '1 s' THEN pg_temp.tasks(:id) ELSE 'c blocked' END;
-- Who has waited for it uses it up in memory, and leaves no row.
SELECT pg_sleep(1.1)::text = '', noetl.enqueue_next() >= 0;
SELECT status FROM noetl.queue WHERE execution_id = :id;
SELECT count(*) FROM noetl.limit_pace WHERE name = 'kept_r';
SELECT pg_temp.clear();

-- A slower rate, which a rule brings meanwhile, counts in rows for who could keep a slot, too.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: kept/slow
workflow:
- {step: a, type: kepta, code: x, limits: &slow {name: kept_s, concurrency: 9}, next: b}
- {step: b, type: keptb, code: x, limits: *slow, next: c}
- {step: c, type: keptc, code: x, limits: *slow}
$$) > 0;
SELECT noetl.execute('kept/slow') AS id \gset
SELECT noetl.set_limit('kept_s', 9, '{"limit": 1, "per": "2 s", "burst": 1}');
SELECT clock_timestamp() AS began \gset
SELECT pg_temp.go_on('kepta'), pg_temp.tasks(:id);
SELECT pg_temp.go_on('keptb');
SELECT CASE WHEN clock_timestamp() < :'began'::timestamptz + interval '2 s' THEN pg_temp.tasks(:id) ELSE 'c blocked' END;
SELECT noetl.unset_limit('kept_s');
SELECT pg_temp.clear();
SELECT count(*) FROM noetl.slot WHERE name LIKE 'kept%';
DELETE FROM noetl.limit_pace WHERE name LIKE 'kept%';

-- What a transaction has given up counts as held by its execution again when it rolls back.
SELECT count(noetl.register(format($$
apiVersion: noetl.io/v1
kind: Playbook
path: kept/%s
%s
workflow:
- {step: a, type: kepta, code: x%s}
$$, name, of_execution, of_task)))
  FROM (VALUES ('run', 'limits: {name: kept_n, concurrency: 1}', ''),
               ('task', '', ', limits: {name: kept_n, concurrency: 1}')) v (name, of_execution, of_task);
SELECT noetl.execute('kept/run') AS run \gset
BEGIN;
SELECT noetl.cancel(:run);
SELECT noetl.execute('kept/task') AS lost \gset
SELECT pg_temp.tasks(:lost), pg_temp.slots(:lost);
ROLLBACK;
SELECT noetl.execute('kept/task') AS task \gset
SELECT pg_temp.tasks(:run), pg_temp.tasks(:task), pg_temp.slots(:task);
SELECT pg_temp.clear();

-- Slots that become free at the same time are handed out in the order of the limits' names and keys.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: kept/ordered
workflow:
- {step: start, next: [z, b, a]}
- {step: z, type: keptz, code: x, limits: {name: kept_z, concurrency: 1}}
- {step: b, type: keptz, code: x, limits: {name: kept_a, key: b, concurrency: 1}}
- {step: a, type: keptz, code: x, limits: {name: kept_a, key: a, concurrency: 1}}
$$) > 0;
SELECT noetl.execute('kept/ordered') AS first \gset
SELECT noetl.execute('kept/ordered') AS second \gset
SELECT pg_temp.tasks(:first), pg_temp.tasks(:second);
SELECT noetl.cancel(:first);
SELECT string_agg(node_name, ', ' ORDER BY queue_id) FROM noetl.queue WHERE execution_id = :second AND status = 'queued';
SELECT pg_temp.clear();

-- A trigger of a user may change the limit while a slot is handed out: what it admits begins then.
CREATE FUNCTION pg_temp.widen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM noetl.set_limit('kept_o', 2);
    RETURN new;
END $$;
SELECT noetl.execute('kept/last') AS first \gset
SELECT noetl.execute('kept/last') AS second \gset
SELECT noetl.execute('kept/last') AS third \gset
CREATE TRIGGER widen BEFORE UPDATE ON noetl.queue FOR EACH ROW WHEN (old.status = 'blocked' AND new.status = 'queued') EXECUTE FUNCTION pg_temp.widen();
SELECT noetl.cancel(:first);
DROP TRIGGER widen ON noetl.queue;
SELECT pg_temp.tasks(:second), pg_temp.tasks(:third);
SELECT noetl.unset_limit('kept_o');
SELECT pg_temp.clear();
SELECT count(*) FROM noetl.slot WHERE name LIKE 'kept%';

-- What is skipped, because its limit is reached, has had one attempt.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: kept/skip
workflow:
- {step: a, type: kepta, code: x, limits: {name: kept_o, concurrency: 1, on_limit: skip}}
$$) > 0;
SELECT noetl.execute('kept/last') AS first \gset
SELECT noetl.execute('kept/skip') AS second \gset
SELECT event_type, meta->'attempt' AS attempt FROM noetl.event WHERE execution_id = :second AND event_type LIKE 'action%';
SELECT pg_temp.clear();

-- What has got the slot of its first limit, and not of its second, does not begin yet, be it a task or an execution.
SELECT count(noetl.register(format($$
apiVersion: noetl.io/v1
kind: Playbook
path: kept/%s
%s
workflow:
- {step: a, type: kepta, code: x%s}
$$, name, of_execution, of_task)))
  FROM (VALUES ('v', '', ', limits: {name: kept_v, concurrency: 1}'),
               ('w', '', ', limits: {name: kept_w, concurrency: 1}'),
               ('pair', '', ', limits: [{name: kept_v, concurrency: 2}, {name: kept_w, concurrency: 1}]'),
               ('pair_run', 'limits: [{name: kept_v, concurrency: 2}, {name: kept_w, concurrency: 1}]', '')) v (name, of_execution, of_task);
SELECT noetl.set_limit('kept_v', 1);
SELECT noetl.execute('kept/v') AS v \gset
SELECT noetl.execute('kept/w') AS w \gset
SELECT noetl.execute('kept/pair') AS task \gset
SELECT noetl.execute('kept/pair_run') AS run \gset
SELECT pg_temp.slots(:task), pg_temp.slots(:run);
SELECT noetl.unset_limit('kept_v'), noetl.cancel(:v);
SELECT pg_temp.tasks(:task), pg_temp.slots(:task), pg_temp.slots(:run), status FROM noetl.execution WHERE execution_id = :run;
SELECT noetl.enqueue_next() >= 0, noetl.cancel(:w), noetl.cancel(:task), noetl.enqueue_next() >= 0;
SELECT pg_temp.tasks(:run), status FROM noetl.execution WHERE execution_id = :run;
SELECT pg_temp.clear();
SELECT count(*) FROM noetl.slot WHERE name LIKE 'kept%';

-- Two tasks of an execution that displace the oldest displace none of their own: the second waits for the first.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: kept/displace
workflow:
- {step: start, next: [a, b]}
- {step: a, type: kepta, code: x, limits: &newest {name: kept_o, concurrency: 1, on_limit: cancel_oldest}}
- {step: b, type: keptb, code: x, limits: *newest}
$$) > 0;
SELECT noetl.execute('kept/last') AS first \gset
SELECT noetl.execute('kept/displace') AS second \gset
SELECT status, pg_temp.tasks(:second) FROM noetl.execution WHERE execution_id = :first;
SELECT pg_temp.clear();

-- A slot of one key of a limit is none of another key.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: kept/keys
workflow:
- {step: a, type: kepta, code: x, limits: {name: kept_p, key: one, concurrency: 9}, next: b}
- {step: b, type: keptb, code: x, limits: {name: kept_p, key: two, concurrency: 9}}
$$) > 0;
SELECT noetl.execute('kept/keys') AS first \gset
SELECT noetl.execute('kept/keys') AS second \gset
SELECT pg_temp.go_on('kepta'), pg_temp.go_on('kepta');
SELECT pg_temp.tasks(:first), pg_temp.tasks(:second);
SELECT key, held, count(*) FROM noetl.slot WHERE name = 'kept_p' GROUP BY 1, 2 ORDER BY 1, 2;
SELECT pg_temp.clear();

-- What a task has left counts no more when that part of the transaction is rolled back: the
-- next attempt leaves its slot once.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: kept/again
workflow:
- {step: a, type: kepta, code: x, limits: {name: kept_p, concurrency: 9}, next: b}
- {step: b, type: keptb, code: x, limits: {name: kept_p, concurrency: 9}}
$$) > 0;
SELECT noetl.execute('kept/again') AS id \gset
SELECT queue_id AS task FROM noetl.lease('w', 1, types => '{kepta}') \gset
CREATE FUNCTION kept_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('kept.refuse') = 'yes' AND NEW.node_name = 'b' THEN
        RAISE EXCEPTION 'not now';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER kept_refuse BEFORE INSERT ON noetl.queue FOR EACH ROW EXECUTE FUNCTION kept_refuse();
BEGIN;
SAVEPOINT part;
SET LOCAL kept.refuse = 'yes';
SELECT noetl.complete(:task, '1', 'w');
ROLLBACK TO part;
SET LOCAL kept.refuse = 'no';
SELECT noetl.complete(:task, '1', 'w');
COMMIT;
DROP TRIGGER kept_refuse ON noetl.queue;
DROP FUNCTION kept_refuse();
SELECT pg_temp.tasks(:id), pg_temp.slots(:id);
SELECT pg_temp.go_on('keptb');
SELECT count(*) FROM noetl.slot WHERE name LIKE 'kept%';

-- Who displaces the oldest does so once: when another one, that has waited longer, gets the slot,
-- it waits as well.
SELECT count(noetl.register(format($$
apiVersion: noetl.io/v1
kind: Playbook
path: kept/%s
workflow:
- {step: a, type: kepta, code: x, limits: {name: kept_n, concurrency: 1%s}}
$$, name, refusal))) FROM (VALUES ('patient', ''), ('newest', ', on_limit: cancel_oldest')) v (name, refusal);
SELECT noetl.execute('kept/patient') AS oldest, noetl.execute('kept/patient') AS older \gset
SELECT noetl.execute('kept/newest') AS newest \gset
SELECT noetl.execute('kept/patient') AS last \gset
SELECT status, pg_temp.tasks(execution_id) FROM noetl.execution WHERE execution_id IN (:oldest, :older, :newest, :last) ORDER BY execution_id;
SELECT pg_temp.clear();

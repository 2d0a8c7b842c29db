\pset format unaligned
\pset tuples_only on
\set VERBOSITY terse
SET statement_timeout = '60 s';
-- Limits: which slot belongs to which task, whatever happens between two of them.
CREATE FUNCTION pg_temp.tasks(which bigint) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(node_name || ' ' || status || CASE WHEN slot_of IS NOT NULL THEN ' keeps' ELSE '' END, ', ' ORDER BY node_name) FROM noetl.queue WHERE execution_id = which
$$;
CREATE FUNCTION pg_temp.slots(which bigint) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(s.name || coalesce(nullif(':' || s.key, ':'), '') || CASE WHEN s.held THEN '' ELSE ' waits' END || ' for '
               || coalesce((SELECT node_name FROM noetl.queue q WHERE coalesce(q.slot_of, q.queue_id) = s.queue_id), 'nobody'), ', ' ORDER BY s.name, s.key)
      FROM noetl.slot s WHERE s.execution_id = which
$$;

-- An execution that fails leaves several slots at once; what it undoes keeps its own only.
SELECT noetl.register(format($$
apiVersion: noetl.io/v1
kind: Playbook
path: limited/undo_%1$s
workflow:
- {step: start, type: lima, code: x, next: [p1, p2, q1, bad], compensate: {type: limu, code: x, limits: {name: lim_%1$s, key: "{{ workload.key }}", concurrency: 9}}}
- {step: p1, type: limp, code: x, limits: {name: lim_p, key: one, concurrency: 9}}
- {step: p2, type: limp, code: x, limits: {name: lim_p, key: two, concurrency: 9}}
- {step: q1, type: limp, code: x, limits: {name: lim_q, key: one, concurrency: 9}}
- {step: bad, type: limb, code: x}
$$, name)) > 0 FROM unnest('{p,q,r}'::text[]) name;
CREATE FUNCTION pg_temp.undo(name text, key text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    id bigint := noetl.execute('limited/undo_' || name, jsonb_build_object('key', key));
BEGIN
    PERFORM noetl.complete(queue_id, '1', 'w') FROM noetl.lease('w', types => '{lima}');
    PERFORM noetl.fail(queue_id, 'no', 'w') FROM noetl.lease('w', types => '{limb}');
    RETURN pg_temp.tasks(id) || ' / ' || pg_temp.slots(id) || ' / ' || (SELECT count(*) FROM noetl.verify(id));
END $$;
-- The places are open: a task that begins and ends has counted the slots.
SELECT pg_temp.undo('p', 'one');
SELECT pg_temp.undo('p', 'two');
SELECT pg_temp.undo('q', 'one');
SELECT pg_temp.undo('q', 'two');
SELECT pg_temp.undo('r', 'one');
SELECT name, key, count(*) FROM noetl.slot WHERE name LIKE 'lim%' GROUP BY 1, 2 ORDER BY 1, 2;
SELECT count(noetl.cancel(execution_id)) FROM noetl.execution WHERE path LIKE 'limited/undo%' AND status = 'RUNNING';
SELECT count(*) FROM noetl.slot WHERE name LIKE 'lim%';

-- A child ends, and its parent goes on at once: the slot of the child's task is not the parent's.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: limited/child
workflow:
- {step: a, type: lima, code: x, limits: {name: lim_p, key: one, concurrency: 9}}
$$) > 0;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: limited/parent
workflow:
- {step: call, type: playbook, path: limited/child, next: b}
- {step: b, type: limb, code: x, limits: {name: lim_p, key: one, concurrency: 9}}
$$) > 0;
SELECT noetl.execute('limited/parent') AS id \gset
SELECT count(noetl.complete(queue_id, '1', 'w')) FROM noetl.lease('w', types => '{lima}');
SELECT pg_temp.tasks(:id), pg_temp.slots(:id);
SELECT x.path, v.* FROM noetl.execution x, noetl.verify(x.execution_id) v WHERE x.path LIKE 'limited/%';
SELECT name, count(*) FROM noetl.slot GROUP BY 1;
SELECT noetl.cancel(:id);

-- A task whose lease is revoked has its slot until its worker gives it back; a rebuild gives
-- it back to it.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: limited/two
workflow:
- {step: start, next: [a, b]}
- {step: a, type: lima, code: x, limits: [{name: lim_p, key: one, concurrency: 9}, {name: lim_q, key: one, concurrency: 9}]}
- {step: b, type: limb, code: x}
$$) > 0;
SELECT noetl.execute('limited/two') AS id \gset
SELECT queue_id AS task FROM noetl.lease('w', types => '{lima}') \gset
SELECT noetl.cancel(:id);
SELECT pg_temp.tasks(:id), pg_temp.slots(:id);
DELETE FROM noetl.slot WHERE execution_id = :id;
SELECT relation, key IS NOT NULL FROM noetl.verify(:id);
SELECT noetl.rebuild(:id) IS NOT NULL;
SELECT pg_temp.tasks(:id), pg_temp.slots(:id);
SELECT relation, key IS NOT NULL FROM noetl.verify(:id);
SELECT noetl.release(:task, 'w'), noetl.complete(:task, '1', 'w');
SELECT count(*) FROM noetl.slot WHERE name LIKE 'lim%';

-- What waits at its second limit keeps the first, also when its execution is migrated; and
-- when the task of whoever waits is taken away by hand, the next one has its turn.
SELECT noetl.register(format($$
apiVersion: noetl.io/v1
kind: Playbook
path: limited/wait
workflow:
- {step: a, type: lima, code: x%s, limits: [{name: lim_v, concurrency: 2}, {name: lim_w, concurrency: 1}]}
$$, v)) > 0 FROM generate_series(1, 2) v;
SELECT noetl.execute('limited/wait', version => 1) AS first \gset
SELECT noetl.execute('limited/wait', version => 1) AS second \gset
SELECT noetl.execute('limited/wait', version => 1) AS third \gset
SELECT pg_temp.tasks(:second), pg_temp.slots(:second), pg_temp.slots(:third);
SELECT xmin AS written FROM noetl.slot WHERE execution_id = :second AND name = 'lim_v' \gset
SELECT count(*) FROM noetl.migrate(:second, 2, dry_run => false);
SELECT xmin = :'written'::xid FROM noetl.slot WHERE execution_id = :second AND name = 'lim_v';
SELECT pg_temp.tasks(:second), pg_temp.slots(:second);
SELECT * FROM noetl.verify(:second);
DELETE FROM noetl.queue WHERE execution_id = :second;
SELECT noetl.cancel(:first);
SELECT pg_temp.tasks(:third), pg_temp.slots(:second), pg_temp.slots(:third);
SELECT count(noetl.cancel(id)) FROM unnest(ARRAY[:second, :third]) id;
SELECT count(*) FROM noetl.slot WHERE name LIKE 'lim%';

-- A rule with a rate counts for what begins and for what keeps its slot: a fast one in
-- memory, a slow one in rows.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: limited/rate
workflow:
- {step: a, type: lima, code: x, limits: {name: lim_s, concurrency: 9}, next: b}
- {step: b, type: limb, code: x, limits: {name: lim_s, concurrency: 9}, next: c}
- {step: c, type: limc, code: x, limits: {name: lim_s, concurrency: 9}, next: d}
- {step: d, type: limd, code: x, limits: {name: lim_s, concurrency: 9}}
$$) > 0;
SELECT noetl.execute('limited/rate') AS id \gset
SELECT noetl.set_limit('lim_s', 9, '{"limit": 1, "per": "hour", "burst": 1}');
SELECT count(noetl.complete(queue_id, '1', 'w')) FROM noetl.lease('w', types => '{lima}');
SELECT pg_temp.tasks(:id), pg_temp.slots(:id);
SELECT count(noetl.complete(queue_id, '1', 'w')) FROM noetl.lease('w', types => '{limb}');
SELECT pg_temp.tasks(:id), pg_temp.slots(:id);
SELECT noetl.cancel(:id), noetl.unset_limit('lim_s');
DELETE FROM noetl.limit_pace WHERE name = 'lim_s';
SELECT noetl.set_limit('lim_t', NULL, '{"limit": 1, "per": "day", "burst": 1}');
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: limited/rule
workflow:
- {step: a, type: lima, code: x, limits: {name: lim_t, concurrency: 9}}
$$) > 0;
SELECT count(noetl.execute('limited/rule')) FROM generate_series(1, 3);
SELECT status, count(*) FROM noetl.queue WHERE node_type = 'lima' GROUP BY 1 ORDER BY 1;
SELECT count(noetl.cancel(execution_id)) FROM noetl.execution WHERE path LIKE 'limited/%' AND status = 'RUNNING';
SELECT noetl.unset_limit('lim_t');
DELETE FROM noetl.limit_pace WHERE name = 'lim_t';

-- More keys whose rate is used up than memory has places for: some are counted in rows.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: limited/keys
workflow:
- {step: a, type: lima, code: x, limits: {name: lim_k, key: "{{ workload.k }}", rate: {limit: 1, per: second, burst: 1}}}
$$) > 0;
SELECT count(noetl.execute('limited/keys', jsonb_build_object('k', k))) FROM generate_series(1, 500) k;
SELECT count(*) FROM noetl.queue WHERE node_type = 'lima' AND status IN ('queued', 'blocked');
SELECT count(noetl.cancel(execution_id)) FROM noetl.execution WHERE path = 'limited/keys';
SELECT count(*) FROM noetl.slot WHERE name LIKE 'lim%';
DELETE FROM noetl.limit_pace WHERE name LIKE 'lim%';

-- A slot whose row cannot be written is none, in a part of a transaction and in all of it.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: limited/one
workflow:
- {step: a, type: lima, code: x, limits: {name: lim_o, concurrency: 1}}
$$) > 0;
SELECT noetl.execute('limited/one') AS id \gset
SELECT noetl.cancel(:id);
ALTER TABLE noetl.slot ADD CONSTRAINT no_lim_o CHECK (name <> 'lim_o');
SELECT noetl.execute('limited/one');
DO $$
BEGIN
    PERFORM noetl.execute('limited/one');
EXCEPTION WHEN check_violation THEN
    RAISE NOTICE 'refused';
END $$;
ALTER TABLE noetl.slot DROP CONSTRAINT no_lim_o;
SELECT noetl.execute('limited/one') AS id \gset
SELECT noetl.execute('limited/one') AS next \gset
SELECT pg_temp.tasks(:id), pg_temp.slots(:id), pg_temp.tasks(:next);
SELECT noetl.cancel(:id);
SELECT pg_temp.tasks(:next), pg_temp.slots(:next);
SELECT noetl.cancel(:next);
DELETE FROM noetl.queue WHERE node_type LIKE 'lim%';
SELECT count(*) FROM noetl.slot WHERE name LIKE 'lim%';

-- Memory has places for so many limits and keys, in groups: these keys are of one group, of which
-- no other limit is that follows.
SELECT pg_sleep(greatest(1.1, 6 - extract(epoch FROM clock_timestamp() - pg_postmaster_start_time())))::text = '' AS bursts_are_full;
CREATE FUNCTION pg_temp.place(name text, key text) RETURNS bigint LANGUAGE sql AS $$
    SELECT hashtextextended(key, hashtextextended(name, (SELECT oid::bigint FROM pg_database WHERE datname = current_database()))) & 31
$$;
CREATE FUNCTION pg_temp.keys(name text, n integer) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT k::text FROM generate_series(1, 5000) k WHERE pg_temp.place(name, k::text) = (
        SELECT min(g) FROM generate_series(0, 31) g
         WHERE g NOT IN (SELECT pg_temp.place(t, '') FROM unnest('{lim_d,lim_n,lim_s,lim_t}'::text[]) t)
           AND g NOT IN (SELECT pg_temp.place('lim_plain', t) FROM unnest('{back,prepared}'::text[]) t)) LIMIT n
$$;
SELECT noetl.register(format($$
apiVersion: noetl.io/v1
kind: Playbook
path: limited/%1$s
workflow:
- {step: a, type: lima, code: x, limits: {name: lim_%1$s, key: "{{ workload.k }}", %2$s}}
$$, name, terms)) > 0 FROM (VALUES ('plain', 'concurrency: 2'), ('burst', 'rate: {limit: 1, per: second, burst: 5}')) AS of(name, terms);
CREATE FUNCTION pg_temp.start(name text, key text, times integer DEFAULT 1) RETURNS bigint LANGUAGE sql AS $$
    SELECT count(noetl.execute('limited/' || name, jsonb_build_object('k', key))) FROM generate_series(1, times)
$$;
CREATE FUNCTION pg_temp.begun(which text) RETURNS bigint LANGUAGE sql AS $$
    SELECT count(*) FROM noetl.queue q JOIN noetl.slot s USING (queue_id) WHERE s.key = which AND q.status = 'queued'
$$;
SELECT array_agg(key) AS keys FROM pg_temp.keys('lim_plain', 12) key \gset
SELECT array_agg(key) AS fast FROM pg_temp.keys('lim_burst', 9) key \gset
-- A transaction uses more of them than memory has places for, and ends as any other.
BEGIN;
SELECT sum(pg_temp.start('plain', key)) FROM unnest(:'keys'::text[]) key;
COMMIT;
SELECT count(noetl.cancel(execution_id)) FROM noetl.execution WHERE path = 'limited/plain' AND status = 'RUNNING';
-- What has been used up of a rate is known as long as it counts, also when other keys need a place.
SELECT clock_timestamp() AS began \gset
SELECT pg_temp.start('burst', (:'fast'::text[])[1], 5);
SELECT sum(pg_temp.start('plain', key)) FROM unnest(:'keys'::text[]) key;
SELECT pg_temp.start('burst', (:'fast'::text[])[1], 5);
SELECT pg_temp.begun((:'fast'::text[])[1]) <= 5 + extract(epoch FROM clock_timestamp() - :'began'::timestamptz) AS never_too_many;
-- It is counted in rows when memory has no place.
SELECT clock_timestamp() AS began \gset
SELECT sum(pg_temp.start('burst', key, 4)) FROM unnest((:'fast'::text[])[2:8]) key;
SELECT pg_temp.start('burst', (:'fast'::text[])[9], 9);
SELECT pg_temp.begun((:'fast'::text[])[9]) <= 5 + extract(epoch FROM clock_timestamp() - :'began'::timestamptz) AS never_too_many;
SELECT count(noetl.cancel(execution_id)) FROM noetl.execution WHERE path IN ('limited/plain', 'limited/burst') AND status = 'RUNNING';
DELETE FROM noetl.limit_pace WHERE name LIKE 'lim%';

-- What a transaction has given up is held again when it rolls back, whatever it has taken meanwhile.
SELECT pg_temp.start('plain', 'back', 2);
BEGIN;
SELECT count(noetl.cancel(execution_id)) FROM noetl.execution WHERE path = 'limited/plain' AND status = 'RUNNING';
SELECT pg_temp.start('plain', 'back');
ROLLBACK;
SELECT pg_temp.start('plain', 'back', 2);
SELECT s.held, count(*) FROM noetl.slot s WHERE s.key = 'back' GROUP BY 1 ORDER BY 1;
SELECT count(noetl.cancel(execution_id)) FROM noetl.execution WHERE path = 'limited/plain' AND status = 'RUNNING';

-- A slot that a prepared transaction has taken is held, whatever its session does meanwhile.
SELECT pg_temp.start('plain', 'prepared');
BEGIN;
SELECT pg_temp.start('plain', 'prepared');
PREPARE TRANSACTION 'limited';
BEGIN;
ROLLBACK;
SELECT pg_temp.start('plain', 'prepared', 2);
COMMIT PREPARED 'limited';
SELECT s.held, count(*) FROM noetl.slot s WHERE s.key = 'prepared' GROUP BY 1 ORDER BY 1;
SELECT count(noetl.cancel(execution_id)) FROM noetl.execution WHERE path = 'limited/plain' AND status = 'RUNNING';
DELETE FROM noetl.limit_pace WHERE name LIKE 'lim%';

-- A task that keeps its slot uses up a fast rate; of a slow one it asks the rows, as all do.
SELECT noetl.set_limit('lim_s', 9, '{"limit": 1, "per": "second", "burst": 3}');
SELECT clock_timestamp() AS began \gset
SELECT noetl.execute('limited/rate') AS id \gset
SELECT count(noetl.complete(queue_id, '1', 'w')) FROM noetl.lease('w', types => '{lima}');
SELECT count(noetl.complete(queue_id, '1', 'w')) FROM noetl.lease('w', types => '{limb}');
SELECT count(noetl.complete(queue_id, '1', 'w')) FROM noetl.lease('w', types => '{limc}');
SELECT pg_temp.tasks(:id) = 'd blocked' OR clock_timestamp() > :'began'::timestamptz + interval '1 s' AS in_its_turn;
SELECT noetl.cancel(:id), noetl.unset_limit('lim_s');
SELECT noetl.execute('limited/rate') AS id \gset
SELECT noetl.set_limit('lim_s', 9, '{"limit": 50, "per": "minute", "burst": 4}');
SELECT count(noetl.complete(queue_id, '1', 'w')) FROM noetl.lease('w', types => '{lima}');
SELECT pg_temp.tasks(:id), pg_temp.slots(:id);
SELECT count(*) FROM noetl.limit_pace WHERE name = 'lim_s';
SELECT noetl.cancel(:id), noetl.unset_limit('lim_s');
SELECT noetl.execute('limited/rule') AS id \gset
SELECT noetl.set_limit('lim_t', NULL, '{"limit": 50, "per": "minute", "burst": 4}');
SELECT noetl.execute('limited/rule') AS next \gset
SELECT pg_temp.tasks(:next), pg_temp.slots(:next);
SELECT count(*) FROM noetl.limit_pace WHERE name = 'lim_t';
SELECT noetl.cancel(:id), noetl.cancel(:next), noetl.unset_limit('lim_t');
DELETE FROM noetl.limit_pace WHERE name LIKE 'lim%';

-- Where playbooks say different things of a limit, what a slow rate has used up counts for a fast
-- one, too, also when others have begun that need no rate.
SELECT noetl.register(format($$
apiVersion: noetl.io/v1
kind: Playbook
path: limited/%1$s
workflow:
- {step: a, type: lima, code: x, limits: {name: lim_d, %2$s}}
$$, name, terms)) > 0 FROM (VALUES ('seldom', 'rate: {limit: 1, per: hour}'), ('any', 'concurrency: 9'), ('often', 'rate: {limit: 1, per: second, burst: 5}')) AS of(name, terms);
SELECT noetl.execute('limited/seldom') AS one, noetl.execute('limited/any') AS two, noetl.execute('limited/often') AS three \gset
SELECT pg_temp.tasks(:one), pg_temp.tasks(:two), pg_temp.tasks(:three);
SELECT count(noetl.cancel(id)) FROM unnest(ARRAY[:one, :two, :three]) id;
SELECT noetl.execute('limited/often') AS id \gset
SELECT pg_temp.tasks(:id);
SELECT noetl.cancel(:id);
DELETE FROM noetl.limit_pace WHERE name LIKE 'lim%';

-- Something begins to wait while the row of what waits before it is written, as a trigger has it
-- start: tasks keep their slots afterwards as ever.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: limited/nested
workflow:
- {step: a, type: lima, code: x, limits: {name: lim_n, concurrency: 1}, next: b}
- {step: b, type: limb, code: x, limits: {name: lim_n, concurrency: 1}}
$$) > 0;
CREATE FUNCTION pg_temp.another() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF pg_trigger_depth() = 1 THEN
        PERFORM noetl.execute('limited/nested');
    END IF;
    RETURN new;
END
$$;
CREATE TRIGGER another BEFORE INSERT ON noetl.slot FOR EACH ROW WHEN (new.name = 'lim_n' AND NOT new.held) EXECUTE FUNCTION pg_temp.another();
SELECT noetl.execute('limited/nested') AS id \gset
SELECT noetl.execute('limited/nested') AS next \gset
DROP TRIGGER another ON noetl.slot;
SELECT held, count(*) FROM noetl.slot WHERE name = 'lim_n' GROUP BY 1 ORDER BY 1;
SELECT x.path, v.* FROM noetl.execution x, noetl.verify(x.execution_id) v WHERE x.path = 'limited/nested';
SELECT count(noetl.cancel(execution_id)) FROM noetl.execution WHERE path = 'limited/nested' AND status = 'RUNNING';
SELECT noetl.execute('limited/nested') AS id \gset
SELECT count(noetl.complete(queue_id, '1', 'w')) FROM noetl.lease('w', types => '{lima}');
SELECT pg_temp.tasks(:id), pg_temp.slots(:id);
SELECT noetl.cancel(:id);
DELETE FROM noetl.queue WHERE node_type LIKE 'lim%';
SELECT count(*) FROM noetl.slot WHERE name LIKE 'lim%';

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

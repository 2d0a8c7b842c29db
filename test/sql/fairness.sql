-- Which ready task is handed out first: priorities from templates, ageing, and turns of keys.
CREATE EXTENSION IF NOT EXISTS noetl;
CREATE FUNCTION pg_temp.wrong() RETURNS TABLE(path text, relation text, what text) LANGUAGE sql AS
    'SELECT e.path, v.relation, v.key FROM noetl.execution e, noetl.verify(e.execution_id) v WHERE e.path LIKE ''fair/%'' ORDER BY 1, 2, 3';
-- What a worker gets, one task after the other: input "n" of each.
CREATE FUNCTION pg_temp.turns(tasks int, each int DEFAULT 1) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    got text := '';
BEGIN
    FOR i IN 1 .. tasks LOOP
        got := concat_ws(' ', nullif(got, ''), (SELECT string_agg(l.action #>> '{data,n}', ' ' ORDER BY l.ordinality)
                                    FROM noetl.lease('w', each, '1 h', '{fair}') WITH ORDINALITY AS l));
    END LOOP;
    RETURN got;
END $$;
CREATE FUNCTION pg_temp.clear() RETURNS void LANGUAGE sql AS
    'SELECT noetl.cancel(execution_id) FROM noetl.execution WHERE status = ''RUNNING''; DELETE FROM noetl.queue';

-- A priority can be a template; the step's counts before that of the start, and that before
-- the playbook's.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
metadata: {name: priority, path: fair/priority}
workload: {n: 1, urgent: false, step: null}
priority: "{{ 30 if urgent else 0 }}"
workflow:
  - step: start
    tool: fair
    priority: "{{ workload.step }}"
    args: {n: "{{ workload.n }}"}
    next: [end]
  - step: end
$$) IS NOT NULL AS registered;
SELECT noetl.execute('fair/priority', '{"n": "plain"}') IS NOT NULL AS started;
SELECT noetl.execute('fair/priority', '{"n": "urgent", "urgent": true}') AS urgent \gset
SELECT noetl.execute('fair/priority', '{"n": "start", "urgent": true}', priority => 10) IS NOT NULL AS started;
SELECT noetl.execute('fair/priority', '{"n": "zero", "urgent": true}', priority => 0) IS NOT NULL AS started;
SELECT noetl.execute('fair/priority', '{"n": "step", "urgent": true, "step": "55.4"}', priority => 10) IS NOT NULL AS started;
SELECT noetl.execute('fair/priority', '{"n": "bound", "step": 4000}') IS NOT NULL AS started;
SELECT noetl.execute('fair/priority', '{"n": "low", "step": -100}') IS NOT NULL AS started;
SELECT action #>> '{data,n}' AS n, q.priority, e.priority AS of_execution, v.meta -> 'priority' AS noted
  FROM noetl.queue q JOIN noetl.execution e USING (execution_id) JOIN noetl.event v ON v.execution_id = e.execution_id AND v.event_type = 'execution_start'
 ORDER BY q.queue_id;
SELECT * FROM pg_temp.wrong();
DELETE FROM noetl.queue WHERE execution_id = :urgent;
DELETE FROM noetl.execution WHERE execution_id = :urgent;
SELECT noetl.rebuild(:urgent) IS NOT NULL AS rebuilt;
SELECT * FROM pg_temp.wrong();
SELECT pg_temp.turns(8);
SELECT pg_temp.clear();
-- A template that yields no number fails the step; one of the playbook's head gives none.
SELECT noetl.execute('fair/priority', '{"step": "soon"}') AS id \gset
SELECT status, error FROM noetl.execution WHERE execution_id = :id;
SELECT * FROM pg_temp.wrong();
-- A step that is a playbook gives its priority to the child; else the execution's is the child's.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
metadata: {name: parent, path: fair/parent}
workload: {p: null, urgent: false}
workflow:
  - step: start
    type: playbook
    path: fair/priority
    args: {urgent: "{{ workload.urgent }}"}
    priority: "{{ workload.p }}"
    next: [end]
  - step: end
$$) IS NOT NULL AS registered;
SELECT noetl.execute('fair/parent', '{"p": 7}') IS NOT NULL AS started;
SELECT noetl.execute('fair/parent', '{"p": null}', priority => 3) IS NOT NULL AS started;
SELECT noetl.execute('fair/parent', '{"urgent": true}') IS NOT NULL AS started;
SELECT e.priority, q.priority AS of_task FROM noetl.execution e JOIN noetl.queue q USING (execution_id) WHERE e.path = 'fair/priority' ORDER BY e.execution_id;
SELECT * FROM pg_temp.wrong();
SELECT pg_temp.clear();

-- Tasks age: noetl.priority_age of waiting is worth a step of priority.
SHOW noetl.priority_age;
SELECT noetl.execute('fair/priority', '{"n": "old"}') IS NOT NULL AS started;
UPDATE noetl.queue SET created_at = created_at - interval '49 min';
SELECT count(noetl.execute('fair/priority', jsonb_build_object('n', 'five' || i, 'step', 5))) FROM generate_series(1, 2) AS i;
SELECT pg_temp.turns(1);
UPDATE noetl.queue SET created_at = created_at - interval '2 min' WHERE status = 'queued' AND priority = 0;
SELECT pg_temp.turns(2);
SELECT pg_temp.clear();
-- Without ageing those of a lower priority wait for all others.
SET noetl.priority_age = 0;
SELECT noetl.execute('fair/priority', '{"n": "old"}') IS NOT NULL AS started;
UPDATE noetl.queue SET created_at = created_at - interval '1 year';
SELECT noetl.execute('fair/priority', '{"n": "five", "step": 5}') IS NOT NULL AS started;
SELECT pg_temp.turns(2);
SELECT pg_temp.clear();
RESET noetl.priority_age;
-- Many priorities, the oldest task the lowest: each has its place.
SELECT count(noetl.execute('fair/priority', jsonb_build_object('n', i, 'step', i))) FROM generate_series(1, 12) AS i;
UPDATE noetl.queue SET created_at = created_at - (CASE priority WHEN 1 THEN 106 WHEN 2 THEN 101 WHEN 7 THEN 51 ELSE 0 END) * interval '1 min';
SELECT pg_temp.turns(3, 4);
SELECT pg_temp.clear();

-- Fairness: tasks of one priority have their turn key by key.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
metadata: {name: tenant, path: fair/tenant}
workload: {n: 1, tenant: null, weight: null, p: 0}
fairness: {key: "{{ workload.tenant }}", weight: "{{ workload.weight }}"}
workflow:
  - step: start
    tool: fair
    priority: "{{ workload.p }}"
    args: {n: "{{ workload.n }}"}
    next: [end]
  - step: end
$$) IS NOT NULL AS registered;
CREATE FUNCTION pg_temp.add(tenant text, tasks int, weight float8 DEFAULT NULL, p int DEFAULT 0) RETURNS bigint LANGUAGE sql AS $$
    SELECT count(noetl.execute('fair/tenant', jsonb_build_object('n', coalesce(tenant, 'none') || i, 'tenant', tenant, 'weight', weight, 'p', p))) FROM generate_series(1, tasks) AS i
$$;
SELECT pg_temp.add('a', 5), pg_temp.add('b', 2), pg_temp.add('c', 3), pg_temp.add(NULL, 2);
SELECT fair_key, fair_weight, count(*) FROM noetl.queue GROUP BY 1, 2 ORDER BY 1, 2;
SELECT * FROM pg_temp.wrong();
SELECT pg_temp.turns(6);
-- A new key has its turn within a round; so it is when one call takes many.
SELECT pg_temp.add('bb', 3);
SELECT pg_temp.turns(1, 100);
SELECT * FROM pg_temp.wrong();
SELECT pg_temp.clear();
-- Weights: of two keys one has three turns in a round; of another two every second one.
SELECT pg_temp.add('a', 9, 3), pg_temp.add('b', 9);
SELECT pg_temp.turns(8);
SELECT pg_temp.clear();
SELECT pg_temp.add('x', 8, 0.5), pg_temp.add('y', 8, 1);
SELECT regexp_replace(t, '[0-9 ]', '', 'g') ~ '^y?(xyy|yxy)+' AS turns, length(regexp_replace(t, '[^x]', '', 'g')) AS of_x FROM pg_temp.turns(9) AS t;
SELECT pg_temp.clear();
-- Small weights only: nobody waits, and the shares hold.
SELECT pg_temp.add('x', 30, 0.02), pg_temp.add('y', 30, 0.04);
SELECT length(regexp_replace(t, '[^x]', '', 'g')) AS of_x, length(regexp_replace(t, '[^y]', '', 'g')) AS of_y FROM pg_temp.turns(30) AS t;
SELECT pg_temp.clear();
-- A higher priority comes first, whatever the keys are; each priority has its rounds.
SELECT pg_temp.add('a', 3), pg_temp.add('b', 3, p => 1), pg_temp.add('c', 3), pg_temp.add('d', 2, p => 1);
SELECT pg_temp.turns(11);
SELECT pg_temp.clear();
-- A task that is given back keeps its key; complete_and_lease goes on with whose turn it is.
SELECT pg_temp.add('a', 3), pg_temp.add('b', 3);
SELECT queue_id AS task, action #>> '{data,n}' AS n FROM noetl.lease('w', 1, '1 h', '{fair}') \gset
SELECT :'n';
SELECT noetl.release(:task, 'w');
SELECT fair_key, count(*) FROM noetl.queue GROUP BY 1 ORDER BY 1;
SELECT queue_id AS task FROM noetl.lease('w', 1, '1 h', '{fair}') \gset
SELECT action #>> '{data,n}' AS n FROM noetl.complete_and_lease(:task, '{}', 'w', 1, '1 h', '{fair}');
SELECT * FROM pg_temp.wrong();
SELECT pg_temp.clear();
-- Any type: tasks with a key are found too.
SELECT pg_temp.add('a', 1);
SELECT node_type FROM noetl.lease('w', 5);
SELECT pg_temp.clear();
-- Rows are made anew with their keys.
SELECT pg_temp.add('a', 1, 2);
SELECT execution_id AS id FROM noetl.queue \gset
DELETE FROM noetl.queue;
SELECT noetl.rebuild(:id) IS NOT NULL AS rebuilt;
SELECT fair_key, fair_weight FROM noetl.queue;
UPDATE noetl.queue SET fair_key = 'other', fair_weight = NULL;
SELECT * FROM pg_temp.wrong();
SELECT pg_temp.clear();
-- A key that was written by hand, longer than the broker's, is handed out too.
INSERT INTO noetl.queue (execution_id, catalog_id, node_id, node_name, node_type, action, fair_key, fair_weight)
SELECT 1, 1, '1:s', 's', 'fair', jsonb_build_object('data', jsonb_build_object('n', i)), repeat('k', 300) || i, 0.01 FROM generate_series(1, 3) AS i;
INSERT INTO noetl.queue (execution_id, catalog_id, node_id, node_name, node_type, action, fair_key)
SELECT 1, 1, '1:s', 's', 'fair', '{"data": {"n": "empty"}}', '' FROM generate_series(1, 2) AS i;
SELECT pg_temp.turns(1, 10);
DELETE FROM noetl.queue;

-- One tenant has 20,000 ready tasks, another ten: those ten come within a round each.
INSERT INTO noetl.queue (execution_id, catalog_id, node_id, node_name, node_type, action, fair_key)
SELECT 1, 1, '1:s', 's', 'fair', '{"data": {"n": "x"}}', 'big' FROM generate_series(1, 20000);
INSERT INTO noetl.queue (execution_id, catalog_id, node_id, node_name, node_type, action, fair_key)
SELECT 1, 1, '1:s', 's', 'fair', '{"data": {"n": "y"}}', 'small' FROM generate_series(1, 10);
SELECT length(regexp_replace(t, '[^y]', '', 'g')) AS small, length(t) <= 41 AS within FROM pg_temp.turns(21) AS t;
DELETE FROM noetl.queue;
SELECT count(*) FROM noetl.lease('w', 1);

-- What they must not say.
SELECT severity, message FROM noetl.validate($$
priority: 1000
fairness: {weight: 3}
workflow:
  - step: start
    type: python
    code: "def main(): pass"
    priority: soon
    fairness: tenant
    next: [more]
  - step: more
    type: python
    code: "def main(): pass"
    fairness: {key: a, weight: 0, share: 3}
$$);

\pset format unaligned
-- Labels: from the playbook's metadata, with those of the start over them.
SELECT noetl.register('
apiVersion: noetl.io/v1
kind: Playbook
metadata:
  path: labels/plain
  labels: {team: billing, level: 3, urgent: false}
workflow:
- step: task
  type: python
  code: x
  next: end
- step: end
') > 0 AS registered;
SELECT noetl.register('
apiVersion: noetl.io/v1
kind: Playbook
metadata:
  path: labels/none
workflow:
- step: child
  type: playbook
  path: labels/plain
  next: end
- step: end
') > 0 AS registered;

SELECT noetl.execute('labels/plain') AS plain \gset
SELECT noetl.execute('labels/plain', labels => '{"team": "sales", "order": "A-17"}') AS given \gset
SELECT noetl.execute('labels/none') AS none \gset
SELECT noetl.execute('labels/none', labels => '{"order": "A-18"}') AS parent \gset
INSERT INTO noetl.event (event_type, context)
VALUES ('execution_start', '{"path": "labels/none", "labels": {"order": "A-19"}}')
RETURNING execution_id AS inserted \gset
SELECT CASE execution_id WHEN :plain THEN 'plain' WHEN :given THEN 'given' WHEN :none THEN 'none'
                         WHEN :parent THEN 'parent' WHEN :inserted THEN 'inserted' END AS name, labels
  FROM noetl.execution WHERE parent_execution_id IS NULL AND path LIKE 'labels/%' ORDER BY execution_id;
-- A child has the labels of its own playbook, none of its parent's.
SELECT DISTINCT path, labels FROM noetl.execution WHERE parent_execution_id IS NOT NULL AND path LIKE 'labels/%';

-- Searched by the index, which rows without labels are not in.
SELECT count(*) FROM noetl.execution WHERE labels @> '{"order": "A-17"}';
SET enable_seqscan = off;
EXPLAIN (COSTS OFF) SELECT execution_id FROM noetl.execution WHERE labels @> '{"order": "A-17"}';
RESET enable_seqscan;
SELECT noetl.status(:given) -> 'labels' AS given, noetl.status(:none) ? 'labels' AS none;

-- They follow from the log.
SELECT count(*) FROM noetl.execution AS x, noetl.verify(x.execution_id) WHERE x.path LIKE 'labels/%';
UPDATE noetl.execution SET labels = '{"team": "other"}' WHERE execution_id = :given;
SELECT * FROM noetl.verify(:given) \gset found_
SELECT :'found_relation' AS relation, :'found_expected' AS expected, :'found_found' AS found;
SELECT noetl.rebuild(:given);
SELECT labels FROM noetl.execution WHERE execution_id = :given;
SELECT noetl.cancel(:given);
SELECT status, labels FROM noetl.execution WHERE execution_id = :given;
SELECT count(*) FROM noetl.verify(:given);

-- A map from names to texts, and nothing else.
\set VERBOSITY terse
SELECT noetl.execute('labels/plain', labels => '["a"]');
SELECT noetl.execute('labels/plain', labels => '"a"');
SELECT noetl.execute('labels/plain', labels => '{"a": 1}');
SELECT noetl.execute('labels/plain', labels => '{"a": {"b": "c"}}');
SELECT noetl.execute('labels/plain', labels => '{"": "c"}');
SELECT noetl.execute('labels/plain', labels => jsonb_build_object(repeat('n', 257), 'v'));
SELECT noetl.execute('labels/plain', labels => jsonb_build_object('n', repeat('v', 1025)));
SELECT noetl.execute('labels/plain', labels => jsonb_object_agg('n' || i, 'v')) FROM generate_series(1, 65) AS i;
SELECT noetl.execute('labels/plain', labels => jsonb_object_agg('n' || i, 'v')) > 0 AS started FROM generate_series(1, 61) AS i;
INSERT INTO noetl.event (event_type, context) VALUES ('execution_start', '{"path": "labels/none", "labels": {"a": null}}');
SELECT noetl.execute('labels/none', labels => 'null') > 0 AS started, noetl.execute('labels/none', labels => '{}') > 0 AS started;
\set VERBOSITY default

-- Of a document, labels that no execution can have are left out with a warning.
SELECT severity, line, col, message, hint FROM noetl.validate('
apiVersion: noetl.io/v1
kind: Playbook
metadata:
  path: labels/bad
  labels:
    good: yes
    list: [1]
    nothing:
workflow:
- step: end
');
SELECT severity, line, col, message, hint FROM noetl.validate('
apiVersion: noetl.io/v1
kind: Playbook
metadata:
  path: labels/bad
  labels: [a]
workflow:
- step: end
');
SELECT count(noetl.cancel(execution_id)) > 0 AS cancelled FROM noetl.execution WHERE path LIKE 'labels/%' AND parent_execution_id IS NULL;

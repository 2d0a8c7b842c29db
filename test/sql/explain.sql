-- The graph of a playbook and of an execution, in four languages.
\pset format unaligned
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: explain/all
workflow:
- {step: start, next: [fetch, {when: "{{ workload.n > 1 }}", then: [each], else: [call]}]}
- {step: fetch, type: http, url: x, retry: 2, next: [{when: "{{ fetch.more }}", step: fetch}, {else: [join]}], on_error: [{step: repair}]}
- {step: repair, type: shell, command: x, next: join}
- {step: call, type: playbook, path: explain/none, next: join}
- {step: each, type: iterator, collection: [1], element: x, mode: distributed, task: {type: python, code: x}, next: join}
- {step: join, type: noop, next: end}
- step: end
$$) > 0 AS registered;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: "explain/\"<odd>"
workflow:
- {step: start, next: ['a"b\c', "<i>&"]}
- {step: 'a"b\c', type: python, code: x, next: {when: '{{ workload.x == "|]" }}', step: end}}
- {step: "<i>&", type: shell, command: x, next: [end]}
- step: end
$$) > 0 AS registered;
\t on
SELECT noetl.explain('explain/all');
SELECT noetl.explain('explain/all', 'mermaid');
SELECT noetl.explain('explain/all', 'dot');
SELECT noetl.explain('explain/all', 'json')::jsonb = noetl.explain('explain/all', 'json')::jsonb AS is_json;
SELECT s ->> 'step', s ->> 'type', s ->> 'layer' FROM jsonb_array_elements(noetl.explain('explain/all', 'json')::jsonb -> 'steps') AS s;
SELECT e ->> 'from', e ->> 'to', e ->> 'kind', e ->> 'when', e ->> 'back' FROM jsonb_array_elements(noetl.explain('explain/all', 'json')::jsonb -> 'edges') AS e;
-- Names with quotes and the like stay inside their quotes.
SELECT noetl.explain('explain/"<odd>', 'mermaid');
SELECT noetl.explain('explain/"<odd>', 'dot');
SELECT s ->> 'step' FROM jsonb_array_elements(noetl.explain('explain/"<odd>', 'json')::jsonb -> 'steps') AS s;
-- An execution: state, visits, attempts and times of its steps.
SELECT noetl.execute('explain/all', '{"n": 2}') AS e \gset
SELECT count(*) FROM noetl.lease('tester', 1, '1 min', '{http}') \g /dev/null
SELECT noetl.complete(queue_id, '{"more": true}', 'tester') FROM noetl.queue WHERE execution_id = :e AND node_name = 'fetch';
SELECT noetl.fail(queue_id, E'first\nfailure', 'tester') FROM noetl.lease('tester', 1, '1 min', '{http}');
SELECT regexp_replace(regexp_replace(regexp_replace(noetl.explain(:'e'), '\d{12,}', '<id>'), 'since [^]]*', 'since <time>', 'g'), '[0-9.]+ s\]', '<span>]', 'g');
SELECT step, state, visits, attempts FROM noetl.progress(:e) ORDER BY step;
SELECT step, visit, item, attempt, worker, queued_at IS NOT NULL AS queued, started_at IS NOT NULL AS started, ended_at IS NOT NULL AS ended, status, error FROM noetl.timeline(:e);
SELECT noetl.explain(:'e', 'mermaid') ~ 'class n1 retry' AS coloured, noetl.explain(:'e', 'dot') ~ 'fetch.*fillcolor="#fdeec2"' AS in_dot;
SELECT noetl.explain(:'e', 'json')::jsonb ->> 'execution_id' = :'e' AS id, noetl.explain(:'e', 'json')::jsonb ->> 'status' AS status;
-- What there is not.
SELECT noetl.explain('explain/nothing');
SELECT noetl.explain('1');
SELECT noetl.explain('explain/all', 'pdf');
SELECT noetl.report(1);
SELECT noetl.explain(NULL) IS NULL, noetl.report(NULL) IS NULL;
SELECT noetl.cancel(:e);
-- Failures of one kind are one line, whatever numbers and names they tell of.
SELECT noetl.error_fingerprint('row 17 of "orders" (c0ffee00-1234-5678-9abc-def012345678) is ''locked'' by  42');
SELECT noetl.error_fingerprint('save failed: new row violates check constraint "c" (SQLSTATE 23514); detail: Failing row contains (1, alice).');
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: explain/fails
workflow:
- {step: a, type: python, code: x, next: end}
- step: end
$$) > 0 AS registered;
SELECT count(noetl.execute('explain/fails')) FROM generate_series(1, 12);
SELECT count(noetl.fail(queue_id, format('order %s is unknown', queue_id), 'tester')) FROM noetl.lease('tester', 12, '1 min') WHERE node_name = 'a';
SELECT path, step, fingerprint, count, first <= last AS ordered FROM noetl.failure WHERE path = 'explain/fails';

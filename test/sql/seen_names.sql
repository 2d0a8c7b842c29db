-- What templates see that come late: those of a retry, of the saves of items, of the end.
SET client_min_messages = error;
CREATE TABLE seen (k text, v jsonb);
CREATE ROLE regress_noetl_seer;
ALTER TABLE seen OWNER TO regress_noetl_seer;
GRANT INSERT ON noetl.event TO regress_noetl_seer;
GRANT EXECUTE ON FUNCTION noetl.register, noetl.execute TO regress_noetl_seer;
-- Registers "seen/<name>" and starts it, as an ordinary role.
CREATE FUNCTION pg_temp.begin(name text, rest text, parameters jsonb DEFAULT '{}') RETURNS bigint LANGUAGE sql SECURITY DEFINER AS $$
    SELECT noetl.register(E'apiVersion: noetl.io/v1\nkind: Playbook\npath: seen/' || name || E'\n' || rest);
    SELECT noetl.execute('seen/' || name, parameters)
$$;
ALTER FUNCTION pg_temp.begin OWNER TO regress_noetl_seer;
CREATE FUNCTION pg_temp.result(name text) RETURNS jsonb LANGUAGE sql AS $$
    SELECT coalesce(result, to_jsonb(status)) FROM noetl.execution WHERE execution_id = newest('seen/' || name)
$$;

-- The retry of an item sees the item, and members of its input.
SELECT pg_temp.begin('item_retry', $$
workflow:
- step: each
  type: iterator
  mode: distributed
  collection: [7, 8]
  element: n
  on_error: continue
  task:
    type: python
    code: x
    args: {twice: "{{ n * 2 }}"}
    retry: {max_attempts: 5, initial_delay: 0, retry_when: "{{ n == 7 and twice == 14 and index == 0 and attempt < 3 }}"}
  next: end
- {step: end, result: "{{ each.errors }}"}
$$) > 0 AS started;
SELECT step, input FROM work('{"each": {"fail": "no"}}');
SELECT pg_temp.result('item_retry') AS errors;

-- The retry of a step sees the members of its input, which win over steps and the
-- workload; what belongs to the attempt wins over them.
SELECT pg_temp.begin('step_retry', $$
workload: {tries: 1, wait: 99}
workflow:
- step: a
  type: python
  code: x
  args: {tries: 3, wait: 0, error: mine}
  retry: {max_attempts: "{{ tries }}", initial_delay: "{{ wait }}", retry_when: "{{ error == 'no' and tries == 3 and data.code == 5 }}"}
- step: end
$$) > 0 AS started;
SELECT step FROM work('{"a": {"fail": "no", "result": {"status": "error", "data": {"code": 5}}}}');
SELECT event, note FROM story('seen/step_retry') WHERE event IN ('action_error', 'action_retry');

-- In the save of an item "data" is its result, whatever its retry refers to.
SELECT pg_temp.begin('item_save', $$
workflow:
- step: each
  type: iterator
  mode: distributed
  collection: [7, 8]
  element: n
  task:
    type: python
    code: x
    args: {i: "{{ n }}"}
    retry: {max_attempts: 2, retry_when: "{{ data.again and result and error and each.index > 9 }}"}
    save: {storage: postgres, table: seen, data: {k: "{{ n }}", v: ["{{ data }}", "{{ result }}", "{{ input }}", "{{ i }}", "{{ each.index }}"]}}
  next: end
- {step: end, result: "{{ each }}"}
$$) > 0 AS started;
SELECT count(*) AS tasks FROM work('{"each": {"status": "success", "data": {"z": 1}}}');
SELECT k, v FROM seen ORDER BY k;

-- Members of the iterator's input are names in the task of its items, as where one worker
-- does them; those of the item's own input win.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: seen/child
workload: {v: 0}
workflow: [{step: end, result: "{{ v }}"}]
$$) > 0 AS registered;
SELECT count(pg_temp.begin('members_' || kind, format($$
workload: {own: workload, base: 7}
workflow:
- {step: start, next: {step: each, data: {given: 100}}}
- step: each
  type: iterator
  mode: distributed
  collection: [1, 2]
  element: n
  args: {own: 10, n: hidden, both: outer}
  where: "{{ own == 10 and given == 100 }}"
  task: %s
  next: end
- {step: end, result: "{{ each }}"}
$$, task))) AS started
  FROM (VALUES ('children', $${type: playbook, path: seen/child, args: {v: ["{{ n + own + given }}", "{{ both }}", "{{ base }}"], both: inner}}$$),
               ('sql', $${type: sql, statement: "SELECT :v::text AS v, '{{ own }} {{ both }}' AS w", args: {v: "{{ n + own + given }}", both: inner}}$$),
               ('tasks', $${type: python, code: x, text: "{{ own }} {{ both }}", args: {v: "{{ n + own + given }}", both: inner}, retry: {max_attempts: 2, initial_delay: 0, retry_when: "{{ error and own == 10 and both == 'inner' and given == 100 }}"}, save: {storage: postgres, table: seen, data: {k: "{{ own }} {{ both }}", v: "{{ data }}"}}}$$)) AS t(kind, task);
TRUNCATE seen;
SELECT step, input FROM work('{"each": {"fail": "no"}}', 2);
SELECT action ->> 'text' AS text, count(*) FROM noetl.queue GROUP BY text;
SELECT step, input FROM work('{"each": {"fine": 1}}');
SELECT kind, pg_temp.result('members_' || kind) AS result FROM unnest(ARRAY['children', 'sql', 'tasks']) AS kind;
SELECT k, v FROM seen;

-- So are those of a step's input where its timeout is that of a child, or of a child of each item.
SELECT pg_temp.begin('timeouts', $$
workload: {t: 1}
workflow:
- {step: start, next: [one, each]}
- {step: one, type: playbook, path: seen/late, args: {t: 70}, timeout: "{{ t }} minutes"}
- {step: each, type: iterator, collection: [1], element: n, task: {type: playbook, path: seen/late, args: {t: 80}, timeout: "{{ t }} minutes"}}
$$) > 0 AS started FROM noetl.register(E'apiVersion: noetl.io/v1\nkind: Playbook\npath: seen/late\nworkflow: [{step: a, type: python, code: x}]');
SELECT step_name, (context ->> 'timeout')::bigint / 60000000 AS minutes FROM noetl.run WHERE execution_id = newest('seen/timeouts') ORDER BY step_name;
SELECT date_trunc('minute', deadline - started_at + '1 s') AS deadline FROM noetl.execution WHERE path = 'seen/late' ORDER BY deadline;
SELECT noetl.cancel(newest('seen/timeouts')) AS cancelled;

-- And where return_step names a step of the child, which may be another one for each item.
SELECT pg_temp.begin('return', $$
workload: {s: none}
workflow:
- {step: one, type: playbook, path: seen/two, args: {s: a}, return_step: "{{ s }}", next: each}
- {step: each, type: iterator, collection: [b, a], element: n, args: {s: {a: a, b: b}}, task: {type: playbook, path: seen/two, return_step: "{{ s[n] }}"}, next: end}
- {step: end, result: ["{{ one }}", "{{ each }}"]}
$$) > 0 AS started FROM noetl.register(E'apiVersion: noetl.io/v1\nkind: Playbook\npath: seen/two\nworkflow: [{step: a, type: python, code: x, next: b}, {step: b, type: python, code: x}]');
SELECT count(*) AS tasks FROM work('{"a": {"value": "of a"}, "b": {"value": "of b"}}');
SELECT pg_temp.result('return') AS result;

-- The result of the end sees what transitions give the end.
SELECT pg_temp.begin('end', $$
workload: {z: 1}
workflow:
- {step: a, type: python, code: x, next: [{step: end, data: {z: "{{ result.z }}"}}, {step: b}]}
- {step: b, type: python, code: x, next: {step: end, args: {y: 6}}}
- {step: end, result: {data: "{{ data }}", z: "{{ data.z }} {{ z }} {{ input.y }}"}}
$$) > 0 AS started;
SELECT step FROM work('{"a": {"z": 5}}');
SELECT pg_temp.result('end') AS result;

-- A step whose value is text says how it ended, as any other does.
SELECT pg_temp.begin('text', $$
workflow:
- {step: a, type: python, code: x, next: [{when: "{{ result.status == 'success' and a.status == 'success' }}", step: end}]}
- {step: end, result: {a: "{{ a }}", data: "{{ a.data }}", status: "{{ a.status }} {{ a['status'] }} {{ a.data.status }}", more: "{{ a.more[0] }}",
                       methods: "{{ a.upper() }} {{ a[0] }} {{ a.nothing is defined }}", set: "{% set b = a %}{{ b.status }} {{ (b ~ '').status is defined }}"}}
$$) > 0 AS started;
SELECT step FROM work('{"a": {"status": "success", "data": "words", "more": [8]}}');
SELECT pg_temp.result('text') AS result;

-- A member of an input that is called like a step hides the value of the step, but not in results.
SELECT pg_temp.begin('called', $$
workflow:
- {step: before, type: python, code: x, next: each}
- step: each
  type: iterator
  mode: distributed
  collection: [1]
  element: n
  args: {before: {n: 2}}
  task: {type: python, code: x, text: "{{ before.n }} {{ before.status | default('none') }} {{ results.before.status }}"}
  next: same
- {step: same, type: python, args: {before: {n: 1}}, code: x, text: "{{ before.n }} {{ before.status | default('none') }} {{ results.before.status }}"}
$$) > 0 AS started;
SELECT step FROM work('{"before": {"status": "success", "data": {"x": 1}}}', 1);
SELECT action ->> 'text' AS text FROM noetl.queue;
SELECT step FROM work(tasks => 1);
SELECT action ->> 'text' AS text FROM noetl.queue;
SELECT step FROM work();

-- The members of "results" are values of steps, with their envelopes: no other way leads to
-- a step whose name is no name of a template. A worker sees the same. A member of the input hides the
-- step that is called like it, but not its member of "results".
SELECT pg_temp.begin('results', $$
workflow:
- {step: fetch-all, type: python, code: x, next: each-one}
- {step: each-one, type: iterator, mode: distributed, collection: [1, 2], element: n, on_error: continue, task: {type: python, code: x}, next: text}
- {step: text, type: python, code: x, next: [{when: "{{ results['fetch-all'].status == 'success' and results['each-one'].errors | length == 1 }}", step: walk}]}
- {step: walk, type: iterator, collection: [1], element: n, next: end, args: {text: 1},
   note: "{{ text }} {{ results.text.more }} {{ results['text'].status }} {{ text.more is defined }}",
   task: {type: python, code: x, args: {a: "{{ results['fetch-all'].status }} {{ results['fetch-all'].data.k }} {{ results['each-one'].total_iterations }} {{ results.text.more }} {{ results.text }}"}}}
- {step: end, result: {a: "{{ results['fetch-all'].status }} {{ results['fetch-all'].result.k }}", b: "{{ results['each-one'].total_iterations }} {{ results['each-one'].results }}",
                       c: "{{ results.text.status }} {{ results.text.more }} {{ results.text.data }} {{ results.text.less is defined }} {{ results.nobody is defined }}"}}
$$) > 0 AS started;
SELECT step FROM work('{"fetch-all": {"status": "success", "data": {"k": 1}}, "each-one": {"fail": "no"}}', 2);
SELECT step FROM work('{"each-one": {"z": 1}, "text": {"status": "success", "data": "words", "more": 5}}', 2);
SELECT noetl.task_action(action -> 'task', context, '{}', '{}') -> 'data' AS data, action ->> 'note' AS note FROM noetl.queue;
SELECT step FROM work();
SELECT pg_temp.result('results') AS result;
SELECT execution_id, difference FROM noetl.execution e CROSS JOIN LATERAL noetl.verify(e.execution_id) AS difference
 WHERE e.path LIKE 'seen/%';

DROP TABLE seen;
DROP OWNED BY regress_noetl_seer;
DROP ROLE regress_noetl_seer;

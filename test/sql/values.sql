-- What templates see.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: values/names
workload:
  greeting: "hello {{ execution_id is string }}"
  nested: {a: 1, b: {c: 2}}
  servers: [{name: x, port: 1}, {name: y, port: 2}]
workflow:
- step: first
  type: python
  code: "print('{{ not touched }}')"
  code_extra: "{{ neither }}"
  args: {level: args, only_args: 1}
  input: {level: input, only_input: 1}
  next:
  - step: second
    args: {level: args, went: "{{ result.status }}", from: "{{ result.n }}", word: "{{ this.data.word }}", me: "{{ input.only_input }}", token: "{{ keychain.token }}", none: "{{ third }}"}
    data: {level: data}
- step: second
  type: python
  code: x
  data:
    level: step
    own: "{{ data.from }}"
    direct: "{{ first.n }}"
    by_data: "{{ first.data.n }}"
    by_result: "{{ first.result.n }}"
    deep: "{{ first.data.data.n }}"
    status: "{{ first.status }} {{ first.data.status }}"
    all: "{{ results.first.word }}"
    load: "{{ workload.nested.b.c }}"
    short: "{{ nested.a }}"
    greeting: "{{ greeting }}"
    text: "{{ first.n }} and {{ first.word }}"
    json: '{"built": {{ first.n }}}'
    digits: "007"
    undone: "{{ third }}"
  secret: "{{ keychain.token }}"
  mixed: "{{ first.n }} {{ env.HOME }}"
  query: "SELECT {{ input.level | quote_literal }}"
  retry: {max_attempts: "{{ workload.nested.b.c }}", retry_when: "{{ first.n == 0 and error }}"}
  next: third
- {step: third, type: python, code: x, data: "{{ second }}", next: fourth}
- {step: fourth, type: python, code: x, data: [1, 2], next: end}
- step: end
  result: {first: "{{ first }}", job: "{{ job.uuid == execution_id | string }}", path: "{{ path }}", version: "{{ version }}"}
$$) > 0 AS registered;
SELECT noetl.execute('values/names') AS x \gset
SELECT action FROM noetl.queue;
SELECT step FROM work('{"first": {"status": "success", "data": {"n": 7, "word": "seven"}}}', 1);
SELECT jsonb_pretty(action) AS action, context, max_attempts FROM noetl.queue;
SELECT step FROM work('{"second": {"k": "v"}}', 1);
SELECT action -> 'data' AS data FROM noetl.queue;
SELECT step, input FROM work();
SELECT result - 'version' AS result FROM noetl.execution WHERE execution_id = :x;

-- Parameters are laid over the workload: its keys, or deeply.
SELECT noetl.execute('values/names', '{"nested": {"b": 5}, "servers": [{"name": "y", "port": 9}, {"name": "z"}], "at": "{{ execution_id }}"}') AS x \gset
SELECT data -> 'at' AS at, data - 'at' AS workload FROM noetl.workload WHERE execution_id = :x;
SELECT noetl.execute('values/names', '{"nested": {"b": {"d": 5}}, "servers": [{"name": "y", "port": 9}, {"name": "z"}]}', NULL, true) AS x \gset
SELECT data AS workload FROM noetl.workload WHERE execution_id = :x;
SELECT count(noetl.cancel(execution_id)) AS cancelled FROM noetl.execution WHERE status = 'RUNNING' AND path = 'values/names';

-- A version is pinned when its execution starts.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: values/pinned
workflow:
- {step: a, type: python, code: one, next: b}
- {step: b, type: python, code: one}
$$) > 0 AS registered;
SELECT noetl.execute('values/pinned') AS x \gset
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: values/pinned
workflow:
- {step: a, type: python, code: two}
$$) > 0 AS registered;
SELECT noetl.execute('values/pinned') > 0 AS newest, noetl.execute('values/pinned', '{}', 1) > 0 AS first;
SELECT node_name, action ->> 'code' AS version FROM noetl.queue ORDER BY queue_id;
SELECT step FROM work();

-- A value that one template has loaded is there for those that follow.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: values/again
workload: {names: [a, b], deep: {er: [1, {x: 2}]}}
workflow:
- {step: list, type: python, code: x, next: map}
- {step: map, type: python, code: x, next: end}
- step: end
  result:
    first: "{{ list }}"
    second: "{{ list.data }} {{ list.result }} {{ list.data[0].a }} {{ list.status }}"
    third: "{{ list | length }} {{ map.keys() | list }} {{ workload.deep }}"
    fourth: "{{ map }}"
    fifth: "{{ map.data.k }} {{ map }} {{ list }} {{ names }} {{ deep.er[1].x }} {{ results.map }}"
    sixth: ["{{ list }}", "{{ map }}", "{{ workload }}"]
$$) > 0 AS registered;
SELECT noetl.execute('values/again') AS x \gset
SELECT step FROM work('{"list": {"status": "success", "data": [{"a": 1}]}, "map": {"status": "success", "data": {"k": ["v"]}}}');
SELECT jsonb_pretty(result) AS result FROM noetl.execution WHERE execution_id = :x;

-- What is not called is no method.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: values/methods
workload: {items: [1, 2], keys: k}
workflow:
- {step: list, type: python, code: x, next: map}
- {step: map, type: python, code: x, next: end}
- step: end
  result:
    items: "{{ workload.items }}"
    both: "{{ workload.items | length }} {{ workload.keys() | list }} {{ workload.keys }}"
    count: "{{ list.count }} {{ list.count(1) }}"
    values: "{{ map.values }} {{ map.data.values[0] }} {{ map['values'] }} {{ map.title is defined }}"
$$) > 0 AS registered;
SELECT noetl.execute('values/methods') AS x \gset
SELECT step FROM work('{"list": {"status": "success", "data": [1, 1, 2]}, "map": {"values": ["v"]}}');
SELECT jsonb_pretty(result) AS result FROM noetl.execution WHERE execution_id = :x;

-- Text has the other members of its envelope, as any value has.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: values/text
workflow:
- {step: word, type: python, code: x, next: [{when: "{{ word.status == 'success' }}", then: [ask]}]}
- {step: ask, type: wait, signal: [agreed, refused], next: end}
- step: end
  result: ["{{ word }}", "{{ word.took }}", "{{ word.data.status }}", "{{ word.result }}", "{{ word.upper() }} {{ word.count('w') }} {{ word[0] }}", "{{ word.nobody is defined }}", "{{ ask.signal }}", "{{ ask }}"]
$$) > 0 AS registered;
SELECT noetl.execute('values/text') AS x \gset
SELECT step FROM work('{"word": {"status": "success", "data": "word", "took": 5}}', 1);
SELECT noetl.signal(:x, 'agreed', '"of course"');
SELECT status, result FROM noetl.execution WHERE execution_id = :x;

-- What a worker renders sees the same: values, not plain JSON.
SELECT noetl.render('["{{ result.data.n }}", "{{ result.result.n }}", "{{ http.data.data.x }} {{ http.x }}", "{{ list.count }}", "{{ result.items }}", "{{ nobody }}"]',
                    '{"result": {"n": 1, "items": 2}, "http": {"status_code": 200, "data": {"x": 3}}, "list": [1, 2]}', true);
SELECT noetl.render('"{{ result.data.n }}"'::jsonb, '{"result": {"n": 1}}', false);
-- get() finds what a member finds, "in" is about the keys of the value itself.
SELECT noetl.render($$["{{ http.get('x') }}", "{{ http.get('y', 7) }}", "{{ http | get('x') }}", "{{ http.get('data').get('data').x }}", "{{ map.get('data').n }}", "{{ map.get('result') == map }}", "{{ 'x' in http }}", "{{ http.x is defined }}"]$$,
                    '{"http": {"status_code": 200, "data": {"x": 3}}, "map": {"n": 1}}', true);
SELECT noetl.render($$["{{ http.get('x', 'none') }}", "{{ http | get('data') }}", "{{ http.get('result') }}"]$$, '{"http": {"status_code": 200, "data": {"x": 3}}}', false);

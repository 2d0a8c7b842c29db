-- Which transitions are taken.

-- Hot or cold: conditions on the result of a workbook task.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: conditions/flag
workload: {temperature: 30}
workbook:
- name: compute_flag
  tool: python
  code: |
    def main(temperature):
        return {"is_hot": float(temperature) >= 25}
workflow:
- {step: start, next: [{step: eval}]}
- step: eval
  tool: workbook
  name: compute_flag
  args: {temperature: "{{ workload.temperature }}"}
  next:
  - {when: "{{ result.is_hot == true }}", step: hot}
  - {when: "{{ result.is_hot == false }}", step: cold}
- {step: hot, tool: router, next: [{step: hot_a}, {step: hot_b}]}
- {step: hot_a, tool: python, code: x, next: [{step: end}]}
- {step: hot_b, tool: python, code: x, next: [{step: end}]}
- {step: cold, tool: router, next: [{step: cold_a}]}
- {step: cold_a, tool: python, code: x, next: [{step: end}]}
- step: end
$$) > 0 AS registered;
SELECT noetl.execute('conditions/flag') > 0 AS started;
SELECT node_name, node_type, action FROM noetl.queue;
SELECT * FROM work('{"eval": {"is_hot": true}}');
SELECT * FROM story('conditions/flag');
SELECT noetl.execute('conditions/flag', '{"temperature": 10}') > 0 AS started;
SELECT * FROM work('{"eval": {"is_hot": false}}');
SELECT * FROM story('conditions/flag');

-- then, else, and an else of its own; several may hold; the first entry that
-- names a target wins.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: conditions/forms
workload: {n: 0}
workflow:
- step: start
  next:
  - {when: "{{ n > 5 }}", then: [big, {step: log, data: {size: big}}], else: [small]}
  - {condition: "n % 2 == 0", step: even}
  - {when: true, step: always}
  - {when: "{{ n > 5 }}", step: log}
  - else: [odd_one]
- {step: big, type: python, code: x}
- {step: small, type: python, code: x}
- {step: even, type: python, code: x}
- {step: always, type: python, code: x}
- {step: log, type: python, code: x}
- {step: odd_one, type: python, code: x}
$$) > 0 AS registered;
SELECT noetl.execute('conditions/forms', '{"n": 6}') > 0 AS started;
SELECT * FROM work();
SELECT noetl.execute('conditions/forms', '{"n": 3}') > 0 AS started;
SELECT * FROM work();

-- Exclusive: only the first match; else only when nothing matched.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: conditions/exclusive
workflow:
- step: start
  next_mode: exclusive
  next:
  - {when: "{{ n > 5 }}", step: big}
  - {when: "{{ n > 3 }}", step: middle}
  - else: small
- {step: big, type: python, code: x}
- {step: middle, type: python, code: x}
- step: small
  next:
    spec: {mode: exclusive}
    arcs: [{step: middle}, {step: big}]
$$) > 0 AS registered;
SELECT n, noetl.execute('conditions/exclusive', jsonb_build_object('n', n)) > 0 AS started FROM unnest('{9,4,1}'::int[]) n;
SELECT step FROM work();
SELECT * FROM story('conditions/exclusive') WHERE event = 'step_completed' AND node = 'small';

-- Conditions that raise count as false and are recorded; when nothing was taken
-- and something raised, the step fails.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: conditions/raising
workload: {fallback: true}
workflow:
- step: a
  type: python
  code: x
  next:
  - {when: "{{ 1 / result.zero > 0 }}", step: b}
  - {when: "{{ nobody.knows.this }}", step: b}
  - {when: "{{ fallback }}", step: end}
- {step: b, type: python, code: x}
- step: end
$$) > 0 AS registered;
SELECT noetl.execute('conditions/raising') > 0 AS started;
SELECT step FROM work('{"a": {"zero": 0}}');
SELECT * FROM story('conditions/raising');
SELECT noetl.execute('conditions/raising', '{"fallback": false}') > 0 AS started;
SELECT step FROM work('{"a": {"zero": 0}}');
SELECT * FROM story('conditions/raising');
-- An entry's own else is taken then, too.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: conditions/raising_else
workflow:
- {step: start, next: a}
- {step: a, type: python, code: x, next: [{when: "{{ 1 / result.zero > 0 }}", then: [b], else: [end]}]}
- {step: b, type: python, code: x}
- step: end
$$) > 0 AS registered;
SELECT noetl.execute('conditions/raising_else') > 0 AS started;
SELECT step FROM work('{"a": {"zero": 0}}');
SELECT * FROM story('conditions/raising_else');

-- Steps that are not needed are skipped: when is false, or pass is true.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: conditions/skip
workload: {need: false, done: "yes"}
workflow:
- {step: a, type: python, code: x, when: "{{ need }}", next: b}
- {step: b, type: python, code: x, pass: "{{ done }}", next: c}
- {step: c, type: python, code: x, when: "{{ a is none }}", next: end}
- step: end
$$) > 0 AS registered;
SELECT noetl.execute('conditions/skip') > 0 AS started;
SELECT step FROM work();
SELECT * FROM story('conditions/skip');

-- A playbook brings its own tests.
\set ECHO all
\pset format unaligned
\pset tuples_only on
SELECT $$
apiVersion: noetl.io/v1
kind: Playbook
path: test/refund
workload: {order: 7, amount: 50}
workflow:
- step: start
  next:
  - when: "{{ amount > 1000 }}"
    then: approve
  - else: refund
- step: approve
  type: wait
  signal: approved
  timeout: 3 days
  on_error: {step: refused}
  next: refund
- step: refund
  type: http
  method: POST
  url: "https://shop.example/orders/{{ order }}/refund"
  retry: {max_attempts: 3, initial_delay: 1 }
  next: note
- step: note
  type: sql
  statement: INSERT INTO refunds VALUES (:id, :amount)
  params: {id: "{{ refund.id }}", amount: "{{ amount }}"}
  next: end
- step: refused
  next: end
- step: end
  result: {refund: "{{ refund.id if refund is defined else none }}"}
$$ AS refund \gset
SELECT $$
tests:
- name: a small refund is made at once
  parameters: {order: 8}
  stubs:
    refund: {id: r1}
  expect:
    status: completed
    result: {refund: r1}
    error: false
    steps: [refund, note]
    not_steps: [approve, refused]
    tasks:
      refund: {type: http, method: POST, url: https://shop.example/orders/8/refund}
      note: {params: {id: r1, amount: 50}}
- name: a large one is approved first
  parameters: {amount: 2000}
  at: 2026-03-01 12:00
  stubs:
    approve: {signal: true, after: 2 days}
    refund:
    - {error: no route}
    - {result: {id: r2}, after: 3}
  expect:
    steps:
      approve: completed
      refund: {status: completed, visits: 1, attempts: 2, result: {id: r2}}
      note: 1
      refused: none
      end: completed
- name: nobody approves
  parameters: {amount: 2000}
  expect: {status: COMPLETED, result: {refund: null}, steps: {approve: {status: failed, error: timed out}, refused: COMPLETED}, not_steps: refund}
- name: the shop is down
  stubs: {refund: {error: 503}}
  expect: {status: failed, error: "failed at step refund: 503", steps: {refund: {attempts: 3}}, tasks: {refund: [{method: POST}]}}
$$ AS good \gset
SELECT * FROM noetl.test(:'refund' || :'good');
-- As pgTAP prints it.
SELECT CASE WHEN t.ok THEN 'ok ' ELSE 'not ok ' END || row_number() OVER () || ' - ' || t.name || coalesce(E'\n# ' || t.detail, '')
  FROM noetl.test(:'refund' || :'good') AS t;
-- It works where nothing can be written, and nothing is.
BEGIN READ ONLY;
SELECT count(*) FILTER (WHERE ok), count(*) FROM noetl.test(:'refund' || :'good');
COMMIT;
SELECT (SELECT count(*) FROM noetl.catalog WHERE path = 'test/refund') AS playbooks;

-- What differs is said: what was expected, and what was found.
SELECT name, ok, detail FROM noetl.test(:'refund' || $$
tests:
- {name: status, expect: {status: failed}}
- {name: result, expect: {result: {refund: r1}}, stubs: {refund: {id: r2}}}
- {name: part of a result, expect: {result: {}}}
- {name: error, expect: {error: deadlock}, stubs: {refund: {error: 503}}}
- {name: no error, expect: {error: false}, stubs: {refund: {error: 503}}}
- {name: some error, expect: {error: true}}
- {name: order, expect: {steps: [note, refund]}}
- {name: step, expect: {steps: {note: failed, refund: 2, refused: completed}}}
- {name: step closely, expect: {steps: {refund: {attempts: 2, visits: 2, result: 5, error: x, status: failed}}}}
- {name: not, expect: {not_steps: [refund, approve]}}
- {name: task, expect: {tasks: {refund: {method: GET}}}}
- {name: tasks, expect: {tasks: {refund: [{method: POST}, {method: POST}], note: []}}}
- {name: no task, expect: {tasks: {approve: {}}}}
- {name: the other name of a signal, parameters: {amount: 2000}, stubs: {approve: {signal: other}}, expect: {steps: {approve: completed}}}
- {name: several, expect: {status: failed, steps: []}}
- expect: {status: failed}
$$);

-- An execution that does not end has status RUNNING, and the detail says why.
SELECT name, ok, detail FROM noetl.test($$
kind: Playbook
workflow:
- {step: wait, type: wait, signal: go, on_error: hold, next: task}
- {step: task, type: shell, command: x, on_error: hold}
tests:
- {name: it waits, expect: {status: running, steps: {wait: running, task: none}}}
- {name: it does not, expect: {status: completed}}
- {name: it is held, stubs: {wait: {}, task: {error: broken}}, expect: {status: running, steps: {task: {status: held, error: broken}}}}
- {name: it is not, stubs: {wait: {}, task: {error: broken}}, expect: {steps: {task: failed}}}
$$);

-- What is wrong with a test is the detail of its row; the others go on.
SELECT name, ok, detail FROM noetl.test(:'refund' || $$
tests:
- {name: nothing expected, stubs: {refund: 1}}
- {name: empty, expect: {}}
- {name: misspelt, expects: {status: completed}}
- {name: misspelt too, expect: {state: completed}}
- {name: and too, expect: {steps: {refund: {visit: 1}}}}
- {name: no such step, stubs: {refunds: {}}, expect: {status: completed}}
- {name: no time, at: soon, expect: {status: completed}}
- {name: never, at: infinity, expect: {status: completed}}
- {name: no mapping, parameters: [1], expect: {status: completed}}
- {name: no list, expect: {not_steps: 7}}
- {name: not_steps misspelt, expect: {not_steps: [refunds]}}
- {name: no text, expect: {error: 404}}
- {name: no task, expect: {tasks: [refund], status: completed}}
- just text
- {name: right, expect: {status: completed}}
$$);
SELECT * FROM noetl.test(:'refund');
SELECT * FROM noetl.test(:'refund' || 'tests: {name: x}');
SELECT * FROM noetl.test('workflow: [');
SELECT * FROM noetl.test(NULL);

-- Registering warns of what is misspelt.
SELECT severity, line, col, path, message, hint FROM noetl.validate(:'refund' || $$
tests:
- name: one
  stub: {refund: 1}
  stubs: {refnd: 1, approve/x: 2}
  expect:
    steps: {refund: {visit: 1}, note: completed}
    not_step: [refund]
    not_steps: [refusd]
    tasks: {nowhere: {}}
- text
$$);
SELECT severity, message, hint FROM noetl.validate(:'refund' || 'tests: all');
SELECT severity, message, hint FROM noetl.validate(:'refund' || 'test: []');
SELECT count(*) FROM noetl.validate(:'refund' || :'good');

-- Rights are granted, not there: an author's, through create_roles().
SELECT f, has_function_privilege('public', f, 'EXECUTE')
  FROM unnest(ARRAY['noetl.simulate(text, jsonb, jsonb, timestamptz)', 'noetl.test(text)']) AS f;

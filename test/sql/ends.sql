-- How branches and executions end.

CREATE FUNCTION pg_temp.play(name text, workflow text, answers jsonb DEFAULT '{}', head text DEFAULT '')
RETURNS TABLE (event text, node text, note text) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM noetl.register(format(E'apiVersion: noetl.io/v1\nkind: Playbook\npath: ends/%s\n%s\nworkflow:\n%s', name, head, workflow));
    PERFORM noetl.execute('ends/' || name);
    PERFORM count(*) FROM work(answers);
    RETURN QUERY SELECT s.event, s.node, s.note FROM story('ends/' || name) s
                  WHERE s.event NOT IN ('execution_start', 'action_started', 'action_completed', 'step_started');
    RETURN QUERY SELECT 'verify', NULL, v::text FROM noetl.verify(newest('ends/' || name)) v;
END
$$;

-- A branch that ends where there is no step "end" has been taken: a condition that raised
-- beside it fails nothing …
SELECT * FROM pg_temp.play('else', $$
- {step: a, type: python, code: x, next: [{when: "{{ result.no.such }}", step: b}, {else: [end]}]}
- {step: b}
$$);
SELECT * FROM pg_temp.play('beside', $$
- {step: a, type: python, code: x, next_mode: exclusive, next: [{when: "{{ result.no.such }}", step: b}, end]}
- {step: b}
$$);
SELECT * FROM pg_temp.play('own_else', $$
- {step: a, type: python, code: x, next: [{when: "{{ result.no.such }}", step: b, else: end}]}
- {step: b}
$$);
SELECT * FROM pg_temp.play('input', $$
- {step: a, type: python, code: x, next: [{when: true, then: [b], args: {x: "{{ result.no.such }}"}}]}
- {step: b}
$$);
-- … and a failure that leads there is handled.
SELECT * FROM pg_temp.play('handled', $$
- {step: a, type: python, code: x, on_error: {step: end}}
$$, '{"a": {"fail": "boom"}}');
SELECT * FROM pg_temp.play('not_handled', $$
- {step: a, type: python, code: x, on_error: [{when: "{{ error == 'bang' }}", step: end}]}
$$, '{"a": {"fail": "boom"}}');

-- The name of the end may be written in any case, as that of the step.
SELECT * FROM pg_temp.play('any_case', $$
- {step: a, next: END}
- {step: End, result: reached}
$$);

-- Of several ends the one that was reached gives the result, whether it does something or not.
SELECT * FROM pg_temp.play('several', $$
- {step: a, type: python, code: x, next: [{when: "{{ result.good }}", step: good}, {else: bad}]}
- {step: good, type: end, result: "well: {{ a.n }}"}
- {step: end, type: python, code: x, result: "never"}
- {step: bad, type: end, save: {storage: event, data: {badly: "{{ a.n }}"}}}
$$, '{"a": {"good": false, "n": 3}}');
SELECT * FROM pg_temp.play('acting', $$
- {step: a, next: end}
- {step: good, type: end, result: never}
- {step: end, type: python, code: x}
$$, '{"end": {"n": 3}}');
SELECT * FROM pg_temp.play('failing', $$
- {step: a, next: end}
- {step: end, type: python, code: x, result: "{{ result.n }}", on_error: {step: otherwise}}
- {step: otherwise, type: end, save: {storage: event, data: {saved: 1}}}
$$, '{"end": {"fail": "boom"}}');

-- The result sees what the transitions gave to the end, as data and by name …
SELECT * FROM pg_temp.play('given', $$
- {step: start, next: [b, a]}
- {step: a, type: python, code: x, next: {step: end, data: {n: "{{ result.n }}", a: 1}}}
- {step: b, type: python, code: x, next: {step: end, args: {n: "{{ result.n }}"}}}
- {step: end, result: {data: "{{ data }}", n: "{{ n }}", args: "{{ args.a }}", none: "{{ input.z | default('none') }}"}}
$$, '{"a": {"n": 1}, "b": {"n": 2}}');
SELECT * FROM pg_temp.play('given_nothing', $$
- {step: end, result: {data: "{{ data }}", none: "{{ data.z | default('none') }}"}}
$$);
-- … which hides no key of the workload when it is empty …
SELECT * FROM pg_temp.play('workload', $$
- {step: end, result: {data: "{{ data.z }}"}}
$$, head => 'workload: {data: {z: 1}}');
-- … also where it had an action, and has ended long before the execution.
SELECT * FROM pg_temp.play('early', $$
- {step: start, next: [{step: end, data: {n: 1}}, b]}
- {step: b, type: shell, command: x, next: c}
- {step: c, type: shell, command: x}
- {step: end, type: python, code: x, args: {m: 2}, result: {data: "{{ data }}", n: "{{ n }}", result: "{{ result.r }}"}}
$$, '{"end": {"r": 5}}');
SELECT e.meta FROM noetl.event e WHERE e.execution_id = newest('ends/early') AND e.event_type = 'step_started' AND e.node_name = 'end';
SELECT * FROM pg_temp.play('skipped', $$
- {step: start, next: {step: end, data: {n: 1}}}
- {step: end, type: python, code: x, pass: "{{ n == 1 }}", result: {data: "{{ data }}", result: "{{ result }}"}}
$$);
-- What an end with an action saves sees the same: data is the value of the action.
SELECT * FROM pg_temp.play('saved', $$
- {step: start, next: {step: end, data: {n: 1}}}
- {step: end, type: python, code: x, save: {storage: event, data: {value: "{{ data }}", n: "{{ n }}"}}}
$$, '{"end": {"r": 5}}');
SELECT * FROM pg_temp.play('only_saved', $$
- {step: start, next: {step: end, data: {n: 1}}}
- {step: end, save: {storage: event, data: {input: "{{ data }}", n: "{{ n }}"}}}
$$);

-- The first step has an input, too: nothing.
SELECT * FROM pg_temp.play('start', $$
- {step: start, next: [{when: "{{ data.again | default(false) }}", step: end}, {when: "{{ not data.again | default(false) }}", step: b}]}
- {step: b, next: {step: start, data: {again: true}}}
- {step: end}
$$);
SELECT * FROM pg_temp.play('start_workload', $$
- {step: start, next: [{when: "{{ data.again }}", step: end}]}
- {step: end, result: reached}
$$, head => 'workload: {data: {again: true}}');

-- A status is read without the blanks around it: it says whether step_end is a failure.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: ends/held
workflow:
- {step: a, type: python, code: x, on_error: hold, next: [{when: "{{ result.go.there }}", step: end}]}
- {step: end, result: "{{ a.go }}"}
$$) > 0 AS registered;
SELECT noetl.execute('ends/held') AS x \gset
INSERT INTO noetl.event (execution_id, event_type, node_name, status, error) VALUES (:x, 'step_end', 'a', E' Failure\n', 'boom');
-- A step that is held stays so when it is skipped with a value that its transitions cannot read …
SELECT noetl.skip(:x, 'a', '5');
SELECT status, error FROM noetl.execution WHERE execution_id = :x;
SELECT * FROM noetl.verify(:x);
-- … until there is one that they can.
SELECT noetl.skip(:x, 'a', '{"go": {"there": true}}');
SELECT * FROM story('ends/held');
SELECT * FROM noetl.verify(:x);
-- Who fails it himself fails it for good.
SELECT noetl.execute('ends/held') AS x \gset
SELECT noetl.fail(queue_id, 'boom', 'w') FROM noetl.lease('w');
INSERT INTO noetl.event (execution_id, event_type, node_name, error) VALUES (:x, 'step_failed', 'a', 'no');
SELECT status, error FROM noetl.execution WHERE execution_id = :x;

-- What only a worker can render is no text that an end could return.
SELECT * FROM pg_temp.play('left', $$
- {step: start, next: {step: end, data: {home: "{{ env.HOME }}", n: 1}}}
- {step: end, result: "{{ data.n }} {{ home }}"}
$$);
SELECT * FROM pg_temp.play('left_before', $$
- {step: start, next: {step: end, data: {n: 1}}}
- {step: end, type: python, code: x, args: {home: "{{ env.HOME }}"}, result: "{{ data.home }}"}
$$);
SELECT * FROM pg_temp.play('left_aside', $$
- {step: start, next: {step: end, data: {n: 1}}}
- {step: end, type: python, code: x, args: {home: "{{ env.HOME }}"}, result: "{{ n }} {{ result }}"}
$$);

-- An end whose mapping has failed gets the input of a redrive, as do all steps where none failed.
SELECT * FROM pg_temp.play('redriven', $$
- {step: a, next: {step: end, data: {n: 1}}}
- {step: end, result: "{{ n }} {{ data.more.less }}"}
$$);
SELECT noetl.redrive(newest('ends/redriven'), '{"more": {"less": 2}}');
SELECT status, result FROM noetl.execution WHERE execution_id = newest('ends/redriven');
SELECT * FROM noetl.verify(newest('ends/redriven'));
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: ends/cancelled
workflow:
- {step: start, next: [a, b]}
- {step: a, next: {step: join, data: {n: 1, m: 1}}}
- {step: b, type: python, code: x, next: {step: join, data: {m: 2}}}
- {step: join, type: python, code: x, next: end}
- {step: end}
$$) > 0 AS registered;
SELECT noetl.execute('ends/cancelled') AS x \gset
SELECT noetl.cancel(:x);
SELECT noetl.redrive(:x, '{"n": 3, "o": 4}');
SELECT * FROM work();
SELECT * FROM noetl.verify(:x);

-- The log of an end that began under version 0.1.0 does not have its input.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: ends/begun
workflow:
- {step: start, next: {step: end, data: {n: 1}}}
- {step: end, type: python, code: x, result: "{{ n }} {{ result.v }}"}
$$) > 0 AS registered;
SELECT noetl.execute('ends/begun') AS x \gset
UPDATE noetl.event SET meta = NULL WHERE execution_id = :x AND event_type = 'step_started' AND meta = '{"input": {"n": 1}}';
SELECT * FROM noetl.verify(:x);
SELECT * FROM work('{"end": {"v": 2}}');
SELECT status, result FROM noetl.execution WHERE execution_id = :x;
SELECT * FROM noetl.verify(:x);
UPDATE noetl.event SET meta = '{"input": {"n": 2}}' WHERE execution_id = :x AND event_type = 'step_started';
SELECT relation, expected, found FROM noetl.verify(:x);
UPDATE noetl.event SET meta = '{"input": {"n": 1}}' WHERE execution_id = :x AND event_type = 'step_started';

-- Of two ends that have ended the first of the document gives the result, with its own input.
SELECT * FROM pg_temp.play('both', $$
- {step: start, next: [{step: end, data: {n: 1}}, {step: other, data: {n: 2}}]}
- {step: end, type: python, code: x, result: {n: "{{ data.n }}", r: "{{ result.r }}"}}
- {step: other, type: end, on_error: hold, result: "{{ data.no.such }}"}
$$, '{"end": {"r": 1}}');
SELECT noetl.skip(newest('ends/both'), 'other', '"by hand"');
SELECT status, result FROM noetl.execution WHERE execution_id = newest('ends/both');
SELECT * FROM noetl.verify(newest('ends/both'));

-- An end that has done something has ended: it is not held when its result cannot be made.
SELECT * FROM pg_temp.play('acting_raises', $$
- {step: end, type: python, code: x, on_error: hold, result: "{{ result.no.such }}"}
$$);

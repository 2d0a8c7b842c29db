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

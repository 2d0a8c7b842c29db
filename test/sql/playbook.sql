-- Registering playbooks: versions, forms that are accepted, and who may do it.
SET client_min_messages = warning;

-- A playbook gets the path it says, and versions that count from 1.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
metadata: {name: greet, path: playbook_test/greet}
workload: {who: world}
workflow:
  - step: start
    next: say
  - step: say
    type: python
    code: |
      def main(who):
          return {"greeting": "hello " + who}
    args: {who: "{{ workload.who }}"}
    next: end
  - step: end
$$) AS greet \gset
SELECT path, version, kind, length(digest), payload -> 'workload' AS workload,
       payload #>> '{workflow,1,args,who}' AS who
  FROM noetl.catalog WHERE catalog_id = :greet;

-- The same text is no new version, whenever it comes; another text is.
SELECT noetl.register(content) = :greet AS same FROM noetl.catalog WHERE catalog_id = :greet;
SELECT noetl.register(content || '# changed') > :greet AS newer FROM noetl.catalog WHERE catalog_id = :greet;
SELECT noetl.register(content) = :greet AS same FROM noetl.catalog WHERE catalog_id = :greet;
SELECT version, digest = sha256(convert_to(content, 'UTF8')) AS digest
  FROM noetl.catalog WHERE path = 'playbook_test/greet' ORDER BY version;

-- The path argument wins over the document, and stands in for it.
SELECT noetl.register(content, 'playbook_test/copy') <> :greet AS another
  FROM noetl.catalog WHERE catalog_id = :greet;
SELECT noetl.register(E'apiVersion: noetl.io/v1\nkind: playbook\nworkflow: [{step: a}]',
                      'playbook_test/nameless') > 0 AS registered;
SELECT path, version FROM noetl.catalog
 WHERE path IN ('playbook_test/copy', 'playbook_test/nameless') ORDER BY path;

-- metadata.path, path, metadata.name, name: in this order.
CREATE FUNCTION pg_temp.path_of(heads text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    id bigint := noetl.register(E'apiVersion: noetl.io/v1\nkind: Playbook\n' || heads ||
                                E'\nworkflow: [{step: a}]');
BEGIN
    RETURN (SELECT path FROM noetl.catalog WHERE catalog_id = id);
END $$;
SELECT pg_temp.path_of(E'metadata: {path: t/1, name: n}\npath: t/2\nname: m');
SELECT pg_temp.path_of(E'metadata: {name: t/n}\npath: t/2\nname: m');
SELECT pg_temp.path_of(E'metadata: {name: t/n}\nname: m');
SELECT pg_temp.path_of(E'name: 42');

-- A byte order mark and CRLF are no fault, and are kept.
SELECT noetl.register(E'\uFEFFapiVersion: noetl.io/v1\r\nkind: Playbook\r\nname: playbook_test/crlf\r\n'
                      'workflow:\r\n  - step: a\r\n    next: b\r\n  - step: b\r\n') AS crlf \gset
SELECT payload -> 'workflow' AS workflow, content LIKE E'\uFEFF%\r\n' AS verbatim
  FROM noetl.catalog WHERE catalog_id = :crlf;

-- Every way to write a step's type, its transitions and its policies.
SELECT count(*) FROM noetl.validate($$
apiVersion: noetl.io/v1
kind: PLAYBOOK
name: forms
tasks:
  add: {tool: {kind: Python, code: "def main(a, b): return a + b"}, with: {a: 1, b: 2}, retry: 2}
steps:
  - step: " Start "
    next: [plain, {step: mapped, data: {x: 1}}]
  - step: plain
    type: HTTP
    url: "{{ workload.url }}"
    params: {q: "{{ q }}"}
    retry: true
    next: {when: "{{ result.ok }}", then: [mapped], else: workbook_step}
  - step: mapped
    tool: postgres
    command: SELECT 1
    retry: {max_attempts: "{{ workload.attempts }}", retry_delay: 0.5, jitter: false,
            retry_when: error is defined, stop_when: "{{ attempt > 3 }}"}
    on_error: continue
    next:
      - {condition: "{{ mapped.a }}", step: workbook_step, payload: "{{ mapped }}"}
      - else: [{step: noop_step, with: {y: 2}}]
  - name: workbook_step
    type: workbook
    task: add
    with: {b: 3}
    on_error: {step: handler}
    next:
      spec: {mode: exclusive}
      arcs:
        - {when: workbook_step > 3, step: noop_step}
        - {step: custom}
  - step: noop_step
    type: noop
    when: false
    next: custom
  - step: custom
    tool: {kind: anything_a_worker_knows, size: 3, type: inner}
    pass: "{{ skip }}"
    join: any
    max_visits: 3
    priority: 7
    timeout: 5 minutes
    retry: 0
    on_error: [{when: "{{ error }}", step: handler}, {else: plain}]
    next_mode: inclusive
    next: {then: [end]}
  - step: handler
    next: end
  - step: end
    return: {sum: "{{ workbook_step }}"}
$$);

-- A workbook task that nobody uses may be of any type.
SELECT count(*) FROM noetl.validate($$
apiVersion: noetl.io/v1
kind: Playbook
name: unused
workbook:
  - {name: later, type: iterator, collection: [1], element: x, task: {type: python}}
workflow: [{step: start}]
sink: {tool: event_log}
$$);

-- What a playbook is made of, per execution.
BEGIN;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
name: playbook_test/views
workbook:
  - {name: ask, type: HTTP, url: "http://localhost/"}
workflow:
  - step: start
    desc: begins
    next: [ask_it, {step: side, args: {a: 1, b: 2}, data: {b: 3}}]
  - step: ask_it
    tool: workbook
    name: ask
    next:
      - {when: "{{ ask_it.ok }}", then: [side, {step: end, input: "{{ ask_it }}"}], else: {step: side}}
      - else: end
  - step: side
    tool: {kind: python, code: pass}
    next: {spec: {mode: exclusive}, arcs: [{condition: x, step: end}]}
  - step: end
$$) AS views \gset
INSERT INTO noetl.execution (execution_id, catalog_id, path, version, status, started_at)
    VALUES (17, :views, 'playbook_test/views', 1, 'RUNNING', now());
SELECT step_id, step_name, step_type, description, raw_config ->> 'name' AS name
  FROM noetl.workflow WHERE execution_id = 17;
SELECT task_id, task_name, task_type, raw_config FROM noetl.workbook WHERE execution_id = 17;
SELECT from_step, to_step, condition, with_params FROM noetl.transition WHERE execution_id = 17;

-- The right to read a view is enough for one's own executions; without the digest
-- of the catalog row the functions behind the views say nothing.
CREATE ROLE playbook_test_reader;
GRANT USAGE ON SCHEMA noetl TO playbook_test_reader;
GRANT SELECT ON noetl.workflow, noetl.workbook, noetl.transition TO playbook_test_reader;
UPDATE noetl.execution SET started_by = 'playbook_test_reader' WHERE execution_id = 17;
SET LOCAL ROLE playbook_test_reader;
SELECT (SELECT count(*) FROM noetl.workflow WHERE execution_id = 17) AS steps,
       (SELECT count(*) FROM noetl.workbook WHERE execution_id = 17) AS tasks,
       (SELECT count(*) FROM noetl.transition WHERE execution_id = 17) AS transitions;
SELECT (SELECT count(*) FROM noetl.playbook_steps(:views, '')) AS steps,
       (SELECT count(*) FROM noetl.playbook_tasks(:views, '')) AS tasks,
       (SELECT count(*) FROM noetl.playbook_transitions(:views, '')) AS transitions;
RESET ROLE;

-- A registered playbook stays as it is, and while an execution refers to it.
SAVEPOINT before;
UPDATE noetl.catalog SET content = 'x' WHERE catalog_id = :views;
ROLLBACK TO before;
UPDATE noetl.catalog SET version = 2 WHERE catalog_id = :views;
ROLLBACK TO before;
DELETE FROM noetl.catalog WHERE catalog_id = :views;
ROLLBACK TO before;
UPDATE noetl.catalog SET meta = '{"reviewed": true}' WHERE catalog_id = :views;
DELETE FROM noetl.execution WHERE execution_id = 17;
DELETE FROM noetl.catalog WHERE catalog_id = :views RETURNING meta;
ROLLBACK;

-- The right to call noetl.register() is enough; without it nobody registers.
CREATE ROLE playbook_test_author;
GRANT USAGE ON SCHEMA noetl TO playbook_test_author;
SET ROLE playbook_test_author;
SELECT noetl.register('name: x');
SELECT count(*) > 0 AS everybody_validates FROM noetl.validate('name: x');
RESET ROLE;
GRANT EXECUTE ON FUNCTION noetl.register TO playbook_test_author;
SET ROLE playbook_test_author;
SELECT noetl.register(E'apiVersion: noetl.io/v1\nkind: Playbook\nname: playbook_test/role\nworkflow: [{step: a}]') > 0
       AS registered;
SELECT count(*) FROM noetl.catalog;
SELECT current_user;
RESET ROLE;
DROP OWNED BY playbook_test_author;
DROP ROLE playbook_test_author;

BEGIN READ ONLY;
SELECT noetl.register('name: x');
ROLLBACK;

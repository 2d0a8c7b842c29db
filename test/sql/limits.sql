-- Limits: how many tasks or executions are under way at the same time, and how many
-- begin in a span of time.
CREATE EXTENSION IF NOT EXISTS noetl;
SET TIME ZONE 'UTC';
CREATE FUNCTION pg_temp.tasks() RETURNS TABLE(status text, n bigint) LANGUAGE sql AS
    'SELECT q.status, count(*) FROM noetl.queue q GROUP BY 1 ORDER BY 1';
CREATE FUNCTION pg_temp.slots() RETURNS TABLE(name text, key text, held bigint, waiting bigint) LANGUAGE sql AS
    'SELECT u.name, u.key, u.held, u.waiting FROM noetl.limit_use u ORDER BY 1, 2';
CREATE FUNCTION pg_temp.wrong() RETURNS TABLE(path text, relation text, what text) LANGUAGE sql AS
    'SELECT e.path, v.relation, v.key FROM noetl.execution e, noetl.verify(e.execution_id) v ORDER BY 1, 2, 3';

-- A step with a limit: two tasks at the same time for each tenant.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
metadata: {name: api, path: limits/api}
workload: {tenant: a}
workflow:
  - step: start
    next: [call]
  - step: call
    type: python
    code: "def main(): pass"
    limits:
      - {name: api, key: "{{ workload.tenant }}", concurrency: 2}
    next: [end]
  - step: end
$$) IS NOT NULL AS registered;
SELECT count(noetl.execute('limits/api')) FROM generate_series(1, 4);
SELECT count(noetl.execute('limits/api', '{"tenant": "b"}'));
SELECT * FROM pg_temp.tasks();
SELECT * FROM pg_temp.slots();
SELECT * FROM pg_temp.wrong();
-- A worker gets no more than may be under way.
SELECT node_name, status FROM noetl.lease('w1', 10);
SELECT * FROM noetl.lease('w2', 10);
-- Who waits is told why.
SELECT w.step, w.state, w.waits_for, w.detail FROM noetl.execution e, noetl.why(e.execution_id) w
 WHERE w.waits_for = 'limit' ORDER BY e.execution_id;
SELECT type, path, priority, ready, blocked, leased FROM noetl.backlog;
-- The end of a task hands its slot to who waits longest, in the same commit.
SELECT noetl.complete(min(queue_id), '{}', 'w1') FROM noetl.queue WHERE status = 'leased';
SELECT * FROM pg_temp.tasks();
SELECT rank() OVER (ORDER BY execution_id), status FROM noetl.queue ORDER BY execution_id;

-- Fills a database of version 0.1.0: 500 executions that run, at all places of
-- their playbooks, with leases that are held, leases that nobody keeps, retries
-- that wait, and a partition that was made.  The role app starts them.
\set ON_ERROR_STOP on
\set QUIET on
CREATE ROLE app LOGIN;
CREATE TABLE public.saved (id int, v text);
GRANT ALL ON public.saved TO app;
GRANT EXECUTE ON FUNCTION noetl.execute(text, jsonb, integer, boolean), noetl.status(bigint) TO app;

SELECT count(noetl.register(content)) FROM (VALUES ($$
apiVersion: noetl.io/v1
kind: Playbook
path: old/line
workload: {n: 1}
workflow:
- {step: a, type: python, args: {n: "{{ workload.n }}"}, code: "def main(n): return {'v': n}", next: b}
- {step: b, type: python, args: {n: "{{ workload.n }}"}, code: "def main(n): return {'v': n}",
   retry: {max_attempts: 3, initial_delay: 2}, next: c}
- {step: c, type: python, args: {n: "{{ workload.n }}"}, code: "def main(n): return {'v': n}",
   save: {storage: postgres, table: public.saved, data: {id: "{{ workload.n }}", v: "{{ result.v }}"}}, next: end}
- {step: end, result: "{{ c.v }}"}
$$), ($$
apiVersion: noetl.io/v1
kind: Playbook
path: old/diamond
workflow:
- {step: s, type: python, code: "def main(): return {'v': 1}", next: [l, r]}
- {step: l, type: python, code: "def main(): return {'v': 2}", next: j}
- {step: r, type: python, code: "def main(): return {'v': 3}", next: j}
- {step: j, type: python, args: {l: "{{ l.v }}", r: "{{ r.v }}"}, code: "def main(l, r): return {'v': l + r}", next: end}
- {step: end, result: "{{ j.v }}"}
$$), ($$
apiVersion: noetl.io/v1
kind: Playbook
path: old/each
workflow:
- step: each
  type: iterator
  collection: [1, 2, 3]
  element: m
  mode: distributed
  task: {type: python, args: {m: "{{ m }}"}, code: "def main(m): return m"}
  next: end
- step: end
$$), ($$
apiVersion: noetl.io/v1
kind: Playbook
path: old/family
workload: {n: 0}
workflow:
- step: each
  type: iterator
  collection: "{{ range(2) }}"
  element: i
  mode: async
  concurrency: 2
  task: {type: playbook, path: old/line, args: {n: "{{ workload.n * 10 + i }}"}}
  next: end
- step: end
$$)) AS playbook (content);

SET SESSION AUTHORIZATION app;
SELECT count(noetl.execute('old/line', jsonb_build_object('n', n))) FROM generate_series(1, 250) AS n;
RESET SESSION AUTHORIZATION;
-- What starts from now on has its events in a partition of its own.
SELECT format('CREATE TABLE noetl.event_later PARTITION OF noetl.event FOR VALUES FROM (%s) TO (%s)',
              noetl.next_id(), noetl.next_id() + (86400000::bigint << 22)) \gexec
SET SESSION AUTHORIZATION app;
SELECT count(noetl.execute('old/line', jsonb_build_object('n', n))) FROM generate_series(251, 300) AS n;
SELECT count(noetl.execute('old/diamond')), count(noetl.execute('old/each')) FROM generate_series(1, 80);
SELECT count(noetl.execute('old/family', jsonb_build_object('n', n))) FROM generate_series(100, 139) AS n;
RESET SESSION AUTHORIZATION;

-- Two rounds of work on every third task; of the others some fail and wait.
DO $$
DECLARE
    task noetl.queue;
    given bigint[] := '{}';
BEGIN
    FOR round IN 1 .. 2 LOOP
        FOR task IN SELECT * FROM noetl.lease('first', 400) LOOP
            IF task.queue_id % 3 = 0 THEN
                PERFORM noetl.complete(task.queue_id, jsonb_build_object('v', 0), 'first');
            ELSIF task.node_name = 'b' THEN
                PERFORM noetl.fail(task.queue_id, 'no luck', 'first');
            ELSE
                given := given || task.queue_id;
            END IF;
        END LOOP;
    END LOOP;
    PERFORM noetl.release(id, 'first') FROM unnest(given) AS id;
END
$$;
SELECT count(*) AS held FROM noetl.lease('keeper', 40, '1 hour') \gset
SELECT count(*) AS lost FROM noetl.lease('leaver', 40, '3 s') \gset

DO $$
BEGIN
    ASSERT (SELECT count(*) FROM noetl.execution WHERE status = 'RUNNING') >= 500, 'executions in flight';
    ASSERT (SELECT count(*) FROM noetl.queue WHERE worker_id = 'keeper') = 40, 'leases are held';
    ASSERT (SELECT count(*) FROM noetl.queue WHERE worker_id = 'leaver') = 40, 'leases are lost';
    ASSERT EXISTS (SELECT FROM noetl.queue WHERE status = 'retry'), 'retries wait';
    ASSERT EXISTS (SELECT FROM noetl.event_later) AND EXISTS (SELECT FROM noetl.event_default), 'both partitions have events';
    ASSERT (SELECT extversion FROM pg_extension WHERE extname = 'noetl') = '0.1.0', 'the version is the old one';
END
$$;
SELECT count(*) || ' executions run in version 0.1.0' FROM noetl.execution WHERE status = 'RUNNING';

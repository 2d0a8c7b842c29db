-- What the examples of the documents speak of: tables, roles, playbooks and
-- running executions.  The database is made anew for each page.
CREATE ROLE finance; CREATE ROLE accounting; CREATE ROLE application;
SELECT noetl.create_roles();
CREATE TABLE orders (id int PRIMARY KEY, status text);
CREATE TABLE public.stock (id int PRIMARY KEY, left_over int);
-- A playbook for each path.
SELECT noetl.register(format($$
apiVersion: noetl.io/v1
kind: Playbook
metadata: {path: %s}
workflow:
  - {step: start, next: book}
  - {step: book, tool: python, code: "def main(): return 1", on_error: hold, next: pay}
  - {step: pay, tool: python, code: "def main(): return 1", next: end}
  - step: end
$$, path))
FROM unnest('{orders/ship,examples/greet,billing/close,payments/charge,customers/sync,reminders/send,
	search/index,reports/build,mail/poll,probes/ping,audit/close}'::text[]) AS path;
-- One that ends without a worker.
SELECT noetl.register('{apiVersion: noetl.io/v1, kind: Playbook, path: demo/weather, workflow: [{step: end}]}');
CREATE SCHEMA ops;
CREATE TABLE ops.event_archive (LIKE noetl.event);
-- Another version of one of them.
SELECT noetl.register(replace(content, 'pay', 'charge')) FROM noetl.catalog WHERE path = 'orders/ship';
-- Enough executions that a worker always finds another task.
SELECT noetl.execute('orders/ship', jsonb_build_object('order', n)) FROM generate_series(17, 21) AS n;
-- An execution that is held at its step: :id of each block of a page.
CREATE FUNCTION held_execution() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    started bigint := noetl.execute('orders/ship', '{"order": 22}', version => 1, priority => 100);
BEGIN
    -- Tasks that earlier blocks have retried are in front of it.
    WHILE NOT EXISTS (SELECT FROM noetl.run WHERE execution_id = started AND state = 'held') LOOP
        PERFORM noetl.fail(queue_id, 'no room', 'other') FROM noetl.lease('other', 1, '1 h', '{python}');
        ASSERT FOUND;
    END LOOP;
    RETURN started;
END
$$;

-- What the examples of the documents speak of: tables, roles, playbooks and
-- running executions, of which the first, :id, is held at its step.  The database is made anew for each page.
CREATE ROLE finance; CREATE ROLE accounting; CREATE ROLE application;
SELECT noetl.create_roles();
CREATE TABLE orders (id int PRIMARY KEY, status text);
CREATE TABLE public.stock (id int PRIMARY KEY, left_over int);
-- A playbook of one step for each path.
SELECT noetl.register(format($$
apiVersion: noetl.io/v1
kind: Playbook
metadata: {path: %s}
workflow:
  - {step: start, next: book}
  - {step: book, tool: python, code: "def main(): return 1", on_error: hold, next: end}
  - step: end
$$, path))
FROM unnest('{orders/ship,examples/greet,billing/close,payments/charge,customers/sync,reminders/send,
	search/index,reports/build,mail/poll,probes/ping,audit/close}'::text[]) AS path;
CREATE SCHEMA ops;
CREATE TABLE ops.event_archive (LIKE noetl.event);
-- Enough of them that a worker always finds another task.
SELECT noetl.execute('orders/ship', jsonb_build_object('order', n)) FROM generate_series(17, 21) AS n;
SELECT noetl.fail(queue_id, 'no room', 'other') FROM noetl.lease('other', 1, '1 h', '{python}');

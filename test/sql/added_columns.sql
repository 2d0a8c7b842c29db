-- Columns that users add to noetl.event and noetl.queue have their defaults in
-- the rows of the broker, too.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: added/columns
workflow:
- {step: a, type: python, code: x, next: b}
- {step: b, type: python, code: x, next: end}
- step: end
$$) > 0 AS registered;
BEGIN;
CREATE SEQUENCE added_seq;
ALTER TABLE noetl.event ADD COLUMN tenant text DEFAULT 'acme', ADD COLUMN plain text;
ALTER TABLE noetl.queue ADD COLUMN gone text DEFAULT 'gone';
ALTER TABLE noetl.queue DROP COLUMN gone;
ALTER TABLE noetl.queue ADD COLUMN note text NOT NULL DEFAULT 'z',
    ADD COLUMN n bigint DEFAULT nextval('added_seq'),
    ADD COLUMN twice bigint GENERATED ALWAYS AS (priority * 2) STORED;
SELECT noetl.execute('added/columns') > 0 AS started;
SELECT node_name, note, n, twice FROM noetl.queue WHERE execution_id = newest('added/columns');
-- Written as it is leased, and as it is enqueued.
SELECT node_name, note, n, twice
  FROM noetl.complete_and_lease((SELECT queue_id FROM noetl.lease('w', types => '{python}')), '1', 'w', 1, NULL, '{python}');
SELECT event_type, tenant, plain FROM noetl.event WHERE execution_id = newest('added/columns') ORDER BY event_id;
INSERT INTO noetl.event (execution_id, event_type, node_name, worker_id)
VALUES (newest('added/columns'), 'action_completed', 'b', 'w');
SELECT event_type, tenant FROM noetl.event WHERE execution_id = newest('added/columns') AND node_name IN ('b', 'end') ORDER BY event_id;
ROLLBACK;

-- Triggers of users on the broker's tables fire for the broker's own rows, too: also
-- those that fire once for a statement, with their transition tables.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: triggers/two
workflow:
- {step: a, type: python, code: x, next: [b, c]}
- {step: b, type: python, code: x}
- {step: c, type: python, code: x}
$$) > 0 AS registered;
CREATE TABLE heard (n serial, what text);
CREATE FUNCTION hear_rows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO heard (what) SELECT format('%s %s %s %s: %s', tg_table_name, tg_when, tg_op, tg_level, string_agg(r.what, ', ' ORDER BY r.what))
      FROM (SELECT coalesce(to_jsonb(t) ->> 'event_type', (to_jsonb(t) ->> 'node_name') || ' ' || (to_jsonb(t) ->> 'status')) AS what FROM rows AS t) AS r;
    RETURN NULL;
END $$;
CREATE FUNCTION hear() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO heard (what) VALUES (format('%s %s %s %s', tg_table_name, tg_when, tg_op, tg_level));
    RETURN NULL;
END $$;
CREATE FUNCTION hear_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO heard (what) VALUES (format('%s %s %s %s', tg_table_name, tg_when, tg_op, tg_level));
    RETURN CASE tg_op WHEN 'DELETE' THEN OLD ELSE NEW END;
END $$;
CREATE FUNCTION told() RETURNS SETOF text LANGUAGE sql AS $$
    WITH gone AS (DELETE FROM heard RETURNING *) SELECT what FROM gone ORDER BY n
$$;

-- Once for what the broker writes in one go.
CREATE TRIGGER s1 AFTER INSERT ON noetl.event REFERENCING NEW TABLE AS rows FOR EACH STATEMENT EXECUTE FUNCTION hear_rows();
CREATE TRIGGER s2 AFTER INSERT ON noetl.queue REFERENCING NEW TABLE AS rows FOR EACH STATEMENT EXECUTE FUNCTION hear_rows();
CREATE TRIGGER s3 AFTER UPDATE ON noetl.queue REFERENCING NEW TABLE AS rows FOR EACH STATEMENT EXECUTE FUNCTION hear_rows();
CREATE TRIGGER s4 AFTER DELETE ON noetl.queue REFERENCING OLD TABLE AS rows FOR EACH STATEMENT EXECUTE FUNCTION hear_rows();
SELECT noetl.execute('triggers/two') > 0 AS started;
SELECT told();
SELECT queue_id AS task FROM noetl.lease('w') \gset
SELECT told();
SELECT noetl.complete(:task, '1', 'w');
SELECT told();
-- A client's statement is one of its own, and what follows from it another one.
INSERT INTO noetl.event (execution_id, event_type, node_name)
SELECT newest('triggers/two'), 'action_completed', s FROM unnest('{b,c}'::text[]) AS s;
SELECT told();
SELECT * FROM noetl.verify(newest('triggers/two'));

-- BEFORE and AFTER, rows and statements, in the order of the server.
CREATE TRIGGER b1 BEFORE INSERT OR UPDATE OR DELETE ON noetl.queue FOR EACH STATEMENT EXECUTE FUNCTION hear();
CREATE TRIGGER b2 BEFORE INSERT OR UPDATE OR DELETE ON noetl.queue FOR EACH ROW EXECUTE FUNCTION hear_row();
CREATE TRIGGER a1 AFTER INSERT OR UPDATE OR DELETE ON noetl.queue FOR EACH ROW EXECUTE FUNCTION hear();
CREATE TRIGGER b3 BEFORE INSERT ON noetl.event FOR EACH STATEMENT EXECUTE FUNCTION hear();
CREATE TRIGGER a3 AFTER INSERT ON noetl.event FOR EACH ROW EXECUTE FUNCTION hear();
SELECT noetl.execute('triggers/two') > 0 AS started;
SELECT told();
SELECT queue_id AS task FROM noetl.lease('w') \gset
SELECT told();
SELECT noetl.complete(:task, '1', 'w');
SELECT told();
SELECT count(*) FROM noetl.complete_and_lease(NULL, NULL, 'w', 2);
SELECT * FROM noetl.verify(newest('triggers/two'));
SELECT noetl.cancel(newest('triggers/two'));
DELETE FROM noetl.queue;
DROP TRIGGER b1 ON noetl.queue;
DROP TRIGGER b2 ON noetl.queue;
DROP TRIGGER a1 ON noetl.queue;
DROP TRIGGER b3 ON noetl.event;
DROP TRIGGER a3 ON noetl.event;
DROP TRIGGER s1 ON noetl.event;
DROP TRIGGER s2 ON noetl.queue;
DROP TRIGGER s3 ON noetl.queue;
DROP TRIGGER s4 ON noetl.queue;
TRUNCATE heard;

-- Row triggers with transition tables; triggers for one column.
CREATE TRIGGER r1 AFTER INSERT ON noetl.queue REFERENCING NEW TABLE AS rows FOR EACH ROW EXECUTE FUNCTION hear_rows();
CREATE TRIGGER u1 AFTER UPDATE OF status ON noetl.queue FOR EACH ROW EXECUTE FUNCTION hear();
CREATE TRIGGER u2 AFTER UPDATE OF worker_id ON noetl.queue FOR EACH STATEMENT EXECUTE FUNCTION hear();
SELECT noetl.execute('triggers/two') > 0 AS started;
SELECT queue_id AS task FROM noetl.lease('w') \gset
SELECT told();
SELECT noetl.complete(:task, '1', 'w');
SELECT told();
DROP TRIGGER r1 ON noetl.queue;
DROP TRIGGER u2 ON noetl.queue;
SELECT count(*) FROM noetl.lease('w', 2);
SELECT told();
SELECT noetl.cancel(newest('triggers/two'));
DELETE FROM noetl.queue;
DROP TRIGGER u1 ON noetl.queue;
TRUNCATE heard;

-- Rows that a BEFORE trigger suppresses are in no transition table.
CREATE FUNCTION keep_out() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN CASE WHEN NEW.node_name = ''c'' THEN NULL ELSE NEW END; END';
CREATE TRIGGER k BEFORE INSERT ON noetl.queue FOR EACH ROW EXECUTE FUNCTION keep_out();
CREATE TRIGGER s2 AFTER INSERT ON noetl.queue REFERENCING NEW TABLE AS rows FOR EACH STATEMENT EXECUTE FUNCTION hear_rows();
SELECT noetl.execute('triggers/two') AS x \gset
INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (:x, 'action_completed', 'a');
SELECT told();
DROP TRIGGER k ON noetl.queue;
SELECT noetl.rebuild(:x);
SELECT told();

-- A trigger that is dropped is heard no more; what it says in a nested statement counts.
DROP TRIGGER s2 ON noetl.queue;
CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM rows WHERE event_type = 'action_completed' AND node_name = 'b') THEN
        INSERT INTO noetl.event (execution_id, event_type, node_name)
        SELECT execution_id, 'action_completed', 'c' FROM rows LIMIT 1;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER s1 AFTER INSERT ON noetl.event REFERENCING NEW TABLE AS rows FOR EACH STATEMENT EXECUTE FUNCTION audit();
SELECT noetl.complete(queue_id, '1', 'w') FROM noetl.lease('w', 1) WHERE node_name = 'b';
SELECT told();
SELECT * FROM story('triggers/two');
SELECT * FROM noetl.verify(:x);
DROP TRIGGER s1 ON noetl.event;
DELETE FROM noetl.queue;

-- A trigger before a change hears of rows that the same transaction has written.
CREATE TRIGGER q BEFORE UPDATE OR DELETE ON noetl.queue FOR EACH ROW EXECUTE FUNCTION hear_row();
CREATE TRIGGER e BEFORE UPDATE ON noetl.event FOR EACH ROW EXECUTE FUNCTION hear_row();
CREATE TRIGGER x BEFORE UPDATE ON noetl.execution FOR EACH ROW EXECUTE FUNCTION hear_row();
BEGIN;
SELECT noetl.execute('triggers/two') AS x \gset
SELECT queue_id AS task FROM noetl.lease('w') \gset
SELECT noetl.release(:task, 'w');
SELECT noetl.complete(queue_id, '1', 'w') FROM noetl.lease('w');
SELECT told();
INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (:x, 'action_completed', 'a');
SELECT regexp_replace(told(), '^event_\w+', 'event');
SELECT noetl.cancel(:x);
SELECT told();
COMMIT;
SELECT * FROM story('triggers/two');
SELECT * FROM noetl.verify(:x);
DROP TRIGGER q ON noetl.queue;
DROP TRIGGER e ON noetl.event;
DROP TRIGGER x ON noetl.execution;

-- What it returns is stored, and null leaves the row as it is.
CREATE FUNCTION later() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.lease_until := ''2100-01-01''; RETURN NEW; END';
CREATE FUNCTION stay() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER l BEFORE UPDATE ON noetl.queue FOR EACH ROW WHEN (NEW.status = 'leased') EXECUTE FUNCTION later();
CREATE TRIGGER s BEFORE UPDATE ON noetl.queue FOR EACH ROW WHEN (NEW.status = 'queued') EXECUTE FUNCTION stay();
SELECT noetl.execute('triggers/two') AS x \gset
BEGIN;
SELECT queue_id AS task FROM noetl.lease('w') \gset
SELECT count(noetl.release(:task, 'w'));
COMMIT;
SELECT node_name, status, worker_id, lease_until = '2100-01-01' AS later FROM noetl.queue;
DROP TRIGGER l ON noetl.queue;
DROP TRIGGER s ON noetl.queue;

-- A trigger of a statement cannot change the row that the statement is about to change.
CREATE FUNCTION ahead() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN UPDATE noetl.queue SET worker_id = ''v''; RETURN NULL; END';
CREATE TRIGGER q BEFORE UPDATE ON noetl.queue FOR EACH ROW EXECUTE FUNCTION hear_row();
CREATE TRIGGER a BEFORE UPDATE ON noetl.queue FOR EACH STATEMENT WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION ahead();
SELECT noetl.release(:task, 'w');
DROP TRIGGER a ON noetl.queue;
SELECT noetl.release(:task, 'w');
DROP TRIGGER q ON noetl.queue;
SELECT noetl.cancel(:x);
SELECT * FROM noetl.verify(:x);
DROP FUNCTION told, hear, hear_row, hear_rows, keep_out, audit, later, stay, ahead;
DROP TABLE heard;

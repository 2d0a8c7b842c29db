-- Stories of guards of rules on changes of tables, each of which turns red when its guard is
-- missing; see "Guards" in doc/guarantees.md.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: changed/one
workflow:
- {step: a, type: python, code: x}
$$) > 0 AS registered;
CREATE TABLE changed_rows (id int, name text, odd int);
CREATE FUNCTION changed_starts() RETURNS TABLE (key text, status text, error text) LANGUAGE sql AS $$
    SELECT s.context ->> 'key', x.status, x.error FROM noetl.execution AS x JOIN noetl.event AS s USING (execution_id)
     WHERE x.path = 'changed/one' AND s.event_type = 'execution_start' ORDER BY x.execution_id
$$;

-- A key may be text, a number or a truth; what is nothing, or cannot be evaluated, is told of.
SELECT noetl.on_change('changed_rows', 'changed/one', 'INSERT', key => '{{ new.id }}', name => 'number');
INSERT INTO changed_rows VALUES (7, 'seven');
SELECT noetl.on_change('changed_rows', 'changed/one', 'INSERT', key => '{{ new.id == 1 }}', name => 'number');
INSERT INTO changed_rows VALUES (1, 'one'), (2, 'two');
SELECT noetl.on_change('changed_rows', 'changed/one', 'INSERT', key => '{{ new.name }}', name => 'number');
INSERT INTO changed_rows VALUES (3, 'three'), (4, '');
SELECT noetl.on_change('changed_rows', 'changed/one', 'INSERT', key => '{{ 1 / new.id }}', name => 'number');
INSERT INTO changed_rows VALUES (0, 'zero');
SELECT * FROM changed_starts();
SELECT count(*) FROM noetl.change_failure;
SELECT v.* FROM noetl.execution AS x, noetl.verify(x.execution_id) AS v WHERE x.path = 'changed/one';
SELECT noetl.off_change('number');

-- Where the key cannot be evaluated, that is told, whatever there is to say about the signal.
SELECT noetl.on_change('changed_rows', NULL, 'INSERT', key => '{{ 1 / new.id }}', signal => 'sign {{ 1 % new.id }}', name => 'sign');
INSERT INTO changed_rows VALUES (0, 'zero');
SELECT rule, sqlstate, error FROM noetl.change_failure;
TRUNCATE noetl.change_failure;
SELECT noetl.off_change('sign');

-- Of several faults of a rule the first is named.
SELECT noetl.on_change('changed_rows', 'changed/one', condition => 'nwe.id > 1', key => '{{ new.nothing }}');
SELECT noetl.on_change('changed_rows', 'changed/one', 'UPDATE OF odd', 'new.odd > 1', name => 'odd');
ALTER TABLE changed_rows DROP COLUMN odd CASCADE;
UPDATE changed_rows SET name = 'eight' WHERE id = 7;
SELECT status, error FROM noetl.execution WHERE execution_id = newest('changed/one');
SELECT noetl.off_change('odd');

-- An error that ends the transaction is no failure of a rule, also behind a row that has failed.
CREATE TYPE changed_mood AS ENUM ('sad', 'happy');
CREATE FUNCTION changed_json(changed_mood) RETURNS json LANGUAGE plpgsql AS $$
BEGIN
    IF $1 = 'happy' THEN RAISE 'try again' USING ERRCODE = 'serialization_failure'; END IF;
    RAISE 'no mood';
END
$$;
CREATE CAST (changed_mood AS json) WITH FUNCTION changed_json(changed_mood);
CREATE TABLE changed_moods (m changed_mood);
SELECT noetl.on_change('changed_moods', 'changed/one', name => 'moods');
INSERT INTO changed_moods VALUES ('sad'), ('sad');
INSERT INTO changed_moods VALUES ('sad'), ('happy');
SELECT m FROM changed_moods;
SELECT rule, sqlstate, error FROM noetl.change_failure;
TRUNCATE noetl.change_failure;

-- Of the triggers that anybody makes with its function only those are heard that can tell of rows.
CREATE TRIGGER changed_before BEFORE INSERT ON changed_rows FOR EACH ROW EXECUTE FUNCTION noetl.change_fired('none');
INSERT INTO changed_rows VALUES (9, 'nine');
DROP TRIGGER changed_before ON changed_rows;
CREATE TRIGGER changed_truncate AFTER TRUNCATE ON changed_rows FOR EACH STATEMENT EXECUTE FUNCTION noetl.change_fired('none');
TRUNCATE changed_rows;
DROP TRIGGER changed_truncate ON changed_rows;
SELECT count(*) FROM changed_rows WHERE id = 9;

DROP TABLE changed_rows, changed_moods;
DROP TYPE changed_mood CASCADE;
DROP FUNCTION changed_starts();
SELECT count(noetl.cancel(execution_id)) FROM noetl.execution WHERE path = 'changed/one' AND status = 'RUNNING';

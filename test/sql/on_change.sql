\pset format unaligned
-- Executions start when rows of a user's table change.
CREATE ROLE change_maker;
CREATE ROLE change_writer;
CREATE ROLE change_stranger;
GRANT EXECUTE ON FUNCTION noetl.on_change(regclass, text, text, text, jsonb, text, text, text),
    noetl.off_change(text), noetl.execute(text, jsonb, integer, boolean, text, text, timestamptz, jsonb, integer)
    TO change_maker, change_stranger;
GRANT SELECT ON noetl.change_rule, noetl.change_failure TO change_stranger;
SELECT noetl.register('
apiVersion: noetl.io/v1
kind: Playbook
metadata: {path: change/ship}
workflow:
- step: ship
  type: python
  code: x
  next: end
- step: end
') > 0 AS registered;

-- What has started since the last look: path, whose, what is known of the row, how it goes on.
CREATE TABLE public.seen (execution_id bigint);
CREATE FUNCTION public.started() RETURNS TABLE (path text, started_by regrole, status text, rule text, workload jsonb, error text)
    LANGUAGE sql AS $$
    WITH fresh AS (
        INSERT INTO public.seen SELECT x.execution_id FROM noetl.execution AS x
        WHERE x.path LIKE 'change/%' AND x.execution_id NOT IN (SELECT s.execution_id FROM public.seen AS s)
        RETURNING execution_id)
    SELECT x.path, x.started_by, x.status, e.meta ->> 'rule', e.context -> 'workload', x.error
      FROM fresh JOIN noetl.execution AS x USING (execution_id) JOIN noetl.event AS e USING (execution_id)
     WHERE e.event_type = 'execution_start' ORDER BY x.execution_id
$$;
CREATE FUNCTION public.verified() RETURNS bigint LANGUAGE sql AS $$
    SELECT count(v) FROM noetl.execution AS x, noetl.verify(x.execution_id) AS v WHERE x.path LIKE 'change/%'
$$;

-- The maker owns the table; the writer has no right on anything of noetl.
SET ROLE change_maker;
RESET ROLE;
GRANT CREATE ON SCHEMA public TO change_maker;
SET ROLE change_maker;
CREATE TABLE public.orders (id int PRIMARY KEY, status text, total numeric(10, 2), placed_at timestamptz, "Odd Name" jsonb);
GRANT INSERT, UPDATE, DELETE, SELECT ON public.orders TO change_writer;
SELECT noetl.on_change('public.orders', 'change/ship') AS name;
SELECT name, table_name, path, events, condition, parameters, key, signal, made_by FROM noetl.change_rule;
\d public.orders
RESET ROLE;
SELECT name, table_name, path, events, condition, parameters, key, signal, made_by FROM noetl.change_rule;

-- By default an execution gets the rows as they are.  It is the maker's; the session has no say.
SET TimeZone = 'Asia/Tokyo';
SET DateStyle = 'German';
SET search_path = pg_temp, public;
SET ROLE change_writer;
INSERT INTO public.orders VALUES (1, 'new', 10.50, '2026-01-01 00:00+00', '{"a": [1]}'), (2, 'new', NULL, NULL, NULL);
UPDATE public.orders SET status = 'paid' WHERE id = 1;
DELETE FROM public.orders WHERE id = 2;
RESET ROLE;
RESET TimeZone;
RESET DateStyle;
RESET search_path;
SELECT * FROM public.started();
SELECT public.verified();
-- In the same transaction: rolled back with it, also with a savepoint.
BEGIN;
INSERT INTO public.orders VALUES (3, 'new');
SAVEPOINT a;
INSERT INTO public.orders VALUES (4, 'new');
ROLLBACK TO a;
SELECT workload #>> '{new,id}' AS id FROM public.started();
ROLLBACK;
SELECT * FROM public.started();
SELECT noetl.off_change('change/ship on orders');
SELECT noetl.off_change('change/ship on orders');
\d public.orders
INSERT INTO public.orders VALUES (3, 'new');
SELECT * FROM public.started();

-- Condition, parameters and key.  UPDATE OF: one of the columns has another value.
SET ROLE change_maker;
SELECT noetl.on_change('public.orders', 'change/ship', 'insert or UPDATE of status, total OR Delete',
    condition => 'event == "DELETE" or new.status == "paid"',
    parameters => '{"order": "{{ new.id or old.id }}", "what": "{{ event }} {{ old.status }} -> {{ new.status }}", "sum": "{{ new.total }}", "n": 1}',
    key => '{{ (new or old).id }} {{ event }}', name => 'paid');
RESET ROLE;
SET ROLE change_writer;
INSERT INTO public.orders VALUES (5, 'new', 1), (6, 'paid', 2);
UPDATE public.orders SET status = 'paid' WHERE id = 5;
UPDATE public.orders SET status = 'paid', placed_at = now() WHERE id = 5;
DELETE FROM public.orders WHERE id = 5;
INSERT INTO public.orders VALUES (5, 'paid', 3) ON CONFLICT (id) DO UPDATE SET status = excluded.status;
-- ... one statement, an INSERT and an UPDATE; the key of 6 has an execution already
INSERT INTO public.orders VALUES (6, 'paid', 4), (7, 'paid', 4) ON CONFLICT (id) DO UPDATE SET total = excluded.total;
RESET ROLE;
SELECT * FROM public.started();
SELECT key, started_by FROM noetl.start_key WHERE path = 'change/ship' ORDER BY 1;
SELECT public.verified();

-- COPY is one statement.
SELECT noetl.off_change('paid');
SELECT noetl.on_change('public.orders', 'change/ship', parameters => '{"id": "{{ new.id }}"}', name => 'copied');
COPY public.orders (id, status) FROM stdin WITH (DELIMITER ',');
100,x
101,y
102,z
\.
SELECT started_by = current_user::regrole AS mine, rule, workload FROM public.started();

-- Names: columns and the table may be renamed; the rule goes with them, or says what does not fit.
SELECT noetl.on_change('public.orders', 'change/ship', 'UPDATE OF "Odd Name", total', 'new.total > 5',
    '{"total": "{{ new.total }}"}', name => 'copied');
ALTER TABLE public.orders RENAME TO purchases;
ALTER TABLE public.purchases RENAME COLUMN "Odd Name" TO odd;
UPDATE public.purchases SET status = 'q', total = 7 WHERE id = 100;
UPDATE public.purchases SET odd = '7', total = 8 WHERE id = 100;
SELECT table_name FROM noetl.change_rule;
SELECT status, workload FROM public.started();
ALTER TABLE public.purchases RENAME COLUMN total TO amount;
UPDATE public.purchases SET amount = 9 WHERE id = 100 RETURNING id, amount;
SELECT status, workload #>> '{new,amount}' AS amount, error FROM public.started();
SELECT public.verified();
ALTER TABLE public.purchases DROP COLUMN odd;
ALTER TABLE public.purchases RENAME COLUMN amount TO total;
ALTER TABLE public.purchases RENAME TO orders;
ALTER TABLE public.orders ADD COLUMN later int DEFAULT 3;
UPDATE public.orders SET total = 10 WHERE id = 100;
SELECT status, workload FROM public.started();
SELECT noetl.on_change('public.orders', 'change/ship', 'UPDATE OF odd', name => 'copied');
ALTER TABLE public.orders DROP COLUMN odd CASCADE;
UPDATE public.orders SET status = 'q' WHERE id = 100;
SELECT status, error FROM public.started();

-- A rule that fails does not fail the statement: the row is stored, the failure too.
SELECT noetl.on_change('public.orders', 'change/ship', condition => '10 / new.total > 1', name => 'copied');
INSERT INTO public.orders (id, total) VALUES (200, 0), (201, 5), (202, NULL);
SELECT status, workload #>> '{new,id}' AS id, error FROM public.started();
SELECT count(*) FROM public.orders WHERE id BETWEEN 200 AND 202;
SELECT path, count, example FROM noetl.failure WHERE path = 'change/ship' ORDER BY 3;
SELECT noetl.on_change('public.orders', 'change/ship', key => '{{ new.status }}', name => 'copied');
INSERT INTO public.orders (id, status) VALUES (210, 'a key'), (211, NULL), (212, repeat('x', 2000));
SELECT status, workload #>> '{new,id}' AS id, error FROM public.started();
SELECT rule, made_by = current_user::regrole AS mine, sqlstate, error, change ->> 'event' AS event, change #>> '{new,id}' AS id FROM noetl.change_failure;
TRUNCATE noetl.change_failure;
SELECT public.verified();
-- ... also when the playbook, or the right to start it, is no longer there
SELECT noetl.register('
apiVersion: noetl.io/v1
kind: Playbook
metadata: {path: change/short}
workflow:
- {step: end}
') > 0 AS registered;
SELECT noetl.on_change('public.orders', 'change/short', name => 'copied');
DELETE FROM noetl.catalog WHERE path = 'change/short';
INSERT INTO public.orders (id) VALUES (220), (221);
SELECT rule, sqlstate, error, change #>> '{new,id}' AS id FROM noetl.change_failure;
SELECT noetl.off_change('copied');
SET ROLE change_maker;
SELECT noetl.on_change('public.orders', 'change/ship', name => 'of the maker');
RESET ROLE;
REVOKE EXECUTE ON FUNCTION noetl.execute(text, jsonb, integer, boolean, text, text, timestamptz, jsonb, integer) FROM change_maker;
TRUNCATE noetl.change_failure;
INSERT INTO public.orders (id) VALUES (230);
SELECT rule, made_by, sqlstate, error, change #>> '{new,id}' AS id FROM noetl.change_failure;
-- its rows are the maker's
SET ROLE change_stranger;
SELECT count(*) FROM noetl.change_rule;
SELECT count(*) FROM noetl.change_failure;
RESET ROLE;
GRANT EXECUTE ON FUNCTION noetl.execute(text, jsonb, integer, boolean, text, text, timestamptz, jsonb, integer) TO change_maker;
TRUNCATE noetl.change_failure;

-- ... or its role
CREATE ROLE change_gone;
GRANT EXECUTE ON FUNCTION noetl.on_change(regclass, text, text, text, jsonb, text, text, text),
    noetl.execute(text, jsonb, integer, boolean, text, text, timestamptz, jsonb, integer) TO change_gone;
GRANT TRIGGER ON public.orders TO change_gone;
SET ROLE change_gone;
SELECT noetl.on_change('public.orders', 'change/ship', name => 'of nobody');
RESET ROLE;
DROP OWNED BY change_gone;
INSERT INTO public.orders (id) VALUES (231);
SELECT rule, made_by, sqlstate, error FROM noetl.change_failure ORDER BY 1;
DROP ROLE change_gone;
INSERT INTO public.orders (id) VALUES (232);
SELECT rule, sqlstate, error FROM noetl.change_failure WHERE change #>> '{new,id}' = '232';
SELECT status, workload #>> '{new,id}' AS id, rule FROM public.started();
SELECT noetl.off_change('of nobody');
TRUNCATE noetl.change_failure;

-- A signal instead of a start: whoever waits for the row goes on.
SELECT noetl.register('
apiVersion: noetl.io/v1
kind: Playbook
metadata: {path: wait/paid}
workflow:
- step: wait
  type: wait
  signal: paid
  key: "order {{ workload.order }}"
  next: {step: end, data: {total: "{{ wait.new.total }}"}}
- step: end
  result: "{{ wait.new.total }}"
') > 0 AS registered;
SELECT noetl.on_change('public.orders', NULL, 'UPDATE OF status', $$new.status == 'paid'$$, key => 'order {{ new.id }}', signal => 'paid', name => 'payments');
SELECT noetl.execute('wait/paid', '{"order": 200}') AS waits \gset
UPDATE public.orders SET status = 'paid' WHERE id = 201;
SELECT status FROM noetl.execution WHERE execution_id = :waits;
UPDATE public.orders SET status = 'paid', total = 12.5 WHERE id = 200;
SELECT status, result FROM noetl.execution WHERE execution_id = :waits;
SELECT count(*) FROM noetl.verify(:waits);
SELECT noetl.off_change('payments');
-- ... what fails of it has no execution
SELECT noetl.on_change('public.orders', NULL, 'UPDATE', $$new.total / 0$$, key => 'order {{ new.id }}', signal => 'paid', name => 'payments');
UPDATE public.orders SET status = 'unpaid' WHERE id = 200;
SELECT rule, sqlstate, error, change #>> '{old,status}' AS was FROM noetl.change_failure;
TRUNCATE noetl.change_failure;
SELECT noetl.off_change('payments');

-- Partitions: also rows that are written to one directly, and partitions that come later.
CREATE TABLE public.parts (id int, region text) PARTITION BY LIST (region);
CREATE TABLE public.parts_a PARTITION OF public.parts FOR VALUES IN ('a');
SELECT noetl.on_change('public.parts', 'change/ship', 'INSERT OR UPDATE OF region OR DELETE', parameters => '{"row": "{{ event }} {{ (new or old).id }}"}', name => 'parts');
CREATE TABLE public.parts_b (region text, id int);
ALTER TABLE public.parts ATTACH PARTITION public.parts_b FOR VALUES IN ('b');
SELECT workload FROM public.started() WHERE false;
INSERT INTO public.parts VALUES (1, 'a'), (2, 'b');
INSERT INTO public.parts_a VALUES (3, 'a');
INSERT INTO public.parts_b VALUES ('b', 4);
UPDATE public.parts SET id = 5 WHERE id = 4;
UPDATE public.parts SET region = 'b' WHERE id = 3;
DELETE FROM public.parts WHERE id = 1;
SELECT workload, status, error FROM public.started() WHERE rule = 'parts';
SELECT count(*) FROM noetl.change_failure;
-- A partition with a rule of its own
SELECT noetl.on_change('public.parts_a', 'change/ship', parameters => '{"row": "of a: {{ new.id }}"}', name => 'parts of a');
INSERT INTO public.parts VALUES (10, 'a'), (11, 'b');
SELECT workload FROM public.started() ORDER BY workload::text;
ALTER TABLE public.parts DETACH PARTITION public.parts_b;
INSERT INTO public.parts_b VALUES ('b', 12);
SELECT count(*) FROM public.started();

-- Rules go with their table, or with their triggers.
DROP TABLE public.parts_a;
SELECT name FROM noetl.change_rule ORDER BY 1;
BEGIN;
DROP TABLE public.parts, public.orders;
SELECT name FROM noetl.change_rule ORDER BY 1;
ROLLBACK;
SELECT name FROM noetl.change_rule ORDER BY 1;
DROP TRIGGER noetl_change_parts_row ON public.parts;
SELECT name FROM noetl.change_rule ORDER BY 1;
-- A trigger without its rule says so.
DELETE FROM noetl.change_rule WHERE name = 'of the maker';
INSERT INTO public.orders (id) VALUES (300);
SELECT count(*) FROM public.started();
DROP TRIGGER "noetl_change_of the maker_insert" ON public.orders;
DROP TRIGGER "noetl_change_of the maker_apply" ON public.orders;
-- A trigger that somebody has made carries out no rule of another table.
SELECT noetl.on_change('public.orders', 'change/ship', name => 'copied');
CREATE TABLE public.other (id int);
CREATE TRIGGER mine AFTER INSERT ON public.other REFERENCING NEW TABLE AS n FOR EACH STATEMENT EXECUTE FUNCTION noetl.change_fired('copied');
INSERT INTO public.other VALUES (1);
CREATE TRIGGER yours AFTER INSERT ON public.other FOR EACH STATEMENT EXECUTE FUNCTION noetl.change_fired('copied');
INSERT INTO public.other VALUES (1);
DROP TABLE public.other;

-- Each rule of a table watches its own columns, whatever triggers others have put there, whose names
-- come first.
CREATE TABLE public.watched (id int, a int, b int, c int);
INSERT INTO public.watched VALUES (1, 0, 0, 0);
SELECT noetl.on_change('public.watched', 'change/ship', 'UPDATE OF a', parameters => '{"of": "a"}', name => 'of a');
SELECT noetl.on_change('public.watched', 'change/ship', 'UPDATE OF b', parameters => '{"of": "b"}', name => 'of b');
SELECT noetl.on_change('public.watched', 'change/ship', 'UPDATE', parameters => '{"of": "any"}', name => 'of any');
CREATE FUNCTION public.no_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER a_1 AFTER UPDATE OF c ON public.watched FOR EACH ROW EXECUTE FUNCTION public.no_change('of b');
CREATE TRIGGER a_2 AFTER UPDATE OF c ON public.watched FOR EACH ROW EXECUTE FUNCTION noetl.change_fired();
CREATE TRIGGER a_3 AFTER UPDATE OF c ON public.watched FOR EACH ROW EXECUTE FUNCTION noetl.change_fired('of b', 'c');
CREATE TRIGGER a_4 AFTER INSERT ON public.watched FOR EACH ROW EXECUTE FUNCTION noetl.change_fired('of b');
ALTER TABLE public.watched DISABLE TRIGGER a_2, DISABLE TRIGGER a_3;
UPDATE public.watched SET a = 1;
UPDATE public.watched SET b = 1;
UPDATE public.watched SET c = 1;
UPDATE public.watched SET a = 2, b = 2;
SELECT workload FROM public.started();
DROP TABLE public.watched;
DROP FUNCTION public.no_change();

-- All triggers of a table are disabled, as for a bulk load, and enabled again: the one for replicas, too.
CREATE TABLE public.bulk (id int);
SELECT noetl.on_change('public.bulk', 'change/ship', 'INSERT OR UPDATE OF id', parameters => '{"bulk": "{{ event }} {{ new.id }}"}', name => 'bulk');
ALTER TABLE public.bulk DISABLE TRIGGER ALL;
INSERT INTO public.bulk VALUES (1);
ALTER TABLE public.bulk ENABLE TRIGGER ALL;
INSERT INTO public.bulk VALUES (2), (3);
UPDATE public.bulk SET id = 4 WHERE id = 2;
SELECT workload FROM public.started();
DROP TABLE public.bulk;

-- Rows that a foreign key deletes
CREATE TABLE public.customers (id int PRIMARY KEY);
CREATE TABLE public.carts (id int, customer int REFERENCES public.customers ON DELETE CASCADE ON UPDATE CASCADE);
INSERT INTO public.customers VALUES (1), (2), (3);
INSERT INTO public.carts VALUES (1, 1), (2, 1), (3, 2), (4, 3);
SELECT noetl.on_change('public.carts', 'change/ship', 'DELETE OR UPDATE OF customer', parameters => '{"cart": "{{ event }} {{ old.id }} of {{ new.customer }}"}', name => 'carts');
DELETE FROM public.customers WHERE id < 3;
UPDATE public.customers SET id = 4;
SELECT workload FROM public.started();
DROP TABLE public.carts, public.customers;

-- An INSERT and an UPDATE in one statement, on a partition
CREATE TABLE public.stock (id int PRIMARY KEY, n int) PARTITION BY RANGE (id);
CREATE TABLE public.stock_1 PARTITION OF public.stock DEFAULT;
SELECT noetl.on_change('public.stock', 'change/ship', 'INSERT OR UPDATE', parameters => '{"row": "{{ event }} {{ new }}"}', name => 'stock');
INSERT INTO public.stock VALUES (1, 1);
INSERT INTO public.stock VALUES (2, 2), (1, 2), (3, 2) ON CONFLICT (id) DO UPDATE SET n = 3;
SELECT workload FROM public.started();
DROP TABLE public.stock;

-- The settings of a new session of the maker count, not those of whoever writes: a session, an execution.
ALTER ROLE change_maker SET TimeZone = 'America/New_York';
ALTER ROLE change_maker SET noetl.template_coerce = 'containers';
SELECT noetl.register('
apiVersion: noetl.io/v1
kind: Playbook
metadata: {path: wait/write}
workflow:
- step: write
  type: sql
  statement: INSERT INTO public.settled VALUES (now())
  next: end
- step: end
') > 0 AS registered;
CREATE ROLE change_other;
SET ROLE change_maker;
CREATE TABLE public.settled (at timestamptz);
GRANT INSERT ON public.settled TO change_other;
SELECT noetl.on_change('public.settled', 'change/ship', name => 'settled',
    parameters => '{"zone": "{{ new.at[-6:] }}", "list": "[{{ 1 }}, {{ 2 }}]"}');
RESET ROLE;
GRANT EXECUTE ON FUNCTION noetl.execute(text, jsonb, integer, boolean, text, text, timestamptz, jsonb, integer) TO change_other;
INSERT INTO public.settled VALUES ('2026-01-01');
SET noetl.template_coerce = off;
SET ROLE change_other;
SELECT noetl.execute('wait/write') > 0 AS started;
RESET ROLE;
RESET noetl.template_coerce;
SELECT workload ->> 'zone' ~ '-0[45]:00' AS "New York", workload -> 'list' AS list FROM public.started();

-- A rule whose executions write the table does not go on for ever.
SELECT noetl.register('
apiVersion: noetl.io/v1
kind: Playbook
metadata: {path: change/loop}
workflow:
- step: again
  type: sql
  statement: INSERT INTO public.circle SELECT max(n) + 1 FROM public.circle
  next: end
- step: end
') > 0 AS registered;
SET ROLE change_maker;
CREATE TABLE public.circle (n int);
SELECT noetl.on_change('public.circle', 'change/loop', name => 'circle');
INSERT INTO public.circle VALUES (1);
RESET ROLE;
SELECT count(*) FROM public.circle;
SELECT sqlstate, error, change ->> 'new' AS new FROM noetl.change_failure;
SELECT public.verified();
TRUNCATE noetl.change_failure;

-- A type with a cast of its own: its code runs as the owner of the table.
SET ROLE change_maker;
CREATE TYPE public.mood AS ENUM ('sad', 'happy');
RESET ROLE;
CREATE FUNCTION public.mood_json(public.mood) RETURNS json LANGUAGE sql AS $$ SELECT pg_catalog.to_json(current_user::text || ' ' || current_setting('search_path')) $$;
CREATE CAST (public.mood AS json) WITH FUNCTION public.mood_json(public.mood);
SET ROLE change_maker;
CREATE TABLE public.moods (m public.mood);
GRANT TRIGGER ON public.moods TO change_stranger;
RESET ROLE;
SET ROLE change_stranger;
SELECT noetl.on_change('public.moods', 'change/ship', name => 'moods');
RESET ROLE;
INSERT INTO public.moods VALUES ('sad');
SELECT started_by, workload FROM public.started() WHERE rule = 'moods';
-- ... and when it raises, that is no failure of the statement
CREATE OR REPLACE FUNCTION public.mood_json(public.mood) RETURNS json LANGUAGE plpgsql AS $$ BEGIN RAISE 'no mood'; END $$;
INSERT INTO public.moods VALUES ('happy');
SELECT rule, made_by, sqlstate, error, change FROM noetl.change_failure;
-- ... unless the transaction has to be repeated
CREATE OR REPLACE FUNCTION public.mood_json(public.mood) RETURNS json LANGUAGE plpgsql AS $$ BEGIN RAISE 'try again' USING ERRCODE = 'serialization_failure'; END $$;
INSERT INTO public.moods VALUES ('happy');
SELECT count(*) FROM public.moods;
TRUNCATE noetl.change_failure;


-- Who may make and remove rules
SET ROLE change_stranger;
SELECT noetl.on_change('public.orders', 'change/ship');
SELECT noetl.on_change('public.moods', 'change/ship', name => 'circle');
SELECT noetl.off_change('circle');
RESET ROLE;
SET ROLE change_maker;
SELECT noetl.off_change('moods');
SELECT noetl.on_change('public.orders', NULL, key => 'x', signal => 'x');
RESET ROLE;
SELECT noetl.revoke_execute('change/ship', 'public');
SET ROLE change_maker;
SELECT noetl.on_change('public.orders', 'change/ship');
RESET ROLE;
SELECT noetl.grant_execute('change/ship', 'public');
REVOKE EXECUTE ON FUNCTION noetl.execute(text, jsonb, integer, boolean, text, text, timestamptz, jsonb, integer) FROM change_maker;
SET ROLE change_maker;
SELECT noetl.on_change('public.orders', 'change/ship');
RESET ROLE;

-- What makes no rule
SELECT noetl.on_change('public.orders', 'change/none');
SELECT noetl.on_change('public.orders', NULL);
SELECT noetl.on_change(NULL, 'change/ship');
SELECT noetl.on_change(1::regclass, 'change/ship');
SELECT noetl.on_change('public.orders', NULL, signal => 'x');
SELECT noetl.on_change('public.orders', 'change/ship', parameters => '[1]');
SELECT noetl.on_change('public.orders', 'change/ship', name => '');
SELECT noetl.on_change('public.orders', 'change/ship', condition => 'new.');
SELECT noetl.on_change('public.orders', 'change/ship', condition => 'nwe.id > 1');
SELECT noetl.on_change('public.orders', 'change/ship', condition => 'new.nothing > 1');
SELECT noetl.on_change('public.orders', 'change/ship', parameters => '{"a": ["{{ old[''nothing''] }}"]}');
SELECT noetl.on_change('public.orders', 'change/ship', key => '{{ new.id | nofilter }}');
SELECT noetl.on_change('public.orders', 'change/ship', 'UPDATE OF nothing');
DO $$
DECLARE
    e text;
BEGIN
    FOREACH e IN ARRAY '{"", TRUNCATE, INSERT OR, INSERT INSERT, INSERT OR INSERT, UPDATE OF, "UPDATE OF id,", "UPDATE OF id status", "UPDATE OF \"id", "UPDATE OF id OR", "INSERT, DELETE", "\"insert\"", "INSERT OF id", "UPDATE OF id,, total"}'::text[] LOOP
        BEGIN
            PERFORM noetl.on_change('public.orders', 'change/ship', e);
            RAISE EXCEPTION 'accepted: %', e;
        EXCEPTION WHEN invalid_parameter_value THEN
            RAISE NOTICE '%', SQLERRM;
        END;
    END LOOP;
END
$$;
BEGIN;
CREATE TEMP TABLE temporary (a int);
SELECT noetl.on_change('temporary', 'change/ship');
ROLLBACK;
SELECT noetl.on_change('noetl.event', 'change/ship');
SELECT noetl.on_change('pg_class', 'change/ship');
SELECT noetl.on_change('noetl.failure', 'change/ship');
SELECT noetl.change_fired();
SELECT count(*) FROM noetl.change_rule WHERE table_name = 'public.orders'::regclass;
-- Long names have triggers with short ones; names that are not given differ.
SELECT noetl.on_change('public.orders', 'change/ship', name => repeat('äöü ', 28)) = repeat('äöü ', 28) AS long;
SELECT noetl.on_change('public.orders', 'change/ship'), noetl.on_change('public.orders', 'change/ship');
SELECT tgname FROM pg_trigger WHERE tgrelid = 'public.orders'::regclass AND NOT tgisinternal ORDER BY 1;

DROP TABLE public.settled, public.orders, public.parts, public.parts_b, public.circle, public.moods;
SELECT count(*) FROM noetl.change_rule;
SELECT count(noetl.cancel(execution_id)) > 0 AS cancelled FROM noetl.execution WHERE path LIKE 'change/%' AND ended_at IS NULL;
SELECT public.verified();
DROP FUNCTION public.started(), public.verified();
DROP TABLE public.seen;
DROP TYPE public.mood CASCADE;
REVOKE CREATE ON SCHEMA public FROM change_maker;
DROP OWNED BY change_maker, change_writer, change_stranger, change_other;
ALTER ROLE change_maker RESET ALL;

\echo Use "CREATE EXTENSION noetl" to load this file. \quit

-- Lengths and positions in templates and YAML are those of UTF-8.
DO LANGUAGE plpgsql $$
BEGIN
    IF pg_catalog.getdatabaseencoding() OPERATOR(pg_catalog.<>) 'UTF8' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'feature_not_supported',
            MESSAGE = 'noetl needs a database whose encoding is UTF8',
            DETAIL = pg_catalog.format('The encoding of this database is %s.', pg_catalog.getdatabaseencoding()),
            HINT = 'Create the database with ENCODING ''UTF8'' TEMPLATE template0.';
    END IF;
END
$$;

-- What lies in the schema before could be found instead of what this file creates,
-- and an owner could change all of it afterwards.
DO $$
DECLARE
    namespace pg_catalog.pg_namespace;
BEGIN
    SELECT * INTO STRICT namespace FROM pg_catalog.pg_namespace
     WHERE nspname OPERATOR(pg_catalog.=) 'noetl';
    IF namespace.nspowner OPERATOR(pg_catalog.<>) (SELECT r.oid FROM pg_catalog.pg_roles AS r
        WHERE r.rolname OPERATOR(pg_catalog.=) current_user) THEN
        RAISE EXCEPTION 'schema "noetl" belongs to another role'
            USING ERRCODE = 'insufficient_privilege',
                  HINT = 'Drop or rename it: CREATE EXTENSION creates its own.';
    END IF;
    IF EXISTS (SELECT FROM pg_catalog.pg_depend AS d
        WHERE d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_namespace'::pg_catalog.regclass
          AND d.refobjid OPERATOR(pg_catalog.=) namespace.oid
          AND d.classid OPERATOR(pg_catalog.<>) 'pg_catalog.pg_extension'::pg_catalog.regclass) THEN
        RAISE EXCEPTION 'schema "noetl" is not empty'
            USING ERRCODE = 'duplicate_object',
                  HINT = 'Drop or rename it: CREATE EXTENSION creates its own.';
    END IF;
END
$$;

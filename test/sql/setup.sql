-- Creates the extension for all tests that follow.
CREATE EXTENSION noetl;
SELECT e.extversion ~ '^\d+\.\d+\.\d+$' AS has_version, n.nspname AS schema,
       e.extrelocatable AS relocatable
  FROM pg_extension e
  JOIN pg_namespace n ON n.oid = e.extnamespace
 WHERE e.extname = 'noetl';

-- ---------------------------------------------------------------------------
-- Views of an execution's playbook (src/api/workflow.c; the views need
-- noetl.execution and noetl.catalog)
-- ---------------------------------------------------------------------------

CREATE FUNCTION noetl.playbook_steps(catalog_id bigint, digest bytea)
    RETURNS TABLE (step_name text, step_type text, description text, raw_config jsonb)
    AS 'MODULE_PATHNAME', 'noetl_playbook_steps'
    LANGUAGE C STABLE STRICT PARALLEL RESTRICTED COST 1000 ROWS 10;
COMMENT ON FUNCTION noetl.playbook_steps(bigint, bytea) IS
    'the steps of a playbook, in document order; no rows unless the digest is that of the catalog row';

CREATE FUNCTION noetl.playbook_tasks(catalog_id bigint, digest bytea)
    RETURNS TABLE (task_name text, task_type text, raw_config jsonb)
    AS 'MODULE_PATHNAME', 'noetl_playbook_tasks'
    LANGUAGE C STABLE STRICT PARALLEL RESTRICTED COST 1000 ROWS 5;
COMMENT ON FUNCTION noetl.playbook_tasks(bigint, bytea) IS
    'the workbook tasks of a playbook, in document order; no rows unless the digest is that of the catalog row';

CREATE FUNCTION noetl.playbook_transitions(catalog_id bigint, digest bytea)
    RETURNS TABLE (from_step text, to_step text, condition text, with_params jsonb)
    AS 'MODULE_PATHNAME', 'noetl_playbook_transitions'
    LANGUAGE C STABLE STRICT PARALLEL RESTRICTED COST 1000 ROWS 20;
COMMENT ON FUNCTION noetl.playbook_transitions(bigint, bytea) IS
    'the transitions of a playbook, in whichever form "next" is written; no rows unless the digest is that of the catalog row';

CREATE VIEW noetl.workflow WITH (security_barrier) AS
    SELECT x.execution_id,
           x.execution_id || ':' || s.step_name AS step_id,
           s.step_name,
           s.step_type,
           s.description,
           s.raw_config
      FROM noetl.execution AS x
      JOIN noetl.catalog AS c USING (catalog_id)
     CROSS JOIN LATERAL noetl.playbook_steps(x.catalog_id, c.digest) AS s
     WHERE noetl.acts_for(x.started_by);
COMMENT ON VIEW noetl.workflow IS 'the steps of each execution''s playbook';

CREATE VIEW noetl.workbook WITH (security_barrier) AS
    SELECT x.execution_id,
           x.execution_id || ':' || t.task_name AS task_id,
           t.task_name,
           t.task_type,
           t.raw_config
      FROM noetl.execution AS x
      JOIN noetl.catalog AS c USING (catalog_id)
     CROSS JOIN LATERAL noetl.playbook_tasks(x.catalog_id, c.digest) AS t
     WHERE noetl.acts_for(x.started_by);
COMMENT ON VIEW noetl.workbook IS 'the workbook tasks of each execution''s playbook';

CREATE VIEW noetl.transition WITH (security_barrier) AS
    SELECT x.execution_id, t.from_step, t.to_step, t.condition, t.with_params
      FROM noetl.execution AS x
      JOIN noetl.catalog AS c USING (catalog_id)
     CROSS JOIN LATERAL noetl.playbook_transitions(x.catalog_id, c.digest) AS t
     WHERE noetl.acts_for(x.started_by);
COMMENT ON VIEW noetl.transition IS
    'the transitions of each execution''s playbook; condition is null for one that is always taken';

-- ---------------------------------------------------------------------------
-- YAML and templates: functions of their arguments alone (src/api)
-- ---------------------------------------------------------------------------

CREATE FUNCTION noetl.parse_yaml(content text) RETURNS jsonb
    AS 'MODULE_PATHNAME', 'noetl_parse_yaml'
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION noetl.parse_yaml(text) IS
    'returns the JSON value of one YAML 1.1 document, by the rules of PyYAML''s safe_load; duplicate keys are errors';

CREATE FUNCTION noetl.render(template text, context jsonb) RETURNS jsonb
    AS 'MODULE_PATHNAME', 'noetl_render_text'
    LANGUAGE C STRICT STABLE PARALLEL SAFE;
COMMENT ON FUNCTION noetl.render(text, jsonb) IS
    'renders a Jinja2 template, whose variables are the members of context; a template of exactly one {{ expression }} returns its JSON value';

CREATE FUNCTION noetl.render(template jsonb, context jsonb) RETURNS jsonb
    AS 'MODULE_PATHNAME', 'noetl_render_jsonb'
    LANGUAGE C STRICT STABLE PARALLEL SAFE;
COMMENT ON FUNCTION noetl.render(jsonb, jsonb) IS
    'renders every string of a JSON document, except keys';

CREATE FUNCTION noetl.render(template jsonb, context jsonb, step_values boolean) RETURNS jsonb
    AS 'MODULE_PATHNAME', 'noetl_render_jsonb'
    LANGUAGE C STRICT STABLE PARALLEL SAFE;
COMMENT ON FUNCTION noetl.render(jsonb, jsonb, boolean) IS
    'renders every string of a JSON document for the worker of a task; step_values: the members of context are values of steps, so that x.data and x.result are x when x has no such key';

CREATE FUNCTION noetl.evaluate(condition text, context jsonb) RETURNS boolean
    AS 'MODULE_PATHNAME', 'noetl_evaluate'
    LANGUAGE C STRICT STABLE PARALLEL SAFE;
COMMENT ON FUNCTION noetl.evaluate(text, jsonb) IS
    'returns whether a condition is true; the condition is a template, or an expression without braces';

CREATE FUNCTION noetl.iterator_items(action jsonb, context jsonb, step text DEFAULT NULL)
    RETURNS TABLE (index integer, item jsonb, names jsonb)
    AS 'MODULE_PATHNAME', 'noetl_iterator_items'
    LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION noetl.iterator_items(jsonb, jsonb, text) IS
    'returns the items of a task of type iterator, by collection, where, order_by, limit and chunk of its action, and the names of each item, which lie over those of the context';

CREATE FUNCTION noetl.task_action(task jsonb, context jsonb, names jsonb, input jsonb DEFAULT '{}') RETURNS jsonb
    AS 'MODULE_PATHNAME', 'noetl_task_action'
    LANGUAGE C STRICT STABLE PARALLEL SAFE;
COMMENT ON FUNCTION noetl.task_action(jsonb, jsonb, jsonb, jsonb) IS
    'returns the action of a task that is the body of an iterator, rendered with names over context; "data" is its input with the argument input laid over it, "type" its type';

CREATE FUNCTION noetl.render_left(action jsonb, context jsonb, names jsonb)
    RETURNS TABLE (rendered_action jsonb, rendered_context jsonb)
    AS 'MODULE_PATHNAME', 'noetl_render_left'
    LANGUAGE C STRICT STABLE PARALLEL SAFE ROWS 1;
COMMENT ON FUNCTION noetl.render_left(jsonb, jsonb, jsonb) IS
    'returns the action and the context of a queue row with the strings rendered that the broker has left to the worker, which has the names (env ...); the names become members of the context';

CREATE FUNCTION noetl.save_tasks(save jsonb, context jsonb, names jsonb)
    RETURNS TABLE (index integer, type text, action jsonb, data jsonb, summary jsonb)
    AS 'MODULE_PATHNAME', 'noetl_save_tasks'
    LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION noetl.save_tasks(jsonb, jsonb, jsonb) IS
    'returns the tasks that a save asks a worker to do, of type event, postgres (the SQL is the action''s command), duckdb or http; rendered with names (result, this, data ...) over context, or not at all when names is null';

CREATE FUNCTION noetl.retry_delay(policy jsonb, context jsonb, names jsonb, attempt integer, success boolean, error text, result jsonb)
    RETURNS double precision
    AS 'MODULE_PATHNAME', 'noetl_retry_delay'
    LANGUAGE C VOLATILE PARALLEL SAFE;
COMMENT ON FUNCTION noetl.retry_delay(jsonb, jsonb, jsonb, integer, boolean, text, jsonb) IS
    'returns the seconds until the next attempt of a task that is the body of an iterator, by its retry policy; infinity: no attempt is left; null: the policy asks for no other attempt';

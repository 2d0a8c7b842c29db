-- Creates the extension for all tests that follow.
CREATE EXTENSION noetl;
SELECT e.extversion ~ '^\d+\.\d+\.\d+$' AS has_version, n.nspname AS schema,
       e.extrelocatable AS relocatable
  FROM pg_extension e
  JOIN pg_namespace n ON n.oid = e.extnamespace
 WHERE e.extname = 'noetl';

-- For the stories that follow: the newest execution of a playbook …
CREATE FUNCTION newest(playbook text) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT max(execution_id) FROM noetl.execution WHERE path = playbook
$$;

-- … its log, without what differs from run to run …
CREATE FUNCTION story(playbook text)
RETURNS TABLE (event text, node text, status text, note text)
LANGUAGE sql AS $$
    SELECT e.event_type,
           nullif(regexp_replace(e.node_id, '^\d+:?', ''), ''),
           e.status,
           concat_ws(' | ',
               e.error,
               CASE WHEN e.event_type = 'action_retry' THEN 'delay ' || (e.meta ->> 'delay') END,
               e.meta ->> 'kind', e.meta ->> 'reason', 'ignored: ' || (e.meta ->> 'ignored'),
               'dropped: ' || (e.meta ->> 'dropped'),
               (SELECT string_agg(t ->> 'outcome' || ' ' || (t ->> 'to') || coalesce(' ' || (t ->> 'error'), ''), ', ')
                FROM jsonb_array_elements(e.meta -> 'transitions') t
                WHERE jsonb_array_length(e.meta -> 'transitions') > 1 OR t ->> 'outcome' <> 'taken'),
               CASE WHEN e.event_type LIKE 'execution_complete%' OR e.event_type LIKE 'step_%'
                    THEN nullif(e.result, 'null')::text END)
      FROM noetl.event e
     WHERE e.execution_id = newest(playbook)
     ORDER BY e.event_id
$$;

-- … and a worker that takes tasks in order and answers with what it is told:
-- {"step": result}; {"step": {"fail": "message"}} reports an error.
CREATE FUNCTION work(answers jsonb DEFAULT '{}', tasks int DEFAULT 1000)
RETURNS TABLE (step text, input jsonb, reported boolean)
LANGUAGE plpgsql AS $$
DECLARE
    task noetl.queue;
    answer jsonb;
BEGIN
    FOR i IN 1 .. tasks LOOP
        SELECT * INTO task FROM noetl.lease('tester');
        EXIT WHEN NOT FOUND;
        step := task.node_name;
        input := task.action -> 'data';
        answer := coalesce(answers -> task.node_name, '{}');
        IF answer ? 'fail' THEN
            reported := noetl.fail(task.queue_id, answer ->> 'fail', 'tester', answer -> 'result');
        ELSE
            reported := noetl.complete(task.queue_id, answer, 'tester');
        END IF;
        RETURN NEXT;
    END LOOP;
END
$$;

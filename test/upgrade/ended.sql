-- What in_flight.sql has left is over: each execution has one end, and what it
-- saves is saved once.
\set ON_ERROR_STOP on
\set QUIET on
DO $$
BEGIN
    ASSERT (SELECT count(*) FROM noetl.execution WHERE status = 'COMPLETED') >= 500, 'executions complete';
    ASSERT NOT EXISTS (SELECT FROM noetl.execution WHERE status <> 'COMPLETED'), 'none has another end';
    ASSERT NOT EXISTS (SELECT FROM noetl.execution AS x, noetl.verify(x.execution_id)), 'state follows from the log';
    ASSERT NOT EXISTS (SELECT FROM noetl.queue) AND NOT EXISTS (SELECT FROM noetl.run), 'nothing is left';
    ASSERT NOT EXISTS (SELECT FROM noetl.event WHERE event_type = 'execution_complete'
                        GROUP BY execution_id HAVING count(*) <> 1), 'each ends once';
    ASSERT (SELECT count(*) FROM public.saved) = (SELECT count(DISTINCT id) FROM public.saved)
       AND (SELECT count(*) FROM public.saved) = (SELECT count(*) FROM noetl.execution WHERE path = 'old/line'),
           'what is saved is saved once';
END
$$;
SELECT count(*) || ' executions of version 0.1.0 have completed' FROM noetl.execution;

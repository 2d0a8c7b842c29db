-- What the kill clock (test/t/073_kill_clock.pl) plays with, in a fresh database.
CREATE EXTENSION noetl;
SELECT noetl.create_roles();
GRANT noetl_admin, noetl_worker, noetl_client, noetl_author TO clock;
CREATE TABLE saved (key text, execution_id bigint);
CREATE TABLE ledger (kind text, key text, id bigint, n int);
CREATE INDEX ON ledger (kind, id);
GRANT INSERT ON saved TO clock;
SET SESSION AUTHORIZATION clock;

-- tasks of SQL workers and of noetl-worker, a save, retries, a wait, timeouts
SELECT noetl.register('
apiVersion: noetl.io/v1
kind: Playbook
path: kill/line
workload: {key: none, pause: 0.2}
workflow:
- {step: start, next: task}
- step: task
  tool: hand
  retry: {max_attempts: 90, initial_delay: 0.05, max_delay: 0.2, jitter: false}
  save: {storage: postgres, table: public.saved, data: {key: "{{ workload.key }}", execution_id: "{{ execution_id }}"}}
  next: flaky
- {step: flaky, tool: hand, retry: {max_attempts: 90, initial_delay: 0.05, max_delay: 0.2, jitter: false}, next: real}
- {step: real, type: shell, command: "echo 1", retry: {max_attempts: 90, initial_delay: 0.05, max_delay: 0.2, jitter: false}, next: nap}
- {step: nap, type: wait, for: "{{ workload.pause }}", next: late}
- {step: late, tool: nobody, queue_timeout: 0.2, on_error: continue, next: lost}
# a worker takes it and forgets it
- {step: lost, tool: lost, timeout: 0.2, on_error: continue, next: end}
- {step: end}
');
-- two signals in turn, and a moment
SELECT noetl.register('
apiVersion: noetl.io/v1
kind: Playbook
path: kill/ask
workload: {key: none, until: null}
workflow:
- {step: start, next: before}
- {step: before, tool: hand, retry: {max_attempts: 90, initial_delay: 0.05, max_delay: 0.2, jitter: false}, next: one}
- {step: one, type: wait, signal: go, timeout: 3600, next: two}
- {step: two, type: wait, signal: [go, stop], next: moment}
- {step: moment, type: wait, until: "{{ workload.until }}", next: end}
- {step: end}
');
-- a message by its key
SELECT noetl.register('
apiVersion: noetl.io/v1
kind: Playbook
path: kill/mail
workload: {key: none}
workflow:
- {step: start, type: wait, signal: mail, key: "{{ workload.key }}", next: end}
- {step: end}
');
-- what begins later, by itself
SELECT noetl.register('
apiVersion: noetl.io/v1
kind: Playbook
path: kill/begun
workload: {key: none, n: 0}
workflow:
- {step: end}
');
SELECT noetl.register('
apiVersion: noetl.io/v1
kind: Playbook
path: kill/tick
workflow:
- {step: start, type: wait, for: 0.3, next: end}
- {step: end}
');
SELECT noetl.schedule('all', 'kill/tick', 'every 1 second', overlap => 'allow', catch_up => 'all'),
       noetl.schedule('clock', 'kill/tick', '* * * * * *', overlap => 'allow', catch_up => 'all'),
       noetl.schedule('one', 'kill/tick', '* * * * * *', overlap => 'allow', catch_up => 'one'),
       noetl.schedule('queue', 'kill/tick', 'every 1 second', overlap => 'queue'),
       noetl.schedule('skip', 'kill/tick', 'every 1 second', catch_up => 'skip');

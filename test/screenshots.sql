-- What the screenshots of noetl-console show.
CREATE EXTENSION noetl;
SELECT noetl.create_roles();
CREATE ROLE alice LOGIN IN ROLE noetl_admin;
SET ROLE alice;
SELECT noetl.register($y$apiVersion: noetl.io/v1
kind: Playbook
metadata: {path: billing/invoice, description: The invoices of a month are made and sent}
workload: {month: "2026-11", limit: 500}
workflow:
  - step: start
    next: fetch
  - step: fetch
    tool: postgres
    command: SELECT 1
    next: [{step: render}, {step: ledger}]
  - step: render
    tool: python
    code: result = 1
    next: deliver
  - step: ledger
    tool: postgres
    command: SELECT 1
    next: deliver
  - step: deliver
    tool: http
    url: https://mail.example/send
    next: end
  - step: end
    result: "{{ deliver }}"
$y$);
SELECT noetl.register($y$apiVersion: noetl.io/v1
kind: Playbook
metadata: {path: orders/approve, description: "An order is checked, approved and shipped"}
workload: {amount: 120, customer: ACME, express: true}
workflow:
  - step: start
    next: approve
  - step: approve
    type: wait
    signal: [approved, rejected]
    form:
      required: [by]
      properties:
        by: {type: string, title: Your name}
        limit: {type: number, title: Limit, default: 500}
        speed: {type: string, title: Shipping, enum: [normal, express], default: normal}
    next: ship
  - step: ship
    tool: shell
    command: "true"
    next: end
  - step: end
$y$);
SELECT noetl.execute('billing/invoice', labels => '{"team": "finance"}') FROM generate_series(1, 140);
SELECT noetl.execute('orders/approve', labels => '{"team": "sales"}') FROM generate_series(1, 30);
RESET ROLE;
SELECT noetl.announce('worker-1:4711', '{python,postgres}', '{"host": "app1", "version": "0.2.0"}');
SELECT noetl.announce('worker-2:4712', '{http,shell}', '{"host": "app2", "version": "0.2.0"}');
-- What the clock of these executions says is made up.
UPDATE noetl.execution SET started_at = started_at - interval '24 h' * power(random(), 1.5);
SELECT noetl.complete(queue_id, '{"rows": 12, "total": 1804.5}', 'worker-1:4711')
  FROM noetl.lease('worker-1:4711', 140, '60 s', '{postgres}');
SELECT noetl.complete(queue_id, '{"pages": 3}', 'worker-1:4711')
  FROM noetl.lease('worker-1:4711', 118, '60 s', '{python}');
SELECT noetl.complete(queue_id, '{"rows": 1}', 'worker-1:4711')
  FROM noetl.lease('worker-1:4711', 112, '60 s', '{postgres}');
SELECT noetl.fail(queue_id, 'HTTP 503 from mail.example after 12 s', 'worker-2:4712')
  FROM noetl.lease('worker-2:4712', 7, '60 s', '{http}');
SELECT noetl.complete(queue_id, '{"sent": true}', 'worker-2:4712')
  FROM noetl.lease('worker-2:4712', 90, '60 s', '{http}');
SELECT noetl.signal(execution_id, 'approved', '{"by": "Alice", "limit": 500}') FROM noetl.waiting LIMIT 20;
SELECT noetl.fail(queue_id, 'exit status 1: /srv/labels: no space left on device', 'worker-2:4712')
  FROM noetl.lease('worker-2:4712', 3, '60 s', '{shell}');
SELECT noetl.complete(queue_id, '{}', 'worker-2:4712') FROM noetl.lease('worker-2:4712', 9, '60 s', '{shell}');
SELECT noetl.lease('worker-2:4712', 2, '600 s', '{shell}');
SELECT noetl.lease('worker-1:4711', 3, '600 s', '{python}');

-- A playbook is played in memory: no worker, no waiting, nothing written.
\set ECHO all
\pset format unaligned
SET TimeZone TO 'UTC';
SELECT $$
apiVersion: noetl.io/v1
kind: Playbook
path: shop/order
workload: {order: 7, limit: 100}
workflow:
- step: start
  next: price
- step: price
  type: http
  method: GET
  url: "https://shop.example/orders/{{ order }}"
  retry: {max_attempts: 3, initial_delay: 259200, max_delay: 604800, backoff_multiplier: 2}
  next:
  - when: "{{ price.total > limit }}"
    then: approve
  - else: ship
- step: approve
  type: wait
  signal: approved
  timeout: 2 days
  next:
  - when: "{{ approve.ok }}"
    then: ship
  - else: end
- step: ship
  type: python
  code: |
    def main(total): return total
  args: {total: "{{ price.total }}"}
  next: end
- step: end
  result: {shipped: "{{ ship.box | default(none) }}"}
$$ AS shop \gset

-- The price is asked for three times, with three and with six days between.
SELECT seq, at, event_type, step, status, data - 'meta' AS data
  FROM noetl.simulate(:'shop', '{"order": 8}',
       '{"price": [{"error": "no route"}, {"error": "503", "result": {"status_code": 503}}, {"total": 20}],
         "ship": {"result": {"box": "b1"}, "after": "1 hour"}}', '2026-03-01');

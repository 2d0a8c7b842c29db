-- noetl.parse_yaml: YAML 1.1 as PyYAML's safe_load reads it, errors with their place.
\pset format unaligned

-- What parse_yaml says of a text it refuses.
CREATE FUNCTION pg_temp.problem(content text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  message text; detail text; hint text;
BEGIN
  RETURN 'accepted: ' || noetl.parse_yaml(content)::text;
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
  RETURN concat_ws(' / ', SQLSTATE, message, nullif(detail, ''), nullif(hint, ''));
END $$;

-- A whole document
SELECT jsonb_pretty(noetl.parse_yaml($$
apiVersion: noetl.io/v1
kind: Playbook
metadata: {name: weather, path: examples/weather}
workload:
  cities: [Oslo, "Quito"]
  limit: 25.0
workflow:
- step: start
  next:
    - when: "{{ workload.limit > 20 }}"
      then: [fetch]
- step: fetch
  type: python
  code: |
    def main(x):
        return {"x": x}   # colon: and hash

  note: >-
    folded
    text

    second paragraph
- step: end
$$));
SELECT noetl.parse_yaml('') AS empty, noetl.parse_yaml(E'# only a comment\n') AS comment,
       noetl.parse_yaml(E'---\n...\n') AS marks, noetl.parse_yaml('just text') AS scalar,
       noetl.parse_yaml(NULL) IS NULL AS strict;

-- Scalars: each plain, in a list
SELECT item AS yaml, noetl.parse_yaml('- ' || item) -> 0 AS json
  FROM unnest(ARRAY[
    'yes', 'Yes', 'YES', 'yEs', 'no', 'on', 'Off', 'true', 'FALSE', 'y', 'n',
    '~', 'null', 'Null', 'nULL', '',
    '0', '-0', '+12', '1_000', '010', '-010', '0o7', '08', '0b101', '0b12', '0x1F', '-0xff_ff', '0_7',
    '1:30', '-1:30', '190:20:30', '1:60', '1:5', '0:30', '01:30', '12:30:45', '1:30.5', '190:20:30.15',
    '123456789012345678901234567890', '0xffffffffffffffffffff', '99999999999999999999:59',
    '1.0', '1.', '.5', '-.5', '1.50', '1e3', '1.0e3', '1.0e+3', '1.0E-3', '1_0.2_5', '1.0e+16', '1.0e+22',
    '0.1', '0.30000000000000004', '123456789.123456789', '9007199254740993.0', '-0.0', '1.0e-400', '1.2.3',
    '2001-01-01', '2001-12-14T21:59:43.10-05:00', '2001-13-99'
  ]) WITH ORDINALITY AS list (item, n) ORDER BY n;
SELECT noetl.parse_yaml('[5.0e-324, 1.7976931348623157e+308]')::text =
       '[0.' || repeat('0', 323) || '5, 17976931348623157' || repeat('0', 292) || '.0]' AS extremes;
SELECT noetl.parse_yaml($$["1", '2', "yes", "", '~', 'it''s', "tab\t\x41\u00e9\U0001F600 \"q\"", "a\
  b"]$$);
SELECT noetl.parse_yaml(E'a\n  b\n\n  c') AS plain, noetl.parse_yaml(E'"a\n  b\n\n  c"') AS quoted;
SELECT noetl.parse_yaml(E'- |\n  a\n   b\n\n- |-\n  a\n\n- |+\n  a\n\n- |2\n    a\n- >\n  a\n  b\n\n  c\n   d\n- >-\n\n  a\n') AS blocks;

-- Keys become text as json.dumps writes it
SELECT noetl.parse_yaml(E'1: a\n0x10: b\n1.50: c\n1.0e+16: d\n0.00001: e\nyes: f\n~: g\n2001-01-01: h\n=: i\n"<<": j\n? k\n');

-- Tags
SELECT item AS yaml, noetl.parse_yaml(item) AS json
  FROM unnest(ARRAY[
    '!!str 1', '!!str yes', '!!str', '!!int "0x1F"', '!!float 1', '!!float 1e3', '!!float "1:30"',
    '!!bool oFF', '!!null x', '!!map {a: 1}', '!!seq [a]', '!!timestamp 2001-01-01', '!!binary aGVsbG8=',
    '! 12', '!<tag:yaml.org,2002:int> 7', E'%TAG !y! tag:yaml.org,2002:\n--- !y!str 1'
  ]) WITH ORDINALITY AS list (item, n) ORDER BY n;

-- Anchors, aliases, merge keys: the mapping's own keys win, then the earlier of a list
SELECT noetl.parse_yaml(E'a: &x [1, {b: &y 2}]\nc: *x\nd: *y\n*y : e\n');
SELECT noetl.parse_yaml(E'one: &one {a: 1, b: 1}\ntwo: &two {b: 2, c: 2}\nboth: {<<: [*one, *two], d: 4}\nown: {a: 5, <<: *one}\nchain: &chain {<<: *two, b: 6}\nlast: {<<: [*chain, *one]}\nempty: {<<: []}\n');
SELECT noetl.parse_yaml(E'\uFEFFa: 1\r\nb: 2\r\n') AS byte_order_mark_and_crlf;

-- What is refused: SQLSTATE, message, line, hint
SELECT pg_temp.problem(item)
  FROM unnest(ARRAY[
    -- templates without quotes
    'a: {{ x }}', E'a: 1\nb: {{ x }}/y', '- [1, {{ x }}]', '{{ x }}: a', E'a:\n  - {% if x %}', E'a: {{ x | f("%") }}\nb: 1',
    -- keys
    E'a: 1\nb:\n  c: 1\n  d: 2\n  "c": 3', E'1: a\n"1": b', E'true: a\nyes: b', E'<<: {a: 1}\n<<: {b: 1}',
    '? [a]', '{[a]: b}', E'a: &x [1]\n*x : b', '<<: 1', E'<<: [{a: 1},\n  b]',
    -- anchors
    'a: *b', 'a: &a [*a]', E'&a\nb: {c: *a}', E'- &a 1\n- &a 2',
    -- values JSON cannot hold
    'a: .inf', '- -.Inf', '.NaN', '1.0e+400', '0x_', E'a:\n  b: "x\\0y"', '"\ud800"', '=', '- <<',
    -- tags
    '!mine a', '!!python/object:os.system x', 'a: !!set {b}', '!!omap [a: 1]', '!!int x', '!!float x', '!!bool x', '!!str [a]', '!!map [a]',
    -- syntax
    E'a: 1\n---\nb: 2', E'a: "x\nb: 1', E'a: [1, 2\nb: 1', E'a: b: c', E'a:\n\t- b', E'a:\n  - b\n - c', E'x: 1\ny', 'é: "\q"', 'a: @b',
    E'é: x\x01', E'a: 1\n...\nb', '%YAML 2.0'
  ]) WITH ORDINALITY AS list (item, n) ORDER BY n;

-- Limits: answered at once, whatever the text
-- A server that is watched instruction by instruction needs more.
\set patience `echo ${NOETL_PATIENCE:-20s}`
SET statement_timeout = :'patience';
SELECT pg_temp.problem(item)
  FROM unnest(ARRAY[
    repeat('[', 100000), repeat('{a: ', 100000), repeat('- ', 100000),
    repeat('[', 501) || repeat(']', 501),
    repeat('1', 1000000), '0x' || repeat('f', 1000000), '1.' || repeat('1', 1000000),
    repeat('x', 9000000), '[' || repeat('a,', 1000001) || ']',
    (SELECT string_agg('%TAG !a' || i || '! x', E'\n') || E'\n---\na' FROM generate_series(1, 50000) i),
    (SELECT E'a\n...\n' || string_agg('%TAG !a' || i || '! x', E'\n') || E'\n---\na' FROM generate_series(1, 50000) i),
    -- a billion laughs, by aliases and by merging; and depth by aliases
    (SELECT E'- &a0 [x,x,x,x,x,x,x,x,x,x]\n' || string_agg(format('- &a%s [%s*a%s]', i, repeat(format('*a%s, ', i - 1), 9), i - 1), E'\n' ORDER BY i)
       FROM generate_series(1, 30) i),
    (SELECT 'b: &b {' || string_agg(format('k%s: 1', i), ', ') || '}' FROM generate_series(1, 10000) i) || E'\n' ||
    (SELECT string_agg(format('m%s: {<<: *b}', i), E'\n' ORDER BY i) FROM generate_series(1, 1000) i),
    (SELECT E'- &a0 []\n' || string_agg(format('- &a%s [*a%s]', i, i - 1), E'\n' ORDER BY i) FROM generate_series(1, 1000) i)
  ]) WITH ORDINALITY AS list (item, n) ORDER BY n;
SELECT jsonb_array_length(noetl.parse_yaml(string_agg(format('- &a%s {<<: {k: %s}}', i, i), E'\n'))) AS anchors
  FROM generate_series(1, 50000) i;
SELECT length(noetl.parse_yaml(repeat('[', 500) || repeat(']', 500))::text) AS nested,
       length(noetl.parse_yaml(repeat('1', 4300))::text) AS digits,
       (SELECT count(*) FROM jsonb_object_keys(noetl.parse_yaml(
          (SELECT string_agg(format('k%s: %s', i, i), E'\n') FROM generate_series(1, 20000) i)))) AS keys;
RESET statement_timeout;

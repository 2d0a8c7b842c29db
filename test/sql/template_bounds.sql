-- What a template may take: time and memory.  A template is text of users, and
-- is evaluated in sessions and background processes that others need.
CREATE FUNCTION pg_temp.try(template text, context jsonb DEFAULT '{}') RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
  state text; message text; detail text;
BEGIN
  RETURN left(noetl.render(template, context)::text, 70);
EXCEPTION WHEN others THEN
  GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
  RETURN concat_ws(' | ', state, message, detail);
END $$;

-- A search takes time linear in both texts, wherever the needle differs.
-- A server that is watched instruction by instruction needs more.
\set patience `echo ${NOETL_PATIENCE:-20s}`
SET statement_timeout = :'patience';
SELECT pg_temp.try(t) FROM unnest(ARRAY[
  '{{ ("a"*3000000).find("a"*1500000~"ba") }}',
  '{{ ("a"*3000000).rfind("a"*1500000~"ba") }}',
  '{{ ("a"*3000000).count("a"*1500000~"ba") }} {{ ("a"*3000000).count("a"*1500000) }}',
  '{{ "a"*1500000~"ba" in "a"*3000000 }} {{ "a"*1500000 in "a"*3000000 }}',
  '{{ ("a"*3000000).replace("a"*1500000~"ba", "c")|length }} {{ ("a"*3000000).replace("a"*1500000, "c") }}',
  '{{ ("a"*3000000).split("a"*1500000~"ba")|length }} {{ ("a"*3000000).rsplit("a"*1500000~"ba")|length }}',
  '{{ ("ab"*1500000).find("ab"*750000~"aa") }} {{ ("ab"*1500000).find("b"~"ab"*750000) }} {{ ("ab"*1500000).rfind("ab"*750000~"a") }}',
  '{{ ("é"*1500000).find("é"*750000~"ü") }} {{ ("é"*1500000~"ü").find("é"*750000~"ü") }} {{ ("ü"~"é"*1500000).rfind("ü"~"é"*750000) }}',
  '{{ ("a"*3000000).strip("b"*1500000~"a") }}{{ ("é"*1500000).strip("ü"*1500000~"é") }}!'
]) AS t ORDER BY t;
-- So do regular expressions, whatever the order in which the groups of a match are asked for.
SELECT pg_temp.try(t) FROM unnest(ARRAY[
  $${{ ("foo bär "*100000)|regex_replace("(\w+) (\w+)", "\\2 \\1")|length }}$$,
  $${{ ("foo bär "*100000)|regex_findall("((\w)\w*)")|last }}$$
]) AS t ORDER BY t;

-- The two-way search finds what a plain search finds.
SELECT count(*) AS cases, count(*) FILTER (WHERE found IS DISTINCT FROM expected) AS differences
  FROM (SELECT noetl.render('{{ a.find(b) }}', jsonb_build_object('a', a, 'b', b))::int + 1 AS found,
               strpos(a, b) AS expected
          FROM (SELECT string_agg(substr('aab', 1 + abs(hashint4(i * 977 + k)) % 3, 1), '' ORDER BY k) AS a, i
                  FROM generate_series(1, 60) i, generate_series(1, 400) k GROUP BY i) texts,
               LATERAL (SELECT substr(a, 380 - length, length) AS b FROM generate_series(1, 200, 7) length
                        UNION ALL SELECT substr(a, 380 - length, length) || 'c' FROM generate_series(1, 200, 13) length
                        UNION ALL SELECT repeat('aab', length) FROM generate_series(1, 30, 3) length) needles) results;
RESET statement_timeout;

-- An evaluation that takes too long ends by itself, at a position; which one
-- that is depends on the machine.
SET statement_timeout = :'patience';
SET noetl.template_max_time = '100ms';
SELECT regexp_replace(pg_temp.try(t), 'column \d+', 'column …') FROM unnest(ARRAY[
  E'first line\n{% for i in range(1000000) %}{{ "x"*50000 }}{% endfor %}',
  '{{ range(1000000)|map("string")|map("center", 3000)|select("eq", "b")|list }}',
  '{% macro f(n) %}{% if n %}{{ f(n-1) }}{{ f(n-1) }}{% endif %}{% endmacro %}{{ f(18) }}{{ f(18) }}',
  '{{ (["a"*100000]*5000)|sort|length }}'
]) AS t;
-- Nor does one whose lists hold one another take longer than it may.
SELECT regexp_replace(pg_temp.try('{% set ns = namespace(x=' || empty || ') %}{% for i in range(45) %}{% set ns.x = ' || twice || ' %}{% endfor %}{{ ' || t || ' }}'), 'column \d+', 'column …')
  FROM (VALUES ('[]', '[ns.x, ns.x]', 'ns.x | flatten'), ('[]', '[ns.x, ns.x]', 'ns.x | combine'),
               ('()', '(ns.x, ns.x)', '[ns.x] | union([])'),
               ('{}', '{"a": ns.x, "b": ns.x}', 'ns.x | combine({"a": ns.x.b, "b": ns.x.a}, recursive=true) | length'),
               ('{}', '{"a": ns.x, "b": ns.x}', 'ns.x | merge({"a": ns.x.b, "b": ns.x.a}) | length')) AS cases(empty, twice, t);
-- Compilation has the same bound, and zero is none.
SELECT pg_temp.try('{{ [' || repeat('a, ', 4000000) || '1] }}') LIKE '54000 | compilation of a template exceeds noetl.template_max_%';
SET noetl.template_max_time = 0;
SELECT pg_temp.try('{{ (["a"*100000]*500)|sort|length }}');
RESET noetl.template_max_time;
RESET statement_timeout;

-- Memory is freed as a template goes: these build far less than they pass through.
SET noetl.template_max_memory = '16MB';
SELECT pg_temp.try(t) FROM unnest(ARRAY[
  '{% set ns = namespace(s="") %}{% for i in range(100000) %}{% set ns.s = ns.s ~ "0123456789" %}{% endfor %}{{ ns.s|length }}',
  '{% set ns = namespace(s="") %}{% for i in range(100000) %}{% set ns.s = ns.s + "01234" + "56789" %}{% endfor %}{{ ns.s|length }}',
  '{% set ns = namespace(l=[]) %}{% for i in range(50000) %}{% set ns.l = ns.l + [i] %}{% endfor %}{{ ns.l|length }} {{ ns.l[-1] }}',
  '{% for i in range(20000) %}{% set x = ("x"*2000)|upper %}{{ x[:0] }}{{ (x ~ i)[:0] }}{% endfor %}',
  '{% for i in range(300) %}{% for j in (range(1000)|map("string")|sort) %}{% endfor %}{% endfor %}done',
  '{{ ([[1, 2]]*20000)|sum(start=[])|length }}',
  '{{ ("ab cd "*300000)|title|length }}',
  '{{ (["Ab", "cD"]*20000)|sort|length }} {{ (["Ab", "aB"]*40000)|unique|list }}'
]) AS t;
-- What does hold more is refused.
SELECT pg_temp.try(t) FROM unnest(ARRAY[
  '{% set a = "x"*9000000 %}{% set b = a ~ "y" %}{{ b|length }}',
  '{{ ["x"]*900000 }}',
  '{{ ("["~"1,"*900000~"1]")|from_json|length }}',
  '{{ ("a b "*900000).split()|length }}'
]) AS t;
SELECT pg_temp.try('{{ 1' || repeat(' + 1', 100000) || ' }}');
RESET noetl.template_max_memory;

-- A value that is kept is the value, however it was kept.  Only an evaluation
-- that is not small frees anything before its end.
SELECT pg_temp.try('{% set filler = "x" * 50000 %}' || t, '{"d": {"k": [1, {"x": "y"}]}}') FROM unnest(ARRAY[
  '{% set ns = namespace(a="a") %}{% set b = ns.a %}{% for i in range(3) %}{% set ns.a = ns.a ~ i %}{% set ns.b = ns.a ~ "!" %}{% endfor %}{{ b }} {{ ns.a }} {{ ns.b }}',
  '{% set ns = namespace(l=[[0]], m=[]) %}{% for i in range(3) %}{% set l = ns.l %}{% set ns.l = ns.l + [[i|string ~ "x"]] %}{% set ns.m = l + ["?"] %}{% endfor %}{{ ns.l }} {{ ns.m }}',
  '{% set ns = namespace(x=none) %}{% for i in range(20) %}{% for j in [i] %}{% set ns.x = [("v" ~ i)|upper, d.k|last] %}{% endfor %}{% endfor %}{{ ns.x }}',
  '{% set ns = namespace(g=none) %}{% for i in range(2) %}{% set ns.g = ["a", "b"]|map("upper") %}{% endfor %}{{ ns.g|join }}',
  '{% set ns = namespace(m=none) %}{% for i in [1, 2] %}{% macro m(a) %}{{ a }}{{ i }}{% endmacro %}{% set ns.m = m %}{% endfor %}{{ ns.m("x" ~ 1) }}',
  '{% set ns = namespace(l=none) %}{% for i in [1, 2] %}{% for j in [3, 4] if j > 1 recursive %}{% set ns.l = loop %}{% endfor %}{% endfor %}{{ ns.l([5]) }}{{ ns.l.index }}',
  '{% for i in ["a", "a", "b"] %}{{ loop.changed([i ~ "x"]) }}{% endfor %}',
  '{% set ns = namespace(u=none) %}{% for i in [1] %}{% set ns.u = d["no" ~ "pe"] %}{% endfor %}{{ ns.u is defined }} {{ ns.u.x }}',
  '{% set ns = namespace(b=1) %}{% for i in range(30) %}{% set ns.b = ns.b * 100 + (i|string|int) %}{% endfor %}{{ ns.b }}',
  '{% macro outer() %}{% set t = "" %}{% for i in range(2) %}{% set t %}{{ caller(i) }}{% endset %}[{{ t }}]{% endfor %}{% endmacro %}{% call(n) outer() %}{{ n ~ "c" }}{% endcall %}',
  '{% set x = "a" %}{% for i in range(2) %}{% set x = x ~ i %}{{ x }}{% endfor %}{{ x }}',
  '{% set a, b = ("p" ~ 1)|upper, ["q"|upper] %}{{ a }}{{ b }}'
]) AS t;

-- A JSON document with a template at the bottom of many arrays.
SELECT length(noetl.render((repeat('[', 4000) || '"{{ 1 + 1 }}"' || repeat(']', 4000))::jsonb, '{}')::text);

-- Numbers, names and blanks as Python has them.
SELECT pg_temp.try(t, '{"x": {"_id": 7, "__c": {"_d": 8}}}') FROM unnest(ARRAY[
  '{{ x._id }} {{ x.__c._d }} {{ x._none is defined }} {{ "text"._x is defined }}',
  '{{ x._id() }}',
  '{{ 1e23|string }} {{ 1e22|string }} {{ 9.999999999999999e22|string }} {{ 5e-324|string }} {{ 0.1|string }} {{ 2.0**76 }}',
  '{{ "  a b  c  ".split(none, 1) }} {{ "  a b  c  ".rsplit(none, 1) }} {{ "  a  ".split(none, 0) }}',
  '{{ (-0.0)|round(-1)|string }} {{ (-3.0)|round(-1)|string }} {{ -4.0|round(-1)|string }}',
  '{{ []|tojson(10**9) }} {{ 1|tojson(10**9) }}', '{{ [1]|tojson(10**9) }}',
  '{{ [1]|tojson(1200)|length }}', '{{ "ab-3-cd a-b-cd"|wordwrap(7) }} {{ "aa-٣-bb a-²-cd"|wordwrap(7) }}',
  '{{ (10**19000).bit_length() }} {{ (10**19000).bit_count() }} {{ "%x"|format(10**40) }} {{ "{:o} {:b}".format(10**20, 5) }}'
]) AS t;

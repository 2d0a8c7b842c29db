-- Every error says what, where in the template and, where it helps, what to do.
\pset format unaligned
\pset tuples_only on
CREATE FUNCTION pg_temp.problem(template text, context jsonb DEFAULT '{"d": {"a": 1}, "s": "x", "xs": [1], "n": 1}') RETURNS text
LANGUAGE plpgsql AS $$
DECLARE detail text; hint text;
BEGIN
  PERFORM noetl.render(template, context);
  RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
  RETURN concat_ws(' | ', SQLSTATE, SQLERRM, NULLIF(detail, ''), NULLIF(hint, ''));
END $$;

-- Syntax
SELECT pg_temp.problem(t) FROM unnest(ARRAY[
  '{{ 1 + }}', E'line one\n  {{ a b }}', '{{ "open }}', '{% if n %}x', '{% endif %}', '{% for x in xs %}{% endif %}', '{{ (1]) }}',
  '{# open', '{% raw %}', '{% set 1 = 2 %}', '{% nonsense %}', '{{ x is odd is even }}', '{% macro m(a, a) %}{% endmacro %}',
  '{% for x in xs %}{% set loop = 1 %}{% endfor %}', '{{ n ? 1 : 2 }}', '{{ f(a=1, 2) }}', 'ä{{ ? }}']) AS t;

-- What does not exist here, or is refused
SELECT pg_temp.problem(t) FROM unnest(ARRAY[
  '{% include "x" %}', '{% extends "x" %}', '{% block b %}{% endblock %}', '{% import "x" as y %}', '{% do xs.append(1) %}',
  '{{ xs|nofilter }}', '{{ n is notest }}', '{{ xs|random }}', '{{ lipsum() }}', '{{ d._x() }}', '{{ s.__class__() }}', '{{ s|attr("__class__") }}',
  '{{ xs.append(1) }}', '{{ d.update(1) }}', '{{ d.items }}', '{{ range }}', '{{ "{0.x}".format(d) }}', '{{ "\N{DIGIT ONE}" }}', '{{ "\ud800" }}', '{{ "\x00" }}']) AS t;
SELECT noetl.render('{% if false %}{{ n|nofilter }}{% endif %}never reached{{ "" }}', '{}') AS unknown_filter_not_reached;

-- Evaluation
SELECT pg_temp.problem(t) FROM unnest(ARRAY[
  '{{ nope.x }}', '{{ nope + 1 }}', '{{ nope|int }}', E'\n\n   {{ d.b.c }}', '{{ 1 / 0 }}', '{{ 1 + "x" }}', '{{ 1 < "x" }}', '{{ 1 in "x" }}',
  '{{ n() }}', '{{ nope() }}', '{{ [1]|join(1, 2, 3) }}', '{{ s|replace("a") }}', '{{ s|upper(x=1) }}', '{{ [1, "a"]|sort }}', '{{ {[1]: 2} }}',
  '{% for a, b in [[1, 2, 3]] %}{% endfor %}', '{{ 1e308 * 10 }}', '{{ s.index("z") }}', '{{ (-8) ** 0.5 }}', '{{ "x"|from_json }}',
  '{% for k, in d %}{% endfor %}', '{% for k in [] %}{% print k, k|nofilter %}{% endfor %}', '{% macro m() %}{% endmacro %}{{ m(1) }}', '{% set d.x = 1 %}', '{{ "/w=="|b64decode }}']) AS t;
SELECT pg_temp.problem('{{ x }}', '[]');

-- Bounds: an error in bounded time and memory.  How deep a recursion goes until
-- the stack is full, and so where it stands then, is the compiler's choice.
SELECT regexp_replace(pg_temp.problem(t), '(54001.*)column \d+', '\1column …') FROM unnest(ARRAY[
  '{{ "x" * 10**9 }}', '{% for i in range(10**9) %}{% endfor %}', '{{ range(10**9)|list }}', '{{ [0] * 10**9 }}', '{{ 10 ** 100000 }}',
  '{{ 2 ** 2 ** 2 ** 2 ** 2 ** 2 ** 2 ** 2 }}', '{{ "%0999999999d" % 1 }}', '{{ "x".center(10**10) }}', '{{ "{:>9999999999}".format(1) }}', '{{ "{:.99999999999999999999}".format("") }}', '{{ "{:.9999999999}".format(1.5) }}',
  '{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}{{ a() }}{% endmacro %}{{ a() }}', '{% set ns = namespace() %}{% set ns.x = ns %}{{ ns }}',
  '{% set ns = namespace(s="x") %}{% for i in range(100) %}{% set ns.s = ns.s + ns.s %}{% endfor %}']) AS t;
SELECT left(pg_temp.problem('{{ ' || repeat('(', 10000) || '1' || repeat(')', 10000) || ' }}'), 30);
SELECT left(pg_temp.problem('{{ ' || repeat('[', 100000) || repeat(']', 100000) || ' }}'), 30);
SELECT left(pg_temp.problem('{{ ' || repeat('-', 100000) || '1 }}'), 30);
SELECT left(pg_temp.problem(repeat('{% if 1 %}', 100000)), 30);
SELECT left(pg_temp.problem('{{ "' || repeat('<', 200000) || '"|striptags }}'), 30);
-- keepends is a number, as in Python.
SELECT pg_temp.problem(t) FROM unnest(ARRAY['{{ ["a\nb".splitlines(2), "a\nb".splitlines(false)] }}', '{{ "".splitlines(x) }}',
  '{{ "".splitlines("a") }}', '{{ "".splitlines(1.0) }}', '{{ "".splitlines(10**10) }}']) AS t;
-- What is cut off marked up text is escaped, too, as in the method strip().
SELECT noetl.render(t, '{}') FROM unnest(ARRAY['{{ ("3"|e)|trim("\"") }}', '{{ ("3"|safe).strip("\"") }}', '{{ "3"|trim("\"") }}']) AS t;
-- The last character of marked up text is marked up, as Markup[-1] is; the first of iter() is not.
SELECT noetl.render('{{ "x<"|safe|last|e }} {{ "<x"|safe|first|e }}', '{}');

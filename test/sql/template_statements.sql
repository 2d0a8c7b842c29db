-- Statements.  White space is kept unless a tag says otherwise.
\pset format unaligned
\pset tuples_only on
SELECT noetl.render($$
{%- for user in users if user.active -%}
{{ loop.index }}/{{ loop.length }} {{ user.name }}{{ "," if not loop.last }}
{% else %}nobody{% endfor %}$$,
  '{"users": [{"name": "ada", "active": true}, {"name": "bob", "active": false}, {"name": "cy", "active": true}]}');

-- What a loop sets stays in the loop; a namespace carries it out.
SELECT noetl.render('{% set n = 0 %}{% set ns = namespace(n=0) %}{% for x in xs %}{% set n = n + x %}{% set ns.n = ns.n + x %}{% endfor %}{{ n }} {{ ns.n }}', '{"xs": [1, 2, 3]}');

-- Recursive loops, unpacking, cycler and joiner
SELECT noetl.render('{% for n in tree recursive %}<{{ n.name }}{{ loop(n.children) if n.children }}>{% endfor %}',
  '{"tree": [{"name": "a", "children": [{"name": "b"}, {"name": "c", "children": [{"name": "d"}]}]}]}');
SELECT noetl.render('{% set j = joiner("; ") %}{% set c = cycler("odd", "even") %}{% for k, v in d.items() %}{{ j() }}{{ k }}={{ v }} ({{ c.next() }}){% endfor %}', '{"d": {"a": 1, "b": 2, "c": 3}}');

-- Macros, with defaults, varargs and a calling block
SELECT noetl.render('{% macro field(name, type="text") %}<{{ name }}:{{ type }}{{ varargs }}{{ kwargs }}{{ caller("!") if caller }}>{% endmacro %}{{ field("a") }}{{ field("b", "int", 1, z=2) }}{% call(x) field("c") %}body{{ x }}{% endcall %}', '{}');

-- set, filter, with and raw blocks; comments
SELECT noetl.render('{% set t | upper %}hello {{ name }}{% endset %}{{ t }}{% filter replace("l", "L") %} all{% endfilter %}{% with a = 1, b = 2 %} {{ a + b }}{% endwith %}{# gone #}{% raw %} {{ raw }}{% endraw %}', '{"name": "ann"}');

-- Line breaks are normalized, one at the end is dropped.
SELECT noetl.render(E'a\r\nb{{ "" }}\n', '{}')::text;
SELECT noetl.render(E'x  \n  {%- if true -%}  \n y {%- endif %} z{{ "" }}', '{}')::text;

-- Rendered text that is wholly a JSON object or array becomes that value.
SELECT noetl.render('{"id": {{ id }}, "tags": {{ tags|tojson }}}', '{"id": 7, "tags": ["a", "b"]}');
SET noetl.template_coerce = off;
SELECT noetl.render('[{{ 1 }}, {{ 2 }}]', '{}');
SET noetl.template_coerce = 'all';
SELECT noetl.render('{{ 1 }}{{ 2 }}', '{}');
SELECT t, noetl.render(t, '{"lat": 48.2, "lon": -16.4, "n": 7}') FROM unnest(ARRAY['{{ lat }},{{ lon }}', '00{{ n }}', '{{ n }}, "x"', '{{ n }},', '{{ n }}, x', '007', '{{ "007" }}', '0{{ "" }}', '00.{{ n }}']) t;
RESET noetl.template_coerce;

-- A document is rendered string by string: values, not keys.
SELECT noetl.render('{"url": "https://{{ host }}/x", "n": "{{ n }}", "{{ key }}": ["{{ n + 1 }}", 5, null]}'::jsonb, '{"host": "example.com", "n": 41}');
SELECT noetl.render('"{{ n }}"'::jsonb, '{"n": 1}'), noetl.render('5'::jsonb, '{}');

-- The length of a generator is asked for in the middle of a long evaluation: every round has all items.
SELECT cardinality(string_to_array(noetl.render('{% for c in "abcdefghijklmno" %} {{ c is none }} {{ c|upper -}} {%- for x in [[], 0.0, "both", "z"]|map("string") %} {{ [loop.revindex0, loop.changed(x)] -}}x{{ loop.revindex is string }}{% endfor -%}}{% endfor %}', '{}') #>> '{}', 'True]x')) - 1 AS items;

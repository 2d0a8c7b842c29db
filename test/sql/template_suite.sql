-- Corners of the template language that playbooks rarely visit.

-- the default of a parameter sees the parameters, not what they hide
SELECT noetl.render('{% set x = 42 %}{% macro m(a, b=x, x=23) %}[{{ a }}|{{ b }}|{{ x }}]{% endmacro %}'
					'{{ m(1) }}{{ m(1, 2) }}{{ m(1, 2, 3) }}{{ m(1, x=7) }}', '{}');
SELECT noetl.render('{% macro m(a=a) %}[{{ a }}]{% endmacro %}{{ m() }}{{ m(1) }}', '{"a": 5}');
SELECT noetl.render('{% macro m(a=b.c, b={"c": 1}) %}{{ a }}{% endmacro %}{{ m() }}', '{"b": {"c": 2}}');
SELECT noetl.render('{% macro m(b, a=b + 1) %}{{ a }}{% endmacro %}{{ m(1) }}', '{"b": 10}');

-- what a macro tells of itself
SELECT noetl.render('{% macro m(a, b=2) %}{{ varargs }}{% endmacro %}'
					'{{ [m.name, m.arguments, m.catch_varargs, m.catch_kwargs, m.caller, m.explicit_caller] }}', '{}');
SELECT noetl.render('{% macro m(caller=none) %}{{ kwargs }}{{ caller() if caller }}{% endmacro %}'
					'{{ [m.name, m.arguments, m.catch_varargs, m.catch_kwargs, m.caller, m.explicit_caller] }}', '{}');
SELECT noetl.render('{% macro m() %}{{ caller.name is none }} {{ caller.arguments }}{% endmacro %}'
					'{% call(x, y=1) m() %}{% endcall %}{{ m.unknown is defined }}', '{}');

-- what cannot be done to nothing is no error
SELECT noetl.render('{{ []|map|list }}{{ none|selectattr|list }}{{ nope|map("no filter")|list }}{{ ""|rejectattr|join }}', '{}');
SELECT noetl.render('{{ [1]|map|list }}', '{}');
SELECT noetl.render('{{ [1]|selectattr|list }}', '{}');

-- "reverse" is a boolean or a number
SELECT noetl.render('{{ [1, 2]|sort(true) }}{{ [1, 2]|sort(0) }}{{ {"a": 1, "b": 2}|dictsort(reverse=1) }}', '{}');
SELECT noetl.render('{{ [1, 2]|sort("b") }}', '{}');
SELECT noetl.render('{{ {"a": 1}|dictsort(reverse="yes") }}', '{}');

-- JSON is indented by a number of spaces or by a string
SELECT noetl.render('{##}{{ {"a": [1, {}]}|tojson("--") }}{{ [1]|tojson(none) }}{{ [1]|tojson(true) }}{{ [1]|tojson("") }}{{ [1]|tojson("<") }}', '{}');
SELECT noetl.render('{{ [1]|tojson(1.5) }}', '{}');

-- a name that every branch sets is still read from outside before that
SELECT noetl.render('{% if c %}{{ a.b }}{% set a = 1 %}{% elif d %}{{ a.b }}{% set a = 2 %}{% else %}{{ a.b }}{% set a = 3 %}{% endif %}{{ a }}',
					jsonb_build_object('a', '{"b": 0}'::jsonb, 'c', c, 'd', d))
  FROM (VALUES (true, true), (false, true), (false, false)) v (c, d);
SELECT noetl.render('{% for i in [1] %}{% if i == 1 %}{{ a }}{% set a = 2 %}{% else %}{% set a = 3 %}{% endif %}{{ a }}{% endfor %}{{ a }}', '{"a": 1}');

-- the size of a batch matters only where one must be filled up
SELECT noetl.render('{{ "abcd"|batch(2.0, "x")|list }}{{ "abcd"|batch(2.5, "x")|list }}{{ "abc"|batch("x")|list }}', '{}');
SELECT noetl.render('{{ "abc"|batch(2.0, "x")|list }}', '{}');

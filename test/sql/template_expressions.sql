-- A template is Jinja2 over a JSON context.  Exactly one expression gives a
-- JSON value of its own type; anything else gives text.
\pset format unaligned
SELECT noetl.render('{{ city.temperature }}', '{"city": {"temperature": 21.50}}');
SELECT noetl.render('  {{ cities }}  ', '{"cities": ["Oslo", "Rome"]}');
SELECT noetl.render('It is {{ t }} degrees', '{"t": 21.50}');
SELECT noetl.render('{{ code }}', '{"code": "007"}');
SELECT noetl.render('no tags at all, {not even} one', '{}');
SELECT noetl.render('{{ nothing }}', '{}') AS undefined_is_null,
       noetl.render('<{{ nothing }}>', '{}') AS undefined_prints_nothing;

-- Numbers are Python's: "/" is exact, "//" and "%" round down, integers never
-- overflow, floats print their shortest form.
SELECT t AS template, noetl.render(t, '{"n": 7}') AS result
FROM unnest(ARRAY[
  '{{ n / 2 }}', '{{ 4 / 2 }}', '{{ -n // 2 }}', '{{ -n % 3 }}', '{{ 2 ** 3 ** 2 }}', '{{ (-2) ** 2 }}', '{{ 2 ** 100 }}',
  '{{ 1e16 ~ "" }}', '{{ 1e-5 ~ "" }}', '{{ 0.1 + 0.2 }}', '{{ 9007199254740993 == 9007199254740992.0 }}',
  '{{ 2.675|round(2) }}', '{{ 2.5|round }}', '{{ 25|round(-1) }}', '{{ "3.7"|int }}', '{{ "٣"|int }}', '{{ "0x1f"|int(0, 16) }}',
  '{{ -3|abs }}', '{{ 2 + 1 is odd }}', '{{ 1 < 2 < 3 }}', '{{ 1 ~ 2 * 3 }}']) AS t;

-- Text form is Python's str(), also inside containers.
SELECT noetl.render('{{ x }}|', '{"x": [true, null, 1.0, "it''s", "say \"hi\"", {"k": "é"}]}');

-- Access: attributes and items, negative indexes, slices; methods come first.
SELECT t AS template, noetl.render(t, '{"d": {"a": [10, 20, 30], "items": 5}, "s": "Straße"}') AS result
FROM unnest(ARRAY[
  '{{ d.a.0 }}', '{{ d["a"][-1] }}', '{{ d.a[::-1] }}', '{{ s[1:-1] }}', '{{ s|length }}', '{{ s.upper() }}',
  '{{ d["items"] }}', '{{ d.items()|list }}', '{{ d.get("x", "none") }}', '{{ none.x is defined }}',
  '{{ s.split("a") }}', '{{ "%05.1f|%-4s|" % (3.14159, "ab") }}', '{{ "{:>6,}|{!r}".format(1234, s) }}',
  '{{ "{:٣}|{:.٢}|{:.30000000000000004}".format(1, s, "ab") }}', '{{ "{٠[٠]:٠٤}".format([7]) }}']) AS t;

-- and/or give operands, "in" looks into what it is given, tests bind tightest
SELECT t AS template, noetl.render(t, '{"a": 0, "b": "x", "xs": [1, 2]}') AS result
FROM unnest(ARRAY[
  '{{ a or b }}', '{{ a and b }}', '{{ not a }}', '{{ 2 in xs and 3 not in xs }}', '{{ b if xs else 0 }}', '{{ "yes" if a }}',
  '{{ a is defined and nope is not defined }}', '{{ nope|default("d") }}', '{{ a|default("d", true) }}']) AS t;

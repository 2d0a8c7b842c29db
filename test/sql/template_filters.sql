-- The filters, each at least once.
\pset format unaligned
\pset tuples_only on
CREATE TEMP TABLE f (id int GENERATED ALWAYS AS IDENTITY, t text);
INSERT INTO f (t) VALUES
  ('{{ -5|abs }}'), ('{{ xs|batch(2, "-")|list }} {{ xs|batch(2 ** 64)|list }} {{ xs|batch(0 - 2 ** 64, 0)|list }}'), ('{{ xs|slice(2)|list }}'), ('{{ "hELLO"|capitalize }}'),
  ('{{ "x"|center(5) }}'), ('{{ xs|count }}'), ('{{ d|dictsort }}'), ('{{ d|dictsort(by="value", reverse=true) }}'),
  ('{{ "<a href=''x''>"|e }}'), ('{{ "&lt;"|safe|forceescape }}'), ('{{ 1500000|filesizeformat }} {{ 1500000|filesizeformat(true) }}'),
  ('{{ xs|first }} {{ xs|last }}'), ('{{ "1.5"|float + 1 }}'), ('{{ "%s is %d"|format("x", 3) }}'),
  ('{% for g in rows|groupby("city") %}{{ g.grouper }}:{{ g.list|length }} {% endfor %}'), ('{{ "a\nb"|indent(2, true) }}'),
  ('{{ "42abc"|int(-1) }} {{ "1\x1c"|int }} {{ "\x1f2.5"|float }} {{ "\x852\u2003"|int }}'), ('{{ d|items|list }}'), ('{{ xs|join("+") }} {{ rows|join(",", attribute="name") }}'),
  ('{{ "abc"|list }}'), ('{{ "ΑΣ İ"|lower }} {{ "straße"|upper }}'), ('{{ rows|map(attribute="name")|list }} {{ xs|map("string")|list }}'),
  ('{{ xs|max }} {{ xs|min }} {{ rows|max(attribute="age") }}'), ('{{ rows|pprint }}'), ('{{ "foo bar baz qux"|groupby("", 0)|pprint }}'), ('{{ xs|reject("odd")|list }} {{ xs|select(">", 1)|list }}'),
  ('{{ rows|selectattr("age", "gt", 30)|map(attribute="name")|list }} {{ rows|rejectattr("age")|list }}'),
  ('{{ "aaa"|replace("a", "b", 2) }}'), ('{{ xs|reverse|list }} {{ "abc"|reverse }}'), ('{{ 42.55|round(1, "floor") }} {{ 42.1|round(0, "ceil") }}'),
  ('{{ ["b", "A", "c"]|sort }} {{ rows|sort(attribute="city,age")|map(attribute="name")|join }}'), ('{{ 5|string }}'),
  ('{{ "<p>x &amp;  <b>y</b></p>"|striptags }}'), ('{{ xs|sum }} {{ rows|sum(attribute="age") }}'), ('{{ "the o''neil (second-hand)"|title }}'),
  ('{{ {"b": "<é>", "a": [1, 2.0]}|tojson }}'), ('{{ {"a": [1]}|tojson(2) }}'), ('{{ "  x "|trim }}|{{ "--x-"|trim("-") }}'),
  ('{{ "foo bar baz qux"|truncate(9) }} {{ "foo bar baz qux"|truncate(9, true) }}'), ('{{ ["a", "A", "b"]|unique|list }}'),
  ('{{ "a b/ü"|urlencode }} {{ {"q": "a b", "x": 1}|urlencode }}'), ('{{ "see http://example.com/x, (www.a.org) or me@x.de"|urlize(20, nofollow=true) }}'),
  ('{{ "one two, three"|wordcount }}'), ('{{ "The quick brown fox-trot"|wordwrap(10) }}'), ('{{ {"class": "a<b", "id": none, "n": 1}|xmlattr }}'),
  ('{{ "héllo"|b64encode }} {{ "aMOpbGxv"|b64decode }}'), ('{{ {"b": [1, "é"]}|to_json }} {{ "{\"a\": 1.0}"|from_json }}'),
  ('select {{ "o''neil"|quote_literal }}, {{ none|quote_literal }}, {{ d|quote_literal }} from {{ "My Table"|quote_ident }}'),
  ('{{ (xs|tojson) + "<b>" }} {{ xs|tojson ~ "<b>" }}'), ('{{ d|attr("keys") is callable }} {{ d|attr("a") is defined }}'),
  ('{{ [1, true, 1.0]|unique|list }} {{ nope|d("x") }} {{ "a b"|escape }}');
SET noetl.template_coerce = off;
SELECT t, noetl.render(t || '{##}', '{"xs": [3, 1, 2], "d": {"a": 2, "b": 1}, "rows": [{"name": "x", "age": 40, "city": "Rome"}, {"name": "y", "age": 30, "city": "oslo"}, {"name": "z", "age": 20, "city": "Oslo"}]}') #>> '{}'
FROM f ORDER BY id;

RESET noetl.template_coerce;

-- The tests
SELECT t, noetl.render(t, '{"n": 4, "s": "abc", "f": 1.5, "l": [1], "d": {}, "t": true}') FROM unnest(ARRAY[
  '{{ [n is even, n is odd, n is divisibleby 2, n is number, n is integer, f is float, t is boolean, t is integer, t is number] }}',
  '{{ [s is string, s is lower, s is upper, s is sequence, s is iterable, l is sequence, d is mapping, n is iterable] }}',
  '{{ [nope is undefined, n is defined, none is none, t is true, t is false, n is sameas 4, s|safe is escaped, s is callable] }}',
  '{{ [n is eq 4, n is ne 4, n is lt 5, n is le 4, n is gt 3, n is ge 5, 1 is in l, n is equalto 4, n is greaterthan 5, n is lessthan 5] }}',
  '{{ ["upper" is filter, "nofilter" is filter, "odd" is test] }}']) AS t;

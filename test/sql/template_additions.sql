-- What the template language has beyond Jinja2.  The examples are those of the
-- documentation that each name comes from: Ansible's filters, dbt's and sprig's
-- functions, Python's datetime and re.
\pset format unaligned
\pset tuples_only on
SET noetl.template_coerce = off;
SET TimeZone = 'Asia/Tokyo';
CREATE FUNCTION pg_temp.try(template text, context jsonb DEFAULT '{}') RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
  state text; message text; hint text;
BEGIN
  RETURN noetl.render(template, context)::text;
EXCEPTION WHEN others THEN
  GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
  RETURN concat_ws(' | ', state, message, nullif(hint, ''));
END $$;
CREATE FUNCTION pg_temp.show(templates text[], context jsonb DEFAULT '{}') RETURNS SETOF text
LANGUAGE sql AS $$
  SELECT t || '  =>  ' || pg_temp.try(t, context) FROM unnest(templates) WITH ORDINALITY AS u(t, n) ORDER BY n
$$;

-- Dates: Ansible's documentation of to_datetime and strftime.
SELECT pg_temp.show(ARRAY[
  '{{ (("2016-08-14 20:00:12" | to_datetime) - ("2015-12-25" | to_datetime("%Y-%m-%d"))).total_seconds() }}',
  '{{ (("2016-08-14 20:00:12" | to_datetime) - ("2016-08-14 18:00:00" | to_datetime)).seconds }}',
  '{{ (("2016-08-14 20:00:12" | to_datetime) - ("2015-12-25" | to_datetime("%Y-%m-%d"))).days }}',
  '{{ "%Y-%m-%d" | strftime(0) }} {{ "%Y-%m-%d" | strftime(1441357287) }} {{ "%H:%M:%S" | strftime("1441357287.5") }}',
  '{{ ("%Y" | strftime | int) == now().year }} {{ now(utc=true, fmt="%Y-%m-%d") == now().strftime("%Y-%m-%d") }}']);

-- Python's datetime.
SELECT pg_temp.show(ARRAY[
  '{{ date_time("2002-12-25") + timedelta(days=10) }} {{ timedelta(weeks=40, days=84, hours=23, minutes=50, seconds=600) == timedelta(days=365) }}',
  '{{ timedelta(hours=-5) }} {{ timedelta(milliseconds=29000, microseconds=10) }} {{ (3 * timedelta(days=365)).days // 365 }} {{ -timedelta(1) }}',
  '{{ timedelta(days=50, seconds=27, hours=8) }} {{ timedelta(days=1) / timedelta(hours=5) }} {{ timedelta(days=1) // 7 }} {{ abs(timedelta(-1)) }}',
  '{{ date_time("2006-11-21T16:30:00").strftime("%A, %d. %B %Y %I:%M%p") }} {{ "{:%d/%m/%y}".format(date_time("2006-11-21")) }}',
  '{{ "21/11/06 16:30" | to_datetime("%d/%m/%y %H:%M") }} {{ date_time("2002-12-04").weekday() }} {{ date_time("2002-12-04").isoweekday() }}',
  '{{ date_time("2002-12-31").date().replace(day=26) }} {{ date_time("2019-05-18T15:17:00.5").isoformat(" ", "milliseconds") }}',
  '{{ date_time("2026-03-01T10:00:00+01:00").timestamp() }} {{ date_time("2026-03-01").date() }} {{ date_time("2026-03-01T10:20:30").time() }}']);

-- A date or time is text in JSON, and inside of lists; it compares with its like only.
SELECT pg_temp.show(ARRAY[
  '{{ {"at": date_time("2026-03-01T12:00:00.25", "Europe/Berlin"), "for": timedelta(hours=36), "day": date_time(0).date()} }}',
  '{{ [date_time(0)] }}{##}', '{{ {"at": date_time(0)} | tojson }}', '{{ date_time(0) | string | length }} {{ date_time(0) ~ "!" }} {{ date_time(0)[:10] }}',
  '{{ [date_time(0) is string, date_time(0) is number, date_time(0) is mapping, date_time(0) is sequence, date_time(0) is defined] }}',
  '{{ date_time("2026-03-01T01:00:00+01:00") == date_time("2026-03-01") }} {{ [date_time(5), date_time(1)] | sort | first }} {{ [date_time(0), date_time("1970-01-01")] | unique | list | length }}',
  '{{ date_time(0) < "2026" }}', '{{ date_time(0) == "1970-01-01T00:00:00+00:00" }}', '{{ date_time(0) + 1 }}', '{{ date_time(0) - date_time(0).date() }}',
  '{{ true if timedelta(0) else false }} {{ true if date_time(0) else false }}']);

-- The calendar and the zones are PostgreSQL's; a time that the clock skips or shows twice, too.
SELECT pg_temp.show(ARRAY[
  '{{ date_time("2026-01-31") | date_add("1 month") }} {{ date_time("2026-01-31").date() | date_add("1 month") }} {{ "2026-01-31T10:00:00Z" | date_add("-1 day 2 hours") }}',
  '{{ date_time("2026-03-28T12:00:00", "Europe/Berlin") | date_add("1 day") }} {{ date_time("2026-03-28T12:00:00", "Europe/Berlin") | date_add("24 hours") }}',
  '{{ date_time("2026-03-28T12:00:00", "Europe/Berlin") + timedelta(days=1) }} {{ date_time("2026-03-28T12:00:00+01:00") + timedelta(days=1) }}',
  '{{ date_time("2026-03-29T02:30:00", "Europe/Berlin") }} {{ date_time("2026-10-25T02:30:00", "Europe/Berlin") }}',
  '{{ "2026-03-29T20:15:00Z" | date_trunc("day", "Europe/Berlin") }} {{ date_time("2026-03-29T20:15:00Z") | date_trunc("week") }} {{ date_time("2026-08-29").date() | date_trunc("quarter") }}',
  '{{ date_time("2026-07-01").astimezone("America/New_York") }} {{ date_time("2026-07-01").astimezone("+05:30").tzname() }} {{ date_time("2026-07-01", "Europe/Berlin").tzname() }}',
  '{{ 1441357287 | from_timestamp("Europe/Berlin") }} {{ "2015-09-04T09:01:27Z" | timestamp }} {{ today("Pacific/Kiritimati") - today("Pacific/Honolulu") }}',
  '{{ date_time("2026-03-01 10:00 Europe/Berlin") }} {{ date_time("2026-03-01T10:00:00.123456789Z") }}']);
SELECT pg_temp.show(ARRAY[
  '{{ date_time("2026-02-30") }}', '{{ date_time("tomorrow") }}', '{{ date_time("2026-03-01", "Berlin") }}', '{{ now("EST5EDT4,M3") }}', '{{ now("FOO+1") }}',
  '{{ "01.03.2026" | to_datetime("%Y-%m-%d") }}', '{{ "x" | to_datetime("%Q") }}', '{{ date_time("9999-12-31") + timedelta(1) }}', '{{ date_time(0) | date_add("1 fortnight") }}',
  '{{ date_time(0) | date_trunc("fortnight") }}', '{{ timedelta(days=106751991) }}', '{{ timedelta(days=nope) }}', '{{ timedelta(1) / 0 }}', '{{ date_time(0).replace(month=13) }}',
  '{{ nope | strftime("%Y") }}', '{{ 1e300 | from_timestamp }}']);
SELECT noetl.render('{{ now() }}', '{}') #>> '{}' = to_char(transaction_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS')
         || coalesce('.' || nullif(to_char(transaction_timestamp(), 'US'), '000000'), '') || '+00:00' AS now,
       noetl.render('{{ today() }}', '{}') #>> '{}' = to_char(transaction_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS today;

-- Regular expressions: Ansible's documentation.
SELECT pg_temp.show(ARRAY[
  '{{ "ansible" | regex_replace("^a.*i(.*)$", "a\\1") }} {{ "foobar" | regex_replace("^f.*o(.*)$", "\\1") }}',
  '{{ "localhost:80" | regex_replace("^(?P<host>.+):(?P<port>\\d+)$", "\\g<host>, \\g<port>") }} {{ "localhost:80" | regex_replace(":80") }}',
  '{{ "foo=bar=baz" | regex_replace("=", ":", count=1) }} {{ "var\nfoo\nbar\n" | regex_replace("(?m)^b", "B") }} {{ ["a", "b"] | map("regex_replace", "^", "x") | list }}',
  '{{ "server1/database42" | regex_search("database[0-9]+") }} {{ "foo\nBAR" | regex_search("(?im)^bar") }} {{ "foo\nBAR" | regex_search("^bar", multiline=True, ignorecase=True) }}',
  '{{ "server1/database42" | regex_search("server([0-9]+)/database([0-9]+)", "\\1", "\\2") }} {{ "21/42" | regex_search("(?P<dividend>[0-9]+)/(?P<divisor>[0-9]+)", "\\g<dividend>", "\\g<divisor>") }}',
  '{{ "ansible" | regex_search("foobar") }}',
  '{{ "Some DNS servers are 8.8.8.8 and 8.8.4.4" | regex_findall("\\b(?:[0-9]{1,3}\\.){3}[0-9]{1,3}\\b") }} {{ "CAR\ntar\nfoo\nbar\n" | regex_findall("^.ar$", multiline=True, ignorecase=True) }}',
  '{{ "a1b2" | regex_findall("([a-z])([0-9])") }} {{ "^f.*o(.*)$" | regex_escape }} {{ "^f.*o(.*)$" | regex_escape("posix_basic") }}',
  '{{ [u is match("https://example.com/users/.*/resources"), u is search("users/.*/resources/"), u is search("users"), u is regex("example\\.com/\\w+/foo")] }}',
  '{{ ["abc" is match("B", ignorecase=true), "xabc" is match("abc"), "abc" is regex("(?i)AB", match_type="fullmatch"), "ab\n" is regex("ab$")] }}'],
  '{"u": "https://example.com/users/foo/resources/bar"}');
-- Python's syntax, where PostgreSQL's differs.
SELECT pg_temp.show(ARRAY[
  '{{ "x*" | regex_replace("x*", "-") }} {{ "a.b\nc" | regex_findall(".+") }} {{ "a\nb" | regex_search("(?s)a.b") | length }} {{ "line\n" is search("e$") }}',
  '{{ "a b" | regex_findall("(?x) [a-z]  # a letter") }} {{ "[x]" | regex_findall("[[\\]]") }} {{ "aXa" | regex_search("(?P<q>a)X(?P=q)") }} {{ "{x} a{,2}" | regex_search("\\{x} a{,2}") }}',
  '{{ "xx{,}{}" | regex_findall("x{,}") }} {{ "xx{,}{}x{" | regex_findall("{}|x{$") }}',
  '{{ "\u0001" | regex_replace("\\x01", "\\t\\\\\\.") }} {{ "straße" | regex_search("\\w+\\Z") }} {{ "aé" | regex_replace("(?<=a)\\u00e9", "\\g<0>\\g<0>") }}',
  '{{ "x" | regex_replace("(x)(y)?", "[\\2]") }} {{ "ab12" | regex_replace("(?#comment)\\D", "") }}',
  '{{ "x" is search("(") }}', '{{ "x" is search("*") }}', '{{ "x" is search("a{2,1}") }}', '{{ "x" is search("(?>x)") }}', '{{ "x" is search("(?=(x))") }}', '{{ "x" is search("\\q") }}',
  '{{ "x" is search("[x") }}', '{{ "x" | regex_replace("x", "\\1") }}', '{{ "x" | regex_replace("x", "\\g<y>") }}', '{{ "x" | regex_search("x", "y") }}', '{{ "x" | regex_replace("x", "y", mandatory_count=2) }}',
  '{{ "x" is search(nope) }}', '{{ nope is search("x") }}', '{{ "x" is search("x", 1, 2, 3) }}']);

-- Values: Ansible's documentation.
SELECT pg_temp.show(ARRAY[
  '{{ ["yes", "True", "on", "1", 1, true, "no", "x", 2, none] | map("bool") | list }}',
  '{{ ("yes" == "yes") | ternary("Mr", "Ms") }} {{ none | ternary("on", "off", "unset") }} {{ false | ternary(1, 0) }}',
  '{{ nope | mandatory }}', '{{ nope | mandatory("tell me x") }}', '{{ 0 | mandatory }}',
  '{{ {"a": 1, "b": 2} | combine({"b": 3}) }} {{ {"a": {"x": "default", "y": "default"}, "b": "default"} | combine({"a": {"y": "patch", "z": "patch"}, "b": "patch"}, recursive=True) }}',
  '{{ {"a": ["default"]} | combine({"a": ["patch"]}, list_merge="append") }} {{ {"a": [1, 1, 2, 3]} | combine({"a": [3, 4, 5, 5]}, list_merge="append_rp") }} {{ {"a": [1, 1, 2, 3]} | combine({"a": [3, 4, 5, 5]}, list_merge="prepend_rp") }}',
  '{{ [{"a": 1}, [{"b": 2}], {"a": 3}] | combine }} {{ {"a": [1]} | combine({"a": [2]}, list_merge="keep") }}',
  '{{ {"Application": "payment", "Environment": "dev"} | dict2items }} {{ {"u": 1} | dict2items(key_name="file", value_name="path") }}',
  '{{ [{"key": "Application", "value": "payment"}, {"key": "Environment", "value": "dev"}] | items2dict }} {{ [{"fruit": "apple", "color": "red"}] | items2dict(key_name="fruit", value_name="color") }}',
  '{{ [3, [4, 2]] | flatten }} {{ [3, [4, [2]]] | flatten(levels=1) }} {{ [3, none, [4, [2]]] | flatten(levels=1, skip_nulls=False) }}',
  '{{ [1, 2, 5, 1, 3, 4, 10] | union([1, 2, 3, 4, 5, 11, 99]) }} {{ [1, 2, 5, 1, 3, 4, 10] | intersect([1, 2, 3, 4, 5, 11, 99]) }}',
  '{{ [1, 2, 5, 1, 3, 4, 10] | difference([1, 2, 3, 4, 5, 11, 99]) }} {{ [1, 2, 5, 1, 3, 4, 10] | symmetric_difference([1, 2, 3, 4, 5, 11, 99]) }} {{ [{"a": 1}, {"b": [2]}] | union([{"b": [2]}]) }}',
  '{{ [1,2,3,4,5,6] | zip(["a","b","c","d","e","f"]) | list }} {{ [1,2,3] | zip(["a","b","c","d","e","f"]) | list }} {{ [1,2,3] | zip_longest(["a","b","c","d"], [21, 22], fillvalue="X") | list }}',
  '{{ ["foo", "bar"] | product(["com"]) | map("join", ".") | join(",") }} {{ [1, 2] | product(repeat=2) | list }}',
  '{{ "a,b,c" | split(",") }} {{ " a  b " | split }} {{ [1, 2] is contains(2) }} {{ "abc" | contains("b") }} {{ [0, 1] is any }} {{ [0, 1] is all }} {{ [true, 1] | all }} {{ [] | any }}',
  '{{ [{"n": "a", "t": ["x"]}, {"n": "b", "t": []}] | selectattr("t", "contains", "x") | map(attribute="n") | list }}']);
-- sprig's: coalesce takes the first value that is not empty, merge lets the first mapping win.
SELECT pg_temp.show(ARRAY[
  '{{ 0 | coalesce(1, 2) }} {{ nope | coalesce("", "Matt") }} {{ none | coalesce(0) }}',
  '{{ {"default": "default", "overwrite": "me", "key": true} | merge({"overwrite": "overwritten", "key": false, "deep": {"x": 1}}, {"deep": {"x": 2, "y": 3}}) }}',
  '{{ {"b": 1, "a": 2} | keys }} {{ {"b": 1, "a": 2} | values }} {{ {"a": 2} | get("a") }} {{ {"a": 2} | get("z", "none") }}',
  '{{ "FirstName" | snakecase }} {{ "HTTPServer" | snakecase }} {{ "NoHTTPS" | snakecase }} {{ "GO_PATH" | snakecase }} {{ "some words" | snakecase }}',
  '{{ "http_server" | camelcase }} {{ "no_https" | camelcase }} {{ "some words" | camelcase }}',
  '{{ "Hello-World  2" | slugify }} {{ "2nd Ünit!" | slugify }} {{ "a b" | slugify("-") }}']);

-- Formats.
SELECT pg_temp.show(ARRAY[
  '{{ "test1" | hash("sha1") }} {{ "test1" | hash("md5") }} {{ "test2" | hash("sha512") | truncate(20, true) }} {{ "a" | sha256 }} {{ "a" | md5 }}', '{{ "a" | hash("crc") }}',
  '{{ {"a": [1, "x: y"], "b": {"c": none, "d": {}}, "e": "2026-03-01"} | to_yaml }}', '{{ {"a": [1, [2, {"x": "yes"}]], "b": "1"} | to_nice_yaml(indent=2) }}',
  '{{ {"a": [1, {"b": [2, []]}], "c": "x"} | to_yaml(default_flow_style=true) }}{{ {"a": [1]} | to_yaml(default_flow_style=false) }}', '{{ ["1234567890123456\\\ttab"] | to_yaml(default_flow_style=false, width=20) }}',
  '{{ "a: 1\nb: [x, 2]" | from_yaml }} {{ ("{\"a\": 1.0}" | fromjson).a }}', '{{ "a: [" | from_yaml }}', '{{ {"b": [1], "a": "é"} | to_nice_json }}{{ {"b": 1, "a": {}} | to_nice_json(indent=2) }}',
  '{{ "/etc/asdf/foo.txt" | basename }} {{ "/etc/asdf/foo.txt" | dirname }} {{ "nginx.conf" | splitext | first }} {{ "/a/.bashrc" | splitext | list }}',
  '{{ "Trollhattan%2C%20a+b" | urldecode }} {{ url | urlsplit("hostname") }} {{ url | urlsplit("port") }} {{ url | urlsplit("query") }} {{ url | urlsplit("scheme") }}', '{{ url | urlsplit }}', '{{ url | urlsplit("color") }}',
  'echo {{ "it''s a test" | quote }} {{ "plain" | quote }} {{ "" | shell_quote }} {{ none | quote }} {{ "$(rm)" | shell_quote }}',
  '{{ {"a": [{"b": 1}, {"b": 5}]} | json_path("$.a[*].b ? (@ > 2)") }} {{ [1, 2] | json_path("$[last]") | first }}', '{{ [1] | json_path("$[") }}',
  '{{ 60 | random(seed="host1") }} {{ 100 | random(1, 10, seed="host1") }} {{ ["a", "b", "c"] | random(seed=42) }}', '{{ [1, 2] | random }}', '{{ 0 | random(seed=1) }}'],
  '{"url": "http://user:password@www.acme.com:9000/dir/index.html?query=term#fragment"}');

-- Functions are Python's.
SELECT pg_temp.show(ARRAY[
  '{{ len("abc") }} {{ str(1.0) }} {{ int("12") }} {{ int(3.9) }} {{ int("ff", 16) }} {{ float("1.5") }} {{ bool([]) }} {{ list("ab") }} {{ list() }}',
  '{{ max([1, 3, 2]) }} {{ max(1, 5) }} {{ min("b", "a") }} {{ max([], default=7) }} {{ sum([1, 2.5]) }} {{ sum([[1], [2]], []) }} {{ round(2.5) }} {{ round(2.675, 2) }} {{ abs(-3) }}',
  '{{ sorted([3, 1, 2], reverse=true) }} {{ sorted(["b", "A", "a"]) }} {{ list(zip([1, 2], "ab")) }} {{ list(enumerate("ab", 1)) }} {{ any([0, 1]) }} {{ all([0, 1]) }} {{ dict(zip("ab", [1, 2])) }}',
  '{{ int("x") }}', '{{ float("x") }}', '{{ max([]) }}', '{{ sum("ab") }}', '{{ len(5) }}', '{{ sorted([1], key=2) }}', '{{ sorted(nope) }}', '{{ max(1, "a") }}']);

-- To Jinja2 these names are free: they are functions where they are called and nothing has the name.
SELECT pg_temp.show(ARRAY['{{ len }}|{{ max is defined }}|{{ list | default("none") }}|{{ now }}{##}', '{{ uuid }}', '{% set sum = 3 %}{{ sum }}{##}', '{% macro min(x) %}<{{ x }}>{% endmacro %}{{ min(3) }}{##}']);
SELECT pg_temp.show(ARRAY['{{ list }} {{ max }}{##}', '{{ list(max) }}', '{{ len(list) }}'], '{"list": [1], "max": "x"}');

-- uuid() is the same when the same template is rendered again in the same context, and differs from place to place.
SELECT a ~ '^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$' AS form, a = b AS again, a <> c AS other_execution, d ->> 0 <> d ->> 1 AS other_place
FROM (SELECT noetl.render('{{ uuid() }}', '{"execution_id": "1"}') #>> '{}' AS a, noetl.render('{{ uuid() }}', '{"execution_id": "1"}') #>> '{}' AS b,
             noetl.render('{{ uuid() }}', '{"execution_id": "2"}') #>> '{}' AS c, noetl.render('["{{ uuid() }}", "{{ uuid() }}"]'::jsonb, '{"execution_id": "1"}') AS d) x;

-- In a playbook: a workload key wins over a function; uuid() comes out the same when the events are evaluated again.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: additions/story
workload: {list: [3, 1], batch: "{{ uuid() }}", due: "{{ date_time('2026-03-31') | date_add('1 month') }}"}
workflow:
- step: start
  next: {step: load, when: "{{ len(list) == 2 and 'abc' is match('a') and date_time(workload.due) > date_time(0) }}", data: {id: "{{ uuid() }}"}}
- step: load
  type: shell
  args: {id2: "{{ uuid() }}", id3: "{{ uuid() }}", sorted: "{{ sorted(list) }}", due: "{{ workload.due }}", at: "{{ now() is defined }}"}
  command: "echo {{ [batch, id, id2, id3] | unique | list | length }} {{ max(list) }} {{ list }}"
  next: {step: end}
- step: end
$$) > 0 AS registered;
SELECT noetl.explain('additions/story') IS NOT NULL AS explained;
SELECT noetl.execute('additions/story') AS x \gset
SELECT action ->> 'command' AS command, action #> '{args,sorted}' AS sorted, action #>> '{args,due}' AS due, action #>> '{args,at}' AS at FROM noetl.queue;
SELECT count(*) AS differences FROM noetl.verify(:x);
SELECT step FROM work();
SELECT count(*) AS differences FROM noetl.verify(:x);
SELECT status FROM noetl.execution WHERE execution_id = :x;
-- A name that is not called is no function: it is a name that nothing has.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: additions/names
workflow:
- {step: start, next: {step: a, data: {n: "{{ len }}", m: "{{ len([1]) }}", u: "{{ uuid() }}"}}}
- {step: a, type: shell, command: "true"}
$$) > 0 AS registered;

-- What a worker renders, with the ids that uuid() needs; an environment variable that it lacks is an error, not null.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: additions/worker
workflow:
- {step: start, next: {step: a}}
- {step: a, type: shell, args: {id: "{{ uuid() ~ env.X | default('') }}", j: "{{ env.X | to_json }}"}, command: "true"}
$$) > 0 AS registered;
SELECT noetl.execute('additions/worker') AS x \gset
SELECT q.context ?& ARRAY['execution_id', 'job'] AS has_ids,
       (SELECT rendered_action #>> '{args,id}' FROM noetl.render_left(q.action, q.context, '{"env": {"X": "y"}}'))
         = (SELECT rendered_action #>> '{args,id}' FROM noetl.render_left(q.action, q.context, '{"env": {"X": "y"}}')) AS again
FROM noetl.queue q WHERE execution_id = :x;
SELECT noetl.render_left(action, context, '{"env": {}}') FROM noetl.queue WHERE execution_id = :x;
SELECT noetl.cancel(:x) AS cancelled;

-- Bounds: what the server's own functions do is bounded, too.
-- A server that is watched instruction by instruction needs more.
\set patience `echo ${NOETL_PATIENCE:-20s}`
SET statement_timeout = :'patience';
SET noetl.template_max_memory = '20MB';
SET noetl.template_max_output = '1MB';
SELECT t || '  =>  ' || left(pg_temp.try(t), 90) FROM unnest(ARRAY[
  '{{ range(2000) | product(range(2000)) | list | length }}', '{{ range(900) | product(range(900)) | list | length }}', '{{ [1] | product(repeat=3000000) }}',
  '{{ [1] | product([2], repeat=9223372036854775807) }}', '{{ -9223372036854775808 | from_timestamp }}', '{{ "ü" is search("(?a)^.w") }}', '{{ (-9223372036854775807 - 1) | from_timestamp }}',
  '{{ ("a" * 500000) | regex_replace("", "bcd") | length }}', '{{ ("a" * 600) | regex_replace("a", "b" * 2000) | length }}', '{{ (["x" * 1000] * 2000) | to_yaml | length }}',
  '{{ ("\"" * 600000) | quote | length }}', '{{ ("''" * 600000) | quote | length }}', '{{ "x" | strftime("%c" * 60000) | length }}', '{{ date_time(0).strftime("%c" * 60000) | length }}',
  '{{ range(100000) | union(range(100000)) | length }}', '{{ "a" is search("(((a{1,200}){1,200}){1,200}){1,200}") }}',
  '{% macro deep(n) %}{% if n %}[{{ deep(n - 1) }}]{% endif %}{% endmacro %}{{ (deep(300) | string | from_yaml | flatten) }}']) AS t;
SET noetl.template_max_time = '200ms';
SELECT t || '  =>  ' || left(pg_temp.try(t), 90) FROM unnest(ARRAY[
  '{{ ("ab" * 300 ~ "!") is search("(.+)(.+)(.+)(.+)\\4\\3\\2\\1!") }}',
  '{{ range(20000) | list | json_path("$[*] ? (@ > $[*])") | length }}']) AS t;
RESET noetl.template_max_time;
SET statement_timeout = '200ms';
SELECT noetl.render('{{ ("ab" * 300 ~ "!") is search("(.+)(.+)(.+)(.+)\\4\\3\\2\\1!") }}', '{}');
RESET statement_timeout;
SELECT pg_temp.try('{{ "still" is search("ill$") }}');

/*
 * jinja/filters_format.c
 *		Filters on text in formats: hashes, names, paths, URLs, shell words,
 *		jsonpath; and random numbers from a seed.
 */
#include "common/common.h"

#include "common/cryptohash.h"
#include "common/sha2.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonpath.h"

#include "jinja/filters.h"
#include "jinja/internal.h"

/* Returns the text of the input of a filter.  Raises when it is undefined. */
static Value
input_text(Eval *ev, const Value *input)
{
	if (input->kind == VAL_UNDEFINED)
		value_fail_undefined(input);
	return value_str(&ev->budget, input);
}

/* ------------------------------------------------------------------------
 * Hashes
 * ------------------------------------------------------------------------
 */

static const struct
{
	const char *name;
	pg_cryptohash_type type;
	int			length;
}			hashes[] = {
	{"md5", PG_MD5, 16},
	{"sha1", PG_SHA1, 20},
	{"sha224", PG_SHA224, PG_SHA224_DIGEST_LENGTH},
	{"sha256", PG_SHA256, PG_SHA256_DIGEST_LENGTH},
	{"sha384", PG_SHA384, PG_SHA384_DIGEST_LENGTH},
	{"sha512", PG_SHA512, PG_SHA512_DIGEST_LENGTH},
};

/* Sets digest to the hash of some bytes; returns its length. */
static int
compute_hash(const char *name, const void *bytes, size_t length, uint8 *digest)
{
	for (int i = 0; i < lengthof(hashes); i++)
	{
		pg_cryptohash_ctx *hash;

		if (strcmp(hashes[i].name, name) != 0)
			continue;
		bounds_work((int64) length * 5);
		hash = pg_cryptohash_create(hashes[i].type);
		if (pg_cryptohash_init(hash) < 0 || pg_cryptohash_update(hash, bytes, length) < 0 ||
			pg_cryptohash_final(hash, digest, hashes[i].length) < 0)
		{
			pg_cryptohash_free(hash);
			value_fail("this server cannot compute the hash %s", name);
		}
		pg_cryptohash_free(hash);
		return hashes[i].length;
	}
	return 0;
}

/* Returns the hash of a text in hexadecimal digits. */
static Value
hash_text(Eval *ev, const Value *input, const char *name)
{
	Value		text = input_text(ev, input);
	uint8		digest[PG_SHA512_DIGEST_LENGTH];
	int			length = compute_hash(name, text.u.string, text.length, digest);
	StringInfoData buf;

	if (length == 0)
		value_fail("unsupported hash type %s", name);
	initStringInfo(&buf);
	for (int i = 0; i < length; i++)
		appendStringInfo(&buf, "%02x", digest[i]);
	return utext_from_buffer(&buf);
}

/* The filter hash: sha1, or the hash that is named. */
Value
jinja_filter_hash(Eval *ev, const Value *argv, const CallArgs *call)
{
	if (!value_given(&argv[1]))
		return hash_text(ev, &argv[0], "sha1");
	if (argv[1].kind != VAL_STRING)
		value_fail("hash type must be str, not %s", value_type(&argv[1]));
	return hash_text(ev, &argv[0], value_clip_name(argv[1].u.string, argv[1].length));
}

/* The filter sha256. */
Value
jinja_filter_sha256(Eval *ev, const Value *argv, const CallArgs *call)
{
	return hash_text(ev, &argv[0], "sha256");
}

/* The filter sha1. */
Value
jinja_filter_sha1(Eval *ev, const Value *argv, const CallArgs *call)
{
	return hash_text(ev, &argv[0], "sha1");
}

/* The filter md5. */
Value
jinja_filter_md5(Eval *ev, const Value *argv, const CallArgs *call)
{
	return hash_text(ev, &argv[0], "md5");
}

/* ------------------------------------------------------------------------
 * Names
 * ------------------------------------------------------------------------
 */

/*
 * The filter slugify: dbt's; lower case, blanks and dashes become underscores, other
 * characters than letters and digits of ASCII vanish.
 */
Value
jinja_filter_slugify(Eval *ev, const Value *argv, const CallArgs *call)
{
	Value		text = input_text(ev, &argv[0]);
	Value		separator = value_given(&argv[1]) ? input_text(ev, &argv[1]) :
		utext_make("_", 1);
	StringInfoData buf;
	bool		run = false;

	text = utext_lower(&text);
	initStringInfo(&buf);
	if (text.length > 0 && isdigit((unsigned char) text.u.string[0]))
		appendStringInfoChar(&buf, '_');
	for (int i = 0; i < text.length; i++)
	{
		char		c = text.u.string[i];
		bool		blank = c == ' ' || c == '-';

		bounds_work(10);
		value_check_size((int64) buf.len + separator.length + 1);
		if (blank && !run)
			appendBinaryStringInfo(&buf, separator.u.string, separator.length);
		else if (c == '_' || (!IS_HIGHBIT_SET(c) && isalnum((unsigned char) c)))
			appendStringInfoChar(&buf, c);
		run = blank;
	}
	return utext_from_buffer(&buf);
}

/* What snakecase sees in a character. */
typedef enum NameClass
{
	NAME_OTHER,
	NAME_LOWER,
	NAME_UPPER,
	NAME_DIGIT,
	NAME_SEPARATOR
} NameClass;

/* Returns the class of a character; 0 is the end of the text. */
static NameClass
name_class(uint32 c)
{
	if (c == '_' || c == '-' || c == ' ')
		return NAME_SEPARATOR;
	if (c >= '0' && c <= '9')
		return NAME_DIGIT;
	if (unicode_is(c, UC_UPPER))
		return NAME_UPPER;
	return unicode_is(c, UC_LOWER) ? NAME_LOWER : NAME_OTHER;
}

/* The filter snakecase: FirstName, HTTPServer, some-words become first_name and so on. */
Value
jinja_filter_snakecase(Eval *ev, const Value *argv, const CallArgs *call)
{
	Value		text = input_text(ev, &argv[0]);
	NameClass	before = NAME_OTHER;
	StringInfoData buf;
	int			used;

	initStringInfo(&buf);
	for (int i = 0; i < text.length; i += used)
	{
		uint32		c = utext_decode(text.u.string + i, text.length - i, &used);
		NameClass	class = name_class(c);
		int			next_used;
		NameClass	after = i + used < text.length ?
			name_class(utext_decode(text.u.string + i + used, text.length - i - used,
									&next_used)) : NAME_OTHER;

		bounds_work(20);
		if (class == NAME_SEPARATOR)
			appendStringInfoChar(&buf, '_');
		else
		{
			bool		begins = class == NAME_UPPER &&
				(before == NAME_LOWER || before == NAME_DIGIT ||
				 (before == NAME_UPPER && after == NAME_LOWER));
			bool		digits = class == NAME_DIGIT && before == NAME_UPPER &&
				buf.len > 1 && i > 1 &&
				name_class((unsigned char) text.u.string[i - 2]) == NAME_UPPER;

			if (begins || digits)
				appendStringInfoChar(&buf, '_');
			appendBinaryStringInfo(&buf, text.u.string + i, used);
		}
		before = class;
	}
	text = utext_from_buffer(&buf);
	return utext_lower(&text);
}

/* The filter camelcase: http_server becomes HttpServer. */
Value
jinja_filter_camelcase(Eval *ev, const Value *argv, const CallArgs *call)
{
	Value		text = input_text(ev, &argv[0]);
	bool		upper = true;
	bool		started = false;
	StringInfoData buf;
	int			used;

	initStringInfo(&buf);
	for (int i = 0; i < text.length; i += used)
	{
		uint32		c = utext_decode(text.u.string + i, text.length - i, &used);
		Value		character = utext_make(text.u.string + i, used);

		bounds_work(50);
		if (name_class(c) == NAME_SEPARATOR)
		{
			/* separators at the edges stay, and one of several in a row */
			if (!started || i + used >= text.length ||
				name_class((unsigned char) text.u.string[i + used]) == NAME_SEPARATOR)
				appendStringInfoChar(&buf, (char) c);
			upper = true;
			continue;
		}
		started = true;
		if (upper)
			character = utext_upper(&character);
		appendBinaryStringInfo(&buf, character.u.string, character.length);
		upper = false;
	}
	return utext_from_buffer(&buf);
}

/* ------------------------------------------------------------------------
 * Paths and URLs
 * ------------------------------------------------------------------------
 */

/* Returns the offset behind the last slash of a path. */
static int
last_part(const Value *path)
{
	int			i = path->length;

	while (i > 0 && path->u.string[i - 1] != '/')
		i--;
	return i;
}

/* The filter basename. */
Value
jinja_filter_basename(Eval *ev, const Value *argv, const CallArgs *call)
{
	Value		path = input_text(ev, &argv[0]);
	int			start = last_part(&path);

	return utext_make(path.u.string + start, path.length - start);
}

/* The filter dirname. */
Value
jinja_filter_dirname(Eval *ev, const Value *argv, const CallArgs *call)
{
	Value		path = input_text(ev, &argv[0]);
	int			end = last_part(&path);
	int			stripped = end;

	while (stripped > 0 && path.u.string[stripped - 1] == '/')
		stripped--;
	return utext_make(path.u.string, stripped > 0 ? stripped : end);
}

/* The filter splitext: a path without its extension, and the extension. */
Value
jinja_filter_splitext(Eval *ev, const Value *argv, const CallArgs *call)
{
	Value		path = input_text(ev, &argv[0]);
	int			start = last_part(&path);
	int			dot = path.length;
	Value		parts[2];

	while (start < path.length && path.u.string[start] == '.')
		start++;
	for (int i = path.length - 1; i > start && dot == path.length; i--)
		if (path.u.string[i] == '.')
			dot = i;
	parts[0] = utext_make(path.u.string, dot);
	parts[1] = utext_make(path.u.string + dot, path.length - dot);
	return value_pair(&parts[0], &parts[1]);
}

/* Returns the value of a hexadecimal digit, or -1. */
static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
		return (c | 0x20) - 'a' + 10;
	return -1;
}

/* The filter urldecode: + is a blank; bytes that are no text become U+FFFD. */
Value
jinja_filter_urldecode(Eval *ev, const Value *argv, const CallArgs *call)
{
	Value		text = input_text(ev, &argv[0]);
	const char *s = text.u.string;
	StringInfoData raw;
	StringInfoData buf;
	int			length;

	initStringInfo(&raw);
	for (int i = 0; i < text.length; i++)
	{
		int			high = i + 2 < text.length && s[i] == '%' ? hex_value(s[i + 1]) : -1;
		int			low = high >= 0 ? hex_value(s[i + 2]) : -1;

		bounds_work(10);
		appendStringInfoChar(&raw, low >= 0 ? (char) (high * 16 + low) : s[i] == '+' ? ' ' : s[i]);
		if (low >= 0)
			i += 2;
	}
	if (memchr(raw.data, '\0', raw.len) != NULL)
		value_fail("NUL in a text is not supported");
	if (pg_verifymbstr(raw.data, raw.len, true))
		return utext_from_buffer(&raw);
	initStringInfo(&buf);
	for (int i = 0; i < raw.len; i += length)
	{
		length = pg_encoding_mblen(GetDatabaseEncoding(), raw.data + i);
		bounds_work(20);
		if (i + length <= raw.len && pg_verifymbstr(raw.data + i, length, true))
			appendBinaryStringInfo(&buf, raw.data + i, length);
		else
		{
			length = 1;
			utext_append_char(&buf, 0xFFFD);
		}
	}
	return utext_from_buffer(&buf);
}

/* Cuts a text at a character: *head before it, *tail behind it; false: it is not there. */
static bool
cut(const Value *text, char at, bool last, Value *head, Value *tail)
{
	const char *s = text->u.string;
	int			length = text->length;
	int			i = last ? length - 1 : 0;

	while (i >= 0 && i < length && s[i] != at)
		i += last ? -1 : 1;
	if (i < 0 || i >= length)
		return false;
	*head = utext_make(s, i);
	*tail = utext_make(s + i + 1, length - i - 1);
	return true;
}

/* Adds a member to a dict. */
static void
add_member(Eval *ev, Value *dict, const char *name, Value value)
{
	Value		key = utext_from_cstring(name);

	dict_set(&ev->budget, dict->u.dict, &key, &value);
}

/* Adds user, password, host and port of the network location of a URL. */
static void
add_location(Eval *ev, Value *url, const Value *location)
{
	Value		host = *location;
	Value		user = value_none();
	Value		password = value_none();
	Value		port = value_none();
	Value		head;
	Value		tail;
	Value		colon;

	if (cut(location, '@', true, &head, &host))
	{
		user = head;
		if (cut(&head, ':', false, &user, &tail))
			password = tail;
	}
	if (host.length > 0 && host.u.string[0] == '[' && cut(&host, ']', false, &head, &tail))
	{
		host = utext_make(head.u.string + 1, head.length - 1);
		if (cut(&tail, ':', false, &head, &colon))
			port = colon;
	}
	else if (cut(&host, ':', false, &head, &tail))
	{
		host = head;
		port = tail;
	}
	if (port.kind == VAL_STRING &&
		(port.length == 0 || !number_parse_int(port.u.string, port.length, 10, &port)))
		port = value_none();
	add_member(ev, url, "hostname", host.length > 0 ? utext_lower(&host) : value_none());
	add_member(ev, url, "port", port);
	add_member(ev, url, "username", user);
	add_member(ev, url, "password", password);
}

/* Returns the length of the scheme of a URL, without its colon; 0: it has none. */
static int
scheme_length(const Value *url)
{
	int			i = 0;

	if (url->length == 0 || !isalpha((unsigned char) url->u.string[0]))
		return 0;
	while (i < url->length && (isalnum((unsigned char) url->u.string[i]) ||
							   strchr("+-.", url->u.string[i]) != NULL))
		i++;
	return i < url->length && url->u.string[i] == ':' ? i : 0;
}

/* The filter urlsplit: the parts of a URL, or the one that is named. */
Value
jinja_filter_urlsplit(Eval *ev, const Value *argv, const CallArgs *call)
{
	Value		rest = input_text(ev, &argv[0]);
	Value		url = value_new_dict(10);
	Value		scheme = utext_make("", 0);
	Value		location = utext_make("", 0);
	Value		query = utext_make("", 0);
	Value		fragment = utext_make("", 0);
	Value		part;
	int			length = scheme_length(&rest);

	if (length > 0)
	{
		scheme = utext_make(rest.u.string, length);
		scheme = utext_lower(&scheme);
		rest = utext_make(rest.u.string + length + 1, rest.length - length - 1);
	}
	if (rest.length >= 2 && memcmp(rest.u.string, "//", 2) == 0)
	{
		int			end = 2;

		while (end < rest.length && strchr("/?#", rest.u.string[end]) == NULL)
			end++;
		location = utext_make(rest.u.string + 2, end - 2);
		rest = utext_make(rest.u.string + end, rest.length - end);
	}
	(void) cut(&rest, '#', false, &rest, &fragment);
	(void) cut(&rest, '?', false, &rest, &query);
	add_member(ev, &url, "fragment", fragment);
	add_location(ev, &url, &location);
	add_member(ev, &url, "netloc", location);
	add_member(ev, &url, "path", rest);
	add_member(ev, &url, "query", query);
	add_member(ev, &url, "scheme", scheme);
	if (!value_given(&argv[1]) || utext_is(&argv[1], ""))
		return url;
	if (!dict_get(&ev->budget, &url, &argv[1], &part))
		value_fail("unknown URL component %s", value_quote(&argv[1]));
	return part;
}

/* The filters quote and shell_quote: one word of a shell. */
Value
jinja_filter_quote(Eval *ev, const Value *argv, const CallArgs *call)
{
	static const char safe[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_@%+=:,./-";
	Value		text = argv[0].kind == VAL_NONE ? utext_make("", 0) : input_text(ev, &argv[0]);
	Value		quote = utext_make("'", 1);
	Value		escaped = utext_make("'\"'\"'", 5);
	int			i = 0;

	while (i < text.length && strchr(safe, text.u.string[i]) != NULL)
		i++;
	if (text.length > 0 && i == text.length)
		return text;
	text = utext_replace(&text, &quote, &escaped, -1);
	text = utext_concat(&quote, &text);
	return utext_concat(&text, &quote);
}

/* ------------------------------------------------------------------------
 * JSON
 * ------------------------------------------------------------------------
 */

/* The filter to_nice_json: sorted keys, one member a line. */
Value
jinja_filter_to_nice_json(Eval *ev, const Value *argv, const CallArgs *call)
{
	StringInfoData buf;
	Value		indent = value_given(&argv[1]) ? argv[1] : value_int(4);

	if (argv[0].kind == VAL_UNDEFINED)
		value_fail_undefined(&argv[0]);
	initStringInfo(&buf);
	value_json_text(&ev->budget, &buf, &argv[0], &indent,
					jinja_argument_bool(ev, &argv[2], true), true);
	return utext_from_buffer(&buf);
}

/* A query of jsonpath. */
typedef struct PathQuery
{
	char	   *path;
	Jsonb	   *json;
	Jsonb	   *result;
} PathQuery;

/* Runs a query of jsonpath; called by bounds_run. */
static void
run_path_query(void *arg)
{
	PathQuery  *query = arg;
	Datum		path = DirectFunctionCall1(jsonpath_in, CStringGetDatum(query->path));
	Datum		vars = DirectFunctionCall1(jsonb_in, CStringGetDatum("{}"));

	query->result = DatumGetJsonbP(DirectFunctionCall4(jsonb_path_query_array,
													   JsonbPGetDatum(query->json), path, vars,
													   BoolGetDatum(false)));
}

/* The filter json_path: the list of all that a jsonpath finds. */
Value
jinja_filter_json_path(Eval *ev, const Value *argv, const CallArgs *call)
{
	PathQuery	query;
	JsonbValue	json;

	if (argv[0].kind == VAL_UNDEFINED)
		value_fail_undefined(&argv[0]);
	if (argv[1].kind != VAL_STRING)
		value_fail("jsonpath must be str, not %s", value_type(&argv[1]));
	value_to_json(&ev->budget, &argv[0], &json);
	query.path = utext_cstring(&argv[1]);
	query.json = JsonbValueToJsonb(&json);
	bounds_run(run_path_query, &query);
	value_check_memory();
	json_from_jsonb(query.result, &json);
	return value_from_json(&json, 0);
}

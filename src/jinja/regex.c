/*
 * jinja/regex.c
 *		The filters and tests of regular expressions, as Ansible has them.
 *
 * PostgreSQL's engine runs the patterns.  It takes the longest of several
 * alternatives where Python takes the first.
 */
#include "common/common.h"

#include "catalog/namespace.h"
#include "catalog/pg_collation.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "nodes/value.h"
#include "regex/regex.h"
#include "utils/builtins.h"

#include "jinja/filters.h"
#include "jinja/regex.h"

/* One search in a text. */
typedef struct Search
{
	RegexPattern pattern;
	Value		text;
	text	   *compiled;		/* the translated pattern */
	Oid			collation;
	pg_wchar   *wide;
	int			length;			/* characters of the text */
	int			start;			/* where the next search begins, in characters */
	int			mark;			/* a character, and its offset in bytes */
	int			mark_bytes;
	bool		found;
	regmatch_t	groups[REGEX_MAX_GROUPS];
} Search;

/* Raises an argument that is undefined or no string. */
static void
require_text(const Value *argument)
{
	if (argument->kind == VAL_UNDEFINED)
		value_fail_undefined(argument);
	if (argument->kind != VAL_STRING)
		value_fail("pattern must be str, not %s", value_type(argument));
}

/*
 * Returns the collation that says what a letter, a digit or a blank is: one of Unicode, so
 * that a pattern means the same in every database; the database's own where there is none.
 */
static Oid
unicode_collation(void)
{
	static const char *const names[] = {"pg_c_utf8", "und-x-icu", "C.utf8", "C.UTF-8"};

	for (int i = 0; i < lengthof(names); i++)
	{
		char	   *name = pstrdup(names[i]);
		Oid			collation = get_collation_oid(list_make2(makeString(pstrdup("pg_catalog")),
															 makeString(name)), true);

		if (OidIsValid(collation))
			return collation;
	}
	return DEFAULT_COLLATION_OID;
}

/* Prepares a search of a pattern in a text. */
static Search *
begin_search(Eval *ev, const Value *input, const Value *pattern, RegexOptions options)
{
	Search	   *search = palloc0(sizeof(Search));
	Value		empty = utext_make("", 0);
	const Value *source = value_given(pattern) ? pattern : &empty;

	require_text(source);
	if (input->kind == VAL_UNDEFINED)
		value_fail_undefined(input);
	search->text = value_str(&ev->budget, input);
	jinja_translate_regex(source, options, search->text.length > 0 &&
						  search->text.u.string[search->text.length - 1] == '\n',
						  &search->pattern);
	search->compiled = cstring_to_text_with_len(search->pattern.text.data,
												search->pattern.text.len);
	search->collation = unicode_collation();
	bounds_check_memory((Size) (search->text.length + 1) * sizeof(pg_wchar));
	bounds_work(search->text.length);
	search->wide = palloc_extended((Size) (search->text.length + 1) * sizeof(pg_wchar),
								   MCXT_ALLOC_HUGE);
	search->length = pg_mb2wchar_with_len(search->text.u.string, search->wide,
										  search->text.length);
	return search;
}

/* Runs the engine once; called by bounds_run. */
static void
run_engine(void *arg)
{
	Search	   *search = arg;
	regex_t    *regex = RE_compile_and_cache(search->compiled, search->pattern.flags,
											 search->collation);
	int			result = pg_regexec(regex, search->wide, search->length, search->start, NULL,
									search->pattern.ngroups + 1, search->groups, 0);
	char		message[100];

	if (result != REG_OKAY && result != REG_NOMATCH)
	{
		CHECK_FOR_INTERRUPTS();
		pg_regerror(result, regex, message, sizeof(message));
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_REGULAR_EXPRESSION),
				 errmsg("regular expression failed: %s", message)));
	}
	search->found = result == REG_OKAY;
}

/* Finds the next match; returns false when there is none. */
static bool
find_next(Eval *ev, Search *search)
{
	if (search->start > search->length)
		return false;
	value_count_iteration(&ev->budget);
	bounds_run(run_engine, search);
	if (!search->found)
		return false;
	search->start = search->groups[0].rm_eo + (search->groups[0].rm_eo == search->groups[0].rm_so);
	return true;
}

/*
 * Returns the offset of a character in bytes.  It counts from the character that was asked
 * for last, in either direction: the groups of a match lie close together.
 */
static int
byte_offset(Search *search, int character)
{
	const char *text = search->text.u.string;

	if (character < search->mark / 2)
		search->mark = search->mark_bytes = 0;
	bounds_work(abs(character - search->mark));
	for (; search->mark > character; search->mark--)
		search->mark_bytes = utext_previous(text, search->mark_bytes);
	search->mark_bytes += utext_offset(text + search->mark_bytes,
									   search->text.length - search->mark_bytes,
									   character - search->mark);
	search->mark = character;
	return search->mark_bytes;
}

/* Returns the text of a group of the last match; none when the group took no part. */
static Value
group_text(Search *search, int group)
{
	int			start;
	int			end;

	if (search->groups[group].rm_so < 0)
		return value_none();
	start = byte_offset(search, search->groups[group].rm_so);
	end = byte_offset(search, search->groups[group].rm_eo);
	return utext_make(search->text.u.string + start, end - start);
}

/* ------------------------------------------------------------------------
 * Replacement
 * ------------------------------------------------------------------------
 */

/* A part of a replacement: text, or a group. */
typedef struct Part
{
	int			group;			/* -1: text */
	const char *text;
	int			length;
} Part;

typedef struct Replacement
{
	int			count;
	Part	   *parts;
} Replacement;

/* Adds a part to a replacement. */
static void
add_part(Replacement *replacement, int group, const char *text, int length)
{
	if (replacement->parts == NULL)
		replacement->parts = palloc(sizeof(Part) * 4);
	else if (replacement->count >= 4 && (replacement->count & (replacement->count - 1)) == 0)
		replacement->parts = repalloc_huge(replacement->parts,
										   sizeof(Part) * replacement->count * 2);
	replacement->parts[replacement->count].group = group;
	replacement->parts[replacement->count].text = text;
	replacement->parts[replacement->count++].length = length;
}

/* Adds a group to a replacement.  Raises when the pattern has none of that number. */
static void
add_group(Replacement *replacement, const RegexPattern *pattern, int64 group)
{
	if (group < 0 || group > pattern->ngroups)
		value_fail("invalid group reference " INT64_FORMAT, group);
	add_part(replacement, (int) group, NULL, 0);
}

/* Adds a character to a replacement. */
static void
add_code(Replacement *replacement, uint32 code)
{
	StringInfoData buf;

	if (code == 0)
		value_fail("NUL in a replacement is not supported");
	initStringInfo(&buf);
	utext_append_char(&buf, code);
	add_part(replacement, -1, buf.data, buf.len);
}

/* Returns the number of a group that a text names, in digits or by its name. */
static int64
named_group(const RegexPattern *pattern, const char *name, int length)
{
	Value		number;

	if (length > 0 && isdigit((unsigned char) name[0]) &&
		number_parse_int(name, length, 10, &number) && number.kind == VAL_INT)
		return number.u.integer;
	if (jinja_regex_group(pattern, name, length) == 0)
		value_fail("unknown group name '%s'", value_clip_name(name, length));
	return jinja_regex_group(pattern, name, length);
}

/* Reads \g<name> at a backslash; returns its bytes. */
static int
read_named(Replacement *replacement, const RegexPattern *pattern, const char *s, int length)
{
	const char *end = length > 3 && s[2] == '<' ? memchr(s, '>', length) : NULL;

	if (end == NULL)
		value_fail("missing group name in a replacement");
	add_group(replacement, pattern, named_group(pattern, s + 3, end - s - 3));
	return end - s + 1;
}

/* Reads \1, \12, \0 or \123 at a backslash; returns its bytes. */
static int
read_digits(Replacement *replacement, const RegexPattern *pattern, const char *s, int length)
{
	int			digits = 1;
	int			octal = 1;
	int			number = 0;

	while (digits < 3 && 1 + digits < length && isdigit((unsigned char) s[1 + digits]))
		digits++;
	while (octal <= digits && s[octal] < '8')
		octal++;
	octal--;
	if (s[1] == '0' || octal == 3)
	{
		for (int i = 1; i <= octal; i++)
			number = number * 8 + (s[i] - '0');
		if (number > 0377)
			value_fail("octal escape value outside of range 0-0o377");
		add_code(replacement, number);
		return octal + 1;
	}
	digits = Min(digits, 2);
	for (int i = 1; i <= digits; i++)
		number = number * 10 + (s[i] - '0');
	add_group(replacement, pattern, number);
	return digits + 1;
}

/* Reads an escape of a replacement at a backslash; returns its bytes. */
static int
read_escape(Replacement *replacement, const RegexPattern *pattern, const char *s, int length)
{
	static const char letters[] = "abfnrtv\\";
	static const char codes[] = "\a\b\f\n\r\t\v\\";
	const char *letter;

	if (length < 2)
		value_fail("bad escape (end of replacement)");
	if (s[1] == 'g')
		return read_named(replacement, pattern, s, length);
	if (isdigit((unsigned char) s[1]))
		return read_digits(replacement, pattern, s, length);
	letter = strchr(letters, s[1]);
	if (letter != NULL)
		add_part(replacement, -1, &codes[letter - letters], 1);
	else if (isalpha((unsigned char) s[1]) && !IS_HIGHBIT_SET(s[1]))
		value_fail("bad escape \\%c in a replacement", s[1]);
	else
		add_part(replacement, -1, s, 1);
	return letter != NULL ? 2 : 1;
}

/* Reads a replacement in Python's syntax. */
static void
parse_replacement(const Value *text, const RegexPattern *pattern, Replacement *replacement)
{
	const char *s = text->u.string;
	int			i = 0;

	memset(replacement, 0, sizeof(Replacement));
	while (i < text->length)
	{
		const char *escape = memchr(s + i, '\\', text->length - i);
		int			plain = escape != NULL ? escape - s - i : text->length - i;

		bounds_work(50);
		if (plain > 0)
			add_part(replacement, -1, s + i, plain);
		i += plain;
		if (escape != NULL)
			i += read_escape(replacement, pattern, s + i, text->length - i);
	}
}

/* Appends what replaces the last match. */
static void
append_replacement(StringInfo buf, Search *search, const Replacement *replacement)
{
	for (int i = 0; i < replacement->count; i++)
	{
		const Part *part = &replacement->parts[i];
		Value		text = part->group < 0 ? utext_make(part->text, part->length) :
			group_text(search, part->group);

		bounds_work(20);
		if (text.kind != VAL_STRING)
			continue;
		value_check_size((int64) buf->len + text.length);
		appendBinaryStringInfo(buf, text.u.string, text.length);
	}
}

/* The filter regex_replace. */
Value
jinja_filter_regex_replace(Eval *ev, const Value *argv, const CallArgs *call)
{
	RegexOptions options = {0};
	int64		limit = value_given(&argv[5]) ? value_index(&argv[5], "count") : 0;
	int64		expected = value_given(&argv[6]) ? value_index(&argv[6], "mandatory_count") : 0;
	Value		with = value_given(&argv[2]) ? value_str(&ev->budget, &argv[2]) :
		utext_make("", 0);
	Replacement replacement;
	StringInfoData buf;
	Search	   *search;
	int64		count = 0;
	int			done = 0;

	options.ignore_case = jinja_argument_bool(ev, &argv[3], false);
	options.multiline = jinja_argument_bool(ev, &argv[4], false);
	search = begin_search(ev, &argv[0], &argv[1], options);
	parse_replacement(&with, &search->pattern, &replacement);
	initStringInfo(&buf);
	while ((limit <= 0 || count < limit) && find_next(ev, search))
	{
		int			start = byte_offset(search, search->groups[0].rm_so);

		count++;
		value_check_size((int64) buf.len + start - done);
		appendBinaryStringInfo(&buf, search->text.u.string + done, start - done);
		append_replacement(&buf, search, &replacement);
		done = byte_offset(search, search->groups[0].rm_eo);
	}
	if (expected > 0 && count != expected)
		value_fail("'%s' should match " INT64_FORMAT " times, but matches " INT64_FORMAT " times",
				   value_clip_name(argv[1].u.string, argv[1].length), expected, count);
	value_check_size((int64) buf.len + search->text.length - done);
	appendBinaryStringInfo(&buf, search->text.u.string + done, search->text.length - done);
	return utext_from_buffer(&buf);
}

/* ------------------------------------------------------------------------
 * Search
 * ------------------------------------------------------------------------
 */

/* Returns the number of a group that an argument names: \1 or \g<name>. */
static int
group_argument(const RegexPattern *pattern, const Value *argument)
{
	Replacement replacement;

	if (argument->kind == VAL_UNDEFINED)
		value_fail_undefined(argument);
	if (argument->kind != VAL_STRING || argument->length == 0 || argument->u.string[0] != '\\')
		value_fail("unknown argument %s", value_quote(argument));
	parse_replacement(argument, pattern, &replacement);
	if (replacement.count != 1 || replacement.parts[0].group < 0)
		value_fail("unknown argument %s", value_quote(argument));
	return replacement.parts[0].group;
}

/* Sets the options that keywords of regex_search give. */
static void
search_keywords(Eval *ev, const CallArgs *call, RegexOptions *options)
{
	for (int i = 0; i < call->nkeywords; i++)
	{
		Value		name = utext_make(call->keywords[i].name, call->keywords[i].length);
		bool		on = value_truth(&ev->budget, &call->keywords[i].value);

		if (utext_is(&name, "ignorecase"))
			options->ignore_case = on;
		else if (utext_is(&name, "multiline"))
			options->multiline = on;
		else
			value_fail("regex_search() got an unexpected keyword argument %s",
					   value_quote(&name));
	}
}

/* The filter regex_search: the match, a list of its groups, or none. */
Value
jinja_filter_regex_search(Eval *ev, const Value *argv, const CallArgs *call)
{
	RegexOptions options = {0};
	Search	   *search;
	int		   *groups;
	Value	   *items;

	if (call->nargs == 0)
		value_fail("regex_search() missing required argument 'regex'");
	search_keywords(ev, call, &options);
	search = begin_search(ev, &argv[0], &call->args[0], options);
	groups = palloc(sizeof(int) * call->nargs);
	for (int i = 1; i < call->nargs; i++)
		groups[i] = group_argument(&search->pattern, &call->args[i]);
	if (!find_next(ev, search))
		return value_none();
	if (call->nargs == 1)
		return group_text(search, 0);
	items = palloc(sizeof(Value) * call->nargs);
	for (int i = 1; i < call->nargs; i++)
		items[i - 1] = group_text(search, groups[i]);
	return value_list(call->nargs - 1, items);
}

/* Returns what findall gives for the last match: its text, its group, or its groups. */
static Value
found_item(Search *search)
{
	int			count = search->pattern.ngroups;
	Value	   *items;

	if (count == 0)
		return group_text(search, 0);
	items = palloc(sizeof(Value) * count);
	for (int i = 0; i < count; i++)
	{
		items[i] = group_text(search, i + 1);
		if (items[i].kind == VAL_NONE)
			items[i] = utext_make("", 0);
	}
	return count == 1 ? items[0] : value_tuple(count, items);
}

/* The filter regex_findall: all matches. */
Value
jinja_filter_regex_findall(Eval *ev, const Value *argv, const CallArgs *call)
{
	RegexOptions options = {0};
	Search	   *search;
	Value	   *items = palloc(sizeof(Value) * 8);
	int			count = 0;
	int			allocated = 8;

	options.multiline = jinja_argument_bool(ev, &argv[2], false);
	options.ignore_case = jinja_argument_bool(ev, &argv[3], false);
	search = begin_search(ev, &argv[0], &argv[1], options);
	while (find_next(ev, search))
	{
		if (count == allocated)
		{
			allocated *= 2;
			bounds_check_memory(allocated * sizeof(Value));
			items = repalloc_huge(items, allocated * sizeof(Value));
		}
		items[count++] = found_item(search);
	}
	return value_list(count, items);
}

/* The filter regex_escape: a text as a pattern that matches it. */
Value
jinja_filter_regex_escape(Eval *ev, const Value *argv, const CallArgs *call)
{
	const char *special = "()[]{}?*+-|^$\\.&~# \t\n\r\v\f";
	Value		text;
	StringInfoData buf;

	if (argv[0].kind == VAL_UNDEFINED)
		value_fail_undefined(&argv[0]);
	if (utext_is(&argv[1], "posix_basic"))
		special = "[].^$*\\";
	else if (value_given(&argv[1]) && !utext_is(&argv[1], "python"))
		value_fail("invalid regex type %s", value_quote(&argv[1]));
	text = value_str(&ev->budget, &argv[0]);
	initStringInfo(&buf);
	bounds_work(text.length * 10);
	value_check_size((int64) text.length * 2);
	for (int i = 0; i < text.length; i++)
	{
		if (strchr(special, text.u.string[i]) != NULL)
			appendStringInfoChar(&buf, '\\');
		appendStringInfoChar(&buf, text.u.string[i]);
	}
	return utext_from_buffer(&buf);
}

/* ------------------------------------------------------------------------
 * Tests
 * ------------------------------------------------------------------------
 */

/* Returns whether a text matches at its beginning, as a whole, or anywhere. */
static Value
matches(Eval *ev, const Value *argv, bool at_start, bool at_end)
{
	RegexOptions options = {0};

	options.ignore_case = jinja_argument_bool(ev, &argv[2], false);
	options.multiline = jinja_argument_bool(ev, &argv[3], false);
	options.at_start = at_start;
	options.at_end = at_end;
	return value_bool(find_next(ev, begin_search(ev, &argv[0], &argv[1], options)));
}

/* The test match: the pattern at the beginning of the text. */
Value
jinja_filter_test_match(Eval *ev, const Value *argv, const CallArgs *call)
{
	return matches(ev, argv, true, false);
}

/* The test search: the pattern anywhere in the text. */
Value
jinja_filter_test_search(Eval *ev, const Value *argv, const CallArgs *call)
{
	return matches(ev, argv, false, false);
}

/* The test regex: search, or what match_type says. */
Value
jinja_filter_test_regex(Eval *ev, const Value *argv, const CallArgs *call)
{
	bool		whole = utext_is(&argv[4], "fullmatch");

	return matches(ev, argv, whole || utext_is(&argv[4], "match"), whole);
}

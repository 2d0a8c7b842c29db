/*
 * jinja/filters.h
 *		Filters of several files, which jinja/filters.c puts into one table.
 */
#ifndef NOETL_JINJA_FILTERS_H
#define NOETL_JINJA_FILTERS_H

#include "jinja/internal.h"

#define FILTER(name) \
	extern Value jinja_filter_##name(Eval *ev, const Value *argv, const CallArgs *call)

/* jinja/dates.c */
FILTER(date_add);
FILTER(date_trunc);
FILTER(from_timestamp);
FILTER(strftime);
FILTER(timestamp);
FILTER(to_datetime);

/* jinja/filters_format.c */
FILTER(basename);
FILTER(camelcase);
FILTER(dirname);
FILTER(hash);
FILTER(json_path);
FILTER(md5);
FILTER(quote);
FILTER(sha1);
FILTER(sha256);
FILTER(slugify);
FILTER(snakecase);
FILTER(splitext);
FILTER(to_nice_json);
FILTER(urldecode);
FILTER(urlsplit);

/* jinja/random.c */
FILTER(random);

/* jinja/to_yaml.c */
FILTER(from_yaml);
FILTER(to_nice_yaml);
FILTER(to_yaml);

/* jinja/filters_sequence.c */
FILTER(batch);
FILTER(dictsort);
FILTER(first);
FILTER(groupby);
FILTER(items);
FILTER(join);
FILTER(last);
FILTER(length);
FILTER(list);
FILTER(map);
FILTER(max);
FILTER(min);
FILTER(reject);
FILTER(rejectattr);
FILTER(reverse);
FILTER(select);
FILTER(selectattr);
FILTER(slice);
FILTER(sort);
FILTER(sum);
FILTER(unique);

/* jinja/filters_sets.c */
FILTER(all);
FILTER(any);
FILTER(contains);
FILTER(difference);
FILTER(flatten);
FILTER(intersect);
FILTER(product);
FILTER(symmetric_difference);
FILTER(union);
FILTER(zip);
FILTER(zip_longest);

/* jinja/filters_value.c */
FILTER(bool);
FILTER(coalesce);
FILTER(combine);
FILTER(dict2items);
FILTER(get);
FILTER(items2dict);
FILTER(keys);
FILTER(mandatory);
FILTER(merge);
FILTER(split);
FILTER(ternary);
FILTER(values);

/* jinja/filters_text.c */
FILTER(capitalize);
FILTER(center);
FILTER(format);
FILTER(indent);
FILTER(lower);
FILTER(replace);
FILTER(title);
FILTER(trim);
FILTER(truncate);
FILTER(upper);
FILTER(wordcount);
FILTER(wordwrap);

/* jinja/regex.c */
FILTER(regex_escape);
FILTER(regex_findall);
FILTER(regex_replace);
FILTER(regex_search);
FILTER(test_match);
FILTER(test_regex);
FILTER(test_search);

/* jinja/html.c */
FILTER(striptags);
FILTER(urlencode);
FILTER(urlize);
FILTER(xmlattr);

#endif							/* NOETL_JINJA_FILTERS_H */

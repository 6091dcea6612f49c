"""Which functions, operators and types of PostgreSQL itself the rules know, and how each behaves. A name that stands
nowhere here may do anything."""

from __future__ import annotations


def _words(*lines: str) -> frozenset[str]:
    return frozenset(word for line in lines for word in line.split())


STEADY = _words(
    # numbers
    "abs ceil ceiling floor round trunc sign sqrt cbrt exp ln log log10 power pow mod div gcd lcm pi degrees radians",
    "sin cos tan asin acos atan atan2 width_bucket factorial min_scale scale trim_scale",
    # text
    "lower upper initcap length char_length character_length octet_length bit_length btrim ltrim rtrim trim substr",
    "substring left right lpad rpad replace reverse repeat split_part strpos position overlay translate concat",
    "concat_ws format md5 sha224 sha256 sha384 sha512 ascii chr to_hex encode decode quote_ident quote_literal",
    "quote_nullable regexp_replace regexp_match regexp_matches regexp_split_to_array regexp_split_to_table",
    "regexp_count regexp_instr regexp_like regexp_substr starts_with string_to_array string_to_table normalize",
    "convert_from convert_to unistr",
    # dates and times; stable or immutable, never volatile
    "now transaction_timestamp statement_timestamp date_trunc date_part extract age make_date make_time",
    "make_timestamp make_timestamptz make_interval to_char to_date to_timestamp to_number justify_days justify_hours",
    "justify_interval isfinite timezone date_bin",
    # conditions, arrays, ranges, rows
    "num_nulls num_nonnulls array_length array_append array_prepend array_cat array_remove array_replace",
    "array_position array_positions array_to_string array_upper array_lower array_ndims array_fill cardinality",
    "unnest generate_series generate_subscripts int4range int8range numrange tsrange tstzrange daterange lower_inc",
    "upper_inc isempty range_merge",
    # json
    "to_json to_jsonb json_build_object jsonb_build_object json_build_array jsonb_build_array row_to_json",
    "json_typeof jsonb_typeof jsonb_set jsonb_set_lax jsonb_insert jsonb_strip_nulls json_strip_nulls jsonb_pretty",
    "json_extract_path jsonb_extract_path json_extract_path_text jsonb_extract_path_text json_array_length",
    "jsonb_array_length json_array_elements jsonb_array_elements json_array_elements_text",
    "jsonb_array_elements_text json_each jsonb_each json_each_text jsonb_each_text json_object_keys",
    "jsonb_object_keys jsonb_path_exists jsonb_path_query jsonb_path_query_array jsonb_path_query_first",
    "jsonb_path_match json_object jsonb_object",
    # aggregates and windows
    "count sum avg min max bool_and bool_or every array_agg string_agg json_agg jsonb_agg json_object_agg",
    "jsonb_object_agg stddev variance row_number rank dense_rank percent_rank cume_dist ntile lag lead first_value",
    "last_value nth_value percentile_cont percentile_disc mode",
    # text search
    "to_tsvector to_tsquery plainto_tsquery phraseto_tsquery websearch_to_tsquery setweight ts_rank ts_headline",
    "numnode querytree strip",
    # looking at the catalog
    "current_setting",
    "current_database current_schema version pg_typeof format_type pg_get_constraintdef pg_get_indexdef",
    "pg_get_viewdef obj_description col_description to_regclass to_regtype to_regproc to_regnamespace to_regrole",
    "has_table_privilege has_column_privilege has_schema_privilege pg_table_is_visible",
    # what syntax such as OVERLAPS or LIKE ... ESCAPE is turned into
    "overlaps like_escape similar_to_escape xmlexists",
)
"""Immutable or stable, without a side effect."""

VOLATILE = _words(
    "random gen_random_uuid clock_timestamp timeofday nextval currval lastval uuid_generate_v1 uuid_generate_v1mc",
    "uuid_generate_v4 uuidv4 uuidv7 random_normal txid_current pg_current_xact_id",
)
"""Another value for every row, but no effect beyond the value (nextval moves its sequence)."""

DRAWS_ONLY = VOLATILE - {"nextval"}
"""Those of VOLATILE that move nothing, not even a sequence."""

OPERATORS = _words(
    "+ - * / % ^ |/ ||/ @ & | # ~ << >> = <> != < > <= >= || ~* !~ !~* ~~ !~~ ~~* !~~* -> ->> #> #>> @> <@ ? ?| ?& #-",
    "@? @@ && -|- &< &> <-> <<= >>=",
)

TYPES = _words(
    "int2 int4 int8 smallint integer int bigint decimal numeric real float4 float8 money text varchar bpchar char name",
    "bytea timestamp timestamptz date time timetz interval bool boolean point line lseg box path polygon circle cidr",
    "inet macaddr macaddr8 bit varbit tsvector tsquery uuid xml json jsonb int4range int8range numrange tsrange",
    "tstzrange daterange int4multirange int8multirange nummultirange tsmultirange tstzmultirange datemultirange oid",
    "regclass pg_lsn pg_snapshot",
)
EXTENSION_TYPES = _words("citext hstore ltree geometry geography vector cube isbn")
"""Types of well-known extensions: base types, so no hidden CHECK comes with them."""

SERIAL_TYPES = _words("serial bigserial smallserial serial2 serial4 serial8")

// SPDX-License-Identifier: Apache-2.0

package postgresql

// condition returns the name of an SQLSTATE ("PostgreSQL Documentation, Appendix A"), "" for one that is not often met.
func condition(status string) string {
	if name := conditions[status]; name != "" || len(status) < 2 {
		return name
	}
	return classes[status[:2]]
}

var conditions = map[string]string{
	"08P01": "protocol_violation", "0A000": "feature_not_supported", "21000": "cardinality_violation",
	"22001": "string_data_right_truncation", "22003": "numeric_value_out_of_range", "22007": "invalid_datetime_format",
	"22008": "datetime_field_overflow", "22012": "division_by_zero", "22021": "character_not_in_repertoire",
	"22023": "invalid_parameter_value", "22P02": "invalid_text_representation", "22P05": "untranslatable_character",
	"23502": "not_null_violation", "23503": "foreign_key_violation", "23505": "unique_violation", "23514": "check_violation",
	"23P01": "exclusion_violation", "25001": "active_sql_transaction", "25006": "read_only_sql_transaction",
	"25P01": "no_active_sql_transaction", "25P02": "in_failed_sql_transaction", "25P03": "idle_in_transaction_session_timeout",
	"26000": "invalid_sql_statement_name", "28000": "invalid_authorization_specification", "28P01": "invalid_password",
	"34000": "invalid_cursor_name", "3D000": "invalid_catalog_name", "3F000": "invalid_schema_name",
	"40001": "serialization_failure", "40P01": "deadlock_detected", "42501": "insufficient_privilege", "42601": "syntax_error",
	"42602": "invalid_name", "42701": "duplicate_column", "42702": "ambiguous_column", "42703": "undefined_column",
	"42704": "undefined_object", "42710": "duplicate_object", "42723": "duplicate_function", "42803": "grouping_error",
	"42804": "datatype_mismatch", "42830": "invalid_foreign_key", "42846": "cannot_coerce", "42883": "undefined_function",
	"42P01": "undefined_table", "42P02": "undefined_parameter", "42P04": "duplicate_database", "42P05": "duplicate_prepared_statement",
	"42P06": "duplicate_schema", "42P07": "duplicate_table", "42P10": "invalid_column_reference", "42P18": "indeterminate_datatype",
	"53100": "disk_full", "53200": "out_of_memory", "53300": "too_many_connections", "54000": "program_limit_exceeded",
	"55000": "object_not_in_prerequisite_state", "55006": "object_in_use", "55P03": "lock_not_available",
	"57014": "query_canceled", "57P01": "admin_shutdown", "57P02": "crash_shutdown", "57P03": "cannot_connect_now",
	"57P05": "idle_session_timeout", "P0001": "raise_exception", "XX000": "internal_error", "XX001": "data_corrupted",
}

var classes = map[string]string{
	"08": "connection_exception", "22": "data_exception", "23": "integrity_constraint_violation", "25": "invalid_transaction_state",
	"28": "invalid_authorization_specification", "40": "transaction_rollback", "42": "syntax_error_or_access_rule_violation",
	"53": "insufficient_resources", "57": "operator_intervention", "58": "system_error", "P0": "plpgsql_error", "XX": "internal_error",
}

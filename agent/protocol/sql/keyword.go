// SPDX-License-Identifier: Apache-2.0

package sql

// kw is a word that matters to a summary. Words that matter in the same way share one.
type kw uint8

const (
	kwNone      kw = iota
	kwTrue         // and FALSE
	kwIs           //
	kwNot          //
	kwIn           //
	kwIf           //
	kwExists       //
	kwAs           //
	kwOn           //
	kwOnly         // may stand before a table: ONLY, LATERAL
	kwModifier     // may stand before the table of INSERT, UPDATE, DELETE: IGNORE, LOW_PRIORITY, OR
	kwVerbose      // may stand before the table of VACUUM, or the command of EXPLAIN: FULL, VERBOSE
	kwAnalyze      // the same, and a command of its own
	kwFrom         //
	kwJoin         //
	kwInto         //
	kwUsing        //
	kwDistinct     //
	kwEndOfList    // ends a list of tables: WHERE, GROUP, RETURNING
	kwWith         //

	kwTable   // kinds of objects from here on
	kwObject  // INDEX, DATABASE, ...
	kwRoutine // PROCEDURE, FUNCTION, TRIGGER, EVENT: its text holds statements
	kwUser    // and LOGIN: the name is not told

	kwSelect // commands from here on
	kwInsert // and REPLACE
	kwUpdate
	kwDelete
	kwMerge
	kwCall
	kwExecute
	kwUse
	kwCreate
	kwAlter
	kwDrop
	kwTruncate
	kwExplain
	kwPrepare
	kwVacuum // takes a table: DESCRIBE, LOCK, ...
	kwCopy
	kwValues
	kwSet
	kwStart   // takes one more word: SHOW, START
	kwGrant   // nothing behind it is told
	kwDeclare // of a cursor
	kwPlain   // COMMIT, FETCH, ...
)

func (k kw) isObject() bool  { return kwTable <= k && k <= kwUser }
func (k kw) isCommand() bool { return k >= kwSelect || k == kwAnalyze }
func (k kw) isChange() bool  { return kwInsert <= k && k <= kwMerge }

const longestKeyword = 17 // STRAIGHT_JOIN, CONCURRENTLY, ...

// keyword says which keyword w is, in any case.
func keyword(w []byte) kw {
	if len(w) < 2 || len(w) > longestKeyword {
		return kwNone
	}
	var upper [longestKeyword]byte
	for i, c := range w {
		if 'a' <= c && c <= 'z' {
			c -= 'a' - 'A'
		}
		upper[i] = c
	}
	u := upper[:len(w)]
	if k := clauseWord(u); k != kwNone {
		return k
	}
	if k := objectWord(u); k != kwNone {
		return k
	}
	return commandWord(u)
}

func clauseWord(u []byte) kw {
	switch string(u) {
	case "FROM":
		return kwFrom
	case "TRUE", "FALSE":
		return kwTrue
	case "AS":
		return kwAs
	case "IN":
		return kwIn
	case "IS":
		return kwIs
	case "NOT":
		return kwNot
	case "ON":
		return kwOn
	case "JOIN", "STRAIGHT_JOIN":
		return kwJoin
	case "INTO":
		return kwInto
	case "USING":
		return kwUsing
	case "WITH":
		return kwWith
	case "DISTINCT":
		return kwDistinct
	case "WHERE", "GROUP", "ORDER", "HAVING", "LIMIT", "OFFSET", "RETURNING", "WINDOW", "UNION", "EXCEPT", "INTERSECT",
		"FOR", "DUPLICATE", "CONFLICT":
		return kwEndOfList
	case "IF":
		return kwIf
	case "EXISTS":
		return kwExists
	case "ONLY", "LATERAL", "CONCURRENTLY":
		return kwOnly
	case "IGNORE", "LOW_PRIORITY", "HIGH_PRIORITY", "DELAYED", "QUICK", "OR", "OVERWRITE":
		return kwModifier
	case "FULL", "VERBOSE", "FREEZE", "EXTENDED", "LOCAL", "PARTITIONS":
		return kwVerbose
	case "ANALYZE", "ANALYSE":
		return kwAnalyze
	}
	return kwNone
}

func objectWord(u []byte) kw {
	switch string(u) {
	case "TABLE", "TABLES":
		return kwTable
	case "INDEX", "VIEW", "DATABASE", "SCHEMA", "SEQUENCE", "TYPE", "DOMAIN", "EXTENSION", "ROLE", "TABLESPACE", "SERVER",
		"POLICY", "RULE", "PUBLICATION", "SUBSCRIPTION", "COLLATION", "LANGUAGE", "STATISTICS", "SYNONYM":
		return kwObject
	case "PROCEDURE", "FUNCTION", "TRIGGER", "EVENT", "PACKAGE":
		return kwRoutine
	case "USER", "LOGIN":
		return kwUser
	}
	return kwNone
}

func commandWord(u []byte) kw {
	switch string(u) {
	case "SELECT":
		return kwSelect
	case "INSERT", "REPLACE", "UPSERT":
		return kwInsert
	case "UPDATE":
		return kwUpdate
	case "DELETE":
		return kwDelete
	case "SET":
		return kwSet
	case "VALUES":
		return kwValues
	case "MERGE":
		return kwMerge
	case "CALL":
		return kwCall
	case "EXEC", "EXECUTE":
		return kwExecute
	case "USE":
		return kwUse
	case "CREATE":
		return kwCreate
	case "ALTER":
		return kwAlter
	case "DROP":
		return kwDrop
	case "TRUNCATE":
		return kwTruncate
	case "EXPLAIN":
		return kwExplain
	case "PREPARE":
		return kwPrepare
	case "COPY":
		return kwCopy
	case "SHOW", "START", "STOP":
		return kwStart
	case "GRANT", "REVOKE":
		return kwGrant
	case "DECLARE":
		return kwDeclare
	case "VACUUM", "DESCRIBE", "DESC", "LOCK", "OPTIMIZE", "REPAIR", "CHECK", "CHECKSUM", "CLUSTER", "REINDEX", "RENAME", "LISTEN",
		"UNLISTEN", "NOTIFY", "PRAGMA", "REFRESH":
		return kwVacuum
	case "BEGIN", "COMMIT", "ROLLBACK", "ABORT", "END", "SAVEPOINT", "RELEASE", "RESET", "DISCARD", "DEALLOCATE", "FETCH", "MOVE",
		"CLOSE", "DO", "UNLOCK", "FLUSH", "KILL", "LOAD", "HANDLER", "COMMENT", "CHECKPOINT", "PURGE", "CHANGE", "INSTALL",
		"UNINSTALL", "SIGNAL", "XA", "HELP", "CACHE", "BINLOG", "SHUTDOWN", "IMPORT", "EXPORT", "ATTACH", "DETACH", "REASSIGN":
		return kwPlain
	}
	return kwNone
}

// precedesTarget tells whether k may stand between a command and its target without being the target.
func precedesTarget(command, k kw) bool {
	switch k {
	case kwOnly:
		return true
	case kwIf, kwNot, kwExists, kwOn:
		return command >= kwCreate && command <= kwTruncate || command == kwVacuum && k != kwOn
	case kwInto:
		return command == kwInsert || command == kwMerge
	case kwFrom:
		return command == kwDelete
	case kwModifier:
		return command >= kwInsert && command <= kwDelete
	case kwInsert: // INSERT OR REPLACE INTO
		return command == kwInsert
	case kwVerbose, kwAnalyze, kwTable:
		return command == kwVacuum
	}
	return false
}

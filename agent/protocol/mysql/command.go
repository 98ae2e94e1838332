// SPDX-License-Identifier: Apache-2.0

package mysql

// Capabilities (Protocol::CapabilityFlags) that matter here.
const (
	capConnectDB   = 1 << 3
	capCompress    = 1 << 5
	capProtocol41  = 1 << 9
	capSSL         = 1 << 11
	capSecure      = 1 << 15
	capPluginAuth  = 1 << 19
	capLenencAuth  = 1 << 21
	capNoEOF       = 1 << 24
	capOptionalSet = 1 << 25
	capZstd        = 1 << 26
	capAttributes  = 1 << 27
)

// Status flags (SERVER_STATUS_flags_enum) that matter here.
const (
	statusMoreResults  = 0x0008
	statusCursor       = 0x0040
	statusNoBackslash  = 0x0200
	statusReserved     = 0x8000
	codeProgressReport = 0xffff // MariaDB
)

// Commands (enum_server_command, and MariaDB's).
const (
	comQuit            = 0x01
	comInitDB          = 0x02
	comQuery           = 0x03
	comFieldList       = 0x04
	comStatistics      = 0x09
	comProcessInfo     = 0x0a
	comDebug           = 0x0d
	comPing            = 0x0e
	comChangeUser      = 0x11
	comBinlogDump      = 0x12
	comStmtPrepare     = 0x16
	comStmtExecute     = 0x17
	comStmtLongData    = 0x18
	comStmtClose       = 0x19
	comStmtReset       = 0x1a
	comSetOption       = 0x1b
	comStmtFetch       = 0x1c
	comBinlogDumpGTID  = 0x1e
	comResetConnection = 0x1f
	comStmtBulkExecute = 0xfa
)

const commandLogin = "Login"

var commands = [...]string{
	"COM_SLEEP", "COM_QUIT", "COM_INIT_DB", "COM_QUERY", "COM_FIELD_LIST", "COM_CREATE_DB", "COM_DROP_DB", "COM_REFRESH",
	"COM_SHUTDOWN", "COM_STATISTICS", "COM_PROCESS_INFO", "COM_CONNECT", "COM_PROCESS_KILL", "COM_DEBUG", "COM_PING", "COM_TIME",
	"COM_DELAYED_INSERT", "COM_CHANGE_USER", "COM_BINLOG_DUMP", "COM_TABLE_DUMP", "COM_CONNECT_OUT", "COM_REGISTER_SLAVE",
	"COM_STMT_PREPARE", "COM_STMT_EXECUTE", "COM_STMT_SEND_LONG_DATA", "COM_STMT_CLOSE", "COM_STMT_RESET", "COM_SET_OPTION",
	"COM_STMT_FETCH", "COM_DAEMON", "COM_BINLOG_DUMP_GTID", "COM_RESET_CONNECTION", "COM_CLONE",
}

// commandName returns the protocol's name of a command, "" for one that does not exist.
func commandName(com byte) string {
	switch {
	case int(com) < len(commands):
		return commands[com]
	case com == comStmtBulkExecute:
		return "COM_STMT_BULK_EXECUTE"
	}
	return ""
}

// operationName returns what a command does where no SQL says it.
func operationName(com byte) string {
	switch com {
	case comQuery, comStmtPrepare, comStmtExecute, comStmtBulkExecute, comStmtFetch:
		return ""
	}
	if name := commandName(com); name != "" {
		return name[len("COM_"):]
	}
	return ""
}

// reading is what the next packet of an answer is.
type reading uint8

const (
	readFirst      reading = iota // OK, ERR, LOCAL INFILE or the number of columns
	readColumns                   // definitions of columns
	readColumnsEnd                // an EOF packet, or the first row
	readRows                      // until EOF, OK or ERR
	readAuth                      // until OK or ERR
	readText                      // one packet of whatever content
	readPrepared                  // COM_STMT_PREPARE_OK
	readParameters                // definitions of parameters, then of columns
	readParametersEnd
	readPreparedColumns
	readPreparedEnd
	readFields // definitions until EOF
	readData   // the client sends a file, then OK or ERR comes
	readStream
	readRest // in step again behind a gap: until what ends an answer
)

// firstReading returns how the answer to a command begins.
func firstReading(com byte) reading {
	switch com {
	case comStmtPrepare:
		return readPrepared
	case comStmtFetch:
		return readRows
	case comFieldList:
		return readFields
	case comStatistics:
		return readText
	case comChangeUser:
		return readAuth
	case comBinlogDump, comBinlogDumpGTID:
		return readStream
	}
	return readFirst
}

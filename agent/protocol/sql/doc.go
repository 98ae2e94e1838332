// SPDX-License-Identifier: Apache-2.0

// Package sql takes the literals out of SQL text and says in a few words what the text does: db.query.text and
// db.query.summary of OpenTelemetry's conventions for databases.
//
// It reads tokens, it does not parse a grammar: it never fails, and text that is no SQL comes out without its literals all
// the same. It knows no wire protocol. Called by agent/protocol/postgresql and agent/protocol/mysql; a Sanitiser is not safe
// for concurrent use.
//
// # Text
//
// Every literal becomes "?": strings in single quotes, with whatever letter before them (E, N, X, B, U&), between $tag$, and
// in MySQL in double quotes; numbers with their sign, hexadecimal and binary ones; TRUE and FALSE. What is written before a string to say its type stays (DATE ?,
// INTERVAL ?, _utf8 ?). A list of literals behind IN is written IN (?). Comments are left out; of MySQL's /*! */ the content
// stays, because the server executes it. NULL and placeholders ($1, :name, @name, ?) stay. The names of accounts in CREATE,
// ALTER and DROP USER or LOGIN become "?". All other text is kept as written, white space included.
//
// The text of a prepared statement that has parameters is kept as sent, as the conventions want: who writes parameters
// writes the values there. Text without any, or the beginning of text whose rest was not seen, is sanitised.
//
// # What cannot leak
//
// A literal that the end of the text cuts is left out as any other. Where quotes turn out to have been misread (the text
// ends inside a string although it is whole, or a string ends in the middle of a word), which happens when a session has
// changed what a backslash means, the text and the summary end before the first string that may be concerned.
//
// # Summary
//
// Operations and their targets in their order and as written: "INSERT shipping_details SELECT orders". Operations are the
// known commands at the beginning of a statement, and SELECT everywhere; targets follow FROM, JOIN, INTO, UPDATE, CALL and
// the like, without alias. What a view, procedure, function or trigger is defined as is not executed and not summarised.
// A summary holds at most MaxSummary bytes and ends with a whole name. In the Standard dialect alone, a string behind FROM
// that looks like a name is one (FROM 'artists' is the conventions' own example).
//
// # Limits
//
// model.MaxText bytes of text and MaxSummary of the summary are kept; parentheses nested deeper than maxDepth are read
// without a look for targets. Text that is not UTF-8 gets U+FFFD in place of the wrong bytes.
//
// # Tests
//
// The conventions' cases, from the folder of shared captures; tables of behaviours; FuzzLiterals builds statements around
// marked literals, cuts them anywhere and looks for the mark; FuzzAny feeds anything. A benchmark shows time and allocations.
package sql

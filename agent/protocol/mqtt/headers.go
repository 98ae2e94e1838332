// SPDX-License-Identifier: Apache-2.0

package mqtt

import (
	"sonde/agent/model"
	"sonde/agent/protocol"
)

const propertyUser = 0x26

// headers returns the user properties that may carry trace context (MQTT 5 section 3.3.2.3.7), nil when there are none. list
// is one that property has found to be a list.
func headers(list []byte) [][]model.Field {
	var fields []model.Field
	for len(list) > 0 && len(fields) < model.MaxFields {
		n := propertyLength(propertySizes[list[0]], list[1:])
		if n <= 0 || n > len(list)-1 {
			return nil
		}
		if list[0] == propertyUser && carriesContext(list[1:1+n]) {
			name, rest, _ := text(list[1:])
			value, _, _ := text(rest)
			fields = append(fields, model.Field{Name: string(name), Value: string(value)})
		}
		list = list[1+n:]
	}
	if fields == nil {
		return nil
	}
	return [][]model.Field{fields}
}

// carriesContext tells whether a user property may carry trace context and is short enough to be kept.
func carriesContext(pair []byte) bool {
	name, rest, ok := text(pair)
	if !ok || !protocol.CarriesContext(name) {
		return false
	}
	value, _, ok := text(rest)
	return ok && len(value) <= model.MaxField
}

// SPDX-License-Identifier: Apache-2.0

package mysql

import (
	"sonde/agent/model"
	"sonde/agent/protocol"
)

// contextOf returns the attributes of a COM_QUERY that carry trace context, as MySQL's own connectors send it. p is what stands
// before the text, which query has read already. nil, without an allocation, when there are none.
func contextOf(p []byte) []model.Field {
	count, names, _ := lenenc(p)
	_, names, _ = lenenc(names)
	if count == 0 || len(p) == 0 {
		return nil
	}
	nulls := int(count+7) / 8
	null := names[:nulls]
	names = names[nulls+1:]
	values := names
	for range count {
		_, _, values = attribute(values)
	}
	var fields []model.Field
	for i := range int(count) {
		var kind byte
		var name []byte
		kind, name, names = attribute(names)
		if null[i/8]&(1<<(i%8)) != 0 {
			continue
		}
		value := values
		values, _ = skipValue(values, kind)
		if !protocol.CarriesContext(name) || !isString(kind) || len(fields) == model.MaxFields {
			continue
		}
		if n, content, _ := lenenc(value); n <= model.MaxField {
			fields = append(fields, model.Field{Name: string(name), Value: string(content[:n])})
		}
	}
	return fields
}

// attribute reads the type and the name of one.
func attribute(p []byte) (kind byte, name, rest []byte) {
	n, behind, _ := lenenc(p[2:])
	return p[0], behind[:n], behind[n:]
}

// isString tells whether values of a type are strings: VARCHAR, the BLOBs, VAR_STRING and STRING.
func isString(kind byte) bool { return kind == 0x0f || kind >= 0xf9 && kind <= 0xfe }

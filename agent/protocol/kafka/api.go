// SPDX-License-Identifier: Apache-2.0

package kafka

import "strconv"

// never is the first flexible version of an API that has none.
const never = 1 << 14

// api is what is known of one API key.
type api struct {
	name     string
	flexible int16 // first version with compact strings and tagged fields (KIP-482)
	max      int16 // newest version whose layout is known
	request  []field
	response []field
}

// apis holds the known API keys; the index is the key. Immutable.
var apis = compileAll(layouts[:])

func compileAll(from []layout) []api {
	all := make([]api, len(from))
	for i, l := range from {
		all[i] = api{l.name, l.flexible, l.max, compile(l.request), compile(l.response)}
	}
	return all
}

// lookup returns the API with a key when its layout in this version is known, else nil.
func lookup(key, version int16) *api {
	if key < 0 || int(key) >= len(apis) || version < 0 || version > apis[key].max {
		return nil
	}
	return &apis[key]
}

// nameOf returns the name of an API key, "ApiKey123" for one that has none here.
func nameOf(key int16) string {
	if key >= 0 && int(key) < len(apis) {
		return apis[key].name
	}
	return "ApiKey" + strconv.Itoa(int(key))
}

// The API keys that mean more than their layout says.
const (
	keyProduce          = 0
	keyFetch            = 1
	keyControlledStop   = 7
	keyOffsetCommit     = 8
	keyFindCoordinator  = 10
	keySASLHandshake    = 17
	keyAPIVersions      = 18
	keySASLAuthenticate = 36
)

// operationOf returns the messaging operation of an API and its type; both are "" for what moves no message.
func operationOf(key int16) (name, kind string) {
	switch key {
	case keyProduce:
		return "send", "send"
	case keyFetch:
		return "poll", "receive"
	case keyOffsetCommit:
		return "commit", "settle"
	}
	return "", ""
}

// clientIDAt returns where the client id begins in a request, counted from the length, or 0 when the header has none.
// Header version 0 is used by nothing but ControlledShutdown 0.
func clientIDAt(key, version int16) int {
	if key == keyControlledStop && version == 0 {
		return 0
	}
	return 12
}

// flexibleRequest reports whether the request header ends in tagged fields (header version 2).
func (a *api) flexibleRequest(version int16) bool { return version >= a.flexible }

// flexibleResponse reports whether the response header ends in tagged fields (header version 1). An answer to ApiVersions
// never does: the client that asks does not know yet what the broker can (KIP-511).
func (a *api) flexibleResponse(key, version int16) bool {
	return version >= a.flexible && key != keyAPIVersions
}

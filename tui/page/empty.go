// SPDX-License-Identifier: Apache-2.0

package page

import "sonde/agent/view"

// noRequests is why no request may be seen. The limits that it names are those of the README.
func noRequests(s *view.Snapshot) string {
	switch {
	case s == nil:
		return ""
	case s.Overview.Requests > 0:
		return "Requests are seen, but none of them belongs to this page in the last " + span(s.Window) + ".\n" +
			"Take the filter away (/), go back (Esc), or look at a longer window (t)."
	case replayed(s):
		return "No request in the " + span(s.Window) + " before this position of the recording.\n" +
			"Play on (p), seek (] and }), or look at a longer window (t).\n" +
			"TLS payload is not read: what is encrypted is under Flows (3)."
	case s.Overview.Flows > 0:
		return "Connections are open, but no request was seen in the last " + span(s.Window) + ".\n" +
			"TLS payload is not read yet, and what no parser knows stays a flow: see Flows (3).\n" +
			"A longer window (t) may help; Agent (7) tells what is lost, sonde doctor what cannot be seen."
	}
	return "No request was seen in the last " + span(s.Window) + ".\n" +
		"Traffic through loopback and real interfaces is seen; try: curl http://localhost/\n" +
		"TLS payload is not read yet; requests that this machine only forwards are flows alone.\n" +
		"Agent (7) tells where probes are attached, sonde doctor what cannot be seen here."
}

// replayed says whether the world is a file.
func replayed(s *view.Snapshot) bool {
	return s.Playback != nil || s.Mode == "recording" || s.Mode == "capture"
}

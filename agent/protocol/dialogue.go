// SPDX-License-Identifier: Apache-2.0

package protocol

// Limits of a Dialogue.
const (
	MaxWaiting     = 1 << 14 // requests of a connection that wait: a bulk load writes on without reading
	MaxWaitingAll  = 1 << 17 // of all connections of an engine together; beyond it each has MaxWaitingEach
	MaxWaitingEach = 128
	maxWrong       = 2 // mismatches after which answers are told apart no more
	cleanTurns     = 2 // after which a client that was in doubt is taken for one that waits
)

// Dialogue is InOrder for connections that may be joined in the middle or lose bytes: it knows which answers can still be
// told apart, and gives no request the answer of another.
//
// From the first byte on and without loss, order is enough. After a loss it is not known how many answers are to come,
// unless the client waits for all of them before it asks again. Whether it does so is known from what it did: one that ever
// asked on before it had all answers stays blind after a loss, and its requests are "lost". One that never did is in doubt:
// answers are held until the client's next turn shows that there were as many as requests. What a client that always has
// the same number of requests under way looks like when it is joined cannot be told from one that waits; a parser that
// knows which answers a request can have says so with Mismatch.
//
// Not safe for concurrent use. Use NewDialogue.
type Dialogue[T any] struct {
	queue  InOrder[T]
	report func(r *T, reason string)
	out    T // what is reported; a local variable would be on the heap
	total  *int
	peak   int

	certain int // of the oldest in queue: their answers cannot be mistaken, whatever was lost behind them
	held    int // of the oldest in queue: answered, in doubt
	ghosts  int // answers to come of requests that were given up

	overlaps bool // the client has asked on before it had all answers
	suspect  bool // joined, or something was lost at any time
	doubt    bool
	blind    bool
	gap      bool // requests of this turn were not seen
	lost     bool // answers of this turn were not seen, or cannot be told apart
	clean    int
	wrong    int // mismatches so far
}

// NewDialogue makes a Dialogue. report gets each request once: with reason "" when it was answered, else with why it was
// not; r is valid during the call. total counts what waits in all dialogues of an engine.
func NewDialogue[T any](total *int, report func(r *T, reason string)) Dialogue[T] {
	return Dialogue[T]{queue: NewInOrder[T](MaxWaiting), report: report, total: total}
}

// Joined says that bytes have passed before.
func (d *Dialogue[T]) Joined() { d.suspect, d.doubt, d.gap = true, true, true }

// Len returns the number of requests that were not reported yet.
func (d *Dialogue[T]) Len() int { return d.queue.Len() }

// Waiting returns the number of requests whose answer is not complete.
func (d *Dialogue[T]) Waiting() int { return d.queue.Len() - d.held }

// Alone reports whether exactly one answer is to come.
func (d *Dialogue[T]) Alone() bool { return d.Waiting() == 1 && d.ghosts == 0 && !d.gap }

// Blind reports whether requests are given up at once: answers cannot be told apart any more.
func (d *Dialogue[T]) Blind() bool { return d.blind }

// Suspect reports whether the answer to Next could be that to another request.
func (d *Dialogue[T]) Suspect() bool { return d.suspect && d.certain == 0 }

// Ask adds a request that is due an answer.
func (d *Dialogue[T]) Ask(r T) {
	if d.blind {
		d.out = r
		d.report(&d.out, "lost")
		return
	}
	limit := MaxWaiting
	if *d.total >= MaxWaitingAll {
		limit = MaxWaitingEach
	}
	if d.queue.Len() >= limit {
		d.giveUp()
	}
	d.queue.Push(r)
	*d.total++
	d.peak = max(d.peak, d.queue.Len())
}

func (d *Dialogue[T]) giveUp() {
	if d.held > 0 {
		d.held--
	} else {
		d.ghosts++
	}
	d.certain = max(0, d.certain-1)
	d.pop("pipeline_limit")
}

func (d *Dialogue[T]) pop(reason string) {
	d.out, _ = d.queue.Pop()
	*d.total--
	d.report(&d.out, reason)
	if d.peak > MaxWaitingEach && d.queue.Len() == 0 { // give the memory of a burst back
		d.queue, d.peak = NewInOrder[T](MaxWaiting), 0
	}
}

// Next returns the request that the next answer belongs to, nil when it belongs to none. It is valid until the next call.
func (d *Dialogue[T]) Next() *T {
	if d.ghosts > 0 || d.lost {
		return nil
	}
	return d.queue.At(d.held)
}

// Last returns the request that was added last, nil when none waits.
func (d *Dialogue[T]) Last() *T { return d.queue.At(d.queue.Len() - 1) }

// Answered says that the answer to Next is complete.
func (d *Dialogue[T]) Answered() {
	switch {
	case d.certain > 0:
		d.certain--
		d.pop("")
	case d.doubt:
		d.held++
	default:
		d.pop("")
	}
}

// Extra says that an answer came that belongs to no request.
func (d *Dialogue[T]) Extra() {
	switch {
	case d.ghosts > 0:
		d.ghosts--
	case d.suspect && !d.gap && !d.lost:
		d.Mismatch()
	}
}

// RequestsLost says that requests may have passed unseen.
func (d *Dialogue[T]) RequestsLost() {
	if !d.doubt {
		d.certain = d.queue.Len()
	}
	d.suspect, d.doubt, d.gap, d.clean = true, true, true, 0
	d.blind = d.blind || d.overlaps
}

// AnswersLost says that it cannot be told any more where answers end, until the client's next turn. When Alone, all that
// comes is one answer: see Resume.
func (d *Dialogue[T]) AnswersLost() {
	d.suspect, d.lost, d.doubt, d.clean, d.certain = true, true, true, 0, 0
	d.blind = d.blind || d.overlaps
}

// Resume takes AnswersLost back, for a request that was Alone.
func (d *Dialogue[T]) Resume() { d.lost = false }

// Mismatch says that the answers do not belong to the requests that they seemed to belong to.
func (d *Dialogue[T]) Mismatch() {
	d.AnswersLost()
	d.drop(0, "lost")
	d.ghosts = 0
	d.wrong++
	d.blind = d.blind || d.wrong > maxWrong
}

// Turn says that the client speaks again after the server.
func (d *Dialogue[T]) Turn() {
	waits := d.Waiting() > 0 || d.ghosts > 0
	switch {
	case !waits:
		d.confirm()
	case d.lost:
		d.drop(0, "lost")
		d.ghosts = 0
	case d.doubt:
		d.overlaps, d.blind = true, true
		d.drop(d.certain, "lost")
	default:
		d.overlaps = true
	}
	d.gap, d.lost = false, false
}

// confirm reports what was held.
func (d *Dialogue[T]) confirm() {
	if d.held > 0 {
		d.clean++
	}
	if !d.lost && !d.blind && d.clean >= cleanTurns {
		d.doubt = false
	}
	for ; d.held > 0; d.held-- {
		d.pop("")
	}
}

// drop gives up what is behind the first keep requests.
func (d *Dialogue[T]) drop(keep int, reason string) {
	n := d.queue.Len() - keep
	for range keep {
		r, _ := d.queue.Pop()
		d.queue.Push(r)
	}
	for range n {
		d.pop(reason)
	}
	d.held = 0
}

// Close reports what is open.
func (d *Dialogue[T]) Close(reason string) {
	if d.Waiting() == 0 {
		d.confirm()
	}
	if d.lost {
		reason = "lost"
	}
	for ; d.held > 0; d.held-- {
		d.pop("lost")
	}
	for d.queue.Len() > 0 {
		d.pop(reason)
	}
}

// Release forgets what is open.
func (d *Dialogue[T]) Release() {
	for d.queue.Len() > 0 {
		d.queue.Pop()
		*d.total--
	}
}

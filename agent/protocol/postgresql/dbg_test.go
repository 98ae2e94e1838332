package postgresql

import ("testing";"math/rand/v2";"fmt";"os";"strings";"strconv";"path/filepath")
func TestDbg(t *testing.T) {
	fs, _ := filepath.Glob("testdata/fuzz/FuzzSplit/*")
	b, _ := os.ReadFile(fs[0])
	l := strings.Split(string(b), "\n")
	var seed uint64
	fmt.Sscanf(l[1], "uint64(%d)", &seed)
	joined := strings.Contains(l[2], "true")
	extra, _ := strconv.Unquote(strings.TrimSuffix(strings.TrimPrefix(l[3], "[]byte("), ")"))
	var outs []string
	for mode := range 3 {
	random := rand.New(rand.NewPCG(seed, 5))
	k, _ := randomTalk(seed)
	steps := k.steps
	if joined {
		steps = steps[random.IntN(len(steps)):]
		if s := &steps[0]; len(s.data) > 0 { s.data = s.data[random.IntN(len(s.data)):] }
	}
	if random.IntN(2) == 0 { steps = mangle(steps, random) }
	steps = append(steps, resp(extra))
	var sb strings.Builder
	o := observe(true, joined)
	n := 0
	for _, s := range steps {
		sub := []step{s}
		if mode == 1 { sub = split(sub, nil) } else if mode == 2 { sub = split(sub, random) }
		for _, x := range sub { o.run(x) }
		for ; n < len(o.got); n++ { fmt.Fprintf(&sb, "   %s rb=%d\n", line(&o.got[n]), o.got[n].ResponseBytes) }
		fmt.Fprintln(&sb, s, fmt.Sprint(o.parser.fit, o.parser.known, o.parser.front.Lost(), o.parser.back.Lost(), o.parser.queue.Len(), o.parser.fed-o.parser.counted, o.parser.damaged, o.parser.blind, o.parser.overlaps))
	}
	o.close("timeout")
	for ; n < len(o.got); n++ { fmt.Fprintf(&sb, "   %s rb=%d\n", line(&o.got[n]), o.got[n].ResponseBytes) }
	outs = append(outs, sb.String())
	}
	for m := 1; m < 3; m++ {
	a, c := strings.Split(outs[0], "\n"), strings.Split(outs[m], "\n")
	for i := range min(len(a), len(c)) {
		if a[i] != c[i] { for j := max(0,i-6); j <= i; j++ { fmt.Println(m, "W", a[j]); fmt.Println(m, "P", c[j]) }; break }
	}}
}

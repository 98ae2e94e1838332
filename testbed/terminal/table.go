// SPDX-License-Identifier: Apache-2.0

package terminal

import (
	"fmt"
	"strings"

	"github.com/rivo/uniseg"
)

// Table is a table that was found on a screen.
type Table struct {
	Titles []string // of its columns, from left to right
	Header int      // line of the screen that the titles are on
	Rows   []Row
}

// Row is a row of a Table.
type Row struct {
	Line  int    // of the screen
	Mark  string // what stands before the first column or in a column of one cell without a title: "!", ">", "" for nothing
	Cells map[string]string
}

// Row returns the first row whose cell of a column is text.
func (t *Table) Row(title, text string) (Row, bool) {
	for _, r := range t.Rows {
		if r.Cells[title] == text {
			return r, true
		}
	}
	return Row{}, false
}

// Column returns the cells of a column, from the top.
func (t *Table) Column(title string) []string {
	cells := make([]string, len(t.Rows))
	for i, r := range t.Rows {
		cells[i] = r.Cells[title]
	}
	return cells
}

// Table finds the table with the given titles and perhaps others: they stand in this order in one line, its header. Rows follow
// to the first line that is blank or begins with a line of a box. Titles of one word need no mention; those of more do.
//
// A terminal has no columns, so they are guessed, as an eye does: the cells of neighbours are parted by a lane between their
// titles that is blank in every row. Where text leaves several lanes, the widest parts them; one cell between two lanes is a mark.
func (s Screen) Table(titles ...string) (*Table, error) {
	for y, line := range s.Lines {
		found := columns(line, titles)
		if found == nil {
			continue
		}
		t := &Table{Header: y}
		rows := rowsBelow(s.Lines[y+1:])
		part(found, rows)
		for _, c := range found {
			t.Titles = append(t.Titles, c.title)
		}
		for i, row := range rows {
			r := Row{Line: y + 1 + i, Cells: cut(row, found)}
			for _, c := range found {
				if c.mark >= 0 && c.mark < len(row) {
					r.Mark += strings.TrimSpace(row[c.mark])
				}
			}
			t.Rows = append(t.Rows, r)
		}
		return t, nil
	}
	return nil, fmt.Errorf("no table with the columns %v on the screen:\n%s", titles, s)
}

// column is a title, the cells that it stands in, and those of its column.
type column struct {
	title      string
	begin, end int
	left       int // of the column
	right      int // the cell after it
	mark       int // cell of the marks before it, -1 for none
}

// cells splits a line into what each cell of the terminal holds; the second half of a wide character is "".
func cells(line string) []string {
	var out []string
	for g := uniseg.NewGraphemes(line); g.Next(); {
		out = append(out, g.Str())
		for range g.Width() - 1 {
			out = append(out, "")
		}
	}
	return out
}

// columns finds the titles of a header, those that are asked for and all other words; nil when it is not the header.
func columns(line string, wanted []string) []column {
	var all []column
	at, next := 0, 0
	line = strings.TrimRight(line, " ")
	for at < len(line) {
		if line[at] == ' ' {
			at++
			continue
		}
		title, _, _ := strings.Cut(line[at:], " ")
		for i := next; i < len(wanted); i++ {
			if rest, ok := strings.CutPrefix(line[at:], wanted[i]); ok && (rest == "" || !letter(rest[0])) {
				title = wanted[i] + mark(rest)
				break
			}
		}
		begin := uniseg.StringWidth(line[:at])
		c := column{title: strings.Trim(title, sortMarks), begin: begin, end: begin + uniseg.StringWidth(title), mark: -1}
		if next < len(wanted) && c.title == wanted[next] {
			next++
		}
		if c.title != "" {
			all = append(all, c)
		} else if len(all) > 0 { // a mark that stands apart belongs to the title before it
			all[len(all)-1].end = c.end
		}
		at += len(title)
	}
	if next < len(wanted) || len(wanted) == 0 {
		return nil
	}
	return all
}

// sortMarks may stand at a title and are no part of it.
const sortMarks = "▲▼↑↓△▽"

func letter(b byte) bool {
	return b >= '0' && b <= '9' || b >= 'A' && b <= 'Z' || b >= 'a' && b <= 'z' || b == '/' || b == '%'
}

func mark(rest string) string {
	word, _, _ := strings.Cut(rest, " ")
	if strings.Trim(word, sortMarks) == "" {
		return word
	}
	return ""
}

// frames begin lines that end a table.
const frames = "─━═│┃║┌┐└┘├┤╭╮╰╯+"

func rowsBelow(lines []string) [][]string {
	var rows [][]string
	for _, line := range lines {
		text := strings.TrimSpace(line)
		if text == "" || strings.ContainsAny(string([]rune(text)[:1]), frames) {
			break
		}
		rows = append(rows, cells(line))
	}
	return rows
}

// part finds where each column begins and ends.
func part(all []column, rows [][]string) {
	if all[0].begin > 0 && gutter(rows) {
		all[0].mark, all[0].left = 0, 1
	}
	for i := 1; i < len(all); i++ {
		lanes := lanes(rows, all[i-1].end, all[i].begin)
		left, right := all[i].begin, all[i].begin // where no lane is, the title's place is the best guess
		widest := 0
		for n, l := range lanes {
			if n > 0 && l[0]-lanes[n-1][1] == 1 {
				all[i].mark, right, left = lanes[n-1][1], lanes[n-1][0], l[1]
				break
			}
			if l[1]-l[0] > widest {
				widest, right, left = l[1]-l[0], l[0], l[1]
			}
		}
		all[i-1].right, all[i].left = right, left
	}
	all[len(all)-1].right = 1 << 30
}

// gutter tells whether the first cell of each row is a mark or blank.
func gutter(rows [][]string) bool {
	for _, r := range rows {
		if len(r) > 0 && !strings.Contains(" !~>*", r[0]) {
			return false
		}
	}
	return true
}

// lanes are the runs of cells that are blank in every row, from one cell up to another.
func lanes(rows [][]string, from, to int) [][2]int {
	var all [][2]int
	for x := from; x < to; x++ {
		begin := x
		for x < to && blank(rows, x) {
			x++
		}
		if x > begin {
			all = append(all, [2]int{begin, x})
		}
	}
	return all
}

func blank(rows [][]string, x int) bool {
	for _, r := range rows {
		if x < len(r) && r[x] != " " {
			return false
		}
	}
	return true
}

func cut(row []string, all []column) map[string]string {
	out := map[string]string{}
	for _, c := range all {
		out[c.title] = strings.TrimSpace(strings.Join(row[min(c.left, len(row)):min(c.right, len(row))], ""))
	}
	return out
}

package main

import (
	"html"
	"strings"
)

// page is a document of headings, lists and tables, to be written as Markdown
// or as a page for a browser.
type page struct {
	title  string
	blocks []block
}

// block is a heading, a list (rows of one span) or a table.
type block struct {
	heading string
	head    []string
	rows    [][]span
}

// span is a piece of text, or of code.
type span struct {
	text string
	code bool
}

func (d *page) heading(text string) { d.blocks = append(d.blocks, block{heading: text}) }

func (d *page) table(head []string, rows [][]span) {
	d.blocks = append(d.blocks, block{head: head, rows: rows})
}

func (d *page) list(items ...span) {
	var rows [][]span
	for _, s := range items {
		rows = append(rows, []span{s})
	}
	d.blocks = append(d.blocks, block{rows: rows})
}

func (d *page) markdown() string {
	var b strings.Builder
	b.WriteString("# " + markdownText(d.title) + "\n")
	for _, x := range d.blocks {
		b.WriteString("\n")
		switch {
		case x.heading != "":
			b.WriteString("## " + markdownText(x.heading) + "\n")
		case x.head == nil:
			for _, row := range x.rows {
				b.WriteString("* " + row[0].markdown() + "\n")
			}
		default:
			b.WriteString("| " + strings.Join(x.head, " | ") + " |\n|" + strings.Repeat(" --- |", len(x.head)) + "\n")
			for _, row := range x.rows {
				b.WriteString("|")
				for _, s := range row {
					b.WriteString(" " + s.markdown() + " |")
				}
				b.WriteString("\n")
			}
		}
	}
	return b.String()
}

func (s span) markdown() string {
	if !s.code {
		return markdownText(s.text)
	}
	text := strings.ReplaceAll(strings.Join(strings.Fields(s.text), " "), "|", `\|`)
	fence := "`"
	for strings.Contains(text, fence) {
		fence += "`"
	}
	if len(fence) > 1 {
		text = " " + text + " "
	}
	return fence + text + fence
}

// markdownText writes text so that nothing in it is read as mark-up.
func markdownText(s string) string {
	var b strings.Builder
	for _, r := range strings.Join(strings.Fields(s), " ") {
		if strings.ContainsRune("\\`*_{}[]<>#|&~", r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// pageStyle is all that a page needs: it is one file, and prints well.
const pageStyle = `body{font:16px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a;background:#fff}
h2{margin-top:2.5rem}table{border-collapse:collapse;width:100%;margin:1rem 0}
th,td{border:1px solid #bbb;padding:.4rem .6rem;text-align:left;vertical-align:top}th{background:#f2f2f2}
code{background:#f2f2f2;padding:0 .2rem}@media print{body{margin:0;font-size:11px}tr{break-inside:avoid}}`

func (d *page) html() string {
	var b strings.Builder
	title := html.EscapeString(d.title)
	b.WriteString("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n<title>" +
		title + "</title>\n<style>" + pageStyle + "</style>\n</head>\n<body>\n<h1>" + title + "</h1>\n")
	for _, x := range d.blocks {
		switch {
		case x.heading != "":
			b.WriteString("<h2>" + html.EscapeString(x.heading) + "</h2>\n")
		case x.head == nil:
			b.WriteString("<ul>\n")
			for _, row := range x.rows {
				b.WriteString("<li>" + row[0].html() + "</li>\n")
			}
			b.WriteString("</ul>\n")
		default:
			b.WriteString("<table>\n<thead><tr>")
			for _, h := range x.head {
				b.WriteString("<th scope=\"col\">" + html.EscapeString(h) + "</th>")
			}
			b.WriteString("</tr></thead>\n<tbody>\n")
			for _, row := range x.rows {
				b.WriteString("<tr>")
				for _, s := range row {
					b.WriteString("<td>" + s.html() + "</td>")
				}
				b.WriteString("</tr>\n")
			}
			b.WriteString("</tbody>\n</table>\n")
		}
	}
	b.WriteString("</body>\n</html>\n")
	return b.String()
}

func (s span) html() string {
	if s.code {
		return "<code>" + html.EscapeString(s.text) + "</code>"
	}
	return html.EscapeString(s.text)
}

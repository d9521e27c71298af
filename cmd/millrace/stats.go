package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/millrace/millrace/internal/config"
)

func statsCommand(args []string, stdout, stderr io.Writer) int {
	var o clientOptions
	var asJSON bool
	s := config.NewSet("millrace stats", "[TUBE...]", "Show what the server is doing, and the jobs in each tube, or in the given ones.")
	s.Group("Output")
	s.Var(config.Switch(&asJSON), "json", "", "all figures of the protocol, as JSON")
	o.declare(s)
	s.Examples = []string{"millrace stats", "millrace stats --json mails images"}
	tubes, exit, ok := parse(s, args, stdout, stderr)
	if !ok {
		return exit
	}
	f, err := readFigures(&o, tubes)
	if err != nil {
		return failure(stderr, err)
	}
	if asJSON {
		return f.printJSON(stdout, stderr)
	}
	f.printTable(stdout)
	return exitOK
}

// figures is what the server counts: of itself, and of each tube.
type figures struct {
	address string
	server  map[string]string
	tubes   []map[string]string
}

func readFigures(o *clientOptions, tubes []string) (*figures, error) {
	c, err := o.dial()
	if err != nil {
		return nil, err
	}
	defer c.conn.Close()
	r, err := c.call("OK", "stats", nil)
	if err != nil {
		return nil, err
	}
	f := &figures{address: o.server, server: fields(r.body)}
	all := len(tubes) == 0
	if all {
		if r, err = c.call("OK", "list-tubes", nil); err != nil {
			return nil, err
		}
		tubes = items(r.body)
	}
	for _, t := range tubes {
		r, err := c.call("OK", "stats-tube "+t, nil)
		if u, ok := err.(unexpected); ok && u.answer == "NOT_FOUND" {
			if all {
				continue // gone since the list was made
			}
			return nil, fmt.Errorf("there is no tube %q on %s", t, o.server)
		}
		if err != nil {
			return nil, err
		}
		f.tubes = append(f.tubes, fields(r.body))
	}
	return f, nil
}

// items reads the YAML list of list-tubes.
func items(body []byte) (list []string) {
	for line := range strings.Lines(string(body)) {
		if item, ok := strings.CutPrefix(strings.TrimSpace(line), "- "); ok {
			list = append(list, strings.Trim(item, `"`))
		}
	}
	return list
}

func (f *figures) printJSON(stdout, stderr io.Writer) int {
	tubes := []map[string]any{}
	for _, t := range f.tubes {
		tubes = append(tubes, typed(t))
	}
	out := json.NewEncoder(stdout)
	out.SetIndent("", "  ")
	if err := out.Encode(map[string]any{"server": typed(f.server), "tubes": tubes}); err != nil {
		return failure(stderr, err)
	}
	return exitOK
}

// typed makes numbers of what the protocol counts; names stay text even when they
// look like numbers.
func typed(m map[string]string) map[string]any {
	out := map[string]any{}
	for name, text := range m {
		out[name] = text
		if n, err := strconv.ParseFloat(text, 64); err == nil && !textFields[name] {
			out[name] = n
		}
	}
	return out
}

var textFields = map[string]bool{"name": true, "id": true, "hostname": true, "version": true, "os": true, "platform": true}

func (f *figures) printTable(w io.Writer) {
	uptime, _ := strconv.Atoi(f.server["uptime"])
	fmt.Fprintf(w, "Server %s, version %s, up %s%s\n", f.address, f.server["version"], time.Duration(uptime)*time.Second, drainNote(f.server))
	fmt.Fprintf(w, "Connections %s (%s waiting for a job), jobs put %s, leases that ran out %s\n\n",
		f.server["current-connections"], f.server["current-waiting"], f.server["total-jobs"], f.server["job-timeouts"])
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "ready\treserved\tdelayed\tburied\twatching\twaiting\tdeleted\t  tube")
	for _, t := range f.tubes {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t  %s%s\n",
			t["current-jobs-ready"], t["current-jobs-reserved"], t["current-jobs-delayed"], t["current-jobs-buried"],
			t["current-watching"], t["current-waiting"], t["cmd-delete"], t["name"], pauseNote(t))
	}
	table.Flush()
}

func pauseNote(t map[string]string) string {
	if left := t["pause-time-left"]; left != "0" && left != "" {
		return " (paused for " + left + "s)"
	}
	return ""
}

func drainNote(server map[string]string) string {
	if server["draining"] == "true" {
		return ", draining: puts are refused"
	}
	return ""
}

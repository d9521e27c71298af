package gearman

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/millrace/millrace/internal/engine"
	"github.com/millrace/millrace/internal/netserve/nettest"
)

// startBoth starts the door and its HTTP front end over one engine.
func startBoth(t *testing.T, o Options) (packets, web *nettest.Server) {
	t.Helper()
	e := engine.New(engine.Options{})
	if err := e.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	d := New(o)
	return nettest.New(t, e, d), nettest.New(t, e, HTTP{d})
}

// ask sends a request and returns the connection.
func ask(web *nettest.Server, text string) *nettest.Client {
	c := web.Dial()
	c.Send(strings.ReplaceAll(text, "\n", "\r\n"))
	return c
}

func all(t *testing.T, c *nettest.Client) string {
	t.Helper()
	text, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(text), "\r\n", "\n")
}

func TestHTTPWithoutJob(t *testing.T) {
	const headers = "Server: Millrace\nContent-Length: 0\n\n"
	for _, test := range []struct{ send, want string }{
		{"GET / HTTP/1.0\n\n", "HTTP/1.0 404 NOT_FOUND\n" + headers},
		{"POST  HTTP/1.0\n\n", "HTTP/1.0 400 BAD_REQUEST\n" + headers},
		{"junk\n\n", "HTTP/1.0 400 BAD_REQUEST\n" + headers},
		{"DELETE /f HTTP/1.1\nHost: x\n\n", "HTTP/1.0 405 METHOD_NOT_ALLOWED\n" + headers},
		{"HEAD / HTTP/1.1\nHost: x\n\n", "HTTP/1.0 200 OK\n" + headers},
		{"TRACE /f HTTP/1.1\nHost: x\n\n", "HTTP/1.0 200 OK\nServer: Millrace\nConnection: close\nContent-Type: message/http\n\nTRACE /f HTTP/1.1\nHost: x\n\n"},
		{"POST /f HTTP/1.1\nHost: x\nOrigin: http://elsewhere\n\n", "HTTP/1.0 403 FORBIDDEN\n" + headers},
		{"POST /f HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\n", "HTTP/1.0 411 LENGTH_REQUIRED\n" + headers},
		{"POST /f HTTP/1.1\nHost: x\nContent-Length: 99999999999\n\n", "HTTP/1.0 413 REQUEST_ENTITY_TOO_LARGE\n" + headers},
		{"POST /f HTTP/1.1\nHost: x\nX-Gearman-Unique: " + strings.Repeat("u", 65) + "\n\n", "HTTP/1.0 400 BAD_REQUEST\n" + headers},
		{"POST /" + strings.Repeat("x", 9000), "HTTP/1.0 431 REQUEST_HEADER_FIELDS_TOO_LARGE\n" + headers},
	} {
		synctest.Test(t, func(t *testing.T) {
			_, web := startBoth(t, Options{})
			if got := all(t, ask(web, test.send)); got != test.want {
				t.Errorf("%.60q:\n%q, want\n%q", test.send, got, test.want)
			}
		})
	}
}

// TestHTTP puts jobs over HTTP that a worker of the other protocol does.
func TestHTTP(t *testing.T) {
	big := strings.Repeat("b", 300_000)
	for _, test := range []struct {
		name, send string
		worker     []string
		data, want string
	}{
		{"background", "POST /f HTTP/1.1\nHost: x\nX-Gearman-Background: true\nX-Gearman-Unique: u\nContent-Length: 5\n\nhello",
			[]string{"WORK_COMPLETE %s\x00unseen"}, "u\x00hello", "JOB_CREATED\nContent-Length: 0\nServer: Millrace\n\n"},
		{"foreground", "PUT /a%20function HTTP/1.0\nContent-Length: 5\n\nhello",
			[]string{"WORK_DATA %s\x00one ", "WORK_DATA %s\x00two ", "WORK_WARNING %s\x00x", "WORK_STATUS %s\x001\x002", "WORK_COMPLETE %s\x00three"},
			"\x00hello", "WORK_COMPLETE\nContent-Length: 13\nServer: Millrace\n\none two three"},
		{"get", "GET /f HTTP/1.0\n\n", []string{"WORK_COMPLETE %s\x00r"}, "\x00", "WORK_COMPLETE\nContent-Length: 1\nServer: Millrace\n\nr"},
		{"fail", "GET /f HTTP/1.0\n\n", []string{"WORK_DATA %s\x00part", "WORK_FAIL %s"}, "\x00", "WORK_FAIL\nContent-Length: 0\nServer: Millrace\n\n"},
		{"large", "POST /f HTTP/1.0\nContent-Length: 300000\n\n" + big, []string{"WORK_COMPLETE %s\x00" + big}, "\x00" + big,
			"WORK_COMPLETE\nContent-Length: 300000\nServer: Millrace\n\n" + big},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				door, web := startBoth(t, Options{HandlePrefix: "H:t"})
				c := ask(web, test.send)
				synctest.Wait()
				w := door.Dial()
				w.Send(string(packets("CAN_DO f", "CAN_DO a function", "GRAB_JOB_UNIQ")))
				item, err := readItem(newReader(w))
				if err != nil {
					t.Fatal(err)
				}
				parts := strings.SplitN(strings.TrimPrefix(item, "JOB_ASSIGN_UNIQ "), "\x00", 3)
				if len(parts) != 3 || parts[2] != test.data {
					t.Fatalf("the worker got %.100q", item)
				}
				for _, p := range test.worker {
					w.Send(string(packets(fmt.Sprintf(p, parts[0]))))
				}
				want := "HTTP/1.0 200 OK\nX-Gearman-Job-Handle: " + parts[0] + "\nX-Gearman-Command: " + test.want
				if got := all(t, c); got != want {
					t.Errorf("got %.300q, want %.300q", got, want)
				}
			})
		})
	}
}

// TestHTTPClientGone has the client go while its job waits: the job goes with it.
func TestHTTPClientGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		door, web := startBoth(t, Options{})
		c := ask(web, "GET /f HTTP/1.0\n\n")
		synctest.Wait()
		c.Close()
		synctest.Wait()
		a := door.Dial()
		a.Send("status\n")
		a.Expect("f\t0\t0\t0\n.\n")
	})
}

package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/config"
)

type putOptions struct {
	clientOptions
	tube       string
	pri        uint32
	delay, ttr time.Duration
	lines      bool
}

func putCommand(args []string, stdout, stderr io.Writer) int {
	o := putOptions{pri: 1024, ttr: time.Minute}
	s := config.NewSet("millrace put", "[BODY]", "Put a job and print its id. The body is BODY, or what comes on standard input.")
	s.Group("Job")
	s.Var(config.Text(&o.tube), "tube", "NAME", "where to put it; into `default` when no tube is named")
	s.Var(config.Uint32(&o.pri), "pri", "N", "priority, the lowest first")
	s.Var(config.Duration(&o.delay), "delay", "TIME", "how long until it is ready, in whole seconds")
	s.Var(config.Duration(&o.ttr), "ttr", "TIME", "how long a worker may hold it without a touch, in whole seconds")
	s.Var(config.Switch(&o.lines), "lines", "", "each line of standard input is a job")
	o.declare(s)
	s.Examples = []string{
		`millrace put "send mail 4711"`,
		"millrace put --tube images < photo.jpg",
		"millrace put --delay 1h --lines < urls.txt",
	}
	rest, exit, ok := parse(s, args, stdout, stderr)
	if !ok {
		return exit
	}
	if len(rest) > 0 && o.lines {
		return usageError(stderr, fmt.Errorf("with --lines the jobs come on standard input; take %q away", strings.Join(rest, " ")))
	}
	if err := o.put(rest, os.Stdin, stdout); err != nil {
		return failure(stderr, err)
	}
	return exitOK
}

func (o *putOptions) put(words []string, stdin io.Reader, stdout io.Writer) error {
	c, err := o.dial()
	if err != nil {
		return err
	}
	defer c.conn.Close()
	if o.tube != "" {
		if _, err := c.call("USING", "use "+o.tube, nil); err != nil {
			return err
		}
	}
	if o.lines {
		return o.putLines(c, stdin, stdout)
	}
	body := []byte(strings.Join(words, " "))
	if len(words) == 0 {
		if body, err = io.ReadAll(stdin); err != nil {
			return err
		}
	}
	return o.putOne(c, body, stdout)
}

func (o *putOptions) putLines(c *client, stdin io.Reader, stdout io.Writer) error {
	in := bufio.NewReader(stdin)
	for {
		line, err := in.ReadBytes('\n')
		if len(line) > 0 {
			if err := o.putOne(c, bytes.TrimRight(line, "\r\n"), stdout); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func (o *putOptions) putOne(c *client, body []byte, stdout io.Writer) error {
	if body == nil {
		body = []byte{}
	}
	line := fmt.Sprintf("put %d %d %d %d", o.pri, seconds(o.delay), seconds(o.ttr), len(body))
	r, err := c.call("INSERTED", line, body)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(stdout, r.words[1])
	return err
}

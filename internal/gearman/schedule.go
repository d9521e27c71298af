package gearman

import (
	"errors"
	"strconv"
	"time"
)

// schedule says at which minutes a job of SUBMIT_JOB_SCHED may run: when all parts
// that are given match. A part that is -1 matches always.
type schedule struct {
	minute, hour, day, month int
	weekday                  int // 0 is Monday
}

// anything is a part of a schedule that is not given.
const anything = -1

var (
	errSchedule = errors.New("a schedule is minute (0-59), hour (0-23), day of month (1-31), month (1-12) and day of week (0-6, 0 is Monday), each a number, * or empty")
	errNever    = errors.New("no day matches this schedule")
)

// parseSchedule reads the five parts.
func parseSchedule(parts [][]byte) (s schedule, err error) {
	for i, p := range []struct {
		to       *int
		min, max int
	}{{&s.minute, 0, 59}, {&s.hour, 0, 23}, {&s.day, 1, 31}, {&s.month, 1, 12}, {&s.weekday, 0, 6}} {
		text := string(parts[i])
		if text == "" || text == "*" {
			*p.to = anything
			continue
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < p.min || n > p.max {
			return s, errSchedule
		}
		*p.to = n
	}
	return s, nil
}

// maxYears bounds the search for a day: February 29 falls on each day of the week
// within that time, even across a year such as 2100, which has none.
const maxYears = 40

// next returns the first minute after now that matches, in now's time zone.
func (s schedule) next(now time.Time) (time.Time, error) {
	from := now.Truncate(time.Minute).Add(time.Minute)
	for days := range maxYears * 366 {
		day := time.Date(from.Year(), from.Month(), from.Day()+days, 0, 0, 0, 0, from.Location())
		if !s.matchesDay(day) {
			continue
		}
		for minute := range 24 * 60 {
			if h, m := minute/60, minute%60; match(s.hour, h) && match(s.minute, m) {
				// An hour that summer time skips is the one behind it.
				if t := time.Date(day.Year(), day.Month(), day.Day(), h, m, 0, 0, from.Location()); !t.Before(from) {
					return t, nil
				}
			}
		}
	}
	return time.Time{}, errNever
}

func (s schedule) matchesDay(t time.Time) bool {
	return match(s.day, t.Day()) && match(s.month, int(t.Month())) && match(s.weekday, (int(t.Weekday())+6)%7)
}

func match(part, n int) bool { return part == anything || part == n }

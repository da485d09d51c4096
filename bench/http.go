package main

// This file speaks HTTP/1.1 on a connection: as much of it as the gateways' answers need, to leave them the CPU.

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// requests are sent one after another, and answered with 200 and a body of a known size.
type requests struct {
	heads  [][]byte
	upload int64 // bytes of a body that follows each head
	answer int64 // bytes of each answer
}

// piece is how much of an upload is written at once.
const piece = 64 << 10

// open implements speech: a request is enough.
func (r *requests) open(*connection) error { return nil }

// exchange implements speech.
func (r *requests) exchange(c *connection, turn int) error {
	if _, err := c.Write(r.heads[turn%len(r.heads)]); err != nil {
		return err
	}
	if r.upload > 0 {
		if err := r.send(c); err != nil {
			return err
		}
	}
	answer, err := readHead(c)
	if err != nil {
		return err
	}
	if answer.status != 200 || answer.length != r.answer {
		return fmt.Errorf("an answer with status %d and %d bytes, not 200 and %d", answer.status, answer.length, r.answer)
	}
	c.closes = answer.closes
	_, err = c.reader.Discard(int(answer.length))
	return err
}

// zeros is what uploads are made of; nobody writes it.
var zeros = make([]byte, piece)

// send writes a body.
func (r *requests) send(c io.Writer) error {
	for left := r.upload; left > 0; {
		n, err := c.Write(zeros[:min(left, piece)])
		if err != nil {
			return err
		}
		left -= int64(n)
	}
	return nil
}

// head is what matters of an answer's head.
type head struct {
	status int
	length int64 // -1 when it does not say
	closes bool
}

var errNoAnswer = errors.New("not an answer in HTTP/1.1")

// readHead reads up to the body. Interim answers (1xx) but 101 are skipped.
func readHead(c *connection) (head, error) {
	for {
		line, err := c.reader.ReadSlice('\n')
		if err != nil {
			return head{}, err
		}
		// "HTTP/1.1 200 OK"
		if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.1 ")) {
			return head{}, errNoAnswer
		}
		status := int(line[9]-'0')*100 + int(line[10]-'0')*10 + int(line[11]-'0')
		answer, err := readFields(c, status)
		if err != nil || status == 101 || status >= 200 {
			return answer, err
		}
	}
}

func readFields(c *connection, status int) (head, error) {
	answer := head{status: status, length: -1}
	for {
		line, err := c.reader.ReadSlice('\n')
		if err != nil {
			return answer, err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			return answer, nil
		}
		if value, found := field(line, "content-length"); found {
			if answer.length, err = strconv.ParseInt(string(value), 10, 64); err != nil {
				return answer, errNoAnswer
			}
		} else if value, found := field(line, "connection"); found {
			answer.closes = bytes.EqualFold(value, []byte("close"))
		}
	}
}

// field returns the value when the line is that field.
func field(line []byte, name string) ([]byte, bool) {
	if len(line) <= len(name) || line[len(name)] != ':' || !bytes.EqualFold(line[:len(name)], []byte(name)) {
		return nil, false
	}
	return bytes.TrimSpace(line[len(name)+1:]), true
}

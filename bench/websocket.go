package main

// This file speaks on a WebSocket: a short message, and its echo.

import (
	"bytes"
	"fmt"
	"io"
)

// messages open a WebSocket (RFC 6455 section 4.1) and send one message again and again.
type messages struct {
	opening []byte
	frame   []byte // masked, as it is sent
	echo    []byte // unmasked, as it comes back
}

func newMessages(opening []byte, text string) *messages {
	size := byte(len(text)) // at most 125
	const last, text1, mask = 0x80, 0x1, 0x80
	// A mask of zeros leaves the text as it is.
	return &messages{
		opening: opening,
		frame:   append([]byte{last | text1, mask | size, 0, 0, 0, 0}, text...),
		echo:    append([]byte{last | text1, size}, text...),
	}
}

// open implements speech.
func (m *messages) open(c *connection) error {
	if _, err := c.Write(m.opening); err != nil {
		return err
	}
	answer, err := readHead(c)
	if err != nil {
		return err
	}
	if answer.status != 101 {
		return fmt.Errorf("status %d to a WebSocket, not 101", answer.status)
	}
	return nil
}

// exchange implements speech.
func (m *messages) exchange(c *connection, _ int) error {
	if _, err := c.Write(m.frame); err != nil {
		return err
	}
	var room [2 + 125]byte
	echo := room[:len(m.echo)]
	if _, err := io.ReadFull(c.reader, echo); err != nil {
		return err
	}
	if !bytes.Equal(echo, m.echo) {
		return fmt.Errorf("an echo that is not what was sent")
	}
	return nil
}

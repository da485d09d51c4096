package main

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
)

// Parts of a frame (RFC 6455 section 5.2).
const (
	maskBit  = 0x80
	maxShort = 125 // the longest message whose length fits into the second byte
)

// echo accepts a WebSocket (RFC 6455 section 4.2.2) and sends back each short message until the client leaves.
func echo(w http.ResponseWriter, r *http.Request) {
	conn, both, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer conn.Close()
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Accept: %s\r\n\r\n", base64.StdEncoding.EncodeToString(sum[:]))
	for {
		frame, err := readFrame(both.Reader)
		if err != nil {
			return
		}
		if _, err := conn.Write(frame); err != nil {
			return
		}
	}
}

// readFrame reads a client's frame, masked and short, and gives it as a server would send it.
func readFrame(from *bufio.Reader) ([]byte, error) {
	var head [6]byte // two bytes and the mask
	if _, err := io.ReadFull(from, head[:]); err != nil {
		return nil, err
	}
	size := int(head[1] &^ maskBit)
	if head[1]&maskBit == 0 || size > maxShort {
		return nil, fmt.Errorf("a frame that is unmasked or longer than %d bytes", maxShort)
	}
	frame := make([]byte, 2+size)
	frame[0], frame[1] = head[0], byte(size)
	if _, err := io.ReadFull(from, frame[2:]); err != nil {
		return nil, err
	}
	for i := range size {
		frame[2+i] ^= head[2+i%4]
	}
	return frame, nil
}

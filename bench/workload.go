package main

// This file lists what is asked of the gateways.

import (
	"fmt"
	"strings"
)

// smallAnswer is the size of a small answer, in bytes.
const smallAnswer = 101

// routeCount is how many routes the table has where that is what is measured.
const routeCount = 10_000

// manyServers is how many servers the backend has where that is what is measured.
const manyServers = 300

// workload is one way to keep a gateway busy.
type workload struct {
	name, title string
	quick       bool // it is part of the quick run
	connections int  // 0 is as many as the options say
	get         string
	answer      int64 // bytes
	upload      int64 // bytes
	tokens      int   // different ones; 0 is one
	routes      int   // 0 is one of each policy
	servers     int   // of the backend, which has health checks then; 0 is one, by its URL
	websocket   bool
	tls         bool
	reload      bool // the gateway's table changes each second
	idle        bool // connections are held, not used
	takesPart   func(contender) bool
}

func everybody(contender) bool { return true }

func whoGetsTokens(c contender) bool { return c.strict || c.isBare() }

func whoGetsNoTokens(c contender) bool { return !c.strict }

func oursAndBare(c contender) bool { return c.ours() || c.isBare() }

func workloads() []workload {
	small := func(w workload) workload {
		w.get, w.answer = "small", smallAnswer
		if w.takesPart == nil {
			w.takesPart = everybody
		}
		return w
	}
	return []workload{
		small(workload{name: "small", title: "Small GET (101-byte answer)", quick: true}),
		small(workload{name: "tokens", title: "Small GET, 10,000 distinct tokens", quick: true, tokens: tokenCount, takesPart: whoGetsTokens}),
		{name: "100KiB", title: "100 KiB answers", get: "100KiB", answer: 100 << 10, takesPart: everybody},
		{name: "1MiB", title: "1 MiB answers", quick: true, get: "1MiB", answer: 1 << 20, takesPart: everybody},
		{name: "upload", title: "10 MiB uploads, streamed, 8 connections", connections: 8, upload: 10 << 20, answer: int64(len(fmt.Sprint(10 << 20))), takesPart: everybody},
		small(workload{name: "routes", title: "Small GET, 10,000 routes", routes: routeCount, takesPart: oursAndBare}),
		small(workload{name: "servers", title: "Small GET, a backend of 3 servers", servers: 3, takesPart: whoGetsNoTokens}),
		small(workload{name: "servers300", title: fmt.Sprintf("Small GET, a backend of %d servers", manyServers), servers: manyServers, takesPart: whoGetsNoTokens}),
		small(workload{name: "idle", title: "Idle connections", idle: true}),
		{name: "websocket", title: "WebSocket echo (64-byte messages)", websocket: true, takesPart: everybody},
		small(workload{name: "tls", title: "Small GET, TLS in front", tls: true}),
		small(workload{name: "reload", title: "Small GET, a changed table each second", reload: true, takesPart: oursAndBare}),
		small(workload{name: "one", title: "Small GET, 1 connection", connections: 1}),
		small(workload{name: "eight", title: "Small GET, 8 connections", connections: 8}),
	}
}

// needsOwnBackend tells whether the fast backend cannot answer: it reads no bodies and knows no WebSockets.
func (w workload) needsOwnBackend() bool { return w.upload > 0 || w.websocket }

// speech makes what is said to a contender at an address.
func (w workload) speech(c contender, address string, tokens []string) speech {
	if !c.strict {
		tokens = []string{""}
	} else if w.tokens == 0 {
		tokens = tokens[:1]
	}
	if w.websocket {
		fields := "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
		return newMessages(requestHead("GET", c.prefix()+"/echo", address, tokens[0], fields), strings.Repeat("x", 64))
	}
	made := &requests{upload: w.upload, answer: w.answer}
	for i := range max(len(tokens), w.routes, 1) {
		path := c.prefix() + "/" + w.get
		if w.routes > 0 {
			path = fmt.Sprintf("%s/%d/%s", c.prefix(), i%w.routes, w.get)
		}
		method, fields := "GET", ""
		if w.upload > 0 {
			method, fields = "POST", fmt.Sprintf("Content-Type: application/octet-stream\r\nContent-Length: %d\r\n", w.upload)
		}
		made.heads = append(made.heads, requestHead(method, path, address, tokens[i%len(tokens)], fields))
	}
	return made
}

// requestHead is what a browser's would be, at its shortest.
func requestHead(method, path, host, token, fields string) []byte {
	if token != "" {
		fields += "Authorization: Bearer " + token + "\r\n"
	}
	return fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: bench\r\nAccept: */*\r\n%s\r\n", method, path, host, fields)
}

// Package server runs a gateway, from reading its settings to its last request.
//
//	run.go          the start, step by step
//	listen.go       the listeners, for clients and for operators
//	sockets.go      opening their sockets: TCP, unix, and those of systemd
//	notify.go       reporting the state of the process to systemd
//	servers.go      the HTTP servers behind them, and their bounds
//	stop.go         the stop: drain, timeout, end
//	http2.go        HTTP/2 clients, which get a GOAWAY at the stop
//	table.go        compiling a configuration into a table, and swapping it in
//	reload.go       the same while requests are served
//	follow.go       the files that a table depends on, and the effect of editing each
//	keys.go         the keys of tokens, from the files of the settings
//	store.go        waiting for the database, and migrating it
//	certificate.go  the public listener's certificate
//	validity.go     how long certificates are valid
//	memory.go       the garbage collector's target, and the container's limit
//	descriptors.go  how many clients the limit of open files allows
package server

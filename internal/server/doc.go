// Package server is the running process: a gateway from its settings to its last
// request.
//
//	run.go          the start, in order, and what each step needs
//	listen.go       the two listeners, and the stop: drain, timeout, end
//	http2.go        HTTP/2 clients, which are told by GOAWAY
//	table.go        a configuration compiled into what serves, and swapped in
//	reload.go       the same again, while requests are served
//	follow.go       the files that a table depends on, and what an edit of each does
//	keys.go         what tokens are signed with, read from the settings' files
//	store.go        the database: waited for, migrated
//	certificate.go  the public listener's certificate
//	validity.go     how long certificates are good
//	memory.go       the garbage collector's target, and the container's limit
//	descriptors.go  how many clients the limit of open files allows
package server

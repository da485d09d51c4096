// Package backend chooses servers for requests, and keeps what the gateway learns about
// servers at run time.
//
// A backend of the route table has a name and several servers. What is learned about a
// server (requests in flight, failures, health, ejections) belongs to the name of the
// backend and the address of the server, not to the table: a reload resets none of it,
// even if it renames or moves routes. Two backends that name the same server know
// nothing of each other.
//
//	registry.go    all backends of the process; which of them the live table uses
//	backend.go     one backend of one table, and the state that all tables share
//	server.go      one server: what is known about it
//	snapshot.go    the servers that may get requests at the moment
//	pick.go        the choice of a server: p2c, round robin, hash
//	eject.go       a server whose requests fail gets none for a while
//	leave.go       servers that leave a backend, and their streams
//	discover.go    servers that are found by DNS
//	sticky.go      the values of cookies that keep a client at one server
//	health.go      health checks, over HTTP and gRPC
//	queue.go       a bound on the requests in flight, and those that wait
//	budget.go      a bound on the requests that are sent again
//
// Choosing takes no lock. It reads a snapshot, which never changes. Whatever changes the
// servers that may get requests increments a version, and the next request that sees the
// new version makes a new snapshot.
package backend

// Command bench compares Gatehouse with a bare httputil.ReverseProxy and with the gateways that this machine has, side
// by side: what one request costs each of them in CPU, what it adds in time, what it holds in memory.
//
// Every gateway is a process of its own on loopback, before the same backend. A measurement is made in these steps,
// file by file:
//
//  1. workload.go lists what is asked of the gateways, contender.go who they are; each has a file for its start and a
//     configuration in configs/.
//  2. rounds.go takes the gateways in turn, round after round, so that whatever else happens on the machine happens to
//     all of them.
//  3. load.go keeps a fixed number of connections busy; http.go and websocket.go speak on them; measure.go holds them, too.
//  4. usage.go reads CPU and memory of the gateway's processes alone, from the kernel's own accounts.
//  5. summary.go takes medians, and the ratio to the bare proxy within each round; report.go and chart.go write them.
//
// With -profile nothing is measured: profile.go has the gateway profile itself at work, for the compiler.
//
// Only the ratios mean anything elsewhere: the load, the backend and the gateway share one machine. Gateways that check
// no token are sent none, so that the ratio of a strict route counts the bytes of its token too; "same request" is the
// ratio to a bare proxy that passes the token on.
package main

// Package testkit holds what the tests of all packages share: how long they
// wait and how, raw clients and backends, servers, addresses, files, certificates,
// and logs that are read while they are written. What belongs to one subject is in the package beside
// that subject: users in store/storetest, tokens in auth/authtest, tables in
// config/configtest.
package testkit

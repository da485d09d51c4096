//go:build race

package deploy_test

// buildFlags build the program the way the tests are built: what that has compiled is used again, and a race in the
// running gateway is found.
var buildFlags = []string{"-race"}

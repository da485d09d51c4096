package testkit

// Lookup returns a lookup in an environment of these variables alone.
func Lookup(variables map[string]string) func(name string) (value string, found bool) {
	return func(name string) (string, bool) {
		value, found := variables[name]
		return value, found
	}
}

// This file parses one plain value: durations, sizes, URLs, networks, UUIDs,
// booleans.

package yamldoc

import (
	"net/netip"
	"net/url"
	"reflect"
	"time"

	"github.com/google/uuid"

	"gatehouse/config/problem"
	"gatehouse/config/value"
)

// parseScalar sets v, whose type IsScalar accepts, from a text.
func parseScalar(text string, v reflect.Value) *problem.Fault {
	switch target := v.Addr().Interface().(type) {
	case *url.URL:
		parsed, f := value.ParseURL(text)
		if f == nil {
			*target = *parsed
		}
		return f
	case *netip.Prefix:
		return set(target, text, value.ParseNetwork)
	case *uuid.UUID:
		return set(target, text, value.ParseUUID)
	case *time.Duration:
		return set(target, text, value.ParseDuration)
	case *value.Size:
		return set(target, text, value.ParseSize)
	case *value.Count:
		return set(target, text, value.ParseCount)
	case *value.Status:
		return set(target, text, value.ParseStatus)
	case *bool:
		return set(target, text, value.ParseBool)
	default:
		v.SetString(text)
		return nil
	}
}

func set[T any](target *T, text string, parse func(string) (T, *problem.Fault)) *problem.Fault {
	value, f := parse(text)
	*target = value
	return f
}

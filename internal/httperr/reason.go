package httperr

// Reason says why the gateway itself answered with a 5xx. It is a metric label, and the
// set is closed.
type Reason string

// The reasons.
const (
	ReasonConnect     Reason = "connect"     // no connection to the backend
	ReasonTimeout     Reason = "timeout"     // the backend took too long
	ReasonBroken      Reason = "broken"      // the backend gave no answer, or one that is not HTTP
	ReasonRewrite     Reason = "rewrite"     // the path cannot be rewritten for the backend
	ReasonResources   Reason = "resources"   // the gateway has no file descriptor or local port left
	ReasonStore       Reason = "store"       // the database of the users does not answer
	ReasonKeys        Reason = "keys"        // the keys of a token's issuer are not there
	ReasonLimit       Reason = "limit"       // too much work at the same time
	ReasonNoTable     Reason = "no_table"    // there is no route table yet
	ReasonUnsupported Reason = "unsupported" // the request needs something that the gateway does not do
	ReasonInternal    Reason = "internal"    // a mistake in the gateway
)

// Reasons are all reasons.
var Reasons = [...]Reason{
	ReasonConnect, ReasonTimeout, ReasonBroken, ReasonRewrite, ReasonResources, ReasonStore, ReasonKeys, ReasonLimit, ReasonNoTable,
	ReasonUnsupported, ReasonInternal,
}

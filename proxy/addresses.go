package proxy

import (
	"gatehouse/internal/httperr"
	"gatehouse/proxy/clientip"
)

// checkAddress refuses a caller whose address the route does not allow.
func (r *compiledRoute) checkAddress(caller *clientip.Caller) *httperr.Error {
	if r.addresses == nil {
		return nil
	}
	switch r.addresses.Check(caller) {
	case clientip.FilterAllowed:
		return nil
	case clientip.FilterDenied:
		return refuseDeniedAddress
	case clientip.FilterNotListed:
		return refuseUnlistedAddress
	default:
		return refuseUnknownAddress
	}
}

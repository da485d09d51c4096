package account

// This file lets users join a company. The original gateway let every user join
// any company. Here the operator configures which companies may be joined.

import (
	"context"
	"slices"

	"github.com/google/uuid"

	"gatehouse/auth"
	"gatehouse/config"
	"gatehouse/internal/httperr"
	"gatehouse/store"
)

// companyAnswer has the fields of the original gateway's answer, in its order.
type companyAnswer struct {
	UserID         uuid.UUID `json:"user_id"`
	CompanyID      uuid.UUID `json:"company_id"`
	Message        string    `json:"message"`
	NewAccessToken string    `json:"new_access_token"`
	TokenType      string    `json:"token_type"`
}

// ensureCompany stores the user's company when it differs, and returns a token
// that names it.
func (h *Handler) ensureCompany(ctx context.Context, who *auth.Identity, sent body) (any, *httperr.Error) {
	wanted, refusal := readCompany(sent)
	if refusal != nil {
		return nil, refusal
	}
	began := h.Now()
	user, refusal := h.currentUser(ctx, who)
	if refusal != nil {
		return nil, refusal
	}
	company := h.chooseCompany(user, wanted)
	if company == nil {
		return nil, refuseNoCompanyGiven
	}
	if !h.mayJoin(user, *company) {
		return nil, refuseJoin
	}
	message := "Company association confirmed as " + company.String() + "."
	if !isCompany(user, *company) {
		if user, refusal = h.changeUser(ctx, user.ID, store.Change{CompanyID: &company}); refusal != nil {
			return nil, refusal
		}
		// A token that was revoked meanwhile must not be exchanged for a good
		// one.
		if refusal := auth.CheckRevoked(who, user); refusal != nil {
			return nil, refusal
		}
		message = "Company association successfully updated to " + company.String() + "."
	}
	token, err := h.Signer.TokenFor(user, began)
	if err != nil {
		return nil, httperr.Internal.Because(err)
	}
	return companyAnswer{
		UserID:         user.ID,
		CompanyID:      *company,
		Message:        message,
		NewAccessToken: token,
		TokenType:      "bearer",
	}, nil
}

// readCompany returns nil when there is no body, or the body names no company.
func readCompany(sent body) (*uuid.UUID, *httperr.Error) {
	if sent.isEmpty() {
		return nil, nil
	}
	form, refusal := sent.form()
	if refusal != nil {
		return nil, refusal
	}
	company := form.optionalUUID("company_id")
	return company, form.refusal()
}

// chooseCompany returns the company that the request names. Without one it
// returns the user's own company, or the default company for a user without
// one. It returns nil when none of these exists.
func (h *Handler) chooseCompany(user store.User, wanted *uuid.UUID) *uuid.UUID {
	switch {
	case wanted != nil:
		return wanted
	case user.CompanyID == nil:
		return h.DefaultCompanyID
	}
	return user.CompanyID
}

// mayJoin reports whether the user may join the company. Every user may confirm
// their own company.
func (h *Handler) mayJoin(user store.User, company uuid.UUID) bool {
	return isCompany(user, company) ||
		h.Join == config.JoinAny ||
		h.DefaultCompanyID != nil && *h.DefaultCompanyID == company ||
		slices.Contains(h.Companies, company)
}

func isCompany(user store.User, company uuid.UUID) bool {
	return user.CompanyID != nil && *user.CompanyID == company
}

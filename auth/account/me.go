package account

// This file lets users read their own account, change their password and revoke
// their tokens.

import (
	"context"
	"time"

	"github.com/google/uuid"

	"gatehouse/auth"
	"gatehouse/internal/httperr"
	"gatehouse/store"
)

type meAnswer struct {
	UserID    uuid.UUID  `json:"user_id"`
	Email     string     `json:"email"`
	FullName  *string    `json:"full_name"`
	Role      string     `json:"role"`
	CompanyID *uuid.UUID `json:"company_id"`
	Active    bool       `json:"is_active"`
	CreatedAt time.Time  `json:"created_at"`
	LastLogin *time.Time `json:"last_login"`
}

func (h *Handler) me(ctx context.Context, who *auth.Identity, _ body) (any, *httperr.Error) {
	user, refusal := h.currentUser(ctx, who)
	if refusal != nil {
		return nil, refusal
	}
	return meAnswer{
		UserID:    user.ID,
		Email:     user.Email,
		FullName:  user.FullName,
		Role:      user.Role,
		CompanyID: user.CompanyID,
		Active:    user.Active,
		CreatedAt: user.CreatedAt,
		LastLogin: user.LastLogin,
	}, nil
}

// changePassword requires the old password, too. A stolen token must not be
// enough to lock out its owner.
func (h *Handler) changePassword(ctx context.Context, who *auth.Identity, sent body) (any, *httperr.Error) {
	form, refusal := sent.form()
	if refusal != nil {
		return nil, refusal
	}
	// An old password may be shorter than new ones may be.
	oldPassword, _ := form.text("old_password")
	newPassword := form.newPassword("new_password")
	if refusal := form.refusal(); refusal != nil {
		return nil, refusal
	}
	user, refusal := h.currentUser(ctx, who)
	if refusal != nil {
		return nil, refusal
	}
	hash, refusal := h.replacePassword(ctx, user, oldPassword, newPassword)
	if refusal != nil {
		return nil, refusal
	}
	// All tokens of this user are revoked now, including the token of this
	// request.
	_, refusal = h.changeUser(ctx, user.ID, store.Change{HashedPassword: &hash})
	return nil, refusal
}

// logoutEverywhere revokes all tokens of the user. A body is optional, and
// ignored.
func (h *Handler) logoutEverywhere(ctx context.Context, who *auth.Identity, _ body) (any, *httperr.Error) {
	user, refusal := h.currentUser(ctx, who)
	if refusal != nil {
		return nil, refusal
	}
	_, refusal = h.changeUser(ctx, user.ID, store.Change{RevokeTokens: true})
	return nil, refusal
}

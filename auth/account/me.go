package account

// This file lets users look at themselves, change their password and make their
// tokens void.

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

// changePassword wants the old password, too: a token that was found lying
// about must not be enough to keep its owner out.
func (h *Handler) changePassword(ctx context.Context, who *auth.Identity, sent body) (any, *httperr.Error) {
	form, refusal := sent.form()
	if refusal != nil {
		return nil, refusal
	}
	// An old password may be shorter than what is asked of new ones.
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
	// The tokens of this user are void from now on, the one that came with this
	// request included.
	_, refusal = h.changeUser(ctx, user.ID, store.Change{HashedPassword: &hash})
	return nil, refusal
}

// logoutEverywhere makes all tokens of the user void. A body is not asked for,
// and not looked at.
func (h *Handler) logoutEverywhere(ctx context.Context, who *auth.Identity, _ body) (any, *httperr.Error) {
	user, refusal := h.currentUser(ctx, who)
	if refusal != nil {
		return nil, refusal
	}
	_, refusal = h.changeUser(ctx, user.ID, store.Change{RevokeTokens: true})
	return nil, refusal
}

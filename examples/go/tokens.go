// Is this an access token of ours, and what does it say? What was revoked is asked of revocations.go.
package main

import (
	"encoding/base64"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v3"
	"github.com/go-jose/go-jose/v3/jwt"
)

type Claims struct {
	jwt.Claims
	Session     string   `json:"sid"`
	Generation  *uint64  `json:"gen"`
	User        *uint64  `json:"uv"`
	RoleTable   *uint64  `json:"rv"`
	Roles       []string `json:"roles"`
	Permissions []string `json:"permissions"`
}

func verify(token string) (c Claims, kid string, err error) {
	invalid := refused{401, "invalid_token"}
	for _, part := range strings.Split(token, ".") {
		// One spelling alone: a token with stray bits is another token.
		if _, err := base64.RawURLEncoding.Strict().DecodeString(part); err != nil {
			return c, "", invalid
		}
	}
	parsed, err := jwt.ParseSigned(token)
	if err != nil || len(token) > 8192 {
		return c, "", invalid
	}
	header := parsed.Headers[0]
	typ, _ := header.ExtraHeaders[jose.HeaderType].(string)
	// No other header says anything that Keyward wrote: no `crit`, no `jwk`.
	is := strings.TrimPrefix(strings.ToLower(typ), "application/") == "at+jwt"
	if !is || len(header.ExtraHeaders) != 1 || header.JSONWebKey != nil {
		return c, "", invalid
	}
	k, err := key(header.KeyID)
	if err != nil {
		return c, "", err
	}
	if header.Algorithm != k.Algorithm || parsed.Claims(k, &c) != nil || c.Subject == "" || c.Session == "" ||
		c.Expiry == nil || c.IssuedAt == nil || c.NotBefore == nil || c.Generation == nil || c.User == nil || c.RoleTable == nil {
		return c, "", invalid
	}
	expected := jwt.Expected{Issuer: issuer, Audience: jwt.Audience{audience}, Time: time.Now()}
	if err := c.ValidateWithLeeway(expected, time.Minute); err != nil && err != jwt.ErrExpired {
		return c, "", invalid
	}
	// Clocks differ, so `iat` and `nbf` may lie a minute ahead; nothing is good for longer than it says.
	if !c.Expiry.Time().After(expected.Time) {
		return c, "", refused{401, "token_expired"}
	}
	return c, header.KeyID, nil
}

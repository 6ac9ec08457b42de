// Is this an access token of ours, and what does it say? What was revoked is asked of revocations.go.
package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"time"
)

var (
	errInvalid = errors.New("no access token of ours")
	errExpired = errors.New("expired")
	decode     = base64.RawURLEncoding.Strict().DecodeString
)

type claims struct {
	Iss, Sub, Sid      string
	Aud                any
	Exp, Iat, Nbf      *int64
	Gen, Uv, Rv        *uint64
	Roles, Permissions []string
}

func verify(token string) (c claims, kid string, err error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 || len(token) > 8192 {
		return c, "", errInvalid
	}
	header, err1 := decode(parts[0])
	payload, err2 := decode(parts[1])
	signature, err3 := decode(parts[2])
	// No other header says anything that Keyward wrote: no crit, no jwk.
	var h struct{ Alg, Typ, Kid string }
	strict := json.NewDecoder(bytes.NewReader(header))
	strict.DisallowUnknownFields()
	if err1 != nil || err2 != nil || err3 != nil || !once(header) || !once(payload) || strict.Decode(&h) != nil {
		return c, "", errInvalid
	}
	if strings.TrimPrefix(strings.ToLower(h.Typ), "application/") != "at+jwt" {
		return c, "", errInvalid
	}
	k, err := key(h.Kid)
	if err == errNoKeys {
		return c, "", err
	}
	if err != nil || h.Alg != k.Alg || !k.verifies([]byte(parts[0]+"."+parts[1]), signature) {
		return c, "", errInvalid
	}
	if json.Unmarshal(payload, &c) != nil || c.Iss != issuer || c.Sub == "" || c.Sid == "" || !isFor(c.Aud) {
		return c, "", errInvalid
	}
	now := time.Now().Unix()
	if c.Exp == nil || c.Iat == nil || c.Nbf == nil || c.Gen == nil || c.Uv == nil || c.Rv == nil {
		return c, "", errInvalid
	}
	// Clocks differ: by a minute at most.
	if *c.Iat > now+60 || *c.Nbf > now+60 {
		return c, "", errInvalid
	}
	if *c.Exp <= now {
		return c, "", errExpired
	}
	return c, h.Kid, nil
}

func isFor(aud any) bool {
	list, _ := aud.([]any)
	for _, one := range append(list, aud) {
		if text, ok := one.(string); ok && text == audience {
			return true
		}
	}
	return false
}

// once tells whether this is JSON without a member that is there twice: parsers differ on which one counts.
func once(text []byte) bool {
	type level struct {
		names  map[string]bool
		isName bool
	}
	var open []level
	for d := json.NewDecoder(bytes.NewReader(text)); ; {
		t, err := d.Token()
		if err != nil {
			return err == io.EOF && len(text) > 0
		}
		if t == json.Delim('}') || t == json.Delim(']') {
			open = open[:len(open)-1]
			continue
		}
		if n := len(open) - 1; n >= 0 && open[n].names != nil {
			if open[n].isName = !open[n].isName; open[n].isName {
				name := strings.ToLower(t.(string)) // Go takes a member in any case for a field
				if open[n].names[name] {
					return false
				}
				open[n].names[name] = true
			}
		}
		if t == json.Delim('{') {
			open = append(open, level{names: map[string]bool{}})
		} else if t == json.Delim('[') {
			open = append(open, level{})
		}
	}
}

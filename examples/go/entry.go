// What does an entry of the feed cut off, and for how long?
package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// entry is what the feed tells. Uv and Rv are the least that is still good.
type entry struct {
	Kind, Kid, Sid, Sub string
	Gen, Uv, Rv         uint64
	Until               time.Time
}

// revoke gives an error for what it can't read: something is cut off, and nobody knows what.
func revoke(data string) error {
	var e entry
	err := json.Unmarshal([]byte(data), &e)
	if err != nil || e.Until.IsZero() || !strings.Contains(" key session generation user roles ", " "+e.Kind+" ") {
		return fmt.Errorf("revoked is %q, and nobody here knows what that is: %w", data, err)
	}
	lock.Lock()
	defer lock.Unlock()
	what := entry{Kind: e.Kind, Kid: e.Kid, Sid: e.Sid, Sub: e.Sub, Gen: e.Gen}
	known := revoked[what]
	if known.Until.After(e.Until) {
		e.Until = known.Until
	}
	if known.Uv > e.Uv || known.Rv > e.Rv {
		e.Uv, e.Rv = known.Uv, known.Rv
	}
	revoked[what] = e
	if e.Kind != "key" { // which is never forgotten: whoever stole it dates tokens as they like
		time.AfterFunc(time.Until(e.Until), func() { forget(what) })
	}
	return nil
}

func forget(what entry) {
	lock.Lock()
	defer lock.Unlock()
	if !revoked[what].Until.After(time.Now()) {
		delete(revoked, what)
	}
}

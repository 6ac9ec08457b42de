// What did Keyward revoke, as its feed tells it? Silent for two seconds, it is not to be believed.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log"
	"math/rand"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

type entry struct {
	Kind, Kid, Sid, Sub string
	Gen, Uv, Rv         uint64
	Until               time.Time
}

// stage is how far a connection has come: between ready and the first heartbeat comes what was missed.
type stage struct{ isReady bool }

var (
	revoked  = map[string]entry{}
	heardAt  time.Time
	position string
	lock     sync.RWMutex
)

// cutOff is why this token is cut off: the code of the refusal, or "".
func cutOff(c claims, kid string) string {
	lock.RLock()
	defer lock.RUnlock()
	has := func(kind, id string, n uint64) bool { _, is := revoked[fmt.Sprint(kind, " ", id, " ", n)]; return is }
	switch {
	case has("key", kid, 0):
		return "token_stale"
	case has("session", c.Sid, 0), has("generation", c.Sid, *c.Gen):
		return "session_revoked"
	case *c.Uv < revoked["user "+c.Sub+" 0"].Uv, *c.Rv < revoked["roles  0"].Rv:
		return "token_stale"
	}
	return ""
}

func isFresh() bool {
	lock.RLock()
	defer lock.RUnlock()
	return time.Since(heardAt) <= 2*time.Second
}

// take gives an error for what it can't read: something is cut off, and nobody knows what.
func take(event map[string]string, at *stage) error {
	lock.Lock()
	defer lock.Unlock()
	var e entry
	if event["event"] == "revocation" {
		if err := json.Unmarshal([]byte(event["data"]), &e); err != nil {
			return err
		}
		if !strings.Contains(" key session generation user roles ", " "+e.Kind+" ") {
			return fmt.Errorf("revoked is a %q, and nobody here knows what that is", e.Kind)
		}
		what := fmt.Sprint(e.Kind, " ", e.Sid+e.Sub+e.Kid, " ", e.Gen)
		known := revoked[what]
		if known.Until.After(e.Until) {
			e.Until = known.Until
		}
		if known.Uv > e.Uv || known.Rv > e.Rv {
			e.Uv, e.Rv = known.Uv, known.Rv
		}
		revoked[what] = e
	}
	at.isReady = at.isReady || event["event"] == "ready"
	if at.isReady && event["event"] == "heartbeat" {
		heardAt = time.Now()
	}
	if id, has := event["id"]; has {
		position = id
	}
	return nil
}

func listen() {
	for ; ; time.Sleep(time.Duration(250+rand.Intn(750)) * time.Millisecond) {
		ctx, stop := context.WithCancel(context.Background())
		silence := time.AfterFunc(5*time.Second, stop)
		request, _ := http.NewRequestWithContext(ctx, "GET", server+"/api/auth/revocations", nil)
		request.Header.Set("Authorization", "Bearer "+serviceKey)
		if position != "" {
			request.Header.Set("Last-Event-ID", position)
		}
		answer, err := (&http.Client{CheckRedirect: stay, Transport: web.Transport}).Do(request)
		if err != nil || answer.StatusCode != 200 {
			log.Println("revocations:", err, answer)
			stop()
			continue
		}
		at, event := stage{}, map[string]string{}
		for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
			silence.Reset(5 * time.Second)
			if name, value, is := strings.Cut(lines.Text(), ": "); is {
				event[name] = value
			} else if lines.Text() == "" {
				if err := take(event, &at); err != nil {
					log.Println("revocations:", err)
					break
				}
				event = map[string]string{}
			}
		}
		stop()
		answer.Body.Close()
	}
}

func forget() {
	for range time.Tick(time.Minute) {
		lock.Lock()
		for what, e := range revoked {
			// A key is never forgotten: whoever stole it dates tokens as they like.
			if e.Kind != "key" && !e.Until.After(time.Now()) {
				delete(revoked, what)
			}
		}
		lock.Unlock()
	}
}

// isActive is what Keyward itself says of the token; an error where it says nothing.
func isActive(token string) (bool, error) {
	ctx, stop := context.WithTimeout(context.Background(), 2*time.Second)
	defer stop()
	form := strings.NewReader(url.Values{"token": {token}}.Encode())
	request, _ := http.NewRequestWithContext(ctx, "POST", server+"/api/auth/introspect", form)
	request.Header.Set("Authorization", "Bearer "+serviceKey)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer, err := web.Do(request)
	if err != nil {
		return false, err
	}
	defer answer.Body.Close()
	var said struct{ Active *bool }
	if err := json.NewDecoder(answer.Body).Decode(&said); err != nil || answer.StatusCode != 200 || said.Active == nil {
		return false, fmt.Errorf("introspection answers %d", answer.StatusCode)
	}
	return *said.Active, nil
}

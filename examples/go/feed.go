// How is the feed heard?
package main

import (
	"bufio"
	"context"
	"log"
	"math/rand"
	"strings"
	"sync/atomic"
	"time"
)

var (
	heardAt  atomic.Pointer[time.Time]
	position string
)

func listen() {
	for ; ; time.Sleep(time.Duration(250+rand.Intn(750)) * time.Millisecond) {
		ctx, stop := context.WithCancel(context.Background())
		log.Println("revocations:", hear(ctx, time.AfterFunc(5*time.Second, stop)))
		stop()
	}
}

func hear(ctx context.Context, silence *time.Timer) error {
	headers := map[string]string{}
	if position != "" {
		headers["Last-Event-ID"] = position
	}
	feed, err := ask(ctx, "GET", "/api/auth/revocations", "", headers)
	if err != nil {
		return err
	}
	defer feed.Close()
	event, isReady, lines := map[string]string{}, false, bufio.NewScanner(feed)
	for lines.Scan() {
		silence.Reset(5 * time.Second)
		if name, value, is := strings.Cut(lines.Text(), ": "); is {
			event[name] = value
			continue
		}
		if event["event"] == "revocation" {
			if err := revoke(event["data"]); err != nil {
				return err
			}
		}
		isReady = isReady || event["event"] == "ready"
		if now := time.Now(); isReady && event["event"] == "heartbeat" { // between the two comes what was missed
			heardAt.Store(&now)
		}
		if id, has := event["id"]; has {
			position = id
		}
		event = map[string]string{}
	}
	return lines.Err()
}

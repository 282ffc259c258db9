package redis

import (
	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"sightline/store/cache"
)

// NewClient makes a client as a queue needs it: o with the client's own retries
// off, because the queue knows better which of its calls to repeat, contexts
// heeded, and dialling that prints nothing.
func NewClient(o goredis.Options) *goredis.Client {
	o.MaxRetries, o.DialerRetries = -1, 1
	o.ContextTimeoutEnabled = true
	o.DisableIdentity = true
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	plain := o
	o.Dialer = cache.Dialer(&plain)
	return goredis.NewClient(&o)
}
